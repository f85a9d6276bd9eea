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
#include "pipelines/scope-network.h"

#define WEIGHTS "flownet.pkl"

static const char *const files[] = {WEIGHTS, NULL};
static const ScopeArtifact artifacts[] = {
    {.drive_file_id = "1Smy6gY7BkS_RzCjPCbMEy-TsX8Ma5B0R", .name = "RIFE", .files = files},
};

static gpointer
load_rife(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_rife_load(ctx, checkpoint, error);
}

static void
unload_rife(gpointer model)
{
    scope_rife_unload(model);
}

/* The state of a stream is the frame before. */
static void
forget_frame(gpointer state)
{
    scope_frame_unref(state);
}

static const ScopeNetworkKind kind = {
    .desc = &scope_rife_desc,
    .load = load_rife,
    .unload = unload_rife,
    .state_free = forget_frame,
};

static gboolean
rife_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    return scope_network_load(&kind, host, &artifacts[0], WEIGHTS, progress, ret_instance, error);
}

/* The original waits for twelve; one at a time gives the same frames earlier. */
static guint32
rife_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

/* A frame in the middle of @first and @second, which have one size. */
static ScopeFrame *
interpolate(ScopeNetworkStream *self, const ScopeFrame *first, const ScopeFrame *second)
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
    scope_rife_double(ctx, self->network->model, doubled, given);
    middle =
        scope_pipeline_new_frame(&self->network->engine, ctx, scope_tensor_select(doubled, 0, 1));
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
    ScopeNetworkStream *self = stream;
    const ScopeHost *host = self->network->engine.host;
    const ScopePort *port = &call->ports[0];

    if (call->reset)
        g_clear_pointer(&self->state, scope_frame_unref);
    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeFrame *frame = port->frames[i];
        ScopeFrame *last = self->state;

        if (last != NULL && last->width == frame->width && last->height == frame->height)
            host->output_push(call->output, "video", interpolate(self, last, frame));
        host->output_push(call->output, "video", host->frame_ref(frame));
        scope_frame_unref(last);
        self->state = host->frame_ref(frame);
    }
    return scope_network_finish(self, error);
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
    .unload = scope_network_unload,
    .stream_new = scope_network_stream_new,
    .stream_free = scope_network_stream_free,
    .prepare = rife_prepare,
    .process = rife_process,
};
