/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameter tables: what registration refuses, the shape of the schema, and the property that the
 * schema accepts exactly what the validator accepts, checked with random values.
 */
#include "core/scope-param-table.h"

#include <math.h>
#include <string.h>

#include "core/scope-error.h"
#include "core/scope-json.h"
#include "core/scope-param-snapshot.h"
#include "core/scope-session-params.h"
#include "fake-pipelines.h"

typedef struct {
    gboolean flag;
    gint64 count;
    gdouble ratio;
    gdouble amount;
    gboolean has_amount;
    const char *text;
    gint32 kind;
    gint32 shape;
    gboolean has_shape;
    ScopeIntList steps;
    ScopeStringList names;
    ScopePromptList prompts;
    ScopeTransition transition;
    gboolean has_transition;
    ScopeLoraList loras;
    ScopeCtrlInput ctrl_input;
    gboolean has_ctrl_input;
    gint64 live;
} Values;

static const char *const kinds[] = {"wan", "tae", NULL};
static const char *const shapes[] = {"round", "square", NULL};

#define RANGE_FLAGS SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX
#define CHUNK       .apply = SCOPE_PARAM_APPLY_CHUNK

/* clang-format off */
static const ScopeParamDesc params[] = {
    SCOPE_PARAM_BOOL(Values, flag, "true", .help = "A flag."),
    SCOPE_PARAM_INT(Values, count, "5", SCOPE_PARAM_RANGE(-3, 40), .flags = RANGE_FLAGS,
                    .help = "A count.", .order = 4, .group = "resolution",
                    .default_video_json = "7"),
    SCOPE_PARAM_FLOAT(Values, ratio, "0.5", SCOPE_PARAM_RANGE(0, 1), CHUNK,
                      .flags = RANGE_FLAGS | SCOPE_PARAM_MODULATABLE, .label = "Ratio",
                      .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO), .help = "A ratio."),
    SCOPE_PARAM_FLOAT(Values, amount, "null", .flags = SCOPE_PARAM_NULLABLE, CHUNK,
                      SCOPE_PARAM_NULL_IF_UNSET(Values, amount), .help = "An amount."),
    SCOPE_PARAM_STRING(Values, text, "\"hello\"", CHUNK, .help = "A text."),
    SCOPE_PARAM_ENUM(Values, kind, "\"tae\"", .choices = kinds, .enum_name = "Kind", CHUNK,
                     .help = "A kind."),
    SCOPE_PARAM_ENUM(Values, shape, "null", .choices = shapes, .flags = SCOPE_PARAM_NULLABLE,
                     SCOPE_PARAM_NULL_IF_UNSET(Values, shape), CHUNK, .help = "A shape."),
    SCOPE_PARAM_INT_LIST(Values, steps, "[3, 2, 1]", .help = "Steps.", CHUNK),
    SCOPE_PARAM_STRING_LIST(Values, names, "[]", .help = "Names.", CHUNK),
    SCOPE_PARAM_PROMPTS(Values, prompts, "[]", .help = "Prompts.", CHUNK),
    SCOPE_PARAM_TRANSITION(Values, transition, "null", .flags = SCOPE_PARAM_NULLABLE, CHUNK,
                           SCOPE_PARAM_NULL_IF_UNSET(Values, transition), .help = "Transition."),
    SCOPE_PARAM_LORAS(Values, loras, "[]", .help = "Adapters."),
    SCOPE_PARAM_CTRL_INPUT(Values, ctrl_input, "null", CHUNK,
                           .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                           SCOPE_PARAM_NULL_IF_UNSET(Values, ctrl_input), .help = "Keys."),
    SCOPE_PARAM_INT(Values, live, "1", .flags = SCOPE_PARAM_LIVE | SCOPE_PARAM_HIDDEN,
                    .help = "Load-time in the panel, but live."),
};
/* clang-format on */

static ScopeParamTable *
new_table(ScopeParamTableFlags flags)
{
    g_autoptr(GError) error = NULL;
    ScopeParamTable *table =
        scope_param_table_new(params, G_N_ELEMENTS(params), sizeof(Values), flags, &error);

    g_assert_no_error(error);
    return table;
}

/* -- A checker for the subset of JSON Schema that tables produce ----------------------------- */

static JsonObject *schema_root;

static gboolean check_schema(JsonObject *schema, JsonNode *value);

