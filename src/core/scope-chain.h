/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processing of one session: pre-processors, main pipeline and post-processors in a row, each
 * on its own thread, with bounded queues between them and one queue of finished frames at the end.
 *
 *     input -> stage -> stage -> ... -> output queue
 */
#ifndef SCOPE_CHAIN_H
#define SCOPE_CHAIN_H

#include "core/scope-stage.h"

G_BEGIN_DECLS

/** ScopeChain: opaque, refcounted. */
typedef struct _ScopeChain ScopeChain;

/** SCOPE_CHAIN_OUTPUT_FRAMES: default depth of the output queue. */
#define SCOPE_CHAIN_OUTPUT_FRAMES 30

/** SCOPE_CHAIN_STOP_US: longest that scope_chain_stop() waits. */
#define SCOPE_CHAIN_STOP_US (5 * G_USEC_PER_SEC)

/**
 * ScopeChainFatal: a fatal error ended the stream, or cost it a chunk; @node_id is where.
 *
 * Thread: a worker, no lock held. Must not stop or free the chain; post to main instead.
 */
typedef void (*ScopeChainFatal)(ScopeChain *chain, const char *node_id, const GError *error,
                                gpointer user_data);

/**
 * ScopeChainNode:
 * @node_id: key of the instance; unique in the chain
 * @instance: (transfer none): the pipeline
 * @params: (nullable): parameters for this node only, over those of the session
 */
typedef struct {
    const char *node_id;
    ScopeInstance *instance;
    JsonObject *params;
} ScopeChainNode;

/**
 * ScopeChainConfig:
 * @session_id: (nullable): for log lines
 * @params: (nullable): the session's initial parameters, for every node
 * @vace_input: whether frames into a VACE-capable pipeline go to its port `vace_input_frames`
 * @output_frames: depth of the output queue; 0 = SCOPE_CHAIN_OUTPUT_FRAMES
 * @offline_fps: 0 = live; else see ScopeStageConfig
 * @hooks: (nullable): of every stage; copied
 * @fatal: (nullable): told about fatal errors
 * @skipped: (nullable): told about a chunk that failed for a new reason; the stream goes on
 * @user_data: for both
 */
typedef struct {
    const char *session_id;
    JsonObject *params;
    gboolean vace_input;
    guint output_frames;
    gdouble offline_fps;
    const ScopeStageHooks *hooks;
    ScopeChainFatal fatal;
    ScopeChainFatal skipped;
    gpointer user_data;
} ScopeChainConfig;

/**
 * scope_chain_new:
 * @nodes: (array length=n_nodes): in order of processing
 * @n_nodes: >= 1
 * @error: (nullable): set on failure
 *
 * Errors: SCOPE_CORE_ERROR_INVALID: no node, the same node twice.
 * Returns: (transfer full): a chain that is not started, or %NULL.
 * Thread: main.
 */
ScopeChain *scope_chain_new(const ScopeChainConfig *config, const ScopeChainNode *nodes,
                            guint n_nodes, GError **error);

/** scope_chain_ref: another owner. Returns: @chain. Thread: any. */
ScopeChain *scope_chain_ref(ScopeChain *chain);

/** scope_chain_unref: (nullable): the last owner stops it. Thread: main for the last. */
void scope_chain_unref(ScopeChain *chain);

/** scope_chain_start: starts the workers. Errors: G_IO_ERROR. Thread: main. */
gboolean scope_chain_start(ScopeChain *chain, GError **error);

/**
 * scope_chain_stop:
 *
 * Ends the workers and waits for them, at most SCOPE_CHAIN_STOP_US altogether; frees what waits in
 * its queues and closes the output queue. May be called twice.
 *
 * Returns: %FALSE when a worker did not end in time (it ends later on its own, and is logged).
 * Thread: main.
 */
gboolean scope_chain_stop(ScopeChain *chain);

/**
 * scope_chain_request_stop: the first half of scope_chain_stop(): asks, does not wait. With many
 * chains, ask all of them first. Thread: main.
 */
void scope_chain_request_stop(ScopeChain *chain);

/**
 * scope_chain_push_input:
 * @frame: (transfer full): any format
 *
 * Hands a frame to the first stage; its port drops the newest when full.
 *
 * Returns: %FALSE when it was dropped.
 * Thread: any.
 */
gboolean scope_chain_push_input(ScopeChain *chain, ScopeFrame *frame);

/**
 * scope_chain_has_room:
 *
 * Returns: whether the first stage takes another frame without dropping it.
 * Thread: any.
 */
gboolean scope_chain_has_room(ScopeChain *chain);

/**
 * scope_chain_is_starved:
 *
 * When no frame is pushed any more, no further one comes out once this is true and the output queue
 * is empty.
 *
 * Returns: whether every stage waits for input.
 * Thread: any.
 */
gboolean scope_chain_is_starved(ScopeChain *chain);

/**
 * scope_chain_update:
 * @params: parameters of one message; `node_id` in it is not looked at
 * @node_id: (nullable): the node that is meant; %NULL = all
 * @problems: (nullable): members that no pipeline of the chain that knows them accepts are
 *   appended; everything else applies with the next chunk
 * @error: (nullable): set on failure
 *
 * Errors: SCOPE_CORE_ERROR_NOT_FOUND: no such node.
 * Returns: %FALSE when the node is unknown.
 * Thread: any.
 */
gboolean scope_chain_update(ScopeChain *chain, JsonObject *params, const char *node_id,
                            GPtrArray *problems, GError **error);

/**
 * scope_chain_get_output:
 *
 * The queue of finished frames (of ScopeFrame). Pop from one place; its fd and source tell when
 * there is something. Frames with a pts_us other than SCOPE_TIME_NONE keep the time of their
 * source, others are to be paced with scope_chain_get_fps(), read again for each frame.
 *
 * Returns: (transfer none): lives as long as the chain, or longer with a reference.
 * Thread: any.
 */
ScopeMailbox *scope_chain_get_output(ScopeChain *chain);

/** scope_chain_get_fps: rate of the last stage, 1..60. Thread: any. */
gdouble scope_chain_get_fps(ScopeChain *chain);

/** scope_chain_get_mode: what `input_mode` is now. Thread: any. */
ScopeMode scope_chain_get_mode(ScopeChain *chain);

/** scope_chain_is_paused: what `paused` is now. Thread: any. */
gboolean scope_chain_is_paused(ScopeChain *chain);

/** scope_chain_set_vace_input: changes the routing of a running chain. Thread: main. */
void scope_chain_set_vace_input(ScopeChain *chain, gboolean vace_input);

/**
 * scope_chain_replace:
 * @node_id: whose pipeline changes
 * @instance: (transfer none) (nullable): %NULL = no frames until the next call
 * @error: (nullable): set on failure
 *
 * Errors: SCOPE_CORE_ERROR_NOT_FOUND: no such node.
 * Returns: %FALSE when the node is unknown.
 * Thread: main.
 */
gboolean scope_chain_replace(ScopeChain *chain, const char *node_id, ScopeInstance *instance,
                             GError **error);

/** scope_chain_uses: whether a node of the chain runs on @instance. Thread: main. */
gboolean scope_chain_uses(ScopeChain *chain, ScopeInstance *instance);

/** scope_chain_get_n_stages: how many. Thread: any. */
guint scope_chain_get_n_stages(ScopeChain *chain);

/** scope_chain_get_stats: (out): counters of the stage at @index. Thread: any. */
void scope_chain_get_stats(ScopeChain *chain, guint index, ScopeStageStats *ret_stats);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeChain, scope_chain_unref)

G_END_DECLS

#endif
