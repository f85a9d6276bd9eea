/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batched matrix product of the CPU backend. A tile packs the part of b that it needs; rows of a
 * are used in place where they are contiguous. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

#define BLOCK_ROWS  192 /* a multiple of every mr */
#define BLOCK_COLS  64
#define BLOCK_DEPTH 256

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, a, b;
    float alpha;
    int64_t n_row_tiles, n_col_tiles;
    float *scratch; /* per thread: a block, b block, sums */
} Matmul;

#define SCRATCH_EACH (BLOCK_ROWS * BLOCK_DEPTH + BLOCK_COLS * BLOCK_DEPTH + BLOCK_ROWS * BLOCK_COLS)

static void
pack_a(const ScopeTensor *a, const float *src, int64_t n_rows, int64_t depth, float *dst)
{
    for (int64_t i = 0; i < n_rows; i++) {
        for (int64_t k = 0; k < depth; k++) {
            dst[i * BLOCK_DEPTH + k] = src[i * a->stride[1] + k * a->stride[2]];
        }
    }
}

/* Panels [n_cols/nr][depth][nr], zeros behind the last column. */
static void
pack_b(const Matmul *m, const float *src, int64_t n_cols, int64_t depth, float *dst)
{
    int64_t nr = m->k->nr, step_k = m->b.stride[1], step_n = m->b.stride[2];
    for (int64_t j = 0; j < n_cols; j += nr, dst += depth * nr) {
        int64_t n = MIN(nr, n_cols - j);
        const float *from = src + j * step_n;
        if (n < nr) {
            memset(dst, 0, (size_t)(depth * nr) * sizeof(float));
        }
        if (step_k == 1) {
            m->k->transpose(from, step_n, n, depth, dst, nr);
            continue;
        }
        for (int64_t k = 0; k < depth; k++) {
            for (int64_t i = 0; i < n; i++) {
                dst[k * nr + i] = from[k * step_k + i * step_n];
            }
        }
    }
}

static void
add_block(const Matmul *m, const float *a, int64_t a_row, int64_t n_rows, const float *b,
          int64_t n_cols, int64_t depth, float *sums, gboolean accumulate)
{
    int64_t mr = m->k->mr, nr = m->k->nr;
    for (int64_t j = 0; j < n_cols; j += nr, b += depth * nr) {
        for (int64_t i = 0; i < n_rows; i += mr) {
            const float *rows[SCOPE_KERNELS_MAX_MR];
            for (int64_t r = 0; r < mr; r++) {
                rows[r] = a + MIN(i + r, n_rows - 1) * a_row;
            }
            m->k->gemm_rows(1, rows, 0, depth, b, sums + i * BLOCK_COLS + j, BLOCK_COLS,
                            accumulate);
        }
    }
}

static void
matmul_tile(int64_t tile, int thread_index, void *user_data)
{
    const Matmul *m = user_data;
    int64_t batch = tile / (m->n_row_tiles * m->n_col_tiles);
    int64_t row = tile / m->n_col_tiles % m->n_row_tiles * BLOCK_ROWS;
    int64_t col = tile % m->n_col_tiles * BLOCK_COLS, depth_all = m->a.shape[2];
    int64_t n_rows = MIN(BLOCK_ROWS, m->y.shape[1] - row);
    int64_t n_cols = MIN(BLOCK_COLS, m->y.shape[2] - col);
    float *packed_a = m->scratch + thread_index * SCRATCH_EACH;
    float *packed_b = packed_a + BLOCK_ROWS * BLOCK_DEPTH,
          *sums = packed_b + BLOCK_COLS * BLOCK_DEPTH;
    const float *a = (const float *)m->a.data + batch * m->a.stride[0] + row * m->a.stride[1];
    const float *b = (const float *)m->b.data + batch * m->b.stride[0] + col * m->b.stride[2];
    for (int64_t k = 0; k < depth_all; k += BLOCK_DEPTH) {
        int64_t depth = MIN(BLOCK_DEPTH, depth_all - k), a_row = m->a.stride[1];
        const float *rows = a + k * m->a.stride[2];
        if (m->a.stride[2] != 1) {
            pack_a(&m->a, rows, n_rows, depth, packed_a);
            rows = packed_a;
            a_row = BLOCK_DEPTH;
        }
        pack_b(m, b + k * m->b.stride[1], n_cols, depth, packed_b);
        add_block(m, rows, a_row, n_rows, packed_b, n_cols, depth, sums, k > 0);
    }
    for (int64_t i = 0; i < n_rows; i++) {
        float *y = (float *)m->y.data + batch * m->y.stride[0] + (row + i) * m->y.stride[1] + col;
        for (int64_t j = 0; j < n_cols; j++) {
            y[j] = m->alpha * sums[i * BLOCK_COLS + j];
        }
    }
}

void
scope_cpu_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha)
{
    Matmul m = {.k = scope_kernels_get(), .y = y, .a = a, .b = b, .alpha = alpha};
    if (a.shape[2] == 0) {
        scope_cpu_fill(ctx, y, 0.0F);
        return;
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    m.n_row_tiles = (y.shape[1] + BLOCK_ROWS - 1) / BLOCK_ROWS;
    m.n_col_tiles = (y.shape[2] + BLOCK_COLS - 1) / BLOCK_COLS;
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    m.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, SCRATCH_EACH)).data;
    scope_cpu_run(ctx, y.shape[0] * m.n_row_tiles * m.n_col_tiles, matmul_tile, &m);
    scope_arena_release(ctx->scratch, mark);
}
