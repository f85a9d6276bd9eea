/* SPDX-License-Identifier: Apache-2.0 */
/* Writes checkpoints without data as sparse files. Owns the list of tensors. One thread. */
#include "headers/scope-header-file.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "support/scope-checkpoint-builder.h"

static void
clear_tensor(gpointer data)
{
    g_free(((ScopeHeaderTensor *)data)->name);
}

void
scope_header_file_init(ScopeHeaderFile *file)
{
    file->tensors = g_array_new(FALSE, FALSE, sizeof(ScopeHeaderTensor));
    g_array_set_clear_func(file->tensors, clear_tensor);
    file->n_parameters = 0;
}

void
scope_header_file_clear(ScopeHeaderFile *file)
{
    g_clear_pointer(&file->tensors, g_array_unref);
}

static gint64
count(const ScopeHeaderTensor *tensor)
{
    gint64 n = 1;

    for (int i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

static gint64
n_bytes(const ScopeHeaderTensor *tensor)
{
    return count(tensor) * (gint64)scope_stored_type_get_size(tensor->type);
}

void
scope_header_file_add(ScopeHeaderFile *file, ScopeStoredType type, int rank, const gint64 *shape,
                      const char *format, ...)
{
    ScopeHeaderTensor tensor = {.type = type, .rank = rank};
    va_list arguments;

    va_start(arguments, format);
    tensor.name = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    for (int i = 0; i < rank; i++) {
        tensor.shape[i] = shape[i];
    }
    file->n_parameters += count(&tensor);
    g_array_append_val(file->tensors, tensor);
}

static const ScopeHeaderTensor *
at(const ScopeHeaderFile *file, guint index)
{
    return &g_array_index(file->tensors, ScopeHeaderTensor, index);
}

/* Creates @path with @n bytes of @head and a hole up to @size. */
static gboolean
write_sparse(const char *path, const void *head, gsize n, gint64 size)
{
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    gboolean done = fd >= 0 && write(fd, head, n) == (gssize)n && ftruncate(fd, size) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return done;
}

/* -- safetensors ------------------------------------------------------------------------------ */

static gboolean
write_part(const ScopeHeaderFile *file, const char *path, guint first, guint end)
{
    g_autoptr(GString) header = g_string_new("{\"__metadata__\":{\"format\":\"pt\"}");
    g_autoptr(GString) head = g_string_new(NULL);
    gint64 offset = 0;
    guint64 length;

    for (guint i = first; i < end; i++) {
        const ScopeHeaderTensor *tensor = at(file, i);
        g_string_append_printf(header, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", tensor->name,
                               scope_stored_type_get_name(tensor->type));
        for (int d = 0; d < tensor->rank; d++) {
            g_string_append_printf(header, d > 0 ? ",%" G_GINT64_FORMAT : "%" G_GINT64_FORMAT,
                                   tensor->shape[d]);
        }
        g_string_append_printf(header,
                               "],\"data_offsets\":[%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT "]}",
                               offset, offset + n_bytes(tensor));
        offset += n_bytes(tensor);
    }
    g_string_append_c(header, '}');
    while (header->len % 8 != 0) {
        g_string_append_c(header, ' ');
    }
    length = GUINT64_TO_LE(header->len);
    g_string_append_len(head, (const char *)&length, 8);
    g_string_append_len(head, header->str, (gssize)header->len);
    return write_sparse(path, head->str, head->len, (gint64)head->len + offset);
}

gboolean
scope_header_file_write_safetensors(const ScopeHeaderFile *file, const char *path, guint n_shards)
{
    g_autoptr(GString) index = g_string_new("{\"metadata\":{\"total_size\":1},\"weight_map\":{");
    g_autofree char *folder = g_path_get_dirname(path);
    guint n = file->tensors->len;

    if (n_shards <= 1) {
        return write_part(file, path, 0, n);
    }
    for (guint s = 0; s < n_shards; s++) {
        g_autofree char *name =
            g_strdup_printf("diffusion_pytorch_model-%05u-of-%05u.safetensors", s + 1, n_shards);
        g_autofree char *shard = g_build_filename(folder, name, NULL);
        guint first = n * s / n_shards, end = n * (s + 1) / n_shards;
        if (!write_part(file, shard, first, end)) {
            return FALSE;
        }
        for (guint i = first; i < end; i++) {
            g_string_append_printf(index, "%s\"%s\":\"%s\"", i > 0 ? "," : "", at(file, i)->name,
                                   name);
        }
    }
    g_string_append(index, "}}");
    return g_file_set_contents(path, index->str, (gssize)index->len, NULL);
}

