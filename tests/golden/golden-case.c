/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a case folder and answers a handler's questions about it. A case owns its JSON, its
 * checkpoints and every copy it hands out. Main thread. */
#include "golden-case-private.h"

#include <string.h>

G_DEFINE_QUARK(golden - error - quark, golden_error)

static JsonNode *
node_at(JsonObject *root, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, ".", -1);
    JsonObject *object = root;
    JsonNode *node = NULL;

    for (gsize i = 0; parts[i] != NULL; i++) {
        node = object != NULL ? json_object_get_member(object, parts[i]) : NULL;
        if (node == NULL || JSON_NODE_HOLDS_NULL(node)) {
            return NULL;
        }
        object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    }
    return node;
}

static const char *
string_at(JsonObject *root, const char *path, const char *fallback)
{
    JsonNode *node = node_at(root, path);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : fallback;
}

/* -- Opening ---------------------------------------------------------------------------------- */

static gboolean
read_identity(GoldenCase *c, GError **error)
{
    g_autofree char *base = g_path_get_basename(c->folder);
    const char *kind = string_at(c->root, "kind", NULL);

    if (kind != NULL) {
        c->family = "wan-dit";
        c->kind = kind;
        c->prefixed = TRUE;
    } else {
        c->family = string_at(c->root, "model", NULL);
        c->kind = string_at(c->root, "case", base);
        c->kind = g_intern_string(c->kind);
    }
    if (c->family == NULL) {
        return golden_not_understood(error, "case.json has neither \"kind\" nor \"model\"");
    }
    c->name = g_strdup_printf("%s/%s", c->family, base);
    return TRUE;
}

GoldenCase *
golden_case_open(const char *folder, const GoldenSetup *setup, GError **error)
{
    g_autoptr(GoldenCase) c = g_new0(GoldenCase, 1);
    g_autofree char *json = g_build_filename(folder, "case.json", NULL);
    g_autofree char *io = g_build_filename(folder, "io.safetensors", NULL);

    c->folder = g_strdup(folder);
    c->setup = setup;
    c->parser = json_parser_new_immutable();
    c->opened = g_ptr_array_new_with_free_func((GDestroyNotify)scope_checkpoint_unref);
    c->memory = g_ptr_array_new_with_free_func(g_free);
    c->loaded = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, NULL);
    c->used = g_hash_table_new(g_str_hash, g_str_equal);
    c->report = g_string_new(NULL);
    if (!json_parser_load_from_file(c->parser, json, error)) {
        return NULL;
    }
    if (!JSON_NODE_HOLDS_OBJECT(json_parser_get_root(c->parser))) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "%s is not an object", json);
        return NULL;
    }
    c->root = json_node_get_object(json_parser_get_root(c->parser));
    if (!read_identity(c, error)) {
        return NULL;
    }
    if (g_file_test(io, G_FILE_TEST_EXISTS)) {
        c->io = scope_checkpoint_open(io, error);
        if (c->io == NULL) {
            return NULL;
        }
    }
    return g_steal_pointer(&c);
}

void
golden_case_close(GoldenCase *c)
{
    if (c == NULL) {
        return;
    }
    g_free(c->missing);
    g_free(c->worst_name);
    g_string_free(c->report, TRUE);
    g_hash_table_unref(c->used);
    g_hash_table_unref(c->loaded);
    g_ptr_array_unref(c->memory);
    g_ptr_array_unref(c->opened);
    scope_checkpoint_unref(c->weights);
    scope_checkpoint_unref(c->io);
    g_object_unref(c->parser);
    g_free(c->name);
    g_free(c->folder);
    g_free(c);
}

/* -- Facts ------------------------------------------------------------------------------------ */

const char *
golden_get_name(const GoldenCase *c)
{
    return c->name;
}

const char *
golden_get_family(const GoldenCase *c)
{
    return c->family;
}

const char *
golden_get_kind(const GoldenCase *c)
{
    return c->kind;
}

const char *
golden_get_folder(const GoldenCase *c)
{
    return c->folder;
}

int
golden_get_n_threads(const GoldenCase *c)
{
    return c->setup->n_threads;
}

