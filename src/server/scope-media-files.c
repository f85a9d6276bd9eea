/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions and folder scans. No state, any thread. */
#include "server/scope-media-files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Deep enough for any real folder, and an end for links in circles. */
#define MAX_DEPTH 8
#define MAX_FILES 100000

typedef struct {
    const char *extension;
    const char *type;
    const char *content_type;
} Kind;

static const Kind kinds[] = {
    {".png", "image", "image/png"},
    {".jpg", "image", "image/jpeg"},
    {".jpeg", "image", "image/jpeg"},
    {".webp", "image", "image/webp"},
    {".bmp", "image", "image/bmp"},
    {".mp4", "video", "video/mp4"},
    {".avi", "video", "video/x-msvideo"},
    {".mov", "video", "video/quicktime"},
    {".mkv", "video", "video/x-matroska"},
    {".webm", "video", "video/webm"},
    {".wav", "audio", "application/octet-stream"},
    {".mp3", "audio", "application/octet-stream"},
    {".flac", "audio", "application/octet-stream"},
    {".ogg", "audio", "application/octet-stream"},
};

static const Kind *
find_kind(const char *name)
{
    const char *dot = strrchr(name, '.');

    if (!dot || strchr(dot, '/')) {
        return NULL;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_ascii_strcasecmp(kinds[i].extension, dot) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *
scope_media_files_get_type(const char *name)
{
    const Kind *kind = find_kind(name);

    return kind ? kind->type : NULL;
}

const char *
scope_media_files_get_content_type(const char *name)
{
    const Kind *kind = find_kind(name);

    return kind ? kind->content_type : "application/octet-stream";
}

char *
scope_media_files_dup_stem(const char *relative)
{
    char *name = g_path_get_basename(relative);
    char *dot = strrchr(name, '.');

    if (dot && dot != name) {
        *dot = '\0';
    }
    return name;
}

char *
scope_media_files_dup_folder(const char *relative)
{
    return strchr(relative, '/') ? g_path_get_dirname(relative) : NULL;
}

gdouble
scope_media_files_get_mib(gint64 n_bytes)
{
    return round((gdouble)n_bytes / (1024.0 * 1024.0) * 100.0) / 100.0;
}

typedef struct {
    const char *root;
    char *canonical;
    ScopeMediaFilesLinks links;
    ScopeMediaFilesFunc func;
    gpointer user_data;
    guint n_files;
} Scan;

static gboolean
is_link_allowed(const Scan *scan, const char *path)
{
    g_autofree char *target = NULL;
    char *resolved;
    gsize length = strlen(scan->canonical);

    if (scan->links == SCOPE_MEDIA_FILES_FOLLOW || !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
        return TRUE;
    }
    resolved = realpath(path, NULL);
    target = g_strdup(resolved);
    free(resolved);
    return target && strncmp(target, scan->canonical, length) == 0 && target[length] == '/';
}

static void
scan_folder(Scan *scan, const char *relative, guint depth)
{
    g_autofree char *folder = g_build_filename(scan->root, relative, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir && scan->n_files < MAX_FILES && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autofree char *inner =
            *relative ? g_strconcat(relative, "/", name, NULL) : g_strdup(name);
        struct stat info;
        if (*name == '.' || !g_utf8_validate(name, -1, NULL) || stat(path, &info) != 0 ||
            !is_link_allowed(scan, path)) {
            continue;
        }
        if (S_ISDIR(info.st_mode) && depth < MAX_DEPTH) {
            scan_folder(scan, inner, depth + 1);
        } else if (S_ISREG(info.st_mode)) {
            scan->n_files++;
            scan->func(scan->root, inner, &info, scan->user_data);
        }
    }
}

void
scope_media_files_scan(const char *root, ScopeMediaFilesLinks links, ScopeMediaFilesFunc func,
                       gpointer user_data)
{
    char *canonical = realpath(root, NULL);
    Scan scan = {.root = root, .links = links, .func = func, .user_data = user_data};

    if (!canonical) {
        return;
    }
    scan.canonical = g_strdup(canonical);
    free(canonical);
    scan_folder(&scan, "", 0);
    g_free(scan.canonical);
}
