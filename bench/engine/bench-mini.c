/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded model's shapes with random weights, 256x256: a pass of its transformer (3 latent
 * frames of 64 tokens in a window of 9), its video decoder and encoder, and the frames a second
 * that follow. Main thread.
 */
#include <glib/gstdio.h>
#include <stdio.h>

#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-taehv.h"
#include "models/scope-wan-model.h"
#include "scope-bench.h"
#include "support/scope-full-wan.h"

#define SIDE   256 /* pixels */
#define LATENT (SIDE / 16)
#define CHUNK  3 /* latent frames, of 4 frames each */
#define WINDOW 9
#define PASSES 3 /* two steps and the one that writes the cache */
#define PROMPT 16

typedef struct {
    const ScopeWanModel *model;
    ScopeWanPass pass;
    ScopeWanCache cache;
    ScopeWanText text;
    ScopeTaehvState *state;
    ScopeTensor frames, latents;
} Work;

static const ScopeWanConfig mini_config = {
    .dim = 192,
    .ffn_dim = 576,
    .freq_dim = 256,
    .text_dim = 4096, /* only the prompt's first layer, which is not measured */
    .text_len = 64,
    .in_dim = 16,
    .out_dim = 16,
    .n_heads = 3,
    .n_layers = 8,
    .eps = 1e-6,
};

static void
run_pass(ScopeContext *ctx, void *data)
{
    Work *w = data;

    scope_wan_model_run(ctx, w->model, &w->pass);
}

static double
bench_transformer(ScopeBench *bench, const ScopeWanModel *model, const char *name)
{
    const ScopeWanConfig *c = scope_wan_model_get_config(model);
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    int64_t fs = (LATENT / SCOPE_WAN_PATCH) * (LATENT / SCOPE_WAN_PATCH), n = CHUNK * fs;
    const float timesteps[CHUNK] = {750, 750, 750};
    const ScopeWanCacheOptions options = {
        .kind = SCOPE_WAN_CACHE_LONGLIVE,
        .n_layers = c->n_layers,
        .n_heads = c->n_heads,
        .head_dim = c->dim / c->n_heads,
        .frame_tokens = fs,
        .slot_frames = WINDOW,
        .window_frames = WINDOW,
        .budget_frames = WINDOW,
        .sink_frames = CHUNK,
        .chunk_frames = CHUNK,
        .dtype = SCOPE_DTYPE_F32,
    };
    Work w = {.model = model};

    scope_wan_cache_init(&w.cache, ctx, &options, arena);
    scope_wan_cache_set_filled(&w.cache, WINDOW * fs);
    scope_wan_text_init(&w.text, ctx, c, arena);
    scope_wan_text_set_prompt(&w.text, ctx,
                              scope_bench_random(bench, SCOPE_SHAPE(PROMPT, c->text_dim)));
    w.pass = (ScopeWanPass){
        .latents = scope_bench_random(bench, SCOPE_SHAPE(CHUNK, c->in_dim, LATENT, LATENT)),
        .flow = scope_bench_random(bench, SCOPE_SHAPE(CHUNK, c->out_dim, LATENT, LATENT)),
        .timesteps = timesteps,
        .text = &w.text,
        .cache = &w.cache,
        .start_frame = WINDOW - CHUNK,
    };
    double d = c->dim, keys = (double)(WINDOW * fs + PROMPT + 1);
    double gflop =
        1e-9 * c->n_layers * (double)n * (12 * d * d + 4 * d * c->ffn_dim + 4 * d * keys);
    double seconds =
        scope_bench_measure(bench, name, gflop, run_pass, &w, SCOPE_BENCH_CEILING_MATMUL);
    scope_arena_release(arena, mark);
    return seconds;
}

