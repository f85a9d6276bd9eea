/* SPDX-License-Identifier: Apache-2.0 */
/* The "wan-vae" family: whole and streaming encode and decode of the full and the pruned VAE, with
 * module outputs of each pass, remembered frames and fresh-cache variants. Main thread. */
#include "golden-families.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "golden-models.h"
#include "models/scope-wan-vae.h"

static const char *const known_top[] = {
    "config", "tolerances", "meaning", "model",         "case",     "weights",  "calls",
    "frames", "height",     "width",   "latent_frames", "latent_h", "latent_w", NULL};
static const char *const known_config[] = {"dim",
                                           "pruning_rate",
                                           "stage_widths",
                                           "z_dim",
                                           "dim_mult",
                                           "num_res_blocks",
                                           "temporal_downsample",
                                           "latent_mean",
                                           "latent_std",
                                           NULL};

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeWanVae *vae;
    int pass;           /* of the current state, from 0; -1 before the first */
    const char *gather; /* watched name that is collected, or NULL */
    ScopeTensor gathered;
    int64_t n_gathered; /* frames */
} Vae;

/* [T, H, W, C] as the case stores it: [C, T, H, W]; and back. */
static ScopeTensor
to_case(ScopeTensor t)
{
    return scope_tensor_permute(t, SCOPE_ORDER(3, 0, 1, 2));
}

static ScopeTensor
from_case(ScopeTensor t)
{
    return scope_tensor_permute(t, SCOPE_ORDER(1, 2, 3, 0));
}

static void
watch(const char *name, ScopeTensor value, void *user_data)
{
    Vae *v = user_data;
    g_autofree char *full = NULL;

    v->pass += g_str_has_suffix(name, "coder.conv1");
    full = g_strdup_printf("chunk%d.%s", v->pass, name);
    if (golden_has_out(v->c, full)) {
        golden_engine_check(v->engine, v->c, full, to_case(value));
    }
    if (v->gather != NULL && strcmp(v->gather, name) == 0) {
        int64_t n = value.shape[0];
        scope_op_copy(v->engine->ctx,
                      scope_tensor_slice(v->gathered, 0, v->n_gathered, v->n_gathered + n), value);
        v->n_gathered += n;
    }
}

static ScopeTensor
alloc(Vae *v, int64_t t, int64_t h, int64_t w, int64_t channels)
{
    return golden_engine_alloc(v->engine, SCOPE_SHAPE(t, h, w, channels));
}

static void
vae_close(Vae *v)
{
    scope_wan_vae_unload(v->vae);
    golden_engine_close(v->engine);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Vae, vae_close)

/* The widths that the configuration promises are those of the weights. */
static gboolean
check_config(Vae *v, GError **error)
{
    int n_widths, n_mult;
    const gint64 *widths = golden_ints(v->c, "config.stage_widths", &n_widths);
    const gint64 *mult = golden_ints(v->c, "config.dim_mult", &n_mult);
    double dim = (double)golden_int(v->c, "config.dim", 0);
    double rate = golden_double(v->c, "config.pruning_rate", 0);
    const ScopeCheckpointTensor *conv_in =
        scope_checkpoint_find(golden_weights(v->c, NULL), "encoder.conv1.weight");

    golden_check_member(v->c, "config.z_dim", scope_wan_vae_get_z_channels(v->vae));
    if (n_widths == 0) {
        return TRUE;
    }
    if ((n_mult > 0 && n_widths != n_mult) || conv_in == NULL) {
        return golden_not_understood(error, "stage widths of %s", golden_get_name(v->c));
    }
    for (int i = 0; i < n_mult && dim > 0; i++) {
        golden_check(v->c, (gint64)(dim * (double)mult[i] * (1 - rate)) == widths[i],
                     "stage width %d does not follow from dim and pruning rate", i);
    }
    golden_check(v->c, conv_in->shape[0] == widths[0], "encoder.conv1.weight has %d rows",
                 (int)conv_in->shape[0]);
    return TRUE;
}

