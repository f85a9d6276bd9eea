/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading of plugins: manifest, shared object, init, registration. Whatever goes wrong becomes one
 * log line and one entry in the list of failures. Main thread only.
 */
#include "core/scope-plugins.h"

#include <string.h>

#include <gmodule.h>

#include <scope/scope-plugin.h>

#include "core/scope-error.h"
#include "core/scope-json.h"
#include "core/scope-log.h"

#define MANIFEST_NAME      "plugin.json"
#define MANIFEST_MAX_BYTES (64 * 1024)

SCOPE_LOG_TOPIC(core, plugins)

struct _ScopePlugins {
    GPtrArray *loaded; /* of ScopePlugin */
    GPtrArray *failed; /* of ScopePluginFailure */
};

/* What scope_plugin_init() gets as its context. */
typedef struct {
    const char *plugin_name;
    GPtrArray *infos;
} Registration;

static void
plugin_free(gpointer data)
{
    ScopePlugin *plugin = data;

    g_free(plugin->name);
    g_free(plugin->version);
    g_free(plugin->description);
    g_free(plugin->author);
    g_free(plugin->license);
    g_free(plugin->homepage);
    g_free(plugin->dir);
    g_ptr_array_unref(plugin->pipelines);
    g_free(plugin);
}

static void
failure_free(gpointer data)
{
    ScopePluginFailure *failure = data;

    g_free(failure->name);
    g_free(failure->message);
    g_free(failure->dir);
    g_free(failure);
}

ScopePlugins *
scope_plugins_new(void)
{
    ScopePlugins *self = g_new0(ScopePlugins, 1);

    self->loaded = g_ptr_array_new_with_free_func(plugin_free);
    self->failed = g_ptr_array_new_with_free_func(failure_free);
    return self;
}

void
scope_plugins_free(ScopePlugins *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->loaded);
    g_ptr_array_unref(self->failed);
    g_free(self);
}

/* -- Manifest -------------------------------------------------------------------------------- */

static gboolean
set_invalid(GError **error, const char *key, const char *what)
{
    g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "\"%s\" in " MANIFEST_NAME " %s",
                key, what);
    return FALSE;
}

static gboolean
is_plugin_name(const char *name)
{
    if (name[0] == '\0' || strlen(name) > 63)
        return FALSE;
    for (const char *p = name; *p != '\0'; p++) {
        if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '-')
            return FALSE;
    }
    return TRUE;
}

gboolean
scope_plugin_manifest_check(JsonObject *manifest, GError **error)
{
    static const char *const required[] = {"name", "version", "description", "author", "library"};
    static const char *const optional[] = {"license", "homepage"};
    const char *library;
    gint64 abi;

    for (guint i = 0; i < G_N_ELEMENTS(required); i++) {
        const char *text = scope_json_object_get_string(manifest, required[i]);

        if (text == NULL || *text == '\0')
            return set_invalid(error, required[i], "must be a string that is not empty");
    }
    for (guint i = 0; i < G_N_ELEMENTS(optional); i++) {
        if (json_object_has_member(manifest, optional[i]) &&
            scope_json_object_get_string(manifest, optional[i]) == NULL)
            return set_invalid(error, optional[i], "must be a string");
    }
    if (!is_plugin_name(scope_json_object_get_string(manifest, "name")))
        return set_invalid(error, "name", "must be [a-z0-9-]+ of at most 63 characters");
    library = scope_json_object_get_string(manifest, "library");
    if (strchr(library, '/') != NULL || library[0] == '.')
        return set_invalid(error, "library", "must be the name of a file in the plugin's folder");
    abi = scope_json_object_get_int(manifest, "abi", -1);
    if (abi < 0)
        return set_invalid(error, "abi", "must be the ABI version as an integer");
    if (abi != SCOPE_ABI_VERSION) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_ABI,
                    "it was built for ABI version %" G_GINT64_FORMAT
                    ", this program has version %u",
                    abi, SCOPE_ABI_VERSION);
        return FALSE;
    }
    return TRUE;
}

static JsonObject *
read_manifest(const char *dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, MANIFEST_NAME, NULL);
    g_autofree char *text = NULL;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, error))
        return NULL;
    if (length > MANIFEST_MAX_BYTES) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                    MANIFEST_NAME " has %zu bytes, at most %d are allowed", length,
                    MANIFEST_MAX_BYTES);
        return NULL;
    }
    return scope_json_parse_object(text, (gssize)length, 0, error);
}

/* -- Loading --------------------------------------------------------------------------------- */