/* -- PyTorch ---------------------------------------------------------------------------------- */

typedef struct {
    int fd;
    guint64 at;
    GByteArray *directory;
    guint64 n_entries;
    gboolean failed;
} Archive;

static void
put(GByteArray *bytes, guint64 value, guint n)
{
    for (guint i = 0; i < n; i++) {
        guint8 byte = (guint8)(value >> (8 * i));
        g_byte_array_append(bytes, &byte, 1);
    }
}

/* Adds an entry; @data NULL leaves a hole of @n bytes. Data begins at a multiple of 64, padded in
 * the local header's extra field, as PyTorch does. */
static void
add_entry(Archive *archive, const char *name, const void *data, guint64 n, guint32 crc)
{
    g_autoptr(GByteArray) local = g_byte_array_new();
    gsize n_name = strlen(name);
    guint64 start = archive->at + 30 + n_name + 4;
    guint padding = (guint)((64 - start % 64) % 64);

    put(local, 0x04034b50, 4);
    put(local, 0, 8);
    put(local, 0, 2);
    put(local, crc, 4);
    put(local, 0xFFFFFFFFu, 4);
    put(local, 0xFFFFFFFFu, 4);
    put(local, n_name, 2);
    put(local, 4 + padding, 2);
    g_byte_array_append(local, (const guint8 *)name, (guint)n_name);
    put(local, 'F' | 'B' << 8, 2);
    put(local, padding, 2);
    for (guint i = 0; i < padding; i++) {
        put(local, 'Z', 1);
    }
    archive->failed =
        archive->failed ||
        pwrite(archive->fd, local->data, local->len, (off_t)archive->at) != (gssize)local->len ||
        (data != NULL && n > 0 &&
         pwrite(archive->fd, data, n, (off_t)(archive->at + local->len)) != (gssize)n);
    put(archive->directory, 0x02014b50, 4);
    put(archive->directory, 0, 8);
    put(archive->directory, 0, 4);
    put(archive->directory, crc, 4);
    put(archive->directory, 0xFFFFFFFFu, 4);
    put(archive->directory, 0xFFFFFFFFu, 4);
    put(archive->directory, n_name, 2);
    put(archive->directory, 28, 2);
    put(archive->directory, 0, 8);
    put(archive->directory, 0, 2);
    put(archive->directory, 0xFFFFFFFFu, 4);
    g_byte_array_append(archive->directory, (const guint8 *)name, (guint)n_name);
    put(archive->directory, 1, 2);
    put(archive->directory, 24, 2);
    put(archive->directory, n, 8);
    put(archive->directory, n, 8);
    put(archive->directory, archive->at, 8);
    archive->at += local->len + n;
    archive->n_entries++;
}

static void
finish_archive(Archive *archive)
{
    GByteArray *tail = archive->directory;
    guint64 directory = archive->at, n = tail->len;

    put(tail, 0x06064b50, 4);
    put(tail, 44, 8);
    put(tail, 0, 4);
    put(tail, 0, 8);
    put(tail, archive->n_entries, 8);
    put(tail, archive->n_entries, 8);
    put(tail, n, 8);
    put(tail, directory, 8);
    put(tail, 0x07064b50, 4);
    put(tail, 0, 4);
    put(tail, directory + n, 8);
    put(tail, 1, 4);
    put(tail, 0x06054b50, 4);
    put(tail, 0, 4);
    put(tail, 0xFFFFFFFFu, 4);
    put(tail, 0xFFFFFFFFu, 4);
    put(tail, 0xFFFFFFFFu, 4);
    put(tail, 0, 2);
    archive->failed = archive->failed || pwrite(archive->fd, tail->data, tail->len,
                                                (off_t)directory) != (gssize)tail->len;
}

static guint32
crc32_of(const GByteArray *bytes)
{
    guint32 crc = 0xFFFFFFFFu;

    for (guint i = 0; i < bytes->len; i++) {
        crc ^= bytes->data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
        }
    }
    return ~crc;
}

static const char *
storage_class(ScopeStoredType type)
{
    switch (type) {
    case SCOPE_STORED_F32:
        return "FloatStorage";
    case SCOPE_STORED_BF16:
        return "BFloat16Storage";
    case SCOPE_STORED_F16:
        return "HalfStorage";
    default:
        g_assert_not_reached();
    }
}

