/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a peer connection: construction, state, errors, frames in and out, teardown. Main
 * thread, except where a function says otherwise. Negotiation, data channel and statistics are in
 * the scope-peer-*.c files beside this one.
 */
#include "media/scope-peer-private.h"

#include <string.h>

#include "core/scope-log.h"
#include "core/scope-thread.h"
#include "media/scope-media.h"

SCOPE_LOG_TOPIC(media, peer)

GST_DEBUG_CATEGORY_STATIC(scope_peer_debug);
#define GST_CAT_DEFAULT scope_peer_debug

/* Packets in order after which a new stream is taken to have begun. */
#define FAST_START_PACKETS 2

#define TICK_MS 500

static gint n_live_peers = 0; /* atomic */

typedef struct {
    ScopePeer *peer;
    ScopePeerPostFunc func;
    gpointer data;
    GDestroyNotify destroy;
} Post;

ScopePeer *
scope_peer_hold(ScopePeer *peer)
{
    __atomic_add_fetch(&peer->n_refs, 1, __ATOMIC_RELAXED);
    return peer;
}

/* The last reference: the pipeline is down and nothing of GStreamer knows the peer any more. */
void
scope_peer_release(gpointer data)
{
    ScopePeer *peer = data;
    if (__atomic_sub_fetch(&peer->n_refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    for (guint i = 0; i < SCOPE_PEER_MAX_TRACKS; i++) {
        scope_video_sender_free(peer->senders[i]);
        scope_video_receiver_free(peer->receivers[i]);
    }
    scope_sdp_offer_free(peer->offer);
    g_clear_pointer(&peer->early_candidates, g_ptr_array_unref);
    g_clear_object(&peer->channel);
    gst_clear_object(&peer->webrtc);
    gst_clear_object(&peer->pipeline);
    g_main_context_unref(peer->context);
    scope_lock_clear(&peer->stats_lock);
    g_free(peer->ice_address);
    g_free(peer->label);
    g_free(peer);
}

static gboolean
run_post(gpointer data)
{
    Post *post = data;
    post->func(post->peer, post->data);
    return G_SOURCE_REMOVE;
}

static void
free_post(gpointer data)
{
    Post *post = data;
    if (post->destroy != NULL) {
        post->destroy(post->data);
    }
    scope_peer_release(post->peer);
    g_free(post);
}

void
scope_peer_post(ScopePeer *peer, ScopePeerPostFunc func, gpointer data, GDestroyNotify destroy)
{
    Post *post = g_new(Post, 1);
    *post = (Post){scope_peer_hold(peer), func, data, destroy};
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_static_name(source, "scope-peer-post");
    g_source_set_callback(source, run_post, post, free_post);
    g_source_attach(source, peer->context);
}

/* -- State ------------------------------------------------------------------------------------ */

static gboolean
is_final(ScopePeerState state)
{
    return state == SCOPE_PEER_STATE_FAILED || state == SCOPE_PEER_STATE_CLOSED;
}

static void
report_state(ScopePeer *peer, const char *reason)
{
    if (peer->callbacks.state_changed != NULL) {
        peer->callbacks.state_changed(peer, peer->state, reason, peer->user_data);
    }
}

void
scope_peer_set_state(ScopePeer *peer, ScopePeerState state, const char *reason)
{
    if (peer->closing || peer->state == state || is_final(peer->state)) {
        return;
    }
    static const char *const names[] = {"new",          "connecting", "connected",
                                        "disconnected", "failed",     "closed"};
    scope_log_debug("peer %s: %s -> %s%s%s", peer->label, names[peer->state], names[state],
                    reason ? ": " : "", reason ? reason : "");
    peer->state = state;
    gboolean open = state == SCOPE_PEER_STATE_CONNECTED || state == SCOPE_PEER_STATE_DISCONNECTED;
    __atomic_store_n(&peer->media_open, open, __ATOMIC_RELEASE);
    scope_peer_hold(peer);
    report_state(peer, reason);
    scope_peer_release(peer);
}

void
scope_peer_fail(ScopePeer *peer, const char *reason)
{
    if (peer->closing || is_final(peer->state)) {
        return;
    }
    if (peer->offer_task != NULL) {
        scope_peer_end_offer(
            peer, NULL, g_error_new(SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED, "%s", reason));
    }
    scope_peer_set_state(peer, SCOPE_PEER_STATE_FAILED, reason);
}

/* GStreamer's thread: whatever the client sends comes through here, but for ICE's own checks. */
static GstPadProbeReturn
on_arrival(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopePeer *peer = user_data;
    __atomic_store_n(&peer->last_arrival_us, g_get_monotonic_time(), __ATOMIC_RELAXED);
    return GST_PAD_PROBE_OK;
}

static void
watch_arrivals(ScopePeer *peer)
{
    GstIterator *elements =
        gst_bin_iterate_all_by_element_factory_name(GST_BIN(peer->webrtc), "nicesrc");
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(elements, &item) == GST_ITERATOR_OK) {
        g_autoptr(GstPad) pad = gst_element_get_static_pad(g_value_get_object(&item), "src");
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_arrival, peer, NULL);
        g_value_unset(&item);
    }
    gst_iterator_free(elements);
}

