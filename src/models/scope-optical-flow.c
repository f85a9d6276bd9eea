/* SPDX-License-Identifier: Apache-2.0 */
/* The optical flow processor. Owns two host buffers. Worker thread. */
#include "models/scope-optical-flow.h"

#include <gio/gio.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-flow-image.h"

struct _ScopeOpticalFlow {
    const ScopeRaft *raft;
    int64_t size;
    ScopeOpticalFlowRange range;
    float *moved;     /* [size, size, 2] */
    uint8_t *colours; /* [size, size, 3] */
};

ScopeOpticalFlow *
scope_optical_flow_create(const ScopeRaft *raft, int64_t size, ScopeOpticalFlowRange range,
                          GError **error)
{
    ScopeOpticalFlow *flow;

    if (size < SCOPE_RAFT_MIN_SIZE || size % SCOPE_RAFT_SIZE_MULTIPLE != 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "optical flow at %" G_GINT64_FORMAT " pixels, expected a multiple of %d from "
                    "%d on",
                    size, SCOPE_RAFT_SIZE_MULTIPLE, SCOPE_RAFT_MIN_SIZE);
        return NULL;
    }
    flow = g_new0(ScopeOpticalFlow, 1);
    flow->raft = raft;
    flow->size = size;
    flow->range = range;
    flow->moved = g_new(float, (gsize)(size * size * 2));
    flow->colours = g_new(uint8_t, (gsize)(size * size * 3));
    return flow;
}

void
scope_optical_flow_destroy(ScopeOpticalFlow *flow)
{
    if (flow == NULL) {
        return;
    }
    g_free(flow->moved);
    g_free(flow->colours);
    g_free(flow);
}

/* Colours of the movement between the two @frames [2, size, size, 3], at the size of @y [1, H, W,
 * 3]. */
static void
draw(ScopeContext *ctx, ScopeOpticalFlow *flow, ScopeTensor y, ScopeTensor frames)
{
    const ScopeResizeOptions bilinear = {.mode = SCOPE_RESIZE_BILINEAR};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    ScopeTensor moved =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(flow->size, flow->size, 2));
    ScopeTensor image = scope_context_scratch(ctx, type, SCOPE_SHAPE(1, flow->size, flow->size, 3));

    scope_raft_run(ctx, flow->raft, moved, frames, NULL);
    scope_context_download(ctx, flow->moved, moved);
    scope_flow_image_draw(flow->colours, flow->moved, flow->size, flow->size);
    scope_op_copy(ctx, image,
                  scope_tensor_wrap(SCOPE_DTYPE_U8, flow->colours,
                                    SCOPE_SHAPE(1, flow->size, flow->size, 3)));
    scope_op_affine(ctx, image, image, 1.0f / 255, 0);
    scope_op_resize(ctx, y, image, &bilinear);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_optical_flow_run(ScopeContext *ctx, ScopeOpticalFlow *flow, ScopeTensor ret_frames,
                       ScopeTensor frames)
{
    const ScopeResizeOptions bilinear = {.mode = SCOPE_RESIZE_BILINEAR};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    int64_t n = frames.shape[0];
    ScopeTensor floats, square;

    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[3] == 3 && n >= 1 &&
                 scope_tensor_same_shape(frames, ret_frames));
    if (n == 1) {
        scope_op_fill(ctx, ret_frames, 0);
        return;
    }
    floats = scope_context_scratch(ctx, type, frames.ndim, frames.shape);
    square = scope_context_scratch(ctx, type, SCOPE_SHAPE(n, flow->size, flow->size, 3));
    scope_op_copy(ctx, floats, frames);
    scope_op_resize(ctx, square, floats, &bilinear);
    if (flow->range == SCOPE_OPTICAL_FLOW_RANGE_TRAINED) {
        scope_op_affine(ctx, square, square, 2.0f / 255, -1);
    }
    for (int64_t i = 1; i < n; i++) {
        draw(ctx, flow, scope_tensor_slice(ret_frames, 0, i, i + 1),
             scope_tensor_slice(square, 0, i - 1, i + 1));
    }
    scope_op_copy(ctx, scope_tensor_slice(ret_frames, 0, 0, 1),
                  scope_tensor_slice(ret_frames, 0, 1, 2));
    scope_arena_release(ctx->scratch, mark);
}