static double
bench_model(ScopeBench *bench, const char *folder, ScopeWanQuantization quantization)
{
    const ScopeWanLayout layout = {.dim = 192, .ffn_dim = 576, .n_layers = 8};
    const char *name = quantization == SCOPE_WAN_QUANTIZATION_INT8 ? "mini pass of 3 frames int8"
                                                                   : "mini pass of 3 frames f32";
    g_autofree char *path = g_build_filename(folder, "model.pt", NULL);
    const ScopeWanLoadOptions options = {
        .weights_path = path, .known = &mini_config, .quantization = quantization};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeWanModel) model = NULL;

    if (!scope_bench_wants(bench, name)) {
        return 0;
    }
    if (scope_full_wan_write(&layout, FALSE, path, &error)) {
        model = scope_wan_model_load(scope_bench_get_context(bench), &options, &error);
    }
    g_remove(path);
    if (model == NULL) {
        g_printerr("bench-engine-mini: %s\n", error->message);
        return 0;
    }
    return bench_transformer(bench, model, name);
}

/* -- The autoencoder -------------------------------------------------------------------------- */

/* A convolution, or a memory block of three; @pixels: outputs for each pixel of a latent. */
typedef struct {
    const char *name;
    gint64 n_out, n_in, kernel;
    gboolean bias, memory;
    int pixels;
} Layer;

static const Layer encoder_layers[] = {
    {"encoder.0.conv", 16, 12, 1, FALSE, FALSE, 256}, {"encoder.1", 32, 16, 3, FALSE, FALSE, 64},
    {"encoder.3", 48, 32, 3, FALSE, FALSE, 16},       {"encoder.5", 64, 48, 3, FALSE, FALSE, 4},
    {"encoder.6", 64, 64, 3, TRUE, TRUE, 4},          {"encoder.7", 64, 64, 3, TRUE, TRUE, 4},
    {"encoder.8", 96, 64, 3, FALSE, FALSE, 1},        {"encoder.9", 96, 96, 3, TRUE, TRUE, 1},
    {"encoder.10", 16, 96, 3, TRUE, FALSE, 1},
};
static const Layer decoder_layers[] = {
    {"decoder.1", 96, 16, 3, TRUE, FALSE, 1},
    {"decoder.3", 96, 96, 3, TRUE, TRUE, 1},
    {"decoder.4", 96, 96, 3, TRUE, TRUE, 1},
    {"decoder.6.conv", 96, 96, 1, FALSE, FALSE, 1},
    {"decoder.7", 64, 96, 3, FALSE, FALSE, 4},
    {"decoder.8", 64, 64, 3, TRUE, TRUE, 4},
    {"decoder.10.conv", 64, 64, 1, FALSE, FALSE, 4},
    {"decoder.11", 32, 64, 3, FALSE, FALSE, 16},
    {"decoder.12", 32, 32, 3, TRUE, TRUE, 16},
    {"decoder.14.conv", 64, 32, 1, FALSE, FALSE, 16},
    {"decoder.15", 24, 32, 3, FALSE, FALSE, 128},
    {"decoder.17", 24, 24, 3, TRUE, FALSE, 128},
    {"decoder.20.conv", 48, 24, 1, FALSE, FALSE, 128},
    {"decoder.21", 3, 24, 3, TRUE, FALSE, 1024},
};

static void
add_conv(ScopeHeaderFile *file, const Layer *l, gint64 n_in, const char *suffix)
{
    scope_header_file_add(file, SCOPE_STORED_F32, SCOPE_DIMS(l->n_out, n_in, l->kernel, l->kernel),
                          "%s%s.weight", l->name, suffix);
    if (l->bias) {
        scope_header_file_add(file, SCOPE_STORED_F32, SCOPE_DIMS(l->n_out), "%s%s.bias", l->name,
                              suffix);
    }
}

/* Adds the tensors of a half; returns the 1e9 operations of a latent, an enlarging convolution
 * counted at its output. */
static double
add_layers(ScopeHeaderFile *file, const Layer *layers, guint n)
{
    double macs = 0;

    for (guint i = 0; i < n; i++) {
        const Layer *l = &layers[i];
        double each = (double)(l->n_out * l->n_in * l->kernel * l->kernel * l->pixels);
        macs += l->memory ? 4 * each : each;
        if (!l->memory) {
            add_conv(file, l, l->n_in, "");
            continue;
        }
        add_conv(file, l, 2 * l->n_in, ".conv.0");
        add_conv(file, l, l->n_in, ".conv.2");
        add_conv(file, l, l->n_in, ".conv.4");
    }
    return 2e-9 * macs * LATENT * LATENT;
}

