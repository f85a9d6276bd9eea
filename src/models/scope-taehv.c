/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of TAEHV and the memory of its streams. The model owns its arena and a reference on the
 * checkpoint; a state owns the arena of its slots. Loader thread; states belong to a worker. */
#include "models/scope-taehv-private.h"

#include <gio/gio.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"
#include "models/scope-wan-vae.h"

/* -- Loading ---------------------------------------------------------------------------------- */

static gboolean
has(ScopeLayerLoader *loader, const char *half, int index, const char *name)
{
    g_autofree char *prefix = g_strdup_printf("%s.%d", half, index);

    return scope_layer_loader_has(loader, prefix, name);
}

static gboolean
has_weights(ScopeLayerLoader *loader, const char *half, int index)
{
    return has(loader, half, index, "weight") || has(loader, half, index, "conv.weight") ||
           has(loader, half, index, "conv.0.weight");
}

/* Whether the sequence goes on at @index: at most two entries in a row have no weights, a ReLU and
 * an enlargement. */
static gboolean
has_entry(ScopeLayerLoader *loader, const char *half, int index)
{
    return has_weights(loader, half, index) || has_weights(loader, half, index + 1) ||
           has_weights(loader, half, index + 2);
}

/* conv.0 reads [now, before] side by side in the channels: the same as a kernel over two frames,
 * whose first reads the second half of the stored channels. */
static void
load_memory(ScopeLayerLoader *loader, ScopeTaehvEntry *entry, const char *name)
{
    ScopeConvGeometry geometry = scope_conv_geometry_same(1);
    ScopeConvGeometry pointwise = SCOPE_CONV_GEOMETRY_INIT;
    int64_t in = entry->n_in, out = scope_layer_loader_dim(loader, name, "conv.0.weight", 0);
    g_autofree char *second = g_strconcat(name, ".conv.2", NULL);
    g_autofree char *third = g_strconcat(name, ".conv.4", NULL);
    g_autofree char *skip = g_strconcat(name, ".skip", NULL);
    ScopeTensor kernel, bias;

    entry->n_out = out;
    kernel =
        scope_layer_loader_mapped(loader, name, "conv.0.weight", SCOPE_SHAPE(out, 2 * in, 3, 3));
    bias = scope_layer_loader_mapped(loader, name, "conv.0.bias", SCOPE_SHAPE(out));
    if (loader->error == NULL) {
        kernel = scope_tensor_as_strided(kernel, in * 9, SCOPE_SHAPE(out, in, 2, 3, 3),
                                         (const int64_t[]){2 * in * 9, 9, -in * 9, 3, 1});
        scope_layer_loader_conv_view(loader, &entry->conv[0], kernel, bias, &geometry);
    }
    scope_layer_loader_conv(loader, &entry->conv[1], second,
                            (ScopeLayerConvShape){out, out, 0, 3, 3}, &geometry, SCOPE_LAYER_BIAS);
    scope_layer_loader_conv(loader, &entry->conv[2], third,
                            (ScopeLayerConvShape){out, out, 0, 3, 3}, &geometry, SCOPE_LAYER_BIAS);
    if (in != out) {
        scope_layer_loader_conv(loader, &entry->skip, skip, (ScopeLayerConvShape){out, in, 0, 1, 1},
                                &pointwise, SCOPE_LAYER_NO_BIAS);
    }
}

/* Frames side by side in the channels of a 1x1 kernel: the same as a kernel over that many frames.
 */
static void
load_pool(ScopeLayerLoader *loader, ScopeTaehvEntry *entry, const char *name)
{
    ScopeConvGeometry geometry = SCOPE_CONV_GEOMETRY_INIT;
    int64_t in = entry->n_in, wide = scope_layer_loader_dim(loader, name, "conv.weight", 1);
    ScopeTensor kernel;

    entry->n_out = scope_layer_loader_dim(loader, name, "conv.weight", 0);
    if (wide % in != 0) {
        scope_layer_loader_fail(loader,
                                "tensor '%s.conv.weight' has %" G_GINT64_FORMAT
                                " input channels, expected a multiple of %" G_GINT64_FORMAT,
                                name, wide, in);
        return;
    }
    entry->steps = (int)(wide / in);
    kernel = scope_layer_loader_mapped(loader, name, "conv.weight",
                                       SCOPE_SHAPE(entry->n_out, wide, 1, 1));
    if (loader->error == NULL) {
        geometry.stride_t = entry->steps;
        kernel =
            scope_tensor_as_strided(kernel, 0, SCOPE_SHAPE(entry->n_out, in, entry->steps, 1, 1),
                                    (const int64_t[]){wide, 1, in, 1, 1});
        scope_layer_loader_conv_view(loader, &entry->conv[0], kernel, SCOPE_TENSOR_NONE, &geometry);
    }
}

