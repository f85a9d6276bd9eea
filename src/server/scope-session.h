/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebRTC session: a peer, the chain that works for it, and the pacer between both. Owns all
 * three. The last reference goes on main.
 */
#ifndef SCOPE_SESSION_H
#define SCOPE_SESSION_H

#include "core/scope-chain.h"
#include "core/scope-replay-log.h"
#include "media/scope-peer.h"
#include "server/scope-ice.h"
#include "server/scope-pacer.h"
#include "server/scope-plan.h"

G_BEGIN_DECLS

/** ScopeSession: opaque, refcounted. Thread: main only. */
typedef struct _ScopeSession ScopeSession;

/**
 * ScopeSessionEnd: why a session ended.
 * @SCOPE_SESSION_END_CLOSED: closed by the client or by us
 * @SCOPE_SESSION_END_FAILED: the transport failed or never came up
 * @SCOPE_SESSION_END_FATAL: the stream ended by a fatal error
 */
typedef enum {
    SCOPE_SESSION_END_CLOSED = 0,
    SCOPE_SESSION_END_FAILED,
    SCOPE_SESSION_END_FATAL,
} ScopeSessionEnd;

/**
 * ScopeSessionCallbacks:
 * @ended: the session has ended and wants to be dropped by its owner. Called once
 * @lost: the device of @instance is lost, and the instance is of no use any more
 * @scaled: a message changed the scales of run-time adapters
 * @user_data: for all
 */
typedef struct {
    void (*ended)(ScopeSession *session, ScopeSessionEnd end, gpointer user_data);
    void (*lost)(ScopeSession *session, ScopeInstance *instance, const char *reason,
                 gpointer user_data);
    void (*scaled)(ScopeSession *session, JsonArray *lora_scales, gpointer user_data);
    gpointer user_data;
} ScopeSessionCallbacks;

/**
 * ScopeSessionStats:
 * @frames_in: pictures that came from the client
 * @frames_out: pictures given to the encoder
 * @frames_in_dropped: pictures that found a full queue
 * @frames_out_dropped: pictures that the encoder did not take
 * @elapsed_s: since the session began
 * @fps_in: over the last seconds
 * @fps_out: over the last seconds
 * @pipeline_fps: estimate of the last stage
 * @first_frame_s: from the creation to the first picture out; < 0 = none yet
 * @queue_frames: finished pictures that wait
 */
typedef struct {
    guint64 frames_in;
    guint64 frames_out;
    guint64 frames_in_dropped;
    guint64 frames_out_dropped;
    gdouble elapsed_s;
    gdouble fps_in;
    gdouble fps_out;
    gdouble pipeline_fps;
    gdouble first_frame_s;
    guint queue_frames;
} ScopeSessionStats;

/**
 * ScopeSessionReplay: what is written for `scope replay`.
 * @folder: (nullable): where the log goes; %NULL = none is written
 * @input: whether the frames that the session is fed with are kept beside it
 */
typedef struct {
    const char *folder;
    ScopeReplayInput input;
} ScopeSessionReplay;

/**
 * scope_session_new:
 * @plan: (transfer full): what it runs
 * @ice: borrowed until return
 * @ice_address: (nullable): borrowed until return
 * @replay: what is written for `scope replay`; borrowed until return
 * @callbacks: copied
 * @error: (nullable): set on failure
 *
 * Makes the peer, the chain and the pacer, and starts the chain.
 *
 * Thread: main.
 * Errors: those of scope_peer_new(), scope_chain_new() and scope_chain_start().
 * Returns: (transfer full): a session that waits for its offer, or %NULL with @error set.
 */
ScopeSession *scope_session_new(ScopePlan *plan, ScopeIce *ice, const char *ice_address,
                                const ScopeSessionReplay *replay,
                                const ScopeSessionCallbacks *callbacks, GError **error);

/** scope_session_ref: another owner. Thread: main. */
ScopeSession *scope_session_ref(ScopeSession *session);

/** scope_session_unref: (nullable): the last owner closes it. Thread: main. */
void scope_session_unref(ScopeSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeSession, scope_session_unref)

/** scope_session_get_id: borrowed UUID. Thread: main. */
const char *scope_session_get_id(ScopeSession *session);

/** scope_session_get_peer: borrowed. Thread: main. */
ScopePeer *scope_session_get_peer(ScopeSession *session);

/** scope_session_get_chain: (nullable): borrowed; %NULL without pipelines. Thread: main. */
ScopeChain *scope_session_get_chain(ScopeSession *session);

/** scope_session_get_record: borrowed: every parameter that was set so far. Thread: main. */
JsonObject *scope_session_get_record(ScopeSession *session);

/**
 * ScopeSessionOrigin: where parameters came from.
 * @SCOPE_SESSION_FROM_CHANNEL: the client's data channel; it is told what was refused
 * @SCOPE_SESSION_FROM_REST: validated before; nothing is told
 */
typedef enum {
    SCOPE_SESSION_FROM_CHANNEL = 0,
    SCOPE_SESSION_FROM_REST,
} ScopeSessionOrigin;

/**
 * scope_session_apply:
 * @session: borrowed
 * @message: parameters as they came, borrowed
 * @origin: where they came from
 *
 * Handles one message by the rules of webrtc.md 5.2: valid members apply, the others are named in
 * a `parameter_error` notice on the data channel.
 *
 * Thread: main.
 * Errors: none.
 */
void scope_session_apply(ScopeSession *session, JsonObject *message, ScopeSessionOrigin origin);

/** scope_session_send: sends @message (borrowed) on the data channel. Thread: main. */
void scope_session_send(ScopeSession *session, JsonObject *message);

/** scope_session_send_stopped: tells `stream_stopped` with @reason (nullable). Thread: main. */
void scope_session_send_stopped(ScopeSession *session, const char *reason);

/** scope_session_sync: takes over what the manager has loaded or unloaded. Thread: main. */
void scope_session_sync(ScopeSession *session, ScopeManager *manager);

/** scope_session_request_close: ends workers and peer without waiting. Thread: main. */
void scope_session_request_close(ScopeSession *session);

/** scope_session_dup_last_frame: (transfer full) (nullable): shown last. Thread: main. */
ScopeFrame *scope_session_dup_last_frame(ScopeSession *session);

/** scope_session_get_pacer_stats: fills @ret_stats. Thread: main. */
void scope_session_get_pacer_stats(ScopeSession *session, ScopePacerStats *ret_stats);

/** scope_session_get_n_joining: sessions of the process whose workers still end. Thread: main. */
guint scope_session_get_n_joining(void);

/** scope_session_get_stats: fills @ret_stats. Thread: main. */
void scope_session_get_stats(ScopeSession *session, ScopeSessionStats *ret_stats);

G_END_DECLS

#endif
