/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One WebRTC peer connection: takes a client's offer, answers it, carries video both ways and
 * text over the client's data channel. Owns its GStreamer pipeline and streaming threads.
 *
 * Tracks. The video m-lines of the offer are numbered twice: those the client sends on
 * (sendrecv, sendonly) are inputs 0, 1, ... and those it receives on (sendrecv, recvonly) are
 * outputs 0, 1, ... in the order of the offer. Outputs from max_outputs on are answered inactive.
 * Audio is answered inactive.
 *
 * Life: scope_peer_new, scope_peer_accept_offer_async once, then frames and text, then
 * scope_peer_close, then scope_peer_unref. Everything runs on main, except where said.
 */
#ifndef SCOPE_PEER_H
#define SCOPE_PEER_H

#include <gio/gio.h>
#include <scope/scope-frame.h>

G_BEGIN_DECLS

/** SCOPE_PEER_MAX_SDP_BYTES: the largest offer that is looked at. */
#define SCOPE_PEER_MAX_SDP_BYTES (256 * 1024)

/** SCOPE_PEER_MAX_MESSAGE_BYTES: the largest text message in either direction. */
#define SCOPE_PEER_MAX_MESSAGE_BYTES 65536

/** SCOPE_PEER_MAX_QUEUED_MESSAGES: texts kept until the data channel opens. */
#define SCOPE_PEER_MAX_QUEUED_MESSAGES 256

/** SCOPE_PEER_MAX_TRACKS: the largest number of inputs, and of outputs, of a peer. */
#define SCOPE_PEER_MAX_TRACKS 8

/** ScopePeer: opaque, refcounted. */
typedef struct _ScopePeer ScopePeer;

/**
 * ScopePeerState:
 * @SCOPE_PEER_STATE_NEW: no transport has been started
 * @SCOPE_PEER_STATE_CONNECTING: ICE or DTLS is under way
 * @SCOPE_PEER_STATE_CONNECTED: media and text flow
 * @SCOPE_PEER_STATE_DISCONNECTED: the transport is interrupted; may become CONNECTED again
 * @SCOPE_PEER_STATE_FAILED: final; close and unref
 * @SCOPE_PEER_STATE_CLOSED: final; the other side closed, or scope_peer_close has finished
 */
typedef enum {
    SCOPE_PEER_STATE_NEW = 0,
    SCOPE_PEER_STATE_CONNECTING,
    SCOPE_PEER_STATE_CONNECTED,
    SCOPE_PEER_STATE_DISCONNECTED,
    SCOPE_PEER_STATE_FAILED,
    SCOPE_PEER_STATE_CLOSED,
} ScopePeerState;

/**
 * ScopeVideoCodec:
 * @SCOPE_VIDEO_CODEC_NONE: not negotiated
 * @SCOPE_VIDEO_CODEC_VP8: VP8
 * @SCOPE_VIDEO_CODEC_H264: H.264 constrained baseline, packetisation mode 1
 */
typedef enum {
    SCOPE_VIDEO_CODEC_NONE = 0,
    SCOPE_VIDEO_CODEC_VP8,
    SCOPE_VIDEO_CODEC_H264,
} ScopeVideoCodec;

/**
 * ScopeIceServer:
 * @urls: NULL-terminated; `stun:`, `stuns:`, `turn:`, `turns:` as browsers write them
 * @username: (nullable) for TURN
 * @credential: (nullable) for TURN
 */
typedef struct {
    const char *const *urls;
    const char *username;
    const char *credential;
} ScopeIceServer;

