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
#define SUM_LOAD(i)                                                                                \
    s##i##a = vload(c + i * c_row);                                                                \
    s##i##b = vload(c + i * c_row + VLEN);
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
    if (accumulate) {
        EACH(SUM_LOAD)
    }
    for (int64_t t = 0; t < n_taps; t++, rows += MR) {
        EACH(ROW_POINTER)
        for (int64_t k = 0; k < n_k; k++, b += NR) {
            vf b0 = vload(b), b1 = vload(b + VLEN);
            EACH(ROW_STEP)
        }
    }
    EACH(SUM_STORE)
}

static void
gemm_columns(int64_t n_k, const float *a, int64_t a_col, const float *b, int64_t b_row, float *c,
             int64_t c_row)
{
    EACH(SUM_ZERO)
    EACH(SUM_LOAD)
    for (int64_t k = 0; k < n_k; k++, a += a_col, b += b_row) {
        vf b0 = vload(b), b1 = vload(b + VLEN);
        EACH(COLUMN_STEP)
    }
    EACH(SUM_STORE)
}

/* ---- widening ------------------------------------------------------------------------------- */

#if defined(__AVX2__)
static int64_t
widen_vector(ScopeDType dtype, const uint8_t *src, float *dst, int64_t n)
{
    const __m256 e4m3_scale = _mm256_set1_ps(0x1p120F);
    const __m256i magnitude = _mm256_set1_epi32(0x7f), nan = _mm256_set1_epi32(0x7fc00000);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 v;
        if (dtype == SCOPE_DTYPE_BF16) {
            __m128i h = _mm_loadu_si128((const __m128i_u *)(src + 2 * i));
            v = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
        } else if (dtype == SCOPE_DTYPE_F16) {
            v = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i_u *)(src + 2 * i)));
        } else if (dtype == SCOPE_DTYPE_F8_E4M3) {
            /* as a float of tiny exponent, then moved by a power of two: exact, subnormals too */
            __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i_u *)(src + i)));
            __m256i m = _mm256_and_si256(q, magnitude);
            __m256i sign = _mm256_slli_epi32(_mm256_xor_si256(q, m), 24);
            v = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(m, 20)), e4m3_scale);
            __m256i is_nan = _mm256_cmpeq_epi32(m, magnitude);
            v = _mm256_blendv_ps(v, _mm256_castsi256_ps(nan), _mm256_castsi256_ps(is_nan));
            v = _mm256_or_ps(v, _mm256_castsi256_ps(sign));
        } else {
            /* the upper byte of an f16 */
            __m128i q = _mm_loadl_epi64((const __m128i_u *)(src + i));
            v = _mm256_cvtph_ps(_mm_unpacklo_epi8(_mm_setzero_si128(), q));
        }
        _mm256_storeu_ps(dst + i, v);
    }
    return i;
}
#else
static int64_t
widen_vector(ScopeDType dtype, const uint8_t *src, float *dst, int64_t n)
{
    (void)dtype;
    (void)src;
    (void)dst;
    (void)n;
    return 0;
}
#endif

static void
widen(ScopeDType dtype, const void *src, float *dst, int64_t n)
{
    int64_t done = 0;
    if (dtype == SCOPE_DTYPE_F32) {
        memcpy(dst, src, (size_t)n * sizeof(float));
        return;
    }
    if (dtype >= SCOPE_DTYPE_F16 && dtype <= SCOPE_DTYPE_F8_E5M2) {
        done = widen_vector(dtype, src, dst, n);
    }
    const char *rest = (const char *)src + done * (int64_t)scope_dtype_size(dtype);
    scope_dtype_to_f32(dtype, rest, dst + done, n - done);
}

/* ---- elementwise ---------------------------------------------------------------------------- */

