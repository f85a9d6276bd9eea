/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions of the CPU backend. A tile is a run of output pixels of one phase: it first notes
 * the address of the source pixel of every (pixel, tap) - or of a row of zeros - and then
 * multiplies these rows with packed weights, one panel of outputs at a time. Nothing is copied into
 * columns. Owns nothing; takes scratch. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <string.h>

#define MAX_PIXELS    192  /* a multiple of every mr */
#define MAX_ADDRESSES 8192 /* per tile */
#define DEPTH         256  /* values of a panel that stay in the first-level cache */

typedef struct {
    const ScopeKernels *k;
    const ScopeCpuConvPlan *plan;
    ScopeTensor y, x, context;
    const ScopeWeight *weight;
    const ScopeEpilogue *e;
    ScopePadMode pad_mode;
    gboolean is_int8;
    float int8_scale; /* value of one step of the quantised input */
    struct {
        const char *base;
        int64_t frame, row, pixel; /* distances in bytes */
    } image[2];                    /* frames before the input, and the input */
    int64_t n_context;
    int64_t pixels_per_tile, n_pixel_tiles, n_panels, n_panel_groups, panels_per_group;
    const char *zeros;
    char *scratch; /* per thread: addresses, sums */
    int64_t scratch_each;
} Conv;

/* The pixels of one tile: indexes first .. first + n - 1 of a grid of the phase's pixels. */
typedef struct {
    int64_t frame, first, n, grid_w;
    int phase_y, phase_x;
    const ScopeCpuConvPhase *phase;
} Tile;

/* The source row of one tap, or NULL where it lies in the zero padding. */
static const char *
source_row(const Conv *c, const Tile *tile, const ScopeCpuConvTap *tap, int64_t jy)
{
    int up = c->plan->upsample; /* 1 or 2: a shift, because a division per row is not free */
    int64_t t = tile->frame * c->weight->geometry.stride_t + tap->dt;
    int which = t >= c->n_context;
    int64_t iy =
        scope_cpu_pad_index(jy * c->plan->in_step_h + tap->dy, c->x.shape[1] * up, c->pad_mode);
    return iy < 0 ? NULL
                  : c->image[which].base + (which ? t - c->n_context : t) * c->image[which].frame +
                        (iy >> (up - 1)) * c->image[which].row;
}

/* Notes the sources of one tap for all pixels of the tile, at rows[pixel / mr][.][pixel % mr]. */
static void
note_tap(const Conv *c, const Tile *tile, const ScopeCpuConvTap *tap, const char **rows)
{
    const ScopeCpuConvPlan *plan = c->plan;
    int up = plan->upsample, in_step = plan->in_step_w, mr = c->k->mr, lane = 0;
    int64_t group_step = tile->phase->n_taps * mr, w = c->x.shape[2] * up;
    int64_t limit_w = plan->is_merged ? w - c->weight->kernel_w + 1 : w;
    int64_t jy = tile->first / tile->grid_w, jx = tile->first % tile->grid_w;
    int64_t pixel_step =
        c->image[tile->frame * c->weight->geometry.stride_t + tap->dt >= c->n_context].pixel;
    for (int64_t left = tile->n; left > 0; jx = 0, jy++) {
        const char *row = source_row(c, tile, tap, jy);
        int64_t n = MIN(left, tile->grid_w - jx), ix = jx * in_step + tap->dx;
        left -= n;
        for (; n > 0; n--, ix += in_step) {
            int64_t at = ix >= 0 && ix < limit_w ? ix : scope_cpu_pad_index(ix, w, c->pad_mode);
            rows[lane] = row && at >= 0 ? row + (at >> (up - 1)) * pixel_step : c->zeros;
            if (++lane == mr) {
                lane = 0;
                rows += group_step;
            }
        }
    }
    for (; lane > 0 && lane < mr; lane++) {
        rows[lane] = c->zeros;
    }
}

