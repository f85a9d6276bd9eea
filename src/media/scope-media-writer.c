/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One picture is held back, because only the next one tells how long it is shown. MP4 is made by a
 * GStreamer pipeline, y4m and PNG are written here. The user's thread.
 */
#include "media/scope-media-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "media/scope-gst-frame.h"
#include "media/scope-media.h"
#include "media/scope-thumbnail.h"
#include "media/scope-video-encoder.h"

#define END_TIMEOUT       (120 * GST_SECOND)
#define KEYFRAME_US       (2 * G_USEC_PER_SEC)
#define MIN_BITRATE_BPS   4e6
#define MAX_BITRATE_BPS   50e6
#define BITS_PER_PIXEL    0.4
#define APPSRC_MAX_FRAMES 8

typedef struct {
    gboolean (*write)(ScopeMediaWriter *writer, ScopeFrame *frame, gint64 at_us, gint64 shown_us,
                      GError **error);
    gboolean (*end)(ScopeMediaWriter *writer, GError **error);
} Format;

struct _ScopeMediaWriter {
    const Format *format;
    char *path;
    char *partial; /* what is written until it is complete */
    gdouble fps;
    ScopeFrame *held;
    gint64 first_us;
    gint64 shown_us; /* of the picture before */
    guint n_frames;  /* written */
    guint32 width, height;
    gboolean is_finished;

    FILE *file; /* y4m */

    GstElement *pipeline; /* MP4 */
    GstElement *source;
    GstElement *encoder;
    gint64 keyframe_us;
};

static gboolean
set_file_error(GError **error, const char *what, const char *path, int code)
{
    g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(code), "%s %s: %s", what, path,
                g_strerror(code));
    return FALSE;
}

/* Removes what this writer, or one that was killed, has left under the temporary name. */
static void
remove_partial(ScopeMediaWriter *self)
{
    g_autoptr(GDir) folder = g_dir_open(self->partial, 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(self->partial, name, NULL);
        g_unlink(path);
    }
    g_remove(self->partial);
}

/* Whole rates as they are, those of television in units of 1/1001, others to the microsecond. */
static void
get_rate(gint64 shown_us, gint *ret_n, gint *ret_d)
{
    gdouble fps = (gdouble)G_USEC_PER_SEC / (gdouble)shown_us, whole = floor(fps + 0.5);
    gint64 tv_us = (gint64)(1001e3 / whole); /* of whole * 1000 / 1001 */

    if (whole >= 1 && ABS(G_USEC_PER_SEC / whole - (gdouble)shown_us) <= 1.0) {
        *ret_n = (gint)whole;
        *ret_d = 1;
    } else if (whole >= 1 && ABS(tv_us - shown_us) <= 1) {
        *ret_n = (gint)whole * 1000;
        *ret_d = 1001;
    } else {
        *ret_n = G_USEC_PER_SEC;
        *ret_d = (gint)shown_us;
    }
}

/* -- PNG -------------------------------------------------------------------------------------- */

static gboolean
write_png(ScopeMediaWriter *self, ScopeFrame *frame, gint64 at_us, gint64 shown_us, GError **error)
{
    g_autofree char *name = g_strdup_printf("frame-%06u.png", self->n_frames + 1);
    g_autofree char *path = g_build_filename(self->partial, name, NULL);
    g_autoptr(ScopeFrame) rgb = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_RGB24);
    g_autoptr(GBytes) png = NULL;

    if (self->n_frames == 0) {
        remove_partial(self);
    }
    if (g_mkdir_with_parents(self->partial, 0755) != 0) {
        return set_file_error(error, "Creating", self->partial, errno);
    }
    png = scope_image_encode(rgb, SCOPE_IMAGE_FORMAT_PNG, error);
    return png != NULL && g_file_set_contents(path, g_bytes_get_data(png, NULL),
                                              (gssize)g_bytes_get_size(png), error);
}

static gboolean
end_png(ScopeMediaWriter *self, GError **error)
{
    g_rmdir(self->path);
    return g_rename(self->partial, self->path) == 0 ||
           set_file_error(error, "Renaming to", self->path, errno);
}

