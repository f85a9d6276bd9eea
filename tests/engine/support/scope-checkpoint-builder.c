/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoint files for tests, byte by byte. Owns nothing beyond its results. Any thread. */
#include "support/scope-checkpoint-builder.h"

#include <string.h>

static void
put(GByteArray *bytes, guint64 value, guint n)
{
    for (guint i = 0; i < n; i++) {
        guint8 byte = i < 8 ? (guint8)(value >> (8 * i)) : 0;
        g_byte_array_append(bytes, &byte, 1);
    }
}

static void
put_text(GByteArray *bytes, const char *text)
{
    g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
}

GByteArray *
scope_build_safetensors(const char *header, gsize n_data)
{
    GByteArray *bytes = g_byte_array_new();

    put(bytes, strlen(header), 8);
    put_text(bytes, header);
    for (gsize i = 0; i < n_data; i++) {
        put(bytes, i + 1, 1);
    }
    return bytes;
}

char *
scope_build_file(const char *folder, const char *name, const GByteArray *bytes)
{
    char *path = g_build_filename(folder, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, (const char *)bytes->data, (gssize)bytes->len, &error);
    g_assert_no_error(error);
    return path;
}

/* -- Zip -------------------------------------------------------------------------------------- */

static guint32
crc32_of(const guint8 *bytes, gsize n)
{
    guint32 crc = 0xFFFFFFFFu;

    for (gsize i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

void
scope_zip_builder_init(ScopeZipBuilder *zip, ScopeZipFault fault)
{
    zip->bytes = g_byte_array_new();
    zip->directory = g_byte_array_new();
    zip->n_entries = 0;
    zip->fault = fault;
}

static void
put_central(ScopeZipBuilder *zip, const char *name, guint32 crc, gsize n, gsize local)
{
    GByteArray *central = zip->directory;
    gboolean wide = zip->fault == SCOPE_ZIP_ZIP64;
    guint64 size = zip->fault == SCOPE_ZIP_TOO_LONG ? n + 100000 : n;

    put(central, 0x02014b50, 4);
    put(central, 0x2d002d, 4);
    put(central, zip->fault == SCOPE_ZIP_ENCRYPTED ? 1 : 0, 2);
    put(central, zip->fault == SCOPE_ZIP_COMPRESSED ? 8 : 0, 2);
    put(central, 0, 4);
    put(central, zip->fault == SCOPE_ZIP_BAD_CRC ? ~crc : crc, 4);
    put(central, wide ? 0xFFFFFFFFu : size, 4);
    put(central, wide ? 0xFFFFFFFFu : size, 4);
    put(central, strlen(name), 2);
    put(central, wide ? 28 : 0, 2);
    put(central, 0, 10);
    put(central,
        wide                                ? 0xFFFFFFFFu
        : zip->fault == SCOPE_ZIP_FAR_LOCAL ? local + 1000000
                                            : local,
        4);
    put_text(central, name);
    if (wide) {
        put(central, 1, 2);
        put(central, 24, 2);
        put(central, size, 8);
        put(central, size, 8);
        put(central, local, 8);
    }
    zip->n_entries++;
}

void
scope_zip_builder_add(ScopeZipBuilder *zip, const char *name, const void *data, gsize n)
{
    gsize local = zip->bytes->len;
    guint32 crc = crc32_of(data, n);

    put(zip->bytes, 0x04034b50, 4);
    put(zip->bytes, 0x2d, 2);
    put(zip->bytes, 0, 8);
    put(zip->bytes, crc, 4);
    put(zip->bytes, n, 4);
    put(zip->bytes, n, 4);
    put(zip->bytes, strlen(name), 2);
    put(zip->bytes, 0, 2);
    put_text(zip->bytes, name);
    if (zip->fault == SCOPE_ZIP_OTHER_NAME) {
        zip->bytes->data[zip->bytes->len - 1] ^= 1;
    }
    g_byte_array_append(zip->bytes, data, (guint)n);
    put_central(zip, name, crc, n, local);
    if (zip->fault == SCOPE_ZIP_DUPLICATE && local == 0) {
        put_central(zip, name, crc, n, local);
    }
}

GByteArray *
scope_zip_builder_finish(ScopeZipBuilder *zip)
{
    gsize directory = zip->bytes->len;
    gsize n = zip->directory->len;
    gboolean wide = zip->fault == SCOPE_ZIP_ZIP64;
    guint n_entries = zip->fault == SCOPE_ZIP_MANY ? 60000 : zip->n_entries;

    g_byte_array_append(zip->bytes, zip->directory->data, (guint)n);
    g_byte_array_unref(zip->directory);
    if (wide) {
        gsize end64 = zip->bytes->len;
        put(zip->bytes, 0x06064b50, 4);
        put(zip->bytes, 44, 8);
        put(zip->bytes, 0x2d002d, 4);
        put(zip->bytes, 0, 8);
        put(zip->bytes, n_entries, 8);
        put(zip->bytes, n_entries, 8);
        put(zip->bytes, n, 8);
        put(zip->bytes, directory, 8);
        put(zip->bytes, 0x07064b50, 4);
        put(zip->bytes, 0, 4);
        put(zip->bytes, end64, 8);
        put(zip->bytes, 1, 4);
    }
    if (zip->fault != SCOPE_ZIP_NO_END) {
        put(zip->bytes, 0x06054b50, 4);
        put(zip->bytes, 0, 4);
        put(zip->bytes, wide ? 0xFFFF : n_entries, 2);
        put(zip->bytes, wide ? 0xFFFF : n_entries, 2);
        put(zip->bytes, wide ? 0xFFFFFFFFu : n, 4);
        put(zip->bytes, wide ? 0xFFFFFFFFu : directory, 4);
        put(zip->bytes, 0, 2);
    }
    return zip->bytes;
}

/* -- Pickle ----------------------------------------------------------------------------------- */

void
scope_pickle_op(GByteArray *pickle, guint8 code)
{
    g_byte_array_append(pickle, &code, 1);
}

void
scope_pickle_text(GByteArray *pickle, const char *text)
{
    scope_pickle_op(pickle, 'X');
    put(pickle, strlen(text), 4);
    put_text(pickle, text);
}

void
scope_pickle_int(GByteArray *pickle, gint32 value)
{
    scope_pickle_op(pickle, 'J');
    put(pickle, (guint32)value, 4);
}

void
scope_pickle_global(GByteArray *pickle, const char *module, const char *name)
{
    scope_pickle_op(pickle, 'c');
    put_text(pickle, module);
    put_text(pickle, "\n");
    put_text(pickle, name);
    put_text(pickle, "\n");
}

void
scope_pickle_tuple(GByteArray *pickle, guint n, const gint32 *values)
{
    scope_pickle_op(pickle, '(');
    for (guint i = 0; i < n; i++) {
        scope_pickle_int(pickle, values[i]);
    }
    scope_pickle_op(pickle, 't');
}

void
scope_pickle_begin(GByteArray *pickle)
{
    scope_pickle_op(pickle, 0x80);
    scope_pickle_op(pickle, 2);
    scope_pickle_op(pickle, '}');
    scope_pickle_op(pickle, '(');
}

void
scope_pickle_end(GByteArray *pickle)
{
    scope_pickle_op(pickle, 'u');
    scope_pickle_op(pickle, '.');
}

void
scope_pickle_tensor(GByteArray *pickle, const char *key, gint32 n_storage, gint32 offset,
                    guint rank, const gint32 *shape, const gint32 *stride)
{
    scope_pickle_global(pickle, "torch._utils", "_rebuild_tensor_v2");
    scope_pickle_op(pickle, '(');
    scope_pickle_op(pickle, '(');
    scope_pickle_text(pickle, "storage");
    scope_pickle_global(pickle, "torch", "FloatStorage");
    scope_pickle_text(pickle, key);
    scope_pickle_text(pickle, "cpu");
    scope_pickle_int(pickle, n_storage);
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'Q');
    scope_pickle_int(pickle, offset);
    scope_pickle_tuple(pickle, rank, shape);
    scope_pickle_tuple(pickle, rank, stride);
    scope_pickle_op(pickle, 0x89);
    scope_pickle_global(pickle, "collections", "OrderedDict");
    scope_pickle_op(pickle, ')');
    scope_pickle_op(pickle, 'R');
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'R');
}

