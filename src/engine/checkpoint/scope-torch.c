/* SPDX-License-Identifier: Apache-2.0 */
/* Reads PyTorch files, zip and legacy: runs the pickle, finds the bytes of every storage, walks the
 * nested dicts and lists their tensors. Owns nothing beyond the call. Any thread. */
#include <string.h>

#include "engine/checkpoint/scope-checkpoint-private.h"
#include "engine/checkpoint/scope-pickle-private.h"
#include "engine/checkpoint/scope-zip-private.h"

/* Dict entries that the walk visits; containers may be shared, so their number is not bounded by
 * the size of the pickle. */
#define MAX_VISITS (1u << 21)

typedef struct {
    const guint8 *data;
    guint64 n_bytes;
} Bytes;

typedef struct {
    ScopeCheckpoint *checkpoint;
    const char *path;
    guint64 n_file;
    const ScopePickle *pickle;
    Bytes *storages;  /* [storages of the pickle] */
    guint64 n_output; /* bytes of all tensors when written out */
    guint n_visits;
} Reader;

static gboolean fail(const char *path, ScopeCheckpointError code, GError **error,
                     const char *format, ...) G_GNUC_PRINTF(4, 5);

static gboolean
fail(const char *path, ScopeCheckpointError code, GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, SCOPE_CHECKPOINT_ERROR, code, "%s: %s", path, what);
    return FALSE;
}

/* -- The state dict --------------------------------------------------------------------------- */

/* TRUE when the elements lie row-major without gaps; dimensions of size 1 have any stride. */
static gboolean
is_contiguous(const ScopeCheckpointTensor *tensor)
{
    gint64 step = 1;

    if (tensor->n_elements == 0) {
        return TRUE;
    }
    for (int i = tensor->rank - 1; i >= 0; i--) {
        if (tensor->shape[i] != 1 && tensor->stride[i] != step) {
            return FALSE;
        }
        step *= tensor->shape[i];
    }
    return TRUE;
}

static gboolean
add_tensor(Reader *reader, const char *name, guint32 index, GError **error)
{
    const ScopePickleTensor *from =
        &g_array_index(reader->pickle->tensors, ScopePickleTensor, index);
    const Bytes *storage = &reader->storages[from->storage];
    gsize size = scope_stored_type_get_size(from->type);
    ScopeCheckpointTensor tensor = {
        .name = name, .file = reader->path, .type = from->type, .rank = from->rank};
    gint64 last = 0;

    memcpy(tensor.shape, from->shape, sizeof tensor.shape);
    memcpy(tensor.stride, from->stride, sizeof tensor.stride);
    tensor.n_elements = scope_checkpoint_count_private(tensor.rank, tensor.shape);
    if (tensor.n_elements < 0) {
        return fail(reader->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "tensor '%s': the product of its sizes does not fit 63 bits", name);
    }
    tensor.contiguous = is_contiguous(&tensor);
    tensor.data = storage->data;
    if (tensor.n_elements > 0) {
        for (int i = 0; i < tensor.rank; i++) {
            last += (tensor.shape[i] - 1) * tensor.stride[i];
        }
        tensor.data += (gsize)from->offset * size;
        tensor.n_bytes = ((gsize)last + 1) * size;
    }
    reader->n_output += (guint64)tensor.n_elements * size;
    if (reader->n_output > (64u << 20) && reader->n_output / 16 > reader->n_file) {
        return fail(reader->path, SCOPE_CHECKPOINT_ERROR_LIMIT, error,
                    "tensor '%s': the tensors would take %" G_GUINT64_FORMAT
                    " bytes, the file has %" G_GUINT64_FORMAT,
                    name, reader->n_output, reader->n_file);
    }
    return scope_checkpoint_add_private(reader->checkpoint, &tensor, error);
}

typedef struct {
    guint32 dict;
    guint next;  /* item to visit next */
    gsize depth; /* length of the path in front of its keys */
} Level;

