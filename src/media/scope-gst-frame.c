/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wraps planes as GstMemory and mapped buffers as frames. No state; any thread.
 */
#include "media/scope-gst-frame.h"

#include <string.h>

static void
release_frame(gpointer data)
{
    scope_frame_unref(data);
}

static guint
count_planes(const ScopeFrame *frame)
{
    return frame->format == SCOPE_FRAME_FORMAT_I420 ? 3 : 1;
}

GstBuffer *
scope_gst_buffer_new_from_frame(ScopeFrame *frame)
{
    GstBuffer *buffer = gst_buffer_new();
    gboolean planar = frame->format == SCOPE_FRAME_FORMAT_I420;
    gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
    gint strides[GST_VIDEO_MAX_PLANES] = {0};
    gsize offset = 0;
    for (guint i = 0; i < count_planes(frame); i++) {
        guint rows = i == 0 ? frame->height : (frame->height + 1) / 2;
        gsize row_bytes = !planar  ? (gsize)frame->width * 3
                          : i == 0 ? frame->width
                                   : (frame->width + 1) / 2;
        gsize n_bytes = (gsize)frame->stride[i] * (rows - 1) + row_bytes;
        GstMemory *memory =
            gst_memory_new_wrapped(GST_MEMORY_FLAG_READONLY, frame->data[i], n_bytes, 0, n_bytes,
                                   scope_frame_ref(frame), release_frame);
        gst_buffer_append_memory(buffer, memory);
        offsets[i] = offset;
        strides[i] = (gint)frame->stride[i];
        offset += n_bytes;
    }
    gst_buffer_add_video_meta_full(
        buffer, GST_VIDEO_FRAME_FLAG_NONE, planar ? GST_VIDEO_FORMAT_I420 : GST_VIDEO_FORMAT_RGB,
        frame->width, frame->height, count_planes(frame), offsets, strides);
    return buffer;
}

GstCaps *
scope_gst_caps_new_for_frame(const ScopeFrame *frame)
{
    gboolean planar = frame->format == SCOPE_FRAME_FORMAT_I420;
    GstCaps *caps = gst_caps_new_simple(
        "video/x-raw", "format", G_TYPE_STRING, planar ? "I420" : "RGB", "width", G_TYPE_INT,
        (gint)frame->width, "height", G_TYPE_INT, (gint)frame->height, "framerate",
        GST_TYPE_FRACTION, 30, 1, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, NULL);
    if (planar) {
        gst_caps_set_simple(caps, "colorimetry", G_TYPE_STRING, "bt601", NULL);
    }
    return caps;
}

static void
release_video_frame(gpointer data)
{
    GstVideoFrame *mapped = data;
    gst_video_frame_unmap(mapped);
    g_free(mapped);
}

ScopeFrame *
scope_gst_frame_new_from_sample(GstSample *sample)
{
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    GstCaps *caps = gst_sample_get_caps(sample);
    GstVideoInfo info;
    if (buffer == NULL || caps == NULL || !gst_video_info_from_caps(&info, caps)) {
        return NULL;
    }
    ScopeFrameFormat format = SCOPE_FRAME_FORMAT_INVALID;
    if (GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_I420) {
        format = SCOPE_FRAME_FORMAT_I420;
    } else if (GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_RGB) {
        format = SCOPE_FRAME_FORMAT_RGB24;
    }
    g_autofree GstVideoFrame *mapped = g_new(GstVideoFrame, 1);
    if (format == SCOPE_FRAME_FORMAT_INVALID ||
        !gst_video_frame_map(mapped, &info, buffer, GST_MAP_READ)) {
        return NULL;
    }
    guint8 *data[3] = {NULL};
    guint32 stride[3] = {0};
    for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES(mapped); i++) {
        data[i] = GST_VIDEO_FRAME_PLANE_DATA(mapped, i);
        stride[i] = (guint32)GST_VIDEO_FRAME_PLANE_STRIDE(mapped, i);
    }
    ScopeFrame *frame = scope_frame_new_wrapped(format, (guint32)GST_VIDEO_FRAME_WIDTH(mapped),
                                                (guint32)GST_VIDEO_FRAME_HEIGHT(mapped), data,
                                                stride, release_video_frame, mapped);
    if (frame == NULL) {
        gst_video_frame_unmap(mapped);
        return NULL;
    }
    g_steal_pointer(&mapped);
    return frame;
}

ScopeFrame *
scope_gst_frame_pad_even(ScopeFrame *frame)
{
    guint32 width = (frame->width + 1) & ~1u;
    guint32 height = (frame->height + 1) & ~1u;
    if (width == frame->width && height == frame->height) {
        return scope_frame_ref(frame);
    }
    ScopeFrame *padded = scope_frame_new(SCOPE_FRAME_FORMAT_I420, width, height);
    scope_frame_copy_times(padded, frame);
    for (guint32 y = 0; y < height; y++) {
        const guint8 *from = frame->data[0] + (gsize)MIN(y, frame->height - 1) * frame->stride[0];
        guint8 *to = padded->data[0] + (gsize)y * padded->stride[0];
        memcpy(to, from, frame->width);
        to[width - 1] = from[frame->width - 1];
    }
    for (guint plane = 1; plane < 3; plane++) {
        for (guint32 y = 0; y < height / 2; y++) {
            memcpy(padded->data[plane] + (gsize)y * padded->stride[plane],
                   frame->data[plane] + (gsize)y * frame->stride[plane], width / 2);
        }
    }
    return padded;
}
