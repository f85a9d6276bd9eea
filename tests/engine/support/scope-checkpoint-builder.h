/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small checkpoint files for tests and fuzz seeds: safetensors around a given header, stored
 * zip archives, and pickles opcode by opcode, right or wrong on purpose. Every function appends to
 * a GByteArray that the caller owns. Any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** scope_build_safetensors: length, @header, then @n_data bytes 1, 2, 3, ... */
GByteArray *scope_build_safetensors(const char *header, gsize n_data);

/** scope_build_file: writes @bytes to a new file below @folder; returns its path (transfer full).
 */
char *scope_build_file(const char *folder, const char *name, const GByteArray *bytes);

/* -- Zip -------------------------------------------------------------------------------------- */

/** ScopeZipFault: what is wrong with an archive on purpose. */
typedef enum {
    SCOPE_ZIP_SOUND,
    SCOPE_ZIP_COMPRESSED, /* method 8 in the central directory */
    SCOPE_ZIP_ENCRYPTED,  /* flag bit 0 */
    SCOPE_ZIP_BAD_CRC,    /* of every entry */
    SCOPE_ZIP_TOO_LONG,   /* sizes past the end */
    SCOPE_ZIP_FAR_LOCAL,  /* local header past the end */
    SCOPE_ZIP_OTHER_NAME, /* local name differs */
    SCOPE_ZIP_NO_END,     /* no end record */
    SCOPE_ZIP_MANY,       /* more entries claimed than there are */
    SCOPE_ZIP_DUPLICATE,  /* the first entry is listed twice */
    SCOPE_ZIP_ZIP64,      /* sound, sizes and directory in ZIP64 records */
} ScopeZipFault;

typedef struct {
    GByteArray *bytes;
    GByteArray *directory;
    guint n_entries;
    ScopeZipFault fault;
} ScopeZipBuilder;

/** scope_zip_builder_init: begins an archive. */
void scope_zip_builder_init(ScopeZipBuilder *zip, ScopeZipFault fault);
/** scope_zip_builder_add: adds a stored entry. */
void scope_zip_builder_add(ScopeZipBuilder *zip, const char *name, const void *data, gsize n);
/** scope_zip_builder_finish: writes directory and end; returns the archive (transfer full). */
GByteArray *scope_zip_builder_finish(ScopeZipBuilder *zip);

/* -- Pickle ----------------------------------------------------------------------------------- */

/** scope_pickle_op: one opcode without argument. */
void scope_pickle_op(GByteArray *pickle, guint8 code);
/** scope_pickle_text: BINUNICODE. */
void scope_pickle_text(GByteArray *pickle, const char *text);
/** scope_pickle_int: BININT. */
void scope_pickle_int(GByteArray *pickle, gint32 value);
/** scope_pickle_global: GLOBAL. */
void scope_pickle_global(GByteArray *pickle, const char *module, const char *name);
/** scope_pickle_tuple: a tuple of @n integers. */
void scope_pickle_tuple(GByteArray *pickle, guint n, const gint32 *values);
/** scope_pickle_begin: PROTO 2, EMPTY_DICT, MARK. */
void scope_pickle_begin(GByteArray *pickle);
/** scope_pickle_end: SETITEMS, STOP. */
void scope_pickle_end(GByteArray *pickle);
/** scope_pickle_tensor: the rebuild call of a tensor on storage @key of @n_storage floats. */
void scope_pickle_tensor(GByteArray *pickle, const char *key, gint32 n_storage, gint32 offset,
                         guint rank, const gint32 *shape, const gint32 *stride);

/** scope_build_torch: an archive with @pickle, a version record and storage "0" of @n_floats. */
GByteArray *scope_build_torch(const GByteArray *pickle, gsize n_floats, ScopeZipFault fault);

/** scope_build_torch_legacy: a legacy file with @pickle and storage "0" of @n_floats. */
GByteArray *scope_build_torch_legacy(const GByteArray *pickle, gsize n_floats);

G_END_DECLS
