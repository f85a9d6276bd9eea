/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offering side on webrtcbin, with the senders and receivers of src/media. Promises are waited
 * for: webrtcbin answers them on its own thread.
 */
#include "rtc-client.h"

#include <gst/app/gstappsrc.h>
#include <gst/rtp/rtp.h>
#include <gst/webrtc/webrtc.h>
#include <string.h>

#include "core/scope-lock.h"
#include "media/scope-video-receiver.h"
#include "media/scope-video-sender.h"

#define TWCC_URI "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

struct _RtcClient {
    RtcClientOptions options;
    GstElement *pipeline;
    GstElement *webrtc;
    GObject *channel;
    guint n_video;
    ScopeVideoSender *senders[RTC_CLIENT_MAX_VIDEO];
    ScopeVideoReceiver *receivers[RTC_CLIENT_MAX_VIDEO];
    GstElement *encoded[RTC_CLIENT_MAX_VIDEO]; /* no_codecs: appsrc; owned by the pipeline */
    ScopeLock lock;                            /* guards the queues */
    GQueue candidates;
    GQueue texts;
};

static void
on_candidate(GstElement *webrtc, guint mline, const char *candidate, gpointer user_data)
{
    RtcClient *client = user_data;
    SCOPE_LOCK_GUARD(&client->lock);
    g_queue_push_tail(&client->candidates, g_strdup(candidate));
}

static void
on_text(GObject *channel, const char *text, gpointer user_data)
{
    RtcClient *client = user_data;
    SCOPE_LOCK_GUARD(&client->lock);
    g_queue_push_tail(&client->texts, g_strdup(text));
}

static char *
pop(RtcClient *client, GQueue *queue)
{
    SCOPE_LOCK_GUARD(&client->lock);
    return g_queue_pop_head(queue);
}

/* The last packet of a picture has the marker. */
static GstPadProbeReturn
on_packet(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    RtcClient *client = user_data;
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    gboolean is_last = FALSE;
    if (gst_rtp_buffer_map(GST_PAD_PROBE_INFO_BUFFER(info), GST_MAP_READ, &rtp)) {
        is_last = gst_rtp_buffer_get_marker(&rtp);
        gst_rtp_buffer_unmap(&rtp);
    }
    if (is_last && client->options.frame != NULL) {
        client->options.frame(0, NULL, client->options.user_data);
    }
    return GST_PAD_PROBE_OK;
}

static void
count_pictures(RtcClient *client, GstPad *pad)
{
    GstElement *sink = gst_element_factory_make("fakesink", NULL);
    g_object_set(sink, "sync", FALSE, "async", FALSE, NULL);
    gst_bin_add(GST_BIN(client->pipeline), sink);
    gst_element_sync_state_with_parent(sink);
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, client, NULL);
    g_autoptr(GstPad) input = gst_element_get_static_pad(sink, "sink");
    gst_pad_link(pad, input);
}

static void
on_pad_added(GstElement *webrtc, GstPad *pad, gpointer user_data)
{
    RtcClient *client = user_data;
    g_autoptr(GstWebRTCRTPTransceiver) transceiver = NULL;
    guint mline = G_MAXUINT;
    if (GST_PAD_DIRECTION(pad) == GST_PAD_SRC && client->options.no_codecs) {
        count_pictures(client, pad);
        return;
    }
    if (GST_PAD_DIRECTION(pad) == GST_PAD_SRC) {
        g_object_get(pad, "transceiver", &transceiver, NULL);
        g_object_get(transceiver, "mlineindex", &mline, NULL);
    }
    if (mline < client->n_video && client->receivers[mline] != NULL) {
        g_autoptr(GstPad) sink = gst_element_get_static_pad(
            scope_video_receiver_get_element(client->receivers[mline]), "sink");
        gst_pad_link(pad, sink);
    }
}

static void
on_frame(guint video, ScopeFrame *frame, gpointer user_data)
{
    RtcClient *client = user_data;
    if (client->options.frame != NULL) {
        client->options.frame(video, frame, client->options.user_data);
    }
}

