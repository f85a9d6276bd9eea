/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video Depth Anything: the depth of each frame in shades of gray, near is bright. A chunk of four
 * frames starts without memory and is normalised by its own range, as the wire contract says. The
 * instance owns the network, a stream its context and the memory inside a chunk.
 */
#include "pipelines/video-depth-anything/scope-video-depth-anything-pipeline.h"

#include "core/scope-frame.h"
#include "models/scope-vda.h"
#include "pipelines/scope-network.h"

#define WEIGHTS      "video_depth_anything_vits.pth"
#define CHUNK_FRAMES 4

/* What a stream keeps. */
typedef struct {
    ScopeVdaStream *memory; /* (nullable): for frames of the size below */
    guint32 width;
    guint32 height;
} Memory;

static const char *const files[] = {"config.json", WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.repo_id = "daydreamlive/Video-Depth-Anything-Small", .files = files},
};

static gpointer
load_vda(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_vda_load(ctx, checkpoint, NULL, error);
}

static void
unload_vda(gpointer model)
{
    scope_vda_unload(model);
}

static gpointer
memory_new(const ScopeNetwork *network, GError **error)
{
    return g_new0(Memory, 1);
}

static void
memory_free(gpointer state)
{
    Memory *self = state;

    scope_vda_stream_destroy(self->memory);
    g_free(self);
}

static const ScopeNetworkKind kind = {
    .desc = &scope_video_depth_anything_desc,
    .load = load_vda,
    .unload = unload_vda,
    .state_new = memory_new,
    .state_free = memory_free,
};

static gboolean
depth_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
           gpointer *ret_instance, GError **error)
{
    return scope_network_load(&kind, host, &artifacts[0], WEIGHTS, progress, ret_instance, error);
}

static guint32
depth_prepare(gpointer stream, const ScopeCall *call)
{
    return CHUNK_FRAMES;
}

/* Empty memory for frames of the size of @frame; %NULL with @error set when there is none. */
static ScopeVdaStream *
begin_chunk(ScopeNetworkStream *stream, const ScopeFrame *frame, GError **error)
{
    Memory *self = stream->state;
    GError *failure = NULL;

    if (self->memory != NULL && self->width == frame->width && self->height == frame->height) {
        scope_vda_stream_reset(self->memory);
        return self->memory;
    }
    g_clear_pointer(&self->memory, scope_vda_stream_destroy);
    self->width = frame->width;
    self->height = frame->height;
    self->memory = scope_vda_stream_create(stream->ctx, stream->network->model,
                                           SCOPE_VDA_MEMORY_PREVIOUS, frame->height, frame->width,
                                           SCOPE_VDA_DEFAULT_INPUT_SIZE, &failure);
    scope_pipeline_take_error(failure, error);
    return self->memory;
}

static gboolean
depth_process(gpointer stream, const ScopeCall *call, GError **error)
{
    ScopeNetworkStream *self = stream;
    ScopeContext *ctx = self->ctx;
    const ScopePort *port = &call->ports[0];
    ScopeVdaStream *memory = begin_chunk(self, port->frames[0], error);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor bytes, depth;

    if (memory == NULL)
        return FALSE;
    bytes = scope_pipeline_upload_frames(ctx, port);
    depth = scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                  SCOPE_SHAPE(bytes.shape[0], bytes.shape[1], bytes.shape[2], 1));
    for (int64_t i = 0; i < bytes.shape[0]; i++)
        scope_vda_stream_run(ctx, memory,
                             scope_tensor_select(scope_tensor_select(depth, 0, i), 2, 0),
                             scope_tensor_select(bytes, 0, i));
    scope_vda_normalise(ctx, depth, depth);
    for (guint32 i = 0; i < port->n_frames; i++)
        scope_network_push(self, call, scope_tensor_select(depth, 0, (int64_t)i), port->frames[i]);
    scope_arena_release(ctx->scratch, mark);
    return scope_network_finish(self, error);
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
    .unload = scope_network_unload,
    .stream_new = scope_network_stream_new,
    .stream_free = scope_network_stream_free,
    .prepare = depth_prepare,
    .process = depth_process,
};
