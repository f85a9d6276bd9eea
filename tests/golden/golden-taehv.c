/* SPDX-License-Identifier: Apache-2.0 */
/* The "taehv" family: the tiny autoencoder and its light variant, whole, in steps and in chunks,
 * with the output of each entry of the published sequence. Main thread. */
#include "golden-families.h"

#include <stdio.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "golden-models.h"
#include "models/scope-taehv.h"

static const char *const known_top[] = {"config",
                                        "tolerances",
                                        "meaning",
                                        "model",
                                        "case",
                                        "weights",
                                        "frames_out",
                                        "frames_in",
                                        "frames_per_step",
                                        "chunk_frames",
                                        "latents_per_pushed_frame",
                                        "latents_from_flush",
                                        NULL};
static const char *const known_config[] = {
    "decoder_widths", "encoder_width",          "latent_channels",
    "patch_size",     "encoder_time_downscale", "decoder_time_upscale",
    "frames_to_trim", "latent_normalisation",   NULL};

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeTaehv *taehv;
    gboolean raw;       /* the network works in the un-normalised latent space */
    const char *gather; /* watched name that is collected, or NULL */
    ScopeTensor gathered;
    int64_t n_gathered; /* frames */
} Tae;

/* [T, H, W, C] as the case stores it: [T, C, H, W]; and back. */
static ScopeTensor
to_case(ScopeTensor t)
{
    return scope_tensor_permute(t, SCOPE_ORDER(0, 3, 1, 2));
}

static ScopeTensor
from_case(ScopeTensor t)
{
    return scope_tensor_permute(t, SCOPE_ORDER(0, 2, 3, 1));
}

static void
tae_close(Tae *t)
{
    scope_taehv_unload(t->taehv);
    golden_engine_close(t->engine);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tae, tae_close)

/* Undoes what the model leaves to the next convolution: new frames side by side in the channels
 * become frames, and small frames are enlarged. */
static ScopeTensor
expand(Tae *t, ScopeTensor value, const GoldenTensor *want)
{
    int64_t n = value.shape[0], h = value.shape[1], w = value.shape[2];
    int64_t steps = want->shape[0] / n, c = value.shape[3] / MAX(steps, 1);
    const ScopeResizeOptions nearest = {.mode = SCOPE_RESIZE_NEAREST};
    ScopeTensor frames, large;

    if (want->rank != 4 || (steps == 1 && want->shape[2] == h)) {
        return value;
    }
    frames = golden_engine_alloc(t->engine, SCOPE_SHAPE(n, steps, h, w, c));
    scope_op_copy(t->engine->ctx, scope_tensor_permute(frames, SCOPE_ORDER(0, 2, 3, 1, 4)),
                  scope_tensor_reshape(value, SCOPE_SHAPE(n, h, w, steps, c)));
    frames = scope_tensor_reshape(frames, SCOPE_SHAPE(n * steps, h, w, c));
    large =
        golden_engine_alloc(t->engine, SCOPE_SHAPE(n * steps, want->shape[2], want->shape[3], c));
    scope_op_resize(t->engine->ctx, large, frames, &nearest);
    return large;
}

static void
watch(const char *name, ScopeTensor value, void *user_data)
{
    Tae *t = user_data;
    g_autofree char *full = g_strconcat(name, ".out", NULL);

    if (strcmp(name, "decoder.input") == 0) {
        golden_engine_check(t->engine, t->c, "latent_for_network", to_case(value));
        return;
    }
    if (golden_has_out(t->c, full)) {
        golden_engine_check(t->engine, t->c, full,
                            to_case(expand(t, value, golden_out(t->c, full))));
    }
    if (t->gather != NULL && strcmp(t->gather, name) == 0) {
        int64_t n = value.shape[0];
        scope_op_copy(t->engine->ctx,
                      scope_tensor_slice(t->gathered, 0, t->n_gathered, t->n_gathered + n), value);
        t->n_gathered += n;
    }
}

/* The widths that the configuration promises are those of the weights. */
static gboolean
check_config(Tae *t, GError **error)
{
    ScopeCheckpoint *weights = golden_weights(t->c, NULL);
    const ScopeCheckpointTensor *first = scope_checkpoint_find(weights, "decoder.1.weight");
    const ScopeCheckpointTensor *encoder = scope_checkpoint_find(weights, "encoder.0.weight");
    int n_widths;
    const gint64 *widths = golden_ints(t->c, "config.decoder_widths", &n_widths);

    if (first == NULL || encoder == NULL) {
        return golden_not_understood(error, "weights without encoder or decoder");
    }
    golden_check(t->c, n_widths == 0 || first->shape[0] == widths[0], "decoder.1 has %d rows",
                 (int)first->shape[0]);
    golden_check_member(t->c, "config.encoder_width", encoder->shape[0]);
    golden_check_member(t->c, "config.latent_channels", scope_taehv_get_z_channels(t->taehv));
    golden_check_member(t->c, "config.frames_to_trim",
                        scope_taehv_get_temporal_factor(t->taehv) - 1);
    return TRUE;
}

