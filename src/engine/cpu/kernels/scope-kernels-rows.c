/* SPDX-License-Identifier: Apache-2.0 */
/* Norms, softmax, rotations, sums, transposition. Own nothing. Any thread. */
#include "engine/cpu/kernels/scope-kernels-private.h"

#include "engine/cpu/kernels/scope-vec.h"

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

void
KERNEL(norm)(const ScopeNormRow *o, const float *x, float *y, int64_t d)
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
    KERNEL(activate)(o->activation, o->activation_param, y, d);
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* Two vectors of columns at a time: a cache line of each row. */
void
KERNEL(softmax_block)(float *score, int64_t n_keys, int64_t width, float *top, float *sum,
                      float *factor)
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

void
KERNEL(softmax_row)(const float *x, float *y, int64_t n)
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

void
KERNEL(rope)(const float *x, const float *table, float *y, int64_t n_pairs)
{
    for (int64_t j = 0; j < n_pairs; j++) {
        float a = x[2 * j], b = x[2 * j + 1], c = table[2 * j], s = table[2 * j + 1];
        y[2 * j] = a * c - b * s;
        y[2 * j + 1] = a * s + b * c;
    }
}

float
KERNEL(dot)(const float *a, const float *b, int64_t n)
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

void
KERNEL(axpy)(float a, const float *x, float *y, int64_t n)
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

void
KERNEL(transpose)(const float *x, int64_t x_row, int64_t rows, int64_t n, float *y, int64_t y_row)
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
