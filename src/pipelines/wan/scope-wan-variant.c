/* SPDX-License-Identifier: Apache-2.0 */
/* The streaming pipelines of the Wan family in numbers. Constant data. */
#include "pipelines/wan/scope-wan-variant.h"

#include <string.h>

const ScopeWanVariant scope_wan_variant_longlive = {
    .id = "longlive",
    .cache = SCOPE_WAN_CACHE_LONGLIVE,
    .flags =
        SCOPE_WAN_VARIANT_CLEAN_PASS | SCOPE_WAN_VARIANT_RECACHE | SCOPE_WAN_VARIANT_GLOBAL_SINK,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = 12,
    .slot_frames = 12,
    .sink_frames = 3,
    .past_weight = 1.0,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

/* The original product never fills its memory bank, by an oversight in its configuration; the bank
 * is what the model was trained for, so it is recorded here. */
const ScopeWanVariant scope_wan_variant_memflow = {
    .id = "memflow",
    .cache = SCOPE_WAN_CACHE_MEMFLOW,
    .flags = SCOPE_WAN_VARIANT_CLEAN_PASS | SCOPE_WAN_VARIANT_KEEP_CACHE |
             SCOPE_WAN_VARIANT_RECACHE | SCOPE_WAN_VARIANT_GLOBAL_SINK,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = 12,
    .slot_frames = 12,
    .sink_frames = 3,
    .bank_frames = 3,
    .record_interval = 3,
    .records = TRUE,
    .past_weight = 1.0,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

const ScopeWanVariant scope_wan_variant_reward_forcing = {
    .id = "reward-forcing",
    .cache = SCOPE_WAN_CACHE_REWARD_FORCING,
    .flags = SCOPE_WAN_VARIANT_CLEAN_PASS | SCOPE_WAN_VARIANT_OVERLAP,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = 9,
    .slot_frames = 9,
    .sink_frames = 3,
    .sink_decay = 0.999f,
    .past_weight = 1.0,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

const ScopeWanVariant scope_wan_variant_streamdiffusionv2 = {
    .id = "streamdiffusionv2",
    .cache = SCOPE_WAN_CACHE_STREAM_DIFFUSION,
    .flags = SCOPE_WAN_VARIANT_CLEAN_PASS,
    .chunk_frames = 1,
    .first_chunk_frames = 2, /* the decoder needs two latent frames to start */
    .window_frames = 6,
    .slot_frames = 6,
    .sink_frames = 3,
    .past_weight = 1.0,
    .shift = 8.0,
    .steps = {750, 250},
    .n_steps = 2,
};

const ScopeWanVariant scope_wan_variant_krea = {
    .id = "krea-realtime-video",
    .cache = SCOPE_WAN_CACHE_SELF_FORCING,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = SCOPE_WAN_WINDOW_ALL,
    .slot_frames = 6,
    .context_frames = 3,
    .past_weight = 0.3,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

const ScopeWanVariant scope_wan_variant_self_forcing = {
    .id = "self-forcing",
    .cache = SCOPE_WAN_CACHE_SELF_FORCING,
    .flags = SCOPE_WAN_VARIANT_CLEAN_PASS | SCOPE_WAN_VARIANT_WARP_STEPS,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = SCOPE_WAN_WINDOW_ALL,
    .slot_frames = 21,
    .past_weight = 1.0,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

/* Its model sees positions only as differences, so that its streams need not begin anew. */
const ScopeWanVariant scope_wan_variant_mini = {
    .id = "mini",
    .cache = SCOPE_WAN_CACHE_LONGLIVE,
    .flags = SCOPE_WAN_VARIANT_CLEAN_PASS | SCOPE_WAN_VARIANT_NEW_SCENE |
             SCOPE_WAN_VARIANT_EXACT_NOISE | SCOPE_WAN_VARIANT_EULER,
    .chunk_frames = 3,
    .first_chunk_frames = 3,
    .window_frames = 9,
    .slot_frames = 9,
    .max_frames = 1 << 24,
    .past_weight = 1.0,
    .shift = 5.0,
    .steps = {1000, 750, 500, 250},
    .n_steps = 4,
};

const ScopeWanVariant *
scope_wan_variant_find(const char *id)
{
    static const ScopeWanVariant *const all[] = {
        &scope_wan_variant_longlive,       &scope_wan_variant_memflow,
        &scope_wan_variant_reward_forcing, &scope_wan_variant_streamdiffusionv2,
        &scope_wan_variant_krea,           &scope_wan_variant_self_forcing,
    };
    g_autofree char *wanted = g_strdelimit(g_strdup(id), "_", '-');

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        if (g_str_equal(all[i]->id, wanted)) {
            return all[i];
        }
    }
    return NULL;
}
