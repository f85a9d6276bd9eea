/* SPDX-License-Identifier: Apache-2.0 */
/* The container-independent part of checkpoints: opening by first bytes, lookup, gathering.
 * Owns the mappings and the list of tensors; immutable once opened. Any thread. */
#include "engine/checkpoint/scope-checkpoint-private.h"

#include <string.h>

G_DEFINE_QUARK(scope - checkpoint - error - quark, scope_checkpoint_error)

ScopeCheckpoint *
scope_checkpoint_new_private(const char *path)
{
    ScopeCheckpoint *checkpoint = g_new0(ScopeCheckpoint, 1);

    g_atomic_ref_count_init(&checkpoint->ref_count);
    checkpoint->path = g_strdup(path);
    checkpoint->mappings = g_ptr_array_new_with_free_func((GDestroyNotify)g_mapped_file_unref);
    checkpoint->strings = g_string_chunk_new(4096);
    checkpoint->tensors = g_array_new(FALSE, FALSE, sizeof(ScopeCheckpointTensor));
    checkpoint->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return checkpoint;
}

ScopeCheckpoint *
scope_checkpoint_ref(ScopeCheckpoint *checkpoint)
{
    g_return_val_if_fail(checkpoint != NULL, NULL);
    g_atomic_ref_count_inc(&checkpoint->ref_count);
    return checkpoint;
}

void
scope_checkpoint_unref(ScopeCheckpoint *checkpoint)
{
    if (checkpoint == NULL || !g_atomic_ref_count_dec(&checkpoint->ref_count)) {
        return;
    }
    g_hash_table_unref(checkpoint->by_name);
    g_array_unref(checkpoint->tensors);
    g_string_chunk_free(checkpoint->strings);
    g_ptr_array_unref(checkpoint->mappings);
    scope_checkpoint_unref(checkpoint->base);
    g_free(checkpoint->path);
    g_free(checkpoint);
}

GMappedFile *
scope_checkpoint_map_private(ScopeCheckpoint *checkpoint, const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    GMappedFile *file = g_mapped_file_new(path, FALSE, &local);

    if (file == NULL) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_IO, "%s: %s", path,
                    local->message);
        return NULL;
    }
    g_ptr_array_add(checkpoint->mappings, file);
    return file;
}

gboolean
scope_checkpoint_add_private(ScopeCheckpoint *checkpoint, const ScopeCheckpointTensor *tensor,
                             GError **error)
{
    ScopeCheckpointTensor copy = *tensor;

    if (checkpoint->tensors->len >= SCOPE_CHECKPOINT_MAX_TENSORS) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT,
                    "%s: more than %u tensors", tensor->file, SCOPE_CHECKPOINT_MAX_TENSORS);
        return FALSE;
    }
    if (g_hash_table_contains(checkpoint->by_name, tensor->name)) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                    "%s: tensor '%s' is there twice", tensor->file, tensor->name);
        return FALSE;
    }
    copy.name = g_string_chunk_insert(checkpoint->strings, tensor->name);
    copy.file = g_string_chunk_insert_const(checkpoint->strings, tensor->file);
    g_array_append_val(checkpoint->tensors, copy);
    g_hash_table_insert(checkpoint->by_name, (gpointer)copy.name,
                        GUINT_TO_POINTER(checkpoint->tensors->len));
    return TRUE;
}

gint64
scope_checkpoint_count_private(int rank, const gint64 *shape)
{
    gint64 count = 1;
    gboolean overflow = FALSE;

    for (int i = 0; i < rank; i++) {
        if (shape[i] < 0) {
            return -1;
        }
        if (shape[i] == 0) {
            count = 0;
        }
    }
    for (int i = 0; i < rank && count != 0; i++) {
        overflow = overflow || __builtin_mul_overflow(count, shape[i], &count);
    }
    return overflow ? -1 : count;
}

gboolean
scope_checkpoint_set_contiguous_private(ScopeCheckpointTensor *tensor)
{
    gint64 step = 1;

    tensor->n_elements = scope_checkpoint_count_private(tensor->rank, tensor->shape);
    tensor->contiguous = TRUE;
    if (tensor->n_elements < 0) {
        return FALSE;
    }
    for (int i = tensor->rank - 1; i >= 0; i--) {
        tensor->stride[i] = step;
        if (__builtin_mul_overflow(step, MAX(tensor->shape[i], 1), &step)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* -- Opening ---------------------------------------------------------------------------------- */

static gboolean
refuse_known(const char *path, const char *bytes, gsize size, GError **error)
{
    static const struct {
        const char *magic;
        const char *what;
    } known[] = {
        {"version https://git-lfs", "a Git LFS pointer, not the file itself: fetch the real file"},
        {"GGUF", "a GGUF file, which is not read: use safetensors or PyTorch files"},
        {"<!DOCTYPE", "an HTML page, probably an error page of the download"},
        {"<!doctype", "an HTML page, probably an error page of the download"},
        {"<html", "an HTML page, probably an error page of the download"},
        {"<HTML", "an HTML page, probably an error page of the download"},
        {"\x1f\x8b", "a gzip file: unpack it first"},
        {"PK\x05\x06", "an empty zip archive"},
    };

    if (size == 0) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                    "%s: the file is empty", path);
        return TRUE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        gsize length = strlen(known[i].magic);
        if (size >= length && memcmp(bytes, known[i].magic, length) == 0) {
            g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED,
                        "%s: this is %s", path, known[i].what);
            return TRUE;
        }
    }
    if (size > 262 && memcmp(bytes + 257, "ustar", 5) == 0) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED,
                    "%s: this is a tar archive (the oldest PyTorch format), which is not read",
                    path);
        return TRUE;
    }
    return FALSE;
}