/**
 * ScopePeerOptions:
 * @ice_servers: (nullable) @n_ice_servers entries, copied
 * @n_ice_servers: number of entries
 * @ice_address: (nullable) gather on this local address only
 * @label: (nullable) appears in log lines and errors, for example the session's id
 * @preferred_codec: what is answered when the client offers several
 * @max_outputs: outputs that will be fed, 1..SCOPE_PEER_MAX_TRACKS
 * @min_bitrate_bps: the encoder never goes below
 * @start_bitrate_bps: where the encoder starts
 * @max_bitrate_bps: the encoder never goes above
 * @jitter_ms: longest wait for a missing packet of an incoming video
 * @gather_timeout_ms: longest wait for candidates before the answer is given with those at hand
 * @connect_timeout_ms: CONNECTED must be reached this long after the answer, else FAILED; a client
 *   that never sends candidates ends here
 * @silence_timeout_ms: FAILED when nothing arrives for so long from a client that is being sent
 *   pictures; DISCONNECTED is reported after a fifth of it. A silent client that gets no pictures
 *   is found by ICE's own checks after 50 s
 *
 * Fill with SCOPE_PEER_OPTIONS_INIT, then change what differs. Borrowed by scope_peer_new.
 */
typedef struct {
    const ScopeIceServer *ice_servers;
    guint n_ice_servers;
    const char *ice_address;
    const char *label;
    ScopeVideoCodec preferred_codec;
    guint max_outputs;
    guint min_bitrate_bps;
    guint start_bitrate_bps;
    guint max_bitrate_bps;
    guint jitter_ms;
    guint gather_timeout_ms;
    guint connect_timeout_ms;
    guint silence_timeout_ms;
} ScopePeerOptions;

#define SCOPE_PEER_OPTIONS_INIT                                                                    \
    ((ScopePeerOptions){                                                                           \
        .preferred_codec = SCOPE_VIDEO_CODEC_VP8,                                                  \
        .max_outputs = 1,                                                                          \
        .min_bitrate_bps = 5000000,                                                                \
        .start_bitrate_bps = 7000000,                                                              \
        .max_bitrate_bps = 10000000,                                                               \
        .jitter_ms = 40,                                                                           \
        .gather_timeout_ms = 5000,                                                                 \
        .connect_timeout_ms = 30000,                                                               \
        .silence_timeout_ms = 30000,                                                               \
    })

/**
 * ScopePeerCallbacks:
 * @state_changed: (nullable) main. The peer moved to @state; @reason is a sentence for FAILED, else
 *   NULL. CLOSED after scope_peer_close comes when the teardown has finished. Never called twice
 *   with the same state in a row
 * @channel_opened: (nullable) main. The client's data channel is open; queued texts are sent right
 *   before
 * @message: (nullable) main. A text message; @text is valid UTF-8, NUL-terminated, @n_bytes long
 *   without the NUL, at most SCOPE_PEER_MAX_MESSAGE_BYTES
 * @frame: (nullable) a GStreamer streaming thread, one per input. A decoded picture, I420 in native
 *   size, pts_us its capture time on the monotonic clock, born_us its arrival. Borrowed: take a
 *   reference to keep it. Must return at once; must not call scope_peer_close
 *
 * After scope_peer_close has been called none of them is called again, but for state_changed with
 * CLOSED, and a @frame that was already running. All may be called between scope_peer_new and
 * scope_peer_close only.
 */
typedef struct {
    void (*state_changed)(ScopePeer *peer, ScopePeerState state, const char *reason,
                          gpointer user_data);
    void (*channel_opened)(ScopePeer *peer, gpointer user_data);
    void (*message)(ScopePeer *peer, const char *text, gsize n_bytes, gpointer user_data);
    void (*frame)(ScopePeer *peer, guint input, ScopeFrame *frame, gpointer user_data);
} ScopePeerCallbacks;

