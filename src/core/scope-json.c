/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers over json-glib. No state; any thread on unshared values. */
#include "core/scope-json.h"

#include <math.h>
#include <string.h>

#include "core/scope-error.h"

#define DEFAULT_MAX_DEPTH 64

static gboolean
arrays_equal(JsonArray *a, JsonArray *b)
{
    guint n = json_array_get_length(a);

    if (n != json_array_get_length(b))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        if (!scope_json_equal(json_array_get_element(a, i), json_array_get_element(b, i)))
            return FALSE;
    }
    return TRUE;
}

gboolean
scope_json_object_equal(JsonObject *a, JsonObject *b)
{
    guint n_a = a != NULL ? json_object_get_size(a) : 0;
    guint n_b = b != NULL ? json_object_get_size(b) : 0;
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    if (n_a != n_b)
        return FALSE;
    if (n_a == 0)
        return TRUE;
    json_object_iter_init(&iter, a);
    while (json_object_iter_next(&iter, &key, &value)) {
        if (!json_object_has_member(b, key) ||
            !scope_json_equal(value, json_object_get_member(b, key)))
            return FALSE;
    }
    return TRUE;
}

static gboolean
is_number(JsonNode *node)
{
    GType type = json_node_get_value_type(node);

    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

static gboolean
values_equal(JsonNode *a, JsonNode *b)
{
    GType type_a = json_node_get_value_type(a);
    GType type_b = json_node_get_value_type(b);

    if (type_a == G_TYPE_INT64 && type_b == G_TYPE_INT64)
        return json_node_get_int(a) == json_node_get_int(b);
    if (is_number(a) && is_number(b)) {
        gdouble x = json_node_get_double(a);
        gdouble y = json_node_get_double(b);

        return x >= y && x <= y;
    }
    if (type_a != type_b)
        return FALSE;
    if (type_a == G_TYPE_BOOLEAN)
        return json_node_get_boolean(a) == json_node_get_boolean(b);
    return g_strcmp0(json_node_get_string(a), json_node_get_string(b)) == 0;
}

gboolean
scope_json_equal(JsonNode *a, JsonNode *b)
{
    JsonNodeType type_a = a != NULL ? json_node_get_node_type(a) : JSON_NODE_NULL;
    JsonNodeType type_b = b != NULL ? json_node_get_node_type(b) : JSON_NODE_NULL;

    if (type_a != type_b)
        return FALSE;
    switch (type_a) {
    case JSON_NODE_NULL:
        return TRUE;
    case JSON_NODE_OBJECT:
        return scope_json_object_equal(json_node_get_object(a), json_node_get_object(b));
    case JSON_NODE_ARRAY:
        return arrays_equal(json_node_get_array(a), json_node_get_array(b));
    case JSON_NODE_VALUE:
    default:
        return values_equal(a, b);
    }
}

/* json_node_copy() would share a value whose reference count is not atomic. */
static JsonNode *
copy_value(JsonNode *node)
{
    JsonNode *copy = json_node_new(JSON_NODE_VALUE);
    g_auto(GValue) value = G_VALUE_INIT;

    json_node_get_value(node, &value);
    json_node_set_value(copy, &value);
    return copy;
}

JsonNode *
scope_json_copy(JsonNode *node)
{
    JsonNode *copy;

    if (node == NULL || JSON_NODE_HOLDS_NULL(node))
        return json_node_new(JSON_NODE_NULL);
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        copy = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(copy, scope_json_object_copy(json_node_get_object(node)));
        return copy;
    }
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *from = json_node_get_array(node);
        guint n = json_array_get_length(from);
        JsonArray *to = json_array_sized_new(n);

        for (guint i = 0; i < n; i++)
            json_array_add_element(to, scope_json_copy(json_array_get_element(from, i)));
        copy = json_node_new(JSON_NODE_ARRAY);
        json_node_take_array(copy, to);
        return copy;
    }
    return copy_value(node);
}

JsonObject *
scope_json_object_copy(JsonObject *object)
{
    JsonObject *copy = json_object_new();
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    if (object == NULL)
        return copy;
    json_object_iter_init_ordered(&iter, object);
    while (json_object_iter_next_ordered(&iter, &key, &value))
        json_object_set_member(copy, key, scope_json_copy(value));
    return copy;
}

/*
 * A strict pass over the text: json-glib recurses without a limit and reads comments, assignments
 * and several values in a row.
 */
