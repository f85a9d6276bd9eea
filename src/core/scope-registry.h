/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipelines that the program knows, in order of registration. Filled at start, read afterwards.
 * Main thread only; what it hands out may go anywhere.
 */
#ifndef SCOPE_REGISTRY_H
#define SCOPE_REGISTRY_H

#include "core/scope-pipeline-info.h"

G_BEGIN_DECLS

/** ScopeRegistry: opaque. */
typedef struct _ScopeRegistry ScopeRegistry;

/** scope_registry_new: (transfer full): an empty registry. Thread: main. */
ScopeRegistry *scope_registry_new(void);

/** scope_registry_free: (nullable): infos that others hold stay alive. Thread: main. */
void scope_registry_free(ScopeRegistry *registry);

/**
 * scope_registry_register:
 * @desc: must stay valid for good
 * @plugin_name: (nullable): %NULL = built in
 * @error: (nullable): set on failure
 *
 * Checks and adds a pipeline. One with the same id is replaced in its place, with a warning.
 *
 * Errors: as scope_pipeline_info_new().
 * Returns: %TRUE, or %FALSE with @error set.
 * Thread: main.
 */
gboolean scope_registry_register(ScopeRegistry *registry, const ScopePipelineDesc *desc,
                                 const char *plugin_name, GError **error);

/** scope_registry_add: adds a checked pipeline; replaces as above. Thread: main. */
void scope_registry_add(ScopeRegistry *registry, ScopePipelineInfo *info);

/** scope_registry_lookup: (transfer none) (nullable): the pipeline with @id. Thread: main. */
ScopePipelineInfo *scope_registry_lookup(ScopeRegistry *registry, const char *id);

/** scope_registry_get_n: how many. Thread: main. */
guint scope_registry_get_n(ScopeRegistry *registry);

/** scope_registry_get: (transfer none): the pipeline at @index. Thread: main. */
ScopePipelineInfo *scope_registry_get(ScopeRegistry *registry, guint index);

/**
 * scope_registry_build_schemas:
 *
 * Returns: (transfer full): the map from id to entry of `/api/v1/pipelines/schemas`.
 * Thread: main.
 */
JsonObject *scope_registry_build_schemas(ScopeRegistry *registry);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeRegistry, scope_registry_free)

G_END_DECLS

#endif