/* Sums of one panel of outputs for all pixels of the tile. */
static void
sum_panel(const Conv *c, const Tile *tile, const char *const *rows, const float *weights,
          int64_t width, float *sums)
{
    ScopeGemmRowsFn gemm = width < c->k->nr ? c->k->gemm_rows_half : c->k->gemm_rows;
    int64_t mr = c->k->mr, n_k = c->plan->n_k, n_taps = tile->phase->n_taps;
    int64_t taps_each = n_k < DEPTH ? MIN(n_taps, DEPTH / n_k) : 1;
    int64_t n_pieces = (n_k + DEPTH + DEPTH / 2 - 1) / (DEPTH + DEPTH / 2);
    int64_t depth = taps_each > 1 ? n_k : (n_k + n_pieces - 1) / n_pieces;
    if (n_taps == 0) {
        memset(sums, 0, (size_t)(tile->n * width) * sizeof(float));
    }
    for (int64_t tap = 0; tap < n_taps; tap += taps_each) {
        int64_t n = MIN(taps_each, n_taps - tap);
        for (int64_t k = 0; k < n_k; k += depth) {
            const float *b = weights + (tap * n_k + k) * width;
            for (int64_t i = 0; i < tile->n; i += mr) {
                gemm(n, (const float *const *)rows + i * n_taps + tap * mr, k, MIN(depth, n_k - k),
                     b, sums + i * width, width, tap + k > 0);
            }
        }
    }
}

/* The same with 8-bit weights: exact sums of pairs, then one factor for all. */
static void
sum_panel_int8(const Conv *c, const Tile *tile, const char *const *rows, const int16_t *weights,
               int64_t width, float *sums)
{
    ScopeGemmRowsS16Fn gemm = width < c->k->nr ? c->k->gemm_rows_s16_half : c->k->gemm_rows_s16;
    int64_t mr = c->k->mr, n_taps = tile->phase->n_taps;
    int64_t n_pairs = (c->plan->n_k + 1) / 2;
    int64_t taps_each = n_pairs < DEPTH ? MIN(n_taps, DEPTH / n_pairs) : 1;
    int64_t n_pieces = (n_pairs + DEPTH + DEPTH / 2 - 1) / (DEPTH + DEPTH / 2);
    int64_t depth = taps_each > 1 ? n_pairs : (n_pairs + n_pieces - 1) / n_pieces;
    int32_t *exact = (int32_t *)(void *)sums;
    if (n_taps == 0) {
        memset(sums, 0, (size_t)(tile->n * width) * sizeof(float));
    }
    for (int64_t tap = 0; tap < n_taps; tap += taps_each) {
        int64_t n = MIN(taps_each, n_taps - tap);
        for (int64_t k = 0; k < n_pairs; k += depth) {
            const int16_t *b = weights + (tap * n_pairs + k) * width * 2;
            for (int64_t i = 0; i < tile->n; i += mr) {
                gemm(n, (const int16_t *const *)rows + i * n_taps + tap * mr, 2 * k,
                     MIN(depth, n_pairs - k), b, exact + i * width, width, tap + k > 0);
            }
        }
    }
    c->k->from_s32(exact, c->int8_scale, NULL, sums, tile->n * width);
}

/* Finishes one panel: runs of pixels that lie at equal distance in the output. */
static void
finish_panel(const Conv *c, const Tile *tile, const float *sums, int64_t sum_row, int64_t first)
{
    const ScopeCpuConvPlan *plan = c->plan;
    int64_t n_out = c->weight->n_out, width = c->y.shape[2];
    int64_t n = MIN(sum_row, n_out - first), done = 0;
    while (done < tile->n) {
        int64_t jy = (tile->first + done) / tile->grid_w, jx = (tile->first + done) % tile->grid_w;
        int64_t row =
            (tile->frame * c->y.shape[1] + jy * plan->out_step_h + tile->phase_y) * width +
            jx * plan->out_step_w + tile->phase_x;
        int64_t run = plan->out_step_h == 1 && plan->out_step_w == 1
                          ? tile->n
                          : MIN(tile->n - done, tile->grid_w - jx);
        scope_cpu_finish_rows(c->k, c->weight, c->e, row, plan->out_step_w, run, first, n,
                              sums + done * sum_row, sum_row,
                              (float *)c->y.data + row * n_out + first, n_out * plan->out_step_w);
        done += run;
    }
}

