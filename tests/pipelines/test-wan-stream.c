/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of the streaming Wan pipelines: repeatable results, no allocation in the steady state,
 * shared weights, prompts and transitions, what resets the caches, and what is refused. Main
 * thread. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "pipelines/wan/scope-wan-stream-private.h"
#include "support/scope-alloc-counter.h"
#include "support/scope-tiny-wan.h"

#define HEIGHT 32
#define WIDTH  48

typedef struct {
    char *folder, *path;
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeWanModel *model;
    gboolean vace;
    int n_encoded; /* texts that the encoder was asked for */
} Fixture;

static void
open_engine(Fixture *f, int n_threads)
{
    g_autoptr(GError) error = NULL;
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
                                   .vace_in_weights = f->vace};

    f->pool = scope_pool_create(n_threads, &error);
    g_assert_no_error(error);
    f->ctx = scope_context_create(scope_backend_cpu(), f->pool, &error);
    g_assert_no_error(error);
    f->model = scope_wan_model_load(f->ctx, &options, &error);
    g_assert_no_error(error);
}

static void
close_engine(Fixture *f)
{
    g_clear_pointer(&f->model, scope_wan_model_destroy);
    g_clear_pointer(&f->ctx, scope_context_destroy);
    g_clear_pointer(&f->pool, scope_pool_destroy);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    ScopeTinyWan tiny = SCOPE_TINY_WAN;

    f->vace = GPOINTER_TO_INT(data);
    if (f->vace) {
        tiny.config.vace_in_dim = 96;
        tiny.config.n_vace_layers = 2;
    }
    f->folder = g_dir_make_tmp("scope-stream-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "model.safetensors", NULL);
    scope_tiny_wan_write(&tiny, f->path);
    open_engine(f, 1);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    close_engine(f);
    g_remove(f->path);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->path);
}

/* -- stand-ins -------------------------------------------------------------------------------- */

/* Rows made of the text; "nan" gives no numbers. */
static gboolean
encode_text(gpointer user_data, const char *text, float *ret_rows, GError **error)
{
    Fixture *f = user_data;
    guint64 state = g_str_hash(text);

    f->n_encoded++;
    if (g_str_equal(text, "fail")) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no encoder");
        return FALSE;
    }
    memset(ret_rows, 0, 16 * 24 * sizeof(float));
    for (int i = 0; i < 6 * 24; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ret_rows[i] = (float)((double)(state >> 11) / 4503599627370496.0 - 1.0);
        if (g_str_equal(text, "nan")) {
            ret_rows[i] = NAN;
        }
    }
    return TRUE;
}

/* Latents that follow the brightness of the frames: one for the first frame of a stream, one for
 * every further four. */
static gboolean
encode_pixels(gpointer user_data, ScopeWanEncoding encoding, ScopeTensor latents,
              ScopeTensor frames, int64_t *ret_n, GError **error)
{
    int64_t n = (frames.shape[0] + 3) / 4;
    float mean = *(const float *)frames.data;

    float *to = latents.data;
    int64_t size = scope_tensor_n_elements(latents) / latents.shape[0];
    for (int64_t i = 0; i < n * size; i++) {
        to[i] = mean * (float)((i % 7) - 3);
    }
    *ret_n = n;
    return TRUE;
}

static gboolean
decode_latents(gpointer user_data, ScopeTensor frames, ScopeTensor latents, int64_t *ret_n,
               GError **error)
{
    int64_t n = latents.shape[0] * 4;
    int64_t size = scope_tensor_n_elements(frames) / frames.shape[0];
    float *to = frames.data;

    for (int64_t i = 0; i < n * size; i++) {
        to[i] = ((const float *)latents.data)[i % 64];
    }
    *ret_n = n;
    return TRUE;
}

static ScopeWanStream *
open_stream(Fixture *f, const ScopeWanVariant *variant, uint64_t seed)
{
    g_autoptr(GError) error = NULL;
    ScopeWanStreamOptions options = {
        .variant = *variant,
        .height = HEIGHT,
        .width = WIDTH,
        .codec = {.encode = encode_pixels, .decode = decode_latents},
        .encode_text = encode_text,
        .encode_text_data = f,
        .seed = seed,
    };
    ScopeWanStream *stream = scope_wan_stream_create(f->ctx, f->model, &options, &error);

    g_assert_no_error(error);
    return stream;
}

static const ScopeWanPrompt cat = {"a cat", 1.0}, dog = {"a dog", 1.0};

static ScopeWanChunk
text_chunk(const ScopeWanPrompt *prompt)
{
    return (ScopeWanChunk){.prompts = prompt, .n_prompts = 1, .manage_cache = TRUE};
}