static const char *
scan_text(const char *text, gsize length, guint max_depth)
{
    static const char outside[] = " \t\r\n{}[]:,+-.0123456789eEtrufalsn";
    gboolean in_string = FALSE;
    gboolean ended = FALSE;     /* the top value is complete */
    gboolean in_scalar = FALSE; /* inside a top value that is neither object nor array */
    guint depth = 0;

    for (gsize i = 0; i < length; i++) {
        char c = text[i];
        gboolean space = c == ' ' || c == '\t' || c == '\r' || c == '\n';

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
            if (!in_string && depth == 0)
                ended = TRUE;
            continue;
        }
        if (space) {
            ended = ended || in_scalar;
            continue;
        }
        if (ended)
            return "there is text behind the value";
        if (c == '"') {
            if (in_scalar)
                return "there is text behind the value";
            in_string = TRUE;
        } else if (c == '{' || c == '[') {
            if (++depth > max_depth)
                return "it is nested too deeply";
        } else if (c == '}' || c == ']') {
            if (depth-- == 0)
                return "a bracket is closed that was not opened";
            ended = depth == 0;
        } else if (strchr(outside, c) == NULL) {
            return "a character outside a string is not JSON";
        } else if (depth == 0) {
            in_scalar = TRUE;
        }
    }
    if (in_string || depth > 0)
        return "it ends too early";
    return ended || in_scalar ? NULL : "it is empty";
}

JsonNode *
scope_json_parse(const char *text, gssize length, guint max_depth, GError **error)
{
    gsize n = length < 0 ? strlen(text) : (gsize)length;
    g_autoptr(JsonParser) parser = NULL;
    g_autoptr(GError) local = NULL;
    const char *defect;
    JsonNode *root;

    if (n > G_MAXINT / 2)
        defect = "it is too long";
    else if (!g_utf8_validate_len(text, n, NULL))
        defect = "it is not UTF-8";
    else
        defect = scan_text(text, n, max_depth > 0 ? max_depth : DEFAULT_MAX_DEPTH);
    if (defect != NULL) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "Not valid JSON: %s",
                    defect);
        return NULL;
    }
    parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, (gssize)n, &local) ||
        (root = json_parser_get_root(parser)) == NULL) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "Not valid JSON: %s",
                    local != NULL ? local->message : "no value");
        return NULL;
    }
    return scope_json_copy(root);
}

JsonObject *
scope_json_parse_object(const char *text, gssize length, guint max_depth, GError **error)
{
    g_autoptr(JsonNode) node = scope_json_parse(text, length, max_depth, error);

    if (node == NULL)
        return NULL;
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                    "Not valid here: the JSON value is not an object");
        return NULL;
    }
    return json_node_dup_object(node);
}

char *
scope_json_to_string(JsonNode *node)
{
    return node != NULL ? json_to_string(node, FALSE) : g_strdup("null");
}

char *
scope_json_object_to_string(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);

    json_node_set_object(node, object);
    return json_to_string(node, FALSE);
}

static JsonNode *
get_member(JsonObject *object, const char *key)
{
    return object != NULL ? json_object_get_member(object, key) : NULL;
}

static gboolean
holds(JsonNode *node, GType type)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

const char *
scope_json_object_get_string(JsonObject *object, const char *key)
{
    JsonNode *node = get_member(object, key);

    return holds(node, G_TYPE_STRING) ? json_node_get_string(node) : NULL;
}

gboolean
scope_json_object_get_bool(JsonObject *object, const char *key, gboolean fallback)
{
    JsonNode *node = get_member(object, key);

    return holds(node, G_TYPE_BOOLEAN) ? json_node_get_boolean(node) : fallback;
}

gint64
scope_json_object_get_int(JsonObject *object, const char *key, gint64 fallback)
{
    JsonNode *node = get_member(object, key);

    return holds(node, G_TYPE_INT64) ? json_node_get_int(node) : fallback;
}

gdouble
scope_json_object_get_double(JsonObject *object, const char *key, gdouble fallback)
{
    JsonNode *node = get_member(object, key);

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) && is_number(node)
               ? json_node_get_double(node)
               : fallback;
}

JsonObject *
scope_json_object_get_object(JsonObject *object, const char *key)
{
    JsonNode *node = get_member(object, key);

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *
scope_json_object_get_array(JsonObject *object, const char *key)
{
    JsonNode *node = get_member(object, key);

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}