static gboolean
has_type(const char *type, JsonNode *value)
{
    GType gtype = JSON_NODE_HOLDS_VALUE(value) ? json_node_get_value_type(value) : G_TYPE_INVALID;
    gdouble number = gtype == G_TYPE_DOUBLE ? json_node_get_double(value) : 0.0;

    if (g_str_equal(type, "null"))
        return JSON_NODE_HOLDS_NULL(value);
    if (g_str_equal(type, "object"))
        return JSON_NODE_HOLDS_OBJECT(value);
    if (g_str_equal(type, "array"))
        return JSON_NODE_HOLDS_ARRAY(value);
    if (g_str_equal(type, "string"))
        return gtype == G_TYPE_STRING;
    if (g_str_equal(type, "boolean"))
        return gtype == G_TYPE_BOOLEAN;
    if (g_str_equal(type, "number"))
        return gtype == G_TYPE_INT64 || gtype == G_TYPE_DOUBLE;
    g_assert_cmpstr(type, ==, "integer");
    return gtype == G_TYPE_INT64 ||
           (gtype == G_TYPE_DOUBLE && number >= floor(number) && number <= floor(number));
}

static gboolean
check_any_of(JsonArray *branches, JsonNode *value)
{
    for (guint i = 0; i < json_array_get_length(branches); i++) {
        if (check_schema(json_array_get_object_element(branches, i), value))
            return TRUE;
    }
    return FALSE;
}

static gboolean
check_members(JsonObject *schema, JsonObject *object)
{
    JsonObject *properties = scope_json_object_get_object(schema, "properties");
    JsonArray *required = scope_json_object_get_array(schema, "required");
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    for (guint i = 0; required != NULL && i < json_array_get_length(required); i++) {
        if (!json_object_has_member(object, json_array_get_string_element(required, i)))
            return FALSE;
    }
    json_object_iter_init(&iter, object);
    while (json_object_iter_next(&iter, &key, &value)) {
        JsonObject *property = scope_json_object_get_object(properties, key);

        if (property != NULL && !check_schema(property, value))
            return FALSE;
        if (property == NULL && !scope_json_object_get_bool(schema, "additionalProperties", TRUE))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_items(JsonObject *schema, JsonArray *array)
{
    JsonObject *items = scope_json_object_get_object(schema, "items");
    guint n = json_array_get_length(array);

    if (n < scope_json_object_get_int(schema, "minItems", 0) ||
        n > scope_json_object_get_int(schema, "maxItems", G_MAXINT))
        return FALSE;
    for (guint i = 0; i < n; i++) {
        if (!check_schema(items, json_array_get_element(array, i)))
            return FALSE;
    }
    return TRUE;
}

static gboolean
check_enum(JsonArray *choices, JsonNode *value)
{
    for (guint i = 0; i < json_array_get_length(choices); i++) {
        if (scope_json_equal(json_array_get_element(choices, i), value))
            return TRUE;
    }
    return FALSE;
}

static gboolean
check_schema(JsonObject *schema, JsonNode *value)
{
    const char *ref = scope_json_object_get_string(schema, "$ref");
    const char *type = scope_json_object_get_string(schema, "type");
    JsonArray *any_of = scope_json_object_get_array(schema, "anyOf");
    JsonArray *choices = scope_json_object_get_array(schema, "enum");

    if (ref != NULL) {
        g_assert_true(g_str_has_prefix(ref, "#/$defs/"));
        schema = scope_json_object_get_object(scope_json_object_get_object(schema_root, "$defs"),
                                              ref + strlen("#/$defs/"));
        g_assert_nonnull(schema);
        return check_schema(schema, value);
    }
    if (any_of != NULL && !check_any_of(any_of, value))
        return FALSE;
    if (type != NULL && !has_type(type, value))
        return FALSE;
    if (choices != NULL && !check_enum(choices, value))
        return FALSE;
    if (JSON_NODE_HOLDS_OBJECT(value))
        return check_members(schema, json_node_get_object(value));
    if (JSON_NODE_HOLDS_ARRAY(value) && json_object_has_member(schema, "items"))
        return check_items(schema, json_node_get_array(value));
    if (json_object_has_member(schema, "minimum") &&
        json_node_get_double(value) < json_object_get_double_member(schema, "minimum"))
        return FALSE;
    return !json_object_has_member(schema, "maximum") ||
           json_node_get_double(value) <= json_object_get_double_member(schema, "maximum");
}

/* -- Random values --------------------------------------------------------------------------- */

static const char *const words[] = {"text",
                                    "weight",
                                    "path",
                                    "scale",
                                    "merge_mode",
                                    "button",
                                    "mouse",
                                    "target_prompts",
                                    "wan",
                                    "tae",
                                    "round",
                                    "linear",
                                    "slerp",
                                    "",
                                    "x",
                                    "num_steps",
                                    "temporal_interpolation_method",
                                    "permanent_merge",
                                    "runtime_peft"};

static JsonNode *random_value(guint depth);

static JsonNode *
random_scalar(void)
{
    JsonNode *node = json_node_new(JSON_NODE_VALUE);

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        json_node_set_int(node, g_test_rand_int_range(-6, 50));
        return node;
    case 1:
        json_node_set_double(node, g_test_rand_double_range(-1.5, 2.5));
        return node;
    case 2:
        json_node_set_double(node, g_test_rand_int_range(-12, 45));
        return node;
    case 3:
        json_node_set_boolean(node, g_test_rand_bit());
        return node;
    case 4:
        json_node_set_string(node, words[g_test_rand_int_range(0, G_N_ELEMENTS(words))]);
        return node;
    default:
        json_node_unref(node);
        return json_node_new(JSON_NODE_NULL);
    }
}

static JsonNode *
random_array(guint depth)
{
    JsonArray *array = json_array_new();
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    gint n = g_test_rand_int_range(0, 4);

    for (gint i = 0; i < n; i++)
        json_array_add_element(array, random_value(depth + 1));
    json_node_take_array(node, array);
    return node;
}

static JsonNode *
random_object(guint depth)
{
    /* Sets of members that belong together, so that valid objects are met often enough. */
    static const char *const sets[][4] = {
        {"text", "weight", NULL},
        {"path", "scale", "merge_mode", NULL},
        {"button", "mouse", NULL},
        {"target_prompts", "num_steps", "temporal_interpolation_method", NULL}};
    const char *const *set = sets[g_test_rand_int_range(0, G_N_ELEMENTS(sets))];
    JsonObject *object = json_object_new();
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);

    for (guint i = 0; i < 4 && set[i] != NULL; i++) {
        if (g_test_rand_int_range(0, 4) > 0)
            json_object_set_member(object, set[i], random_value(depth + 1));
    }
    json_node_take_object(node, object);
    return node;
}

