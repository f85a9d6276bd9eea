/* SPDX-License-Identifier: Apache-2.0 */
/* A validator for what docs/openapi.json says. Errors are texts with the place. */
#include "contract-check.h"

#include <string.h>

#include "core/scope-json.h"
#include "server/scope-faults.h"
#include "server/scope-routes.h"
#include "server/scope-ui.h"

JsonObject *
contract_get_document(void)
{
    static JsonObject *document;
    GBytes *bytes = scope_ui_get_openapi();
    g_autoptr(GError) error = NULL;

    if (!document) {
        document = scope_json_parse_object(g_bytes_get_data(bytes, NULL),
                                           (gssize)g_bytes_get_size(bytes), 0, &error);
        g_assert_no_error(error);
    }
    return document;
}

/* Follows `#/components/...`. */
static JsonObject *
resolve(JsonObject *object)
{
    const char *ref = scope_json_object_get_string(object, "$ref");
    g_auto(GStrv) parts = NULL;
    JsonObject *at = contract_get_document();

    if (!ref) {
        return object;
    }
    parts = g_strsplit(ref, "/", -1);
    for (char **part = parts + 1; *part; part++) {
        at = scope_json_object_get_object(at, *part);
        g_assert_nonnull(at);
    }
    return resolve(at);
}

static char *check(JsonObject *schema, JsonNode *node, const char *at);

static gboolean
is_type(const char *type, JsonNode *node)
{
    if (strcmp(type, "null") == 0) {
        return JSON_NODE_HOLDS_NULL(node);
    }
    if (strcmp(type, "object") == 0) {
        return JSON_NODE_HOLDS_OBJECT(node);
    }
    if (strcmp(type, "array") == 0) {
        return JSON_NODE_HOLDS_ARRAY(node);
    }
    if (strcmp(type, "string") == 0) {
        return scope_node_is_string(node);
    }
    if (strcmp(type, "boolean") == 0) {
        return scope_node_is_bool(node);
    }
    if (strcmp(type, "integer") == 0) {
        return scope_node_is_integer(node);
    }
    return strcmp(type, "number") == 0 && scope_node_is_number(node);
}

static gboolean
is_any_type(JsonNode *types, JsonNode *node)
{
    JsonArray *array;

    if (scope_node_is_string(types)) {
        return is_type(json_node_get_string(types), node);
    }
    array = json_node_get_array(types);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        if (is_type(json_array_get_string_element(array, i), node)) {
            return TRUE;
        }
    }
    return FALSE;
}

static char *
check_object(JsonObject *schema, JsonObject *object, const char *at)
{
    JsonArray *required = scope_json_object_get_array(schema, "required");
    JsonObject *properties = scope_json_object_get_object(schema, "properties");
    JsonObject *additional = scope_json_object_get_object(schema, "additionalProperties");
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    for (guint i = 0; required && i < json_array_get_length(required); i++) {
        if (!json_object_has_member(object, json_array_get_string_element(required, i))) {
            return g_strdup_printf("%s: lacks %s", at, json_array_get_string_element(required, i));
        }
    }
    json_object_iter_init(&iter, object);
    while (json_object_iter_next(&iter, &key, &value)) {
        JsonObject *inner = properties ? scope_json_object_get_object(properties, key) : NULL;
        g_autofree char *place = g_strdup_printf("%s.%s", at, key);
        char *problem = NULL;
        inner = inner ? inner : additional;
        problem = inner ? check(inner, value, place) : NULL;
        if (problem) {
            return problem;
        }
    }
    return NULL;
}

static char *
check_one_of(JsonArray *choices, JsonNode *node, const char *at)
{
    for (guint i = 0; i < json_array_get_length(choices); i++) {
        g_autofree char *problem = check(json_array_get_object_element(choices, i), node, at);
        if (!problem) {
            return NULL;
        }
    }
    return g_strdup_printf("%s: fits none of the choices", at);
}

static char *
check_enum(JsonArray *values, JsonNode *node, const char *at)
{
    for (guint i = 0; i < json_array_get_length(values); i++) {
        if (scope_json_equal(json_array_get_element(values, i), node)) {
            return NULL;
        }
    }
    return g_strdup_printf("%s: not one of the values", at);
}

