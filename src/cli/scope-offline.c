/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop of `scope generate` and `scope replay`: one thread reads the input, the workers of the
 * chain compute, and this one pops frames and writes them. See scope-offline.h.
 */
#include "cli/scope-offline.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/scope-meter.h"
#include "core/scope-frame.h"
#include "core/scope-host.h"
#include "core/scope-json.h"
#include "core/scope-lock.h"
#include "core/scope-thread.h"
#include "media/scope-media-file.h"
#include "media/scope-media-writer.h"
#include "media/scope-media.h"

#define POLL_US (50 * 1000)

/* A chain that runs, and what is around it. */
typedef struct {
    const ScopeOfflineJob *job;
    ScopeInstance **instances;
    ScopeChain *chain;
    ScopeMediaFile *input;
    ScopeMediaWriter *writer;
    ScopeMeter meter;
    gboolean input_ended;
    gboolean is_drained; /* every stage waits for frames that do not come */
    gint64 first_us;     /* of the output */
    guint64 n_frames;

    ScopeLock lock;
    char *fatal; /* under the lock */
} Run;

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int number)
{
    interrupted = 1;
}

/* A second signal ends the process as any other. */
static void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND};

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- the job ------------------------------------------------------------------------------- */

static void
node_free(gpointer data)
{
    ScopeOfflineNode *node = data;

    g_free(node->node_id);
    json_object_unref(node->load_params);
    g_free(node);
}

void
scope_offline_job_init(ScopeOfflineJob *job, ScopeProgram *program)
{
    *job = (ScopeOfflineJob){
        .program = program,
        .nodes = g_ptr_array_new_with_free_func(node_free),
        .params = json_object_new(),
    };
}

void
scope_offline_job_clear(ScopeOfflineJob *job)
{
    g_clear_pointer(&job->nodes, g_ptr_array_unref);
    g_clear_pointer(&job->params, json_object_unref);
}

gboolean
scope_offline_job_add(ScopeOfflineJob *job, const char *node_id, const char *pipeline_id,
                      JsonObject *load_params)
{
    g_autoptr(JsonObject) params = load_params ? load_params : json_object_new();
    ScopePipelineInfo *info = scope_registry_lookup(job->program->registry, pipeline_id);

    if (!info) {
        fprintf(stderr, "scope: no pipeline \"%s\"; `scope pipelines` lists them\n", pipeline_id);
        return FALSE;
    }
    for (guint i = 0; i < job->nodes->len; i++) {
        if (!strcmp(((ScopeOfflineNode *)job->nodes->pdata[i])->node_id, node_id)) {
            fprintf(stderr, "scope: \"%s\" is in the chain twice\n", node_id);
            return FALSE;
        }
    }
    ScopeOfflineNode *node = g_new0(ScopeOfflineNode, 1);
    node->node_id = g_strdup(node_id);
    node->info = info;
    node->load_params = g_steal_pointer(&params);
    g_ptr_array_add(job->nodes, node);
    return TRUE;
}

ScopePipelineInfo *
scope_offline_job_get_main(const ScopeOfflineJob *job)
{
    for (guint i = 0; i < job->nodes->len; i++) {
        const ScopeOfflineNode *node = job->nodes->pdata[i];
        if (node->info->desc->usage == SCOPE_PIPELINE_MAIN)
            return node->info;
    }
    return ((ScopeOfflineNode *)job->nodes->pdata[0])->info;
}

/* ---- loading ------------------------------------------------------------------------------- */

/* One load on a thread of its own, so that it can be watched and cancelled. */
typedef struct {
    const ScopeOfflineNode *node;
    const ScopeHost *host;
    ScopeLoadProgress *progress;
    ScopeInstance *instance;
    GError *error;
} Load;

static void
run_load(gpointer data)
{
    Load *load = data;

    load->instance = scope_instance_load(load->node->info, load->host, NULL,
                                         load->node->load_params, load->progress, &load->error);
}

static ScopeInstance *
load_node(Run *run, const ScopeOfflineNode *node, GError **error)
{
    g_autoptr(ScopeLoadProgress) progress = scope_load_progress_new();
    Load load = {node, &run->job->program->services.host, progress, NULL, NULL};
    ScopeThread *thread = scope_thread_start("load", run_load, &load, error);

    if (!thread)
        return NULL;
    while (!scope_thread_join_until(&thread, g_get_monotonic_time() + POLL_US)) {
        gdouble ratio = -1.0;
        g_autofree char *stage = scope_load_progress_get(progress, &ratio);
        g_autofree char *text = g_strdup_printf("%s: %s", node->node_id, stage);
        if (interrupted)
            scope_load_progress_cancel(progress);
        scope_meter_show(&run->meter, text, ratio);
    }
    if (load.error)
        g_propagate_error(error, load.error);
    return load.instance;
}

