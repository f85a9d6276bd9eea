/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation of JSON values against parameter descriptions. Every rule here has its counterpart in
 * scope-param-schema.c; a property test holds the two together. No state, any thread.
 */
#include "core/scope-param-table-private.h"

#include <math.h>
#include <string.h>

#include "core/scope-json.h"

/* Where in the JSON document we are: a list on the stack, innermost first. */
typedef struct Loc {
    const struct Loc *parent;
    const char *key; /* NULL = index */
    guint index;
} Loc;

void
scope_param_problem_free(ScopeParamProblem *problem)
{
    if (problem == NULL)
        return;
    g_free(problem->path);
    g_clear_pointer(&problem->loc, json_array_unref);
    g_free(problem->message);
    g_clear_pointer(&problem->value, json_node_unref);
    g_free(problem->allowed);
    g_free(problem);
}

GPtrArray *
scope_param_problems_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)scope_param_problem_free);
}

char *
scope_param_problem_to_string(const ScopeParamProblem *problem)
{
    g_autofree char *value = NULL;

    if (problem->value == NULL)
        return g_strdup_printf("%s %s", problem->path, problem->message);
    value = scope_json_to_string(problem->value);
    if (strlen(value) > 80) {
        g_autofree char *cut = g_utf8_substring(value, 0, MIN(60, g_utf8_strlen(value, -1)));

        return g_strdup_printf("%s %s, not %s...", problem->path, problem->message, cut);
    }
    return g_strdup_printf("%s %s, not %s", problem->path, problem->message, value);
}

static void
append_loc(const Loc *loc, GString *path, JsonArray *array)
{
    if (loc == NULL)
        return;
    append_loc(loc->parent, path, array);
    if (loc->key != NULL) {
        g_string_append_printf(path, "%s%s", path->len > 0 ? "." : "", loc->key);
        json_array_add_string_element(array, loc->key);
    } else {
        g_string_append_printf(path, "[%u]", loc->index);
        json_array_add_int_element(array, loc->index);
    }
}

/* Always FALSE, so that callers can return it. */
static gboolean
report(GPtrArray *problems, const Loc *loc, const char *type, JsonNode *value, const char *allowed)
{
    ScopeParamProblem *problem;
    g_autoptr(GString) path = NULL;

    if (problems == NULL)
        return FALSE;
    path = g_string_new(NULL);
    problem = g_new0(ScopeParamProblem, 1);
    problem->loc = json_array_new();
    append_loc(loc, path, problem->loc);
    problem->path = g_string_free(g_steal_pointer(&path), FALSE);
    problem->type = type;
    problem->allowed = g_strdup(allowed);
    if (strcmp(type, "missing") == 0) {
        problem->message = g_strdup("is required");
    } else {
        problem->message = g_strdup_printf("must be %s", allowed);
        problem->value = scope_json_copy(value);
    }
    g_ptr_array_add(problems, problem);
    return FALSE;
}

static GType
value_type(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node)
                                                       : G_TYPE_INVALID;
}

/* -- Words for what is allowed ------------------------------------------------------------------
 */

static char *
dup_range(const char *what, guint32 flags, gdouble min, gdouble max)
{
    gboolean has_min = flags & SCOPE_PARAM_HAS_MIN;
    gboolean has_max = flags & SCOPE_PARAM_HAS_MAX;

    if (has_min && has_max)
        return g_strdup_printf("%s from %.15g to %.15g", what, min, max);
    if (has_min)
        return g_strdup_printf("%s of at least %.15g", what, min);
    if (has_max)
        return g_strdup_printf("%s of at most %.15g", what, max);
    return g_strdup(what);
}

static char *
dup_choices(const char *const *choices)
{
    g_autofree char *joined = g_strjoinv(", ", (char **)choices);

    return g_strdup_printf("one of %s", joined);
}

