/* SPDX-License-Identifier: Apache-2.0 */
/* Products of f32 and of 16-bit integers, and the way to integers and back. Own nothing. Any
 * thread. */
#include "engine/cpu/kernels/scope-kernels-private.h"

#include "engine/cpu/kernels/scope-vec.h"

/* ---- products: mr x nr sums in registers ---------------------------------------------------- */

#define SUM_ZERO(i) vf s##i##a = {0}, s##i##b = {0};
#define SUM_ADD(i)                                                                                 \
    s##i##a += vload(c + i * c_row);                                                               \
    s##i##b += vload(c + i * c_row + VLEN);
#define SUM_STORE(i)                                                                               \
    vstore(c + i * c_row, s##i##a);                                                                \
    vstore(c + i * c_row + VLEN, s##i##b);
#define ROW_POINTER(i) const float *r##i = rows[i] + offset;
#define ROW_STEP(i)                                                                                \
    s##i##a += r##i[k] * b0;                                                                       \
    s##i##b += r##i[k] * b1;
#define COLUMN_STEP(i)                                                                             \
    s##i##a += a[i] * b0;                                                                          \
    s##i##b += a[i] * b1;

void
KERNEL(gemm_rows)(int64_t n_taps, const float *const *rows, int64_t offset, int64_t n_k,
                  const float *b, float *c, int64_t c_row, gboolean accumulate)
{
    EACH(SUM_ZERO)
    for (int64_t t = 0; t < n_taps; t++, rows += MR) {
        EACH(ROW_POINTER)
        for (int64_t k = 0; k < n_k; k++, b += NR) {
            vf b0 = vload(b), b1 = vload(b + VLEN);
            EACH(ROW_STEP)
        }
    }
    if (accumulate) {
        EACH(SUM_ADD)
    }
    EACH(SUM_STORE)
}

/* One vector of columns, in the same order of sums. */
#define HALF_ZERO(i)  vf s##i##a = {0};
#define HALF_STEP(i)  s##i##a += r##i[k] * b0;
#define HALF_ADD(i)   s##i##a += vload(c + i * c_row);
#define HALF_STORE(i) vstore(c + i * c_row, s##i##a);

void
KERNEL(gemm_rows_half)(int64_t n_taps, const float *const *rows, int64_t offset, int64_t n_k,
                       const float *b, float *c, int64_t c_row, gboolean accumulate)
{
    EACH(HALF_ZERO)
    for (int64_t t = 0; t < n_taps; t++, rows += MR) {
        EACH(ROW_POINTER)
        for (int64_t k = 0; k < n_k; k++, b += VLEN) {
            vf b0 = vload(b);
            EACH(HALF_STEP)
        }
    }
    if (accumulate) {
        EACH(HALF_ADD)
    }
    EACH(HALF_STORE)
}

void
KERNEL(gemm_columns)(int64_t n_k, const float *a, int64_t a_col, const float *b, int64_t b_row,
                     float *c, int64_t c_row)
{
    EACH(SUM_ZERO)
    for (int64_t k = 0; k < n_k; k++, a += a_col, b += b_row) {
        vf b0 = vload(b), b1 = vload(b + VLEN);
        EACH(COLUMN_STEP)
    }
    EACH(SUM_ADD)
    EACH(SUM_STORE)
}

/* ---- products of 16-bit integers ------------------------------------------------------------ */

/* sum + two neighbouring products, in each of VLEN lanes. */
static inline vi
add_pairs(vi sum, vi a, vi b)
{
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif defined(__AVX512BW__)
    return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVXVNNI__)
    return (vi)_mm256_dpwssd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#elif defined(__AVX2__)
    return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return sum + (vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return sum + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
}

static inline vi
load_int(const void *p)
{
    vi v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline vi
set_pair(const int16_t *p)
{
    int32_t pair;
    memcpy(&pair, p, sizeof pair);
    return (vi){0} + pair;
}

#define INT_ZERO(i)    vi s##i##a = {0}, s##i##b = {0};
#define INT_POINTER(i) const int16_t *r##i = rows[i] + offset;
#define INT_STEP(i)                                                                                \
    {                                                                                              \
        vi pair = set_pair(r##i + 2 * k);                                                          \
        s##i##a = add_pairs(s##i##a, pair, b0);                                                    \
        s##i##b = add_pairs(s##i##b, pair, b1);                                                    \
    }
#define INT_ADD(i)                                                                                 \
    s##i##a += load_int(c + i * c_row);                                                            \
    s##i##b += load_int(c + i * c_row + VLEN);
#define INT_STORE(i)                                                                               \
    memcpy(c + i * c_row, &s##i##a, sizeof s##i##a);                                               \
    memcpy(c + i * c_row + VLEN, &s##i##b, sizeof s##i##b);

void
KERNEL(gemm_rows_s16)(int64_t n_taps, const int16_t *const *rows, int64_t offset, int64_t n_pairs,
                      const int16_t *b, int32_t *c, int64_t c_row, gboolean accumulate)
{
    EACH(INT_ZERO)
    for (int64_t t = 0; t < n_taps; t++, rows += MR) {
        EACH(INT_POINTER)
        for (int64_t k = 0; k < n_pairs; k++, b += 2 * NR) {
            vi b0 = load_int(b), b1 = load_int(b + 2 * VLEN);
            EACH(INT_STEP)
        }
    }
    if (accumulate) {
        EACH(INT_ADD)
    }
    EACH(INT_STORE)
}

/* One vector of columns: the second sums take every other pair, so that enough are in flight. */
#define INT_HALF_STEP(i)                                                                           \
    s##i##a = add_pairs(s##i##a, set_pair(r##i + 2 * k), b0);                                      \
    s##i##b = add_pairs(s##i##b, set_pair(r##i + 2 * k + 2), b1);
#define INT_HALF_LAST(i)  s##i##a = add_pairs(s##i##a, set_pair(r##i + 2 * n_pairs - 2), b0);
#define INT_HALF_JOIN(i)  s##i##a += s##i##b;
#define INT_HALF_ADD(i)   s##i##a += load_int(c + i * c_row);
#define INT_HALF_STORE(i) memcpy(c + i * c_row, &s##i##a, sizeof s##i##a);

void
KERNEL(gemm_rows_s16_half)(int64_t n_taps, const int16_t *const *rows, int64_t offset,
                           int64_t n_pairs, const int16_t *b, int32_t *c, int64_t c_row,
                           gboolean accumulate)
{
    EACH(INT_ZERO)
    for (int64_t t = 0; t < n_taps; t++, rows += MR) {
        EACH(INT_POINTER)
        for (int64_t k = 0; k + 1 < n_pairs; k += 2, b += 2 * NR) {
            vi b0 = load_int(b), b1 = load_int(b + 2 * VLEN);
            EACH(INT_HALF_STEP)
        }
        if (n_pairs % 2 != 0) {
            vi b0 = load_int(b);
            EACH(INT_HALF_LAST)
            b += 2 * VLEN;
        }
    }
    EACH(INT_HALF_JOIN)
    if (accumulate) {
        EACH(INT_HALF_ADD)
    }
    EACH(INT_HALF_STORE)
}

float
KERNEL(abs_max)(const float *x, int64_t n)
{
    vf top0 = {0}, top1 = {0};
    int64_t i = 0;
    for (; i + 2 * VLEN <= n; i += 2 * VLEN) {
        top0 = vmax(vabs(vload(x + i)), top0);
        top1 = vmax(vabs(vload(x + i + VLEN)), top1);
    }
    float lane[VLEN], top = 0.0F;
    vstore(lane, vmax(top0, top1));
    for (int j = 0; j < VLEN; j++) {
        top = lane[j] > top ? lane[j] : top;
    }
    for (; i < n; i++) {
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    }
    return top;
}

void
KERNEL(quantize_s16)(const float *x, float factor, int16_t *q, int64_t n)
{
    typedef int16_t Half __attribute__((vector_size(VLEN * 2), aligned(2), may_alias));
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) {
        vi v = __builtin_convertvector(vround_small(vload(x + i) * factor), vi);
        *(Half *)(q + i) = __builtin_convertvector(v, Half);
    }
    for (; i < n; i++) {
        float v = x[i] * factor;
        q[i] = (int16_t)((v + 12582912.0F) - 12582912.0F);
    }
}

void
KERNEL(widen_s8)(const int8_t *src, int16_t *dst, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        dst[i] = src[i];
    }
}

void
KERNEL(from_s32)(const int32_t *sum, float factor, const float *factors, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t v;
        memcpy(&v, sum + i, sizeof v); /* y may be the same memory */
        y[i] = (float)v * (factors ? factors[i] : factor);
    }
}