static gboolean
load_nodes(Run *run, GError **error)
{
    const GPtrArray *nodes = run->job->nodes;

    run->instances = g_new0(ScopeInstance *, nodes->len + 1);
    for (guint i = 0; i < nodes->len; i++) {
        run->instances[i] = load_node(run, nodes->pdata[i], error);
        if (!run->instances[i])
            return FALSE;
    }
    return TRUE;
}

/* ---- the chain ----------------------------------------------------------------------------- */

static void
on_fatal(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    Run *run = user_data;

    SCOPE_LOCK_GUARD(&run->lock);
    if (!run->fatal)
        run->fatal = g_strdup_printf("%s: %s", node_id, error->message);
}

static gboolean
start_chain(Run *run, GError **error)
{
    const ScopeOfflineJob *job = run->job;
    g_autofree ScopeChainNode *nodes = g_new0(ScopeChainNode, job->nodes->len);
    ScopeChainConfig config = {
        .params = job->params,
        .vace_input = job->vace_input,
        .offline_fps = job->fps,
        .hooks = &job->hooks,
        .fatal = on_fatal,
        .user_data = run,
    };

    for (guint i = 0; i < job->nodes->len; i++) {
        const ScopeOfflineNode *node = job->nodes->pdata[i];
        nodes[i] = (ScopeChainNode){node->node_id, run->instances[i], NULL};
    }
    run->chain = scope_chain_new(&config, nodes, job->nodes->len, error);
    return run->chain && scope_chain_start(run->chain, error);
}

static gboolean
feed_input(Run *run, GError **error)
{
    while (run->input && !run->input_ended && !interrupted && scope_chain_has_room(run->chain)) {
        g_autoptr(GError) failure = NULL;
        ScopeFrame *frame = scope_media_file_read(run->input, &failure);
        if (frame) {
            scope_chain_push_input(run->chain, frame);
        } else if (g_error_matches(failure, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_EOF)) {
            run->input_ended = TRUE;
        } else {
            g_propagate_error(error, g_steal_pointer(&failure));
            return FALSE;
        }
    }
    return TRUE;
}

/* Microseconds of output that are wanted, or 0 when that is not known. */
static gint64
wanted_us(const Run *run)
{
    const ScopeOfflineJob *job = run->job;

    if (job->seconds > 0)
        return (gint64)(job->seconds * G_USEC_PER_SEC);
    if (job->n_frames > 0)
        return (gint64)((gdouble)job->n_frames * G_USEC_PER_SEC / job->fps);
    return run->input ? scope_media_file_get_info(run->input)->duration_us : 0;
}

/* Writes @frame, unless it is behind the end; sets *@ret_done there. */
static gboolean
take_frame(Run *run, ScopeFrame *frame, gboolean *ret_done, GError **error)
{
    const ScopeOfflineJob *job = run->job;
    const gint64 total_us = wanted_us(run);

    if (run->n_frames == 0)
        run->first_us = frame->pts_us;
    const gint64 at_us = frame->pts_us - run->first_us;
    if (job->seconds > 0 && at_us >= total_us) {
        *ret_done = TRUE;
        return TRUE;
    }
    if (!scope_media_writer_push(run->writer, frame, error))
        return FALSE;
    run->n_frames++;
    scope_meter_count(&run->meter, run->n_frames,
                      total_us > 0 ? (gdouble)at_us / (gdouble)total_us : -1.0);
    *ret_done = job->n_frames > 0 && run->n_frames >= job->n_frames;
    return TRUE;
}

static gboolean
has_failed(Run *run, GError **error)
{
    SCOPE_LOCK_GUARD(&run->lock);
    if (run->fatal)
        g_set_error_literal(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED, run->fatal);
    return run->fatal != NULL;
}

