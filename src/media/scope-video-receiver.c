/* SPDX-License-Identifier: Apache-2.0 */
/*
 * depayloader -> decoder -> appsink in one bin. Runs on the streaming thread of the jitter buffer;
 * the bin belongs to the pipeline, this struct to the peer.
 */
#include "media/scope-video-receiver.h"

#include <gio/gio.h>
#include <gst/app/gstappsink.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include "media/scope-colour.h"
#include "media/scope-gst-frame.h"
#include "media/scope-media.h"

struct _ScopeVideoReceiver {
    GstElement *bin;
    GstElement *depayloader;
    guint input;
    ScopeVideoReceiverFunc func;
    gpointer user_data;
    int colour_id;         /* 0: not offered */
    ScopeColour announced; /* by the packets of the picture that is coming in */
    gboolean is_announced;
    ScopeColour colour; /* of the pictures that are decoded */
    guint64 n_frames;   /* atomic */
    guint64 n_bytes;    /* atomic */
};

/* With a base time of zero and the system's clock, running time is monotonic time. The jitter
 * buffer's estimate of the sender's clock may run ahead a little; no picture comes before it is. */
static gint64
capture_time_us(GstSample *sample, gint64 now_us)
{
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstClockTime running = gst_segment_to_running_time(gst_sample_get_segment(sample),
                                                       GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
    return GST_CLOCK_TIME_IS_VALID(running) ? MIN((gint64)(running / GST_USECOND), now_us) : now_us;
}

static GstFlowReturn
on_new_sample(GstAppSink *sink, gpointer user_data)
{
    ScopeVideoReceiver *receiver = user_data;
    g_autoptr(GstSample) sample = gst_app_sink_pull_sample(sink);
    if (sample == NULL) {
        return GST_FLOW_EOS;
    }
    g_autoptr(ScopeFrame) frame = scope_gst_frame_new_from_sample(sample);
    if (frame != NULL) {
        frame->born_us = g_get_monotonic_time();
        frame->pts_us = capture_time_us(sample, frame->born_us);
        if (!scope_colour_is_standard(&receiver->colour)) {
            ScopeFrame *given = frame;
            frame = scope_colour_convert(given, &receiver->colour);
            scope_frame_unref(given);
        }
        __atomic_add_fetch(&receiver->n_frames, 1, __ATOMIC_RELAXED);
        receiver->func(receiver->input, frame, receiver->user_data);
    }
    return GST_FLOW_OK;
}

/* The colour space travels on the last packet of key pictures, and where it changes. */
static void
note_colour(ScopeVideoReceiver *receiver, GstBuffer *packet)
{
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    gpointer data;
    guint n_bytes;
    if (receiver->colour_id == 0 || !gst_rtp_buffer_map(packet, GST_MAP_READ, &rtp)) {
        return;
    }
    if (gst_rtp_buffer_get_extension_onebyte_header(&rtp, (guint8)receiver->colour_id, 0, &data,
                                                    &n_bytes)) {
        receiver->is_announced = scope_colour_parse(data, n_bytes, &receiver->announced);
    }
    gst_rtp_buffer_unmap(&rtp);
}

/* A picture is complete: from it on holds what its packets announced. */
static GstPadProbeReturn
on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopeVideoReceiver *receiver = user_data;
    GstBuffer *picture = GST_PAD_PROBE_INFO_BUFFER(info);
    if (receiver->is_announced) {
        receiver->colour = receiver->announced;
    } else if (!GST_BUFFER_FLAG_IS_SET(picture, GST_BUFFER_FLAG_DELTA_UNIT)) {
        receiver->colour = (ScopeColour){0};
    }
    receiver->is_announced = FALSE;
    return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_packet(GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
    ScopeVideoReceiver *receiver = user_data;
    gsize n_bytes = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
    __atomic_add_fetch(&receiver->n_bytes, n_bytes, __ATOMIC_RELAXED);
    note_colour(receiver, GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
}

static GstElement *
make_sink(ScopeVideoReceiver *receiver)
{
    GstElement *sink = gst_element_factory_make("appsink", NULL);
    g_autoptr(GstCaps) caps = gst_caps_from_string("video/x-raw,format=I420");
    g_object_set(sink, "sync", FALSE, "async", FALSE, "max-buffers", 1u, "drop", TRUE, "caps", caps,
                 "enable-last-sample", FALSE, "qos", FALSE, NULL);
    GstAppSinkCallbacks callbacks = {.new_sample = on_new_sample};
    gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, receiver, NULL);
    return sink;
}

static gboolean
build(ScopeVideoReceiver *receiver, ScopeVideoCodec codec)
{
    gboolean vp8 = codec == SCOPE_VIDEO_CODEC_VP8;
    GstElement *depayloader = gst_element_factory_make(vp8 ? "rtpvp8depay" : "rtph264depay", NULL);
    GstElement *parser = gst_element_factory_make(vp8 ? "identity" : "h264parse", NULL);
    GstElement *decoder = gst_element_factory_make(vp8 ? "vp8dec" : "avdec_h264", NULL);
    GstElement *converter = vp8 ? NULL : gst_element_factory_make("videoconvert", NULL);
    GstElement *sink = make_sink(receiver);
    GstElement *const parts[] = {depayloader, parser, decoder, vp8 ? sink : converter, sink};
    gboolean complete = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        complete &= parts[i] != NULL;
        if (parts[i] != NULL && GST_OBJECT_PARENT(parts[i]) == NULL) {
            gst_bin_add(GST_BIN(receiver->bin), parts[i]);
        }
    }
    if (!complete) {
        return FALSE;
    }
    g_object_set(depayloader, "request-keyframe", TRUE, "wait-for-keyframe", TRUE, NULL);
    if (!vp8) {
        /* Frame threads would hold pictures back. */
        g_object_set(decoder, "max-threads", 1, NULL);
    }
    receiver->depayloader = depayloader;
    for (guint i = 0; i + 1 < G_N_ELEMENTS(parts); i++) {
        if (parts[i] != parts[i + 1] && !gst_element_link(parts[i], parts[i + 1])) {
            return FALSE;
        }
    }
    g_autoptr(GstPad) pad = gst_element_get_static_pad(depayloader, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, receiver, NULL);
    g_autoptr(GstPad) pictures = gst_element_get_static_pad(depayloader, "src");
    gst_pad_add_probe(pictures, GST_PAD_PROBE_TYPE_BUFFER, on_picture, receiver, NULL);
    return gst_element_add_pad(receiver->bin, gst_ghost_pad_new("sink", pad));
}

