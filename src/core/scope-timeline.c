/* SPDX-License-Identifier: Apache-2.0 */
/* Reader of prompt timelines; see scope-timeline.h. Any thread. */
#include "core/scope-timeline.h"

#include <math.h>
#include <string.h>

#include "core/scope-error.h"
#include "core/scope-json.h"

#define MAX_BYTES      (16u << 20)
#define MAX_ENTRIES    10000u
#define MAX_PROMPTS    50u
#define MAX_STEPS      1000
#define LINE_SECONDS   5.0
#define DEFAULT_WEIGHT 100.0

/* ---- blocks -------------------------------------------------------------------------------- */

static void
block_free(gpointer data)
{
    ScopeTimelineBlock *block = data;

    for (guint i = 0; i < block->n_prompts; i++)
        g_free((char *)block->prompts[i].text);
    g_free(block->prompts);
    g_free(block);
}

static void
change_free(gpointer data)
{
    ScopeTimelineChange *change = data;

    g_clear_pointer(&change->values, json_object_unref);
    g_free(change);
}

void
scope_timeline_free(ScopeTimeline *timeline)
{
    if (!timeline)
        return;
    g_ptr_array_unref(timeline->blocks);
    g_ptr_array_unref(timeline->changes);
    g_free(timeline->pipeline_id);
    g_clear_pointer(&timeline->parameters, json_object_unref);
    g_free(timeline);
}

static ScopeTimeline *
timeline_new(void)
{
    ScopeTimeline *timeline = g_new0(ScopeTimeline, 1);

    timeline->blocks = g_ptr_array_new_with_free_func(block_free);
    timeline->changes = g_ptr_array_new_with_free_func(change_free);
    timeline->parameters = json_object_new();
    return timeline;
}

static gboolean
set_invalid(GError **error, const char *name, const char *what, guint index, const char *problem)
{
    g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "%s: %s %u: %s", name, what,
                index + 1, problem);
    return FALSE;
}

static void
add_prompt(ScopeTimelineBlock *block, const char *text, gdouble weight)
{
    block->prompts = g_renew(ScopePrompt, block->prompts, block->n_prompts + 1);
    block->prompts[block->n_prompts++] = (ScopePrompt){.text = g_strdup(text), .weight = weight};
}

/* Reads `[{text, weight}]` or a list of strings; what is wrong with it, or NULL. */
static const char *
read_prompts(JsonArray *list, ScopeTimelineBlock *block)
{
    for (guint i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        const gboolean is_text =
            JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;

        if (block->n_prompts == MAX_PROMPTS)
            return "more than 50 prompts";
        if (is_text) {
            add_prompt(block, json_node_get_string(node), DEFAULT_WEIGHT);
            continue;
        }
        if (!JSON_NODE_HOLDS_OBJECT(node))
            return "a prompt is neither an object nor a string";
        JsonObject *prompt = json_node_get_object(node);
        const char *text = scope_json_object_get_string(prompt, "text");
        const gdouble weight = scope_json_object_get_double(prompt, "weight", DEFAULT_WEIGHT);
        if (!text)
            return "a prompt has no `text`";
        if (!isfinite(weight) || weight < 0)
            return "the weight of a prompt is not a number of at least 0";
        add_prompt(block, text, weight);
    }
    return NULL;
}

static const char *
read_method(const char *method)
{
    if (g_strcmp0(method, "slerp") == 0)
        return "slerp";
    return g_strcmp0(method, "linear") == 0 ? "linear" : NULL;
}

/* The member under its camelCase or snake_case name. */
static JsonNode *
get_either(JsonObject *object, const char *camel, const char *snake)
{
    JsonNode *node = json_object_get_member(object, camel);
    return node ? node : json_object_get_member(object, snake);
}

static gdouble
get_number(JsonObject *object, const char *camel, const char *snake, gdouble fallback)
{
    JsonNode *node = get_either(object, camel, snake);

    if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
        !g_value_type_transformable(json_node_get_value_type(node), G_TYPE_DOUBLE))
        return fallback;
    return json_node_get_double(node);
}