static gboolean
on_register(gpointer context, const ScopePipelineDesc *desc, GError **error)
{
    Registration *registration = context;
    ScopePipelineInfo *info;

    if (desc == NULL) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "The plugin registered no description");
        return FALSE;
    }
    info = scope_pipeline_info_new(desc, registration->plugin_name, error);
    if (info == NULL)
        return FALSE;
    g_ptr_array_add(registration->infos, info);
    return TRUE;
}

/* Calls init; on failure nothing was registered. */
static gboolean
init_module(GModule *module, const ScopeHost *host, Registration *registration,
            const char **ret_error_type, GError **error)
{
    g_autoptr(GError) local = NULL;
    gpointer symbol = NULL;
    ScopePluginInit init;

    *ret_error_type = "SymbolError";
    if (!g_module_symbol(module, SCOPE_PLUGIN_INIT_SYMBOL, &symbol) || symbol == NULL) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_NOT_FOUND,
                    "it does not export the function " SCOPE_PLUGIN_INIT_SYMBOL);
        return FALSE;
    }
    *ret_error_type = "InitError";
    init = (ScopePluginInit)symbol;
    if (init(host, on_register, registration, &local))
        return TRUE;
    if (local != NULL)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_FAILED,
                    "its init failed and gave no reason");
    return FALSE;
}

static GPtrArray *
load_library(const char *dir, JsonObject *manifest, const ScopeHost *host,
             const char **ret_error_type, GError **error)
{
    g_autofree char *path =
        g_build_filename(dir, scope_json_object_get_string(manifest, "library"), NULL);
    g_autoptr(GPtrArray) infos =
        g_ptr_array_new_with_free_func((GDestroyNotify)scope_pipeline_info_unref);
    Registration registration = {scope_json_object_get_string(manifest, "name"), infos};
    GModule *module;

    *ret_error_type = "LoadError";
    /* Bound at once: a symbol that is missing shows here, not in the middle of a stream. */
    module = g_module_open(path, G_MODULE_BIND_LOCAL);
    if (module == NULL) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_NOT_FOUND, "%s", g_module_error());
        return NULL;
    }
    /* Threads and descriptions of the plugin may outlive any bookkeeping of ours. */
    g_module_make_resident(module);
    if (!init_module(module, host, &registration, ret_error_type, error))
        return NULL;
    return g_steal_pointer(&infos);
}

static void
add_failure(ScopePlugins *self, const char *name, const char *error_type, const char *message,
            const char *dir)
{
    ScopePluginFailure *failure = g_new0(ScopePluginFailure, 1);

    failure->name = g_strdup(name);
    failure->error_type = error_type;
    failure->message = g_strdup(message);
    failure->dir = g_strdup(dir);
    g_ptr_array_add(self->failed, failure);
    scope_log_error("plugin %s in %s was not loaded: %s: %s", name, dir, error_type, message);
}

static gboolean
is_loaded(const ScopePlugins *self, const char *name)
{
    for (guint i = 0; i < self->loaded->len; i++) {
        if (g_str_equal(((ScopePlugin *)self->loaded->pdata[i])->name, name))
            return TRUE;
    }
    return FALSE;
}

static void
add_plugin(ScopePlugins *self, JsonObject *manifest, const char *dir, gboolean bundled,
           GPtrArray *infos, ScopeRegistry *registry)
{
    ScopePlugin *plugin = g_new0(ScopePlugin, 1);

    plugin->name = g_strdup(scope_json_object_get_string(manifest, "name"));
    plugin->version = g_strdup(scope_json_object_get_string(manifest, "version"));
    plugin->description = g_strdup(scope_json_object_get_string(manifest, "description"));
    plugin->author = g_strdup(scope_json_object_get_string(manifest, "author"));
    plugin->license = g_strdup(scope_json_object_get_string(manifest, "license"));
    plugin->homepage = g_strdup(scope_json_object_get_string(manifest, "homepage"));
    plugin->dir = g_strdup(dir);
    plugin->bundled = bundled;
    plugin->pipelines = g_ptr_array_ref(infos);
    g_ptr_array_add(self->loaded, plugin);
    for (guint i = 0; i < infos->len; i++)
        scope_registry_add(registry, infos->pdata[i]);
    scope_log_info("plugin %s %s: %u pipelines", plugin->name, plugin->version, infos->len);
}

