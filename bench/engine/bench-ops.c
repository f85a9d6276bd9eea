/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of the ops at the shapes of the models: Wan 1.3B (width 1536, feed forward 8960, 12 heads
 * of 128), the VAE and the tiny autoencoder. Main thread.
 */
#include <math.h>
#include <stdio.h>

#include "scope-bench.h"

typedef struct {
    ScopeTensor y, x, context;
    ScopeWeight weight;
    ScopeEpilogue e;
    ScopeConvOptions conv;
    ScopeAttentionOptions attention;
    ScopeAttentionSegment segment;
    ScopeNormOptions norm;
} Work;

static void
run_linear(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_op_linear(ctx, w->y, w->x, &w->weight, &w->e);
}

static void
run_conv(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_op_conv(ctx, w->y, w->x, &w->weight, &w->conv);
}

static void
run_attention(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_op_attention(ctx, w->y, w->x, &w->attention);
}

static void
run_norm(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_op_norm(ctx, w->y, w->x, &w->norm);
}

static const char *const store_names[] = {"kept", "packed", "int8"};

static void
bench_linear(ScopeBench *bench, ScopeDType dtype, ScopeWeightStore store, const int64_t size[3],
             ScopeActivation activation)
{
    g_autofree char *name =
        g_strdup_printf("linear %s %s %dx%dx%d%s", scope_dtype_name(dtype), store_names[store],
                        (int)size[0], (int)size[1], (int)size[2], activation ? " gelu" : "");
    if (!scope_bench_wants(bench, name)) {
        return;
    }
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    ScopeTensor w32 = scope_bench_random(bench, SCOPE_SHAPE(size[2], size[1]));
    ScopeTensor stored = scope_arena_alloc(arena, dtype, SCOPE_SHAPE(size[2], size[1]));
    scope_op_copy(ctx, stored, w32);
    Work w = {.x = scope_bench_random(bench, SCOPE_SHAPE(size[0], size[1])),
              .y = scope_bench_random(bench, SCOPE_SHAPE(size[0], size[2])),
              .e = {.activation = activation}};
    ScopeWeightOptions options = {.store = store,
                                  .bias = scope_bench_random(bench, SCOPE_SHAPE(size[2]))};
    scope_weight_prepare_linear(ctx, arena, stored, &options, &w.weight, NULL);
    scope_bench_measure(bench, name, 2e-9 * (double)size[0] * (double)size[1] * (double)size[2],
                        run_linear, &w, SCOPE_BENCH_CEILING_MATMUL);
    scope_arena_release(arena, mark);
}

typedef struct {
    const char *label;
    int64_t t, h, w, n_in, n_out;
    int kt, k, stride, upsample;
} ConvShape;

static void
bench_conv(ScopeBench *bench, const ConvShape *s, ScopeWeightStore store)
{
    g_autofree char *name = g_strdup_printf("conv %s %dx%dx%d %d>%d at %dx%dx%d %s", s->label,
                                            s->kt, s->k, s->k, (int)s->n_in, (int)s->n_out,
                                            (int)s->t, (int)s->h, (int)s->w, store_names[store]);
    if (!scope_bench_wants(bench, name)) {
        return;
    }
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    ScopeConvGeometry g = scope_conv_geometry_strided(s->stride, s->k / 2);
    g.upsample = s->upsample;
    Work w = {.x = scope_bench_random(bench, SCOPE_SHAPE(s->t, s->h, s->w, s->n_in))};
    if (s->kt > 1) {
        w.conv.context = scope_bench_random(bench, SCOPE_SHAPE(s->kt - 1, s->h, s->w, s->n_in));
    }
    ScopeTensor stored =
        scope_bench_random(bench, SCOPE_SHAPE(s->n_out, s->n_in, s->kt, s->k, s->k));
    ScopeWeightOptions options = {.store = store,
                                  .bias = scope_bench_random(bench, SCOPE_SHAPE(s->n_out))};
    scope_weight_prepare_conv(ctx, arena, stored, &g, &options, &w.weight, NULL);
    int64_t size[3];
    scope_weight_conv_output_size(&w.weight, s->t + s->kt - 1, s->h, s->w, size);
    w.y = scope_bench_random(bench, SCOPE_SHAPE(size[0], size[1], size[2], s->n_out));
    double n = (double)(size[0] * size[1] * size[2] * s->n_out * s->n_in) * s->kt * s->k * s->k;
    scope_bench_measure(bench, name, 2e-9 * n, run_conv, &w, SCOPE_BENCH_CEILING_CONV);
    scope_arena_release(arena, mark);
}

static void
bench_attention(ScopeBench *bench, ScopeDType dtype, int64_t n_queries, int64_t n_keys,
                int64_t n_heads, int64_t d)
{
    g_autofree char *name = g_strdup_printf("attention %s q%d k%d h%d d%d", scope_dtype_name(dtype),
                                            (int)n_queries, (int)n_keys, (int)n_heads, (int)d);
    if (!scope_bench_wants(bench, name)) {
        return;
    }
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    Work w = {.x = scope_bench_random(bench, SCOPE_SHAPE(n_queries, n_heads, d)),
              .y = scope_bench_random(bench, SCOPE_SHAPE(n_queries, n_heads, d))};
    ScopeTensor wide = scope_bench_random(bench, SCOPE_SHAPE(n_keys, n_heads, d));
    w.segment.k = scope_arena_alloc(arena, dtype, SCOPE_SHAPE(n_keys, n_heads, d));
    w.segment.v = scope_arena_alloc(arena, dtype, SCOPE_SHAPE(n_keys, n_heads, d));
    scope_op_copy(ctx, w.segment.k, wide);
    scope_op_copy(ctx, w.segment.v, wide);
    w.attention = (ScopeAttentionOptions){
        .scale = 1.0F / sqrtf((float)d), .segments = &w.segment, .n_segments = 1};
    scope_bench_measure(bench, name,
                        4e-9 * (double)n_queries * (double)n_keys * (double)(n_heads * d),
                        run_attention, &w, SCOPE_BENCH_CEILING_MATMUL);
    scope_arena_release(arena, mark);
}

