/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue of downloads and its thread; see scope-downloads.h. The lock guards the jobs' state and
 * is a leaf: nothing is fetched, logged or called back while it is held.
 */
#include "server/scope-downloads.h"

#include "core/scope-lock.h"
#include "core/scope-log.h"
#include "core/scope-thread.h"
#include "server/scope-drive.h"
#include "server/scope-fetch.h"

#define N_ATTEMPTS 5

SCOPE_LOG_TOPIC(server, downloads)

/* One pipeline's download; everything but the constants under the lock of its owner. */
typedef struct {
    ScopeDownloads *owner;
    char *id;
    const ScopeArtifact *artifacts;
    guint n_artifacts;
    GCancellable *cancellable;
    gboolean is_downloading;
    char *artifact;
    gint64 done_bytes;  /* of the files of this artifact that are complete */
    gint64 n_bytes;     /* of the artifact */
    gint64 total_bytes; /* of the artifact, -1 = unknown */
    char *error;
} Job;

struct _ScopeDownloads {
    char *models_dir;
    char *endpoint;
    char *token;
    char *drive_endpoint;
    guint backoff_ms;
    ScopeThread *thread;
    ScopeLock lock;
    ScopeCond changed;
    gboolean is_stopping;
    GQueue queue;     /* of Job, borrowed */
    GHashTable *jobs; /* id -> Job, owned */
};

static void
job_free(gpointer data)
{
    Job *job = data;

    g_object_unref(job->cancellable);
    g_free(job->id);
    g_free(job->artifact);
    g_free(job->error);
    g_free(job);
}

void
scope_download_status_clear(ScopeDownloadStatus *status)
{
    g_clear_pointer(&status->artifact, g_free);
    g_clear_pointer(&status->error, g_free);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void
on_progress(gint64 n_bytes, gint64 total_bytes, gpointer user_data)
{
    Job *job = user_data;

    SCOPE_LOCK_GUARD(&job->owner->lock);
    job->n_bytes = job->done_bytes + n_bytes;
    if (job->total_bytes < 0 && total_bytes >= 0)
        job->total_bytes = job->done_bytes + total_bytes;
}

static void
begin_artifact(Job *job, const ScopeArtifact *artifact)
{
    SCOPE_LOCK_GUARD(&job->owner->lock);
    g_free(job->artifact);
    job->artifact = scope_artifact_dup_label(artifact);
    job->done_bytes = job->n_bytes = 0;
    job->total_bytes = -1;
}

/* The size of all files, or -1 when one is unknown. */
static gint64
sum_sizes(GPtrArray *files)
{
    gint64 total_bytes = 0;

    for (guint i = 0; i < files->len; i++) {
        const ScopeHubFile *file = files->pdata[i];
        if (file->size_bytes < 0)
            return -1;
        total_bytes += file->size_bytes;
    }
    return total_bytes;
}

static gboolean
fetch_artifact(Job *job, SoupSession *session, const ScopeArtifact *artifact, GError **error)
{
    ScopeDownloads *self = job->owner;
    const ScopeHub hub = {self->endpoint, self->token, self->drive_endpoint};
    g_autofree char *folder = scope_artifact_dup_folder(artifact, self->models_dir);
    g_autoptr(GPtrArray) files = NULL;

    begin_artifact(job, artifact);
    for (guint n_done = 1; !files; n_done++) {
        GError *failure = NULL;
        files = scope_hub_list(&hub, session, artifact, job->cancellable, &failure);
        if (failure && !scope_fetch_retry(failure, n_done, N_ATTEMPTS, self->backoff_ms,
                                          job->cancellable, error))
            return FALSE;
    }
    scope_lock_lock(&self->lock);
    job->total_bytes = sum_sizes(files);
    scope_lock_unlock(&self->lock);
    for (guint i = 0; i < files->len; i++) {
        const ScopeHubFile *file = files->pdata[i];
        g_autofree char *path = g_build_filename(folder, file->path, NULL);
        ScopeFetch fetch = SCOPE_FETCH_INIT;

        fetch.url = file->url;
        fetch.is_hub = artifact->repo_id != NULL;
        fetch.token = fetch.is_hub ? self->token : NULL;
        fetch.path = path;
        fetch.size_bytes = file->size_bytes;
        fetch.sha256 = file->sha256;
        fetch.n_attempts = N_ATTEMPTS;
        fetch.backoff_ms = self->backoff_ms;
        fetch.progress = on_progress;
        fetch.user_data = job;
        if (!g_file_test(path, G_FILE_TEST_EXISTS) &&
            !scope_fetch_file(session, &fetch, job->cancellable, error))
            return FALSE;
        if (artifact->drive_file_id && !scope_drive_unpack(artifact, path, folder, error))
            return FALSE;
        SCOPE_LOCK_GUARD(&self->lock);
        job->done_bytes += MAX(file->size_bytes, 0);
        job->n_bytes = job->done_bytes;
    }
    return TRUE;
}

static void
run_job(Job *job, SoupSession *session)
{
    ScopeDownloads *self = job->owner;
    g_autoptr(GError) error = NULL;

    scope_log_info("downloading the models of %s", job->id);
    for (guint i = 0; i < job->n_artifacts && !error; i++) {
        g_autofree char *missing =
            scope_artifact_find_missing(&job->artifacts[i], self->models_dir);
        if (missing)
            fetch_artifact(job, session, &job->artifacts[i], &error);
    }
    if (error)
        scope_log_error("download for %s ended: %s", job->id, error->message);
    else
        scope_log_info("models of %s are complete", job->id);
    SCOPE_LOCK_GUARD(&self->lock);
    job->is_downloading = FALSE;
    job->error = error ? g_strdup(error->message) : NULL;
    scope_cond_broadcast(&self->changed);
}

static Job *
wait_for_job(ScopeDownloads *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    while (!self->is_stopping && g_queue_is_empty(&self->queue))
        scope_cond_wait_until(&self->changed, &self->lock, g_get_monotonic_time() + G_USEC_PER_SEC);
    return self->is_stopping ? NULL : g_queue_pop_head(&self->queue);
}

static void
thread_main(gpointer data)
{
    ScopeDownloads *self = data;
    g_autoptr(GMainContext) context = g_main_context_new();
    Job *job;

    g_main_context_push_thread_default(context);
    while ((job = wait_for_job(self)) != NULL) {
        g_autoptr(SoupSession) session = scope_fetch_session_new();
        run_job(job, session);
    }
    g_main_context_pop_thread_default(context);
}

/* ---- the owner ----------------------------------------------------------------------------- */

ScopeDownloads *
scope_downloads_new(const char *models_dir, const ScopeHub *hub, guint backoff_ms, GError **error)
{
    ScopeDownloads *self = g_new0(ScopeDownloads, 1);

    self->models_dir = g_strdup(models_dir);
    self->endpoint = g_strdup(hub->endpoint);
    self->token = g_strdup(hub->token);
    self->drive_endpoint = g_strdup(hub->drive_endpoint);
    self->backoff_ms = backoff_ms;
    scope_lock_init(&self->lock);
    scope_cond_init(&self->changed);
    g_queue_init(&self->queue);
    self->jobs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, job_free);
    self->thread = scope_thread_start("downloads", thread_main, self, error);
    if (!self->thread)
        g_clear_pointer(&self, scope_downloads_free);
    return self;
}

