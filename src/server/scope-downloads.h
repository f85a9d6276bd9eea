/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads of model files in the background: one thread that works off a queue, so that artifacts
 * which several pipelines share are fetched once. Owns the thread; state is read through snapshots.
 */
#ifndef SCOPE_DOWNLOADS_H
#define SCOPE_DOWNLOADS_H

#include "server/scope-hub.h"

G_BEGIN_DECLS

/** ScopeDownloads: opaque; belongs to the thread that made it. */
typedef struct _ScopeDownloads ScopeDownloads;

/**
 * ScopeDownloadStatus:
 * @is_downloading: waiting for its turn or running
 * @artifact: (nullable): label of the artifact in progress
 * @percentage: 0..100 of that artifact, or -1 before the first bytes
 * @n_bytes: bytes of that artifact on disk
 * @total_bytes: size of that artifact, or -1 while unknown
 * @error: (nullable): why the last download ended
 *
 * A snapshot. Clear with scope_download_status_clear().
 */
typedef struct {
    gboolean is_downloading;
    char *artifact;
    gdouble percentage;
    gint64 n_bytes;
    gint64 total_bytes;
    char *error;
} ScopeDownloadStatus;

/**
 * scope_download_status_clear:
 * @status: the caller's memory
 *
 * Frees the strings. Thread: any.
 */
void scope_download_status_clear(ScopeDownloadStatus *status);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeDownloadStatus, scope_download_status_clear)

/**
 * scope_downloads_new:
 * @models_dir: where model files go
 * @hub: where to ask; copied
 * @backoff_ms: pause before the second attempt at a file, see ScopeFetch
 * @error: (nullable): set on failure
 *
 * Thread: the owner.
 * Errors: G_IO_ERROR when no thread can be started.
 * Returns: (transfer full): the downloads, or %NULL with @error set.
 */
ScopeDownloads *scope_downloads_new(const char *models_dir, const ScopeHub *hub, guint backoff_ms,
                                    GError **error);

/**
 * scope_downloads_free:
 * @downloads: (nullable)
 *
 * Cancels what runs, joins the thread and frees everything; partial files stay for a later resume.
 * Thread: the owner; waits for the current request to notice.
 */
void scope_downloads_free(ScopeDownloads *downloads);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeDownloads, scope_downloads_free)

/**
 * scope_downloads_start:
 * @downloads: the downloads
 * @id: pipeline
 * @artifacts: (array length=n_artifacts): its artifacts; must live as long as @downloads
 * @n_artifacts: how many
 *
 * Queues the files of @artifacts that are not there yet.
 *
 * Thread: any. Returns: %FALSE when a download of @id is queued or running already.
 */
gboolean scope_downloads_start(ScopeDownloads *downloads, const char *id,
                               const ScopeArtifact *artifacts, guint n_artifacts);

/**
 * scope_downloads_cancel:
 * @downloads: the downloads
 * @id: pipeline
 *
 * Ends the download of @id; its partial file stays. Thread: any.
 * Returns: whether there was one.
 */
gboolean scope_downloads_cancel(ScopeDownloads *downloads, const char *id);

/**
 * scope_downloads_get_status:
 * @downloads: the downloads
 * @id: pipeline
 * @ret_status: filled; to be cleared by the caller
 *
 * Thread: any. Returns: %FALSE when @id was never downloaded, or its download succeeded.
 */
gboolean scope_downloads_get_status(ScopeDownloads *downloads, const char *id,
                                    ScopeDownloadStatus *ret_status);

/**
 * scope_downloads_wait:
 * @downloads: the downloads
 * @id: pipeline
 * @deadline_us: on the clock of g_get_monotonic_time()
 *
 * Waits until no download of @id is queued or running. Thread: any but the download thread.
 * Returns: %FALSE when the deadline passed first.
 */
gboolean scope_downloads_wait(ScopeDownloads *downloads, const char *id, gint64 deadline_us);

G_END_DECLS

#endif
