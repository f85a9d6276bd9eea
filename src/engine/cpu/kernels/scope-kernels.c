/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels, compiled once per instruction level with SCOPE_KERNELS_GET naming the accessor. Own
 * nothing. Any thread.
 */
#include "engine/cpu/kernels/scope-kernels.h"

#include "engine/cpu/kernels/scope-vec.h"
#include "engine/scope-assert.h"

/* ---- products: mr x nr sums in registers ---------------------------------------------------- */

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

static void
gemm_rows(int64_t n_taps, const float *const *rows, int64_t offset, int64_t n_k, const float *b,
          float *c, int64_t c_row, gboolean accumulate)
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

static void
gemm_rows_half(int64_t n_taps, const float *const *rows, int64_t offset, int64_t n_k,
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

static void
gemm_columns(int64_t n_k, const float *a, int64_t a_col, const float *b, int64_t b_row, float *c,
             int64_t c_row)
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

static void
gemm_rows_s16(int64_t n_taps, const int16_t *const *rows, int64_t offset, int64_t n_pairs,
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

static void
gemm_rows_s16_half(int64_t n_taps, const int16_t *const *rows, int64_t offset, int64_t n_pairs,
                   const int16_t *b, int32_t *c, int64_t c_row, gboolean accumulate)
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

static float
abs_max(const float *x, int64_t n)
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

static void
quantize_s16(const float *x, float factor, int16_t *q, int64_t n)
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

static void
widen_s8(const int8_t *src, int16_t *dst, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        dst[i] = src[i];
    }
}

static void
from_s32(const int32_t *sum, float factor, const float *factors, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t v;
        memcpy(&v, sum + i, sizeof v); /* y may be the same memory */
        y[i] = (float)v * (factors ? factors[i] : factor);
    }
}

/* ---- widening ------------------------------------------------------------------------------- */

typedef uint8_t Bytes __attribute__((vector_size(VLEN), aligned(1), may_alias));
typedef uint16_t Words __attribute__((vector_size(VLEN * 2), aligned(2), may_alias));

static inline vf
widen_bf16(const uint16_t *src)
{
    return (vf)(__builtin_convertvector(*(const Words *)src, vi) << 16);
}

/* As a float of tiny exponent, then moved by a power of two: exact, subnormals too. */
static inline vf
widen_e4m3(const uint8_t *src)
{
    vi q = __builtin_convertvector(*(const Bytes *)src, vi), m = q & 0x7f;
    vf v = (vf)(m << 20) * 0x1p120F;
    v = vselect(m == 0x7f, (vf)((vi){0} + 0x7fc00000), v);
    return (vf)((vi)v | ((q ^ m) << 24));
}

#if defined(__AVX2__)
static inline vf
widen_f16(__m128i_u low, __m128i_u high)
{
#if defined(__AVX512F__)
    return (vf)_mm512_cvtph_ps(_mm256_set_m128i(high, low));
#else
    (void)high;
    return (vf)_mm256_cvtph_ps(low);
#endif
}

/* e5m2 is the upper byte of an f16. */
static inline vf
widen_half(gboolean is_byte, const uint8_t *src)
{
    __m128i low, high = _mm_setzero_si128();
    if (is_byte) {
#if VLEN == 16
        __m128i q = _mm_loadu_si128((const __m128i_u *)src);
        high = _mm_unpackhi_epi8(_mm_setzero_si128(), q);
#else
        __m128i q = _mm_loadl_epi64((const __m128i_u *)src);
#endif
        low = _mm_unpacklo_epi8(_mm_setzero_si128(), q);
    } else {
        low = _mm_loadu_si128((const __m128i_u *)src);
#if VLEN == 16
        high = _mm_loadu_si128((const __m128i_u *)(src + 16));
#endif
    }
    return widen_f16(low, high);
}
#endif

