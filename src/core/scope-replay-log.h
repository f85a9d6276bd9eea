/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log from which a session is made again, frame for frame: which pipelines ran with which load
 * parameters, from which chunk on which parameters acted, and which frames each chunk was made
 * from. JSON Lines, written line by line while the session runs, and beside it the frames that the
 * session was fed with, where they are kept; see docs/replay.md for the formats.
 */
#ifndef SCOPE_REPLAY_LOG_H
#define SCOPE_REPLAY_LOG_H

#include "core/scope-chain.h"
#include "core/scope-frame-file.h"

G_BEGIN_DECLS

/** ScopeReplayLog: a log that is written. Opaque. */
typedef struct _ScopeReplayLog ScopeReplayLog;

/**
 * ScopeReplayInput: what happens with the frames that a session is fed with.
 * @SCOPE_REPLAY_INPUT_FORGOTTEN: they are not kept: sessions with input are not made again exactly
 * @SCOPE_REPLAY_INPUT_KEPT: those that are used go into a file beside the log
 */
typedef enum {
    SCOPE_REPLAY_INPUT_FORGOTTEN = 0,
    SCOPE_REPLAY_INPUT_KEPT,
} ScopeReplayInput;

/** scope_replay_dup_input_path: (transfer full): the file of frames beside the log @path. Thread:
 * any. */
char *scope_replay_dup_input_path(const char *path);

/**
 * scope_replay_log_create:
 * @path: of the file; its folder is made
 * @version: of the program
 * @input: whether input is kept
 * @config: of the chain that will run
 * @nodes: (array length=n_nodes): its nodes
 * @n_nodes: how many
 * @error: (nullable): set on failure
 *
 * Writes the head of a log.
 *
 * Thread: main.
 * Errors: G_FILE_ERROR.
 * Returns: (transfer full): the log, or %NULL with @error set.
 */
ScopeReplayLog *scope_replay_log_create(const char *path, const char *version,
                                        ScopeReplayInput input, const ScopeChainConfig *config,
                                        const ScopeChainNode *nodes, guint n_nodes, GError **error);

/**
 * scope_replay_log_get_hooks:
 *
 * Thread: any. Returns: (transfer none): what the chain has to be made with; lives as long as the
 *   log, which must outlive the workers of the chain.
 */
const ScopeStageHooks *scope_replay_log_get_hooks(ScopeReplayLog *log);

/**
 * scope_replay_log_stop:
 * @reason: for people
 *
 * Nothing that happens from now on can be replayed (a pipeline was replaced). Thread: any.
 */
void scope_replay_log_stop(ScopeReplayLog *log, const char *reason);

/**
 * scope_replay_log_close:
 * @log: (nullable) (transfer full)
 * @n_frames: how many the last stage made
 *
 * Writes the end and frees @log. Thread: main, after the workers have ended.
 */
void scope_replay_log_close(ScopeReplayLog *log, guint64 n_frames);

/**
 * ScopeReplayNode:
 * @node_id: key in the chain
 * @pipeline_id: what it runs
 * @load_params: as the session loaded it
 */
typedef struct {
    char *node_id;
    char *pipeline_id;
    JsonObject *load_params;
} ScopeReplayNode;

/**
 * ScopeReplay: a log that was read. Immutable, any thread.
 * @nodes: (element-type ScopeReplayNode): in order of the chain, at least one
 * @updates: JsonObject by chunk and node: see scope_replay_build_params()
 * @taken: by chunk and node: see scope_replay_choose()
 * @vace_input: see ScopeChainConfig
 * @has_input: whether the session was in video mode
 * @has_kept_input: whether it was fed with frames that were kept
 * @n_frames: frames that the session made, or -1 when the log has no end
 * @stopped: (nullable): why the log ended before the session
 */
typedef struct {
    GPtrArray *nodes;
    GHashTable *updates;
    GHashTable *taken;
    gboolean vace_input;
    gboolean has_input;
    gboolean has_kept_input;
    gint64 n_frames;
    char *stopped;
} ScopeReplay;

/**
 * scope_replay_parse:
 * @text: UTF-8, at most 64 MiB
 * @n_bytes: length of @text
 * @name: what messages call the file
 * @error: (nullable): set on failure
 *
 * Reads a log. A last line that was cut off, as of a program that was killed, is left out.
 *
 * Thread: any.
 * Errors: SCOPE_CORE_ERROR_INVALID, with the line and what is wrong with it.
 * Returns: (transfer full): the replay, or %NULL with @error set.
 */
ScopeReplay *scope_replay_parse(const char *text, gsize n_bytes, const char *name, GError **error);

/** scope_replay_free: (nullable). Thread: any. */
void scope_replay_free(ScopeReplay *replay);

/**
 * scope_replay_build_params:
 * @node_id: a node
 * @chunk_index: a chunk of it
 *
 * Thread: any.
 * Returns: (transfer full) (nullable): the parameters that act from that chunk on, %NULL when none
 *   change.
 */
JsonObject *scope_replay_build_params(const ScopeReplay *replay, const char *node_id,
                                      guint64 chunk_index);

/**
 * scope_replay_choose:
 * @input: (nullable): the kept frames; %NULL when the log tells of none
 * @node_id: a node
 * @chunk_index: a chunk of it
 * @ret_choice: filled; its numbers live as long as @replay
 * @error: (nullable): set on failure
 *
 * What a chunk was made from, for ScopeStageHooks.
 *
 * Thread: any.
 * Errors: SCOPE_CORE_ERROR_INVALID: a frame that is named is not in @input.
 * Returns: %FALSE when the log tells nothing about the chunk, or with @error set.
 */
gboolean scope_replay_choose(const ScopeReplay *replay, const ScopeFrameFile *input,
                             const char *node_id, guint64 chunk_index, ScopeStageChoice *ret_choice,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeReplay, scope_replay_free)

G_END_DECLS

#endif
