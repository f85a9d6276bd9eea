/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a pipeline on one network; see scope-network.h. Owns what the header says. */
#include "pipelines/scope-network.h"

#include "core/scope-frame.h"

gboolean
scope_network_load(const ScopeNetworkKind *kind, const ScopeHost *host,
                   const ScopeArtifact *artifact, const char *file, ScopeLoadProgress *progress,
                   gpointer *ret_instance, GError **error)
{
    ScopeNetwork *self = g_new0(ScopeNetwork, 1);

    self->kind = kind;
    if (scope_pipeline_engine_init(&self->engine, host, error))
        self->model = scope_pipeline_engine_load_model(&self->engine, kind->desc, artifact, file,
                                                       kind->load, progress, error);
    if (self->model == NULL) {
        scope_network_unload(self);
        return FALSE;
    }
    *ret_instance = self;
    return TRUE;
}

void
scope_network_unload(gpointer instance)
{
    ScopeNetwork *self = instance;

    if (self->model != NULL)
        self->kind->unload(self->model);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}

gpointer
scope_network_stream_new(gpointer instance, const void *params, GError **error)
{
    const ScopeNetwork *network = instance;
    ScopeNetworkStream *self = g_new0(ScopeNetworkStream, 1);
    GError *failure = NULL;

    self->network = network;
    self->ctx = scope_pipeline_engine_new_context(&network->engine, &failure);
    if (self->ctx != NULL && network->kind->state_new != NULL)
        self->state = network->kind->state_new(network, &failure);
    if (failure == NULL)
        return self;
    scope_pipeline_take_error(failure, error);
    scope_network_stream_free(self);
    return NULL;
}

void
scope_network_stream_free(gpointer stream)
{
    ScopeNetworkStream *self = stream;

    if (self->state != NULL)
        self->network->kind->state_free(self->state);
    scope_context_destroy(self->ctx);
    g_free(self);
}

void
scope_network_push(ScopeNetworkStream *self, const ScopeCall *call, ScopeTensor pixels,
                   const ScopeFrame *times)
{
    const ScopePipelineEngine *engine = &self->network->engine;
    ScopeFrame *out = scope_pipeline_new_frame(engine, self->ctx, pixels);

    scope_frame_copy_times(out, times);
    engine->host->output_push(call->output, "video", out);
}

gboolean
scope_network_finish(ScopeNetworkStream *self, GError **error)
{
    GError *failure = NULL;
    gboolean ok = scope_context_synchronize(self->ctx, &failure);

    scope_pipeline_take_error(failure, error);
    return ok;
}