/**
 * ScopePeerStats:
 * @state: current state
 * @codec: what output 0 sends, or input 0 receives when there is no output
 * @n_inputs: video m-lines the client sends on
 * @n_outputs: video m-lines that are fed
 * @frames_in: pictures decoded, all inputs
 * @frames_out: pictures encoded and sent, all outputs
 * @frames_dropped: pictures given to scope_peer_push_frame that were not encoded: not connected
 *   yet, or the encoder was behind
 * @keyframes_requested: PLI and FIR received
 * @bytes_in: RTP payload bytes received
 * @bytes_out: encoded bytes sent
 * @target_bitrate_bps: what the encoder aims at now, sum over outputs
 * @bitrate_out_bps: measured over about the last second
 * @bitrate_in_bps: measured over about the last second
 * @rtt_us: round trip from RTCP, 0 while unknown
 * @encode_us: exponential mean of the time from push to encoded picture
 * @jitter_us: interarrival jitter of the incoming video, 0 while unknown
 * @loss_in_ratio: 0..1, packets of the incoming video lost, over the connection
 * @loss_out_ratio: 0..1, packets the client reported lost, last report
 */
typedef struct {
    ScopePeerState state;
    ScopeVideoCodec codec;
    guint n_inputs;
    guint n_outputs;
    guint64 frames_in;
    guint64 frames_out;
    guint64 frames_dropped;
    guint64 keyframes_requested;
    guint64 bytes_in;
    guint64 bytes_out;
    guint target_bitrate_bps;
    guint bitrate_out_bps;
    guint bitrate_in_bps;
    gint64 rtt_us;
    gint64 encode_us;
    gint64 jitter_us;
    double loss_in_ratio;
    double loss_out_ratio;
} ScopePeerStats;

/**
 * scope_peer_new:
 * @options: borrowed
 * @callbacks: borrowed, copied
 * @user_data: given to every callback
 * @destroy: (nullable) frees @user_data, on main, after the last callback has returned; also
 *   called when the constructor fails
 * @error: (nullable) set on failure
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT, SCOPE_MEDIA_ERROR_FAILED.
 * Returns: (transfer full) a peer that waits for an offer, or NULL with @error set.
 */
ScopePeer *scope_peer_new(const ScopePeerOptions *options, const ScopePeerCallbacks *callbacks,
                          gpointer user_data, GDestroyNotify destroy, GError **error);

/**
 * scope_peer_ref:
 * @peer: borrowed
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) @peer.
 */
ScopePeer *scope_peer_ref(ScopePeer *peer);

/**
 * scope_peer_unref:
 * @peer: (nullable) transfer full
 *
 * Drops a reference. The last one closes the peer as scope_peer_close does.
 *
 * Thread: any; the last unref on main. Errors: none. Returns: nothing.
 */
void scope_peer_unref(ScopePeer *peer);

/**
 * scope_peer_accept_offer_async:
 * @peer: borrowed, kept alive until @callback
 * @offer_sdp: NUL-terminated text, borrowed until return
 * @cancellable: (nullable) cancels the wait; close the peer afterwards
 * @callback: called once, on main
 * @user_data: for @callback
 *
 * Checks the offer, applies it, builds the tracks, gathers all candidates (bounded by
 * gather_timeout_ms) and makes the answer. Only one offer per peer.
 *
 * Thread: main. Errors: through scope_peer_accept_offer_finish. Returns: nothing.
 */
void scope_peer_accept_offer_async(ScopePeer *peer, const char *offer_sdp,
                                   GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);

/**
 * scope_peer_accept_offer_finish:
 * @peer: borrowed
 * @result: what the callback was given
 * @error: (nullable) set on failure
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_SDP (malformed offer, with the reason),
 * SCOPE_MEDIA_ERROR_UNSUPPORTED (no common video codec), SCOPE_MEDIA_ERROR_STATE (second offer),
 * SCOPE_MEDIA_ERROR_CLOSED, SCOPE_MEDIA_ERROR_FAILED, SCOPE_MEDIA_ERROR_TIMEOUT,
 * G_IO_ERROR_CANCELLED.
 * Returns: (transfer full) the answer's SDP with all candidates and the end-of-candidates mark, or
 * NULL with @error set.
 */
char *scope_peer_accept_offer_finish(ScopePeer *peer, GAsyncResult *result, GError **error);

