/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filesrc -> decodebin -> videoconvert -> appsink, pulled by the caller. Owns its pipeline; all
 * waiting has a deadline.
 */
#include "media/scope-media-file.h"

#include <gio/gio.h>
#include <stdio.h>
#include <string.h>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "media/scope-gst-frame.h"
#include "media/scope-media.h"

#define POLL_NS      (20 * GST_MSECOND)
#define HEADER_BYTES 30

struct _ScopeMediaFile {
    char *path;
    GstElement *pipeline;
    GstElement *convert;
    GstAppSink *sink;
    GstBus *bus;
    GstSample *first; /* until it is read */
    ScopeMediaInfo info;
    gboolean is_bmp;
    gint too_large; /* atomic; GStreamer's threads set it */
    gint refused;   /* atomic */
};

static gboolean
fits(const GstCaps *caps)
{
    for (guint i = 0; i < gst_caps_get_size(caps); i++) {
        const GstStructure *s = gst_caps_get_structure(caps, i);
        gint width = 0, height = 0;
        if (gst_structure_get_int(s, "width", &width) &&
            gst_structure_get_int(s, "height", &height) &&
            (guint64)MAX(width, 0) * (guint64)MAX(height, 0) > SCOPE_MEDIA_FILE_MAX_PIXELS) {
            return FALSE;
        }
    }
    return TRUE;
}

/* GStreamer's thread: follows media only, and stops before a giant picture is allocated. */
static gboolean
on_autoplug_continue(GstElement *decodebin, GstPad *pad, GstCaps *caps, gpointer user_data)
{
    static const char *const allowed[] = {"video/", "image/", "application/ogg"};
    ScopeMediaFile *file = user_data;
    const char *name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
    if (!fits(caps)) {
        __atomic_store_n(&file->too_large, 1, __ATOMIC_RELAXED);
        return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(allowed); i++) {
        if (g_str_has_prefix(name, allowed[i])) {
            return TRUE;
        }
    }
    /* Raw video is what `scope generate` writes; no upload has this ending. */
    if (strcmp(name, "application/x-yuv4mpeg") == 0 && g_str_has_suffix(file->path, ".y4m")) {
        return TRUE;
    }
    /* Sound is left undecoded; it does not speak against the file. */
    if (!g_str_has_prefix(name, "audio/")) {
        __atomic_store_n(&file->refused, 1, __ATOMIC_RELAXED);
    }
    return FALSE;
}

static void
on_pad_added(GstElement *decodebin, GstPad *pad, gpointer user_data)
{
    ScopeMediaFile *file = user_data;
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(pad);
    g_autoptr(GstPad) sink = gst_element_get_static_pad(file->convert, "sink");
    if (caps != NULL && !gst_pad_is_linked(sink) &&
        gst_structure_has_name(gst_caps_get_structure(caps, 0), "video/x-raw")) {
        gst_pad_link(pad, sink);
    }
}

static guint32
read_le(const guint8 *bytes, guint n)
{
    guint32 value = 0;
    for (guint i = 0; i < n; i++) {
        value |= (guint32)bytes[i] << (8 * i);
    }
    return value;
}

/* The sizes of BMP and WebP, which GStreamer finds out only when it allocates the picture. */
static void
read_header(ScopeMediaFile *file)
{
    guint8 b[HEADER_BYTES] = {0};
    guint64 width = 0, height = 0;
    FILE *stream = fopen(file->path, "rb");
    gsize n_bytes = stream ? fread(b, 1, sizeof(b), stream) : 0;
    if (stream != NULL) {
        fclose(stream);
    }
    if (n_bytes < sizeof(b)) {
        return;
    }
    if (memcmp(b, "BM", 2) == 0) {
        file->is_bmp = TRUE;
        width = (guint64)ABS((gint64)(gint32)read_le(b + 18, 4));
        height = (guint64)ABS((gint64)(gint32)read_le(b + 22, 4));
    } else if (memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBPVP8X", 8) == 0) {
        width = read_le(b + 24, 3) + 1;
        height = read_le(b + 27, 3) + 1;
    } else if (memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBPVP8L", 8) == 0) {
        width = (read_le(b + 21, 4) & 0x3fff) + 1;
        height = (read_le(b + 21, 4) >> 14 & 0x3fff) + 1;
    } else if (memcmp(b, "RIFF", 4) == 0 && memcmp(b + 8, "WEBPVP8 ", 8) == 0) {
        width = read_le(b + 26, 2) & 0x3fff;
        height = read_le(b + 28, 2) & 0x3fff;
    }
    file->too_large = width * height > SCOPE_MEDIA_FILE_MAX_PIXELS;
}