gboolean
golden_wants_int8(GoldenCase *c)
{
    c->int8_ran = c->setup->int8;
    return c->setup->int8;
}

static gpointer
keep(GoldenCase *c, gpointer memory)
{
    g_ptr_array_add(c->memory, memory);
    return memory;
}

const char *
golden_get_path(GoldenCase *c, const char *name)
{
    return keep(c, g_build_filename(c->folder, name, NULL));
}

float *
golden_alloc(GoldenCase *c, gsize n)
{
    return keep(c, g_new0(float, MAX(n, 1)));
}

JsonNode *
golden_node(const GoldenCase *c, const char *path)
{
    return node_at(c->root, path);
}

const char *
golden_string(const GoldenCase *c, const char *path, const char *fallback)
{
    return string_at(c->root, path, fallback);
}

static gboolean
is_number(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
           (json_node_get_value_type(node) == G_TYPE_INT64 ||
            json_node_get_value_type(node) == G_TYPE_DOUBLE);
}

gint64
golden_int(const GoldenCase *c, const char *path, gint64 fallback)
{
    JsonNode *node = node_at(c->root, path);

    return is_number(node) && json_node_get_value_type(node) == G_TYPE_INT64
               ? json_node_get_int(node)
               : fallback;
}

double
golden_double(const GoldenCase *c, const char *path, double fallback)
{
    JsonNode *node = node_at(c->root, path);

    return is_number(node) ? json_node_get_double(node) : fallback;
}

gboolean
golden_bool(const GoldenCase *c, const char *path, gboolean fallback)
{
    JsonNode *node = node_at(c->root, path);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_BOOLEAN
               ? json_node_get_boolean(node)
               : fallback;
}

gboolean
golden_require_int(const GoldenCase *c, const char *path, gint64 *ret_value, GError **error)
{
    JsonNode *node = node_at(c->root, path);

    if (!is_number(node) || json_node_get_value_type(node) != G_TYPE_INT64) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "case.json has no integer %s", path);
        return FALSE;
    }
    *ret_value = json_node_get_int(node);
    return TRUE;
}

static JsonArray *
array_at(const GoldenCase *c, const char *path, int *ret_n)
{
    JsonNode *node = node_at(c->root, path);
    JsonArray *array =
        node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

    *ret_n = array != NULL ? (int)json_array_get_length(array) : 0;
    return array;
}

const double *
golden_doubles(GoldenCase *c, const char *path, int *ret_n)
{
    JsonArray *array = array_at(c, path, ret_n);
    double *values;

    if (array == NULL) {
        return NULL;
    }
    values = keep(c, g_new0(double, (gsize)*ret_n + 1));
    for (int i = 0; i < *ret_n; i++) {
        values[i] = json_array_get_double_element(array, (guint)i);
    }
    return values;
}

const gint64 *
golden_ints(GoldenCase *c, const char *path, int *ret_n)
{
    JsonArray *array = array_at(c, path, ret_n);
    gint64 *values;

    if (array == NULL) {
        return NULL;
    }
    values = keep(c, g_new0(gint64, (gsize)*ret_n + 1));
    for (int i = 0; i < *ret_n; i++) {
        values[i] = json_array_get_int_element(array, (guint)i);
    }
    return values;
}

gboolean
golden_not_understood(GError **error, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_NOT_UNDERSTOOD, "not understood: %s", what);
    return FALSE;
}

/* -- Tensors ---------------------------------------------------------------------------------- */

static const ScopeCheckpointTensor *
find(const GoldenCase *c, const char *prefix, const char *name)
{
    g_autofree char *full = g_strconcat(c->prefixed ? prefix : "", name, NULL);

    return c->io != NULL ? scope_checkpoint_find(c->io, full) : NULL;
}

