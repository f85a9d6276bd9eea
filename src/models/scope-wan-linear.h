/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanLinear: a linear layer of the transformer with what may hang on it: run-time adapters
 * and fp8 rounding of its inputs. Read-only while streaming.
 */
#pragma once

#include "models/scope-wan-lora.h"

G_BEGIN_DECLS

/** ScopeWanLinear: filled by the model's loader; memory belongs to the model. */
typedef struct {
    ScopeWeight weight;         /**< [O, K] */
    const ScopeLoraPart *parts; /**< [n_parts], or NULL */
    guint n_parts;
    gboolean fp8; /**< inputs are rounded to fp8 with one scale a call */
} ScopeWanLinear;

/**
 * scope_wan_linear_run:
 * @y: [N, O] float, rows
 * @x: [N, K] float, rows
 * @linear: the layer
 * @epilogue: (nullable): as in scope_op_linear(); no final activation
 * @lora_scales: (nullable): one factor an adapter; NULL or 0 leaves it out
 *
 * y = epilogue(W x + b + sum of scale_i * alpha_i/r_i * B_i (A_i x)).
 * Thread: worker. Allocates: nothing but scratch. Errors: none. Returns: nothing.
 */
void scope_wan_linear_run(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                          const ScopeWanLinear *linear, const ScopeEpilogue *epilogue,
                          const float *lora_scales);

/**
 * scope_fp8_quantize:
 * @q: F8_E4M3, shape of @x: round to nearest even of x / scale, saturated
 * @scale: f32 [1]: largest magnitude of @x / 448, 1 when @x is all zero
 * @x: float, contiguous
 *
 * One scale for the whole tensor, found on the fly.
 * Thread: worker. Allocates: nothing but scratch. Errors: none. Returns: nothing.
 */
void scope_fp8_quantize(ScopeContext *ctx, ScopeTensor q, ScopeTensor scale, ScopeTensor x);

/**
 * scope_fp8_round:
 * @y: float, shape of @x; in place allowed
 * @x: float, contiguous
 *
 * What the values of @x become when they pass through scope_fp8_quantize().
 * Thread: worker. Allocates: nothing but scratch. Errors: none. Returns: nothing.
 */
void scope_fp8_round(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

G_END_DECLS
