/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeTaehv: the tiny video autoencoder TAEHV ("tae") and its light variant ("lighttae"), which is
 * the same graph trained on another latent space. The model owns its prepared weights and is
 * read-only after load; every stream owns a ScopeTaehvState with one remembered frame for each
 * memory block. Frames are [T, H, W, 3] in -1..1 (the network itself works in 0..1), latents
 * [L, H/8, W/8, 16] in the normalised space of the diffusion model. Decoding gives 4 L frames, the
 * first call of a stream 3 fewer; encoding takes 4 frames for each latent, from the start.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeTaehv ScopeTaehv;
typedef struct _ScopeTaehvState ScopeTaehvState;

/** ScopeTaehvDirection: which half of the network a state belongs to; also flags of what to load.
 */
typedef enum {
    SCOPE_TAEHV_ENCODE = 1 << 0,
    SCOPE_TAEHV_DECODE = 1 << 1,
} ScopeTaehvDirection;

/** ScopeTaehvLatents: the space that the network works in; nothing in the file tells. */
typedef enum {
    SCOPE_TAEHV_LATENTS_NORMALISED = 0, /**< that of the diffusion model: tae */
    SCOPE_TAEHV_LATENTS_RAW, /**< that of the full VAE, before (z - mean) / std: lighttae */
} ScopeTaehvLatents;

/** SCOPE_TAEHV_MAX_GROWS: most temporal growth entries of a decoder. */
#define SCOPE_TAEHV_MAX_GROWS 8

/** ScopeTaehvOptions: zero-initialised loads both halves of a tae. */
typedef struct {
    unsigned parts;            /**< ScopeTaehvDirection flags to load; 0 for both */
    ScopeTaehvLatents latents; /**< must be known: see there */
    ScopeWeightStore store;    /**< of the convolutions */
    const float *latent_mean;  /**< (nullable): [z] per channel; NULL for Wan 2.1 (z = 16) */
    const float *latent_std;   /**< (nullable): [z]; both or none */
    int n_grows;               /**< 0: every growth entry multiplies frames as its shape allows */
    gboolean grows[SCOPE_TAEHV_MAX_GROWS]; /**< else: per entry; FALSE keeps the frame count and
                                                uses the last channels of the stored kernel */
} ScopeTaehvOptions;

/**
 * scope_taehv_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: flat state dictionary with "encoder.I..." and "decoder.I..."; a reference is kept
 * @options: (nullable): see there
 * @error: (nullable) set on failure
 *
 * Walks the numbered entries, takes all widths from the shapes and packs the kernels. The two
 * inputs of a memory block (now, before) become one convolution over two frames.
 *
 * Thread: loader. Blocks: reads the whole file. Errors: ScopeCheckpointError naming file, tensor,
 * found and expected; G_IO_ERROR_NO_SPACE.
 * Source: madebyollin/taehv taehv.py.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeTaehv *scope_taehv_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint,
                             const ScopeTaehvOptions *options, GError **error);

/**
 * scope_taehv_check:
 * @checkpoint: as for scope_taehv_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types of both halves without reading any weight.
 * Thread: any. Errors: as scope_taehv_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_taehv_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_taehv_unload:
 * @taehv: (nullable): no state of it may be left
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_taehv_unload(ScopeTaehv *taehv);

/** scope_taehv_get_z_channels: (also _get_spatial_factor, _get_temporal_factor): 16, 8 and 4 for
 * the published files. Thread: any. */
int64_t scope_taehv_get_z_channels(const ScopeTaehv *taehv);
int64_t scope_taehv_get_spatial_factor(const ScopeTaehv *taehv);
int64_t scope_taehv_get_temporal_factor(const ScopeTaehv *taehv);

/**
 * scope_taehv_state_create:
 * @taehv: borrowed, outlives the state
 * @direction: one of the two; that half must be loaded
 * @height: frame height in pixels, a multiple of the spatial factor
 * @width: frame width in pixels, as @height
 * @latents_per_pass: latents that go through the network at once, >= 1. 1 needs the least memory;
 *   the numbers do not depend on it
 * @error: (nullable) set on failure
 *
 * Allocates the remembered frames of a stream, all at once, and starts it.
 * Thread: loader or worker. Errors: G_IO_ERROR_INVALID_ARGUMENT for sizes and an absent half,
 * G_IO_ERROR_NO_SPACE.
 * Returns: (transfer full): the state, or NULL with @error set.
 */
ScopeTaehvState *scope_taehv_state_create(ScopeContext *ctx, const ScopeTaehv *taehv,
                                          ScopeTaehvDirection direction, int64_t height,
                                          int64_t width, int64_t latents_per_pass, GError **error);

/**
 * scope_taehv_state_reset:
 *
 * Forgets everything: the next call is the first of a new stream.
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_taehv_state_reset(ScopeTaehvState *state);

/**
 * scope_taehv_state_destroy:
 * @state: (nullable)
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_taehv_state_destroy(ScopeTaehvState *state);

/**
 * scope_taehv_state_count_frames:
 * @state: a decoder state
 * @n_latents: latents of the next call, >= 1
 *
 * Thread: the owner. Errors: none.
 * Returns: frames that the next call decodes: 4 L, in the first call 4 L - 3.
 */
int64_t scope_taehv_state_count_frames(const ScopeTaehvState *state, int64_t n_latents);

/**
 * scope_taehv_decode:
 * @ctx: the worker's
 * @state: a decoder state; advanced
 * @ret_frames: [T, H, W, 3] float, any strides, backend memory; clamped to -1..1
 * @latents: [L, H/8, W/8, 16] float, any strides, backend memory
 * @tap: (nullable): sees "decoder.input" (the latents in the network's space), then "decoder.0" ...
 *   of every pass. Enlarging entries are done by the
 *   convolution behind them: "decoder.6" (upsample) and "decoder.7" (growth) show the frames before
 *   enlarging, the growth with the new frames side by side in the channels
 *
 * Decodes the next L latents of the stream; T = scope_taehv_state_count_frames().
 *
 * Thread: worker. Allocates: scratch in the first call only. Errors: none (asserts).
 * Source: madebyollin/taehv taehv.py.
 * Returns: nothing.
 */
void scope_taehv_decode(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor ret_frames,
                        ScopeTensor latents, const ScopeModelTap *tap);

/**
 * scope_taehv_encode:
 * @ctx: the worker's
 * @state: an encoder state; advanced
 * @ret_latents: [L, H/8, W/8, 16] float, any strides, backend memory; L = T / 4 rounded up
 * @frames: [T, H, W, 3] float in -1..1, any strides, backend memory. When T is not a multiple of 4
 *   the last frame is repeated, and the repetitions enter the memory: only the last call of a
 *   stream should do that
 * @tap: (nullable): sees "encoder.0" ... of every pass; the last is the latent in the network's
 * space
 *
 * Encodes the next T frames of the stream.
 *
 * Thread: worker. Allocates: scratch in the first call only. Errors: none (asserts).
 * Source: madebyollin/taehv taehv.py.
 * Returns: nothing.
 */
void scope_taehv_encode(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor ret_latents,
                        ScopeTensor frames, const ScopeModelTap *tap);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeTaehv, scope_taehv_unload)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeTaehvState, scope_taehv_state_destroy)

G_END_DECLS
