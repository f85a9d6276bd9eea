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
#include "pipelines/scope-pipeline-engine.h"

#define WEIGHTS "scribble/anime_style/netG_A_latest.pth"

typedef struct {
    ScopePipelineEngine engine;
    ScopeContour *contour;
} Scribble;

typedef struct {
    const Scribble *scribble;
    ScopeContext *ctx;
} ScribbleStream;

static const char *const files[] = {"config.json", WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.repo_id = "daydreamlive/VACE-Annotators", .files = files},
};

static void
scribble_unload(gpointer instance)
{
    Scribble *self = instance;

    g_clear_pointer(&self->contour, scope_contour_unload);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}

static gpointer
load_contour(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_contour_load(ctx, checkpoint, error);
}

static gboolean
scribble_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
              gpointer *ret_instance, GError **error)
{
    Scribble *self = g_new0(Scribble, 1);

    if (scope_pipeline_engine_init(&self->engine, host, error))
        self->contour =
            scope_pipeline_engine_load_model(&self->engine, &scope_scribble_desc, &artifacts[0],
                                             WEIGHTS, load_contour, progress, error);
    if (self->contour == NULL) {
        scribble_unload(self);
        return FALSE;
    }
    *ret_instance = self;
    return TRUE;
}

static gpointer
scribble_stream_new(gpointer instance, const void *params, GError **error)
{
    const Scribble *scribble = instance;
    ScopeContext *ctx = scope_pipeline_engine_new_context(&scribble->engine, error);
    ScribbleStream *self;

    if (ctx == NULL)
        return NULL;
    self = g_new0(ScribbleStream, 1);
    self->scribble = scribble;
    self->ctx = ctx;
    return self;
}

static void
scribble_stream_free(gpointer stream)
{
    ScribbleStream *self = stream;

    scope_context_destroy(self->ctx);
    g_free(self);
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
draw(const ScribbleStream *self, ScopeTensor pixels)
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
    scope_contour_run(ctx, self->scribble->contour, lines, rgb, NULL);
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
    ScribbleStream *self = stream;
    const ScopePipelineEngine *engine = &self->scribble->engine;
    const ScopePort *port = &call->ports[0];

    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeArenaMark mark = scope_arena_mark(self->ctx->scratch);
        ScopeTensor lines = draw(self, scope_pipeline_view_frame(port->frames[i]));
        ScopeFrame *out = scope_pipeline_new_frame(engine, self->ctx, lines);

        scope_arena_release(self->ctx->scratch, mark);
        scope_frame_copy_times(out, port->frames[i]);
        engine->host->output_push(call->output, "video", out);
    }
    return scope_context_synchronize(self->ctx, error);
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
    .unload = scribble_unload,
    .stream_new = scribble_stream_new,
    .stream_free = scribble_stream_free,
    .prepare = scribble_prepare,
    .process = scribble_process,
};