/* Appends the text of a key to @path; FALSE for a key that is neither text nor integer. */
static gboolean
append_key(GString *path, const ScopePickleValue *key)
{
    if (key->type == SCOPE_PICKLE_TEXT && memchr(key->text, 0, key->length) == NULL) {
        g_string_append_len(path, key->text, (gssize)key->length);
        return TRUE;
    }
    if (key->type == SCOPE_PICKLE_INT) {
        g_string_append_printf(path, "%" G_GINT64_FORMAT, key->integer);
        return TRUE;
    }
    return FALSE;
}

static gboolean
walk(Reader *reader, GError **error)
{
    Level levels[SCOPE_CHECKPOINT_MAX_DEPTH] = {{.dict = reader->pickle->root}};
    g_autoptr(GString) path = g_string_new(NULL);
    int n_levels = 1;

    while (n_levels > 0) {
        Level *level = &levels[n_levels - 1];
        const ScopePickleValue *dict = scope_pickle_get_private(reader->pickle, level->dict);
        const ScopePickleValue *key, *value;
        guint32 reference;
        if (level->next >= scope_pickle_n_items_private(dict)) {
            n_levels--;
            continue;
        }
        if (reader->n_visits++ >= MAX_VISITS) {
            return fail(reader->path, SCOPE_CHECKPOINT_ERROR_LIMIT, error,
                        "more than %u entries in nested dicts", MAX_VISITS);
        }
        key =
            scope_pickle_get_private(reader->pickle, scope_pickle_item_private(dict, level->next));
        reference = scope_pickle_item_private(dict, level->next + 1);
        value = scope_pickle_get_private(reader->pickle, reference);
        level->next += 2;
        g_string_truncate(path, level->depth);
        if ((value->type != SCOPE_PICKLE_TENSOR && value->type != SCOPE_PICKLE_DICT) ||
            !append_key(path, key)) {
            continue;
        }
        if (value->type == SCOPE_PICKLE_TENSOR) {
            if (!add_tensor(reader, path->str, value->index, error)) {
                return FALSE;
            }
            continue;
        }
        if (n_levels == SCOPE_CHECKPOINT_MAX_DEPTH) {
            return fail(reader->path, SCOPE_CHECKPOINT_ERROR_LIMIT, error,
                        "dicts are nested deeper than %d levels", SCOPE_CHECKPOINT_MAX_DEPTH);
        }
        g_string_append_c(path, '/');
        levels[n_levels++] = (Level){.dict = reference, .depth = path->len};
    }
    return TRUE;
}

static gboolean
list_tensors(Reader *reader, GError **error)
{
    const ScopePickleValue *root = scope_pickle_get_private(reader->pickle, reader->pickle->root);

    if (root->type != SCOPE_PICKLE_DICT) {
        return fail(reader->path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "the file holds %s at the top, expected a dict of tensors",
                    scope_pickle_describe_private(root));
    }
    if (!walk(reader, error)) {
        return FALSE;
    }
    return reader->checkpoint->tensors->len > 0 ||
           fail(reader->path, SCOPE_CHECKPOINT_ERROR_MISSING, error,
                "no tensors found in the file");
}

/* Bytes that a storage of the pickle needs; FALSE on overflow. */
static gboolean
get_storage_bytes(const ScopePickleStorage *storage, guint64 *ret_n_bytes)
{
    gsize size =
        storage->type == SCOPE_STORED_INVALID ? 1 : scope_stored_type_get_size(storage->type);

    return !__builtin_mul_overflow((guint64)storage->root_elements, size, ret_n_bytes);
}

/* Narrows the bytes of a storage to what its view covers. */
static Bytes
apply_view(const ScopePickleStorage *storage, Bytes bytes)
{
    gsize size =
        storage->type == SCOPE_STORED_INVALID ? 1 : scope_stored_type_get_size(storage->type);

    return (Bytes){bytes.data + (gsize)storage->view_offset * size,
                   (guint64)storage->n_elements * size};
}

/* -- Zip -------------------------------------------------------------------------------------- */

