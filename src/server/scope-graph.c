/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, checking and straightening graphs. No state but the graph itself, any thread. */
#include "server/scope-graph.h"

#include <string.h>

#include "core/scope-json.h"
#include "server/scope-server-error.h"

typedef struct {
    const char *id;
    const char *type;
    const char *pipeline_id;
    const char *node_type_id;
    const char *source_mode;
    const char *sink_mode;
    JsonObject *params;
} Node;

typedef struct {
    const char *from;
    const char *from_port;
    const char *to;
    const char *to_port;
    gboolean is_stream;
} Edge;

struct _ScopeGraph {
    GArray *nodes; /* of Node */
    GArray *edges; /* of Edge */
};

#define NODE(graph, i) (&g_array_index((graph)->nodes, Node, i))
#define EDGE(graph, i) (&g_array_index((graph)->edges, Edge, i))

static void
read_node(JsonObject *json, ScopeGraph *graph, ScopeFaults *faults)
{
    static const char *const types[] = {"source", "pipeline", "sink", "record", "node", NULL};
    const guint nullable = SCOPE_MEMBER_NULLABLE;
    Node node = {
        .id = scope_member_read_string(json, "id", SCOPE_MEMBER_REQUIRED, faults),
        .type = scope_member_read_string(json, "type", SCOPE_MEMBER_REQUIRED, faults),
        .pipeline_id = scope_member_read_string(json, "pipeline_id", nullable, faults),
        .node_type_id = scope_member_read_string(json, "node_type_id", nullable, faults),
        .source_mode = scope_member_read_string(json, "source_mode", nullable, faults),
        .sink_mode = scope_member_read_string(json, "sink_mode", nullable, faults),
        .params = scope_member_read_object(json, "params", nullable, faults),
    };

    if (node.type && !g_strv_contains(types, node.type)) {
        scope_faults_push(faults, "type");
        scope_faults_add(faults, "literal_error", json_object_get_member(json, "type"),
                         "Input should be 'source', 'pipeline', 'sink', 'record' or 'node'");
        scope_faults_pop(faults);
    }
    g_array_append_val(graph->nodes, node);
}

static void
read_edge(JsonObject *json, ScopeGraph *graph, ScopeFaults *faults)
{
    const char *from_key = json_object_has_member(json, "from") ? "from" : "from_node";
    const char *kind = scope_member_read_string(json, "kind", SCOPE_MEMBER_OPTIONAL, faults);
    Edge edge = {
        .from = scope_member_read_string(json, from_key, SCOPE_MEMBER_REQUIRED, faults),
        .from_port = scope_member_read_string(json, "from_port", SCOPE_MEMBER_REQUIRED, faults),
        .to = scope_member_read_string(json, "to_node", SCOPE_MEMBER_REQUIRED, faults),
        .to_port = scope_member_read_string(json, "to_port", SCOPE_MEMBER_REQUIRED, faults),
        .is_stream = g_strcmp0(kind, "parameter") != 0,
    };

    if (kind && strcmp(kind, "stream") != 0 && strcmp(kind, "parameter") != 0) {
        scope_faults_push(faults, "kind");
        scope_faults_add(faults, "literal_error", json_object_get_member(json, "kind"),
                         "Input should be 'stream' or 'parameter'");
        scope_faults_pop(faults);
    }
    g_array_append_val(graph->edges, edge);
}

static void
read_list(JsonObject *json, const char *member, ScopeGraph *graph,
          void (*read)(JsonObject *json, ScopeGraph *graph, ScopeFaults *faults),
          ScopeFaults *faults)
{
    JsonArray *list = scope_member_read_array(json, member, SCOPE_MEMBER_REQUIRED, faults);
    guint n = list ? json_array_get_length(list) : 0;

    scope_faults_push(faults, member);
    if (n > SCOPE_GRAPH_MAX_NODES) {
        scope_faults_add(faults, "too_long", NULL, "List should have at most %d items",
                         SCOPE_GRAPH_MAX_NODES);
        n = 0;
    }
    for (guint i = 0; i < n; i++) {
        JsonNode *item = json_array_get_element(list, i);
        scope_faults_push_index(faults, i);
        if (JSON_NODE_HOLDS_OBJECT(item)) {
            read(json_node_get_object(item), graph, faults);
        } else {
            scope_faults_add(faults, "model_attributes_type", item,
                             "Input should be a valid dictionary");
        }
        scope_faults_pop(faults);
    }
    scope_faults_pop(faults);
}