static JsonNode *
random_value(guint depth)
{
    gint kind = depth > 3 ? 0 : g_test_rand_int_range(0, 4);

    return kind <= 1 ? random_scalar() : kind == 2 ? random_array(depth) : random_object(depth);
}

/* A valid value, changed in one random place or not at all: hits the edges of the rules. */
static JsonNode *
near_valid_value(const char *key)
{
    static const struct {
        const char *key;
        const char *json;
    } seeds[] = {
        {"steps", "[9, 5, 2]"},
        {"names", "[\"a\", \"b\"]"},
        {"prompts", "[{\"text\": \"a\", \"weight\": 1}, \"b\"]"},
        {"prompts", "\"a\""},
        {"transition", "{\"target_prompts\": [\"a\"], \"num_steps\": 3}"},
        {"loras", "[{\"path\": \"p\", \"scale\": 1, \"merge_mode\": null}]"},
        {"ctrl_input", "{\"button\": [\"KeyA\"], \"mouse\": [1, 2.5]}"},
    };
    JsonNode *value = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(seeds) && value == NULL; i++) {
        if (g_str_equal(seeds[i].key, key) && g_test_rand_bit())
            value = scope_json_parse(seeds[i].json, -1, 0, NULL);
    }
    if (value == NULL)
        return random_value(0);
    if (JSON_NODE_HOLDS_OBJECT(value) && g_test_rand_bit()) {
        g_autoptr(GList) members = json_object_get_members(json_node_get_object(value));
        const char *member =
            g_list_nth_data(members, (guint)g_test_rand_int_range(0, (gint)g_list_length(members)));

        json_object_set_member(json_node_get_object(value), member, random_value(2));
    } else if (JSON_NODE_HOLDS_ARRAY(value) && g_test_rand_bit()) {
        json_array_add_element(json_node_get_array(value), random_value(2));
    }
    return value;
}

