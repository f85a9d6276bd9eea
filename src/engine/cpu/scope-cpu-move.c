/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data movement of the CPU backend: copies with conversion, fills, row moves, gathers, reductions
 * and random numbers. Own nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

#define CONVERT_CHUNK 256

static void
copy_same_row(char *dst, int64_t ds, const char *src, int64_t ss, size_t size, int64_t n)
{
    if (ds == 1 && ss == 1) {
        memcpy(dst, src, (size_t)n * size);
        return;
    }
    switch (size) {
    case 4:
        for (int64_t i = 0; i < n; i++) {
            ((uint32_t *)dst)[i * ds] = ((const uint32_t *)src)[i * ss];
        }
        return;
    case 2:
        for (int64_t i = 0; i < n; i++) {
            ((uint16_t *)dst)[i * ds] = ((const uint16_t *)src)[i * ss];
        }
        return;
    default:
        for (int64_t i = 0; i < n; i++) {
            memcpy(dst + i * ds * (int64_t)size, src + i * ss * (int64_t)size, size);
        }
    }
}

/* Converts through float in pieces that stay in the first-level cache. */
static void
convert_row(ScopeDType to, char *dst, int64_t ds, ScopeDType from, const char *src, int64_t ss,
            int64_t n)
{
    float wide[CONVERT_CHUNK];
    double raw[CONVERT_CHUNK]; /* room for any element type */
    size_t dsize = scope_dtype_size(to), ssize = scope_dtype_size(from);
    for (int64_t i = 0; i < n; i += CONVERT_CHUNK) {
        int64_t m = MIN(CONVERT_CHUNK, n - i);
        const char *s = src + i * ss * (int64_t)ssize;
        char *d = dst + i * ds * (int64_t)dsize;
        if (ss != 1) {
            copy_same_row((char *)raw, 1, s, ss, ssize, m);
            s = (const char *)raw;
        }
        scope_kernels_get()->widen(from, s, wide, m);
        if (ds == 1) {
            scope_dtype_from_f32(to, wide, d, m);
        } else {
            scope_dtype_from_f32(to, wide, raw, m);
            copy_same_row(d, ds, (const char *)raw, 1, dsize, m);
        }
    }
}

static void
copy_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    ScopeDType to = loop->operand[0].dtype, from = loop->operand[1].dtype;
    if (to == from) {
        copy_same_row(data[0], stride[0], data[1], stride[1], scope_dtype_size(to), n);
    } else {
        convert_row(to, data[0], stride[0], from, data[1], stride[1], n);
    }
}

void
scope_cpu_copy(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeCpuLoop loop = {.row = copy_row, .n_operands = 2, .operand = {y, x}};
    scope_cpu_loop_run(ctx, &loop);
}

void
scope_cpu_move_rows(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from, int64_t n_rows)
{
    (void)ctx;
    if (scope_cpu_is_exhausted()) {
        return;
    }
    int64_t size = (int64_t)scope_dtype_size(t.dtype);
    int64_t step = t.stride[0] * size;
    int64_t n_bytes = scope_tensor_n_elements(t) / t.shape[0] * size;
    char *base = t.data;
    if (step == n_bytes) {
        memmove(base + to * step, base + from * step, (size_t)(n_rows * n_bytes));
        return;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        int64_t r = to < from ? i : n_rows - 1 - i;
        memmove(base + (to + r) * step, base + (from + r) * step, (size_t)n_bytes);
    }
}

static void
fill_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    size_t size = scope_dtype_size(loop->operand[0].dtype);
    copy_same_row(data[0], stride[0], loop->user_data, 0, size, n);
}

void
scope_cpu_fill(ScopeContext *ctx, ScopeTensor y, float value)
{
    double raw;
    scope_dtype_from_f32(y.dtype, &value, &raw, 1);
    ScopeCpuLoop loop = {.row = fill_row, .user_data = &raw, .n_operands = 1, .operand = {y}};
    scope_cpu_loop_run(ctx, &loop);
}

typedef struct {
    ScopeTensor y, table, ids;
} Gather;

static void
gather_tile(int64_t i, int thread_index, void *user_data)
{
    const Gather *g = user_data;
    (void)thread_index;
    int64_t id = g->ids.dtype == SCOPE_DTYPE_I32 ? ((const int32_t *)g->ids.data)[i]
                                                 : ((const int64_t *)g->ids.data)[i];
    SCOPE_ASSERT(id >= 0 && id < g->table.shape[0]);
    const char *row = (const char *)g->table.data +
                      id * g->table.stride[0] * (int64_t)scope_dtype_size(g->table.dtype);
    scope_dtype_to_f32(g->table.dtype, row, (float *)g->y.data + i * g->y.stride[0], g->y.shape[1]);
}

