/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points of the ops: check shapes and types, normalise arguments, call the backend. Own
 * nothing. The thread that owns the context.
 */
#include "engine/scope-ops.h"

#include <math.h>
#include <string.h>

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

static const ScopeEpilogue no_epilogue = {0};

static gboolean
is_work(const ScopeContext *ctx, ScopeTensor t)
{
    return t.dtype == ctx->backend->work_dtype;
}

static gboolean
is_rows(ScopeTensor t)
{
    return t.ndim >= 1 && (t.stride[t.ndim - 1] == 1 || t.shape[t.ndim - 1] <= 1);
}

/* Merges all but the last dimension. */
static ScopeTensor
as_rows(ScopeTensor t)
{
    SCOPE_ASSERT(is_rows(t));
    int64_t d = t.shape[t.ndim - 1];
    int64_t n = 1;
    for (int i = 0; i + 1 < t.ndim; i++) {
        n *= t.shape[i];
    }
    return t.ndim == 2 ? t : scope_tensor_reshape(t, SCOPE_SHAPE(n, d));
}

static ScopeTensor
with_batch(ScopeTensor t, int ndim)
{
    if (t.ndim == ndim) {
        return t;
    }
    SCOPE_ASSERT(t.ndim == ndim - 1);
    for (int d = t.ndim; d > 0; d--) {
        t.shape[d] = t.shape[d - 1];
        t.stride[d] = t.stride[d - 1];
    }
    t.shape[0] = 1;
    t.stride[0] = 0;
    t.ndim = ndim;
    return t;
}

static gboolean
is_param(ScopeTensor t, int64_t n)
{
    return scope_tensor_is_none(t) ||
           (t.dtype == SCOPE_DTYPE_F32 && scope_tensor_n_elements(t) == n &&
            scope_tensor_is_contiguous(t));
}

static gboolean
is_modulation(ScopeTensor t, int64_t n_rows, int64_t rows_each, int64_t d)
{
    return scope_tensor_is_none(t) ||
           (t.dtype == SCOPE_DTYPE_F32 && t.ndim == 2 && is_rows(t) && t.shape[1] == d &&
            rows_each >= 1 && t.shape[0] * rows_each >= n_rows);
}

/* Brings the epilogue into row form for @n_rows rows of @d values and checks it. */
static ScopeEpilogue
check_epilogue(const ScopeContext *ctx, const ScopeEpilogue *epilogue, int64_t n_rows, int64_t d)
{
    ScopeEpilogue e = epilogue ? *epilogue : no_epilogue;
    SCOPE_ASSERT(is_modulation(e.gate, n_rows, e.gate_rows, d));
    if (!scope_tensor_is_none(e.residual)) {
        e.residual = as_rows(e.residual);
        SCOPE_ASSERT(is_work(ctx, e.residual) && e.residual.shape[0] == n_rows &&
                     e.residual.shape[1] == d);
    }
    return e;
}

void
scope_op_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                const ScopeEpilogue *epilogue)
{
    SCOPE_ASSERT(weight->kind == SCOPE_WEIGHT_KIND_LINEAR);
    y = as_rows(y);
    x = as_rows(x);
    SCOPE_ASSERT(is_work(ctx, y) && is_work(ctx, x));
    SCOPE_ASSERT(x.shape[1] == weight->n_in && y.shape[1] == weight->n_out);
    SCOPE_ASSERT(x.shape[0] == y.shape[0]);
    ScopeEpilogue e = check_epilogue(ctx, epilogue, y.shape[0], y.shape[1]);
    if (y.shape[0] > 0) {
        ctx->backend->linear(ctx, y, x, weight, &e);
    }
}

void
scope_op_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha)
{
    y = with_batch(y, 3);
    a = with_batch(a, 3);
    b = with_batch(b, 3);
    if (a.shape[0] == 1 && y.shape[0] != 1) {
        a = scope_tensor_broadcast(a, SCOPE_SHAPE(y.shape[0], a.shape[1], a.shape[2]));
    }
    if (b.shape[0] == 1 && y.shape[0] != 1) {
        b = scope_tensor_broadcast(b, SCOPE_SHAPE(y.shape[0], b.shape[1], b.shape[2]));
    }
    SCOPE_ASSERT(is_rows(y) && (is_work(ctx, y) || y.dtype == SCOPE_DTYPE_F32));
    SCOPE_ASSERT(a.dtype == y.dtype && b.dtype == y.dtype);
    SCOPE_ASSERT(a.shape[0] == y.shape[0] && b.shape[0] == y.shape[0]);
    SCOPE_ASSERT(a.shape[1] == y.shape[1] && b.shape[2] == y.shape[2] && a.shape[2] == b.shape[1]);
    ctx->backend->matmul(ctx, y, a, b, alpha);
}

