/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the pipeline catalogue, of loading, and of the list of plugins. Main thread only. */
#include "server/scope-handlers.h"

#include <string.h>

#include "core/scope-json.h"
#include "server/scope-hardware.h"
#include "server/scope-server-private.h"

/* Entries of one request at most; a chain of more makes no sense. */
#define MAX_ENTRIES 32

static ScopeManagerEntry *
add_entry(GArray *entries, const char *key, const char *pipeline_id, JsonObject *load_params)
{
    ScopeManagerEntry entry = {.key = key, .pipeline_id = pipeline_id, .load_params = load_params};

    g_array_append_val(entries, entry);
    return &g_array_index(entries, ScopeManagerEntry, entries->len - 1);
}

static void
read_items(JsonArray *items, GArray *entries, ScopeFaults *faults)
{
    scope_faults_push(faults, "pipelines");
    for (guint i = 0; i < json_array_get_length(items); i++) {
        JsonNode *node = json_array_get_element(items, i);
        scope_faults_push_index(faults, i);
        if (JSON_NODE_HOLDS_OBJECT(node)) {
            JsonObject *item = json_node_get_object(node);
            const char *key =
                scope_member_read_string(item, "node_id", SCOPE_MEMBER_REQUIRED, faults);
            const char *id =
                scope_member_read_string(item, "pipeline_id", SCOPE_MEMBER_REQUIRED, faults);
            JsonObject *params =
                scope_member_read_object(item, "load_params", SCOPE_MEMBER_NULLABLE, faults);
            add_entry(entries, key ? key : "", id ? id : "", params);
        } else {
            scope_faults_add(faults, "model_attributes_type", node,
                             "Input should be a valid dictionary");
        }
        scope_faults_pop(faults);
    }
    scope_faults_pop(faults);
}

static void
read_ids(JsonArray *ids, JsonObject *load_params, GArray *entries, ScopeFaults *faults)
{
    scope_faults_push(faults, "pipeline_ids");
    for (guint i = 0; i < json_array_get_length(ids); i++) {
        JsonNode *node = json_array_get_element(ids, i);
        if (scope_node_is_string(node)) {
            const char *id = json_node_get_string(node);
            add_entry(entries, id, id, load_params);
        } else {
            scope_faults_push_index(faults, i);
            scope_faults_add(faults, "string_type", node, "Input should be a valid string");
            scope_faults_pop(faults);
        }
    }
    scope_faults_pop(faults);
}

static void
check_entries(GArray *entries, ScopeFaults *faults)
{
    if (entries->len > MAX_ENTRIES) {
        scope_faults_add(faults, "too_long", NULL, "At most %d pipelines can be loaded",
                         MAX_ENTRIES);
        return;
    }
    for (guint i = 0; i < entries->len; i++) {
        for (guint k = 0; k < i; k++) {
            const char *key = g_array_index(entries, ScopeManagerEntry, i).key;
            if (strcmp(key, g_array_index(entries, ScopeManagerEntry, k).key) == 0) {
                scope_faults_add(faults, "value_error", NULL,
                                 "Every entry needs its own node_id: '%s' is there twice", key);
            }
        }
    }
}

void
scope_route_pipeline_load(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = scope_request_get_body(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(ScopeManagerEntry));
    JsonArray *items = scope_member_read_array(body, "pipelines", SCOPE_MEMBER_NULLABLE, faults);
    JsonArray *ids = scope_member_read_array(body, "pipeline_ids", SCOPE_MEMBER_NULLABLE, faults);
    const char *id = scope_member_read_string(body, "pipeline_id", SCOPE_MEMBER_NULLABLE, faults);
    JsonObject *load_params =
        scope_member_read_object(body, "load_params", SCOPE_MEMBER_NULLABLE, faults);

    if (items && json_array_get_length(items) > 0) {
        read_items(items, entries, faults);
    } else if (ids && json_array_get_length(ids) > 0) {
        read_ids(ids, load_params, entries, faults);
    } else if (id) {
        add_entry(entries, id, id, load_params);
    }
    check_entries(entries, faults);
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    if (entries->len == 0) {
        scope_request_reply_error(request, 400,
                                  "Either 'pipelines' or 'pipeline_ids' must be provided");
        return;
    }
    scope_manager_load(server->manager, (const ScopeManagerEntry *)entries->data, entries->len);
    scope_request_reply_message(request, "Pipeline loading initiated successfully");
}

