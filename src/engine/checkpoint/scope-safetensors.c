/* SPDX-License-Identifier: Apache-2.0 */
/* Reads safetensors headers and shard indexes. Everything in the header is checked before the
 * first tensor is offered: ranges, products, types, names, and that the ranges tile the data
 * section exactly. Owns nothing beyond the call. Any thread. */
#include "engine/checkpoint/scope-checkpoint-private.h"
#include "engine/checkpoint/scope-json-reader.h"

#include <string.h>

typedef struct {
    const char *path;
    ScopeJsonReader json;
    ScopeCheckpoint *checkpoint;
    const guint8 *data; /* data section */
    guint64 n_data;     /* its bytes */
    GArray *ranges;     /* of Range, one a tensor */
} Reader;

typedef struct {
    guint64 begin;
    guint64 end;
    const char *name; /* owned by the checkpoint */
} Range;

static gboolean
fail(Reader *reader, ScopeCheckpointError code, const char *name, const char *what, GError **error)
{
    const char *problem = scope_json_reader_get_problem(&reader->json);

    if (*problem != '\0') {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                    "%s: safetensors header is not valid JSON: %s", reader->path, problem);
    } else if (name != NULL) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, code, "%s: tensor '%s': %s", reader->path, name,
                    what);
    } else {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, code, "%s: %s", reader->path, what);
    }
    return FALSE;
}

/* Reads an array of at most @max non-negative integers; -1 on failure with @error set. */
static int
read_sizes(Reader *reader, const char *name, const char *what, gint64 *ret_values, int max,
           GError **error)
{
    g_autofree char *message = NULL;
    int n = 0;

    if (scope_json_reader_next(&reader->json) != SCOPE_JSON_ARRAY_BEGIN) {
        message = g_strdup_printf("%s is not an array", what);
        fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, message, error);
        return -1;
    }
    for (;;) {
        ScopeJsonToken token = scope_json_reader_next(&reader->json);
        if (token == SCOPE_JSON_ARRAY_END) {
            return n;
        }
        if (token == SCOPE_JSON_INTEGER && reader->json.integer >= 0 && n < max) {
            ret_values[n++] = reader->json.integer;
            continue;
        }
        if (token == SCOPE_JSON_INTEGER && n == max) {
            message = g_strdup_printf("%s has more than %d entries", what, max);
            fail(reader, SCOPE_CHECKPOINT_ERROR_LIMIT, name, message, error);
        } else {
            message = g_strdup_printf("%s holds '%s', expected integers from 0 to 2^63-1", what,
                                      reader->json.text->str);
            if (token == SCOPE_JSON_INTEGER) {
                g_free(message);
                message = g_strdup_printf("%s holds %" G_GINT64_FORMAT ", expected 0 or more", what,
                                          reader->json.integer);
            }
            fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, message, error);
        }
        return -1;
    }
}

/* Reads {"dtype", "shape", "data_offsets"} of one tensor, in any order. */
static gboolean
read_fields(Reader *reader, const char *name, ScopeCheckpointTensor *tensor, gint64 *ret_offsets,
            GError **error)
{
    gboolean has_type = FALSE, has_shape = FALSE, has_offsets = FALSE;

    if (scope_json_reader_next(&reader->json) != SCOPE_JSON_OBJECT_BEGIN) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, "its entry is not an object",
                    error);
    }
    for (;;) {
        ScopeJsonToken token = scope_json_reader_next(&reader->json);
        const char *key = reader->json.text->str;
        if (token == SCOPE_JSON_OBJECT_END) {
            break;
        }
        if (token == SCOPE_JSON_KEY && strcmp(key, "dtype") == 0 && !has_type) {
            if (scope_json_reader_next(&reader->json) != SCOPE_JSON_STRING) {
                return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, "dtype is not a text",
                            error);
            }
            tensor->type = scope_stored_type_from_name(reader->json.text->str);
            if (tensor->type == SCOPE_STORED_INVALID) {
                g_autofree char *what =
                    g_strdup_printf("dtype '%.40s' is not read (F64 F32 F16 BF16 F8_E4M3 F8_E5M2 "
                                    "I64 I32 I16 I8 U64 U32 U16 U8 BOOL are)",
                                    reader->json.text->str);
                return fail(reader, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, name, what, error);
            }
            has_type = TRUE;
        } else if (token == SCOPE_JSON_KEY && strcmp(key, "shape") == 0 && !has_shape) {
            tensor->rank =
                read_sizes(reader, name, "shape", tensor->shape, SCOPE_CHECKPOINT_MAX_RANK, error);
            if (tensor->rank < 0) {
                return FALSE;
            }
            has_shape = TRUE;
        } else if (token == SCOPE_JSON_KEY && strcmp(key, "data_offsets") == 0 && !has_offsets) {
            int n = read_sizes(reader, name, "data_offsets", ret_offsets, 2, error);
            if (n != 2) {
                return n < 0 ? FALSE
                             : fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name,
                                    "data_offsets has fewer than 2 entries", error);
            }
            has_offsets = TRUE;
        } else {
            g_autofree char *what = g_strdup_printf("unexpected or repeated key '%.40s'", key);
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, what, error);
        }
    }
    if (!has_type || !has_shape || !has_offsets) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name,
                    !has_type    ? "dtype is missing"
                    : !has_shape ? "shape is missing"
                                 : "data_offsets is missing",
                    error);
    }
    return TRUE;
}

