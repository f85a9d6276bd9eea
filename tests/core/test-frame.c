/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: layout, recycling, conversion against the exact formulas, resizing. */
#include "core/scope-frame.h"

#include <math.h>
#include <string.h>

static ScopeFrame *
random_rgb(guint32 width, guint32 height)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, width, height);

    for (guint32 y = 0; y < height; y++) {
        for (guint32 x = 0; x < 3 * width; x++)
            frame->data[0][y * frame->stride[0] + x] = (guint8)g_test_rand_int_range(0, 256);
    }
    return frame;
}

static void
test_layout(void)
{
    for (guint32 width = 1; width < 70; width += 3) {
        g_autoptr(ScopeFrame) frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, width, width + 1);

        for (guint i = 0; i < 3; i++) {
            guint32 row = i == 0 ? width : (width + 1) / 2;

            g_assert_cmpuint((guintptr)frame->data[i] % SCOPE_FRAME_ALIGN, ==, 0);
            g_assert_cmpuint(frame->stride[i] % SCOPE_FRAME_ALIGN, ==, 0);
            g_assert_cmpuint(frame->stride[i], >=, row);
            memset(frame->data[i], 7, frame->stride[i] * (i == 0 ? width + 1 : (width + 2) / 2));
        }
        g_assert_cmpint(frame->pts_us, ==, SCOPE_TIME_NONE);
        g_assert_cmpint(frame->born_us, ==, SCOPE_TIME_NONE);
    }
    g_assert_null(scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 0, 1));
    g_assert_null(scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 1, SCOPE_FRAME_MAX_DIM + 1));
    g_assert_null(scope_frame_new(SCOPE_FRAME_FORMAT_INVALID, 1, 1));
}

static void
test_recycling(void)
{
    ScopeFramePoolStats before;
    ScopeFramePoolStats after;

    for (guint i = 0; i < 3; i++)
        scope_frame_unref(scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 320, 240));
    scope_frame_pool_get_stats(&before);
    for (guint i = 0; i < 1000; i++) {
        ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 320, 240);

        scope_frame_ref(frame);
        g_assert_false(scope_frame_is_writable(frame));
        scope_frame_unref(frame);
        g_assert_true(scope_frame_is_writable(frame));
        scope_frame_unref(frame);
    }
    scope_frame_pool_get_stats(&after);
    g_assert_cmpuint(after.n_allocated, ==, before.n_allocated);
    g_assert_cmpuint(after.n_live, ==, before.n_live);
    scope_frame_pool_trim();
    scope_frame_pool_get_stats(&after);
    g_assert_cmpuint(after.idle_bytes, ==, 0);
    g_assert_cmpuint(after.n_idle, ==, 0);
}

static void
test_pool_is_bounded(void)
{
    ScopeFrame *frames[200];
    ScopeFramePoolStats stats;

    for (guint i = 0; i < G_N_ELEMENTS(frames); i++)
        frames[i] = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 640 + i / 10, 480);
    for (guint i = 0; i < G_N_ELEMENTS(frames); i++)
        scope_frame_unref(frames[i]);
    scope_frame_pool_get_stats(&stats);
    g_assert_cmpuint(stats.idle_bytes, <=, 64 << 20);
    scope_frame_pool_trim();
}

static void
set_flag(gpointer data)
{
    *(gboolean *)data = TRUE;
}

static void
test_wrapped(void)
{
    guint8 pixels[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    guint8 *data[3] = {pixels, NULL, NULL};
    guint32 stride[3] = {6, 0, 0};
    gboolean freed = FALSE;
    ScopeFrame *frame =
        scope_frame_new_wrapped(SCOPE_FRAME_FORMAT_RGB24, 2, 2, data, stride, set_flag, &freed);
    g_autoptr(ScopeFrame) copy = scope_frame_copy(frame);

    g_assert_false(scope_frame_is_writable(frame));
    g_assert_cmpuint(copy->data[0][copy->stride[0] + 5], ==, 12);
    g_assert_cmpuint(scope_frame_get_bytes(frame), ==, 12);
    scope_frame_unref(frame);
    g_assert_true(freed);
}

/* The matrix in floating point, from the definition. */
static void
exact_yuv(const gdouble rgb[3], gdouble yuv[3])
{
    gdouble y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];

    yuv[0] = 16.0 + y * 219.0 / 255.0;
    yuv[1] = 128.0 + (rgb[2] - y) / 1.772 * 224.0 / 255.0;
    yuv[2] = 128.0 + (rgb[0] - y) / 1.402 * 224.0 / 255.0;
}

static void
test_to_i420(void)
{
    static const guint32 sizes[][2] = {{64, 32}, {33, 17}, {1, 1}, {2, 3}, {129, 5}};

    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
        g_autoptr(ScopeFrame) rgb = random_rgb(sizes[s][0], sizes[s][1]);
        g_autoptr(ScopeFrame) yuv = NULL;

        rgb->pts_us = 77;
        yuv = scope_frame_convert(rgb, SCOPE_FRAME_FORMAT_I420);
        g_assert_cmpint(yuv->pts_us, ==, 77);
        for (guint32 y = 0; y < rgb->height; y++) {
            for (guint32 x = 0; x < rgb->width; x++) {
                const guint8 *p = rgb->data[0] + y * rgb->stride[0] + 3 * x;
                gdouble want[3];

                exact_yuv((gdouble[3]){p[0], p[1], p[2]}, want);
                g_assert_cmpfloat(fabs(yuv->data[0][y * yuv->stride[0] + x] - want[0]), <=, 1.0);
            }
        }
        for (guint32 y = 0; y < (rgb->height + 1) / 2; y++) {
            for (guint32 x = 0; x < (rgb->width + 1) / 2; x++) {
                gdouble mean[3] = {0, 0, 0};
                gdouble want[3];

                for (guint k = 0; k < 4; k++) {
                    guint32 px = MIN(2 * x + (k & 1), rgb->width - 1);
                    guint32 py = MIN(2 * y + (k >> 1), rgb->height - 1);

                    for (guint c = 0; c < 3; c++)
                        mean[c] += rgb->data[0][py * rgb->stride[0] + 3 * px + c] / 4.0;
                }
                exact_yuv(mean, want);
                g_assert_cmpfloat(fabs(yuv->data[1][y * yuv->stride[1] + x] - want[1]), <=, 1.5);
                g_assert_cmpfloat(fabs(yuv->data[2][y * yuv->stride[2] + x] - want[2]), <=, 1.5);
            }
        }
    }
}

