/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses an encoder element and sets it up. The choice of the H.264 encoder is made once per
 * process, on the first use, because trying a hardware encoder is slow. Main thread.
 */
#include "media/scope-video-encoder.h"

#include <gio/gio.h>

#include "media/scope-media.h"

/* Key frames come on request; this only bounds how long a lost request can hurt. */
#define KEYFRAME_MAX_DISTANCE 900

/* The inner encoder is found by this name when H.264 wraps it in a bin. */
#define INNER_NAME "scope-encoder"

typedef struct {
    const char *element;
    const char *settings[14]; /* property, value, ... */
    guint bitrate_unit_bps;   /* bits per second per unit of its bitrate property */
} H264Encoder;

static const H264Encoder h264_encoders[] = {
    {"nvh264enc",
     {"preset", "low-latency-hq", "rc-mode", "cbr", "zerolatency", "true", "bframes", "0",
      "gop-size", "900", NULL},
     1000},
    {"x264enc",
     {"tune", "zerolatency", "speed-preset", "ultrafast", "key-int-max", "900", "byte-stream",
      "true", "bframes", "0", "threads", "2", NULL},
     1000},
    {"openh264enc",
     {"complexity", "low", "rate-control", "bitrate", "gop-size", "900", "multi-thread", "2", NULL},
     1},
};

static gboolean
element_works(const char *name)
{
    g_autoptr(GstElement) element = gst_element_factory_make(name, NULL);
    if (element == NULL) {
        return FALSE;
    }
    gst_object_ref_sink(element);
    gboolean works = gst_element_set_state(element, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE;
    gst_element_set_state(element, GST_STATE_NULL);
    return works;
}

static const H264Encoder *
find_h264(void)
{
    static gsize chosen = 0; /* 1 + index, or 1 + count for none */
    if (g_once_init_enter(&chosen)) {
        gsize i = 0;
        while (i < G_N_ELEMENTS(h264_encoders) && !element_works(h264_encoders[i].element)) {
            i++;
        }
        g_once_init_leave(&chosen, i + 1);
    }
    return chosen <= G_N_ELEMENTS(h264_encoders) ? &h264_encoders[chosen - 1] : NULL;
}

/* Settings were measured at 512x512, 30 frames a second; see docs/media.md. */
static GstElement *
make_vp8(guint bitrate_bps)
{
    static const char *const settings[] = {"deadline",
                                           "1",
                                           "cpu-used",
                                           "-12",
                                           "threads",
                                           "1",
                                           "end-usage",
                                           "cbr",
                                           "lag-in-frames",
                                           "0",
                                           "error-resilient",
                                           "default",
                                           "keyframe-mode",
                                           "auto",
                                           "auto-alt-ref",
                                           "false",
                                           "min-quantizer",
                                           "8",
                                           "max-quantizer",
                                           "56",
                                           "undershoot",
                                           "95",
                                           "overshoot",
                                           "15",
                                           "buffer-initial-size",
                                           "500",
                                           "buffer-optimal-size",
                                           "600",
                                           "buffer-size",
                                           "1000",
                                           "max-intra-bitrate",
                                           "600",
                                           "static-threshold",
                                           "1",
                                           "token-partitions",
                                           "1",
                                           "timebase",
                                           "1/90000",
                                           NULL};
    GstElement *encoder = gst_element_factory_make("vp8enc", NULL);
    for (guint i = 0; encoder != NULL && settings[i] != NULL; i += 2) {
        gst_util_set_object_arg(G_OBJECT(encoder), settings[i], settings[i + 1]);
    }
    if (encoder != NULL) {
        g_object_set(encoder, "target-bitrate", (gint)bitrate_bps, "keyframe-max-dist",
                     KEYFRAME_MAX_DISTANCE, NULL);
    }
    return encoder;
}

static GstElement *
make_h264(const H264Encoder *choice, guint bitrate_bps)
{
    GstElement *bin = gst_bin_new(NULL);
    GstElement *encoder = gst_element_factory_make(choice->element, INNER_NAME);
    GstElement *filter = gst_element_factory_make("capsfilter", NULL);
    for (guint i = 0; choice->settings[i] != NULL; i += 2) {
        gst_util_set_object_arg(G_OBJECT(encoder), choice->settings[i], choice->settings[i + 1]);
    }
    g_object_set(encoder, "bitrate", bitrate_bps / choice->bitrate_unit_bps, NULL);
    g_object_set_data(G_OBJECT(bin), INNER_NAME, (gpointer)choice);
    g_autoptr(GstCaps) caps =
        gst_caps_from_string("video/x-h264,profile={constrained-baseline,baseline}");
    g_object_set(filter, "caps", caps, NULL);
    gst_bin_add_many(GST_BIN(bin), encoder, filter, NULL);
    gst_element_link(encoder, filter);
    g_autoptr(GstPad) sink = gst_element_get_static_pad(encoder, "sink");
    g_autoptr(GstPad) src = gst_element_get_static_pad(filter, "src");
    gst_element_add_pad(bin, gst_ghost_pad_new("sink", sink));
    gst_element_add_pad(bin, gst_ghost_pad_new("src", src));
    return bin;
}

GstElement *
scope_video_encoder_new(ScopeVideoCodec codec, guint bitrate_bps, GError **error)
{
    const H264Encoder *choice = codec == SCOPE_VIDEO_CODEC_H264 ? find_h264() : NULL;
    GstElement *encoder = NULL;
    if (codec == SCOPE_VIDEO_CODEC_VP8) {
        encoder = make_vp8(bitrate_bps);
    } else if (choice != NULL) {
        encoder = make_h264(choice, bitrate_bps);
    }
    if (encoder == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer has no working %s encoder; install the package %s",
                    codec == SCOPE_VIDEO_CODEC_VP8 ? "VP8" : "H.264",
                    codec == SCOPE_VIDEO_CODEC_VP8 ? "gstreamer1.0-plugins-good"
                                                   : "gstreamer1.0-plugins-ugly");
    }
    return encoder;
}

void
scope_video_encoder_set_bitrate(GstElement *encoder, guint bitrate_bps)
{
    const H264Encoder *choice = g_object_get_data(G_OBJECT(encoder), INNER_NAME);
    if (choice == NULL) {
        g_object_set(encoder, "target-bitrate", (gint)bitrate_bps, NULL);
        return;
    }
    g_autoptr(GstElement) inner = gst_bin_get_by_name(GST_BIN(encoder), INNER_NAME);
    g_object_set(inner, "bitrate", bitrate_bps / choice->bitrate_unit_bps, NULL);
}

gboolean
scope_video_encoder_has_codec(ScopeVideoCodec codec)
{
    return codec == SCOPE_VIDEO_CODEC_H264 ? find_h264() != NULL : element_works("vp8enc");
}