static gboolean
read_tensor(Reader *reader, GError **error)
{
    g_autofree char *name = g_strdup(reader->json.text->str);
    g_autofree char *what = NULL;
    ScopeCheckpointTensor tensor = {.name = name, .file = reader->path};
    gint64 offsets[2];
    gint64 n_bytes;
    Range range;

    if (!read_fields(reader, name, &tensor, offsets, error)) {
        return FALSE;
    }
    if (!scope_checkpoint_set_contiguous_private(&tensor) ||
        __builtin_mul_overflow(tensor.n_elements, (gint64)scope_stored_type_get_size(tensor.type),
                               &n_bytes)) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name,
                    "the product of its sizes does not fit 63 bits", error);
    }
    if (offsets[1] < offsets[0] || (guint64)offsets[1] > reader->n_data) {
        what = g_strdup_printf("data_offsets [%" G_GINT64_FORMAT ", %" G_GINT64_FORMAT
                               "] do not lie in the data section of %" G_GUINT64_FORMAT " bytes",
                               offsets[0], offsets[1], reader->n_data);
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, what, error);
    }
    if (offsets[1] - offsets[0] != n_bytes) {
        what = g_strdup_printf("its shape needs %" G_GINT64_FORMAT
                               " bytes, data_offsets give %" G_GINT64_FORMAT,
                               n_bytes, offsets[1] - offsets[0]);
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, name, what, error);
    }
    tensor.data = reader->data + offsets[0];
    tensor.n_bytes = (gsize)n_bytes;
    if (!scope_checkpoint_add_private(reader->checkpoint, &tensor, error)) {
        return FALSE;
    }
    range.begin = (guint64)offsets[0];
    range.end = (guint64)offsets[1];
    range.name = g_array_index(reader->checkpoint->tensors, ScopeCheckpointTensor,
                               reader->checkpoint->tensors->len - 1)
                     .name;
    g_array_append_val(reader->ranges, range);
    return TRUE;
}

static gboolean
read_metadata(Reader *reader, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(&reader->json);

    if (token == SCOPE_JSON_OBJECT_BEGIN) {
        while ((token = scope_json_reader_next(&reader->json)) == SCOPE_JSON_KEY) {
            if (scope_json_reader_next(&reader->json) != SCOPE_JSON_STRING) {
                break;
            }
        }
    }
    if (token != SCOPE_JSON_OBJECT_END) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL,
                    "__metadata__ is not an object of texts", error);
    }
    return TRUE;
}

static int
compare_ranges(gconstpointer a, gconstpointer b)
{
    const Range *x = a, *y = b;

    if (x->begin != y->begin) {
        return x->begin < y->begin ? -1 : 1;
    }
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The ranges in order of their data have to follow each other without overlap or hole. */
static gboolean
check_tiling(Reader *reader, GError **error)
{
    guint64 at = 0;

    g_array_sort(reader->ranges, compare_ranges);
    for (guint i = 0; i < reader->ranges->len; i++) {
        const Range *range = &g_array_index(reader->ranges, Range, i);
        if (range->begin != at) {
            g_autofree char *what = g_strdup_printf(
                "its data begins at %" G_GUINT64_FORMAT ", the data before it ends at "
                "%" G_GUINT64_FORMAT ": %s",
                range->begin, at, range->begin < at ? "they overlap" : "there is a hole");
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, range->name, what, error);
        }
        at = range->end;
    }
    if (at != reader->n_data) {
        g_autofree char *what =
            g_strdup_printf("the tensors end at byte %" G_GUINT64_FORMAT
                            " of the data section, the file has %" G_GUINT64_FORMAT " bytes there",
                            at, reader->n_data);
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL, what, error);
    }
    return TRUE;
}

