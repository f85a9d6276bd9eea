/* SPDX-License-Identifier: Apache-2.0 */
/* The passes of the diffusion transformer between its matrix products, forward and backward, each
 * one walk over its rows; and attention by oneDNN's f32 GEMM on the heads where they lie. Built by
 * native.py for the machine it runs on; called by fused.py, which documents the functions. All
 * arrays are f32, rows are contiguous. Runs on the calling thread. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern int dnnl_sgemm(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                      const float *a, int64_t lda, const float *b, int64_t ldb, float beta,
                      float *c, int64_t ldc);

/* y = normalised x * (1 + scale) + shift; every @group rows share scale and shift, which lie
 * @stride apart. */
void
fused_modulate(const float *x, const float *scale, const float *shift, float *y, float *stats,
               int64_t n_rows, int64_t group, int64_t stride, int64_t d)
{
    for (int64_t r = 0; r < n_rows; r++, x += d, y += d) {
        const float *a = scale + r / group * stride, *b = shift + r / group * stride;
        float sum = 0, squares = 0;
        for (int64_t i = 0; i < d; i++)
            sum += x[i];
        const float mean = sum / d;
        for (int64_t i = 0; i < d; i++)
            squares += (x[i] - mean) * (x[i] - mean);
        const float inverse = 1.0f / sqrtf(squares / d + 1e-6f);
        for (int64_t i = 0; i < d; i++)
            y[i] = (x[i] - mean) * inverse * (1.0f + a[i]) + b[i];
        stats[2 * r] = mean;
        stats[2 * r + 1] = inverse;
    }
}

/* @dscale and @dshift [groups, d] are added to. */
void
fused_modulate_back(const float *g, const float *x, const float *scale, const float *stats,
                    float *dx, float *dscale, float *dshift, int64_t n_rows, int64_t group,
                    int64_t stride, int64_t d)
{
    for (int64_t r = 0; r < n_rows; r++, x += d, g += d, dx += d) {
        const float *a = scale + r / group * stride;
        float *da = dscale + r / group * d, *db = dshift + r / group * d;
        const float mean = stats[2 * r], inverse = stats[2 * r + 1];
        float first = 0, second = 0;
        for (int64_t i = 0; i < d; i++) {
            const float even = (x[i] - mean) * inverse, way = g[i] * (1.0f + a[i]);
            da[i] += g[i] * even;
            db[i] += g[i];
            first += way;
            second += way * even;
        }
        first /= d;
        second /= d;
        for (int64_t i = 0; i < d; i++)
            dx[i] = inverse * (g[i] * (1.0f + a[i]) - first - (x[i] - mean) * inverse * second);
    }
}

/* Root mean square norm over @d, then each head's pairs turned by @turns [n, head / 2] (cos, sin)
 * of the row's place in its sequence of @n; no turn when NULL. */
void
fused_rope(const float *x, const float *weight, const float *turns, float *y, float *inverses,
           int64_t n_rows, int64_t n, int64_t d, int64_t head)
{
    for (int64_t r = 0; r < n_rows; r++, x += d, y += d) {
        float squares = 0;
        for (int64_t i = 0; i < d; i++)
            squares += x[i] * x[i];
        const float inverse = inverses[r] = 1.0f / sqrtf(squares / d + 1e-6f);
        if (!turns) {
            for (int64_t i = 0; i < d; i++)
                y[i] = x[i] * inverse * weight[i];
            continue;
        }
        const float *t = turns + r % n * head;
        for (int64_t h = 0; h < d; h += head)
            for (int64_t i = 0; i < head; i += 2) {
                const float a = x[h + i] * inverse * weight[h + i],
                            b = x[h + i + 1] * inverse * weight[h + i + 1];
                y[h + i] = a * t[i] - b * t[i + 1];
                y[h + i + 1] = a * t[i + 1] + b * t[i];
            }
    }
}

