/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopePlans: what was found out about a shape (an algorithm, an execution plan, a graph), kept
 * under the bytes that describe the shape. Bounded: the least recently used plan makes room. One
 * owner thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define SCOPE_PLANS_MAX_KEY 512

typedef struct _ScopePlans ScopePlans;

/**
 * scope_plans_create:
 * @capacity: how many plans are kept, >= 1
 * @destroy: frees a plan that was dropped
 *
 * Returns: (transfer full): an empty cache.
 */
ScopePlans *scope_plans_create(guint capacity, GDestroyNotify destroy);

/** scope_plans_destroy: (nullable): frees the cache and its plans. */
void scope_plans_destroy(ScopePlans *plans);

/**
 * scope_plans_find:
 * @key: bytes without padding that was not set (zero the struct first)
 * @n_bytes: 1..SCOPE_PLANS_MAX_KEY
 * @ret_plan: (transfer none): the plan; NULL is a plan too ("there is none for this shape")
 *
 * Returns: whether the key is known. Allocates nothing.
 */
gboolean scope_plans_find(ScopePlans *plans, gconstpointer key, gsize n_bytes, gpointer *ret_plan);

/**
 * scope_plans_insert:
 * @key: as above, not known yet
 * @plan: (transfer full) (nullable)
 */
void scope_plans_insert(ScopePlans *plans, gconstpointer key, gsize n_bytes, gpointer plan);

/** scope_plans_get_n: how many keys are known. */
guint scope_plans_get_n(const ScopePlans *plans);

G_END_DECLS
