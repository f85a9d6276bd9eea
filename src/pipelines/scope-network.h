/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a pipeline on one network that takes frames and gives frames: an instance owns the
 * engine and the network, a stream its context and what the pipeline keeps in between.
 */
#ifndef SCOPE_NETWORK_H
#define SCOPE_NETWORK_H

#include "pipelines/scope-pipeline-engine.h"

G_BEGIN_DECLS

typedef struct _ScopeNetwork ScopeNetwork;

/**
 * ScopeNetworkKind: what is particular about one; constant.
 * @desc: the pipeline
 * @load: makes the network from a file
 * @unload: frees it
 * @state_new: (nullable): makes what a stream keeps; the worker's errors
 * @state_free: (nullable): frees it; %NULL is not handed to it
 */
typedef struct {
    const ScopePipelineDesc *desc;
    ScopeModelLoad load;
    void (*unload)(gpointer model);
    gpointer (*state_new)(const ScopeNetwork *network, GError **error);
    void (*state_free)(gpointer state);
} ScopeNetworkKind;

/**
 * ScopeNetwork: an instance. Read-only while streams run.
 * @kind: as given to scope_network_load()
 * @engine: where it computes
 * @model: what `load` of the kind made
 */
struct _ScopeNetwork {
    const ScopeNetworkKind *kind;
    ScopePipelineEngine engine;
    gpointer model;
};

/**
 * ScopeNetworkStream: one stream. Thread: its worker.
 * @network: borrowed
 * @ctx: its own
 * @state: (nullable): what `state_new` of the kind made, or what the pipeline puts there
 */
typedef struct {
    const ScopeNetwork *network;
    ScopeContext *ctx;
    gpointer state;
} ScopeNetworkStream;

/**
 * scope_network_load:
 * @kind: outlives the instance
 * @host: outlives the instance
 * @artifact: of the pipeline
 * @file: of the artifact: the weights
 * @progress: (nullable): told what happens
 * @ret_instance: set on success
 * @error: (nullable): set on failure
 *
 * Thread: loader. Errors: those of scope_pipeline_engine_load_model().
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_network_load(const ScopeNetworkKind *kind, const ScopeHost *host,
                            const ScopeArtifact *artifact, const char *file,
                            ScopeLoadProgress *progress, gpointer *ret_instance, GError **error);

/** scope_network_unload: `unload` of the description. Thread: loader. */
void scope_network_unload(gpointer instance);

/** scope_network_stream_new: `stream_new` of the description. Errors: those of `state_new`, and
 * SCOPE_PIPELINE_ERROR. Thread: worker. */
gpointer scope_network_stream_new(gpointer instance, const void *params, GError **error);

/** scope_network_stream_free: `stream_free` of the description. Thread: worker. */
void scope_network_stream_free(gpointer stream);

/**
 * scope_network_push:
 * @stream: borrowed
 * @call: of the chunk
 * @pixels: [height, width, C], as scope_pipeline_new_frame() takes them
 * @times: frame whose times the new one gets
 *
 * Hands a frame on. Thread: worker.
 */
void scope_network_push(ScopeNetworkStream *stream, const ScopeCall *call, ScopeTensor pixels,
                        const ScopeFrame *times);

/**
 * scope_network_finish:
 * @stream: borrowed
 * @error: (nullable): set on failure
 *
 * The end of a chunk: waits for what was computed. Thread: worker.
 * Errors: SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY, _DEVICE_LOST.
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_network_finish(ScopeNetworkStream *stream, GError **error);

G_END_DECLS

#endif
