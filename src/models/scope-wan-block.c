/* SPDX-License-Identifier: Apache-2.0 */
/* One transformer block: modulated self-attention, cross-attention, feed-forward. Worker thread. */
#include <math.h>

#include "engine/scope-assert.h"
#include "models/scope-wan-model-private.h"

/* Rows of the modulation of a block, in the order of the checkpoint. */
enum {
    SHIFT_ATTN = 0,
    SCALE_ATTN,
    GATE_ATTN,
    SHIFT_FFN,
    SCALE_FFN,
    GATE_FFN,
};

static ScopeTensor
scratch_rows(const ScopeWanScope *s, int64_t n_rows, int64_t width)
{
    return scope_context_scratch(s->ctx, scope_context_work_dtype(s->ctx),
                                 SCOPE_SHAPE(n_rows, width));
}

static ScopeTensor
as_heads(const ScopeWanScope *s, ScopeTensor rows)
{
    const ScopeWanConfig *c = &s->model->config;

    return scope_tensor_reshape(
        rows, SCOPE_SHAPE(scope_tensor_dim(rows, 0), c->n_heads, c->dim / c->n_heads));
}

static void
rms(const ScopeWanScope *s, ScopeTensor x, ScopeTensor weight)
{
    ScopeNormOptions norm = {
        .kind = SCOPE_NORM_RMS, .eps = (float)s->model->config.eps, .weight = weight};

    scope_op_norm(s->ctx, x, x, &norm);
}

static void
show(const ScopeWanScope *s, const char *block, const char *name, ScopeTensor x)
{
    if (block != NULL) {
        scope_model_tap(s->pass->tap, x, "%s.%s", block, name);
    }
}

/* A layer norm without the modulation that the block fuses into it; for a tap only. */
static void
show_norm(const ScopeWanScope *s, const char *block, const char *name, ScopeTensor x)
{
    if (block != NULL) {
        ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
        ScopeTensor y = scratch_rows(s, scope_tensor_dim(x, 0), scope_tensor_dim(x, 1));
        ScopeNormOptions norm = {.kind = SCOPE_NORM_LAYER, .eps = (float)s->model->config.eps};
        scope_op_norm(s->ctx, y, x, &norm);
        show(s, block, name, y);
        scope_arena_release(s->ctx->scratch, mark);
    }
}

/* A linear without the gate and residual that the block fuses into it; for a tap only. */
static void
show_linear(const ScopeWanScope *s, const char *block, const char *name,
            const ScopeWanLinear *linear, ScopeTensor x)
{
    if (block != NULL) {
        ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
        ScopeTensor y = scratch_rows(s, scope_tensor_dim(x, 0), linear->weight.n_out);
        scope_wan_linear_run(s->ctx, y, x, linear, NULL, s->pass->lora_scales);
        show(s, block, name, y);
        scope_arena_release(s->ctx->scratch, mark);
    }
}

static void
modulated_norm(const ScopeWanScope *s, ScopeTensor y, ScopeTensor x, ScopeTensor m, int shift,
               int scale)
{
    ScopeNormOptions norm = {
        .kind = SCOPE_NORM_LAYER,
        .eps = (float)s->model->config.eps,
        .shift = scope_tensor_select(m, 1, shift),
        .scale = scope_tensor_select(m, 1, scale),
        .modulation_rows = s->modulation_rows,
    };

    scope_op_norm(s->ctx, y, x, &norm);
}

/* -- self-attention --------------------------------------------------------------------------- */

static void
attend(const ScopeWanScope *s, ScopeTensor out, ScopeTensor q, ScopeTensor k, ScopeTensor v,
       ScopeTensor bias, int64_t n_zero_keys)
{
    ScopeAttentionSegment segment = {.k = k, .v = v};
    ScopeAttentionOptions options = {
        .scale = 1.0f / sqrtf((float)scope_tensor_dim(q, 2)),
        .segments = &segment,
        .n_segments = 1,
        .bias = bias,
        .n_zero_keys = n_zero_keys,
    };

    scope_op_attention(s->ctx, out, q, &options);
}

