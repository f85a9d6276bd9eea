/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanText: the prompt of one session as the transformer sees it: the padded rows, the text
 * context made of them, and the keys and values of cross-attention ("cross cache"). The cross cache
 * keeps its contents when the prompt changes until it is reset, as the reference does. Owned by the
 * session, worker thread.
 */
#pragma once

#include "engine/scope-ops.h"
#include "models/scope-wan-config.h"

G_BEGIN_DECLS

typedef struct _ScopeWanModel ScopeWanModel;

/** ScopeWanCross: keys and values of cross-attention for a stack of blocks. */
typedef struct {
    ScopeTensor k;   /**< [n_blocks, T, H, d] float */
    ScopeTensor v;   /**< as @k */
    gboolean filled; /**< the contents belong to a prompt (not necessarily the current one) */
    int64_t n_rows;  /**< distinct rows: the rest of T repeats row n_rows (if n_rows < T) */
} ScopeWanCross;

/** ScopeWanText: fields are read by the model and by goldens; written by the functions below. */
typedef struct {
    ScopeTensor prompt; /**< [T, text_dim] f32, zero rows at the end */
    int64_t n_rows;     /**< rows before the zero rows */
    gboolean has_prompt;
    ScopeTensor context; /**< [T, D] float */
    ScopeTensor pooled;  /**< [1, D] f32: what the prompt adds to the time embedding, if anything */
    gboolean context_valid; /**< @context and @pooled belong to @prompt */
    ScopeWanCross main;     /**< of the main blocks */
    ScopeWanCross vace;     /**< of the context blocks; dropped whenever the prompt changes */
} ScopeWanText;

/**
 * scope_wan_text_init:
 * @text: caller's memory
 * @config: dimensions of the model
 * @arena: session state; the tensors live as long as it
 *
 * Thread: worker. Errors: none (the arena asserts; reserve scope_wan_text_n_bytes() first).
 * Returns: nothing.
 */
void scope_wan_text_init(ScopeWanText *text, ScopeContext *ctx, const ScopeWanConfig *config,
                         ScopeArena *arena);

/** scope_wan_text_n_bytes: bytes that scope_wan_text_init() takes. Thread: any. */
size_t scope_wan_text_n_bytes(const ScopeContext *ctx, const ScopeWanConfig *config);

/**
 * scope_wan_text_set_prompt:
 * @rows: [n <= T, text_dim] f32, HOST, contiguous; zero rows at the end count as padding
 *
 * Sets the prompt. The main cross cache stays as it is until scope_wan_text_reset_cross().
 * Thread: worker. Errors: none (asserts). Returns: nothing.
 */
void scope_wan_text_set_prompt(ScopeWanText *text, ScopeContext *ctx, ScopeTensor rows);

/**
 * scope_wan_text_reset_cross:
 *
 * Zeroes the main cross cache; the next pass fills it from the prompt.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_text_reset_cross(ScopeWanText *text, ScopeContext *ctx);

G_END_DECLS
