/* SPDX-License-Identifier: Apache-2.0 */
/* Widening of stored types, activations, epilogues. Own nothing. Any thread. */
#include "engine/cpu/kernels/scope-kernels-private.h"

#include "engine/cpu/kernels/scope-vec.h"
#include "engine/scope-assert.h"

/* ---- widening ------------------------------------------------------------------------------- */

typedef uint8_t Bytes __attribute__((vector_size(VLEN), aligned(1), may_alias));
typedef uint16_t Words __attribute__((vector_size(VLEN * 2), aligned(2), may_alias));

static inline vf
widen_bf16(const uint16_t *src)
{
    return (vf)(__builtin_convertvector(*(const Words *)src, vi) << 16);
}

/* gcc 12 takes the conversion of a vector of bytes apart. */
static inline vi
widen_bytes(const uint8_t *src)
{
#if defined(__AVX512F__)
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)src));
#elif defined(__AVX2__)
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)src));
#else
    return __builtin_convertvector(*(const Bytes *)src, vi);
#endif
}

/* Exponents differ by 120. Subnormals, multiples of 2^-9, go through integers: as tiny floats they
 * would cost some processors a hundred times as much, and small weights are full of them. */
static inline vf
widen_e4m3(const uint8_t *src)
{
    vi q = widen_bytes(src), m = q & 0x7f;
    vf v = vselect(m < 8, __builtin_convertvector(m, vf) * 0x1p-9F, (vf)((m << 20) + (120 << 23)));
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

void
KERNEL(widen)(ScopeDType dtype, const void *src, float *dst, int64_t n)
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

void
KERNEL(activate)(ScopeActivation activation, float param, float *v, int64_t n)
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
        KERNEL(activate)(f->activation, f->activation_param, v, m);
        if (f->gate || residual) {
            gate_and_add(v, f->gate ? f->gate + i : NULL, residual ? residual + i : NULL, m);
        }
        KERNEL(activate)(f->final_activation, f->final_param, v, m);
        if (residual) {
            memcpy(y + i, v, (size_t)m * sizeof(float));
        }
    }
}

void
KERNEL(finish)(const ScopeFinish *f, const float *sum, int64_t sum_row, float *y, int64_t y_row,
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
