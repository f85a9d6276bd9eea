/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of the Wan VAE and the memory of its streams. The model owns its arena and a reference on
 * the checkpoint; a state owns the arena of its slots. Loader thread; states belong to a worker. */
#include "models/scope-wan-vae-private.h"

#include <gio/gio.h>
#include <string.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"

static const float wan_mean[16] = {-0.7571f, -0.7089f, -0.9113f, 0.1075f,  -0.1745f, 0.9653f,
                                   -0.1517f, 1.5508f,  0.4134f,  -0.0715f, 0.5517f,  -0.3632f,
                                   -0.1922f, -0.9497f, 0.2503f,  -0.2921f};
static const float wan_std[16] = {2.8184f, 1.4541f, 2.3275f, 2.6558f, 1.2196f, 1.7708f,
                                  2.6052f, 2.0743f, 3.2687f, 2.1526f, 2.8652f, 1.5579f,
                                  1.6382f, 1.1253f, 2.8251f, 1.9160f};

void
scope_wan_vae_get_latent_constants(const float **ret_mean, const float **ret_std)
{
    *ret_mean = wan_mean;
    *ret_std = wan_std;
}

/* -- Loading ---------------------------------------------------------------------------------- */

static void
layer_free(gpointer data)
{
    ScopeWanVaeLayer *layer = data;

    g_free(layer->name);
    g_free(layer);
}

static void
load_causal_conv(ScopeLayerLoader *loader, ScopeWeight *weight, const char *prefix,
                 const char *name, int64_t n_out, int64_t n_in)
{
    g_autofree char *full = prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
    ScopeConvGeometry geometry = scope_conv_geometry_same(1);

    scope_layer_loader_conv(loader, weight, full, (ScopeLayerConvShape){n_out, n_in, 3, 3, 3},
                            &geometry, SCOPE_LAYER_BIAS);
}

static void
load_pointwise(ScopeLayerLoader *loader, ScopeWeight *weight, const char *prefix, const char *name,
               ScopeLayerConvShape shape)
{
    g_autofree char *full = prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
    ScopeConvGeometry geometry = SCOPE_CONV_GEOMETRY_INIT;

    scope_layer_loader_conv(loader, weight, full, shape, &geometry, SCOPE_LAYER_BIAS);
}

static void
load_residual(ScopeLayerLoader *loader, ScopeWanVaeLayer *layer, int *slot)
{
    layer->kind = SCOPE_WAN_VAE_LAYER_RESIDUAL;
    layer->n_out = scope_layer_loader_dim(loader, layer->name, "residual.2.weight", 0);
    layer->gamma_a =
        scope_layer_loader_vector(loader, layer->name, "residual.0.gamma", layer->n_in);
    load_causal_conv(loader, &layer->conv_a, layer->name, "residual.2", layer->n_out, layer->n_in);
    layer->gamma_b =
        scope_layer_loader_vector(loader, layer->name, "residual.3.gamma", layer->n_out);
    load_causal_conv(loader, &layer->conv_b, layer->name, "residual.6", layer->n_out, layer->n_out);
    if (layer->n_out != layer->n_in) {
        load_pointwise(loader, &layer->shortcut, layer->name, "shortcut",
                       (ScopeLayerConvShape){layer->n_out, layer->n_in, 1, 1, 1});
    }
    layer->slot = *slot;
    *slot += 2;
}

static void
load_attention(ScopeLayerLoader *loader, ScopeWanVaeLayer *layer)
{
    int64_t c = layer->n_in;

    layer->kind = SCOPE_WAN_VAE_LAYER_ATTENTION;
    layer->n_out = c;
    layer->gamma_a = scope_layer_loader_vector(loader, layer->name, "norm.gamma", c);
    load_pointwise(loader, &layer->conv_a, layer->name, "to_qkv",
                   (ScopeLayerConvShape){3 * c, c, 0, 1, 1});
    load_pointwise(loader, &layer->conv_b, layer->name, "proj",
                   (ScopeLayerConvShape){c, c, 0, 1, 1});
}

