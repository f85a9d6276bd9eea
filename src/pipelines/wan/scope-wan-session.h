/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session on a loaded streaming pipeline: the callbacks of ScopePipelineDesc that all pipelines
 * of the family share. Turns parameters and ports into a ScopeWanChunk and its result into frames.
 * Owned by the worker thread.
 */
#pragma once

#include "pipelines/wan/scope-wan-instance.h"

G_BEGIN_DECLS

/** scope_wan_session_unload: ScopePipelineDesc.unload. Thread: loader. */
void scope_wan_session_unload(gpointer instance);

/** scope_wan_session_new: ScopePipelineDesc.stream_new. Thread: worker. Errors:
 * SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY, _INVALID. */
gpointer scope_wan_session_new(gpointer instance, const void *params, GError **error);

/** scope_wan_session_free: ScopePipelineDesc.stream_free. Thread: worker. */
void scope_wan_session_free(gpointer session);

/** scope_wan_session_prepare: ScopePipelineDesc.prepare: four frames a latent in video mode, none
 * in text mode. Thread: worker. */
guint32 scope_wan_session_prepare(gpointer session, const ScopeCall *call);

/**
 * scope_wan_session_process: ScopePipelineDesc.process
 *
 * Without prompts nothing is made. A picture that cannot be read fails the chunk, not the stream.
 * Thread: worker. Blocks: a chunk. Allocates: frames of the program's pool; in the steady state
 * nothing else. Errors: those of scope_wan_stream_run() and of the host's services.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_session_process(gpointer session, const ScopeCall *call, GError **error);

/** SCOPE_WAN_DESC: members of a ScopePipelineDesc that all pipelines of the family share. */
#define SCOPE_WAN_DESC                                                                             \
    .abi_version = SCOPE_ABI_VERSION, .size = sizeof(ScopePipelineDesc), .version = "1.0.0",       \
    .modes = SCOPE_MODES_BOTH, .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),  \
    .params_size = sizeof(ScopeWanParams), .unload = scope_wan_session_unload,                     \
    .stream_new = scope_wan_session_new, .stream_free = scope_wan_session_free,                    \
    .prepare = scope_wan_session_prepare, .process = scope_wan_session_process

/** SCOPE_WAN_FEATURES: what clients may offer with every published pipeline of the family. */
#define SCOPE_WAN_FEATURES                                                                         \
    (SCOPE_PIPELINE_SUPPORTS_PROMPTS | SCOPE_PIPELINE_SUPPORTS_LORA |                              \
     SCOPE_PIPELINE_SUPPORTS_VACE | SCOPE_PIPELINE_SUPPORTS_CACHE_MANAGEMENT |                     \
     SCOPE_PIPELINE_SUPPORTS_QUANTIZATION | SCOPE_PIPELINE_MODIFIED)

/** scope_wan_session_ports: the inputs: `video`, `vace_input_frames`, `vace_input_masks`. */
extern const char *const scope_wan_session_ports[];

/** SCOPE_WAN_DEFINE_LOAD: defines the load callback @name of the pipeline @product. */
#define SCOPE_WAN_DEFINE_LOAD(name, product)                                                       \
    static gboolean name(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,   \
                         gpointer *ret_instance, GError **error)                                   \
    {                                                                                              \
        *ret_instance = scope_wan_instance_load(&(product), host, values, progress, error);        \
        return *ret_instance != NULL;                                                              \
    }

G_END_DECLS
