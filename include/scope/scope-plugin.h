/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin is a folder below the plugins directory with `plugin.json` (the manifest) and a shared
 * object that exports one function, scope_plugin_init(). See docs/plugins.md.
 */
#ifndef SCOPE_PLUGIN_H
#define SCOPE_PLUGIN_H

#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * ScopeRegister:
 * @context: as given to scope_plugin_init()
 * @desc: must stay valid as long as the plugin is loaded
 * @error: (nullable): set on failure: another ABI version, a missing callback, a broken table
 *
 * Offers one pipeline. A pipeline of the same id that another plugin registered is replaced, with a
 * warning.
 *
 * Thread: main, inside scope_plugin_init().
 * Errors: SCOPE_PIPELINE_ERROR_INVALID.
 * Returns: %TRUE, or %FALSE with @error set.
 */
typedef gboolean (*ScopeRegister)(gpointer context, const ScopePipelineDesc *desc, GError **error);

/**
 * ScopePluginInit:
 * @host: services of the program; valid as long as the plugin is loaded
 * @register_pipeline: to be called once per pipeline
 * @context: to be passed to @register_pipeline
 * @error: (nullable): set on failure
 *
 * The type of the exported function `scope_plugin_init`. Called once at start, after the manifest
 * was checked.
 *
 * Thread: main. Must not block.
 * Errors: any; the plugin is then listed as failed with the message.
 * Returns: %TRUE, or %FALSE with @error set.
 */
typedef gboolean (*ScopePluginInit)(const ScopeHost *host, ScopeRegister register_pipeline,
                                    gpointer context, GError **error);

/** SCOPE_PLUGIN_INIT_SYMBOL: the name of that function. */
#define SCOPE_PLUGIN_INIT_SYMBOL "scope_plugin_init"

G_END_DECLS

#endif