void
scope_op_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
              const ScopeConvOptions *options)
{
    ScopeConvOptions o = options ? *options : (ScopeConvOptions){0};
    SCOPE_ASSERT(weight->kind == SCOPE_WEIGHT_KIND_CONV);
    SCOPE_ASSERT(x.ndim == 4 && y.ndim == 4 && is_work(ctx, x) && is_work(ctx, y));
    SCOPE_ASSERT(is_rows(x) && scope_tensor_is_contiguous(y));
    SCOPE_ASSERT(x.shape[3] == weight->n_in && y.shape[3] == weight->n_out);
    int64_t n_frames = x.shape[0], size[3];
    if (!scope_tensor_is_none(o.context)) {
        SCOPE_ASSERT(o.context.ndim == 4 && is_work(ctx, o.context) && is_rows(o.context));
        for (int d = 1; d < 4; d++) {
            SCOPE_ASSERT(o.context.shape[d] == x.shape[d]);
        }
        n_frames += o.context.shape[0];
    }
    scope_weight_conv_output_size(weight, n_frames, x.shape[1], x.shape[2], size);
    SCOPE_ASSERT(y.shape[0] == size[0] && y.shape[1] == size[1] && y.shape[2] == size[2]);
    o.epilogue = check_epilogue(ctx, &o.epilogue, size[0] * size[1] * size[2], weight->n_out);
    ctx->backend->conv(ctx, y, x, weight, &o);
}

void
scope_op_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                        const ScopeEpilogue *epilogue)
{
    SCOPE_ASSERT(weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE);
    SCOPE_ASSERT(x.ndim == 4 && y.ndim == 4 && is_work(ctx, x) && is_work(ctx, y));
    SCOPE_ASSERT(is_rows(x) && scope_tensor_is_contiguous(y));
    SCOPE_ASSERT(x.shape[3] == weight->n_in && y.shape[3] == weight->n_out);
    int64_t size[3];
    scope_weight_conv_output_size(weight, x.shape[0], x.shape[1], x.shape[2], size);
    SCOPE_ASSERT(y.shape[0] == size[0] && y.shape[1] == size[1] && y.shape[2] == size[2]);
    ScopeEpilogue e = check_epilogue(ctx, epilogue, size[0] * size[1] * size[2], weight->n_out);
    ctx->backend->conv_transpose(ctx, y, x, weight, &e);
}

void
scope_op_push_frames(ScopeContext *ctx, ScopeTensor state, ScopeTensor x)
{
    int64_t p = state.shape[0], n = x.shape[0];
    SCOPE_ASSERT(scope_tensor_is_contiguous(state));
    if (n < p) {
        scope_op_move_rows(ctx, state, 0, n, p - n);
        scope_op_copy(ctx, scope_tensor_slice(state, 0, p - n, p), x);
    } else {
        scope_op_copy(ctx, state, scope_tensor_slice(x, 0, n - p, n));
    }
}

void
scope_op_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                   const ScopeAttentionOptions *options)
{
    ScopeAttentionOptions o = *options;
    SCOPE_ASSERT(is_work(ctx, out) && is_work(ctx, q) && scope_tensor_same_shape(out, q));
    SCOPE_ASSERT(is_rows(out) && is_rows(q) && o.n_segments >= 1 && o.n_zero_keys >= 0);
    out = with_batch(out, 4);
    q = with_batch(q, 4);
    int64_t n_keys = 0;
    ScopeAttentionSegment segments[SCOPE_ATTENTION_MAX_SEGMENTS];
    SCOPE_ASSERT(o.n_segments <= SCOPE_ATTENTION_MAX_SEGMENTS);
    for (int i = 0; i < o.n_segments; i++) {
        ScopeAttentionSegment s = o.segments[i];
        SCOPE_ASSERT(s.k.ndim == s.v.ndim && scope_dtype_is_float(s.k.dtype));
        SCOPE_ASSERT(is_rows(s.k) && is_rows(s.v) && s.v.dtype == s.k.dtype);
        s.k = with_batch(s.k, 4);
        s.v = with_batch(s.v, 4);
        SCOPE_ASSERT(scope_tensor_same_shape(s.k, s.v) && s.k.shape[0] == q.shape[0]);
        SCOPE_ASSERT(s.k.shape[2] == q.shape[2] && s.k.shape[3] == q.shape[3]);
        n_keys += s.k.shape[1];
        segments[i] = s;
    }
    if (!scope_tensor_is_none(o.bias)) {
        SCOPE_ASSERT(o.bias.dtype == SCOPE_DTYPE_F32 && o.bias.ndim == 3);
        o.bias = scope_tensor_broadcast(o.bias, SCOPE_SHAPE(q.shape[2], q.shape[1], n_keys));
    }
    if (!scope_tensor_is_none(o.key_range)) {
        SCOPE_ASSERT(o.key_range.dtype == SCOPE_DTYPE_I32 && o.key_range.ndim == 2);
        SCOPE_ASSERT(o.key_range.shape[0] == q.shape[1] && o.key_range.shape[1] == 2);
        SCOPE_ASSERT(scope_tensor_is_contiguous(o.key_range));
    }
    o.segments = segments;
    ctx->backend->attention(ctx, out, q, &o);
}

