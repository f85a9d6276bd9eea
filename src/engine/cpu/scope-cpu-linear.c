/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers of the CPU backend. The activations are packed once into panels of nr rows; a tile
 * is a block of outputs times a block of rows. Weights keep their stored layout and type: a block
 * of them is widened into a cache-sized buffer and broadcast against the panels, so nothing is ever
 * transposed but the small result. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

#define BLOCK_OUT   96  /* a multiple of every mr */
#define BLOCK_DEPTH 256 /* a panel of this depth fits the first-level cache */
#define BLOCK_ROWS  384

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    int64_t n_panels, panels_per_tile, n_row_tiles;
    float *panels;  /* [n_panels][K][nr] */
    float *scratch; /* per thread: weights, sums, transposed sums */
    int64_t scratch_each;
} Linear;

static void
pack_tile(int64_t panel, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    (void)thread_index;
    int64_t nr = l->k->nr, depth = l->weight->n_in;
    int64_t rows = MIN(nr, l->x.shape[0] - panel * nr);
    float *dst = l->panels + panel * depth * nr;
    if (rows < nr) {
        memset(dst, 0, (size_t)(depth * nr) * sizeof(float));
    }
    l->k->transpose((const float *)l->x.data + panel * nr * l->x.stride[0], l->x.stride[0], rows,
                    depth, dst, nr);
}

/* Widens a block of weights to [n_out][BLOCK_DEPTH]. */
static void
widen_block(const Linear *l, int64_t first, int64_t n_out, int64_t begin, int64_t depth, float *dst)
{
    const ScopeWeight *w = l->weight;
    ScopeTensor t = w->store == SCOPE_WEIGHT_STORE_KEEP ? w->stored : w->packed;
    int64_t size = (int64_t)scope_dtype_size(t.dtype);
    for (int64_t o = 0; o < n_out; o++) {
        const char *src = (const char *)t.data + ((first + o) * w->n_in + begin) * size;
        l->k->widen(t.dtype, src, dst + o * BLOCK_DEPTH, depth);
    }
}

/* Adds one block of depth to the sums [BLOCK_OUT][sum_row]. */
static void
add_block(const Linear *l, const float *block, int64_t n_out, const float *panel, int64_t n_panels,
          int64_t depth, float *sums, int64_t sum_row, gboolean accumulate)
{
    int64_t mr = l->k->mr, nr = l->k->nr;
    for (int64_t p = 0; p < n_panels; p++) {
        const float *b = panel + p * l->weight->n_in * nr;
        for (int64_t o = 0; o < n_out; o += mr) {
            const float *rows[SCOPE_KERNELS_MAX_MR];
            for (int64_t i = 0; i < mr; i++) {
                rows[i] = block + (o + i < n_out ? o + i : n_out - 1) * BLOCK_DEPTH;
            }
            l->k->gemm_rows(1, rows, 0, depth, b, sums + o * sum_row + p * nr, sum_row, accumulate);
        }
    }
}

static void
linear_tile(int64_t tile, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    const ScopeWeight *w = l->weight;
    int64_t nr = l->k->nr;
    int64_t first = tile / l->n_row_tiles * BLOCK_OUT, n_out = MIN(BLOCK_OUT, w->n_out - first);
    int64_t panel = tile % l->n_row_tiles * l->panels_per_tile;
    int64_t n_panels = MIN(l->panels_per_tile, l->n_panels - panel);
    int64_t sum_row = l->panels_per_tile * nr;
    float *block = l->scratch + thread_index * l->scratch_each;
    float *sums = block + BLOCK_OUT * BLOCK_DEPTH, *turned = sums + BLOCK_OUT * sum_row;
    for (int64_t k = 0; k < w->n_in; k += BLOCK_DEPTH) {
        int64_t depth = MIN(BLOCK_DEPTH, w->n_in - k);
        widen_block(l, first, n_out, k, depth, block);
        add_block(l, block, n_out, l->panels + (panel * w->n_in + k) * nr, n_panels, depth, sums,
                  sum_row, k > 0);
    }
    int64_t row = panel * nr, last = MIN(l->y.shape[0], row + n_panels * nr);
    for (int64_t column = 0; row < last; row += nr, column += nr) {
        int64_t n_rows = MIN(nr, last - row);
        l->k->transpose(sums + column, sum_row, n_out, n_rows, turned, BLOCK_OUT);
        scope_cpu_finish_rows(l->k, w, l->e, row, 1, n_rows, first, n_out, turned, BLOCK_OUT,
                              (float *)l->y.data + row * l->y.stride[0] + first, l->y.stride[0]);
    }
}

void
scope_cpu_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                 const ScopeEpilogue *epilogue)
{
    const ScopeKernels *k = scope_kernels_get();
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Linear l = {.k = k, .y = y, .x = x, .weight = weight, .e = epilogue};
    l.n_panels = (x.shape[0] + k->nr - 1) / k->nr;
    l.n_row_tiles = (l.n_panels * k->nr + BLOCK_ROWS - 1) / BLOCK_ROWS;
    l.panels_per_tile = (l.n_panels + l.n_row_tiles - 1) / l.n_row_tiles;
    l.n_row_tiles = (l.n_panels + l.panels_per_tile - 1) / l.panels_per_tile;
    l.scratch_each =
        BLOCK_OUT * BLOCK_DEPTH + BLOCK_OUT * l.panels_per_tile * k->nr + BLOCK_OUT * k->nr;
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    l.panels =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(l.n_panels, weight->n_in, k->nr))
            .data;
    l.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, l.scratch_each)).data;
    scope_pool_run(ctx->pool, l.n_panels, pack_tile, &l);
    int64_t n_blocks = (weight->n_out + BLOCK_OUT - 1) / BLOCK_OUT;
    scope_pool_run(ctx->pool, n_blocks * l.n_row_tiles, linear_tile, &l);
    scope_arena_release(ctx->scratch, mark);
}
