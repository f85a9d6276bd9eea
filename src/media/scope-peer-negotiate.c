/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an offer to an answer: ICE set-up, remote description, tracks, local description, gathering.
 * Each step is a promise of webrtcbin that is answered on its own thread and continues on main.
 */
#include "media/scope-peer-private.h"

#include <string.h>

#include <gst/video/video.h>

#include "core/scope-log.h"
#include "media/scope-candidate.h"
#include "media/scope-colour.h"
#include "media/scope-media.h"

SCOPE_LOG_TOPIC(media, peer)

#define MAX_REMOTE_CANDIDATES 256

/* With candidates at hand, silence for so long means that a server does not answer: STUN takes one
 * exchange, which libnice repeats after 500 ms, TURN two. */
#define STUN_QUIET_US   (600 * 1000)
#define TURN_QUIET_US   (1200 * 1000)
#define SILENT_QUIET_US (50 * 1000)
#define GATHER_CHECK_MS 10

/* No server answered the last offer, so the next is answered with the host's own candidates at
 * once; a server that answers later ends this. Main only. */
static gboolean servers_are_silent;

/* Distance of connectivity checks: the least of RFC 8445, for which few candidates are no burden.
 */
#define CHECK_PACING_MS 5

/* What webrtcbin reports for a promise, on its way to main. */
typedef struct {
    ScopePeer *peer;
    ScopePeerPostFunc next;
} Step;

/* -- ICE servers ----------------------------------------------------------------------------------
 */

/* `stun:host:port` becomes `stun://host:port`; TURN takes user and password inside. */
static char *
make_ice_uri(const char *url, const ScopeIceServer *server)
{
    const char *colon = strchr(url, ':');
    if (colon == NULL) {
        return NULL;
    }
    g_autofree char *scheme = g_strndup(url, (gsize)(colon - url));
    const char *rest = colon + 1 + (g_str_has_prefix(colon + 1, "//") ? 2 : 0);
    if (g_str_has_prefix(scheme, "stun")) {
        return g_strdup_printf("stun://%s%s", rest, strrchr(rest, ':') ? "" : ":3478");
    }
    if (!g_str_has_prefix(scheme, "turn") || server->username == NULL ||
        server->credential == NULL) {
        return NULL;
    }
    g_autofree char *user = g_uri_escape_string(server->username, NULL, FALSE);
    g_autofree char *password = g_uri_escape_string(server->credential, NULL, FALSE);
    return g_strdup_printf("%s://%s:%s@%s", scheme, user, password, rest);
}

static void
add_ice_server(ScopePeer *peer, const ScopeIceServer *server, guint *n_stun, guint *n_turn)
{
    for (guint i = 0; server->urls != NULL && server->urls[i] != NULL; i++) {
        g_autofree char *uri = make_ice_uri(server->urls[i], server);
        gboolean added = FALSE;
        if (uri != NULL && g_str_has_prefix(uri, "stun") && *n_stun == 0) {
            g_object_set(peer->webrtc, "stun-server", uri, NULL);
            added = TRUE;
            (*n_stun)++;
        } else if (uri != NULL && g_str_has_prefix(uri, "turn")) {
            g_signal_emit_by_name(peer->webrtc, "add-turn-server", uri, &added);
            *n_turn += added;
        }
        scope_log_debug("peer %s: ICE server %s %s", peer->label, server->urls[i],
                        added ? "used" : "not used");
    }
}

/* Answers to connectivity checks tell that the client is still there, media or not. UPnP would
 * talk to the network for nothing, and TCP candidates are of use with a relay only. */
static void
tune_agent(GObject *ice, gboolean has_turn)
{
    g_autoptr(GObject) agent = NULL;
    if (g_object_class_find_property(G_OBJECT_GET_CLASS(ice), "agent") != NULL) {
        g_object_get(ice, "agent", &agent, NULL);
    }
    if (agent != NULL) {
        g_object_set(agent, "keepalive-conncheck", TRUE, "upnp", FALSE, "stun-pacing-timer",
                     CHECK_PACING_MS, NULL);
    }
    if (!has_turn && g_object_class_find_property(G_OBJECT_GET_CLASS(ice), "ice-tcp") != NULL) {
        g_object_set(ice, "ice-tcp", FALSE, NULL);
    }
}

