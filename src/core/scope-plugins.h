/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins: folders with a manifest and a shared object. Loaded once at start, never unloaded from
 * memory. A broken one is a log line and a `failed` entry.
 */
#ifndef SCOPE_PLUGINS_H
#define SCOPE_PLUGINS_H

#include "core/scope-registry.h"

G_BEGIN_DECLS

/**
 * ScopePlugin:
 * @name: from the manifest
 * @version: from the manifest
 * @description: (nullable): from the manifest
 * @author: (nullable): from the manifest
 * @license: (nullable): from the manifest
 * @homepage: (nullable): from the manifest
 * @dir: its folder
 * @bundled: whether it is part of the installation
 * @pipelines: of ScopePipelineInfo, what it registered
 */
typedef struct {
    char *name;
    char *version;
    char *description;
    char *author;
    char *license;
    char *homepage;
    char *dir;
    gboolean bundled;
    GPtrArray *pipelines;
} ScopePlugin;

/**
 * ScopePluginFailure:
 * @name: of the folder, or of the manifest when it could be read
 * @error_type: `ManifestError`, `AbiError`, `LoadError`, `SymbolError` or `InitError`
 * @message: what is wrong, for people
 * @dir: its folder
 */
typedef struct {
    char *name;
    const char *error_type;
    char *message;
    char *dir;
} ScopePluginFailure;

/** ScopePlugins: what was loaded and what was not. Opaque; main thread only. */
typedef struct _ScopePlugins ScopePlugins;

/** scope_plugins_new: (transfer full): an empty list. Thread: main. */
ScopePlugins *scope_plugins_new(void);

/** scope_plugins_free: (nullable): the code of plugins stays in memory. Thread: main. */
void scope_plugins_free(ScopePlugins *plugins);

/**
 * scope_plugins_load_dir:
 * @dir: its sub-folders with a `plugin.json` are plugins; a missing folder is not an error
 * @bundled: how they are marked
 * @host: services for them; must stay valid for good
 * @registry: where their pipelines go
 *
 * Loads in order of folder names. A plugin whose name is already loaded is skipped silently, so the
 * first folder wins (user before installation).
 *
 * Returns: how many were loaded.
 * Thread: main, before sessions start.
 */
guint scope_plugins_load_dir(ScopePlugins *plugins, const char *dir, gboolean bundled,
                             const ScopeHost *host, ScopeRegistry *registry);

/**
 * scope_plugin_manifest_check:
 * @manifest: the object of a `plugin.json`
 * @error: (nullable): names the member and what it must be
 *
 * Errors: SCOPE_CORE_ERROR_INVALID; SCOPE_CORE_ERROR_ABI when only the ABI version is another.
 * Returns: whether a plugin with this manifest may be loaded.
 * Thread: any.
 */
gboolean scope_plugin_manifest_check(JsonObject *manifest, GError **error);

/** scope_plugins_get_n: how many were loaded. Thread: any. */
guint scope_plugins_get_n(const ScopePlugins *plugins);

/** scope_plugins_get: (transfer none): the plugin at @index. Thread: any. */
const ScopePlugin *scope_plugins_get(const ScopePlugins *plugins, guint index);

/** scope_plugins_get_n_failed: how many failed. Thread: any. */
guint scope_plugins_get_n_failed(const ScopePlugins *plugins);

/** scope_plugins_get_failed: (transfer none): the failure at @index. Thread: any. */
const ScopePluginFailure *scope_plugins_get_failed(const ScopePlugins *plugins, guint index);

/**
 * scope_plugins_build_list:
 *
 * Returns: (transfer full): the body of `GET /api/v1/plugins`: `plugins`, `total`,
 *   `failed_plugins`.
 *
 * Thread: any.
 */
JsonObject *scope_plugins_build_list(const ScopePlugins *plugins);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePlugins, scope_plugins_free)

G_END_DECLS

#endif
