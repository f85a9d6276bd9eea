/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Norms, softmax and rotary embedding of the CPU backend. Own nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

#define ROWS_PER_TILE 8    /* of softmax and rotary embedding */
#define NORM_VALUES   4096 /* of a tile: activated while in the first-level cache */

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeNormOptions *o;
    int64_t rows_per_tile;
    gboolean is_packed; /* the rows of y follow each other: they are activated together */
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
                      .activation = n->is_packed ? SCOPE_ACTIVATION_NONE : o->activation,
                      .activation_param = o->activation_param};
    n->k->norm(&r, (const float *)n->x.data + row * n->x.stride[0],
               (float *)n->y.data + row * n->y.stride[0], n->x.shape[1]);
}

static void
norm_tile(int64_t tile, int thread_index, void *user_data)
{
    const Norm *n = user_data;
    (void)thread_index;
    int64_t first = tile * n->rows_per_tile, last = MIN(n->x.shape[0], first + n->rows_per_tile);
    for (int64_t row = first; row < last; row++) {
        norm_row(n, row);
    }
    if (n->is_packed) {
        n->k->activate(n->o->activation, n->o->activation_param,
                       (float *)n->y.data + first * n->x.shape[1], (last - first) * n->x.shape[1]);
    }
}

void
scope_cpu_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeNormOptions *options)
{
    int64_t rows = MAX(NORM_VALUES / x.shape[1], ROWS_PER_TILE);
    Norm n = {.k = scope_kernels_get(),
              .y = y,
              .x = x,
              .o = options,
              .rows_per_tile = rows,
              .is_packed = y.stride[0] == x.shape[1]};
    scope_cpu_run(ctx, (x.shape[0] + rows - 1) / rows, norm_tile, &n);
}

#define PIXELS_PER_TILE 512 /* fixed: the order of the sums must not depend on threads */

/* Channels stay apart in all sums, so that every pass reads memory in order. */
typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeGroupNormOptions *o;
    int64_t n_pixels, n_tiles; /* of one frame */
    double *partial;           /* [frames * n_tiles][C] */
    double *mean;              /* [frames][C]: that of the channel's group */
    float *scale, *offset;     /* [frames][C] */
} GroupNorm;

/* Sums of deviations from @mean (NULL: sums of values), or of their squares. */
static void
sum_tile(const GroupNorm *g, int64_t tile, gboolean squares)
{
    int64_t c = g->x.shape[3], frame = tile / g->n_tiles;
    int64_t first = tile % g->n_tiles * PIXELS_PER_TILE;
    int64_t n = MIN(PIXELS_PER_TILE, g->n_pixels - first);
    const float *x = (const float *)g->x.data + (frame * g->n_pixels + first) * c;
    const double *mean = g->mean + frame * c;
    double *sum = g->partial + tile * c;
    memset(sum, 0, (size_t)c * sizeof(double));
    for (int64_t p = 0; p < n; p++, x += c) {
        for (int64_t i = 0; i < c && !squares; i++) {
            sum[i] += (double)x[i];
        }
        for (int64_t i = 0; i < c && squares; i++) {
            double d = (double)x[i] - mean[i];
            sum[i] += d * d;
        }
    }
}

static void
mean_tile(int64_t tile, int thread_index, void *user_data)
{
    (void)thread_index;
    sum_tile(user_data, tile, FALSE);
}

static void
variance_tile(int64_t tile, int thread_index, void *user_data)
{
    (void)thread_index;
    sum_tile(user_data, tile, TRUE);
}

static void
apply_tile(int64_t tile, int thread_index, void *user_data)
{
    const GroupNorm *g = user_data;
    (void)thread_index;
    int64_t c = g->x.shape[3], frame = tile / g->n_tiles;
    int64_t first = tile % g->n_tiles * PIXELS_PER_TILE;
    int64_t n = MIN(PIXELS_PER_TILE, g->n_pixels - first), at = (frame * g->n_pixels + first) * c;
    ScopeFinish f = {.scale = g->scale + frame * c,
                     .scale_is_vector = TRUE,
                     .bias = g->offset + frame * c,
                     .activation = g->o->activation,
                     .activation_param = g->o->activation_param};
    g->k->finish(&f, (const float *)g->x.data + at, c, (float *)g->y.data + at, c, n, c);
}

/* Mean of the partial sums over each group of channels, in a fixed order. */
static double
group_mean(const GroupNorm *g, int64_t frame, int64_t first, int64_t width)
{
    double sum = 0.0;
    for (int64_t t = 0; t < g->n_tiles; t++) {
        for (int64_t i = 0; i < width; i++) {
            sum += g->partial[(frame * g->n_tiles + t) * g->x.shape[3] + first + i];
        }
    }
    return sum / (double)(g->n_pixels * width);
}

static void
combine(GroupNorm *g, gboolean is_variance)
{
    const ScopeGroupNormOptions *o = g->o;
    int64_t c = g->x.shape[3], width = c / o->n_groups;
    if (scope_cpu_is_exhausted()) {
        return;
    }
    for (int64_t j = 0; j < g->x.shape[0] * o->n_groups; j++) {
        int64_t frame = j / o->n_groups, first = j % o->n_groups * width;
        double mean = group_mean(g, frame, first, width);
        for (int64_t i = first; i < first + width; i++) {
            if (!is_variance) {
                g->mean[frame * c + i] = mean;
                continue;
            }
            double weight = o->weight.data ? (double)((const float *)o->weight.data)[i] : 1.0;
            double bias = o->bias.data ? (double)((const float *)o->bias.data)[i] : 0.0;
            double scale = weight / sqrt(mean + (double)o->eps);
            g->scale[frame * c + i] = (float)scale;
            g->offset[frame * c + i] = (float)(bias - g->mean[frame * c + i] * scale);
        }
    }
}

void
scope_cpu_group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                     const ScopeGroupNormOptions *options)
{
    int64_t frames = x.shape[0], c = x.shape[3];
    GroupNorm g = {.k = scope_kernels_get(), .y = y, .x = x, .o = options};
    g.n_pixels = x.shape[1] * x.shape[2];
    g.n_tiles = (g.n_pixels + PIXELS_PER_TILE - 1) / PIXELS_PER_TILE;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_tiles = frames * g.n_tiles;
    g.partial = scope_context_scratch(ctx, SCOPE_DTYPE_F64, SCOPE_SHAPE(n_tiles, c)).data;
    g.mean = scope_context_scratch(ctx, SCOPE_DTYPE_F64, SCOPE_SHAPE(frames, c)).data;
    g.scale = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(frames, c)).data;
    g.offset = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(frames, c)).data;
    scope_cpu_run(ctx, n_tiles, mean_tile, &g);
    combine(&g, FALSE);
    scope_cpu_run(ctx, n_tiles, variance_tile, &g);
    combine(&g, TRUE);
    scope_cpu_run(ctx, n_tiles, apply_tile, &g);
    scope_arena_release(ctx->scratch, mark);
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
    scope_cpu_run(ctx, (x.shape[0] + ROWS_PER_TILE - 1) / ROWS_PER_TILE, softmax_tile, &s);
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
    scope_cpu_run(ctx, (x.shape[0] + ROWS_PER_TILE - 1) / ROWS_PER_TILE, rope_tile, &r);
}
