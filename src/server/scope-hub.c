/* SPDX-License-Identifier: Apache-2.0 */
/* Listing of artifacts on the Hugging Face Hub and Google Drive; see scope-hub.h. */
#include "server/scope-hub.h"

#include <string.h>

#include <json-glib/json-glib.h>

#include "server/scope-drive.h"
#include "server/scope-fetch.h"

#define MAX_PAGES 100

/* ---- the hub ------------------------------------------------------------------------------- */

static void
hub_file_free(gpointer data)
{
    ScopeHubFile *file = data;

    g_free(file->path);
    g_free(file->url);
    g_free(file->sha256);
    g_free(file);
}

/* A path that stays inside the artifact's folder. */
static gboolean
is_safe_path(const char *path)
{
    if (!*path || *path == '/' || strchr(path, '\\') || strlen(path) > 1024)
        return FALSE;
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (char **part = parts; *part; part++)
        if (!**part || !strcmp(*part, ".") || !strcmp(*part, ".."))
            return FALSE;
    return TRUE;
}

/* The size and checksum that a tree entry tells; FALSE when it is not a file we may write. */
static gboolean
read_entry(JsonObject *entry, ScopeHubFile *file)
{
    const char *type = json_object_get_string_member_with_default(entry, "type", "");
    const char *path = json_object_get_string_member_with_default(entry, "path", "");

    if (strcmp(type, "file") != 0 || !is_safe_path(path))
        return FALSE;
    file->path = g_strdup(path);
    file->size_bytes = json_object_get_int_member_with_default(entry, "size", -1);
    JsonNode *lfs = json_object_get_member(entry, "lfs");
    if (lfs && JSON_NODE_HOLDS_OBJECT(lfs)) {
        JsonObject *large = json_node_get_object(lfs);
        const char *oid = json_object_get_string_member_with_default(large, "oid", "");
        if (g_str_has_prefix(oid, "sha256:"))
            oid += strlen("sha256:");
        if (strlen(oid) == 64)
            file->sha256 = g_strdup(oid);
        file->size_bytes = json_object_get_int_member_with_default(large, "size", file->size_bytes);
    }
    return TRUE;
}

/* Adds the files of one page of a tree to @files, by path. */
static gboolean
read_page(GBytes *page, const char *url, GHashTable *files, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    gsize n_bytes = 0;
    const char *text = g_bytes_get_data(page, &n_bytes);
    g_autoptr(GError) failure = NULL;

    if (!json_parser_load_from_data(parser, text ? text : "", (gssize)n_bytes, &failure) ||
        !json_parser_get_root(parser) || !JSON_NODE_HOLDS_ARRAY(json_parser_get_root(parser))) {
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                    "%s: the listing is not a JSON array%s%s", url, failure ? ": " : "",
                    failure ? failure->message : "");
        return FALSE;
    }
    JsonArray *entries = json_node_get_array(json_parser_get_root(parser));
    for (guint i = 0; i < json_array_get_length(entries); i++) {
        JsonNode *node = json_array_get_element(entries, i);
        ScopeHubFile *file = g_new0(ScopeHubFile, 1);
        if (JSON_NODE_HOLDS_OBJECT(node) && read_entry(json_node_get_object(node), file))
            g_hash_table_replace(files, file->path, file);
        else
            hub_file_free(file);
    }
    return TRUE;
}

/* All files of a repository by path. */
static GHashTable *
read_tree(const ScopeHub *hub, SoupSession *session, const char *repo_id, GCancellable *cancellable,
          GError **error)
{
    g_autoptr(GHashTable) files =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hub_file_free);
    g_autofree char *url =
        g_strdup_printf("%s/api/models/%s/tree/main?recursive=true", hub->endpoint, repo_id);

    for (int n_pages = 0; url && n_pages < MAX_PAGES; n_pages++) {
        g_autofree char *next = NULL;
        g_autoptr(GBytes) page =
            scope_fetch_json(session, url, hub->token, &next, cancellable, error);
        if (!page || !read_page(page, url, files, error))
            return NULL;
        g_free(url);
        url = g_steal_pointer(&next);
        if (url && !g_str_has_prefix(url, hub->endpoint))
            g_clear_pointer(&url, g_free);
    }
    return g_steal_pointer(&files);
}

