/* SPDX-License-Identifier: Apache-2.0 */
/* The autoencoders at small widths with random weights: a stream gives the bits of the whole clip,
 * one thread those of two, a running stream allocates nothing, and a file that does not fit is
 * refused with names and shapes. Main thread. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"
#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-optical-flow.h"
#include "models/scope-taehv.h"
#include "models/scope-wan-vae.h"
#include "support/scope-alloc-counter.h"

#define SIDE      48 /* pixels; width is another number */
#define WIDTH     64
#define N_LATENTS 5

static const gint64 widths[4] = {8, 16, 24, 24};

/* A file, an engine with one thread and one with two. */
typedef struct {
    char *folder;
    char *path;
    ScopeHeaderFile file;
    ScopePool *pool[2];
    ScopeContext *ctx[2];
    ScopeArena *arena;
    ScopeCheckpoint *checkpoint;
    ScopeTensor latents, frames;
} Fixture;

static ScopeTensor
random_tensor(Fixture *fixture, int ndim, const int64_t *shape, uint64_t seed)
{
    ScopeTensor t = scope_arena_alloc(fixture->arena, SCOPE_DTYPE_F32, ndim, shape);

    scope_op_random_normal(fixture->ctx[0], t, seed, 0);
    return t;
}

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("scope-codecs-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->path = g_build_filename(fixture->folder, "m.safetensors", NULL);
    scope_header_file_init(&fixture->file);
    for (int i = 0; i < 2; i++) {
        fixture->pool[i] = scope_pool_create(i + 1, &error);
        g_assert_no_error(error);
        fixture->ctx[i] = scope_context_create(scope_backend_cpu(), fixture->pool[i], &error);
        g_assert_no_error(error);
    }
    fixture->arena = scope_arena_create(scope_backend_cpu(), "test");
    fixture->latents = random_tensor(fixture, SCOPE_SHAPE(N_LATENTS, SIDE / 8, WIDTH / 8, 16), 1);
    fixture->frames = random_tensor(fixture, SCOPE_SHAPE(4 * N_LATENTS, SIDE, WIDTH, 3), 2);
    scope_op_clamp(fixture->ctx[0], fixture->frames, fixture->frames, -1, 1);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_clear_pointer(&fixture->checkpoint, scope_checkpoint_unref);
    scope_arena_destroy(fixture->arena);
    for (int i = 0; i < 2; i++) {
        scope_context_destroy(fixture->ctx[i]);
        scope_pool_destroy(fixture->pool[i]);
    }
    scope_header_file_clear(&fixture->file);
    g_unlink(fixture->path);
    g_rmdir(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->folder);
}

/* Writes the listed tensors with random data and opens the file. */
static ScopeCheckpoint *
open_file(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(scope_header_file_write_safetensors(&fixture->file, fixture->path, 1));
    g_assert_true(scope_header_file_fill(&fixture->file, fixture->path, 3));
    fixture->checkpoint = scope_checkpoint_open(fixture->path, &error);
    g_assert_no_error(error);
    return fixture->checkpoint;
}

static ScopeWanVae *
load_vae(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    ScopeWanVae *vae;

    scope_layout_wan_vae(&fixture->file, widths);
    vae = scope_wan_vae_load(fixture->ctx[0], open_file(fixture), NULL, &error);
    g_assert_no_error(error);
    return vae;
}

static ScopeTaehv *
load_tae(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    ScopeTaehv *tae;

    scope_layout_taehv(&fixture->file);
    tae = scope_taehv_load(fixture->ctx[0], open_file(fixture), NULL, &error);
    g_assert_no_error(error);
    return tae;
}

static ScopeWanVaeState *
vae_state(ScopeContext *ctx, const ScopeWanVae *vae, ScopeWanVaeDirection direction)
{
    g_autoptr(GError) error = NULL;
    ScopeWanVaeState *state =
        scope_wan_vae_state_create(ctx, vae, direction, SIDE, WIDTH, 1, &error);

    g_assert_no_error(error);
    return state;
}

static ScopeTaehvState *
tae_state(ScopeContext *ctx, const ScopeTaehv *tae, ScopeTaehvDirection direction)
{
    g_autoptr(GError) error = NULL;
    ScopeTaehvState *state = scope_taehv_state_create(ctx, tae, direction, SIDE, WIDTH, 1, &error);

    g_assert_no_error(error);
    return state;
}

static ScopeTensor
frames_like(Fixture *fixture, int64_t n)
{
    ScopeTensor t =
        scope_arena_alloc(fixture->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, SIDE, WIDTH, 3));

    scope_op_fill(fixture->ctx[0], t, 7);
    return t;
}