static void
load_grow(ScopeLayerLoader *loader, ScopeTaehvEntry *entry, const char *name, gboolean grows)
{
    ScopeConvGeometry geometry = SCOPE_CONV_GEOMETRY_INIT;
    int64_t in = entry->n_in, wide = scope_layer_loader_dim(loader, name, "conv.weight", 0);
    ScopeTensor kernel;

    entry->n_out = in;
    entry->upsample = TRUE;
    if (wide % in != 0) {
        scope_layer_loader_fail(loader,
                                "tensor '%s.conv.weight' has %" G_GINT64_FORMAT
                                " rows, expected a multiple of %" G_GINT64_FORMAT,
                                name, wide, in);
        return;
    }
    kernel = scope_layer_loader_mapped(loader, name, "conv.weight", SCOPE_SHAPE(wide, in, 1, 1));
    if (loader->error == NULL) {
        if (!grows) {
            kernel = scope_tensor_slice(kernel, 0, wide - in, wide);
        }
        entry->steps = (int)(kernel.shape[0] / in);
        scope_layer_loader_conv_view(loader, &entry->conv[0], kernel, SCOPE_TENSOR_NONE, &geometry);
    }
}

/* Channels below which 8-bit integers gain nothing: the convolutions next to the pixels. */
#define NARROW 8

/* A 3x3 convolution. In the encoder those without bias have stride 2; in the decoder the one behind
 * a growth entry enlarges. Where a half ends there is always a bias. */
static void
load_conv(ScopeLayerLoader *loader, ScopeTaehvEntry *entry, const char *name,
          const ScopeTaehvEntry *before, gboolean encode, gboolean is_last)
{
    gboolean bias = is_last || scope_layer_loader_has(loader, name, "bias");
    gboolean grown = before != NULL && before->kind == SCOPE_TAEHV_ENTRY_GROW;
    ScopeConvGeometry geometry =
        encode && !bias ? scope_conv_geometry_strided(2, 1) : scope_conv_geometry_same(1);

    ScopeWeightStore store = loader->store;

    entry->steps = grown ? before->steps : 1;
    entry->upsample = grown;
    geometry.upsample = grown ? 2 : 1;
    if (MIN(entry->n_in, scope_layer_loader_dim(loader, name, "weight", 0)) < NARROW) {
        loader->store = SCOPE_WEIGHT_STORE_PACK;
    }
    scope_layer_loader_conv(loader, &entry->conv[0], name,
                            (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, entry->n_in, 0, 3, 3},
                            &geometry, bias ? SCOPE_LAYER_BIAS : SCOPE_LAYER_NO_BIAS);
    loader->store = store;
    entry->n_out = entry->conv[0].n_out;
    entry->conv[0].geometry = geometry;
}

/* Appends what entry @index of the published sequence is. An entry without weights is the clamp at
 * the start, an enlargement in front of a growth entry, else a ReLU. */
