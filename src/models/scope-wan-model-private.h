/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of ScopeWanModel: the weights by name, and the steps of a pass that the model's files and
 * the recorded references share. Read-only after loading.
 */
#pragma once

#include "models/scope-wan-linear.h"
#include "models/scope-wan-model.h"

G_BEGIN_DECLS

/** ScopeWanAttention: the projections of one attention. */
typedef struct {
    ScopeWanLinear q, k, v, o;
    ScopeTensor norm_q, norm_k; /**< [D] f32 */
} ScopeWanAttention;

/** ScopeWanBlock: one transformer block. */
typedef struct {
    ScopeTensor modulation; /**< [6, D] f32 */
    ScopeWanAttention self_attn, cross_attn;
    ScopeTensor norm3_weight, norm3_bias; /**< [D] f32 */
    ScopeWanLinear ffn_in, ffn_out;
} ScopeWanBlock;

/** ScopeWanVaceBlock: a context block. */
typedef struct {
    ScopeWanBlock block;
    ScopeWanLinear before, after; /**< @before of the first block only */
} ScopeWanVaceBlock;

struct _ScopeWanModel {
    ScopeWanConfig config;
    ScopeArena *arena; /* prepared weights */
    ScopeArena *host;  /* copies on the host: merged, rounded or unaligned weights */
    ScopeCheckpoint *weights, *vace_weights;
    GPtrArray *parts; /* arrays of ScopeLoraPart */
    guint n_adapters; /* at run time */
    ScopeWanLinear patch_embedding;
    ScopeTensor places; /* [1, S, S, D] f32: what is added per place of the picture, or none */
    ScopeTensor pooled_embedding; /* [D, text_dim] f32: of the pooled prompt, or none */
    ScopeWanLinear text_in, text_out;
    ScopeWanLinear time_in, time_out, time_projection;
    ScopeWanBlock *blocks;       /* [n_layers] */
    ScopeTensor head_modulation; /* [2, D] f32 */
    ScopeWanLinear head;
    ScopeWanLinear vace_patch_embedding;
    ScopeWanVaceBlock *vace_blocks; /* [n_vace_layers] */
};

/**
 * scope_wan_embed_patches:
 * @tokens: [N, D] float
 * @latents: [F, C, 2h, 2w] f32, any strides
 * @weight: [D, C*4]
 *
 * Token (f, y, x) from its 2 x 2 patch of all channels; frame slowest, then row, then column.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_embed_patches(ScopeContext *ctx, ScopeTensor tokens, ScopeTensor latents,
                             const ScopeWanLinear *weight, const float *lora_scales);

/**
 * scope_wan_embed_places:
 * @tokens: [F*h*w, D] float: in and out
 * @n_frames: F
 * @h: rows of tokens
 * @w: tokens in a row
 *
 * Adds the learned vector of its place to every token; the table is resampled to the grid. Does
 * nothing for a model without one.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_embed_places(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor tokens,
                            int64_t n_frames, int64_t h, int64_t w);

/** scope_wan_sinusoid: [freq_dim] cosines, then sines, of a timestep. Thread: any. */
void scope_wan_sinusoid(double timestep, int freq_dim, float *ret_row);

/**
 * scope_wan_embed_time:
 * @e: [G, D] f32
 * @e0: [G, 6, D] f32
 * @timesteps: [G], host
 * @pooled: none, or [1, D] f32: of scope_wan_embed_text(), added to every row of @e
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_embed_time(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor e,
                          ScopeTensor e0, const float *timesteps, ScopeTensor pooled,
                          const float *lora_scales);

/**
 * scope_wan_embed_text:
 * @text: its context and pooled row are computed from its prompt unless they are valid
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_embed_text(ScopeContext *ctx, const ScopeWanModel *model, ScopeWanText *text,
                          const float *lora_scales);

/**
 * scope_wan_head:
 * @out: [N, out_dim*4] float
 * @tokens: [N, D] float
 * @e: [G, D] f32; each row is for N/G tokens
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_head(ScopeContext *ctx, const ScopeWanModel *model, ScopeTensor out,
                    ScopeTensor tokens, ScopeTensor e, const float *lora_scales);

/**
 * scope_wan_unpatchify:
 * @flow: [F, C, 2h, 2w] f32, any strides
 * @rows: [F*h*w, 4*C] float: component (py*2+px)*C + c
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_unpatchify(ScopeContext *ctx, ScopeTensor flow, ScopeTensor rows);

/** ScopeWanScope: what all blocks of a pass share. */
typedef struct {
    ScopeContext *ctx;
    const ScopeWanModel *model;
    const ScopeWanPass *pass;
    int64_t n_frames, height, width; /* token grid */
    int64_t n_tokens;
    int64_t modulation_rows; /* tokens per row of e0 */
    ScopeTensor e0;          /* [G, 6, D] f32 */
    ScopeTensor rope;        /* uncached: [N, d/2, 2] f32 */
    int64_t n_zero_keys;     /* uncached without blocks */
} ScopeWanScope;

/**
 * scope_wan_block_run:
 * @scope: the pass
 * @block: weights
 * @layer: index in the cross cache and, with a cache, in it
 * @cross: cross cache of this stack of blocks
 * @x: (inout): [N, D] float
 * @cache: (nullable): self-attention cache; NULL: uncached
 * @tap_name: (nullable): "block0"; NULL: nothing is shown
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_block_run(const ScopeWanScope *scope, const ScopeWanBlock *block, int layer,
                         ScopeWanCross *cross, ScopeTensor x, ScopeWanCache *cache,
                         const char *tap_name);

G_END_DECLS
