/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The autoencoders of the family behind one interface: ScopeWanAutoencoder is the loaded network,
 * shared and read-only; ScopeWanCodecState is what one stream remembers of its encoders and its
 * decoder. Encoder memories are taken when they are first needed: text mode has none.
 */
#pragma once

#include "models/scope-taehv.h"
#include "models/scope-wan-vae.h"
#include "pipelines/wan/scope-wan-params.h"
#include "pipelines/wan/scope-wan-stream.h"

G_BEGIN_DECLS

typedef struct _ScopeWanAutoencoder ScopeWanAutoencoder;
typedef struct _ScopeWanCodecState ScopeWanCodecState;

/**
 * scope_wan_autoencoder_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @type: which network the file holds; nothing in the file tells a tae from a lighttae
 * @path: the weights
 * @store: how they are kept
 * @error: (nullable) set on failure
 *
 * Thread: loader. Blocks: reads the file. Errors: those of scope_checkpoint_open(),
 * scope_wan_vae_load() and scope_taehv_load().
 * Returns: (transfer full): the network, or NULL with @error set.
 */
ScopeWanAutoencoder *scope_wan_autoencoder_load(ScopeContext *ctx, ScopeWanVaeType type,
                                                const char *path, ScopeWeightStore store,
                                                GError **error);

/**
 * scope_wan_autoencoder_unload:
 * @autoencoder: (nullable): no state of it may be left
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_wan_autoencoder_unload(ScopeWanAutoencoder *autoencoder);

/** scope_wan_autoencoder_get_spatial_factor: pixels of a latent pixel and axis: 8 for the published
 * networks. Thread: any. */
int scope_wan_autoencoder_get_spatial_factor(const ScopeWanAutoencoder *autoencoder);

/** scope_wan_autoencoder_get_z_channels: channels of a latent. Thread: any. */
int scope_wan_autoencoder_get_z_channels(const ScopeWanAutoencoder *autoencoder);

/**
 * scope_wan_codec_state_create:
 * @ctx: context of the worker; borrowed, outlives the state
 * @autoencoder: borrowed, outlives the state
 * @height: pixels, a multiple of the spatial factor
 * @width: pixels, as @height
 * @error: (nullable) set on failure
 *
 * Thread: worker. Errors: those of the network's states.
 * Returns: (transfer full): the memory of a stream with a fresh decoder, or NULL with @error set.
 */
ScopeWanCodecState *scope_wan_codec_state_create(ScopeContext *ctx,
                                                 const ScopeWanAutoencoder *autoencoder, int height,
                                                 int width, GError **error);

/**
 * scope_wan_codec_state_destroy:
 * @state: (nullable)
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_codec_state_destroy(ScopeWanCodecState *state);

/**
 * scope_wan_codec_state_get_codec:
 * @state: borrowed by the result
 *
 * What the blocks call. Input frames are divided as the network wants them: the first frame of a
 * stream is a latent of its own, later latents take four; a tae sees the first frame four times
 * instead, so that frame i of the input is frame i of the output. Frames that make no whole latent
 * are left out.
 * Thread: worker. Errors: none. Returns: the codec.
 */
ScopeWanCodec scope_wan_codec_state_get_codec(ScopeWanCodecState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanAutoencoder, scope_wan_autoencoder_unload)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanCodecState, scope_wan_codec_state_destroy)

G_END_DECLS
