/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appsrc -> encoder -> payloader in one bin. Pictures are queued from any thread; the streaming
 * thread of appsrc encodes them. The bin belongs to the pipeline, this struct to the peer.
 */
#include "media/scope-video-sender.h"

#include <gio/gio.h>
#include <gst/app/gstappsrc.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include "core/scope-lock.h"
#include "media/scope-gst-frame.h"
#include "media/scope-media.h"
#include "media/scope-video-encoder.h"

/* A picture older than this many waiting ones is dropped: one encodes, one waits. */
#define MAX_WAITING_FRAMES  2
#define N_TIMES             8
#define NOMINAL_DURATION_US (G_USEC_PER_SEC / 30)

GST_DEBUG_CATEGORY_STATIC(scope_sender_debug);
#define GST_CAT_DEFAULT scope_sender_debug

typedef struct {
    gint64 pts_us;
    gint64 pushed_us;
} PushTime;

struct _ScopeVideoSender {
    GstElement *bin;
    GstElement *appsrc;
    GstElement *encoder;
    ScopeLock lock; /* a leaf; guards what follows */
    guint32 width;
    guint32 height;
    gint64 last_pts_us;
    guint bitrate_bps;
    gboolean bitrate_changed;
    guint64 n_pushed;
    guint64 n_taken;
    guint64 n_refused;
    PushTime times[N_TIMES];
    guint next_time;
    ScopeVideoSenderStats stats;
};

/* Streaming thread, right before a picture is encoded: the place where the rate may change. */
static GstPadProbeReturn
on_picture_taken(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopeVideoSender *sender = user_data;
    guint bitrate_bps = 0;
    {
        SCOPE_LOCK_GUARD(&sender->lock);
        sender->n_taken++;
        if (sender->bitrate_changed) {
            bitrate_bps = sender->bitrate_bps;
            sender->bitrate_changed = FALSE;
        }
    }
    if (bitrate_bps > 0) {
        scope_video_encoder_set_bitrate(sender->encoder, bitrate_bps);
    }
    return GST_PAD_PROBE_OK;
}

/* Streaming thread, for every encoded picture. */
static GstPadProbeReturn
on_picture_encoded(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopeVideoSender *sender = user_data;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    gint64 pts_us = (gint64)(GST_BUFFER_PTS(buffer) / GST_USECOND);
    gint64 now_us = g_get_monotonic_time();
    SCOPE_LOCK_GUARD(&sender->lock);
    sender->stats.frames_out++;
    sender->stats.bytes_out += gst_buffer_get_size(buffer);
    for (guint i = 0; i < N_TIMES; i++) {
        if (sender->times[i].pts_us == pts_us) {
            gint64 spent_us = now_us - sender->times[i].pushed_us;
            gint64 mean_us = sender->stats.encode_us;
            sender->stats.encode_us = mean_us ? mean_us + (spent_us - mean_us) / 16 : spent_us;
            break;
        }
    }
    return GST_PAD_PROBE_OK;
}

/* RTCP thread: the client's requests for key frames pass here on their way to the encoder. */
static GstPadProbeReturn
on_upstream_event(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopeVideoSender *sender = user_data;
    if (gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info))) {
        SCOPE_LOCK_GUARD(&sender->lock);
        sender->stats.keyframes_requested++;
    }
    return GST_PAD_PROBE_OK;
}

static void
add_twcc(GstElement *payloader, int twcc_id)
{
    g_autoptr(GstElementFactory) factory = gst_element_factory_find("rtphdrexttwcc");
    if (twcc_id <= 0 || factory == NULL) {
        return;
    }
    GstElement *extension = gst_object_ref_sink(gst_element_factory_create(factory, NULL));
    gst_util_set_object_arg(G_OBJECT(payloader), "auto-header-extension", "false");
    gst_rtp_header_extension_set_id(GST_RTP_HEADER_EXTENSION(extension), (guint)twcc_id);
    g_signal_emit_by_name(payloader, "add-extension", extension);
    gst_object_unref(extension);
}

static GstElement *
make_payloader(const ScopeVideoSenderConfig *config)
{
    gboolean vp8 = config->codec == SCOPE_VIDEO_CODEC_VP8;
    GstElement *payloader = gst_element_factory_make(vp8 ? "rtpvp8pay" : "rtph264pay", NULL);
    if (payloader == NULL) {
        return NULL;
    }
    g_object_set(payloader, "pt", (guint)config->payload, "ssrc", config->ssrc, "mtu", 1200u, NULL);
    if (vp8) {
        gst_util_set_object_arg(G_OBJECT(payloader), "picture-id-mode", "15-bit");
    } else {
        g_object_set(payloader, "config-interval", -1, NULL);
        gst_util_set_object_arg(G_OBJECT(payloader), "aggregate-mode", "zero-latency");
    }
    add_twcc(payloader, config->twcc_id);
    return payloader;
}

static void
add_probes(ScopeVideoSender *sender)
{
    g_autoptr(GstPad) raw = gst_element_get_static_pad(sender->appsrc, "src");
    g_autoptr(GstPad) encoded = gst_element_get_static_pad(sender->encoder, "src");
    gst_pad_add_probe(raw, GST_PAD_PROBE_TYPE_BUFFER, on_picture_taken, sender, NULL);
    gst_pad_add_probe(encoded, GST_PAD_PROBE_TYPE_BUFFER, on_picture_encoded, sender, NULL);
    gst_pad_add_probe(encoded, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream_event, sender, NULL);
}

