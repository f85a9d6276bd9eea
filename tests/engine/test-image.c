/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizing, sampling, pooling, padding and pixel shuffling against double.
 */
#include <math.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor y, x, coords;
    ScopeResizeOptions resize;
    ScopeSampleMode sample;
    ScopePadMode pad;
    ScopePoolKind pool;
    int size, top, left;
} Args;

#define RUN(name, call)                                                                            \
    static void run_##name(ScopeContext *ctx, void *data)                                          \
    {                                                                                              \
        Args *g = data;                                                                            \
        call;                                                                                      \
    }
RUN(resize, scope_op_resize(ctx, g->y, g->x, &g->resize))
RUN(sample, scope_op_grid_sample(ctx, g->y, g->x, g->coords, g->sample, g->pad))
RUN(pool, scope_op_pool2d(ctx, g->y, g->x, g->pool, g->size))
RUN(pad, scope_op_pad(ctx, g->y, g->x, g->pad, g->top, g->left))
RUN(shuffle, scope_op_pixel_shuffle(ctx, g->y, g->x, g->size))
RUN(unshuffle, scope_op_pixel_unshuffle(ctx, g->y, g->x, g->size))

static double
cubic(double t)
{
    t = fabs(t);
    return t <= 1  ? 1.25 * t * t * t - 2.25 * t * t + 1
           : t < 2 ? -0.75 * t * t * t + 3.75 * t * t - 6 * t + 3
                   : 0;
}

/* Weight of source index @s for output index @i along one axis. */
static double
axis_weight(const ScopeResizeOptions *o, double given, int64_t i, int64_t s, int64_t n_in,
            int64_t n_out)
{
    double ratio = given > 0 ? given : (double)n_in / (double)n_out, pos, sum = 0;
    switch (o->mode) {
    case SCOPE_RESIZE_NEAREST:
        return s == i * n_in / n_out;
    case SCOPE_RESIZE_NEAREST_EXACT:
        return s == (int64_t)floor(((double)i + 0.5) * (double)n_in / (double)n_out);
    case SCOPE_RESIZE_BILINEAR:
    case SCOPE_RESIZE_BILINEAR_CORNERS:
        pos = o->mode == SCOPE_RESIZE_BILINEAR ? MAX(0.0, ((double)i + 0.5) * ratio - 0.5)
              : n_out > 1 ? (double)i * (double)(n_in - 1) / (double)(n_out - 1)
                          : 0;
        pos = MIN(pos, (double)(n_in - 1));
        return MAX(0.0, 1 - fabs(pos - (double)s));
    case SCOPE_RESIZE_BICUBIC:
        pos = ((double)i + 0.5) * ratio - 0.5;
        for (int64_t j = (int64_t)floor(pos) - 1; j <= (int64_t)floor(pos) + 2; j++) {
            sum += CLAMP(j, 0, n_in - 1) == s ? cubic(pos - (double)j) : 0;
        }
        return sum;
    case SCOPE_RESIZE_BILINEAR_ANTIALIAS: {
        double support = MAX(1.0, ratio), centre = ((double)i + 0.5) * ratio, mine = 0;
        for (int64_t j = 0; j < n_in; j++) {
            double w = MAX(0.0, 1 - fabs((double)j + 0.5 - centre) / support);
            sum += w;
            mine = j == s ? w : mine;
        }
        return mine / sum;
    }
    case SCOPE_RESIZE_AREA: {
        int64_t first = i * n_in / n_out, last = ((i + 1) * n_in + n_out - 1) / n_out;
        return s >= first && s < last ? 1.0 / (double)(last - first) : 0;
    }
    case SCOPE_N_RESIZE_MODES:
        break;
    }
    return NAN;
}