/* A window shorter than a block: its early tokens see themselves and the window only. */
static ScopeTensor
narrow_mask(const ScopeWanScope *s, int64_t n_queries, int64_t n_keys, int64_t first_query,
            int64_t window)
{
    ScopeTensor mask =
        scope_context_scratch(s->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, n_queries, n_keys));

    scope_op_fill(s->ctx, mask, 0.0f);
    scope_op_fill(s->ctx, scope_tensor_slice(mask, 2, 0, MAX(n_keys - window, 0)), -INFINITY);
    ScopeTensor diagonal = scope_tensor_as_strided(
        mask, first_query, SCOPE_SHAPE(MIN(n_queries, n_keys - first_query)),
        (const int64_t[]){n_keys + 1});
    scope_op_fill(s->ctx, diagonal, 0.0f);
    return mask;
}

/* Training form: blocks of frames see their own and earlier blocks, all or a window of them. */
static void
attend_blocks(const ScopeWanScope *s, ScopeTensor out, ScopeTensor q, ScopeTensor k, ScopeTensor v)
{
    const ScopeWanPass *pass = s->pass;
    int64_t fs = s->height * s->width, block = pass->block_frames * fs, n = s->n_tokens;
    int64_t padded = (n + 127) / 128 * 128;
    gboolean windowed = pass->window_frames != SCOPE_WAN_WINDOW_ALL;

    for (int64_t begin = 0; begin < n; begin += block) {
        ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
        int64_t end = begin + block, q_end = MIN(end, n);
        int64_t window = windowed ? pass->window_frames * fs : end;
        /* the reference pads the sequence: an incomplete last block sees zero keys */
        int64_t n_zero_keys = MIN(end, padded) - MIN(MIN(end, padded), n);
        int64_t k_begin = MIN(MAX(end - window, 0), begin);
        ScopeTensor bias = SCOPE_TENSOR_NONE;
        if (end - window > begin) {
            bias = narrow_mask(s, q_end - begin, q_end - k_begin, begin - k_begin,
                               MAX(q_end - (end - window), 0));
        }
        attend(s, scope_tensor_slice(out, 0, begin, q_end), scope_tensor_slice(q, 0, begin, q_end),
               scope_tensor_slice(k, 0, k_begin, q_end), scope_tensor_slice(v, 0, k_begin, q_end),
               bias, n_zero_keys);
        scope_arena_release(s->ctx->scratch, mark);
    }
}

static void
attend_self(const ScopeWanScope *s, int layer, ScopeWanCache *cache, ScopeTensor out, ScopeTensor q,
            ScopeTensor k, ScopeTensor v)
{
    if (cache != NULL && !s->pass->fill_cache) {
        scope_wan_cache_attend(cache, s->ctx, layer, out, q, k, v);
        return;
    }
    scope_op_rope(s->ctx, q, q, s->rope);
    scope_op_rope(s->ctx, k, k, s->rope);
    if (cache != NULL) {
        scope_wan_cache_fill(cache, s->ctx, layer, k, v);
    }
    if (s->pass->block_frames > 0) {
        attend_blocks(s, out, q, k, v);
    } else {
        attend(s, out, q, k, v, SCOPE_TENSOR_NONE, s->n_zero_keys);
    }
}