static void
on_connected(ScopePeer *peer)
{
    if (peer->last_arrival_us == 0) {
        watch_arrivals(peer);
        scope_peer_start_rtcp(peer);
    }
    __atomic_store_n(&peer->last_arrival_us, g_get_monotonic_time(), __ATOMIC_RELAXED);
    scope_peer_set_state(peer, SCOPE_PEER_STATE_CONNECTED, NULL);
}

static void
read_connection_state(ScopePeer *peer, gpointer unused)
{
    if (peer->closing) {
        return;
    }
    GstWebRTCPeerConnectionState now;
    g_object_get(peer->webrtc, "connection-state", &now, NULL);
    switch (now) {
    case GST_WEBRTC_PEER_CONNECTION_STATE_NEW:
        break;
    case GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTING:
        if (peer->state == SCOPE_PEER_STATE_NEW) {
            scope_peer_set_state(peer, SCOPE_PEER_STATE_CONNECTING, NULL);
        }
        break;
    case GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED:
        on_connected(peer);
        break;
    case GST_WEBRTC_PEER_CONNECTION_STATE_DISCONNECTED:
        scope_peer_set_state(peer, SCOPE_PEER_STATE_DISCONNECTED, NULL);
        break;
    case GST_WEBRTC_PEER_CONNECTION_STATE_FAILED:
        scope_peer_fail(peer, "the transport failed: no working pair of ICE candidates, or the "
                              "client is gone");
        break;
    case GST_WEBRTC_PEER_CONNECTION_STATE_CLOSED:
        scope_peer_set_state(peer, SCOPE_PEER_STATE_CLOSED, NULL);
        break;
    }
}

static void
on_connection_state(GObject *webrtc, GParamSpec *pspec, gpointer user_data)
{
    scope_peer_post(user_data, read_connection_state, NULL, NULL);
}

static void
on_gathering_state(GObject *webrtc, GParamSpec *pspec, gpointer user_data)
{
    scope_peer_post(user_data, scope_peer_on_gathering, NULL, NULL);
}

static void
on_ice_candidate(GstElement *webrtc, guint mline, const char *candidate, gpointer user_data)
{
    const gboolean is_host = strstr(candidate, " typ host") != NULL;
    scope_peer_post(user_data, scope_peer_on_local_candidate, GINT_TO_POINTER(!is_host), NULL);
}

/* SCTP loses its association when the client closes; the rest is a failure. */
static void
handle_error(ScopePeer *peer, GstMessage *message, const GError *error)
{
    if (GST_IS_ELEMENT(GST_MESSAGE_SRC(message))) {
        GstElementFactory *factory = gst_element_get_factory(GST_ELEMENT(GST_MESSAGE_SRC(message)));
        if (factory != NULL && g_str_has_prefix(GST_OBJECT_NAME(factory), "sctp")) {
            scope_peer_set_state(peer, SCOPE_PEER_STATE_CLOSED, NULL);
            return;
        }
    }
    scope_peer_fail(peer, error->message);
}

/* Main: the only place where errors of GStreamer arrive. */
static gboolean
on_bus_message(GstBus *bus, GstMessage *message, gpointer user_data)
{
    ScopePeer *peer = user_data;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) error = NULL;
        g_autofree char *debug = NULL;
        gst_message_parse_error(message, &error, &debug);
        scope_log_debug("peer %s: GStreamer: %s: %s", peer->label, error->message,
                        debug ? debug : "no details");
        handle_error(peer, message, error);
    } else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY) {
        gst_bin_recalculate_latency(GST_BIN(peer->pipeline));
    }
    return G_SOURCE_CONTINUE;
}

/* A client that gets pictures reports on them about once a second. Without pictures there may be
 * nothing to hear for long; then the checks of ICE tell, after 50 s. */
