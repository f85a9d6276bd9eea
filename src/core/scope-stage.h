/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pipeline in one session: a worker thread that owns the stream state, an update record and
 * bounded input ports. Part of a chain; see scope-chain.h.
 *
 * Locks: one leaf lock per stage; callbacks are called without it.
 */
#ifndef SCOPE_STAGE_H
#define SCOPE_STAGE_H

#include "core/scope-instance.h"
#include "core/scope-mailbox.h"
#include "core/scope-stage-timings.h"

G_BEGIN_DECLS

/** ScopeStage: opaque, refcounted. */
typedef struct _ScopeStage ScopeStage;

/** SCOPE_STAGE_INPUT_FRAMES: least depth of an input port; it is also at least two chunks. */
#define SCOPE_STAGE_INPUT_FRAMES 30

/**
 * ScopeStageStats: a copy of the counters.
 * @node_id: of the stage
 * @pipeline_id: of the instance; empty while there is none
 * @n_chunks: process() calls that succeeded
 * @n_errors: process() calls that failed
 * @n_frames_in: frames that arrived on all ports
 * @n_frames_in_dropped: of those, dropped because a port was full
 * @n_frames_skipped: of those, passed over by uniform sampling or a change of mode
 * @n_frames_out: frames produced on `video`
 * @n_frames_out_dropped: of those, dropped because the consumer's queue was full
 * @queue_frames: frames that wait on the wired ports now
 * @fps: estimate of scope-fps.h
 * @process_us: duration of the last chunk
 * @process_total_us: of all chunks that succeeded
 * @process_avg_us: moving average over about 16 chunks
 * @latency_us: age of the last frame when it left the stage; 0 = unknown
 * @timings: parts of a chunk, when the pipeline tells them
 */
typedef struct {
    char node_id[64];
    char pipeline_id[64];
    guint64 n_chunks;
    guint64 n_errors;
    guint64 n_frames_in;
    guint64 n_frames_in_dropped;
    guint64 n_frames_skipped;
    guint64 n_frames_out;
    guint64 n_frames_out_dropped;
    guint queue_frames;
    gdouble fps;
    gint64 process_us;
    gint64 process_total_us;
    gint64 process_avg_us;
    gint64 latency_us;
    ScopeStageTimings timings;
} ScopeStageStats;

/**
 * ScopeStageFatal: a fatal error ended the stream of @stage, or cost it a chunk.
 *
 * Thread: the stage's worker, no lock held. Must not stop or free the chain; post to main instead.
 */
typedef void (*ScopeStageFatal)(ScopeStage *stage, const GError *error, gpointer user_data);

/**
 * ScopeStageChoice: what a chunk is made from.
 * @port: name of the port
 * @n_frames: how many
 * @numbers: (nullable): their numbers among all frames that were offered to the stage, from 0 on,
 *   ascending; borrowed until the next question
 * @frames: (nullable) (transfer full): ScopeFrame: the frames themselves, where nothing is before
 *   the stage; %NULL = those with @numbers that come from the stage before it
 */
typedef struct {
    const char *port;
    guint n_frames;
    const guint64 *numbers;
    GPtrArray *frames;
} ScopeStageChoice;

/**
 * ScopeStageHooks:
 * @before_chunk: (nullable): asked once before each chunk for parameters that act with it:
 * @n_frames is how many the stage has made so far. Returns: (transfer full) (nullable)
 * @updated: (nullable): told which parameters act from chunk @chunk_index on, merged since the
 * chunk before; `input_mode` and `reset_cache` are among them. @params is borrowed for the call
 * @taken: (nullable): told what chunk @chunk_index is about to be made from: the frames of a port,
 * and their numbers among all that were offered to the stage. Borrowed for the call
 * @chosen: (nullable): asked once before each chunk that wants frames what it is made from, instead
 * of what the stage would take. %FALSE: there is no such chunk, the stage waits from now on; with
 * @error set, the stream ends
 * @user_data: for all; outlives the stage's worker
 *
 * What decides the frames of a stage beside its input, from outside and to outside. Chunks are
 * counted from 0 since the stream was opened.
 *
 * Thread: the stage's worker, no lock held. Must not stop or free the chain.
 */
typedef struct {
    JsonObject *(*before_chunk)(const char *node_id, guint64 chunk_index, guint64 n_frames,
                                gpointer user_data);
    void (*updated)(const char *node_id, guint64 chunk_index, JsonObject *params,
                    gpointer user_data);
    void (*taken)(const char *node_id, guint64 chunk_index, const ScopePort *port,
                  const guint64 *numbers, gpointer user_data);
    gboolean (*chosen)(const char *node_id, guint64 chunk_index, ScopeStageChoice *ret_choice,
                       gpointer user_data, GError **error);
    gpointer user_data;
} ScopeStageHooks;

/**
 * ScopeStageConfig:
 * @node_id: copied
 * @session_id: (nullable): copied; shown in log lines
 * @instance: (transfer none): the pipeline; the stage takes its own reference
 * @initial: (nullable): JSON parameters before the first chunk; copied
 * @mode: of the session
 * @offline_fps: 0 = live; else nobody watches: every input frame counts, stages wait for each other
 *   instead of dropping, a chunk that fails is fatal, and frames without a time get one at this
 * rate
 * @hooks: (nullable): copied
 * @fatal: (nullable): told about fatal errors
 * @skipped: (nullable): told about a chunk that failed for a new reason; the stream goes on
 * @user_data: for both
 */
