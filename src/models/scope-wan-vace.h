/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VACE context of a chunk: pictures and a mask become 96 channels of latents beside the chunk.
 * The encoder (a VAE) is the caller's; here is what goes into it and how its results are put
 * together. Stateless, worker thread.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

#define SCOPE_WAN_VACE_CHANNELS      96 /* 16 kept + 16 generated + 64 mask */
#define SCOPE_WAN_VACE_MASK_CHANNELS 64 /* 8 x 8 mask pixels of a latent pixel */
#define SCOPE_WAN_VACE_CELL          8  /* pixels of a latent pixel and axis */

/**
 * scope_wan_vace_split:
 * @inactive: [n, H, W, 3] f32: receives frames where the mask says keep, else 0
 * @reactive: [n, H, W, 3] f32: receives frames where the mask says generate, else 0
 * @frames: [n, H, W, 3] f32, -1..1, any strides
 * @mask: [n, H, W, 1] f32, 0..1, any strides; above 0.5 is generate
 *
 * Thread: worker. Errors: none.
 * Returns: TRUE when the mask says generate everywhere: then the reactive stream may use the
 * encoder's streaming state (the inactive one always does).
 */
gboolean scope_wan_vace_split(ScopeContext *ctx, ScopeTensor inactive, ScopeTensor reactive,
                              ScopeTensor frames, ScopeTensor mask);

/** scope_wan_vace_mask_frames: latent frames of a mask of @n_frames: (n + 3) / 4. Thread: any. */
int64_t scope_wan_vace_mask_frames(int64_t n_frames);

/**
 * scope_wan_vace_mask:
 * @out: [64, F, 2*(H/16), 2*(W/16)] f32, any strides; F = scope_wan_vace_mask_frames(n)
 * @mask: [n, H, W, 1] f32, any strides
 *
 * Channel 8*dy + dx of a latent pixel is mask pixel (dy, dx) of its cell, frames taken nearest.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_vace_mask(ScopeContext *ctx, ScopeTensor out, ScopeTensor mask);

/** ScopeWanVaceParts: what the encoder and the mask gave; latents are [frames, 16, h, w] f32, any
 * strides; absent parts are zeros. */
typedef struct {
    ScopeTensor references; /**< none, or [R, 16, h, w]: stand before the video */
    ScopeTensor inactive;   /**< none, or [F, 16, h, w]; without a mask: the plain frames */
    ScopeTensor reactive;   /**< none, or [F, 16, h, w] */
    ScopeTensor mask;       /**< none, or [64, F, h, w] */
} ScopeWanVaceParts;

/**
 * scope_wan_vace_assemble:
 * @context: [96, R + F, h, w] f32
 * @parts: see there
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_vace_assemble(ScopeContext *ctx, ScopeTensor context,
                             const ScopeWanVaceParts *parts);

/**
 * scope_wan_vace_reference:
 * @out: [H, W, 3] f32, -1..1
 * @image: [h, w, 3] u8
 *
 * Scales an image until it covers @out (bilinear) and cuts its centre.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_vace_reference(ScopeContext *ctx, ScopeTensor out, ScopeTensor image);

G_END_DECLS
