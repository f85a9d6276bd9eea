/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON parameters from a client: parsing, strict and tolerant validation, merging, snapshots. What
 * the validator accepts must be stored, and what the filter keeps must be accepted.
 */
#include <stddef.h>
#include <stdint.h>

#include "core/scope-assert.h"
#include "core/scope-json.h"
#include "core/scope-param-merge.h"
#include "core/scope-param-snapshot.h"
#include "core/scope-session-params.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_filter(ScopeParamTable *table, JsonObject *values)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(GPtrArray) none = scope_param_problems_new();
    g_autoptr(JsonObject) kept = scope_param_table_filter(table, values, problems);

    for (guint i = 0; i < problems->len; i++) {
        g_autofree char *text = scope_param_problem_to_string(problems->pdata[i]);

        SCOPE_ASSERT(g_utf8_validate(text, -1, NULL));
    }
    /* Only null for a parameter that is not nullable may be left. */
    scope_param_table_validate(table, kept, none);
    for (guint i = 0; i < none->len; i++)
        SCOPE_ASSERT(JSON_NODE_HOLDS_NULL(((ScopeParamProblem *)none->pdata[i])->value));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JsonObject) values =
        scope_json_parse_object((const char *)data, (gssize)size, 0, NULL);
    g_autoptr(JsonObject) record = json_object_new();
    ScopeParamTable *table = scope_session_params_get_table();
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(ScopeParamSnapshot) snapshot = NULL;
    g_autoptr(JsonObject) session = NULL;

    if (values == NULL)
        return 0;
    scope_session_params_validate(values, problems);
    session = scope_session_params_filter(values, NULL);
    check_filter(table, values);
    scope_param_merge(record, values);
    scope_param_merge(record, session);
    snapshot = scope_param_snapshot_new(table, values, record);
    SCOPE_ASSERT(scope_param_snapshot_get_values(snapshot) != NULL);
    scope_param_take_one_shots(table, record);
    SCOPE_ASSERT(scope_json_object_equal(record, record));
    return 0;
}