/* The folder that holds data.pkl, with its slash; NULL with @error set. */
static char *
find_root(const char *path, const ScopeZip *zip, GError **error)
{
    g_autofree char *root = NULL;

    for (guint i = 0; i < zip->entries->len; i++) {
        const char *name = g_array_index(zip->entries, ScopeZipEntry, i).name;
        const char *slash = strchr(name, '/');
        if (slash == NULL || strcmp(slash, "/data.pkl") != 0) {
            continue;
        }
        if (root != NULL) {
            fail(path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "the archive has more than one data.pkl");
            return NULL;
        }
        root = g_strndup(name, (gsize)(slash - name) + 1);
    }
    if (root == NULL) {
        fail(path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
             "a zip archive without data.pkl: not a PyTorch checkpoint");
        return NULL;
    }
    for (guint i = 0; i < zip->entries->len; i++) {
        const char *name = g_array_index(zip->entries, ScopeZipEntry, i).name;
        if (g_str_has_prefix(name, root) && (g_str_has_prefix(name + strlen(root), "code/") ||
                                             strcmp(name + strlen(root), "constants.pkl") == 0)) {
            fail(path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                 "a TorchScript archive (it holds code), expected a state dict");
            return NULL;
        }
    }
    return g_steal_pointer(&root);
}

static const ScopeZipEntry *
find_record(const ScopeZip *zip, const char *root, const char *name)
{
    g_autofree char *full = g_strconcat(root, name, NULL);

    return scope_zip_find_private(zip, full);
}

static gboolean
check_records(const char *path, const ScopeZip *zip, const char *root, GError **error)
{
    const ScopeZipEntry *order = find_record(zip, root, "byteorder");
    const ScopeZipEntry *version = find_record(zip, root, "version");
    g_autofree char *digits = NULL;
    guint64 number = 0;

    if (order != NULL && (order->n_bytes != 6 || memcmp(order->data, "little", 6) != 0)) {
        return fail(path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "byte order '%.*s', only 'little' is read", (int)MIN(order->n_bytes, 16),
                    (const char *)order->data);
    }
    if (version == NULL) {
        return fail(path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "the archive has no version record");
    }
    digits = g_strstrip(g_strndup((const char *)version->data, MIN(version->n_bytes, 16)));
    if (!g_ascii_string_to_unsigned(digits, 10, 1, 10, &number, NULL)) {
        return fail(path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "archive version '%s', 1 to 10 are read", digits);
    }
    return TRUE;
}

static gboolean
find_zip_storages(Reader *reader, const ScopeZip *zip, const char *root, GError **error)
{
    for (guint i = 0; i < reader->pickle->storages->len; i++) {
        const ScopePickleStorage *storage =
            &g_array_index(reader->pickle->storages, ScopePickleStorage, i);
        g_autofree char *name = g_strconcat("data/", storage->key, NULL);
        const ScopeZipEntry *entry = find_record(zip, root, name);
        guint64 n_bytes;
        if (entry == NULL) {
            return fail(reader->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                        "the archive has no record '%s%s'", root, name);
        }
        if (!get_storage_bytes(storage, &n_bytes) || n_bytes != entry->n_bytes) {
            return fail(reader->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                        "record '%s%s' has %" G_GSIZE_FORMAT
                        " bytes, its storage claims %" G_GINT64_FORMAT " elements of %s",
                        root, name, entry->n_bytes, storage->root_elements,
                        storage->type == SCOPE_STORED_INVALID
                            ? "1 byte"
                            : scope_stored_type_get_name(storage->type));
        }
        reader->storages[i] = apply_view(storage, (Bytes){entry->data, entry->n_bytes});
    }
    return TRUE;
}

