/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of whole forwards beside the transformer, at the dimensions of the published files with
 * random weights: the video VAE and its light variant, the tiny autoencoder, the text encoder. Work
 * is counted as two operations for each multiply-add of the published graph. Main thread.
 */
#include <glib/gstdio.h>
#include <stdio.h>

#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-taehv.h"
#include "models/scope-umt5.h"
#include "models/scope-wan-vae.h"
#include "scope-bench.h"

#define N_TEXT_BLOCKS 2 /* of 24: each does the same work */
#define N_TOKENS      40

/* 1e9 operations for each latent and pixel of the frame, once the stream runs. */
#define VAE_DECODE_GFLOP   (6239.0 / (320 * 576))
#define VAE_ENCODE_GFLOP   (3701.0 / (320 * 576))
#define LIGHT_DECODE_GFLOP (395.0 / (320 * 576))
#define LIGHT_ENCODE_GFLOP (236.0 / (320 * 576))
#define TAE_DECODE_GFLOP   (251.0 / (320 * 576))
#define TAE_ENCODE_GFLOP   (112.0 / (320 * 576))

typedef struct {
    ScopeWanVae *vae;
    ScopeWanVaeState *vae_state;
    ScopeTaehv *tae;
    ScopeTaehvState *tae_state;
    ScopeUmt5 *umt5;
    ScopeTensor frames, latents, text;
    int32_t ids[N_TOKENS];
} Work;

/* Writes @file with random weights to a temporary name and opens it; the name is removed at once.
 */
static ScopeCheckpoint *
open_random(ScopeHeaderFile *file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "scope-bench-XXXXXX", NULL);
    int fd = g_mkstemp(path);
    ScopeCheckpoint *checkpoint = NULL;

    if (fd < 0 || !g_close(fd, NULL) || !scope_header_file_write_safetensors(file, path, 1) ||
        !scope_header_file_fill(file, path, 1)) {
        g_printerr("bench-engine-codecs: cannot write %s\n", path);
    } else {
        checkpoint = scope_checkpoint_open(path, &error);
    }
    if (error != NULL) {
        g_printerr("bench-engine-codecs: %s\n", error->message);
    }
    g_unlink(path);
    scope_header_file_clear(file);
    return checkpoint;
}

static void
report(GError *error)
{
    if (error != NULL) {
        g_printerr("bench-engine-codecs: %s\n", error->message);
    }
}

static const char *const store_names[] = {"f32", "f32", "int8"};

/* -- Video VAE -------------------------------------------------------------------------------- */

static void
vae_decode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_wan_vae_decode(ctx, w->vae_state, w->frames, w->latents, NULL);
}

static void
vae_encode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_wan_vae_encode(ctx, w->vae_state, w->latents, w->frames, NULL);
}

static void
bench_vae_direction(ScopeBench *bench, Work *w, const char *name, ScopeWanVaeDirection direction,
                    int64_t side, double gflop_per_pixel)
{
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    gboolean encode = direction == SCOPE_WAN_VAE_ENCODE;
    g_autoptr(GError) error = NULL;

    w->vae_state = scope_wan_vae_state_create(ctx, w->vae, direction, side, side, 1, &error);
    report(error);
    if (w->vae_state == NULL) {
        return;
    }
    w->latents = scope_bench_random(bench, SCOPE_SHAPE(1, side / 8, side / 8, 16));
    w->frames = scope_bench_random(bench, SCOPE_SHAPE(1, side, side, 3));
    (encode ? vae_encode : vae_decode)(ctx, w);
    w->frames = scope_bench_random(bench, SCOPE_SHAPE(4, side, side, 3));
    scope_bench_measure(bench, name, gflop_per_pixel * (double)(side * side),
                        encode ? vae_encode : vae_decode, w, SCOPE_BENCH_CEILING_CONV);
    g_clear_pointer(&w->vae_state, scope_wan_vae_state_destroy);
    scope_arena_release(arena, mark);
}