static void
decode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_taehv_decode(ctx, w->state, w->frames, w->latents, NULL);
}

static void
encode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_taehv_encode(ctx, w->state, w->latents, w->frames, NULL);
}

static ScopeTaehv *
open_autoencoder(ScopeBench *bench, const char *folder, ScopeWeightStore store, double ret_gflop[2])
{
    g_autofree char *path = g_build_filename(folder, "tae.safetensors", NULL);
    const ScopeTaehvOptions options = {.store = store};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    ScopeHeaderFile file;
    ScopeTaehv *tae = NULL;

    scope_header_file_init(&file);
    ret_gflop[0] = add_layers(&file, encoder_layers, G_N_ELEMENTS(encoder_layers));
    ret_gflop[1] = add_layers(&file, decoder_layers, G_N_ELEMENTS(decoder_layers));
    if (scope_header_file_write_safetensors(&file, path, 1) &&
        scope_header_file_fill(&file, path, 1)) {
        checkpoint = scope_checkpoint_open(path, &error);
    }
    if (checkpoint != NULL) {
        tae = scope_taehv_load(scope_bench_get_context(bench), checkpoint, &options, &error);
    }
    if (tae == NULL) {
        g_printerr("bench-engine-mini: %s\n", error != NULL ? error->message : path);
    }
    g_remove(path);
    scope_header_file_clear(&file);
    return tae;
}

static double
bench_direction(ScopeBench *bench, const char *folder, ScopeTaehvDirection direction,
                ScopeWeightStore store)
{
    gboolean encodes = direction == SCOPE_TAEHV_ENCODE;
    double gflop[2];
    g_autofree char *name = g_strdup_printf("mini %s a latent %s", encodes ? "encode" : "decode",
                                            store == SCOPE_WEIGHT_STORE_INT8 ? "int8" : "f32");
    g_autoptr(ScopeTaehv) tae = NULL;
    g_autoptr(GError) error = NULL;
    Work w = {0};
    double seconds = 0;

    if (!scope_bench_wants(bench, name)) {
        return 0;
    }
    tae = open_autoencoder(bench, folder, store, gflop);
    if (tae != NULL) {
        w.state = scope_taehv_state_create(scope_bench_get_context(bench), tae, direction, SIDE,
                                           SIDE, 1, &error);
    }
    if (w.state != NULL) {
        w.latents = scope_bench_random(bench, SCOPE_SHAPE(1, LATENT, LATENT, 16));
        w.frames = scope_bench_random(bench, SCOPE_SHAPE(encodes ? 4 : 1, SIDE, SIDE, 3));
        (encodes ? encode : decode)(scope_bench_get_context(bench), &w);
        w.frames = scope_bench_random(bench, SCOPE_SHAPE(4, SIDE, SIDE, 3));
        seconds = scope_bench_measure(bench, name, gflop[encodes ? 0 : 1],
                                      encodes ? encode : decode, &w, SCOPE_BENCH_CEILING_CONV);
    }
    scope_taehv_state_destroy(w.state);
    return seconds;
}

int
main(int argc, char **argv)
{
    ScopeBench *bench = scope_bench_create(&argc, &argv, "bench-engine-mini");
    g_autofree char *folder = g_dir_make_tmp("scope-bench-XXXXXX", NULL);

    g_assert_nonnull(folder);
    for (int int8 = 0; int8 < 2; int8++) {
        ScopeWeightStore store = int8 ? SCOPE_WEIGHT_STORE_INT8 : SCOPE_WEIGHT_STORE_PACK;
        double pass = bench_model(bench, folder,
                                  int8 ? SCOPE_WAN_QUANTIZATION_INT8 : SCOPE_WAN_QUANTIZATION_NONE);
        double decoded = bench_direction(bench, folder, SCOPE_TAEHV_DECODE, store);
        bench_direction(bench, folder, SCOPE_TAEHV_ENCODE, store);
        if (pass > 0 && decoded > 0) {
            printf("# %d passes a chunk and the decoder: %.1f frames a second\n", PASSES,
                   4 * CHUNK / (PASSES * pass + CHUNK * decoded));
        }
    }
    g_rmdir(folder);
    return scope_bench_finish(bench);
}