ScopeGraph *
scope_graph_new(JsonObject *json, ScopeFaults *faults)
{
    g_autoptr(ScopeGraph) graph = g_new0(ScopeGraph, 1);

    graph->nodes = g_array_new(FALSE, FALSE, sizeof(Node));
    graph->edges = g_array_new(FALSE, FALSE, sizeof(Edge));
    read_list(json, "nodes", graph, read_node, faults);
    read_list(json, "edges", graph, read_edge, faults);
    return scope_faults_is_empty(faults) ? g_steal_pointer(&graph) : NULL;
}

void
scope_graph_free(ScopeGraph *graph)
{
    if (!graph) {
        return;
    }
    g_array_unref(graph->nodes);
    g_array_unref(graph->edges);
    g_free(graph);
}

static const Node *
find_node(const ScopeGraph *graph, const char *id)
{
    for (guint i = 0; i < graph->nodes->len; i++) {
        if (strcmp(NODE(graph, i)->id, id) == 0) {
            return NODE(graph, i);
        }
    }
    return NULL;
}

static void complain(GPtrArray *complaints, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
complain(GPtrArray *complaints, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(complaints, g_strdup_vprintf(format, args));
    va_end(args);
}

static void
check_nodes(const ScopeGraph *graph, GPtrArray *complaints)
{
    gboolean has_sink = FALSE;

    for (guint i = 0; i < graph->nodes->len; i++) {
        const Node *node = NODE(graph, i);
        if (find_node(graph, node->id) != node) {
            complain(complaints, "Duplicate node ID: '%s'", node->id);
        }
        has_sink = has_sink || strcmp(node->type, "sink") == 0;
    }
    if (!has_sink) {
        complain(complaints, "Graph must have at least one sink node");
    }
    for (guint i = 0; i < graph->nodes->len; i++) {
        const Node *node = NODE(graph, i);
        if (strcmp(node->type, "pipeline") == 0 && !node->pipeline_id) {
            complain(complaints, "Pipeline node '%s' is missing pipeline_id", node->id);
        }
        if (strcmp(node->type, "node") == 0 && !node->node_type_id) {
            complain(complaints, "Node '%s' is missing node_type_id", node->id);
        }
    }
}

static void
check_edges(const ScopeGraph *graph, GPtrArray *complaints)
{
    for (guint i = 0; i < graph->edges->len; i++) {
        const Edge *edge = EDGE(graph, i);
        if (!find_node(graph, edge->from)) {
            complain(complaints, "Edge references non-existent source node: '%s'", edge->from);
        }
        if (!find_node(graph, edge->to)) {
            complain(complaints, "Edge references non-existent target node: '%s'", edge->to);
        }
    }
}

static void
check_edge_ports(const ScopeGraph *graph, ScopeRegistry *registry, const Edge *edge,
                 GPtrArray *complaints)
{
    const Node *from = find_node(graph, edge->from);
    const Node *to = find_node(graph, edge->to);
    ScopePipelineInfo *from_info =
        from->pipeline_id ? scope_registry_lookup(registry, from->pipeline_id) : NULL;
    ScopePipelineInfo *to_info =
        to->pipeline_id ? scope_registry_lookup(registry, to->pipeline_id) : NULL;
    gboolean takes_prompts =
        to_info && (to_info->desc->features & SCOPE_PIPELINE_SUPPORTS_PROMPTS) != 0;

    if (from_info && !scope_pipeline_info_has_output(from_info, edge->from_port)) {
        complain(complaints, "Pipeline node '%s' has no output port '%s'", edge->from,
                 edge->from_port);
    }
    if (to_info && !scope_pipeline_info_has_input(to_info, edge->to_port) &&
        !(takes_prompts && strcmp(edge->to_port, "prompts") == 0)) {
        complain(complaints, "Pipeline node '%s' has no input port '%s'", edge->to, edge->to_port);
    }
}

static void
check_fan_in(const ScopeGraph *graph, guint index, GPtrArray *complaints)
{
    const Edge *edge = EDGE(graph, index);
    const Node *to = find_node(graph, edge->to);

    for (guint i = 0; i < index; i++) {
        const Edge *other = EDGE(graph, i);
        if (other->is_stream && strcmp(other->to, edge->to) == 0 &&
            strcmp(other->to_port, edge->to_port) == 0 && strcmp(to->type, "sink") != 0) {
            complain(complaints, "Input port '%s' of node '%s' has more than one stream edge",
                     edge->to_port, edge->to);
            return;
        }
    }
}

static gboolean
fail_with(GPtrArray *complaints, const char *prefix, GError **error)
{
    g_autofree char *text = NULL;

    if (complaints->len == 0) {
        return TRUE;
    }
    g_ptr_array_add(complaints, NULL);
    text = g_strjoinv("; ", (char **)complaints->pdata);
    g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST, "%s%s", prefix, text);
    return FALSE;
}

