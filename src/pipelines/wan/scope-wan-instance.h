/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanInstance: a loaded streaming pipeline: transformer, autoencoder and text encoder, with
 * the numbers of its loop. Shared by sessions, read-only after loading. One loader serves every
 * pipeline of the family; ScopeWanProduct tells what differs.
 */
#pragma once

#include "models/scope-wan-model.h"
#include "pipelines/scope-pipeline-engine.h"
#include "pipelines/wan/scope-wan-codec.h"
#include "pipelines/wan/scope-wan-product.h"
#include "pipelines/wan/scope-wan-prompter.h"

G_BEGIN_DECLS

/** ScopeWanInstance: read-only for its users. */
typedef struct {
    ScopePipelineEngine engine;
    const ScopeWanProduct *product;
    ScopeWanVariant variant;
    double context_noise; /**< timestep of the clean pass */
    int height, width;    /**< pixels */
    ScopeWanModel *model;
    ScopeWanAutoencoder *autoencoder;
    ScopeWanPrompter *prompter;
    gboolean has_vace;
    GPtrArray *lora_files; /**< of ScopeLoraFile: of run-time adapters */
    GPtrArray *lora_names; /**< of char: their names as the client gave them */
    GArray *lora_scales;   /**< of float: their scales at load */
} ScopeWanInstance;

/**
 * scope_wan_instance_load:
 * @product: which pipeline; borrowed for good
 * @host: services; outlives the instance
 * @params: load-time values
 * @progress: told the stages of the load; a cancelled load ends early
 * @error: (nullable) set on failure
 *
 * Thread: loader. Blocks: disk, arithmetic of merges. Errors: SCOPE_PIPELINE_ERROR:
 * MISSING_FILE, INVALID (size, adapter), OUT_OF_MEMORY, CANCELLED; those of the files' readers.
 * Returns: (transfer full): the instance, or NULL with @error set and nothing left behind.
 */
ScopeWanInstance *scope_wan_instance_load(const ScopeWanProduct *product, const ScopeHost *host,
                                          const ScopeWanParams *params, ScopeLoadProgress *progress,
                                          GError **error);

/**
 * scope_wan_instance_unload:
 * @instance: (nullable): no session of it may be left
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_wan_instance_unload(ScopeWanInstance *instance);

/**
 * scope_wan_take_error:
 * @error: (nullable) (transfer full): what engine and models told
 * @ret_error: (nullable): the same in the domain of pipelines
 *
 * As scope_pipeline_take_error(); inputs that cannot be used become SCOPE_PIPELINE_ERROR_INVALID.
 * Thread: any. Errors: as above. Returns: nothing.
 */
void scope_wan_take_error(GError *error, GError **ret_error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanInstance, scope_wan_instance_unload)

G_END_DECLS