void
scope_downloads_free(ScopeDownloads *self)
{
    if (!self)
        return;
    scope_lock_lock(&self->lock);
    self->is_stopping = TRUE;
    GHashTableIter iter;
    gpointer job;
    g_hash_table_iter_init(&iter, self->jobs);
    while (g_hash_table_iter_next(&iter, NULL, &job))
        g_cancellable_cancel(((Job *)job)->cancellable);
    scope_cond_broadcast(&self->changed);
    scope_lock_unlock(&self->lock);
    scope_thread_join(&self->thread);
    g_queue_clear(&self->queue);
    g_hash_table_unref(self->jobs);
    scope_cond_clear(&self->changed);
    scope_lock_clear(&self->lock);
    g_free(self->models_dir);
    g_free(self->endpoint);
    g_free(self->token);
    g_free(self->drive_endpoint);
    g_free(self);
}

gboolean
scope_downloads_start(ScopeDownloads *self, const char *id, const ScopeArtifact *artifacts,
                      guint n_artifacts)
{
    SCOPE_LOCK_GUARD(&self->lock);
    Job *old = g_hash_table_lookup(self->jobs, id);
    if (old && old->is_downloading)
        return FALSE;
    Job *job = g_new0(Job, 1);
    job->owner = self;
    job->id = g_strdup(id);
    job->artifacts = artifacts;
    job->n_artifacts = n_artifacts;
    job->cancellable = g_cancellable_new();
    job->is_downloading = TRUE;
    job->total_bytes = -1;
    g_hash_table_replace(self->jobs, job->id, job);
    g_queue_push_tail(&self->queue, job);
    scope_cond_broadcast(&self->changed);
    return TRUE;
}

gboolean
scope_downloads_cancel(ScopeDownloads *self, const char *id)
{
    SCOPE_LOCK_GUARD(&self->lock);
    Job *job = g_hash_table_lookup(self->jobs, id);
    if (!job || !job->is_downloading)
        return FALSE;
    g_cancellable_cancel(job->cancellable);
    return TRUE;
}

gboolean
scope_downloads_get_status(ScopeDownloads *self, const char *id, ScopeDownloadStatus *ret_status)
{
    SCOPE_LOCK_GUARD(&self->lock);
    const Job *job = g_hash_table_lookup(self->jobs, id);
    if (!job || (!job->is_downloading && !job->error))
        return FALSE;
    const gboolean is_known = job->total_bytes > 0;
    *ret_status = (ScopeDownloadStatus){
        .is_downloading = job->is_downloading,
        .artifact = g_strdup(job->artifact),
        .percentage = is_known ? 100.0 * (gdouble)job->n_bytes / (gdouble)job->total_bytes : -1.0,
        .n_bytes = job->n_bytes,
        .total_bytes = job->total_bytes,
        .error = g_strdup(job->error),
    };
    return TRUE;
}

gboolean
scope_downloads_wait(ScopeDownloads *self, const char *id, gint64 deadline_us)
{
    SCOPE_LOCK_GUARD(&self->lock);
    for (;;) {
        const Job *job = g_hash_table_lookup(self->jobs, id);
        if (!job || !job->is_downloading)
            return TRUE;
        if (!scope_cond_wait_until(&self->changed, &self->lock, deadline_us))
            return FALSE;
    }
}
