/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session is going to run, worked out and checked before anything is created: the pipelines
 * in order with their instances, the initial parameters, and how frames are routed.
 */
#ifndef SCOPE_PLAN_H
#define SCOPE_PLAN_H

#include "server/scope-faults.h"
#include "server/scope-manager.h"

G_BEGIN_DECLS

/**
 * ScopePlanNode:
 * @node_id: id of the node in the chain
 * @key: key of its instance in the manager
 * @instance: a reference
 * @params: (nullable): parameters for this node only
 */
typedef struct {
    char *node_id;
    char *key;
    ScopeInstance *instance;
    JsonObject *params;
} ScopePlanNode;

/**
 * ScopePlan:
 * @nodes: of ScopePlanNode, in order; empty = frames go straight from source to sink
 * @params: initial parameters without null members and control members
 * @record: everything that was sent, for `session/parameters`
 * @sink_id: (nullable): node id of the sink, with a graph
 * @has_source: %FALSE for a graph without a source
 * @vace_input: whether frames go to the VACE ports
 * @paused: whether the session starts paused
 */
typedef struct {
    GPtrArray *nodes;
    JsonObject *params;
    JsonObject *record;
    char *sink_id;
    gboolean has_source;
    gboolean vace_input;
    gboolean paused;
} ScopePlan;

/**
 * scope_plan_new:
 * @manager: borrowed: what is loaded
 * @registry: borrowed: for the ports of pipelines
 * @initial: (nullable): `initialParameters`, borrowed
 * @faults: collects what does not validate; entered at the member that holds @initial
 * @error: (nullable): set on other failures
 *
 * Thread: main.
 * Errors: SCOPE_SERVER_ERROR_BAD_REQUEST: nothing is loaded. SCOPE_SERVER_ERROR_INTERNAL: the graph
 *   is wrong (500 in the contract). SCOPE_SERVER_ERROR_NOT_IMPLEMENTED: a graph that is not linear.
 * Returns: (transfer full): the plan; %NULL with @error set or with faults added.
 */
ScopePlan *scope_plan_new(ScopeManager *manager, ScopeRegistry *registry, JsonObject *initial,
                          ScopeFaults *faults, GError **error);

/** scope_plan_free: (nullable). Thread: main. */
void scope_plan_free(ScopePlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePlan, scope_plan_free)

G_END_DECLS

#endif
