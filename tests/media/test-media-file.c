/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that users upload: what is read from good ones, and that bad ones end in an error within
 * the time limit.
 */
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>

#include "media/scope-media-file.h"
#include "media/scope-media.h"
#include "media/scope-thumbnail.h"

#define VIDEO "videotestsrc num-buffers=30 ! video/x-raw,width=160,height=120,framerate=15/1 ! "
#define IMAGE                                                                                      \
    "videotestsrc num-buffers=1 pattern=red ! video/x-raw,format=RGB,width=100,height=50 ! "

static char *folder;

/* What the test files are made by; the path follows as a filesink. */
static const struct {
    const char *name;
    const char *launch;
} sources[] = {
    {"a.png", IMAGE "videoconvert ! pngenc"},
    {"a.jpg", IMAGE "videoconvert ! video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc"},
    {"a.webp", IMAGE "videoconvert ! webpenc"},
    {"a.bmp", IMAGE "videoconvert ! avenc_bmp"},
    {"a.mp4", VIDEO "videoconvert ! x264enc key-int-max=5 ! mp4mux"},
    {"a.mov", VIDEO "videoconvert ! x264enc key-int-max=5 ! qtmux"},
    {"a.mkv", VIDEO
     "videoconvert ! x264enc ! matroskamux name=m audiotestsrc num-buffers=80 ! vorbisenc ! m. m."},
    {"a.webm", VIDEO "videoconvert ! vp8enc deadline=1 ! webmmux"},
    {"a.avi", VIDEO "videoconvert ! jpegenc ! avimux"},
};

static char *
make_path(const char *name)
{
    return g_build_filename(folder, name, NULL);
}

static void
make_file(guint index)
{
    g_autofree char *path = make_path(sources[index].name);
    g_autofree char *launch =
        g_strdup_printf("%s ! filesink location=\"%s\"", sources[index].launch, path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GstElement) pipeline = gst_parse_launch(launch, &error);
    g_assert_no_error(error);
    g_autoptr(GstBus) bus = gst_element_get_bus(pipeline);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);
    g_autoptr(GstMessage) end =
        gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
    g_assert_nonnull(end);
    g_assert_cmpint(GST_MESSAGE_TYPE(end), ==, GST_MESSAGE_EOS);
    gst_element_set_state(pipeline, GST_STATE_NULL);
}

static void
test_images(void)
{
    for (guint i = 0; i < 4; i++) {
        g_autofree char *path = make_path(sources[i].name);
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeFrame) frame = scope_image_load(path, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(frame->width, ==, 100);
        g_assert_cmpuint(frame->height, ==, 50);
        g_assert_cmpint(frame->format, ==, SCOPE_FRAME_FORMAT_RGB24);
        const guint8 *pixel = frame->data[0] + 25 * (gsize)frame->stride[0] + 50 * 3;
        g_test_message("%s: %u %u %u", sources[i].name, pixel[0], pixel[1], pixel[2]);
        g_assert_cmpint(pixel[0], >=, 240);
        g_assert_cmpint(pixel[1], <=, 12);
        g_assert_cmpint(pixel[2], <=, 12);
        ScopeMediaInfo info;
        g_assert_true(scope_media_probe(path, &info, &error));
        g_assert_true(info.is_image);
        g_assert_cmpint(info.duration_us, ==, 0);
    }
}

static void
test_videos(void)
{
    for (guint i = 4; i < G_N_ELEMENTS(sources); i++) {
        g_autofree char *path = make_path(sources[i].name);
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeMediaFile) file =
            scope_media_file_open(path, SCOPE_FRAME_FORMAT_I420, &error);
        g_assert_no_error(error);
        const ScopeMediaInfo *info = scope_media_file_get_info(file);
        g_test_message("%s: %.2f s, %.1f fps", sources[i].name, info->duration_us / 1e6, info->fps);
        g_assert_cmpuint(info->width, ==, 160);
        g_assert_cmpuint(info->height, ==, 120);
        g_assert_cmpfloat(ABS(info->duration_us / 1e6 - 2.0), <, 0.15);
        guint n = 0;
        gint64 last_us = -1;
        ScopeFrame *frame;
        while ((frame = scope_media_file_read(file, &error)) != NULL) {
            g_assert_cmpint(frame->pts_us, >, last_us);
            last_us = frame->pts_us;
            n++;
            scope_frame_unref(frame);
        }
        g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_EOF);
        g_assert_cmpuint(n, ==, 30);
        g_assert_cmpfloat(ABS(last_us / 1e6 - 29 / 15.0), <, 0.15);
    }
}

static void
test_seek(void)
{
    g_autofree char *path = make_path("a.mp4");
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeMediaFile) file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_RGB24, &error);
    g_assert_no_error(error);
    g_assert_true(scope_media_file_seek(file, G_USEC_PER_SEC));
    g_autoptr(ScopeFrame) frame = scope_media_file_read(file, &error);
    g_assert_no_error(error);
    g_assert_cmpint(frame->pts_us, >, G_USEC_PER_SEC / 2);
    g_assert_cmpint(frame->pts_us, <=, G_USEC_PER_SEC + 100000);
}

static void
on_thumbnail(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(GError) error = NULL;
    *(GBytes **)user_data = scope_thumbnail_make_finish(result, &error);
    g_assert_no_error(error);
}

