/* SPDX-License-Identifier: Apache-2.0 */
/* What surrounds the blocks of a Wan transformer: patches to tokens, timestep and prompt to
 * embeddings, tokens to the flow. Worker thread. */
#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-wan-model-private.h"

#define PATCH SCOPE_WAN_PATCH

/* -- patches ---------------------------------------------------------------------------------- */

void
scope_wan_embed_patches(ScopeContext *ctx, ScopeTensor tokens, ScopeTensor latents,
                        const ScopeWanLinear *weight, const float *lora_scales)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_frames = latents.shape[0], channels = latents.shape[1];
    int64_t h = latents.shape[2] / PATCH, w = latents.shape[3] / PATCH;
    ScopeTensor patches = scope_context_scratch(
        ctx, scope_context_work_dtype(ctx), SCOPE_SHAPE(n_frames, h, w, channels, PATCH, PATCH));
    ScopeTensor view =
        scope_tensor_reshape(latents, SCOPE_SHAPE(n_frames, channels, h, PATCH, w, PATCH));

    scope_op_copy(ctx, patches, scope_tensor_permute(view, SCOPE_ORDER(0, 2, 4, 1, 3, 5)));
    patches =
        scope_tensor_reshape(patches, SCOPE_SHAPE(n_frames * h * w, channels * PATCH * PATCH));
    scope_wan_linear_run(ctx, tokens, patches, weight, NULL, lora_scales);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_wan_embed_places(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor tokens,
                       int64_t n_frames, int64_t h, int64_t w)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t dim = model->config.dim;
    ScopeTensor table = model->places;
    ScopeTensor rows = scope_tensor_reshape(tokens, SCOPE_SHAPE(n_frames, h * w, dim));
    ScopeResizeOptions bilinear = {.mode = SCOPE_RESIZE_BILINEAR};

    if (scope_tensor_is_none(table)) {
        return;
    }
    if (h != table.shape[1] || w != table.shape[2]) {
        ScopeTensor resized =
            scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, h, w, dim));
        scope_op_resize(ctx, resized, table, &bilinear);
        table = resized;
    }
    scope_op_add(ctx, rows, rows, scope_tensor_reshape(table, SCOPE_SHAPE(h * w, dim)));
    scope_arena_release(ctx->scratch, mark);
}

void
scope_wan_unpatchify(ScopeContext *ctx, ScopeTensor flow, ScopeTensor rows)
{
    int64_t n_frames = flow.shape[0], channels = flow.shape[1];
    int64_t h = flow.shape[2] / PATCH, w = flow.shape[3] / PATCH;
    ScopeTensor from =
        scope_tensor_reshape(rows, SCOPE_SHAPE(n_frames, h, w, PATCH, PATCH, channels));
    ScopeTensor to =
        scope_tensor_reshape(flow, SCOPE_SHAPE(n_frames, channels, h, PATCH, w, PATCH));

    scope_op_copy(ctx, to, scope_tensor_permute(from, SCOPE_ORDER(0, 5, 1, 3, 2, 4)));
}

/* -- timestep --------------------------------------------------------------------------------- */

void
scope_wan_sinusoid(double timestep, int freq_dim, float *ret_row)
{
    int half = freq_dim / 2;

    for (int i = 0; i < half; i++) {
        double angle = timestep * pow(10000.0, -(double)i / half);
        ret_row[i] = (float)cos(angle);
        ret_row[half + i] = (float)sin(angle);
    }
}

void
scope_wan_embed_time(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor e, ScopeTensor e0,
                     const float *timesteps, ScopeTensor pooled, const float *lora_scales)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeWanConfig *config = &model->config;
    ScopeDType work = scope_context_work_dtype(ctx);
    int64_t n = scope_tensor_dim(e, 0);
    ScopeEpilogue silu = {.activation = SCOPE_ACTIVATION_SILU};
    ScopeTensor waves = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, config->freq_dim));
    ScopeTensor hidden = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, config->dim));
    ScopeTensor wide = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, config->dim));
    ScopeTensor six = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, 6 * config->dim));

    for (int64_t i = 0; i < n; i++) {
        float row[SCOPE_WAN_MAX_FREQ_DIM];
        scope_wan_sinusoid(timesteps[i], config->freq_dim, row);
        scope_op_copy(ctx, scope_tensor_select(waves, 0, i),
                      scope_tensor_wrap(SCOPE_DTYPE_F32, row, SCOPE_SHAPE(config->freq_dim)));
    }
    scope_wan_linear_run(ctx, hidden, waves, &model->time_in, &silu, lora_scales);
    scope_wan_linear_run(ctx, wide, hidden, &model->time_out, NULL, lora_scales);
    scope_op_copy(ctx, e, wide);
    if (!scope_tensor_is_none(pooled)) {
        scope_op_add(ctx, e, e, pooled);
        scope_op_copy(ctx, wide, e);
    }
    scope_op_activation(ctx, wide, wide, SCOPE_ACTIVATION_SILU);
    scope_wan_linear_run(ctx, six, wide, &model->time_projection, NULL, lora_scales);
    scope_op_copy(ctx, e0, scope_tensor_reshape(six, SCOPE_SHAPE(n, 6, config->dim)));
    scope_arena_release(ctx->scratch, mark);
}