static void
bench_vae(ScopeBench *bench, gboolean light, ScopeWeightStore store)
{
    static const gint64 full_widths[4] = {96, 192, 384, 384}, light_widths[4] = {24, 48, 96, 96};
    const int64_t side = light ? 256 : 128;
    const char *label = light ? "lightvae" : "vae";
    g_autofree char *decode = g_strdup_printf("%s decode a latent %dx%d %s", label, (int)side,
                                              (int)side, store_names[store]);
    g_autofree char *encode = g_strdup_printf("%s encode a latent %dx%d %s", label, (int)side,
                                              (int)side, store_names[store]);
    const ScopeWanVaeOptions options = {.store = store};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    ScopeHeaderFile file;
    Work w = {0};

    if (!scope_bench_wants(bench, decode) && !scope_bench_wants(bench, encode)) {
        return;
    }
    scope_header_file_init(&file);
    scope_layout_wan_vae(&file, light ? light_widths : full_widths);
    checkpoint = open_random(&file);
    if (checkpoint != NULL) {
        w.vae = scope_wan_vae_load(scope_bench_get_context(bench), checkpoint, &options, &error);
        report(error);
    }
    if (w.vae != NULL && scope_bench_wants(bench, decode)) {
        bench_vae_direction(bench, &w, decode, SCOPE_WAN_VAE_DECODE, side,
                            light ? LIGHT_DECODE_GFLOP : VAE_DECODE_GFLOP);
    }
    if (w.vae != NULL && scope_bench_wants(bench, encode)) {
        bench_vae_direction(bench, &w, encode, SCOPE_WAN_VAE_ENCODE, side,
                            light ? LIGHT_ENCODE_GFLOP : VAE_ENCODE_GFLOP);
    }
    scope_wan_vae_unload(w.vae);
}

/* -- Tiny autoencoder ------------------------------------------------------------------------- */

static void
tae_decode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_taehv_decode(ctx, w->tae_state, w->frames, w->latents, NULL);
}

static void
tae_encode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_taehv_encode(ctx, w->tae_state, w->latents, w->frames, NULL);
}

static void
bench_tae_direction(ScopeBench *bench, Work *w, const char *name, ScopeTaehvDirection direction,
                    int64_t side, double gflop_per_pixel)
{
    ScopeContext *ctx = scope_bench_get_context(bench);
    ScopeArena *arena = scope_bench_get_arena(bench);
    ScopeArenaMark mark = scope_arena_mark(arena);
    gboolean encode = direction == SCOPE_TAEHV_ENCODE;
    g_autoptr(GError) error = NULL;

    w->tae_state = scope_taehv_state_create(ctx, w->tae, direction, side, side, 1, &error);
    report(error);
    if (w->tae_state == NULL) {
        return;
    }
    w->latents = scope_bench_random(bench, SCOPE_SHAPE(1, side / 8, side / 8, 16));
    w->frames = scope_bench_random(bench, SCOPE_SHAPE(encode ? 4 : 1, side, side, 3));
    (encode ? tae_encode : tae_decode)(ctx, w);
    w->frames = scope_bench_random(bench, SCOPE_SHAPE(4, side, side, 3));
    scope_bench_measure(bench, name, gflop_per_pixel * (double)(side * side),
                        encode ? tae_encode : tae_decode, w, SCOPE_BENCH_CEILING_CONV);
    g_clear_pointer(&w->tae_state, scope_taehv_state_destroy);
    scope_arena_release(arena, mark);
}