static void
load_entry(ScopeLayerLoader *loader, ScopeTaehvHalf *half, const char *prefix, int index,
           int64_t width, const ScopeTaehvOptions *options, int *n_grows)
{
    gboolean encode = prefix[0] == 'e';
    g_autofree char *name = g_strdup_printf("%s.%d", prefix, index);
    ScopeTaehvEntry *before =
        half->entries->len > 0
            ? &g_array_index(half->entries, ScopeTaehvEntry, half->entries->len - 1)
            : NULL;
    ScopeTaehvEntry entry = {.index = index, .n_in = width, .n_out = width, .steps = 1};

    if (scope_layer_loader_has(loader, name, "conv.0.weight")) {
        entry.kind = SCOPE_TAEHV_ENTRY_MEMORY;
        entry.slot = half->n_slots++;
        load_memory(loader, &entry, name);
    } else if (scope_layer_loader_has(loader, name, "conv.weight") && encode) {
        entry.kind = SCOPE_TAEHV_ENTRY_POOL;
        load_pool(loader, &entry, name);
    } else if (scope_layer_loader_has(loader, name, "conv.weight")) {
        entry.kind = SCOPE_TAEHV_ENTRY_GROW;
        load_grow(loader, &entry, name, *n_grows >= options->n_grows || options->grows[*n_grows]);
        (*n_grows)++;
    } else if (scope_layer_loader_has(loader, name, "weight")) {
        entry.kind = SCOPE_TAEHV_ENTRY_CONV;
        load_conv(loader, &entry, name, before, encode, !has_entry(loader, prefix, index + 1));
    } else if (index == 0 && encode) {
        scope_layer_loader_dim(loader, prefix, "0.weight", 0); /* fails, naming it */
        return;
    } else if (index == 0) {
        entry.kind = SCOPE_TAEHV_ENTRY_CLAMP;
    } else {
        if (before->kind == SCOPE_TAEHV_ENTRY_CONV) {
            before->relu = TRUE;
        }
        return;
    }
    g_array_append_val(half->entries, entry);
}

static void
load_half(ScopeLayerLoader *loader, ScopeTaehv *taehv, ScopeTaehvHalf *half, gboolean encode,
          const ScopeTaehvOptions *options)
{
    const char *prefix = encode ? "encoder" : "decoder";
    int64_t width = encode ? 3 : taehv->z_channels;
    int n_grows = 0;

    half->loaded = TRUE;
    half->entries = g_array_new(FALSE, TRUE, sizeof(ScopeTaehvEntry));
    half->spatial_factor = half->temporal_factor = 1;
    for (int i = 0; loader->error == NULL; i++) {
        const ScopeTaehvEntry *last;
        guint n = half->entries->len;

        if (!has_entry(loader, prefix, i)) {
            break;
        }
        load_entry(loader, half, prefix, i, width, options, &n_grows);
        if (half->entries->len == n) {
            continue;
        }
        last = &g_array_index(half->entries, ScopeTaehvEntry, n);
        width = last->n_out;
        if (last->kind == SCOPE_TAEHV_ENTRY_POOL || last->kind == SCOPE_TAEHV_ENTRY_GROW) {
            half->temporal_factor *= last->steps;
        }
        if (last->kind == SCOPE_TAEHV_ENTRY_CONV &&
            (last->upsample || last->conv[0].geometry.stride_h == 2)) {
            half->spatial_factor *= 2;
        }
    }
    if (half->entries->len == 0) {
        scope_layer_loader_dim(loader, prefix, encode ? "0.weight" : "1.weight", 0);
    } else if (width != (encode ? taehv->z_channels : 3)) {
        scope_layer_loader_fail(loader, "the %s ends with %" G_GINT64_FORMAT " channels", prefix,
                                width);
    }
}