gboolean
scope_peer_apply_ice(ScopePeer *peer, const ScopePeerOptions *options, GError **error)
{
    g_autoptr(GObject) ice = NULL;
    g_object_get(peer->webrtc, "ice-agent", &ice, NULL);
    if (peer->ice_address != NULL) {
        gboolean added = FALSE;
        if (ice != NULL) {
            g_signal_emit_by_name(ice, "add-local-ip-address", peer->ice_address, &added);
        }
        if (!added) {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                        "ICE cannot use the address \"%s\"", peer->ice_address);
            return FALSE;
        }
        tune_agent(ice, FALSE);
        return TRUE;
    }
    guint n_stun = 0, n_turn = 0;
    for (guint i = 0; i < options->n_ice_servers; i++) {
        add_ice_server(peer, &options->ice_servers[i], &n_stun, &n_turn);
    }
    tune_agent(ice, n_turn > 0);
    peer->gather_quiet_us = servers_are_silent ? SILENT_QUIET_US
                            : n_turn > 0       ? TURN_QUIET_US
                                               : STUN_QUIET_US;
    return TRUE;
}

/* -- Steps
 * ------------------------------------------------------------------------------------------ */

void
scope_peer_end_offer(ScopePeer *peer, char *answer, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&peer->offer_task);
    if (peer->gather_source != NULL) {
        g_source_destroy(peer->gather_source);
        g_clear_pointer(&peer->gather_source, g_source_unref);
    }
    if (task == NULL) {
        g_free(answer);
        g_clear_error(&error);
        return;
    }
    if (answer != NULL) {
        g_clear_error(&error);
        g_task_return_pointer(task, answer, g_free);
    } else {
        g_task_return_error(task, error);
    }
}

static void
end_with_error(ScopePeer *peer, const char *what, const GError *reason)
{
    scope_peer_end_offer(peer, NULL,
                         g_error_new(SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED, "%s failed: %s",
                                     what, reason ? reason->message : "no reason given"));
}

/* webrtcbin's thread. The caller of webrtcbin owns the promise, so it goes on to main. */
static void
on_promise(GstPromise *promise, gpointer user_data)
{
    Step *step = user_data;
    scope_peer_post(step->peer, step->next, promise, (GDestroyNotify)gst_promise_unref);
}

static void
free_step(gpointer data)
{
    Step *step = data;
    scope_peer_release(step->peer);
    g_free(step);
}

static GstPromise *
promise_then(ScopePeer *peer, ScopePeerPostFunc next)
{
    Step *step = g_new(Step, 1);
    *step = (Step){scope_peer_hold(peer), next};
    return gst_promise_new_with_change_func(on_promise, step, free_step);
}

/* Whether the step went well and the offer is still wanted; otherwise the offer has been ended. */
static gboolean
check_step(ScopePeer *peer, GstPromise *promise, const char *what)
{
    if (peer->closing || peer->offer_task == NULL) {
        return FALSE;
    }
    if (g_task_return_error_if_cancelled(peer->offer_task)) {
        g_clear_object(&peer->offer_task);
        return FALSE;
    }
    const GstStructure *reply = gst_promise_get_reply(promise);
    g_autoptr(GError) error = NULL;
    if (gst_promise_wait(promise) != GST_PROMISE_RESULT_REPLIED ||
        (reply != NULL && gst_structure_has_field(reply, "error"))) {
        if (reply != NULL) {
            gst_structure_get(reply, "error", G_TYPE_ERROR, &error, NULL);
        }
        end_with_error(peer, what, error);
        return FALSE;
    }
    return TRUE;
}

static void
finish_answer(ScopePeer *peer)
{
    g_autoptr(GstWebRTCSessionDescription) local = NULL;
    g_object_get(peer->webrtc, "local-description", &local, NULL);
    g_autofree char *text = local ? gst_sdp_message_as_text(local->sdp) : NULL;
    GError *error = NULL;
    char *answer = scope_sdp_answer_complete(text, peer->offer, &error);
    peer->answered_us = g_get_monotonic_time();
    scope_peer_update_stats(peer);
    scope_log_debug("peer %s: answered after %d ms with %u candidates", peer->label,
                    (int)((peer->answered_us - peer->gather_started_us) / 1000),
                    peer->n_local_candidates);
    scope_peer_end_offer(peer, answer, error);
}