gboolean
scope_graph_check(const ScopeGraph *graph, ScopeRegistry *registry, GError **error)
{
    g_autoptr(GPtrArray) complaints = g_ptr_array_new_with_free_func(g_free);

    check_nodes(graph, complaints);
    check_edges(graph, complaints);
    if (!fail_with(complaints, "Invalid graph: ", error)) {
        return FALSE;
    }
    for (guint i = 0; i < graph->edges->len; i++) {
        if (EDGE(graph, i)->is_stream) {
            check_edge_ports(graph, registry, EDGE(graph, i), complaints);
            check_fan_in(graph, i, complaints);
        }
    }
    return fail_with(complaints, "Invalid graph ports: ", error);
}

/* The stream edge that feeds @id; the first one counts. */
static const Edge *
find_feed(const ScopeGraph *graph, const char *id)
{
    for (guint i = 0; i < graph->edges->len; i++) {
        if (EDGE(graph, i)->is_stream && strcmp(EDGE(graph, i)->to, id) == 0) {
            return EDGE(graph, i);
        }
    }
    return NULL;
}

static guint
count_type(const ScopeGraph *graph, const char *type)
{
    guint n = 0;

    for (guint i = 0; i < graph->nodes->len; i++) {
        n += strcmp(NODE(graph, i)->type, type) == 0;
    }
    return n;
}

static gboolean
refuse_row(const char *what, GError **error)
{
    g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_NOT_IMPLEMENTED,
                "This server runs graphs of one source, pipelines in a row and one sink: %s", what);
    return FALSE;
}

static gboolean
check_kinds(const ScopeGraph *graph, GError **error)
{
    if (count_type(graph, "sink") > 1) {
        return refuse_row("there is more than one sink", error);
    }
    if (count_type(graph, "source") > 1) {
        return refuse_row("there is more than one source", error);
    }
    if (count_type(graph, "node") > 0) {
        return refuse_row("nodes other than pipelines do not exist yet", error);
    }
    for (guint i = 0; i < graph->nodes->len; i++) {
        const Node *node = NODE(graph, i);
        const char *mode = node->source_mode;
        if (mode && *mode && strcmp(mode, "video") != 0 && strcmp(mode, "camera") != 0) {
            return refuse_row("sources on the server do not exist yet", error);
        }
    }
    return TRUE;
}

gboolean
scope_graph_get_row(const ScopeGraph *graph, ScopeGraphRow *ret_row, GError **error)
{
    g_autofree ScopeGraphRow *row = g_new0(ScopeGraphRow, 1);
    const Node *at = NULL;
    const Edge *feed;

    if (!check_kinds(graph, error)) {
        return FALSE;
    }
    for (guint i = 0; i < graph->nodes->len && !row->sink_id; i++) {
        at = NODE(graph, i);
        row->sink_id = strcmp(at->type, "sink") == 0 ? at->id : NULL;
    }
    /* Back from the sink; a circle would be longer than there are nodes. */
    while ((feed = find_feed(graph, at->id)) != NULL) {
        guint last = SCOPE_GRAPH_MAX_NODES - row->n_pipelines - 1;
        at = find_node(graph, feed->from);
        row->uses_vace_port =
            row->uses_vace_port || strcmp(feed->to_port, "vace_input_frames") == 0;
        if (strcmp(at->type, "source") == 0) {
            row->has_source = TRUE;
            break;
        }
        if (strcmp(at->type, "pipeline") != 0 || row->n_pipelines >= graph->nodes->len) {
            return refuse_row("it is not a row", error);
        }
        row->node_ids[last] = at->id;
        row->pipeline_ids[last] = at->pipeline_id;
        row->params[last] = at->params;
        row->n_pipelines++;
    }
    if (row->n_pipelines != count_type(graph, "pipeline") ||
        (count_type(graph, "source") > 0) != row->has_source) {
        return refuse_row("some nodes are not between source and sink", error);
    }
    if (row->n_pipelines == 0 && !row->has_source) {
        return refuse_row("nothing feeds the sink", error);
    }
    /* The row was collected from the end. */
    memmove(row->node_ids, row->node_ids + SCOPE_GRAPH_MAX_NODES - row->n_pipelines,
            row->n_pipelines * sizeof row->node_ids[0]);
    memmove(row->pipeline_ids, row->pipeline_ids + SCOPE_GRAPH_MAX_NODES - row->n_pipelines,
            row->n_pipelines * sizeof row->pipeline_ids[0]);
    memmove(row->params, row->params + SCOPE_GRAPH_MAX_NODES - row->n_pipelines,
            row->n_pipelines * sizeof row->params[0]);
    *ret_row = *row;
    return TRUE;
}