static GstCaps *
make_caps(ScopeVideoCodec codec, guint video)
{
    GstCaps *caps = gst_caps_new_simple(
        "application/x-rtp", "media", G_TYPE_STRING, "video", "clock-rate", G_TYPE_INT, 90000,
        "encoding-name", G_TYPE_STRING, codec == SCOPE_VIDEO_CODEC_VP8 ? "VP8" : "H264", "payload",
        G_TYPE_INT, 96 + 2 * (int)video, "rtcp-fb-nack-pli", G_TYPE_BOOLEAN, TRUE,
        "rtcp-fb-ccm-fir", G_TYPE_BOOLEAN, TRUE, "rtcp-fb-transport-cc", G_TYPE_BOOLEAN, TRUE,
        "extmap-3", G_TYPE_STRING, TWCC_URI, NULL);
    if (codec == SCOPE_VIDEO_CODEC_H264) {
        gst_caps_set_simple(caps, "packetization-mode", G_TYPE_STRING, "1", NULL);
    }
    return caps;
}

/* A source of pictures that are encoded already. Returns: its pad, owned by the caller. */
static GstPad *
add_encoded(RtcClient *client, guint video)
{
    GstElement *source = gst_element_factory_make("appsrc", NULL);
    GstElement *payloader = gst_element_factory_make("rtpvp8pay", NULL);
    g_autoptr(GstCaps) caps = gst_caps_from_string("video/x-vp8");
    g_object_set(source, "is-live", TRUE, "format", GST_FORMAT_TIME, "caps", caps, NULL);
    g_object_set(payloader, "pt", 96u, "mtu", 1200u, NULL);
    gst_util_set_object_arg(G_OBJECT(payloader), "picture-id-mode", "15-bit");
    gst_bin_add_many(GST_BIN(client->pipeline), source, payloader, NULL);
    gst_element_link(source, payloader);
    client->encoded[video] = source;
    return gst_element_get_static_pad(payloader, "src");
}

static GstPad *
add_encoder(RtcClient *client, guint video)
{
    ScopeVideoCodec codec = client->options.video[video].codec;
    ScopeVideoSenderConfig config = {
        .codec = codec,
        .payload = 96 + 2 * (int)video,
        .ssrc = g_random_int(),
        .twcc_id = 3,
        .bitrate_bps = client->options.bitrate_bps ? client->options.bitrate_bps : 4000000,
    };
    client->senders[video] = scope_video_sender_new(&config, client->pipeline, NULL);
    return gst_element_get_static_pad(scope_video_sender_get_element(client->senders[video]),
                                      "src");
}

static void
add_sending(RtcClient *client, guint video, const char *direction)
{
    g_autoptr(GstPad) src =
        client->options.no_codecs ? add_encoded(client, video) : add_encoder(client, video);
    g_autoptr(GstCaps) caps = make_caps(client->options.video[video].codec, video);
    GstPadTemplate *template =
        gst_element_class_get_pad_template(GST_ELEMENT_GET_CLASS(client->webrtc), "sink_%u");
    g_autoptr(GstPad) sink = gst_element_request_pad(client->webrtc, template, NULL, caps);
    g_autoptr(GstWebRTCRTPTransceiver) transceiver = NULL;
    g_object_get(sink, "transceiver", &transceiver, NULL);
    g_object_set(transceiver, "codec-preferences", caps, "do-nack", TRUE, NULL);
    gst_util_set_object_arg(G_OBJECT(transceiver), "direction", direction);
    gst_pad_link(src, sink);
}

static void
add_receiving_only(RtcClient *client, GstCaps *caps)
{
    GstWebRTCRTPTransceiver *transceiver = NULL;
    g_signal_emit_by_name(client->webrtc, "add-transceiver",
                          GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, caps, &transceiver);
    g_object_set(transceiver, "do-nack", TRUE, NULL);
    gst_clear_object(&transceiver);
}

static void
add_video(RtcClient *client, guint video)
{
    const RtcClientVideo *v = &client->options.video[video];
    if (!g_str_equal(v->direction, "sendonly") && !client->options.no_codecs) {
        client->receivers[video] =
            scope_video_receiver_new(v->codec, 0, video, client->pipeline, on_frame, client, NULL);
    }
    if (g_str_equal(v->direction, "recvonly")) {
        g_autoptr(GstCaps) caps = make_caps(v->codec, video);
        add_receiving_only(client, caps);
    } else {
        add_sending(client, video, v->direction);
    }
    client->n_video++;
}