char *
scope_param_dup_allowed(const ScopeParamDesc *desc)
{
    g_autofree char *item = NULL;

    switch (desc->type) {
    case SCOPE_PARAM_TYPE_BOOL:
        return g_strdup("true or false");
    case SCOPE_PARAM_TYPE_INT:
        return dup_range("an integer", desc->flags, desc->min, desc->max);
    case SCOPE_PARAM_TYPE_FLOAT:
        return dup_range("a number", desc->flags, desc->min, desc->max);
    case SCOPE_PARAM_TYPE_STRING:
        return desc->choices != NULL ? dup_choices(desc->choices) : g_strdup("a string");
    case SCOPE_PARAM_TYPE_ENUM:
        return dup_choices(desc->choices);
    case SCOPE_PARAM_TYPE_INT_LIST:
        item = dup_range("integers", desc->flags, desc->min, desc->max);
        return g_strdup_printf("a list of %s%s",
                               desc->flags & SCOPE_PARAM_DESCENDING ? "strictly descending " : "",
                               item);
    case SCOPE_PARAM_TYPE_STRING_LIST:
        return g_strdup("a list of strings");
    case SCOPE_PARAM_TYPE_PROMPTS:
        return g_strdup("a list of {text, weight} or of strings");
    case SCOPE_PARAM_TYPE_TRANSITION:
        return g_strdup("an object {target_prompts, num_steps, temporal_interpolation_method}");
    case SCOPE_PARAM_TYPE_LORAS:
        return g_strdup("a list of {path, scale, merge_mode}");
    case SCOPE_PARAM_TYPE_CTRL_INPUT:
        return g_strdup("an object {button, mouse}");
    case SCOPE_PARAM_TYPE_INVALID:
    default:
        return g_strdup("nothing");
    }
}

/* -- Rules ----------------------------------------------------------------------------------------
 */

typedef struct {
    guint32 flags;
    gdouble min;
    gdouble max;
} Bounds;

static gboolean
check_number(JsonNode *node, const Bounds *bounds, gboolean integer, const Loc *loc,
             GPtrArray *problems)
{
    GType type = value_type(node);
    g_autofree char *allowed = NULL;
    const char *rule = NULL;
    gdouble value = 0.0;

    if (type == G_TYPE_INT64 || type == G_TYPE_DOUBLE)
        value = json_node_get_double(node);
    if (type != G_TYPE_INT64 && type != G_TYPE_DOUBLE)
        rule = integer ? "int_type" : "float_type";
    else if (!isfinite(value))
        rule = "finite_number";
    else if (integer && type == G_TYPE_DOUBLE &&
             (fabs(value) > 9007199254740992.0 || value < floor(value) || value > floor(value)))
        rule = "int_type";
    else if ((bounds->flags & SCOPE_PARAM_HAS_MIN) && value < bounds->min)
        rule = "greater_than_equal";
    else if ((bounds->flags & SCOPE_PARAM_HAS_MAX) && value > bounds->max)
        rule = "less_than_equal";
    if (rule == NULL)
        return TRUE;

    allowed =
        dup_range(integer ? "an integer" : "a number", bounds->flags, bounds->min, bounds->max);
    return report(problems, loc, rule, node, allowed);
}

static gboolean
check_string(JsonNode *node, const char *const *choices, const Loc *loc, GPtrArray *problems)
{
    g_autofree char *allowed = NULL;

    if (value_type(node) == G_TYPE_STRING &&
        (choices == NULL || g_strv_contains(choices, json_node_get_string(node))))
        return TRUE;
    allowed = choices != NULL ? dup_choices(choices) : g_strdup("a string");
    return report(problems, loc, choices != NULL ? "literal_error" : "string_type", node, allowed);
}

static JsonArray *
check_array(JsonNode *node, const char *allowed, const Loc *loc, GPtrArray *problems)
{
    if (node != NULL && JSON_NODE_HOLDS_ARRAY(node))
        return json_node_get_array(node);
    report(problems, loc, "list_type", node, allowed);
    return NULL;
}

static gboolean
check_string_list(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    JsonArray *array = check_array(node, "a list of strings", loc, problems);
    gboolean valid = array != NULL;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        Loc item = {loc, NULL, i};

        valid &= check_string(json_array_get_element(array, i), NULL, &item, problems);
    }
    return valid;
}

static gboolean
check_int_list(const ScopeParamDesc *desc, JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    Bounds bounds = {desc->flags, desc->min, desc->max};
    g_autofree char *allowed = scope_param_dup_allowed(desc);
    JsonArray *array = check_array(node, allowed, loc, problems);
    gboolean valid = array != NULL;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        Loc item = {loc, NULL, i};

        valid &= check_number(json_array_get_element(array, i), &bounds, TRUE, &item, problems);
    }
    if (!valid || !(desc->flags & SCOPE_PARAM_DESCENDING))
        return valid;
    for (guint i = 1; i < json_array_get_length(array); i++) {
        if (json_array_get_double_element(array, i) >= json_array_get_double_element(array, i - 1))
            return report(problems, loc, "value_error", node, allowed);
    }
    return TRUE;
}

