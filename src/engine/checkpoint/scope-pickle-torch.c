/* SPDX-License-Identifier: Apache-2.0 */
/* What the allowed names of a PyTorch pickle mean: OrderedDict, tensor rebuilding, storages,
 * dtypes. Every number is checked before it becomes part of a tensor description. Owns nothing. Any
 * thread. */
#include "engine/checkpoint/scope-pickle-machine-private.h"

#include <string.h>

typedef enum {
    GLOBAL_ORDERED_DICT,
    GLOBAL_SIZE,
    GLOBAL_REBUILD_TENSOR,
    GLOBAL_REBUILD_TENSOR_V2,
    GLOBAL_REBUILD_TENSOR_V3,
    GLOBAL_REBUILD_PARAMETER,
    GLOBAL_STORAGE,
    GLOBAL_DTYPE,
} GlobalKind;

static const struct {
    const char *module;
    const char *name;
    GlobalKind kind;
    ScopeStoredType type;
} globals[] = {
    {"collections", "OrderedDict", GLOBAL_ORDERED_DICT, 0},
    {"torch", "Size", GLOBAL_SIZE, 0},
    {"torch._utils", "_rebuild_tensor", GLOBAL_REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v2", GLOBAL_REBUILD_TENSOR_V2, 0},
    {"torch._utils", "_rebuild_tensor_v3", GLOBAL_REBUILD_TENSOR_V3, 0},
    {"torch._utils", "_rebuild_parameter", GLOBAL_REBUILD_PARAMETER, 0},
    {"torch._utils", "_rebuild_parameter_with_state", GLOBAL_REBUILD_PARAMETER, 0},
    {"torch", "FloatStorage", GLOBAL_STORAGE, SCOPE_STORED_F32},
    {"torch", "DoubleStorage", GLOBAL_STORAGE, SCOPE_STORED_F64},
    {"torch", "HalfStorage", GLOBAL_STORAGE, SCOPE_STORED_F16},
    {"torch", "BFloat16Storage", GLOBAL_STORAGE, SCOPE_STORED_BF16},
    {"torch", "LongStorage", GLOBAL_STORAGE, SCOPE_STORED_I64},
    {"torch", "IntStorage", GLOBAL_STORAGE, SCOPE_STORED_I32},
    {"torch", "ShortStorage", GLOBAL_STORAGE, SCOPE_STORED_I16},
    {"torch", "CharStorage", GLOBAL_STORAGE, SCOPE_STORED_I8},
    {"torch", "ByteStorage", GLOBAL_STORAGE, SCOPE_STORED_U8},
    {"torch", "BoolStorage", GLOBAL_STORAGE, SCOPE_STORED_BOOL},
    {"torch.storage", "UntypedStorage", GLOBAL_STORAGE, SCOPE_STORED_INVALID},
    {"torch", "float32", GLOBAL_DTYPE, SCOPE_STORED_F32},
    {"torch", "float64", GLOBAL_DTYPE, SCOPE_STORED_F64},
    {"torch", "float16", GLOBAL_DTYPE, SCOPE_STORED_F16},
    {"torch", "bfloat16", GLOBAL_DTYPE, SCOPE_STORED_BF16},
    {"torch", "int64", GLOBAL_DTYPE, SCOPE_STORED_I64},
    {"torch", "int32", GLOBAL_DTYPE, SCOPE_STORED_I32},
    {"torch", "int16", GLOBAL_DTYPE, SCOPE_STORED_I16},
    {"torch", "int8", GLOBAL_DTYPE, SCOPE_STORED_I8},
    {"torch", "uint8", GLOBAL_DTYPE, SCOPE_STORED_U8},
    {"torch", "bool", GLOBAL_DTYPE, SCOPE_STORED_BOOL},
    {"torch", "float8_e4m3fn", GLOBAL_DTYPE, SCOPE_STORED_F8_E4M3},
    {"torch", "float8_e5m2", GLOBAL_DTYPE, SCOPE_STORED_F8_E5M2},
};

#define malformed(m, ...) scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_FORMAT, __VA_ARGS__)

static const ScopePickleValue *
value_at(const ScopePickleMachine *m, guint32 reference)
{
    return scope_pickle_get_private(m->pickle, reference);
}

static const ScopePickleValue *
item_at(const ScopePickleMachine *m, const ScopePickleValue *container, guint index)
{
    return value_at(m, scope_pickle_item_private(container, index));
}

static gboolean
equals(const char *text, const char *bytes, gsize n)
{
    return strlen(text) == n && memcmp(text, bytes, n) == 0;
}

int
scope_pickle_find_global_private(ScopePickleMachine *m, const char *module, gsize n_module,
                                 const char *name, gsize n_name)
{
    g_autofree char *shown_module = NULL, *shown_name = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(globals); i++) {
        if (equals(globals[i].module, module, n_module) && equals(globals[i].name, name, n_name)) {
            return (int)i;
        }
    }
    shown_module = g_utf8_make_valid(module, (gssize)MIN(n_module, 80));
    shown_name = g_utf8_make_valid(name, (gssize)MIN(n_name, 80));
    scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE,
                              "the file wants to use '%s.%s', which is not on the list of names "
                              "that a checkpoint may use",
                              shown_module, shown_name);
    return -1;
}

