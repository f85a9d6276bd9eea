/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the CPU backend: the ops that fill its table, and the loop that elementwise ops share.
 * Meanings as in engine/scope-ops.h; shapes were checked there. Tiles run on the pool's threads.
 */
#pragma once

#include "engine/cpu/kernels/scope-kernels.h"
#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

G_BEGIN_DECLS

#define SCOPE_CPU_MAX_OPERANDS 4

/** Elements that one tile of an elementwise op should have at least. */
#define SCOPE_CPU_TILE_ELEMENTS 16384

typedef struct _ScopeCpuLoop ScopeCpuLoop;

/** Computes @n elements; @data and @stride (in elements) have one entry per operand. */
typedef void (*ScopeCpuRowFn)(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride,
                              int64_t n);

/** ScopeCpuLoop: one walk over operands of the same shape, innermost dimension in one call. */
struct _ScopeCpuLoop {
    ScopeCpuRowFn row;
    const void *user_data;
    int n_operands;
    ScopeTensor operand[SCOPE_CPU_MAX_OPERANDS]; /**< [0] is the output */
    int64_t inner_chunk;                         /**< set by the runner */
    int64_t n_chunks, rows_per_tile, n_rows;     /**< set by the runner */
};

/** Whether the calling thread's memory ran out since it last synchronized. Thread: any. */
gboolean scope_cpu_is_exhausted(void);

/** scope_pool_run() on the threads of @ctx, unless memory ran out. Thread: owner of @ctx. */
void scope_cpu_run(ScopeContext *ctx, int64_t n_tiles, ScopeTileFn fn, void *user_data);

/** Runs @loop over all elements on the threads of @ctx. Thread: owner of @ctx. */
void scope_cpu_loop_run(ScopeContext *ctx, ScopeCpuLoop *loop);

/** One activation value. Thread: any. */
float scope_cpu_activate(ScopeActivation activation, float param, float v);

/**
 * Applies weight scale, bias and epilogue to a block of sums: output rows row, row + row_step, ...
 * (n_rows of them), outputs first .. first + n_out - 1. @sums and @y start at the block; @y may be
 * the residual.
 */
void scope_cpu_finish_rows(const ScopeKernels *k, const ScopeWeight *weight, const ScopeEpilogue *e,
                           int64_t row, int64_t row_step, int64_t n_rows, int64_t first,
                           int64_t n_out, const float *sums, int64_t sum_row, float *y,
                           int64_t y_row);

/** One tap of a convolution: where it reads relative to the output pixel. */
typedef struct {
    int32_t dt, dy, dx;
} ScopeCpuConvTap;

/** The output pixels of one residue class of rows and columns, which share taps and weights. */
typedef struct {
    int32_t first_tap, n_taps;
    int64_t weights; /**< start of [O/nr][n_taps][n_k][panel width] in the packed weights */
} ScopeCpuConvPhase;

/**
 * ScopeCpuConvPlan: a convolution as sums over taps. Output pixel (out_step*j + phase) reads the
 * source pixel in_step*j + d of each of its phase's taps. A plain convolution has one phase; a
 * convolution after 2x2 enlargement and a transposed one have a phase per residue.
 */
typedef struct {
    int32_t out_step_h, out_step_w, in_step_h, in_step_w;
    int32_t upsample;  /**< 2: source coordinates are those of the enlarged image */
    int32_t is_merged; /**< a tap covers a whole kernel row of neighbouring pixels */
    int64_t n_k;       /**< values per tap */
    int32_t n_taps;    /**< of all phases */
    ScopeCpuConvPhase *phases;
    ScopeCpuConvTap *taps;
} ScopeCpuConvPlan;

/**
 * Largest 16-bit activation whose sum of @n products with 8-bit weights stays within 32 bits. At
 * least 10 bits for the widest layers, 13 for most: far finer than the weights.
 */
static inline float
scope_cpu_activation_limit(int64_t n)
{
    int64_t limit = INT32_MAX / 127 / MAX(n, 1);
    return (float)CLAMP(limit, 1, INT16_MAX);
}

