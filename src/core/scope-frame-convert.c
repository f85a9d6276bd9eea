/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colour conversion (BT.601 limited range, fixed point) and bilinear resizing of frames. Row
 * kernels are plain loops in a form that compilers turn into vector code. No state; any thread.
 */
#include "core/scope-frame.h"

#include <string.h>

/* 8-bit fixed point of the BT.601 matrix; results differ from exact rounding by at most 1. */
#define Y_R 66
#define Y_G 129
#define Y_B 25
#define U_R (-38)
#define U_G (-74)
#define U_B 112
#define V_R 112
#define V_G (-94)
#define V_B (-18)

/* x86-64-v3 where the machine has it: chosen once by the loader, not at each call. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
#define FAST_ROW __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define FAST_ROW
#endif

FAST_ROW static void
row_rgb_to_y(const guint8 *restrict rgb, guint8 *restrict y, guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        gint v = Y_R * rgb[3 * x] + Y_G * rgb[3 * x + 1] + Y_B * rgb[3 * x + 2];

        y[x] = (guint8)(((v + 128) >> 8) + 16);
    }
}

/* Sums of 2x2 pixels, for @n pairs: the caller handles an odd last column. */
FAST_ROW static void
row_rgb_to_uv(const guint8 *restrict a, const guint8 *restrict b, guint8 *restrict u,
              guint8 *restrict v, guint32 n)
{
    for (guint32 x = 0; x < n; x++) {
        gint r = a[6 * x] + a[6 * x + 3] + b[6 * x] + b[6 * x + 3];
        gint g = a[6 * x + 1] + a[6 * x + 4] + b[6 * x + 1] + b[6 * x + 4];
        gint bl = a[6 * x + 2] + a[6 * x + 5] + b[6 * x + 2] + b[6 * x + 5];

        u[x] = (guint8)((U_R * r + U_G * g + U_B * bl + (128 << 10) + 512) >> 10);
        v[x] = (guint8)((V_R * r + V_G * g + V_B * bl + (128 << 10) + 512) >> 10);
    }
}

static guint8
clamp_u8(gint v)
{
    return (guint8)(v < 0 ? 0 : v > 255 ? 255 : v);
}

FAST_ROW static void
row_i420_to_rgb(const guint8 *restrict y, const guint8 *restrict u, const guint8 *restrict v,
                guint8 *restrict rgb, guint32 n_pairs)
{
    for (guint32 x = 0; x < n_pairs; x++) {
        gint d = u[x] - 128;
        gint e = v[x] - 128;
        gint r = 409 * e + 128;
        gint g = -100 * d - 208 * e + 128;
        gint b = 516 * d + 128;
        gint c0 = 298 * (y[2 * x] - 16);
        gint c1 = 298 * (y[2 * x + 1] - 16);

        rgb[6 * x] = clamp_u8((c0 + r) >> 8);
        rgb[6 * x + 1] = clamp_u8((c0 + g) >> 8);
        rgb[6 * x + 2] = clamp_u8((c0 + b) >> 8);
        rgb[6 * x + 3] = clamp_u8((c1 + r) >> 8);
        rgb[6 * x + 4] = clamp_u8((c1 + g) >> 8);
        rgb[6 * x + 5] = clamp_u8((c1 + b) >> 8);
    }
}

static void
rgb_to_i420(const ScopeFrame *src, ScopeFrame *dst)
{
    guint32 pairs = src->width / 2;

    for (guint32 y = 0; y < src->height; y++)
        row_rgb_to_y(src->data[0] + (gsize)y * src->stride[0],
                     dst->data[0] + (gsize)y * dst->stride[0], src->width);

    for (guint32 y = 0; y < (src->height + 1) / 2; y++) {
        const guint8 *a = src->data[0] + (gsize)(2 * y) * src->stride[0];
        const guint8 *b = 2 * y + 1 < src->height ? a + src->stride[0] : a;
        guint8 *u = dst->data[1] + (gsize)y * dst->stride[1];
        guint8 *v = dst->data[2] + (gsize)y * dst->stride[2];

        row_rgb_to_uv(a, b, u, v, pairs);
        if (src->width & 1) {
            guint8 a2[6];
            guint8 b2[6];

            memcpy(a2, a + (gsize)pairs * 6, 3);
            memcpy(a2 + 3, a2, 3);
            memcpy(b2, b + (gsize)pairs * 6, 3);
            memcpy(b2 + 3, b2, 3);
            row_rgb_to_uv(a2, b2, u + pairs, v + pairs, 1);
        }
    }
}

