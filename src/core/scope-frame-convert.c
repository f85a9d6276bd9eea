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

/* -- Pixels to planes and back, 16 at a time ----------------------------------------------------
 */

typedef guint8 Vec __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) Vec
vec_load(const guint8 *p)
{
    Vec v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline __attribute__((always_inline)) void
vec_store(guint8 *p, Vec v)
{
    memcpy(p, &v, sizeof v);
}

/* clang-format off */
static inline __attribute__((always_inline)) void
split16(const guint8 *rgb, guint8 *r, guint8 *g, guint8 *b)
{
    Vec p = vec_load(rgb);
    Vec q = vec_load(rgb + 16);
    Vec s = vec_load(rgb + 32);
    Vec t;

    t = __builtin_shufflevector(p, q, 0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
    vec_store(r, __builtin_shufflevector(t, s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29));
    t = __builtin_shufflevector(p, q, 1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31, 0, 0, 0, 0, 0);
    vec_store(g, __builtin_shufflevector(t, s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30));
    t = __builtin_shufflevector(p, q, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 0, 0, 0, 0, 0, 0);
    vec_store(b, __builtin_shufflevector(t, s, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31));
}

static inline __attribute__((always_inline)) void
join16(const guint8 *r, const guint8 *g, const guint8 *b, guint8 *rgb)
{
    Vec p = vec_load(r);
    Vec q = vec_load(g);
    Vec s = vec_load(b);
    Vec t;

    t = __builtin_shufflevector(p, q, 0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5);
    vec_store(rgb + 0, __builtin_shufflevector(t, s, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    t = __builtin_shufflevector(p, q, 21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26);
    vec_store(rgb + 16, __builtin_shufflevector(t, s, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15));
    t = __builtin_shufflevector(p, q, 0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0);
    vec_store(rgb + 32, __builtin_shufflevector(t, s, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31));
}

static inline __attribute__((always_inline)) void
double16(const guint8 *in, guint8 *out)
{
    Vec v = vec_load(in);

    vec_store(out, __builtin_shufflevector(v, v, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7));
    vec_store(out + 16, __builtin_shufflevector(v, v, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15));
}
/* clang-format on */

/* -- Rows ------------------------------------------------------------------------------------- */

/* The three channels of one row, so that every further loop is over plain bytes. */
typedef struct {
    guint8 r[SCOPE_FRAME_MAX_DIM];
    guint8 g[SCOPE_FRAME_MAX_DIM];
    guint8 b[SCOPE_FRAME_MAX_DIM];
} Channels;

FAST_ROW static void
split_row(const guint8 *restrict rgb, Channels *restrict out, guint32 width)
{
    guint32 x = 0;

    for (; x + 16 <= width; x += 16)
        split16(rgb + 3 * (gsize)x, out->r + x, out->g + x, out->b + x);
    for (; x < width; x++) {
        out->r[x] = rgb[3 * x];
        out->g[x] = rgb[3 * x + 1];
        out->b[x] = rgb[3 * x + 2];
    }
    if (width & 1 && width < SCOPE_FRAME_MAX_DIM) { /* the edge is repeated for chroma */
        out->r[width] = out->r[width - 1];
        out->g[width] = out->g[width - 1];
        out->b[width] = out->b[width - 1];
    }
}

FAST_ROW static void
join_row(const Channels *restrict in, guint8 *restrict rgb, guint32 width)
{
    guint32 x = 0;

    for (; x + 16 <= width; x += 16)
        join16(in->r + x, in->g + x, in->b + x, rgb + 3 * (gsize)x);
    for (; x < width; x++) {
        rgb[3 * x] = in->r[x];
        rgb[3 * x + 1] = in->g[x];
        rgb[3 * x + 2] = in->b[x];
    }
}

/* At most 220 * 255 + 128: 16 bits hold it. */
FAST_ROW static void
luma_row(const guint8 *restrict r, const guint8 *restrict g, const guint8 *restrict b,
         guint8 *restrict y, guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        guint16 sum = (guint16)(Y_R * r[x] + Y_G * g[x] + Y_B * b[x] + 128);

        y[x] = (guint8)((sum >> 8) + 16);
    }
}

/* Sums over 2x2 pixels. */
FAST_ROW static void
sum_row(const guint8 *restrict a, const guint8 *restrict b, gint16 *restrict out, guint32 n_pairs)
{
    for (guint32 x = 0; x < n_pairs; x++)
        out[x] = (gint16)(a[2 * x] + a[2 * x + 1] + b[2 * x] + b[2 * x + 1]);
}

FAST_ROW static void
chroma_row(const gint16 *restrict r, const gint16 *restrict g, const gint16 *restrict b,
           guint8 *restrict u, guint8 *restrict v, guint32 n_pairs)
{
    for (guint32 x = 0; x < n_pairs; x++) {
        u[x] = (guint8)((U_R * r[x] + U_G * g[x] + U_B * b[x] + (128 << 10) + 512) >> 10);
        v[x] = (guint8)((V_R * r[x] + V_G * g[x] + V_B * b[x] + (128 << 10) + 512) >> 10);
    }
}

static inline guint8
clamp_u8(gint v)
{
    return (guint8)(v < 0 ? 0 : v > 255 ? 255 : v);
}

FAST_ROW static void
double_row(const guint8 *restrict in, guint8 *restrict out, guint32 n)
{
    guint32 x = 0;

    for (; x + 16 <= n; x += 16)
        double16(in + x, out + 2 * (gsize)x);
    for (; x < n; x++)
        out[2 * x] = out[2 * x + 1] = in[x];
}

FAST_ROW static void
colour_row(const guint8 *restrict y, const guint8 *restrict u, const guint8 *restrict v,
           guint8 *restrict r, guint8 *restrict g, guint8 *restrict b, guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        gint c = 298 * (y[x] - 16) + 128;
        gint d = u[x] - 128;
        gint e = v[x] - 128;

        r[x] = clamp_u8((c + 409 * e) >> 8);
        g[x] = clamp_u8((c - 100 * d - 208 * e) >> 8);
        b[x] = clamp_u8((c + 516 * d) >> 8);
    }
}

/* Scratch of one conversion: rows of channels and of sums. */
typedef struct {
    Channels top;
    Channels low;
    gint16 sums[3][SCOPE_FRAME_MAX_DIM / 2];
} Scratch;

static void
rgb_to_i420(const ScopeFrame *src, ScopeFrame *dst)
{
    g_autofree Scratch *s = g_malloc(sizeof *s);
    guint32 width = src->width;
    guint32 n_pairs = (width + 1) / 2;

    for (guint32 y = 0; y < (src->height + 1) / 2; y++) {
        const guint8 *in = src->data[0] + (gsize)(2 * y) * src->stride[0];
        guint8 *luma = dst->data[0] + (gsize)(2 * y) * dst->stride[0];
        Channels *low = &s->top;

        split_row(in, &s->top, width);
        luma_row(s->top.r, s->top.g, s->top.b, luma, width);
        if (2 * y + 1 < src->height) {
            low = &s->low;
            split_row(in + src->stride[0], low, width);
            luma_row(low->r, low->g, low->b, luma + dst->stride[0], width);
        }
        sum_row(s->top.r, low->r, s->sums[0], n_pairs);
        sum_row(s->top.g, low->g, s->sums[1], n_pairs);
        sum_row(s->top.b, low->b, s->sums[2], n_pairs);
        chroma_row(s->sums[0], s->sums[1], s->sums[2], dst->data[1] + (gsize)y * dst->stride[1],
                   dst->data[2] + (gsize)y * dst->stride[2], n_pairs);
    }
}

static void
i420_to_rgb(const ScopeFrame *src, ScopeFrame *dst)
{
    g_autofree Scratch *s = g_malloc(sizeof *s);
    guint8 *wide_u = s->low.r;
    guint8 *wide_v = s->low.g;

    for (guint32 y = 0; y < src->height; y++) {
        if (y % 2 == 0) {
            double_row(src->data[1] + (gsize)(y / 2) * src->stride[1], wide_u,
                       (src->width + 1) / 2);
            double_row(src->data[2] + (gsize)(y / 2) * src->stride[2], wide_v,
                       (src->width + 1) / 2);
        }
        colour_row(src->data[0] + (gsize)y * src->stride[0], wide_u, wide_v, s->top.r, s->top.g,
                   s->top.b, src->width);
        join_row(&s->top, dst->data[0] + (gsize)y * dst->stride[0], src->width);
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

static inline __attribute__((always_inline)) void
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
        /* The number of channels is a constant in each call, so that its loop is unrolled. */
        if (channels == 3)
            sample_row(row, taps, dst_data + (gsize)y * dst->stride, dst->width, 3);
        else
            sample_row(row, taps, dst_data + (gsize)y * dst->stride, dst->width, 1);
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
