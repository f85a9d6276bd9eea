/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear layers of the CPU backend with 8-bit weights. Activations become 16-bit integers with one
 * scale per row, as fine as 32-bit sums allow; products are summed exactly. Without VNNI a
 * processor multiplies pairs of 16-bit integers as fast as groups of 8-bit ones that must then be
 * widened, so the wider activations cost nothing and the weights are the only source of error. The
 * walk is that of the f32 version. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

#define BLOCK_OUT   192
#define BLOCK_DEPTH 512
#define BLOCK_ROWS  384
#define FEW_ROWS    64
#define FEW_OUT     24
#define FEW_DEPTH   2048

typedef struct {
    const ScopeKernels *k;
    ScopeTensor y, x;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    int64_t block_out, block_depth;
    int64_t n_pairs; /* of the whole depth, the last one filled with zero */
    int64_t n_panels, panels_per_tile, n_row_tiles;
    uint32_t
        *panels; /* [n_panels][n_pairs][nr] pairs; half as wide for the last rows if they fit */
    float *row_scale; /* [n_panels * nr] */
    char *scratch;
    int64_t scratch_each;
} Linear;

/* Quantises nr rows and turns them into a panel. */
static void
pack_tile(int64_t panel, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    int64_t nr = l->k->nr, depth = l->weight->n_in, rows = MIN(nr, l->x.shape[0] - panel * nr);
    int16_t *turned = (int16_t *)(l->scratch + thread_index * l->scratch_each);
    float limit = scope_cpu_activation_limit(depth);
    for (int64_t r = 0; r < rows; r++) {
        const float *x = (const float *)l->x.data + (panel * nr + r) * l->x.stride[0];
        int16_t *q = turned + r * l->n_pairs * 2;
        float top = l->k->abs_max(x, depth);
        l->row_scale[panel * nr + r] = top / limit;
        q[l->n_pairs * 2 - 1] = 0;
        l->k->quantize_s16(x, top > 0.0F ? limit / top : 0.0F, q, depth);
    }
    int64_t width = scope_kernels_panel_width(l->k, l->x.shape[0], panel);
    uint32_t *dst = l->panels + panel * l->n_pairs * nr;
    if (rows < width) {
        memset(dst, 0, (size_t)(l->n_pairs * width) * sizeof(uint32_t));
    }
    /* pairs move as floats do: bit by bit */
    l->k->transpose((const float *)(const void *)turned, l->n_pairs, rows, l->n_pairs,
                    (float *)(void *)dst, width);
}

static void
widen_block(const Linear *l, int64_t first, int64_t n_out, int64_t begin, int64_t depth,
            int16_t *dst)
{
    const ScopeWeight *w = l->weight;
    for (int64_t o = 0; o < n_out; o++) {
        int16_t *row = dst + o * l->block_depth;
        row[(depth + 1) / 2 * 2 - 1] = 0;
        l->k->widen_s8((const int8_t *)w->packed.data + (first + o) * w->n_in + begin, row, depth);
    }
}

static void
add_block(const Linear *l, const int16_t *block, int64_t n_out, int64_t first, int64_t n_panels,
          int64_t begin, int64_t n_pairs, int32_t *sums, int64_t sum_row)
{
    int64_t mr = l->k->mr, nr = l->k->nr;
    for (int64_t p = 0; p < n_panels; p++) {
        int64_t width = scope_kernels_panel_width(l->k, l->x.shape[0], first + p);
        ScopeGemmRowsS16Fn gemm = width < nr ? l->k->gemm_rows_s16_half : l->k->gemm_rows_s16;
        const uint32_t *panel = l->panels + (first + p) * l->n_pairs * nr;
        const int16_t *b = (const int16_t *)(const void *)(panel + begin * width);
        for (int64_t o = 0; o < n_out; o += mr) {
            const int16_t *rows[SCOPE_KERNELS_MAX_MR];
            for (int64_t i = 0; i < mr; i++) {
                rows[i] = block + (o + i < n_out ? o + i : n_out - 1) * l->block_depth;
            }
            if (p + 1 < n_panels) {
                scope_cpu_prefetch_share(panel + (l->n_pairs + begin) * nr, n_pairs * nr, o, mr,
                                         n_out);
            }
            gemm(1, rows, 0, n_pairs, b, sums + o * sum_row + p * nr, sum_row, begin > 0);
        }
    }
}