static void
check_agreement(ScopeParamTable *table, const char *title, guint n_rounds)
{
    g_autoptr(JsonObject) schema = scope_param_table_build_schema(table, title);
    guint n_valid = 0;

    schema_root = schema;
    for (guint round = 0; round < n_rounds; round++) {
        guint index = (guint)g_test_rand_int_range(0, (gint)scope_param_table_get_n(table));
        const ScopeParamDesc *desc = scope_param_table_get(table, index);
        g_autoptr(JsonNode) value = near_valid_value(desc->key);
        g_autoptr(JsonObject) object = json_object_new();
        g_autoptr(GPtrArray) problems = scope_param_problems_new();
        gboolean valid;

        if (desc->flags & SCOPE_PARAM_HIDDEN)
            continue;
        json_object_set_member(object, desc->key, scope_json_copy(value));
        valid = scope_param_table_validate(table, object, problems);
        if (valid != check_members(schema, object)) {
            g_autofree char *text = scope_json_object_to_string(object);

            g_test_message("validator says %d, the schema does not: %s", valid, text);
            g_test_fail();
            return;
        }
        g_assert_cmpint(valid, ==, problems->len == 0);
        n_valid += valid ? 1 : 0;
    }
    g_assert_cmpuint(n_valid, >, n_rounds / 50);
    g_assert_cmpuint(n_valid, <, n_rounds);
}

static void
test_schema_agrees(void)
{
    g_autoptr(ScopeParamTable) table = new_table(SCOPE_PARAM_TABLE_BASE);

    check_agreement(table, "TestConfig", 30000);
    check_agreement(scope_session_params_get_table(), "SessionConfig", 30000);
}

/* -- Shape ----------------------------------------------------------------------------------- */

static void
assert_property(JsonObject *schema, const char *key, const char *expected)
{
    JsonObject *properties = scope_json_object_get_object(schema, "properties");
    g_autoptr(JsonObject) want = fake_json(expected);

    if (!scope_json_object_equal(scope_json_object_get_object(properties, key), want)) {
        g_autofree char *got =
            scope_json_object_to_string(scope_json_object_get_object(properties, key));

        g_test_message("%s is %s", key, got);
        g_test_fail();
    }
}

static void
test_schema_shape(void)
{
    g_autoptr(ScopeParamTable) table = new_table(SCOPE_PARAM_TABLE_BASE);
    g_autoptr(JsonObject) schema = scope_param_table_build_schema(table, "TestConfig");
    JsonObject *properties = scope_json_object_get_object(schema, "properties");
    g_autoptr(GList) members = json_object_get_members(properties);

    g_assert_cmpstr(scope_json_object_get_string(schema, "title"), ==, "TestConfig");
    g_assert_false(scope_json_object_get_bool(schema, "additionalProperties", TRUE));
    g_assert_cmpstr(g_list_nth_data(members, 0), ==, "height");
    g_assert_cmpstr(g_list_nth_data(members, 10), ==, "vace_context_scale");
    g_assert_cmpstr(g_list_nth_data(members, 11), ==, "flag");
    g_assert_false(json_object_has_member(properties, "live"));

    assert_property(schema, "height",
                    "{'type': 'integer', 'minimum': 1, 'default': 512, 'title': 'Height', "
                    "'description': 'Height of the output.'}");
    assert_property(schema, "count",
                    "{'type': 'integer', 'minimum': -3, 'maximum': 40, 'default': 5, "
                    "'title': 'Count', 'description': 'A count.', 'ui': {'category': "
                    "'configuration', 'is_load_param': true, 'order': 4, 'component': "
                    "'resolution'}}");
    assert_property(schema, "ratio",
                    "{'type': 'number', 'minimum': 0.0, 'maximum': 1.0, 'default': 0.5, "
                    "'title': 'Ratio', 'description': 'A ratio.', 'ui': {'category': "
                    "'configuration', 'is_load_param': false, 'modes': ['video'], 'label': "
                    "'Ratio', 'modulatable': true, 'modulatable_min': 0.0, 'modulatable_max': "
                    "1.0}}");
    assert_property(schema, "kind",
                    "{'$ref': '#/$defs/Kind', 'default': 'tae', 'description': 'A kind.', 'ui': "
                    "{'category': 'configuration', 'is_load_param': false}}");
    assert_property(schema, "lora_merge_strategy",
                    "{'anyOf': [{'type': 'string', 'enum': ['permanent_merge', 'runtime_peft']}, "
                    "{'type': 'null'}], 'default': null, 'title': 'Lora Merge Strategy', "
                    "'description': 'How LoRA adapters are applied to the weights.'}");
}