/* Reads one entry into @block; what is wrong with it, or NULL. */
static const char *
read_entry(JsonObject *entry, ScopeTimelineBlock *block)
{
    const char *text = scope_json_object_get_string(entry, "text");
    JsonArray *prompts = scope_json_object_get_array(entry, "prompts");
    const gdouble steps = get_number(entry, "transitionSteps", "transition_steps", -1);
    JsonNode *method =
        get_either(entry, "temporalInterpolationMethod", "temporal_interpolation_method");

    block->start_s = get_number(entry, "startTime", "start_time", NAN);
    block->end_s = get_number(entry, "endTime", "end_time", NAN);
    if (!isfinite(block->start_s) || !isfinite(block->end_s) || block->start_s < 0)
        return "`startTime` and `endTime` are not both numbers of seconds";
    if (steps != floor(steps) || steps < -1 || steps > MAX_STEPS)
        return "`transitionSteps` is not a whole number from 0 to 1000";
    block->transition_steps = (gint)steps;
    if (method && JSON_NODE_HOLDS_VALUE(method) &&
        json_node_get_value_type(method) == G_TYPE_STRING)
        block->transition_method = read_method(json_node_get_string(method));
    const char *problem = prompts ? read_prompts(prompts, block) : NULL;
    if (problem)
        return problem;
    if (block->n_prompts == 0 && text)
        add_prompt(block, text, DEFAULT_WEIGHT);
    return block->n_prompts == 0 ? "neither `prompts` nor `text`" : NULL;
}

static int
compare_starts(gconstpointer a, gconstpointer b)
{
    const ScopeTimelineBlock *const *left = a, *const *right = b;
    return ((*left)->start_s > (*right)->start_s) - ((*left)->start_s < (*right)->start_s);
}

/* Sorts, cuts overlaps and drops what has no length. */
static void
settle_blocks(ScopeTimeline *timeline)
{
    GPtrArray *blocks = timeline->blocks;

    g_ptr_array_sort(blocks, compare_starts);
    for (guint i = 0; i + 1 < blocks->len; i++) {
        ScopeTimelineBlock *block = blocks->pdata[i];
        const ScopeTimelineBlock *next = blocks->pdata[i + 1];
        block->end_s = MIN(block->end_s, next->start_s);
    }
    for (guint i = blocks->len; i-- > 0;) {
        const ScopeTimelineBlock *block = blocks->pdata[i];
        if (block->end_s <= block->start_s)
            g_ptr_array_remove_index(blocks, i);
    }
}

static gboolean
read_entries(ScopeTimeline *timeline, JsonArray *entries, const char *name, GError **error)
{
    const guint n_entries = json_array_get_length(entries);

    for (guint i = 0; i < n_entries; i++) {
        JsonNode *node = json_array_get_element(entries, i);
        ScopeTimelineBlock *block = g_new0(ScopeTimelineBlock, 1);
        const char *problem = "not an object";

        g_ptr_array_add(timeline->blocks, block);
        if (i >= MAX_ENTRIES)
            problem = "more than 10000 entries";
        else if (JSON_NODE_HOLDS_OBJECT(node))
            problem = read_entry(json_node_get_object(node), block);
        if (problem)
            return set_invalid(error, name, "entry", i, problem);
    }
    settle_blocks(timeline);
    return TRUE;
}

/* ---- changes ------------------------------------------------------------------------------- */

/* Reads `{time, values}` into @change; what is wrong with it, or NULL. */
static const char *
read_change(JsonObject *entry, ScopeTimelineChange *change)
{
    JsonObject *values = scope_json_object_get_object(entry, "values");

    change->time_s = scope_json_object_get_double(entry, "time", NAN);
    if (!isfinite(change->time_s) || change->time_s < 0)
        return "`time` is not a number of seconds";
    if (!values)
        return "no object `values`";
    change->values = scope_json_object_copy(values);
    json_object_remove_member(change->values, "paused");
    json_object_remove_member(change->values, "input_mode");
    return NULL;
}

static int
compare_times(gconstpointer a, gconstpointer b)
{
    const ScopeTimelineChange *const *left = a, *const *right = b;
    return ((*left)->time_s > (*right)->time_s) - ((*left)->time_s < (*right)->time_s);
}