/* A member of an object that may be absent when it is not required. */
static gboolean
get_member(JsonObject *object, const char *key, gboolean required, const Loc *loc,
           GPtrArray *problems, JsonNode **ret_node)
{
    *ret_node = json_object_get_member(object, key);
    if (*ret_node != NULL || !required)
        return TRUE;
    return report(problems, loc, "missing", NULL, "present");
}

static gboolean
check_prompt(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    Bounds weight_bounds = {SCOPE_PARAM_HAS_MIN, 0.0, 0.0};
    Loc text_loc = {loc, "text", 0};
    Loc weight_loc = {loc, "weight", 0};
    JsonObject *object;
    JsonNode *member;
    gboolean valid;

    if (value_type(node) == G_TYPE_STRING)
        return TRUE;
    if (!JSON_NODE_HOLDS_OBJECT(node))
        return report(problems, loc, "dict_type", node, "an object {text, weight} or a string");
    object = json_node_get_object(node);
    valid = get_member(object, "text", TRUE, &text_loc, problems, &member);
    if (member != NULL)
        valid &= check_string(member, NULL, &text_loc, problems);
    member = json_object_get_member(object, "weight");
    if (member != NULL)
        valid &= check_number(member, &weight_bounds, FALSE, &weight_loc, problems);
    return valid;
}

static gboolean
check_prompts(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    JsonArray *array;
    gboolean valid;

    if (value_type(node) == G_TYPE_STRING)
        return TRUE;
    array = check_array(node, "a list of {text, weight} or of strings", loc, problems);
    valid = array != NULL;
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        Loc item = {loc, NULL, i};

        valid &= check_prompt(json_array_get_element(array, i), &item, problems);
    }
    return valid;
}

static gboolean
check_transition(const ScopeParamDesc *desc, JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    static const char *const methods[] = {"linear", "slerp", NULL};
    Bounds steps_bounds = {SCOPE_PARAM_HAS_MIN, 0.0, 0.0};
    Loc target_loc = {loc, "target_prompts", 0};
    Loc steps_loc = {loc, "num_steps", 0};
    Loc method_loc = {loc, "temporal_interpolation_method", 0};
    g_autofree char *allowed = NULL;
    JsonObject *object;
    JsonNode *member;
    gboolean valid;

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        allowed = scope_param_dup_allowed(desc);
        return report(problems, loc, "dict_type", node, allowed);
    }
    object = json_node_get_object(node);
    valid = get_member(object, "target_prompts", TRUE, &target_loc, problems, &member);
    if (member != NULL)
        valid &= check_prompts(member, &target_loc, problems);
    member = json_object_get_member(object, "num_steps");
    if (member != NULL)
        valid &= check_number(member, &steps_bounds, TRUE, &steps_loc, problems);
    member = json_object_get_member(object, "temporal_interpolation_method");
    if (member != NULL)
        valid &= check_string(member, methods, &method_loc, problems);
    return valid;
}

static gboolean
check_lora(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    static const char *const modes[] = {"permanent_merge", "runtime_peft", NULL};
    Bounds scale_bounds = {SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX, -10.0, 10.0};
    Loc path_loc = {loc, "path", 0};
    Loc scale_loc = {loc, "scale", 0};
    Loc mode_loc = {loc, "merge_mode", 0};
    JsonObject *object;
    JsonNode *member;
    gboolean valid;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return report(problems, loc, "dict_type", node, "an object {path, scale, merge_mode}");
    object = json_node_get_object(node);
    valid = get_member(object, "path", TRUE, &path_loc, problems, &member);
    if (member != NULL)
        valid &= check_string(member, NULL, &path_loc, problems);
    member = json_object_get_member(object, "scale");
    if (member != NULL)
        valid &= check_number(member, &scale_bounds, FALSE, &scale_loc, problems);
    member = json_object_get_member(object, "merge_mode");
    if (member != NULL && !JSON_NODE_HOLDS_NULL(member))
        valid &= check_string(member, modes, &mode_loc, problems);
    return valid;
}

static gboolean
check_loras(const ScopeParamDesc *desc, JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    g_autofree char *allowed = scope_param_dup_allowed(desc);
    JsonArray *array = check_array(node, allowed, loc, problems);
    gboolean valid = array != NULL;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        Loc item = {loc, NULL, i};

        valid &= check_lora(json_array_get_element(array, i), &item, problems);
    }
    return valid;
}

