/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scope generate`: video from a prompt, a timeline or another video into a file, through the same
 * chain as a live session. Reads the options and fills a ScopeOfflineJob. Main thread.
 */
#include "cli/scope-commands.h"

#include <stdio.h>
#include <string.h>

#include "cli/scope-offline.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "core/scope-session-params.h"
#include "core/scope-timeline.h"

#define DEFAULT_SECONDS 5.0
#define MAX_SIZE        8192
#define PROMPT_WEIGHT   100

/* What the command line says. */
typedef struct {
    ScopeConfig config;
    char **pipelines;
    char **prompts;
    char *prompt_file;
    char *input;
    char **loras;
    char *size;
    char *seed;
    char **params;
    char *output;
    gdouble seconds;
    gdouble fps;
    gboolean profile;
} Options;

/* What the timeline has told a node. */
typedef struct {
    const ScopeTimelineBlock *block;
    gdouble until_s;
} Shown;

/* The job, and what its hook needs. */
typedef struct {
    ScopeOfflineJob job;
    ScopeTimeline *timeline;
    Shown *shown; /* of each node; an entry is its worker's own */
    guint default_steps;
} Generate;

/* ---- parameters ---------------------------------------------------------------------------- */

/* Whether a message of a running stream may change the parameter. */
static gboolean
is_live(const ScopeParamDesc *desc)
{
    return desc->apply == SCOPE_PARAM_APPLY_CHUNK || (desc->flags & SCOPE_PARAM_LIVE);
}

/*
 * Gives @key to each pipeline that loads with it, and to the session if it changes while streaming.
 * Returns: whether somebody knows it.
 */
static gboolean
set_param(ScopeOfflineJob *job, const char *key, JsonNode *value)
{
    gboolean is_known = FALSE;

    for (guint i = 0; i < job->nodes->len; i++) {
        const ScopeOfflineNode *node = job->nodes->pdata[i];
        const ScopeParamDesc *desc = scope_param_table_lookup(node->info->table, key);
        if (!desc)
            continue;
        if (is_live(desc))
            json_object_set_member(job->params, key, scope_json_copy(value));
        if (desc->apply == SCOPE_PARAM_APPLY_LOAD)
            json_object_set_member(node->load_params, key, scope_json_copy(value));
        is_known = TRUE;
    }
    if (!is_known && scope_param_table_lookup(scope_session_params_get_table(), key)) {
        json_object_set_member(job->params, key, scope_json_copy(value));
        is_known = TRUE;
    }
    return is_known;
}

static void
set_int(ScopeOfflineJob *job, const char *key, gint64 value)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);

    json_node_set_int(node, value);
    set_param(job, key, node);
}

static gboolean
complain(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "scope: %s %s: expected %s\n", option, value, expected);
    return FALSE;
}

/* `key=json`; what is no JSON is a string. */
static gboolean
read_param(ScopeOfflineJob *job, const char *text)
{
    const char *equals = strchr(text, '=');
    g_autofree char *key = equals ? g_strndup(text, (gsize)(equals - text)) : NULL;
    g_autoptr(JsonNode) value = NULL;

    if (!key || !*key)
        return complain("--param", text, "KEY=JSON");
    value = scope_json_parse(equals + 1, -1, 0, NULL);
    if (!value) {
        value = json_node_new(JSON_NODE_VALUE);
        json_node_set_string(value, equals + 1);
    }
    if (set_param(job, key, value))
        return TRUE;
    return complain("--param", text,
                    "a parameter of a pipeline in the chain (`scope pipelines --json` lists them)");
}

static gboolean
read_size(ScopeOfflineJob *job, const char *text)
{
    guint width = 0, height = 0;
    char rest = '\0';

    if (sscanf(text, "%5ux%5u%c", &width, &height, &rest) != 2 || width < 1 || height < 1 ||
        width > MAX_SIZE || height > MAX_SIZE)
        return complain("--size", text, "WIDTHxHEIGHT, each 1 to 8192");
    set_int(job, "width", width);
    set_int(job, "height", height);
    return TRUE;
}

static gboolean
read_seed(ScopeOfflineJob *job, const char *text)
{
    guint64 seed = 0;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &seed, NULL))
        return complain("--seed", text, "a whole number, 0 or more");
    set_int(job, "base_seed", (gint64)seed);
    set_int(job, "seed", (gint64)seed);
    return TRUE;
}

/* `PATH` or `PATH:SCALE`. */
static gboolean
read_loras(ScopeOfflineJob *job, char **texts)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_ARRAY);

    json_node_take_array(node, json_array_new());
    for (char **text = texts; *text; text++) {
        const char *colon = strrchr(*text, ':');
        char *end = NULL;
        gdouble scale = colon ? g_ascii_strtod(colon + 1, &end) : 1.0;
        const gboolean has_scale = colon && end > colon + 1 && *end == '\0';
        JsonObject *lora = json_object_new();
        g_autofree char *path =
            has_scale ? g_strndup(*text, (gsize)(colon - *text)) : g_strdup(*text);
        json_object_set_string_member(lora, "path", path);
        json_object_set_double_member(lora, "scale", has_scale ? scale : 1.0);
        json_array_add_object_element(json_node_get_array(node), lora);
    }
    return set_param(job, "loras", node) ||
           complain("--lora", texts[0], "a pipeline that takes adapters");
}

static void
set_prompts(ScopeOfflineJob *job, char **texts)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_ARRAY);

    json_node_take_array(node, json_array_new());
    for (char **text = texts; *text; text++) {
        JsonObject *prompt = json_object_new();
        json_object_set_string_member(prompt, "text", *text);
        json_object_set_int_member(prompt, "weight", PROMPT_WEIGHT);
        json_array_add_object_element(json_node_get_array(node), prompt);
    }
    set_param(job, "prompts", node);
}

/* What the pipelines recommend for the mode; the page does the same. */
static void
set_mode_defaults(ScopeOfflineJob *job, ScopeMode mode)
{
    const ScopeParamTable *table = scope_offline_job_get_main(job)->table;

    for (guint i = 0; i < scope_param_table_get_n(table); i++) {
        const ScopeParamDesc *desc = scope_param_table_get(table, i);
        const char *text =
            mode == SCOPE_MODE_VIDEO ? desc->default_video_json : desc->default_text_json;
        g_autoptr(JsonNode) value = text ? scope_json_parse(text, -1, 0, NULL) : NULL;
        if (value)
            set_param(job, desc->key, value);
    }
}

static void
set_timeline_params(Generate *generate)
{
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    json_object_iter_init_ordered(&iter, generate->timeline->parameters);
    while (json_object_iter_next_ordered(&iter, &key, &value))
        set_param(&generate->job, key, value);
}

/* Whether the pipelines accept the parameters of the session. */
static gboolean
check_params(const ScopeOfflineJob *job)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();

    for (guint i = 0; i < job->nodes->len; i++)
        scope_param_table_validate(((ScopeOfflineNode *)job->nodes->pdata[i])->info->table,
                                   job->params, problems);
    scope_session_params_validate(job->params, problems);
    for (guint i = 0; i < problems->len; i++) {
        g_autofree char *text = scope_param_problem_to_string(problems->pdata[i]);
        fprintf(stderr, "scope: %s\n", text);
    }
    return problems->len == 0;
}

/* ---- the timeline -------------------------------------------------------------------------- */

static gboolean
read_timeline(Generate *generate, const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    if (g_file_get_contents(path, &text, &length, &error))
        generate->timeline = scope_timeline_parse(text, length, path, &error);
    if (generate->timeline && generate->timeline->blocks->len == 0)
        return complain("--prompt-file", path, "a timeline with at least one prompt");
    if (error)
        fprintf(stderr, "scope: %s\n", error->message);
    return generate->timeline != NULL;
}

/* What the timeline tells with this chunk, or NULL. Worker of the node. */
static JsonObject *
before_chunk(const char *node_id, guint64 chunk_index, guint64 n_frames, gpointer user_data)
{
    Generate *generate = user_data;
    const gdouble time_s = (gdouble)n_frames / generate->job.fps;
    const ScopeTimelineBlock *block = scope_timeline_find(generate->timeline, time_s);
    JsonObject *message = NULL;
    guint i = 0;

    while (strcmp(((ScopeOfflineNode *)generate->job.nodes->pdata[i])->node_id, node_id) != 0)
        i++;
    const ScopeTimelineBlock *before = generate->shown[i].block;
    const gdouble after_s = before ? generate->shown[i].until_s : -1;
    if (before != block)
        message =
            scope_timeline_block_build_message(block, before == NULL, generate->default_steps);
    generate->shown[i].block = block;
    generate->shown[i].until_s = time_s;
    return scope_timeline_add_changes(generate->timeline, after_s, time_s, message);
}

static gdouble
timeline_seconds(const ScopeTimeline *timeline)
{
    return ((ScopeTimelineBlock *)timeline->blocks->pdata[timeline->blocks->len - 1])->end_s;
}

/* ---- the job ------------------------------------------------------------------------------- */

static gboolean
add_pipelines(Generate *generate, const Options *options)
{
    const char *recorded = generate->timeline ? generate->timeline->pipeline_id : NULL;

    if (!options->pipelines && !recorded) {
        fprintf(stderr, "scope: generate: name a pipeline with --pipeline\n");
        return FALSE;
    }
    if (!options->pipelines)
        return scope_offline_job_add(&generate->job, recorded, recorded, NULL);
    for (char **id = options->pipelines; *id; id++)
        if (!scope_offline_job_add(&generate->job, *id, *id, NULL))
            return FALSE;
    return TRUE;
}

static gboolean
choose_mode(Generate *generate, const Options *options, ScopeMode *ret_mode)
{
    const ScopePipelineDesc *desc = scope_offline_job_get_main(&generate->job)->desc;
    const ScopeMode mode = options->input ? SCOPE_MODE_VIDEO : SCOPE_MODE_TEXT;

    if (!(desc->modes & SCOPE_MODE_BIT(mode))) {
        fprintf(stderr,
                options->input ? "scope: %s generates without input; leave --input out\n"
                               : "scope: %s transforms a video; name one with --input\n",
                desc->id);
        return FALSE;
    }
    json_object_set_string_member(generate->job.params, "input_mode",
                                  mode == SCOPE_MODE_VIDEO ? "video" : "text");
    *ret_mode = mode;
    return TRUE;
}

static gboolean
set_params(Generate *generate, const Options *options, ScopeMode mode)
{
    ScopeOfflineJob *job = &generate->job;
    gboolean is_good = TRUE;

    set_mode_defaults(job, mode);
    if (generate->timeline)
        set_timeline_params(generate);
    if (options->prompts)
        set_prompts(job, options->prompts);
    if (options->size)
        is_good = read_size(job, options->size) && is_good;
    if (options->seed)
        is_good = read_seed(job, options->seed) && is_good;
    if (options->loras)
        is_good = read_loras(job, options->loras) && is_good;
    for (char **param = options->params; param && *param; param++)
        is_good = read_param(job, *param) && is_good;
    return is_good && check_params(job);
}

static void
set_length(Generate *generate, const Options *options)
{
    ScopeOfflineJob *job = &generate->job;
    const ScopePipelineDesc *desc = scope_offline_job_get_main(job)->desc;

    job->fps = options->fps > 0       ? options->fps
               : desc->frame_rate > 0 ? desc->frame_rate
                                      : SCOPE_OFFLINE_FPS;
    if (options->seconds > 0)
        job->seconds = options->seconds;
    else if (!options->input)
        job->seconds = generate->timeline ? timeline_seconds(generate->timeline) : DEFAULT_SECONDS;
}

/* Fills the job from the options; FALSE when they are wrong. */
static gboolean
prepare(Generate *generate, const Options *options)
{
    ScopeOfflineJob *job = &generate->job;
    ScopeMode mode = SCOPE_MODE_TEXT;

    if (!options->output) {
        fprintf(stderr, "scope: generate: name the result with -o FILE.mp4\n");
        return FALSE;
    }
    if (options->prompts && options->prompt_file) {
        fprintf(stderr, "scope: generate: either --prompt or --prompt-file\n");
        return FALSE;
    }
    if ((options->prompt_file && !read_timeline(generate, options->prompt_file)) ||
        !add_pipelines(generate, options) || !choose_mode(generate, options, &mode) ||
        !set_params(generate, options, mode))
        return FALSE;
    job->input = options->input;
    job->output = options->output;
    job->profile = options->profile;
    job->vace_input = scope_json_object_get_bool(job->params, "vace_enabled", FALSE) &&
                      scope_json_object_get_bool(job->params, "vace_use_input_video", TRUE);
    set_length(generate, options);
    if (generate->timeline) {
        generate->default_steps = scope_offline_job_get_main(job)->desc->default_transition_steps;
        generate->shown = g_new0(Shown, job->nodes->len);
        job->hooks = (ScopeStageHooks){.before_chunk = before_chunk, .user_data = generate};
    }
    return TRUE;
}

static int
run(const Options *options, ScopeProgram *program)
{
    Generate generate = {0};
    int status = SCOPE_EXIT_USAGE;

    scope_offline_job_init(&generate.job, program);
    if (prepare(&generate, options))
        status = scope_offline_run(&generate.job);
    scope_offline_job_clear(&generate.job);
    scope_timeline_free(generate.timeline);
    g_free(generate.shown);
    return status;
}

static void
options_clear(Options *options)
{
    scope_config_clear(&options->config);
    g_strfreev(options->pipelines);
    g_strfreev(options->prompts);
    g_free(options->prompt_file);
    g_free(options->input);
    g_strfreev(options->loras);
    g_free(options->size);
    g_free(options->seed);
    g_strfreev(options->params);
    g_free(options->output);
}

static gboolean
parse(Options *options, int argc, char **argv, int *ret_status)
{
    const GOptionEntry entries[] = {
        {"pipeline", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &options->pipelines,
         "Pipeline; repeated: a chain in this order", "ID"},
        {"prompt", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->prompts,
         "What to show; repeated: prompts that are blended", "TEXT"},
        {"prompt-file", 0, 0, G_OPTION_ARG_FILENAME, &options->prompt_file,
         "Timeline of the page, workflow, or JSON Lines of prompts", "FILE"},
        {"input", 'i', 0, G_OPTION_ARG_FILENAME, &options->input, "Video to transform", "FILE"},
        {"lora", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->loras,
         "Adapter, from the folder of adapters or by path; may be repeated", "PATH[:SCALE]"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &options->seconds,
         "Length of the result [the timeline's or the input's, else 5]", "N"},
        {"size", 0, 0, G_OPTION_ARG_STRING, &options->size, "Size of the pictures", "WxH"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &options->seed, "Start of the random numbers [42]",
         "N"},
        {"fps", 0, 0, G_OPTION_ARG_DOUBLE, &options->fps,
         "Frames per second of generated video [the pipeline's, else 16]", "N"},
        {"param", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->params,
         "Parameter of a pipeline or of the session; may be repeated", "KEY=JSON"},
        {"profile", 0, 0, G_OPTION_ARG_NONE, &options->profile,
         "Print how long each part of a chunk takes", NULL},
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->output,
         "Result: FILE.mp4, FILE.y4m, or FOLDER/ of PNG files", "PATH"},
        {"models-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->config.models_dir,
         "Folder of model files", "DIR"},
        {"plugins-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->config.plugins_dir,
         "Folder of installed plugins", "DIR"},
        {NULL},
    };

    return scope_command_parse("- make a video file",
                               "The same options give the same frames. Parameters: "
                               "docs/reference/params.md.",
                               entries, argc, argv, ret_status);
}

int
scope_command_generate(int argc, char **argv)
{
    g_auto(ScopeProgram) program = {0};
    Options options = {0};
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (parse(&options, argc, argv, &status)) {
        const ScopeLogConfig log = {.filter = "warning"};
        scope_config_resolve(&options.config);
        scope_log_init(&log, NULL);
        if (scope_program_init(&program, &options.config, &error)) {
            program.services.trusts_names = TRUE;
            status = run(&options, &program);
        } else {
            fprintf(stderr, "scope: %s\n", error->message);
            status = 1;
        }
    }
    scope_program_clear(&program);
    options_clear(&options);
    return status;
}