static ScopeWanResult
run(ScopeWanStream *stream, const ScopeWanChunk *chunk)
{
    g_autoptr(GError) error = NULL;
    ScopeWanResult result;

    scope_wan_stream_run(stream, chunk, &result, &error);
    g_assert_no_error(error);
    return result;
}

/* The latents of @n chunks, one after the other. */
static GByteArray *
record(ScopeWanStream *stream, int n)
{
    GByteArray *bytes = g_byte_array_new();
    ScopeWanChunk chunk = text_chunk(&cat);

    for (int i = 0; i < n; i++) {
        ScopeWanResult result = run(stream, &chunk);
        g_byte_array_append(bytes, result.latents.data,
                            (guint)scope_tensor_n_bytes(result.latents));
    }
    return bytes;
}

static const ScopeWanVariant *const variants[] = {
    &scope_wan_variant_longlive,       &scope_wan_variant_memflow,
    &scope_wan_variant_reward_forcing, &scope_wan_variant_streamdiffusionv2,
    &scope_wan_variant_krea,
};

/* -- repeatable ------------------------------------------------------------------------------- */

static void
test_repeatable(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autoptr(ScopeWanStream) a = open_stream(f, variants[i], 42);
        g_autoptr(ScopeWanStream) b = open_stream(f, variants[i], 42);
        g_autoptr(ScopeWanStream) other = open_stream(f, variants[i], 43);
        g_autoptr(GByteArray) first = record(a, 6);
        g_autoptr(GByteArray) second = record(b, 6);
        g_autoptr(GByteArray) third = record(other, 6);
        g_assert_cmpmem(first->data, first->len, second->data, second->len);
        g_assert_cmpint(memcmp(first->data, third->data, first->len), !=, 0);
    }
}

static void
test_threads_do_not_matter(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        ScopeWanStream *stream = open_stream(f, variants[i], 42);
        g_autoptr(GByteArray) one = record(stream, 5);
        scope_wan_stream_destroy(stream);
        close_engine(f);
        open_engine(f, 2);
        stream = open_stream(f, variants[i], 42);
        g_autoptr(GByteArray) two = record(stream, 5);
        scope_wan_stream_destroy(stream);
        close_engine(f);
        open_engine(f, 1);
        g_assert_cmpmem(one->data, one->len, two->data, two->len);
    }
}

/* Sessions that take turns on one model do not see each other. */
static void
test_sessions_are_apart(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) alone = open_stream(f, &scope_wan_variant_longlive, 1);
    g_autoptr(ScopeWanStream) a = open_stream(f, &scope_wan_variant_longlive, 1);
    g_autoptr(ScopeWanStream) b = open_stream(f, &scope_wan_variant_krea, 2);
    ScopeWanChunk cats = text_chunk(&cat), dogs = text_chunk(&dog);

    for (int i = 0; i < 5; i++) {
        ScopeWanResult want = run(alone, &cats);
        ScopeWanResult got = run(a, &cats);
        run(b, &dogs);
        g_assert_cmpmem(want.latents.data, scope_tensor_n_bytes(want.latents), got.latents.data,
                        scope_tensor_n_bytes(got.latents));
    }
}

static void
test_steady_state_allocates_nothing(Fixture *f, gconstpointer data)
{
    if (!scope_alloc_counter_is_active()) {
        g_test_skip("a sanitizer owns malloc");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autoptr(ScopeWanStream) stream = open_stream(f, variants[i], 42);
        ScopeWanChunk chunk = text_chunk(&cat);
        for (int j = 0; j < 8; j++) {
            run(stream, &chunk);
        }
        int64_t before = scope_alloc_counter_read();
        for (int j = 0; j < 8; j++) {
            run(stream, &chunk);
        }
        int64_t n = scope_alloc_counter_read() - before;
        g_test_message("%s", variants[i]->id);
        g_assert_cmpint(n, ==, 0);
    }
}

/* -- prompts ---------------------------------------------------------------------------------- */

static gboolean
sees(const ScopeWanStream *stream, const char *text)
{
    Fixture unused = {.n_encoded = 0};
    float rows[16 * 24];
    double distance;

    encode_text(&unused, text, rows, NULL);
    distance = scope_embedding_distance(rows, stream->conditioning.current, 16 * 24);
    return distance < 1e-4;
}

