/* SPDX-License-Identifier: Apache-2.0 */
/* The typed readers and the list of faults. No shared state, any thread. */
#include "server/scope-faults.h"

#include <math.h>
#include <string.h>

#include "core/scope-json.h"
#include "core/scope-param-table.h"

/* Values longer than this are not echoed in a fault. */
#define MAX_ECHO_BYTES 256

struct _ScopeFaults {
    JsonArray *items;
    JsonArray *loc;
};

JsonNode *
scope_node_take_object(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    json_node_take_object(node, object);
    return node;
}

void
scope_object_set_string(JsonObject *object, const char *member, const char *value)
{
    if (value) {
        json_object_set_string_member(object, member, value);
    } else {
        json_object_set_null_member(object, member);
    }
}

ScopeFaults *
scope_faults_new(const char *root)
{
    ScopeFaults *faults = g_new0(ScopeFaults, 1);

    faults->items = json_array_new();
    faults->loc = json_array_new();
    json_array_add_string_element(faults->loc, root);
    return faults;
}

void
scope_faults_free(ScopeFaults *faults)
{
    if (!faults) {
        return;
    }
    json_array_unref(faults->items);
    json_array_unref(faults->loc);
    g_free(faults);
}

void
scope_faults_push(ScopeFaults *faults, const char *member)
{
    json_array_add_string_element(faults->loc, member);
}

void
scope_faults_push_index(ScopeFaults *faults, guint index)
{
    json_array_add_int_element(faults->loc, index);
}

void
scope_faults_pop(ScopeFaults *faults)
{
    guint length = json_array_get_length(faults->loc);

    g_return_if_fail(length > 1);
    json_array_remove_element(faults->loc, length - 1);
}

static JsonNode *
dup_short(JsonNode *input)
{
    if (input) {
        g_autofree char *text = scope_json_to_string(input);
        if (strlen(text) <= MAX_ECHO_BYTES) {
            return json_node_copy(input);
        }
    }
    return json_node_new(JSON_NODE_NULL);
}

void
scope_faults_add(ScopeFaults *faults, const char *type, JsonNode *input, const char *format, ...)
{
    JsonObject *item = json_object_new();
    JsonArray *loc = json_array_new();
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    for (guint i = 0; i < json_array_get_length(faults->loc); i++) {
        json_array_add_element(loc, json_node_copy(json_array_get_element(faults->loc, i)));
    }
    json_object_set_string_member(item, "type", type);
    json_object_set_array_member(item, "loc", loc);
    json_object_set_string_member(item, "msg", message);
    json_object_set_member(item, "input", dup_short(input));
    json_array_add_object_element(faults->items, item);
}

void
scope_faults_add_problems(ScopeFaults *faults, const GPtrArray *problems)
{
    for (guint i = 0; i < problems->len; i++) {
        const ScopeParamProblem *problem = g_ptr_array_index(problems, i);
        guint n = json_array_get_length(problem->loc);

        for (guint k = 0; k < n; k++) {
            json_array_add_element(faults->loc,
                                   json_node_copy(json_array_get_element(problem->loc, k)));
        }
        scope_faults_add(faults, problem->type, problem->value, "%s", problem->message);
        for (guint k = 0; k < n; k++) {
            scope_faults_pop(faults);
        }
    }
}

gboolean
scope_faults_is_empty(const ScopeFaults *faults)
{
    return json_array_get_length(faults->items) == 0;
}

JsonNode *
scope_faults_dup_body(const ScopeFaults *faults)
{
    JsonObject *body = json_object_new();

    json_object_set_array_member(body, "detail", json_array_ref(faults->items));
    return scope_node_take_object(body);
}

char *
scope_faults_dup_text(const ScopeFaults *faults)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < json_array_get_length(faults->items); i++) {
        JsonObject *item = json_array_get_object_element(faults->items, i);
        JsonArray *loc = json_object_get_array_member(item, "loc");
        if (text->len > 0) {
            g_string_append(text, "; ");
        }
        for (guint k = 1; k < json_array_get_length(loc); k++) {
            JsonNode *part = json_array_get_element(loc, k);
            if (scope_node_is_string(part)) {
                g_string_append_printf(text, "%s%s", k > 1 ? "." : "", json_node_get_string(part));
            } else {
                g_string_append_printf(text, "[%" G_GINT64_FORMAT "]", json_node_get_int(part));
            }
        }
        g_string_append_printf(text, "%s%s", json_array_get_length(loc) > 1 ? ": " : "",
                               json_object_get_string_member(item, "msg"));
    }
    return g_string_free(text, FALSE);
}

gboolean
scope_node_is_string(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
}

gboolean
scope_node_is_integer(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

gboolean
scope_node_is_number(JsonNode *node)
{
    if (scope_node_is_integer(node)) {
        return TRUE;
    }
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_DOUBLE &&
           isfinite(json_node_get_double(node));
}

gboolean
scope_node_is_bool(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN;
}

/* The node of @member, or NULL when it is absent or an allowed null. */
static JsonNode *
read_member(JsonObject *object, const char *member, guint flags, ScopeFaults *faults)
{
    JsonNode *node = json_object_get_member(object, member);

    if (!node) {
        if (flags & SCOPE_MEMBER_REQUIRED) {
            scope_faults_push(faults, member);
            scope_faults_add(faults, "missing", NULL, "Field required");
            scope_faults_pop(faults);
        }
        return NULL;
    }
    if (JSON_NODE_HOLDS_NULL(node) && (flags & SCOPE_MEMBER_NULLABLE)) {
        return NULL;
    }
    return node;
}

static void
add_type_fault(ScopeFaults *faults, const char *member, const char *type, JsonNode *node,
               const char *what)
{
    scope_faults_push(faults, member);
    scope_faults_add(faults, type, node, "Input should be %s", what);
    scope_faults_pop(faults);
}

const char *
scope_member_read_string(JsonObject *object, const char *member, guint flags, ScopeFaults *faults)
{
    JsonNode *node = read_member(object, member, flags, faults);

    if (!node) {
        return NULL;
    }
    if (!scope_node_is_string(node)) {
        add_type_fault(faults, member, "string_type", node, "a valid string");
        return NULL;
    }
    return json_node_get_string(node);
}

gboolean
scope_member_read_bool(JsonObject *object, const char *member, guint flags, gboolean fallback,
                       ScopeFaults *faults)
{
    JsonNode *node = read_member(object, member, flags, faults);

    if (!node) {
        return fallback;
    }
    if (!scope_node_is_bool(node)) {
        add_type_fault(faults, member, "bool_type", node, "a valid boolean");
        return fallback;
    }
    return json_node_get_boolean(node);
}

JsonObject *
scope_member_read_object(JsonObject *object, const char *member, guint flags, ScopeFaults *faults)
{
    JsonNode *node = read_member(object, member, flags, faults);

    if (!node) {
        return NULL;
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        add_type_fault(faults, member, "dict_type", node, "a valid dictionary");
        return NULL;
    }
    return json_node_get_object(node);
}

JsonArray *
scope_member_read_array(JsonObject *object, const char *member, guint flags, ScopeFaults *faults)
{
    JsonNode *node = read_member(object, member, flags, faults);

    if (!node) {
        return NULL;
    }
    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        add_type_fault(faults, member, "list_type", node, "a valid list");
        return NULL;
    }
    return json_node_get_array(node);
}
