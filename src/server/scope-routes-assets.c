/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of assets: list, upload, serve. Main thread; the folder is scanned on the pool. */
#include "server/scope-handlers.h"

#include <string.h>
#include <sys/stat.h>

#include "core/scope-log.h"
#include "media/scope-thumbnail.h"
#include "server/scope-media-files.h"
#include "server/scope-path.h"
#include "server/scope-server-error.h"
#include "server/scope-server-private.h"
#include "server/scope-upload.h"

SCOPE_LOG_TOPIC(server, assets)

#define MIN_THUMBNAIL_PX 16
#define MAX_THUMBNAIL_PX 1024

typedef struct {
    char *root;
    char *type;
    JsonObject *body;
} Listing;

static void
listing_free(gpointer data)
{
    Listing *listing = data;

    g_free(listing->root);
    g_free(listing->type);
    g_clear_pointer(&listing->body, json_object_unref);
    g_free(listing);
}

static JsonObject *
build_asset(const char *root, const char *relative, const struct stat *info)
{
    g_autofree char *path = g_build_filename(root, relative, NULL);
    g_autofree char *stem = scope_media_files_dup_stem(relative);
    g_autofree char *folder = scope_media_files_dup_folder(relative);
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "name", stem);
    json_object_set_string_member(item, "path", path);
    json_object_set_double_member(item, "size_mb", scope_media_files_get_mib(info->st_size));
    scope_object_set_string(item, "folder", folder);
    json_object_set_string_member(item, "type", scope_media_files_get_type(relative));
    json_object_set_double_member(
        item, "created_at", (gdouble)info->st_ctim.tv_sec + (gdouble)info->st_ctim.tv_nsec / 1e9);
    return item;
}

static gint
compare_assets(gconstpointer a, gconstpointer b)
{
    JsonObject *left = *(JsonObject *const *)a;
    JsonObject *right = *(JsonObject *const *)b;
    gdouble left_time = json_object_get_double_member(left, "created_at");
    gdouble right_time = json_object_get_double_member(right, "created_at");
    gint order;

    if (left_time != right_time) {
        return left_time > right_time ? -1 : 1;
    }
    order = g_strcmp0(json_object_get_string_member_with_default(left, "folder", NULL),
                      json_object_get_string_member_with_default(right, "folder", NULL));
    return order ? order
                 : g_strcmp0(json_object_get_string_member(left, "name"),
                             json_object_get_string_member(right, "name"));
}

static void
collect_asset(const char *root, const char *relative, const struct stat *info, gpointer user_data)
{
    GPtrArray *items = user_data;

    if (scope_media_files_get_type(relative)) {
        g_ptr_array_add(items, build_asset(root, relative, info));
    }
}

static void
job_list(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    Listing *listing = task_data;
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
    JsonArray *array = json_array_new();

    scope_media_files_scan(listing->root, SCOPE_MEDIA_FILES_INSIDE, collect_asset, items);
    g_ptr_array_sort(items, compare_assets);
    for (guint i = 0; i < items->len; i++) {
        JsonObject *item = g_ptr_array_index(items, i);
        if (!listing->type ||
            strcmp(listing->type, json_object_get_string_member(item, "type")) == 0) {
            json_array_add_object_element(array, json_object_ref(item));
        }
    }
    listing->body = json_object_new();
    json_object_set_array_member(listing->body, "assets", array);
    g_task_return_boolean(task, TRUE);
}

static void
on_listed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeRequest *request = user_data;
    Listing *listing = g_task_get_task_data(G_TASK(result));

    scope_request_reply_object(request, g_steal_pointer(&listing->body));
    scope_request_unref(request);
}

void
scope_route_assets(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *type = scope_request_get_query(request, "type");
    g_autoptr(GTask) task = g_task_new(NULL, NULL, on_listed, scope_request_defer(request));
    Listing *listing = g_new0(Listing, 1);

    listing->root = g_strdup(server->options.assets_dir);
    if (type &&
        (strcmp(type, "image") == 0 || strcmp(type, "video") == 0 || strcmp(type, "audio") == 0)) {
        listing->type = g_strdup(type);
    }
    g_task_set_task_data(task, listing, listing_free);
    g_task_run_in_thread(task, job_list);
}