static gboolean
vae_open(Vae *v, GoldenCase *c, GError **error)
{
    ScopeCheckpoint *weights;
    int n_mean, n_std;
    const double *mean = golden_doubles(c, "config.latent_mean", &n_mean);
    const double *std = golden_doubles(c, "config.latent_std", &n_std);
    g_autofree float *mean_f = g_new0(float, (gsize)n_mean + 1);
    g_autofree float *std_f = g_new0(float, (gsize)n_std + 1);
    ScopeWanVaeOptions options = {
        .latent_mean = n_mean > 0 ? mean_f : NULL,
        .latent_std = n_mean > 0 ? std_f : NULL,
        .store = golden_wants_int8(c) ? SCOPE_WEIGHT_STORE_INT8 : SCOPE_WEIGHT_STORE_KEEP,
    };

    *v = (Vae){.c = c, .pass = -1};
    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    if (n_mean != n_std || n_mean != (n_mean > 0 ? golden_int(c, "config.z_dim", n_mean) : 0)) {
        return golden_not_understood(error, "latent_mean and latent_std");
    }
    for (int i = 0; i < n_mean; i++) {
        mean_f[i] = (float)mean[i];
        std_f[i] = (float)std[i];
    }
    weights = golden_weights(c, error);
    v->engine = weights != NULL ? golden_engine_open(c, error) : NULL;
    v->vae =
        v->engine != NULL ? scope_wan_vae_load(v->engine->ctx, weights, &options, error) : NULL;
    return v->vae != NULL && check_config(v, error);
}

/* A fresh state for the tensors of the case. */
static ScopeWanVaeState *
fresh(Vae *v, ScopeWanVaeDirection direction, ScopeTensor pixels, int64_t latents_per_pass,
      GError **error)
{
    v->pass = -1;
    return scope_wan_vae_state_create(v->engine->ctx, v->vae, direction, pixels.shape[1],
                                      pixels.shape[2], latents_per_pass, error);
}

/* Decodes and returns the unclamped frames; compares the clamped ones with them. */
static ScopeTensor
decode(Vae *v, ScopeWanVaeState *state, ScopeTensor latents)
{
    int64_t n = scope_wan_vae_state_count_frames(state, latents.shape[0]);
    int64_t factor = scope_wan_vae_get_spatial_factor(v->vae);
    int64_t h = latents.shape[1] * factor, w = latents.shape[2] * factor;
    ScopeTensor frames = alloc(v, n, h, w, 3);
    ScopeModelTap tap = {.fn = watch, .user_data = v};
    float *clamped, *unclamped;
    gboolean same = TRUE;

    v->gather = "decoder.head";
    v->gathered = alloc(v, n, h, w, 3);
    v->n_gathered = 0;
    scope_wan_vae_decode(v->engine->ctx, state, frames, latents, &tap);
    clamped = golden_engine_download(v->engine, v->c, frames);
    unclamped = golden_engine_download(v->engine, v->c, v->gathered);
    for (int64_t i = 0; i < scope_tensor_n_elements(frames); i++) {
        same = same && clamped[i] == fminf(fmaxf(unclamped[i], -1), 1);
    }
    golden_check(v->c, same, "the decoded frames are not the clamped output of the head");
    return v->gathered;
}

static ScopeTensor
encode(Vae *v, ScopeWanVaeState *state, ScopeTensor frames, int64_t n_latents)
{
    int64_t factor = scope_wan_vae_get_spatial_factor(v->vae);
    int64_t z = scope_wan_vae_get_z_channels(v->vae);
    int64_t h = frames.shape[1] / factor, w = frames.shape[2] / factor;
    ScopeTensor latents = alloc(v, n_latents, h, w, z);
    ScopeModelTap tap = {.fn = watch, .user_data = v};

    v->gather = "conv1";
    v->gathered = alloc(v, n_latents, h, w, 2 * z);
    v->n_gathered = 0;
    scope_wan_vae_encode(v->engine->ctx, state, latents, frames, &tap);
    return latents;
}

/* Remembered frames against "<prefix>.I" [C, F, H, W]; absent ones must still be zero. */
static void
check_slots(Vae *v, ScopeWanVaeState *state, const char *prefix)
{
    for (int i = 0; i < scope_wan_vae_state_get_n_slots(state); i++) {
        g_autofree char *name = g_strdup_printf("%s.%d", prefix, i);
        ScopeTensor slot = scope_wan_vae_state_peek_slot(state, i);
        const GoldenTensor *want = golden_out(v->c, name);
        int64_t n = want != NULL && want->rank == 4 ? want->shape[1] : 0;
        int64_t n_before = MAX(slot.shape[0] - n, 0);
        ScopeTensor before = scope_tensor_slice(slot, 0, 0, n_before);
        const float *values = golden_engine_download(v->engine, v->c, before);
        gboolean zero = TRUE;

        for (int64_t k = 0; k < scope_tensor_n_elements(before); k++) {
            zero = zero && values[k] == 0;
        }
        golden_check(v->c, zero, "slot %d remembers more than %s", i, name);
        if (n > 0) {
            golden_engine_check(v->engine, v->c, name,
                                to_case(scope_tensor_slice(slot, 0, n_before, slot.shape[0])));
        }
    }
}