static void
check_silence(ScopePeer *peer, gint64 now_us)
{
    gint64 limit_us = (gint64)peer->options.silence_timeout_ms * 1000;
    gint64 silent_us = now_us - __atomic_load_n(&peer->last_arrival_us, __ATOMIC_RELAXED);
    if (silent_us < limit_us / 5 || peer->stats.frames_out == peer->frames_out_at_arrival) {
        if (peer->state == SCOPE_PEER_STATE_DISCONNECTED && silent_us < limit_us / 5) {
            scope_peer_set_state(peer, SCOPE_PEER_STATE_CONNECTED, NULL);
        }
        peer->frames_out_at_arrival = peer->stats.frames_out;
    } else if (silent_us >= limit_us) {
        scope_peer_fail(peer, "the client has fallen silent");
    } else if (peer->state == SCOPE_PEER_STATE_CONNECTED) {
        scope_peer_set_state(peer, SCOPE_PEER_STATE_DISCONNECTED, NULL);
    }
}

/* A client that never connects, or that has fallen silent, must not keep its session. */
static void
check_deadlines(ScopePeer *peer)
{
    gint64 now_us = g_get_monotonic_time();
    if (peer->state == SCOPE_PEER_STATE_CONNECTED || peer->state == SCOPE_PEER_STATE_DISCONNECTED) {
        check_silence(peer, now_us);
    }
    gboolean waiting =
        peer->state == SCOPE_PEER_STATE_NEW || peer->state == SCOPE_PEER_STATE_CONNECTING;
    if (waiting && peer->answered_us > 0 &&
        now_us - peer->answered_us > (gint64)peer->options.connect_timeout_ms * 1000) {
        scope_peer_fail(peer, "the client did not connect in time");
    }
}

static gboolean
on_tick(gpointer user_data)
{
    ScopePeer *peer = user_data;
    scope_peer_hold(peer);
    check_deadlines(peer);
    if (!peer->closing) {
        scope_peer_update_stats(peer);
    }
    scope_peer_release(peer);
    return G_SOURCE_CONTINUE;
}

/* -- Construction ------------------------------------------------------------------------------ */

static void
attach_sources(ScopePeer *peer)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(peer->pipeline);
    peer->bus_source = gst_bus_create_watch(bus);
    g_source_set_callback(peer->bus_source, G_SOURCE_FUNC(on_bus_message), peer, NULL);
    g_source_attach(peer->bus_source, peer->context);
    peer->tick_source = g_timeout_source_new(TICK_MS);
    g_source_set_callback(peer->tick_source, on_tick, peer, NULL);
    g_source_attach(peer->tick_source, peer->context);
}

/* webrtcbin makes them with the first data channel; main thread or webrtcbin's. */
static void
on_element_added(GstBin *bin, GstBin *sub_bin, GstElement *element, gpointer user_data)
{
    ScopePeer *peer = user_data;
    GstElementFactory *factory = gst_element_get_factory(element);
    if (factory != NULL && g_str_equal(GST_OBJECT_NAME(factory), "sctpdec")) {
        gst_object_replace((GstObject **)&peer->sctp_decoder, GST_OBJECT(element));
    } else if (factory != NULL && g_str_equal(GST_OBJECT_NAME(factory), "sctpenc")) {
        gst_object_replace((GstObject **)&peer->sctp_encoder, GST_OBJECT(element));
    }
}

static void
connect_signals(ScopePeer *peer)
{
    g_signal_connect(peer->pipeline, "deep-element-added", G_CALLBACK(on_element_added), peer);
    g_signal_connect(peer->webrtc, "notify::connection-state", G_CALLBACK(on_connection_state),
                     peer);
    g_signal_connect(peer->webrtc, "notify::ice-gathering-state", G_CALLBACK(on_gathering_state),
                     peer);
    g_signal_connect(peer->webrtc, "on-ice-candidate", G_CALLBACK(on_ice_candidate), peer);
    g_signal_connect(peer->webrtc, "on-data-channel", G_CALLBACK(scope_peer_on_data_channel), peer);
    g_signal_connect(peer->webrtc, "pad-added", G_CALLBACK(scope_peer_on_pad_added), peer);
}

/* Streaming thread. Without this the first packets wait as long as a missing one may take. */
static void
on_jitter_buffer(GstElement *rtpbin, GstElement *buffer, guint session, guint ssrc,
                 gpointer user_data)
{
    g_object_set(buffer, "faststart-min-packets", FAST_START_PACKETS, NULL);
}