static gboolean
pump(Run *run, GError **error)
{
    gboolean is_done = FALSE;

    while (!is_done && !interrupted) {
        const gboolean is_last =
            (!run->input || run->input_ended) && scope_chain_is_starved(run->chain);
        if (!feed_input(run, error))
            return FALSE;
        g_autoptr(ScopeFrame) frame = scope_mailbox_pop_until(
            scope_chain_get_output(run->chain), g_get_monotonic_time() + (is_last ? 0 : POLL_US));
        if (frame && !take_frame(run, frame, &is_done, error))
            return FALSE;
        if (!frame && has_failed(run, error))
            return FALSE;
        run->is_drained = !frame && is_last;
        is_done = is_done || run->is_drained;
    }
    return TRUE;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void
print_profile(const Run *run)
{
    printf("\n%-24s %8s %8s %10s %10s\n", "STAGE", "CHUNKS", "FRAMES", "MS/CHUNK", "MS TOTAL");
    for (guint i = 0; i < scope_chain_get_n_stages(run->chain); i++) {
        ScopeStageStats stats;
        scope_chain_get_stats(run->chain, i, &stats);
        printf("%-24s %8" G_GUINT64_FORMAT " %8" G_GUINT64_FORMAT " %10.1f %10.1f\n", stats.node_id,
               stats.n_chunks, stats.n_frames_out,
               (gdouble)stats.process_total_us / 1e3 / (gdouble)MAX(stats.n_chunks, 1),
               (gdouble)stats.process_total_us / 1e3);
        for (guint k = 0; k < stats.timings.n_parts; k++) {
            const ScopeStageTiming *part = &stats.timings.parts[k];
            printf("  %-22s %8" G_GUINT64_FORMAT " %8s %10.1f %10.1f\n", part->name, part->n_chunks,
                   "", (gdouble)part->total_us / 1e3 / (gdouble)MAX(part->n_chunks, 1),
                   (gdouble)part->total_us / 1e3);
        }
    }
}

static void
print_unused(const Run *run)
{
    guint n_waiting = 0;

    for (guint i = 0; run->is_drained && i < scope_chain_get_n_stages(run->chain); i++) {
        ScopeStageStats stats;
        scope_chain_get_stats(run->chain, i, &stats);
        n_waiting += stats.queue_frames;
    }
    if (n_waiting > 0)
        printf("The last %u frames do not fill a chunk and are left out.\n", n_waiting);
}

static int
report(Run *run, const GError *error)
{
    const ScopeOfflineJob *job = run->job;

    scope_meter_clear(&run->meter);
    if (interrupted) {
        fprintf(stderr, "scope: interrupted; nothing was written\n");
        return SCOPE_EXIT_INTERRUPTED;
    }
    if (error) {
        fprintf(stderr, "scope: %s\n", error->message);
        return 1;
    }
    if (run->input)
        print_unused(run);
    scope_meter_print_sum(&run->meter, job->output);
    if (job->profile)
        print_profile(run);
    return 0;
}

static gboolean
run_job(Run *run, GError **error)
{
    const ScopeOfflineJob *job = run->job;

    if (!scope_media_init(error))
        return FALSE;
    run->writer = scope_media_writer_open(job->output, job->fps, error);
    if (run->writer && job->input)
        run->input = scope_media_file_open(job->input, SCOPE_FRAME_FORMAT_I420, error);
    if (!run->writer || (job->input && !run->input) || !load_nodes(run, error) ||
        !start_chain(run, error))
        return FALSE;
    scope_meter_start(&run->meter);
    if (!pump(run, error) || interrupted)
        return FALSE;
    if (run->n_frames == 0) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED,
                    job->input
                        ? "No frame came out: the input is too short for one chunk"
                        : "No frame came out: the pipeline had nothing to make one from, for "
                          "instance no prompt");
        return FALSE;
    }
    return scope_media_writer_finish(run->writer, error);
}

int
scope_offline_run(const ScopeOfflineJob *job)
{
    Run run = {.job = job};
    g_autoptr(GError) error = NULL;

    scope_lock_init(&run.lock);
    scope_meter_init(&run.meter);
    catch_signals();
    run_job(&run, &error);
    const gboolean has_ended = !run.chain || scope_chain_stop(run.chain);
    const int status = report(&run, error);
    scope_media_writer_free(run.writer);
    if (!has_ended) {
        fflush(stdout);
        _exit(status); /* a chunk that takes long still runs; nothing waits for it */
    }
    scope_chain_unref(run.chain);
    for (guint i = 0; run.instances && run.instances[i]; i++)
        scope_instance_unref(run.instances[i]);
    scope_media_file_close(run.input);
    scope_media_shut_down();
    scope_lock_clear(&run.lock);
    g_free(run.instances);
    g_free(run.fatal);
    return status;
}
