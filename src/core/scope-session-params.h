/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters that the server itself knows, whatever pipeline runs (webrtc.md section 5.4), as a
 * table of the same kind: `initialParameters` and REST bodies are validated with it.
 */
#ifndef SCOPE_SESSION_PARAMS_H
#define SCOPE_SESSION_PARAMS_H

#include "core/scope-param-table.h"

G_BEGIN_DECLS

/**
 * scope_session_params_get_table:
 *
 * `graph`, `modulations`, `output_sinks`, `input_source` and other nested control members are not
 * part of it: those who act on them validate them.
 *
 * Returns: (transfer none): the table; lives as long as the process.
 * Thread: any.
 */
ScopeParamTable *scope_session_params_get_table(void);

/**
 * scope_session_params_validate_lora_scales:
 * @values: an object that may hold `lora_scales`
 * @problems: (nullable): what is wrong is appended
 *
 * `lora_scales` items need `path` and `scale`, unlike `loras`, whose scale defaults to 1. Called by
 * scope_session_params_validate().
 *
 * Returns: %TRUE when valid or absent.
 *
 * Thread: any.
 */
gboolean scope_session_params_validate_lora_scales(JsonObject *values, GPtrArray *problems);

/** scope_session_params_validate: the table and the rules beside it; strict. Thread: any. */
gboolean scope_session_params_validate(JsonObject *values, GPtrArray *problems);

/** scope_session_params_filter: (transfer full): tolerant form, as scope_param_table_filter().
 * Thread: any. */
JsonObject *scope_session_params_filter(JsonObject *values, GPtrArray *problems);

G_END_DECLS

#endif
