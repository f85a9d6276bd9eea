/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image ops of the CPU backend: resizing, sampling, pooling, padding. A tile is one output row. Own
 * nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

#define MAX_TAPS 256

/* The weighted source positions of one output coordinate. */
typedef struct {
    int n;
    int64_t index[MAX_TAPS];
    float weight[MAX_TAPS];
} Taps;

typedef struct {
    ScopeTensor y, x, coords;
    const ScopeResizeOptions *o;
    ScopeSampleMode sample;
    ScopePadMode pad;
    ScopePoolKind pool;
    int size, top, left;
} Image;

static const float *
pixel(ScopeTensor t, int64_t frame, int64_t y, int64_t x)
{
    return (const float *)t.data + frame * t.stride[0] + y * t.stride[1] + x * t.stride[2];
}

static void
linear_taps(Taps *t, double pos, int64_t n_in)
{
    double base = floor(pos);
    float f = (float)(pos - base);
    int64_t i = (int64_t)base;
    t->n = 2;
    t->index[0] = CLAMP(i, 0, n_in - 1);
    t->index[1] = CLAMP(i + 1, 0, n_in - 1);
    t->weight[0] = 1.0F - f;
    t->weight[1] = f;
}

static double
cubic_weight(double t)
{
    const double a = -0.75;
    t = fabs(t);
    return t <= 1.0  ? ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
           : t < 2.0 ? ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
                     : 0.0;
}

static void
cubic_taps(Taps *t, double pos, int64_t n_in)
{
    double base = floor(pos);
    t->n = 4;
    for (int k = 0; k < 4; k++) {
        int64_t i = (int64_t)base - 1 + k;
        t->index[k] = CLAMP(i, 0, n_in - 1);
        t->weight[k] = (float)cubic_weight(pos - (double)i);
    }
}

/* Triangle filter that is widened when shrinking, normalised over the taps inside the image. */
static void
antialias_taps(Taps *t, int64_t i, double ratio, int64_t n_in)
{
    double support = MAX(1.0, ratio), centre = ((double)i + 0.5) * ratio, sum = 0.0;
    int64_t first = MAX(0, (int64_t)(centre - support + 0.5));
    int64_t last = MIN(n_in, (int64_t)(centre + support + 0.5));
    SCOPE_ASSERT(last - first <= MAX_TAPS);
    t->n = (int)(last - first);
    for (int k = 0; k < t->n; k++) {
        double w = 1.0 - fabs(((double)(first + k) + 0.5 - centre) / support);
        t->index[k] = first + k;
        t->weight[k] = (float)MAX(w, 0.0);
        sum += MAX(w, 0.0);
    }
    for (int k = 0; k < t->n; k++) {
        t->weight[k] = (float)((double)t->weight[k] / sum);
    }
}

static void
area_taps(Taps *t, int64_t i, int64_t n_in, int64_t n_out)
{
    int64_t first = i * n_in / n_out, last = ((i + 1) * n_in + n_out - 1) / n_out;
    SCOPE_ASSERT(last - first <= MAX_TAPS);
    t->n = (int)(last - first);
    for (int k = 0; k < t->n; k++) {
        t->index[k] = first + k;
        t->weight[k] = 1.0F / (float)t->n;
    }
}

static void
find_taps(ScopeResizeMode mode, Taps *t, int64_t i, int64_t n_in, int64_t n_out, double given)
{
    double ratio = given > 0.0 ? given : (double)n_in / (double)n_out;
    switch (mode) {
    case SCOPE_RESIZE_BILINEAR:
        linear_taps(t, MAX(0.0, ((double)i + 0.5) * ratio - 0.5), n_in);
        return;
    case SCOPE_RESIZE_BILINEAR_CORNERS:
        linear_taps(t, n_out > 1 ? (double)i * (double)(n_in - 1) / (double)(n_out - 1) : 0.0,
                    n_in);
        return;
    case SCOPE_RESIZE_BICUBIC:
        cubic_taps(t, ((double)i + 0.5) * ratio - 0.5, n_in);
        return;
    case SCOPE_RESIZE_BILINEAR_ANTIALIAS:
        antialias_taps(t, i, (double)n_in / (double)n_out, n_in);
        return;
    case SCOPE_RESIZE_AREA:
        area_taps(t, i, n_in, n_out);
        return;
    case SCOPE_RESIZE_NEAREST:
    case SCOPE_RESIZE_NEAREST_EXACT:
    case SCOPE_N_RESIZE_MODES:
        break;
    }
    t->n = 1;
    t->weight[0] = 1.0F;
    t->index[0] =
        mode == SCOPE_RESIZE_NEAREST ? i * n_in / n_out : (2 * i + 1) * n_in / (2 * n_out);
}

static void
resize_tile(int64_t tile, int thread_index, void *user_data)
{
    const Image *im = user_data;
    (void)thread_index;
    int64_t frame = tile / im->y.shape[1], oy = tile % im->y.shape[1], c = im->y.shape[3];
    Taps ty, tx;
    find_taps(im->o->mode, &ty, oy, im->x.shape[1], im->y.shape[1], im->o->ratio_h);
    for (int64_t ox = 0; ox < im->y.shape[2]; ox++) {
        float *y = (float *)pixel(im->y, frame, oy, ox);
        find_taps(im->o->mode, &tx, ox, im->x.shape[2], im->y.shape[2], im->o->ratio_w);
        if (ty.n == 1 && tx.n == 1) {
            memcpy(y, pixel(im->x, frame, ty.index[0], tx.index[0]), (size_t)c * sizeof(float));
            continue;
        }
        memset(y, 0, (size_t)c * sizeof(float));
        for (int a = 0; a < ty.n; a++) {
            for (int b = 0; b < tx.n; b++) {
                const float *x = pixel(im->x, frame, ty.index[a], tx.index[b]);
                float w = ty.weight[a] * tx.weight[b];
                for (int64_t i = 0; i < c; i++) {
                    y[i] += w * x[i];
                }
            }
        }
    }
}