/* Whole vectors; returns how many elements are done. */
static int64_t
widen_vectors(ScopeDType dtype, const uint8_t *src, float *dst, int64_t n)
{
    int64_t i = 0;
    if (dtype == SCOPE_DTYPE_BF16) {
        for (; i + VLEN <= n; i += VLEN) {
            vstore(dst + i, widen_bf16((const uint16_t *)(const void *)(src + 2 * i)));
        }
    } else if (dtype == SCOPE_DTYPE_F8_E4M3) {
        for (; i + VLEN <= n; i += VLEN) {
            vstore(dst + i, widen_e4m3(src + i));
        }
    }
#if defined(__AVX2__)
    else if (dtype == SCOPE_DTYPE_F16 || dtype == SCOPE_DTYPE_F8_E5M2) {
        gboolean is_byte = dtype == SCOPE_DTYPE_F8_E5M2;
        for (; i + VLEN <= n; i += VLEN) {
            vstore(dst + i, widen_half(is_byte, src + (is_byte ? i : 2 * i)));
        }
    }
#endif
    return i;
}

static void
widen(ScopeDType dtype, const void *src, float *dst, int64_t n)
{
    if (dtype == SCOPE_DTYPE_F32) {
        memcpy(dst, src, (size_t)n * sizeof(float));
        return;
    }
    int64_t done = widen_vectors(dtype, src, dst, n);
    const char *rest = (const char *)src + done * (int64_t)scope_dtype_size(dtype);
    scope_dtype_to_f32(dtype, rest, dst + done, n - done);
}

/* ---- elementwise ---------------------------------------------------------------------------- */

static inline vf
gelu_erf_vector(vf v)
{
    vf tail = vhalf_erfc(vabs(v) * 0.7071067811865476F);
    return v * vselect(v < 0.0F, tail, 1.0F - tail);
}

/* 0.5 v (1 + tanh u) = v sigmoid(2u) */
static inline vf
gelu_tanh_vector(vf v)
{
    return v * vsigmoid(1.5957691216057308F * (v + 0.044715F * v * v * v));
}

/* Two vectors at a time hide the length of the dependency chain. */
#define ACTIVATE_LOOP(expr)                                                                        \
    do {                                                                                           \
        int64_t i = 0;                                                                             \
        for (; i + 2 * VLEN <= n; i += 2 * VLEN) {                                                 \
            vf x = vload(v + i), first = (expr);                                                   \
            x = vload(v + i + VLEN);                                                               \
            vf second = (expr);                                                                    \
            vstore(v + i, first);                                                                  \
            vstore(v + i + VLEN, second);                                                          \
        }                                                                                          \
        for (; i < n; i += VLEN) {                                                                 \
            int64_t m = n - i < VLEN ? n - i : VLEN;                                               \
            vf x = vload_part(v + i, m);                                                           \
            vstore_part(v + i, (expr), m);                                                         \
        }                                                                                          \
    } while (0)

static void
activate(ScopeActivation activation, float param, float *v, int64_t n)
{
    switch (activation) {
    case SCOPE_ACTIVATION_RELU:
        ACTIVATE_LOOP(vmax(x, vset(0.0F)));
        break;
    case SCOPE_ACTIVATION_LEAKY_RELU:
        ACTIVATE_LOOP(vselect(x > 0.0F, x, x * param));
        break;
    case SCOPE_ACTIVATION_SILU:
        ACTIVATE_LOOP(x * vsigmoid(x));
        break;
    case SCOPE_ACTIVATION_GELU_TANH:
        ACTIVATE_LOOP(gelu_tanh_vector(x));
        break;
    case SCOPE_ACTIVATION_GELU_ERF:
        ACTIVATE_LOOP(gelu_erf_vector(x));
        break;
    case SCOPE_ACTIVATION_SIGMOID:
        ACTIVATE_LOOP(vsigmoid(x));
        break;
    case SCOPE_ACTIVATION_TANH:
        ACTIVATE_LOOP(vtanh(x));
        break;
    case SCOPE_ACTIVATION_NONE:
    case SCOPE_N_ACTIVATIONS:
        break;
    }
}

/* v = sum * scale + bias; either may be NULL. */
static void
scale_and_shift(const float *sum, float *v, const float *scale, gboolean scale_is_vector,
                const float *bias, int64_t n)
{
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) {
        vf x = vload(sum + i);
        if (scale) {
            x = x * (scale_is_vector ? vload(scale + i) : vset(*scale));
        }
        vstore(v + i, bias ? x + vload(bias + i) : x);
    }
    for (; i < n; i++) {
        float x = scale ? sum[i] * scale[scale_is_vector ? i : 0] : sum[i];
        v[i] = bias ? x + bias[i] : x;
    }
}