void
scope_cpu_gather_rows(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids)
{
    Gather g = {y, table, ids};
    scope_cpu_run(ctx, y.shape[0], gather_tile, &g);
}

typedef struct {
    ScopeReduceKind kind;
    ScopeTensor y, x; /* y has stride 0 in the reduced dimensions */
    int64_t n_reduced;
    gboolean reduced[SCOPE_TENSOR_MAX_DIMS];
} Reduce;

static inline double
reduce_step(ScopeReduceKind kind, double acc, double v)
{
    switch (kind) {
    case SCOPE_REDUCE_SUM_SQUARES:
        return acc + v * v;
    case SCOPE_REDUCE_MIN:
        return v < acc ? v : acc;
    case SCOPE_REDUCE_MAX:
        return v > acc ? v : acc;
    case SCOPE_REDUCE_ABS_MAX:
        return fabs(v) > acc ? fabs(v) : acc;
    case SCOPE_REDUCE_SUM:
    case SCOPE_REDUCE_MEAN:
    case SCOPE_N_REDUCE_KINDS:
        break;
    }
    return acc + v;
}

/* Walks the reduced dimensions of one output element in row-major order. */
static double
reduce_walk(const Reduce *r, const float *x, int d, double acc)
{
    while (d < r->x.ndim && !r->reduced[d]) {
        d++;
    }
    if (d == r->x.ndim) {
        return reduce_step(r->kind, acc, (double)*x);
    }
    for (int64_t i = 0; i < r->x.shape[d]; i++) {
        acc = reduce_walk(r, x + i * r->x.stride[d], d + 1, acc);
    }
    return acc;
}

static void
reduce_tile(int64_t tile, int thread_index, void *user_data)
{
    const Reduce *r = user_data;
    (void)thread_index;
    int64_t rest = tile, x_offset = 0, y_offset = 0;
    for (int d = r->y.ndim - 1; d >= 0; d--) {
        int64_t i = rest % r->y.shape[d];
        rest /= r->y.shape[d];
        y_offset += i * r->y.stride[d];
        x_offset += i * r->x.stride[d];
    }
    double start = r->kind == SCOPE_REDUCE_MIN   ? INFINITY
                   : r->kind == SCOPE_REDUCE_MAX ? -INFINITY
                                                 : 0.0;
    double acc = reduce_walk(r, (const float *)r->x.data + x_offset, 0, start);
    if (r->kind == SCOPE_REDUCE_MEAN) {
        acc /= (double)r->n_reduced;
    }
    ((float *)r->y.data)[y_offset] = (float)acc;
}

void
scope_cpu_reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x)
{
    Reduce r = {.kind = kind, .y = y, .x = x, .n_reduced = 1};
    for (int d = 0; d < x.ndim; d++) {
        r.reduced[d] = y.shape[d] != x.shape[d];
        r.n_reduced *= r.reduced[d] ? x.shape[d] : 1;
    }
    scope_cpu_run(ctx, scope_tensor_n_elements(y), reduce_tile, &r);
}

/* Philox 4x32-10: ten rounds on a 128-bit counter with a 64-bit key. */
static void
philox(uint64_t key, uint64_t block, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53U * c0, p1 = (uint64_t)0xCD9E8D57U * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

typedef struct {
    float *y;
    int64_t n;
    uint64_t seed, offset;
} Normal;

#define NORMAL_TILE 4096

static void
normal_tile(int64_t tile, int thread_index, void *user_data)
{
    const Normal *r = user_data;
    (void)thread_index;
    uint64_t first = r->offset + (uint64_t)tile * NORMAL_TILE;
    uint64_t last = r->offset + (uint64_t)MIN(r->n, (tile + 1) * NORMAL_TILE);
    for (uint64_t block = first / 4; block * 4 < last; block++) {
        uint32_t w[4];
        philox(r->seed, block, w);
        for (int pair = 0; pair < 2; pair++) {
            double u1 = ((double)w[2 * pair] + 1.0) * 0x1p-32, u2 = w[2 * pair + 1] * 0x1p-32;
            double radius = sqrt(-2.0 * log(u1)), angle = 6.283185307179586 * u2;
            double value[2] = {radius * cos(angle), radius * sin(angle)};
            for (int j = 0; j < 2; j++) {
                uint64_t index = block * 4 + (uint64_t)(2 * pair + j);
                if (index >= first && index < last) {
                    r->y[index - r->offset] = (float)value[j];
                }
            }
        }
    }
}

void
scope_cpu_random_normal(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset)
{
    Normal r = {y.data, scope_tensor_n_elements(y), seed, offset};
    scope_cpu_run(ctx, (r.n + NORMAL_TILE - 1) / NORMAL_TILE, normal_tile, &r);
}
