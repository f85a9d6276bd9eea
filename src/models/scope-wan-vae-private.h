/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of a Wan VAE and the memory of a stream, as load and forward share them. */
#pragma once

#include "models/scope-wan-vae.h"

typedef enum {
    SCOPE_WAN_VAE_LAYER_RESIDUAL = 0,
    SCOPE_WAN_VAE_LAYER_ATTENTION,
    SCOPE_WAN_VAE_LAYER_RESAMPLE,
} ScopeWanVaeLayerKind;

/* One entry of middle, downsamples or upsamples. */
typedef struct {
    ScopeWanVaeLayerKind kind;
    char *name; /* "decoder.upsamples.3" */
    int slot;   /* of its first causal convolution */
    int64_t n_in, n_out;
    ScopeTensor gamma_a, gamma_b; /* residual: both; attention: a */
    ScopeWeight conv_a, conv_b; /* residual; attention: qkv and projection; resample: a = spatial */
    ScopeWeight shortcut;       /* residual, where n_in != n_out */
    ScopeWeight time_conv;      /* resample, where temporal */
    gboolean temporal;
} ScopeWanVaeLayer;

/* The encoder or the decoder. */
typedef struct {
    gboolean loaded;
    ScopeWeight conv_in, conv_out; /* "<half>.conv1" and "<half>.head.2" */
    ScopeTensor head_gamma;
    ScopeWeight quant; /* conv1 behind the encoder, conv2 in front of the decoder */
    GPtrArray *layers; /* (element-type ScopeWanVaeLayer): in execution order */
    int n_slots;
} ScopeWanVaeHalf;

struct _ScopeWanVae {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeWanVaeHalf encoder, decoder;
    int64_t z_channels, spatial_factor, temporal_factor;
    ScopeTensor mean, std, inverse_std; /* [z] f32 */
};

struct _ScopeWanVaeState {
    const ScopeWanVae *vae;
    ScopeWanVaeDirection direction;
    ScopeContext *ctx; /* borrowed: the worker's, for clearing */
    ScopeArena *arena;
    int64_t height, width, latents_per_pass;
    int64_t max_elements; /* of the widest tensor between two layers, in a full pass */
    gboolean fresh;
    int n_slots;
    ScopeTensor *slots;
};

/* The half that @state runs. */
static inline const ScopeWanVaeHalf *
scope_wan_vae_state_half(const ScopeWanVaeState *state)
{
    return state->direction == SCOPE_WAN_VAE_ENCODE ? &state->vae->encoder : &state->vae->decoder;
}

/**
 * scope_wan_vae_layer_shape:
 * @layer: a layer
 * @encode: it belongs to the encoder
 * @first: the first frame of a stream is alone in its pass
 * @shape: (inout): [n, h, w, c] before and after the layer
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_vae_layer_shape(const ScopeWanVaeLayer *layer, gboolean encode, gboolean first,
                               int64_t shape[4]);