static void
i420_to_rgb(const ScopeFrame *src, ScopeFrame *dst)
{
    guint32 pairs = src->width / 2;

    for (guint32 y = 0; y < src->height; y++) {
        const guint8 *luma = src->data[0] + (gsize)y * src->stride[0];
        const guint8 *u = src->data[1] + (gsize)(y / 2) * src->stride[1];
        const guint8 *v = src->data[2] + (gsize)(y / 2) * src->stride[2];
        guint8 *rgb = dst->data[0] + (gsize)y * dst->stride[0];

        row_i420_to_rgb(luma, u, v, rgb, pairs);
        if (src->width & 1) {
            guint8 last[2] = {luma[src->width - 1], luma[src->width - 1]};
            guint8 two[6];

            row_i420_to_rgb(last, u + pairs, v + pairs, two, 1);
            memcpy(rgb + (gsize)pairs * 6, two, 3);
        }
    }
}

ScopeFrame *
scope_frame_convert(ScopeFrame *frame, ScopeFrameFormat format)
{
    ScopeFrame *result;

    g_return_val_if_fail(frame != NULL, NULL);
    if (frame->format == format)
        return scope_frame_ref(frame);

    result = scope_frame_new(format, frame->width, frame->height);
    g_return_val_if_fail(result != NULL, NULL);
    if (format == SCOPE_FRAME_FORMAT_I420)
        rgb_to_i420(frame, result);
    else
        i420_to_rgb(frame, result);
    scope_frame_copy_times(result, frame);
    return result;
}

/* Where a destination pixel lies in the source: two neighbours and the weight of the second. */
typedef struct {
    guint32 a;
    guint32 b;
    gint32 weight; /* 0..128 */
} Tap;

static void
fill_taps(Tap *taps, guint32 n_dst, guint32 n_src)
{
    for (guint32 i = 0; i < n_dst; i++) {
        gdouble pos = ((gdouble)i + 0.5) * n_src / n_dst - 0.5;
        gdouble clamped = CLAMP(pos, 0.0, (gdouble)(n_src - 1));
        guint32 a = (guint32)clamped;

        taps[i].a = a;
        taps[i].b = MIN(a + 1, n_src - 1);
        taps[i].weight = (gint32)((clamped - a) * 128.0 + 0.5);
    }
}

/* Blends two source rows into @out: values times 128, so that one rounding remains. */
FAST_ROW static void
blend_rows(const guint8 *restrict a, const guint8 *restrict b, gint32 weight, guint16 *restrict out,
           guint32 n)
{
    for (guint32 i = 0; i < n; i++)
        out[i] = (guint16)(a[i] * (128 - weight) + b[i] * weight);
}

static void
sample_row(const guint16 *row, const Tap *taps, guint8 *dst, guint32 n_dst, guint32 channels)
{
    for (guint32 x = 0; x < n_dst; x++) {
        const guint16 *a = row + (gsize)taps[x].a * channels;
        const guint16 *b = row + (gsize)taps[x].b * channels;

        for (guint32 c = 0; c < channels; c++)
            dst[x * channels + c] =
                (guint8)((a[c] * (128 - taps[x].weight) + b[c] * taps[x].weight + (1 << 13)) >> 14);
    }
}

typedef struct {
    const guint8 *data;
    guint32 stride;
    guint32 width;
    guint32 height;
} Plane;

static void
resize_plane(const Plane *src, const Plane *dst, guint8 *dst_data, guint32 channels)
{
    g_autofree Tap *taps = g_new(Tap, (gsize)dst->width + dst->height);
    g_autofree guint16 *row = g_new(guint16, (gsize)src->width * channels);
    Tap *rows = taps + dst->width;

    fill_taps(taps, dst->width, src->width);
    fill_taps(rows, dst->height, src->height);
    for (guint32 y = 0; y < dst->height; y++) {
        blend_rows(src->data + (gsize)rows[y].a * src->stride,
                   src->data + (gsize)rows[y].b * src->stride, rows[y].weight, row,
                   src->width * channels);
        sample_row(row, taps, dst_data + (gsize)y * dst->stride, dst->width, channels);
    }
}

ScopeFrame *
scope_frame_resize(ScopeFrame *frame, guint32 width, guint32 height)
{
    gboolean rgb;
    ScopeFrame *result;

    g_return_val_if_fail(frame != NULL, NULL);
    if (frame->width == width && frame->height == height)
        return scope_frame_ref(frame);

    result = scope_frame_new(frame->format, width, height);
    if (result == NULL)
        return NULL;
    rgb = frame->format == SCOPE_FRAME_FORMAT_RGB24;
    for (guint i = 0; i < (rgb ? 1u : 3u); i++) {
        guint shift = i > 0 ? 1 : 0;
        Plane src = {frame->data[i], frame->stride[i], (frame->width + shift) >> shift,
                     (frame->height + shift) >> shift};
        Plane dst = {NULL, result->stride[i], (width + shift) >> shift, (height + shift) >> shift};

        resize_plane(&src, &dst, result->data[i], rgb ? 3 : 1);
    }
    scope_frame_copy_times(result, frame);
    return result;
}
