/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of the CPU backend, portable version: scores of one query at a time. Owns nothing;
 * takes scratch for the scores of each thread. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

typedef struct {
    ScopeTensor out, q;
    const ScopeAttentionOptions *o;
    int64_t n_keys;
    float *scratch; /* per thread: n_keys scores and one widened row of d */
} Attention;

static const float *
key_row(ScopeTensor t, int64_t batch, int64_t key, int64_t head, float *wide)
{
    int64_t offset = batch * t.stride[0] + key * t.stride[1] + head * t.stride[2];
    const char *row = (const char *)t.data + offset * (int64_t)scope_dtype_size(t.dtype);
    if (t.dtype == SCOPE_DTYPE_F32) {
        return (const float *)row;
    }
    scope_dtype_to_f32(t.dtype, row, wide, t.shape[3]);
    return wide;
}

/* Fills the scores of query @i; returns their maximum. Keys outside the range get -INFINITY. */
static float
score_keys(const Attention *a, int64_t batch, int64_t head, int64_t i, float *score, float *wide)
{
    const ScopeAttentionOptions *o = a->o;
    const float *q = (const float *)a->q.data + batch * a->q.stride[0] + i * a->q.stride[1] +
                     head * a->q.stride[2];
    int64_t d = a->q.shape[3], key = 0, begin = 0, end = a->n_keys;
    if (!scope_tensor_is_none(o->key_range)) {
        begin = ((const int32_t *)o->key_range.data)[2 * i];
        end = ((const int32_t *)o->key_range.data)[2 * i + 1];
    }
    const float *bias =
        scope_tensor_is_none(o->bias)
            ? NULL
            : (const float *)o->bias.data + head * o->bias.stride[0] + i * o->bias.stride[1];
    float top = o->n_zero_keys > 0 ? 0.0F : -INFINITY;
    for (int s = 0; s < o->n_segments; s++) {
        const ScopeAttentionSegment *seg = &o->segments[s];
        for (int64_t j = 0; j < seg->k.shape[1]; j++, key++) {
            if (key < begin || key >= end) {
                score[key] = -INFINITY;
                continue;
            }
            const float *k = key_row(seg->k, batch, j, head, wide);
            float sum = 0.0F;
            for (int64_t c = 0; c < d; c++) {
                sum += q[c] * k[c];
            }
            sum = sum * o->scale + seg->log_bias;
            score[key] = bias ? sum + bias[key * o->bias.stride[2]] : sum;
            top = score[key] > top ? score[key] : top;
        }
    }
    return top;
}

static void
attend(const Attention *a, int64_t batch, int64_t head, int64_t i, float *score, float *wide)
{
    const ScopeAttentionOptions *o = a->o;
    float *out = (float *)a->out.data + batch * a->out.stride[0] + i * a->out.stride[1] +
                 head * a->out.stride[2];
    int64_t d = a->q.shape[3], key = 0;
    float top = score_keys(a, batch, head, i, score, wide);
    memset(out, 0, (size_t)d * sizeof(float));
    if (isinf(top) && top < 0.0F) {
        return;
    }
    float sum = o->n_zero_keys > 0 ? (float)o->n_zero_keys * expf(-top) : 0.0F;
    for (int s = 0; s < o->n_segments; s++) {
        const ScopeAttentionSegment *seg = &o->segments[s];
        for (int64_t j = 0; j < seg->v.shape[1]; j++, key++) {
            float p = expf(score[key] - top);
            if (p == 0.0F) {
                continue;
            }
            const float *v = key_row(seg->v, batch, j, head, wide);
            sum += p;
            for (int64_t c = 0; c < d; c++) {
                out[c] += p * v[c];
            }
        }
    }
    for (int64_t c = 0; c < d; c++) {
        out[c] /= sum;
    }
}

static void
attention_tile(int64_t tile, int thread_index, void *user_data)
{
    const Attention *a = user_data;
    int64_t n_heads = a->q.shape[2], n_queries = a->q.shape[1], d = a->q.shape[3];
    float *score = a->scratch + thread_index * (a->n_keys + d);
    int64_t i = tile % n_queries, head = tile / n_queries % n_heads;
    attend(a, tile / n_queries / n_heads, head, i, score, score + a->n_keys);
}

void
scope_cpu_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                    const ScopeAttentionOptions *options)
{
    Attention a = {.out = out, .q = q, .o = options};
    for (int s = 0; s < options->n_segments; s++) {
        a.n_keys += options->segments[s].k.shape[1];
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int n_threads = scope_pool_get_n_threads(ctx->pool);
    a.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, a.n_keys + q.shape[3]))
            .data;
    scope_pool_run(ctx->pool, q.shape[0] * q.shape[1] * q.shape[2], attention_tile, &a);
    scope_arena_release(ctx->scratch, mark);
}