/* @dweight [d] is added to. */
void
fused_rope_back(const float *g, const float *x, const float *weight, const float *turns,
                const float *inverses, float *dx, float *dweight, int64_t n_rows, int64_t n,
                int64_t d, int64_t head)
{
    for (int64_t r = 0; r < n_rows; r++, x += d, g += d, dx += d) {
        const float inverse = inverses[r];
        if (turns) {
            const float *t = turns + r % n * head;
            for (int64_t h = 0; h < d; h += head)
                for (int64_t i = 0; i < head; i += 2) {
                    const float a = g[h + i], b = g[h + i + 1];
                    dx[h + i] = a * t[i] + b * t[i + 1];
                    dx[h + i + 1] = b * t[i] - a * t[i + 1];
                }
        } else {
            memcpy(dx, g, d * sizeof *dx);
        }
        float along = 0;
        for (int64_t i = 0; i < d; i++) {
            dweight[i] += dx[i] * x[i] * inverse;
            along += dx[i] * weight[i] * x[i];
        }
        along *= inverse * inverse / d;
        for (int64_t i = 0; i < d; i++)
            dx[i] = inverse * (dx[i] * weight[i] - x[i] * along);
    }
}

/* y = x + o * gate. */
void
fused_gate(const float *x, const float *o, const float *gate, float *y, int64_t n_rows,
           int64_t group, int64_t stride, int64_t d)
{
    for (int64_t r = 0; r < n_rows; r++, x += d, o += d, y += d) {
        const float *a = gate + r / group * stride;
        for (int64_t i = 0; i < d; i++)
            y[i] = x[i] + o[i] * a[i];
    }
}

/* @dgate [groups, d] is added to. */
void
fused_gate_back(const float *g, const float *o, const float *gate, float *dout, float *dgate,
                int64_t n_rows, int64_t group, int64_t stride, int64_t d)
{
    for (int64_t r = 0; r < n_rows; r++, g += d, o += d, dout += d) {
        const float *a = gate + r / group * stride;
        float *da = dgate + r / group * d;
        for (int64_t i = 0; i < d; i++) {
            dout[i] = g[i] * a[i];
            da[i] += g[i] * o[i];
        }
    }
}

/* 1 / (1 + exp(-z)). The bound keeps the quotient from an infinity, which -ffast-math takes for a
 * NaN. */
static inline float
sigmoid(float z)
{
    return 1.0f / (1.0f + expf(fminf(-z, 60.0f)));
}

/* The tanh form of GELU, as x * sigmoid(2 u). */
void
fused_gelu(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * sigmoid(1.5957691216f * x[i] * (1.0f + 0.044715f * x[i] * x[i]));
}

void
fused_gelu_back(const float *g, const float *x, float *dx, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const float square = x[i] * x[i],
                    s = sigmoid(1.5957691216f * x[i] * (1.0f + 0.044715f * square));
        dx[i] = g[i] * (s + x[i] * s * (1.0f - s) * 1.5957691216f * (1.0f + 0.134145f * square));
    }
}

void
fused_column_sums(const float *x, float *sums, int64_t n_rows, int64_t d)
{
    memset(sums, 0, d * sizeof *sums);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < d; i++)
            sums[i] += x[r * d + i];
}

/* What attention works on: @n queries and @m keys a sequence in blocks of @query and @key; a block
 * of queries sees a block of keys where @sees [n / query, m / key] says so. @bias [b, m] is added
 * to the scores, or NULL. */
typedef struct {
    const float *q, *k, *v, *bias;
    const uint8_t *sees;
    int64_t b, n, m, heads, head, query, key;
} Attention;

/* The softmax of one block of queries into @p [query, m]; columns of unseen blocks hold anything
 * finite. */
static void
weights(const Attention *a, int64_t batch, int64_t h, int64_t block, float *p)
{
    const int64_t d = a->heads * a->head, n_keys = a->m / a->key;
    const uint8_t *sees = a->sees + block * n_keys;
    const float *q = a->q + (batch * a->n + block * a->query) * d + h * a->head;
    for (int64_t j = 0; j < n_keys; j++)
        if (sees[j])
            dnnl_sgemm('N', 'T', a->query, a->key, a->head, 1.0f / sqrtf(a->head), q, d,
                       a->k + (batch * a->m + j * a->key) * d + h * a->head, d, 0.0f,
                       p + j * a->key, a->m);
    for (int64_t r = 0; r < a->query; r++) {
        float *row = p + r * a->m, top = -1e30f, sum = 0;
        for (int64_t j = 0; j < n_keys; j++) {
            if (!sees[j])
                continue;
            if (a->bias)
                for (int64_t i = j * a->key; i < (j + 1) * a->key; i++)
                    row[i] += a->bias[batch * a->m + i];
            for (int64_t i = j * a->key; i < (j + 1) * a->key; i++)
                top = row[i] > top ? row[i] : top;
        }
        for (int64_t j = 0; j < n_keys; j++) {
            if (!sees[j])
                continue;
            for (int64_t i = j * a->key; i < (j + 1) * a->key; i++) {
                row[i] = expf(row[i] - top);
                sum += row[i];
            }
        }
        sum = 1.0f / sum;
        for (int64_t i = 0; i < a->m; i++)
            row[i] *= sum;
    }
}