/* -- Tensors ---------------------------------------------------------------------------------- */

static gboolean
get_size(ScopePickleMachine *m, const ScopePickleValue *value, const char *what, gint64 *ret_size)
{
    if (value->type != SCOPE_PICKLE_INT) {
        return malformed(m, "%s is %s", what, scope_pickle_describe_private(value));
    }
    if (value->integer < 0) {
        return malformed(m, "%s is %" G_GINT64_FORMAT ", expected 0 or more", what, value->integer);
    }
    *ret_size = value->integer;
    return TRUE;
}

/* Reads a tuple of sizes or strides; its length, or -1 with the error set. */
static int
get_sizes(ScopePickleMachine *m, const ScopePickleValue *value, const char *what, gint64 *ret_sizes)
{
    guint n = scope_pickle_n_items_private(value);

    if (value->type != SCOPE_PICKLE_TUPLE) {
        malformed(m, "the %s of a tensor is %s", what, scope_pickle_describe_private(value));
        return -1;
    }
    if (n > SCOPE_CHECKPOINT_MAX_RANK) {
        scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_LIMIT,
                                  "a tensor of %u dimensions, the limit is %d", n,
                                  SCOPE_CHECKPOINT_MAX_RANK);
        return -1;
    }
    for (guint i = 0; i < n; i++) {
        if (!get_size(m, item_at(m, value, i), what, &ret_sizes[i])) {
            return -1;
        }
    }
    return (int)n;
}

/* Every element has to lie inside the storage. */
static gboolean
check_extent(ScopePickleMachine *m, const ScopePickleTensor *tensor, gint64 n_storage)
{
    gint64 last = tensor->offset, n_bytes, n = 1;
    gboolean overflow = FALSE, empty = FALSE;

    for (int i = 0; i < tensor->rank; i++) {
        gint64 reach;
        empty = empty || tensor->shape[i] == 0;
        overflow = overflow || __builtin_mul_overflow(n, tensor->shape[i], &n) ||
                   __builtin_mul_overflow(tensor->shape[i] - 1, tensor->stride[i], &reach) ||
                   __builtin_add_overflow(last, reach, &last);
    }
    if (empty) {
        return TRUE;
    }
    if (overflow ||
        __builtin_mul_overflow(n, (gint64)scope_stored_type_get_size(tensor->type), &n_bytes)) {
        return malformed(m, "the sizes and strides of a tensor overflow 63 bits");
    }
    return last < n_storage || malformed(m,
                                         "a tensor reaches element %" G_GINT64_FORMAT
                                         " of a storage of %" G_GINT64_FORMAT,
                                         last, n_storage);
}

