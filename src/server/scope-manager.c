/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline manager. Owns the list of slots (key, pipeline, parameters, instance) and the
 * loader. All of it lives on main; the loader calls back there.
 */
#include "server/scope-manager.h"

#include <string.h>

#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-adapters.h"
#include "server/scope-faults.h"

SCOPE_LOG_TOPIC(server, manager)

typedef struct {
    gint refs;
    ScopeManager *manager;
    gboolean is_dropped;
    char *key;
    char *pipeline_id;
    JsonObject *load_params; /* as received */
    JsonObject *scales;      /* of run-time adapters, now: path to scale */
    ScopeManagerState state;
    ScopeLoadProgress *progress;
    ScopeInstance *instance;
    char *error;
    gint64 start_us;
} Slot;

struct _ScopeManager {
    ScopeRegistry *registry;
    ScopeLoader *loader;
    GPtrArray *slots;
    GPtrArray *in_flight; /* slots that the loader will call back for */
    ScopeManagerChanged changed;
    gpointer changed_data;
};

static Slot *
slot_ref(Slot *slot)
{
    slot->refs++;
    return slot;
}

static void
slot_unref(gpointer data)
{
    Slot *slot = data;

    if (--slot->refs > 0) {
        return;
    }
    g_free(slot->key);
    g_free(slot->pipeline_id);
    g_free(slot->error);
    json_object_unref(slot->load_params);
    json_object_unref(slot->scales);
    scope_load_progress_unref(slot->progress);
    scope_instance_unref(slot->instance);
    g_free(slot);
}

static Slot *
slot_new(ScopeManager *manager, const ScopeManagerEntry *entry)
{
    Slot *slot = g_new0(Slot, 1);

    slot->refs = 1;
    slot->manager = manager;
    slot->key = g_strdup(entry->key);
    slot->pipeline_id = g_strdup(entry->pipeline_id);
    slot->load_params = scope_json_object_copy(entry->load_params);
    slot->scales = scope_adapters_build_scales(slot->load_params);
    slot->state = SCOPE_MANAGER_LOADING;
    slot->progress = scope_load_progress_new();
    slot->start_us = g_get_monotonic_time();
    return slot;
}

/* Ends a slot that no longer belongs to the set: its load is cancelled or its instance unloaded. */
static void
drop_slot(ScopeManager *manager, Slot *slot)
{
    slot->is_dropped = TRUE;
    if (slot->state == SCOPE_MANAGER_LOADING) {
        scope_load_progress_cancel(slot->progress);
    }
    if (slot->instance) {
        scope_log_info("unloading %s (%s)", slot->key, slot->pipeline_id);
        scope_loader_retire(manager->loader, g_steal_pointer(&slot->instance));
    }
}

static void
notify(ScopeManager *manager)
{
    if (manager->changed) {
        manager->changed(manager, manager->changed_data);
    }
}

ScopeManager *
scope_manager_new(ScopeRegistry *registry, const ScopeHost *services, GError **error)
{
    ScopeLoader *loader = scope_loader_new(services, error);
    ScopeManager *manager;

    if (!loader) {
        return NULL;
    }
    manager = g_new0(ScopeManager, 1);
    manager->registry = registry;
    manager->loader = loader;
    manager->slots = g_ptr_array_new_with_free_func(slot_unref);
    manager->in_flight = g_ptr_array_new_with_free_func(slot_unref);
    return manager;
}

void
scope_manager_free(ScopeManager *manager)
{
    if (!manager) {
        return;
    }
    manager->changed = NULL;
    for (guint i = 0; i < manager->slots->len; i++) {
        drop_slot(manager, g_ptr_array_index(manager->slots, i));
    }
    g_ptr_array_unref(manager->slots);
    scope_loader_free(manager->loader);
    g_ptr_array_unref(manager->in_flight);
    g_free(manager);
}

void
scope_manager_set_changed(ScopeManager *manager, ScopeManagerChanged changed, gpointer user_data)
{
    manager->changed = changed;
    manager->changed_data = user_data;
}

static void
on_loaded(ScopeInstance *instance, const GError *error, gpointer user_data)
{
    Slot *slot = user_data;
    ScopeManager *manager = slot->manager;
    gdouble seconds = (gdouble)(g_get_monotonic_time() - slot->start_us) / G_USEC_PER_SEC;

    if (slot->is_dropped) {
        scope_instance_unref(instance);
        g_ptr_array_remove(manager->in_flight, slot);
        return;
    }
    if (instance) {
        slot->instance = instance;
        slot->state = SCOPE_MANAGER_LOADED;
        scope_log_info("loaded %s (%s) in %.2f s", slot->key, slot->pipeline_id, seconds);
    } else {
        slot->state = SCOPE_MANAGER_ERROR;
        slot->error = g_strdup(error ? error->message : "The pipeline could not be loaded");
        scope_log_error("loading %s (%s) failed: %s", slot->key, slot->pipeline_id, slot->error);
    }
    g_ptr_array_remove(manager->in_flight, slot);
    notify(manager);
}