/* An array of booleans, none when it is absent; FALSE when it is something else. */
static gboolean
read_flags(const GoldenCase *c, const char *path, gboolean *ret_flags, int *ret_n)
{
    JsonNode *node = golden_node(c, path);
    JsonArray *array;

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node)) {
        return node == NULL;
    }
    array = json_node_get_array(node);
    *ret_n = (int)json_array_get_length(array);
    for (int i = 0; i < *ret_n && i < SCOPE_TAEHV_MAX_GROWS; i++) {
        ret_flags[i] = json_array_get_boolean_element(array, (guint)i);
    }
    return *ret_n <= SCOPE_TAEHV_MAX_GROWS;
}

static gboolean
tae_open(Tae *t, GoldenCase *c, GError **error)
{
    const char *space = golden_string(c, "config.latent_normalisation", "");
    ScopeTaehvOptions options = {0};
    ScopeCheckpoint *weights;

    *t = (Tae){.c = c};
    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    t->raw = strcmp(space, "mean/std of the full VAE") == 0;
    if (!t->raw && strcmp(space, "none") != 0) {
        return golden_not_understood(error, "latent_normalisation '%s'", space);
    }
    if (golden_int(c, "config.patch_size", 1) != 1) {
        return golden_not_understood(error, "patch_size other than 1");
    }
    if (!read_flags(c, "config.decoder_time_upscale", options.grows, &options.n_grows)) {
        return golden_not_understood(error, "decoder_time_upscale");
    }
    options.store = golden_wants_int8(c) ? SCOPE_WEIGHT_STORE_INT8 : SCOPE_WEIGHT_STORE_KEEP;
    options.latents = t->raw ? SCOPE_TAEHV_LATENTS_RAW : SCOPE_TAEHV_LATENTS_NORMALISED;
    weights = golden_weights(c, error);
    t->engine = weights != NULL ? golden_engine_open(c, error) : NULL;
    t->taehv =
        t->engine != NULL ? scope_taehv_load(t->engine->ctx, weights, &options, error) : NULL;
    return t->taehv != NULL && check_config(t, error);
}

static ScopeTaehvState *
fresh(Tae *t, ScopeTaehvDirection direction, int64_t h, int64_t w, int64_t latents_per_pass,
      GError **error)
{
    return scope_taehv_state_create(t->engine->ctx, t->taehv, direction, h, w, latents_per_pass,
                                    error);
}

/* Frames of the next @latents, in -1..1. */
static ScopeTensor
decode(Tae *t, ScopeTaehvState *state, ScopeTensor latents, const ScopeModelTap *tap)
{
    int64_t factor = scope_taehv_get_spatial_factor(t->taehv);
    ScopeTensor frames = golden_engine_alloc(
        t->engine, SCOPE_SHAPE(scope_taehv_state_count_frames(state, latents.shape[0]),
                               latents.shape[1] * factor, latents.shape[2] * factor, 3));

    scope_taehv_decode(t->engine->ctx, state, frames, latents, tap);
    return frames;
}

/* The same frames in 0..1, as the case stores them. */
static ScopeTensor
to_unit(Tae *t, ScopeTensor frames)
{
    ScopeTensor unit = golden_engine_alloc(t->engine, frames.ndim, frames.shape);

    scope_op_affine(t->engine->ctx, unit, frames, 0.5f, 0.5f);
    return unit;
}

static ScopeTensor
latents_of(Tae *t, GError **error)
{
    ScopeTensor latents = golden_engine_in(t->engine, t->c, "latent_in", 4, error);

    return scope_tensor_is_none(latents) ? latents : from_case(latents);
}

gboolean
golden_run_taehv_decode(GoldenCase *c, GError **error)
{
    g_auto(Tae) t = {0};
    ScopeModelTap tap = {.fn = watch, .user_data = &t};
    ScopeTensor latents, frames;
    int64_t factor;

    if (!tae_open(&t, c, error)) {
        return FALSE;
    }
    latents = latents_of(&t, error);
    if (scope_tensor_is_none(latents)) {
        return FALSE;
    }
    factor = scope_taehv_get_spatial_factor(t.taehv);
    t.gather = NULL;
    /* all latents in one pass and watched, then one by one */
    for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
        g_autoptr(ScopeTaehvState) state =
            fresh(&t, SCOPE_TAEHV_DECODE, latents.shape[1] * factor, latents.shape[2] * factor,
                  one_by_one ? 1 : latents.shape[0], error);
        if (state == NULL) {
            return FALSE;
        }
        frames = decode(&t, state, latents, one_by_one ? NULL : &tap);
        golden_engine_check(t.engine, c, "video_pm1", to_case(frames));
        golden_engine_check(t.engine, c, "video_01", to_case(to_unit(&t, frames)));
        golden_check_member(c, "frames_out", frames.shape[0]);
    }
    return TRUE;
}