static int64_t
div_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static void
conv_tile(int64_t index, int thread_index, void *user_data)
{
    const Conv *c = user_data;
    const ScopeCpuConvPlan *plan = c->plan;
    int64_t n_phases = (int64_t)plan->out_step_h * plan->out_step_w;
    int64_t group = index % c->n_panel_groups, rest = index / c->n_panel_groups;
    int64_t phase = rest / c->n_pixel_tiles % n_phases;
    Tile tile = {.frame = rest / c->n_pixel_tiles / n_phases,
                 .first = rest % c->n_pixel_tiles * c->pixels_per_tile,
                 .phase_y = (int)(phase / plan->out_step_w),
                 .phase_x = (int)(phase % plan->out_step_w),
                 .phase = &plan->phases[phase]};
    int64_t grid_h = (c->y.shape[1] - tile.phase_y + plan->out_step_h - 1) / plan->out_step_h;
    tile.grid_w = (c->y.shape[2] - tile.phase_x + plan->out_step_w - 1) / plan->out_step_w;
    tile.n = MIN(c->pixels_per_tile, grid_h * tile.grid_w - tile.first);
    if (tile.n <= 0) {
        return;
    }
    const char **rows = (const char **)(c->scratch + thread_index * c->scratch_each);
    float *sums = (float *)(rows + c->pixels_per_tile * MAX(1, c->plan->n_taps));
    for (int64_t t = 0; t < tile.phase->n_taps; t++) {
        note_tap(c, &tile, &plan->taps[tile.phase->first_tap + t], rows + t * c->k->mr);
    }
    int64_t last = MIN(c->n_panels, (group + 1) * c->panels_per_group);
    for (int64_t panel = group * c->panels_per_group; panel < last; panel++) {
        int64_t width = scope_kernels_panel_width(c->k, c->weight->n_out, panel);
        if (c->is_int8) {
            int64_t n_pairs = (plan->n_k + 1) / 2;
            const int16_t *weights = (const int16_t *)c->weight->packed.data + tile.phase->weights +
                                     panel * tile.phase->n_taps * n_pairs * c->k->nr * 2;
            sum_panel_int8(c, &tile, rows, weights, width, sums);
        } else {
            const float *weights = (const float *)c->weight->packed.data + tile.phase->weights +
                                   panel * tile.phase->n_taps * plan->n_k * c->k->nr;
            sum_panel(c, &tile, rows, weights, width, sums);
        }
        finish_panel(c, &tile, sums, width, panel * c->k->nr);
    }
}

#define QUANTISE_TILE 65536

typedef struct {
    const ScopeKernels *k;
    ScopeTensor t; /* contiguous */
    float *top;    /* per tile */
    float factor;
    int16_t *q;
} Quantise;

static void
top_tile(int64_t tile, int thread_index, void *user_data)
{
    const Quantise *q = user_data;
    (void)thread_index;
    int64_t n = scope_tensor_n_elements(q->t), first = tile * QUANTISE_TILE;
    q->top[tile] = q->k->abs_max((const float *)q->t.data + first, MIN(QUANTISE_TILE, n - first));
}

static void
quantise_tile(int64_t tile, int thread_index, void *user_data)
{
    const Quantise *q = user_data;
    (void)thread_index;
    int64_t n = scope_tensor_n_elements(q->t), first = tile * QUANTISE_TILE;
    q->k->quantize_s16((const float *)q->t.data + first, q->factor, q->q + first,
                       MIN(QUANTISE_TILE, n - first));
}

static float
find_top(ScopeContext *ctx, const ScopeKernels *k, ScopeTensor t)
{
    int64_t n_tiles = div_up(scope_tensor_n_elements(t), QUANTISE_TILE);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Quantise q = {.k = k, .t = t};
    q.top = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_tiles)).data;
    scope_cpu_run(ctx, n_tiles, top_tile, &q);
    float top = scope_cpu_is_exhausted() ? 0.0F : k->abs_max(q.top, n_tiles);
    scope_arena_release(ctx->scratch, mark);
    return top;
}

/* One scale for all frames of the call: taps of different frames add up. */
static void
quantise_input(ScopeContext *ctx, Conv *c)
{
    ScopeTensor part[2] = {c->context, c->x};
    float top = 0.0F, limit = scope_cpu_activation_limit((int64_t)c->plan->n_taps * c->plan->n_k);
    for (int i = 0; i < 2; i++) {
        if (scope_tensor_is_none(part[i])) {
            continue;
        }
        if (!scope_tensor_is_contiguous(part[i])) {
            ScopeTensor copy = scope_context_scratch(ctx, SCOPE_DTYPE_F32, 4, part[i].shape);
            scope_cpu_copy(ctx, copy, part[i]);
            part[i] = copy;
        }
        top = MAX(top, find_top(ctx, c->k, part[i]));
    }
    c->int8_scale = top / limit;
    for (int i = 0; i < 2; i++) {
        if (scope_tensor_is_none(part[i])) {
            continue;
        }
        /* one value more: the last pair of an odd count reads it, times zero */
        int64_t n = scope_tensor_n_elements(part[i]);
        Quantise q = {.k = c->k, .t = part[i], .factor = top > 0.0F ? limit / top : 0.0F};
        q.q = scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE(2 * n + 2)).data;
        if (!scope_cpu_is_exhausted()) {
            q.q[n] = 0;
        }
        scope_cpu_run(ctx, div_up(n, QUANTISE_TILE), quantise_tile, &q);
        c->image[i].base = (const char *)q.q;
        c->image[i].pixel = part[i].shape[3] * 2;
        c->image[i].row = c->image[i].pixel * part[i].shape[2];
        c->image[i].frame = c->image[i].row * part[i].shape[1];
    }
}

