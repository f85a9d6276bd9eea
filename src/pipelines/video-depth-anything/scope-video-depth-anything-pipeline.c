/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video Depth Anything: the depth of each frame in shades of gray, near is bright. A chunk of four
 * frames starts without memory and is normalised by its own range, as the wire contract says. The
 * instance owns the network, a stream its context and the memory inside a chunk.
 */
#include "pipelines/video-depth-anything/scope-video-depth-anything-pipeline.h"

#include "core/scope-frame.h"
#include "models/scope-vda.h"
#include "pipelines/scope-pipeline-engine.h"

#define WEIGHTS      "video_depth_anything_vits.pth"
#define CHUNK_FRAMES 4

typedef struct {
    ScopePipelineEngine engine;
    ScopeVda *vda;
} Depth;

typedef struct {
    const Depth *depth;
    ScopeContext *ctx;
    ScopeVdaStream *memory; /* (nullable): for frames of the size below */
    guint32 width;
    guint32 height;
} DepthStream;

static const char *const files[] = {"config.json", WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.repo_id = "daydreamlive/Video-Depth-Anything-Small", .files = files},
};

static void
depth_unload(gpointer instance)
{
    Depth *self = instance;

    g_clear_pointer(&self->vda, scope_vda_unload);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}

static gpointer
load_vda(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_vda_load(ctx, checkpoint, NULL, error);
}

static gboolean
depth_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
           gpointer *ret_instance, GError **error)
{
    Depth *self = g_new0(Depth, 1);

    if (scope_pipeline_engine_init(&self->engine, host, error))
        self->vda =
            scope_pipeline_engine_load_model(&self->engine, &scope_video_depth_anything_desc,
                                             &artifacts[0], WEIGHTS, load_vda, progress, error);
    if (self->vda == NULL) {
        depth_unload(self);
        return FALSE;
    }
    *ret_instance = self;
    return TRUE;
}

static gpointer
depth_stream_new(gpointer instance, const void *params, GError **error)
{
    const Depth *depth = instance;
    ScopeContext *ctx = scope_pipeline_engine_new_context(&depth->engine, error);
    DepthStream *self;

    if (ctx == NULL)
        return NULL;
    self = g_new0(DepthStream, 1);
    self->depth = depth;
    self->ctx = ctx;
    return self;
}

static void
depth_stream_free(gpointer stream)
{
    DepthStream *self = stream;

    scope_vda_stream_destroy(self->memory);
    scope_context_destroy(self->ctx);
    g_free(self);
}

static guint32
depth_prepare(gpointer stream, const ScopeCall *call)
{
    return CHUNK_FRAMES;
}

/* Empty memory for frames of the size of @frame. */
static gboolean
begin_chunk(DepthStream *self, const ScopeFrame *frame, GError **error)
{
    GError *failure = NULL;

    if (self->memory != NULL && self->width == frame->width && self->height == frame->height) {
        scope_vda_stream_reset(self->memory);
        return TRUE;
    }
    g_clear_pointer(&self->memory, scope_vda_stream_destroy);
    self->width = frame->width;
    self->height = frame->height;
    self->memory = scope_vda_stream_create(self->ctx, self->depth->vda, SCOPE_VDA_MEMORY_PREVIOUS,
                                           frame->height, frame->width,
                                           SCOPE_VDA_DEFAULT_INPUT_SIZE, &failure);
    scope_pipeline_take_error(failure, error);
    return self->memory != NULL;
}

static gboolean
depth_process(gpointer stream, const ScopeCall *call, GError **error)
{
    DepthStream *self = stream;
    ScopeContext *ctx = self->ctx;
    const ScopePipelineEngine *engine = &self->depth->engine;
    const ScopePort *port = &call->ports[0];
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor bytes, depth;

    if (!begin_chunk(self, port->frames[0], error))
        return FALSE;
    bytes = scope_pipeline_upload_frames(ctx, port);
    depth = scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                  SCOPE_SHAPE(bytes.shape[0], bytes.shape[1], bytes.shape[2], 1));
    for (int64_t i = 0; i < bytes.shape[0]; i++)
        scope_vda_stream_run(ctx, self->memory,
                             scope_tensor_select(scope_tensor_select(depth, 0, i), 2, 0),
                             scope_tensor_select(bytes, 0, i));
    scope_vda_normalise(ctx, depth, depth);
    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeFrame *out =
            scope_pipeline_new_frame(engine, ctx, scope_tensor_select(depth, 0, (int64_t)i));

        scope_frame_copy_times(out, port->frames[i]);
        engine->host->output_push(call->output, "video", out);
    }
    scope_arena_release(ctx->scratch, mark);
    return scope_context_synchronize(ctx, error);
}

const ScopePipelineDesc scope_video_depth_anything_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "video-depth-anything",
    .name = "Video Depth Anything",
    .description = "Estimates the depth of the input video, for conditioning with VACE.",
    .version = "1.0.0",
    .schema_title = "VideoDepthAnythingConfig",
    .docs_url = "https://github.com/DepthAnything/Video-Depth-Anything",
    .usage = SCOPE_PIPELINE_PREPROCESSOR,
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .estimated_vram_gb = 1.0,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .load = depth_load,
    .unload = depth_unload,
    .stream_new = depth_stream_new,
    .stream_free = depth_stream_free,
    .prepare = depth_prepare,
    .process = depth_process,
};
