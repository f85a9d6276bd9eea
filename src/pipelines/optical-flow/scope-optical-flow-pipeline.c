/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Optical flow: the motion between the frames of a pair as colours, by RAFT at 512x512. The first
 * frame of a pair repeats the flow of the second; nothing is kept between pairs. The instance owns
 * the network, a stream its context and the processor's buffers.
 */
#include "pipelines/optical-flow/scope-optical-flow-pipeline.h"

#include "core/scope-frame.h"
#include "models/scope-optical-flow.h"
#include "pipelines/scope-network.h"

typedef struct {
    gint32 model_size;
} FlowParams;

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

static gpointer
load_raft(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return scope_raft_load(ctx, checkpoint, error);
}

static void
unload_raft(gpointer model)
{
    scope_raft_unload(model);
}

static gpointer
new_processor(const ScopeNetwork *network, GError **error)
{
    return scope_optical_flow_create(network->model, SCOPE_OPTICAL_FLOW_DEFAULT_SIZE,
                                     SCOPE_OPTICAL_FLOW_RANGE_TRAINED, error);
}

static void
free_processor(gpointer state)
{
    scope_optical_flow_destroy(state);
}

static const ScopeNetworkKind kind = {
    .desc = &scope_optical_flow_desc,
    .load = load_raft,
    .unload = unload_raft,
    .state_new = new_processor,
    .state_free = free_processor,
};

static gboolean
flow_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    const ScopeArtifact *artifact = &artifacts[((const FlowParams *)values)->model_size];

    return scope_network_load(&kind, host, artifact, artifact->files[0], progress, ret_instance,
                              error);
}

static guint32
flow_prepare(gpointer stream, const ScopeCall *call)
{
    return 2;
}

static gboolean
flow_process(gpointer stream, const ScopeCall *call, GError **error)
{
    ScopeNetworkStream *self = stream;
    ScopeContext *ctx = self->ctx;
    const ScopePort *port = &call->ports[0];
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor bytes = scope_pipeline_upload_frames(ctx, port);
    ScopeTensor colours =
        scope_context_scratch(ctx, scope_context_work_dtype(ctx), bytes.ndim, bytes.shape);

    scope_optical_flow_run(ctx, self->state, colours, bytes);
    for (guint32 i = 0; i < port->n_frames; i++)
        scope_network_push(self, call, scope_tensor_select(colours, 0, (int64_t)i),
                           port->frames[i]);
    scope_arena_release(ctx->scratch, mark);
    return scope_network_finish(self, error);
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
    .unload = scope_network_unload,
    .stream_new = scope_network_stream_new,
    .stream_free = scope_network_stream_free,
    .prepare = flow_prepare,
    .process = flow_process,
};
