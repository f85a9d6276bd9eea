/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the kernels share. Each is compiled once per instruction level with
 * SCOPE_KERNELS_LEVEL naming it; KERNEL(name) is the function of that level behind the member
 * @name of ScopeKernels, with its signature. Constants only.
 */
#pragma once

#include "engine/cpu/kernels/scope-kernels.h"

#define SCOPE_KERNELS_JOIN_(level, name) scope_kernels_##level##_##name
#define SCOPE_KERNELS_JOIN(level, name)  SCOPE_KERNELS_JOIN_(level, name)
#define KERNEL(name)                     SCOPE_KERNELS_JOIN(SCOPE_KERNELS_LEVEL, name)

#define SCOPE_KERNEL(name) __typeof__(*((ScopeKernels *)NULL)->name) KERNEL(name)

SCOPE_KERNEL(gemm_rows);
SCOPE_KERNEL(gemm_rows_half);
SCOPE_KERNEL(gemm_columns);
SCOPE_KERNEL(gemm_rows_s16);
SCOPE_KERNEL(gemm_rows_s16_half);
SCOPE_KERNEL(abs_max);
SCOPE_KERNEL(quantize_s16);
SCOPE_KERNEL(widen_s8);
SCOPE_KERNEL(from_s32);
SCOPE_KERNEL(widen);
SCOPE_KERNEL(activate);
SCOPE_KERNEL(finish);
SCOPE_KERNEL(norm);
SCOPE_KERNEL(softmax_block);
SCOPE_KERNEL(softmax_row);
SCOPE_KERNEL(rope);
SCOPE_KERNEL(dot);
SCOPE_KERNEL(axpy);
SCOPE_KERNEL(transpose);

#undef SCOPE_KERNEL

/* A tile of a product: MR rows of NR columns. EACH(M) repeats M for every row. */
#if defined(__AVX512F__)
#define MR      12
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#elif defined(__AVX2__)
#define MR      6
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5)
#else
#define MR      4
#define EACH(M) M(0) M(1) M(2) M(3)
#endif
#define NR (2 * VLEN)