static void
test_thumbnails(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        ScopeImageFormat format = i % 2 ? SCOPE_IMAGE_FORMAT_PNG : SCOPE_IMAGE_FORMAT_JPEG;
        g_autofree char *path = make_path(sources[i].name);
        g_autofree char *thumbnail = make_path(i % 2 ? "thumbnail.png" : "thumbnail.jpg");
        GBytes *bytes = NULL;
        scope_thumbnail_make_async(path, 40, format, NULL, on_thumbnail, &bytes);
        while (bytes == NULL) {
            g_main_context_iteration(NULL, TRUE);
        }
        gsize n_bytes;
        const void *data = g_bytes_get_data(bytes, &n_bytes);
        g_assert_true(g_file_set_contents(thumbnail, data, (gssize)n_bytes, NULL));
        g_bytes_unref(bytes);
        g_autoptr(ScopeFrame) frame = scope_image_load(thumbnail, NULL);
        g_assert_cmpuint(frame->width, ==, 40);
        g_assert_cmpuint(frame->height, ==, i < 4 ? 20 : 30);
        if (i < 4) {
            const guint8 *pixel = frame->data[0] + 10 * (gsize)frame->stride[0] + 20 * 3;
            g_assert_cmpint(pixel[0], >=, 240);
            g_assert_cmpint(pixel[1], <=, 12);
        }
    }
}

/* Opens the file in every way; it must fail, in time, or give pictures until it ends. */
static void
read_hostile(const char *path)
{
    g_autoptr(GError) error = NULL;
    gint64 start_us = g_get_monotonic_time();
    g_autoptr(ScopeMediaFile) file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_I420, &error);
    for (guint i = 0; file != NULL && error == NULL && i < 100; i++) {
        g_autoptr(ScopeFrame) frame = scope_media_file_read(file, &error);
        g_assert_true((frame == NULL) == (error != NULL));
    }
    g_assert_nonnull(error);
    g_assert_cmpint(g_get_monotonic_time() - start_us, <,
                    (SCOPE_MEDIA_FILE_TIMEOUT_MS + 3000) * 1000);
    g_test_message("%s", error->message);
}

static void
test_cut_files(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_autofree char *path = make_path(sources[i].name);
        g_autofree char *data = NULL;
        gsize n_bytes;
        g_assert_true(g_file_get_contents(path, &data, &n_bytes, NULL));
        for (guint part = 1; part < 4; part++) {
            g_autofree char *name = g_strdup_printf("cut-%u-%s", part, sources[i].name);
            g_autofree char *cut = make_path(name);
            g_assert_true(g_file_set_contents(cut, data, (gssize)(n_bytes * part / 4), NULL));
            read_hostile(cut);
        }
    }
}

static void
test_garbage(void)
{
    g_autofree char *random = g_malloc(20000);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    for (guint i = 0; i < 20000; i++) {
        random[i] = (char)g_rand_int(rand);
    }
    static const char giant_png[] =
        "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\2\0\0\0"
        "\x8c\x1b\x2b\x5e";
    static const char giant_bmp[] = "BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\xff\xff\0\0"
                                    "\xff\xff\0\0\1\0\x18\0\0\0\0\0";
    static const char giant_webp[] = "RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f\xff\xff\xff\x0f"
                                     "\0\0\0\0\0\0\0\0\0\0\0\0";
    static const struct {
        const char *name;
        const char *text;
        gssize n_bytes;
    } files[] = {
        {"empty.png", "", 0},
        {"text.mp4", "this is not a film", -1},
        {"list.mp4", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", -1},
        {"list.webm", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n",
         -1},
        {"page.sdp.mp4",
         "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n"
         "m=video 5000 RTP/AVP 96\na=rtpmap:96 VP8/90000\n",
         -1},
        {"giant.png", giant_png, sizeof(giant_png) - 1},
        {"giant.bmp", giant_bmp, sizeof(giant_bmp) - 1},
        {"giant.webp", giant_webp, sizeof(giant_webp) - 1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = make_path(files[i].name);
        g_assert_true(g_file_set_contents(path, files[i].text, files[i].n_bytes, NULL));
        read_hostile(path);
    }
    g_autofree char *path = make_path("random.mp4");
    g_assert_true(g_file_set_contents(path, random, 20000, NULL));
    read_hostile(path);
}

static void
test_not_a_file(void)
{
    g_autofree char *path = make_path("absent.png");
    g_autoptr(GError) error = NULL;
    g_assert_null(scope_image_load(path, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_clear_error(&error);
    g_assert_null(scope_image_load(folder, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
}

static void
remove_folder(void)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = make_path(name);
        g_unlink(path);
    }
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autoptr(GError) error = NULL;
    if (!scope_media_init(&error)) {
        g_print("1..0 # SKIP %s\n", error->message);
        return 0;
    }
    folder = g_dir_make_tmp("scope-media-XXXXXX", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
        make_file(i);
    }
    g_test_add_func("/media-file/images", test_images);
    g_test_add_func("/media-file/videos", test_videos);
    g_test_add_func("/media-file/seek", test_seek);
    g_test_add_func("/media-file/thumbnails", test_thumbnails);
    g_test_add_func("/media-file/cut-files", test_cut_files);
    g_test_add_func("/media-file/garbage", test_garbage);
    g_test_add_func("/media-file/not-a-file", test_not_a_file);
    int status = g_test_run();
    remove_folder();
    g_free(folder);
    return status;
}
