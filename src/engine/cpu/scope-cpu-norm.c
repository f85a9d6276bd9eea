/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Norms, softmax and rotary embedding of the CPU backend. Own nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>

#define ROWS_PER_TILE 8

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeNormOptions *o;
} Norm;

static const float *
modulation_row(ScopeTensor t, int64_t row, int64_t rows_each)
{
    return scope_tensor_is_none(t) ? NULL : (const float *)t.data + row / rows_each * t.stride[0];
}

static void
norm_row(const Norm *n, int64_t row)
{
    const ScopeNormOptions *o = n->o;
    ScopeNormRow r = {.kind = o->kind,
                      .eps = o->eps,
                      .weight = o->weight.data,
                      .bias = o->bias.data,
                      .scale = modulation_row(o->scale, row, o->modulation_rows),
                      .shift = modulation_row(o->shift, row, o->modulation_rows),
                      .activation = o->activation,
                      .activation_param = o->activation_param};
    n->k->norm(&r, (const float *)n->x.data + row * n->x.stride[0],
               (float *)n->y.data + row * n->y.stride[0], n->x.shape[1]);
}

static void
norm_tile(int64_t tile, int thread_index, void *user_data)
{
    const Norm *n = user_data;
    (void)thread_index;
    int64_t last = MIN(n->x.shape[0], (tile + 1) * ROWS_PER_TILE);
    for (int64_t row = tile * ROWS_PER_TILE; row < last; row++) {
        norm_row(n, row);
    }
}

void
scope_cpu_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeNormOptions *options)
{
    Norm n = {scope_kernels_get(), y, x, options};
    scope_pool_run(ctx->pool, (x.shape[0] + ROWS_PER_TILE - 1) / ROWS_PER_TILE, norm_tile, &n);
}

typedef struct {
    ScopeTensor y, x;
    const ScopeGroupNormOptions *o;
} GroupNorm;

static void
group_norm_tile(int64_t tile, int thread_index, void *user_data)
{
    const GroupNorm *g = user_data;
    const ScopeGroupNormOptions *o = g->o;
    (void)thread_index;
    int64_t c = g->x.shape[3], n_pixels = g->x.shape[1] * g->x.shape[2], width = c / o->n_groups;
    int64_t frame = tile / o->n_groups, first = tile % o->n_groups * width;
    const float *x = (const float *)g->x.data + frame * n_pixels * c + first;
    float *y = (float *)g->y.data + frame * n_pixels * c + first;
    double sum = 0.0, squares = 0.0;
    for (int64_t p = 0; p < n_pixels; p++) {
        for (int64_t i = 0; i < width; i++) {
            sum += (double)x[p * c + i];
        }
    }
    double mean = sum / (double)(n_pixels * width);
    for (int64_t p = 0; p < n_pixels; p++) {
        for (int64_t i = 0; i < width; i++) {
            double v = (double)x[p * c + i] - mean;
            squares += v * v;
        }
    }
    double scale = 1.0 / sqrt(squares / (double)(n_pixels * width) + (double)o->eps);
    const float *weight = o->weight.data, *bias = o->bias.data;
    for (int64_t p = 0; p < n_pixels; p++) {
        for (int64_t i = 0; i < width; i++) {
            float v = (float)(((double)x[p * c + i] - mean) * scale);
            v = weight ? v * weight[first + i] : v;
            v = bias ? v + bias[first + i] : v;
            y[p * c + i] = scope_cpu_activate(o->activation, o->activation_param, v);
        }
    }
}

void
scope_cpu_group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                     const ScopeGroupNormOptions *options)
{
    GroupNorm g = {y, x, options};
    scope_pool_run(ctx->pool, x.shape[0] * options->n_groups, group_norm_tile, &g);
}

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
} Softmax;

static void
softmax_tile(int64_t tile, int thread_index, void *user_data)
{
    const Softmax *s = user_data;
    (void)thread_index;
    int64_t d = s->x.shape[1], last = MIN(s->x.shape[0], (tile + 1) * ROWS_PER_TILE);
    for (int64_t row = tile * ROWS_PER_TILE; row < last; row++) {
        s->k->softmax_row((const float *)s->x.data + row * s->x.stride[0],
                          (float *)s->y.data + row * s->y.stride[0], d);
    }
}

void
scope_cpu_softmax(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    Softmax s = {scope_kernels_get(), y, x};
    scope_pool_run(ctx->pool, (x.shape[0] + ROWS_PER_TILE - 1) / ROWS_PER_TILE, softmax_tile, &s);
}

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x, table;
} Rope;

static void
rope_tile(int64_t tile, int thread_index, void *user_data)
{
    const Rope *r = user_data;
    (void)thread_index;
    int64_t n_pairs = r->table.shape[1], last = MIN(r->x.shape[0], (tile + 1) * ROWS_PER_TILE);
    for (int64_t row = tile * ROWS_PER_TILE; row < last; row++) {
        const float *t = (const float *)r->table.data + row * n_pairs * 2;
        for (int64_t head = 0; head < r->x.shape[1]; head++) {
            const float *x =
                (const float *)r->x.data + row * r->x.stride[0] + head * r->x.stride[1];
            float *y = (float *)r->y.data + row * r->y.stride[0] + head * r->y.stride[1];
            r->k->rope(x, t, y, n_pairs);
        }
    }
}

void
scope_cpu_rope(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table)
{
    Rope r = {scope_kernels_get(), y, x, table};
    scope_pool_run(ctx->pool, (x.shape[0] + ROWS_PER_TILE - 1) / ROWS_PER_TILE, rope_tile, &r);
}
