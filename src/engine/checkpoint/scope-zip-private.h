/* SPDX-License-Identifier: Apache-2.0 */
/* The part of zip that PyTorch writes: stored entries, ZIP64. Works on a mapping that it borrows;
 * the entries are checked against it before they are listed. Any thread. */
#pragma once

#include <glib.h>

#define SCOPE_ZIP_MAX_ENTRIES (1u << 20)

typedef struct {
    const char *name;   /* owned by the archive; no NUL inside */
    const guint8 *data; /* in the mapping */
    gsize n_bytes;
    guint32 crc;
} ScopeZipEntry;

typedef struct {
    GArray *entries;     /* of ScopeZipEntry, in the order of the central directory */
    GHashTable *by_name; /* name -> index + 1 */
    GStringChunk *names;
} ScopeZip;

/** Reads the central directory of [bytes, bytes + size). @path is for messages. Refuses compressed
 * and encrypted entries, duplicate names and everything that does not lie inside the file.
 * Errors: FORMAT, UNSUPPORTED; NULL with @error set. */
ScopeZip *scope_zip_open_private(const char *path, const guint8 *bytes, gsize size, GError **error);
void scope_zip_close_private(ScopeZip *zip);

/** NULL when there is no such entry. */
const ScopeZipEntry *scope_zip_find_private(const ScopeZip *zip, const char *name);

/** CRC-32 as zip has it. */
guint32 scope_zip_crc32_private(const guint8 *bytes, gsize size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeZip, scope_zip_close_private)
