/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of ScopePeer share. Fields belong to main unless marked; GStreamer's threads reach
 * main through scope_peer_post() only.
 */
#ifndef SCOPE_PEER_PRIVATE_H
#define SCOPE_PEER_PRIVATE_H

#include <gst/gst.h>
#include <gst/webrtc/webrtc.h>

#include "core/scope-lock.h"
#include "media/scope-peer.h"
#include "media/scope-sdp.h"
#include "media/scope-video-receiver.h"
#include "media/scope-video-sender.h"

G_BEGIN_DECLS

/** ScopePeerMeter: turns growing byte counters into bits per second. */
typedef struct {
    gint64 since_us;
    guint64 bytes;
    guint bps;
} ScopePeerMeter;

/**
 * ScopePeer: life. The owner's references (n_owners) keep the peer open; n_refs keep the memory.
 * The owners together hold one of n_refs, the teardown holds one until the pipeline is down, and
 * each post to main holds one.
 */
struct _ScopePeer {
    gint n_owners; /* atomic */
    gint n_refs;   /* atomic */
    GMainContext *context;
    char *label;
    ScopePeerOptions options; /* ice_servers and strings are not used after construction */
    char *ice_address;
    ScopePeerCallbacks callbacks;
    gpointer user_data;
    GDestroyNotify destroy;

    GstElement *pipeline;
    GstElement *webrtc;
    GstElement *sctp_decoder, *sctp_encoder; /* in webrtcbin; NULL without a data channel */
    GSource *bus_source;
    GSource *tick_source;
    ScopePeerState state;
    gboolean closing;

    /* Negotiation. */
    ScopeSdpOffer *offer;
    GTask *offer_task;
    GSource *gather_source;
    GCancellable *offer_cancellable;
    gulong cancel_id;
    gint64 gather_started_us;
    gint64 last_candidate_us;
    gint64 gather_quiet_us;
    guint n_local_candidates;
    gboolean has_server_candidate; /* one that a STUN or TURN server has told */
    GPtrArray *early_candidates;   /* until the offer is applied */
    gboolean offer_applied;
    guint n_remote_candidates;
    gint64 answered_us;

    /* Tracks: filled before tracks_ready is set, then unchanged until the pipeline is down. */
    ScopeVideoSender *senders[SCOPE_PEER_MAX_TRACKS];
    ScopeVideoReceiver *receivers[SCOPE_PEER_MAX_TRACKS];
    gint tracks_ready; /* atomic */
    gint media_open;   /* atomic: pictures may be pushed */

    /* Data channel. */
    GObject *channel;
    GQueue texts;      /* of char*, until the channel opens */
    gint n_unread;     /* atomic: messages on their way to main */
    guint64 n_too_big; /* counted for the log */

    /* Statistics and rate. */
    ScopeLock stats_lock; /* a leaf; guards stats and remb_bps */
    ScopePeerStats stats;
    guint remb_bps;
    gint64 remb_us;
    GObject *rtp_session;
    gulong rtcp_handler;
    guint target_bps;
    gint64 last_decrease_us;
    ScopePeerMeter meter_in;
    ScopePeerMeter meter_out;
    guint64 frames_out_at_arrival;
    gint64 last_arrival_us; /* atomic: anything from the network, GStreamer's threads write */
};

/** ScopePeerPostFunc: runs on main with what scope_peer_post was given. */
typedef void (*ScopePeerPostFunc)(ScopePeer *peer, gpointer data);

/**
 * scope_peer_post:
 * @func: called on main, in the order of the posts, even while the peer closes
 * @data: transfer full
 * @destroy: (nullable) frees @data after @func
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_peer_post(ScopePeer *peer, ScopePeerPostFunc func, gpointer data,
                     GDestroyNotify destroy);

/** scope_peer_hold: keeps the memory. Thread: any. Errors: none. Returns: @peer. */
ScopePeer *scope_peer_hold(ScopePeer *peer);

/** scope_peer_release: gives scope_peer_hold back. Thread: any. Errors: none. */
void scope_peer_release(gpointer peer);

/** scope_peer_set_state: reports a change. @reason: (nullable). Thread: main. Errors: none. */
void scope_peer_set_state(ScopePeer *peer, ScopePeerState state, const char *reason);

/** scope_peer_fail: FAILED with @reason, once. Thread: main. Errors: none. */
void scope_peer_fail(ScopePeer *peer, const char *reason);

/**
 * scope_peer_end_offer:
 * @answer: (nullable) transfer full
 * @error: (nullable) transfer full, used when @answer is NULL
 *
 * Completes the pending offer, if there is one. Thread: main. Errors: none.
 */
void scope_peer_end_offer(ScopePeer *peer, char *answer, GError *error);

/** scope_peer_on_gathering: webrtcbin's gathering state changed. Thread: main. Errors: none. */
void scope_peer_on_gathering(ScopePeer *peer, gpointer unused);

/**
 * scope_peer_on_local_candidate:
 * @is_from_server: non-NULL: it took a STUN or TURN server to find it
 *
 * One more was gathered, maybe after the answer. Thread: main. Errors: none.
 */
void scope_peer_on_local_candidate(ScopePeer *peer, gpointer is_from_server);

/** scope_peer_on_pad_added: signal of webrtcbin. Thread: GStreamer. Errors: none. */
void scope_peer_on_pad_added(GstElement *webrtc, GstPad *pad, gpointer peer);

/** scope_peer_on_data_channel: signal of webrtcbin. Thread: GStreamer. Errors: none. */
void scope_peer_on_data_channel(GstElement *webrtc, GObject *channel, gpointer peer);

/** scope_peer_close_channel: drops the channel and the queue. Thread: main. Errors: none. */
void scope_peer_close_channel(ScopePeer *peer);

/** scope_peer_start_rtcp: follows the RTP session's reports. Thread: main. Errors: none. */
void scope_peer_start_rtcp(ScopePeer *peer);

/** scope_peer_stop_rtcp: the opposite. Thread: main. Errors: none. */
void scope_peer_stop_rtcp(ScopePeer *peer);

/** scope_peer_update_stats: once per tick: statistics and bitrate. Thread: main. Errors: none. */
void scope_peer_update_stats(ScopePeer *peer);

/**
 * scope_peer_apply_ice:
 * @error: (nullable) set on failure
 *
 * Gives ICE servers and the address to webrtcbin. Thread: main. Errors: SCOPE_MEDIA_ERROR_FAILED.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_peer_apply_ice(ScopePeer *peer, const ScopePeerOptions *options, GError **error);

G_END_DECLS

#endif