static void
test_round_trip(void)
{
    /* Flat colours come back within the error of 8 bits. */
    for (guint i = 0; i < 300; i++) {
        g_autoptr(ScopeFrame) rgb = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 7, 5);
        g_autoptr(ScopeFrame) yuv = NULL;
        g_autoptr(ScopeFrame) back = NULL;
        guint8 colour[3];

        for (guint c = 0; c < 3; c++)
            colour[c] = (guint8)g_test_rand_int_range(0, 256);
        for (guint y = 0; y < 5; y++) {
            for (guint x = 0; x < 7; x++)
                memcpy(rgb->data[0] + y * rgb->stride[0] + 3 * x, colour, 3);
        }
        yuv = scope_frame_convert(rgb, SCOPE_FRAME_FORMAT_I420);
        back = scope_frame_convert(yuv, SCOPE_FRAME_FORMAT_RGB24);
        for (guint c = 0; c < 3; c++) {
            gint got = back->data[0][4 * back->stride[0] + 18 + c];

            g_assert_cmpint(ABS(got - colour[c]), <=, 4);
        }
    }
}

static void
test_convert_is_a_reference(void)
{
    g_autoptr(ScopeFrame) frame = random_rgb(8, 8);
    g_autoptr(ScopeFrame) same = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_RGB24);
    g_autoptr(ScopeFrame) sized = scope_frame_resize(frame, 8, 8);

    g_assert_true(same == frame);
    g_assert_true(sized == frame);
}

static gdouble
bilinear(const ScopeFrame *frame, gdouble fx, gdouble fy, guint c)
{
    gdouble x = CLAMP(fx, 0.0, frame->width - 1.0);
    gdouble y = CLAMP(fy, 0.0, frame->height - 1.0);
    guint32 x0 = (guint32)x;
    guint32 y0 = (guint32)y;
    guint32 x1 = MIN(x0 + 1, frame->width - 1);
    guint32 y1 = MIN(y0 + 1, frame->height - 1);
    const guint8 *top = frame->data[0] + y0 * frame->stride[0];
    const guint8 *bottom = frame->data[0] + y1 * frame->stride[0];
    gdouble tx = x - x0;
    gdouble ty = y - y0;

    return (1 - ty) * ((1 - tx) * top[3 * x0 + c] + tx * top[3 * x1 + c]) +
           ty * ((1 - tx) * bottom[3 * x0 + c] + tx * bottom[3 * x1 + c]);
}

static void
test_resize(void)
{
    static const guint32 sizes[][4] = {
        {16, 16, 32, 32}, {31, 17, 13, 29}, {1, 1, 9, 5}, {64, 48, 16, 12}, {5, 7, 1, 1}};

    for (guint s = 0; s < G_N_ELEMENTS(sizes); s++) {
        g_autoptr(ScopeFrame) in = random_rgb(sizes[s][0], sizes[s][1]);
        g_autoptr(ScopeFrame) out = scope_frame_resize(in, sizes[s][2], sizes[s][3]);

        for (guint32 y = 0; y < out->height; y++) {
            for (guint32 x = 0; x < out->width; x++) {
                gdouble fx = (x + 0.5) * in->width / out->width - 0.5;
                gdouble fy = (y + 0.5) * in->height / out->height - 0.5;

                for (guint c = 0; c < 3; c++) {
                    gdouble want = bilinear(in, fx, fy, c);
                    gint got = out->data[0][y * out->stride[0] + 3 * x + c];

                    /* Weights have 7 bits: at most 255/256 per axis, and half a rounding. */
                    g_assert_cmpfloat(fabs(got - want), <=, 2.5);
                }
            }
        }
    }
    {
        g_autoptr(ScopeFrame) yuv = scope_frame_new(SCOPE_FRAME_FORMAT_I420, 33, 21);
        g_autoptr(ScopeFrame) out = NULL;

        memset(yuv->data[0], 100, yuv->stride[0] * 21);
        memset(yuv->data[1], 50, yuv->stride[1] * 11);
        memset(yuv->data[2], 200, yuv->stride[2] * 11);
        out = scope_frame_resize(yuv, 15, 40);
        g_assert_cmpuint(out->data[0][39 * out->stride[0] + 14], ==, 100);
        g_assert_cmpuint(out->data[1][19 * out->stride[1] + 7], ==, 50);
        g_assert_cmpuint(out->data[2][19 * out->stride[2] + 7], ==, 200);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/frame/layout", test_layout);
    g_test_add_func("/frame/recycling", test_recycling);
    g_test_add_func("/frame/bounded", test_pool_is_bounded);
    g_test_add_func("/frame/wrapped", test_wrapped);
    g_test_add_func("/frame/to-i420", test_to_i420);
    g_test_add_func("/frame/round-trip", test_round_trip);
    g_test_add_func("/frame/reference", test_convert_is_a_reference);
    g_test_add_func("/frame/resize", test_resize);
    return g_test_run();
}
