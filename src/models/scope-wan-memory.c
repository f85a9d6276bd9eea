/* SPDX-License-Identifier: Apache-2.0 */
/* Selection of remembered frames. Worker thread. */
#include "models/scope-wan-memory.h"

#include "engine/scope-assert.h"

/* Mean over the rows of [n, H, d] into @mean [1, H, d] f32. */
static void
mean_rows(ScopeContext *ctx, ScopeTensor mean, ScopeTensor rows)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType work = scope_context_work_dtype(ctx);

    if (rows.dtype != work) {
        ScopeTensor wide = scope_context_scratch(ctx, work, rows.ndim, rows.shape);
        scope_op_copy(ctx, wide, rows);
        rows = wide;
    }
    scope_op_reduce(ctx, SCOPE_REDUCE_MEAN, mean, rows);
    scope_arena_release(ctx->scratch, mark);
}

/* Indices of the @n_best highest of @n scores, best first, the earlier one on ties. */
static void
pick_best(const float *scores, int n, int n_best, int *best)
{
    gboolean taken[SCOPE_WAN_MEMORY_MAX_FRAMES] = {FALSE};

    for (int i = 0; i < n_best; i++) {
        int at = 0;
        while (taken[at]) {
            at++;
        }
        for (int j = at + 1; j < n; j++) {
            if (!taken[j] && scores[j] > scores[at]) {
                at = j;
            }
        }
        taken[at] = TRUE;
        best[i] = at;
    }
}

void
scope_wan_memory_compress(ScopeContext *ctx, ScopeTensor bank_k, ScopeTensor bank_v,
                          ScopeTensor new_k, ScopeTensor new_v, ScopeTensor text_k)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t fs = scope_tensor_dim(new_k, 0);
    int64_t n_heads = scope_tensor_dim(bank_k, 1), head_dim = scope_tensor_dim(bank_k, 2);
    int n = (int)(scope_tensor_dim(bank_k, 0) / fs);
    float scores[SCOPE_WAN_MEMORY_MAX_FRAMES];
    int best[SCOPE_WAN_MEMORY_MAX_FRAMES];

    SCOPE_ASSERT(n >= 1 && n <= SCOPE_WAN_MEMORY_MAX_FRAMES);
    ScopeTensor text =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, n_heads, head_dim));
    ScopeTensor means =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, n_heads, head_dim));
    ScopeTensor score = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, n));
    mean_rows(ctx, text, text_k);
    for (int i = 0; i < n; i++) {
        mean_rows(ctx, scope_tensor_slice(means, 0, i, i + 1),
                  scope_tensor_slice(bank_k, 0, i * fs, (i + 1) * fs));
    }
    /* the mean over heads and the scale 1/sqrt(d) do not change the order */
    int64_t dim = n_heads * head_dim;
    scope_op_matmul(ctx, score, scope_tensor_reshape(text, SCOPE_SHAPE(1, dim)),
                    scope_tensor_transpose(scope_tensor_reshape(means, SCOPE_SHAPE(n, dim)), 0, 1),
                    1.0f);
    scope_context_download(ctx, scores, score);
    pick_best(scores, n, n - 1, best);

    ScopeTensor old_k = scope_context_scratch(ctx, bank_k.dtype, bank_k.ndim, bank_k.shape);
    ScopeTensor old_v = scope_context_scratch(ctx, bank_v.dtype, bank_v.ndim, bank_v.shape);
    scope_op_copy(ctx, old_k, bank_k);
    scope_op_copy(ctx, old_v, bank_v);
    for (int i = 0; i < n - 1; i++) {
        int64_t from = best[i] * fs;
        scope_op_copy(ctx, scope_tensor_slice(bank_k, 0, i * fs, (i + 1) * fs),
                      scope_tensor_slice(old_k, 0, from, from + fs));
        scope_op_copy(ctx, scope_tensor_slice(bank_v, 0, i * fs, (i + 1) * fs),
                      scope_tensor_slice(old_v, 0, from, from + fs));
    }
    scope_op_copy(ctx, scope_tensor_slice(bank_k, 0, (n - 1) * fs, n * fs), new_k);
    scope_op_copy(ctx, scope_tensor_slice(bank_v, 0, (n - 1) * fs, n * fs), new_v);
    scope_arena_release(ctx->scratch, mark);
}

/* Copies one head's rows of a frame. */
static void
copy_head(ScopeContext *ctx, ScopeTensor to, int64_t row, ScopeTensor from, int64_t head)
{
    int64_t fs = scope_tensor_dim(from, 0);

    scope_op_copy(ctx, scope_tensor_select(scope_tensor_slice(to, 0, row, row + fs), 1, head),
                  scope_tensor_select(from, 1, head));
}

void
scope_wan_memory_route(ScopeContext *ctx, ScopeTensor sel_k, ScopeTensor sel_v, ScopeTensor q,
                       const ScopeTensor *frames_k, const ScopeTensor *frames_v, int n_frames)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n_heads = scope_tensor_dim(q, 1), head_dim = scope_tensor_dim(q, 2);
    int64_t fs = scope_tensor_dim(frames_k[0], 0);
    int n_sel = (int)(scope_tensor_dim(sel_k, 0) / fs);

    SCOPE_ASSERT(n_frames >= 1 && n_frames <= SCOPE_WAN_MEMORY_MAX_FRAMES && n_sel <= n_frames);
    ScopeTensor q_mean =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, n_heads, head_dim));
    ScopeTensor means =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_frames, n_heads, head_dim));
    ScopeTensor score =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_heads, 1, n_frames));
    mean_rows(ctx, q_mean, q);
    for (int i = 0; i < n_frames; i++) {
        mean_rows(ctx, scope_tensor_slice(means, 0, i, i + 1), frames_k[i]);
    }
    scope_op_matmul(ctx, score, scope_tensor_transpose(q_mean, 0, 1),
                    scope_tensor_permute(means, SCOPE_ORDER(1, 2, 0)), 1.0f);

    for (int64_t h = 0; h < n_heads; h++) {
        float scores[SCOPE_WAN_MEMORY_MAX_FRAMES];
        int best[SCOPE_WAN_MEMORY_MAX_FRAMES];
        gboolean chosen[SCOPE_WAN_MEMORY_MAX_FRAMES] = {FALSE};
        scope_context_download(ctx, scores, scope_tensor_select(score, 0, h));
        pick_best(scores, n_frames, n_sel, best);
        for (int i = 0; i < n_sel; i++) {
            chosen[best[i]] = TRUE;
        }
        int64_t row = 0;
        for (int i = 0; i < n_frames; i++) {
            if (chosen[i]) {
                copy_head(ctx, sel_k, row, frames_k[i], h);
                copy_head(ctx, sel_v, row, frames_v[i], h);
                row += fs;
            }
        }
    }
    scope_arena_release(ctx->scratch, mark);
}