static gboolean
on_gather_check(gpointer user_data)
{
    ScopePeer *peer = user_data;
    gint64 now_us = g_get_monotonic_time();
    gboolean quiet =
        peer->n_local_candidates > 0 && now_us - peer->last_candidate_us > peer->gather_quiet_us;
    gboolean late =
        now_us - peer->gather_started_us > (gint64)peer->options.gather_timeout_ms * 1000;
    if (!quiet && !late) {
        return G_SOURCE_CONTINUE;
    }
    scope_log_debug("peer %s: some ICE server does not answer; going on without it", peer->label);
    servers_are_silent = !peer->has_server_candidate;
    finish_answer(peer);
    return G_SOURCE_REMOVE;
}

void
scope_peer_on_local_candidate(ScopePeer *peer, gpointer is_from_server)
{
    if (is_from_server != NULL) {
        peer->has_server_candidate = TRUE;
        servers_are_silent = FALSE;
    }
    peer->n_local_candidates++;
    peer->last_candidate_us = g_get_monotonic_time();
}

void
scope_peer_on_gathering(ScopePeer *peer, gpointer unused)
{
    GstWebRTCICEGatheringState state;
    if (peer->closing || peer->gather_source == NULL) {
        return;
    }
    g_object_get(peer->webrtc, "ice-gathering-state", &state, NULL);
    if (state == GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE) {
        finish_answer(peer);
    }
}

static void
on_local_set(ScopePeer *peer, gpointer promise)
{
    if (!check_step(peer, promise, "applying the answer")) {
        return;
    }
    peer->gather_started_us = g_get_monotonic_time();
    peer->gather_source = g_timeout_source_new(GATHER_CHECK_MS);
    g_source_set_callback(peer->gather_source, on_gather_check, peer, NULL);
    g_source_attach(peer->gather_source, peer->context);
    scope_peer_on_gathering(peer, NULL);
}

static void
on_answer_created(ScopePeer *peer, gpointer promise)
{
    if (!check_step(peer, promise, "creating the answer")) {
        return;
    }
    g_autoptr(GstWebRTCSessionDescription) answer = NULL;
    gst_structure_get(gst_promise_get_reply(promise), "answer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION,
                      &answer, NULL);
    if (answer == NULL) {
        end_with_error(peer, "creating the answer", NULL);
        return;
    }
    g_signal_emit_by_name(peer->webrtc, "set-local-description", answer,
                          promise_then(peer, on_local_set));
}

/* -- Tracks
 * -------------------------------------------------------------------------------------------- */

static void
on_frame(guint input, ScopeFrame *frame, gpointer user_data)
{
    ScopePeer *peer = user_data;
    if (peer->callbacks.frame != NULL && __atomic_load_n(&peer->media_open, __ATOMIC_ACQUIRE)) {
        peer->callbacks.frame(peer, input, frame, peer->user_data);
    }
}

/* GStreamer's thread: the first packet of an incoming video. Its elements wait already. */
void
scope_peer_on_pad_added(GstElement *webrtc, GstPad *pad, gpointer user_data)
{
    ScopePeer *peer = user_data;
    g_autoptr(GstWebRTCRTPTransceiver) transceiver = NULL;
    guint mline = G_MAXUINT;
    if (GST_PAD_DIRECTION(pad) != GST_PAD_SRC) {
        return;
    }
    g_object_get(pad, "transceiver", &transceiver, NULL);
    if (transceiver != NULL) {
        g_object_get(transceiver, "mlineindex", &mline, NULL);
    }
    int input = mline < peer->offer->n_media ? peer->offer->media[mline].input : -1;
    if (input < 0 || peer->receivers[input] == NULL) {
        scope_log_debug("peer %s: ignoring media on m-line %u", peer->label, mline);
        return;
    }
    GstElement *bin = scope_video_receiver_get_element(peer->receivers[input]);
    g_autoptr(GstPad) sink = gst_element_get_static_pad(bin, "sink");
    if (gst_pad_is_linked(sink) || gst_pad_link(pad, sink) != GST_PAD_LINK_OK) {
        scope_log_warning("peer %s: a second source on video input %d is ignored", peer->label,
                          input);
    }
}

static GstWebRTCRTPTransceiverDirection
get_direction(const ScopeSdpMedia *media)
{
    if (media->output >= 0) {
        return media->input >= 0 ? GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDRECV
                                 : GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY;
    }
    return media->input >= 0 ? GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY
                             : GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_INACTIVE;
}

