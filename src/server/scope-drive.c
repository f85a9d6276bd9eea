/* SPDX-License-Identifier: Apache-2.0 */
/* Google Drive's download pages and archives; see scope-drive.h. */
#include "server/scope-drive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "server/scope-fetch.h"
#include "server/scope-unzip.h"

#define MAX_FIELDS 16

/* ---- pages --------------------------------------------------------------------------------- */

/* The value of attribute @name in the tag at @tag (up to its `>`), or NULL. */
static char *
dup_attribute(const char *tag, const char *name)
{
    g_autofree char *key = g_strdup_printf(" %s=\"", name);
    const char *tag_end = strchr(tag, '>');
    const char *start = tag_end ? g_strstr_len(tag, tag_end - tag, key) : NULL;

    if (!start)
        return NULL;
    start += strlen(key);
    const char *end = memchr(start, '"', (gsize)(tag_end - start));
    if (!end)
        return NULL;
    g_autoptr(GString) value = g_string_new_len(start, end - start);
    g_string_replace(value, "&amp;", "&", 0);
    return g_strdup(value->str);
}

/* Appends the hidden fields of the form from @form to @form_end to @url. */
static void
append_fields(const char *form, const char *form_end, GString *url)
{
    const char *tag = form;

    for (int i = 0; i < MAX_FIELDS && (tag = g_strstr_len(tag, form_end - tag, "<input")); i++) {
        g_autofree char *name = dup_attribute(tag, "name");
        g_autofree char *value = dup_attribute(tag, "value");
        tag += strlen("<input");
        if (!name || !value)
            continue;
        g_autofree char *escaped_name = g_uri_escape_string(name, NULL, FALSE);
        g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
        g_string_append_printf(url, "%c%s=%s", strchr(url->str, '?') ? '&' : '?', escaped_name,
                               escaped);
    }
}

ScopeDrivePage
scope_drive_read_page(const char *page, char **ret_url)
{
    const char *mark = strstr(page, "id=\"download-form\"");
    const char *form = mark ? g_strrstr_len(page, mark - page, "<form") : NULL;
    const char *form_end = form ? strstr(form, "</form>") : NULL;

    if (form_end) {
        g_autofree char *action = dup_attribute(form, "action");
        if (action) {
            g_autoptr(GString) url = g_string_new(action);
            append_fields(form, form_end, url);
            *ret_url = g_strdup(url->str);
            return SCOPE_DRIVE_PAGE_CONFIRM;
        }
    }
    if (strstr(page, "Quota exceeded") || strstr(page, "Too many users have viewed or downloaded"))
        return SCOPE_DRIVE_PAGE_QUOTA;
    return SCOPE_DRIVE_PAGE_OTHER;
}

static void
set_page_error(ScopeDrivePage page, const char *file_id, GError **error)
{
    if (page == SCOPE_DRIVE_PAGE_QUOTA)
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FORBIDDEN,
                    "Google Drive says that too many have fetched file %s; try again later, at "
                    "most a day, or fetch it with a browser that is logged in and put it into the "
                    "models folder",
                    file_id);
    else
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FORBIDDEN,
                    "Google Drive answers with a page instead of file %s: it is not shared with "
                    "everyone, or gone",
                    file_id);
}

char *
scope_drive_find(const char *endpoint, SoupSession *session, const char *file_id,
                 gint64 *ret_size_bytes, GCancellable *cancellable, GError **error)
{
    g_autofree char *id = g_uri_escape_string(file_id, NULL, FALSE);
    g_autofree char *url =
        g_strdup_printf("%s/download?id=%s&export=download&confirm=t", endpoint, id);
    g_autofree char *own = g_strconcat(endpoint, "/", NULL);

    for (int i = 0; i < 2; i++) {
        g_auto(ScopeFetchReply) reply = {0};
        g_autofree char *next = NULL;
        if (!scope_fetch_probe(session, url, &reply, cancellable, error))
            return NULL;
        if (!reply.page) {
            *ret_size_bytes = reply.size_bytes;
            return g_steal_pointer(&url);
        }
        const ScopeDrivePage page = scope_drive_read_page(reply.page, &next);
        if (page != SCOPE_DRIVE_PAGE_CONFIRM || i > 0 || !g_str_has_prefix(next, own)) {
            set_page_error(page, file_id, error);
            return NULL;
        }
        g_free(url);
        url = g_steal_pointer(&next);
    }
    g_assert_not_reached();
}

/* ---- archives ------------------------------------------------------------------------------ */

static gboolean
set_unpack_error(GError *failure, const char *path, GError **error)
{
    const gboolean is_full = g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_NO_SPACE);

    if (g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_INVALID_DATA))
        g_unlink(path);
    g_set_error(error, SCOPE_FETCH_ERROR,
                is_full ? SCOPE_FETCH_ERROR_DISK_FULL : SCOPE_FETCH_ERROR_MISMATCH,
                "Unpacking %s: %s", path,
                is_full ? "the disk is full; make room" : failure->message);
    g_error_free(failure);
    return FALSE;
}

/* Writes @entry to @file: a temporary name, fsync, rename. */
static gboolean
extract(ScopeUnzip *archive, const ScopeUnzipEntry *entry, const char *file, GError **error)
{
    g_autofree char *partial = g_strconcat(file, ".incomplete", NULL);
    g_autofree char *folder = g_path_get_dirname(file);
    gboolean is_good;
    int fd;

    g_mkdir_with_parents(folder, 0755);
    fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    is_good = fd >= 0 && scope_unzip_extract(archive, entry, fd, error);
    if (fd < 0 || (is_good && (fsync(fd) != 0 || g_rename(partial, file) != 0))) {
        const int code = errno;
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "Writing %s: %s", file,
                    g_strerror(code));
        is_good = FALSE;
    }
    if (fd >= 0)
        close(fd);
    if (!is_good)
        g_unlink(partial);
    return is_good;
}

gboolean
scope_drive_unpack(const ScopeArtifact *artifact, const char *path, const char *folder,
                   GError **error)
{
    GError *failure = NULL;
    g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &failure);
    g_autoptr(ScopeUnzip) archive = NULL;

    if (!file)
        return set_unpack_error(failure, path, error);
    archive = scope_unzip_open((const guint8 *)g_mapped_file_get_contents(file),
                               g_mapped_file_get_length(file));
    if (!artifact->files[1] && (!archive || !scope_unzip_find(archive, artifact->files[0]))) {
        g_autofree char *only = g_build_filename(folder, artifact->files[0], NULL);
        if (g_rename(path, only) == 0)
            return TRUE;
        failure = g_error_new(G_IO_ERROR, g_io_error_from_errno(errno), "%s", g_strerror(errno));
        return set_unpack_error(failure, path, error);
    }
    for (const char *const *wanted = artifact->files; *wanted; wanted++) {
        const ScopeUnzipEntry *entry = archive ? scope_unzip_find(archive, *wanted) : NULL;
        g_autofree char *to = g_build_filename(folder, *wanted, NULL);
        if (!entry) {
            g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_NOT_FOUND,
                        "Google Drive file %s holds no %s", artifact->drive_file_id, *wanted);
            return FALSE;
        }
        if (!extract(archive, entry, to, &failure))
            return set_unpack_error(failure, path, error);
    }
    g_unlink(path);
    return TRUE;
}