static void
load_resample(ScopeLayerLoader *loader, ScopeWanVaeLayer *layer, gboolean encode, int *slot)
{
    g_autofree char *spatial = g_strconcat(layer->name, ".resample.1", NULL);
    g_autofree char *time = g_strconcat(layer->name, ".time_conv", NULL);
    ScopeConvGeometry geometry = scope_conv_geometry_same(1);
    ScopeConvGeometry time_geometry = SCOPE_CONV_GEOMETRY_INIT;
    int64_t c = layer->n_in;

    layer->kind = SCOPE_WAN_VAE_LAYER_RESAMPLE;
    layer->n_out = scope_layer_loader_dim(loader, layer->name, "resample.1.weight", 0);
    layer->temporal = scope_layer_loader_has(loader, time, "weight");
    if (encode) {
        geometry.pad_top = geometry.pad_left = 0;
        geometry.stride_h = geometry.stride_w = 2;
        time_geometry.stride_t = 2;
    } else {
        geometry.upsample = 2;
    }
    scope_layer_loader_conv(loader, &layer->conv_a, spatial,
                            (ScopeLayerConvShape){layer->n_out, c, 0, 3, 3}, &geometry,
                            SCOPE_LAYER_BIAS);
    if (layer->temporal) {
        int64_t n_time = encode ? layer->n_out : 2 * c;
        int64_t n_time_in = encode ? layer->n_out : c;
        scope_layer_loader_conv(loader, &layer->time_conv, time,
                                (ScopeLayerConvShape){n_time, n_time_in, 3, 1, 1}, &time_geometry,
                                SCOPE_LAYER_BIAS);
        layer->slot = (*slot)++;
    }
}

/* Appends the layers "<prefix>.0", "<prefix>.1" ... and returns the width after the last. */
static int64_t
load_layers(ScopeLayerLoader *loader, ScopeWanVaeHalf *half, const char *prefix, gboolean encode,
            int64_t width)
{
    for (int i = 0; loader->error == NULL; i++) {
        g_autofree char *name = g_strdup_printf("%s.%d", prefix, i);
        gboolean residual = scope_layer_loader_has(loader, name, "residual.2.weight");
        gboolean attention = scope_layer_loader_has(loader, name, "to_qkv.weight");
        ScopeWanVaeLayer *layer;

        if (!residual && !attention && !scope_layer_loader_has(loader, name, "resample.1.weight")) {
            if (i == 0) {
                scope_layer_loader_dim(loader, name, "residual.2.weight", 0);
            }
            break;
        }
        layer = g_new0(ScopeWanVaeLayer, 1);
        g_ptr_array_add(half->layers, layer);
        layer->name = g_steal_pointer(&name);
        layer->n_in = width;
        if (residual) {
            load_residual(loader, layer, &half->n_slots);
        } else if (attention) {
            load_attention(loader, layer);
        } else {
            load_resample(loader, layer, encode, &half->n_slots);
        }
        width = layer->n_out;
    }
    return width;
}

static void
load_half(ScopeLayerLoader *loader, ScopeWanVae *vae, ScopeWanVaeHalf *half, gboolean encode)
{
    const char *name = encode ? "encoder" : "decoder";
    g_autofree char *middle = g_strconcat(name, ".middle", NULL);
    g_autofree char *samples = g_strconcat(name, encode ? ".downsamples" : ".upsamples", NULL);
    ScopeWeightStore store = loader->store;
    int64_t z = vae->z_channels, width;

    half->layers = g_ptr_array_new_with_free_func(layer_free);
    half->n_slots = 1;
    half->loaded = TRUE;
    /* next to pixels and latents there are too few channels for 8-bit integers to gain anything */
    loader->store = SCOPE_WEIGHT_STORE_PACK;
    load_causal_conv(loader, &half->conv_in, name, "conv1", SCOPE_LAYER_ANY_SIZE, encode ? 3 : z);
    loader->store = store;
    width = half->conv_in.n_out;
    width = load_layers(loader, half, encode ? samples : middle, encode, width);
    width = load_layers(loader, half, encode ? middle : samples, encode, width);
    half->head_gamma = scope_layer_loader_vector(loader, name, "head.0.gamma", width);
    loader->store = SCOPE_WEIGHT_STORE_PACK;
    load_causal_conv(loader, &half->conv_out, name, "head.2", encode ? 2 * z : 3, width);
    half->n_slots++;
    load_pointwise(loader, &half->quant, NULL, encode ? "conv1" : "conv2",
                   (ScopeLayerConvShape){encode ? 2 * z : z, encode ? 2 * z : z, 1, 1, 1});
    loader->store = store;
}