gboolean
golden_run_vae_encode_whole(GoldenCase *c, GError **error)
{
    g_auto(Vae) v = {0};
    g_autoptr(ScopeWanVaeState) state = NULL;
    ScopeTensor video, latents;
    int64_t n_latents, z, factor;

    if (!vae_open(&v, c, error)) {
        return FALSE;
    }
    video = golden_engine_in(v.engine, c, "video", 4, error);
    if (scope_tensor_is_none(video)) {
        return FALSE;
    }
    video = from_case(video);
    state = fresh(&v, SCOPE_WAN_VAE_ENCODE, video, 1, error);
    if (state == NULL) {
        return FALSE;
    }
    z = scope_wan_vae_get_z_channels(v.vae);
    factor = scope_wan_vae_get_temporal_factor(v.vae);
    n_latents = 1 + (video.shape[0] - 1) / factor;
    latents =
        encode(&v, state, scope_tensor_slice(video, 0, 0, 1 + (n_latents - 1) * factor), n_latents);
    golden_engine_check(v.engine, c, "latent", to_case(latents));
    golden_engine_check(v.engine, c, "mu_raw", to_case(scope_tensor_slice(v.gathered, 3, 0, z)));
    golden_engine_check(v.engine, c, "logvar_raw",
                        to_case(scope_tensor_slice(v.gathered, 3, z, 2 * z)));
    return TRUE;
}

gboolean
golden_run_vae_decode_whole(GoldenCase *c, GError **error)
{
    g_auto(Vae) v = {0};
    g_autoptr(ScopeWanVaeState) state = NULL;
    ScopeTensor latents, video, frames;

    if (!vae_open(&v, c, error)) {
        return FALSE;
    }
    latents = golden_engine_in(v.engine, c, "latent", 4, error);
    video = golden_engine_out(v.engine, c, "video", 4, error);
    if (scope_tensor_is_none(latents) || scope_tensor_is_none(video)) {
        return FALSE;
    }
    state = fresh(&v, SCOPE_WAN_VAE_DECODE, from_case(video), 1, error);
    if (state == NULL) {
        return FALSE;
    }
    frames = decode(&v, state, from_case(latents));
    golden_engine_check(v.engine, c, "video_unclamped", to_case(frames));
    scope_op_clamp(v.engine->ctx, frames, frames, -1, 1);
    golden_engine_check(v.engine, c, "video", to_case(frames));
    return TRUE;
}

/* The last n frames with a fresh cache, for every "latent_restart_lastN". */
static gboolean
check_restarts(Vae *v, ScopeTensor video, GError **error)
{
    for (const char *const *name = golden_list(v->c, "latent_restart_last*"); *name != NULL;
         name++) {
        g_autoptr(ScopeWanVaeState) state = fresh(v, SCOPE_WAN_VAE_ENCODE, video, 1, error);
        int64_t n = g_ascii_strtoll(*name + strlen("latent_restart_last"), NULL, 10);
        int64_t n_latents = 1 + (n - 1) / scope_wan_vae_get_temporal_factor(v->vae);

        if (state == NULL) {
            return FALSE;
        }
        if (n < 1 || n > video.shape[0] ||
            scope_wan_vae_state_count_frames(state, n_latents) != n) {
            return golden_not_understood(error, "%s", *name);
        }
        golden_engine_check(
            v->engine, v->c, *name,
            to_case(encode(v, state,
                           scope_tensor_slice(video, 0, video.shape[0] - n, video.shape[0]),
                           n_latents)));
    }
    return TRUE;
}

gboolean
golden_run_vae_encode_stream(GoldenCase *c, GError **error)
{
    g_auto(Vae) v = {0};
    g_autoptr(ScopeWanVaeState) state = NULL;
    ScopeTensor video, all;
    int64_t frame = 0, latent = 0;

    if (!vae_open(&v, c, error)) {
        return FALSE;
    }
    video = golden_engine_in(v.engine, c, "video", 4, error);
    all = golden_engine_out(v.engine, c, "latent_stream", 4, error);
    if (scope_tensor_is_none(video) || scope_tensor_is_none(all)) {
        return FALSE;
    }
    video = from_case(video);
    all = alloc(&v, all.shape[1], all.shape[2], all.shape[3], all.shape[0]);
    state = fresh(&v, SCOPE_WAN_VAE_ENCODE, video, 1, error);
    if (state == NULL) {
        return FALSE;
    }
    for (int call = 0;; call++) {
        g_autofree char *name = g_strdup_printf("call%d.latent", call);
        const GoldenTensor *want = golden_out(c, name);
        int64_t n, n_frames;
        ScopeTensor latents;

        if (want == NULL) {
            break;
        }
        n = want->shape[1];
        n_frames = scope_wan_vae_state_count_frames(state, n);
        if (frame + n_frames > video.shape[0] || latent + n > all.shape[0]) {
            return golden_not_understood(error, "%s needs more frames than there are", name);
        }
        latents = encode(&v, state, scope_tensor_slice(video, 0, frame, frame + n_frames), n);
        golden_engine_check(v.engine, c, name, to_case(latents));
        scope_op_copy(v.engine->ctx, scope_tensor_slice(all, 0, latent, latent + n), latents);
        if (call == 0) {
            check_slots(&v, state, "enc_cache_after_call0");
        }
        frame += n_frames;
        latent += n;
    }
    golden_check(c, latent == all.shape[0], "the calls give %d latents", (int)latent);
    golden_engine_check(v.engine, c, "latent_stream", to_case(all));
    golden_engine_check(v.engine, c, "latent_whole", to_case(all));
    return check_restarts(&v, video, error);
}

