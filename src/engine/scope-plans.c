/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plans by shape. A model has some dozens of shapes, so that a list in order of use is searched.
 * Owns the plans. One owner thread.
 */
#include "engine/scope-plans.h"

#include <string.h>

#include "engine/scope-assert.h"

typedef struct {
    guint64 hash;
    gsize n_bytes;
    guint8 key[SCOPE_PLANS_MAX_KEY];
    gpointer plan;
    guint64 used_at;
} Entry;

struct _ScopePlans {
    guint capacity, n;
    GDestroyNotify destroy;
    guint64 clock;
    Entry entries[];
};

ScopePlans *
scope_plans_create(guint capacity, GDestroyNotify destroy)
{
    ScopePlans *plans = g_malloc0(sizeof *plans + capacity * sizeof(Entry));
    plans->capacity = capacity;
    plans->destroy = destroy;
    return plans;
}

static void
drop(ScopePlans *plans, Entry *entry)
{
    if (entry->plan) {
        plans->destroy(entry->plan);
    }
}

void
scope_plans_destroy(ScopePlans *plans)
{
    for (guint i = 0; plans && i < plans->n; i++) {
        drop(plans, &plans->entries[i]);
    }
    g_free(plans);
}

/* FNV-1a */
static guint64
hash_of(gconstpointer key, gsize n_bytes)
{
    guint64 hash = G_GUINT64_CONSTANT(0xcbf29ce484222325);
    for (gsize i = 0; i < n_bytes; i++) {
        hash = (hash ^ ((const guint8 *)key)[i]) * G_GUINT64_CONSTANT(0x100000001b3);
    }
    return hash;
}

gboolean
scope_plans_find(ScopePlans *plans, gconstpointer key, gsize n_bytes, gpointer *ret_plan)
{
    guint64 hash = hash_of(key, n_bytes);
    for (guint i = 0; i < plans->n; i++) {
        Entry *e = &plans->entries[i];
        if (e->hash == hash && e->n_bytes == n_bytes && memcmp(e->key, key, n_bytes) == 0) {
            e->used_at = ++plans->clock;
            *ret_plan = e->plan;
            return TRUE;
        }
    }
    return FALSE;
}

void
scope_plans_insert(ScopePlans *plans, gconstpointer key, gsize n_bytes, gpointer plan)
{
    SCOPE_ASSERT(n_bytes >= 1 && n_bytes <= SCOPE_PLANS_MAX_KEY);
    Entry *e = &plans->entries[0];
    if (plans->n < plans->capacity) {
        e = &plans->entries[plans->n++];
    } else {
        for (guint i = 1; i < plans->n; i++) {
            e = plans->entries[i].used_at < e->used_at ? &plans->entries[i] : e;
        }
        drop(plans, e);
    }
    memcpy(e->key, key, n_bytes);
    e->n_bytes = n_bytes;
    e->hash = hash_of(key, n_bytes);
    e->plan = plan;
    e->used_at = ++plans->clock;
}

guint
scope_plans_get_n(const ScopePlans *plans)
{
    return plans->n;
}