static inline vf
activate_vector(ScopeActivation activation, float param, vf v)
{
    switch (activation) {
    case SCOPE_ACTIVATION_RELU:
        return vmax(v, vset(0.0F));
    case SCOPE_ACTIVATION_LEAKY_RELU:
        return vselect(v > 0.0F, v, v * param);
    case SCOPE_ACTIVATION_SILU:
        return v * vsigmoid(v);
    case SCOPE_ACTIVATION_GELU_TANH:
        /* 0.5 v (1 + tanh u) = v sigmoid(2u) */
        return v * vsigmoid(1.5957691216057308F * (v + 0.044715F * v * v * v));
    case SCOPE_ACTIVATION_GELU_ERF: {
        vf tail = vhalf_erfc(vabs(v) * 0.7071067811865476F);
        return v * vselect(v < 0.0F, tail, 1.0F - tail);
    }
    case SCOPE_ACTIVATION_SIGMOID:
        return vsigmoid(v);
    case SCOPE_ACTIVATION_TANH:
        return vtanh(v);
    case SCOPE_ACTIVATION_NONE:
    case SCOPE_N_ACTIVATIONS:
        break;
    }
    return v;
}

static void
activate(ScopeActivation activation, float param, float *v, int64_t n)
{
    int64_t i = 0;
    for (; i + VLEN <= n; i += VLEN) {
        vstore(v + i, activate_vector(activation, param, vload(v + i)));
    }
    if (i < n) {
        vf last = activate_vector(activation, param, vload_part(v + i, n - i));
        vstore_part(v + i, last, n - i);
    }
}

static inline vf
finish_vector(const ScopeFinish *f, vf v, vf bias, vf scale, vf gate, vf residual)
{
    if (f->scale) {
        v = v * scale;
    }
    v = v + bias;
    v = activate_vector(f->activation, f->activation_param, v);
    if (f->gate) {
        v = v * gate;
    }
    if (f->residual) {
        v = v + residual;
    }
    return activate_vector(f->final_activation, f->final_param, v);
}

/* Whole vectors, column by column, so that the parameters are loaded once. */
static void
finish(const ScopeFinish *f, const float *sum, int64_t sum_row, float *y, int64_t y_row,
       int64_t n_rows, int64_t n)
{
    const vf zero = {0};
    for (int64_t i = 0; i < n; i += VLEN) {
        int64_t m = n - i < VLEN ? n - i : VLEN;
        vf scale = !f->scale            ? zero
                   : f->scale_is_vector ? vload_part(f->scale + i, m)
                                        : vset(*f->scale);
        vf bias = f->bias ? vload_part(f->bias + i, m) : zero;
        vf gate = f->gate ? vload_part(f->gate + i, m) : zero;
        if (m == VLEN) {
            for (int64_t r = 0; r < n_rows; r++) {
                vf residual = f->residual ? vload(f->residual + r * f->residual_row + i) : zero;
                vstore(y + r * y_row + i,
                       finish_vector(f, vload(sum + r * sum_row + i), bias, scale, gate, residual));
            }
            continue;
        }
        for (int64_t r = 0; r < n_rows; r++) {
            vf residual = f->residual ? vload_part(f->residual + r * f->residual_row + i, m) : zero;
            vf v =
                finish_vector(f, vload_part(sum + r * sum_row + i, m), bias, scale, gate, residual);
            vstore_part(y + r * y_row + i, v, m);
        }
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
    v = o->shift ? v + part[3] : v;
    return activate_vector(o->activation, o->activation_param, v);
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
}

/* ---- softmax -------------------------------------------------------------------------------- */

static void
softmax_block(float *score, int64_t n_keys, int64_t width, float *top, float *sum, float *factor)
{
    for (int64_t q = 0; q < width; q += VLEN) {
        vf old = vload(top + q), t = old;
        for (int64_t k = 0; k < n_keys; k++) {
            t = vmax(vload(score + k * width + q), t);
        }
        /* a column that has seen nothing stays at zero: its exponents are -inf minus 0 */
        vf base = vselect(t == -INFINITY, vset(0.0F), t);
        vf s = {0};
        for (int64_t k = 0; k < n_keys; k++) {
            vf p = vexp(vload(score + k * width + q) - base);
            vstore(score + k * width + q, p);
            s += p;
        }
        vf f = vexp(old - base);
        vstore(factor + q, f);
        vstore(sum + q, vload(sum + q) * f + s);
        vstore(top + q, t);
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
        .gemm_columns = gemm_columns,
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
