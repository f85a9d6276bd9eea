/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of repeated work by key. Owns the records. One owner thread.
 */
#include "engine/scope-graphs.h"

#include "engine/scope-backend.h"
#include "engine/scope-plans.h"

typedef enum {
    GRAPH_WARM = 0, /* has run once: the next call records */
    GRAPH_READY,
    GRAPH_REFUSED, /* cannot be recorded */
} GraphState;

typedef struct {
    const ScopeBackend *backend;
    GraphState state;
    void *graph;
} Graph;

struct _ScopeGraphs {
    ScopeContext *ctx;
    ScopePlans *plans;
    ScopeGraphsCounts counts;
};

static void
graph_free(gpointer data)
{
    Graph *graph = data;
    if (graph->graph) {
        graph->backend->graph_free(graph->backend, graph->graph);
    }
    g_free(graph);
}

ScopeGraphs *
scope_graphs_create(ScopeContext *ctx, guint capacity)
{
    ScopeGraphs *graphs = g_new0(ScopeGraphs, 1);
    graphs->ctx = ctx;
    graphs->plans = scope_plans_create(capacity, graph_free);
    return graphs;
}

void
scope_graphs_destroy(ScopeGraphs *graphs)
{
    if (!graphs) {
        return;
    }
    scope_plans_destroy(graphs->plans);
    g_free(graphs);
}

/* Records @fn; a record that fails leaves nothing done. */
static void
record(ScopeGraphs *graphs, Graph *graph, ScopeGraphFn fn, gpointer user_data)
{
    graph->state = GRAPH_REFUSED;
    if (!graph->backend->capture_begin(graphs->ctx)) {
        return;
    }
    fn(graphs->ctx, user_data);
    graph->graph = graph->backend->capture_end(graphs->ctx);
    if (graph->graph) {
        graph->state = GRAPH_READY;
        graphs->counts.n_recorded++;
    }
}

void
scope_graphs_run(ScopeGraphs *graphs, gconstpointer key, gsize n_bytes, ScopeGraphFn fn,
                 gpointer user_data)
{
    gpointer found = NULL;
    if (!scope_plans_find(graphs->plans, key, n_bytes, &found)) {
        Graph *graph = g_new0(Graph, 1);
        graph->backend = graphs->ctx->backend;
        scope_plans_insert(graphs->plans, key, n_bytes, graph);
        graphs->counts.n_direct++;
        fn(graphs->ctx, user_data);
        return;
    }
    Graph *graph = found;
    if (graph->state == GRAPH_WARM) {
        record(graphs, graph, fn, user_data);
    }
    if (graph->state == GRAPH_READY) {
        graphs->counts.n_replayed++;
        graph->backend->graph_launch(graphs->ctx, graph->graph);
    } else {
        graphs->counts.n_direct++;
        fn(graphs->ctx, user_data);
    }
}

ScopeGraphsCounts
scope_graphs_get_counts(const ScopeGraphs *graphs)
{
    return graphs->counts;
}
