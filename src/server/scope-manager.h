/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline manager: which instances are loaded under which keys, in which order, and what
 * happens to them on the next load request (pipelines.md section 9). Loads run on the thread of
 * its ScopeLoader, one after the other.
 */
#ifndef SCOPE_MANAGER_H
#define SCOPE_MANAGER_H

#include "core/scope-loader.h"
#include "core/scope-registry.h"

G_BEGIN_DECLS

/** ScopeManager: opaque. Thread: main only. */
typedef struct _ScopeManager ScopeManager;

/**
 * ScopeManagerState: combined over all instances.
 * @SCOPE_MANAGER_NOT_LOADED: no instance
 * @SCOPE_MANAGER_LOADING: at least one is being loaded or waits for it
 * @SCOPE_MANAGER_LOADED: there are instances and all are loaded
 * @SCOPE_MANAGER_ERROR: at least one failed, none is being loaded
 */
typedef enum {
    SCOPE_MANAGER_NOT_LOADED = 0,
    SCOPE_MANAGER_LOADING,
    SCOPE_MANAGER_LOADED,
    SCOPE_MANAGER_ERROR,
} ScopeManagerState;

/**
 * ScopeManagerEntry: one line of a load request.
 * @key: instance key, unique in the request
 * @pipeline_id: which pipeline
 * @load_params: (nullable): as received; %NULL equals an empty object
 */
typedef struct {
    const char *key;
    const char *pipeline_id;
    JsonObject *load_params;
} ScopeManagerEntry;

/** ScopeManagerChanged: instances came, went or were renamed. Thread: main. */
typedef void (*ScopeManagerChanged)(ScopeManager *manager, gpointer user_data);

/**
 * scope_manager_new:
 * @registry: borrowed, outlives the manager
 * @services: borrowed, outlives every instance
 * @error: (nullable): set when the loader's thread cannot be started
 *
 * Thread: main.
 * Errors: G_IO_ERROR.
 * Returns: (transfer full): a manager without instances, or %NULL with @error set.
 */
ScopeManager *scope_manager_new(ScopeRegistry *registry, const ScopeHost *services, GError **error);

/**
 * scope_manager_free:
 * @manager: (nullable):
 *
 * Cancels what is being loaded, releases every instance and joins the loader's thread.
 *
 * Thread: main.
 * Errors: none.
 */
void scope_manager_free(ScopeManager *manager);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeManager, scope_manager_free)

/** scope_manager_set_changed: (nullable) @changed is called after every change. Thread: main. */
void scope_manager_set_changed(ScopeManager *manager, ScopeManagerChanged changed,
                               gpointer user_data);

/**
 * scope_manager_load:
 * @manager: borrowed
 * @entries: (array length=n_entries): in chain order; borrowed until return
 * @n_entries: >= 1
 *
 * Makes @entries the set of instances: what is there already stays or is renamed, also when the
 * scales of run-time adapters differ, the rest is loaded in order, what is not asked for is
 * unloaded first. The newest request wins: loads of earlier ones that it does not repeat are
 * cancelled. The state is LOADING on return when anything has to be loaded.
 *
 * Thread: main. Blocks: nothing.
 * Errors: none; told by the state.
 */
void scope_manager_load(ScopeManager *manager, const ScopeManagerEntry *entries, guint n_entries);

/**
 * scope_manager_fail:
 * @manager: borrowed
 * @instance: one that cannot be used any more; of another manager or unloaded: ignored
 * @reason: for people
 *
 * Unloads @instance and puts its entry into the state ERROR, so that the next request loads anew.
 *
 * Thread: main. Errors: none.
 */
void scope_manager_fail(ScopeManager *manager, ScopeInstance *instance, const char *reason);

/**
 * scope_manager_set_scales:
 * @manager: borrowed
 * @lora_scales: (nullable): validated, as in a message of a session
 *
 * Notes the scales that run-time adapters have now: the status tells them, and sessions that begin
 * later start with them.
 *
 * Thread: main. Errors: none.
 */
void scope_manager_set_scales(ScopeManager *manager, JsonArray *lora_scales);

/** scope_manager_get_scales: (nullable): borrowed: path to scale of the run-time adapters of
 * @instance. Thread: main. */
JsonObject *scope_manager_get_scales(ScopeManager *manager, ScopeInstance *instance);

/** scope_manager_get_state: combined state; does not clear an error. Thread: main. */
ScopeManagerState scope_manager_get_state(ScopeManager *manager);

/**
 * scope_manager_take_status:
 * @manager: borrowed
 *
 * The body of `pipeline/status`. Telling an error clears it: failed entries are forgotten.
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full): the object.
 */
JsonObject *scope_manager_take_status(ScopeManager *manager);

/** scope_manager_get_n: number of entries, in whatever state. Thread: main. */
guint scope_manager_get_n(ScopeManager *manager);

/** scope_manager_get_key: borrowed key of the entry at @index in chain order. Thread: main. */
const char *scope_manager_get_key(ScopeManager *manager, guint index);

/** scope_manager_get_pipeline_id: borrowed pipeline id of the entry at @index. Thread: main. */
const char *scope_manager_get_pipeline_id(ScopeManager *manager, guint index);

/** scope_manager_get_instance: (nullable): borrowed; %NULL unless loaded. Thread: main. */
ScopeInstance *scope_manager_get_instance(ScopeManager *manager, guint index);

/** scope_manager_lookup: (nullable): borrowed instance loaded under @key. Thread: main. */
ScopeInstance *scope_manager_lookup(ScopeManager *manager, const char *key);

/** scope_manager_find_key: (nullable): borrowed key of @instance. Thread: main. */
const char *scope_manager_find_key(ScopeManager *manager, ScopeInstance *instance);

G_END_DECLS

#endif