void
fused_attention(const float *q, const float *k, const float *v, const float *bias,
                const uint8_t *sees, float *out, int64_t b, int64_t n, int64_t m, int64_t heads,
                int64_t head, int64_t query, int64_t key)
{
    const Attention a = {q, k, v, bias, sees, b, n, m, heads, head, query, key};
    const int64_t d = heads * head, n_keys = m / key;
    float *p = calloc(query * m, sizeof *p);
    for (int64_t i = 0; i < b * heads * (n / query); i++) {
        const int64_t block = i % (n / query), h = i / (n / query) % heads,
                      batch = i / (n / query) / heads;
        weights(&a, batch, h, block, p);
        float beta = 0.0f;
        for (int64_t j = 0; j < n_keys; j++)
            if (sees[block * n_keys + j]) {
                dnnl_sgemm('N', 'N', query, head, key, 1.0f, p + j * key, m,
                           v + (batch * m + j * key) * d + h * head, d, beta,
                           out + (batch * n + block * query) * d + h * head, d);
                beta = 1.0f;
            }
    }
    free(p);
}

/* The gradient of the scores from that of the weights, in place of @dp: p * (dp - the row's sum of
 * p * dp). */
static void
softmax_back(const Attention *a, const uint8_t *sees, const float *p, float *dp)
{
    for (int64_t r = 0; r < a->query; r++, p += a->m, dp += a->m) {
        float sum = 0;
        for (int64_t j = 0; j < a->m / a->key; j++) {
            if (!sees[j])
                continue;
            for (int64_t i = j * a->key; i < (j + 1) * a->key; i++)
                sum += p[i] * dp[i];
        }
        for (int64_t i = 0; i < a->m; i++)
            dp[i] = p[i] * (dp[i] - sum);
    }
}

/* @dq, @dk, @dv are zero on entry. */
void
fused_attention_back(const float *g, const float *q, const float *k, const float *v,
                     const float *bias, const uint8_t *sees, float *dq, float *dk, float *dv,
                     int64_t b, int64_t n, int64_t m, int64_t heads, int64_t head, int64_t query,
                     int64_t key)
{
    const Attention a = {q, k, v, bias, sees, b, n, m, heads, head, query, key};
    const int64_t d = heads * head, n_keys = m / key;
    const float scale = 1.0f / sqrtf(head);
    float *p = calloc(2 * query * m, sizeof *p), *dp = p + query * m;
    for (int64_t i = 0; i < b * heads * (n / query); i++) {
        const int64_t block = i % (n / query), h = i / (n / query) % heads,
                      batch = i / (n / query) / heads;
        const int64_t at = (batch * n + block * query) * d + h * head;
        const uint8_t *seen = sees + block * n_keys;
        weights(&a, batch, h, block, p);
        for (int64_t j = 0; j < n_keys; j++) {
            const int64_t from = (batch * m + j * key) * d + h * head;
            if (!seen[j])
                continue;
            dnnl_sgemm('T', 'N', key, head, query, 1.0f, p + j * key, m, g + at, d, 1.0f, dv + from,
                       d);
            dnnl_sgemm('N', 'T', query, key, head, 1.0f, g + at, d, v + from, d, 0.0f, dp + j * key,
                       m);
        }
        softmax_back(&a, seen, p, dp);
        for (int64_t j = 0; j < n_keys; j++) {
            const int64_t from = (batch * m + j * key) * d + h * head;
            if (!seen[j])
                continue;
            dnnl_sgemm('N', 'N', query, head, key, scale, dp + j * key, m, k + from, d, 1.0f,
                       dq + at, d);
            dnnl_sgemm('T', 'N', key, head, query, scale, dp + j * key, m, q + at, d, 1.0f,
                       dk + from, d);
        }
    }
    free(p);
}