typedef struct {
    const char *node_id;
    const char *session_id;
    ScopeInstance *instance;
    JsonObject *initial;
    ScopeMode mode;
    gdouble offline_fps;
    const ScopeStageHooks *hooks;
    ScopeStageFatal fatal;
    ScopeStageFatal skipped;
    gpointer user_data;
} ScopeStageConfig;

/** scope_stage_new: (transfer full): a stage that is not started. Thread: main. */
ScopeStage *scope_stage_new(const ScopeStageConfig *config);

/** scope_stage_ref: another owner. Returns: @stage. Thread: any. */
ScopeStage *scope_stage_ref(ScopeStage *stage);

/** scope_stage_unref: (nullable): one owner less. Started stages must be stopped. Thread: any. */
void scope_stage_unref(ScopeStage *stage);

/** scope_stage_get_node_id: (transfer none): Thread: any. */
const char *scope_stage_get_node_id(ScopeStage *stage);

/**
 * scope_stage_wire_input:
 * @port: a port that the pipeline declares
 * @wired: whether the stage waits for frames on it
 *
 * Frames that wait on a port that is unwired are dropped.
 *
 * Thread: main.
 */
void scope_stage_wire_input(ScopeStage *stage, const char *port, gboolean wired);

/**
 * scope_stage_wire_output:
 * @consumer: (nullable): stage that gets the frames of `video`; borrowed, outlives the worker
 * @port: (nullable): its port
 * @queue: (nullable): mailbox of ScopeFrame instead of a stage; the stage takes a reference
 *
 * Thread: main, before start.
 */
void scope_stage_wire_output(ScopeStage *stage, ScopeStage *consumer, const char *port,
                             ScopeMailbox *queue);

/** scope_stage_set_output_port: changes the consumer's port of a running stage. Thread: main. */
void scope_stage_set_output_port(ScopeStage *stage, const char *port);

/**
 * scope_stage_push_frame:
 * @port: where it goes; a port that is not wired drops it
 * @frame: (transfer full)
 *
 * A full port drops the new frame.
 *
 * Returns: %FALSE when it was dropped.
 * Thread: any.
 */
gboolean scope_stage_push_frame(ScopeStage *stage, const char *port, ScopeFrame *frame);

/**
 * scope_stage_update:
 * @params: parameters, left alone; merged with updates that wait
 * @problems: (nullable): what the pipeline's table does not accept is appended; the rest applies
 *
 * The values act with the next chunk. Also understood whatever the pipeline: `paused`,
 * `input_mode`, `reset_cache` (once).
 *
 * Thread: any.
 */
void scope_stage_update(ScopeStage *stage, JsonObject *params, GPtrArray *problems);

/**
 * scope_stage_replace:
 * @instance: (transfer none) (nullable): another pipeline from the next chunk on; %NULL = wait
 *
 * The worker frees its stream, releases the old instance and opens a stream on the new one. The
 * parameters of the session stay.
 *
 * Thread: main.
 */
void scope_stage_replace(ScopeStage *stage, ScopeInstance *instance);

/** scope_stage_start: starts the worker. Errors: G_IO_ERROR from the system. Thread: main. */
gboolean scope_stage_start(ScopeStage *stage, GError **error);

/** scope_stage_request_stop: asks the worker to end; does not wait. Thread: any. */
void scope_stage_request_stop(ScopeStage *stage);

/**
 * scope_stage_join:
 * @deadline_us: on the clock of g_get_monotonic_time()
 *
 * Waits for the worker after scope_stage_request_stop(). A worker that does not end in time keeps
 * the stage alive until it does.
 *
 * Returns: whether it ended.
 * Thread: main.
 */
gboolean scope_stage_join(ScopeStage *stage, gint64 deadline_us);

/** scope_stage_get_fps: estimate of the rate, or the native rate of the pipeline. Thread: any. */
gdouble scope_stage_get_fps(ScopeStage *stage);

/** scope_stage_get_stats: (out): copies the counters. Thread: any. */
void scope_stage_get_stats(ScopeStage *stage, ScopeStageStats *ret_stats);

/**
 * scope_stage_is_starved:
 *
 * Returns: whether the worker waits for input frames and has none to begin with.
 * Thread: any.
 */
gboolean scope_stage_is_starved(ScopeStage *stage);

/**
 * scope_stage_has_room:
 *
 * Returns: whether @port takes another frame without dropping it.
 * Thread: any.
 */
gboolean scope_stage_has_room(ScopeStage *stage, const char *port);

/**
 * scope_stage_sample_uniform:
 * @n: frames that wait, >= @k
 * @k: frames that are wanted, >= 1
 * @ret_indices: (array length=k): ascending; round(i * n / k) with halves to even
 *
 * Frames up to the last index leave the port, those between the indices unseen.
 *
 * Thread: any.
 */
void scope_stage_sample_uniform(guint n, guint k, guint *ret_indices);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeStage, scope_stage_unref)

G_END_DECLS

#endif
