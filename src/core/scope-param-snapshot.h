/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of one moment, in the pipeline's own struct: what process() reads. Immutable and
 * refcounted; all memory lies in an arena that goes with the last owner.
 */
#ifndef SCOPE_PARAM_SNAPSHOT_H
#define SCOPE_PARAM_SNAPSHOT_H

#include "core/scope-param-table.h"

G_BEGIN_DECLS

/** ScopeParamSnapshot: opaque. All functions: any thread. */
typedef struct _ScopeParamSnapshot ScopeParamSnapshot;

/**
 * scope_param_snapshot_new:
 * @table: whose struct is filled
 * @load: (nullable): load-time values
 * @runtime: (nullable): merged values of the session
 *
 * Layers: defaults, then @load, then those members of @runtime that may change at run time
 * (SCOPE_PARAM_APPLY_CHUNK, or SCOPE_PARAM_LIVE). A member that is invalid, or null where null is
 * not allowed, leaves the layer below.
 *
 * Returns: (transfer full): the snapshot.
 *
 * Thread: any.
 */
ScopeParamSnapshot *scope_param_snapshot_new(ScopeParamTable *table, JsonObject *load,
                                             JsonObject *runtime);

/** scope_param_snapshot_ref: another owner. Returns: @snapshot. Thread: any. */
ScopeParamSnapshot *scope_param_snapshot_ref(ScopeParamSnapshot *snapshot);

/** scope_param_snapshot_unref: (nullable): one owner less. Thread: any. */
void scope_param_snapshot_unref(ScopeParamSnapshot *snapshot);

/** scope_param_snapshot_get_values: (transfer none): the filled struct, aligned to 16 bytes.
 * Thread: any. */
const void *scope_param_snapshot_get_values(const ScopeParamSnapshot *snapshot);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeParamSnapshot, scope_param_snapshot_unref)

G_END_DECLS

#endif