ScopeVideoSender *
scope_video_sender_new(const ScopeVideoSenderConfig *config, GstElement *pipeline, GError **error)
{
    static gsize registered = 0;
    if (g_once_init_enter(&registered)) {
        GST_DEBUG_CATEGORY_INIT(scope_sender_debug, "scopesender", 0, "outgoing video");
        g_once_init_leave(&registered, 1);
    }
    GstElement *encoder = scope_video_encoder_new(config->codec, config->bitrate_bps, error);
    if (encoder == NULL) {
        return NULL;
    }
    GstElement *payloader = make_payloader(config);
    if (payloader == NULL) {
        gst_object_unref(gst_object_ref_sink(encoder));
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer has no RTP payloader for the codec; install the package "
                    "gstreamer1.0-plugins-good");
        return NULL;
    }
    ScopeVideoSender *sender = g_new0(ScopeVideoSender, 1);
    scope_lock_init(&sender->lock);
    sender->bitrate_bps = config->bitrate_bps;
    sender->bin = gst_object_ref_sink(gst_bin_new(NULL));
    sender->appsrc = gst_element_factory_make("appsrc", NULL);
    sender->encoder = encoder;
    g_object_set(sender->appsrc, "is-live", TRUE, "format", GST_FORMAT_TIME, "max-bytes",
                 (guint64)0, "max-buffers", (guint64)MAX_WAITING_FRAMES, "leaky-type",
                 GST_APP_LEAKY_TYPE_DOWNSTREAM, "emit-signals", FALSE, NULL);
    gst_bin_add_many(GST_BIN(sender->bin), sender->appsrc, encoder, payloader, NULL);
    gst_element_link_many(sender->appsrc, encoder, payloader, NULL);
    g_autoptr(GstPad) pad = gst_element_get_static_pad(payloader, "src");
    gst_element_add_pad(sender->bin, gst_ghost_pad_new("src", pad));
    gst_bin_add(GST_BIN(pipeline), sender->bin);
    add_probes(sender);
    return sender;
}

void
scope_video_sender_free(ScopeVideoSender *sender)
{
    if (sender != NULL) {
        gst_object_unref(sender->bin);
        scope_lock_clear(&sender->lock);
        g_free(sender);
    }
}

GstElement *
scope_video_sender_get_element(ScopeVideoSender *sender)
{
    return sender->bin;
}

/* Under the lock: makes the time strictly increasing and remembers when it was pushed. */
static GstBuffer *
stamp(ScopeVideoSender *sender, ScopeFrame *frame, gint64 pts_us)
{
    gint64 now_us = g_get_monotonic_time();
    pts_us = pts_us == SCOPE_TIME_NONE ? now_us : MAX(pts_us, 0);
    gint64 step_us = pts_us - sender->last_pts_us;
    if (sender->last_pts_us > 0 && step_us <= 0) {
        pts_us = sender->last_pts_us + 1000;
    }
    gboolean usual = step_us > 0 && step_us < G_USEC_PER_SEC / 4;
    GstBuffer *buffer = scope_gst_buffer_new_from_frame(frame);
    GST_BUFFER_PTS(buffer) = (GstClockTime)pts_us * GST_USECOND;
    GST_BUFFER_DURATION(buffer) =
        (GstClockTime)(usual ? step_us : NOMINAL_DURATION_US) * GST_USECOND;
    sender->last_pts_us = pts_us;
    sender->times[sender->next_time] = (PushTime){pts_us, now_us};
    sender->next_time = (sender->next_time + 1) % N_TIMES;
    return buffer;
}

gboolean
scope_video_sender_push(ScopeVideoSender *sender, ScopeFrame *frame, gint64 pts_us)
{
    g_autoptr(ScopeFrame) planar = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_I420);
    g_autoptr(ScopeFrame) even = scope_gst_frame_pad_even(planar);
    SCOPE_LOCK_GUARD(&sender->lock);
    if (even->width != sender->width || even->height != sender->height) {
        g_autoptr(GstCaps) caps = scope_gst_caps_new_for_frame(even);
        gst_app_src_set_caps(GST_APP_SRC(sender->appsrc), caps);
        sender->width = even->width;
        sender->height = even->height;
        GST_INFO_OBJECT(sender->bin, "picture size is now %ux%u", even->width, even->height);
    }
    GstBuffer *buffer = stamp(sender, even, pts_us);
    if (gst_app_src_push_buffer(GST_APP_SRC(sender->appsrc), buffer) != GST_FLOW_OK) {
        sender->n_refused++;
        return FALSE;
    }
    sender->n_pushed++;
    return TRUE;
}

void
scope_video_sender_set_bitrate(ScopeVideoSender *sender, guint bitrate_bps)
{
    SCOPE_LOCK_GUARD(&sender->lock);
    sender->bitrate_changed |= bitrate_bps != sender->bitrate_bps;
    sender->bitrate_bps = bitrate_bps;
}

void
scope_video_sender_force_keyframe(ScopeVideoSender *sender)
{
    g_autoptr(GstPad) pad = gst_element_get_static_pad(sender->encoder, "src");
    gst_pad_send_event(pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

void
scope_video_sender_count_drop(ScopeVideoSender *sender)
{
    SCOPE_LOCK_GUARD(&sender->lock);
    sender->n_refused++;
}

void
scope_video_sender_get_stats(ScopeVideoSender *sender, ScopeVideoSenderStats *ret_stats)
{
    guint64 n_waiting = gst_app_src_get_current_level_buffers(GST_APP_SRC(sender->appsrc));
    SCOPE_LOCK_GUARD(&sender->lock);
    *ret_stats = sender->stats;
    guint64 n_gone = sender->n_taken + n_waiting;
    ret_stats->frames_dropped =
        sender->n_refused + (sender->n_pushed > n_gone ? sender->n_pushed - n_gone : 0);
}
