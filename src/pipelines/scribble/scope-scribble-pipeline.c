/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scribble: the contours of each input frame as white paper with dark lines. A frame in, a frame
 * out; nothing is kept between frames. The instance owns the network, a stream its context.
 */
#include "pipelines/scribble/scope-scribble-pipeline.h"

#include "core/scope-frame.h"
#include "engine/scope-ops.h"
#include "models/scope-contour.h"
#include "models/scope-video-convert.h"
#include "pipelines/scope-network.h"

#define WEIGHTS "scribble/anime_style/netG_A_latest.pth"

static const char *const files[] = {"config.json", WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.repo_id = "daydreamlive/VACE-Annotators", .files = files},
};

static gpointer
load_contour(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_contour_load(ctx, checkpoint, error);
}

static void
unload_contour(gpointer model)
{
    scope_contour_unload(model);
}

static const ScopeNetworkKind kind = {
    .desc = &scope_scribble_desc,
    .load = load_contour,
    .unload = unload_contour,
};

static gboolean
scribble_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
              gpointer *ret_instance, GError **error)
{
    return scope_network_load(&kind, host, &artifacts[0], WEIGHTS, progress, ret_instance, error);
}

static guint32
scribble_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

/*
 * The drawing [height, width, 1] of @pixels [1, height, width, 3] u8, in scratch. Frames that are
 * smaller than the network's borders allow are drawn enlarged.
 */
static ScopeTensor
draw(const ScopeNetworkStream *self, ScopeTensor pixels)
{
    ScopeContext *ctx = self->ctx;
    ScopeDType type = scope_context_work_dtype(ctx);
    int64_t height = pixels.shape[1], width = pixels.shape[2];
    int64_t h = MAX(height, SCOPE_CONTOUR_MIN_SIZE), w = MAX(width, SCOPE_CONTOUR_MIN_SIZE);
    ScopeTensor rgb = scope_context_scratch(ctx, type, SCOPE_SHAPE(1, h, w, 3));
    ScopeTensor lines = scope_context_scratch(
        ctx, type,
        SCOPE_SHAPE(1, scope_contour_get_output_size(h), scope_contour_get_output_size(w), 1));
    ScopeTensor small;

    scope_video_resize(ctx, rgb, pixels);
    scope_op_affine(ctx, rgb, rgb, 1.0f / 255, 0);
    scope_contour_run(ctx, self->network->model, lines, rgb, NULL);
    lines = scope_tensor_slice(scope_tensor_slice(lines, 1, 0, h), 2, 0, w);
    if (h == height && w == width)
        return scope_tensor_select(lines, 0, 0);
    small = scope_context_scratch(ctx, type, SCOPE_SHAPE(1, height, width, 1));
    scope_video_resize(ctx, small, lines);
    return scope_tensor_select(small, 0, 0);
}

static gboolean
scribble_process(gpointer stream, const ScopeCall *call, GError **error)
{
    ScopeNetworkStream *self = stream;
    const ScopePort *port = &call->ports[0];

    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeArenaMark mark = scope_arena_mark(self->ctx->scratch);

        scope_network_push(self, call, draw(self, scope_pipeline_view_frame(port->frames[i])),
                           port->frames[i]);
        scope_arena_release(self->ctx->scratch, mark);
    }
    return scope_network_finish(self, error);
}

const ScopePipelineDesc scope_scribble_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "scribble",
    .name = "Scribble",
    .description = "Draws the contours of the input video, for conditioning with VACE.",
    .version = "1.0.0",
    .schema_title = "ScribbleConfig",
    .usage = SCOPE_PIPELINE_PREPROCESSOR,
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .load = scribble_load,
    .unload = scope_network_unload,
    .stream_new = scope_network_stream_new,
    .stream_free = scope_network_stream_free,
    .prepare = scribble_prepare,
    .process = scribble_process,
};
