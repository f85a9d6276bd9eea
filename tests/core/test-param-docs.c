/* SPDX-License-Identifier: Apache-2.0 */
/* The committed reference page equals a fresh generation. */
#include "core/scope-param-docs.h"

#include "core/scope-plugins.h"
#include "fake-pipelines.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/scope-builtin.h"

static void
test_fresh(void)
{
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    g_autoptr(ScopePlugins) plugins = scope_plugins_new();
    g_autofree char *path =
        g_build_filename(g_getenv("SCOPE_TEST_SOURCE"), "docs", "reference", "params.md", NULL);
    g_autofree char *committed = NULL;
    g_autofree char *fresh = NULL;

    g_assert_true(scope_builtin_register_all(registry, NULL));
    g_assert_true(scope_registry_register(registry, &scope_mini_desc, NULL, NULL));
    scope_plugins_load_dir(plugins, g_getenv("SCOPE_TEST_PLUGINS"), TRUE, fake_host(), registry);
    fresh = scope_param_docs_build(registry);
    g_assert_true(g_file_get_contents(path, &committed, NULL, NULL));
    if (!g_str_equal(fresh, committed)) {
        g_test_message("docs/reference/params.md is out of date; in the build folder run: "
                       "src/pipelines/scope-gen-params %s plugins",
                       path);
        g_test_fail();
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/param-docs/fresh", test_fresh);
    return g_test_run();
}
