/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of the CUDA backend, started from C. Arguments are those of the backend's slots, with
 * device addresses; every tensor is read and written through its strides and type unless a line
 * says otherwise, sums are f32 (norms and reductions: double). Each call queues work on @stream and
 * returns 0, or a negative code of the device.
 *
 * Thread: the owner of the stream.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

/** ScopeFinishArgs: what turns a sum into a result: weight scale and bias (f32 or none), then the
 * epilogue, whose residual is in row form. */
typedef struct {
    ScopeTensor scale, bias;
    ScopeEpilogue epilogue;
} ScopeFinishArgs;

/** ScopeConvArgs: a convolution whose kernel lies at @packed as [O, kt, kh, kw, I/groups]; the
 * transposed one at [O, kh, kw, I]. @y is contiguous, @x and @context have contiguous channels. */
typedef struct {
    ScopeTensor y, x, context, packed;
    int64_t n_in, n_out;
    int kernel_t, kernel_h, kernel_w;
    ScopeConvGeometry geometry;
    ScopeFinishArgs finish;
} ScopeConvArgs;

/** ScopeAttentionArgs: queries [first, first + n) of all heads; @scores is f32
 * [B, H, n, n_keys], contiguous; keys start at position @key of the sequence. */
typedef struct {
    ScopeTensor out, q, scores, bias, key_range;
    int64_t first, n, n_keys, key;
    float scale, log_bias;
} ScopeAttentionArgs;

/** ScopeImageArgs: the image ops; unused members are zero. */
typedef struct {
    ScopeTensor y, x, coords;
    ScopeResizeOptions resize;
    ScopeSampleMode sample;
    ScopePadMode pad;
    ScopePoolKind pool;
    int size, top, left;
} ScopeImageArgs;

/** Elementwise and movement. */
int scope_cuda_k_unary(void *stream, ScopeTensor y, ScopeTensor x, ScopeUnary op);
int scope_cuda_k_binary(void *stream, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                        ScopeTensor b);
int scope_cuda_k_scale_add(void *stream, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                           float beta);
int scope_cuda_k_lerp(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t);
int scope_cuda_k_glu(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
                     ScopeActivation activation);
int scope_cuda_k_copy(void *stream, ScopeTensor y, ScopeTensor x);
int scope_cuda_k_fill(void *stream, ScopeTensor y, float value);
int scope_cuda_k_reduce(void *stream, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x);
/** @ids: device, i32 or i64, contiguous */
int scope_cuda_k_gather_rows(void *stream, ScopeTensor y, ScopeTensor table, ScopeTensor ids);
int scope_cuda_k_random_normal(void *stream, ScopeTensor y, uint64_t seed, uint64_t offset);

/** Rows. */
int scope_cuda_k_norm(void *stream, ScopeTensor y, ScopeTensor x, ScopeNormOptions options);
int scope_cuda_k_group_norm(void *stream, ScopeTensor y, ScopeTensor x,
                            ScopeGroupNormOptions options);
int scope_cuda_k_softmax(void *stream, ScopeTensor y, ScopeTensor x, int64_t n_zeros);
int scope_cuda_k_rope(void *stream, ScopeTensor y, ScopeTensor x, ScopeTensor table);
/** Rows of @x [N, K] to e4m3 codes @y with one f32 factor a row: x = y * scale. */
int scope_cuda_k_quantise_rows(void *stream, ScopeTensor y, ScopeTensor scale, ScopeTensor x);

/** Images. */
int scope_cuda_k_resize(void *stream, ScopeImageArgs args);
int scope_cuda_k_grid_sample(void *stream, ScopeImageArgs args);
int scope_cuda_k_pool2d(void *stream, ScopeImageArgs args);
int scope_cuda_k_pad(void *stream, ScopeImageArgs args);

/** Products: plain loops, for f32 and for what the libraries refuse. */
int scope_cuda_k_finish(void *stream, ScopeTensor y, ScopeTensor sums, ScopeFinishArgs finish);
/** @row_scale: none, or f32 [N]: factor of each row of @x */
int scope_cuda_k_linear(void *stream, ScopeTensor y, ScopeTensor x, ScopeTensor row_scale,
                        ScopeTensor w, ScopeFinishArgs finish);
int scope_cuda_k_matmul(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);
int scope_cuda_k_conv(void *stream, ScopeConvArgs args);
int scope_cuda_k_conv_transpose(void *stream, ScopeConvArgs args);
/** Scores of one segment of keys @k [B, n, H, d]. */
int scope_cuda_k_scores(void *stream, ScopeAttentionArgs args, ScopeTensor k);
/** Adds the part of one segment of values to args.out; the first segment (@is_first) sets it. */
int scope_cuda_k_values(void *stream, ScopeAttentionArgs args, ScopeTensor v, gboolean is_first);

G_END_DECLS