static int
compare_paths(gconstpointer a, gconstpointer b)
{
    const ScopeHubFile *const *left = a, *const *right = b;
    return strcmp((*left)->path, (*right)->path);
}

/* Moves the files that @wanted names, or that lie below it, from @tree to the end of @list. */
static gboolean
take_wanted(GHashTable *tree, const char *wanted, GPtrArray *list)
{
    g_autofree char *below = g_strconcat(wanted, "/", NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, tree);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        ScopeHubFile *file = value;
        if (!strcmp(file->path, wanted) || g_str_has_prefix(file->path, below)) {
            g_ptr_array_add(found, file);
            g_hash_table_iter_steal(&iter);
        }
    }
    g_ptr_array_sort(found, compare_paths);
    for (guint i = 0; i < found->len; i++)
        g_ptr_array_add(list, found->pdata[i]);
    return found->len > 0;
}

static GPtrArray *
list_repository(const ScopeHub *hub, SoupSession *session, const ScopeArtifact *artifact,
                GCancellable *cancellable, GError **error)
{
    g_autoptr(GHashTable) tree = read_tree(hub, session, artifact->repo_id, cancellable, error);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(hub_file_free);

    if (!tree)
        return NULL;
    for (const char *const *wanted = artifact->files; wanted && *wanted; wanted++) {
        if (!take_wanted(tree, *wanted, list)) {
            g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_NOT_FOUND,
                        "%s has no file or folder `%s` on its main revision", artifact->repo_id,
                        *wanted);
            return NULL;
        }
    }
    for (guint i = 0; i < list->len; i++) {
        ScopeHubFile *file = list->pdata[i];
        g_autofree char *escaped = g_uri_escape_string(file->path, "/", FALSE);
        file->url =
            g_strdup_printf("%s/%s/resolve/main/%s", hub->endpoint, artifact->repo_id, escaped);
    }
    return g_steal_pointer(&list);
}

/* One file, which may be an archive: see scope_drive_unpack(). */
static GPtrArray *
list_drive(const ScopeHub *hub, SoupSession *session, const ScopeArtifact *artifact,
           GCancellable *cancellable, GError **error)
{
    gint64 size_bytes = -1;
    char *url = scope_drive_find(hub->drive_endpoint, session, artifact->drive_file_id, &size_bytes,
                                 cancellable, error);

    if (!url)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func(hub_file_free);
    ScopeHubFile *file = g_new0(ScopeHubFile, 1);
    file->path = g_strconcat(artifact->drive_file_id, ".download", NULL);
    file->url = url;
    file->size_bytes = size_bytes;
    g_ptr_array_add(list, file);
    return list;
}

/* The start of the checksum that names such as `raft_small_C_T_V2-01064c6d.pth` end with. */
static char *
dup_named_checksum(const char *file)
{
    g_autoptr(GRegex) regex = g_regex_new("-([0-9a-f]{8,64})\\.[a-z]+$", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;

    return g_regex_match(regex, file, 0, &match) ? g_match_info_fetch(match, 1) : NULL;
}

static GPtrArray *
list_address(const ScopeArtifact *artifact)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(hub_file_free);

    for (const char *const *wanted = artifact->files; wanted && *wanted; wanted++) {
        ScopeHubFile *file = g_new0(ScopeHubFile, 1);
        file->path = g_strdup(*wanted);
        file->url = g_strdup_printf("%s/%s", artifact->url, *wanted);
        file->size_bytes = -1;
        file->sha256 = dup_named_checksum(*wanted);
        g_ptr_array_add(list, file);
    }
    return list;
}

GPtrArray *
scope_hub_list(const ScopeHub *hub, SoupSession *session, const ScopeArtifact *artifact,
               GCancellable *cancellable, GError **error)
{
    if (artifact->repo_id)
        return list_repository(hub, session, artifact, cancellable, error);
    if (artifact->url)
        return list_address(artifact);
    return list_drive(hub, session, artifact, cancellable, error);
}