/* x += gate * o(attention(norm(x))). */
static void
run_self_attention(const ScopeWanScope *s, const ScopeWanBlock *b, int layer, ScopeTensor x,
                   ScopeTensor m, ScopeWanCache *cache, const char *tap)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    const ScopeWanAttention *a = &b->self_attn;
    const float *lora = s->pass->lora_scales;
    int64_t n = scope_tensor_dim(x, 0), dim = scope_tensor_dim(x, 1);
    ScopeTensor in = scratch_rows(s, n, dim), q = scratch_rows(s, n, dim);
    ScopeTensor k = scratch_rows(s, n, dim), v = scratch_rows(s, n, dim);

    show_norm(s, tap, "norm1", x);
    modulated_norm(s, in, x, m, SHIFT_ATTN, SCALE_ATTN);
    show(s, tap, "self_attn.in", in);
    scope_wan_linear_run(s->ctx, q, in, &a->q, NULL, lora);
    scope_wan_linear_run(s->ctx, k, in, &a->k, NULL, lora);
    scope_wan_linear_run(s->ctx, v, in, &a->v, NULL, lora);
    rms(s, q, a->norm_q);
    rms(s, k, a->norm_k);
    show(s, tap, "self_attn.q_normed", q);
    show(s, tap, "self_attn.k_normed", k);
    show(s, tap, "self_attn.v", v);
    ScopeTensor out = in; /* its contents have been used */
    attend_self(s, layer, cache, as_heads(s, out), as_heads(s, q), as_heads(s, k), as_heads(s, v));
    show(s, tap, "self_attn.attn", out);
    show_linear(s, tap, "self_attn.out", &a->o, out);
    ScopeEpilogue add = {
        .gate = scope_tensor_select(m, 1, GATE_ATTN),
        .gate_rows = s->modulation_rows,
        .residual = x,
    };
    scope_wan_linear_run(s->ctx, x, out, &a->o, &add, lora);
    scope_arena_release(s->ctx->scratch, mark);
}

/* -- cross-attention -------------------------------------------------------------------------- */

/* Keys and values of the prompt for one block, rows that repeat computed once. */
static void
fill_cross(const ScopeWanScope *s, const ScopeWanBlock *b, int layer, ScopeWanCross *cross,
           const char *tap)
{
    const ScopeWanText *text = s->pass->text;
    const ScopeWanAttention *a = &b->cross_attn;
    const float *lora = s->pass->lora_scales;
    int64_t length = scope_tensor_dim(text->context, 0), dim = scope_tensor_dim(text->context, 1);
    int64_t n = MIN(text->n_rows + 1, length);
    ScopeTensor k =
        scope_tensor_reshape(scope_tensor_select(cross->k, 0, layer), SCOPE_SHAPE(length, dim));
    ScopeTensor v =
        scope_tensor_reshape(scope_tensor_select(cross->v, 0, layer), SCOPE_SHAPE(length, dim));
    ScopeTensor rows = scope_tensor_slice(text->context, 0, 0, n);

    scope_wan_linear_run(s->ctx, scope_tensor_slice(k, 0, 0, n), rows, &a->k, NULL, lora);
    scope_wan_linear_run(s->ctx, scope_tensor_slice(v, 0, 0, n), rows, &a->v, NULL, lora);
    rms(s, scope_tensor_slice(k, 0, 0, n), a->norm_k);
    if (n < length) {
        ScopeTensor last_k = scope_tensor_slice(k, 0, n - 1, n);
        ScopeTensor last_v = scope_tensor_slice(v, 0, n - 1, n);
        scope_op_copy(s->ctx, scope_tensor_slice(k, 0, n, length),
                      scope_tensor_broadcast(last_k, SCOPE_SHAPE(length - n, dim)));
        scope_op_copy(s->ctx, scope_tensor_slice(v, 0, n, length),
                      scope_tensor_broadcast(last_v, SCOPE_SHAPE(length - n, dim)));
    }
    cross->n_rows = text->n_rows;
    show(s, tap, "cross_attn.k_normed", k);
}

