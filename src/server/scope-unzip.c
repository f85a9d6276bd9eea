/* SPDX-License-Identifier: Apache-2.0 */
/* Reading zip archives; see scope-unzip.h. The decompression is zlib's. */
#include "server/scope-unzip.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <zlib.h>

#define END_BYTES     22
#define CENTRAL_BYTES 46
#define LOCAL_BYTES   30
#define MAX_COMMENT   65535
#define BLOCK_BYTES   (1 << 16)
#define FLAG_CRYPTED  1
#define STORED        0
#define DEFLATED      8

struct _ScopeUnzipEntry {
    char *name;
    guint32 flags, method, crc;
    guint32 packed_bytes, n_bytes;
    gsize local; /* offset of the local header */
};

struct _ScopeUnzip {
    const guint8 *bytes;
    gsize n_bytes;
    GArray *entries; /* of ScopeUnzipEntry */
};

static guint32
get16(const guint8 *at)
{
    return at[0] | (guint32)at[1] << 8;
}

static guint32
get32(const guint8 *at)
{
    return get16(at) | get16(at + 2) << 16;
}

static void
entry_clear(gpointer data)
{
    g_free(((ScopeUnzipEntry *)data)->name);
}

/* The end record, which is searched from the back because a comment may follow it. */
static const guint8 *
find_end(const guint8 *bytes, gsize n_bytes)
{
    const gsize last = n_bytes < END_BYTES ? 0 : n_bytes - END_BYTES;
    const gsize first = last > MAX_COMMENT ? last - MAX_COMMENT : 0;

    for (gsize at = last; n_bytes >= END_BYTES; at--) {
        if (!memcmp(bytes + at, "PK\005\006", 4))
            return bytes + at;
        if (at == first)
            break;
    }
    return NULL;
}

ScopeUnzip *
scope_unzip_open(const guint8 *bytes, gsize n_bytes)
{
    g_autoptr(ScopeUnzip) self = g_new0(ScopeUnzip, 1);
    const guint8 *end = find_end(bytes, n_bytes);
    gsize at = end ? get32(end + 16) : 0;

    self->bytes = bytes;
    self->n_bytes = n_bytes;
    self->entries = g_array_new(FALSE, FALSE, sizeof(ScopeUnzipEntry));
    g_array_set_clear_func(self->entries, entry_clear);
    for (guint32 i = 0; end && i < get16(end + 10); i++) {
        if (at > n_bytes || n_bytes - at < CENTRAL_BYTES || memcmp(bytes + at, "PK\001\002", 4))
            return NULL;
        const guint8 *head = bytes + at;
        const gsize name_bytes = get16(head + 28);
        const gsize size = CENTRAL_BYTES + name_bytes + get16(head + 30) + get16(head + 32);
        if (n_bytes - at < size)
            return NULL;
        ScopeUnzipEntry entry = {
            .name = g_strndup((const char *)head + CENTRAL_BYTES, name_bytes),
            .flags = get16(head + 8),
            .method = get16(head + 10),
            .crc = get32(head + 16),
            .packed_bytes = get32(head + 20),
            .n_bytes = get32(head + 24),
            .local = get32(head + 42),
        };
        g_array_append_val(self->entries, entry);
        at += size;
    }
    return end ? g_steal_pointer(&self) : NULL;
}

void
scope_unzip_close(ScopeUnzip *self)
{
    if (!self)
        return;
    g_array_unref(self->entries);
    g_free(self);
}

const ScopeUnzipEntry *
scope_unzip_find(ScopeUnzip *self, const char *name)
{
    g_autofree char *below = g_strconcat("/", name, NULL);
    const ScopeUnzipEntry *best = NULL;

    for (guint i = 0; i < self->entries->len; i++) {
        const ScopeUnzipEntry *entry = &g_array_index(self->entries, ScopeUnzipEntry, i);
        if (strcmp(entry->name, name) != 0 && !g_str_has_suffix(entry->name, below))
            continue;
        if (!best || strlen(entry->name) < strlen(best->name))
            best = entry;
    }
    return best;
}

static gboolean
set_damaged(const ScopeUnzipEntry *entry, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s in the archive is damaged",
                entry->name);
    return FALSE;
}

static gboolean
write_block(int fd, const guint8 *data, gsize n_bytes, GError **error)
{
    while (n_bytes > 0) {
        ssize_t done = write(fd, data, n_bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "Writing: %s",
                        g_strerror(errno));
            return FALSE;
        }
        data += done;
        n_bytes -= (gsize)done;
    }
    return TRUE;
}

/* The packed bytes of @entry, or NULL when its local header is not where it should be. */
static const guint8 *
find_packed(const ScopeUnzip *self, const ScopeUnzipEntry *entry)
{
    gsize at = entry->local;

    if (at > self->n_bytes || self->n_bytes - at < LOCAL_BYTES ||
        memcmp(self->bytes + at, "PK\003\004", 4))
        return NULL;
    at += LOCAL_BYTES + get16(self->bytes + at + 26) + get16(self->bytes + at + 28);
    if (at > self->n_bytes || self->n_bytes - at < entry->packed_bytes)
        return NULL;
    return self->bytes + at;
}

/* Unpacks until the stream ends; never more than the announced size. */
static gboolean
inflate_to(z_stream *stream, const ScopeUnzipEntry *entry, int fd, GError **error)
{
    g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
    guint64 n_bytes = 0;
    uLong crc = crc32(0, NULL, 0);
    int status = Z_OK;

    while (status == Z_OK) {
        stream->next_out = block;
        stream->avail_out = BLOCK_BYTES;
        status = inflate(stream, Z_NO_FLUSH);
        const gsize got = BLOCK_BYTES - stream->avail_out;
        n_bytes += got;
        if ((status != Z_OK && status != Z_STREAM_END) || n_bytes > entry->n_bytes)
            return set_damaged(entry, error);
        crc = crc32(crc, block, (uInt)got);
        if (!write_block(fd, block, got, error))
            return FALSE;
    }
    return (n_bytes == entry->n_bytes && crc == entry->crc) || set_damaged(entry, error);
}

gboolean
scope_unzip_extract(ScopeUnzip *self, const ScopeUnzipEntry *entry, int fd, GError **error)
{
    const guint8 *packed = find_packed(self, entry);
    z_stream stream = {0};

    if (!packed)
        return set_damaged(entry, error);
    if ((entry->flags & FLAG_CRYPTED) || (entry->method != STORED && entry->method != DEFLATED)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                    "%s in the archive is encrypted or packed in another way than deflate",
                    entry->name);
        return FALSE;
    }
    if (entry->method == STORED) {
        if (entry->packed_bytes != entry->n_bytes ||
            crc32(0, packed, entry->packed_bytes) != entry->crc)
            return set_damaged(entry, error);
        return write_block(fd, packed, entry->n_bytes, error);
    }
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return set_damaged(entry, error);
    stream.next_in = (Bytef *)packed;
    stream.avail_in = entry->packed_bytes;
    const gboolean is_good = inflate_to(&stream, entry, fd, error);
    inflateEnd(&stream);
    return is_good;
}
