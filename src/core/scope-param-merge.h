/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging of parameter updates: shallow, in order of arrival, later wins; motion of the mouse adds
 * up. Pure functions over JSON objects, so that a log of updates replays to the same values.
 */
#ifndef SCOPE_PARAM_MERGE_H
#define SCOPE_PARAM_MERGE_H

#include "core/scope-param-table.h"

G_BEGIN_DECLS

/**
 * scope_param_merge:
 * @record: changed in place
 * @update: left alone; its values are copied
 *
 * Rules beside "later wins": `ctrl_input.mouse` is summed while `ctrl_input.button` is replaced;
 * `prompts` without `transition` removes a `transition` that waits in @record; null replaces.
 *
 * Thread: any, @record is not shared.
 */
void scope_param_merge(JsonObject *record, JsonObject *update);

/**
 * scope_param_take_one_shots:
 * @table: tells which parameters act once
 * @record: members that act once are removed, and the motion of the mouse is set to zero
 *
 * To be called after a chunk has taken @record.
 *
 * Returns: whether @record changed, so that the next chunk needs another snapshot.
 * Thread: any, @record is not shared.
 */
gboolean scope_param_take_one_shots(const ScopeParamTable *table, JsonObject *record);

G_END_DECLS

#endif
