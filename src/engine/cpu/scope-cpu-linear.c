/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of the CPU backend, portable version: linear and batched matmul. Own nothing. Pool
 * threads.
 */
#include "engine/cpu/scope-cpu.h"

#define OUTPUTS_PER_TILE 16
#define LANES            8

typedef struct {
    ScopeTensor y, x;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    float *widened; /* one row of K per thread, for stored types other than f32 */
} Linear;

/* Dot product with a fixed order of partial sums. */
static float
dot(const float *a, const float *b, int64_t n)
{
    float sum[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++) {
            sum[j] += a[i + j] * b[i + j];
        }
    }
    for (int j = 0; i < n; i++, j++) {
        sum[j] += a[i] * b[i];
    }
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

static const float *
weight_row(const Linear *l, int64_t o, int thread_index)
{
    const ScopeWeight *w = l->weight;
    if (w->store == SCOPE_WEIGHT_STORE_PACK) {
        return (const float *)w->packed.data + o * w->n_in;
    }
    if (w->stored.dtype == SCOPE_DTYPE_F32 && ((uintptr_t)w->stored.data & 3U) == 0) {
        return (const float *)w->stored.data + o * w->n_in;
    }
    float *row = l->widened + thread_index * w->n_in;
    size_t size = scope_dtype_size(w->stored.dtype);
    scope_dtype_to_f32(w->stored.dtype, (const char *)w->stored.data + (size_t)(o * w->n_in) * size,
                       row, w->n_in);
    return row;
}

static void
linear_tile(int64_t tile, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    int64_t first = tile * OUTPUTS_PER_TILE;
    int64_t last = MIN(l->weight->n_out, first + OUTPUTS_PER_TILE);
    for (int64_t o = first; o < last; o++) {
        const float *w = weight_row(l, o, thread_index);
        for (int64_t n = 0; n < l->x.shape[0]; n++) {
            float v = dot((const float *)l->x.data + n * l->x.stride[0], w, l->weight->n_in);
            scope_cpu_finish_row(l->weight, l->e, n, o, o + 1, &v);
            ((float *)l->y.data)[n * l->y.stride[0] + o] = v;
        }
    }
}

void
scope_cpu_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                 const ScopeEpilogue *epilogue)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int n_threads = scope_pool_get_n_threads(ctx->pool);
    ScopeTensor widened =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, weight->n_in));
    Linear l = {y, x, weight, epilogue, widened.data};
    scope_pool_run(ctx->pool, (weight->n_out + OUTPUTS_PER_TILE - 1) / OUTPUTS_PER_TILE,
                   linear_tile, &l);
    scope_arena_release(ctx->scratch, mark);
}

typedef struct {
    ScopeTensor y, a, b;
    float alpha;
} Matmul;

static void
matmul_tile(int64_t tile, int thread_index, void *user_data)
{
    const Matmul *m = user_data;
    (void)thread_index;
    int64_t batch = tile / m->y.shape[1], row = tile % m->y.shape[1], n = m->y.shape[2];
    float *y = (float *)m->y.data + batch * m->y.stride[0] + row * m->y.stride[1];
    const float *a = (const float *)m->a.data + batch * m->a.stride[0] + row * m->a.stride[1];
    const float *b = (const float *)m->b.data + batch * m->b.stride[0];
    for (int64_t j = 0; j < n; j++) {
        y[j] = 0.0F;
    }
    for (int64_t k = 0; k < m->a.shape[2]; k++) {
        float v = a[k * m->a.stride[2]] * m->alpha;
        for (int64_t j = 0; j < n; j++) {
            y[j] += v * b[k * m->b.stride[1] + j * m->b.stride[2]];
        }
    }
}

void
scope_cpu_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha)
{
    Matmul m = {y, a, b, alpha};
    scope_pool_run(ctx->pool, y.shape[0] * y.shape[1], matmul_tile, &m);
}