static void
check_resize(OpTest *test, ScopeResizeMode mode, double ratio)
{
    int64_t t = op_test_int(test, 1, 2), c = op_test_int(test, 1, 9);
    int64_t h = op_test_int(test, 1, 12), w = op_test_int(test, 1, 14);
    int64_t ho = op_test_int(test, 1, 17), wo = op_test_int(test, 1, 19);
    TestTensor *y = op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(t, ho, wo, c));
    Args g = {.y = y->t,
              .x = op_test_tensor(test, SCOPE_DTYPE_F32, 2, SCOPE_SHAPE(t, h, w, c))->t,
              .resize = {mode, ratio, ratio}};
    op_test_run(test, y, run_resize, &g);
    for (int64_t i = 0; i < t * ho * wo; i++) {
        int64_t f = i / (ho * wo), oy = i / wo % ho, ox = i % wo;
        for (int64_t ch = 0; ch < c; ch++) {
            double want = 0;
            for (int64_t s = 0; s < h * w; s++) {
                double weight = axis_weight(&g.resize, ratio, oy, s / w, h, ho);
                if (weight != 0) {
                    weight *= axis_weight(&g.resize, ratio, ox, s % w, w, wo);
                    want += weight * OP_GET(g.x, f, s / w, s % w, ch);
                }
            }
            OP_CLOSE("resize", g.y, want, 2e-6, f, oy, ox, ch);
        }
    }
}

static void
test_resize(void)
{
    OpTest test;
    op_test_init(&test);
    for (int mode = 0; mode < SCOPE_N_RESIZE_MODES; mode++) {
        for (int round = 0; round < 12; round++) {
            check_resize(&test, (ScopeResizeMode)mode, SCOPE_RESIZE_RATIO_FROM_SIZES);
        }
    }
    check_resize(&test, SCOPE_RESIZE_BICUBIC, 0.731);
    check_resize(&test, SCOPE_RESIZE_BILINEAR, 1.37);
    op_test_clear(&test);
}

static double
pixel_or_zero(ScopeTensor x, int64_t t, int64_t py, int64_t px, int64_t c)
{
    return py < 0 || px < 0 || py >= x.shape[1] || px >= x.shape[2] ? 0 : OP_GET(x, t, py, px, c);
}

static void
check_sample(OpTest *test, ScopeSampleMode mode, ScopePadMode pad)
{
    const int64_t t = 2, h = 6, w = 9, ho = 5, wo = 7;
    int64_t c = op_test_int(test, 1, 10);
    TestTensor *y = op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(t, ho, wo, c));
    Args g = {.y = y->t,
              .x = op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(t, h, w, c))->t,
              .coords = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(t, ho, wo, 2))->t,
              .sample = mode,
              .pad = pad};
    scope_op_affine(test->ctx[0], g.coords, g.coords, 8.0F, 3.0F);
    ((float *)g.coords.data)[0] = 1e30F;
    ((float *)g.coords.data)[3] = -1e30F;
    op_test_run(test, y, run_sample, &g);
    for (int64_t i = 0; i < t * ho * wo; i++) {
        int64_t f = i / (ho * wo), oy = i / wo % ho, ox = i % wo;
        double px = OP_GET(g.coords, f, oy, ox, 0) + (mode == SCOPE_SAMPLE_FLOW ? (double)ox : 0);
        double py = OP_GET(g.coords, f, oy, ox, 1) + (mode == SCOPE_SAMPLE_FLOW ? (double)oy : 0);
        if (pad == SCOPE_PAD_BORDER) {
            px = CLAMP(px, 0, (double)(w - 1));
            py = CLAMP(py, 0, (double)(h - 1));
        }
        px = CLAMP(px, -5.0, 50.0);
        py = CLAMP(py, -5.0, 50.0);
        int64_t bx = (int64_t)floor(px), by = (int64_t)floor(py);
        for (int64_t ch = 0; ch < c; ch++) {
            double want = 0;
            for (int k = 0; k < 4; k++) {
                double wx = fabs(px - (double)(bx + 1 - (k & 1)));
                double wy = fabs(py - (double)(by + 1 - (k >> 1)));
                want += wx * wy * pixel_or_zero(g.x, f, by + (k >> 1), bx + (k & 1), ch);
            }
            OP_CLOSE("sample", g.y, want, 1e-5, f, oy, ox, ch);
        }
    }
}

static void
test_grid_sample(void)
{
    OpTest test;
    op_test_init(&test);
    for (int round = 0; round < 12; round++) {
        check_sample(&test, round & 1 ? SCOPE_SAMPLE_FLOW : SCOPE_SAMPLE_ABSOLUTE,
                     round & 2 ? SCOPE_PAD_BORDER : SCOPE_PAD_ZEROS);
    }
    op_test_clear(&test);
}

