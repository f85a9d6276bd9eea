/* SPDX-License-Identifier: Apache-2.0 */
/* The motion modules of Video-Depth-Anything: attention along time, for each pixel on its own, over
 * the frames of a window or over remembered frames and the current one. Worker thread. */
#include "models/scope-vda-private.h"

#include <math.h>

#include "engine/scope-ops.h"

typedef struct {
    ScopeContext *ctx;
    const ScopeVda *vda;
    const ScopeVdaMotion *motion;
    ScopeVdaCache *cache; /* (nullable) */
    int index;
    int64_t n, pixels, n_history;
} Pass;

void
scope_vda_motion_shape(const ScopeVda *vda, int index, int64_t grid_h, int64_t grid_w,
                       int64_t ret_shape[3])
{
    ret_shape[0] = index == 1 ? (grid_h + 1) / 2 : index == 3 ? 2 * grid_h : grid_h;
    ret_shape[1] = index == 1 ? (grid_w + 1) / 2 : index == 3 ? 2 * grid_w : grid_w;
    ret_shape[2] = vda->motion[index].width;
}

static ScopeTensor
rows(Pass *pass, int64_t n, int64_t width)
{
    return scope_context_scratch(pass->ctx, scope_context_work_dtype(pass->ctx),
                                 SCOPE_SHAPE(n, pass->pixels, width));
}

static void
norm(Pass *pass, ScopeTensor y, ScopeTensor x, ScopeTensor weight, ScopeTensor bias)
{
    const ScopeNormOptions options = {
        .kind = SCOPE_NORM_LAYER, .eps = 1e-5f, .weight = weight, .bias = bias};

    scope_op_norm(pass->ctx, y, x, &options);
}

/* Remembered and current keys (or values) with the part of their positions: [frames, pixels, C].
 * @current is stored in the cache. */
static ScopeTensor
gather(Pass *pass, ScopeTensor current, ScopeTensor positions, ScopeTensor remembered)
{
    int64_t history = pass->n_history, n = history + pass->n;
    ScopeTensor all = rows(pass, n, current.shape[2]);

    for (int64_t i = 0; i < history; i++) {
        scope_op_add(
            pass->ctx, scope_tensor_slice(all, 0, i, i + 1),
            scope_tensor_slice(remembered, 0, pass->cache->history[i], pass->cache->history[i] + 1),
            scope_tensor_slice(positions, 0, i, i + 1));
    }
    scope_op_add(pass->ctx, scope_tensor_slice(all, 0, history, n), current,
                 scope_tensor_slice(positions, 0, history, n));
    if (pass->cache != NULL) {
        int slot = pass->cache->store;
        scope_op_copy(pass->ctx, scope_tensor_slice(remembered, 0, slot, slot + 1), current);
    }
    return all;
}

/* [frames, pixels, C] as [pixels, frames, heads, d]. */
static ScopeTensor
by_pixel(Pass *pass, ScopeTensor t)
{
    int64_t heads = pass->vda->options.n_motion_heads;

    t = scope_tensor_transpose(t, 0, 1);
    return scope_tensor_reshape(t, SCOPE_SHAPE(t.shape[0], t.shape[1], heads, t.shape[2] / heads));
}

static void
attend(Pass *pass, int index, ScopeTensor x)
{
    ScopeContext *ctx = pass->ctx;
    const ScopeVdaAttention *a = &pass->motion->attention[index];
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n = pass->n, c = pass->motion->width, history = pass->n_history;
    ScopeTensor y = rows(pass, n, c), q = rows(pass, n, c), kv = rows(pass, n, c);
    ScopeTensor none = SCOPE_TENSOR_NONE;
    ScopeAttentionSegment segment = {.log_bias = 0};
    ScopeAttentionOptions options = {.scale = 1.0f /
                                              sqrtf((float)(c / pass->vda->options.n_motion_heads)),
                                     .segments = &segment,
                                     .n_segments = 1};
    const ScopeEpilogue residual = {.residual = x};

    norm(pass, y, x, a->norm_weight, a->norm_bias);
    scope_op_linear(ctx, q, y, &a->q, NULL);
    scope_op_add(ctx, q, q, scope_tensor_slice(a->position_q, 0, history, history + n));
    scope_op_linear(ctx, kv, y, &a->k, NULL);
    segment.k =
        by_pixel(pass, gather(pass, kv, a->position_k,
                              pass->cache != NULL ? pass->cache->k[pass->index][index] : none));
    scope_op_linear(ctx, kv, y, &a->v, NULL);
    segment.v =
        by_pixel(pass, gather(pass, kv, a->position_v,
                              pass->cache != NULL ? pass->cache->v[pass->index][index] : none));
    scope_op_attention(ctx, by_pixel(pass, y), by_pixel(pass, q), &options);
    scope_op_linear(ctx, x, y, &a->out, &residual);
    scope_arena_release(ctx->scratch, mark);
}

static void
feed_forward(Pass *pass, ScopeTensor x)
{
    ScopeContext *ctx = pass->ctx;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n = pass->n, wide = pass->motion->ff_in.n_out;
    ScopeTensor y = rows(pass, n, pass->motion->width), both = rows(pass, n, wide);
    ScopeTensor gated = rows(pass, n, wide / 2);
    const ScopeEpilogue residual = {.residual = x};

    norm(pass, y, x, pass->motion->ff_norm_weight, pass->motion->ff_norm_bias);
    scope_op_linear(ctx, both, y, &pass->motion->ff_in, NULL);
    scope_op_glu(ctx, gated, scope_tensor_slice(both, 2, 0, wide / 2),
                 scope_tensor_slice(both, 2, wide / 2, wide), SCOPE_ACTIVATION_GELU_ERF);
    scope_op_linear(ctx, x, gated, &pass->motion->ff_out, &residual);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_vda_run_motion(ScopeContext *ctx, const ScopeVda *vda, int index, ScopeTensor x,
                     ScopeVdaCache *cache)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeVdaMotion *motion = &vda->motion[index];
    Pass pass = {.ctx = ctx,
                 .vda = vda,
                 .motion = motion,
                 .cache = cache,
                 .index = index,
                 .n = x.shape[0],
                 .pixels = x.shape[1] * x.shape[2],
                 .n_history = cache != NULL ? cache->n_history : 0};
    const ScopeGroupNormOptions groups = {.n_groups = vda->options.n_groups,
                                          .eps = 1e-6f,
                                          .weight = motion->norm_weight,
                                          .bias = motion->norm_bias};
    ScopeTensor normed = scope_context_scratch(ctx, scope_context_work_dtype(ctx), x.ndim, x.shape);
    ScopeTensor tokens = rows(&pass, pass.n, motion->width);
    ScopeTensor flat = scope_tensor_reshape(x, tokens.ndim, tokens.shape);
    const ScopeEpilogue residual = {.residual = flat};

    scope_op_group_norm(ctx, normed, x, &groups);
    scope_op_linear(ctx, tokens, scope_tensor_reshape(normed, tokens.ndim, tokens.shape),
                    &motion->proj_in, NULL);
    for (int i = 0; i < SCOPE_VDA_N_ATTENTION; i++) {
        attend(&pass, i, tokens);
    }
    feed_forward(&pass, tokens);
    scope_op_linear(ctx, flat, tokens, &motion->proj_out, &residual);
    scope_arena_release(ctx->scratch, mark);
}