/* v = v * gate + residual; either may be NULL. */
static void
gate_and_add(float *v, const float *gate, const float *residual, int64_t n)
{
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) {
        vf x = gate ? vload(v + i) * vload(gate + i) : vload(v + i);
        vstore(v + i, residual ? x + vload(residual + i) : x);
    }
    for (; i < n; i++) {
        float x = gate ? v[i] * gate[i] : v[i];
        v[i] = residual ? x + residual[i] : x;
    }
}

static inline gboolean
is_cheap(ScopeActivation activation)
{
    return activation <= SCOPE_ACTIVATION_LEAKY_RELU;
}

static inline vf
cheap_vector(ScopeActivation activation, float param, vf v)
{
    if (activation == SCOPE_ACTIVATION_RELU) {
        return vmax(vset(0.0F), v);
    }
    return activation == SCOPE_ACTIVATION_NONE ? v : vselect(v > 0.0F, v, v * param);
}

/* Whole vectors with cheap activations in one pass: short rows of small convolutions. */
static void
finish_cheap(const ScopeFinish *f, const float *sum, int64_t sum_row, float *y, int64_t y_row,
             int64_t n_rows, int64_t n)
{
    for (int64_t i = 0; i + VLEN <= n; i += VLEN) {
        const vf zero = {0};
        vf bias = f->bias ? vload(f->bias + i) : zero, gate = f->gate ? vload(f->gate + i) : zero;
        vf scale = !f->scale ? zero : f->scale_is_vector ? vload(f->scale + i) : vset(*f->scale);
        for (int64_t r = 0; r < n_rows; r++) {
            vf v = vload(sum + r * sum_row + i);
            v = f->scale ? v * scale + bias : v + bias;
            v = cheap_vector(f->activation, f->activation_param, v);
            v = f->gate ? v * gate : v;
            v = f->residual ? v + vload(f->residual + r * f->residual_row + i) : v;
            vstore(y + r * y_row + i, cheap_vector(f->final_activation, f->final_param, v));
        }
    }
}

#define FINISH_PART 256

/* The output may be the residual: then the row takes shape in a buffer. */
static void
finish_row(const ScopeFinish *f, const float *sum, const float *residual, float *y, int64_t first,
           int64_t n)
{
    float buffer[FINISH_PART];
    for (int64_t i = first; i < n; i += FINISH_PART) {
        int64_t m = n - i < FINISH_PART ? n - i : FINISH_PART;
        float *v = residual ? buffer : y + i;
        scale_and_shift(sum + i, v, f->scale ? f->scale + (f->scale_is_vector ? i : 0) : NULL,
                        f->scale_is_vector, f->bias ? f->bias + i : NULL, m);
        activate(f->activation, f->activation_param, v, m);
        if (f->gate || residual) {
            gate_and_add(v, f->gate ? f->gate + i : NULL, residual ? residual + i : NULL, m);
        }
        activate(f->final_activation, f->final_param, v, m);
        if (residual) {
            memcpy(y + i, v, (size_t)m * sizeof(float));
        }
    }
}

static void
finish(const ScopeFinish *f, const float *sum, int64_t sum_row, float *y, int64_t y_row,
       int64_t n_rows, int64_t n)
{
    int64_t done = 0;
    if (is_cheap(f->activation) && is_cheap(f->final_activation)) {
        finish_cheap(f, sum, sum_row, y, y_row, n_rows, n);
        done = n / VLEN * VLEN;
    }
    for (int64_t r = 0; r < n_rows && done < n; r++) {
        finish_row(f, sum + r * sum_row, f->residual ? f->residual + r * f->residual_row : NULL,
                   y + r * y_row, done, n);
    }
}

/* ---- norms ---------------------------------------------------------------------------------- */

/* Four partial sums: short chains, and errors far below those of one running sum. */
static float
row_sum(const float *x, int64_t d)
{
    vf s[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * VLEN <= d; i += 4 * VLEN) {
        for (int j = 0; j < 4; j++) {
            s[j] += vload(x + i + j * VLEN);
        }
    }
    for (; i + VLEN <= d; i += VLEN) {
        s[0] += vload(x + i);
    }
    if (i < d) {
        s[1] += vload_part(x + i, d - i);
    }
    return vsum((s[0] + s[1]) + (s[2] + s[3]));
}

