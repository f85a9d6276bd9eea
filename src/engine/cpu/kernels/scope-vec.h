/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of floats of the width that this compilation level has, on the compiler's vector
 * extension, and the few functions that it lacks. Included by kernel sources only.
 */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__AVX512F__)
#define VLEN 16
#elif defined(__AVX2__)
#define VLEN 8
#else
#define VLEN 4
#endif

typedef float vf __attribute__((vector_size(VLEN * 4)));
typedef int32_t vi __attribute__((vector_size(VLEN * 4)));
typedef uint32_t vu __attribute__((vector_size(VLEN * 4)));
typedef float vf_u __attribute__((vector_size(VLEN * 4), aligned(4), may_alias));

static inline vf
vload(const float *p)
{
    return *(const vf_u *)p;
}

static inline void
vstore(float *p, vf v)
{
    *(vf_u *)p = v;
}

static inline vf
vset(float x)
{
    return (vf){0} + x;
}

static inline vf
vselect(vi mask, vf a, vf b)
{
#if defined(__AVX2__) && !defined(__AVX512F__)
    return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask);
#else
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
#endif
}

/* A NaN in the second argument stays, one in the first is dropped. */
static inline vf
vmax(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
    return vselect(a > b, a, b);
#endif
}

static inline vf
vmin(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
    return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
    return vselect(a < b, a, b);
#endif
}

/* Rounds to the nearest integer; |x| < 2^22. */
static inline vf
vround_small(vf x)
{
    const vf magic = vset(12582912.0F);
    return (x + magic) - magic;
}

static inline vf
vabs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

static inline float
vsum(vf v)
{
    /* always the same tree: halves, quarters, ... */
    float lane[VLEN];
    vstore(lane, v);
    for (int width = VLEN / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) {
            lane[i] += lane[i + width];
        }
    }
    return lane[0];
}

/* Loads n < VLEN floats, zeros after them. */
static inline vf
vload_part(const float *p, int64_t n)
{
    float lane[VLEN] = {0};
    memcpy(lane, p, (size_t)n * sizeof(float));
    return vload(lane);
}

static inline void
vstore_part(float *p, vf v, int64_t n)
{
    float lane[VLEN];
    vstore(lane, v);
    memcpy(p, lane, (size_t)n * sizeof(float));
}

/*
 * exp: x = n ln2 + r, |r| <= ln2/2, polynomial for e^r, n put into the exponent. Within 2 ulp; the
 * exponent of n = -127 is that of zero and the one of n = 128 that of infinity, so the result is
 * exactly 0 below -87.7 and infinity above 88.4. NaN stays.
 */
static inline vf
vexp(vf x)
{
    vf c = vmax(vset(-88.1F), vmin(vset(88.8F), x));
    vf n = vround_small(c * 1.44269504088896341F);
    vf r = c - n * 0.693359375F;
    r = r + n * 2.12194440e-4F;
    vf p = vset(1.9875691500e-4F);
    p = p * r + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * r + 1.0F;
    p = p * r + 1.0F;
    return p * (vf)((__builtin_convertvector(n, vi) + 127) << 23);
}

static inline vf
vsigmoid(vf x)
{
    return 1.0F / (1.0F + vexp(-x));
}

static inline vf
vtanh(vf x)
{
    vf a = vabs(x);
    vf big = 1.0F - 2.0F / (vexp(a + a) + 1.0F);
    /* the difference loses digits near zero: use the series there */
    vf s = x * x;
    vf small = a * (1.0F + s * (-0.333333333F + s * (0.133333333F - s * 0.053968254F)));
    vf y = vselect(a < 0.2F, small, big);
    return (vf)((vi)y | ((vi)x & INT32_MIN));
}

/* 0.5 * erfc(a) for a >= 0, formula 7.1.26 of Abramowitz and Stegun (1.5e-7 absolute). */
static inline vf
vhalf_erfc(vf a)
{
    vf t = 1.0F / (1.0F + 0.3275911F * a);
    vf p = vset(1.061405429F);
    p = p * t - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    return 0.5F * p * t * vexp(-a * a);
}
