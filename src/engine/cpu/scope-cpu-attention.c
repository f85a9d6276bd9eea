/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of the CPU backend. A tile is some queries of one head: it walks over the keys block by
 * block with a running softmax, and inside a block group by group of queries, so that the scores of
 * a group stay in the first-level cache. Scores are kept transposed, [key][query]: the softmax
 * works down columns and both products run on the shared kernels. Sequences of few queries take one
 * query at a time. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

#define QUERIES     192 /* of a tile; a multiple of every group */
#define KEYS        120 /* of a block; a multiple of every mr */
#define FEW_QUERIES 12

typedef struct {
    const ScopeKernels *k;
    ScopeTensor out, q;
    const ScopeAttentionOptions *o;
    int64_t n_keys, d, padded_d;
    int64_t group; /* queries that are computed together, a multiple of mr and nr */
    int64_t n_query_tiles, queries_per_tile;
    float *scratch;
    int64_t scratch_each;
} Attention;

/* Buffers of one thread. */
typedef struct {
    float *q;                  /* [QUERIES/nr][d][nr], scaled */
    float *score;              /* [KEYS][QUERIES] */
    float *keys;               /* [KEYS][d] */
    float *values;             /* [padded_d/nr][KEYS][nr] */
    float *out;                /* [QUERIES][padded_d] */
    float *top, *sum, *factor; /* [QUERIES] */
    float *row;                /* [padded_d] */
} Buffers;

static int64_t
buffers_size(const Attention *a)
{
    return QUERIES * (a->d + a->padded_d + 3) + KEYS * (a->group + a->d + a->padded_d) +
           a->padded_d;
}

static void
buffers_set(const Attention *a, float *base, Buffers *b)
{
    b->q = base;
    b->score = b->q + QUERIES * a->d;
    b->keys = b->score + KEYS * a->group;
    b->values = b->keys + KEYS * a->d;
    b->out = b->values + KEYS * a->padded_d;
    b->top = b->out + QUERIES * a->padded_d;
    b->sum = b->top + QUERIES;
    b->factor = b->sum + QUERIES;
    b->row = b->factor + QUERIES;
}

static const char *
row_address(ScopeTensor t, int64_t batch, int64_t index, int64_t head)
{
    int64_t offset = batch * t.stride[0] + index * t.stride[1] + head * t.stride[2];
    return (const char *)t.data + offset * (int64_t)scope_dtype_size(t.dtype);
}

/* Position in the concatenated key sequence. */
typedef struct {
    int segment;
    int64_t index;
} KeyAt;

static void
skip_empty(const Attention *a, KeyAt *at)
{
    while (at->segment < a->o->n_segments && at->index >= a->o->segments[at->segment].k.shape[1]) {
        at->segment++;
        at->index = 0;
    }
}

/* Spreads a row of values over the panels; constant sizes become plain moves. */
static void
spread_values(const Attention *a, const float *row, float *values)
{
    for (int64_t c = 0; c < a->padded_d; c += a->k->nr) {
        if (a->k->nr == 16) {
            memcpy(values + c * KEYS, row + c, 16 * sizeof(float));
        } else {
            memcpy(values + c * KEYS, row + c, (size_t)a->k->nr * sizeof(float));
        }
    }
}

/* Copies and widens a block of keys and values; advances @at. */
static void
load_block(const Attention *a, int64_t batch, int64_t head, int64_t n, KeyAt *at, float *bias,
           const Buffers *b)
{
    for (int64_t i = 0; i < n; i++) {
        skip_empty(a, at);
        const ScopeAttentionSegment *s = &a->o->segments[at->segment];
        a->k->widen(s->k.dtype, row_address(s->k, batch, at->index, head), b->keys + i * a->d,
                    a->d);
        const float *values =
            (const float *)(const void *)row_address(s->v, batch, at->index, head);
        if (s->v.dtype != SCOPE_DTYPE_F32 || a->d != a->padded_d) {
            a->k->widen(s->v.dtype, values, b->row, a->d);
            values = b->row;
        }
        spread_values(a, values, b->values + i * a->k->nr);
        bias[i] = s->log_bias;
        at->index++;
    }
}

/* Scores of one group of queries; @q: its panels. */
static void
multiply_scores(const Attention *a, int64_t n, const float *q, const Buffers *b)
{
    int64_t mr = a->k->mr, nr = a->k->nr;
    for (int64_t i = 0; i < n; i += mr) {
        const float *rows[SCOPE_KERNELS_MAX_MR];
        for (int64_t r = 0; r < mr; r++) {
            rows[r] = b->keys + MIN(i + r, n - 1) * a->d;
        }
        for (int64_t p = 0; p < a->group; p += nr) {
            a->k->gemm_rows(1, rows, 0, a->d, q + p * a->d, b->score + i * a->group + p, a->group,
                            FALSE);
        }
    }
}

