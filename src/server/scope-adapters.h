/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adapters in load requests, as JSON: which of them have a scale at run time, and what it is. No
 * state.
 */
#ifndef SCOPE_ADAPTERS_H
#define SCOPE_ADAPTERS_H

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * scope_adapters_is_same_request:
 * @a: load parameters as received
 * @b: others
 *
 * Thread: any. Errors: none.
 * Returns: whether both load the same; the scale of a run-time adapter makes no difference, for it
 *   is changed without a load.
 */
gboolean scope_adapters_is_same_request(JsonObject *a, JsonObject *b);

/**
 * scope_adapters_build_scales:
 * @load_params: as received
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full): path to scale, for each run-time adapter.
 */
JsonObject *scope_adapters_build_scales(JsonObject *load_params);

/**
 * scope_adapters_update_scales:
 * @scales: as above, changed
 * @lora_scales: (nullable): what a message says; paths that are not in @scales are passed over
 *
 * Thread: one at a time. Errors: none. Returns: nothing.
 */
void scope_adapters_update_scales(JsonObject *scales, JsonArray *lora_scales);

/**
 * scope_adapters_describe:
 * @load_params: as received
 * @scales: scales in force
 * @seen: paths that are in @list already; a set of strings that live as long as @load_params
 * @list: `loaded_lora_adapters` of a status; the adapters are appended
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_adapters_describe(JsonObject *load_params, JsonObject *scales, GHashTable *seen,
                             JsonArray *list);

G_END_DECLS

#endif
