/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grouped convolutions of the CPU backend: direct sums, one output pixel at a time. Owns nothing;
 * takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x, context;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    float *sums; /* per thread: one pixel */
} Conv;

/* sums[o] += contribution of the input channels of one tap. */
static void
add_tap(const Conv *c, int64_t tap, const float *x, float *sums)
{
    const ScopeWeight *w = c->weight;
    int64_t groups = w->geometry.groups, ig = w->n_in / groups, og = w->n_out / groups;
    const float *weights = (const float *)w->packed.data + tap * groups * ig * og;
    if (ig == 1 && og == 1) {
        for (int64_t g = 0; g < groups; g++) {
            sums[g] += x[g] * weights[g];
        }
        return;
    }
    for (int64_t i = 0; i < groups * ig; i++) {
        c->k->axpy(x[i], weights + i * og, sums + i / ig * og, og);
    }
}

static void
sum_pixel(const Conv *c, int64_t ot, int64_t oy, int64_t ox, float *sums)
{
    const ScopeWeight *w = c->weight;
    const ScopeConvGeometry *g = &w->geometry;
    int64_t n_context = scope_tensor_is_none(c->context) ? 0 : c->context.shape[0];
    memset(sums, 0, (size_t)w->n_out * sizeof(float));
    for (int64_t tap = 0; tap < (int64_t)w->kernel_t * w->kernel_h * w->kernel_w; tap++) {
        int64_t kx = tap % w->kernel_w, ky = tap / w->kernel_w % w->kernel_h;
        int64_t t = ot * g->stride_t + tap / w->kernel_w / w->kernel_h;
        const ScopeTensor *image = t < n_context ? &c->context : &c->x;
        int64_t iy = scope_cpu_pad_index(oy * g->stride_h + ky * g->dilation_h - g->pad_top,
                                         image->shape[1] * g->upsample, g->pad_mode);
        int64_t ix = scope_cpu_pad_index(ox * g->stride_w + kx * g->dilation_w - g->pad_left,
                                         image->shape[2] * g->upsample, g->pad_mode);
        if (iy >= 0 && ix >= 0) {
            add_tap(c, tap,
                    (const float *)image->data +
                        (t < n_context ? t : t - n_context) * image->stride[0] +
                        iy / g->upsample * image->stride[1] + ix / g->upsample * image->stride[2],
                    sums);
        }
    }
}

static void
conv_tile(int64_t tile, int thread_index, void *user_data)
{
    const Conv *c = user_data;
    int64_t width = c->y.shape[2], n_out = c->weight->n_out;
    float *sums = c->sums + thread_index * n_out;
    for (int64_t ox = 0; ox < width; ox++) {
        int64_t row = tile * width + ox;
        sum_pixel(c, tile / c->y.shape[1], tile % c->y.shape[1], ox, sums);
        scope_cpu_finish_rows(c->k, c->weight, c->e, row, 1, 1, 0, n_out, sums, n_out,
                              (float *)c->y.data + row * n_out, n_out);
    }
}

void
scope_cpu_conv_groups(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                      const ScopeConvOptions *options)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    Conv c = {.k = scope_kernels_get(),
              .y = y,
              .x = x,
              .context = options->context,
              .weight = weight,
              .e = &options->epilogue};
    c.sums =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, weight->n_out)).data;
    scope_cpu_run(ctx, y.shape[0] * y.shape[1], conv_tile, &c);
    scope_arena_release(ctx->scratch, mark);
}
