/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the pipeline catalogue, of loading, and of the list of plugins. Main thread only. */
#include "server/scope-handlers.h"

#include "core/scope-json.h"
#include "server/scope-load-request.h"
#include "server/scope-server-private.h"

void
scope_route_pipeline_load(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GArray) entries = scope_load_request_read(scope_request_get_body(request), faults);

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

/* How long a frame takes without a GPU, so that people know before they load. */
static void
add_estimates(JsonObject *schemas, gdouble (*estimate)(const char *pipeline_id))
{
    JsonObjectIter iter;
    const char *id;
    JsonNode *node;

    json_object_iter_init(&iter, schemas);
    while (json_object_iter_next(&iter, &id, &node)) {
        JsonObject *entry = json_node_get_object(node);
        gdouble seconds = estimate ? estimate(id) : 0.0;
        if (seconds > 0.0) {
            json_object_set_double_member(entry, "estimated_cpu_seconds_per_frame", seconds);
        } else {
            json_object_set_null_member(entry, "estimated_cpu_seconds_per_frame");
        }
    }
}

void
scope_route_pipeline_schemas(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = json_object_new();
    JsonObject *schemas = scope_registry_build_schemas(server->options.registry);

    add_estimates(schemas, server->options.estimate);
    json_object_set_object_member(body, "pipelines", schemas);
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
    g_autoptr(JsonObject) schemas = scope_registry_build_schemas(server->options.registry);
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