static void
stay_on_loopback(RtcClient *client)
{
    g_autoptr(GObject) ice = NULL;
    g_autoptr(GObject) agent = NULL;
    gboolean added = FALSE;
    g_object_get(client->webrtc, "ice-agent", &ice, NULL);
    g_object_get(ice, "agent", &agent, NULL);
    g_object_set(agent, "upnp", FALSE, NULL);
    g_object_set(ice, "ice-tcp", FALSE, NULL);
    g_signal_emit_by_name(ice, "add-local-ip-address", "127.0.0.1", &added);
    g_assert_true(added);
}

RtcClient *
rtc_client_new(const RtcClientOptions *options)
{
    RtcClient *client = g_new0(RtcClient, 1);
    client->options = *options;
    scope_lock_init(&client->lock);
    client->pipeline = gst_object_ref_sink(gst_pipeline_new(NULL));
    client->webrtc = gst_element_factory_make("webrtcbin", NULL);
    g_object_set(client->webrtc, "latency", 40u, NULL);
    gst_util_set_object_arg(G_OBJECT(client->webrtc), "bundle-policy", "max-bundle");
    gst_bin_add(GST_BIN(client->pipeline), client->webrtc);
    g_autoptr(GstClock) clock = gst_system_clock_obtain();
    gst_pipeline_use_clock(GST_PIPELINE(client->pipeline), clock);
    gst_element_set_start_time(client->pipeline, GST_CLOCK_TIME_NONE);
    gst_element_set_base_time(client->pipeline, 0);
    stay_on_loopback(client);
    g_signal_connect(client->webrtc, "on-ice-candidate", G_CALLBACK(on_candidate), client);
    g_signal_connect(client->webrtc, "pad-added", G_CALLBACK(on_pad_added), client);
    for (guint i = 0; options->video[i].direction != NULL; i++) {
        add_video(client, i);
    }
    if (options->audio) {
        g_autoptr(GstCaps) caps = gst_caps_from_string(
            "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,"
            "encoding-params=(string)2");
        add_receiving_only(client, caps);
    }
    gst_element_set_state(client->pipeline, GST_STATE_PLAYING);
    if (!options->no_data) {
        g_signal_emit_by_name(client->webrtc, "create-data-channel", "parameters", NULL,
                              &client->channel);
        g_signal_connect(client->channel, "on-message-string", G_CALLBACK(on_text), client);
    }
    return client;
}

void
rtc_client_free(RtcClient *client)
{
    if (client == NULL) {
        return;
    }
    gst_element_set_state(client->pipeline, GST_STATE_NULL);
    if (client->channel != NULL) {
        g_signal_handlers_disconnect_by_data(client->channel, client);
        g_clear_object(&client->channel);
    }
    gst_object_unref(client->pipeline);
    for (guint i = 0; i < RTC_CLIENT_MAX_VIDEO; i++) {
        scope_video_sender_free(client->senders[i]);
        scope_video_receiver_free(client->receivers[i]);
    }
    g_queue_clear_full(&client->candidates, g_free);
    g_queue_clear_full(&client->texts, g_free);
    scope_lock_clear(&client->lock);
    g_free(client);
}

static gboolean
wait_for(GstPromise *promise)
{
    gboolean fine = gst_promise_wait(promise) == GST_PROMISE_RESULT_REPLIED;
    const GstStructure *reply = gst_promise_get_reply(promise);
    return fine && (reply == NULL || !gst_structure_has_field(reply, "error"));
}

static gboolean
set_description(RtcClient *client, const char *signal, GstWebRTCSessionDescription *description)
{
    g_autoptr(GstPromise) promise = gst_promise_new();
    g_signal_emit_by_name(client->webrtc, signal, description, promise);
    return wait_for(promise);
}

