/* SPDX-License-Identifier: Apache-2.0 */
/* Reading load requests. No state, any thread. */
#include "server/scope-load-request.h"

#include <string.h>

/* Entries of one request at most; a chain of more makes no sense. */
#define MAX_ENTRIES 32

static void
add_entry(GArray *entries, const char *key, const char *pipeline_id, JsonObject *load_params)
{
    ScopeManagerEntry entry = {.key = key, .pipeline_id = pipeline_id, .load_params = load_params};

    g_array_append_val(entries, entry);
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

GArray *
scope_load_request_read(JsonObject *body, ScopeFaults *faults)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(ScopeManagerEntry));
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
    return entries;
}