static gboolean
read_header(Reader *reader, GError **error)
{
    gboolean has_metadata = FALSE;

    if (scope_json_reader_next(&reader->json) != SCOPE_JSON_OBJECT_BEGIN) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL,
                    "the safetensors header is not a JSON object", error);
    }
    for (;;) {
        ScopeJsonToken token = scope_json_reader_next(&reader->json);
        if (token == SCOPE_JSON_OBJECT_END) {
            break;
        }
        if (token != SCOPE_JSON_KEY) {
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL, "bad header", error);
        }
        if (strcmp(reader->json.text->str, "__metadata__") == 0) {
            if (has_metadata) {
                return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL,
                            "__metadata__ is there twice", error);
            }
            has_metadata = TRUE;
            if (!read_metadata(reader, error)) {
                return FALSE;
            }
        } else if (!read_tensor(reader, error)) {
            return FALSE;
        }
    }
    if (scope_json_reader_next(&reader->json) != SCOPE_JSON_END) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL, "text after the header", error);
    }
    return check_tiling(reader, error);
}

gboolean
scope_safetensors_read_private(ScopeCheckpoint *checkpoint, const char *path, GMappedFile *file,
                               GError **error)
{
    const char *bytes = g_mapped_file_get_contents(file);
    gsize size = g_mapped_file_get_length(file);
    Reader reader = {.path = path, .checkpoint = checkpoint};
    guint64 n_header = 0;
    gboolean done;

    if (size >= 8) {
        memcpy(&n_header, bytes, sizeof n_header);
        n_header = GUINT64_FROM_LE(n_header);
    }
    if (size < 10 || n_header < 2 || n_header > size - 8) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                    "%s: not a checkpoint that is known, or a truncated safetensors file: a header "
                    "of %" G_GUINT64_FORMAT " bytes does not fit a file of %" G_GSIZE_FORMAT
                    " bytes",
                    path, n_header, size);
        return FALSE;
    }
    if (n_header > SCOPE_CHECKPOINT_MAX_HEADER_BYTES) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT,
                    "%s: safetensors header of %" G_GUINT64_FORMAT " bytes, the limit is %u", path,
                    n_header, SCOPE_CHECKPOINT_MAX_HEADER_BYTES);
        return FALSE;
    }
    if (bytes[8] != '{') {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                    "%s: the safetensors header does not begin with '{'", path);
        return FALSE;
    }
    reader.data = (const guint8 *)bytes + 8 + n_header;
    reader.n_data = size - 8 - n_header;
    reader.ranges = g_array_new(FALSE, FALSE, sizeof(Range));
    scope_json_reader_init(&reader.json, bytes + 8, (gsize)n_header);
    done = read_header(&reader, error);
    scope_json_reader_clear(&reader.json);
    g_array_unref(reader.ranges);
    return done;
}

/* -- Sharded sets ----------------------------------------------------------------------------- */

static gboolean
is_plain_name(const char *name)
{
    return *name != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strpbrk(name, "/\\") == NULL;
}

/* Reads weight_map into @ret_map (tensor -> file name) and @files (names in first-seen order). */
static gboolean
read_weight_map(Reader *reader, GHashTable *ret_map, GPtrArray *files, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(&reader->json);

    if (token != SCOPE_JSON_OBJECT_BEGIN) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL, "weight_map is not an object",
                    error);
    }
    while ((token = scope_json_reader_next(&reader->json)) == SCOPE_JSON_KEY) {
        g_autofree char *tensor = g_strdup(reader->json.text->str);
        const char *file;
        if (scope_json_reader_next(&reader->json) != SCOPE_JSON_STRING) {
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, tensor, "its file is not a text",
                        error);
        }
        file = reader->json.text->str;
        if (!is_plain_name(file)) {
            g_autofree char *what =
                g_strdup_printf("its file '%.80s' is not a plain file name", file);
            return fail(reader, SCOPE_CHECKPOINT_ERROR_UNSAFE, tensor, what, error);
        }
        if (g_hash_table_contains(ret_map, tensor)) {
            return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, tensor, "is in weight_map twice",
                        error);
        }
        if (!g_ptr_array_find_with_equal_func(files, file, g_str_equal, NULL)) {
            if (files->len == 4096) {
                return fail(reader, SCOPE_CHECKPOINT_ERROR_LIMIT, NULL, "more than 4096 shards",
                            error);
            }
            g_ptr_array_add(files, g_strdup(file));
        }
        g_hash_table_insert(ret_map, g_steal_pointer(&tensor), g_strdup(file));
    }
    return token == SCOPE_JSON_OBJECT_END ||
           fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL, "bad weight_map", error);
}

