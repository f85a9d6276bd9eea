/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention of the CUDA backend. Plain attention over one run of bf16 keys goes to cuDNN; segments
 * are joined and zero keys appended for it. Biases, ranges and f32 take three kernels with the
 * scores of some queries in scratch. Owns nothing. The thread that owns the context.
 */
#include "engine/cuda/scope-cuda.h"

#define SCORES_BYTES ((int64_t)64 << 20)

static int64_t
count_keys(const ScopeAttentionOptions *o)
{
    int64_t n = 0;
    for (int i = 0; i < o->n_segments; i++) {
        n += o->segments[i].k.shape[1];
    }
    return n;
}

/* Segments that lie behind each other, with the same strides, are one. */
static gboolean
follows(ScopeTensor a, ScopeTensor b)
{
    gboolean same = a.dtype == b.dtype;
    for (int d = 0; d < 4; d++) {
        same = same && (a.stride[d] == b.stride[d] || a.shape[d] == 1);
    }
    return same && (char *)a.data + a.shape[1] * a.stride[1] * (int64_t)scope_dtype_size(a.dtype) ==
                       (char *)b.data;
}

/* All keys (or values) as one tensor of the work type: a view where memory allows it. */
static ScopeTensor
join_segments(ScopeContext *ctx, const ScopeAttentionOptions *o, gboolean values, int64_t n_keys)
{
    ScopeTensor joined = SCOPE_TENSOR_NONE;
    gboolean is_view = o->n_zero_keys == 0;
    for (int i = 0; i < o->n_segments && is_view; i++) {
        ScopeTensor t = values ? o->segments[i].v : o->segments[i].k;
        if (t.shape[1] == 0) {
            continue;
        }
        if (scope_tensor_is_none(joined)) {
            joined = t;
            is_view = t.dtype == ctx->backend->work_dtype;
        } else if ((is_view = follows(joined, t))) {
            joined.shape[1] += t.shape[1];
        }
    }
    if (is_view) {
        return joined;
    }
    ScopeTensor first = o->segments[0].k;
    ScopeTensor all = scope_context_scratch(
        ctx, ctx->backend->work_dtype,
        SCOPE_SHAPE(first.shape[0], n_keys + o->n_zero_keys, first.shape[2], first.shape[3]));
    int64_t at = 0;
    for (int i = 0; i < o->n_segments; i++) {
        ScopeTensor t = values ? o->segments[i].v : o->segments[i].k;
        ctx->backend->copy(ctx, scope_tensor_slice(all, 1, at, at + t.shape[1]), t);
        at += t.shape[1];
    }
    if (o->n_zero_keys > 0) {
        ctx->backend->fill(ctx, scope_tensor_slice(all, 1, at, at + o->n_zero_keys), 0.0F);
    }
    return all;
}

static int
library_attention(ScopeContext *ctx, ScopeCudaStream *s, ScopeTensor out, ScopeTensor q,
                  const ScopeAttentionOptions *o, int64_t n_keys)
{
    gboolean plain = s->dnn && scope_tensor_is_none(o->bias) && scope_tensor_is_none(o->key_range);
    for (int i = 0; i < o->n_segments && plain; i++) {
        plain = o->segments[i].log_bias == 0.0F || o->segments[i].k.shape[1] == 0;
    }
    if (!plain || n_keys + o->n_zero_keys == 0) {
        return SCOPE_CUDA_NO_PLAN;
    }
    ScopeCudaSdpa sdpa = {.out = out,
                          .q = q,
                          .k = join_segments(ctx, o, FALSE, n_keys),
                          .v = join_segments(ctx, o, TRUE, n_keys),
                          .scale = o->scale};
    gsize n_bytes = 0;
    int code = scope_cuda_dnn_plan_sdpa(s->dnn, &sdpa, &n_bytes);
    if (code != SCOPE_CUDA_DONE) {
        return code;
    }
    ScopeTensor workspace =
        scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE((int64_t)n_bytes));
    return scope_cuda_begin(ctx) ? scope_cuda_dnn_run_sdpa(s->dnn, &sdpa, workspace.data)
                                 : SCOPE_CUDA_DONE;
}

/* Scores, softmax and values of queries args->first .. + n. */
static void
attend_queries(ScopeCudaStream *s, ScopeAttentionArgs args, const ScopeAttentionOptions *o)
{
    for (int i = 0; i < o->n_segments; i++) {
        args.log_bias = o->segments[i].log_bias;
        scope_cuda_check(s, scope_cuda_k_scores(s->stream, args, o->segments[i].k), "scores");
        args.key += o->segments[i].k.shape[1];
    }
    const ScopeTensor *t = &args.scores;
    ScopeTensor rows =
        scope_tensor_reshape(*t, SCOPE_SHAPE(t->shape[0] * t->shape[1] * t->shape[2], t->shape[3]));
    scope_cuda_check(s, scope_cuda_k_softmax(s->stream, rows, rows, o->n_zero_keys), "attention");
    args.key = 0;
    for (int i = 0; i < o->n_segments; i++) {
        scope_cuda_check(s, scope_cuda_k_values(s->stream, args, o->segments[i].v, i == 0),
                         "values");
        args.key += o->segments[i].v.shape[1];
    }
}

static void
plain_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q, const ScopeAttentionOptions *o,
                int64_t n_keys)
{
    int64_t n_rows = q.shape[0] * q.shape[2], n_queries = q.shape[1];
    int64_t part = SCORES_BYTES / (4 * MAX(1, n_rows * n_keys));
    part = CLAMP(part, 1, MAX(1, n_queries));
    /* segments add up in f32; the results round once */
    gboolean direct = o->n_segments == 1 || out.dtype == SCOPE_DTYPE_F32;
    ScopeTensor sums = direct ? out : scope_context_scratch(ctx, SCOPE_DTYPE_F32, 4, out.shape);
    for (int64_t first = 0; first < n_queries; first += part) {
        int64_t n = MIN(part, n_queries - first);
        ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
        ScopeAttentionArgs args = {.out = sums,
                                   .q = q,
                                   .bias = o->bias,
                                   .key_range = o->key_range,
                                   .first = first,
                                   .n = n,
                                   .n_keys = n_keys,
                                   .scale = o->scale};
        args.scores = scope_context_scratch(ctx, SCOPE_DTYPE_F32,
                                            SCOPE_SHAPE(q.shape[0], q.shape[2], n, n_keys));
        ScopeCudaStream *s = scope_cuda_begin(ctx);
        if (s) {
            attend_queries(s, args, o);
        }
        scope_arena_release(ctx->scratch, mark);
    }
    if (!direct) {
        ctx->backend->copy(ctx, out, sums);
    }
}

void
scope_cuda_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                     const ScopeAttentionOptions *options)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s) {
        return;
    }
    int64_t n_keys = count_keys(options);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int code = library_attention(ctx, s, out, q, options, n_keys);
    if (code == SCOPE_CUDA_NO_PLAN && scope_cuda_begin(ctx)) {
        plain_attention(ctx, out, q, options, n_keys);
        code = SCOPE_CUDA_DONE;
    }
    scope_cuda_check(s, code, "attention");
    scope_arena_release(ctx->scratch, mark);
}
