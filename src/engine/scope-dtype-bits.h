/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bit arithmetic of the small float types, one source for the CPU and for device code. Pure
 * functions; any thread.
 */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define SCOPE_BITS_FN static __host__ __device__ inline
#else
#define SCOPE_BITS_FN static inline
#endif

SCOPE_BITS_FN float
float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

SCOPE_BITS_FN uint32_t
bits_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* Widens a small IEEE-like float with @eb exponent and @mb mantissa bits. */
SCOPE_BITS_FN float
widen(uint32_t v, int eb, int mb, int has_inf)
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

SCOPE_BITS_FN float
widen_e4m3(uint8_t v)
{
    return (v & 0x7fU) == 0x7fU ? float_from_bits(((uint32_t)(v & 0x80U) << 24) | 0x7fc00000U)
                                : widen(v, 4, 3, 0);
}

/*
 * Rounds @f to nearest even with @mb mantissa bits and smallest normal exponent @emin; the result
 * is a magnitude code whose overflow the caller handles. NaN and infinity are excluded.
 */
SCOPE_BITS_FN uint32_t
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

SCOPE_BITS_FN uint16_t
narrow_f16(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 16) & 0x8000U, a = bits & 0x7fffffffU;
    if (a >= 0x7f800000U) {
        return (uint16_t)(sign | (a > 0x7f800000U ? 0x7e00U | ((a >> 13) & 0x3ffU) : 0x7c00U));
    }
    uint32_t m = narrow_magnitude(a, 10, -14);
    return (uint16_t)(sign | (m > 0x7c00U ? 0x7c00U : m));
}

SCOPE_BITS_FN uint16_t
narrow_bf16(float f)
{
    uint32_t bits = bits_from_float(f);
    if ((bits & 0x7fffffffU) > 0x7f800000U) {
        return (uint16_t)((bits >> 16) | 0x40U);
    }
    return (uint16_t)((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

SCOPE_BITS_FN uint8_t
narrow_e4m3(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 24) & 0x80U, a = bits & 0x7fffffffU;
    if (a > 0x7f800000U) {
        return (uint8_t)(sign | 0x7fU);
    }
    uint32_t m = a >= 0x43e80000U ? 0x7eU : narrow_magnitude(a, 3, -6);
    return (uint8_t)(sign | (m > 0x7eU ? 0x7eU : m));
}

SCOPE_BITS_FN uint8_t
narrow_e5m2(float f)
{
    uint32_t bits = bits_from_float(f), sign = (bits >> 24) & 0x80U, a = bits & 0x7fffffffU;
    if (a >= 0x7f800000U) {
        return (uint8_t)(sign | (a > 0x7f800000U ? 0x7eU : 0x7cU));
    }
    uint32_t m = narrow_magnitude(a, 2, -14);
    return (uint8_t)(sign | (m > 0x7cU ? 0x7cU : m));
}
