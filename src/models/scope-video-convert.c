/* SPDX-License-Identifier: Apache-2.0 */
/* Frame conversions as sequences of engine ops. Owns nothing. Worker thread. */
#include "models/scope-video-convert.h"

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

static ScopeTensor
scratch_like(ScopeContext *ctx, ScopeTensor t)
{
    return scope_context_scratch(ctx, scope_context_work_dtype(ctx), t.ndim, t.shape);
}

/* @x as floats, resized to the height and width of @like, in scratch. */
static ScopeTensor
resized(ScopeContext *ctx, ScopeTensor like, ScopeTensor x)
{
    const ScopeResizeOptions bilinear = {.mode = SCOPE_RESIZE_BILINEAR};
    ScopeTensor small, large;

    SCOPE_ASSERT(like.ndim == 4 && x.ndim == 4 && like.shape[0] == x.shape[0] &&
                 like.shape[3] == x.shape[3]);
    small = scratch_like(ctx, x);
    scope_op_copy(ctx, small, x);
    if (scope_tensor_same_shape(like, x)) {
        return small;
    }
    large = scratch_like(ctx, like);
    scope_op_resize(ctx, large, small, &bilinear);
    return large;
}

void
scope_video_to_model(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);

    scope_op_affine(ctx, y, resized(ctx, y, x), 2.0f / 255.0f, -1);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_video_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);

    scope_op_copy(ctx, y, resized(ctx, y, x));
    scope_arena_release(ctx->scratch, mark);
}

void
scope_video_from_model(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    scope_op_affine(ctx, y, x, 0.5f, 0.5f);
    scope_op_clamp(ctx, y, y, 0, 1);
}

void
scope_video_to_u8(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeVideoRounding rounding)
{
    const ScopeUnary round = {.kind = SCOPE_UNARY_ROUND};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor scaled = scratch_like(ctx, x);

    SCOPE_ASSERT(y.dtype == SCOPE_DTYPE_U8);
    scope_op_affine(ctx, scaled, x, 255, 0);
    scope_op_clamp(ctx, scaled, scaled, 0, 255);
    if (rounding == SCOPE_VIDEO_ROUND) {
        scope_op_unary(ctx, scaled, scaled, round);
    }
    scope_op_copy(ctx, y, scaled);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_video_to_gray(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor rgb = scratch_like(ctx, x), gray, red, green, blue;

    SCOPE_ASSERT(x.ndim == 4 && x.shape[3] == 3 && scope_tensor_same_shape(x, y));
    scope_op_copy(ctx, rgb, x);
    red = scope_tensor_slice(rgb, 3, 0, 1);
    green = scope_tensor_slice(rgb, 3, 1, 2);
    blue = scope_tensor_slice(rgb, 3, 2, 3);
    gray = scratch_like(ctx, red);
    scope_op_scale_add(ctx, gray, red, 0.299f / 255, green, 0.587f / 255);
    scope_op_scale_add(ctx, gray, gray, 1, blue, 0.114f / 255);
    scope_op_clamp(ctx, y, scope_tensor_broadcast(gray, y.ndim, y.shape), 0, 1);
    scope_arena_release(ctx->scratch, mark);
}