/* -- What registration refuses ---------------------------------------------------------------- */

static void
assert_refused(ScopeParamDesc desc, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeParamTable) table =
        scope_param_table_new(&desc, 1, sizeof(Values), SCOPE_PARAM_TABLE_PLAIN, &error);

    g_assert_null(table);
    g_assert_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID);
    if (strstr(error->message, part) == NULL) {
        g_test_message("\"%s\" does not say \"%s\"", error->message, part);
        g_test_fail();
    }
}

static void
test_refuses(void)
{
    const ScopeParamDesc good = SCOPE_PARAM_INT(Values, count, "5", SCOPE_PARAM_RANGE(0, 9),
                                                .flags = RANGE_FLAGS, .help = "A count.");
    ScopeParamDesc bad;

#define REFUSE(part, ...)                                                                          \
    do {                                                                                           \
        bad = good;                                                                                \
        __VA_ARGS__;                                                                               \
        assert_refused(bad, part);                                                                 \
    } while (0)
    REFUSE("snake_case", bad.key = "Count");
    REFUSE("snake_case", bad.key = "a-b");
    REFUSE("help", bad.help = NULL);
    REFUSE("full stop", bad.help = "A count");
    REFUSE("no default", bad.default_json = NULL);
    REFUSE("not JSON", bad.default_json = "{");
    REFUSE("not valid", bad.default_json = "12");
    REFUSE("text default", bad.default_text_json = "-1");
    REFUSE("video default", bad.default_video_json = "\"x\"");
    REFUSE("outside the struct", bad.offset = sizeof(Values));
    REFUSE("offset_set", bad.flags |= SCOPE_PARAM_NULLABLE; bad.offset_set = bad.offset);
    REFUSE("min is greater", bad.min = 10);
    REFUSE("2^53", bad.max = 1e18);
    REFUSE("choices", bad.type = SCOPE_PARAM_TYPE_ENUM; bad.flags = 0);
    REFUSE("type is unknown", bad.type = SCOPE_PARAM_TYPE_INVALID);
    REFUSE("bounds", bad.type = SCOPE_PARAM_TYPE_BOOL);
#undef REFUSE

    {
        ScopeParamDesc twice[2] = {good, good};
        g_autoptr(GError) error = NULL;

        g_assert_null(
            scope_param_table_new(twice, 2, sizeof(Values), SCOPE_PARAM_TABLE_PLAIN, &error));
        g_assert_nonnull(strstr(error->message, "key is used twice"));
        g_clear_error(&error);
        twice[1].key = "other";
        g_assert_null(
            scope_param_table_new(twice, 2, sizeof(Values), SCOPE_PARAM_TABLE_PLAIN, &error));
        g_assert_nonnull(strstr(error->message, "field is used twice"));
    }
}

/* -- Messages and forms ----------------------------------------------------------------------- */

static void
test_problems(void)
{
    g_autoptr(ScopeParamTable) table = new_table(SCOPE_PARAM_TABLE_PLAIN);
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonObject) values =
        fake_json("{'ratio': 1.5, 'unknown': 1, 'flag': false, 'kind': 'x', 'steps': [1, 'a'], "
                  "'prompts': [{'text': 'a'}, {'weight': -1}], 'ctrl_input': {'mouse': [1]}}");
    static const char *const texts[] = {
        "ratio must be a number from 0 to 1, not 1.5",
        "kind must be one of wan, tae, not \"x\"",
        "steps[1] must be an integer, not \"a\"",
        "prompts[1].text is required",
        "prompts[1].weight must be a number of at least 0, not -1",
        "ctrl_input.mouse must be a list [dx, dy] of two numbers, not [1]",
    };
    static const char *const types[] = {"less_than_equal", "literal_error",      "int_type",
                                        "missing",         "greater_than_equal", "too_short"};
    g_autoptr(JsonObject) kept = NULL;
    g_autoptr(JsonObject) want = fake_json("{'unknown': 1, 'flag': false}");

    g_assert_false(scope_param_table_validate(table, values, problems));
    g_assert_cmpuint(problems->len, ==, G_N_ELEMENTS(texts));
    for (guint i = 0; i < problems->len; i++) {
        const ScopeParamProblem *problem = problems->pdata[i];
        g_autofree char *text = scope_param_problem_to_string(problem);

        g_assert_cmpstr(text, ==, texts[i]);
        g_assert_cmpstr(problem->type, ==, types[i]);
    }
    g_assert_cmpint(json_array_get_int_element(((ScopeParamProblem *)problems->pdata[3])->loc, 1),
                    ==, 1);
    kept = scope_param_table_filter(table, values, NULL);
    g_assert_true(scope_json_object_equal(kept, want));
}

