/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers of the CPU backend. The activations are packed once into panels of nr rows; a tile
 * is a block of outputs times a block of rows. Weights keep their stored layout and type: a block
 * of them is widened into a cache-sized buffer and broadcast against the panels, so nothing is ever
 * transposed but the small result. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

/*
 * Outputs (a multiple of every mr), depth and rows of a tile. A panel of depth 256 fits the
 * first-level cache and is used for all outputs of the block. With few rows the weights are read
 * once from memory and little else happens: longer runs of each weight row suit the prefetcher.
 */
#define BLOCK_OUT   192
#define BLOCK_DEPTH 256
#define BLOCK_ROWS  384
#define FEW_ROWS    64
#define FEW_OUT     24
#define FEW_DEPTH   1024

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    int64_t block_out, block_depth;
    int64_t n_panels, panels_per_tile, n_row_tiles;
    float *panels;  /* [n_panels][K][nr]; half as wide for the last rows if they fit */
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
    int64_t width = scope_kernels_panel_width(l->k, l->x.shape[0], panel);
    float *dst = l->panels + panel * depth * nr;
    if (rows < width) {
        memset(dst, 0, (size_t)(depth * width) * sizeof(float));
    }
    l->k->transpose((const float *)l->x.data + panel * nr * l->x.stride[0], l->x.stride[0], rows,
                    depth, dst, width);
}

/* Widens a block of weights to [n_out][block_depth]. */
static void
widen_block(const Linear *l, int64_t first, int64_t n_out, int64_t begin, int64_t depth, float *dst)
{
    const ScopeWeight *w = l->weight;
    ScopeTensor t = w->store == SCOPE_WEIGHT_STORE_KEEP ? w->stored : w->packed;
    int64_t size = (int64_t)scope_dtype_size(t.dtype);
    for (int64_t o = 0; o < n_out; o++) {
        const char *src = (const char *)t.data + ((first + o) * w->n_in + begin) * size;
        l->k->widen(t.dtype, src, dst + o * l->block_depth, depth);
    }
}

/* Adds weights [n_out][block_depth] times panels first .. first + n_panels - 1 to the sums. */
static void
add_block(const Linear *l, const float *block, int64_t n_out, int64_t first, int64_t n_panels,
          int64_t begin, int64_t depth, float *sums, int64_t sum_row)
{
    int64_t mr = l->k->mr, nr = l->k->nr;
    for (int64_t p = 0; p < n_panels; p++) {
        int64_t width = scope_kernels_panel_width(l->k, l->x.shape[0], first + p);
        ScopeGemmRowsFn gemm = width < nr ? l->k->gemm_rows_half : l->k->gemm_rows;
        const float *panel = l->panels + (first + p) * l->weight->n_in * nr;
        for (int64_t o = 0; o < n_out; o += mr) {
            const float *rows[SCOPE_KERNELS_MAX_MR];
            for (int64_t i = 0; i < mr; i++) {
                rows[i] = block + (o + i < n_out ? o + i : n_out - 1) * l->block_depth;
            }
            if (p + 1 < n_panels) {
                scope_cpu_prefetch_share(panel + (l->weight->n_in + begin) * nr, depth * nr, o, mr,
                                         n_out);
            }
            gemm(1, rows, 0, depth, panel + begin * width, sums + o * sum_row + p * nr, sum_row,
                 begin > 0);
        }
    }
}

static void
linear_tile(int64_t tile, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    const ScopeWeight *w = l->weight;
    int64_t nr = l->k->nr;
    int64_t first = tile / l->n_row_tiles * l->block_out,
            n_out = MIN(l->block_out, w->n_out - first);
    int64_t panel = tile % l->n_row_tiles * l->panels_per_tile;
    int64_t n_panels = MIN(l->panels_per_tile, l->n_panels - panel);
    int64_t sum_row = l->panels_per_tile * nr;
    float *block = l->scratch + thread_index * l->scratch_each;
    float *sums = block + l->block_out * l->block_depth, *turned = sums + l->block_out * sum_row;
    for (int64_t k = 0; k < w->n_in; k += l->block_depth) {
        int64_t depth = MIN(l->block_depth, w->n_in - k);
        widen_block(l, first, n_out, k, depth, block);
        add_block(l, block, n_out, panel, n_panels, k, depth, sums, sum_row);
    }
    int64_t row = panel * nr, last = MIN(l->y.shape[0], row + n_panels * nr);
    for (int64_t column = 0; row < last; row += nr, column += nr) {
        int64_t n_rows = MIN(nr, last - row);
        l->k->transpose(sums + column, sum_row, n_out, n_rows, turned, l->block_out);
        scope_cpu_finish_rows(l->k, w, l->e, row, 1, n_rows, first, n_out, turned, l->block_out,
                              (float *)l->y.data + row * l->y.stride[0] + first, l->y.stride[0]);
    }
}

void
scope_cpu_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                 const ScopeEpilogue *epilogue)
{
    if (weight->store == SCOPE_WEIGHT_STORE_INT8) {
        scope_cpu_linear_int8(ctx, y, x, weight, epilogue);
        return;
    }
    const ScopeKernels *k = scope_kernels_get();
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Linear l = {.k = k, .y = y, .x = x, .weight = weight, .e = epilogue};
    gboolean few = x.shape[0] <= FEW_ROWS;
    l.block_depth = few ? FEW_DEPTH : BLOCK_DEPTH;
    l.n_panels = (x.shape[0] + k->nr - 1) / k->nr;
    l.n_row_tiles = (l.n_panels * k->nr + BLOCK_ROWS - 1) / BLOCK_ROWS;
    l.panels_per_tile = (l.n_panels + l.n_row_tiles - 1) / l.n_row_tiles;
    l.n_row_tiles = (l.n_panels + l.panels_per_tile - 1) / l.panels_per_tile;
    l.block_out = scope_cpu_block_out(weight->n_out, l.n_row_tiles, few ? FEW_OUT : BLOCK_OUT);
    l.scratch_each =
        l.block_out * l.block_depth + l.block_out * l.panels_per_tile * k->nr + l.block_out * k->nr;
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    l.panels =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(l.n_panels, weight->n_in, k->nr))
            .data;
    l.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_threads, l.scratch_each)).data;
    scope_cpu_run(ctx, l.n_panels, pack_tile, &l);
    int64_t n_blocks = (weight->n_out + l.block_out - 1) / l.block_out;
    scope_cpu_run(ctx, n_blocks * l.n_row_tiles, linear_tile, &l);
    scope_arena_release(ctx->scratch, mark);
}
