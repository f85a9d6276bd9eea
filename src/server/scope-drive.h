/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files on Google Drive: the page that asks for a confirmation before large files, the page that
 * says that the quota is used up, and the archive that a file may be. Blocks; runs on a download
 * thread.
 */
#ifndef SCOPE_DRIVE_H
#define SCOPE_DRIVE_H

#include <libsoup/soup.h>
#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * ScopeDrivePage: what a page that comes instead of a file says.
 * @SCOPE_DRIVE_PAGE_OTHER: anything else, such as a login
 * @SCOPE_DRIVE_PAGE_CONFIRM: the file is too large to be scanned; a form fetches it all the same
 * @SCOPE_DRIVE_PAGE_QUOTA: too many have fetched the file
 */
typedef enum {
    SCOPE_DRIVE_PAGE_OTHER = 0,
    SCOPE_DRIVE_PAGE_CONFIRM,
    SCOPE_DRIVE_PAGE_QUOTA,
} ScopeDrivePage;

/**
 * scope_drive_read_page:
 * @page: HTML, never trusted
 * @ret_url: (out) (transfer full): CONFIRM only: the address that the form leads to
 *
 * Thread: any. Errors: none. Returns: what the page is.
 */
ScopeDrivePage scope_drive_read_page(const char *page, char **ret_url);

/**
 * scope_drive_find:
 * @endpoint: address of the download service without a trailing slash
 * @session: of this thread
 * @file_id: of the file
 * @ret_size_bytes: (out): or -1 when the service does not tell
 * @cancellable: (nullable): ends it at once
 * @error: (nullable): set on failure
 *
 * Finds out where the file is fetched from, through the confirmation page where there is one.
 *
 * Thread: a download thread; blocks for one or two requests.
 * Errors: SCOPE_FETCH_ERROR: FORBIDDEN when the quota is used up or the file is not public;
 * G_IO_ERROR_CANCELLED.
 * Returns: (transfer full): the address, or %NULL with @error set.
 */
char *scope_drive_find(const char *endpoint, SoupSession *session, const char *file_id,
                       gint64 *ret_size_bytes, GCancellable *cancellable, GError **error);

/**
 * scope_drive_unpack:
 * @artifact: with a drive_file_id
 * @path: what was fetched
 * @folder: the artifact's folder
 * @error: (nullable): set on failure
 *
 * Puts the artifact's files into place, out of the archive that @path is, or @path itself when it
 * is the artifact's only file. @path is then gone.
 *
 * Thread: a download thread; blocks for the disk.
 * Errors: SCOPE_FETCH_ERROR: MISMATCH for a damaged archive (which is deleted), NOT_FOUND naming
 * the file that it lacks, DISK_FULL. Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_drive_unpack(const ScopeArtifact *artifact, const char *path, const char *folder,
                            GError **error);

G_END_DECLS

#endif
