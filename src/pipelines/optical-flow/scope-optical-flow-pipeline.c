/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optical flow: the motion between the frames of a pair as colours, by RAFT at 512x512. The first
 * frame of a pair repeats the flow of the second; nothing is kept between pairs. The instance owns
 * the network, a stream its context and the processor's buffers.
 */
#include "pipelines/optical-flow/scope-optical-flow-pipeline.h"

#include "core/scope-frame.h"
#include "models/scope-optical-flow.h"
#include "pipelines/scope-pipeline-engine.h"

typedef struct {
    gint32 model_size;
} FlowParams;

typedef struct {
    ScopePipelineEngine engine;
    ScopeRaft *raft;
} Flow;

typedef struct {
    const Flow *flow;
    ScopeContext *ctx;
    ScopeOpticalFlow *processor;
} FlowStream;

static const char *const sizes[] = {"small", "large", NULL};

static const char *const small_files[] = {"raft_small_C_T_V2-01064c6d.pth", NULL};
static const char *const large_files[] = {"raft_large_C_T_SKHT_V2-ff5fadd5.pth", NULL};

/* In the order of @sizes. */
static const ScopeArtifact artifacts[] = {
    {.url = "https://download.pytorch.org/models", .name = "RAFT", .files = small_files},
    {.url = "https://download.pytorch.org/models", .name = "RAFT", .files = large_files},
};

/* clang-format off */
static const ScopeParamDesc params[] = {
    SCOPE_PARAM_ENUM(FlowParams, model_size, "\"small\"", .choices = sizes,
                     .flags = SCOPE_PARAM_NO_UI,
                     .help = "Size of the network: large is finer and four times slower."),
};
/* clang-format on */

static void
flow_unload(gpointer instance)
{
    Flow *self = instance;

    g_clear_pointer(&self->raft, scope_raft_unload);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}

static gpointer
load_raft(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_raft_load(ctx, checkpoint, error);
}

static gboolean
flow_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    const FlowParams *load = values;
    const ScopeArtifact *artifact = &artifacts[load->model_size];
    Flow *self = g_new0(Flow, 1);

    if (scope_pipeline_engine_init(&self->engine, host, error))
        self->raft =
            scope_pipeline_engine_load_model(&self->engine, &scope_optical_flow_desc, artifact,
                                             artifact->files[0], load_raft, progress, error);
    if (self->raft == NULL) {
        flow_unload(self);
        return FALSE;
    }
    *ret_instance = self;
    return TRUE;
}

static void
flow_stream_free(gpointer stream)
{
    FlowStream *self = stream;

    scope_optical_flow_destroy(self->processor);
    scope_context_destroy(self->ctx);
    g_free(self);
}

static gpointer
flow_stream_new(gpointer instance, const void *values, GError **error)
{
    const Flow *flow = instance;
    FlowStream *self = g_new0(FlowStream, 1);

    self->flow = flow;
    self->ctx = scope_pipeline_engine_new_context(&flow->engine, error);
    if (self->ctx != NULL)
        self->processor = scope_optical_flow_create(flow->raft, SCOPE_OPTICAL_FLOW_DEFAULT_SIZE,
                                                    SCOPE_OPTICAL_FLOW_RANGE_TRAINED, error);
    if (self->processor == NULL) {
        flow_stream_free(self);
        return NULL;
    }
    return self;
}

static guint32
flow_prepare(gpointer stream, const ScopeCall *call)
{
    return 2;
}

static gboolean
flow_process(gpointer stream, const ScopeCall *call, GError **error)
{
    FlowStream *self = stream;
    ScopeContext *ctx = self->ctx;
    const ScopePipelineEngine *engine = &self->flow->engine;
    const ScopePort *port = &call->ports[0];
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor bytes = scope_pipeline_upload_frames(ctx, port);
    ScopeTensor colours =
        scope_context_scratch(ctx, scope_context_work_dtype(ctx), bytes.ndim, bytes.shape);

    scope_optical_flow_run(ctx, self->processor, colours, bytes);
    for (guint32 i = 0; i < port->n_frames; i++) {
        ScopeFrame *out =
            scope_pipeline_new_frame(engine, ctx, scope_tensor_select(colours, 0, (int64_t)i));

        scope_frame_copy_times(out, port->frames[i]);
        engine->host->output_push(call->output, "video", out);
    }
    scope_arena_release(ctx->scratch, mark);
    return scope_context_synchronize(ctx, error);
}

const ScopePipelineDesc scope_optical_flow_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "optical-flow",
    .name = "Optical Flow",
    .description = "Shows the motion of the input video as colours, for conditioning with VACE.",
    .version = "1.0.0",
    .schema_title = "OpticalFlowConfig",
    .docs_url = "https://pytorch.org/vision/stable/models/raft.html",
    .usage = SCOPE_PIPELINE_PREPROCESSOR,
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .params_size = sizeof(FlowParams),
    .load = flow_load,
    .unload = flow_unload,
    .stream_new = flow_stream_new,
    .stream_free = flow_stream_free,
    .prepare = flow_prepare,
    .process = flow_process,
};