static GstCaps *
make_codec_caps(const ScopeSdpMedia *media)
{
    gboolean video = media->kind == SCOPE_SDP_KIND_VIDEO;
    const char *codec = media->codec == SCOPE_VIDEO_CODEC_VP8 ? "VP8" : "H264";
    GstCaps *caps = gst_caps_new_simple(
        "application/x-rtp", "media", G_TYPE_STRING, video ? "video" : "audio", "clock-rate",
        G_TYPE_INT, video ? 90000 : 48000, "payload", G_TYPE_INT, media->payload, "encoding-name",
        G_TYPE_STRING, video ? codec : "OPUS", NULL);
    if (media->twcc_id > 0) {
        g_autofree char *name = g_strdup_printf("extmap-%d", media->twcc_id);
        gst_caps_set_simple(caps, name, G_TYPE_STRING, SCOPE_SDP_TWCC_URI, NULL);
    }
    if (media->colour_id > 0) {
        g_autofree char *name = g_strdup_printf("extmap-%d", media->colour_id);
        gst_caps_set_simple(caps, name, G_TYPE_STRING, SCOPE_COLOUR_URI, NULL);
    }
    if (media->output >= 0) {
        gst_caps_set_simple(caps, "ssrc", G_TYPE_UINT, media->ssrc, NULL);
    }
    return caps;
}

/* An output's transceiver comes with the pad that takes its packets. */
static GstWebRTCRTPTransceiver *
add_sender(ScopePeer *peer, const ScopeSdpMedia *media, GstCaps *caps, GError **error)
{
    ScopeVideoSenderConfig config = {
        .codec = media->codec,
        .payload = media->payload,
        .ssrc = media->ssrc,
        .twcc_id = media->twcc_id,
        .bitrate_bps = peer->options.start_bitrate_bps,
    };
    ScopeVideoSender *sender = scope_video_sender_new(&config, peer->pipeline, error);
    if (sender == NULL) {
        return NULL;
    }
    peer->senders[media->output] = sender;
    GstElement *bin = scope_video_sender_get_element(sender);
    GstPadTemplate *template =
        gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(peer->webrtc), "sink_%u");
    g_autoptr(GstPad) sink = gst_element_request_pad(peer->webrtc, template, NULL, caps);
    g_autoptr(GstPad) src = gst_element_get_static_pad(bin, "src");
    GstWebRTCRTPTransceiver *transceiver = NULL;
    if (sink == NULL || gst_pad_link(src, sink) != GST_PAD_LINK_OK ||
        !gst_element_sync_state_with_parent(bin)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "video output %d cannot be started", media->output);
        return NULL;
    }
    g_object_get(sink, "transceiver", &transceiver, NULL);
    return transceiver;
}

static gboolean
add_receiver(ScopePeer *peer, const ScopeSdpMedia *media, GError **error)
{
    ScopeVideoReceiver *receiver = scope_video_receiver_new(
        media->codec, media->colour_id, (guint)media->input, peer->pipeline, on_frame, peer, error);
    peer->receivers[media->input] = receiver;
    if (receiver != NULL) {
        gst_element_sync_state_with_parent(scope_video_receiver_get_element(receiver));
    }
    return receiver != NULL;
}

/* webrtcbin takes the first transceiver that fits each m-line, so they are made in that order. */
static gboolean
add_track(ScopePeer *peer, ScopeSdpMedia *media, GError **error)
{
    g_autoptr(GstWebRTCRTPTransceiver) transceiver = NULL;
    media->ssrc = (guint32)g_random_int_range(1, G_MAXINT32);
    g_autoptr(GstCaps) caps = make_codec_caps(media);
    if (media->output >= 0) {
        transceiver = add_sender(peer, media, caps, error);
        if (transceiver == NULL) {
            return FALSE;
        }
    } else {
        g_signal_emit_by_name(peer->webrtc, "add-transceiver", get_direction(media), caps,
                              &transceiver);
    }
    if (transceiver == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "webrtcbin made no transceiver for m-line \"%s\"", media->mid);
        return FALSE;
    }
    g_object_set(transceiver, "direction", get_direction(media), "codec-preferences", caps,
                 "do-nack", media->kind == SCOPE_SDP_KIND_VIDEO, NULL);
    return media->input < 0 || add_receiver(peer, media, error);
}