/* libav's BMP decoder needs a parser that does not exist. */
static GstElement *
make_decoder(ScopeMediaFile *file)
{
    if (file->is_bmp) {
        return gst_element_factory_make("gdkpixbufdec", NULL);
    }
    GstElement *decode = gst_element_factory_make("decodebin", NULL);
    if (decode != NULL) {
        g_signal_connect(decode, "autoplug-continue", G_CALLBACK(on_autoplug_continue), file);
        g_signal_connect(decode, "pad-added", G_CALLBACK(on_pad_added), file);
    }
    return decode;
}

static gboolean
build(ScopeMediaFile *file, ScopeFrameFormat format, GError **error)
{
    GstElement *source = gst_element_factory_make("filesrc", NULL);
    GstElement *decode = make_decoder(file);
    GstElement *sink = gst_element_factory_make("appsink", NULL);
    file->convert = gst_element_factory_make("videoconvert", NULL);
    file->pipeline = gst_object_ref_sink(gst_pipeline_new(NULL));
    if (!source || !decode || !sink || !file->convert) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer cannot decode files; install the packages "
                    "gstreamer1.0-plugins-base and gstreamer1.0-plugins-good");
        return FALSE;
    }
    g_autoptr(GstCaps) out = gst_caps_from_string(format == SCOPE_FRAME_FORMAT_I420
                                                      ? "video/x-raw,format=I420,colorimetry=bt601"
                                                      : "video/x-raw,format=RGB");
    g_object_set(source, "location", file->path, NULL);
    g_object_set(sink, "sync", FALSE, "max-buffers", 2u, "caps", out, "enable-last-sample", FALSE,
                 NULL);
    gst_bin_add_many(GST_BIN(file->pipeline), source, decode, file->convert, sink, NULL);
    file->sink = GST_APP_SINK(sink);
    file->bus = gst_element_get_bus(file->pipeline);
    return gst_element_link(source, decode) && gst_element_link(file->convert, sink) &&
           (!file->is_bmp || gst_element_link(decode, file->convert));
}

/* Whether the bus holds the end of it all; then @error is set. */
static gboolean
check_bus(ScopeMediaFile *file, GError **error)
{
    g_autoptr(GstMessage) message =
        file->bus ? gst_bus_pop_filtered(file->bus, GST_MESSAGE_ERROR) : NULL;
    g_autofree char *name = g_path_get_basename(file->path);
    if (__atomic_load_n(&file->too_large, __ATOMIC_RELAXED)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT, "%s has more than %u pixels",
                    name, SCOPE_MEDIA_FILE_MAX_PIXELS);
        return TRUE;
    }
    if (message == NULL) {
        return FALSE;
    }
    g_autoptr(GError) reason = NULL;
    gst_message_parse_error(message, &reason, NULL);
    gboolean unknown = __atomic_load_n(&file->refused, __ATOMIC_RELAXED) ||
                       g_error_matches(reason, GST_STREAM_ERROR, GST_STREAM_ERROR_TYPE_NOT_FOUND) ||
                       g_error_matches(reason, GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE) ||
                       g_error_matches(reason, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND);
    g_set_error(error, SCOPE_MEDIA_ERROR,
                unknown ? SCOPE_MEDIA_ERROR_UNSUPPORTED : SCOPE_MEDIA_ERROR_CORRUPT,
                "%s cannot be decoded: %s", name, reason->message);
    return TRUE;
}

static GstSample *
pull(ScopeMediaFile *file, GError **error)
{
    gint64 deadline_us = g_get_monotonic_time() + SCOPE_MEDIA_FILE_TIMEOUT_MS * 1000;
    while (g_get_monotonic_time() < deadline_us) {
        g_autoptr(GstSample) sample = gst_app_sink_try_pull_sample(file->sink, POLL_NS);
        if (sample != NULL && fits(gst_sample_get_caps(sample))) {
            return g_steal_pointer(&sample);
        }
        if (sample != NULL) {
            __atomic_store_n(&file->too_large, 1, __ATOMIC_RELAXED);
        }
        if (check_bus(file, error)) {
            return NULL;
        }
        if (gst_app_sink_is_eos(file->sink)) {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_EOF,
                        "the file has no further picture");
            return NULL;
        }
    }
    g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_TIMEOUT,
                "no picture could be decoded within %d ms", SCOPE_MEDIA_FILE_TIMEOUT_MS);
    return NULL;
}

