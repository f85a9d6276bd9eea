/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of model files and LoRA files. Main thread; folders are scanned on the pool. */
#include "server/scope-handlers.h"

#include <math.h>
#include <string.h>
#include <sys/statvfs.h>

#include "core/scope-json.h"
#include "server/scope-media-files.h"
#include "server/scope-server-private.h"

#define MAX_MANIFEST_BYTES (4 * 1024 * 1024)

/* -- models -- */

/* Labels of the artifacts that lack files; none for a pipeline without artifacts, or an unknown
 * one. */
static JsonArray *
list_missing(ScopeServer *server, const char *id)
{
    ScopePipelineInfo *info = id ? scope_registry_lookup(server->options.registry, id) : NULL;
    JsonArray *labels = json_array_new();

    for (guint i = 0; info && i < info->desc->n_artifacts; i++) {
        const ScopeArtifact *artifact = &info->desc->artifacts[i];
        g_autofree char *missing =
            scope_artifact_find_missing(artifact, server->options.models_dir);
        g_autofree char *label = missing ? scope_artifact_dup_label(artifact) : NULL;
        if (label) {
            json_array_add_string_element(labels, label);
        }
    }
    return labels;
}

static void
set_free_bytes(JsonObject *body, const char *folder)
{
    struct statvfs disk;

    if (statvfs(folder, &disk) == 0) {
        json_object_set_int_member(body, "free_bytes",
                                   (gint64)((guint64)disk.f_bavail * disk.f_frsize));
    } else {
        json_object_set_null_member(body, "free_bytes");
    }
}

static JsonObject *
build_progress(const ScopeDownloadStatus *status)
{
    JsonObject *progress = json_object_new();

    json_object_set_boolean_member(progress, "is_downloading", status->is_downloading);
    json_object_set_double_member(progress, "percentage",
                                  round(MAX(status->percentage, 0.0) * 10.0) / 10.0);
    scope_object_set_string(progress, "current_artifact", status->artifact);
    scope_object_set_string(progress, "error", status->error);
    json_object_set_int_member(progress, "downloaded_bytes", status->n_bytes);
    if (status->total_bytes >= 0) {
        json_object_set_int_member(progress, "total_bytes", status->total_bytes);
    } else {
        json_object_set_null_member(progress, "total_bytes");
    }
    return progress;
}

void
scope_route_model_status(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *id = scope_request_get_query(request, "pipeline_id");
    g_auto(ScopeDownloadStatus) status = {0};
    JsonObject *body = json_object_new();
    JsonArray *missing;
    gboolean is_present;
    gboolean has_status;

    if (!id && scope_manager_get_n(server->manager) > 0) {
        id = scope_manager_get_pipeline_id(server->manager, 0);
    }
    missing = list_missing(server, id);
    is_present = json_array_get_length(missing) == 0;
    has_status = id && scope_downloads_get_status(server->downloads, id, &status) &&
                 (status.is_downloading || !is_present);
    json_object_set_boolean_member(body, "downloaded",
                                   is_present && !(has_status && status.is_downloading));
    if (has_status) {
        json_object_set_object_member(body, "progress", build_progress(&status));
    } else {
        json_object_set_null_member(body, "progress");
    }
    json_object_set_array_member(body, "missing", missing);
    json_object_set_string_member(body, "folder", server->options.models_dir);
    set_free_bytes(body, server->options.models_dir);
    scope_request_reply_object(request, body);
}

void
scope_route_model_cancel(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *id = scope_request_get_query(request, "pipeline_id");

    if (!id || *id == '\0') {
        scope_request_reply_error(request, 400, "pipeline_id is required");
    } else if (scope_downloads_cancel(server->downloads, id)) {
        scope_request_reply_message(request, "Model download cancelled for %s", id);
    } else {
        scope_request_reply_error(request, 404, "No download in progress for %s", id);
    }
}

void
scope_route_model_download(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    const char *id = scope_member_read_string(scope_request_get_body(request), "pipeline_id",
                                              SCOPE_MEMBER_REQUIRED, faults);
    ScopePipelineInfo *info = id ? scope_registry_lookup(server->options.registry, id) : NULL;

    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
    } else if (*id == '\0') {
        scope_request_reply_error(request, 400, "pipeline_id is required");
    } else if (info && info->desc->n_artifacts > 0 &&
               !scope_downloads_start(server->downloads, id, info->desc->artifacts,
                                      info->desc->n_artifacts)) {
        scope_request_reply_error(request, 409, "Download already in progress for %s", id);
    } else {
        scope_request_reply_message(request, "Model download started for %s", id);
    }
}

/* -- LoRA files -- */

typedef struct {
    char *root;
    char *shared_root;
    char *bundled_root;   /* what comes with the program */
    GPtrArray *items;     /* of JsonObject */
    GHashTable *stems;    /* of items: stem -> item */
    JsonObject *manifest; /* (nullable): its `entries` */
    gboolean is_shared_pass;
} LoraScan;

static void
lora_scan_free(gpointer data)
{
    LoraScan *scan = data;

    g_free(scan->root);
    g_free(scan->shared_root);
    g_free(scan->bundled_root);
    g_clear_pointer(&scan->manifest, json_object_unref);
    g_hash_table_unref(scan->stems);
    g_ptr_array_unref(scan->items);
    g_free(scan);
}