static char *
check(JsonObject *schema, JsonNode *node, const char *at)
{
    JsonObject *resolved = resolve(schema);
    JsonNode *type = json_object_get_member(resolved, "type");
    JsonArray *choices = scope_json_object_get_array(resolved, "oneOf");
    JsonArray *values = scope_json_object_get_array(resolved, "enum");
    JsonNode *constant = json_object_get_member(resolved, "const");
    JsonObject *items = scope_json_object_get_object(resolved, "items");
    char *problem = NULL;

    if (type && !is_any_type(type, node)) {
        g_autofree char *text = scope_json_to_string(node);
        return g_strdup_printf("%s: wrong type: %.60s", at, text);
    }
    if (choices) {
        problem = check_one_of(choices, node, at);
    }
    if (!problem && values) {
        problem = check_enum(values, node, at);
    }
    if (!problem && constant && !scope_json_equal(constant, node)) {
        problem = g_strdup_printf("%s: not the constant", at);
    }
    if (!problem && scope_node_is_number(node)) {
        gdouble min = scope_json_object_get_double(resolved, "minimum", -G_MAXDOUBLE);
        gdouble max = scope_json_object_get_double(resolved, "maximum", G_MAXDOUBLE);
        if (json_node_get_double(node) < min || json_node_get_double(node) > max) {
            problem = g_strdup_printf("%s: out of range", at);
        }
    }
    if (!problem && JSON_NODE_HOLDS_OBJECT(node)) {
        problem = check_object(resolved, json_node_get_object(node), at);
    }
    for (guint i = 0; !problem && items && JSON_NODE_HOLDS_ARRAY(node) &&
                      i < json_array_get_length(json_node_get_array(node));
         i++) {
        g_autofree char *place = g_strdup_printf("%s[%u]", at, i);
        problem = check(items, json_array_get_element(json_node_get_array(node), i), place);
    }
    return problem;
}

char *
contract_check_schema(const char *name, JsonNode *body)
{
    JsonObject *components = scope_json_object_get_object(contract_get_document(), "components");
    JsonObject *schemas = scope_json_object_get_object(components, "schemas");
    JsonObject *schema = scope_json_object_get_object(schemas, name);

    g_assert_nonnull(schema);
    return check(schema, body, name);
}

/* What any operation may answer without saying so. */
static gboolean
is_general(guint status)
{
    static const guint general[] = {400, 401, 403, 404, 405, 413, 416, 500, 501, 503};

    for (gsize i = 0; i < G_N_ELEMENTS(general); i++) {
        if (status == general[i]) {
            return TRUE;
        }
    }
    return FALSE;
}

char *
contract_check_reply(const char *method, const char *path, guint status, JsonNode *body)
{
    JsonObject *paths = scope_json_object_get_object(contract_get_document(), "paths");
    const ScopeRoute *route = NULL;
    g_autoptr(GHashTable) params = NULL;
    g_autofree char *key = NULL;
    g_autofree char *verb = NULL;
    g_autofree char *code = g_strdup_printf("%u", status);
    g_autofree char *at = g_strdup_printf("%s %s %u", method, path, status);
    g_auto(GStrv) parts = NULL;
    JsonObject *operation, *responses, *response, *content, *json;

    if (scope_routes_find(method, path, &route, &params) != SCOPE_ROUTE_FOUND) {
        return is_general(status) && body ? contract_check_schema("Error", body) : NULL;
    }
    parts = g_strsplit(route->path, "*}", -1);
    key = g_strjoinv("}", parts);
    verb = g_ascii_strdown(route->method, -1);
    operation = scope_json_object_get_object(scope_json_object_get_object(paths, key), verb);
    g_assert_nonnull(operation);
    responses = scope_json_object_get_object(operation, "responses");
    if (!json_object_has_member(responses, code)) {
        return is_general(status) ? contract_check_schema("Error", body)
                                  : g_strdup_printf("%s: undocumented status", at);
    }
    response = resolve(scope_json_object_get_object(responses, code));
    content = scope_json_object_get_object(response, "content");
    json = content ? scope_json_object_get_object(content, "application/json") : NULL;
    if (!json) {
        return NULL;
    }
    if (!body) {
        return g_strdup_printf("%s: no JSON body", at);
    }
    return check(scope_json_object_get_object(json, "schema"), body, at);
}
