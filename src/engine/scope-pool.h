/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopePool: worker threads that share the tiles of one operation. Tiles are taken from a counter,
 * one at a time, by the workers and by the calling thread; a slow core simply takes fewer. Workers
 * sleep between operations (they spin for some microseconds at most).
 */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct _ScopePool ScopePool;

/**
 * ScopeTileFn:
 * @tile: 0..n_tiles-1
 * @thread_index: 0..n_threads-1, stable during one call of the function; indexes per-thread buffers
 * @user_data: as given to scope_pool_run()
 *
 * Computes one tile. What it writes must not depend on @thread_index or on other tiles.
 * Thread: the caller of scope_pool_run() (index 0) or a pool thread.
 */
typedef void (*ScopeTileFn)(int64_t tile, int thread_index, void *user_data);

/**
 * scope_pool_create:
 * @n_threads: threads that compute, including the caller, 1..64
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: G_IO_ERROR_FAILED when a thread cannot be started (nothing is left behind).
 * Returns: (transfer full): the pool, or NULL with @error set.
 */
ScopePool *scope_pool_create(int n_threads, GError **error);

/**
 * scope_pool_destroy:
 * @pool: (nullable): no operation may be running
 *
 * Stops and joins the workers. Thread: any, not a pool thread. Errors: none.
 * Returns: nothing.
 */
void scope_pool_destroy(ScopePool *pool);

/** scope_pool_get_n_threads: threads that compute, including the caller. Thread: any. */
int scope_pool_get_n_threads(const ScopePool *pool);

/**
 * scope_pool_run:
 * @pool: borrowed
 * @n_tiles: how many tiles, >= 0
 * @fn: called once for each tile
 * @user_data: passed on
 *
 * Runs all tiles and returns when the last is done. Calls from several threads take turns; calls
 * from inside a tile are not allowed. A single tile runs on the caller without waking anyone.
 * Allocates nothing.
 *
 * Thread: any but pool threads. Blocks: until done. Errors: none.
 * Returns: nothing.
 */
void scope_pool_run(ScopePool *pool, int64_t n_tiles, ScopeTileFn fn, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePool, scope_pool_destroy)

G_END_DECLS
