/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RIFE: doubles the frame rate. Of each frame and the one before it, a frame in the middle is made;
 * T frames of a stream give 2 T - 1. The given frames pass unchanged. The instance owns the
 * network, a stream its context and the last frame.
 */
#include "pipelines/rife/scope-rife-pipeline.h"

#include "core/scope-frame.h"
#include "engine/scope-ops.h"
#include "models/scope-rife.h"
#include "pipelines/scope-pipeline-engine.h"

#define WEIGHTS "flownet.pkl"

typedef struct {
    ScopePipelineEngine engine;
    ScopeRife *rife;
} Rife;

typedef struct {
    const Rife *rife;
    ScopeContext *ctx;
    ScopeFrame *last;
} RifeStream;

static const char *const files[] = {WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.drive_file_id = "1Smy6gY7BkS_RzCjPCbMEy-TsX8Ma5B0R", .name = "RIFE", .files = files},
};

static void
rife_unload(gpointer instance)
{
    Rife *self = instance;

    g_clear_pointer(&self->rife, scope_rife_unload);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}

static gpointer
load_rife(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_rife_load(ctx, checkpoint, error);
}

static gboolean
rife_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    Rife *self = g_new0(Rife, 1);

    if (scope_pipeline_engine_init(&self->engine, host, error))
        self->rife = scope_pipeline_engine_load_model(
            &self->engine, &scope_rife_desc, &artifacts[0], WEIGHTS, load_rife, progress, error);
    if (self->rife == NULL) {
        rife_unload(self);
        return FALSE;
    }
    *ret_instance = self;
    return TRUE;
}

static gpointer
rife_stream_new(gpointer instance, const void *params, GError **error)
{
    const Rife *rife = instance;
    ScopeContext *ctx = scope_pipeline_engine_new_context(&rife->engine, error);
    RifeStream *self;

    if (ctx == NULL)
        return NULL;
    self = g_new0(RifeStream, 1);
    self->rife = rife;
    self->ctx = ctx;
    return self;
}

static void
rife_stream_free(gpointer stream)
{
    RifeStream *self = stream;

    scope_frame_unref(self->last);
    scope_context_destroy(self->ctx);
    g_free(self);
}

/* The original waits for twelve; one at a time gives the same frames earlier. */
static guint32
rife_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

/* A frame in the middle of @first and @second, which have one size. */
static ScopeFrame *
interpolate(RifeStream *self, const ScopeFrame *first, const ScopeFrame *second)
{
    ScopeContext *ctx = self->ctx;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeFrame *const pair[2] = {(ScopeFrame *)first, (ScopeFrame *)second};
    const ScopePort port = {"video", pair, 2};
    ScopeTensor bytes = scope_pipeline_upload_frames(ctx, &port);
    ScopeDType type = scope_context_work_dtype(ctx);
    ScopeTensor given = scope_context_scratch(ctx, type, bytes.ndim, bytes.shape);
    ScopeTensor doubled =
        scope_context_scratch(ctx, type, SCOPE_SHAPE(3, bytes.shape[1], bytes.shape[2], 3));
    ScopeFrame *middle;

    scope_op_copy(ctx, given, bytes);
    scope_op_affine(ctx, given, given, 1.0f / 255, 0);
    scope_rife_double(ctx, self->rife->rife, doubled, given);
    middle = scope_pipeline_new_frame(&self->rife->engine, ctx, scope_tensor_select(doubled, 0, 1));
    scope_arena_release(ctx->scratch, mark);
    scope_frame_copy_times(middle, second);
    if (first->pts_us == SCOPE_TIME_NONE)
        middle->pts_us = SCOPE_TIME_NONE;
    else if (middle->pts_us != SCOPE_TIME_NONE)
        middle->pts_us = first->pts_us + (second->pts_us - first->pts_us) / 2;
    return middle;
}

static gboolean
rife_process(gpointer stream, const ScopeCall *call, GError **error)
{
    RifeStream *self = stream;
    const ScopeHost *host = self->rife->engine.host;
    const ScopePort *port = &call->ports[0];

    if (call->reset)
        g_clear_pointer(&self->last, scope_frame_unref);
    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeFrame *frame = port->frames[i];

        if (self->last != NULL && self->last->width == frame->width &&
            self->last->height == frame->height)
            host->output_push(call->output, "video", interpolate(self, self->last, frame));
        host->output_push(call->output, "video", host->frame_ref(frame));
        scope_frame_unref(self->last);
        self->last = host->frame_ref(frame);
    }
    return scope_context_synchronize(self->ctx, error);
}

const ScopePipelineDesc scope_rife_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "rife",
    .name = "RIFE",
    .description = "Doubles the frame rate with frames made from the motion between two.",
    .version = "1.0.0",
    .schema_title = "RIFEConfig",
    .docs_url = "https://github.com/hzwer/Practical-RIFE",
    .usage = SCOPE_PIPELINE_POSTPROCESSOR,
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .load = rife_load,
    .unload = rife_unload,
    .stream_new = rife_stream_new,
    .stream_free = rife_stream_free,
    .prepare = rife_prepare,
    .process = rife_process,
};
