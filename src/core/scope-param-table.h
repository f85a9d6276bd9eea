/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A parameter table that was checked at registration: lookup by key, validation of JSON objects and
 * the JSON Schema for clients. Immutable, refcounted.
 */
#ifndef SCOPE_PARAM_TABLE_H
#define SCOPE_PARAM_TABLE_H

#include <json-glib/json-glib.h>

#include <scope/scope-param.h>

G_BEGIN_DECLS

/** ScopeParamTable: opaque, immutable. All functions: any thread. */
typedef struct _ScopeParamTable ScopeParamTable;

/**
 * ScopeParamTableFlags:
 * @SCOPE_PARAM_TABLE_BASE: add the fields of every pipeline (pipelines.md 4.1) that are missing
 */
typedef enum {
    SCOPE_PARAM_TABLE_PLAIN = 0,
    SCOPE_PARAM_TABLE_BASE = 1 << 0,
} ScopeParamTableFlags;

/**
 * ScopeParamProblem:
 * @path: for people: `prompts[1].weight`
 * @loc: the same as keys (string) and indices (integer), for 422 bodies; does not contain `body`
 * @type: name of the rule as in 422 bodies: `missing`, `bool_type`, `int_type`, `float_type`,
 *   `finite_number`, `string_type`, `list_type`, `dict_type`, `too_short`, `too_long`,
 *   `greater_than_equal`, `less_than_equal`, `literal_error`, `value_error`
 * @message: what is wrong and what would be right, without the path
 * @value: (nullable): the offending value; %NULL for `missing`
 * @allowed: what is accepted, for example `0 to 1` or `wan, lightvae, tae, lighttae`
 *
 * One member of a JSON object that a table does not accept.
 */
typedef struct {
    char *path;
    JsonArray *loc;
    const char *type;
    char *message;
    JsonNode *value;
    char *allowed;
} ScopeParamProblem;

/** scope_param_problem_free: (nullable). Thread: any. */
void scope_param_problem_free(ScopeParamProblem *problem);

/** scope_param_problem_to_string: (transfer full): `noise_scale: 1.5 is ... (allowed: 0 to 1)`.
 * Thread: any. */
char *scope_param_problem_to_string(const ScopeParamProblem *problem);

/** scope_param_problems_new: (transfer full): an empty list that owns ScopeParamProblem. Thread:
 * any. */
GPtrArray *scope_param_problems_new(void);

/**
 * scope_param_table_new:
 * @params: (array length=n_params): must stay valid
 * @n_params: how many
 * @values_size: sizeof of the struct that @params points into
 * @flags: see ScopeParamTableFlags
 * @error: (nullable): names the key and the defect
 *
 * Checks: keys unique and snake_case, help present with a full stop, offsets inside the struct and
 * not overlapping, bounds in order, choices present, defaults (base, text, video) accepted by the
 * parameter itself.
 *
 * Errors: SCOPE_CORE_ERROR_INVALID.
 * Returns: (transfer full): the table, or %NULL.
 *
 * Thread: any.
 */
ScopeParamTable *scope_param_table_new(const ScopeParamDesc *params, guint n_params,
                                       gsize values_size, ScopeParamTableFlags flags,
                                       GError **error);

/** scope_param_table_ref: another owner. Returns: @table. Thread: any. */
ScopeParamTable *scope_param_table_ref(ScopeParamTable *table);

/** scope_param_table_unref: (nullable): one owner less. Thread: any. */
void scope_param_table_unref(ScopeParamTable *table);

/** scope_param_table_get_n: parameters in order of the schema, hidden ones included. Thread: any.
 */
guint scope_param_table_get_n(const ScopeParamTable *table);

/** scope_param_table_get: (transfer none): the parameter at @index. Thread: any. */
const ScopeParamDesc *scope_param_table_get(const ScopeParamTable *table, guint index);

/** scope_param_table_is_stored: whether the parameter at @index has a field in the struct. Thread:
 * any. */
gboolean scope_param_table_is_stored(const ScopeParamTable *table, guint index);

/** scope_param_table_get_default: (transfer none): the default of the parameter at @index. Thread:
 * any. */
JsonNode *scope_param_table_get_default(const ScopeParamTable *table, guint index);

/** scope_param_table_get_values_size: bytes of the struct. Thread: any. */
gsize scope_param_table_get_values_size(const ScopeParamTable *table);

/** scope_param_table_find: index of @key, or -1. Thread: any. */
gint scope_param_table_find(const ScopeParamTable *table, const char *key);

/** scope_param_table_lookup: (transfer none) (nullable): the parameter with @key. Thread: any. */
const ScopeParamDesc *scope_param_table_lookup(const ScopeParamTable *table, const char *key);

/**
 * scope_param_table_validate:
 * @values: JSON object; members that the table does not know are ignored
 * @problems: (nullable): what is wrong is appended, in order of the members
 *
 * Strict: for requests that apply whole or not at all.
 *
 * Returns: %TRUE when every known member is valid.
 *
 * Thread: any.
 */
gboolean scope_param_table_validate(const ScopeParamTable *table, JsonObject *values,
                                    GPtrArray *problems);

/**
 * scope_param_table_filter:
 * @values: JSON object, left alone
 * @problems: (nullable): what was dropped is appended
 *
 * Tolerant: for messages of a running stream. Members that are unknown, and null for a parameter
 * that is not nullable (it means: back to the default), stay.
 *
 * Returns: (transfer full): a new object without the members that are invalid.
 *
 * Thread: any.
 */
JsonObject *scope_param_table_filter(const ScopeParamTable *table, JsonObject *values,
                                     GPtrArray *problems);

/**
 * scope_param_validate_value:
 * @desc: the parameter
 * @value: (nullable): any JSON value; %NULL counts as null
 * @problems: (nullable): what is wrong is appended
 *
 * Returns: %TRUE when the value is valid.
 *
 * Thread: any.
 */
gboolean scope_param_validate_value(const ScopeParamDesc *desc, JsonNode *value,
                                    GPtrArray *problems);

/** scope_param_dup_allowed: (transfer full): what @desc accepts, in words. Thread: any. */
char *scope_param_dup_allowed(const ScopeParamDesc *desc);

/**
 * scope_param_table_build_schema:
 * @title: of the schema, for example `LongLiveConfig`
 *
 * The JSON Schema of pipelines.md section 6: properties in order, `$defs`, `ui`; hidden parameters
 * are left out.
 *
 * Returns: (transfer full): a new object.
 *
 * Thread: any.
 */
JsonObject *scope_param_table_build_schema(const ScopeParamTable *table, const char *title);

/** scope_param_dup_title: (transfer full): `base_seed` as `Base Seed`. Thread: any. */
char *scope_param_dup_title(const char *key);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeParamTable, scope_param_table_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeParamProblem, scope_param_problem_free)

G_END_DECLS

#endif