/* Adds the biases and masks keys outside the ranges. */
static void
bias_scores(const Attention *a, int64_t head, int64_t first_query, int64_t n_queries,
            int64_t first_key, int64_t n, const float *log_bias, const Buffers *b)
{
    const ScopeAttentionOptions *o = a->o;
    for (int64_t i = 0; i < n; i++) {
        float *score = b->score + i * a->group;
        for (int64_t j = 0; j < a->group && log_bias[i] != 0.0F; j++) {
            score[j] += log_bias[i];
        }
        if (!scope_tensor_is_none(o->bias)) {
            const float *bias = (const float *)o->bias.data + head * o->bias.stride[0] +
                                first_query * o->bias.stride[1] +
                                (first_key + i) * o->bias.stride[2];
            for (int64_t j = 0; j < n_queries; j++) {
                score[j] += bias[j * o->bias.stride[1]];
            }
        }
        if (!scope_tensor_is_none(o->key_range)) {
            const int32_t *range = (const int32_t *)o->key_range.data + 2 * first_query;
            for (int64_t j = 0; j < n_queries; j++) {
                if (first_key + i < range[2 * j] || first_key + i >= range[2 * j + 1]) {
                    score[j] = -INFINITY;
                }
            }
        }
    }
}

/* Rescales the results of one group and adds the values of the block. */
static void
add_values(const Attention *a, int64_t n, const float *factor, float *out, const Buffers *b)
{
    int64_t mr = a->k->mr, nr = a->k->nr;
    for (int64_t j = 0; j < a->group; j++) {
        float f = factor[j];
        for (int64_t c = 0; c < a->padded_d && f != 1.0F; c++) {
            out[j * a->padded_d + c] *= f;
        }
    }
    for (int64_t c = 0; c < a->padded_d; c += nr) {
        for (int64_t j = 0; j < a->group; j += mr) {
            a->k->gemm_columns(n, b->score + j, a->group, b->values + c * KEYS, nr,
                               out + j * a->padded_d + c, a->padded_d);
        }
    }
}

/* Packs the queries times scale; the lanes without a query are zero. */
static void
load_queries(const Attention *a, int64_t batch, int64_t head, int64_t first, int64_t n,
             const Buffers *b)
{
    int64_t nr = a->k->nr;
    memset(b->q, 0, (size_t)(QUERIES * a->d) * sizeof(float));
    for (int64_t j = 0; j < n; j += nr) {
        a->k->transpose((const float *)row_address(a->q, batch, first + j, head), a->q.stride[1],
                        MIN(nr, n - j), a->d, b->q + j * a->d, nr);
    }
    for (int64_t i = 0; i < QUERIES * a->d; i++) {
        b->q[i] *= a->o->scale;
    }
    memset(b->out, 0, (size_t)(QUERIES * a->padded_d) * sizeof(float));
    memset(b->row, 0, (size_t)a->padded_d * sizeof(float));
    for (int64_t j = 0; j < QUERIES; j++) {
        b->top[j] = a->o->n_zero_keys > 0 ? 0.0F : -INFINITY;
        b->sum[j] = (float)a->o->n_zero_keys;
    }
}

static void
attention_tile(int64_t tile, int thread_index, void *user_data)
{
    const Attention *a = user_data;
    int64_t n_heads = a->q.shape[2], first = tile % a->n_query_tiles * a->queries_per_tile;
    int64_t head = tile / a->n_query_tiles % n_heads, batch = tile / a->n_query_tiles / n_heads;
    int64_t n_queries = MIN(a->queries_per_tile, a->q.shape[1] - first);
    Buffers b;
    buffers_set(a, a->scratch + thread_index * a->scratch_each, &b);
    load_queries(a, batch, head, first, n_queries, &b);
    KeyAt at = {0, 0};
    for (int64_t key = 0; key < a->n_keys; key += KEYS) {
        int64_t n = MIN(KEYS, a->n_keys - key);
        float log_bias[KEYS];
        load_block(a, batch, head, n, &at, log_bias, &b);
        for (int64_t g = 0; g < n_queries; g += a->group) {
            multiply_scores(a, n, b.q + g * a->d, &b);
            bias_scores(a, head, first + g, MIN(a->group, n_queries - g), key, n, log_bias, &b);
            a->k->softmax_block(b.score, n, a->group, b.top + g, b.sum + g, b.factor + g);
            add_values(a, n, b.factor + g, b.out + g * a->padded_d, &b);
        }
    }
    for (int64_t j = 0; j < n_queries; j++) {
        float *out = (float *)row_address(a->out, batch, first + j, head);
        float share = b.sum[j] > 0.0F ? 1.0F / b.sum[j] : 0.0F;
        for (int64_t c = 0; c < a->d; c++) {
            out[c] = b.out[j * a->padded_d + c] * share;
        }
    }
}

