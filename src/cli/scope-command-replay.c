/* SPDX-License-Identifier: Apache-2.0 */
/* `scope replay`: makes a session again from its log, frame for frame. Main thread. */
#include "cli/scope-commands.h"

#include <stdio.h>

#include "cli/scope-offline.h"
#include "core/scope-log.h"
#include "core/scope-replay-log.h"

/* What the command line says. */
typedef struct {
    ScopeConfig config;
    char **logs;
    char *input;
    char *output;
    gdouble seconds;
    gdouble fps;
    gboolean profile;
} Options;

/* What is made again. */
typedef struct {
    ScopeReplay *replay;
    ScopeFrameFile *input; /* (nullable): the kept input */
} Source;

static void
source_clear(Source *source)
{
    g_clear_pointer(&source->replay, scope_replay_free);
    g_clear_pointer(&source->input, scope_frame_file_close);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Source, source_clear)

static JsonObject *
before_chunk(const char *node_id, guint64 chunk_index, guint64 n_frames, gpointer user_data)
{
    const Source *source = user_data;

    return scope_replay_build_params(source->replay, node_id, chunk_index);
}

static gboolean
choose(const char *node_id, guint64 chunk_index, ScopeStageChoice *ret_choice, gpointer user_data,
       GError **error)
{
    const Source *source = user_data;

    return scope_replay_choose(source->replay, source->input, node_id, chunk_index, ret_choice,
                               error);
}

/* Reads the log, and the input beside it unless another one is named. */
static gboolean
source_read(Source *source, const Options *options)
{
    const char *path = options->logs[0];
    g_autofree char *input_path = scope_replay_dup_input_path(path);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gsize length = 0;

    if (g_file_get_contents(path, &text, &length, &error))
        source->replay = scope_replay_parse(text, length, path, &error);
    if (source->replay && source->replay->has_kept_input && !options->input)
        source->input = scope_frame_file_open(input_path, &error);
    if (error)
        fprintf(stderr, "scope: %s\n", error->message);
    return !error;
}

/* Whether the log and the options fit together. */
static gboolean
check(const Source *source, const Options *options)
{
    const ScopeReplay *replay = source->replay;

    if (replay->has_input && !source->input && !options->input)
        fprintf(stderr, "scope: the session was fed with video, which was not kept "
                        "(`scope serve --record-input` does); name one with --input\n");
    else if (replay->n_frames < 0 && options->seconds <= 0 && !options->input)
        fprintf(stderr, "scope: the log has no end; give the length with --seconds\n");
    else
        return TRUE;
    return FALSE;
}

static gboolean
prepare(ScopeOfflineJob *job, Source *source, const Options *options)
{
    ScopeReplay *replay = source->replay;
    const gboolean is_exact = !replay->has_input || source->input;

    if (!check(source, options))
        return FALSE;
    for (guint i = 0; i < replay->nodes->len; i++) {
        const ScopeReplayNode *node = replay->nodes->pdata[i];
        if (!scope_offline_job_add(job, node->node_id, node->pipeline_id,
                                   json_object_ref(node->load_params)))
            return FALSE;
    }
    const gdouble native_fps = scope_offline_job_get_main(job)->desc->frame_rate;
    job->input = is_exact ? NULL : options->input;
    job->output = options->output;
    job->vace_input = replay->vace_input;
    job->fps = options->fps > 0 ? options->fps : native_fps > 0 ? native_fps : SCOPE_OFFLINE_FPS;
    job->seconds = MAX(options->seconds, 0);
    job->n_frames = replay->n_frames > 0 && is_exact ? (guint64)replay->n_frames : 0;
    job->profile = options->profile;
    job->hooks = (ScopeStageHooks){
        .before_chunk = before_chunk, .chosen = is_exact ? choose : NULL, .user_data = source};
    if (replay->stopped)
        printf("The log ends before the session: %s.\n", replay->stopped);
    return TRUE;
}

static int
run(const Options *options, ScopeProgram *program)
{
    g_auto(Source) source = {0};
    g_auto(ScopeOfflineJob) job = {0};

    if (!options->logs || options->logs[1] || !options->output) {
        fprintf(stderr, "scope: replay: name one log, and the result with -o FILE.mp4\n");
        return SCOPE_EXIT_USAGE;
    }
    if (!source_read(&source, options))
        return 1;
    scope_offline_job_init(&job, program);
    return prepare(&job, &source, options) ? scope_offline_run(&job) : SCOPE_EXIT_USAGE;
}

int
scope_command_replay(int argc, char **argv)
{
    Options options = {0};
    const GOptionEntry entries[] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options.output,
         "Result: FILE.mp4, FILE.y4m, or FOLDER/ of PNG files", "PATH"},
        {"input", 'i', 0, G_OPTION_ARG_FILENAME, &options.input,
         "Video for sessions that were fed with one, instead of what was kept of it", "FILE"},
        {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &options.seconds,
         "Length of the result [the session's]", "N"},
        {"fps", 0, 0, G_OPTION_ARG_DOUBLE, &options.fps,
         "Frames per second of the result [the pipeline's, else 16]", "N"},
        {"profile", 0, 0, G_OPTION_ARG_NONE, &options.profile,
         "Print how long each part of a chunk takes", NULL},
        {"models-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.config.models_dir,
         "Folder of model files", "DIR"},
        {"plugins-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.config.plugins_dir,
         "Folder of installed plugins", "DIR"},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.logs, NULL, "LOG"},
        {NULL},
    };
    g_auto(ScopeProgram) program = {0};
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (scope_command_parse("- make a recorded session again",
                            "`scope serve --record-log` writes the logs (docs/replay.md).", entries,
                            argc, argv, &status)) {
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
    scope_config_clear(&options.config);
    g_strfreev(options.logs);
    g_free(options.input);
    g_free(options.output);
    return status;
}