/* Fills one row of cosines and sines in double and rounds once. */
static void
rope_axis(float *pairs, int n_pairs, int width, double theta, double position)
{
    for (int j = 0; j < n_pairs; j++) {
        double angle = position * pow(theta, -2.0 * j / width);
        pairs[2 * j] = (float)cos(angle);
        pairs[2 * j + 1] = (float)sin(angle);
    }
}

void
scope_op_rope_table(ScopeContext *ctx, ScopeTensor table, const ScopeRopeGrid *grid)
{
    int d = grid->head_dim, c = d / 2, ca = c / 3, cf = c - 2 * ca;
    int64_t n_tokens = grid->n_frames * grid->height * grid->width;
    SCOPE_ASSERT(d > 0 && d % 2 == 0 && table.dtype == SCOPE_DTYPE_F32 && table.ndim == 3);
    SCOPE_ASSERT(scope_tensor_is_contiguous(table) && table.shape[0] == n_tokens);
    SCOPE_ASSERT(table.shape[1] == c && table.shape[2] == 2);
    gboolean on_host = table.memory == SCOPE_MEMORY_HOST;
    g_autofree float *staging = on_host ? NULL : g_new(float, MAX(1, n_tokens * d));
    float *base = on_host ? table.data : staging;
    if (!base) {
        return; /* memory ran out, which is noted */
    }
    /* the first token of each frame, row and column computes its axis; the others copy it */
    int64_t hw = grid->height * grid->width, w = grid->width;
    for (int64_t i = 0; i < n_tokens; i++) {
        int64_t f = i / hw, y = i / w % grid->height, x = i % w;
        float *row = base + i * d;
        if (i % hw == 0) {
            rope_axis(row, cf, d - 4 * (d / 6), grid->theta, (double)(grid->start_frame + f));
        } else {
            memcpy(row, base + f * hw * d, (size_t)cf * 2 * sizeof(float));
        }
        if (f == 0 && x == 0) {
            rope_axis(row + 2 * cf, ca, 2 * (d / 6), grid->theta, (double)y);
        } else {
            memcpy(row + 2 * cf, base + y * w * d + 2 * cf, (size_t)ca * 2 * sizeof(float));
        }
        if (f == 0 && y == 0) {
            rope_axis(row + 2 * (cf + ca), ca, 2 * (d / 6), grid->theta, (double)x);
        } else {
            memcpy(row + 2 * (cf + ca), base + x * d + 2 * (cf + ca),
                   (size_t)ca * 2 * sizeof(float));
        }
    }
    if (!on_host) {
        scope_context_upload(ctx, table, staging);
    }
}

void
scope_op_rope(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table)
{
    SCOPE_ASSERT(is_work(ctx, y) && is_work(ctx, x) && y.ndim == 3 && is_rows(y) && is_rows(x));
    SCOPE_ASSERT(scope_tensor_same_shape(y, x) && table.dtype == SCOPE_DTYPE_F32);
    SCOPE_ASSERT(table.ndim == 3 && table.shape[0] == x.shape[0]);
    SCOPE_ASSERT(table.shape[1] * 2 == x.shape[2] && scope_tensor_is_contiguous(table));
    ctx->backend->rope(ctx, y, x, table);
}

void
scope_op_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeNormOptions *options)
{
    y = as_rows(y);
    x = as_rows(x);
    int64_t n = x.shape[0], d = x.shape[1];
    SCOPE_ASSERT(is_work(ctx, y) && is_work(ctx, x) && scope_tensor_same_shape(y, x) && d > 0);
    SCOPE_ASSERT(is_param(options->weight, d) && is_param(options->bias, d));
    SCOPE_ASSERT(is_modulation(options->scale, n, options->modulation_rows, d));
    SCOPE_ASSERT(is_modulation(options->shift, n, options->modulation_rows, d));
    ctx->backend->norm(ctx, y, x, options);
}

void
scope_op_group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                    const ScopeGroupNormOptions *options)
{
    SCOPE_ASSERT(is_work(ctx, y) && is_work(ctx, x) && scope_tensor_same_shape(y, x));
    SCOPE_ASSERT(x.ndim == 4 && scope_tensor_is_contiguous(x) && scope_tensor_is_contiguous(y));
    SCOPE_ASSERT(options->n_groups >= 1 && x.shape[3] % options->n_groups == 0);
    SCOPE_ASSERT(is_param(options->weight, x.shape[3]) && is_param(options->bias, x.shape[3]));
    ctx->backend->group_norm(ctx, y, x, options);
}

void
scope_op_softmax(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    y = as_rows(y);
    x = as_rows(x);
    SCOPE_ASSERT(is_work(ctx, y) && is_work(ctx, x) && scope_tensor_same_shape(y, x));
    ctx->backend->softmax(ctx, y, x);
}
