/* SPDX-License-Identifier: Apache-2.0 */
/* Works out what a session runs from its initial parameters and what is loaded. Main thread. */
#include "server/scope-plan.h"

#include <string.h>

#include "core/scope-json.h"
#include "core/scope-session-params.h"
#include "server/scope-graph.h"
#include "server/scope-message.h"
#include "server/scope-server-error.h"

static void
node_free(gpointer data)
{
    ScopePlanNode *node = data;

    g_free(node->node_id);
    g_free(node->key);
    scope_instance_unref(node->instance);
    g_clear_pointer(&node->params, json_object_unref);
    g_free(node);
}

void
scope_plan_free(ScopePlan *plan)
{
    if (!plan) {
        return;
    }
    g_ptr_array_unref(plan->nodes);
    json_object_unref(plan->params);
    json_object_unref(plan->record);
    g_free(plan->sink_id);
    g_free(plan);
}

static void
add_node(ScopePlan *plan, const char *node_id, const char *key, ScopeInstance *instance,
         JsonObject *params)
{
    ScopePlanNode *node = g_new0(ScopePlanNode, 1);

    node->node_id = g_strdup(node_id);
    node->key = g_strdup(key);
    node->instance = scope_instance_ref(instance);
    node->params = params ? scope_json_object_copy(params) : NULL;
    g_ptr_array_add(plan->nodes, node);
}

static void
add_scale(JsonArray *list, const char *path, gdouble scale)
{
    JsonObject *item = json_object_new();

    json_object_set_string_member(item, "path", path);
    json_object_set_double_member(item, "scale", scale);
    json_array_add_object_element(list, item);
}

/* Run-time adapters of @node begin with the scales that they have now; what the client sends for
 * the node or for all comes after them, and wins. */
static void
add_scales(ScopePlanNode *node, JsonObject *scales, JsonObject *session_params)
{
    JsonArray *sent = scope_json_object_get_array(node->params, "lora_scales");
    JsonArray *list;
    JsonObjectIter iter;
    const char *path;
    JsonNode *value;

    if (!scales || json_object_get_size(scales) == 0) {
        return;
    }
    list = json_array_new();
    json_object_iter_init_ordered(&iter, scales);
    while (json_object_iter_next_ordered(&iter, &path, &value)) {
        add_scale(list, path, json_node_get_double(value));
    }
    sent = sent ? sent : scope_json_object_get_array(session_params, "lora_scales");
    for (guint i = 0; sent && i < json_array_get_length(sent); i++) {
        json_array_add_element(list, scope_json_copy(json_array_get_element(sent, i)));
    }
    node->params = node->params ? node->params : json_object_new();
    json_object_set_array_member(node->params, "lora_scales", list);
}

static gboolean
fail_not_loaded(GError **error)
{
    g_set_error_literal(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                        "Pipeline not loaded. Please load pipeline first.");
    return FALSE;
}

/* The entry that serves a node: of the same name, else of the pipeline's name, else any free one.
 */
static gint
find_entry(ScopeManager *manager, const char *node_id, const char *pipeline_id,
           const gboolean *is_used)
{
    const char *const names[] = {node_id, pipeline_id, NULL};
    guint n = scope_manager_get_n(manager);

    for (guint k = 0; k < G_N_ELEMENTS(names); k++) {
        for (guint i = 0; i < n; i++) {
            if (!is_used[i] && scope_manager_get_instance(manager, i) &&
                strcmp(scope_manager_get_pipeline_id(manager, i), pipeline_id) == 0 &&
                (!names[k] || strcmp(scope_manager_get_key(manager, i), names[k]) == 0)) {
                return (gint)i;
            }
        }
    }
    return -1;
}

static gboolean
plan_row(ScopePlan *plan, ScopeManager *manager, const ScopeGraphRow *row, GError **error)
{
    g_autofree gboolean *is_used = g_new0(gboolean, scope_manager_get_n(manager) + 1);

    for (guint i = 0; i < row->n_pipelines; i++) {
        gint entry = find_entry(manager, row->node_ids[i], row->pipeline_ids[i], is_used);
        if (entry < 0) {
            g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                        "Pipeline not loaded. Please load pipeline first. (node '%s' needs '%s')",
                        row->node_ids[i], row->pipeline_ids[i]);
            return FALSE;
        }
        is_used[entry] = TRUE;
        add_node(plan, row->node_ids[i], scope_manager_get_key(manager, (guint)entry),
                 scope_manager_get_instance(manager, (guint)entry), row->params[i]);
    }
    plan->has_source = row->has_source;
    plan->vace_input = row->uses_vace_port;
    plan->sink_id = g_strdup(row->sink_id);
    if (!row->has_source) {
        json_object_set_string_member(plan->params, "input_mode", "text");
    }
    return TRUE;
}

