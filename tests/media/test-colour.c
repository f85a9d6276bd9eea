/* SPDX-License-Identifier: Apache-2.0 */
/* Conversion of luma and chroma between standards, held against the formulas in floating point. */
#include "media/scope-colour.h"

#include <math.h>

static const double weights[][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};

/* Luma and chroma of a colour (0..1) under @colour. */
static void
encode(const double *rgb, const ScopeColour *colour, double *yuv)
{
    const double kr = weights[colour->matrix][0], kb = weights[colour->matrix][1];
    const double y = kr * rgb[0] + (1 - kr - kb) * rgb[1] + kb * rgb[2];
    const double u = (rgb[2] - y) / (2 * (1 - kb)), v = (rgb[0] - y) / (2 * (1 - kr));

    yuv[0] = colour->is_full_range ? 255 * y : 16 + 219 * y;
    yuv[1] = 128 + (colour->is_full_range ? 255 : 224) * u;
    yuv[2] = 128 + (colour->is_full_range ? 255 : 224) * v;
}

static void
assert_converted(const double *rgb, const ScopeColour *colour, guint32 width, guint32 height)
{
    const ScopeColour standard = {0};
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, width, height);
    double given[3], wanted[3];

    encode(rgb, colour, given);
    encode(rgb, &standard, wanted);
    for (guint plane = 0; plane < 3; plane++) {
        const guint32 rows = plane ? (height + 1) / 2 : height;
        const guint32 columns = plane ? (width + 1) / 2 : width;
        for (guint32 y = 0; y < rows; y++)
            for (guint32 x = 0; x < columns; x++)
                frame->data[plane][(gsize)y * frame->stride[plane] + x] =
                    (guint8)lround(CLAMP(given[plane], 0, 255));
    }
    frame->pts_us = 77;
    ScopeFrame *out = scope_colour_convert(frame, colour);
    g_assert_cmpint(out->pts_us, ==, 77);
    for (guint plane = 0; plane < 3; plane++) {
        const guint32 last_row = (plane ? (height + 1) / 2 : height) - 1;
        const guint32 last_column = (plane ? (width + 1) / 2 : width) - 1;
        const guint8 first = out->data[plane][0];
        const guint8 last = out->data[plane][(gsize)last_row * out->stride[plane] + last_column];
        g_assert_cmpfloat_with_epsilon(first, wanted[plane], 1.6);
        g_assert_cmpint(last, ==, first);
    }
    scope_frame_unref(out);
    scope_frame_unref(frame);
}

static void
test_convert(void)
{
    static const double colours[][3] = {{0, 0, 0},       {1, 1, 1},       {0.5, 0.5, 0.5},
                                        {0.8, 0.2, 0.2}, {0.2, 0.7, 0.3}, {0.2, 0.3, 0.8},
                                        {0.9, 0.8, 0.2}};

    for (gsize i = 0; i < G_N_ELEMENTS(colours); i++) {
        for (ScopeColourMatrix matrix = SCOPE_COLOUR_BT601; matrix <= SCOPE_COLOUR_BT2020;
             matrix++) {
            for (gboolean full = FALSE; full <= TRUE; full++) {
                const ScopeColour colour = {matrix, full};
                assert_converted(colours[i], &colour, 8, 4);
                assert_converted(colours[i], &colour, 7, 5);
            }
        }
    }
}

static void
test_parse(void)
{
    static const guint8 canvas[] = {1, 13, 1, 0x20}, camera[] = {6, 6, 6, 0x10};
    static const guint8 unknown[] = {2, 2, 2, 0x00};
    ScopeColour colour;

    g_assert_true(scope_colour_parse(canvas, sizeof canvas, &colour));
    g_assert_cmpint(colour.matrix, ==, SCOPE_COLOUR_BT709);
    g_assert_true(colour.is_full_range);
    g_assert_false(scope_colour_is_standard(&colour));
    g_assert_true(scope_colour_parse(camera, sizeof camera, &colour));
    g_assert_true(scope_colour_is_standard(&colour));
    g_assert_true(scope_colour_parse(unknown, sizeof unknown, &colour));
    g_assert_true(scope_colour_is_standard(&colour));
    g_assert_false(scope_colour_parse(canvas, 3, &colour));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/colour/parse", test_parse);
    g_test_add_func("/colour/convert", test_convert);
    return g_test_run();
}
