/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LoRA adapters of a Wan transformer: folded into the weights while they load, or kept apart as
 * ScopeLoraPart, whose strength a pass chooses. Which file says what is the business of
 * ScopeLoraFile; here are the model's names and the arithmetic. Loader thread; parts are read-only
 * while streaming.
 */
#pragma once

#include "engine/checkpoint/scope-lora-file.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"

G_BEGIN_DECLS

/** ScopeWanAdapter: one adapter of a load. */
typedef struct {
    ScopeLoraFile *file; /**< borrowed; a run-time adapter outlives the model */
    float scale;         /**< merged adapters: strength, any sign */
    guint n_matched;     /**< out: linears that it changes; less than its entries: warn */
} ScopeWanAdapter;

/** ScopeLoraMerge: adapters to fold into weights; all borrowed. */
typedef struct {
    ScopeContext *cpu;         /**< a context of the CPU backend */
    ScopeWanAdapter *adapters; /**< [n] */
    guint n;
    gboolean narrow; /**< round the sum to the stored type (bf16 for fp8): half the memory */
} ScopeLoraMerge;

/**
 * scope_lora_merge_apply:
 * @merge: adapters
 * @loader: whose host arena receives changed weights
 * @base: published name of a linear, without ".weight"
 * @weight: (inout): [O, K] HOST; where an adapter changes it, a copy in the host arena, f32 or
 * narrow
 * @options: (inout): bias and scale of @weight; the scale is applied to a changed weight
 *
 * W += sum of scale * (alpha/r * B A + diff), bias += sum of scale * diff_bias; added in f32,
 * rounded once.
 * Thread: loader. Errors: SCOPE_CHECKPOINT_ERROR_MISMATCH, as the loader's sticky error.
 * Returns: nothing.
 */
void scope_lora_merge_apply(const ScopeLoraMerge *merge, ScopeLayerLoader *loader, const char *base,
                            ScopeTensor *weight, ScopeWeightOptions *options);

/** ScopeLoraPart: what one adapter adds to one linear at run time. */
typedef struct {
    guint adapter;      /**< index into the scales of a pass */
    gboolean has_pair;  /**< @down and @up are set */
    gboolean has_dense; /**< @dense is set */
    float factor;       /**< alpha / r */
    ScopeWeight down;   /**< [r, K], no bias */
    ScopeWeight up;     /**< [O, r], no bias */
    ScopeWeight dense;  /**< [O, K] with bias: full differences */
} ScopeLoraPart;

/**
 * scope_lora_part_load:
 * @adapter: (inout): counted when it changes the linear
 * @loader: whose context and arenas to use
 * @base: published name of the linear
 * @n_out: its rows
 * @n_in: its columns
 * @ret_part: filled when there is a change; @adapter in it is left to the caller
 *
 * Thread: loader. Errors: SCOPE_CHECKPOINT_ERROR_MISMATCH, G_IO_ERROR_NO_SPACE, as the loader's
 * sticky error.
 * Returns: TRUE when there is a change; FALSE also after an error.
 */
gboolean scope_lora_part_load(ScopeWanAdapter *adapter, ScopeLayerLoader *loader, const char *base,
                              int64_t n_out, int64_t n_in, ScopeLoraPart *ret_part);

G_END_DECLS
