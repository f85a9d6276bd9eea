/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the registry together; see scope-program.h. */
#include "cli/scope-program.h"

#include "core/scope-host.h"
#include "pipelines/scope-builtin.h"

gboolean
scope_program_init(ScopeProgram *program, const ScopeConfig *config, GError **error)
{
    program->registry = scope_registry_new();
    program->plugins = scope_plugins_new();
    scope_host_init(&program->host, config->models_dir);
    if (!scope_builtin_register_all(program->registry, error))
        return FALSE;
    scope_plugins_load_dir(program->plugins, config->plugins_dir, FALSE, &program->host,
                           program->registry);
    scope_plugins_load_dir(program->plugins, config->bundled_plugins_dir, TRUE, &program->host,
                           program->registry);
    return TRUE;
}

void
scope_program_clear(ScopeProgram *program)
{
    g_clear_pointer(&program->plugins, scope_plugins_free);
    g_clear_pointer(&program->registry, scope_registry_free);
}