gboolean
golden_run_taehv_decode_stream(GoldenCase *c, GError **error)
{
    g_auto(Tae) t = {0};
    g_autoptr(ScopeTaehvState) state = NULL;
    ScopeTensor latents, all;
    int n_steps;
    const gint64 *steps = golden_ints(c, "frames_per_step", &n_steps);
    int64_t factor, frame = 0;

    if (!tae_open(&t, c, error)) {
        return FALSE;
    }
    latents = latents_of(&t, error);
    all = golden_engine_out(t.engine, c, "video_01", 4, error);
    if (scope_tensor_is_none(latents) || scope_tensor_is_none(all)) {
        return FALSE;
    }
    if (n_steps != latents.shape[0] && n_steps > 0) {
        return golden_not_understood(error, "%d steps for %d latents", n_steps,
                                     (int)latents.shape[0]);
    }
    factor = scope_taehv_get_spatial_factor(t.taehv);
    state = fresh(&t, SCOPE_TAEHV_DECODE, latents.shape[1] * factor, latents.shape[2] * factor, 1,
                  error);
    if (state == NULL) {
        return FALSE;
    }
    all = golden_engine_alloc(t.engine,
                              SCOPE_SHAPE(all.shape[0], all.shape[2], all.shape[3], all.shape[1]));
    for (int i = 0; i < latents.shape[0]; i++) {
        ScopeTensor frames = decode(&t, state, scope_tensor_slice(latents, 0, i, i + 1), NULL);
        golden_check(c, n_steps == 0 || frames.shape[0] == steps[i], "step %d gives %d frames", i,
                     (int)frames.shape[0]);
        if (frame + frames.shape[0] > all.shape[0]) {
            return golden_not_understood(error, "more frames than video_01 has");
        }
        scope_op_copy(t.engine->ctx, scope_tensor_slice(all, 0, frame, frame + frames.shape[0]),
                      frames);
        frame += frames.shape[0];
    }
    golden_check(c, frame == all.shape[0], "%d frames in all", (int)frame);
    golden_engine_check(t.engine, c, "video_01", to_case(to_unit(&t, all)));
    return TRUE;
}

/* -- Encoding --------------------------------------------------------------------------------- */

/* The video in -1..1. */
static ScopeTensor
video_of(Tae *t, GError **error)
{
    ScopeTensor video = golden_engine_in(t->engine, t->c, "video_01", 4, error);

    if (!scope_tensor_is_none(video)) {
        scope_op_affine(t->engine->ctx, video, video, 2, -1);
        video = from_case(video);
    }
    return video;
}

/* Latents of the next @frames; t->gathered gets them in the network's space. */
static ScopeTensor
encode(Tae *t, ScopeTaehvState *state, ScopeTensor frames)
{
    int64_t factor = scope_taehv_get_spatial_factor(t->taehv);
    int64_t step = scope_taehv_get_temporal_factor(t->taehv);
    int64_t n = (frames.shape[0] + step - 1) / step;
    ScopeModelTap tap = {.fn = watch, .user_data = t};
    ScopeTensor latents = golden_engine_alloc(
        t->engine, SCOPE_SHAPE(n, frames.shape[1] / factor, frames.shape[2] / factor,
                               scope_taehv_get_z_channels(t->taehv)));

    t->gather = "encoder.17";
    t->gathered = golden_engine_alloc(t->engine, latents.ndim, latents.shape);
    t->n_gathered = 0;
    scope_taehv_encode(t->engine->ctx, state, latents, frames, &tap);
    golden_check(t->c, t->n_gathered == n, "encoder.17 gives %d latents", (int)t->n_gathered);
    return latents;
}

/* The numbers of latents that the case tells for frames pushed one by one. */
static void
check_pushes(Tae *t, int64_t n_latents)
{
    int n_pushes;
    const gint64 *pushes = golden_ints(t->c, "latents_per_pushed_frame", &n_pushes);
    int64_t n = golden_int(t->c, "latents_from_flush", 0);

    for (int i = 0; i < n_pushes; i++) {
        n += pushes[i];
    }
    golden_check(t->c, n_pushes == 0 || n == n_latents, "%d latents, pushed frames give %d",
                 (int)n_latents, (int)n);
}