static gboolean
read_changes(ScopeTimeline *timeline, JsonArray *entries, const char *name, GError **error)
{
    for (guint i = 0; i < json_array_get_length(entries); i++) {
        JsonNode *node = json_array_get_element(entries, i);
        ScopeTimelineChange *change = g_new0(ScopeTimelineChange, 1);
        const char *problem = "not an object";

        g_ptr_array_add(timeline->changes, change);
        if (i >= MAX_ENTRIES)
            problem = "more than 10000 changes";
        else if (JSON_NODE_HOLDS_OBJECT(node))
            problem = read_change(json_node_get_object(node), change);
        if (problem)
            return set_invalid(error, name, "parameter change", i, problem);
    }
    g_ptr_array_sort(timeline->changes, compare_times);
    return TRUE;
}

/* ---- settings ------------------------------------------------------------------------------ */

static void
copy_member(JsonObject *from, const char *key, JsonObject *to, const char *name)
{
    JsonNode *node = json_object_get_member(from, key);

    if (node)
        json_object_set_member(to, name, scope_json_copy(node));
}

static void
read_loras(JsonObject *settings, JsonObject *parameters)
{
    JsonArray *list = scope_json_object_get_array(settings, "loras");
    g_autoptr(JsonArray) loras = json_array_new();

    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        if (!JSON_NODE_HOLDS_OBJECT(node))
            continue;
        JsonObject *lora = json_object_new();
        copy_member(json_node_get_object(node), "path", lora, "path");
        copy_member(json_node_get_object(node), "scale", lora, "scale");
        copy_member(json_node_get_object(node), "mergeMode", lora, "merge_mode");
        json_array_add_object_element(loras, lora);
    }
    if (json_array_get_length(loras) > 0)
        json_object_set_array_member(parameters, "loras", g_steal_pointer(&loras));
}

/* The settings of a timeline file under the names that the server knows. */
static void
read_settings(ScopeTimeline *timeline, JsonObject *settings)
{
    static const struct {
        const char *member;
        const char *parameter;
    } names[] = {
        {"inputMode", "input_mode"},
        {"seed", "base_seed"},
        {"denoisingSteps", "denoising_step_list"},
        {"noiseScale", "noise_scale"},
        {"noiseController", "noise_controller"},
        {"manageCache", "manage_cache"},
        {"quantization", "quantization"},
        {"kvCacheAttentionBias", "kv_cache_attention_bias"},
        {"loraMergeStrategy", "lora_merge_mode"},
    };
    JsonObject *resolution = scope_json_object_get_object(settings, "resolution");
    JsonObject *overrides = scope_json_object_get_object(settings, "schemaFieldOverrides");

    timeline->pipeline_id = g_strdup(scope_json_object_get_string(settings, "pipelineId"));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        copy_member(settings, names[i].member, timeline->parameters, names[i].parameter);
    if (resolution) {
        copy_member(resolution, "width", timeline->parameters, "width");
        copy_member(resolution, "height", timeline->parameters, "height");
    }
    read_loras(settings, timeline->parameters);
    g_autoptr(GList) keys = overrides ? json_object_get_members(overrides) : NULL;
    for (GList *key = keys; key; key = key->next)
        copy_member(overrides, key->data, timeline->parameters, key->data);
}

/* ---- files --------------------------------------------------------------------------------- */

/* One object per line: {"prompts": ["text", ...]}. */
static gboolean
read_lines(ScopeTimeline *timeline, const char *text, gsize n_bytes, const char *name,
           GError **error)
{
    g_autofree char *copy = g_strndup(text, n_bytes);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    guint index = 0;

    for (char **line = lines; *line; line++) {
        g_autoptr(GError) failure = NULL;
        if (!*g_strstrip(*line))
            continue;
        g_autoptr(JsonObject) object = scope_json_parse_object(*line, -1, 0, &failure);
        JsonArray *prompts = object ? scope_json_object_get_array(object, "prompts") : NULL;
        ScopeTimelineBlock *block = g_new0(ScopeTimelineBlock, 1);
        const char *problem = failure ? failure->message : "no list `prompts`";

        g_ptr_array_add(timeline->blocks, block);
        *block = (ScopeTimelineBlock){.start_s = index * LINE_SECONDS,
                                      .end_s = (index + 1) * LINE_SECONDS,
                                      .transition_steps = -1};
        if (prompts)
            problem = read_prompts(prompts, block);
        if (!problem && block->n_prompts == 0)
            problem = "no prompt";
        if (!problem && index >= MAX_ENTRIES)
            problem = "more than 10000 lines";
        if (problem)
            return set_invalid(error, name, "entry", index, problem);
        index++;
    }
    return TRUE;
}