static void
count_factors(ScopeWanVae *vae, const ScopeWanVaeHalf *half)
{
    vae->spatial_factor = vae->temporal_factor = 1;
    for (guint i = 0; i < half->layers->len; i++) {
        const ScopeWanVaeLayer *layer = g_ptr_array_index(half->layers, i);
        if (layer->kind == SCOPE_WAN_VAE_LAYER_RESAMPLE) {
            vae->spatial_factor *= 2;
            vae->temporal_factor *= layer->temporal ? 2 : 1;
        }
    }
}

static void
load_constants(ScopeLayerLoader *loader, ScopeWanVae *vae, const ScopeWanVaeOptions *options)
{
    int64_t z = vae->z_channels;
    const float *mean = options->latent_mean != NULL ? options->latent_mean : wan_mean;
    const float *std = options->latent_std != NULL ? options->latent_std : wan_std;
    g_autofree float *inverse = g_new(float, (gsize)z);

    if (options->latent_mean == NULL && z != (int64_t)G_N_ELEMENTS(wan_mean)) {
        scope_layer_loader_fail(loader,
                                "%" G_GINT64_FORMAT " latent channels, expected 16 where no "
                                "statistics of the latent space are given",
                                z);
        return;
    }
    if (loader->ctx == NULL || loader->error != NULL ||
        !scope_arena_reserve(loader->arena, (size_t)z * 12 + 256, &loader->error)) {
        return;
    }
    for (int64_t i = 0; i < z; i++) {
        inverse[i] = 1.0f / std[i];
    }
    vae->mean = scope_arena_alloc(vae->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    vae->std = scope_arena_alloc(vae->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    vae->inverse_std = scope_arena_alloc(vae->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    scope_context_upload(loader->ctx, vae->mean, mean);
    scope_context_upload(loader->ctx, vae->std, std);
    scope_context_upload(loader->ctx, vae->inverse_std, inverse);
}

/* Loads with a context, only compares without. */
static ScopeWanVae *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeWanVaeOptions *options,
     GError **error)
{
    g_autoptr(ScopeWanVae) vae = g_new0(ScopeWanVae, 1);
    unsigned parts =
        options->parts != 0 ? options->parts : SCOPE_WAN_VAE_ENCODE | SCOPE_WAN_VAE_DECODE;
    ScopeLayerLoader loader;

    g_return_val_if_fail((options->latent_mean == NULL) == (options->latent_std == NULL), NULL);
    vae->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (vae->checkpoint == NULL) {
        return NULL;
    }
    vae->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, vae->checkpoint, ctx, vae->arena);
    loader.store = options->store;
    if ((parts & SCOPE_WAN_VAE_DECODE) != 0) {
        vae->z_channels = scope_layer_loader_dim(&loader, NULL, "conv2.weight", 0);
        load_half(&loader, vae, &vae->decoder, FALSE);
        count_factors(vae, &vae->decoder);
    }
    if ((parts & SCOPE_WAN_VAE_ENCODE) != 0) {
        int64_t z = scope_layer_loader_dim(&loader, NULL, "conv1.weight", 0) / 2;
        int64_t spatial = vae->spatial_factor, temporal = vae->temporal_factor;
        if (vae->z_channels != 0 && vae->z_channels != z) {
            scope_layer_loader_fail(&loader,
                                    "encoder has %" G_GINT64_FORMAT
                                    " latent channels, decoder %" G_GINT64_FORMAT,
                                    z, vae->z_channels);
        }
        vae->z_channels = z;
        load_half(&loader, vae, &vae->encoder, TRUE);
        count_factors(vae, &vae->encoder);
        if (spatial != 0 && (spatial != vae->spatial_factor || temporal != vae->temporal_factor)) {
            scope_layer_loader_fail(&loader, "encoder and decoder compress differently");
        }
    }
    load_constants(&loader, vae, options);
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&vae) : NULL;
}