static void
wait_for_candidates(RtcClient *client, guint candidates_ms)
{
    gint64 deadline_us = g_get_monotonic_time() + (gint64)candidates_ms * 1000;
    GstWebRTCICEGatheringState state;
    do {
        g_object_get(client->webrtc, "ice-gathering-state", &state, NULL);
        g_usleep(1000);
    } while (state != GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE &&
             g_get_monotonic_time() < deadline_us);
}

/* A payloader names the encoder's own level, which webrtcbin would compare with an offered one; so
 * the profile that browsers offer is added to the text only. */
static char *
to_text(const GstSDPMessage *sdp)
{
    g_autofree char *text = gst_sdp_message_as_text(sdp);
    g_auto(GStrv) parts = g_strsplit(text, "packetization-mode=1", -1);
    return g_strjoinv("packetization-mode=1;profile-level-id=42e01f", parts);
}

char *
rtc_client_create_offer(RtcClient *client, guint candidates_ms)
{
    g_autoptr(GstPromise) promise = gst_promise_new();
    g_autoptr(GstWebRTCSessionDescription) offer = NULL;
    g_signal_emit_by_name(client->webrtc, "create-offer", NULL, promise);
    if (!wait_for(promise)) {
        return NULL;
    }
    gst_structure_get(gst_promise_get_reply(promise), "offer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION,
                      &offer, NULL);
    if (offer == NULL || !set_description(client, "set-local-description", offer)) {
        return NULL;
    }
    if (candidates_ms == 0) {
        return to_text(offer->sdp);
    }
    wait_for_candidates(client, candidates_ms);
    g_autoptr(GstWebRTCSessionDescription) complete = NULL;
    g_object_get(client->webrtc, "local-description", &complete, NULL);
    return to_text(complete->sdp);
}

gboolean
rtc_client_set_answer(RtcClient *client, const char *text)
{
    GstSDPMessage *sdp;
    if (gst_sdp_message_new_from_text(text, &sdp) != GST_SDP_OK) {
        return FALSE;
    }
    g_autoptr(GstWebRTCSessionDescription) answer =
        gst_webrtc_session_description_new(GST_WEBRTC_SDP_TYPE_ANSWER, sdp);
    if (!set_description(client, "set-remote-description", answer)) {
        return FALSE;
    }
    gst_bin_recalculate_latency(GST_BIN(client->pipeline));
    return TRUE;
}

char *
rtc_client_pop_candidate(RtcClient *client)
{
    return pop(client, &client->candidates);
}

char *
rtc_client_pop_text(RtcClient *client)
{
    return pop(client, &client->texts);
}

gboolean
rtc_client_is_connected(RtcClient *client)
{
    GstWebRTCPeerConnectionState state;
    g_object_get(client->webrtc, "connection-state", &state, NULL);
    return state == GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED;
}

gboolean
rtc_client_is_channel_open(RtcClient *client)
{
    GstWebRTCDataChannelState state = GST_WEBRTC_DATA_CHANNEL_STATE_CLOSED;
    if (client->channel != NULL) {
        g_object_get(client->channel, "ready-state", &state, NULL);
    }
    return state == GST_WEBRTC_DATA_CHANNEL_STATE_OPEN;
}

gboolean
rtc_client_push(RtcClient *client, guint video, ScopeFrame *frame)
{
    return rtc_client_is_connected(client) && client->senders[video] != NULL &&
           scope_video_sender_push(client->senders[video], frame, SCOPE_TIME_NONE);
}

void
rtc_client_push_encoded(RtcClient *client, guint video, GstBuffer *picture)
{
    gst_app_src_push_buffer(GST_APP_SRC(client->encoded[video]), picture);
}

void
rtc_client_send_text(RtcClient *client, const char *text)
{
    g_signal_emit_by_name(client->channel, "send-string", text);
}

void
rtc_client_request_keyframe(RtcClient *client, guint video)
{
    scope_video_receiver_request_keyframe(client->receivers[video]);
}

guint64
rtc_client_get_keyframe_requests(RtcClient *client, guint video)
{
    ScopeVideoSenderStats stats = {0};
    if (client->senders[video] != NULL) {
        scope_video_sender_get_stats(client->senders[video], &stats);
    }
    return stats.keyframes_requested;
}