GByteArray *
scope_build_torch(const GByteArray *pickle, gsize n_floats, ScopeZipFault fault)
{
    ScopeZipBuilder zip;
    g_autofree float *storage = g_new0(float, n_floats + 1);

    for (gsize i = 0; i < n_floats; i++) {
        storage[i] = (float)i;
    }
    scope_zip_builder_init(&zip, fault);
    scope_zip_builder_add(&zip, "archive/data.pkl", pickle->data, pickle->len);
    scope_zip_builder_add(&zip, "archive/version", "3\n", 2);
    scope_zip_builder_add(&zip, "archive/data/0", storage, n_floats * sizeof(float));
    return scope_zip_builder_finish(&zip);
}

GByteArray *
scope_build_torch_legacy(const GByteArray *pickle, gsize n_floats)
{
    static const guint8 preamble[] = {0x80, 2,    0x8A, 10,   0x6C, 0xFC, 0x9C,
                                      0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
                                      '.',  0x80, 2,    'M',  0xE9, 0x03, '.'};
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, preamble, sizeof preamble);
    scope_pickle_begin(bytes);
    scope_pickle_text(bytes, "little_endian");
    scope_pickle_op(bytes, 0x88);
    scope_pickle_end(bytes);
    g_byte_array_append(bytes, pickle->data, pickle->len);
    scope_pickle_op(bytes, 0x80);
    scope_pickle_op(bytes, 2);
    scope_pickle_op(bytes, ']');
    scope_pickle_op(bytes, '(');
    scope_pickle_text(bytes, "0");
    scope_pickle_op(bytes, 'e');
    scope_pickle_op(bytes, '.');
    put(bytes, n_floats, 8);
    for (gsize i = 0; i < n_floats; i++) {
        float value = (float)i;
        g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
    }
    return bytes;
}