static gboolean
read_index(Reader *reader, GHashTable *ret_map, GPtrArray *files, GError **error)
{
    gboolean has_map = FALSE;
    ScopeJsonToken token = scope_json_reader_next(&reader->json);

    if (token == SCOPE_JSON_OBJECT_BEGIN) {
        while ((token = scope_json_reader_next(&reader->json)) == SCOPE_JSON_KEY) {
            if (strcmp(reader->json.text->str, "weight_map") == 0 && !has_map) {
                has_map = TRUE;
                if (!read_weight_map(reader, ret_map, files, error)) {
                    return FALSE;
                }
            } else if (!scope_json_reader_skip(&reader->json)) {
                break;
            }
        }
    }
    if (token != SCOPE_JSON_OBJECT_END || scope_json_reader_next(&reader->json) != SCOPE_JSON_END ||
        !has_map) {
        return fail(reader, SCOPE_CHECKPOINT_ERROR_FORMAT, NULL,
                    "not a shard index: no JSON object with a weight_map", error);
    }
    return TRUE;
}

/* Maps every shard and takes the tensors that the index gives to it. */
static gboolean
read_shards(ScopeCheckpoint *checkpoint, const char *path, GHashTable *map, GPtrArray *files,
            GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    for (guint i = 0; i < files->len; i++) {
        const char *name = g_ptr_array_index(files, i);
        g_autofree char *shard_path = g_build_filename(folder, name, NULL);
        g_autoptr(ScopeCheckpoint) shard = scope_checkpoint_new_private(shard_path);
        GMappedFile *file = scope_checkpoint_map_private(checkpoint, shard_path, error);
        if (file == NULL || !scope_safetensors_read_private(shard, shard_path, file, error)) {
            return FALSE;
        }
        for (guint t = 0; t < shard->tensors->len; t++) {
            const ScopeCheckpointTensor *tensor = scope_checkpoint_get_tensor(shard, t);
            if (g_strcmp0(g_hash_table_lookup(map, tensor->name), name) == 0) {
                if (!scope_checkpoint_add_private(checkpoint, tensor, error)) {
                    return FALSE;
                }
                g_hash_table_remove(map, tensor->name);
            }
        }
    }
    if (g_hash_table_size(map) > 0) {
        GHashTableIter iter;
        gpointer tensor, file;
        g_hash_table_iter_init(&iter, map);
        g_hash_table_iter_next(&iter, &tensor, &file);
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                    "%s: tensor '%s' is not in its file '%s' (%u tensors of the index are missing)",
                    path, (char *)tensor, (char *)file, g_hash_table_size(map));
        return FALSE;
    }
    return TRUE;
}

gboolean
scope_safetensors_read_index_private(ScopeCheckpoint *checkpoint, const char *path,
                                     GMappedFile *file, GError **error)
{
    g_autoptr(GHashTable) map = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    Reader reader = {.path = path, .checkpoint = checkpoint};
    gboolean done;

    if (g_mapped_file_get_length(file) > SCOPE_CHECKPOINT_MAX_HEADER_BYTES) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT,
                    "%s: shard index of more than %u bytes", path,
                    SCOPE_CHECKPOINT_MAX_HEADER_BYTES);
        return FALSE;
    }
    scope_json_reader_init(&reader.json, g_mapped_file_get_contents(file),
                           g_mapped_file_get_length(file));
    done = read_index(&reader, map, files, error);
    scope_json_reader_clear(&reader.json);
    return done && read_shards(checkpoint, path, map, files, error);
}