gboolean
golden_run_taehv_encode(GoldenCase *c, GError **error)
{
    g_auto(Tae) t = {0};
    ScopeTensor video;

    if (!tae_open(&t, c, error)) {
        return FALSE;
    }
    video = video_of(&t, error);
    if (scope_tensor_is_none(video)) {
        return FALSE;
    }
    /* all in one pass: the recorded entries hold all frames */
    {
        g_autoptr(ScopeTaehvState) state =
            fresh(&t, SCOPE_TAEHV_ENCODE, video.shape[1], video.shape[2], video.shape[0], error);
        ScopeTensor latents;
        if (state == NULL) {
            return FALSE;
        }
        latents = encode(&t, state, video);
        golden_engine_check(t.engine, c, "latent_out", to_case(latents));
        golden_engine_check(t.engine, c, "latent_raw", to_case(t.gathered));
        check_pushes(&t, latents.shape[0]);
    }
    golden_check_member(c, "frames_in", video.shape[0]);
    return TRUE;
}

/* Fresh memory every n frames, for each "latent_raw_memory_reset_every_N_frames". */
static gboolean
check_resets(Tae *t, ScopeTensor video, GError **error)
{
    for (const char *const *name = golden_list(t->c, "latent_raw_memory_reset_*"); *name != NULL;
         name++) {
        g_autoptr(ScopeTaehvState) state =
            fresh(t, SCOPE_TAEHV_ENCODE, video.shape[1], video.shape[2], 1, error);
        int64_t step = scope_taehv_get_temporal_factor(t->taehv), latent = 0;
        int every = 0, n_read = -1;
        ScopeTensor all;

        if (state == NULL) {
            return FALSE;
        }
        if (sscanf(*name, "latent_raw_memory_reset_every_%d_frames%n", &every, &n_read) != 1 ||
            n_read != (int)strlen(*name) || every < 1 || every % step != 0 ||
            video.shape[0] % step != 0) {
            return golden_not_understood(error, "%s", *name);
        }
        all = golden_engine_out(t->engine, t->c, *name, 4, error);
        all = from_case(all);
        for (int64_t i = 0; i < video.shape[0]; i += every) {
            int64_t end = MIN(i + every, video.shape[0]);
            scope_taehv_state_reset(state);
            encode(t, state, scope_tensor_slice(video, 0, i, end));
            scope_op_copy(t->engine->ctx,
                          scope_tensor_slice(all, 0, latent, latent + (end - i) / step),
                          t->gathered);
            latent += (end - i) / step;
        }
        golden_check(t->c, latent == all.shape[0], "%s: %d latents", *name, (int)latent);
        golden_engine_check(t->engine, t->c, *name, to_case(all));
    }
    return TRUE;
}

gboolean
golden_run_taehv_encode_chunks(GoldenCase *c, GError **error)
{
    g_auto(Tae) t = {0};
    g_autoptr(ScopeTaehvState) state = NULL;
    ScopeTensor video, all;
    int n_chunks;
    const gint64 *chunks = golden_ints(c, "chunk_frames", &n_chunks);
    int64_t frame = 0, latent = 0;

    if (!tae_open(&t, c, error)) {
        return FALSE;
    }
    video = video_of(&t, error);
    all = golden_engine_out(t.engine, c, "latent_raw_carried", 4, error);
    if (scope_tensor_is_none(video) || scope_tensor_is_none(all)) {
        return FALSE;
    }
    all = from_case(all);
    state = fresh(&t, SCOPE_TAEHV_ENCODE, video.shape[1], video.shape[2], 2, error);
    if (state == NULL) {
        return FALSE;
    }
    for (int i = 0; i < n_chunks; i++) {
        ScopeTensor latents;
        if (chunks[i] < 1 || frame + chunks[i] > video.shape[0]) {
            return golden_not_understood(error, "chunk of %d frames", (int)chunks[i]);
        }
        latents = encode(&t, state, scope_tensor_slice(video, 0, frame, frame + chunks[i]));
        if (latent + latents.shape[0] > all.shape[0]) {
            return golden_not_understood(error, "more latents than latent_raw_carried has");
        }
        scope_op_copy(t.engine->ctx, scope_tensor_slice(all, 0, latent, latent + latents.shape[0]),
                      t.gathered);
        frame += chunks[i];
        latent += latents.shape[0];
    }
    golden_check(c, frame == video.shape[0] && latent == all.shape[0], "the chunks end at frame %d",
                 (int)frame);
    golden_engine_check(t.engine, c, "latent_raw_carried", to_case(all));
    return check_resets(&t, video, error);
}