gboolean
scope_torch_read_zip_private(ScopeCheckpoint *checkpoint, const char *path, GMappedFile *file,
                             GError **error)
{
    const guint8 *bytes = (const guint8 *)g_mapped_file_get_contents(file);
    gsize size = g_mapped_file_get_length(file);
    g_autofree char *label = g_strdup_printf("%s: data.pkl", path);
    g_autoptr(ScopeZip) zip = scope_zip_open_private(path, bytes, size, error);
    g_autoptr(ScopePickle) pickle = NULL;
    g_autofree char *root = NULL;
    g_autofree Bytes *storages = NULL;
    Reader reader = {.checkpoint = checkpoint, .path = path, .n_file = size};
    const ScopeZipEntry *entry;
    gsize used;

    if (zip == NULL || (root = find_root(path, zip, error)) == NULL ||
        !check_records(path, zip, root, error)) {
        return FALSE;
    }
    entry = find_record(zip, root, "data.pkl");
    if (entry->n_bytes > SCOPE_CHECKPOINT_MAX_PICKLE_BYTES) {
        return fail(path, SCOPE_CHECKPOINT_ERROR_LIMIT, error,
                    "data.pkl has %" G_GSIZE_FORMAT " bytes, the limit is %u", entry->n_bytes,
                    SCOPE_CHECKPOINT_MAX_PICKLE_BYTES);
    }
    if (scope_zip_crc32_private(entry->data, entry->n_bytes) != entry->crc) {
        return fail(path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                    "data.pkl does not match its checksum: the file is damaged");
    }
    pickle = scope_pickle_parse_private(label, entry->data, entry->n_bytes, &used, error);
    if (pickle == NULL) {
        return FALSE;
    }
    reader.pickle = pickle;
    reader.storages = storages = g_new0(Bytes, pickle->storages->len + 1);
    return find_zip_storages(&reader, zip, root, error) && list_tensors(&reader, error);
}

/* -- Legacy ----------------------------------------------------------------------------------- */

typedef struct {
    const char *path;
    const guint8 *at;
    const guint8 *end;
} Cursor;

static ScopePickle *
next_pickle(Cursor *cursor, const char *what, GError **error)
{
    g_autofree char *label = g_strdup_printf("%s: %s", cursor->path, what);
    gsize left = (gsize)(cursor->end - cursor->at);
    gsize used = 0;
    ScopePickle *pickle = scope_pickle_parse_private(
        label, cursor->at, MIN(left, SCOPE_CHECKPOINT_MAX_PICKLE_BYTES), &used, error);

    cursor->at += used;
    return pickle;
}

static gboolean
read_preamble(Cursor *cursor, GError **error)
{
    static const guint8 magic[] = {0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46,
                                   0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E};
    g_autoptr(ScopePickle) version = NULL;
    g_autoptr(ScopePickle) system = NULL;
    const ScopePickleValue *value;

    if ((gsize)(cursor->end - cursor->at) < sizeof magic ||
        memcmp(cursor->at, magic, sizeof magic) != 0) {
        return fail(cursor->path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "a pickle, but not one that PyTorch wrote (wrong magic number)");
    }
    cursor->at += sizeof magic;
    version = next_pickle(cursor, "protocol version", error);
    if (version == NULL) {
        return FALSE;
    }
    value = scope_pickle_get_private(version, version->root);
    if (value->type != SCOPE_PICKLE_INT || value->integer != 1001) {
        return fail(cursor->path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                    "legacy protocol version is not 1001");
    }
    system = next_pickle(cursor, "system information", error);
    if (system == NULL) {
        return FALSE;
    }
    value = scope_pickle_get_private(system, system->root);
    for (guint i = 0; value->type == SCOPE_PICKLE_DICT && i < scope_pickle_n_items_private(value);
         i += 2) {
        const ScopePickleValue *key =
            scope_pickle_get_private(system, scope_pickle_item_private(value, i));
        const ScopePickleValue *is =
            scope_pickle_get_private(system, scope_pickle_item_private(value, i + 1));
        if (key->type == SCOPE_PICKLE_TEXT && key->length == 13 &&
            memcmp(key->text, "little_endian", 13) == 0 && is->type == SCOPE_PICKLE_BOOL &&
            !is->integer) {
            return fail(cursor->path, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, error,
                        "written on a big-endian machine, which is not read");
        }
    }
    return TRUE;
}

