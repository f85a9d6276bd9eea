/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the registry together; see scope-program.h. */
#include "cli/scope-program.h"

#include "pipelines/scope-builtin.h"

gboolean
scope_program_init(ScopeProgram *program, const ScopeConfig *config, GError **error)
{
    program->registry = scope_registry_new();
    program->plugins = scope_plugins_new();
    program->services = (ScopeServices){.lora_dir = config->lora_dir,
                                        .lora_shared_dir = config->lora_shared_dir,
                                        .assets_dir = config->assets_dir};
    scope_services_init(&program->services, config->models_dir, config->share_dir);
    if (!scope_builtin_register_all(program->registry, error) ||
        !scope_builtin_register_mini(program->registry, config->share_dir, error))
        return FALSE;
    scope_plugins_load_dir(program->plugins, config->plugins_dir, FALSE, &program->services.host,
                           program->registry);
    scope_plugins_load_dir(program->plugins, config->bundled_plugins_dir, TRUE,
                           &program->services.host, program->registry);
    return TRUE;
}

void
scope_program_clear(ScopeProgram *program)
{
    g_clear_pointer(&program->plugins, scope_plugins_free);
    g_clear_pointer(&program->registry, scope_registry_free);
}
