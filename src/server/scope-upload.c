/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body on its way to disk. Main collects chunks; one job at a time runs on a pool thread and
 * owns the descriptor while it runs. Main only, but for job_*().
 */
#include "server/scope-upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "core/scope-log.h"
#include "server/scope-server-error.h"

SCOPE_LOG_TOPIC(server, upload)

/* The source is stopped above the high mark and goes on below the low one. */
#define HIGH_MARK_BYTES (2u * 1024 * 1024)
#define LOW_MARK_BYTES  (512u * 1024)

struct _ScopeUpload {
    gint refs;
    char *path;
    char *folder;
    guint64 max_bytes;
    guint64 n_bytes;
    GByteArray *pending;
    ScopeUploadFlow flow;
    gpointer flow_data;
    GTask *finish_task;
    GError *error;
    gboolean is_stopped;
    gboolean is_running;
    gboolean is_aborted;
    gboolean is_done;
    /* The running job's, else main's. */
    char *temp_path;
    int fd;
};

static void run_next(ScopeUpload *upload);

ScopeUpload *
scope_upload_new(const char *path, guint64 max_bytes)
{
    ScopeUpload *upload = g_new0(ScopeUpload, 1);

    upload->refs = 1;
    upload->path = g_strdup(path);
    upload->folder = g_path_get_dirname(path);
    upload->max_bytes = max_bytes;
    upload->pending = g_byte_array_new();
    upload->fd = -1;
    return upload;
}

ScopeUpload *
scope_upload_ref(ScopeUpload *upload)
{
    upload->refs++;
    return upload;
}

static void
remove_temp(ScopeUpload *upload)
{
    if (upload->fd >= 0) {
        close(upload->fd);
        upload->fd = -1;
    }
    if (upload->temp_path) {
        g_unlink(upload->temp_path);
        g_clear_pointer(&upload->temp_path, g_free);
    }
}

void
scope_upload_unref(ScopeUpload *upload)
{
    if (--upload->refs > 0) {
        return;
    }
    remove_temp(upload);
    g_clear_error(&upload->error);
    g_byte_array_unref(upload->pending);
    g_free(upload->path);
    g_free(upload->folder);
    g_free(upload);
}

void
scope_upload_set_flow(ScopeUpload *upload, ScopeUploadFlow flow, gpointer user_data)
{
    upload->flow = flow;
    upload->flow_data = user_data;
}

const char *
scope_upload_get_path(ScopeUpload *upload)
{
    return upload->path;
}

static void
set_flow(ScopeUpload *upload, gboolean is_full)
{
    if (upload->is_stopped == is_full) {
        return;
    }
    upload->is_stopped = is_full;
    if (upload->flow) {
        upload->flow(is_full, upload->flow_data);
    }
}

static gboolean
job_fail(const char *what, const char *path, GError **error)
{
    int saved = errno;

    g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_INTERNAL, "%s %s: %s", what, path,
                g_strerror(saved));
    return FALSE;
}

static gboolean
job_open(ScopeUpload *upload, GError **error)
{
    if (upload->fd >= 0) {
        return TRUE;
    }
    if (g_mkdir_with_parents(upload->folder, 0755) != 0) {
        return job_fail("Could not make the folder", upload->folder, error);
    }
    upload->temp_path = g_strdup_printf("%s/%sXXXXXX", upload->folder, SCOPE_UPLOAD_TEMP_PREFIX);
    upload->fd = g_mkstemp_full(upload->temp_path, O_RDWR | O_CLOEXEC, 0644);
    if (upload->fd < 0) {
        g_clear_pointer(&upload->temp_path, g_free);
        return job_fail("Could not make a file in", upload->folder, error);
    }
    return TRUE;
}

static void
job_write(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    ScopeUpload *upload = g_task_get_task_data(task);
    GByteArray *data = g_object_get_data(G_OBJECT(task), "data");
    GError *error = NULL;
    gsize at = 0;

    if (!job_open(upload, &error)) {
        g_task_return_error(task, error);
        return;
    }
    while (at < data->len) {
        gssize n = write(upload->fd, data->data + at, data->len - at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            job_fail("Could not write", upload->temp_path, &error);
            g_task_return_error(task, error);
            return;
        }
        at += (gsize)n;
    }
    g_task_return_boolean(task, TRUE);
}