/* Reads count and elements of every storage, in the order of the key list. */
static GHashTable *
read_legacy_storages(Cursor *cursor, const ScopePickle *pickle, const ScopePickle *keys,
                     GError **error)
{
    g_autoptr(GHashTable) by_key = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const ScopePickleValue *list = scope_pickle_get_private(keys, keys->root);

    for (guint i = 0; i < pickle->storages->len; i++) {
        g_hash_table_insert(by_key,
                            (gpointer)g_array_index(pickle->storages, ScopePickleStorage, i).key,
                            &g_array_index(pickle->storages, ScopePickleStorage, i));
    }
    for (guint i = 0; list->type == SCOPE_PICKLE_LIST && i < scope_pickle_n_items_private(list);
         i++) {
        const ScopePickleValue *key =
            scope_pickle_get_private(keys, scope_pickle_item_private(list, i));
        g_autofree char *text =
            key->type == SCOPE_PICKLE_TEXT ? g_strndup(key->text, key->length) : g_strdup("");
        const ScopePickleStorage *storage = g_hash_table_lookup(by_key, text);
        guint64 count, n_bytes;
        Bytes *bytes;
        if (storage == NULL || g_hash_table_contains(found, text)) {
            fail(cursor->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "the list of storages names '%s', which no tensor uses or which came before",
                 text);
            return NULL;
        }
        if (cursor->end - cursor->at < 8 || !get_storage_bytes(storage, &n_bytes) ||
            n_bytes > (guint64)(cursor->end - cursor->at) - 8) {
            fail(cursor->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "storage '%s' leaves the file: the file is truncated", text);
            return NULL;
        }
        memcpy(&count, cursor->at, sizeof count);
        if (GUINT64_FROM_LE(count) != (guint64)storage->root_elements) {
            fail(cursor->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                 "storage '%s' has %" G_GUINT64_FORMAT " elements, expected %" G_GINT64_FORMAT,
                 text, GUINT64_FROM_LE(count), storage->root_elements);
            return NULL;
        }
        bytes = g_new(Bytes, 1);
        *bytes = (Bytes){cursor->at + 8, n_bytes};
        cursor->at += 8 + n_bytes;
        g_hash_table_insert(found, g_steal_pointer(&text), bytes);
    }
    return g_steal_pointer(&found);
}

static gboolean
assign_legacy_storages(Reader *reader, GHashTable *found, GError **error)
{
    for (guint i = 0; i < reader->pickle->storages->len; i++) {
        const ScopePickleStorage *storage =
            &g_array_index(reader->pickle->storages, ScopePickleStorage, i);
        const Bytes *bytes = g_hash_table_lookup(found, storage->key);
        guint64 n_bytes;
        if (bytes == NULL || !get_storage_bytes(storage, &n_bytes) || n_bytes != bytes->n_bytes) {
            return fail(reader->path, SCOPE_CHECKPOINT_ERROR_FORMAT, error,
                        "storage '%s' is missing or described in two ways", storage->key);
        }
        reader->storages[i] = apply_view(storage, *bytes);
    }
    return TRUE;
}

gboolean
scope_torch_read_legacy_private(ScopeCheckpoint *checkpoint, const char *path, GMappedFile *file,
                                GError **error)
{
    const guint8 *bytes = (const guint8 *)g_mapped_file_get_contents(file);
    gsize size = g_mapped_file_get_length(file);
    Cursor cursor = {.path = path, .at = bytes, .end = bytes + size};
    Reader reader = {.checkpoint = checkpoint, .path = path, .n_file = size};
    g_autoptr(ScopePickle) pickle = NULL;
    g_autoptr(ScopePickle) keys = NULL;
    g_autoptr(GHashTable) found = NULL;
    g_autofree Bytes *storages = NULL;

    if (!read_preamble(&cursor, error) ||
        (pickle = next_pickle(&cursor, "object", error)) == NULL ||
        (keys = next_pickle(&cursor, "list of storages", error)) == NULL) {
        return FALSE;
    }
    reader.pickle = pickle;
    reader.storages = storages = g_new0(Bytes, pickle->storages->len + 1);
    found = read_legacy_storages(&cursor, pickle, keys, error);
    return found != NULL && assign_legacy_storages(&reader, found, error) &&
           list_tensors(&reader, error);
}