static gboolean
is_lora(const char *name)
{
    static const char *const extensions[] = {".safetensors", ".bin", ".pt"};
    const char *dot = strrchr(name, '.');

    for (gsize i = 0; dot && i < G_N_ELEMENTS(extensions); i++) {
        if (g_ascii_strcasecmp(dot, extensions[i]) == 0) {
            return TRUE;
        }
    }
    return FALSE;
}

static void
set_manifest_members(JsonObject *item, JsonObject *manifest, const char *relative)
{
    JsonObject *entry = manifest ? scope_json_object_get_object(manifest, relative) : NULL;
    JsonObject *provenance = entry ? scope_json_object_get_object(entry, "provenance") : NULL;

    scope_object_set_string(item, "sha256",
                            entry ? scope_json_object_get_string(entry, "sha256") : NULL);
    if (provenance && scope_json_object_get_string(provenance, "source")) {
        json_object_set_object_member(item, "provenance", scope_json_object_copy(provenance));
    } else {
        json_object_set_null_member(item, "provenance");
    }
}

static void
collect_lora(const char *root, const char *relative, const struct stat *info, gpointer user_data)
{
    LoraScan *scan = user_data;
    g_autofree char *path = g_build_filename(root, relative, NULL);
    g_autofree char *stem = scope_media_files_dup_stem(relative);
    g_autofree char *folder = scope_media_files_dup_folder(relative);
    JsonObject *local;
    JsonObject *item;

    if (!is_lora(relative)) {
        return;
    }
    local = scan->is_shared_pass ? g_hash_table_lookup(scan->stems, stem) : NULL;
    if (local) {
        json_object_set_boolean_member(local, "read_only", TRUE);
        return;
    }
    item = json_object_new();
    json_object_set_string_member(item, "name", stem);
    json_object_set_string_member(item, "path", path);
    json_object_set_double_member(item, "size_mb", scope_media_files_get_mib(info->st_size));
    scope_object_set_string(item, "folder", folder);
    set_manifest_members(item, scan->is_shared_pass ? NULL : scan->manifest, relative);
    json_object_set_boolean_member(item, "read_only", scan->is_shared_pass);
    g_ptr_array_add(scan->items, item);
    g_hash_table_insert(scan->stems, g_steal_pointer(&stem), item);
}

static gint
compare_loras(gconstpointer a, gconstpointer b)
{
    JsonObject *left = *(JsonObject *const *)a;
    JsonObject *right = *(JsonObject *const *)b;
    const char *left_folder = json_object_get_string_member_with_default(left, "folder", "");
    const char *right_folder = json_object_get_string_member_with_default(right, "folder", "");
    gint order = g_strcmp0(left_folder, right_folder);

    return order ? order
                 : g_strcmp0(json_object_get_string_member(left, "name"),
                             json_object_get_string_member(right, "name"));
}

static void
read_manifest(LoraScan *scan)
{
    g_autofree char *path = g_build_filename(scan->root, "lora_manifest.json", NULL);
    g_autofree char *text = NULL;
    g_autoptr(JsonObject) manifest = NULL;
    JsonObject *entries;
    gsize length = 0;

    if (!g_file_get_contents(path, &text, &length, NULL) || length > MAX_MANIFEST_BYTES) {
        return;
    }
    manifest = scope_json_parse_object(text, (gssize)length, 0, NULL);
    entries = manifest ? scope_json_object_get_object(manifest, "entries") : NULL;
    scan->manifest = entries ? json_object_ref(entries) : NULL;
}

static void
job_loras(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    LoraScan *scan = task_data;
    const char *const shared_roots[] = {scan->shared_root, scan->bundled_root};

    read_manifest(scan);
    scope_media_files_scan(scan->root, SCOPE_MEDIA_FILES_FOLLOW, collect_lora, scan);
    scan->is_shared_pass = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(shared_roots); i++) {
        if (shared_roots[i]) {
            scope_media_files_scan(shared_roots[i], SCOPE_MEDIA_FILES_FOLLOW, collect_lora, scan);
        }
    }
    g_ptr_array_sort(scan->items, compare_loras);
    g_task_return_boolean(task, TRUE);
}

static void
on_loras(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeRequest *request = user_data;
    LoraScan *scan = g_task_get_task_data(G_TASK(result));
    JsonObject *body = json_object_new();
    JsonArray *files = json_array_new();
    JsonArray *copy = json_array_new();

    for (guint i = 0; i < scan->items->len; i++) {
        json_array_add_object_element(files, json_object_ref(g_ptr_array_index(scan->items, i)));
        json_array_add_object_element(copy, json_object_ref(g_ptr_array_index(scan->items, i)));
    }
    json_object_set_array_member(body, "lora_files", files);
    json_object_set_array_member(body, "loras", copy);
    scope_request_reply_object(request, body);
    scope_request_unref(request);
}

void
scope_route_loras(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_loras, scope_request_defer(request));
    const char *share_dir = server->options.services->share_dir;
    LoraScan *scan = g_new0(LoraScan, 1);

    scan->root = g_strdup(server->options.lora_dir);
    scan->shared_root = g_strdup(server->options.lora_shared_dir);
    scan->bundled_root = share_dir ? g_build_filename(share_dir, "lora", NULL) : NULL;
    scan->items = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    scan->stems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_task_set_task_data(task, scan, lora_scan_free);
    g_task_run_in_thread(task, job_loras);
}
