/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole forward passes of the Wan transformer at 1.3B dimensions, 320x576: a frame on its own, and
 * 1 and 3 new frames in the steady state of a window of 12; f32 arithmetic on bf16 weights and
 * 8-bit integers, next to the machine's f32 matmul ceiling of the same run. Random weights. An
 * argument sets the number of layers, 30 without: all do the same work. Main thread.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>

#include "models/scope-wan-model.h"
#include "scope-bench.h"
#include "support/scope-full-wan.h"

#define HEIGHT        40 /* latent pixels */
#define WIDTH         72
#define WINDOW_FRAMES 12
#define SINK_FRAMES   3
#define TEXT_ROWS     20

typedef struct {
    const ScopeWanModel *model;
    ScopeWanPass pass;
    ScopeWanCache cache;
    ScopeWanText text;
} Work;

static void
run_pass(ScopeContext *ctx, void *data)
{
    Work *w = data;

    scope_wan_model_run(ctx, w->model, &w->pass);
}

/* Work of a pass in 1e9 operations; padding rows of the prompt count as the one key they take. */
static double
count_gflop(const ScopeWanConfig *c, double n, double n_keys)
{
    double d = c->dim, linear = 12 * n * d * d + 4 * n * d * c->ffn_dim;
    double attention = 4 * n * d * (n_keys + TEXT_ROWS + 1);

    return (c->n_layers * (linear + attention) + 256 * n * d) * 1e-9;
}

static char *
pass_name(int n_frames, gboolean alone, const char *label)
{
    return g_strdup_printf("dit 1.3B 320x576 %d frame%s%s %s", n_frames, n_frames > 1 ? "s" : "",
                           alone ? " alone" : "", label);
}

static void
bench_pass(ScopeBench *bench, const ScopeWanModel *model, const char *label, int n_frames,
           gboolean alone)
{
    g_autofree char *name = pass_name(n_frames, alone, label);
    const ScopeWanConfig *c = scope_wan_model_get_config(model);
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    int64_t fs = HEIGHT / SCOPE_WAN_PATCH * WIDTH / SCOPE_WAN_PATCH;
    const float timesteps[4] = {750, 750, 750, 750};
    Work w = {.model = model};

    if (!scope_bench_wants(bench, name)) {
        return;
    }
    ScopeWanCacheOptions options = {
        .kind = SCOPE_WAN_CACHE_LONGLIVE,
        .n_layers = c->n_layers,
        .n_heads = c->n_heads,
        .head_dim = c->dim / c->n_heads,
        .frame_tokens = fs,
        .slot_frames = WINDOW_FRAMES,
        .window_frames = WINDOW_FRAMES,
        .budget_frames = WINDOW_FRAMES,
        .sink_frames = SINK_FRAMES,
        .chunk_frames = n_frames,
        .dtype = SCOPE_DTYPE_F32,
    };
    scope_wan_cache_init(&w.cache, ctx, &options, arena);
    scope_wan_cache_set_filled(&w.cache, WINDOW_FRAMES * fs);
    scope_wan_text_init(&w.text, ctx, c, arena);
    scope_wan_text_set_prompt(&w.text, ctx,
                              scope_bench_random(bench, SCOPE_SHAPE(TEXT_ROWS, c->text_dim)));
    w.pass = (ScopeWanPass){
        .latents = scope_bench_random(bench, SCOPE_SHAPE(n_frames, c->in_dim, HEIGHT, WIDTH)),
        .flow = scope_bench_random(bench, SCOPE_SHAPE(n_frames, c->out_dim, HEIGHT, WIDTH)),
        .timesteps = timesteps,
        .text = &w.text,
        .cache = alone ? NULL : &w.cache,
        .start_frame = alone ? 0 : WINDOW_FRAMES - n_frames,
    };
    int n_seen = alone ? n_frames : WINDOW_FRAMES;
    scope_bench_measure(bench, name, count_gflop(c, (double)(n_frames * fs), (double)(n_seen * fs)),
                        run_pass, &w, SCOPE_BENCH_CEILING_MATMUL);
    scope_arena_release(arena, mark);
}

static void
bench_model(ScopeBench *bench, const char *path, const char *label,
            ScopeWanQuantization quantization)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeWanModel) model = NULL;
    ScopeWanLoadOptions options = {.weights_path = path, .quantization = quantization};
    const struct {
        int n_frames;
        gboolean alone;
    } passes[] = {{1, TRUE}, {1, FALSE}, {3, FALSE}};
    gboolean wanted = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS(passes); i++) {
        g_autofree char *name = pass_name(passes[i].n_frames, passes[i].alone, label);
        wanted = wanted || scope_bench_wants(bench, name);
    }
    if (!wanted) {
        return;
    }
    model = scope_wan_model_load(scope_bench_get_context(bench), &options, &error);
    if (model == NULL) {
        fprintf(stderr, "bench-engine-dit: %s\n", error->message);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(passes); i++) {
        bench_pass(bench, model, label, passes[i].n_frames, passes[i].alone);
    }
}

int
main(int argc, char **argv)
{
    ScopeBench *bench = scope_bench_create(&argc, &argv, "engine-dit");
    gint64 n_layers = argc > 1 ? g_ascii_strtoll(argv[1], NULL, 10) : 30;
    const ScopeWanLayout wan = {
        .dim = 1536, .ffn_dim = 8960, .n_layers = CLAMP(n_layers, 1, SCOPE_WAN_MAX_LAYERS)};
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("scope-bench-XXXXXX", &error);
    g_autofree char *path = folder != NULL ? g_build_filename(folder, "model.pt", NULL) : NULL;

    if (path == NULL || !scope_full_wan_write(&wan, TRUE, path, &error)) {
        fprintf(stderr, "bench-engine-dit: %s\n", error->message);
        scope_bench_finish(bench);
        return 1;
    }
    bench_model(bench, path, "bf16 weights", SCOPE_WAN_QUANTIZATION_NONE);
    bench_model(bench, path, "int8 weights", SCOPE_WAN_QUANTIZATION_INT8);
    g_remove(path);
    g_rmdir(folder);
    return scope_bench_finish(bench);
}
