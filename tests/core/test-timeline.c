/* SPDX-License-Identifier: Apache-2.0 */
/* Timelines: every version that the page wrote, JSON Lines, workflow files, and broken ones. */
#include "core/scope-timeline.h"

#include <string.h>

#include "core/scope-json.h"

static ScopeTimeline *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    ScopeTimeline *timeline = scope_timeline_parse(text, strlen(text), "t.json", &error);

    g_assert_no_error(error);
    return timeline;
}

static const ScopeTimelineBlock *
block_at(ScopeTimeline *timeline, guint index)
{
    g_assert_cmpuint(index, <, timeline->blocks->len);
    return timeline->blocks->pdata[index];
}

static void
test_current_version(void)
{
    g_autoptr(ScopeTimeline) timeline = parse(
        "{\"version\":\"2.1\",\"prompts\":["
        "{\"startTime\":0,\"endTime\":4.5,\"prompts\":[{\"text\":\"fire\",\"weight\":30},"
        "{\"text\":\"ice\"}]},"
        "{\"startTime\":4.5,\"endTime\":9,\"prompts\":[{\"text\":\"sea\",\"weight\":100}],"
        "\"transitionSteps\":6,\"temporalInterpolationMethod\":\"slerp\"}],"
        "\"settings\":{\"pipelineId\":\"longlive\",\"resolution\":{\"width\":576,\"height\":320},"
        "\"seed\":7,\"noiseScale\":0.5,\"denoisingSteps\":[1000,500],"
        "\"loras\":[{\"id\":\"x\",\"path\":\"a.safetensors\",\"scale\":2,\"mergeMode\":\"runtime_"
        "peft\"}],"
        "\"schemaFieldOverrides\":{\"vae_type\":\"tae\"}}}");
    const ScopeTimelineBlock *first = block_at(timeline, 0), *second = block_at(timeline, 1);
    g_autofree char *text = scope_json_object_to_string(timeline->parameters);

    g_assert_cmpuint(timeline->blocks->len, ==, 2);
    g_assert_cmpuint(first->n_prompts, ==, 2);
    g_assert_cmpstr(first->prompts[0].text, ==, "fire");
    g_assert_cmpfloat(first->prompts[0].weight, ==, 30);
    g_assert_cmpfloat(first->prompts[1].weight, ==, 100);
    g_assert_cmpint(first->transition_steps, ==, -1);
    g_assert_cmpint(second->transition_steps, ==, 6);
    g_assert_cmpstr(second->transition_method, ==, "slerp");
    g_assert_cmpstr(timeline->pipeline_id, ==, "longlive");
    g_assert_cmpint(scope_json_object_get_int(timeline->parameters, "base_seed", -1), ==, 7);
    g_assert_cmpint(scope_json_object_get_int(timeline->parameters, "width", -1), ==, 576);
    g_assert_cmpstr(scope_json_object_get_string(timeline->parameters, "vae_type"), ==, "tae");
    g_assert_nonnull(strstr(text, "\"merge_mode\":\"runtime_peft\""));
    g_assert_nonnull(strstr(text, "\"denoising_step_list\":[1000,500]"));
}

static void
test_changes(void)
{
    g_autoptr(ScopeTimeline) timeline =
        parse("{\"prompts\":[{\"startTime\":0,\"endTime\":9,\"text\":\"a\"}],\"parameterChanges\":["
              "{\"time\":4,\"values\":{\"noise_scale\":0.5,\"paused\":true}},"
              "{\"time\":0,\"values\":{\"noise_scale\":0.1,\"base_seed\":3}}]}");
    JsonObject *message = json_object_new();

    g_assert_null(scope_timeline_add_changes(timeline, 4, 9, NULL));
    json_object_set_int_member(message, "x", 1);
    message = scope_timeline_add_changes(timeline, -1, 4, message);
    g_assert_cmpuint(json_object_get_size(message), ==, 3);
    g_assert_cmpfloat(json_object_get_double_member(message, "noise_scale"), ==, 0.5);
    json_object_unref(message);
    message = scope_timeline_add_changes(timeline, -1, 0, NULL);
    g_assert_cmpfloat(json_object_get_double_member(message, "noise_scale"), ==, 0.1);
    g_assert_cmpint(json_object_get_int_member(message, "base_seed"), ==, 3);
    json_object_unref(message);
}

static void
test_old_text(void)
{
    g_autoptr(ScopeTimeline) timeline =
        parse("{\"version\":\"1.0\",\"prompts\":[{\"startTime\":2,\"endTime\":3,\"text\":\"b\"},"
              "{\"startTime\":0,\"endTime\":2.5,\"text\":\"a\"},{\"startTime\":3,\"endTime\":3,"
              "\"text\":\"none\"}]}");

    g_assert_cmpuint(timeline->blocks->len, ==, 2);
    g_assert_cmpstr(block_at(timeline, 0)->prompts[0].text, ==, "a");
    g_assert_cmpfloat(block_at(timeline, 0)->end_s, ==, 2);
    g_assert_cmpstr(block_at(timeline, 1)->prompts[0].text, ==, "b");
}

