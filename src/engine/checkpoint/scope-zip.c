/* SPDX-License-Identifier: Apache-2.0 */
/* A minimal zip64 reader for stored entries. Sizes come from the central directory, the start of
 * the data from the local header. Owns names and the entry list. Any thread. */
#include "engine/checkpoint/scope-zip-private.h"

#include <string.h>

#include "engine/checkpoint/scope-checkpoint.h"

#define END_SIGNATURE       0x06054b50u
#define END64_SIGNATURE     0x06064b50u
#define LOCATOR64_SIGNATURE 0x07064b50u
#define CENTRAL_SIGNATURE   0x02014b50u
#define LOCAL_SIGNATURE     0x04034b50u

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR64_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    FLAG_ENCRYPTED = 1,
};

typedef struct {
    const char *path;
    const guint8 *bytes;
    gsize size;
    guint64 n_entries;
    guint64 directory; /* offset of the central directory */
    guint64 n_directory;
} Reader;

typedef struct {
    const guint8 *at; /* central record */
    guint64 n_bytes;
    guint64 n_compressed;
    guint64 local;
    guint name_length;
    guint extra_length;
} Central;

static guint
get16(const guint8 *at)
{
    return at[0] | (guint)at[1] << 8;
}

static guint32
get32(const guint8 *at)
{
    return get16(at) | (guint32)get16(at + 2) << 16;
}

static guint64
get64(const guint8 *at)
{
    return get32(at) | (guint64)get32(at + 4) << 32;
}

static gboolean fail(const Reader *reader, ScopeCheckpointError code, GError **error,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);

static gboolean
fail(const Reader *reader, ScopeCheckpointError code, GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, SCOPE_CHECKPOINT_ERROR, code, "%s: zip archive: %s", reader->path, what);
    return FALSE;
}

/* Replaces the fields of the end record by those of the ZIP64 end record. */
static gboolean
read_end64(Reader *reader, gsize end, GError **error)
{
    const guint8 *locator;
    guint64 offset;
    const guint8 *end64;

    if (end < LOCATOR64_BYTES ||
        get32(locator = reader->bytes + end - LOCATOR64_BYTES) != LOCATOR64_SIGNATURE) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error, "the ZIP64 locator is missing");
    }
    offset = get64(locator + 8);
    if (reader->size < END64_BYTES || offset > reader->size - END64_BYTES ||
        get32(reader->bytes + offset) != END64_SIGNATURE) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "there is no ZIP64 end record at byte %" G_GUINT64_FORMAT, offset);
    }
    end64 = reader->bytes + offset;
    reader->n_entries = get64(end64 + 32);
    reader->n_directory = get64(end64 + 40);
    reader->directory = get64(end64 + 48);
    return TRUE;
}

static gboolean
read_end(Reader *reader, GError **error)
{
    gsize lowest = reader->size > 65557 ? reader->size - 65557 : 0;
    gsize end;

    if (reader->size < END_BYTES) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error, "the file is too short");
    }
    for (end = reader->size - END_BYTES; get32(reader->bytes + end) != END_SIGNATURE; end--) {
        if (end == lowest) {
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                        "no end record: the file is truncated");
        }
    }
    reader->n_entries = get16(reader->bytes + end + 10);
    reader->n_directory = get32(reader->bytes + end + 12);
    reader->directory = get32(reader->bytes + end + 16);
    if ((reader->n_entries == 0xFFFF || reader->n_directory == 0xFFFFFFFFu ||
         reader->directory == 0xFFFFFFFFu) &&
        !read_end64(reader, end, error)) {
        return FALSE;
    }
    if (reader->directory > end || reader->n_directory > end - reader->directory) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "central directory at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                    " bytes does not lie inside the file",
                    reader->directory, reader->n_directory);
    }
    if (reader->n_entries > SCOPE_ZIP_MAX_ENTRIES ||
        reader->n_entries > reader->n_directory / CENTRAL_BYTES) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "%" G_GUINT64_FORMAT " entries do not fit a directory of %" G_GUINT64_FORMAT
                    " bytes",
                    reader->n_entries, reader->n_directory);
    }
    return TRUE;
}

/* Takes the 64-bit values of the ZIP64 extra field for those that are marked by all ones. */
static gboolean
read_extra64(const Reader *reader, Central *central, const char *name, GError **error)
{
    const guint8 *at = central->at + CENTRAL_BYTES + central->name_length;
    const guint8 *end = at + central->extra_length;
    guint64 *wide[3];
    guint n_wide = 0;

    if (central->n_bytes == 0xFFFFFFFFu) {
        wide[n_wide++] = &central->n_bytes;
    }
    if (central->n_compressed == 0xFFFFFFFFu) {
        wide[n_wide++] = &central->n_compressed;
    }
    if (central->local == 0xFFFFFFFFu) {
        wide[n_wide++] = &central->local;
    }
    while (n_wide > 0 && end - at >= 4) {
        guint id = get16(at), length = get16(at + 2);
        if ((gsize)(end - at - 4) < length) {
            break;
        }
        if (id == 1 && length >= 8 * n_wide) {
            for (guint i = 0; i < n_wide; i++) {
                *wide[i] = get64(at + 4 + 8 * i);
            }
            return TRUE;
        }
        at += 4 + length;
    }
    return n_wide == 0 || fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                               "entry '%s' has no ZIP64 sizes", name);
}

