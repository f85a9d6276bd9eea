/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes single files out of a zip archive that came from the network: every offset and size is
 * checked, names in the archive never become paths. Blocks; any thread.
 */
#ifndef SCOPE_UNZIP_H
#define SCOPE_UNZIP_H

#include <glib.h>

G_BEGIN_DECLS

/** ScopeUnzip: an opened archive. Opaque; one thread at a time. */
typedef struct _ScopeUnzip ScopeUnzip;

/** ScopeUnzipEntry: a file of an archive; borrowed from it. */
typedef struct _ScopeUnzipEntry ScopeUnzipEntry;

/**
 * scope_unzip_open:
 * @bytes: (array length=n_bytes): the archive; borrowed, outlives the result
 * @n_bytes: its length
 *
 * Reads the list of files. Archives over 4 GB and split ones are not understood.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) (nullable): the archive, %NULL when the bytes are none.
 */
ScopeUnzip *scope_unzip_open(const guint8 *bytes, gsize n_bytes);

/** scope_unzip_close: (nullable). Thread: any. */
void scope_unzip_close(ScopeUnzip *archive);

/**
 * scope_unzip_find:
 * @name: of a file, with or without the folders that it lies in
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (nullable): the file with that name in the fewest folders.
 */
const ScopeUnzipEntry *scope_unzip_find(ScopeUnzip *archive, const char *name);

/**
 * scope_unzip_extract:
 * @entry: of @archive
 * @fd: where its bytes are written
 * @error: (nullable): set on failure
 *
 * Thread: any; blocks for the disk.
 * Errors: G_IO_ERROR_INVALID_DATA when the archive is damaged, G_IO_ERROR_NOT_SUPPORTED for another
 * compression or an encrypted file, G_IO_ERROR from the errno of the system when writing fails.
 * Returns: %TRUE when size and checksum are right, or %FALSE with @error set.
 */
gboolean scope_unzip_extract(ScopeUnzip *archive, const ScopeUnzipEntry *entry, int fd,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeUnzip, scope_unzip_close)

G_END_DECLS

#endif
