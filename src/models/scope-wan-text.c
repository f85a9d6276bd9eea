/* SPDX-License-Identifier: Apache-2.0 */
/* Prompt, text context and cross-attention cache of a session. Worker thread. */
#include "models/scope-wan-text.h"

#include "engine/scope-assert.h"

static void
init_cross(ScopeWanCross *cross, ScopeContext *ctx, const ScopeWanConfig *config, int n_blocks,
           ScopeArena *arena)
{
    int64_t head_dim = config->dim / config->n_heads;

    *cross = (ScopeWanCross){0};
    if (n_blocks == 0) {
        return;
    }
    ScopeDType work = scope_context_work_dtype(ctx);
    cross->k = scope_arena_alloc(
        arena, work, SCOPE_SHAPE(n_blocks, config->text_len, config->n_heads, head_dim));
    cross->v = scope_arena_alloc(arena, work, cross->k.ndim, cross->k.shape);
    scope_op_fill(ctx, cross->k, 0.0f);
    scope_op_fill(ctx, cross->v, 0.0f);
}

void
scope_wan_text_init(ScopeWanText *text, ScopeContext *ctx, const ScopeWanConfig *config,
                    ScopeArena *arena)
{
    *text = (ScopeWanText){0};
    text->prompt =
        scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(config->text_len, config->text_dim));
    text->context = scope_arena_alloc(arena, scope_context_work_dtype(ctx),
                                      SCOPE_SHAPE(config->text_len, config->dim));
    text->pooled = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, config->dim));
    scope_op_fill(ctx, text->prompt, 0.0f);
    init_cross(&text->main, ctx, config, config->n_layers, arena);
    init_cross(&text->vace, ctx, config, config->n_vace_layers, arena);
}

size_t
scope_wan_text_n_bytes(const ScopeContext *ctx, const ScopeWanConfig *config)
{
    size_t work = scope_dtype_size(scope_context_work_dtype(ctx));
    size_t rows = (size_t)config->text_len;
    size_t n_blocks = (size_t)(config->n_layers + config->n_vace_layers);

    return rows * (size_t)config->text_dim * sizeof(float) +
           rows * (size_t)config->dim * work * (1 + 2 * n_blocks) +
           (size_t)config->dim * sizeof(float) + 8 * 64;
}

/* Rows before the zero rows at the end. */
static int64_t
count_rows(ScopeTensor rows)
{
    const float *values = rows.data;
    int64_t width = scope_tensor_dim(rows, 1), n = scope_tensor_n_elements(rows);

    while (n > 0 && values[n - 1] == 0.0f) {
        n--;
    }
    return (n + width - 1) / width;
}

void
scope_wan_text_set_prompt(ScopeWanText *text, ScopeContext *ctx, ScopeTensor rows)
{
    int64_t n = scope_tensor_dim(rows, 0), length = scope_tensor_dim(text->prompt, 0);

    SCOPE_ASSERT(rows.ndim == 2 && rows.dtype == SCOPE_DTYPE_F32 &&
                 rows.memory == SCOPE_MEMORY_HOST && scope_tensor_is_contiguous(rows) &&
                 n <= length && scope_tensor_dim(rows, 1) == scope_tensor_dim(text->prompt, 1));
    scope_op_copy(ctx, scope_tensor_slice(text->prompt, 0, 0, n), rows);
    if (n < length) {
        scope_op_fill(ctx, scope_tensor_slice(text->prompt, 0, n, length), 0.0f);
    }
    text->n_rows = count_rows(rows);
    text->has_prompt = TRUE;
    text->context_valid = FALSE;
    text->vace.filled = FALSE;
}

void
scope_wan_text_reset_cross(ScopeWanText *text, ScopeContext *ctx)
{
    scope_op_fill(ctx, text->main.k, 0.0f);
    scope_op_fill(ctx, text->main.v, 0.0f);
    text->main.filled = FALSE;
}