/* -- prompt ----------------------------------------------------------------------------------- */

/* The sum of the prompt's rows at even size, through its linear. */
static void
embed_pooled(ScopeContext *ctx, const ScopeWanModel *model, ScopeWanText *text)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeNormOptions norm = {.kind = SCOPE_NORM_RMS, .eps = (float)model->config.eps};

    if (scope_tensor_is_none(model->pooled_embedding)) {
        return;
    }
    ScopeTensor sum =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, model->config.text_dim));
    scope_op_reduce(ctx, SCOPE_REDUCE_SUM, sum,
                    scope_tensor_slice(text->prompt, 0, 0, MAX(text->n_rows, 1)));
    scope_op_norm(ctx, sum, sum, &norm);
    scope_op_matmul(ctx, text->pooled, sum, scope_tensor_transpose(model->pooled_embedding, 0, 1),
                    1.0f);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_wan_embed_text(ScopeContext *ctx, const ScopeWanModel *model, ScopeWanText *text,
                     const float *lora_scales)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType work = scope_context_work_dtype(ctx);
    int64_t length = scope_tensor_dim(text->prompt, 0), dim = scope_tensor_dim(text->context, 1);
    int64_t n = MIN(text->n_rows + 1, length);
    ScopeEpilogue gelu = {.activation = SCOPE_ACTIVATION_GELU_TANH};

    if (text->context_valid) {
        return;
    }
    /* padding rows are all alike: one is computed and repeated */
    ScopeTensor rows = scope_tensor_slice(text->prompt, 0, 0, n);
    if (rows.dtype != work) {
        ScopeTensor narrow = scope_context_scratch(ctx, work, rows.ndim, rows.shape);
        scope_op_copy(ctx, narrow, rows);
        rows = narrow;
    }
    ScopeTensor hidden = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, dim));
    ScopeTensor context = scope_tensor_slice(text->context, 0, 0, n);
    scope_wan_linear_run(ctx, hidden, rows, &model->text_in, &gelu, lora_scales);
    scope_wan_linear_run(ctx, context, hidden, &model->text_out, NULL, lora_scales);
    if (n < length) {
        ScopeTensor last = scope_tensor_slice(text->context, 0, n - 1, n);
        scope_op_copy(ctx, scope_tensor_slice(text->context, 0, n, length),
                      scope_tensor_broadcast(last, SCOPE_SHAPE(length - n, dim)));
    }
    embed_pooled(ctx, model, text);
    text->context_valid = TRUE;
    scope_arena_release(ctx->scratch, mark);
}

/* -- head ------------------------------------------------------------------------------------- */

void
scope_wan_head(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor out, ScopeTensor tokens,
               ScopeTensor e, const float *lora_scales)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_groups = scope_tensor_dim(e, 0), dim = model->config.dim;
    ScopeTensor m = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_groups, 2, dim));
    ScopeTensor normed =
        scope_context_scratch(ctx, scope_context_work_dtype(ctx), tokens.ndim, tokens.shape);

    scope_op_add(ctx, m, scope_tensor_reshape(e, SCOPE_SHAPE(n_groups, 1, dim)),
                 model->head_modulation);
    ScopeNormOptions norm = {
        .kind = SCOPE_NORM_LAYER,
        .eps = (float)model->config.eps,
        .shift = scope_tensor_select(m, 1, 0),
        .scale = scope_tensor_select(m, 1, 1),
        .modulation_rows = scope_tensor_dim(tokens, 0) / n_groups,
    };
    scope_op_norm(ctx, normed, tokens, &norm);
    scope_wan_linear_run(ctx, out, normed, &model->head, NULL, lora_scales);
    scope_arena_release(ctx->scratch, mark);
}
