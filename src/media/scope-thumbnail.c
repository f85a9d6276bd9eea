/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decodes one picture, makes it small, encodes it. Helper threads of GTask.
 */
#include "media/scope-thumbnail.h"

#include <gst/gst.h>
#include <gst/video/video.h>

#include "media/scope-gst-frame.h"
#include "media/scope-media-file.h"
#include "media/scope-media.h"

#define ENCODE_TIMEOUT (5 * GST_SECOND)

/* First pictures are often black; a tenth into the video, at most this far, is not. */
#define MAX_OFFSET_US G_USEC_PER_SEC

typedef struct {
    char *path;
    guint max_edge_px;
    ScopeImageFormat format;
} Request;

/* JPEG is full range by definition, but jpegenc takes what it gets; so the range is changed first.
 */
static GstSample *
encode_sample(GstSample *raw, ScopeImageFormat format, GError **error)
{
    if (format == SCOPE_IMAGE_FORMAT_PNG) {
        g_autoptr(GstCaps) png = gst_caps_new_empty_simple("image/png");
        return gst_video_convert_sample(raw, png, ENCODE_TIMEOUT, error);
    }
    g_autoptr(GstCaps) full = gst_caps_from_string("video/x-raw,format=I420,colorimetry=1:4:0:0");
    g_autoptr(GstCaps) jpeg = gst_caps_new_empty_simple("image/jpeg");
    g_autoptr(GstSample) wide = gst_video_convert_sample(raw, full, ENCODE_TIMEOUT, error);
    return wide ? gst_video_convert_sample(wide, jpeg, ENCODE_TIMEOUT, error) : NULL;
}

GBytes *
scope_image_encode(ScopeFrame *frame, ScopeImageFormat format, GError **error)
{
    g_autoptr(GstCaps) caps = scope_gst_caps_new_for_frame(frame);
    g_autoptr(GstBuffer) buffer = scope_gst_buffer_new_from_frame(frame);
    g_autoptr(GstSample) raw = gst_sample_new(buffer, caps, NULL, NULL);
    g_autoptr(GError) reason = NULL;
    g_autoptr(GstSample) encoded = encode_sample(raw, format, &reason);
    GstMapInfo map;
    if (encoded == NULL || !gst_buffer_map(gst_sample_get_buffer(encoded), &map, GST_MAP_READ)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "encoding a picture failed: %s", reason ? reason->message : "no data");
        return NULL;
    }
    GBytes *bytes = g_bytes_new(map.data, map.size);
    gst_buffer_unmap(gst_sample_get_buffer(encoded), &map);
    return bytes;
}

static ScopeFrame *
read_picture(const char *path, GError **error)
{
    g_autoptr(ScopeMediaFile) file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_RGB24, error);
    if (file == NULL) {
        return NULL;
    }
    const ScopeMediaInfo *info = scope_media_file_get_info(file);
    gint64 offset_us = MIN(info->duration_us / 10, MAX_OFFSET_US);
    g_autoptr(ScopeFrame) first = scope_media_file_read(file, error);
    if (first == NULL || offset_us == 0 || !scope_media_file_seek(file, offset_us)) {
        return g_steal_pointer(&first);
    }
    ScopeFrame *later = scope_media_file_read(file, NULL);
    return later ? later : g_steal_pointer(&first);
}

GBytes *
scope_thumbnail_make(const char *path, guint max_edge_px, ScopeImageFormat format, GError **error)
{
    g_autoptr(ScopeFrame) frame = read_picture(path, error);
    if (frame == NULL) {
        return NULL;
    }
    guint32 longer = MAX(frame->width, frame->height);
    guint32 edge = CLAMP(max_edge_px, 1, longer);
    guint32 width = MAX(1, (guint32)((guint64)frame->width * edge / longer));
    guint32 height = MAX(1, (guint32)((guint64)frame->height * edge / longer));
    /* Bilinear sampling skips pixels beyond a factor of two, so it is halved step by step. */
    while (frame->width / 2 >= width && frame->height / 2 >= height && frame->width > 2 * width) {
        ScopeFrame *half = scope_frame_resize(frame, frame->width / 2, frame->height / 2);
        scope_frame_unref(frame);
        frame = half;
    }
    g_autoptr(ScopeFrame) small = scope_frame_resize(frame, width, height);
    return scope_image_encode(small, format, error);
}

static void
free_request(gpointer data)
{
    Request *request = data;
    g_free(request->path);
    g_free(request);
}

static void
run_request(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    Request *request = task_data;
    GError *error = NULL;
    GBytes *bytes =
        scope_thumbnail_make(request->path, request->max_edge_px, request->format, &error);
    if (bytes != NULL) {
        g_task_return_pointer(task, bytes, (GDestroyNotify)g_bytes_unref);
    } else {
        g_task_return_error(task, error);
    }
}

void
scope_thumbnail_make_async(const char *path, guint max_edge_px, ScopeImageFormat format,
                           GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
    g_autoptr(GTask) task = g_task_new(NULL, cancellable, callback, user_data);
    Request *request = g_new(Request, 1);
    *request = (Request){g_strdup(path), max_edge_px, format};
    g_task_set_source_tag(task, scope_thumbnail_make_async);
    g_task_set_task_data(task, request, free_request);
    g_task_run_in_thread(task, run_request);
}

GBytes *
scope_thumbnail_make_finish(GAsyncResult *result, GError **error)
{
    g_return_val_if_fail(g_task_is_valid(result, NULL), NULL);
    return g_task_propagate_pointer(G_TASK(result), error);
}