static gboolean
check_mouse(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    Bounds bounds = {0, 0.0, 0.0};
    JsonArray *array = check_array(node, "a list [dx, dy] of two numbers", loc, problems);
    gboolean valid = array != NULL;
    guint n;

    if (array == NULL)
        return FALSE;
    n = json_array_get_length(array);
    if (n != 2)
        return report(problems, loc, n < 2 ? "too_short" : "too_long", node,
                      "a list [dx, dy] of two numbers");
    for (guint i = 0; i < n; i++) {
        Loc item = {loc, NULL, i};

        valid &= check_number(json_array_get_element(array, i), &bounds, FALSE, &item, problems);
    }
    return valid;
}

static gboolean
check_ctrl_input(JsonNode *node, const Loc *loc, GPtrArray *problems)
{
    Loc button_loc = {loc, "button", 0};
    Loc mouse_loc = {loc, "mouse", 0};
    gboolean valid = TRUE;
    JsonObject *object;
    JsonNode *member;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return report(problems, loc, "dict_type", node, "an object {button, mouse}");
    object = json_node_get_object(node);
    member = json_object_get_member(object, "button");
    if (member != NULL)
        valid &= check_string_list(member, &button_loc, problems);
    member = json_object_get_member(object, "mouse");
    if (member != NULL)
        valid &= check_mouse(member, &mouse_loc, problems);
    return valid;
}

gboolean
scope_param_validate_value(const ScopeParamDesc *desc, JsonNode *value, GPtrArray *problems)
{
    Bounds bounds = {desc->flags, desc->min, desc->max};
    Loc loc = {NULL, desc->key, 0};
    g_autofree char *allowed = NULL;

    if (value == NULL || JSON_NODE_HOLDS_NULL(value)) {
        if (desc->flags & SCOPE_PARAM_NULLABLE)
            return TRUE;
        allowed = scope_param_dup_allowed(desc);
        return report(problems, &loc, "value_error", value, allowed);
    }
    switch (desc->type) {
    case SCOPE_PARAM_TYPE_BOOL:
        return value_type(value) == G_TYPE_BOOLEAN ||
               report(problems, &loc, "bool_type", value, "true or false");
    case SCOPE_PARAM_TYPE_INT:
        return check_number(value, &bounds, TRUE, &loc, problems);
    case SCOPE_PARAM_TYPE_FLOAT:
        return check_number(value, &bounds, FALSE, &loc, problems);
    case SCOPE_PARAM_TYPE_STRING:
    case SCOPE_PARAM_TYPE_ENUM:
        return check_string(value, desc->choices, &loc, problems);
    case SCOPE_PARAM_TYPE_INT_LIST:
        return check_int_list(desc, value, &loc, problems);
    case SCOPE_PARAM_TYPE_STRING_LIST:
        return check_string_list(value, &loc, problems);
    case SCOPE_PARAM_TYPE_PROMPTS:
        return check_prompts(value, &loc, problems);
    case SCOPE_PARAM_TYPE_TRANSITION:
        return check_transition(desc, value, &loc, problems);
    case SCOPE_PARAM_TYPE_LORAS:
        return check_loras(desc, value, &loc, problems);
    case SCOPE_PARAM_TYPE_CTRL_INPUT:
        return check_ctrl_input(value, &loc, problems);
    case SCOPE_PARAM_TYPE_INVALID:
    default:
        return report(problems, &loc, "value_error", value, "nothing");
    }
}

gboolean
scope_param_table_validate(const ScopeParamTable *self, JsonObject *values, GPtrArray *problems)
{
    gboolean valid = TRUE;
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    json_object_iter_init_ordered(&iter, values);
    while (json_object_iter_next_ordered(&iter, &key, &value)) {
        const ScopeParamDesc *desc = scope_param_table_lookup(self, key);

        if (desc != NULL)
            valid &= scope_param_validate_value(desc, value, problems);
    }
    return valid;
}

JsonObject *
scope_param_table_filter(const ScopeParamTable *self, JsonObject *values, GPtrArray *problems)
{
    JsonObject *kept = json_object_new();
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    json_object_iter_init_ordered(&iter, values);
    while (json_object_iter_next_ordered(&iter, &key, &value)) {
        const ScopeParamDesc *desc = scope_param_table_lookup(self, key);

        if (desc == NULL || JSON_NODE_HOLDS_NULL(value) ||
            scope_param_validate_value(desc, value, problems))
            json_object_set_member(kept, key, scope_json_copy(value));
    }
    return kept;
}
