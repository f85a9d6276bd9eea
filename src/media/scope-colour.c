/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion between luma and chroma of different standards without going through RGB: gray stays
 * gray, so chroma depends on chroma only and luma on all three. Fixed point with 14 bits.
 */
#include "media/scope-colour.h"

#include <math.h>

#define BITS 14
#define HALF (1 << (BITS - 1))

/* Offsets and gains in fixed point: y' = yy*y + yu*u + yv*v + y0; u' and v' likewise without y. */
typedef struct {
    gint32 yy, yu, yv, y0;
    gint32 uu, uv, u0;
    gint32 vu, vv, v0;
} Gains;

gboolean
scope_colour_parse(const guint8 *data, gsize n_bytes, ScopeColour *ret_colour)
{
    if (n_bytes < 4) {
        return FALSE;
    }
    const guint matrix = data[2];
    const guint range = (data[3] >> 4) & 3;
    ret_colour->matrix = matrix == 1                   ? SCOPE_COLOUR_BT709
                         : matrix == 9 || matrix == 10 ? SCOPE_COLOUR_BT2020
                                                       : SCOPE_COLOUR_BT601;
    ret_colour->is_full_range = range == 2;
    return TRUE;
}

gboolean
scope_colour_is_standard(const ScopeColour *colour)
{
    return colour->matrix == SCOPE_COLOUR_BT601 && !colour->is_full_range;
}

static gint32
to_fixed(double value)
{
    return (gint32)lround(value * (1 << BITS));
}

static Gains
make_gains(const ScopeColour *colour)
{
    static const double weights[][2] = {{0.299, 0.114}, {0.2126, 0.0722}, {0.2627, 0.0593}};
    const double kr = weights[colour->matrix][0], kb = weights[colour->matrix][1];
    const double kg = 1.0 - kr - kb;
    const double luma_scale = colour->is_full_range ? 219.0 / 255.0 : 1.0;
    const double chroma_scale = colour->is_full_range ? 224.0 / 255.0 : 1.0;
    const double luma_low = colour->is_full_range ? 0.0 : 16.0;
    /* Red, green and blue of chroma alone, in units of 255 / 2 of chroma. */
    const double ru = 0.0, rv = 2.0 * (1.0 - kr);
    const double bu = 2.0 * (1.0 - kb), bv = 0.0;
    const double gu = -(kr * ru + kb * bu) / kg, gv = -(kr * rv + kb * bv) / kg;
    const double yu = 0.299 * ru + 0.587 * gu + 0.114 * bu;
    const double yv = 0.299 * rv + 0.587 * gv + 0.114 * bv;
    const double luma_of_chroma = chroma_scale * 219.0 / 224.0;
    const double uu = (bu - yu) / 1.772 * chroma_scale, uv = (bv - yv) / 1.772 * chroma_scale;
    const double vu = (ru - yu) / 1.402 * chroma_scale, vv = (rv - yv) / 1.402 * chroma_scale;

    return (Gains){
        .yy = to_fixed(luma_scale),
        .yu = to_fixed(yu * luma_of_chroma),
        .yv = to_fixed(yv * luma_of_chroma),
        .y0 = to_fixed(16.0 - luma_low * luma_scale - 128.0 * (yu + yv) * luma_of_chroma) + HALF,
        .uu = to_fixed(uu),
        .uv = to_fixed(uv),
        .u0 = to_fixed(128.0 - 128.0 * (uu + uv)) + HALF,
        .vu = to_fixed(vu),
        .vv = to_fixed(vv),
        .v0 = to_fixed(128.0 - 128.0 * (vu + vv)) + HALF,
    };
}

static inline guint8
to_byte(gint32 fixed)
{
    return (guint8)CLAMP(fixed >> BITS, 0, 255);
}

static void
convert_luma_row(const Gains *g, const guint8 *y, const guint8 *u, const guint8 *v, guint8 *out,
                 guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        out[x] = to_byte(g->yy * y[x] + g->yu * u[x / 2] + g->yv * v[x / 2] + g->y0);
    }
}

static void
convert_chroma_row(const Gains *g, const guint8 *u, const guint8 *v, guint8 *out_u, guint8 *out_v,
                   guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        out_u[x] = to_byte(g->uu * u[x] + g->uv * v[x] + g->u0);
        out_v[x] = to_byte(g->vu * u[x] + g->vv * v[x] + g->v0);
    }
}

ScopeFrame *
scope_colour_convert(const ScopeFrame *frame, const ScopeColour *colour)
{
    const Gains gains = make_gains(colour);
    ScopeFrame *out = scope_frame_new(SCOPE_FRAME_FORMAT_I420, frame->width, frame->height);

    scope_frame_copy_times(out, frame);
    for (guint32 row = 0; row < frame->height; row++) {
        const gsize chroma = (gsize)(row / 2) * frame->stride[1];
        const gsize chroma_v = (gsize)(row / 2) * frame->stride[2];
        convert_luma_row(&gains, frame->data[0] + (gsize)row * frame->stride[0],
                         frame->data[1] + chroma, frame->data[2] + chroma_v,
                         out->data[0] + (gsize)row * out->stride[0], frame->width);
    }
    for (guint32 row = 0; row < (frame->height + 1) / 2; row++) {
        convert_chroma_row(&gains, frame->data[1] + (gsize)row * frame->stride[1],
                           frame->data[2] + (gsize)row * frame->stride[2],
                           out->data[1] + (gsize)row * out->stride[1],
                           out->data[2] + (gsize)row * out->stride[2], (frame->width + 1) / 2);
    }
    return out;
}