static ScopeTensor
latents_like(Fixture *fixture, int64_t n)
{
    ScopeTensor t =
        scope_arena_alloc(fixture->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, SIDE / 8, WIDTH / 8, 16));

    scope_op_fill(fixture->ctx[0], t, 7);
    return t;
}

static void
assert_same_bits(ScopeTensor a, ScopeTensor b)
{
    const float *values = a.data;

    g_assert_true(scope_tensor_same_shape(a, b));
    g_assert_cmpmem(a.data, scope_tensor_n_bytes(a), b.data, scope_tensor_n_bytes(b));
    for (int64_t i = 0; i < scope_tensor_n_elements(a); i++) {
        g_assert_cmpfloat(values[i], <, 1e6);
        g_assert_cmpfloat(values[i], >, -1e6);
    }
}

/* Decodes all latents in the given calls. */
static ScopeTensor
vae_decode(Fixture *fixture, const ScopeWanVae *vae, int thread, const int *calls)
{
    ScopeContext *ctx = fixture->ctx[thread];
    g_autoptr(ScopeWanVaeState) state = vae_state(ctx, vae, SCOPE_WAN_VAE_DECODE);
    ScopeTensor all = frames_like(fixture, 4 * N_LATENTS - 3);
    int64_t latent = 0, frame = 0;

    for (; *calls > 0; calls++) {
        int64_t n = scope_wan_vae_state_count_frames(state, *calls);
        scope_wan_vae_decode(ctx, state, scope_tensor_slice(all, 0, frame, frame + n),
                             scope_tensor_slice(fixture->latents, 0, latent, latent + *calls),
                             NULL);
        latent += *calls;
        frame += n;
    }
    g_assert_cmpint(frame, ==, all.shape[0]);
    return all;
}

static ScopeTensor
vae_encode(Fixture *fixture, const ScopeWanVae *vae, int thread, const int *calls)
{
    ScopeContext *ctx = fixture->ctx[thread];
    g_autoptr(ScopeWanVaeState) state = vae_state(ctx, vae, SCOPE_WAN_VAE_ENCODE);
    ScopeTensor all = latents_like(fixture, N_LATENTS);
    int64_t latent = 0, frame = 0;

    for (; *calls > 0; calls++) {
        int64_t n = scope_wan_vae_state_count_frames(state, *calls);
        scope_wan_vae_encode(ctx, state, scope_tensor_slice(all, 0, latent, latent + *calls),
                             scope_tensor_slice(fixture->frames, 0, frame, frame + n), NULL);
        latent += *calls;
        frame += n;
    }
    return all;
}

static const int whole[] = {N_LATENTS, 0}, parts[] = {1, 2, 1, 1, 0}, late[] = {3, 2, 0};

static void
test_vae_stream(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeWanVae) vae = load_vae(fixture);
    ScopeTensor frames = vae_decode(fixture, vae, 0, whole);
    ScopeTensor latents = vae_encode(fixture, vae, 0, whole);

    assert_same_bits(vae_decode(fixture, vae, 0, parts), frames);
    assert_same_bits(vae_decode(fixture, vae, 0, late), frames);
    assert_same_bits(vae_decode(fixture, vae, 1, whole), frames);
    assert_same_bits(vae_encode(fixture, vae, 0, parts), latents);
    assert_same_bits(vae_encode(fixture, vae, 1, late), latents);
}

/* A reset state is a new one; an older stream is not disturbed by another. */
static void
test_vae_reset(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeWanVae) vae = load_vae(fixture);
    g_autoptr(ScopeWanVaeState) state = vae_state(fixture->ctx[0], vae, SCOPE_WAN_VAE_DECODE);
    ScopeTensor first = scope_tensor_slice(fixture->latents, 0, 0, 2);
    ScopeTensor a = frames_like(fixture, 5), b = frames_like(fixture, 5);
    ScopeTensor c = frames_like(fixture, 8);

    scope_wan_vae_decode(fixture->ctx[0], state, a, first, NULL);
    g_assert_cmpint(scope_wan_vae_state_count_frames(state, 2), ==, 8);
    scope_wan_vae_decode(fixture->ctx[0], state, c, first, NULL);
    vae_decode(fixture, vae, 0, whole);
    scope_wan_vae_state_reset(state);
    scope_wan_vae_decode(fixture->ctx[0], state, b, first, NULL);
    assert_same_bits(a, b);
}

