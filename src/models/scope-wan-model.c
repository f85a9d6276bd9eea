/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass of a Wan transformer: embeddings, main blocks, context blocks, head. Worker
 * thread. */
#include "engine/scope-assert.h"
#include "models/scope-wan-model-private.h"

/* The reference's masked kernel works on keys in multiples of this. */
#define MASKED_KERNEL_KEYS 128

static gboolean
all_equal(const float *values, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        if (values[i] != values[0]) {
            return FALSE;
        }
    }
    return TRUE;
}

static ScopeTensor
scratch(const ScopeWanScope *s, int64_t n_rows, int64_t width)
{
    return scope_context_scratch(s->ctx, scope_context_work_dtype(s->ctx),
                                 SCOPE_SHAPE(n_rows, width));
}

/* -- VACE ------------------------------------------------------------------------------------- */

/* Context blocks run beside the main ones, each just before the layer that takes its hint. */
typedef struct {
    ScopeWanScope scope; /* their own positions and modulation */
    ScopeTensor tokens;  /* [N, D] */
    int next;            /* context block to run */
} Hints;

/* Tokens of the context, cut or zero-padded to those of the chunk, joined with its patches. */
static void
begin_hints(Hints *hints, const ScopeWanScope *s, ScopeTensor patches)
{
    const ScopeWanModel *model = s->model;
    ScopeTensor context = s->pass->vace_context;
    int64_t n = s->n_tokens, dim = model->config.dim, fs = s->height * s->width;
    int64_t n_frames = MIN(context.shape[1], (n + fs - 1) / fs);
    int64_t n_context = n_frames * fs;

    hints->scope = *s;
    hints->next = 0;
    hints->tokens = scratch(s, n, dim);
    ScopeTensor embedded = scratch(s, n_context, dim);
    ScopeTensor frames = scope_tensor_slice(scope_tensor_transpose(context, 0, 1), 0, 0, n_frames);
    scope_wan_embed_patches(s->ctx, embedded, frames, &model->vace_patch_embedding, NULL);
    ScopeTensor joined = scratch(s, n, dim);
    scope_op_copy(s->ctx, scope_tensor_slice(joined, 0, 0, MIN(n, n_context)),
                  scope_tensor_slice(embedded, 0, 0, MIN(n, n_context)));
    if (n_context < n) {
        scope_op_fill(s->ctx, scope_tensor_slice(joined, 0, n_context, n), 0.0f);
    }
    ScopeEpilogue add = {.residual = patches};
    scope_wan_linear_run(s->ctx, hints->tokens, joined, &model->vace_blocks[0].before, &add, NULL);
    if (s->pass->pad_keys) {
        hints->scope.n_zero_keys =
            (n + MASKED_KERNEL_KEYS - 1) / MASKED_KERNEL_KEYS * MASKED_KERNEL_KEYS - n;
    }
}

/* Runs the context block of main layer @layer, if it has one, and leaves its hint in @hint. */
static gboolean
next_hint(Hints *hints, int layer, ScopeTensor hint)
{
    const ScopeWanScope *s = &hints->scope;
    const ScopeWanConfig *config = &s->model->config;
    int i = hints->next;

    if (i >= config->n_vace_layers || config->vace_layers[i] != layer) {
        return FALSE;
    }
    const ScopeWanVaceBlock *b = &s->model->vace_blocks[i];
    scope_wan_block_run(s, &b->block, i, &s->pass->text->vace, hints->tokens, NULL, NULL);
    scope_wan_linear_run(s->ctx, hint, hints->tokens, &b->after, NULL, NULL);
    hints->next++;
    return TRUE;
}

/* -- the pass --------------------------------------------------------------------------------- */

static void
check_pass(const ScopeWanModel *model, const ScopeWanPass *pass)
{
    const ScopeWanConfig *c = &model->config;
    ScopeTensor x = pass->latents;

    SCOPE_ASSERT(x.ndim == 4 && x.shape[0] >= 1 && x.shape[1] == c->in_dim &&
                 x.shape[2] % SCOPE_WAN_PATCH == 0 && x.shape[3] % SCOPE_WAN_PATCH == 0 &&
                 x.shape[2] > 0 && x.shape[3] > 0);
    SCOPE_ASSERT(scope_tensor_is_none(pass->flow) ||
                 (pass->flow.ndim == 4 && pass->flow.shape[0] == x.shape[0] &&
                  pass->flow.shape[1] == c->out_dim && pass->flow.shape[2] == x.shape[2] &&
                  pass->flow.shape[3] == x.shape[3]));
    SCOPE_ASSERT(pass->text->has_prompt);
    SCOPE_ASSERT(scope_tensor_is_none(pass->vace_context) ||
                 (c->n_vace_layers > 0 && pass->vace_context.ndim == 4 &&
                  pass->vace_context.shape[0] == c->vace_in_dim &&
                  pass->vace_context.shape[2] == x.shape[2] &&
                  pass->vace_context.shape[3] == x.shape[3]));
}

