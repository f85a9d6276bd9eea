/* SPDX-License-Identifier: Apache-2.0 */
/* The rotating log file. Owned by scope-log.c and called under its lock. */
#include "core/scope-log-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <glib/gstdio.h>

struct _ScopeLogFile {
    char *path;
    int fd;
    gsize n_bytes;
    gsize max_bytes;
};

static gboolean
set_errno(GError **error, const char *what, const char *path)
{
    int err = errno;

    g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(err), "%s %s failed: %s", what,
                path, g_strerror(err));
    return FALSE;
}

static void
delete_old_files(const char *dir)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    gint64 now_s = g_get_real_time() / G_USEC_PER_SEC;
    const char *name;

    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = NULL;
        GStatBuf st;

        if (!g_str_has_prefix(name, "scope-logs-") || strstr(name, ".log") == NULL)
            continue;
        path = g_build_filename(dir, name, NULL);
        if (g_lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            now_s - (gint64)st.st_mtime > SCOPE_LOG_FILE_MAX_AGE_S)
            g_unlink(path);
    }
}

static gboolean
open_fd(ScopeLogFile *self, GError **error)
{
    struct stat st;

    self->fd = open(self->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (self->fd < 0)
        return set_errno(error, "Opening the log file", self->path);
    self->n_bytes = fstat(self->fd, &st) == 0 ? (gsize)st.st_size : 0;
    return TRUE;
}

ScopeLogFile *
scope_log_file_open(const char *dir, gsize max_bytes, GError **error)
{
    time_t now = time(NULL);
    struct tm tm;
    char name[64];
    ScopeLogFile *self;

    g_return_val_if_fail(dir != NULL && max_bytes > 0, NULL);

    if (g_mkdir_with_parents(dir, 0750) != 0) {
        set_errno(error, "Making the log folder", dir);
        return NULL;
    }
    delete_old_files(dir);

    localtime_r(&now, &tm);
    strftime(name, sizeof name, "scope-logs-%Y-%m-%d-%H-%M-%S.log", &tm);
    self = g_new0(ScopeLogFile, 1);
    self->fd = -1;
    self->max_bytes = max_bytes;
    self->path = g_build_filename(dir, name, NULL);
    if (!open_fd(self, error)) {
        scope_log_file_close(self);
        return NULL;
    }
    return self;
}

void
scope_log_file_close(ScopeLogFile *self)
{
    if (self == NULL)
        return;
    if (self->fd >= 0)
        close(self->fd);
    g_free(self->path);
    g_free(self);
}

/* log -> log.1 -> ... -> log.5, the oldest goes. */
static void
rotate(ScopeLogFile *self)
{
    close(self->fd);
    self->fd = -1;
    for (guint i = SCOPE_LOG_FILE_BACKUPS; i >= 1; i--) {
        g_autofree char *from =
            i == 1 ? g_strdup(self->path) : g_strdup_printf("%s.%u", self->path, i - 1);
        g_autofree char *to = g_strdup_printf("%s.%u", self->path, i);

        if (g_rename(from, to) != 0 && errno != ENOENT)
            break; /* a folder that turned read-only: go on in the same file */
    }
    open_fd(self, NULL);
}

void
scope_log_file_write(ScopeLogFile *self, const char *line, gsize length)
{
    if (self->fd >= 0 && self->n_bytes > 0 && self->n_bytes + length > self->max_bytes)
        rotate(self);
    while (self->fd >= 0 && length > 0) {
        gssize n = write(self->fd, line, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* disk full: the line is lost, the program goes on */
        line += n;
        length -= (gsize)n;
        self->n_bytes += (gsize)n;
    }
}

const char *
scope_log_file_get_path(const ScopeLogFile *self)
{
    return self->path;
}

void
scope_log_file_sync(ScopeLogFile *self)
{
    if (self->fd >= 0)
        fdatasync(self->fd);
}
