/* SPDX-License-Identifier: Apache-2.0 */
/* Merging of updates: the rules, and that any way of coalescing replays to the same record. */
#include "core/scope-param-merge.h"

#include "core/scope-json.h"
#include "fake-pipelines.h"

static void
assert_merged(const char *record_json, const char *update_json, const char *want_json)
{
    g_autoptr(JsonObject) record = fake_json(record_json);
    g_autoptr(JsonObject) update = fake_json(update_json);
    g_autoptr(JsonObject) want = fake_json(want_json);
    g_autofree char *text = NULL;

    scope_param_merge(record, update);
    text = scope_json_object_to_string(record);
    g_test_message("%s", text);
    g_assert_true(scope_json_object_equal(record, want));
}

static void
test_rules(void)
{
    assert_merged("{'a': 1}", "{'b': 2}", "{'a': 1, 'b': 2}");
    assert_merged("{'a': [1, 2]}", "{'a': [3]}", "{'a': [3]}");
    assert_merged("{'a': 1}", "{'a': null}", "{'a': null}");
    assert_merged("{'transition': {'x': 1}}", "{'prompts': ['a']}", "{'prompts': ['a']}");
    assert_merged("{'transition': {'x': 1}}", "{'prompts': ['a'], 'transition': {'y': 1}}",
                  "{'prompts': ['a'], 'transition': {'y': 1}}");
    assert_merged("{}", "{'ctrl_input': {'button': ['A'], 'mouse': [1, 2]}}",
                  "{'ctrl_input': {'button': ['A'], 'mouse': [1, 2]}}");
    assert_merged("{'ctrl_input': {'button': ['A'], 'mouse': [1, 2]}}",
                  "{'ctrl_input': {'button': [], 'mouse': [0.5, -3]}}",
                  "{'ctrl_input': {'button': [], 'mouse': [1.5, -1]}}");
    assert_merged("{'ctrl_input': {'button': ['A'], 'mouse': [1, 2]}}",
                  "{'ctrl_input': {'mouse': [1, 1]}}",
                  "{'ctrl_input': {'button': ['A'], 'mouse': [2, 3]}}");
    assert_merged("{'ctrl_input': null}", "{'ctrl_input': {'mouse': [1, 1]}}",
                  "{'ctrl_input': {'mouse': [1, 1]}}");
}

static JsonObject *
random_update(GRand *random)
{
    JsonObject *update = json_object_new();
    guint bits = g_rand_int(random);

    if (bits & 1)
        json_object_set_int_member(update, "level", g_rand_int_range(random, 0, 255));
    if (bits & 2)
        json_object_set_int_member(update, "once", g_rand_int_range(random, 0, 9));
    if (bits & 4) {
        JsonObject *ctrl = json_object_new();
        JsonArray *mouse = json_array_new();

        json_array_add_int_element(mouse, g_rand_int_range(random, -9, 9));
        json_array_add_int_element(mouse, g_rand_int_range(random, -9, 9));
        json_object_set_array_member(ctrl, "mouse", mouse);
        json_object_set_object_member(update, "ctrl_input", ctrl);
    }
    if (bits & 8)
        json_object_set_string_member(update, "prompts", bits & 16 ? "a" : "b");
    if ((bits & 96) == 96)
        json_object_set_string_member(update, "transition", "t");
    return update;
}

/* Updates one by one, or collected into pending records of random length first. */
static JsonObject *
replay(guint32 seed, gboolean coalesce)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    g_autoptr(GRand) cuts = g_rand_new_with_seed(seed + 1);
    JsonObject *record = json_object_new();
    g_autoptr(JsonObject) pending = json_object_new();

    for (guint i = 0; i < 40; i++) {
        g_autoptr(JsonObject) update = random_update(random);

        if (!coalesce) {
            scope_param_merge(record, update);
            continue;
        }
        scope_param_merge(pending, update);
        if (g_rand_int_range(cuts, 0, 5) == 0) {
            scope_param_merge(record, pending);
            json_object_unref(pending);
            pending = json_object_new();
        }
    }
    if (coalesce)
        scope_param_merge(record, pending);
    return record;
}

static void
test_replay(void)
{
    for (guint i = 0; i < 500; i++) {
        guint32 seed = (guint32)g_test_rand_int();
        g_autoptr(JsonObject) one = replay(seed, FALSE);
        g_autoptr(JsonObject) two = replay(seed, TRUE);
        g_autoptr(JsonObject) again = replay(seed, TRUE);

        g_assert_true(scope_json_object_equal(one, two));
        g_assert_true(scope_json_object_equal(two, again));
    }
}

static void
test_one_shots(void)
{
    g_autoptr(ScopePipelineInfo) info = fake_info_new("fake");
    g_autoptr(JsonObject) record =
        fake_json("{'level': 3, 'once': 4, 'ctrl_input': {'button': ['A'], 'mouse': [1, 0]}}");
    g_autoptr(JsonObject) want =
        fake_json("{'level': 3, 'ctrl_input': {'button': ['A'], 'mouse': [0, 0]}}");

    g_assert_true(scope_param_take_one_shots(info->table, record));
    g_assert_true(scope_json_object_equal(record, want));
    g_assert_false(scope_param_take_one_shots(info->table, record));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/param-merge/rules", test_rules);
    g_test_add_func("/param-merge/replay", test_replay);
    g_test_add_func("/param-merge/one-shots", test_one_shots);
    return g_test_run();
}
