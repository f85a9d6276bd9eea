/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that loads and unloads pipelines, one job after the other, so that memory is free
 * before the next load begins. Owned by the main thread.
 */
#ifndef SCOPE_LOADER_H
#define SCOPE_LOADER_H

#include "core/scope-instance.h"

G_BEGIN_DECLS

/**
 * ScopeLoadDone:
 * @instance: (transfer full) (nullable): %NULL on failure
 * @error: (transfer none) (nullable): set on failure
 * @user_data: as given
 *
 * The end of a load. Thread: the main context that was the thread default of the caller of
 * scope_loader_load().
 */
typedef void (*ScopeLoadDone)(ScopeInstance *instance, const GError *error, gpointer user_data);

/**
 * scope_loader_new:
 * @host: services for pipelines; must outlive the loader and every instance
 * @error: (nullable): set when the thread cannot be started
 *
 * Errors: G_IO_ERROR, from the errno of the system.
 * Returns: (transfer full): the loader, or %NULL.
 * Thread: main.
 */
ScopeLoader *scope_loader_new(const ScopeHost *host, GError **error);

/**
 * scope_loader_free:
 * @loader: (nullable)
 *
 * Cancels loads that run or wait (their callbacks are not called), unloads what was released, and
 * joins the thread. An instance that outlives the loader is unloaded by its last owner.
 *
 * Thread: main.
 */
void scope_loader_free(ScopeLoader *loader);

/**
 * scope_loader_load:
 * @info: which pipeline
 * @load_params: (nullable): copied
 * @progress: (nullable): referenced; scope_load_progress_cancel() ends the load early
 * @done: called once, unless the loader is freed first
 * @user_data: for @done
 *
 * Queues a load behind earlier jobs. Instances that were given to scope_loader_retire() are
 * unloaded first.
 *
 * Thread: main.
 */
void scope_loader_load(ScopeLoader *loader, ScopePipelineInfo *info, JsonObject *load_params,
                       ScopeLoadProgress *progress, ScopeLoadDone done, gpointer user_data);

/**
 * scope_loader_retire:
 * @instance: (transfer full) (nullable): nobody should start to use it any more
 *
 * Releases @instance. Loads that are queued later wait until it is unloaded, at most 5 s, so that
 * two models are not in memory at once.
 *
 * Thread: main.
 */
void scope_loader_retire(ScopeLoader *loader, ScopeInstance *instance);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeLoader, scope_loader_free)

G_END_DECLS

#endif