/**
 * scope_peer_add_candidate:
 * @peer: borrowed
 * @mid: (nullable) sdpMid
 * @mline_index: sdpMLineIndex, or -1 when not told; with BUNDLE every value means the same
 * @candidate: (nullable) with or without `candidate:` in front; NULL or empty ends the candidates
 * @error: (nullable) set on failure
 *
 * May be called from the moment the offer was given to scope_peer_accept_offer_async, before the
 * answer too. A `.local` name that does not resolve is not an error.
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_CANDIDATE (which field, which text),
 * SCOPE_MEDIA_ERROR_STATE (no offer yet), SCOPE_MEDIA_ERROR_CLOSED,
 * SCOPE_MEDIA_ERROR_LIMIT (more than 256 candidates).
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_peer_add_candidate(ScopePeer *peer, const char *mid, int mline_index,
                                  const char *candidate, GError **error);

/**
 * scope_peer_send_text:
 * @peer: borrowed
 * @text: NUL-terminated UTF-8, at most SCOPE_PEER_MAX_MESSAGE_BYTES; copied
 * @error: (nullable) set on failure
 *
 * Sends on the client's most recent data channel; keeps the text until there is an open one.
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_LIMIT (text too long, or queue full: the text is not
 * kept), SCOPE_MEDIA_ERROR_CLOSED.
 * Returns: TRUE when sent or queued, FALSE with @error set.
 */
gboolean scope_peer_send_text(ScopePeer *peer, const char *text, GError **error);

/**
 * scope_peer_push_frame:
 * @peer: borrowed
 * @output: which output, from 0
 * @frame: borrowed; a reference is kept while it is encoded. [h, w] I420 goes to the encoder
 *   without a copy, [h, w, 3] RGB24 is converted once; odd sizes are padded by an edge pixel
 * @pts_us: presentation time on the monotonic clock, SCOPE_TIME_NONE for now. A time that is not
 *   after the one before is moved just behind it
 *
 * Gives the newest picture to the encoder of @output. Never blocks on the encoder: when it is
 * behind, the oldest waiting picture is dropped. The size may change from picture to picture.
 *
 * Thread: any. Errors: none. Blocks: RGB24 conversion, well under 1 ms at 512x512.
 * Returns: TRUE when queued, FALSE when dropped (not connected, no such output, closed).
 */
gboolean scope_peer_push_frame(ScopePeer *peer, guint output, ScopeFrame *frame, gint64 pts_us);

/**
 * scope_peer_request_keyframe:
 * @peer: borrowed
 * @input: which input, from 0
 *
 * Asks the client for a key frame (PLI) on an incoming video.
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_peer_request_keyframe(ScopePeer *peer, guint input);

/**
 * scope_peer_force_keyframe:
 * @peer: borrowed
 * @output: which output, from 0
 *
 * Makes the next picture of @output a key frame. Requests from the client are answered without it.
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_peer_force_keyframe(ScopePeer *peer, guint output);

/**
 * scope_peer_get_state:
 * @peer: borrowed
 *
 * Thread: main. Errors: none.
 * Returns: the state last reported.
 */
ScopePeerState scope_peer_get_state(ScopePeer *peer);

/**
 * scope_peer_get_stats:
 * @peer: borrowed
 * @ret_stats: filled with a snapshot that is at most about a second old
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_peer_get_stats(ScopePeer *peer, ScopePeerStats *ret_stats);

/**
 * scope_peer_close:
 * @peer: borrowed
 *
 * Ends the connection. Returns at once; the pipeline is taken down on a helper thread and
 * state_changed(CLOSED) follows on main. Calling it again does nothing. A pending offer finishes
 * with SCOPE_MEDIA_ERROR_CLOSED.
 *
 * Thread: main. Errors: none. Returns: nothing.
 */
void scope_peer_close(ScopePeer *peer);

/**
 * scope_peer_get_n_live:
 *
 * Thread: any. Errors: none.
 * Returns: peers in this process whose teardown has not finished; for shutdown and for tests.
 */
guint scope_peer_get_n_live(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePeer, scope_peer_unref)

G_END_DECLS

#endif