static void
test_vae_allocations(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeWanVae) vae = load_vae(fixture);
    g_autoptr(ScopeWanVaeState) decoder = vae_state(fixture->ctx[1], vae, SCOPE_WAN_VAE_DECODE);
    g_autoptr(ScopeWanVaeState) encoder = vae_state(fixture->ctx[1], vae, SCOPE_WAN_VAE_ENCODE);
    ScopeTensor latent = scope_tensor_slice(fixture->latents, 0, 0, 1);
    ScopeTensor frames = frames_like(fixture, 4), found = latents_like(fixture, 1);
    int64_t before = 0;

    for (int i = 0; i < 4; i++) {
        int64_t n = i == 0 ? 1 : 4;
        if (i == 2) {
            before = scope_alloc_counter_read();
        }
        scope_wan_vae_decode(fixture->ctx[1], decoder, scope_tensor_slice(frames, 0, 0, n), latent,
                             NULL);
        scope_wan_vae_encode(fixture->ctx[1], encoder, found,
                             scope_tensor_slice(fixture->frames, 0, 0, n), NULL);
    }
    g_assert_cmpint(scope_alloc_counter_read(), ==, before);
}

/* -- Tiny autoencoder ------------------------------------------------------------------------- */

static ScopeTensor
tae_decode(Fixture *fixture, const ScopeTaehv *tae, int thread, const int *calls)
{
    ScopeContext *ctx = fixture->ctx[thread];
    g_autoptr(ScopeTaehvState) state = tae_state(ctx, tae, SCOPE_TAEHV_DECODE);
    ScopeTensor all = frames_like(fixture, 4 * N_LATENTS - 3);
    int64_t latent = 0, frame = 0;

    for (; *calls > 0; calls++) {
        int64_t n = scope_taehv_state_count_frames(state, *calls);
        scope_taehv_decode(ctx, state, scope_tensor_slice(all, 0, frame, frame + n),
                           scope_tensor_slice(fixture->latents, 0, latent, latent + *calls), NULL);
        latent += *calls;
        frame += n;
    }
    return all;
}

static ScopeTensor
tae_encode(Fixture *fixture, const ScopeTaehv *tae, int thread, const int *calls)
{
    ScopeContext *ctx = fixture->ctx[thread];
    g_autoptr(ScopeTaehvState) state = tae_state(ctx, tae, SCOPE_TAEHV_ENCODE);
    ScopeTensor all = latents_like(fixture, N_LATENTS);
    int64_t latent = 0;

    for (; *calls > 0; calls++) {
        scope_taehv_encode(
            ctx, state, scope_tensor_slice(all, 0, latent, latent + *calls),
            scope_tensor_slice(fixture->frames, 0, 4 * latent, 4 * (latent + *calls)), NULL);
        latent += *calls;
    }
    return all;
}

static void
test_tae_stream(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeTaehv) tae = load_tae(fixture);
    ScopeTensor frames = tae_decode(fixture, tae, 0, whole);
    ScopeTensor latents = tae_encode(fixture, tae, 0, whole);

    assert_same_bits(tae_decode(fixture, tae, 0, parts), frames);
    assert_same_bits(tae_decode(fixture, tae, 1, late), frames);
    assert_same_bits(tae_encode(fixture, tae, 0, parts), latents);
    assert_same_bits(tae_encode(fixture, tae, 1, late), latents);
}

static void
test_tae_allocations(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeTaehv) tae = load_tae(fixture);
    g_autoptr(ScopeTaehvState) decoder = tae_state(fixture->ctx[1], tae, SCOPE_TAEHV_DECODE);
    g_autoptr(ScopeTaehvState) encoder = tae_state(fixture->ctx[1], tae, SCOPE_TAEHV_ENCODE);
    ScopeTensor latent = scope_tensor_slice(fixture->latents, 0, 0, 1);
    ScopeTensor some = scope_tensor_slice(fixture->frames, 0, 0, 4);
    ScopeTensor frames = frames_like(fixture, 4), found = latents_like(fixture, 1);
    int64_t before = 0;

    for (int i = 0; i < 4; i++) {
        int64_t n = i == 0 ? 1 : 4;
        if (i == 2) {
            before = scope_alloc_counter_read();
        }
        scope_taehv_decode(fixture->ctx[1], decoder, scope_tensor_slice(frames, 0, 0, n), latent,
                           NULL);
        scope_taehv_encode(fixture->ctx[1], encoder, found, some, NULL);
    }
    g_assert_cmpint(scope_alloc_counter_read(), ==, before);
}

