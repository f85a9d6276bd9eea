/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loaded pipeline: weights and tables, shared by every session that uses it. Refcounted; the last
 * owner's release unloads it on the loader's thread.
 */
#ifndef SCOPE_INSTANCE_H
#define SCOPE_INSTANCE_H

#include "core/scope-host.h"
#include "core/scope-pipeline-info.h"

G_BEGIN_DECLS

/** ScopeInstance: opaque, immutable for its users. All functions: any thread. */
typedef struct _ScopeInstance ScopeInstance;

/** ScopeLoader: one thread that loads and unloads, one job after the other. See scope-loader.h. */
typedef struct _ScopeLoader ScopeLoader;

/**
 * scope_instance_load:
 * @info: which pipeline
 * @host: services for it; must outlive the instance
 * @loader: (nullable): where it is unloaded; %NULL = in the thread that releases it last
 * @load_params: (nullable): as received; copied. %NULL equals an empty object
 * @progress: (nullable): told how far it is
 * @error: (nullable): set on failure
 *
 * Validates @load_params (strict; unknown members are ignored) and calls load(). Blocks.
 *
 * Errors: SCOPE_PIPELINE_ERROR: INVALID with every offending member, or what load() tells.
 * Returns: (transfer full): the instance, or %NULL.
 * Thread: one that may block.
 */
ScopeInstance *scope_instance_load(ScopePipelineInfo *info, const ScopeHost *host,
                                   ScopeLoader *loader, JsonObject *load_params,
                                   ScopeLoadProgress *progress, GError **error);

/** scope_instance_ref: another owner. Returns: @instance. Thread: any. */
ScopeInstance *scope_instance_ref(ScopeInstance *instance);

/** scope_instance_unref: (nullable): one owner less. Thread: any. */
void scope_instance_unref(ScopeInstance *instance);

/** scope_instance_get_info: (transfer none): the pipeline. Thread: any. */
ScopePipelineInfo *scope_instance_get_info(ScopeInstance *instance);

/** scope_instance_get_load_params: (transfer none): as received; not to be changed. Thread: any. */
JsonObject *scope_instance_get_load_params(ScopeInstance *instance);

/** scope_instance_get_handle: (transfer none): what load() returned. Thread: any. */
gpointer scope_instance_get_handle(ScopeInstance *instance);

/** scope_instance_get_id: a number that no other instance of this process has. Thread: any. */
guint64 scope_instance_get_id(ScopeInstance *instance);

/** scope_instance_matches: whether it is @pipeline_id, loaded with equal parameters. Thread: any.
 */
gboolean scope_instance_matches(ScopeInstance *instance, const char *pipeline_id,
                                JsonObject *load_params);

/** scope_instance_count: instances of the process that are not unloaded yet; for tests, metrics.
 * Thread: any. */
guint scope_instance_count(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeInstance, scope_instance_unref)

G_END_DECLS

#endif
