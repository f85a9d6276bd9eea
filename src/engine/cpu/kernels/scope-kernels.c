/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of one instruction level. It is read on every processor: nothing may be computed here.
 * Owns nothing. Any thread.
 */
#include "engine/cpu/kernels/scope-kernels-private.h"

#include "engine/cpu/kernels/scope-vec.h"

#define SCOPE_KERNELS_TABLE_(level) scope_kernels_##level
#define SCOPE_KERNELS_TABLE(level)  SCOPE_KERNELS_TABLE_(level)

const ScopeKernels *
SCOPE_KERNELS_TABLE(SCOPE_KERNELS_LEVEL)(void)
{
    static const ScopeKernels kernels = {
        .name = G_STRINGIFY(SCOPE_KERNELS_LEVEL),
        .mr = MR,
        .nr = NR,
        .gemm_rows = KERNEL(gemm_rows),
        .gemm_rows_half = KERNEL(gemm_rows_half),
        .gemm_columns = KERNEL(gemm_columns),
        .gemm_rows_s16 = KERNEL(gemm_rows_s16),
        .gemm_rows_s16_half = KERNEL(gemm_rows_s16_half),
        .abs_max = KERNEL(abs_max),
        .quantize_s16 = KERNEL(quantize_s16),
        .widen_s8 = KERNEL(widen_s8),
        .from_s32 = KERNEL(from_s32),
        .widen = KERNEL(widen),
        .activate = KERNEL(activate),
        .finish = KERNEL(finish),
        .norm = KERNEL(norm),
        .softmax_block = KERNEL(softmax_block),
        .softmax_row = KERNEL(softmax_row),
        .rope = KERNEL(rope),
        .dot = KERNEL(dot),
        .axpy = KERNEL(axpy),
        .transpose = KERNEL(transpose),
    };
    return &kernels;
}
