/* SPDX-License-Identifier: Apache-2.0 */
/* What is written can be read again, and nothing half is ever left behind. */
#include <glib/gstdio.h>
#include <string.h>

#include "media/scope-media-file.h"
#include "media/scope-media-writer.h"
#include "media/scope-media.h"

#define N_FRAMES 12

static char *folder;

static char *
make_path(const char *name)
{
    return g_strconcat(folder, "/", name, NULL);
}

static guint
count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir != NULL && g_dir_read_name(dir) != NULL) {
        n++;
    }
    return n;
}

static void
remove_tree(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_remove(path);
}

/* Gray that grows with @index, at 25 frames a second. */
static ScopeFrame *
make_frame(guint32 width, guint32 height, guint index)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, width, height);

    memset(frame->data[0], (int)(40 + 10 * index), (gsize)frame->stride[0] * height);
    frame->pts_us = 7000 + (gint64)index * 40000;
    return frame;
}

static ScopeMediaWriter *
write_frames(const char *path, guint32 width, guint32 height)
{
    g_autoptr(GError) error = NULL;
    ScopeMediaWriter *writer = scope_media_writer_open(path, 10.0, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < N_FRAMES; i++) {
        /* one of another size is fitted in */
        g_autoptr(ScopeFrame) frame = make_frame(i == 3 ? 20 : width, height, i);
        g_assert_true(scope_media_writer_push(writer, frame, &error));
        g_assert_no_error(error);
    }
    return writer;
}

static void
finish(ScopeMediaWriter *writer)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(scope_media_writer_finish(writer, &error));
    g_assert_no_error(error);
    scope_media_writer_free(writer);
    g_assert_cmpuint(count_entries(folder), ==, 1);
}

static void
test_mp4(void)
{
    g_autofree char *path = make_path("a.mp4");
    g_autoptr(ScopeMediaFile) file = NULL;
    g_autoptr(GError) error = NULL;

    finish(write_frames(path, 65, 48)); /* an odd width is padded */
    file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_RGB24, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(scope_media_file_get_info(file)->width, ==, 66);
    for (guint i = 0; i < N_FRAMES; i++) {
        g_autoptr(ScopeFrame) frame = scope_media_file_read(file, &error);

        g_assert_no_error(error);
        g_assert_cmpint(ABS(frame->pts_us - (gint64)i * 40000), <, 1000);
        g_assert_cmpint(ABS(frame->data[0][0] - (int)(40 + 10 * i)), <, 12);
    }
    g_assert_null(scope_media_file_read(file, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_EOF);
    g_remove(path);
}

static void
test_y4m(void)
{
    static const char *const head =
        "YUV4MPEG2 W33 H17 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n";
    g_autofree char *path = make_path("a.y4m");
    g_autofree char *text = NULL;
    g_autoptr(ScopeMediaFile) file = NULL;
    g_autoptr(GError) error = NULL;
    gsize length;

    finish(write_frames(path, 33, 17));
    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    g_assert_true(g_str_has_prefix(text, head));
    g_assert_cmpuint(length, ==, strlen(head) + N_FRAMES * (6 + 33 * 17 + 2 * 17 * 9));
    file = scope_media_file_open(path, SCOPE_FRAME_FORMAT_I420, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < N_FRAMES; i++) {
        g_autoptr(ScopeFrame) frame = scope_media_file_read(file, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(frame->data[0][0], ==,
                         (guint8)text[strlen(head) + 6 + i * (length - strlen(head)) / N_FRAMES]);
    }
    g_remove(path);
}

static void
test_png(void)
{
    g_autofree char *path = make_path("frames/");
    g_autofree char *last = make_path("frames/frame-000012.png");
    g_autoptr(ScopeFrame) frame = NULL;
    g_autoptr(GError) error = NULL;

    finish(write_frames(path, 21, 9));
    g_assert_cmpuint(count_entries(path), ==, N_FRAMES);
    frame = scope_image_load(last, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(frame->width, ==, 21);
    g_assert_cmpuint(frame->data[0][0], ==, 40 + 10 * 11);
    /* pictures of another run stay what they are */
    g_assert_null(scope_media_writer_open(path, 25, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST);
    remove_tree(path);
}

static void
test_interrupted(void)
{
    static const char *const names[] = {"a.mp4", "a.y4m", "frames/"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = make_path(names[i]);

        scope_media_writer_free(write_frames(path, 32, 32));
        g_assert_cmpuint(count_entries(folder), ==, 0);
    }
}

static void
test_refused(void)
{
    static const char *const names[] = {"a.gif", "no/such/folder/a.mp4", "a"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = make_path(names[i]);
        g_autoptr(GError) error = NULL;

        g_assert_null(scope_media_writer_open(path, 25, &error));
        g_assert_nonnull(error);
    }
    {
        g_autofree char *path = make_path("a.y4m");
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeMediaWriter) writer = scope_media_writer_open(path, 25, &error);

        g_assert_false(scope_media_writer_finish(writer, &error));
        g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED);
    }
    g_assert_cmpuint(count_entries(folder), ==, 0);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    int status;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(scope_media_init(&error));
    folder = g_dir_make_tmp("scope-writer-XXXXXX", NULL);
    g_test_add_func("/writer/mp4", test_mp4);
    g_test_add_func("/writer/y4m", test_y4m);
    g_test_add_func("/writer/png", test_png);
    g_test_add_func("/writer/interrupted", test_interrupted);
    g_test_add_func("/writer/refused", test_refused);
    status = g_test_run();
    remove_tree(folder);
    g_free(folder);
    scope_media_shut_down();
    return status;
}
