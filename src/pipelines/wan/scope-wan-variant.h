/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanVariant: everything in which the streaming pipelines of the Wan family differ, as
 * numbers. The blocks read it and know no pipeline by name. Constant data, any thread.
 */
#pragma once

#include "models/scope-wan-cache.h"

G_BEGIN_DECLS

#define SCOPE_WAN_MAX_STEPS 64

/** ScopeWanVariantFlags: habits of a pipeline. */
typedef enum {
    SCOPE_WAN_VARIANT_CLEAN_PASS = 1 << 0,  /**< a pass at t = 0 after the chunk writes the cache */
    SCOPE_WAN_VARIANT_KEEP_CACHE = 1 << 1,  /**< denoise steps leave the cache as it is */
    SCOPE_WAN_VARIANT_RECACHE = 1 << 2,     /**< a new prompt runs the recent frames again */
    SCOPE_WAN_VARIANT_GLOBAL_SINK = 1 << 3, /**< recaching leaves a filled sink alone */
    SCOPE_WAN_VARIANT_OVERLAP = 1 << 4,     /**< video: the first chunk advances one frame less */
    SCOPE_WAN_VARIANT_WARP_STEPS = 1 << 5,  /**< the step list is moved by the shift */
    SCOPE_WAN_VARIANT_EXACT_NOISE = 1 << 6, /**< video: steps begin at the timestep of the noise,
                                                 those of the list above it are left out */
    SCOPE_WAN_VARIANT_EULER = 1 << 7,       /**< steps go along the flow; without it each goes to
                                                 clean latents and up again with fresh noise */
    SCOPE_WAN_VARIANT_NEW_SCENE = 1 << 8,   /**< a new text forgets the frames before it, once its
                                                 transition is over; new weights do not */
} ScopeWanVariantFlags;

/** ScopeWanVariant: frames are latent frames. */
typedef struct {
    const char *id; /**< of the pipeline */
    ScopeWanCacheKind cache;
    ScopeWanVariantFlags flags;
    int chunk_frames;       /**< of a regular chunk */
    int first_chunk_frames; /**< text mode: of the first chunk of a stream */
    int window_frames;      /**< SCOPE_WAN_WINDOW_ALL: nothing is evicted by it */
    int slot_frames;        /**< frames that the cache holds and a query sees */
    int sink_frames;
    float sink_decay;      /**< REWARD_FORCING */
    int bank_frames;       /**< MEMFLOW */
    int record_interval;   /**< MEMFLOW: chunks between two recorded ones */
    gboolean records;      /**< MEMFLOW: whether anything is recorded */
    int sparse_frames;     /**< MEMFLOW: frames of sink and bank that a head sees; 0: all */
    int context_frames;    /**< > 0: the cache is computed anew from as many frames a chunk */
    double past_weight;    /**< default weight of past frames with @context_frames; 1: none */
    int64_t max_frames;    /**< positions of a stream; 0: SCOPE_WAN_DEFAULT_MAX_ROPE */
    double shift;          /**< of the scheduler */
    int steps[4], n_steps; /**< default schedule */
} ScopeWanVariant;

extern const ScopeWanVariant scope_wan_variant_longlive;
extern const ScopeWanVariant scope_wan_variant_memflow;
extern const ScopeWanVariant scope_wan_variant_reward_forcing;
extern const ScopeWanVariant scope_wan_variant_streamdiffusionv2;
extern const ScopeWanVariant scope_wan_variant_krea;
extern const ScopeWanVariant scope_wan_variant_self_forcing;
extern const ScopeWanVariant scope_wan_variant_mini; /**< window and steps come with its weights */

/**
 * scope_wan_variant_find:
 * @id: "longlive", "krea-realtime-video", ...; underscores count as hyphens
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (nullable): the variant, or NULL.
 */
const ScopeWanVariant *scope_wan_variant_find(const char *id);

G_END_DECLS