static void
note_image(Conv *c, int i, ScopeTensor t)
{
    if (!scope_tensor_is_none(t)) {
        c->image[i].base = t.data;
        c->image[i].frame = t.stride[0] * (int64_t)sizeof(float);
        c->image[i].row = t.stride[1] * (int64_t)sizeof(float);
        c->image[i].pixel = t.stride[2] * (int64_t)sizeof(float);
    }
}

/* Input addresses; copies or quantises the input where the plan wants it. */
static void
prepare_input(ScopeContext *ctx, Conv *c)
{
    c->n_context = scope_tensor_is_none(c->context) ? 0 : c->context.shape[0];
    if (c->is_int8) {
        quantise_input(ctx, c);
        return;
    }
    if (c->plan->is_merged && c->x.stride[2] != c->x.shape[3]) {
        /* a merged tap reads neighbouring pixels as one run */
        ScopeTensor copy = scope_context_scratch(ctx, SCOPE_DTYPE_F32, 4, c->x.shape);
        scope_cpu_copy(ctx, copy, c->x);
        c->x = copy;
    }
    note_image(c, 0, c->context);
    note_image(c, 1, c->x);
}

static void
run_plan(ScopeContext *ctx, Conv *c)
{
    const ScopeCpuConvPlan *plan = c->plan;
    int64_t mr = c->k->mr, nr = c->k->nr, n_threads = scope_pool_get_n_threads(ctx->pool);
    int64_t n_phases = (int64_t)plan->out_step_h * plan->out_step_w, most_taps = 1;
    for (int64_t i = 0; i < n_phases; i++) {
        most_taps = MAX(most_taps, plan->phases[i].n_taps);
    }
    int64_t n_pixels =
        div_up(c->y.shape[1], plan->out_step_h) * div_up(c->y.shape[2], plan->out_step_w);
    int64_t limit = CLAMP(MAX_ADDRESSES / most_taps / mr * mr, mr, MAX_PIXELS);
    c->pixels_per_tile = div_up(div_up(n_pixels, div_up(n_pixels, limit)), mr) * mr;
    c->n_pixel_tiles = div_up(n_pixels, c->pixels_per_tile);
    c->n_panels = div_up(c->weight->n_out, nr);
    int64_t n_tiles = c->y.shape[0] * n_phases * c->n_pixel_tiles;
    c->n_panel_groups = n_threads > 1 ? CLAMP(div_up(8 * n_threads, n_tiles), 1, c->n_panels) : 1;
    c->panels_per_group = div_up(c->n_panels, c->n_panel_groups);
    c->n_panel_groups = div_up(c->n_panels, c->panels_per_group);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    prepare_input(ctx, c);
    int64_t n_addresses = c->pixels_per_tile * MAX(1, plan->n_taps);
    c->scratch_each =
        n_addresses * (int64_t)sizeof(void *) + c->pixels_per_tile * nr * (int64_t)sizeof(float);
    c->scratch =
        scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE(n_threads, c->scratch_each)).data;
    ScopeTensor zeros = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(plan->n_k + 1));
    scope_cpu_fill(ctx, zeros, 0.0F);
    c->zeros = zeros.data;
    scope_cpu_run(ctx, n_tiles * c->n_panel_groups, conv_tile, c);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_cpu_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
               const ScopeConvOptions *options)
{
    if (weight->geometry.groups > 1) {
        scope_cpu_conv_groups(ctx, y, x, weight, options);
        return;
    }
    Conv c = {.k = scope_kernels_get(),
              .plan = weight->aux.data,
              .y = y,
              .x = x,
              .context = options->context,
              .weight = weight,
              .e = &options->epilogue,
              .pad_mode = weight->geometry.pad_mode,
              .is_int8 = weight->store == SCOPE_WEIGHT_STORE_INT8};
    run_plan(ctx, &c);
}

void
scope_cpu_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                         const ScopeEpilogue *epilogue)
{
    Conv c = {.k = scope_kernels_get(),
              .plan = weight->aux.data,
              .y = y,
              .x = x,
              .context = SCOPE_TENSOR_NONE,
              .weight = weight,
              .e = epilogue,
              .pad_mode = SCOPE_PAD_ZEROS,
              .is_int8 = weight->store == SCOPE_WEIGHT_STORE_INT8};
    run_plan(ctx, &c);
}
