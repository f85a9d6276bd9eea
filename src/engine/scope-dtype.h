/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types of tensors, their sizes and names, and exact conversions between them and float.
 * Pure functions; any thread.
 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/** ScopeDType: the type of one tensor element. Values are stable (they index tables). */
typedef enum {
    SCOPE_DTYPE_INVALID = 0, /**< marks "no tensor" (see SCOPE_TENSOR_NONE) */
    SCOPE_DTYPE_F32,
    SCOPE_DTYPE_F16,     /**< IEEE binary16 */
    SCOPE_DTYPE_BF16,    /**< upper half of binary32 */
    SCOPE_DTYPE_F8_E4M3, /**< "FN" form: bias 7, max 448, no infinity, NaN 0x7f and 0xff */
    SCOPE_DTYPE_F8_E5M2, /**< IEEE-like: bias 15, max 57344, has infinity */
    SCOPE_DTYPE_I8,
    SCOPE_DTYPE_U8,
    SCOPE_DTYPE_I32,
    SCOPE_DTYPE_I64,
    SCOPE_DTYPE_F64, /**< storage only: read from checkpoints, converted on load */
    SCOPE_N_DTYPES
} ScopeDType;

/**
 * scope_dtype_size:
 * @dtype: any valid type
 *
 * Thread: any. Errors: none (asserts on an invalid type).
 * Returns: size of one element in bytes.
 */
size_t scope_dtype_size(ScopeDType dtype);

/**
 * scope_dtype_name:
 * @dtype: any value
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none): a short lower-case name ("f32", "f8_e4m3", ...), "invalid" otherwise.
 */
const char *scope_dtype_name(ScopeDType dtype);

/**
 * scope_dtype_is_float:
 * @dtype: any value
 *
 * Thread: any. Errors: none.
 * Returns: TRUE for the floating point types.
 */
gboolean scope_dtype_is_float(ScopeDType dtype);

/**
 * scope_dtype_to_f32:
 * @dtype: type of @src
 * @src: @n elements, host memory, contiguous, any alignment (mapped files)
 * @dst: @n floats, host memory, contiguous; must not overlap @src
 * @n: element count, >= 0
 *
 * Widens to float. Exact for f16, bf16, both f8 types, i8 and u8; i32, i64 and f64 are rounded to
 * nearest even. NaNs stay NaNs.
 *
 * Thread: any. Errors: none.
 * Returns: nothing.
 */
void scope_dtype_to_f32(ScopeDType dtype, const void *src, float *dst, int64_t n);

/**
 * scope_dtype_from_f32:
 * @dtype: type of @dst
 * @src: @n floats, host memory, contiguous
 * @dst: @n elements, host memory, contiguous; must not overlap @src
 * @n: element count, >= 0
 *
 * Narrows from float. Floating point types round to nearest even. f16, bf16 and f8_e5m2 overflow to
 * infinity; f8_e4m3 saturates to +-448 (infinities too) and keeps NaN. Integer types truncate
 * towards zero and saturate; NaN becomes 0.
 *
 * Thread: any. Errors: none.
 * Returns: nothing.
 */
void scope_dtype_from_f32(ScopeDType dtype, const float *src, void *dst, int64_t n);

G_END_DECLS
