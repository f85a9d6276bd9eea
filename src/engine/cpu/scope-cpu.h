/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the CPU backend: the ops that fill its table, and the loop that elementwise ops share.
 * Meanings as in engine/scope-ops.h; shapes were checked there. Tiles run on the pool's threads.
 */
#pragma once

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

/** Runs @loop over all elements on the threads of @ctx. Thread: owner of @ctx. */
void scope_cpu_loop_run(ScopeContext *ctx, ScopeCpuLoop *loop);

/** One activation value. Thread: any. */
float scope_cpu_activate(ScopeActivation activation, float param, float v);

/** Applies an epilogue to one output row: bias and scale included. @v holds raw sums. */
void scope_cpu_finish_row(const ScopeWeight *weight, const ScopeEpilogue *e, int64_t row,
                          int64_t begin, int64_t end, float *v);

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

gboolean scope_cpu_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                  ScopeWeightStore store, ScopeWeight *weight, GError **error);
void scope_cpu_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                      const ScopeEpilogue *epilogue);
void scope_cpu_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);
void scope_cpu_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                    const ScopeConvOptions *options);
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