static void
test_prompt_is_encoded_once(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_streamdiffusionv2, 1);
    ScopeWanChunk cats = text_chunk(&cat), dogs = text_chunk(&dog);

    for (int i = 0; i < 3; i++) {
        run(stream, &cats);
    }
    g_assert_cmpint(f->n_encoded, ==, 1);
    run(stream, &dogs);
    g_assert_true(sees(stream, "a dog"));
    run(stream, &cats);
    g_assert_cmpint(f->n_encoded, ==, 2);
}

static void
test_transition(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    ScopeWanTransition to_dog = {.targets = &dog, .n_targets = 1, .n_steps = 4};
    ScopeWanChunk chunk = text_chunk(&cat);

    run(stream, &chunk);
    chunk.transition = &to_dog;
    for (int i = 0; i < 4; i++) {
        ScopeWanResult result = run(stream, &chunk);
        g_assert_false(result.was_reset);
        g_assert_cmpint(sees(stream, "a cat"), ==, i == 0);
        g_assert_cmpint(sees(stream, "a dog"), ==, i == 3);
    }
    /* prompts that are older than the transition stay gone */
    chunk.transition = NULL;
    run(stream, &chunk);
    g_assert_true(sees(stream, "a dog"));
    /* new ones win */
    ScopeWanPrompt bird = {"a bird", 1.0};
    chunk.prompts = &bird;
    run(stream, &chunk);
    g_assert_true(sees(stream, "a bird"));
}

static void
test_transition_of_one_step_arrives(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    ScopeWanTransition to_dog = {.targets = &dog, .n_targets = 1, .n_steps = 1};
    ScopeWanChunk chunk = text_chunk(&cat);

    run(stream, &chunk);
    chunk.transition = &to_dog;
    run(stream, &chunk);
    g_assert_true(sees(stream, "a dog"));
}

static void
test_new_text_begins_a_scene(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_mini, 1);
    ScopeWanPrompt bird = {"a bird", 1.0}, both[] = {dog, {"a cat", 0.5}};
    ScopeWanTransition to_bird = {.targets = &bird, .n_targets = 1, .n_steps = 3};
    ScopeWanChunk chunk = text_chunk(&cat);

    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 0);
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 3);
    chunk.prompts = both;
    chunk.n_prompts = 2;
    ScopeWanResult result = run(stream, &chunk);
    g_assert_cmpint(result.start_frame, ==, 0);
    g_assert_false(result.was_reset);
    both[1].weight = 0.8; /* a weight alone is no new scene */
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 3);
    chunk.transition = &to_bird;
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 6);
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 9);
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 0);
    g_assert_cmpint(run(stream, &chunk).start_frame, ==, 3);
}

static void
test_reset_ends_a_transition(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    ScopeWanTransition to_dog = {.targets = &dog, .n_targets = 1, .n_steps = 8};
    ScopeWanChunk chunk = text_chunk(&cat);

    run(stream, &chunk);
    chunk.transition = &to_dog;
    run(stream, &chunk);
    chunk.reset = TRUE;
    ScopeWanResult result = run(stream, &chunk);
    g_assert_true(result.was_reset);
    g_assert_cmpint(result.start_frame, ==, 0);
    g_assert_true(sees(stream, "a dog"));
}

static void
test_prompt_changes_the_picture(Fixture *f, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autoptr(ScopeWanStream) same = open_stream(f, variants[i], 1);
        g_autoptr(ScopeWanStream) changed = open_stream(f, variants[i], 1);
        ScopeWanChunk cats = text_chunk(&cat), dogs = text_chunk(&dog);
        for (int j = 0; j < 5; j++) {
            run(same, &cats);
            run(changed, &cats);
        }
        ScopeWanResult a = run(same, &cats), b = run(changed, &dogs);
        g_assert_false(b.was_reset);
        g_assert_cmpint(memcmp(a.latents.data, b.latents.data, scope_tensor_n_bytes(a.latents)), !=,
                        0);
    }
}

/* -- resets ----------------------------------------------------------------------------------- */

static void
test_what_resets(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_streamdiffusionv2, 1);
    ScopeWanChunk chunk = text_chunk(&cat);
    const int two[] = {900, 300}, three[] = {900, 600, 300};

    g_assert_true(run(stream, &chunk).was_reset);
    g_assert_false(run(stream, &chunk).was_reset);
    chunk.steps = two;
    chunk.n_steps = 2;
    g_assert_true(run(stream, &chunk).was_reset);
    chunk.steps = three;
    chunk.n_steps = 3;
    chunk.steps_modulated = TRUE;
    g_assert_false(run(stream, &chunk).was_reset);
    chunk.steps_modulated = FALSE;
    chunk.manage_cache = FALSE;
    chunk.steps = two;
    chunk.n_steps = 2;
    g_assert_false(run(stream, &chunk).was_reset);
    chunk.reset = TRUE;
    ScopeWanResult result = run(stream, &chunk);
    g_assert_true(result.was_reset);
    g_assert_cmpint(result.latents.shape[0], ==, 2);
}

