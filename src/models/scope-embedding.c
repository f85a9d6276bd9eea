/* SPDX-License-Identifier: Apache-2.0 */
/* Blending of prompt embeddings. Any thread. */
#include "models/scope-embedding.h"

#include <math.h>

/* Below this angle a row is mixed linearly. */
#define SAME_DIRECTION 1e-4
#define TINY           1e-8

static double
norm_of(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * x[i];
    }
    return sqrt(sum);
}

static void
mix_linear(float *out, const float *a, const float *b, double t, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)((1.0 - t) * a[i] + t * b[i]);
    }
}

static void
slerp_row(float *out, const float *a, const float *b, double t, int64_t n)
{
    double norm_a = norm_of(a, n) + TINY, norm_b = norm_of(b, n) + TINY, dot = 0;

    for (int64_t i = 0; i < n; i++) {
        dot += a[i] / norm_a * (b[i] / norm_b);
    }
    double angle = acos(CLAMP(dot, -1.0, 1.0));
    if (angle < SAME_DIRECTION) {
        mix_linear(out, a, b, t, n);
        return;
    }
    double whole = sin(angle) + TINY;
    double part_a = sin((1.0 - t) * angle) / whole, part_b = sin(t * angle) / whole;
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)(part_a * a[i] + part_b * b[i]);
    }
}

void
scope_embedding_mix(float *out, const float *from, const float *to, double t, int64_t n_rows,
                    int64_t width, ScopeEmbeddingMethod method)
{
    if (method == SCOPE_EMBEDDING_LINEAR) {
        mix_linear(out, from, to, t, n_rows * width);
        return;
    }
    for (int64_t i = 0; i < n_rows; i++) {
        slerp_row(out + i * width, from + i * width, to + i * width, t, width);
    }
}

void
scope_embedding_blend(float *out, const float *const *embeds, const double *weights, int n,
                      int64_t n_rows, int64_t width, ScopeEmbeddingMethod method)
{
    int64_t n_values = n_rows * width;
    double sum = 0, wanted = 0;

    for (int i = 0; i < n; i++) {
        sum += weights[i];
    }
    if (method == SCOPE_EMBEDDING_SLERP && n == 2) {
        double t = sum > 0 ? weights[1] / sum : 0.5;
        scope_embedding_mix(out, embeds[0], embeds[1], t, n_rows, width, method);
        return;
    }
    for (int i = 0; i < n; i++) {
        double weight = sum > 0 ? weights[i] / sum : 1.0 / n;
        wanted += weight * norm_of(embeds[i], n_values);
        for (int64_t j = 0; j < n_values; j++) {
            out[j] = (float)((i > 0 ? out[j] : 0.0) + weight * embeds[i][j]);
        }
    }
    double found = norm_of(out, n_values);
    if (found > TINY) {
        for (int64_t j = 0; j < n_values; j++) {
            out[j] = (float)(out[j] * (wanted / found));
        }
    }
}

double
scope_embedding_distance(const float *a, const float *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        double difference = (double)a[i] - b[i];
        sum += difference * difference;
    }
    return sqrt(sum);
}

int
scope_embedding_transition_steps(const float *from, const float *to, int64_t n, int n_steps)
{
    return scope_embedding_distance(from, to, n) < SCOPE_EMBEDDING_SAME ? 0 : MAX(n_steps, 0);
}

double
scope_embedding_transition_position(int step, int n_steps)
{
    return n_steps > 1 ? (double)step / (n_steps - 1) : 0.0;
}