/* The last frame of a clip is repeated up to a multiple of 4. */
static void
test_tae_tail(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeTaehv) tae = load_tae(fixture);
    ScopeContext *ctx = fixture->ctx[0];
    g_autoptr(ScopeTaehvState) state = tae_state(ctx, tae, SCOPE_TAEHV_ENCODE);
    ScopeTensor padded = frames_like(fixture, 8), a = latents_like(fixture, 2);
    ScopeTensor b = latents_like(fixture, 2);

    for (int64_t i = 0; i < 8; i++) {
        int64_t from = MIN(i, 5);
        scope_op_copy(ctx, scope_tensor_slice(padded, 0, i, i + 1),
                      scope_tensor_slice(fixture->frames, 0, from, from + 1));
    }
    scope_taehv_encode(ctx, state, a, padded, NULL);
    scope_taehv_state_reset(state);
    scope_taehv_encode(ctx, state, b, scope_tensor_slice(fixture->frames, 0, 0, 6), NULL);
    assert_same_bits(a, b);
}

/* Four stages, and a ReLU right in front of the last enlargement: a loader that stops there would
 * see a decoder of three. */
static void
test_tae_deep(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeTaehv) tae = NULL;
    g_autoptr(ScopeTaehvState) encoder = NULL;
    g_autoptr(ScopeTaehvState) decoder = NULL;
    g_autoptr(GError) error = NULL;
    ScopeTensor a = frames_like(fixture, 4 * N_LATENTS - 3),
                b = frames_like(fixture, 4 * N_LATENTS - 3);
    ScopeTensor latents =
        random_tensor(fixture, SCOPE_SHAPE(N_LATENTS, SIDE / 16, WIDTH / 16, 16), 1);

    scope_layout_taehv_deep(&fixture->file);
    tae = scope_taehv_load(fixture->ctx[0], open_file(fixture), NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(scope_taehv_get_spatial_factor(tae), ==, 16);
    g_assert_cmpint(scope_taehv_get_temporal_factor(tae), ==, 4);
    encoder = tae_state(fixture->ctx[0], tae, SCOPE_TAEHV_ENCODE);
    scope_taehv_encode(fixture->ctx[0], encoder, latents, fixture->frames, NULL);
    decoder = tae_state(fixture->ctx[0], tae, SCOPE_TAEHV_DECODE);
    scope_taehv_decode(fixture->ctx[0], decoder, a, latents, NULL);
    scope_taehv_state_reset(decoder);
    scope_taehv_decode(fixture->ctx[0], decoder, scope_tensor_slice(b, 0, 0, 1),
                       scope_tensor_slice(latents, 0, 0, 1), NULL);
    scope_taehv_decode(fixture->ctx[0], decoder, scope_tensor_slice(b, 0, 1, b.shape[0]),
                       scope_tensor_slice(latents, 0, 1, N_LATENTS), NULL);
    assert_same_bits(a, b);
}

/* -- Optical flow ----------------------------------------------------------------------------- */

/* Colours of three frames at the smallest size: every pair is drawn, the first frame repeats the
 * second, one frame alone gives nothing, and two threads give the same picture. */