static void
job_commit(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    ScopeUpload *upload = g_task_get_task_data(task);
    GError *error = NULL;
    int folder_fd;

    if (!job_open(upload, &error)) {
        g_task_return_error(task, error);
        return;
    }
    if (fsync(upload->fd) != 0 || rename(upload->temp_path, upload->path) != 0) {
        job_fail("Could not store", upload->path, &error);
        g_task_return_error(task, error);
        return;
    }
    g_clear_pointer(&upload->temp_path, g_free);
    close(upload->fd);
    upload->fd = -1;
    folder_fd = open(upload->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd >= 0) {
        fsync(folder_fd);
        close(folder_fd);
    }
    g_task_return_boolean(task, TRUE);
}

static void
end_finish(ScopeUpload *upload)
{
    g_autoptr(GTask) task = g_steal_pointer(&upload->finish_task);

    upload->is_done = TRUE;
    if (upload->error) {
        remove_temp(upload);
    }
    if (!task) {
        return;
    }
    if (upload->error) {
        g_task_return_error(task, g_error_copy(upload->error));
    } else {
        g_task_return_boolean(task, TRUE);
    }
}

static void
on_written(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeUpload *upload = user_data;
    GError *error = NULL;

    upload->is_running = FALSE;
    if (!g_task_propagate_boolean(G_TASK(result), &error)) {
        if (!upload->error) {
            upload->error = g_steal_pointer(&error);
        }
        g_clear_error(&error);
    }
    run_next(upload);
    scope_upload_unref(upload);
}

static void
on_committed(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeUpload *upload = user_data;

    upload->is_running = FALSE;
    g_task_propagate_boolean(G_TASK(result), &upload->error);
    end_finish(upload);
    scope_upload_unref(upload);
}

static void
start_job(ScopeUpload *upload, GTaskThreadFunc func, GAsyncReadyCallback callback, GByteArray *data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, scope_upload_ref(upload));

    upload->is_running = TRUE;
    g_task_set_task_data(task, upload, NULL);
    if (data) {
        g_object_set_data_full(G_OBJECT(task), "data", data, (GDestroyNotify)g_byte_array_unref);
    }
    g_task_run_in_thread(task, func);
}

static void
run_next(ScopeUpload *upload)
{
    if (upload->is_running || upload->is_done) {
        return;
    }
    if (upload->is_aborted && !upload->error) {
        g_set_error_literal(&upload->error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                            "The upload was cut off");
    }
    if (upload->error) {
        g_byte_array_set_size(upload->pending, 0);
        remove_temp(upload);
        set_flow(upload, FALSE);
        if (upload->finish_task || upload->is_aborted) {
            end_finish(upload);
        }
        return;
    }
    if (upload->pending->len > 0) {
        GByteArray *data = upload->pending;
        upload->pending = g_byte_array_new();
        start_job(upload, job_write, on_written, data);
        set_flow(upload, FALSE);
        return;
    }
    if (upload->finish_task) {
        start_job(upload, job_commit, on_committed, NULL);
    }
}

gboolean
scope_upload_write(ScopeUpload *upload, GBytes *bytes)
{
    gsize size = 0;
    gconstpointer data = g_bytes_get_data(bytes, &size);

    if (upload->error || upload->is_aborted) {
        return FALSE;
    }
    upload->n_bytes += size;
    if (upload->n_bytes > upload->max_bytes) {
        g_set_error(&upload->error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                    "File size exceeds maximum of %" G_GUINT64_FORMAT "MB",
                    upload->max_bytes / (1024 * 1024));
        run_next(upload);
        return FALSE;
    }
    g_byte_array_append(upload->pending, data, (guint)size);
    if (upload->is_running && upload->pending->len > HIGH_MARK_BYTES) {
        set_flow(upload, TRUE);
    }
    if (upload->pending->len > LOW_MARK_BYTES) {
        run_next(upload);
    }
    return TRUE;
}

void
scope_upload_abort(ScopeUpload *upload)
{
    if (upload->is_done || upload->finish_task) {
        return;
    }
    scope_log_debug("upload of %s given up after %" G_GUINT64_FORMAT " bytes", upload->path,
                    upload->n_bytes);
    upload->is_aborted = TRUE;
    run_next(upload);
}

void
scope_upload_finish_async(ScopeUpload *upload, GAsyncReadyCallback callback, gpointer user_data)
{
    g_return_if_fail(!upload->finish_task);
    upload->finish_task = g_task_new(NULL, NULL, callback, user_data);
    g_task_set_task_data(upload->finish_task, scope_upload_ref(upload),
                         (GDestroyNotify)scope_upload_unref);
    if (upload->is_done) {
        end_finish(upload);
    } else {
        run_next(upload);
    }
}

gboolean
scope_upload_finish(ScopeUpload *upload, GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