/* Reported as 1e9 values a second, not operations. */
static void
bench_norm(ScopeBench *bench, ScopeNormKind kind, int64_t n_rows, int64_t d, ScopeActivation act)
{
    const char *const kinds[] = {"layer+modulation", "rms", "channel+silu"};
    g_autofree char *name =
        g_strdup_printf("norm %s %dx%d (Gvalues/s)", kinds[kind], (int)n_rows, (int)d);
    if (!scope_bench_wants(bench, name)) {
        return;
    }
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    Work w = {.x = scope_bench_random(bench, SCOPE_SHAPE(n_rows, d)),
              .y = scope_bench_random(bench, SCOPE_SHAPE(n_rows, d)),
              .norm = {.kind = kind, .eps = 1e-6F, .activation = act}};
    if (kind == SCOPE_NORM_LAYER) {
        w.norm.modulation_rows = n_rows;
        w.norm.scale = scope_bench_random(bench, SCOPE_SHAPE(1, d));
        w.norm.shift = scope_bench_random(bench, SCOPE_SHAPE(1, d));
    } else {
        w.norm.weight = scope_bench_random(bench, SCOPE_SHAPE(d));
    }
    scope_bench_measure(bench, name, 1e-9 * (double)(n_rows * d), run_norm, &w,
                        SCOPE_BENCH_CEILING_NONE);
    scope_arena_release(arena, mark);
}

static void
bench_linears(ScopeBench *bench)
{
    const int64_t sizes[][3] = {{720, 1536, 1536},  {720, 1536, 8960},  {720, 8960, 1536},
                                {2160, 1536, 1536}, {2160, 1536, 8960}, {40, 4096, 10240}};
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        ScopeActivation act =
            sizes[i][2] == 8960 ? SCOPE_ACTIVATION_GELU_TANH : SCOPE_ACTIVATION_NONE;
        bench_linear(bench, SCOPE_DTYPE_F32, SCOPE_WEIGHT_STORE_KEEP, sizes[i], act);
        bench_linear(bench, SCOPE_DTYPE_BF16, SCOPE_WEIGHT_STORE_KEEP, sizes[i], act);
        bench_linear(bench, SCOPE_DTYPE_BF16, SCOPE_WEIGHT_STORE_INT8, sizes[i], act);
    }
    bench_linear(bench, SCOPE_DTYPE_F8_E4M3, SCOPE_WEIGHT_STORE_KEEP, sizes[0], 0);
    bench_linear(bench, SCOPE_DTYPE_F8_E4M3, SCOPE_WEIGHT_STORE_KEEP, sizes[5], 0);
}

static void
bench_convs(ScopeBench *bench)
{
    const ConvShape shapes[] = {
        {"tae", 1, 128, 128, 64, 64, 1, 3, 1, 1},    {"tae", 1, 64, 64, 128, 128, 1, 3, 1, 1},
        {"tae", 1, 32, 32, 256, 256, 1, 3, 1, 1},    {"tae up", 1, 64, 64, 64, 64, 1, 3, 1, 2},
        {"tae out", 1, 128, 128, 64, 3, 1, 3, 1, 1}, {"mini", 1, 128, 128, 16, 16, 1, 3, 1, 1},
        {"vae", 1, 128, 128, 96, 96, 3, 3, 1, 1},    {"vae", 1, 64, 64, 192, 192, 3, 3, 1, 1},
        {"vae", 1, 32, 32, 384, 384, 3, 3, 1, 1},    {"vae down", 1, 128, 128, 96, 96, 1, 3, 2, 1},
        {"patch", 3, 40, 72, 16, 1536, 1, 2, 2, 1}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        bench_conv(bench, &shapes[i], SCOPE_WEIGHT_STORE_KEEP);
        bench_conv(bench, &shapes[i], SCOPE_WEIGHT_STORE_INT8);
    }
}

int
main(int argc, char **argv)
{
    ScopeBench *bench = scope_bench_create(&argc, &argv, "bench-ops");
    bench_linears(bench);
    bench_convs(bench);
    bench_attention(bench, SCOPE_DTYPE_F32, 720, 2160, 12, 128);
    bench_attention(bench, SCOPE_DTYPE_F32, 2160, 8640, 12, 128);
    bench_attention(bench, SCOPE_DTYPE_BF16, 2160, 2160, 12, 128);
    bench_attention(bench, SCOPE_DTYPE_F32, 2160, 512, 12, 128);
    bench_attention(bench, SCOPE_DTYPE_F32, 1024, 1024, 1, 384);
    bench_norm(bench, SCOPE_NORM_LAYER, 2160, 1536, SCOPE_ACTIVATION_NONE);
    bench_norm(bench, SCOPE_NORM_RMS, 2160, 1536, SCOPE_ACTIVATION_NONE);
    bench_norm(bench, SCOPE_NORM_L2, 16384, 96, SCOPE_ACTIVATION_SILU);
    return scope_bench_finish(bench);
}