/* RTCP would name the host otherwise. */
static void
tune_rtpbin(ScopePeer *peer)
{
    g_autoptr(GstElement) rtpbin = gst_bin_get_by_name(GST_BIN(peer->webrtc), "rtpbin");
    g_autoptr(GstStructure) sdes = gst_structure_new("application/x-rtp-source-sdes", "cname",
                                                     G_TYPE_STRING, SCOPE_SDP_CNAME, NULL);
    if (rtpbin != NULL) {
        g_object_set(rtpbin, "sdes", sdes, NULL);
        g_signal_connect(rtpbin, "new-jitterbuffer", G_CALLBACK(on_jitter_buffer), NULL);
    }
}

/* Base time zero on the system's clock: running time is monotonic time. */
static gboolean
build_pipeline(ScopePeer *peer, const ScopePeerOptions *options, GError **error)
{
    peer->webrtc = gst_element_factory_make("webrtcbin", NULL);
    peer->pipeline = gst_object_ref_sink(gst_pipeline_new(NULL));
    if (peer->webrtc == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer has no element webrtcbin; install the package "
                    "gstreamer1.0-plugins-bad");
        return FALSE;
    }
    gst_object_ref_sink(peer->webrtc);
    g_autoptr(GstClock) clock = gst_system_clock_obtain();
    gst_pipeline_use_clock(GST_PIPELINE(peer->pipeline), clock);
    gst_element_set_start_time(peer->pipeline, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(peer->pipeline, 0);
    g_object_set(peer->webrtc, "bundle-policy", GST_WEBRTC_BUNDLE_POLICY_MAX_BUNDLE, "latency",
                 options->jitter_ms, NULL);
    gst_bin_add(GST_BIN(peer->pipeline), peer->webrtc);
    tune_rtpbin(peer);
    if (!scope_peer_apply_ice(peer, options, error)) {
        return FALSE;
    }
    connect_signals(peer);
    attach_sources(peer);
    if (gst_element_set_state(peer->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "webrtcbin could not be started");
        return FALSE;
    }
    return TRUE;
}

ScopePeer *
scope_peer_new(const ScopePeerOptions *options, const ScopePeerCallbacks *callbacks,
               gpointer user_data, GDestroyNotify destroy, GError **error)
{
    static gsize registered = 0;
    if (g_once_init_enter(&registered)) {
        GST_DEBUG_CATEGORY_INIT(scope_peer_debug, "scopepeer", 0, "WebRTC peer connection");
        g_once_init_leave(&registered, 1);
    }
    ScopePeer *peer = g_new0(ScopePeer, 1);
    peer->n_owners = 1;
    peer->n_refs = 1;
    peer->context = g_main_context_ref_thread_default();
    peer->label = g_strdup(options->label ? options->label : "-");
    peer->options = *options;
    peer->options.ice_servers = NULL;
    peer->options.ice_address = NULL;
    peer->options.label = NULL;
    peer->options.max_outputs = CLAMP(options->max_outputs, 1, SCOPE_PEER_MAX_TRACKS);
    peer->ice_address = g_strdup(options->ice_address);
    peer->callbacks = *callbacks;
    peer->user_data = user_data;
    peer->destroy = destroy;
    peer->early_candidates = g_ptr_array_new_with_free_func(g_free);
    peer->target_bps = options->start_bitrate_bps;
    g_queue_init(&peer->texts);
    scope_lock_init(&peer->stats_lock);
    __atomic_add_fetch(&n_live_peers, 1, __ATOMIC_RELAXED);
    if (!build_pipeline(peer, options, error)) {
        scope_peer_unref(peer);
        return NULL;
    }
    return peer;
}

/* -- Frames and text ----------------------------------------------------------------------------
 */

gboolean
scope_peer_push_frame(ScopePeer *peer, guint output, ScopeFrame *frame, gint64 pts_us)
{
    if (output >= SCOPE_PEER_MAX_TRACKS ||
        !__atomic_load_n(&peer->tracks_ready, __ATOMIC_ACQUIRE) || peer->senders[output] == NULL) {
        return FALSE;
    }
    if (!__atomic_load_n(&peer->media_open, __ATOMIC_ACQUIRE)) {
        scope_video_sender_count_drop(peer->senders[output]);
        return FALSE;
    }
    return scope_video_sender_push(peer->senders[output], frame, pts_us);
}

