/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types: sizes, names, and exact conversion to and from float by portable bit arithmetic.
 * Pure functions; any thread.
 */
#include "engine/scope-dtype.h"

#include <math.h>
#include <string.h>

#include "engine/scope-assert.h"

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

static inline float
float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t
bits_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Widens a small IEEE-like float with @eb exponent and @mb mantissa bits. */
static inline float
widen(uint32_t v, int eb, int mb, gboolean has_inf)
{
    uint32_t sign = (v >> (eb + mb)) & 1U;
    uint32_t exp = (v >> mb) & ((1U << eb) - 1U);
    uint32_t man = v & ((1U << mb) - 1U);
    int bias = (1 << (eb - 1)) - 1;
    if (has_inf && exp == (1U << eb) - 1U) {
        return float_from_bits((sign << 31) | 0x7f800000U | (man << (23 - mb)));
    }
    if (exp == 0) {
        float f = ldexpf((float)man, 1 - bias - mb);
        return sign ? -f : f;
    }
    return float_from_bits((sign << 31) | ((exp + (uint32_t)(127 - bias)) << 23) |
                           (man << (23 - mb)));
}

static inline float
widen_e4m3(uint8_t v)
{
    return (v & 0x7fU) == 0x7fU ? float_from_bits(((uint32_t)(v & 0x80U) << 24) | 0x7fc00000U)
                                : widen(v, 4, 3, FALSE);
}

/*
 * Rounds @f to nearest even with @mb mantissa bits and smallest normal exponent @emin; the result
 * is a magnitude code whose overflow the caller handles. NaN and infinity are excluded.
 */
static inline uint32_t
narrow_magnitude(uint32_t abs_bits, int mb, int emin)
{
    int exp = (int)(abs_bits >> 23) - 127;
    if (exp >= emin) {
        uint32_t shift = (uint32_t)(23 - mb);
        uint32_t rounded = abs_bits + (1U << (shift - 1)) - 1U + ((abs_bits >> shift) & 1U);
        return (rounded >> shift) - ((uint32_t)(emin + 126) << mb);
    }
    int shift = 23 - mb + (emin - exp);
    if (shift > 24 || exp == -127) {
        return 0;
    }
    uint32_t man = (abs_bits & 0x7fffffU) | 0x800000U;
    uint32_t half = 1U << (shift - 1);
    return (man + half - 1U + ((man >> shift) & 1U)) >> shift;
}

static inline uint16_t
narrow_f16(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 16) & 0x8000U, a = bits & 0x7fffffffU;
    if (a >= 0x7f800000U) {
        return (uint16_t)(sign | (a > 0x7f800000U ? 0x7e00U | ((a >> 13) & 0x3ffU) : 0x7c00U));
    }
    uint32_t m = narrow_magnitude(a, 10, -14);
    return (uint16_t)(sign | (m > 0x7c00U ? 0x7c00U : m));
}

static inline uint16_t
narrow_bf16(float f)
{
    uint32_t bits = bits_from_float(f);
    if ((bits & 0x7fffffffU) > 0x7f800000U) {
        return (uint16_t)((bits >> 16) | 0x40U);
    }
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

static inline uint8_t
narrow_e4m3(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 24) & 0x80U, a = bits & 0x7fffffffU;
    if (a > 0x7f800000U) {
        return (uint8_t)(sign | 0x7fU);
    }
    uint32_t m = a >= 0x43e80000U ? 0x7eU : narrow_magnitude(a, 3, -6);
    return (uint8_t)(sign | (m > 0x7eU ? 0x7eU : m));
}

static inline uint8_t
narrow_e5m2(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 24) & 0x80U, a = bits & 0x7fffffffU;
    if (a >= 0x7f800000U) {
        return (uint8_t)(sign | (a > 0x7f800000U ? 0x7eU : 0x7cU));
    }
    uint32_t m = narrow_magnitude(a, 2, -14);
    return (uint8_t)(sign | (m > 0x7cU ? 0x7cU : m));
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
        CONVERT_TO(uint16_t, widen(s[i], 5, 10, TRUE));
        return;
    case SCOPE_DTYPE_BF16:
        CONVERT_TO(uint16_t, float_from_bits((uint32_t)s[i] << 16));
        return;
    case SCOPE_DTYPE_F8_E4M3:
        CONVERT_TO(uint8_t, widen_e4m3(s[i]));
        return;
    case SCOPE_DTYPE_F8_E5M2:
        CONVERT_TO(uint8_t, widen(s[i], 5, 2, TRUE));
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