ScopeVideoReceiver *
scope_video_receiver_new(ScopeVideoCodec codec, int colour_id, guint input, GstElement *pipeline,
                         ScopeVideoReceiverFunc func, gpointer user_data, GError **error)
{
    ScopeVideoReceiver *receiver = g_new0(ScopeVideoReceiver, 1);
    receiver->bin = gst_object_ref_sink(gst_bin_new(NULL));
    receiver->colour_id = colour_id;
    receiver->input = input;
    receiver->func = func;
    receiver->user_data = user_data;
    if (!build(receiver, codec)) {
        scope_video_receiver_free(receiver);
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer cannot decode %s; install the package %s",
                    codec == SCOPE_VIDEO_CODEC_VP8 ? "VP8" : "H.264",
                    codec == SCOPE_VIDEO_CODEC_VP8 ? "gstreamer1.0-plugins-good"
                                                   : "gstreamer1.0-libav");
        return NULL;
    }
    gst_bin_add(GST_BIN(pipeline), receiver->bin);
    return receiver;
}

void
scope_video_receiver_free(ScopeVideoReceiver *receiver)
{
    if (receiver != NULL) {
        gst_object_unref(receiver->bin);
        g_free(receiver);
    }
}

GstElement *
scope_video_receiver_get_element(ScopeVideoReceiver *receiver)
{
    return receiver->bin;
}

void
scope_video_receiver_request_keyframe(ScopeVideoReceiver *receiver)
{
    g_autoptr(GstPad) pad = gst_element_get_static_pad(receiver->depayloader, "sink");
    gst_pad_push_event(pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

void
scope_video_receiver_get_counts(ScopeVideoReceiver *receiver, guint64 *ret_frames,
                                guint64 *ret_bytes)
{
    *ret_frames = __atomic_load_n(&receiver->n_frames, __ATOMIC_RELAXED);
    *ret_bytes = __atomic_load_n(&receiver->n_bytes, __ATOMIC_RELAXED);
}