static gboolean
rebuild_tensor(ScopePickleMachine *m, GlobalKind kind, const ScopePickleValue *arguments,
               guint32 *ret_value)
{
    guint n = scope_pickle_n_items_private(arguments);
    guint least = kind == GLOBAL_REBUILD_TENSOR ? 4 : kind == GLOBAL_REBUILD_TENSOR_V2 ? 6 : 7;
    ScopePickleTensor tensor = {0};
    ScopePickleValue value = {.type = SCOPE_PICKLE_TENSOR};
    const ScopePickleStorage *storage;
    gint64 n_storage;
    int n_strides;

    if (n < least || n > 8 || item_at(m, arguments, 0)->type != SCOPE_PICKLE_STORAGE) {
        return malformed(m, "a tensor is rebuilt from other than storage, offset, size, stride...");
    }
    tensor.storage = item_at(m, arguments, 0)->index;
    storage = &g_array_index(m->pickle->storages, ScopePickleStorage, tensor.storage);
    tensor.type = storage->type;
    n_storage = storage->n_elements;
    if (kind == GLOBAL_REBUILD_TENSOR_V3) {
        const ScopePickleValue *dtype = item_at(m, arguments, 6);
        if (dtype->type != SCOPE_PICKLE_GLOBAL || globals[dtype->index].kind != GLOBAL_DTYPE) {
            return malformed(m, "the dtype of a tensor is %s",
                             scope_pickle_describe_private(dtype));
        }
        tensor.type = globals[dtype->index].type;
        if (storage->type == SCOPE_STORED_INVALID) {
            n_storage /= (gint64)scope_stored_type_get_size(tensor.type);
        } else if (storage->type != tensor.type) {
            return malformed(m, "a tensor has another dtype than its storage");
        }
    } else if (tensor.type == SCOPE_STORED_INVALID) {
        return malformed(m, "a tensor without dtype on an untyped storage");
    }
    if (!get_size(m, item_at(m, arguments, 1), "the storage offset of a tensor", &tensor.offset)) {
        return FALSE;
    }
    tensor.rank = get_sizes(m, item_at(m, arguments, 2), "size", tensor.shape);
    n_strides =
        tensor.rank < 0 ? -1 : get_sizes(m, item_at(m, arguments, 3), "stride", tensor.stride);
    if (n_strides < 0) {
        return FALSE;
    }
    if (n_strides != tensor.rank) {
        return malformed(m, "a tensor of %d sizes and %d strides", tensor.rank, n_strides);
    }
    if (!check_extent(m, &tensor, n_storage)) {
        return FALSE;
    }
    value.index = m->pickle->tensors->len;
    g_array_append_val(m->pickle->tensors, tensor);
    *ret_value = scope_pickle_add_private(m, &value);
    return *ret_value != G_MAXUINT32;
}

/* -- Names that are applied ------------------------------------------------------------------- */

static gboolean
make_dict(ScopePickleMachine *m, const ScopePickleValue *arguments, guint32 *ret_value)
{
    ScopePickleValue dict = {.type = SCOPE_PICKLE_DICT};
    guint n = scope_pickle_n_items_private(arguments);
    const ScopePickleValue *list = n == 1 ? item_at(m, arguments, 0) : NULL;

    if (n > 1 || (list != NULL && list->type != SCOPE_PICKLE_LIST)) {
        return malformed(m, "an OrderedDict is made of other than a list of pairs");
    }
    for (guint i = 0; list != NULL && i < scope_pickle_n_items_private(list); i++) {
        const ScopePickleValue *pair = item_at(m, list, i);
        if ((pair->type != SCOPE_PICKLE_LIST && pair->type != SCOPE_PICKLE_TUPLE) ||
            scope_pickle_n_items_private(pair) != 2) {
            g_clear_pointer(&dict.items, g_array_unref);
            return malformed(m, "an OrderedDict is made of other than a list of pairs");
        }
        if (dict.items == NULL) {
            dict.items = g_array_new(FALSE, FALSE, sizeof(guint32));
        }
        g_array_append_vals(dict.items, pair->items->data, 2);
    }
    *ret_value = scope_pickle_add_private(m, &dict);
    if (*ret_value == G_MAXUINT32) {
        g_clear_pointer(&dict.items, g_array_unref);
        return FALSE;
    }
    return TRUE;
}