ScopeWanVae *
scope_wan_vae_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint,
                   const ScopeWanVaeOptions *options, GError **error)
{
    const ScopeWanVaeOptions defaults = {0};

    return load(ctx, checkpoint, options != NULL ? options : &defaults, error);
}

gboolean
scope_wan_vae_check(ScopeCheckpoint *checkpoint, GError **error)
{
    const ScopeWanVaeOptions defaults = {0};
    g_autoptr(ScopeWanVae) vae = load(NULL, checkpoint, &defaults, error);

    return vae != NULL;
}

void
scope_wan_vae_unload(ScopeWanVae *vae)
{
    if (vae == NULL) {
        return;
    }
    g_clear_pointer(&vae->encoder.layers, g_ptr_array_unref);
    g_clear_pointer(&vae->decoder.layers, g_ptr_array_unref);
    scope_arena_destroy(vae->arena);
    scope_checkpoint_unref(vae->checkpoint);
    g_free(vae);
}

int64_t
scope_wan_vae_get_z_channels(const ScopeWanVae *vae)
{
    return vae->z_channels;
}

int64_t
scope_wan_vae_get_spatial_factor(const ScopeWanVae *vae)
{
    return vae->spatial_factor;
}

int64_t
scope_wan_vae_get_temporal_factor(const ScopeWanVae *vae)
{
    return vae->temporal_factor;
}

/* -- State ------------------------------------------------------------------------------------ */

void
scope_wan_vae_layer_shape(const ScopeWanVaeLayer *layer, gboolean encode, gboolean first,
                          int64_t shape[4])
{
    shape[3] = layer->n_out;
    if (layer->kind != SCOPE_WAN_VAE_LAYER_RESAMPLE) {
        return;
    }
    shape[1] = encode ? shape[1] / 2 : shape[1] * 2;
    shape[2] = encode ? shape[2] / 2 : shape[2] * 2;
    if (layer->temporal && !first) {
        shape[0] = encode ? shape[0] / 2 : shape[0] * 2;
    }
}

/* Notes the widest tensor and, with an arena, allocates the slots; returns their bytes. */
static size_t
place_slots(ScopeWanVaeState *state, ScopeDType dtype, ScopeArena *arena)
{
    const ScopeWanVaeHalf *half = scope_wan_vae_state_half(state);
    gboolean encode = state->direction == SCOPE_WAN_VAE_ENCODE;
    int64_t factor = encode ? 1 : state->vae->spatial_factor;
    int64_t shape[4] = {state->latents_per_pass * (encode ? state->vae->temporal_factor : 1),
                        state->height / factor, state->width / factor, half->conv_in.n_out};
    size_t n_bytes = 0;
    int n = 0;

#define PLACE(p, h, w, c)                                                                          \
    do {                                                                                           \
        n_bytes += ((size_t)((p) * (h) * (w) * (c)) * scope_dtype_size(dtype) + 63) / 64 * 64;     \
        if (arena != NULL) {                                                                       \
            state->slots[n] = scope_arena_alloc(arena, dtype, SCOPE_SHAPE(p, h, w, c));            \
        }                                                                                          \
        n++;                                                                                       \
    } while (0)

    PLACE(2, shape[1], shape[2], half->conv_in.n_in);
    state->max_elements = shape[0] * shape[1] * shape[2] * shape[3];
    for (guint i = 0; i < half->layers->len; i++) {
        const ScopeWanVaeLayer *layer = g_ptr_array_index(half->layers, i);
        int64_t before[4];
        memcpy(before, shape, sizeof before);
        scope_wan_vae_layer_shape(layer, encode, FALSE, shape);
        state->max_elements = MAX(state->max_elements, shape[0] * shape[1] * shape[2] * shape[3]);
        if (layer->kind == SCOPE_WAN_VAE_LAYER_RESIDUAL) {
            PLACE(2, shape[1], shape[2], layer->n_in);
            PLACE(2, shape[1], shape[2], layer->n_out);
        } else if (layer->kind == SCOPE_WAN_VAE_LAYER_RESAMPLE && layer->temporal) {
            if (encode) {
                PLACE(1, shape[1], shape[2], layer->n_out);
            } else {
                PLACE(2, before[1], before[2], layer->n_in);
            }
        }
    }
    PLACE(2, shape[1], shape[2], half->conv_out.n_in);
#undef PLACE
    SCOPE_ASSERT(n == half->n_slots);
    return n_bytes;
}