static const GoldenTensor *
load(GoldenCase *c, const ScopeCheckpointTensor *stored)
{
    GoldenTensor *tensor = g_hash_table_lookup(c->loaded, stored->name);
    gint64 *integers;
    float *floats;

    if (tensor != NULL) {
        return tensor;
    }
    tensor = keep(c, g_new0(GoldenTensor, 1));
    tensor->rank = stored->rank;
    memcpy(tensor->shape, stored->shape, sizeof tensor->shape);
    tensor->n = stored->n_elements;
    tensor->stored = stored;
    tensor->f32 = floats = golden_alloc(c, (gsize)tensor->n);
    scope_checkpoint_tensor_copy_f32(stored, floats);
    integers = g_new0(gint64, (gsize)tensor->n + 1);
    if (scope_checkpoint_tensor_copy_i64(stored, integers)) {
        tensor->i64 = keep(c, integers);
    } else {
        g_free(integers);
    }
    g_hash_table_insert(c->loaded, (gpointer)stored->name, tensor);
    return tensor;
}

const GoldenTensor *
golden_in(GoldenCase *c, const char *name, GError **error)
{
    const ScopeCheckpointTensor *stored = find(c, "in.", name);

    if (stored == NULL) {
        g_free(c->missing);
        c->missing = g_strdup(name);
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "io.safetensors has no input '%s'",
                    name);
        return NULL;
    }
    g_hash_table_add(c->used, (gpointer)stored->name);
    return load(c, stored);
}

gboolean
golden_has_in(const GoldenCase *c, const char *name)
{
    return find(c, "in.", name) != NULL;
}

gboolean
golden_has_out(const GoldenCase *c, const char *name)
{
    return find(c, "out.", name) != NULL;
}

const GoldenTensor *
golden_out(GoldenCase *c, const char *name)
{
    const ScopeCheckpointTensor *stored = find(c, "out.", name);

    return stored != NULL ? load(c, stored) : NULL;
}

const GoldenTensor *
golden_take_out(GoldenCase *c, const char *name)
{
    const ScopeCheckpointTensor *stored = find(c, "out.", name);

    c->n_checks++;
    if (stored == NULL) {
        golden_fail(c, "%s: the case has no such output", name);
        return NULL;
    }
    g_hash_table_add(c->used, (gpointer)stored->name);
    return load(c, stored);
}

const char *const *
golden_list(GoldenCase *c, const char *pattern)
{
    guint n = c->io != NULL ? scope_checkpoint_get_n_tensors(c->io) : 0;
    const char **names = keep(c, g_new0(const char *, n + 1));
    guint n_names = 0;

    for (guint i = 0; i < n; i++) {
        const char *name = scope_checkpoint_get_tensor(c->io, i)->name;
        if (pattern == NULL || g_pattern_match_simple(pattern, name)) {
            names[n_names++] = name;
        }
    }
    return names;
}

void
golden_excuse(GoldenCase *c, const char *pattern, const char *reason)
{
    for (const char *const *name = golden_list(c, pattern); *name != NULL; name++) {
        g_hash_table_add(c->used, (gpointer)*name);
    }
    g_debug("%s: %s not compared: %s", c->name, pattern, reason);
}

void
golden_check_unused(GoldenCase *c)
{
    for (const char *const *name = golden_list(c, NULL); *name != NULL; name++) {
        if (!g_hash_table_contains(c->used, *name)) {
            golden_fail(c, "%s: neither read nor compared by the handler", *name);
        }
    }
}

ScopeCheckpoint *
golden_io(const GoldenCase *c)
{
    return c->io;
}

const char *
golden_weights_path(GoldenCase *c)
{
    const char *name;

    if (c->prefixed) {
        name = golden_string(c, "storage.file", "weights.safetensors");
    } else {
        name = golden_string(c, "weights", NULL);
    }
    if (name == NULL) {
        return NULL;
    }
    name = golden_get_path(c, name);
    return g_file_test(name, G_FILE_TEST_EXISTS) ? name : NULL;
}

ScopeCheckpoint *
golden_weights(GoldenCase *c, GError **error)
{
    const char *path = golden_weights_path(c);

    if (c->weights == NULL) {
        if (path == NULL) {
            g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "the case has no weights");
            return NULL;
        }
        c->weights = scope_checkpoint_open(path, error);
    }
    return c->weights;
}

ScopeCheckpoint *
golden_open(GoldenCase *c, const char *name, GError **error)
{
    ScopeCheckpoint *checkpoint = scope_checkpoint_open(golden_get_path(c, name), error);

    if (checkpoint != NULL) {
        g_ptr_array_add(c->opened, checkpoint);
    }
    return checkpoint;
}
