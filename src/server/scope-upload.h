/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores a request body while it arrives: into a temporary file beside its target, written on pool
 * threads, synced and renamed at the end. Whatever goes wrong, no part of it stays.
 */
#ifndef SCOPE_UPLOAD_H
#define SCOPE_UPLOAD_H

#include <gio/gio.h>

G_BEGIN_DECLS

/** SCOPE_UPLOAD_TEMP_PREFIX: how the names of temporary files begin. */
#define SCOPE_UPLOAD_TEMP_PREFIX ".upload-"

/** ScopeUpload: refcounted. Thread: main only. */
typedef struct _ScopeUpload ScopeUpload;

/** ScopeUploadFlow: @is_full tells the source to stop or to go on. Thread: main. */
typedef void (*ScopeUploadFlow)(gboolean is_full, gpointer user_data);

/**
 * scope_upload_new:
 * @path: absolute target; missing folders are made
 * @max_bytes: more than this fails the upload
 *
 * Thread: main. Blocks: nothing; the file is made on a pool thread.
 * Errors: told by scope_upload_finish().
 * Returns: (transfer full): an upload that waits for data.
 */
ScopeUpload *scope_upload_new(const char *path, guint64 max_bytes);

/** scope_upload_ref: another owner. Thread: main. */
ScopeUpload *scope_upload_ref(ScopeUpload *upload);

/** scope_upload_unref: the last owner of an unfinished upload removes its file. Thread: main. */
void scope_upload_unref(ScopeUpload *upload);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeUpload, scope_upload_unref)

/** scope_upload_set_flow: (nullable) @flow is told when memory is full or drained. Thread: main. */
void scope_upload_set_flow(ScopeUpload *upload, ScopeUploadFlow flow, gpointer user_data);

/** scope_upload_get_path: borrowed target path. Thread: main. */
const char *scope_upload_get_path(ScopeUpload *upload);

/**
 * scope_upload_write:
 * @upload: borrowed
 * @bytes: borrowed
 *
 * Thread: main.
 * Errors: none; told by scope_upload_finish().
 * Returns: %FALSE when the upload has failed and further data is pointless.
 */
gboolean scope_upload_write(ScopeUpload *upload, GBytes *bytes);

/**
 * scope_upload_abort:
 * @upload: borrowed
 *
 * Gives up: the file is removed as soon as no pool thread writes to it.
 *
 * Thread: main.
 * Errors: none.
 */
void scope_upload_abort(ScopeUpload *upload);

/**
 * scope_upload_finish_async:
 * @upload: borrowed, kept alive until @callback
 * @callback: called once on main
 * @user_data: for @callback
 *
 * Writes what is left, syncs the file and its folder, and renames it over the target.
 *
 * Thread: main.
 * Errors: through scope_upload_finish().
 */
void scope_upload_finish_async(ScopeUpload *upload, GAsyncReadyCallback callback,
                               gpointer user_data);

/**
 * scope_upload_finish:
 * @upload: borrowed
 * @result: what the callback was given
 * @error: (nullable): set on failure
 *
 * Thread: main.
 * Errors: SCOPE_SERVER_ERROR_BAD_REQUEST (too large), SCOPE_SERVER_ERROR_INTERNAL (disk),
 * G_IO_ERROR_CANCELLED. Returns: %TRUE when the target now holds the whole body.
 */
gboolean scope_upload_finish(ScopeUpload *upload, GAsyncResult *result, GError **error);

G_END_DECLS

#endif
