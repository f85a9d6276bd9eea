/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rotating file of one start (files.md section 4). Not thread-safe: scope-log.c calls it under
 * its lock.
 */
#ifndef SCOPE_LOG_FILE_H
#define SCOPE_LOG_FILE_H

#include <glib.h>

G_BEGIN_DECLS

#define SCOPE_LOG_FILE_MAX_BYTES ((gsize)5 * 1000 * 1000)
#define SCOPE_LOG_FILE_BACKUPS   5
#define SCOPE_LOG_FILE_MAX_AGE_S ((gint64)24 * 60 * 60)

/** ScopeLogFile: opaque. */
typedef struct _ScopeLogFile ScopeLogFile;

/**
 * scope_log_file_open:
 * @dir: made when absent
 * @max_bytes: size at which it is rotated
 * @error: (nullable): set on failure
 *
 * Deletes log files of @dir that are older than a day, then opens
 * `scope-logs-YYYY-MM-DD-HH-MM-SS.log` (local time).
 *
 * Errors: G_FILE_ERROR.
 * Returns: (transfer full): the file, or %NULL.
 *
 * Thread: any.
 */
ScopeLogFile *scope_log_file_open(const char *dir, gsize max_bytes, GError **error);

/** scope_log_file_close: (nullable). Thread: any. */
void scope_log_file_close(ScopeLogFile *file);

/** scope_log_file_write: appends @line, rotating first when it would exceed the size. Thread: any.
 */
void scope_log_file_write(ScopeLogFile *file, const char *line, gsize length);

/** scope_log_file_get_path: (transfer none): of the newest part. Thread: any. */
const char *scope_log_file_get_path(const ScopeLogFile *file);

/** scope_log_file_sync: hands the data to the disk. Thread: any. */
void scope_log_file_sync(ScopeLogFile *file);

G_END_DECLS

#endif