/* `seed` is the older name of `base_seed`, which wins when both are there. */
static JsonObject *
dup_normalised_params(JsonObject *received)
{
    JsonObject *params = scope_json_object_copy(received);

    if (json_object_has_member(params, "seed")) {
        if (!json_object_has_member(params, "base_seed")) {
            json_object_set_member(params, "base_seed",
                                   json_node_copy(json_object_get_member(params, "seed")));
        }
        json_object_remove_member(params, "seed");
    }
    return params;
}

static void
start_load(ScopeManager *manager, Slot *slot)
{
    ScopePipelineInfo *info = scope_registry_lookup(manager->registry, slot->pipeline_id);
    g_autoptr(JsonObject) params = NULL;

    if (!info) {
        slot->state = SCOPE_MANAGER_ERROR;
        slot->error = g_strdup_printf("Invalid pipeline ID: %s", slot->pipeline_id);
        scope_log_error("%s", slot->error);
        return;
    }
    params = dup_normalised_params(slot->load_params);
    scope_loader_load(manager->loader, info, params, slot->progress, on_loaded, slot);
    g_ptr_array_add(manager->in_flight, slot_ref(slot));
}

static gboolean
is_same_request(const Slot *slot, const ScopeManagerEntry *entry)
{
    return strcmp(slot->pipeline_id, entry->pipeline_id) == 0 &&
           scope_adapters_is_same_request(slot->load_params, entry->load_params);
}

/* The slot serves @entry, whose scales may be others than those of the load. */
static Slot *
take_over(Slot *slot, const ScopeManagerEntry *entry)
{
    json_object_unref(slot->load_params);
    json_object_unref(slot->scales);
    slot->load_params = scope_json_object_copy(entry->load_params);
    slot->scales = scope_adapters_build_scales(slot->load_params);
    return slot;
}

static gboolean
is_requested(const ScopeManagerEntry *entries, guint n_entries, const char *key)
{
    for (guint i = 0; i < n_entries; i++) {
        if (strcmp(entries[i].key, key) == 0) {
            return TRUE;
        }
    }
    return FALSE;
}

/*
 * Takes from @old what can serve @entry: the slot of the same key that is loaded or on its way
 * with equal parameters, else a loaded one of another key that nobody asks for.
 */
static Slot *
claim(GPtrArray *old, const ScopeManagerEntry *entries, guint n_entries, guint index)
{
    const ScopeManagerEntry *entry = &entries[index];

    for (guint i = 0; i < old->len; i++) {
        Slot *slot = g_ptr_array_index(old, i);
        if (slot->state != SCOPE_MANAGER_ERROR && strcmp(slot->key, entry->key) == 0 &&
            is_same_request(slot, entry)) {
            return take_over(g_ptr_array_steal_index(old, i), entry);
        }
    }
    for (guint i = 0; i < old->len; i++) {
        Slot *slot = g_ptr_array_index(old, i);
        if (slot->state == SCOPE_MANAGER_LOADED && is_same_request(slot, entry) &&
            !is_requested(entries, n_entries, slot->key)) {
            scope_log_info("%s is now called %s", slot->key, entry->key);
            g_free(slot->key);
            slot->key = g_strdup(entry->key);
            return take_over(g_ptr_array_steal_index(old, i), entry);
        }
    }
    return NULL;
}

void
scope_manager_load(ScopeManager *manager, const ScopeManagerEntry *entries, guint n_entries)
{
    g_autoptr(GPtrArray) old = g_steal_pointer(&manager->slots);
    g_autoptr(GPtrArray) fresh = g_ptr_array_new();

    g_return_if_fail(n_entries > 0);
    manager->slots = g_ptr_array_new_with_free_func(slot_unref);
    for (guint i = 0; i < n_entries; i++) {
        Slot *slot = claim(old, entries, n_entries, i);
        if (!slot) {
            slot = slot_new(manager, &entries[i]);
            g_ptr_array_add(fresh, slot);
        }
        g_ptr_array_add(manager->slots, slot);
    }
    /* Sessions let go of what is retired before it can be freed. */
    for (guint i = 0; i < old->len; i++) {
        drop_slot(manager, g_ptr_array_index(old, i));
    }
    for (guint i = 0; i < fresh->len; i++) {
        start_load(manager, g_ptr_array_index(fresh, i));
    }
    notify(manager);
}

void
scope_manager_fail(ScopeManager *manager, ScopeInstance *instance, const char *reason)
{
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (instance && slot->instance == instance) {
            slot->state = SCOPE_MANAGER_ERROR;
            slot->error = g_strdup(reason);
            scope_log_info("dropping %s (%s); the next load makes it anew", slot->key,
                           slot->pipeline_id);
            scope_loader_retire(manager->loader, g_steal_pointer(&slot->instance));
            notify(manager);
            return;
        }
    }
}

void
scope_manager_set_scales(ScopeManager *manager, JsonArray *lora_scales)
{
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        scope_adapters_update_scales(slot->scales, lora_scales);
    }
}

