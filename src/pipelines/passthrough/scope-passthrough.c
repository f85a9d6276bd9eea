/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passthrough: a frame in, the same frame out, without touching a pixel. The original takes four at
 * a time, which only adds three frames of delay (docs/compatibility.md).
 */
#include "pipelines/passthrough/scope-passthrough.h"

typedef struct {
    const ScopeHost *host;
} Passthrough;

static gboolean
passthrough_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
                 gpointer *ret_instance, GError **error)
{
    Passthrough *self = g_new0(Passthrough, 1);

    self->host = host;
    *ret_instance = self;
    return TRUE;
}

static void
passthrough_unload(gpointer instance)
{
    g_free(instance);
}

static guint32
passthrough_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

static gboolean
passthrough_process(gpointer stream, const ScopeCall *call, GError **error)
{
    const Passthrough *self = stream;
    const ScopePort *in = &call->ports[0];

    for (guint i = 0; i < in->n_frames; i++)
        self->host->output_push(call->output, "video", self->host->frame_ref(in->frames[i]));
    return TRUE;
}

const ScopePipelineDesc scope_passthrough_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "passthrough",
    .name = "Passthrough",
    .description =
        "Returns the input video unchanged. For checking the path from camera to screen.",
    .version = "1.0.0",
    .schema_title = "PassthroughConfig",
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24) |
                     SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_I420),
    .load = passthrough_load,
    .unload = passthrough_unload,
    .prepare = passthrough_prepare,
    .process = passthrough_process,
};