/* -- y4m -------------------------------------------------------------------------------------- */

static gboolean
write_y4m_head(ScopeMediaWriter *self, gint64 shown_us, GError **error)
{
    gint n, d;

    get_rate(shown_us, &n, &d);
    self->file = fopen(self->partial, "wbe");
    if (self->file == NULL) {
        return set_file_error(error, "Creating", self->partial, errno);
    }
    fprintf(self->file, "YUV4MPEG2 W%u H%u F%d:%d Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n",
            self->width, self->height, n, d);
    return TRUE;
}

static gboolean
write_y4m(ScopeMediaWriter *self, ScopeFrame *frame, gint64 at_us, gint64 shown_us, GError **error)
{
    g_autoptr(ScopeFrame) yuv = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_I420);

    if (self->file == NULL && !write_y4m_head(self, shown_us, error)) {
        return FALSE;
    }
    fputs("FRAME\n", self->file);
    for (int plane = 0; plane < 3; plane++) {
        guint32 w = plane == 0 ? yuv->width : (yuv->width + 1) / 2;
        guint32 h = plane == 0 ? yuv->height : (yuv->height + 1) / 2;
        for (guint32 y = 0; y < h; y++) {
            fwrite(yuv->data[plane] + (gsize)y * yuv->stride[plane], 1, w, self->file);
        }
    }
    return !ferror(self->file) || set_file_error(error, "Writing", self->partial, errno);
}

static gboolean
end_y4m(ScopeMediaWriter *self, GError **error)
{
    gboolean good = fflush(self->file) == 0 && fsync(fileno(self->file)) == 0;
    int code = errno;

    good = fclose(g_steal_pointer(&self->file)) == 0 && good;
    if (!good) {
        return set_file_error(error, "Writing", self->partial, code);
    }
    return g_rename(self->partial, self->path) == 0 ||
           set_file_error(error, "Renaming to", self->path, errno);
}

/* -- MP4 -------------------------------------------------------------------------------------- */

/* What the pipeline says about its failure, or @fallback. */
static gboolean
set_bus_error(ScopeMediaWriter *self, GstClockTime timeout, const char *fallback, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(self->pipeline);
    g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(bus, timeout, GST_MESSAGE_ERROR);
    g_autoptr(GError) reason = NULL;

    if (message != NULL) {
        gst_message_parse_error(message, &reason, NULL);
    }
    g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED, "Writing %s: %s", self->path,
                reason != NULL ? reason->message : fallback);
    return FALSE;
}

static GstElement *
add_element(ScopeMediaWriter *self, const char *name, GError **error)
{
    GstElement *element = gst_element_factory_make(name, NULL);

    if (element == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
                    "GStreamer has no element %s; install the packages gstreamer1.0-plugins-good "
                    "and gstreamer1.0-plugins-bad",
                    name);
        return NULL;
    }
    gst_bin_add(GST_BIN(self->pipeline), element);
    return element;
}