static void
test_workflow(void)
{
    g_autoptr(ScopeTimeline) timeline = parse(
        "{\"format\":\"scope-workflow\",\"timeline\":{\"entries\":[{\"start_time\":0,"
        "\"end_time\":1,\"prompts\":[{\"text\":\"x\",\"weight\":1}],\"transition_steps\":0}]}}");

    g_assert_cmpuint(timeline->blocks->len, ==, 1);
    g_assert_cmpint(block_at(timeline, 0)->transition_steps, ==, 0);
}

static void
test_lines(void)
{
    g_autoptr(ScopeTimeline) timeline =
        parse("{\"prompts\": [\"one\", \"two\"]}\n\n{\"prompts\": [\"three\"]}\n");

    g_assert_cmpuint(timeline->blocks->len, ==, 2);
    g_assert_cmpuint(block_at(timeline, 0)->n_prompts, ==, 2);
    g_assert_cmpfloat(block_at(timeline, 1)->start_s, ==, 5);
    g_assert_cmpstr(block_at(timeline, 1)->prompts[0].text, ==, "three");
}

static void
test_find(void)
{
    g_autoptr(ScopeTimeline) timeline =
        parse("{\"prompts\":[{\"startTime\":1,\"endTime\":2,\"text\":\"a\"},"
              "{\"startTime\":4,\"endTime\":5,\"text\":\"b\"}]}");
    g_autoptr(ScopeTimeline) empty = parse("{\"prompts\":[]}");

    g_assert_cmpstr(scope_timeline_find(timeline, 0)->prompts[0].text, ==, "a");
    g_assert_cmpstr(scope_timeline_find(timeline, 3)->prompts[0].text, ==, "a");
    g_assert_cmpstr(scope_timeline_find(timeline, 4)->prompts[0].text, ==, "b");
    g_assert_cmpstr(scope_timeline_find(timeline, 99)->prompts[0].text, ==, "b");
    g_assert_null(scope_timeline_find(empty, 0));
}

static void
test_message(void)
{
    g_autoptr(ScopeTimeline) timeline =
        parse("{\"prompts\":[{\"startTime\":0,\"endTime\":1,\"text\":\"a\"},"
              "{\"startTime\":1,\"endTime\":2,\"text\":\"b\",\"transitionSteps\":0}]}");
    g_autoptr(JsonObject) first =
        scope_timeline_block_build_message(block_at(timeline, 0), TRUE, 4);
    g_autoptr(JsonObject) later =
        scope_timeline_block_build_message(block_at(timeline, 0), FALSE, 4);
    g_autoptr(JsonObject) cut = scope_timeline_block_build_message(block_at(timeline, 1), FALSE, 4);
    g_autofree char *later_text = scope_json_object_to_string(later);

    g_assert_true(json_object_has_member(first, "prompts"));
    g_assert_cmpstr(later_text, ==,
                    "{\"transition\":{\"target_prompts\":[{\"text\":\"a\",\"weight\":100.0}],"
                    "\"num_steps\":4}}");
    g_assert_true(json_object_has_member(cut, "prompts"));
}

static void
test_broken(void)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "t.json"},
        {"[]", "t.json"},
        {"{\"prompts\":3}", "no list `prompts`"},
        {"{\"prompts\":[3]}", "entry 1: not an object"},
        {"{\"prompts\":[{\"startTime\":0,\"endTime\":1}]}", "neither `prompts` nor `text`"},
        {"{\"prompts\":[{\"startTime\":\"0\",\"endTime\":1,\"text\":\"a\"}]}", "startTime"},
        {"{\"prompts\":[{\"startTime\":0,\"endTime\":1,\"prompts\":[{\"weight\":1}]}]}",
         "no `text`"},
        {"{\"prompts\":[{\"startTime\":0,\"endTime\":1,\"prompts\":[{\"text\":\"a\","
         "\"weight\":-1}]}]}",
         "weight"},
        {"{\"prompts\":[{\"startTime\":0,\"endTime\":1,\"text\":\"a\",\"transitionSteps\":1.5}]}",
         "transitionSteps"},
        {"{\"prompts\":[\"a\"]}\n{\"prompts\":", "entry 2"},
        {"{\"prompts\":[],\"parameterChanges\":[{\"time\":-1,\"values\":{}}]}",
         "parameter change 1: `time`"},
        {"{\"prompts\":[],\"parameterChanges\":[{\"time\":1}]}", "no object `values`"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        ScopeTimeline *timeline =
            scope_timeline_parse(cases[i].text, strlen(cases[i].text), "t.json", &error);

        g_assert_null(timeline);
        g_assert_nonnull(error);
        if (!strstr(error->message, cases[i].says))
            g_test_fail_printf("%s: \"%s\" does not say \"%s\"", cases[i].text, error->message,
                               cases[i].says);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/timeline/current-version", test_current_version);
    g_test_add_func("/timeline/changes", test_changes);
    g_test_add_func("/timeline/old-text", test_old_text);
    g_test_add_func("/timeline/workflow", test_workflow);
    g_test_add_func("/timeline/lines", test_lines);
    g_test_add_func("/timeline/find", test_find);
    g_test_add_func("/timeline/message", test_message);
    g_test_add_func("/timeline/broken", test_broken);
    return g_test_run();
}