static void
read_info(ScopeMediaFile *file)
{
    GstVideoInfo info;
    gint64 duration = 0;
    if (gst_video_info_from_caps(&info, gst_sample_get_caps(file->first))) {
        file->info.width = (guint32)GST_VIDEO_INFO_WIDTH(&info);
        file->info.height = (guint32)GST_VIDEO_INFO_HEIGHT(&info);
        if (GST_VIDEO_INFO_FPS_N(&info) > 0) {
            file->info.fps = (double)GST_VIDEO_INFO_FPS_N(&info) / GST_VIDEO_INFO_FPS_D(&info);
        }
    }
    if (gst_element_query_duration(file->pipeline, GST_FORMAT_TIME, &duration) && duration > 0) {
        file->info.duration_us = duration / GST_USECOND;
    }
}

static gboolean
name_is_image(const char *path)
{
    static const char *const suffixes[] = {".png", ".jpg", ".jpeg", ".webp", ".bmp"};
    g_autofree char *lower = g_ascii_strdown(path, -1);
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (g_str_has_suffix(lower, suffixes[i])) {
            return TRUE;
        }
    }
    return FALSE;
}

ScopeMediaFile *
scope_media_file_open(const char *path, ScopeFrameFormat format, GError **error)
{
    if (!g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s is not a file", path);
        return NULL;
    }
    g_autoptr(ScopeMediaFile) file = g_new0(ScopeMediaFile, 1);
    file->path = g_strdup(path);
    read_header(file);
    if (check_bus(file, error) || !build(file, format, error)) {
        return NULL;
    }
    gst_element_set_state(file->pipeline, GST_STATE_PLAYING);
    g_autoptr(GError) local = NULL;
    file->first = pull(file, &local);
    if (file->first == NULL) {
        if (g_error_matches(local, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_EOF)) {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_UNSUPPORTED,
                        "the file holds no picture");
        } else {
            g_propagate_error(error, g_steal_pointer(&local));
        }
        return NULL;
    }
    read_info(file);
    file->info.is_image = name_is_image(path);
    if (file->info.is_image) {
        file->info.duration_us = 0;
        file->info.fps = 0;
    }
    return g_steal_pointer(&file);
}

void
scope_media_file_close(ScopeMediaFile *file)
{
    if (file == NULL) {
        return;
    }
    if (file->pipeline != NULL) {
        gst_element_set_state(file->pipeline, GST_STATE_NULL);
    }
    g_clear_pointer(&file->first, gst_sample_unref);
    gst_clear_object(&file->bus);
    gst_clear_object(&file->pipeline);
    g_free(file->path);
    g_free(file);
}

const ScopeMediaInfo *
scope_media_file_get_info(ScopeMediaFile *file)
{
    return &file->info;
}

ScopeFrame *
scope_media_file_read(ScopeMediaFile *file, GError **error)
{
    g_autoptr(GstSample) sample = g_steal_pointer(&file->first);
    if (sample == NULL) {
        sample = pull(file, error);
    }
    if (sample == NULL) {
        return NULL;
    }
    ScopeFrame *frame = scope_gst_frame_new_from_sample(sample);
    if (frame == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                    "a picture is wider or higher than %d pixels", SCOPE_FRAME_MAX_DIM);
        return NULL;
    }
    GstClockTime time = gst_segment_to_stream_time(gst_sample_get_segment(sample), GST_FORMAT_TIME,
                                                   GST_BUFFER_PTS(gst_sample_get_buffer(sample)));
    frame->pts_us = GST_CLOCK_TIME_IS_VALID(time) ? (gint64)(time / GST_USECOND) : SCOPE_TIME_NONE;
    frame->born_us = g_get_monotonic_time();
    return frame;
}

gboolean
scope_media_file_seek(ScopeMediaFile *file, gint64 position_us)
{
    if (!gst_element_seek_simple(file->pipeline, GST_FORMAT_TIME,
                                 GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT,
                                 position_us * (gint64)GST_USECOND)) {
        return FALSE;
    }
    g_clear_pointer(&file->first, gst_sample_unref);
    return TRUE;
}

gboolean
scope_media_probe(const char *path, ScopeMediaInfo *ret_info, GError **error)
{
    g_autoptr(ScopeMediaFile) file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_I420, error);
    if (file != NULL) {
        *ret_info = file->info;
    }
    return file != NULL;
}

ScopeFrame *
scope_image_load(const char *path, GError **error)
{
    g_autoptr(ScopeMediaFile) file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_RGB24, error);
    return file ? scope_media_file_read(file, error) : NULL;
}