static void
test_video(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    guint8 bright[20 * 30 * 3];
    ScopeTensor frames[16];
    ScopeWanChunk chunk = text_chunk(&cat);

    memset(bright, 200, sizeof(bright));
    for (int i = 0; i < 16; i++) {
        frames[i] = scope_tensor_wrap(SCOPE_DTYPE_U8, bright, SCOPE_SHAPE(20, 30, 3));
    }
    run(stream, &chunk);
    chunk.video = frames;
    chunk.n_video = 12;
    chunk.noise_scale = 0.7;
    chunk.noise_controller = TRUE;
    ScopeWanResult result = run(stream, &chunk);
    g_assert_true(result.was_reset);
    g_assert_cmpint(result.latents.shape[0], ==, 4); /* 13 frames */
    /* a still picture: (0.8 * 0.9 + 0.07), and the first step follows it */
    g_assert_cmpfloat_with_epsilon(result.noise_scale, 0.79, 1e-9);
    g_assert_cmpfloat(result.steps[0], ==, 690);
    g_assert_cmpfloat(result.steps[1], ==, 750);
    result = run(stream, &chunk);
    g_assert_false(result.was_reset);
    g_assert_cmpint(result.latents.shape[0], ==, 3);
    /* another prompt over video starts anew, unless the caches are not managed */
    chunk.prompts = &dog;
    g_assert_true(run(stream, &chunk).was_reset);
    chunk.manage_cache = FALSE;
    chunk.prompts = &cat;
    g_assert_false(run(stream, &chunk).was_reset);
    /* back to text mode */
    chunk.video = NULL;
    result = run(stream, &chunk);
    g_assert_true(result.was_reset);
    g_assert_cmpfloat(result.steps[0], ==, 1000);
}

/* -- VACE ------------------------------------------------------------------------------------- */

static gboolean
same_latents(ScopeWanResult a, ScopeWanResult b)
{
    return memcmp(a.latents.data, b.latents.data, scope_tensor_n_bytes(a.latents)) == 0;
}

/* Each kind of guidance changes the picture, a scale of 0 and none do not. */
static void
test_guidance(Fixture *f, gconstpointer data)
{
    guint8 bytes[14 * 20 * 30 * 3] = {0};
    guint8 dots[20 * 30 * 3];
    ScopeTensor image = scope_tensor_wrap(SCOPE_DTYPE_U8, bytes, SCOPE_SHAPE(20, 30, 3));
    ScopeTensor mask = scope_tensor_wrap(SCOPE_DTYPE_U8, dots, SCOPE_SHAPE(20, 30, 3));
    ScopeTensor video[14], masks[12];
    const ScopeWanVaceInput none = {.scale = 1};
    ScopeWanVaceInput inputs[] = {none, none, none, none, none, none};
    g_autoptr(ScopeWanStream) plain = open_stream(f, &scope_wan_variant_longlive, 1);
    ScopeWanChunk chunk = text_chunk(&cat);

    for (guint i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (guint8)(i * 7);
    }
    for (guint i = 0; i < sizeof(dots); i++) {
        dots[i] = i / 9 % 2 == 0 ? 255 : 0;
    }
    for (guint i = 0; i < G_N_ELEMENTS(video); i++) {
        video[i] = scope_tensor_wrap(SCOPE_DTYPE_U8, bytes + (gsize)i * 20 * 30 * 3,
                                     SCOPE_SHAPE(20, 30, 3));
    }
    for (guint i = 0; i < G_N_ELEMENTS(masks); i++) {
        masks[i] = mask;
    }
    inputs[1].frames = inputs[2].frames = video;
    inputs[1].n_frames = inputs[2].n_frames = G_N_ELEMENTS(video);
    inputs[2].masks = masks;
    inputs[2].n_masks = G_N_ELEMENTS(masks);
    inputs[3].references = &image;
    inputs[3].n_references = 1;
    inputs[4].first_frame = inputs[4].last_frame = image;
    inputs[5] = inputs[2];
    inputs[5].first_frame = image;
    ScopeWanResult without = run(plain, &chunk);
    for (guint i = 0; i < G_N_ELEMENTS(inputs); i++) {
        g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
        g_autoptr(ScopeWanStream) off = open_stream(f, &scope_wan_variant_longlive, 1);
        chunk.vace = &inputs[i];
        g_test_message("input %u", i);
        g_assert_cmpint(same_latents(run(stream, &chunk), without), ==, i == 0);
        run(stream, &chunk);
        inputs[i].scale = 0;
        g_assert_true(same_latents(run(off, &chunk), without));
    }
}