void
scope_route_pipeline_status(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);

    scope_request_reply_object(request, scope_manager_take_status(server->manager));
}

void
scope_route_pipeline_schemas(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = json_object_new();

    json_object_set_object_member(
        body, "pipelines",
        scope_registry_build_schemas(server->options.registry, scope_hardware_has_gpu()));
    scope_request_reply_object(request, body);
}

static JsonArray *
build_ports(JsonArray *names, gboolean has_prompts)
{
    JsonArray *ports = json_array_new();

    for (guint i = 0; names && i < json_array_get_length(names); i++) {
        JsonObject *port = json_object_new();
        json_object_set_string_member(port, "name", json_array_get_string_element(names, i));
        json_object_set_string_member(port, "port_type", "video");
        json_object_set_boolean_member(port, "required", i == 0);
        json_array_add_object_element(ports, port);
    }
    if (has_prompts) {
        JsonObject *port = json_object_new();
        json_object_set_string_member(port, "name", "prompts");
        json_object_set_string_member(port, "port_type", "string");
        json_object_set_boolean_member(port, "required", FALSE);
        json_array_add_object_element(ports, port);
    }
    return ports;
}

static JsonObject *
build_definition(const char *id, JsonObject *entry)
{
    JsonObject *node = json_object_new();

    json_object_set_string_member(node, "node_type_id", id);
    scope_object_set_string(node, "display_name", scope_json_object_get_string(entry, "name"));
    json_object_set_string_member(node, "category", "pipeline");
    scope_object_set_string(node, "description",
                            scope_json_object_get_string(entry, "description"));
    json_object_set_array_member(
        node, "inputs",
        build_ports(scope_json_object_get_array(entry, "inputs"),
                    scope_json_object_get_bool(entry, "supports_prompts", FALSE)));
    json_object_set_array_member(node, "outputs",
                                 build_ports(scope_json_object_get_array(entry, "outputs"), FALSE));
    json_object_set_array_member(node, "params", json_array_new());
    json_object_set_boolean_member(node, "continuous", FALSE);
    scope_object_set_string(node, "plugin_name",
                            scope_json_object_get_string(entry, "plugin_name"));
    json_object_set_object_member(node, "pipeline_meta", json_object_ref(entry));
    return node;
}

void
scope_route_node_definitions(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(JsonObject) schemas =
        scope_registry_build_schemas(server->options.registry, scope_hardware_has_gpu());
    JsonObject *body = json_object_new();
    JsonArray *nodes = json_array_new();
    JsonObjectIter iter;
    const char *id;
    JsonNode *entry;

    json_object_iter_init_ordered(&iter, schemas);
    while (json_object_iter_next_ordered(&iter, &id, &entry)) {
        json_array_add_object_element(nodes, build_definition(id, json_node_get_object(entry)));
    }
    json_object_set_array_member(body, "nodes", nodes);
    scope_request_reply_object(request, body);
}

void
scope_route_plugins(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body;

    if (server->options.plugins) {
        scope_request_reply_object(request, scope_plugins_build_list(server->options.plugins));
        return;
    }
    body = json_object_new();
    json_object_set_array_member(body, "plugins", json_array_new());
    json_object_set_int_member(body, "total", 0);
    json_object_set_array_member(body, "failed_plugins", json_array_new());
    scope_request_reply_object(request, body);
}