static void
make_rope(ScopeWanScope *s)
{
    const ScopeWanConfig *c = &s->model->config;
    ScopeRopeGrid grid = {
        .n_frames = s->n_frames,
        .height = s->height,
        .width = s->width,
        .head_dim = c->dim / c->n_heads,
        .theta = 10000.0,
    };

    s->rope = scope_context_scratch(s->ctx, SCOPE_DTYPE_F32,
                                    SCOPE_SHAPE(s->n_tokens, grid.head_dim / 2, 2));
    scope_op_rope_table(s->ctx, s->rope, &grid);
}

static void
run_blocks(ScopeWanScope *s, ScopeTensor x)
{
    const ScopeWanPass *pass = s->pass;
    const ScopeWanConfig *c = &s->model->config;
    gboolean vace = !scope_tensor_is_none(pass->vace_context) && pass->vace_scale != 0.0f;
    gboolean cached = pass->cache != NULL && !pass->fill_cache;
    ScopeTensor hint = SCOPE_TENSOR_NONE;
    Hints hints = {0};

    if (!cached || vace) {
        make_rope(s);
    }
    if (vace) {
        hint = scratch(s, s->n_tokens, c->dim);
        begin_hints(&hints, s, x);
    }
    if (cached) {
        scope_wan_cache_begin(pass->cache, s->ctx, &pass->call, pass->start_frame, s->height,
                              s->width, s->n_frames, pass->text->main.k);
    }
    for (int i = 0; i < c->n_layers; i++) {
        char name[32];
        gboolean hinted = vace && next_hint(&hints, i, hint);
        g_snprintf(name, sizeof(name), "block%d", i);
        scope_wan_block_run(s, &s->model->blocks[i], i, &pass->text->main, x, pass->cache, name);
        if (hinted) {
            scope_op_scale_add(s->ctx, x, x, 1.0f, hint, pass->vace_scale);
        }
    }
    if (cached) {
        scope_wan_cache_end(pass->cache);
    } else if (pass->fill_cache) {
        scope_wan_cache_set_filled(pass->cache, s->n_tokens);
    }
    pass->text->main.filled = TRUE;
    pass->text->vace.filled = pass->text->vace.filled || vace;
}

void
scope_wan_model_run(ScopeContext *ctx, const ScopeWanModel *model, const ScopeWanPass *pass)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeWanConfig *c = &model->config;
    ScopeWanScope s = {
        .ctx = ctx,
        .model = model,
        .pass = pass,
        .n_frames = pass->latents.shape[0],
        .height = pass->latents.shape[2] / SCOPE_WAN_PATCH,
        .width = pass->latents.shape[3] / SCOPE_WAN_PATCH,
    };

    check_pass(model, pass);
    s.n_tokens = s.n_frames * s.height * s.width;
    /* frames that share a timestep share their modulation */
    int64_t n_groups = all_equal(pass->timesteps, s.n_frames) ? 1 : s.n_frames;
    s.modulation_rows = s.n_tokens / n_groups;
    ScopeTensor e = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_groups, c->dim));
    s.e0 = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_groups, 6, c->dim));
    ScopeTensor x = scratch(&s, s.n_tokens, c->dim);
    scope_wan_embed_text(ctx, model, pass->text, pass->lora_scales);
    scope_wan_embed_time(ctx, model, e, s.e0, pass->timesteps,
                         scope_tensor_is_none(model->pooled_embedding) ? SCOPE_TENSOR_NONE
                                                                       : pass->text->pooled,
                         pass->lora_scales);
    scope_wan_embed_patches(ctx, x, pass->latents, &model->patch_embedding, pass->lora_scales);
    scope_wan_embed_places(ctx, model, x, s.n_frames, s.height, s.width);
    run_blocks(&s, x);
    if (!scope_tensor_is_none(pass->flow)) {
        int64_t area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH;
        ScopeTensor rows = scratch(&s, s.n_tokens, c->out_dim * area);
        scope_wan_head(ctx, model, rows, x, e, pass->lora_scales);
        scope_model_tap(pass->tap, rows, "head.out");
        scope_wan_unpatchify(ctx, pass->flow, rows);
    }
    scope_arena_release(ctx->scratch, mark);
}

size_t
scope_wan_model_scratch_bytes(const ScopeWanModel *model, int64_t n_tokens, int64_t n_keys)
{
    const ScopeWanConfig *c = &model->config;
    size_t row = (size_t)c->dim * sizeof(float);
    size_t attention = (size_t)n_tokens * row * 5; /* stream, input, q, k, v */
    size_t ffn = (size_t)n_tokens * (row * 2 + (size_t)c->ffn_dim * sizeof(float));
    size_t tables = (size_t)(n_tokens + n_keys) * (size_t)(c->dim / c->n_heads) * sizeof(float);
    size_t window = (size_t)n_keys * row; /* keys rotated or gathered for one pass */
    size_t hints = c->n_vace_layers > 0 ? (size_t)n_tokens * row * 4 : 0;

    /* a resampled table of places is gone before attention begins, and no larger than its input */
    return MAX(attention + window, ffn) + tables + hints + (size_t)c->dim * 64 * sizeof(float);
}