gboolean
scope_pickle_reduce_private(ScopePickleMachine *m, guint32 callable, guint32 arguments,
                            guint32 *ret_value)
{
    const ScopePickleValue *global = value_at(m, callable);
    const ScopePickleValue *tuple = value_at(m, arguments);
    guint n;

    if (global->type != SCOPE_PICKLE_GLOBAL || tuple->type != SCOPE_PICKLE_TUPLE) {
        return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE, "%s is applied to %s",
                                         scope_pickle_describe_private(global),
                                         scope_pickle_describe_private(tuple));
    }
    n = scope_pickle_n_items_private(tuple);
    switch (globals[global->index].kind) {
    case GLOBAL_ORDERED_DICT:
        return make_dict(m, tuple, ret_value);
    case GLOBAL_SIZE:
        if (n != 1 || item_at(m, tuple, 0)->type != SCOPE_PICKLE_TUPLE) {
            return malformed(m, "a torch.Size is made of other than a tuple");
        }
        *ret_value = scope_pickle_item_private(tuple, 0);
        return TRUE;
    case GLOBAL_REBUILD_TENSOR:
    case GLOBAL_REBUILD_TENSOR_V2:
    case GLOBAL_REBUILD_TENSOR_V3:
        return rebuild_tensor(m, globals[global->index].kind, tuple, ret_value);
    case GLOBAL_REBUILD_PARAMETER:
        if (n < 1 || item_at(m, tuple, 0)->type != SCOPE_PICKLE_TENSOR) {
            return malformed(m, "a parameter is made of other than a tensor");
        }
        *ret_value = scope_pickle_item_private(tuple, 0);
        return TRUE;
    case GLOBAL_STORAGE:
    case GLOBAL_DTYPE:
        break;
    }
    return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE,
                                     "'%s.%s' is used as a function", globals[global->index].module,
                                     globals[global->index].name);
}

/* -- Storages --------------------------------------------------------------------------------- */

static gboolean
is_plain_key(const char *key, gsize n)
{
    if (n == 0 || n > 255 || key[0] == '.') {
        return FALSE;
    }
    for (gsize i = 0; i < n; i++) {
        if (key[i] == '/' || key[i] == '\\' || (guchar)key[i] < 0x20) {
            return FALSE;
        }
    }
    return TRUE;
}

/* A legacy view: (key of the view, offset, elements). */
static gboolean
read_view(ScopePickleMachine *m, const ScopePickleValue *view, ScopePickleStorage *storage)
{
    gint64 end;

    if (view->type == SCOPE_PICKLE_NONE) {
        return TRUE;
    }
    if (view->type != SCOPE_PICKLE_TUPLE || scope_pickle_n_items_private(view) != 3) {
        return malformed(m, "the view of a storage is %s", scope_pickle_describe_private(view));
    }
    if (!get_size(m, item_at(m, view, 1), "the offset of a storage view", &storage->view_offset) ||
        !get_size(m, item_at(m, view, 2), "the size of a storage view", &storage->n_elements)) {
        return FALSE;
    }
    return (!__builtin_add_overflow(storage->view_offset, storage->n_elements, &end) &&
            end <= storage->root_elements) ||
           malformed(m, "a storage view leaves its storage");
}

gboolean
scope_pickle_persist_private(ScopePickleMachine *m, guint32 id, guint32 *ret_value)
{
    const ScopePickleValue *tuple = value_at(m, id);
    guint n = tuple->type == SCOPE_PICKLE_TUPLE ? scope_pickle_n_items_private(tuple) : 0;
    ScopePickleValue value = {.type = SCOPE_PICKLE_STORAGE};
    ScopePickleStorage storage = {0};
    const ScopePickleValue *kind, *type, *key;

    if (n < 5 || n > 6) {
        return malformed(m, "a persistent id that does not describe a storage");
    }
    kind = item_at(m, tuple, 0);
    type = item_at(m, tuple, 1);
    key = item_at(m, tuple, 2);
    if (kind->type != SCOPE_PICKLE_TEXT || !equals("storage", kind->text, kind->length)) {
        return malformed(m, "a persistent id that does not describe a storage");
    }
    if (type->type != SCOPE_PICKLE_GLOBAL || globals[type->index].kind != GLOBAL_STORAGE) {
        return malformed(m, "the class of a storage is %s", scope_pickle_describe_private(type));
    }
    if (key->type != SCOPE_PICKLE_TEXT || !is_plain_key(key->text, key->length)) {
        return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE,
                                         "the key of a storage is not a plain name");
    }
    if (!get_size(m, item_at(m, tuple, 4), "the element count of a storage",
                  &storage.root_elements)) {
        return FALSE;
    }
    storage.key = g_string_chunk_insert_len(m->pickle->strings, key->text, (gssize)key->length);
    storage.type = globals[type->index].type;
    storage.n_elements = storage.root_elements;
    if (n == 6 && !read_view(m, item_at(m, tuple, 5), &storage)) {
        return FALSE;
    }
    value.index = m->pickle->storages->len;
    g_array_append_val(m->pickle->storages, storage);
    *ret_value = scope_pickle_add_private(m, &value);
    return *ret_value != G_MAXUINT32;
}