void
scope_cpu_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeResizeOptions *options)
{
    Image im = {.y = y, .x = x, .o = options};
    scope_cpu_run(ctx, y.shape[0] * y.shape[1], resize_tile, &im);
}

static void
sample_pixel(const Image *im, int64_t frame, float px, float py, float *y)
{
    int64_t w = im->x.shape[2], h = im->x.shape[1], c = im->x.shape[3];
    if (im->pad == SCOPE_PAD_BORDER) {
        px = CLAMP(px, 0.0F, (float)(w - 1));
        py = CLAMP(py, 0.0F, (float)(h - 1));
    } else {
        /* far outside and not-a-number positions: everything is zero, and the casts stay defined */
        px = px > -2.0F && px < (float)w + 1.0F ? px : -2.0F;
        py = py > -2.0F && py < (float)h + 1.0F ? py : -2.0F;
    }
    float bx = floorf(px), by = floorf(py), fx = px - bx, fy = py - by;
    memset(y, 0, (size_t)c * sizeof(float));
    for (int k = 0; k < 4; k++) {
        int64_t ix = (int64_t)bx + (k & 1), iy = (int64_t)by + (k >> 1);
        float weight = (k & 1 ? fx : 1.0F - fx) * (k >> 1 ? fy : 1.0F - fy);
        if (ix < 0 || iy < 0 || ix >= w || iy >= h || weight == 0.0F) {
            continue;
        }
        const float *x = pixel(im->x, frame, iy, ix);
        for (int64_t i = 0; i < c; i++) {
            y[i] += weight * x[i];
        }
    }
}

static void
sample_tile(int64_t tile, int thread_index, void *user_data)
{
    const Image *im = user_data;
    (void)thread_index;
    int64_t frame = tile / im->y.shape[1], oy = tile % im->y.shape[1];
    gboolean flow = im->sample == SCOPE_SAMPLE_FLOW;
    for (int64_t ox = 0; ox < im->y.shape[2]; ox++) {
        const float *at = pixel(im->coords, frame, oy, ox);
        sample_pixel(im, frame, at[0] + (flow ? (float)ox : 0.0F),
                     at[1] + (flow ? (float)oy : 0.0F), (float *)pixel(im->y, frame, oy, ox));
    }
}

void
scope_cpu_grid_sample(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
                      ScopeSampleMode mode, ScopePadMode pad)
{
    Image im = {.y = y, .x = x, .coords = coords, .sample = mode, .pad = pad};
    scope_cpu_run(ctx, y.shape[0] * y.shape[1], sample_tile, &im);
}

static void
pool_tile(int64_t tile, int thread_index, void *user_data)
{
    const Image *im = user_data;
    (void)thread_index;
    int64_t frame = tile / im->y.shape[1], oy = tile % im->y.shape[1], c = im->y.shape[3];
    float share = 1.0F / (float)(im->size * im->size);
    for (int64_t ox = 0; ox < im->y.shape[2]; ox++) {
        float *y = (float *)pixel(im->y, frame, oy, ox);
        for (int64_t i = 0; i < c; i++) {
            y[i] = im->pool == SCOPE_POOL_MAX ? -INFINITY : 0.0F;
        }
        for (int k = 0; k < im->size * im->size; k++) {
            const float *x =
                pixel(im->x, frame, oy * im->size + k / im->size, ox * im->size + k % im->size);
            for (int64_t i = 0; i < c; i++) {
                y[i] = im->pool == SCOPE_POOL_MAX ? MAX(y[i], x[i]) : y[i] + x[i];
            }
        }
        for (int64_t i = 0; i < c && im->pool == SCOPE_POOL_AVERAGE; i++) {
            y[i] *= share;
        }
    }
}

void
scope_cpu_pool2d(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind, int size)
{
    Image im = {.y = y, .x = x, .pool = kind, .size = size};
    scope_cpu_run(ctx, y.shape[0] * y.shape[1], pool_tile, &im);
}

static void
pad_tile(int64_t tile, int thread_index, void *user_data)
{
    const Image *im = user_data;
    (void)thread_index;
    int64_t frame = tile / im->y.shape[1], oy = tile % im->y.shape[1];
    size_t n_bytes = (size_t)im->y.shape[3] * sizeof(float);
    int64_t iy = scope_cpu_pad_index(oy - im->top, im->x.shape[1], im->pad);
    for (int64_t ox = 0; ox < im->y.shape[2]; ox++) {
        float *y = (float *)pixel(im->y, frame, oy, ox);
        int64_t ix = scope_cpu_pad_index(ox - im->left, im->x.shape[2], im->pad);
        if (ix < 0 || iy < 0) {
            memset(y, 0, n_bytes);
        } else {
            memcpy(y, pixel(im->x, frame, iy, ix), n_bytes);
        }
    }
}

void
scope_cpu_pad(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top, int left)
{
    Image im = {.y = y, .x = x, .pad = mode, .top = top, .left = left};
    scope_cpu_run(ctx, y.shape[0] * y.shape[1], pad_tile, &im);
}