/* One query against all keys; score and row are buffers. */
static void
attend(const Attention *a, int64_t batch, int64_t head, int64_t i, float *score, float *row)
{
    const ScopeAttentionOptions *o = a->o;
    const float *q = (const float *)row_address(a->q, batch, i, head);
    float *out = (float *)row_address(a->out, batch, i, head);
    float top = o->n_zero_keys > 0 ? 0.0F : -INFINITY;
    int64_t begin = 0, end = a->n_keys, n = 0;
    if (!scope_tensor_is_none(o->key_range)) {
        begin = ((const int32_t *)o->key_range.data)[2 * i];
        end = ((const int32_t *)o->key_range.data)[2 * i + 1];
    }
    const float *bias = o->bias.data;
    for (int s = 0; s < o->n_segments; s++) {
        const ScopeAttentionSegment *seg = &o->segments[s];
        for (int64_t j = 0; j < seg->k.shape[1]; j++, n++) {
            a->k->widen(seg->k.dtype, row_address(seg->k, batch, j, head), row, a->d);
            score[n] = a->k->dot(q, row, a->d) * o->scale + seg->log_bias;
            if (bias) {
                score[n] +=
                    bias[head * o->bias.stride[0] + i * o->bias.stride[1] + n * o->bias.stride[2]];
            }
            score[n] = n < begin || n >= end ? -INFINITY : score[n];
            top = MAX(top, score[n]);
        }
    }
    memset(out, 0, (size_t)a->d * sizeof(float));
    if (top == -INFINITY) {
        return;
    }
    float sum = (float)o->n_zero_keys * expf(-top);
    n = 0;
    for (int s = 0; s < o->n_segments; s++) {
        const ScopeAttentionSegment *seg = &o->segments[s];
        for (int64_t j = 0; j < seg->v.shape[1]; j++, n++) {
            float p = expf(score[n] - top);
            sum += p;
            a->k->widen(seg->v.dtype, row_address(seg->v, batch, j, head), row, a->d);
            a->k->axpy(p, row, out, a->d);
        }
    }
    for (int64_t c = 0; c < a->d; c++) {
        out[c] /= sum;
    }
}

/* All queries of one batch entry and head. */
static void
few_queries_tile(int64_t tile, int thread_index, void *user_data)
{
    const Attention *a = user_data;
    float *score = a->scratch + thread_index * a->scratch_each;
    for (int64_t i = 0; i < a->q.shape[1]; i++) {
        attend(a, tile / a->q.shape[2], tile % a->q.shape[2], i, score, score + a->n_keys);
    }
}

void
scope_cpu_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                    const ScopeAttentionOptions *options)
{
    const ScopeKernels *k = scope_kernels_get();
    Attention a = {.k = k, .out = out, .q = q, .o = options, .d = q.shape[3]};
    for (int s = 0; s < options->n_segments; s++) {
        a.n_keys += options->segments[s].k.shape[1];
    }
    a.padded_d = (a.d + k->nr - 1) / k->nr * k->nr;
    a.group = k->nr > 16 ? 96 : 48;
    a.n_query_tiles = (q.shape[1] + QUERIES - 1) / QUERIES;
    a.queries_per_tile = (q.shape[1] + a.n_query_tiles - 1) / a.n_query_tiles;
    a.queries_per_tile = (a.queries_per_tile + a.group - 1) / a.group * a.group;
    a.n_query_tiles = (q.shape[1] + a.queries_per_tile - 1) / a.queries_per_tile;
    gboolean few = q.shape[1] <= FEW_QUERIES;
    a.scratch_each = few ? a.n_keys + a.d : buffers_size(&a);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    a.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, a.scratch_each)).data;
    int64_t n_sequences = q.shape[0] * q.shape[2];
    if (few) {
        scope_cpu_run(ctx, n_sequences, few_queries_tile, &a);
    } else {
        scope_cpu_run(ctx, n_sequences * a.n_query_tiles, attention_tile, &a);
    }
    scope_arena_release(ctx->scratch, mark);
}