static void
test_snapshot_layers(void)
{
    g_autoptr(ScopeParamTable) table = new_table(SCOPE_PARAM_TABLE_BASE);
    g_autoptr(JsonObject) load =
        fake_json("{'count': 9, 'text': 'load', 'amount': 2.5, 'kind': 'wan', 'live': 2}");
    g_autoptr(JsonObject) runtime = fake_json(
        "{'count': 11, 'text': 'run', 'amount': null, 'ratio': 7, 'live': 3, 'steps': [4.0, 1], "
        "'prompts': ['a', {'text': 'b', 'weight': 3}], 'shape': 'square', "
        "'transition': {'target_prompts': 'c', 'temporal_interpolation_method': 'slerp'}, "
        "'ctrl_input': {'button': ['KeyW'], 'mouse': [1, -2]}}");
    g_autoptr(ScopeParamSnapshot) snapshot = scope_param_snapshot_new(table, load, runtime);
    const Values *values = scope_param_snapshot_get_values(snapshot);

    g_assert_true(values->flag);
    g_assert_cmpint(values->count, ==, 9);     /* load-time: the runtime value waits for a load */
    g_assert_cmpint(values->live, ==, 3);      /* SCOPE_PARAM_LIVE */
    g_assert_cmpfloat(values->ratio, ==, 0.5); /* 7 is invalid: the layer below */
    g_assert_false(values->has_amount);
    g_assert_cmpstr(values->text, ==, "run");
    g_assert_cmpint(values->kind, ==, 0);
    g_assert_true(values->has_shape);
    g_assert_cmpint(values->shape, ==, 1);
    g_assert_cmpuint(values->steps.n_items, ==, 2);
    g_assert_cmpint(values->steps.items[0], ==, 4);
    g_assert_cmpuint(values->prompts.n_items, ==, 2);
    g_assert_cmpstr(values->prompts.items[1].text, ==, "b");
    g_assert_cmpfloat(values->prompts.items[0].weight, ==, 1.0);
    g_assert_true(values->has_transition);
    g_assert_true(values->transition.slerp);
    g_assert_cmpuint(values->transition.num_steps, ==, 4);
    g_assert_cmpstr(values->transition.target_prompts.items[0].text, ==, "c");
    g_assert_cmpstr(values->ctrl_input.buttons.items[0], ==, "KeyW");
    g_assert_cmpfloat(values->ctrl_input.mouse_dy, ==, -2.0);
}

static void
test_session_params(void)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonObject) good = fake_json(
        "{'input_mode': 'video', 'prompts': [{'text': 'a', 'weight': 100}], 'noise_scale': null, "
        "'lora_scales': [{'path': 'x', 'scale': -10}], 'graph': {}, 'whatever': [1]}");
    g_autoptr(JsonObject) bad =
        fake_json("{'input_mode': 'both', 'noise_scale': 1.01, 'kv_cache_attention_bias': 0, "
                  "'lora_scales': [{'path': 'x'}], 'vace_context_scale': 2.5, 'paused': 1}");
    g_autoptr(JsonObject) kept = NULL;

    g_assert_true(scope_session_params_validate(good, problems));
    g_assert_cmpuint(problems->len, ==, 0);
    g_assert_false(scope_session_params_validate(bad, problems));
    g_assert_cmpuint(problems->len, ==, 6);
    kept = scope_session_params_filter(bad, NULL);
    g_assert_cmpuint(json_object_get_size(kept), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/param-table/refuses", test_refuses);
    g_test_add_func("/param-table/schema-shape", test_schema_shape);
    g_test_add_func("/param-table/schema-agrees", test_schema_agrees);
    g_test_add_func("/param-table/problems", test_problems);
    g_test_add_func("/param-table/snapshot-layers", test_snapshot_layers);
    g_test_add_func("/param-table/session", test_session_params);
    return g_test_run();
}
