/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope-gen-params FILE [PLUGINS]: writes the reference page of the parameters of all built-in
 * pipelines and of the plugins in the folder PLUGINS.
 */
#include <stdio.h>

#include "core/scope-host.h"
#include "core/scope-param-docs.h"
#include "core/scope-plugins.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/scope-builtin.h"

int
main(int argc, char **argv)
{
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    g_autoptr(ScopePlugins) plugins = scope_plugins_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *page = NULL;
    ScopeHost host;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: scope-gen-params FILE [PLUGINS]\n");
        return 2;
    }
    scope_host_init(&host, "");
    if (!scope_builtin_register_all(registry, &error) ||
        !scope_registry_register(registry, &scope_mini_desc, NULL, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    if (argc == 3)
        scope_plugins_load_dir(plugins, argv[2], TRUE, &host, registry);
    page = scope_param_docs_build(registry);
    if (!g_file_set_contents(argv[1], page, -1, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return 1;
    }
    return 0;
}
