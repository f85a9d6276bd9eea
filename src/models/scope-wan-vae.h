/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanVae: the causal video VAE of Wan 2.1, full and pruned ("lightvae": the same graph with
 * other widths, which come from the tensor shapes). The model owns its prepared weights and is
 * read-only after load; every stream owns a ScopeWanVaeState with the frames that its causal
 * convolutions remember. Frames are [T, H, W, 3] in -1..1, latents [L, H/8, W/8, 16] in the
 * normalised space of the diffusion model; T = 1 + 4 (L - 1) in the first call of a state and 4 L
 * afterwards.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeWanVae ScopeWanVae;
typedef struct _ScopeWanVaeState ScopeWanVaeState;

/** ScopeWanVaeDirection: which half of the network a state belongs to; also flags of what to load.
 */
typedef enum {
    SCOPE_WAN_VAE_ENCODE = 1 << 0,
    SCOPE_WAN_VAE_DECODE = 1 << 1,
} ScopeWanVaeDirection;

/** ScopeWanVaeOptions: zero-initialised loads both halves as stored with the constants of Wan 2.1.
 */
typedef struct {
    unsigned parts;           /**< ScopeWanVaeDirection flags to load; 0 for both */
    ScopeWeightStore store;   /**< of the convolutions */
    const float *latent_mean; /**< (nullable): [z] per channel; NULL for Wan 2.1 (z = 16) */
    const float *latent_std;  /**< (nullable): [z]; both or none */
} ScopeWanVaeOptions;

/**
 * scope_wan_vae_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: flat state dictionary, a "model." prefix is removed; a reference is kept
 * @options: (nullable): see there
 * @error: (nullable) set on failure
 *
 * Finds the layers by their published names, takes all widths from the shapes and packs the
 * kernels. Any stored float type.
 *
 * Thread: loader. Blocks: reads the whole file. Errors: ScopeCheckpointError naming file, tensor,
 * found and expected; G_IO_ERROR_NO_SPACE.
 * Source: Wan-Video/Wan2.1 wan/modules/vae.py (WanVAE_, Encoder3d, Decoder3d).
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeWanVae *scope_wan_vae_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint,
                                const ScopeWanVaeOptions *options, GError **error);

/**
 * scope_wan_vae_check:
 * @checkpoint: as for scope_wan_vae_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types of both halves without reading any weight.
 * Thread: any. Errors: as scope_wan_vae_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_wan_vae_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_wan_vae_unload:
 * @vae: (nullable): no state of it may be left
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_wan_vae_unload(ScopeWanVae *vae);

/** scope_wan_vae_get_z_channels: (also _get_spatial_factor, _get_temporal_factor): 16, 8 and 4 for
 * the published files. Thread: any. */
int64_t scope_wan_vae_get_z_channels(const ScopeWanVae *vae);
int64_t scope_wan_vae_get_spatial_factor(const ScopeWanVae *vae);
int64_t scope_wan_vae_get_temporal_factor(const ScopeWanVae *vae);

/**
 * scope_wan_vae_state_create:
 * @vae: borrowed, outlives the state
 * @direction: one of the two; that half must be loaded
 * @height: frame height in pixels, a multiple of the spatial factor
 * @width: frame width in pixels, as @height
 * @latents_per_pass: latents that go through the network at once after the first, >= 1. 1 needs
 *   the least memory; the numbers do not depend on it
 * @error: (nullable) set on failure
 *
 * Allocates the remembered frames of a stream, all at once, and starts it.
 * Thread: loader or worker. Errors: G_IO_ERROR_INVALID_ARGUMENT for sizes and an absent half,
 * G_IO_ERROR_NO_SPACE.
 * Returns: (transfer full): the state, or NULL with @error set.
 */
ScopeWanVaeState *scope_wan_vae_state_create(ScopeContext *ctx, const ScopeWanVae *vae,
                                             ScopeWanVaeDirection direction, int64_t height,
                                             int64_t width, int64_t latents_per_pass,
                                             GError **error);

/**
 * scope_wan_vae_state_reset:
 *
 * Forgets everything: the next call is the first of a new stream.
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_wan_vae_state_reset(ScopeWanVaeState *state);

/**
 * scope_wan_vae_state_destroy:
 * @state: (nullable)
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_wan_vae_state_destroy(ScopeWanVaeState *state);

/**
 * scope_wan_vae_state_count_frames:
 * @n_latents: latents of the next call, >= 1
 *
 * Thread: the owner. Errors: none.
 * Returns: frames that belong to @n_latents in the next call: 1 + 4 (L - 1), later 4 L.
 */
int64_t scope_wan_vae_state_count_frames(const ScopeWanVaeState *state, int64_t n_latents);

/** scope_wan_vae_state_get_n_slots: causal convolutions with memory, in execution order: 32 for the
 * published decoder, 24 for the encoder. Thread: the owner. */
int scope_wan_vae_state_get_n_slots(const ScopeWanVaeState *state);

/**
 * scope_wan_vae_state_peek_slot:
 * @index: 0 .. scope_wan_vae_state_get_n_slots() - 1
 *
 * Thread: the owner. Errors: none.
 * Returns: [P, h, w, C] float: the last P inputs of that convolution, oldest first, zeros before
 * the stream began; valid until the next call of the stream.
 */
ScopeTensor scope_wan_vae_state_peek_slot(const ScopeWanVaeState *state, int index);

/**
 * scope_wan_vae_decode:
 * @ctx: the worker's
 * @state: a decoder state; advanced
 * @ret_frames: [T, H, W, 3] float, any strides, backend memory; clamped to -1..1
 * @latents: [L, H/8, W/8, 16] float, any strides, backend memory
 * @tap: (nullable): sees "decoder.conv1", "decoder.middle.0" ... of every pass, and "decoder.head"
 *   before the clamp
 *
 * Decodes the next L latents of the stream; T = scope_wan_vae_state_count_frames(). With one latent
 * per pass the results are the same bits however the latents are divided into calls.
 *
 * Thread: worker. Allocates: scratch in the first call only. Errors: none (asserts).
 * Source: Wan-Video/Wan2.1 wan/modules/vae.py Decoder3d; differs: the interleaving of the temporal
 * upsampling is done by reading channel halves in place.
 * Returns: nothing.
 */
void scope_wan_vae_decode(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor ret_frames,
                          ScopeTensor latents, const ScopeModelTap *tap);

/**
 * scope_wan_vae_encode:
 * @ctx: the worker's
 * @state: an encoder state; advanced
 * @ret_latents: [L, H/8, W/8, 16] float, any strides, backend memory
 * @frames: [T, H, W, 3] float in -1..1, any strides, backend memory
 * @tap: (nullable): sees "encoder.conv1" ... "encoder.head" of every pass, and "conv1" with the
 *   raw mean and log-variance
 *
 * Encodes the next T frames of the stream; T = scope_wan_vae_state_count_frames(L).
 *
 * Thread: worker. Allocates: scratch in the first call only. Errors: none (asserts).
 * Source: Wan-Video/Wan2.1 wan/modules/vae.py Encoder3d.
 * Returns: nothing.
 */
void scope_wan_vae_encode(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor ret_latents,
                          ScopeTensor frames, const ScopeModelTap *tap);

/**
 * scope_wan_vae_get_latent_constants:
 * @ret_mean: [16] per channel
 * @ret_std: [16] per channel
 *
 * The published statistics of the Wan 2.1 latent space, which LightTAE needs too.
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_vae_get_latent_constants(const float **ret_mean, const float **ret_std);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanVae, scope_wan_vae_unload)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanVaeState, scope_wan_vae_state_destroy)

G_END_DECLS