/* A timeline file has `prompts`, a workflow file has `timeline.entries`. */
static gboolean
read_object(ScopeTimeline *timeline, JsonObject *root, const char *name, GError **error)
{
    JsonObject *settings = scope_json_object_get_object(root, "settings");
    JsonObject *workflow = scope_json_object_get_object(root, "timeline");
    JsonArray *entries = workflow ? scope_json_object_get_array(workflow, "entries")
                                  : scope_json_object_get_array(root, "prompts");

    if (!entries) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                    "%s: not a timeline: it has no list `prompts`", name);
        return FALSE;
    }
    if (settings)
        read_settings(timeline, settings);
    JsonArray *changes = scope_json_object_get_array(root, "parameterChanges");
    return read_entries(timeline, entries, name, error) &&
           (!changes || read_changes(timeline, changes, name, error));
}

/* Whether @text is one object per line rather than one object. */
static gboolean
looks_like_lines(const char *text, gsize n_bytes)
{
    const char *end = memchr(text, '\n', n_bytes);
    g_autoptr(JsonObject) first = end ? scope_json_parse_object(text, end - text, 0, NULL) : NULL;

    return first != NULL;
}

ScopeTimeline *
scope_timeline_parse(const char *text, gsize n_bytes, const char *name, GError **error)
{
    g_autoptr(ScopeTimeline) timeline = timeline_new();

    if (n_bytes > MAX_BYTES) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                    "%s: %zu bytes, at most %u are read", name, n_bytes, MAX_BYTES);
        return NULL;
    }
    if (looks_like_lines(text, n_bytes)) {
        if (!read_lines(timeline, text, n_bytes, name, error))
            return NULL;
    } else {
        g_autoptr(JsonObject) root = scope_json_parse_object(text, (gssize)n_bytes, 0, error);
        if (!root) {
            g_prefix_error(error, "%s: ", name);
            return NULL;
        }
        if (!read_object(timeline, root, name, error))
            return NULL;
    }
    return g_steal_pointer(&timeline);
}

/* ---- use ----------------------------------------------------------------------------------- */

const ScopeTimelineBlock *
scope_timeline_find(const ScopeTimeline *timeline, gdouble time_s)
{
    const ScopeTimelineBlock *found = NULL;

    for (guint i = 0; i < timeline->blocks->len; i++) {
        const ScopeTimelineBlock *block = timeline->blocks->pdata[i];
        if (!found || block->start_s <= time_s)
            found = block;
    }
    return found;
}

JsonObject *
scope_timeline_block_build_message(const ScopeTimelineBlock *block, gboolean is_first,
                                   guint default_steps)
{
    const guint n_steps =
        block->transition_steps < 0 ? default_steps : (guint)block->transition_steps;
    g_autoptr(JsonArray) prompts = json_array_new();
    JsonObject *message = json_object_new();

    for (guint i = 0; i < block->n_prompts; i++) {
        JsonObject *prompt = json_object_new();
        json_object_set_string_member(prompt, "text", block->prompts[i].text);
        json_object_set_double_member(prompt, "weight", block->prompts[i].weight);
        json_array_add_object_element(prompts, prompt);
    }
    if (is_first || n_steps == 0) {
        json_object_set_array_member(message, "prompts", g_steal_pointer(&prompts));
        return message;
    }
    JsonObject *transition = json_object_new();
    json_object_set_array_member(transition, "target_prompts", g_steal_pointer(&prompts));
    json_object_set_int_member(transition, "num_steps", n_steps);
    if (block->transition_method)
        json_object_set_string_member(transition, "temporal_interpolation_method",
                                      block->transition_method);
    json_object_set_object_member(message, "transition", transition);
    return message;
}

JsonObject *
scope_timeline_add_changes(const ScopeTimeline *timeline, gdouble after_s, gdouble until_s,
                           JsonObject *message)
{
    for (guint i = 0; i < timeline->changes->len; i++) {
        const ScopeTimelineChange *change = timeline->changes->pdata[i];
        g_autoptr(GList) keys = NULL;

        if (change->time_s <= after_s || change->time_s > until_s)
            continue;
        if (!message)
            message = json_object_new();
        keys = json_object_get_members(change->values);
        for (GList *key = keys; key; key = key->next)
            copy_member(change->values, key->data, message, key->data);
    }
    return message;
}