static void
test_pool(void)
{
    OpTest test;
    op_test_init(&test);
    for (int size = 1; size < 4; size++) {
        for (int kind = 0; kind < 2; kind++) {
            int64_t h = 7, w = 10, c = 5;
            TestTensor *y =
                op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(2, h / size, w / size, c));
            Args g = {.y = y->t,
                      .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(2, h, w, c))->t,
                      .pool = (ScopePoolKind)kind,
                      .size = size};
            op_test_run(&test, y, run_pool, &g);
            for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
                int64_t at[4] = {i / (y->t.shape[1] * y->t.shape[2] * c),
                                 i / (y->t.shape[2] * c) % y->t.shape[1], i / c % y->t.shape[2],
                                 i % c};
                double want = kind ? -INFINITY : 0;
                for (int k = 0; k < size * size; k++) {
                    double v =
                        OP_GET(g.x, at[0], at[1] * size + k / size, at[2] * size + k % size, at[3]);
                    want = kind ? MAX(want, v) : want + v / (size * size);
                }
                op_test_close("pool", g.y, at, want, 1e-6);
            }
        }
    }
    op_test_clear(&test);
}

static void
test_pad(void)
{
    OpTest test;
    op_test_init(&test);
    for (int round = 0; round < 15; round++) {
        int64_t h = op_test_int(&test, 4, 7), w = op_test_int(&test, 4, 7), c = 3;
        Args g = {.pad = (ScopePadMode)(round % 3),
                  .top = (int)op_test_int(&test, 0, 3),
                  .left = (int)op_test_int(&test, 0, 3),
                  .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(2, h, w, c))->t};
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 0,
                                       SCOPE_SHAPE(2, h + g.top + op_test_int(&test, 0, 3),
                                                   w + g.left + op_test_int(&test, 0, 3), c));
        g.y = y->t;
        op_test_run(&test, y, run_pad, &g);
        for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
            int64_t at[4] = {i / (y->t.shape[1] * y->t.shape[2] * c),
                             i / (y->t.shape[2] * c) % y->t.shape[1], i / c % y->t.shape[2], i % c};
            int64_t py = at[1] - g.top, px = at[2] - g.left;
            if (g.pad == SCOPE_PAD_REFLECT) {
                py = py < 0 ? -py : py >= h ? 2 * (h - 1) - py : py;
                px = px < 0 ? -px : px >= w ? 2 * (w - 1) - px : px;
            } else if (g.pad == SCOPE_PAD_BORDER) {
                py = CLAMP(py, 0, h - 1);
                px = CLAMP(px, 0, w - 1);
            }
            op_test_close("pad", g.y, at, pixel_or_zero(g.x, at[0], py, px, at[3]), 0);
        }
    }
    op_test_clear(&test);
}

static void
test_pixel_shuffle(void)
{
    OpTest test;
    op_test_init(&test);
    const int64_t t = 2, h = 3, w = 4, c = 5, r = 2;
    TestTensor *large = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(t, h * r, w * r, c));
    TestTensor *small = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(t, h, w, c * r * r));
    Args g = {.y = large->t, .x = small->t, .size = (int)r};
    op_test_run(&test, large, run_shuffle, &g);
    for (int64_t i = 0; i < scope_tensor_n_elements(large->t); i++) {
        int64_t f = i / (h * r * w * r * c), y = i / (w * r * c) % (h * r), x = i / c % (w * r);
        OP_CLOSE("shuffle", large->t,
                 OP_GET(small->t, f, y / r, x / r, i % c * r * r + y % r * r + x % r), 0, f, y, x,
                 i % c);
    }
    ScopeTensor kept =
        op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(t, h, w, c * r * r))->t;
    scope_op_copy(test.ctx[0], kept, small->t);
    Args back = {.y = small->t, .x = large->t, .size = (int)r};
    op_test_run(&test, small, run_unshuffle, &back);
    g_assert_cmpmem(kept.data, scope_tensor_n_bytes(kept), small->t.data,
                    scope_tensor_n_bytes(kept));
    op_test_clear(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/resize", test_resize);
    g_test_add_func("/engine/grid-sample", test_grid_sample);
    g_test_add_func("/engine/pool", test_pool);
    g_test_add_func("/engine/pad", test_pad);
    g_test_add_func("/engine/pixel-shuffle", test_pixel_shuffle);
    return op_test_main();
}