static gboolean
start_mp4(ScopeMediaWriter *self, ScopeFrame *frame, gint64 shown_us, GError **error)
{
    gdouble rate = BITS_PER_PIXEL * frame->width * frame->height * 1e6 / (gdouble)shown_us;
    g_autoptr(GstCaps) caps = scope_gst_caps_new_for_frame(frame);
    GstElement *parse, *mux, *sink;
    gint n, d;

    self->pipeline = gst_pipeline_new(NULL);
    self->source = add_element(self, "appsrc", error);
    self->encoder =
        self->source == NULL
            ? NULL
            : scope_video_encoder_new(SCOPE_VIDEO_CODEC_H264,
                                      (guint)CLAMP(rate, MIN_BITRATE_BPS, MAX_BITRATE_BPS), error);
    if (self->encoder == NULL) {
        return FALSE;
    }
    gst_bin_add(GST_BIN(self->pipeline), self->encoder);
    parse = add_element(self, "h264parse", error);
    mux = parse != NULL ? add_element(self, "mp4mux", error) : NULL;
    sink = mux != NULL ? add_element(self, "filesink", error) : NULL;
    if (sink == NULL) {
        return FALSE;
    }
    get_rate(shown_us, &n, &d);
    gst_caps_set_simple(caps, "framerate", GST_TYPE_FRACTION, n, d, NULL);
    g_object_set(self->source, "caps", caps, "format", GST_FORMAT_TIME, "block", TRUE,
                 "max-buffers", (guint64)APPSRC_MAX_FRAMES, "max-bytes", (guint64)0, NULL);
    g_object_set(mux, "faststart", TRUE, NULL);
    g_object_set(sink, "location", self->partial, "sync", FALSE, NULL);
    if (!gst_element_link_many(self->source, self->encoder, parse, mux, sink, NULL) ||
        gst_element_set_state(self->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        return set_bus_error(self, 0, "the encoder does not start", error);
    }
    return TRUE;
}

/* A key frame every two seconds, so that players can seek; encoders for live video make none. */
static void
want_keyframe(ScopeMediaWriter *self, gint64 at_us)
{
    g_autoptr(GstPad) pad = NULL;

    if (at_us < self->keyframe_us) {
        return;
    }
    if (at_us > 0) {
        pad = gst_element_get_static_pad(self->encoder, "src");
        gst_pad_send_event(
            pad, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
    }
    self->keyframe_us = at_us + KEYFRAME_US;
}

static gboolean
write_mp4(ScopeMediaWriter *self, ScopeFrame *frame, gint64 at_us, gint64 shown_us, GError **error)
{
    g_autoptr(ScopeFrame) yuv = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_I420);
    g_autoptr(ScopeFrame) even = scope_gst_frame_pad_even(yuv);
    GstBuffer *buffer;

    if (self->pipeline == NULL && !start_mp4(self, even, shown_us, error)) {
        return FALSE;
    }
    want_keyframe(self, at_us);
    buffer = scope_gst_buffer_new_from_frame(even);
    GST_BUFFER_PTS(buffer) = (GstClockTime)at_us * GST_USECOND;
    GST_BUFFER_DURATION(buffer) = (GstClockTime)shown_us * GST_USECOND;
    if (gst_app_src_push_buffer(GST_APP_SRC(self->source), buffer) != GST_FLOW_OK) {
        return set_bus_error(self, GST_SECOND, "the encoder stopped", error);
    }
    return TRUE;
}

static gboolean
end_mp4(ScopeMediaWriter *self, GError **error)
{
    g_autoptr(GstBus) bus = gst_element_get_bus(self->pipeline);
    g_autoptr(GstMessage) message = NULL;
    int fd;

    gst_app_src_end_of_stream(GST_APP_SRC(self->source));
    message = gst_bus_timed_pop_filtered(bus, END_TIMEOUT, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    if (message == NULL || GST_MESSAGE_TYPE(message) != GST_MESSAGE_EOS) {
        if (message != NULL) {
            gst_bus_post(bus, g_steal_pointer(&message));
        }
        return set_bus_error(self, 0, "the end of the file is not written in time", error);
    }
    gst_element_set_state(self->pipeline, GST_STATE_NULL);
    fd = g_open(self->partial, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 || fsync(fd) != 0 || close(fd) != 0 || g_rename(self->partial, self->path) != 0) {
        return set_file_error(error, "Writing", self->path, errno);
    }
    return TRUE;
}

/* -- All -------------------------------------------------------------------------------------- */

static const Format png = {write_png, end_png};
static const Format y4m = {write_y4m, end_y4m};
static const Format mp4 = {write_mp4, end_mp4};

static const Format *
find_format(const char *path)
{
    return g_str_has_suffix(path, "/")      ? &png
           : g_str_has_suffix(path, ".y4m") ? &y4m
           : g_str_has_suffix(path, ".mp4") ? &mp4
                                            : NULL;
}

static gboolean
is_empty_folder(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);

    return folder != NULL && g_dir_read_name(folder) == NULL;
}

/* Whether @self->path may become what is written. */
static gboolean
check_place(ScopeMediaWriter *self, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(self->path);

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        return set_file_error(error, "Writing to", folder, ENOENT);
    }
    if (g_access(folder, W_OK) != 0) {
        return set_file_error(error, "Writing to", folder, errno);
    }
    if (self->format != &png && g_file_test(self->path, G_FILE_TEST_IS_DIR)) {
        return set_file_error(error, "Writing", self->path, EISDIR);
    }
    if (self->format == &png && g_file_test(self->path, G_FILE_TEST_EXISTS) &&
        !is_empty_folder(self->path)) {
        return set_file_error(error, "Writing", self->path, EEXIST);
    }
    return TRUE;
}

