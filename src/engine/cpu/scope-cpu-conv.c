/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions of the CPU backend, portable version: direct sums over channels-last images. Own
 * nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

typedef struct {
    ScopeTensor y, x, context;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
} Conv;

/* Frame @t of [context, x]. */
static const float *
source_frame(const Conv *c, int64_t t, const ScopeTensor **image)
{
    int64_t n_context = scope_tensor_is_none(c->context) ? 0 : c->context.shape[0];
    *image = t < n_context ? &c->context : &c->x;
    return (const float *)(*image)->data +
           (t < n_context ? t : t - n_context) * (*image)->stride[0];
}

/* y[o] += sum over input channels of one tap. */
static void
add_tap(const Conv *c, int64_t tap, const float *x, float *y)
{
    const ScopeWeight *w = c->weight;
    int64_t groups = w->geometry.groups, ig = w->n_in / groups, og = w->n_out / groups;
    const float *k = (const float *)w->packed.data + tap * groups * ig * og;
    for (int64_t g = 0; g < groups; g++) {
        for (int64_t i = 0; i < ig; i++) {
            float v = x[g * ig + i];
            const float *row = k + (g * ig + i) * og;
            for (int64_t o = 0; o < og; o++) {
                y[g * og + o] += v * row[o];
            }
        }
    }
}

static void
conv_pixel(const Conv *c, int64_t ot, int64_t oy, int64_t ox, float *y)
{
    const ScopeWeight *w = c->weight;
    const ScopeConvGeometry *g = &w->geometry;
    memset(y, 0, (size_t)w->n_out * sizeof(float));
    for (int kt = 0; kt < w->kernel_t; kt++) {
        const ScopeTensor *image;
        const float *frame = source_frame(c, ot * g->stride_t + kt, &image);
        for (int ky = 0; ky < w->kernel_h; ky++) {
            int64_t iy = scope_cpu_pad_index(oy * g->stride_h + ky * g->dilation_h - g->pad_top,
                                             c->x.shape[1] * g->upsample, g->pad_mode);
            for (int kx = 0; kx < w->kernel_w && iy >= 0; kx++) {
                int64_t ix =
                    scope_cpu_pad_index(ox * g->stride_w + kx * g->dilation_w - g->pad_left,
                                        c->x.shape[2] * g->upsample, g->pad_mode);
                if (ix >= 0) {
                    add_tap(c, (kt * w->kernel_h + ky) * w->kernel_w + kx,
                            frame + iy / g->upsample * image->stride[1] +
                                ix / g->upsample * image->stride[2],
                            y);
                }
            }
        }
    }
}

static void
conv_tile(int64_t tile, int thread_index, void *user_data)
{
    const Conv *c = user_data;
    (void)thread_index;
    int64_t width = c->y.shape[2], n_out = c->weight->n_out;
    for (int64_t ox = 0; ox < width; ox++) {
        int64_t row = tile * width + ox;
        float *y = (float *)c->y.data + row * n_out;
        /* the residual may be the output itself */
        float sums[4096];
        SCOPE_ASSERT(n_out <= 4096);
        conv_pixel(c, tile / c->y.shape[1], tile % c->y.shape[1], ox, sums);
        scope_cpu_finish_row(c->weight, c->e, row, 0, n_out, sums);
        memcpy(y, sums, (size_t)n_out * sizeof(float));
    }
}

void
scope_cpu_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
               const ScopeConvOptions *options)
{
    Conv c = {y, x, options->context, weight, &options->epilogue};
    scope_pool_run(ctx->pool, y.shape[0] * y.shape[1], conv_tile, &c);
}

static void
conv_transpose_pixel(const Conv *c, int64_t t, int64_t oy, int64_t ox, float *y)
{
    const ScopeWeight *w = c->weight;
    const ScopeConvGeometry *g = &w->geometry;
    memset(y, 0, (size_t)w->n_out * sizeof(float));
    for (int ky = 0; ky < w->kernel_h; ky++) {
        int64_t sy = oy + g->pad_top - ky;
        if (sy < 0 || sy % g->stride_h != 0 || sy / g->stride_h >= c->x.shape[1]) {
            continue;
        }
        for (int kx = 0; kx < w->kernel_w; kx++) {
            int64_t sx = ox + g->pad_left - kx;
            if (sx < 0 || sx % g->stride_w != 0 || sx / g->stride_w >= c->x.shape[2]) {
                continue;
            }
            add_tap(c, ky * w->kernel_w + kx,
                    (const float *)c->x.data + t * c->x.stride[0] +
                        sy / g->stride_h * c->x.stride[1] + sx / g->stride_w * c->x.stride[2],
                    y);
        }
    }
}

static void
conv_transpose_tile(int64_t tile, int thread_index, void *user_data)
{
    const Conv *c = user_data;
    (void)thread_index;
    int64_t width = c->y.shape[2], n_out = c->weight->n_out;
    for (int64_t ox = 0; ox < width; ox++) {
        int64_t row = tile * width + ox;
        float sums[4096];
        SCOPE_ASSERT(n_out <= 4096);
        conv_transpose_pixel(c, tile / c->y.shape[1], tile % c->y.shape[1], ox, sums);
        scope_cpu_finish_row(c->weight, c->e, row, 0, n_out, sums);
        memcpy((float *)c->y.data + row * n_out, sums, (size_t)n_out * sizeof(float));
    }
}

void
scope_cpu_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                         const ScopeEpilogue *epilogue)
{
    Conv c = {y, x, SCOPE_TENSOR_NONE, weight, epilogue};
    scope_pool_run(ctx->pool, y.shape[0] * y.shape[1], conv_transpose_tile, &c);
}
