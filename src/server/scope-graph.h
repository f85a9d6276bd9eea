/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of a session (files.md section 11): read from JSON, checked with all complaints
 * collected, and brought into a row of pipelines where it is one.
 */
#ifndef SCOPE_GRAPH_H
#define SCOPE_GRAPH_H

#include "core/scope-registry.h"
#include "server/scope-faults.h"

G_BEGIN_DECLS

/** SCOPE_GRAPH_MAX_NODES: larger graphs are refused. */
#define SCOPE_GRAPH_MAX_NODES 200

/** ScopeGraph: opaque. Texts are borrowed from the JSON it was read from. */
typedef struct _ScopeGraph ScopeGraph;

/**
 * ScopeGraphRow: a linear graph.
 * @has_source: whether frames of the client come in
 * @n_pipelines: length of the row; 0 = source and sink are connected
 * @node_ids: (array length=n_pipelines): borrowed
 * @pipeline_ids: (array length=n_pipelines): borrowed
 * @params: (array length=n_pipelines): borrowed, entries may be %NULL
 * @uses_vace_port: whether an edge goes to `vace_input_frames`
 * @sink_id: borrowed
 */
typedef struct {
    gboolean has_source;
    guint n_pipelines;
    const char *node_ids[SCOPE_GRAPH_MAX_NODES];
    const char *pipeline_ids[SCOPE_GRAPH_MAX_NODES];
    JsonObject *params[SCOPE_GRAPH_MAX_NODES];
    gboolean uses_vace_port;
    const char *sink_id;
} ScopeGraphRow;

/**
 * scope_graph_new:
 * @json: borrowed, must outlive the graph
 * @faults: collects members of wrong type
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: (transfer full) (nullable): the graph; %NULL when faults were added.
 */
ScopeGraph *scope_graph_new(JsonObject *json, ScopeFaults *faults);

/** scope_graph_free: (nullable). Thread: any. */
void scope_graph_free(ScopeGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeGraph, scope_graph_free)

/**
 * scope_graph_check:
 * @graph: borrowed
 * @registry: borrowed: for the ports of pipelines
 * @error: (nullable): set on failure
 *
 * Structure first, then ports; each with all complaints in one text.
 *
 * Thread: main.
 * Errors: SCOPE_SERVER_ERROR_BAD_REQUEST.
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_graph_check(const ScopeGraph *graph, ScopeRegistry *registry, GError **error);

/**
 * scope_graph_get_row:
 * @graph: a checked graph
 * @ret_row: filled; untouched on failure
 * @error: (nullable): set on failure
 *
 * Thread: any.
 * Errors: SCOPE_SERVER_ERROR_NOT_IMPLEMENTED: the graph is not linear or uses nodes that do not
 *   exist yet; the text says what.
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_graph_get_row(const ScopeGraph *graph, ScopeGraphRow *ret_row, GError **error);

G_END_DECLS

#endif
