/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and settings of the program; see scope-config.h. Main thread, at start. */
#include "cli/scope-config.h"

#include <gio/gio.h>
#include <string.h>

/* The first variable of @names that is set and not empty, or NULL; owned by the environment. */
static const char *
environment(const char *const *names)
{
    for (; *names; names++) {
        const char *value = g_getenv(*names);
        if (value && *value)
            return value;
    }
    return NULL;
}

/* @path with a leading `~` expanded, absolute and without dots. */
static char *
absolute(const char *path)
{
    g_autofree char *expanded = NULL;
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
        expanded = g_build_filename(g_get_home_dir(), path + 1, NULL);
    return g_canonicalize_filename(expanded ? expanded : path, NULL);
}

/* Sets *@slot from the option given, else the environment, else @fallback (taken). */
static void
resolve_folder(char **slot, const char *const *variables, char *fallback)
{
    g_autofree char *given = *slot;
    g_autofree char *standard = fallback;
    const char *value = given ? given : environment(variables);
    if (!value)
        value = standard;
    *slot = value ? absolute(value) : NULL;
}

static void
resolve_string(char **slot, const char *const *variables, const char *fallback)
{
    if (*slot)
        return;
    const char *value = environment(variables);
    *slot = g_strdup(value ? value : fallback);
}

#define VARIABLES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What came with the program: beside the binary in a build tree, else where it installs. */
static char *
find_bundled(const char *name, const char *installed)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    if (self) {
        g_autofree char *folder = g_path_get_dirname(self);
        g_autofree char *beside = g_build_filename(folder, name, NULL);
        if (g_file_test(beside, G_FILE_TEST_IS_DIR))
            return g_steal_pointer(&beside);
    }
    return g_strdup(installed);
}

void
scope_config_resolve(ScopeConfig *config)
{
    const gboolean moved = config->data_dir != NULL;

    resolve_folder(&config->data_dir, VARIABLES("DAYDREAM_SCOPE_DIR"),
                   g_build_filename(g_get_home_dir(), ".daydream-scope", NULL));

    /* DAYDREAM_SCOPE_DIR moves only the settings (contract); --data-dir moves everything. */
    g_autofree char *standard = g_build_filename(g_get_home_dir(), ".daydream-scope", NULL);
    const char *base = moved ? config->data_dir : standard;

    resolve_folder(&config->models_dir, VARIABLES("DAYDREAM_SCOPE_MODELS_DIR"),
                   g_build_filename(base, "models", NULL));
    resolve_folder(&config->lora_dir, VARIABLES("DAYDREAM_SCOPE_LORA_DIR", "SCOPE_LORA_DIR"),
                   g_build_filename(config->models_dir, "lora", NULL));
    resolve_folder(&config->lora_shared_dir, VARIABLES("DAYDREAM_SCOPE_LORA_SHARED_DIR"), NULL);
    g_autofree char *beside_models = g_path_get_dirname(config->models_dir);
    resolve_folder(&config->assets_dir, VARIABLES("DAYDREAM_SCOPE_ASSETS_DIR"),
                   g_build_filename(beside_models, "assets", NULL));
    resolve_folder(&config->logs_dir, VARIABLES("DAYDREAM_SCOPE_LOGS_DIR"),
                   g_build_filename(base, "logs", NULL));
    resolve_folder(&config->plugins_dir, VARIABLES("DAYDREAM_SCOPE_PLUGINS_DIR"),
                   g_build_filename(base, "plugins", NULL));
    if (!config->replay_dir)
        config->replay_dir = g_build_filename(base, "replays", NULL);
    if (!config->bundled_plugins_dir)
        config->bundled_plugins_dir = find_bundled("plugins", SCOPE_PLUGINS_DIR);
    if (!config->share_dir)
        config->share_dir = find_bundled("share", SCOPE_SHARE_DIR);

    resolve_string(&config->host, VARIABLES("SCOPE_HOST"), "127.0.0.1");
    resolve_string(&config->pipeline, VARIABLES("PIPELINE"), NULL);
    resolve_string(&config->ice_servers, VARIABLES("SCOPE_ICE_SERVERS"), NULL);
    resolve_string(&config->auth_token, VARIABLES("SCOPE_AUTH_TOKEN"), NULL);
    const char *verbose = g_getenv("VERBOSE_LOGGING");
    const gboolean is_verbose = verbose && (!strcmp(verbose, "1") || !strcmp(verbose, "true"));
    if (!config->log_level)
        config->log_level = g_strdup(is_verbose ? "debug" : "info");
}

void
scope_config_clear(ScopeConfig *config)
{
    char **strings[] = {
        &config->host,        &config->data_dir,    &config->models_dir,
        &config->lora_dir,    &config->assets_dir,  &config->lora_shared_dir,
        &config->logs_dir,    &config->plugins_dir, &config->bundled_plugins_dir,
        &config->replay_dir,  &config->pipeline,    &config->log_level,
        &config->device,      &config->auth_token,  &config->ice_address,
        &config->ice_servers, &config->share_dir,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        g_free(*strings[i]);
    g_strfreev(config->allowed_hosts);
    g_strfreev(config->allowed_origins);
    memset(config, 0, sizeof *config);
}
