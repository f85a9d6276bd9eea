/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeKernels: the inner loops of the CPU backend, compiled once per instruction level from the
 * same source. All work on contiguous f32 in the first-level caches, know no tensors, allocate
 * nothing, and give the same bits for the same input whatever the thread. Any thread.
 */
#pragma once

#include <stdint.h>

#include "engine/scope-ops.h"

G_BEGIN_DECLS

/** Largest mr and nr of all levels. */
#define SCOPE_KERNELS_MAX_MR 12
#define SCOPE_KERNELS_MAX_NR 32

/** Parts of a norm that a row needs; NULL parts are skipped. */
typedef struct {
    ScopeNormKind kind;
    float eps;
    const float *weight, *bias, *scale, *shift; /**< [d] each */
    ScopeActivation activation;
    float activation_param;
} ScopeNormRow;

/** Epilogue of one output row segment; NULL parts are skipped. */
typedef struct {
    const float *bias, *scale, *gate, *residual; /**< at the first element of the segment */
    int64_t residual_row;                        /**< distance of its rows */
    gboolean scale_is_vector;                    /**< else *scale is for all */
    ScopeActivation activation, final_activation;
    float activation_param, final_param;
} ScopeFinish;

typedef void (*ScopeGemmRowsFn)(int64_t n_taps, const float *const *rows, int64_t offset,
                                int64_t n_k, const float *b, float *c, int64_t c_row,
                                gboolean accumulate);
typedef void (*ScopeGemmRowsS16Fn)(int64_t n_taps, const int16_t *const *rows, int64_t offset,
                                   int64_t n_pairs, const int16_t *b, int32_t *c, int64_t c_row,
                                   gboolean accumulate);

typedef struct {
    const char *name;
    int mr; /**< rows of a product tile */
    int nr; /**< columns of a product tile */

    /**
     * c[i][j] (+)= sum over taps t and k < n_k of rows[t][i][offset + k] * b[(t*n_k + k)][j], for
     * i < mr and j < nr. @rows: [n_taps][mr] addresses; @b: [n_taps*n_k][nr]; @c: [mr] rows with
     * distance c_row. The sum runs over t, then k, and is added to the old c as a whole.
     */
    ScopeGemmRowsFn gemm_rows;

    /** The same for panels of nr/2 columns, b: [n_taps*n_k][nr/2], j < nr/2. */
    ScopeGemmRowsFn gemm_rows_half;

    /** c[i][j] += sum over k < n_k of a[k*a_col + i] * b[k*b_row + j]. */
    void (*gemm_columns)(int64_t n_k, const float *a, int64_t a_col, const float *b, int64_t b_row,
                         float *c, int64_t c_row);

    /**
     * As gemm_rows with 16-bit integers and exact 32-bit sums: values come in pairs of neighbouring
     * k. @n_pairs: pairs per tap; @offset: in values; @b: [n_taps*n_pairs][nr][2].
     */
    ScopeGemmRowsS16Fn gemm_rows_s16;

    /** The same for panels of nr/2 columns, b: [n_taps*n_pairs][nr/2][2]. */
    ScopeGemmRowsS16Fn gemm_rows_s16_half;

    /** Largest magnitude of @n values, 0 for none. */
    float (*abs_max)(const float *x, int64_t n);

    /** q = round to nearest even (x * factor); the caller keeps the result within 16 bits. */
    void (*quantize_s16)(const float *x, float factor, int16_t *q, int64_t n);

    /** Widens 8-bit to 16-bit integers. */
    void (*widen_s8)(const int8_t *src, int16_t *dst, int64_t n);

    /** y = sum * factor, or sum * factors[i] where @factors is not NULL; y may be sum. */
    void (*from_s32)(const int32_t *sum, float factor, const float *factors, float *y, int64_t n);

    /** Widens @n elements of any type; @src needs no alignment. */
    void (*widen)(ScopeDType dtype, const void *src, float *dst, int64_t n);

    /** v = activation(v), in place. */
    void (*activate)(ScopeActivation activation, float param, float *v, int64_t n);

    /**
     * y = finish(sum) for n_rows rows of n values; bias, scale and gate are the same for all rows,
     * the residual advances by f->residual_row. y may be sum or the residual.
     */
    void (*finish)(const ScopeFinish *f, const float *sum, int64_t sum_row, float *y, int64_t y_row,
                   int64_t n_rows, int64_t n);

    /** y = norm(x); y may be x. */
    void (*norm)(const ScopeNormRow *o, const float *x, float *y, int64_t d);

    /**
     * One step of a running softmax over a block of scores, transposed: score is [n_keys][width]
     * and becomes exp(score - new maximum); top and sum [width] are updated; factor [width] gets
     * what earlier results must be multiplied by. @width: multiple of nr.
     */
    void (*softmax_block)(float *score, int64_t n_keys, int64_t width, float *top, float *sum,
                          float *factor);

    /** y = softmax(x) of one row; y may be x. */
    void (*softmax_row)(const float *x, float *y, int64_t n);

    /** Rotates n_pairs pairs by cosines and sines [n_pairs][2]; y may be x. */
    void (*rope)(const float *x, const float *table, float *y, int64_t n_pairs);

    /** Dot product of @n floats. */
    float (*dot)(const float *a, const float *b, int64_t n);

    /** y += a * x. */
    void (*axpy)(float a, const float *x, float *y, int64_t n);

    /** Transposes @rows rows of @n floats at distance x_row into y [n][y_row]. */
    void (*transpose)(const float *x, int64_t x_row, int64_t rows, int64_t n, float *y,
                      int64_t y_row);
} ScopeKernels;

/** Columns that panel @panel of @n columns has room for: the last may be a half one. Thread: any.
 */
static inline int64_t
scope_kernels_panel_width(const ScopeKernels *k, int64_t n, int64_t panel)
{
    return n - panel * k->nr <= k->nr / 2 ? k->nr / 2 : k->nr;
}

/** The levels, whether this processor can run them or not. Thread: any. */
const ScopeKernels *scope_kernels_portable(void);
const ScopeKernels *scope_kernels_avx2(void);
const ScopeKernels *scope_kernels_avxvnni(void);
const ScopeKernels *scope_kernels_avx512(void);
const ScopeKernels *scope_kernels_avx512vnni(void);

/**
 * scope_kernels_get:
 *
 * The level for this processor, chosen once (see scope_backend_cpu()).
 * Thread: any. Errors: none. Returns: (transfer none): the kernels.
 */
const ScopeKernels *scope_kernels_get(void);

G_END_DECLS
