/* SPDX-License-Identifier: Apache-2.0 */
/* `scope pipelines`: what can run, as a table, as ids or as the JSON that clients get. */
#include "cli/scope-commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/scope-program.h"
#include "core/scope-json.h"
#include "core/scope-log.h"

static void
print_modes(const ScopePipelineDesc *desc)
{
    const gboolean has_text = (desc->modes & SCOPE_MODE_BIT(SCOPE_MODE_TEXT)) != 0;
    const gboolean has_video = (desc->modes & SCOPE_MODE_BIT(SCOPE_MODE_VIDEO)) != 0;
    const char *modes = has_text && has_video ? "text, video" : has_text ? "text" : "video";

    printf("%-12s", modes);
}

static const char *
usage_of(const ScopePipelineDesc *desc)
{
    if (desc->usage & SCOPE_PIPELINE_PREPROCESSOR)
        return "preprocessor";
    return desc->usage & SCOPE_PIPELINE_POSTPROCESSOR ? "postprocessor" : "main";
}

static void
print_table(ScopeRegistry *registry)
{
    printf("%-22s %-14s %-12s %s\n", "ID", "USAGE", "MODES", "NAME");
    for (guint i = 0; i < scope_registry_get_n(registry); i++) {
        const ScopePipelineInfo *info = scope_registry_get(registry, i);
        printf("%-22s %-14s ", info->desc->id, usage_of(info->desc));
        print_modes(info->desc);
        printf(" %s%s%s%s\n", info->desc->name, info->plugin_name ? " (plugin " : "",
               info->plugin_name ? info->plugin_name : "", info->plugin_name ? ")" : "");
    }
}

static void
print_ids(ScopeRegistry *registry)
{
    for (guint i = 0; i < scope_registry_get_n(registry); i++)
        printf("%s\n", scope_registry_get(registry, i)->desc->id);
}

static void
print_json(ScopeRegistry *registry)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(root, scope_registry_build_schemas(registry));
    g_autofree char *text = json_to_string(root, TRUE);
    printf("%s\n", text);
}

int
scope_command_pipelines(int argc, char **argv)
{
    g_auto(ScopeConfig) config = {0};
    gboolean as_json = FALSE, as_ids = FALSE;
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "Print names, schemas and defaults as JSON",
         NULL},
        {"ids", 0, 0, G_OPTION_ARG_NONE, &as_ids, "Print the ids only", NULL},
        {"plugins-dir", 0, 0, G_OPTION_ARG_FILENAME, &config.plugins_dir,
         "Folder of installed plugins", "DIR"},
        {NULL},
    };
    g_auto(ScopeProgram) program = {0};
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (!scope_command_parse("- list the pipelines", NULL, entries, argc, argv, &status))
        return status;
    scope_config_resolve(&config);
    const ScopeLogConfig log = {.filter = "warning"};
    scope_log_init(&log, NULL);
    if (!scope_program_init(&program, &config, &error)) {
        fprintf(stderr, "scope: %s\n", error->message);
        return 1;
    }
    if (as_json)
        print_json(program.registry);
    else if (as_ids)
        print_ids(program.registry);
    else
        print_table(program.registry);
    return 0;
}