static gboolean
load_plugin(ScopePlugins *self, const char *dir, gboolean bundled, const ScopeHost *host,
            ScopeRegistry *registry)
{
    g_autofree char *folder = g_path_get_basename(dir);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) manifest = read_manifest(dir, &error);
    g_autoptr(GPtrArray) infos = NULL;
    const char *error_type = "ManifestError";
    const char *name = scope_json_object_get_string(manifest, "name");

    if (name == NULL)
        name = folder;
    if (manifest == NULL || !scope_plugin_manifest_check(manifest, &error)) {
        if (g_error_matches(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_ABI))
            error_type = "AbiError";
        add_failure(self, name, error_type, error->message, dir);
        return FALSE;
    }
    if (is_loaded(self, name))
        return FALSE;
    infos = load_library(dir, manifest, host, &error_type, &error);
    if (infos == NULL) {
        add_failure(self, name, error_type, error->message, dir);
        return FALSE;
    }
    add_plugin(self, manifest, dir, bundled, infos, registry);
    return TRUE;
}

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

guint
scope_plugins_load_dir(ScopePlugins *self, const char *dir, gboolean bundled, const ScopeHost *host,
                       ScopeRegistry *registry)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) entries = NULL;
    const char *name;
    guint n = 0;

    g_return_val_if_fail(self != NULL && dir != NULL, 0);
    g_return_val_if_fail(host != NULL && registry != NULL, 0);

    entries = g_dir_open(dir, 0, NULL);
    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(dir, names->pdata[i], NULL);
        g_autofree char *manifest = g_build_filename(path, MANIFEST_NAME, NULL);

        if (g_file_test(manifest, G_FILE_TEST_IS_REGULAR))
            n += load_plugin(self, path, bundled, host, registry) ? 1 : 0;
    }
    return n;
}

/* -- Lists ----------------------------------------------------------------------------------- */

guint
scope_plugins_get_n(const ScopePlugins *self)
{
    return self->loaded->len;
}

const ScopePlugin *
scope_plugins_get(const ScopePlugins *self, guint index)
{
    g_return_val_if_fail(index < self->loaded->len, NULL);
    return self->loaded->pdata[index];
}

guint
scope_plugins_get_n_failed(const ScopePlugins *self)
{
    return self->failed->len;
}

const ScopePluginFailure *
scope_plugins_get_failed(const ScopePlugins *self, guint index)
{
    g_return_val_if_fail(index < self->failed->len, NULL);
    return self->failed->pdata[index];
}

static JsonObject *
build_plugin(const ScopePlugin *plugin)
{
    JsonObject *object = json_object_new();
    JsonArray *pipelines = json_array_new();

    for (guint i = 0; i < plugin->pipelines->len; i++) {
        const ScopePipelineInfo *info = plugin->pipelines->pdata[i];
        JsonObject *item = json_object_new();

        json_object_set_string_member(item, "pipeline_id", info->desc->id);
        json_object_set_string_member(item, "pipeline_name", info->desc->name);
        json_array_add_object_element(pipelines, item);
    }
    json_object_set_string_member(object, "name", plugin->name);
    json_object_set_string_member(object, "version", plugin->version);
    json_object_set_string_member(object, "author", plugin->author);
    json_object_set_string_member(object, "description", plugin->description);
    json_object_set_string_member(object, "source", "local");
    json_object_set_boolean_member(object, "editable", FALSE);
    json_object_set_null_member(object, "editable_path");
    json_object_set_array_member(object, "pipelines", pipelines);
    json_object_set_null_member(object, "latest_version");
    json_object_set_null_member(object, "update_available");
    json_object_set_null_member(object, "package_spec");
    json_object_set_boolean_member(object, "bundled", plugin->bundled);
    json_object_set_null_member(object, "kind");
    json_object_set_string_member(object, "origin", "local");
    return object;
}

JsonObject *
scope_plugins_build_list(const ScopePlugins *self)
{
    JsonObject *list = json_object_new();
    JsonArray *plugins = json_array_new();
    JsonArray *failed = json_array_new();

    for (guint i = 0; i < self->loaded->len; i++)
        json_array_add_object_element(plugins, build_plugin(self->loaded->pdata[i]));
    for (guint i = 0; i < self->failed->len; i++) {
        const ScopePluginFailure *failure = self->failed->pdata[i];
        JsonObject *object = json_object_new();

        json_object_set_string_member(object, "package_name", failure->name);
        json_object_set_string_member(object, "entry_point_name", SCOPE_PLUGIN_INIT_SYMBOL);
        json_object_set_string_member(object, "error_type", failure->error_type);
        json_object_set_string_member(object, "error_message", failure->message);
        json_array_add_object_element(failed, object);
    }
    json_object_set_array_member(list, "plugins", plugins);
    json_object_set_int_member(list, "total", self->loaded->len);
    json_object_set_array_member(list, "failed_plugins", failed);
    return list;
}