static float
row_squares(const float *x, int64_t d, float mean)
{
    vf s[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * VLEN <= d; i += 4 * VLEN) {
        for (int j = 0; j < 4; j++) {
            vf v = vload(x + i + j * VLEN) - mean;
            s[j] += v * v;
        }
    }
    for (; i + VLEN <= d; i += VLEN) {
        vf v = vload(x + i) - mean;
        s[0] += v * v;
    }
    float sum = vsum((s[0] + s[1]) + (s[2] + s[3]));
    for (; i < d; i++) {
        sum += (x[i] - mean) * (x[i] - mean);
    }
    return sum;
}

static inline vf
norm_vector(const ScopeNormRow *o, vf v, float mean, float mul, const vf part[4])
{
    v = (v - mean) * mul;
    v = o->weight ? v * part[0] : v;
    v = o->bias ? v + part[1] : v;
    v = o->scale ? v * (1.0F + part[2]) : v;
    return o->shift ? v + part[3] : v;
}

static void
norm(const ScopeNormRow *o, const float *x, float *y, int64_t d)
{
    const float *param[4] = {o->weight, o->bias, o->scale, o->shift};
    float mean = o->kind == SCOPE_NORM_LAYER ? row_sum(x, d) / (float)d : 0.0F;
    float squares = row_squares(x, d, mean), mul;
    if (o->kind == SCOPE_NORM_L2) {
        float length = sqrtf(squares);
        mul = sqrtf((float)d) / (length > o->eps ? length : o->eps);
    } else {
        mul = 1.0F / sqrtf(squares / (float)d + o->eps);
    }
    int64_t i = 0;
    vf part[4] = {{0}};
    for (; i + VLEN <= d; i += VLEN) {
        for (int j = 0; j < 4; j++) {
            part[j] = param[j] ? vload(param[j] + i) : part[j];
        }
        vstore(y + i, norm_vector(o, vload(x + i), mean, mul, part));
    }
    if (i < d) {
        for (int j = 0; j < 4; j++) {
            part[j] = param[j] ? vload_part(param[j] + i, d - i) : part[j];
        }
        vstore_part(y + i, norm_vector(o, vload_part(x + i, d - i), mean, mul, part), d - i);
    }
    activate(o->activation, o->activation_param, y, d);
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* Two vectors of columns at a time: a cache line of each row. */
static void
softmax_block(float *score, int64_t n_keys, int64_t width, float *top, float *sum, float *factor)
{
    for (int64_t q = 0; q < width; q += NR) {
        vf old0 = vload(top + q), old1 = vload(top + q + VLEN), t0 = old0, t1 = old1;
        float *row = score + q;
        for (int64_t k = 0; k < n_keys; k++, row += width) {
            t0 = vmax(vload(row), t0);
            t1 = vmax(vload(row + VLEN), t1);
        }
        /* a column that has seen nothing stays at zero: its exponents are -inf minus 0 */
        vf base0 = vselect(t0 == -INFINITY, vset(0.0F), t0);
        vf base1 = vselect(t1 == -INFINITY, vset(0.0F), t1);
        vf s0 = {0}, s1 = {0};
        row = score + q;
        for (int64_t k = 0; k < n_keys; k++, row += width) {
            vf p0 = vexp(vload(row) - base0), p1 = vexp(vload(row + VLEN) - base1);
            vstore(row, p0);
            vstore(row + VLEN, p1);
            s0 += p0;
            s1 += p1;
        }
        vf f0 = vexp(old0 - base0), f1 = vexp(old1 - base1);
        vstore(factor + q, f0);
        vstore(factor + q + VLEN, f1);
        vstore(sum + q, vload(sum + q) * f0 + s0);
        vstore(sum + q + VLEN, vload(sum + q + VLEN) * f1 + s1);
        vstore(top + q, t0);
        vstore(top + q + VLEN, t1);
    }
}

static void
softmax_row(const float *x, float *y, int64_t n)
{
    vf t = vset(-INFINITY), s = {0};
    int64_t i = 0, whole = n - n % VLEN;
    float top = -INFINITY, lane[VLEN];
    for (; i < whole; i += VLEN) {
        t = vmax(vload(x + i), t);
    }
    vstore(lane, t);
    for (int j = 0; j < VLEN; j++) {
        top = lane[j] > top ? lane[j] : top;
    }
    for (; i < n; i++) {
        top = x[i] > top ? x[i] : top;
    }
    for (i = 0; i < whole; i += VLEN) {
        vf p = vexp(vload(x + i) - top);
        vstore(y + i, p);
        s += p;
    }
    float sum = vsum(s);
    if (i < n) {
        vstore_part(lane, vexp(vload_part(x + i, n - i) - top), VLEN);
        for (int j = 0; i + j < n; j++) {
            y[i + j] = lane[j];
            sum += lane[j];
        }
    }
    float share = 1.0F / sum;
    for (i = 0; i < n; i++) {
        y[i] *= share;
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void
rope(const float *x, const float *table, float *y, int64_t n_pairs)
{
    for (int64_t j = 0; j < n_pairs; j++) {
        float a = x[2 * j], b = x[2 * j + 1], c = table[2 * j], s = table[2 * j + 1];
        y[2 * j] = a * c - b * s;
        y[2 * j + 1] = a * s + b * c;
    }
}

static float
dot(const float *a, const float *b, int64_t n)
{
    vf s[2] = {{0}};
    int64_t i = 0;
    for (; i + 2 * VLEN <= n; i += 2 * VLEN) {
        s[0] += vload(a + i) * vload(b + i);
        s[1] += vload(a + i + VLEN) * vload(b + i + VLEN);
    }
    for (; i + VLEN <= n; i += VLEN) {
        s[0] += vload(a + i) * vload(b + i);
    }
    float sum = vsum(s[0] + s[1]);
    for (; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static void
axpy(float a, const float *x, float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) {
        vstore(y + i, vload(y + i) + a * vload(x + i));
    }
    for (; i < n; i++) {
        y[i] += a * x[i];
    }
}

#if defined(__AVX2__)
static void
transpose_8x8(const float *x, int64_t x_row, float *y, int64_t y_row)
{
    __m256 r[8], t[8];
    for (int i = 0; i < 8; i++) {
        r[i] = _mm256_loadu_ps(x + i * x_row);
    }
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xEE);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(y + i * y_row, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(y + (i + 4) * y_row, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}
#endif

static void
transpose(const float *x, int64_t x_row, int64_t rows, int64_t n, float *y, int64_t y_row)
{
    int64_t i = 0;
#if defined(__AVX2__)
    for (; i + 8 <= rows; i += 8) {
        int64_t k = 0;
        for (; k + 8 <= n; k += 8) {
            transpose_8x8(x + i * x_row + k, x_row, y + k * y_row + i, y_row);
        }
        for (; k < n; k++) {
            for (int64_t j = i; j < i + 8; j++) {
                y[k * y_row + j] = x[j * x_row + k];
            }
        }
    }
#endif
    for (; i < rows; i++) {
        for (int64_t k = 0; k < n; k++) {
            y[k * y_row + i] = x[i * x_row + k];
        }
    }
}

const ScopeKernels *SCOPE_KERNELS_GET(void);

const ScopeKernels *
SCOPE_KERNELS_GET(void)
{
    static const ScopeKernels kernels = {
        .name = SCOPE_KERNELS_NAME,
        .mr = MR,
        .nr = NR,
        .gemm_rows = gemm_rows,
        .gemm_rows_half = gemm_rows_half,
        .gemm_columns = gemm_columns,
        .gemm_rows_s16 = gemm_rows_s16,
        .gemm_rows_s16_half = gemm_rows_s16_half,
        .abs_max = abs_max,
        .quantize_s16 = quantize_s16,
        .widen_s8 = widen_s8,
        .from_s32 = from_s32,
        .widen = widen,
        .activate = activate,
        .finish = finish,
        .norm = norm,
        .softmax_block = softmax_block,
        .softmax_row = softmax_row,
        .rope = rope,
        .dot = dot,
        .axpy = axpy,
        .transpose = transpose,
    };
    return &kernels;
}