/* x += o(attention(norm3(x), prompt)). */
static void
run_cross_attention(const ScopeWanScope *s, const ScopeWanBlock *b, int layer, ScopeWanCross *cross,
                    ScopeTensor x, const char *tap)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    const ScopeWanAttention *a = &b->cross_attn;
    const float *lora = s->pass->lora_scales;
    int64_t n = scope_tensor_dim(x, 0), dim = scope_tensor_dim(x, 1);
    ScopeTensor in = scratch_rows(s, n, dim), q = scratch_rows(s, n, dim);
    ScopeNormOptions norm = {
        .kind = SCOPE_NORM_LAYER,
        .eps = (float)s->model->config.eps,
        .weight = b->norm3_weight,
        .bias = b->norm3_bias,
    };

    if (!cross->filled) {
        fill_cross(s, b, layer, cross, tap);
    }
    scope_op_norm(s->ctx, in, x, &norm);
    show(s, tap, "norm3", in);
    scope_wan_linear_run(s->ctx, q, in, &a->q, NULL, lora);
    rms(s, q, a->norm_q);
    show(s, tap, "cross_attn.q_normed", q);

    /* the padding rows are equal: one key that counts as many */
    ScopeTensor k = scope_tensor_select(cross->k, 0, layer);
    ScopeTensor v = scope_tensor_select(cross->v, 0, layer);
    int64_t length = scope_tensor_dim(k, 0), distinct = MIN(cross->n_rows, length);
    int64_t last = MIN(distinct + 1, length);
    ScopeAttentionSegment segments[2] = {
        {.k = scope_tensor_slice(k, 0, 0, distinct), .v = scope_tensor_slice(v, 0, 0, distinct)},
        {.k = scope_tensor_slice(k, 0, distinct, last),
         .v = scope_tensor_slice(v, 0, distinct, last),
         .log_bias = last > distinct ? logf((float)(length - distinct)) : 0.0f},
    };
    ScopeAttentionOptions options = {
        .scale = 1.0f / sqrtf((float)scope_tensor_dim(k, 2)),
        .segments = segments,
        .n_segments = last > distinct ? 2 : 1,
    };
    ScopeTensor out = in;
    scope_op_attention(s->ctx, as_heads(s, out), as_heads(s, q), &options);
    show(s, tap, "cross_attn.attn", out);
    show_linear(s, tap, "cross_attn.out", &a->o, out);
    ScopeEpilogue add = {.residual = x};
    scope_wan_linear_run(s->ctx, x, out, &a->o, &add, lora);
    scope_arena_release(s->ctx->scratch, mark);
}

/* -- feed-forward ----------------------------------------------------------------------------- */

static void
run_ffn(const ScopeWanScope *s, const ScopeWanBlock *b, ScopeTensor x, ScopeTensor m,
        const char *tap)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    const float *lora = s->pass->lora_scales;
    int64_t n = scope_tensor_dim(x, 0), dim = scope_tensor_dim(x, 1);
    ScopeTensor in = scratch_rows(s, n, dim);
    ScopeTensor hidden = scratch_rows(s, n, b->ffn_in.weight.n_out);
    ScopeEpilogue gelu = {.activation = SCOPE_ACTIVATION_GELU_TANH};

    show_norm(s, tap, "norm2", x);
    modulated_norm(s, in, x, m, SHIFT_FFN, SCALE_FFN);
    show(s, tap, "ffn.in", in);
    scope_wan_linear_run(s->ctx, hidden, in, &b->ffn_in, &gelu, lora);
    show(s, tap, "ffn.hidden", hidden);
    show_linear(s, tap, "ffn.out", &b->ffn_out, hidden);
    ScopeEpilogue add = {
        .gate = scope_tensor_select(m, 1, GATE_FFN),
        .gate_rows = s->modulation_rows,
        .residual = x,
    };
    scope_wan_linear_run(s->ctx, x, hidden, &b->ffn_out, &add, lora);
    scope_arena_release(s->ctx->scratch, mark);
}

void
scope_wan_block_run(const ScopeWanScope *s, const ScopeWanBlock *b, int layer, ScopeWanCross *cross,
                    ScopeTensor x, ScopeWanCache *cache, const char *tap_name)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    const char *tap = s->pass->tap != NULL && s->pass->tap->fn != NULL ? tap_name : NULL;
    ScopeTensor m = scope_context_scratch(s->ctx, SCOPE_DTYPE_F32, s->e0.ndim, s->e0.shape);

    show(s, tap, "in", x);
    scope_op_add(s->ctx, m, s->e0, b->modulation);
    run_self_attention(s, b, layer, x, m, cache, tap);
    run_cross_attention(s, b, layer, cross, x, tap);
    run_ffn(s, b, x, m, tap);
    show(s, tap, "out", x);
    scope_arena_release(s->ctx->scratch, mark);
}