static void
load_constants(ScopeLayerLoader *loader, ScopeTaehv *taehv, const ScopeTaehvOptions *options)
{
    const float *mean, *std;
    int64_t z = taehv->z_channels;
    g_autofree float *inverse = g_new(float, (gsize)z);

    if (options->latents == SCOPE_TAEHV_LATENTS_NORMALISED) {
        return;
    }
    scope_wan_vae_get_latent_constants(&mean, &std);
    if (options->latent_mean == NULL && z != 16) {
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
    if (options->latent_mean != NULL) {
        mean = options->latent_mean;
        std = options->latent_std;
    }
    for (int64_t i = 0; i < z; i++) {
        inverse[i] = 1.0f / std[i];
    }
    taehv->mean = scope_arena_alloc(taehv->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    taehv->std = scope_arena_alloc(taehv->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    taehv->inverse_std = scope_arena_alloc(taehv->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(z));
    scope_context_upload(loader->ctx, taehv->mean, mean);
    scope_context_upload(loader->ctx, taehv->std, std);
    scope_context_upload(loader->ctx, taehv->inverse_std, inverse);
}

/* The latent channels: what the first convolution of the decoder reads, or the encoder's last
 * writes. */
static int64_t
find_z_channels(ScopeLayerLoader *loader, unsigned parts)
{
    int last = 0;

    if ((parts & SCOPE_TAEHV_DECODE) != 0) {
        return scope_layer_loader_dim(loader, "decoder", "1.weight", 1);
    }
    for (int i = 0; has_entry(loader, "encoder", i); i++) {
        last = has(loader, "encoder", i, "weight") ? i : last;
    }
    g_autofree char *name = g_strdup_printf("%d.weight", last);
    return scope_layer_loader_dim(loader, "encoder", name, 0);
}

/* Loads with a context, only compares without. */
static ScopeTaehv *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeTaehvOptions *options,
     GError **error)
{
    g_autoptr(ScopeTaehv) taehv = g_new0(ScopeTaehv, 1);
    unsigned parts = options->parts != 0 ? options->parts : SCOPE_TAEHV_ENCODE | SCOPE_TAEHV_DECODE;
    ScopeLayerLoader loader;

    g_return_val_if_fail((options->latent_mean == NULL) == (options->latent_std == NULL), NULL);
    g_return_val_if_fail(options->n_grows >= 0 && options->n_grows <= SCOPE_TAEHV_MAX_GROWS, NULL);
    taehv->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (taehv->checkpoint == NULL) {
        return NULL;
    }
    taehv->latents = options->latents;
    taehv->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, taehv->checkpoint, ctx, taehv->arena);
    loader.store = options->store;
    taehv->z_channels = find_z_channels(&loader, parts);
    if ((parts & SCOPE_TAEHV_DECODE) != 0) {
        load_half(&loader, taehv, &taehv->decoder, FALSE, options);
    }
    if ((parts & SCOPE_TAEHV_ENCODE) != 0) {
        load_half(&loader, taehv, &taehv->encoder, TRUE, options);
    }
    load_constants(&loader, taehv, options);
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&taehv) : NULL;
}

ScopeTaehv *
scope_taehv_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeTaehvOptions *options,
                 GError **error)
{
    const ScopeTaehvOptions defaults = {0};

    return load(ctx, checkpoint, options != NULL ? options : &defaults, error);
}

gboolean
scope_taehv_check(ScopeCheckpoint *checkpoint, GError **error)
{
    const ScopeTaehvOptions defaults = {0};
    g_autoptr(ScopeTaehv) taehv = load(NULL, checkpoint, &defaults, error);

    return taehv != NULL;
}

void
scope_taehv_unload(ScopeTaehv *taehv)
{
    if (taehv == NULL) {
        return;
    }
    g_clear_pointer(&taehv->encoder.entries, g_array_unref);
    g_clear_pointer(&taehv->decoder.entries, g_array_unref);
    scope_arena_destroy(taehv->arena);
    scope_checkpoint_unref(taehv->checkpoint);
    g_free(taehv);
}

int64_t
scope_taehv_get_z_channels(const ScopeTaehv *taehv)
{
    return taehv->z_channels;
}

int64_t
scope_taehv_get_spatial_factor(const ScopeTaehv *taehv)
{
    return taehv->decoder.loaded ? taehv->decoder.spatial_factor : taehv->encoder.spatial_factor;
}

int64_t
scope_taehv_get_temporal_factor(const ScopeTaehv *taehv)
{
    return taehv->decoder.loaded ? taehv->decoder.temporal_factor : taehv->encoder.temporal_factor;
}

/* -- State ------------------------------------------------------------------------------------ */

void
scope_taehv_entry_shape(const ScopeTaehvEntry *entry, int64_t shape[4])
{
    shape[3] = entry->n_out;
    switch (entry->kind) {
    case SCOPE_TAEHV_ENTRY_POOL:
        shape[0] /= entry->steps;
        break;
    case SCOPE_TAEHV_ENTRY_GROW:
        shape[3] *= entry->steps;
        break;
    case SCOPE_TAEHV_ENTRY_CONV:
        shape[0] *= entry->steps;
        if (entry->upsample) {
            shape[1] *= 2;
            shape[2] *= 2;
        } else {
            shape[1] /= entry->conv[0].geometry.stride_h;
            shape[2] /= entry->conv[0].geometry.stride_w;
        }
        break;
    case SCOPE_TAEHV_ENTRY_CLAMP:
    case SCOPE_TAEHV_ENTRY_MEMORY:
    default:
        break;
    }
}