/**
 * Asks for the part of the next panel that falls to the @i-th of @n outputs, of which @step are
 * computed together: spread over the work on one panel, the next one arrives from memory in time.
 * @n_words: 32-bit words of the panel. Thread: any.
 */
static inline void
scope_cpu_prefetch_share(const void *panel, int64_t n_words, int64_t i, int64_t step, int64_t n)
{
    int64_t n_lines = (n_words * 4 + 63) / 64, begin = n_lines * i / n;
    int64_t end = n_lines * MIN(i + step, n) / n;
    for (int64_t line = begin; line < end; line++) {
        __builtin_prefetch((const char *)panel + line * 64, 0, 2);
    }
}

/**
 * Outputs of a tile of a linear layer: @most, halved while the layer would give less than eight
 * tiles to share. Thread: any.
 */
static inline int64_t
scope_cpu_block_out(int64_t n_out, int64_t n_row_tiles, int64_t most)
{
    while (most > 24 && (n_out + most - 1) / most * n_row_tiles < 8) {
        most /= 2;
    }
    return most;
}

/** Maps a coordinate outside [0, n) by the pad mode; -1 means zero. Thread: any. */
static inline int64_t
scope_cpu_pad_index(int64_t i, int64_t n, ScopePadMode mode)
{
    if (i >= 0 && i < n) {
        return i;
    }
    switch (mode) {
    case SCOPE_PAD_BORDER:
        return i < 0 ? 0 : n - 1;
    case SCOPE_PAD_REFLECT:
        return i < 0 ? -i : 2 * (n - 1) - i;
    case SCOPE_PAD_ZEROS:
        break;
    }
    return -1;
}

/**
 * The slots of the backend's table. Thread: owner of @ctx. Errors: the prepare functions set
 * G_IO_ERROR_NO_SPACE when the arena cannot grow. Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_cpu_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                  ScopeWeightStore store, ScopeWeight *weight, GError **error);
gboolean scope_cpu_prepare_scales(ScopeArena *arena, ScopeWeight *weight, GError **error);
gboolean scope_cpu_prepare_conv(ScopeArena *arena, ScopeTensor stored, ScopeWeight *weight,
                                GError **error);
void scope_cpu_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                      const ScopeEpilogue *epilogue);
void scope_cpu_linear_int8(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                           const ScopeWeight *weight, const ScopeEpilogue *epilogue);
void scope_cpu_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);
void scope_cpu_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                    const ScopeConvOptions *options);
void scope_cpu_conv_groups(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                           const ScopeWeight *weight, const ScopeConvOptions *options);
void scope_cpu_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                              const ScopeWeight *weight, const ScopeEpilogue *epilogue);
void scope_cpu_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                         const ScopeAttentionOptions *options);
void scope_cpu_rope(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table);
void scope_cpu_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                    const ScopeNormOptions *options);
void scope_cpu_group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                          const ScopeGroupNormOptions *options);
void scope_cpu_softmax(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);
void scope_cpu_unary(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op);
void scope_cpu_binary(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                      ScopeTensor b);
void scope_cpu_scale_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha,
                         ScopeTensor b, float beta);
void scope_cpu_lerp(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t);
void scope_cpu_glu(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
                   ScopeActivation activation);
void scope_cpu_reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x);
void scope_cpu_copy(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);
void scope_cpu_move_rows(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from,
                         int64_t n_rows);
void scope_cpu_fill(ScopeContext *ctx, ScopeTensor y, float value);
void scope_cpu_gather_rows(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids);
void scope_cpu_random_normal(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset);
void scope_cpu_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                      const ScopeResizeOptions *options);
void scope_cpu_grid_sample(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
                           ScopeSampleMode mode, ScopePadMode pad);
void scope_cpu_pool2d(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind,
                      int size);
void scope_cpu_pad(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top,
                   int left);

G_END_DECLS