gboolean
scope_route_asset_begin(ScopeRequest *request, GError **error)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *name = scope_request_get_query(request, "filename");
    SoupMessageHeaders *headers =
        soup_server_message_get_request_headers(scope_request_get_message(request));
    g_autofree char *path = NULL;

    if (!name) {
        g_autoptr(ScopeFaults) faults = scope_faults_new("query");
        scope_faults_push(faults, "filename");
        scope_faults_add(faults, "missing", NULL, "Field required");
        scope_faults_pop(faults);
        scope_request_reply_faults(request, faults);
        return FALSE;
    }
    if (!scope_media_files_get_type(name)) {
        g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                    "Invalid file type. Allowed types: %s", SCOPE_MEDIA_FILES_EXTENSIONS);
        return FALSE;
    }
    path = scope_path_resolve(server->options.assets_dir, name, NULL);
    if (!path) {
        g_set_error_literal(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                            "Invalid filename");
        return FALSE;
    }
    /* Without a length libsoup cannot tell a body that was cut between chunks from a whole one. */
    if (soup_message_headers_get_encoding(headers) != SOUP_ENCODING_CONTENT_LENGTH) {
        g_set_error_literal(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                            "An upload needs a Content-Length; chunked bodies are not taken");
        return FALSE;
    }
    if ((guint64)soup_message_headers_get_content_length(headers) >
        server->options.max_upload_bytes) {
        g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                    "File size exceeds maximum of %" G_GUINT64_FORMAT "MB",
                    server->options.max_upload_bytes / (1024 * 1024));
        return FALSE;
    }
    scope_request_take_upload(request, scope_upload_new(path, server->options.max_upload_bytes));
    return TRUE;
}

static void
on_stored(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(ScopeRequest) request = user_data;
    ScopeServer *server = scope_request_get_context(request);
    ScopeUpload *upload = scope_request_get_upload(request);
    const char *path = scope_upload_get_path(upload);
    const char *relative = path + strlen(server->options.assets_dir);
    g_autoptr(GError) error = NULL;
    struct stat info;

    if (!scope_upload_finish(upload, result, &error)) {
        scope_request_reply_gerror(request, error);
        return;
    }
    if (stat(path, &info) != 0) {
        scope_request_reply_error(request, 500, "The stored file has gone");
        return;
    }
    while (*relative == '/') {
        relative++;
    }
    scope_log_info("stored %s (%" G_GINT64_FORMAT " bytes)", path, (gint64)info.st_size);
    scope_request_reply_object(request, build_asset(server->options.assets_dir, relative, &info));
}

void
scope_route_asset_upload(ScopeRequest *request)
{
    scope_upload_finish_async(scope_request_get_upload(request), on_stored,
                              scope_request_defer(request));
}

static void
on_thumbnail(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(ScopeRequest) request = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = scope_thumbnail_make_finish(result, &error);

    if (bytes) {
        scope_request_set_header(request, "Cache-Control", "private, max-age=3600");
        scope_request_reply_bytes(request, 200, "image/jpeg", bytes);
    } else {
        scope_request_reply_error(request, 415, "No thumbnail: %s", error->message);
    }
}

/* `?thumbnail=EDGE`: a small picture of an image or video. */
static void
reply_thumbnail(ScopeRequest *request, const char *path)
{
    g_autoptr(ScopeFaults) faults = scope_faults_new("query");
    gint64 edge_px = scope_request_query_int(request, "thumbnail", MIN_THUMBNAIL_PX,
                                             MIN_THUMBNAIL_PX, MAX_THUMBNAIL_PX, faults);

    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    scope_thumbnail_make_async(path, (guint)edge_px, SCOPE_IMAGE_FORMAT_JPEG, NULL, on_thumbnail,
                               scope_request_defer(request));
}

void
scope_route_asset(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *name = scope_request_get_param(request, "asset_path");
    g_autofree char *base = NULL;
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    /* An absolute path, as the list returns it, is reduced to its name. */
    if (*name == '/') {
        base = g_path_get_basename(name);
        name = base;
    }
    path = scope_path_resolve(server->options.assets_dir, name, &error);
    if (!path) {
        scope_request_reply_gerror(request, error);
        return;
    }
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        scope_request_reply_error(request, 404, "Asset not found");
        return;
    }
    if (scope_request_get_query(request, "thumbnail")) {
        reply_thumbnail(request, path);
        return;
    }
    scope_request_reply_file(request, path, scope_media_files_get_content_type(path), NULL);
}