static void
test_guidance_that_does_not_fit(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    g_autoptr(GError) error = NULL;
    guint8 bytes[4 * 4 * 3] = {0};
    float values[96 * 2 * 2] = {0};
    ScopeTensor images[9];
    ScopeWanVaceInput many = {.references = images, .n_references = 9, .scale = 1};
    ScopeWanVaceInput wrong = {
        .context = scope_tensor_wrap(SCOPE_DTYPE_F32, values, SCOPE_SHAPE(96, 1, 2, 2)),
        .scale = 1};
    ScopeWanChunk chunk = text_chunk(&cat);
    ScopeWanResult result;

    for (int i = 0; i < 9; i++) {
        images[i] = scope_tensor_wrap(SCOPE_DTYPE_U8, bytes, SCOPE_SHAPE(4, 4, 3));
    }
    chunk.vace = &many;
    g_assert_false(scope_wan_stream_run(stream, &chunk, &result, &error));
    g_assert_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT);
    g_clear_error(&error);
    chunk.vace = &wrong;
    g_assert_false(scope_wan_stream_run(stream, &chunk, &result, &error));
    g_assert_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT);
    chunk.vace = NULL;
    run(stream, &chunk);
}

/* -- what is refused -------------------------------------------------------------------------- */

static void
test_sizes(Fixture *f, gconstpointer data)
{
    const int sizes[][2] = {{30, 48}, {32, 40}, {0, 48}, {32, -16}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        ScopeWanStreamOptions options = {.variant = scope_wan_variant_longlive,
                                         .height = sizes[i][0],
                                         .width = sizes[i][1],
                                         .encode_text = encode_text};
        g_assert_null(scope_wan_stream_create(f->ctx, f->model, &options, &error));
        g_assert_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, "16"));
    }
}

static void
test_failed_chunk_starts_anew(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanStream) stream = open_stream(f, &scope_wan_variant_longlive, 1);
    g_autoptr(ScopeWanStream) fresh = open_stream(f, &scope_wan_variant_longlive, 1);
    g_autoptr(GError) error = NULL;
    ScopeWanPrompt bad[] = {{"nan", 1.0}, {"fail", 1.0}};
    ScopeWanChunk chunk = text_chunk(&cat), wrong = text_chunk(&bad[0]);
    ScopeWanResult result;

    run(stream, &chunk);
    g_assert_false(scope_wan_stream_run(stream, &wrong, &result, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    g_clear_error(&error);
    wrong.prompts = &bad[1];
    g_assert_false(scope_wan_stream_run(stream, &wrong, &result, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_FAILED);
    g_clear_error(&error);
    result = run(stream, &chunk);
    g_assert_true(result.was_reset);
    ScopeWanResult want = run(fresh, &chunk);
    g_assert_cmpmem(want.latents.data, scope_tensor_n_bytes(want.latents), result.latents.data,
                    scope_tensor_n_bytes(result.latents));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) g_test_add("/wan-stream/" path, Fixture, NULL, set_up, fn, tear_down)
    ADD("repeatable", test_repeatable);
    ADD("threads-do-not-matter", test_threads_do_not_matter);
    ADD("sessions-are-apart", test_sessions_are_apart);
    ADD("steady-state-allocates-nothing", test_steady_state_allocates_nothing);
    ADD("prompt-is-encoded-once", test_prompt_is_encoded_once);
    ADD("transition", test_transition);
    ADD("transition-of-one-step-arrives", test_transition_of_one_step_arrives);
    ADD("new-text-begins-a-scene", test_new_text_begins_a_scene);
    ADD("reset-ends-a-transition", test_reset_ends_a_transition);
    ADD("prompt-changes-the-picture", test_prompt_changes_the_picture);
    ADD("what-resets", test_what_resets);
    ADD("video", test_video);
    ADD("sizes", test_sizes);
    ADD("failed-chunk-starts-anew", test_failed_chunk_starts_anew);
    g_test_add("/wan-stream/guidance", Fixture, GINT_TO_POINTER(1), set_up, test_guidance,
               tear_down);
    g_test_add("/wan-stream/guidance-that-does-not-fit", Fixture, GINT_TO_POINTER(1), set_up,
               test_guidance_that_does_not_fit, tear_down);
    return g_test_run();
}