ScopeWanVaeState *
scope_wan_vae_state_create(ScopeContext *ctx, const ScopeWanVae *vae,
                           ScopeWanVaeDirection direction, int64_t height, int64_t width,
                           int64_t latents_per_pass, GError **error)
{
    g_autoptr(ScopeWanVaeState) state = g_new0(ScopeWanVaeState, 1);
    ScopeDType dtype = scope_context_work_dtype(ctx);
    size_t n_bytes;

    state->vae = vae;
    state->direction = direction;
    state->ctx = ctx;
    state->height = height;
    state->width = width;
    state->latents_per_pass = latents_per_pass;
    if (!scope_wan_vae_state_half(state)->loaded) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "the %s of %s was not loaded",
                    direction == SCOPE_WAN_VAE_ENCODE ? "encoder" : "decoder",
                    scope_checkpoint_get_path(vae->checkpoint));
        return NULL;
    }
    if (height < 1 || width < 1 || height % vae->spatial_factor != 0 ||
        width % vae->spatial_factor != 0 || latents_per_pass < 1) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "frame size %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
                    " for the video VAE, expected multiples of %" G_GINT64_FORMAT,
                    width, height, vae->spatial_factor);
        return NULL;
    }
    state->arena = scope_arena_create(ctx->backend, "vae stream");
    state->n_slots = scope_wan_vae_state_half(state)->n_slots;
    state->slots = g_new0(ScopeTensor, (gsize)state->n_slots);
    n_bytes = place_slots(state, dtype, NULL);
    if (!scope_arena_reserve(state->arena, n_bytes, error)) {
        return NULL;
    }
    place_slots(state, dtype, state->arena);
    scope_arena_seal(state->arena);
    scope_wan_vae_state_reset(state);
    return g_steal_pointer(&state);
}

void
scope_wan_vae_state_reset(ScopeWanVaeState *state)
{
    for (int i = 0; i < state->n_slots; i++) {
        scope_op_fill(state->ctx, state->slots[i], 0);
    }
    state->fresh = TRUE;
}

void
scope_wan_vae_state_destroy(ScopeWanVaeState *state)
{
    if (state == NULL) {
        return;
    }
    scope_arena_destroy(state->arena);
    g_free(state->slots);
    g_free(state);
}

int64_t
scope_wan_vae_state_count_frames(const ScopeWanVaeState *state, int64_t n_latents)
{
    return state->fresh ? 1 + (n_latents - 1) * state->vae->temporal_factor
                        : n_latents * state->vae->temporal_factor;
}

int
scope_wan_vae_state_get_n_slots(const ScopeWanVaeState *state)
{
    return state->n_slots;
}

ScopeTensor
scope_wan_vae_state_peek_slot(const ScopeWanVaeState *state, int index)
{
    SCOPE_ASSERT(index >= 0 && index < state->n_slots);
    return state->slots[index];
}