static gboolean
read_file(ScopeCheckpoint *checkpoint, const char *path, GError **error)
{
    GMappedFile *file = scope_checkpoint_map_private(checkpoint, path, error);
    const char *bytes;
    gsize size;

    if (file == NULL) {
        return FALSE;
    }
    bytes = g_mapped_file_get_contents(file);
    size = g_mapped_file_get_length(file);
    if (refuse_known(path, bytes, size, error)) {
        return FALSE;
    }
    if (size >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0) {
        return scope_torch_read_zip_private(checkpoint, path, file, error);
    }
    if (size >= 2 && (guchar)bytes[0] == 0x80 && (guchar)bytes[1] <= 5 &&
        !(size > 8 && bytes[8] == '{')) {
        return scope_torch_read_legacy_private(checkpoint, path, file, error);
    }
    if (g_str_has_suffix(path, ".index.json")) {
        return scope_safetensors_read_index_private(checkpoint, path, file, error);
    }
    return scope_safetensors_read_private(checkpoint, path, file, error);
}

/* The one checkpoint of a folder: a shard index before single files, safetensors before PyTorch. */
static char *
find_in_folder(const char *path, GError **error)
{
    static const char *const suffixes[] = {
        ".safetensors.index.json", ".safetensors", ".pth", ".pt", ".bin", ".ckpt"};
    g_autoptr(GDir) folder = g_dir_open(path, 0, error);
    g_autofree char *found = NULL;
    gsize found_rank = G_N_ELEMENTS(suffixes);
    guint n_found = 0;
    const char *name;

    if (folder == NULL) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        gsize rank = 0;
        while (rank < G_N_ELEMENTS(suffixes) && !g_str_has_suffix(name, suffixes[rank])) {
            rank++;
        }
        if (rank < found_rank) {
            g_free(found);
            found = g_strdup(name);
            found_rank = rank;
            n_found = 1;
        } else if (rank == found_rank && rank < G_N_ELEMENTS(suffixes)) {
            n_found++;
        }
    }
    if (n_found != 1) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                    n_found == 0 ? "%s: the folder holds no checkpoint file"
                                 : "%s: the folder holds several checkpoint files: name one",
                    path);
        return NULL;
    }
    return g_build_filename(path, found, NULL);
}

ScopeCheckpoint *
scope_checkpoint_open(const char *path, GError **error)
{
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    g_autofree char *inside = NULL;

    g_return_val_if_fail(path != NULL, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        inside = find_in_folder(path, error);
        if (inside == NULL) {
            return NULL;
        }
        path = inside;
    }
    checkpoint = scope_checkpoint_new_private(path);
    if (!read_file(checkpoint, path, error)) {
        return NULL;
    }
    return g_steal_pointer(&checkpoint);
}

/* -- Lookup ----------------------------------------------------------------------------------- */

const char *
scope_checkpoint_get_path(const ScopeCheckpoint *checkpoint)
{
    return checkpoint->path;
}

guint
scope_checkpoint_get_n_tensors(const ScopeCheckpoint *checkpoint)
{
    return checkpoint->tensors->len;
}

const ScopeCheckpointTensor *
scope_checkpoint_get_tensor(const ScopeCheckpoint *checkpoint, guint index)
{
    g_return_val_if_fail(index < checkpoint->tensors->len, NULL);
    return &g_array_index(checkpoint->tensors, ScopeCheckpointTensor, index);
}

const ScopeCheckpointTensor *
scope_checkpoint_find(const ScopeCheckpoint *checkpoint, const char *name)
{
    guint index = GPOINTER_TO_UINT(g_hash_table_lookup(checkpoint->by_name, name));

    return index == 0 ? NULL : scope_checkpoint_get_tensor(checkpoint, index - 1);
}

