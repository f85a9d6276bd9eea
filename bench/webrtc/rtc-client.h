/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebRTC client as browsers are: it makes the offer, opens the data channel, sends and receives
 * video. Used by the tests of src/media and by bench/webrtc. ICE stays on 127.0.0.1.
 */
#ifndef RTC_CLIENT_H
#define RTC_CLIENT_H

#include <gst/gst.h>

#include "core/scope-frame.h"
#include "media/scope-peer.h"

/** RtcClient: opaque. All functions: one thread, unless said; they may wait for webrtcbin. */
typedef struct _RtcClient RtcClient;

#define RTC_CLIENT_MAX_VIDEO 4

/**
 * RtcClientFrameFunc: a decoded picture of video m-line @video, borrowed, on a GStreamer thread.
 * NULL with no_codecs: the last packet of a picture came.
 */
typedef void (*RtcClientFrameFunc)(guint video, ScopeFrame *frame, gpointer user_data);

/** RtcClientVideo: one video m-line of the offer. */
typedef struct {
    const char *direction; /* sendrecv, sendonly, recvonly; NULL ends the list */
    ScopeVideoCodec codec;
} RtcClientVideo;

/** RtcClientOptions: what the offer holds. */
typedef struct {
    RtcClientVideo video[RTC_CLIENT_MAX_VIDEO + 1];
    gboolean audio;     /* a recvonly audio m-line */
    gboolean no_data;   /* no data channel */
    gboolean no_codecs; /* VP8 only: sends rtc_client_push_encoded(), counts what comes */
    guint bitrate_bps;
    RtcClientFrameFunc frame;
    gpointer user_data;
} RtcClientOptions;

/** rtc_client_new: (transfer full): a client that has not made its offer. */
RtcClient *rtc_client_new(const RtcClientOptions *options);

/** rtc_client_free: closes and frees; NULL is fine. */
void rtc_client_free(RtcClient *client);

/**
 * rtc_client_create_offer: (transfer full): the SDP, or NULL on failure. With @candidates_ms > 0
 * waits so long at most for its candidates and puts them inside; else they are trickled.
 */
char *rtc_client_create_offer(RtcClient *client, guint candidates_ms);

/** rtc_client_set_answer: applies the server's answer. Returns: FALSE when it is refused. */
gboolean rtc_client_set_answer(RtcClient *client, const char *sdp);

/** rtc_client_pop_candidate: (transfer full) (nullable): the next local candidate. */
char *rtc_client_pop_candidate(RtcClient *client);

/** rtc_client_is_connected: whether media can flow. Thread: any. */
gboolean rtc_client_is_connected(RtcClient *client);

/** rtc_client_is_channel_open: whether text can flow. Thread: any. */
gboolean rtc_client_is_channel_open(RtcClient *client);

/** rtc_client_push: sends a picture on video m-line @video. Thread: any. */
gboolean rtc_client_push(RtcClient *client, guint video, ScopeFrame *frame);

/** rtc_client_push_encoded: (transfer full): sends an encoded picture; no_codecs only. Thread: any.
 */
void rtc_client_push_encoded(RtcClient *client, guint video, GstBuffer *picture);

/** rtc_client_send_text: sends on the data channel. */
void rtc_client_send_text(RtcClient *client, const char *text);

/** rtc_client_pop_text: (transfer full) (nullable): the next text that came. Thread: any. */
char *rtc_client_pop_text(RtcClient *client);

/** rtc_client_request_keyframe: sends a PLI for video m-line @video. */
void rtc_client_request_keyframe(RtcClient *client, guint video);

/** rtc_client_get_keyframe_requests: key frames that the server asked for on @video. Thread: any.
 */
guint64 rtc_client_get_keyframe_requests(RtcClient *client, guint video);

#endif