/* Latents A .. B-1 with a fresh cache, for every "block_A_to_B_fresh_cache.video_unclamped". */
static gboolean
check_fresh_blocks(Vae *v, ScopeTensor latents, ScopeTensor pixels, GError **error)
{
    for (const char *const *name = golden_list(v->c, "block_*"); *name != NULL; name++) {
        g_autoptr(ScopeWanVaeState) state = fresh(v, SCOPE_WAN_VAE_DECODE, pixels, 1, error);
        int begin = -1, end = -1, n_read = -1;

        if (state == NULL) {
            return FALSE;
        }
        if (sscanf(*name, "block_%d_to_%d_fresh_cache.video_unclamped%n", &begin, &end, &n_read) !=
                2 ||
            n_read != (int)strlen(*name) || begin < 0 || end <= begin || end > latents.shape[0]) {
            return golden_not_understood(error, "%s", *name);
        }
        golden_engine_check(v->engine, v->c, *name,
                            to_case(decode(v, state, scope_tensor_slice(latents, 0, begin, end))));
    }
    return TRUE;
}

/* Call 0 with all latents behind the first in one pass. */
static gboolean
check_one_pass(Vae *v, ScopeTensor latents, ScopeTensor pixels, int64_t n, GError **error)
{
    const char *name = "call0.video_unclamped.first1_then_rest_in_one_pass";
    g_autoptr(ScopeWanVaeState) state =
        fresh(v, SCOPE_WAN_VAE_DECODE, pixels, MAX(n - 1, 1), error);

    if (state == NULL) {
        return FALSE;
    }
    if (golden_has_out(v->c, name)) {
        golden_engine_check(v->engine, v->c, name,
                            to_case(decode(v, state, scope_tensor_slice(latents, 0, 0, n))));
    }
    return TRUE;
}

gboolean
golden_run_vae_decode_stream(GoldenCase *c, GError **error)
{
    g_auto(Vae) v = {0};
    g_autoptr(ScopeWanVaeState) state = NULL;
    JsonNode *calls = golden_node(c, "calls");
    ScopeTensor latents, pixels;
    int64_t latent = 0, first = 0;

    if (!vae_open(&v, c, error)) {
        return FALSE;
    }
    latents = golden_engine_in(v.engine, c, "latent", 4, error);
    pixels = golden_engine_out(v.engine, c, "call0.video_unclamped", 4, error);
    if (scope_tensor_is_none(latents) || scope_tensor_is_none(pixels)) {
        return FALSE;
    }
    latents = from_case(latents);
    pixels = from_case(pixels);
    state = fresh(&v, SCOPE_WAN_VAE_DECODE, pixels, 1, error);
    if (state == NULL || calls == NULL || !JSON_NODE_HOLDS_ARRAY(calls)) {
        return state != NULL && golden_not_understood(error, "no list of calls");
    }
    for (guint call = 0; call < json_array_get_length(json_node_get_array(calls)); call++) {
        JsonArray *pair = json_array_get_array_element(json_node_get_array(calls), call);
        g_autofree char *name = g_strdup_printf("call%u.video_unclamped", call);
        int64_t n = json_array_get_int_element(pair, 0);

        if (n < 1 || latent + n > latents.shape[0]) {
            return golden_not_understood(error, "call %u of %d latents", call, (int)n);
        }
        golden_check(
            c, scope_wan_vae_state_count_frames(state, n) == json_array_get_int_element(pair, 1),
            "call %u gives another number of frames", call);
        golden_engine_check(
            v.engine, c, name,
            to_case(decode(&v, state, scope_tensor_slice(latents, 0, latent, latent + n))));
        if (call == 0) {
            check_slots(&v, state, "dec_cache_after_call0");
            first = n;
        }
        latent += n;
    }
    return check_one_pass(&v, latents, pixels, first, error) &&
           check_fresh_blocks(&v, latents, pixels, error);
}
