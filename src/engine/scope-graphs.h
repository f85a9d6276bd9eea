/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeGraphs: work that repeats with the same shapes is recorded once and replayed as a whole. A
 * record holds addresses and numbers as they were: the key names everything that may change
 * between calls (shapes, positions, what a rolling cache looks like), and what differs under one
 * key (noise, time steps, tables) is uploaded to fixed addresses before. One owner thread.
 */
#pragma once

#include "engine/scope-context.h"

G_BEGIN_DECLS

typedef struct _ScopeGraphs ScopeGraphs;

/** ScopeGraphFn: queues the work of one call; the same ops in the same order under the same key. */
typedef void (*ScopeGraphFn)(ScopeContext *ctx, gpointer user_data);

/** ScopeGraphsCounts: what has happened so far, for logs and tests. */
typedef struct {
    guint64 n_direct, n_recorded, n_replayed;
} ScopeGraphsCounts;

/**
 * scope_graphs_create:
 * @ctx: borrowed, outlives the graphs
 * @capacity: how many records are kept, >= 1; the least recently used makes room
 *
 * Thread: the owner. Errors: none.
 * Returns: (transfer full): without records.
 */
ScopeGraphs *scope_graphs_create(ScopeContext *ctx, guint capacity);

/** scope_graphs_destroy: (nullable): frees the records; none may be running. Thread: the owner. */
void scope_graphs_destroy(ScopeGraphs *graphs);

/**
 * scope_graphs_run:
 * @key: what the work depends on, without padding that was not set
 * @n_bytes: 1..SCOPE_PLANS_MAX_KEY
 * @fn: the work
 * @user_data: passed on
 *
 * The first call with a key runs @fn (arenas grow, libraries choose), the second records and
 * replays, later ones replay. Where the backend cannot record, or @fn needs the host in between
 * (uploads, downloads), every call runs @fn.
 *
 * Thread: the owner. Errors: none; a failure of the device sticks to the context.
 * Returns: nothing.
 */
void scope_graphs_run(ScopeGraphs *graphs, gconstpointer key, gsize n_bytes, ScopeGraphFn fn,
                      gpointer user_data);

/** scope_graphs_get_counts: Thread: the owner. */
ScopeGraphsCounts scope_graphs_get_counts(const ScopeGraphs *graphs);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeGraphs, scope_graphs_destroy)

G_END_DECLS