/* The start of the data, from the local header. */
static gboolean
find_data(const Reader *reader, const Central *central, const char *name, const guint8 **ret_data,
          GError **error)
{
    guint64 left, start;

    if (reader->directory < LOCAL_BYTES || central->local > reader->directory - LOCAL_BYTES ||
        get32(reader->bytes + central->local) != LOCAL_SIGNATURE) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "entry '%s': no local header at byte %" G_GUINT64_FORMAT, name, central->local);
    }
    start = central->local + LOCAL_BYTES + get16(reader->bytes + central->local + 26) +
            get16(reader->bytes + central->local + 28);
    left = start > reader->directory ? 0 : reader->directory - start;
    if (start > reader->directory || central->n_bytes > left) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "entry '%s' claims %" G_GUINT64_FORMAT " bytes, %" G_GUINT64_FORMAT
                    " are left in the file",
                    name, central->n_bytes, left);
    }
    if (get16(reader->bytes + central->local + 26) != central->name_length ||
        memcmp(reader->bytes + central->local + LOCAL_BYTES, central->at + CENTRAL_BYTES,
               central->name_length) != 0) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "entry '%s' has another name in its local header", name);
    }
    *ret_data = reader->bytes + start;
    return TRUE;
}

static gboolean
read_entry(const Reader *reader, ScopeZip *zip, Central *central, GError **error)
{
    const char *raw = (const char *)central->at + CENTRAL_BYTES;
    ScopeZipEntry entry;

    if (memchr(raw, 0, central->name_length) != NULL || central->name_length == 0) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error, "an entry has a bad name");
    }
    entry.name = g_string_chunk_insert_len(zip->names, raw, (gssize)central->name_length);
    if (get16(central->at + 8) & FLAG_ENCRYPTED) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error, "entry '%s' is encrypted",
                    entry.name);
    }
    if (get16(central->at + 10) != 0) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "entry '%s' is compressed (method %u); PyTorch stores entries, so this archive "
                    "was repacked: unpack it and zip it with method 0",
                    entry.name, get16(central->at + 10));
    }
    central->n_compressed = get32(central->at + 20);
    central->n_bytes = get32(central->at + 24);
    central->local = get32(central->at + 42);
    entry.crc = get32(central->at + 16);
    if (!read_extra64(reader, central, entry.name, error)) {
        return FALSE;
    }
    if (central->n_compressed != central->n_bytes) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "entry '%s' is stored, yet its two sizes differ", entry.name);
    }
    if (!find_data(reader, central, entry.name, &entry.data, error)) {
        return FALSE;
    }
    entry.n_bytes = (gsize)central->n_bytes;
    if (g_hash_table_contains(zip->by_name, entry.name)) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error, "entry '%s' is there twice",
                    entry.name);
    }
    g_array_append_val(zip->entries, entry);
    g_hash_table_insert(zip->by_name, (gpointer)entry.name, GUINT_TO_POINTER(zip->entries->len));
    return TRUE;
}

ScopeZip *
scope_zip_open_private(const char *path, const guint8 *bytes, gsize size, GError **error)
{
    g_autoptr(ScopeZip) zip = g_new0(ScopeZip, 1);
    Reader reader = {.path = path, .bytes = bytes, .size = size};
    guint64 at, end;

    zip->entries = g_array_new(FALSE, FALSE, sizeof(ScopeZipEntry));
    zip->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    zip->names = g_string_chunk_new(4096);
    if (!read_end(&reader, error)) {
        return NULL;
    }
    at = reader.directory;
    end = reader.directory + reader.n_directory;
    for (guint64 i = 0; i < reader.n_entries; i++) {
        Central central = {.at = bytes + at};
        guint64 length;
        if (end - at < CENTRAL_BYTES || get32(bytes + at) != CENTRAL_SIGNATURE) {
            fail(&reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "entry %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                 " is not in the central directory",
                 i + 1, reader.n_entries);
            return NULL;
        }
        central.name_length = get16(bytes + at + 28);
        central.extra_length = get16(bytes + at + 30);
        length =
            CENTRAL_BYTES + central.name_length + central.extra_length + get16(bytes + at + 32);
        if (end - at < length) {
            fail(&reader, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "the name of entry %" G_GUINT64_FORMAT " leaves the central directory", i + 1);
            return NULL;
        }
        if (!read_entry(&reader, zip, &central, error)) {
            return NULL;
        }
        at += length;
    }
    return g_steal_pointer(&zip);
}

void
scope_zip_close_private(ScopeZip *zip)
{
    if (zip == NULL) {
        return;
    }
    g_hash_table_unref(zip->by_name);
    g_array_unref(zip->entries);
    g_string_chunk_free(zip->names);
    g_free(zip);
}

const ScopeZipEntry *
scope_zip_find_private(const ScopeZip *zip, const char *name)
{
    guint index = GPOINTER_TO_UINT(g_hash_table_lookup(zip->by_name, name));

    return index == 0 ? NULL : &g_array_index(zip->entries, ScopeZipEntry, index - 1);
}

guint32
scope_zip_crc32_private(const guint8 *bytes, gsize size)
{
    guint32 crc = 0xFFFFFFFFu;

    for (gsize i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1)));
        }
    }
    return ~crc;
}