JsonObject *
scope_manager_get_scales(ScopeManager *manager, ScopeInstance *instance)
{
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (instance && slot->instance == instance) {
            return slot->scales;
        }
    }
    return NULL;
}

ScopeManagerState
scope_manager_get_state(ScopeManager *manager)
{
    gboolean has_error = FALSE;

    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (slot->state == SCOPE_MANAGER_LOADING) {
            return SCOPE_MANAGER_LOADING;
        }
        has_error = has_error || slot->state == SCOPE_MANAGER_ERROR;
    }
    if (has_error) {
        return SCOPE_MANAGER_ERROR;
    }
    return manager->slots->len > 0 ? SCOPE_MANAGER_LOADED : SCOPE_MANAGER_NOT_LOADED;
}

/* Members that describe the loaded instances, null where there are none. */
static void
describe_loaded(ScopeManager *manager, JsonObject *status)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(JsonArray) adapters = json_array_new();
    Slot *first = NULL;

    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (slot->state == SCOPE_MANAGER_LOADED) {
            first = first ? first : slot;
            scope_adapters_describe(slot->load_params, slot->scales, seen, adapters);
        }
    }
    scope_object_set_string(status, "pipeline_id", first ? first->key : NULL);
    if (first) {
        json_object_set_object_member(status, "load_params",
                                      scope_json_object_copy(first->load_params));
    } else {
        json_object_set_null_member(status, "load_params");
    }
    if (json_array_get_length(adapters) > 0) {
        json_object_set_array_member(status, "loaded_lora_adapters", g_steal_pointer(&adapters));
    } else {
        json_object_set_null_member(status, "loaded_lora_adapters");
    }
}

static void
describe_progress(ScopeManager *manager, JsonObject *status)
{
    json_object_set_null_member(status, "loading_stage");
    json_object_set_null_member(status, "loading_progress");
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        g_autofree char *stage = NULL;
        gdouble ratio = -1.0;
        if (slot->state != SCOPE_MANAGER_LOADING) {
            continue;
        }
        stage = scope_load_progress_get(slot->progress, &ratio);
        scope_object_set_string(status, "loading_stage", stage);
        if (ratio >= 0.0) {
            json_object_set_double_member(status, "loading_progress", ratio);
        }
        return;
    }
}

/* The texts of all failed slots, which are forgotten; NULL when there is none. */
static char *
take_errors(ScopeManager *manager)
{
    GString *text = g_string_new(NULL);

    for (guint i = manager->slots->len; i > 0; i--) {
        Slot *slot = g_ptr_array_index(manager->slots, i - 1);
        if (slot->state == SCOPE_MANAGER_ERROR) {
            g_string_prepend(text, text->len > 0 ? "; " : "");
            g_string_prepend(text, slot->error);
            g_ptr_array_remove_index(manager->slots, i - 1);
        }
    }
    return g_string_free(text, FALSE);
}

JsonObject *
scope_manager_take_status(ScopeManager *manager)
{
    static const char *const names[] = {
        [SCOPE_MANAGER_NOT_LOADED] = "not_loaded",
        [SCOPE_MANAGER_LOADING] = "loading",
        [SCOPE_MANAGER_LOADED] = "loaded",
        [SCOPE_MANAGER_ERROR] = "error",
    };
    JsonObject *status = json_object_new();
    ScopeManagerState state = scope_manager_get_state(manager);

    json_object_set_string_member(status, "status", names[state]);
    describe_loaded(manager, status);
    describe_progress(manager, status);
    if (state == SCOPE_MANAGER_ERROR) {
        g_autofree char *text = take_errors(manager);
        json_object_set_string_member(status, "error", text);
    } else {
        json_object_set_null_member(status, "error");
    }
    json_object_set_boolean_member(status, "produces_video", TRUE);
    json_object_set_boolean_member(status, "produces_audio", FALSE);
    return status;
}

guint
scope_manager_get_n(ScopeManager *manager)
{
    return manager->slots->len;
}

const char *
scope_manager_get_key(ScopeManager *manager, guint index)
{
    return ((Slot *)g_ptr_array_index(manager->slots, index))->key;
}

const char *
scope_manager_get_pipeline_id(ScopeManager *manager, guint index)
{
    return ((Slot *)g_ptr_array_index(manager->slots, index))->pipeline_id;
}

ScopeInstance *
scope_manager_get_instance(ScopeManager *manager, guint index)
{
    return ((Slot *)g_ptr_array_index(manager->slots, index))->instance;
}

ScopeInstance *
scope_manager_lookup(ScopeManager *manager, const char *key)
{
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (strcmp(slot->key, key) == 0) {
            return slot->instance;
        }
    }
    return NULL;
}

const char *
scope_manager_find_key(ScopeManager *manager, ScopeInstance *instance)
{
    for (guint i = 0; i < manager->slots->len; i++) {
        Slot *slot = g_ptr_array_index(manager->slots, i);
        if (instance && slot->instance == instance) {
            return slot->key;
        }
    }
    return NULL;
}
