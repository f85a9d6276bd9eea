/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blending of prompt embeddings: several prompts into one, and one into another over time. Host
 * arithmetic on f32 rows in double precision; called when a prompt changes, not per pass. Owns
 * nothing, any thread.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/** ScopeEmbeddingMethod: how embeddings are joined. */
typedef enum {
    SCOPE_EMBEDDING_LINEAR = 0, /**< weighted mean */
    SCOPE_EMBEDDING_SLERP,      /**< along the arc between the directions of each row */
} ScopeEmbeddingMethod;

/** Two embeddings nearer than this (Frobenius norm) count as the same. */
#define SCOPE_EMBEDDING_SAME 0.01

/**
 * scope_embedding_blend:
 * @out: [n_rows, width]; may not be an input
 * @embeds: [n] embeddings [n_rows, width]
 * @weights: [n]; divided by their sum, all equal when that is not positive
 * @n: >= 1
 * @n_rows: rows of each
 * @width: numbers of a row
 * @method: slerp takes exactly two embeddings, otherwise the mean is taken
 *
 * The linear blend keeps the weighted mean of the norms. In a slerp, rows that point the same way
 * are mixed linearly.
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_embedding_blend(float *out, const float *const *embeds, const double *weights, int n,
                           int64_t n_rows, int64_t width, ScopeEmbeddingMethod method);

/**
 * scope_embedding_mix:
 * @out: [n_rows, width]; may be @from
 * @from: [n_rows, width]
 * @to: [n_rows, width]
 * @t: 0..1
 *
 * from + t (to - from), or the arc between them; norms are not corrected.
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_embedding_mix(float *out, const float *from, const float *to, double t, int64_t n_rows,
                         int64_t width, ScopeEmbeddingMethod method);

/**
 * scope_embedding_distance:
 * @a: [n]
 * @b: [n]
 *
 * Thread: any. Errors: none.
 * Returns: Euclidean norm of the difference.
 */
double scope_embedding_distance(const float *a, const float *b, int64_t n);

/**
 * scope_embedding_transition_steps:
 * @from: [n]
 * @to: [n]
 * @n_steps: steps wanted
 *
 * Thread: any. Errors: none.
 * Returns: steps that a transition takes: @n_steps, or 0 when the two are the same.
 */
int scope_embedding_transition_steps(const float *from, const float *to, int64_t n, int n_steps);

/** scope_embedding_transition_position: t of step k of n: k / (n - 1), 0 for one. Thread: any. */
double scope_embedding_transition_position(int step, int n_steps);

G_END_DECLS
