/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types: sizes, names, and exact conversion to and from float by portable bit arithmetic.
 * Pure functions; any thread.
 */
#include "engine/scope-dtype.h"

#include <math.h>
#include <string.h>

#include "engine/scope-assert.h"
#include "engine/scope-dtype-bits.h"

static const struct {
    const char *name;
    size_t size;
    gboolean is_float;
} dtype_table[SCOPE_N_DTYPES] = {
    [SCOPE_DTYPE_INVALID] = {"invalid", 0, FALSE}, [SCOPE_DTYPE_F32] = {"f32", 4, TRUE},
    [SCOPE_DTYPE_F16] = {"f16", 2, TRUE},          [SCOPE_DTYPE_BF16] = {"bf16", 2, TRUE},
    [SCOPE_DTYPE_F8_E4M3] = {"f8_e4m3", 1, TRUE},  [SCOPE_DTYPE_F8_E5M2] = {"f8_e5m2", 1, TRUE},
    [SCOPE_DTYPE_I8] = {"i8", 1, FALSE},           [SCOPE_DTYPE_U8] = {"u8", 1, FALSE},
    [SCOPE_DTYPE_I32] = {"i32", 4, FALSE},         [SCOPE_DTYPE_I64] = {"i64", 8, FALSE},
    [SCOPE_DTYPE_F64] = {"f64", 8, TRUE},
};

size_t
scope_dtype_size(ScopeDType dtype)
{
    SCOPE_ASSERT(dtype > SCOPE_DTYPE_INVALID && dtype < SCOPE_N_DTYPES);
    return dtype_table[dtype].size;
}

const char *
scope_dtype_name(ScopeDType dtype)
{
    return (unsigned)dtype < SCOPE_N_DTYPES ? dtype_table[dtype].name : "invalid";
}

gboolean
scope_dtype_is_float(ScopeDType dtype)
{
    return (unsigned)dtype < SCOPE_N_DTYPES && dtype_table[dtype].is_float;
}

static inline int64_t
narrow_int(float f, int64_t lo, int64_t hi)
{
    if (isnan(f)) {
        return 0;
    }
    if ((double)f <= (double)lo) {
        return lo;
    }
    return (double)f >= (double)hi ? hi : (int64_t)f;
}

/* @src may be a mapped file without alignment */
#define CONVERT_TO(type, expr)                                                                     \
    do {                                                                                           \
        typedef type __attribute__((aligned(1), may_alias)) Unaligned;                             \
        const Unaligned *s = src;                                                                  \
        for (int64_t i = 0; i < n; i++) {                                                          \
            dst[i] = (expr);                                                                       \
        }                                                                                          \
    } while (0)

void
scope_dtype_to_f32(ScopeDType dtype, const void *src, float *dst, int64_t n)
{
    switch (dtype) {
    case SCOPE_DTYPE_F32:
        if (n > 0) {
            memcpy(dst, src, (size_t)n * sizeof(float));
        }
        return;
    case SCOPE_DTYPE_F16:
        CONVERT_TO(uint16_t, widen(s[i], 5, 10, 1));
        return;
    case SCOPE_DTYPE_BF16:
        CONVERT_TO(uint16_t, float_from_bits((uint32_t)s[i] << 16));
        return;
    case SCOPE_DTYPE_F8_E4M3:
        CONVERT_TO(uint8_t, widen_e4m3(s[i]));
        return;
    case SCOPE_DTYPE_F8_E5M2:
        CONVERT_TO(uint8_t, widen(s[i], 5, 2, 1));
        return;
    case SCOPE_DTYPE_I8:
        CONVERT_TO(int8_t, (float)s[i]);
        return;
    case SCOPE_DTYPE_U8:
        CONVERT_TO(uint8_t, (float)s[i]);
        return;
    case SCOPE_DTYPE_I32:
        CONVERT_TO(int32_t, (float)s[i]);
        return;
    case SCOPE_DTYPE_I64:
        CONVERT_TO(int64_t, (float)s[i]);
        return;
    case SCOPE_DTYPE_F64:
        CONVERT_TO(double, (float)s[i]);
        return;
    case SCOPE_DTYPE_INVALID:
    case SCOPE_N_DTYPES:
        break;
    }
    SCOPE_ASSERT(FALSE && "valid dtype");
}

#define CONVERT_FROM(type, expr)                                                                   \
    do {                                                                                           \
        type *d = dst;                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                          \
            d[i] = (type)(expr);                                                                   \
        }                                                                                          \
    } while (0)

void
scope_dtype_from_f32(ScopeDType dtype, const float *src, void *dst, int64_t n)
{
    switch (dtype) {
    case SCOPE_DTYPE_F32:
        if (n > 0) {
            memcpy(dst, src, (size_t)n * sizeof(float));
        }
        return;
    case SCOPE_DTYPE_F16:
        CONVERT_FROM(uint16_t, narrow_f16(src[i]));
        return;
    case SCOPE_DTYPE_BF16:
        CONVERT_FROM(uint16_t, narrow_bf16(src[i]));
        return;
    case SCOPE_DTYPE_F8_E4M3:
        CONVERT_FROM(uint8_t, narrow_e4m3(src[i]));
        return;
    case SCOPE_DTYPE_F8_E5M2:
        CONVERT_FROM(uint8_t, narrow_e5m2(src[i]));
        return;
    case SCOPE_DTYPE_I8:
        CONVERT_FROM(int8_t, narrow_int(src[i], INT8_MIN, INT8_MAX));
        return;
    case SCOPE_DTYPE_U8:
        CONVERT_FROM(uint8_t, narrow_int(src[i], 0, UINT8_MAX));
        return;
    case SCOPE_DTYPE_I32:
        CONVERT_FROM(int32_t, narrow_int(src[i], INT32_MIN, INT32_MAX));
        return;
    case SCOPE_DTYPE_I64:
        CONVERT_FROM(int64_t, narrow_int(src[i], INT64_MIN, INT64_MAX));
        return;
    case SCOPE_DTYPE_F64:
        CONVERT_FROM(double, src[i]);
        return;
    case SCOPE_DTYPE_INVALID:
    case SCOPE_N_DTYPES:
        break;
    }
    SCOPE_ASSERT(FALSE && "valid dtype");
}