static void
linear_tile(int64_t tile, int thread_index, void *user_data)
{
    const Linear *l = user_data;
    const ScopeWeight *w = l->weight;
    int64_t nr = l->k->nr;
    int64_t first = tile / l->n_row_tiles * l->block_out;
    int64_t n_out = MIN(l->block_out, w->n_out - first);
    int64_t panel = tile % l->n_row_tiles * l->panels_per_tile;
    int64_t n_panels = MIN(l->panels_per_tile, l->n_panels - panel);
    int64_t sum_row = l->panels_per_tile * nr;
    int32_t *sums = (int32_t *)(l->scratch + thread_index * l->scratch_each);
    float *turned = (float *)(sums + l->block_out * sum_row);
    int16_t *block = (int16_t *)(turned + l->block_out * nr);
    for (int64_t k = 0; k < w->n_in; k += l->block_depth) {
        int64_t depth = MIN(l->block_depth, w->n_in - k);
        widen_block(l, first, n_out, k, depth, block);
        add_block(l, block, n_out, panel, n_panels, k / 2, (depth + 1) / 2, sums, sum_row);
    }
    for (int64_t o = 0; o < n_out; o++) {
        int32_t *row = sums + o * sum_row;
        l->k->from_s32(row, 0.0F, l->row_scale + panel * nr, (float *)(void *)row, n_panels * nr);
    }
    int64_t row = panel * nr, last = MIN(l->y.shape[0], row + n_panels * nr);
    for (int64_t column = 0; row < last; row += nr, column += nr) {
        int64_t n_rows = MIN(nr, last - row);
        l->k->transpose((const float *)(const void *)sums + column, sum_row, n_out, n_rows, turned,
                        l->block_out);
        scope_cpu_finish_rows(l->k, w, l->e, row, 1, n_rows, first, n_out, turned, l->block_out,
                              (float *)l->y.data + row * l->y.stride[0] + first, l->y.stride[0]);
    }
}

void
scope_cpu_linear_int8(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                      const ScopeEpilogue *epilogue)
{
    const ScopeKernels *k = scope_kernels_get();
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Linear l = {.k = k, .y = y, .x = x, .weight = weight, .e = epilogue};
    gboolean few = x.shape[0] <= FEW_ROWS;
    l.block_depth = few ? FEW_DEPTH : BLOCK_DEPTH;
    l.n_pairs = (weight->n_in + 1) / 2;
    l.n_panels = (x.shape[0] + k->nr - 1) / k->nr;
    l.n_row_tiles = (l.n_panels * k->nr + BLOCK_ROWS - 1) / BLOCK_ROWS;
    l.panels_per_tile = (l.n_panels + l.n_row_tiles - 1) / l.n_row_tiles;
    l.n_row_tiles = (l.n_panels + l.panels_per_tile - 1) / l.panels_per_tile;
    l.block_out = scope_cpu_block_out(weight->n_out, l.n_row_tiles, few ? FEW_OUT : BLOCK_OUT);
    int64_t tile_bytes =
        l.block_out * (l.panels_per_tile + 1) * k->nr * 4 + l.block_out * l.block_depth * 2;
    l.scratch_each = (MAX(tile_bytes, k->nr * l.n_pairs * 4) + 63) / 64 * 64;
    int64_t n_threads = scope_pool_get_n_threads(ctx->pool);
    l.panels =
        scope_context_scratch(ctx, SCOPE_DTYPE_I32, SCOPE_SHAPE(l.n_panels, l.n_pairs, k->nr)).data;
    ScopeTensor row_scale =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(l.n_panels * k->nr));
    scope_cpu_fill(ctx, row_scale, 0.0F);
    l.row_scale = row_scale.data;
    l.scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE(n_threads, l.scratch_each)).data;
    scope_cpu_run(ctx, l.n_panels, pack_tile, &l);
    int64_t n_blocks = (weight->n_out + l.block_out - 1) / l.block_out;
    scope_cpu_run(ctx, n_blocks * l.n_row_tiles, linear_tile, &l);
    scope_arena_release(ctx->scratch, mark);
}