void
scope_peer_request_keyframe(ScopePeer *peer, guint input)
{
    if (input < SCOPE_PEER_MAX_TRACKS && __atomic_load_n(&peer->tracks_ready, __ATOMIC_ACQUIRE) &&
        peer->receivers[input] != NULL) {
        scope_video_receiver_request_keyframe(peer->receivers[input]);
    }
}

void
scope_peer_force_keyframe(ScopePeer *peer, guint output)
{
    if (output < SCOPE_PEER_MAX_TRACKS && __atomic_load_n(&peer->tracks_ready, __ATOMIC_ACQUIRE) &&
        peer->senders[output] != NULL) {
        scope_video_sender_force_keyframe(peer->senders[output]);
    }
}

ScopePeerState
scope_peer_get_state(ScopePeer *peer)
{
    return peer->state;
}

/* -- Teardown ------------------------------------------------------------------------------------
 */

static void
finish_close(ScopePeer *peer, gpointer unused)
{
    scope_peer_stop_rtcp(peer);
    gst_clear_object(&peer->sctp_decoder);
    gst_clear_object(&peer->sctp_encoder);
    gst_clear_object(&peer->webrtc);
    gst_clear_object(&peer->pipeline);
    peer->state = SCOPE_PEER_STATE_CLOSED;
    if (__atomic_load_n(&peer->n_owners, __ATOMIC_ACQUIRE) > 0) {
        report_state(peer, NULL);
    }
    if (peer->destroy != NULL) {
        peer->destroy(peer->user_data);
    }
    peer->destroy = NULL;
    __atomic_sub_fetch(&n_live_peers, 1, __ATOMIC_RELEASE);
}

static gboolean
stop_pad(GstElement *encoder, GstPad *pad, gpointer unused)
{
    gst_pad_send_event(pad, gst_event_new_flush_start()); /* a sender may wait for a slow client */
    gst_pad_set_active(pad, FALSE);
    return TRUE;
}

/*
 * Waits for the message that sctpdec or sctpenc works on and lets in no other. Without this, those
 * of GStreamer 1.22 end the process now and then while the pipeline goes down: sctpdec starts the
 * task of a pad that it has just removed, and sctpenc closes its association before its pads, under
 * a thread that sends.
 */
static void
stop_channels(ScopePeer *peer)
{
    if (peer->sctp_decoder != NULL) {
        g_autoptr(GstPad) pad = gst_element_get_static_pad(peer->sctp_decoder, "sink");
        gst_pad_set_active(pad, FALSE);
    }
    if (peer->sctp_encoder != NULL) {
        gst_element_foreach_sink_pad(peer->sctp_encoder, stop_pad, NULL);
    }
}

/* Helper thread: joins GStreamer's threads, which may take as long as a picture is encoded. */
static void
take_down(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    ScopePeer *peer = task_data;
    stop_channels(peer);
    gst_element_set_state(peer->pipeline, GST_STATE_NULL);
    scope_peer_post(peer, finish_close, NULL, NULL);
    g_task_return_boolean(task, TRUE);
}

static void
destroy_source(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

void
scope_peer_close(ScopePeer *peer)
{
    if (peer->closing) {
        return;
    }
    scope_peer_hold(peer);
    scope_peer_end_offer(
        peer, NULL,
        g_error_new(SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED, "the peer was closed"));
    peer->closing = TRUE;
    __atomic_store_n(&peer->media_open, 0, __ATOMIC_RELEASE);
    scope_peer_close_channel(peer);
    destroy_source(&peer->bus_source);
    destroy_source(&peer->tick_source);
    destroy_source(&peer->gather_source);
    g_autoptr(GTask) task = g_task_new(NULL, NULL, NULL, NULL);
    g_task_set_name(task, "scope-peer-close");
    g_task_set_task_data(task, peer, scope_peer_release);
    g_task_run_in_thread(task, take_down);
}

ScopePeer *
scope_peer_ref(ScopePeer *peer)
{
    __atomic_add_fetch(&peer->n_owners, 1, __ATOMIC_RELAXED);
    return peer;
}

void
scope_peer_unref(ScopePeer *peer)
{
    if (peer != NULL && __atomic_sub_fetch(&peer->n_owners, 1, __ATOMIC_ACQ_REL) == 0) {
        scope_peer_close(peer);
        scope_peer_release(peer);
    }
}

guint
scope_peer_get_n_live(void)
{
    return (guint)__atomic_load_n(&n_live_peers, __ATOMIC_ACQUIRE);
}
