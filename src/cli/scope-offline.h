/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a chain of pipelines into a file, the same chain that a live session runs: loads the
 * instances, feeds an input video, writes what comes out, shows how far it is. Main thread.
 */
#ifndef SCOPE_OFFLINE_H
#define SCOPE_OFFLINE_H

#include "cli/scope-program.h"
#include "core/scope-chain.h"

G_BEGIN_DECLS

/** SCOPE_OFFLINE_FPS: frames per second of generated video where the pipeline does not say. */
#define SCOPE_OFFLINE_FPS 16.0

/** SCOPE_EXIT_INTERRUPTED: exit status after SIGINT or SIGTERM. */
#define SCOPE_EXIT_INTERRUPTED 130

/**
 * ScopeOfflineNode:
 * @node_id: key in the chain
 * @info: its pipeline; borrowed from the registry
 * @load_params: owned
 *
 * A member of the chain that will run.
 */
typedef struct {
    char *node_id;
    ScopePipelineInfo *info;
    JsonObject *load_params;
} ScopeOfflineNode;

/**
 * ScopeOfflineJob:
 * @program: registry and services; borrowed
 * @nodes: (element-type ScopeOfflineNode): in order of processing
 * @params: parameters of the session before its first chunk
 * @input: (nullable): video that is fed
 * @output: see scope_media_writer_open()
 * @vace_input: see ScopeChainConfig
 * @fps: of frames that are generated
 * @seconds: length of the result; 0 = until the input or @n_frames ends
 * @n_frames: frames of the result; 0 = not limited
 * @profile: print how long each part of a chunk takes
 * @hooks: parameters that come later
 */
typedef struct {
    ScopeProgram *program;
    GPtrArray *nodes;
    JsonObject *params;
    const char *input;
    const char *output;
    gboolean vace_input;
    gdouble fps;
    gdouble seconds;
    guint64 n_frames;
    gboolean profile;
    ScopeStageHooks hooks;
} ScopeOfflineJob;

/** scope_offline_job_init: an empty job for @program. Thread: main. */
void scope_offline_job_init(ScopeOfflineJob *job, ScopeProgram *program);

/** scope_offline_job_clear: frees nodes and parameters. Thread: main. */
void scope_offline_job_clear(ScopeOfflineJob *job);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeOfflineJob, scope_offline_job_clear)

/**
 * scope_offline_job_add:
 * @node_id: unique in the chain
 * @pipeline_id: of a registered pipeline
 * @load_params: (transfer full) (nullable)
 *
 * Appends a pipeline to the chain; tells on stderr what is wrong.
 *
 * Thread: main. Returns: whether it is known and not there yet.
 */
gboolean scope_offline_job_add(ScopeOfflineJob *job, const char *node_id, const char *pipeline_id,
                               JsonObject *load_params);

/** scope_offline_job_get_main: (transfer none): the first main pipeline of the chain, or the first
 * one. Thread: main. */
ScopePipelineInfo *scope_offline_job_get_main(const ScopeOfflineJob *job);

/**
 * scope_offline_run:
 * @job: complete
 *
 * Runs it and prints what it does: on a terminal a bar with rate and remaining time, else a line
 * now and then. SIGINT and SIGTERM end it without leaving a file.
 *
 * Thread: main. Returns: the exit status of the process.
 */
int scope_offline_run(const ScopeOfflineJob *job);

G_END_DECLS

#endif