char *
scope_checkpoint_tensor_dup_shape(const ScopeCheckpointTensor *tensor)
{
    GString *text = g_string_new(scope_stored_type_get_name(tensor->type));

    g_string_append(text, " [");
    for (int i = 0; i < tensor->rank; i++) {
        g_string_append_printf(text, i == 0 ? "%" G_GINT64_FORMAT : ", %" G_GINT64_FORMAT,
                               tensor->shape[i]);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

/* The name that shares the longest tail with @name, which is the usual kind of near miss. */
static const char *
find_similar(const ScopeCheckpoint *checkpoint, const char *name)
{
    const char *best = NULL;
    gsize best_length = 7;

    for (guint i = 0; i < checkpoint->tensors->len; i++) {
        const char *other = scope_checkpoint_get_tensor(checkpoint, i)->name;
        gsize a = strlen(name), b = strlen(other), length = 0;
        while (length < a && length < b && name[a - 1 - length] == other[b - 1 - length]) {
            length++;
        }
        if (length > best_length) {
            best = other;
            best_length = length;
        }
    }
    return best;
}

static void
set_missing(const ScopeCheckpoint *checkpoint, const char *name, GError **error)
{
    const char *similar = find_similar(checkpoint, name);

    g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                "%s: tensor '%s' is missing (the file names %u tensors%s%s%s)", checkpoint->path,
                name, checkpoint->tensors->len, similar != NULL ? "; a similar one is '" : "",
                similar != NULL ? similar : "", similar != NULL ? "'" : "");
}

const ScopeCheckpointTensor *
scope_checkpoint_require(const ScopeCheckpoint *checkpoint, const char *name, int rank,
                         const gint64 *shape, GError **error)
{
    const ScopeCheckpointTensor *tensor = scope_checkpoint_find(checkpoint, name);
    gboolean equal;

    if (tensor == NULL) {
        set_missing(checkpoint, name, error);
        return NULL;
    }
    equal = rank < 0 || tensor->rank == rank;
    for (int i = 0; equal && shape != NULL && i < rank; i++) {
        equal = shape[i] < 0 || tensor->shape[i] == shape[i];
    }
    if (!equal) {
        g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
        g_autoptr(GString) wanted = g_string_new("[");
        for (int i = 0; i < rank; i++) {
            if (shape != NULL && shape[i] >= 0) {
                g_string_append_printf(wanted, "%s%" G_GINT64_FORMAT, i > 0 ? ", " : "", shape[i]);
            } else {
                g_string_append(wanted, i > 0 ? ", any" : "any");
            }
        }
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                    "%s: tensor '%s' is %s, expected %s]", tensor->file, name, found, wanted->str);
        return NULL;
    }
    return tensor;
}

/* -- Data ------------------------------------------------------------------------------------- */

gboolean
scope_checkpoint_tensor_is_aligned(const ScopeCheckpointTensor *tensor)
{
    return (gsize)tensor->data % scope_stored_type_get_size(tensor->type) == 0;
}

void
scope_checkpoint_tensor_copy(const ScopeCheckpointTensor *tensor, void *ret_dst)
{
    gsize size = scope_stored_type_get_size(tensor->type);
    gint64 at[SCOPE_CHECKPOINT_MAX_RANK] = {0};
    gint64 offset = 0;
    guint8 *dst = ret_dst;

    if (tensor->contiguous) {
        if (tensor->n_elements > 0) {
            memcpy(dst, tensor->data, (gsize)tensor->n_elements * size);
        }
        return;
    }
    for (gint64 i = 0; i < tensor->n_elements; i++) {
        memcpy(dst + (gsize)i * size, tensor->data + (gsize)offset * size, size);
        for (int d = tensor->rank - 1; d >= 0; d--) {
            offset += tensor->stride[d];
            if (++at[d] < tensor->shape[d]) {
                break;
            }
            offset -= at[d] * tensor->stride[d];
            at[d] = 0;
        }
    }
}

void
scope_checkpoint_tensor_copy_f32(const ScopeCheckpointTensor *tensor, float *ret_dst)
{
    g_autofree void *gathered = NULL;
    const void *src = tensor->data;
    gsize n = (gsize)tensor->n_elements;

    if (!tensor->contiguous && n > 0) {
        gathered = g_malloc_n(n, scope_stored_type_get_size(tensor->type));
        scope_checkpoint_tensor_copy(tensor, gathered);
        src = gathered;
    }
    scope_stored_type_to_f32(tensor->type, src, ret_dst, n);
}

gboolean
scope_checkpoint_tensor_copy_i64(const ScopeCheckpointTensor *tensor, gint64 *ret_dst)
{
    g_autofree void *gathered = NULL;
    const void *src = tensor->data;
    gsize n = (gsize)tensor->n_elements;

    if (!tensor->contiguous && n > 0) {
        gathered = g_malloc_n(n, scope_stored_type_get_size(tensor->type));
        scope_checkpoint_tensor_copy(tensor, gathered);
        src = gathered;
    }
    return scope_stored_type_to_i64(tensor->type, src, ret_dst, n);
}