/* Notes the widest tensor and, with an arena, allocates the slots; returns their bytes. */
static size_t
place_slots(ScopeTaehvState *state, ScopeDType dtype, ScopeArena *arena)
{
    const ScopeTaehvHalf *half = state->half;
    gboolean encode = state->direction == SCOPE_TAEHV_ENCODE;
    int64_t factor = encode ? 1 : half->spatial_factor;
    int64_t shape[4] = {state->latents_per_pass * (encode ? half->temporal_factor : 1),
                        state->height / factor, state->width / factor, 0};
    size_t n_bytes = 0;

    state->max_elements = 0;
    for (guint i = 0; i < half->entries->len; i++) {
        const ScopeTaehvEntry *entry = &g_array_index(half->entries, ScopeTaehvEntry, i);

        if (entry->kind == SCOPE_TAEHV_ENTRY_MEMORY) {
            n_bytes += (size_t)(shape[1] * shape[2] * entry->n_in) * scope_dtype_size(dtype) + 64;
            if (arena != NULL) {
                state->slots[entry->slot] = scope_arena_alloc(
                    arena, dtype, SCOPE_SHAPE(1, shape[1], shape[2], entry->n_in));
            }
        }
        scope_taehv_entry_shape(entry, shape);
        state->max_elements = MAX(state->max_elements, shape[0] * shape[1] * shape[2] * shape[3]);
    }
    return n_bytes;
}

ScopeTaehvState *
scope_taehv_state_create(ScopeContext *ctx, const ScopeTaehv *taehv, ScopeTaehvDirection direction,
                         int64_t height, int64_t width, int64_t latents_per_pass, GError **error)
{
    g_autoptr(ScopeTaehvState) state = g_new0(ScopeTaehvState, 1);
    ScopeDType dtype = scope_context_work_dtype(ctx);
    size_t n_bytes;

    state->taehv = taehv;
    state->half = direction == SCOPE_TAEHV_ENCODE ? &taehv->encoder : &taehv->decoder;
    state->direction = direction;
    state->ctx = ctx;
    state->height = height;
    state->width = width;
    state->latents_per_pass = latents_per_pass;
    if (!state->half->loaded) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "the %s of %s was not loaded",
                    direction == SCOPE_TAEHV_ENCODE ? "encoder" : "decoder",
                    scope_checkpoint_get_path(taehv->checkpoint));
        return NULL;
    }
    if (height < 1 || width < 1 || height % state->half->spatial_factor != 0 ||
        width % state->half->spatial_factor != 0 || latents_per_pass < 1) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "frame size %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
                    " for the tiny autoencoder, expected multiples of %" G_GINT64_FORMAT,
                    width, height, state->half->spatial_factor);
        return NULL;
    }
    state->arena = scope_arena_create(ctx->backend, "tae stream");
    state->slots = g_new0(ScopeTensor, (gsize)state->half->n_slots + 1);
    n_bytes = place_slots(state, dtype, NULL);
    if (!scope_arena_reserve(state->arena, n_bytes, error)) {
        return NULL;
    }
    place_slots(state, dtype, state->arena);
    scope_arena_seal(state->arena);
    scope_taehv_state_reset(state);
    return g_steal_pointer(&state);
}

void
scope_taehv_state_reset(ScopeTaehvState *state)
{
    for (int i = 0; i < state->half->n_slots; i++) {
        scope_op_fill(state->ctx, state->slots[i], 0);
    }
    state->fresh = TRUE;
}

void
scope_taehv_state_destroy(ScopeTaehvState *state)
{
    if (state == NULL) {
        return;
    }
    scope_arena_destroy(state->arena);
    g_free(state->slots);
    g_free(state);
}

int64_t
scope_taehv_state_count_frames(const ScopeTaehvState *state, int64_t n_latents)
{
    int64_t factor = state->half->temporal_factor;

    return n_latents * factor - (state->fresh ? factor - 1 : 0);
}