ScopeMediaWriter *
scope_media_writer_open(const char *path, gdouble fps, GError **error)
{
    const Format *format = find_format(path);
    g_autoptr(ScopeMediaWriter) self = NULL;

    if (format == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_UNSUPPORTED,
                    "%s: the name must end with .mp4, .y4m or / (a folder of PNG files)", path);
        return NULL;
    }
    self = g_new0(ScopeMediaWriter, 1);
    self->format = format;
    self->path = g_strdup(path);
    for (gsize n = strlen(self->path); n > 1 && self->path[n - 1] == '/'; n--) {
        self->path[n - 1] = '\0';
    }
    self->partial = g_strconcat(self->path, ".incomplete", NULL);
    self->fps = fps;
    self->shown_us = MAX((gint64)(G_USEC_PER_SEC / fps), 1);
    return check_place(self, error) ? g_steal_pointer(&self) : NULL;
}

/* Writes the picture that was held back, which is shown until @next_us. */
static gboolean
write_held(ScopeMediaWriter *self, gint64 next_us, GError **error)
{
    g_autoptr(ScopeFrame) frame = g_steal_pointer(&self->held);
    g_autoptr(ScopeFrame) fitted = NULL;
    gint64 at_us = frame->pts_us == SCOPE_TIME_NONE
                       ? (gint64)(self->n_frames * (gdouble)G_USEC_PER_SEC / self->fps)
                       : frame->pts_us - self->first_us;

    if (frame->pts_us != SCOPE_TIME_NONE && next_us > frame->pts_us) {
        self->shown_us = next_us - frame->pts_us;
    }
    if (self->n_frames == 0) {
        self->width = frame->width;
        self->height = frame->height;
    }
    fitted = scope_frame_resize(frame, self->width, self->height);
    if (!self->format->write(self, fitted, at_us, self->shown_us, error)) {
        return FALSE;
    }
    self->n_frames++;
    return TRUE;
}

gboolean
scope_media_writer_push(ScopeMediaWriter *self, ScopeFrame *frame, GError **error)
{
    if (self->held != NULL && !write_held(self, frame->pts_us, error)) {
        return FALSE;
    }
    if (self->n_frames == 0) {
        self->first_us = frame->pts_us;
    }
    self->held = scope_frame_ref(frame);
    return TRUE;
}

gboolean
scope_media_writer_finish(ScopeMediaWriter *self, GError **error)
{
    if (self->held == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED,
                    "Writing %s: there is no picture to write", self->path);
        return FALSE;
    }
    self->is_finished = write_held(self, SCOPE_TIME_NONE, error) && self->format->end(self, error);
    return self->is_finished;
}

void
scope_media_writer_free(ScopeMediaWriter *self)
{
    if (self == NULL) {
        return;
    }
    if (self->pipeline != NULL) {
        gst_element_set_state(self->pipeline, GST_STATE_NULL);
        gst_object_unref(self->pipeline);
    }
    g_clear_pointer(&self->file, fclose);
    if (!self->is_finished && (self->n_frames > 0 || self->held != NULL)) {
        remove_partial(self);
    }
    scope_frame_unref(self->held);
    g_free(self->partial);
    g_free(self->path);
    g_free(self);
}