static void
test_flow(Fixture *fixture, gconstpointer data)
{
    ScopeTensor frames = scope_tensor_slice(fixture->frames, 0, 0, 3);
    ScopeTensor one = frames_like(fixture, 3), two = frames_like(fixture, 3);
    g_autoptr(ScopeRaft) raft = NULL;
    g_autoptr(ScopeOpticalFlow) flow = NULL;
    g_autoptr(GError) error = NULL;
    const float *values = one.data;

    scope_layout_raft_small(&fixture->file);
    raft = scope_raft_load(fixture->ctx[0], open_file(fixture), &error);
    g_assert_no_error(error);
    g_assert_null(scope_optical_flow_create(raft, 100, SCOPE_OPTICAL_FLOW_RANGE_TRAINED, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    flow = scope_optical_flow_create(raft, SCOPE_RAFT_MIN_SIZE, SCOPE_OPTICAL_FLOW_RANGE_TRAINED,
                                     &error);
    g_assert_no_error(error);
    scope_op_affine(fixture->ctx[0], frames, frames, 127.5f, 127.5f);
    scope_optical_flow_run(fixture->ctx[0], flow, one, frames);
    scope_optical_flow_run(fixture->ctx[1], flow, two, frames);
    assert_same_bits(one, two);
    for (int64_t i = 0; i < scope_tensor_n_elements(one); i++) {
        g_assert_cmpfloat(values[i], >=, 0);
        g_assert_cmpfloat(values[i], <=, 1);
    }
    assert_same_bits(scope_tensor_slice(one, 0, 0, 1), scope_tensor_slice(one, 0, 1, 2));
    g_assert_cmpint(memcmp(scope_tensor_slice(one, 0, 1, 2).data,
                           scope_tensor_slice(one, 0, 2, 3).data, scope_tensor_n_bytes(one) / 3),
                    !=, 0);
    scope_optical_flow_run(fixture->ctx[0], flow, scope_tensor_slice(one, 0, 0, 1),
                           scope_tensor_slice(frames, 0, 0, 1));
    g_assert_cmpfloat(values[0], ==, 0);
}

/* -- What is refused -------------------------------------------------------------------------- */

static gboolean
not_the_victim(const char *name)
{
    return strcmp(name, "decoder.upsamples.5.residual.6.bias") != 0;
}

static void
test_missing(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    scope_layout_wan_vae(&fixture->file, widths);
    scope_header_file_keep(&fixture->file, not_the_victim);
    g_assert_null(scope_wan_vae_load(fixture->ctx[0], open_file(fixture), NULL, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, fixture->path));
    g_assert_nonnull(strstr(error->message, "decoder.upsamples.5.residual.6.bias"));
}

static gboolean
not_the_last_bias(const char *name)
{
    return !g_str_equal(name, "decoder.22.bias");
}

static void
test_missing_bias(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    scope_layout_taehv(&fixture->file);
    scope_header_file_keep(&fixture->file, not_the_last_bias);
    g_assert_false(scope_taehv_check(open_file(fixture), &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, "decoder.22.bias"));
}

static void
test_wrong_shape(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    scope_layout_wan_vae(&fixture->file, widths);
    for (guint i = 0; i < fixture->file.tensors->len; i++) {
        ScopeHeaderTensor *tensor = &g_array_index(fixture->file.tensors, ScopeHeaderTensor, i);
        if (strcmp(tensor->name, "encoder.middle.1.proj.weight") == 0) {
            tensor->shape[1] = 23;
        }
    }
    g_assert_null(scope_wan_vae_load(fixture->ctx[0], open_file(fixture), NULL, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH);
    g_assert_nonnull(strstr(error->message, "encoder.middle.1.proj.weight"));
    g_assert_nonnull(strstr(error->message, "[24, 23, 1, 1]"));
    g_assert_nonnull(strstr(error->message, "[24, 24, 1, 1]"));
}

static void
test_wrong_type(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    scope_layout_taehv(&fixture->file);
    for (guint i = 0; i < fixture->file.tensors->len; i++) {
        ScopeHeaderTensor *tensor = &g_array_index(fixture->file.tensors, ScopeHeaderTensor, i);
        if (strcmp(tensor->name, "decoder.3.conv.0.weight") == 0) {
            tensor->type = SCOPE_STORED_I32;
        }
    }
    g_assert_true(scope_header_file_write_safetensors(&fixture->file, fixture->path, 1));
    fixture->checkpoint = scope_checkpoint_open(fixture->path, &error);
    g_assert_no_error(error);
    g_assert_null(scope_taehv_load(fixture->ctx[0], fixture->checkpoint, NULL, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH);
    g_assert_nonnull(strstr(error->message, "decoder.3.conv.0.weight"));
    g_assert_nonnull(strstr(error->message, "I32"));
}

static void
test_wrong_size(Fixture *fixture, gconstpointer data)
{
    const ScopeWanVaeOptions decoder_only = {.parts = SCOPE_WAN_VAE_DECODE};
    g_autoptr(ScopeWanVae) vae = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_wan_vae(&fixture->file, widths);
    vae = scope_wan_vae_load(fixture->ctx[0], open_file(fixture), &decoder_only, &error);
    g_assert_no_error(error);
    g_assert_null(
        scope_wan_vae_state_create(fixture->ctx[0], vae, SCOPE_WAN_VAE_DECODE, 60, 64, 1, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_null(
        scope_wan_vae_state_create(fixture->ctx[0], vae, SCOPE_WAN_VAE_ENCODE, 64, 64, 1, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "encoder"));
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/codecs/vae/stream", test_vae_stream},
        {"/codecs/vae/reset", test_vae_reset},
        {"/codecs/vae/allocations", test_vae_allocations},
        {"/codecs/tae/stream", test_tae_stream},
        {"/codecs/tae/allocations", test_tae_allocations},
        {"/codecs/tae/tail", test_tae_tail},
        {"/codecs/tae/deep", test_tae_deep},
        {"/codecs/flow", test_flow},
        {"/codecs/refused/missing", test_missing},
        {"/codecs/refused/missing-bias", test_missing_bias},
        {"/codecs/refused/shape", test_wrong_shape},
        {"/codecs/refused/type", test_wrong_type},
        {"/codecs/refused/size", test_wrong_size},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].run, tear_down);
    }
    return g_test_run();
}