static gboolean
add_tracks(ScopePeer *peer, GError **error)
{
    for (guint i = 0; i < peer->offer->n_media; i++) {
        ScopeSdpMedia *media = &peer->offer->media[i];
        if (media->payload >= 0 && !add_track(peer, media, error)) {
            return FALSE;
        }
    }
    __atomic_store_n(&peer->tracks_ready, 1, __ATOMIC_RELEASE);
    return TRUE;
}

static void
give_candidate(ScopePeer *peer, const char *candidate)
{
    /* One transport: whatever m-line the client named, it belongs to the first. */
    g_signal_emit_by_name(peer->webrtc, "add-ice-candidate", 0u, candidate);
}

static void
on_remote_set(ScopePeer *peer, gpointer promise)
{
    if (!check_step(peer, promise, "applying the offer")) {
        return;
    }
    GError *error = NULL;
    if (!add_tracks(peer, &error)) {
        scope_peer_end_offer(peer, NULL, error);
        return;
    }
    peer->offer_applied = TRUE;
    for (guint i = 0; i < peer->early_candidates->len; i++) {
        give_candidate(peer, peer->early_candidates->pdata[i]);
    }
    g_ptr_array_set_size(peer->early_candidates, 0);
    g_signal_emit_by_name(peer->webrtc, "create-answer", NULL,
                          promise_then(peer, on_answer_created));
}

/* -- API
 * ----------------------------------------------------------------------------------------------------
 */

static gboolean
begin_offer(ScopePeer *peer, const char *offer_sdp, GError **error)
{
    if (peer->closing || peer->state == SCOPE_PEER_STATE_FAILED) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED, "the peer is closed");
        return FALSE;
    }
    if (peer->offer != NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_STATE,
                    "the peer has an offer already");
        return FALSE;
    }
    peer->offer = scope_sdp_offer_parse(offer_sdp, strlen(offer_sdp), peer->options.preferred_codec,
                                        peer->options.max_outputs, error);
    return peer->offer != NULL;
}

void
scope_peer_accept_offer_async(ScopePeer *peer, const char *offer_sdp, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, user_data);
    g_task_set_source_tag(task, scope_peer_accept_offer_async);
    g_task_set_task_data(task, scope_peer_hold(peer), scope_peer_release);
    GError *error = NULL;
    GstSDPMessage *sdp = NULL;
    if (!begin_offer(peer, offer_sdp, &error)) {
        g_task_return_error(task, error);
        return;
    }
    if (gst_sdp_message_new_from_text(peer->offer->reduced, &sdp) != GST_SDP_OK) {
        g_task_return_new_error(task, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP,
                                "the offer cannot be read");
        return;
    }
    for (guint i = 0; peer->offer->candidates[i] != NULL; i++) {
        g_ptr_array_add(peer->early_candidates, g_strdup(peer->offer->candidates[i]));
    }
    peer->offer_task = g_steal_pointer(&task);
    g_autoptr(GstWebRTCSessionDescription) remote =
        gst_webrtc_session_description_new(GST_WEBRTC_SDP_TYPE_OFFER, sdp);
    g_signal_emit_by_name(peer->webrtc, "set-remote-description", remote,
                          promise_then(peer, on_remote_set));
}

char *
scope_peer_accept_offer_finish(ScopePeer *peer, GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}

gboolean
scope_peer_add_candidate(ScopePeer *peer, const char *mid, int mline_index, const char *candidate,
                         GError **error)
{
    if (peer->closing || peer->state == SCOPE_PEER_STATE_FAILED ||
        peer->state == SCOPE_PEER_STATE_CLOSED) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED, "the peer is closed");
        return FALSE;
    }
    if (peer->offer == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_STATE, "the peer has no offer yet");
        return FALSE;
    }
    g_autofree char *normal = NULL;
    ScopeCandidateKind kind = scope_candidate_parse(candidate, &normal, error);
    if (kind == SCOPE_CANDIDATE_KIND_INVALID) {
        return FALSE;
    }
    if (++peer->n_remote_candidates > MAX_REMOTE_CANDIDATES) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                    "more than %d ICE candidates", MAX_REMOTE_CANDIDATES);
        return FALSE;
    }
    if (kind == SCOPE_CANDIDATE_KIND_END || kind == SCOPE_CANDIDATE_KIND_IGNORED) {
        return TRUE;
    }
    if (peer->offer_applied) {
        give_candidate(peer, normal);
    } else {
        g_ptr_array_add(peer->early_candidates, g_steal_pointer(&normal));
    }
    return TRUE;
}