static void
bench_tae(ScopeBench *bench, ScopeWeightStore store)
{
    const int64_t side = 256;
    g_autofree char *decode =
        g_strdup_printf("tae decode a latent %dx%d %s", (int)side, (int)side, store_names[store]);
    g_autofree char *encode =
        g_strdup_printf("tae encode a latent %dx%d %s", (int)side, (int)side, store_names[store]);
    const ScopeTaehvOptions options = {.store = store};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    ScopeHeaderFile file;
    Work w = {0};

    if (!scope_bench_wants(bench, decode) && !scope_bench_wants(bench, encode)) {
        return;
    }
    scope_header_file_init(&file);
    scope_layout_taehv(&file);
    checkpoint = open_random(&file);
    if (checkpoint != NULL) {
        w.tae = scope_taehv_load(scope_bench_get_context(bench), checkpoint, &options, &error);
        report(error);
    }
    if (w.tae != NULL && scope_bench_wants(bench, decode)) {
        bench_tae_direction(bench, &w, decode, SCOPE_TAEHV_DECODE, side, TAE_DECODE_GFLOP);
    }
    if (w.tae != NULL && scope_bench_wants(bench, encode)) {
        bench_tae_direction(bench, &w, encode, SCOPE_TAEHV_ENCODE, side, TAE_ENCODE_GFLOP);
    }
    scope_taehv_unload(w.tae);
}

/* -- Text encoder ----------------------------------------------------------------------------- */

static gboolean
in_first_blocks(const char *name)
{
    int block = -1;

    return sscanf(name, "blocks.%d.", &block) != 1 || block < N_TEXT_BLOCKS;
}

static void
umt5_encode(ScopeContext *ctx, void *data)
{
    Work *w = data;
    scope_umt5_encode(ctx, w->umt5, w->text, w->ids, N_TOKENS);
}

static void
bench_umt5(ScopeBench *bench, ScopeStoredType type)
{
    const double block_gflop = 2e-9 * (4 * 4096.0 * 4096.0 + 3 * 4096.0 * 10240.0);
    g_autofree char *name = g_strdup_printf("umt5-xxl %d blocks, %d tokens, %s", N_TEXT_BLOCKS,
                                            N_TOKENS, scope_stored_type_get_name(type));
    ScopeUmt5Options options = SCOPE_UMT5_OPTIONS_INIT;
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    ScopeHeaderFile file;
    Work w = {0};

    if (!scope_bench_wants(bench, name)) {
        return;
    }
    scope_header_file_init(&file);
    scope_layout_umt5(&file, type);
    scope_header_file_keep(&file, in_first_blocks);
    checkpoint = open_random(&file);
    if (checkpoint != NULL) {
        w.umt5 = scope_umt5_load(scope_bench_get_context(bench), checkpoint, &options, &error);
        report(error);
    }
    if (w.umt5 != NULL) {
        w.text = scope_bench_random(bench, SCOPE_SHAPE(512, scope_umt5_get_width(w.umt5)));
        for (int i = 0; i < N_TOKENS; i++) {
            w.ids[i] = 1000 * i + 7;
        }
        scope_bench_measure(bench, name, N_TEXT_BLOCKS * N_TOKENS * block_gflop, umt5_encode, &w,
                            SCOPE_BENCH_CEILING_MATMUL);
    }
    scope_umt5_unload(w.umt5);
}

int
main(int argc, char **argv)
{
    ScopeBench *bench = scope_bench_create(&argc, &argv, "bench-engine-codecs");

    bench_tae(bench, SCOPE_WEIGHT_STORE_PACK);
    bench_tae(bench, SCOPE_WEIGHT_STORE_INT8);
    bench_vae(bench, TRUE, SCOPE_WEIGHT_STORE_PACK);
    bench_vae(bench, TRUE, SCOPE_WEIGHT_STORE_INT8);
    bench_vae(bench, FALSE, SCOPE_WEIGHT_STORE_PACK);
    bench_vae(bench, FALSE, SCOPE_WEIGHT_STORE_INT8);
    bench_umt5(bench, SCOPE_STORED_F8_E4M3);
    bench_umt5(bench, SCOPE_STORED_BF16);
    return scope_bench_finish(bench);
}
