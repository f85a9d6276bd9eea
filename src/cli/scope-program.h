/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every subcommand needs: the registry of pipelines, built-in ones and those of plugins, and
 * the services that they are given. Main thread.
 */
#ifndef SCOPE_PROGRAM_H
#define SCOPE_PROGRAM_H

#include "cli/scope-config.h"
#include "core/scope-plugins.h"
#include "core/scope-registry.h"
#include "server/scope-services.h"

G_BEGIN_DECLS

/**
 * ScopeProgram:
 * @registry: pipelines
 * @plugins: plugins, loaded and failed
 * @host: services for pipelines; points into the configuration
 *
 * Owned by the subcommand.
 */
typedef struct {
    ScopeRegistry *registry;
    ScopePlugins *plugins;
    ScopeServices services;
} ScopeProgram;

/**
 * scope_program_init:
 * @program: the caller's memory
 * @config: resolved; must outlive @program
 * @error: (nullable): set on failure
 *
 * Registers the built-in pipelines and loads the plugins of both folders. A broken plugin is a log
 * line, not a failure.
 *
 * Thread: main. Errors: those of scope_builtin_register_all().
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_program_init(ScopeProgram *program, const ScopeConfig *config, GError **error);

/**
 * scope_program_clear:
 * @program: the caller's memory
 *
 * Frees the lists; the code of plugins stays in memory. Thread: main.
 */
void scope_program_clear(ScopeProgram *program);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeProgram, scope_program_clear)

G_END_DECLS

#endif