static gboolean
plan_graph(ScopePlan *plan, ScopeManager *manager, ScopeRegistry *registry, JsonObject *json,
           ScopeFaults *faults, GError **error)
{
    g_autoptr(ScopeGraph) graph = NULL;
    g_autofree ScopeGraphRow *row = g_new0(ScopeGraphRow, 1);

    scope_faults_push(faults, "graph");
    graph = scope_graph_new(json, faults);
    scope_faults_pop(faults);
    if (!graph || !scope_graph_check(graph, registry, error) ||
        !scope_graph_get_row(graph, row, error)) {
        return FALSE;
    }
    if (row->n_pipelines > 0 && scope_manager_get_state(manager) != SCOPE_MANAGER_LOADED) {
        return fail_not_loaded(error);
    }
    return plan_row(plan, manager, row, error);
}

static gboolean
plan_ids(ScopePlan *plan, ScopeManager *manager, JsonArray *ids, GError **error)
{
    for (guint i = 0; i < json_array_get_length(ids); i++) {
        const char *id = json_array_get_string_element(ids, i);
        ScopeInstance *instance = scope_manager_lookup(manager, id);
        if (!instance) {
            g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                        "Pipeline not loaded. Please load pipeline first. ('%s' is not loaded)",
                        id);
            return FALSE;
        }
        add_node(plan, id, id, instance, NULL);
    }
    return TRUE;
}

/* Without a graph: the ids that were sent, else what is loaded, in load order. */
static gboolean
plan_chain(ScopePlan *plan, ScopeManager *manager, JsonObject *initial, GError **error)
{
    JsonArray *ids = scope_json_object_get_array(initial, "pipeline_ids");

    if (scope_manager_get_state(manager) != SCOPE_MANAGER_LOADED) {
        return fail_not_loaded(error);
    }
    plan->vace_input = scope_json_object_get_bool(initial, "vace_enabled", FALSE) &&
                       scope_json_object_get_bool(initial, "vace_use_input_video", TRUE);
    if (ids && json_array_get_length(ids) > 0) {
        return plan_ids(plan, manager, ids, error);
    }
    for (guint i = 0; i < scope_manager_get_n(manager); i++) {
        const char *key = scope_manager_get_key(manager, i);
        add_node(plan, key, key, scope_manager_get_instance(manager, i), NULL);
    }
    return TRUE;
}

static JsonObject *
dup_without_nulls(JsonObject *object)
{
    JsonObject *copy = scope_json_object_copy(object);
    g_autoptr(GList) members = json_object_get_members(copy);
    g_autoptr(GPtrArray) nulls = g_ptr_array_new_with_free_func(g_free);

    for (GList *at = members; at; at = at->next) {
        if (json_object_get_null_member(copy, at->data)) {
            g_ptr_array_add(nulls, g_strdup(at->data));
        }
    }
    for (guint i = 0; i < nulls->len; i++) {
        json_object_remove_member(copy, g_ptr_array_index(nulls, i));
    }
    return copy;
}

ScopePlan *
scope_plan_new(ScopeManager *manager, ScopeRegistry *registry, JsonObject *initial,
               ScopeFaults *faults, GError **error)
{
    g_autoptr(ScopePlan) plan = g_new0(ScopePlan, 1);
    g_autoptr(JsonObject) sent = dup_without_nulls(initial);
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    JsonObject *graph = NULL;
    gboolean is_planned;

    plan->nodes = g_ptr_array_new_with_free_func(node_free);
    plan->record = scope_message_dup_record(sent);
    plan->params = scope_message_dup_params(sent);
    plan->has_source = TRUE;
    plan->paused = scope_json_object_get_bool(sent, "paused", FALSE);
    if (!scope_session_params_validate(sent, problems)) {
        scope_faults_add_problems(faults, problems);
    }
    graph = scope_member_read_object(sent, "graph", SCOPE_MEMBER_NULLABLE, faults);
    if (!scope_faults_is_empty(faults)) {
        return NULL;
    }
    is_planned = graph ? plan_graph(plan, manager, registry, graph, faults, error)
                       : plan_chain(plan, manager, sent, error);
    for (guint i = 0; is_planned && i < plan->nodes->len; i++) {
        ScopePlanNode *node = g_ptr_array_index(plan->nodes, i);
        add_scales(node, scope_manager_get_scales(manager, node->instance), plan->params);
    }
    return is_planned ? g_steal_pointer(&plan) : NULL;
}