static void
put_tensor(GByteArray *pickle, const ScopeHeaderTensor *tensor, guint key)
{
    gint32 shape[SCOPE_CHECKPOINT_MAX_RANK], stride[SCOPE_CHECKPOINT_MAX_RANK];
    g_autofree char *text = g_strdup_printf("%u", key);
    gint64 step = 1;

    for (int d = tensor->rank - 1; d >= 0; d--) {
        shape[d] = (gint32)tensor->shape[d];
        stride[d] = (gint32)step;
        step *= tensor->shape[d];
    }
    scope_pickle_global(pickle, "torch._utils", "_rebuild_tensor_v2");
    scope_pickle_op(pickle, '(');
    scope_pickle_op(pickle, '(');
    scope_pickle_text(pickle, "storage");
    scope_pickle_global(pickle, "torch", storage_class(tensor->type));
    scope_pickle_text(pickle, text);
    scope_pickle_text(pickle, "cuda:0");
    scope_pickle_int(pickle, (gint32)count(tensor));
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'Q');
    scope_pickle_int(pickle, 0);
    scope_pickle_tuple(pickle, (guint)tensor->rank, shape);
    scope_pickle_tuple(pickle, (guint)tensor->rank, stride);
    scope_pickle_op(pickle, 0x89);
    scope_pickle_global(pickle, "collections", "OrderedDict");
    scope_pickle_op(pickle, ')');
    scope_pickle_op(pickle, 'R');
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'R');
}

static GByteArray *
build_pickle(const ScopeHeaderFile *file, const ScopeHeaderWrapping *wrapping)
{
    GByteArray *pickle = g_byte_array_new();

    scope_pickle_begin(pickle);
    if (wrapping->decoy != NULL) {
        scope_pickle_text(pickle, wrapping->decoy);
        scope_pickle_op(pickle, '}');
        scope_pickle_text(pickle, "decoy.weight");
        put_tensor(pickle, at(file, 0), 0);
        scope_pickle_op(pickle, 's');
    }
    if (wrapping->wrapper != NULL) {
        scope_pickle_text(pickle, wrapping->wrapper);
        scope_pickle_global(pickle, "collections", "OrderedDict");
        scope_pickle_op(pickle, ')');
        scope_pickle_op(pickle, 'R');
        scope_pickle_op(pickle, '(');
    }
    for (guint i = 0; i < file->tensors->len; i++) {
        g_autofree char *name = g_strconcat(wrapping->prefix, at(file, i)->name, NULL);
        scope_pickle_text(pickle, name);
        put_tensor(pickle, at(file, i), i);
    }
    if (wrapping->wrapper != NULL) {
        scope_pickle_op(pickle, 'u');
    }
    scope_pickle_end(pickle);
    return pickle;
}

gboolean
scope_header_file_write_torch(const ScopeHeaderFile *file, const char *path,
                              const ScopeHeaderWrapping *wrapping)
{
    g_autoptr(GByteArray) pickle = build_pickle(file, wrapping);
    g_autoptr(GByteArray) directory = g_byte_array_new();
    Archive archive = {.fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600),
                       .directory = directory};

    if (archive.fd < 0) {
        return FALSE;
    }
    add_entry(&archive, "model v1.0/data.pkl", pickle->data, pickle->len, crc32_of(pickle));
    add_entry(&archive, "model v1.0/version", "3\n", 2, 0);
    for (guint i = 0; i < file->tensors->len; i++) {
        g_autofree char *name = g_strdup_printf("model v1.0/data/%u", i);
        add_entry(&archive, name, NULL, (guint64)n_bytes(at(file, i)), 0);
    }
    finish_archive(&archive);
    close(archive.fd);
    return !archive.failed;
}

/* -- Checking --------------------------------------------------------------------------------- */

void
scope_header_file_check(const ScopeHeaderFile *file, const ScopeCheckpoint *checkpoint,
                        const char *prefix)
{
    g_assert_cmpuint(scope_checkpoint_get_n_tensors(checkpoint), ==, file->tensors->len);
    for (guint i = 0; i < file->tensors->len; i++) {
        const ScopeHeaderTensor *want = at(file, i);
        g_autofree char *name = g_strconcat(prefix, want->name, NULL);
        g_autoptr(GError) error = NULL;
        const ScopeCheckpointTensor *got =
            scope_checkpoint_require(checkpoint, name, want->rank, want->shape, &error);
        g_assert_no_error(error);
        g_assert_cmpint(got->type, ==, want->type);
        g_assert_true(got->contiguous);
        g_assert_cmpuint(got->n_bytes, ==, (gsize)n_bytes(want));
    }
}
