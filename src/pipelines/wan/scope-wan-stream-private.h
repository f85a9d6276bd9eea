/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State of a stream and the blocks of a chunk, in the order in which scope_wan_stream_run() calls
 * them. A block reads and writes the state and nothing else. Worker thread.
 */
#pragma once

#include "models/scope-wan-noise.h"
#include "models/scope-wan-scheduler.h"
#include "pipelines/wan/scope-wan-stream.h"

G_BEGIN_DECLS

#define SCOPE_WAN_N_CACHED_TEXTS  8
#define SCOPE_WAN_MAX_PASS_FRAMES 256 /* latent frames of one pass */

/** ScopeWanConditioning: the prompt as numbers; rows are [T, text_dim] f32 on the host. */
typedef struct {
    int64_t n_rows, width;
    float *current;       /**< what the model sees */
    float *from, *target; /**< ends of a transition */
    gboolean has_current;
    char *encoded_key;  /**< list that @current or @target was made of */
    char *received_key; /**< prompts of the last chunk, to tell new ones from stale ones */
    int step, n_steps;  /**< of a transition; n_steps 0: none */
    ScopeEmbeddingMethod method;
    char *texts[SCOPE_WAN_N_CACHED_TEXTS]; /**< encoded texts, oldest overwritten first */
    float *rows[SCOPE_WAN_N_CACHED_TEXTS];
    int next_text;
    gboolean changed;       /**< this chunk sees another embedding than the last */
    gboolean by_transition; /**< and that is a step of a transition */
} ScopeWanConditioning;

/** ScopeWanStream: see scope-wan-stream.h. */
struct _ScopeWanStream {
    ScopeContext *ctx;
    const ScopeWanModel *model;
    ScopeWanStreamOptions options;
    ScopeWanScheduler scheduler;
    ScopeArena *arena;
    ScopeWanText text;
    ScopeWanCache cache;
    ScopeWanConditioning conditioning;
    ScopeWanNoiseController controller;

    int max_frames;      /**< latent frames of the largest chunk */
    int max_pixels;      /**< pixel frames of the largest chunk */
    ScopeTensor x;       /**< [max_frames, C, h, w]: what is denoised; in the end the result */
    ScopeTensor noise;   /**< as @x */
    ScopeTensor flow;    /**< as @x */
    ScopeTensor video;   /**< [max_pixels, H, W, 3]: input at the model's size */
    ScopeTensor frames;  /**< [max_pixels, H, W, 3]: decoded; none without a decoder */
    ScopeTensor recent;  /**< RECACHE: [window, C, h, w]: the last frames */
    ScopeTensor context; /**< context_frames: [n, C, h, w]: what the cache is computed from */
    ScopeTensor tail;    /**< context_frames: [n - 1, C, h, w]: the last frames */
    ScopeTensor origin;  /**< context_frames: [1, C, h, w]: first frame of the stream */
    ScopeTensor pixels;  /**< context_frames: [1 + 4 (n-1), H, W, 3]: last decoded frames */
    ScopeTensor vace_a, vace_b, vace_mask; /**< pixels and mask on their way to the encoder */
    ScopeTensor vace_latents[2];           /**< [max_frames, C, h, w] */
    ScopeTensor vace_context;              /**< [96, max_frames + references, h, w] */

    gboolean started;                  /**< a chunk has been made */
    gboolean video_mode;               /**< of the last chunk */
    int64_t start_frame;               /**< first latent frame of the next chunk */
    double steps[SCOPE_WAN_MAX_STEPS]; /**< schedule of the last chunk */
    int n_steps;
    float *lora_scales;
    guint n_lora_scales;
    uint64_t noise_offset; /**< numbers drawn for this chunk */

    /* of the chunk in progress */
    int64_t n_frames; /**< latent frames */
    gboolean was_reset;
    gboolean steps_changed, lora_changed;
    double noise_scale;     /**< video mode */
    int64_t model_start;    /**< position of the first frame for the model */
    ScopeTensor chunk_vace; /**< none, or the context of this chunk */
    double vace_scale;
    double past_weight;
};

/** scope_wan_block_text: prompts to the embedding of this chunk. */
gboolean scope_wan_block_text(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
/** scope_wan_block_steps: the schedule, and whether it is another than before. */
gboolean scope_wan_block_steps(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
/** scope_wan_block_setup: resets what has to be reset; the model learns the prompt. */
void scope_wan_block_setup(ScopeWanStream *s, const ScopeWanChunk *chunk);
/** scope_wan_block_video: input frames to size and range, and how much noise they get. */
gboolean scope_wan_block_video(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
/** scope_wan_block_latents: what denoising starts from. */
gboolean scope_wan_block_latents(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
/** scope_wan_block_vace: pictures to the context of this chunk. */
gboolean scope_wan_block_vace(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
/** scope_wan_block_recache: after a new prompt, recent frames run again. */
void scope_wan_block_recache(ScopeWanStream *s);
/** scope_wan_block_recompute: the cache from context frames, where a pipeline does that. */
gboolean scope_wan_block_recompute(ScopeWanStream *s, GError **error);
/** scope_wan_block_denoise: the few-step loop. */
gboolean scope_wan_block_denoise(ScopeWanStream *s, ScopeWanResult *result, GError **error);
/** scope_wan_block_clean: the clean latents write the cache. */
void scope_wan_block_clean(ScopeWanStream *s);
/** scope_wan_block_decode: latents to pixels. */
gboolean scope_wan_block_decode(ScopeWanStream *s, ScopeWanResult *result, GError **error);
/** scope_wan_block_next: buffers and position for the chunk that follows. */
void scope_wan_block_next(ScopeWanStream *s, const ScopeWanResult *result);

/** scope_wan_conditioning_init: for rows [n_rows, width]. */
void scope_wan_conditioning_init(ScopeWanConditioning *c, int64_t n_rows, int64_t width);
/** scope_wan_conditioning_clear: frees what it holds. */
void scope_wan_conditioning_clear(ScopeWanConditioning *c);
/** scope_wan_conditioning_settle: ends a transition at its target, as a reset does. */
void scope_wan_conditioning_settle(ScopeWanConditioning *c);

/** scope_wan_stream_pass: a pass over @latents with what all passes of the chunk share. */
ScopeWanPass scope_wan_stream_pass(ScopeWanStream *s, ScopeTensor latents, const float *timesteps);
/** scope_wan_stream_fill_timesteps: [n] times @t. */
void scope_wan_stream_fill_timesteps(float *timesteps, int64_t n, double t);
/** scope_wan_stream_push: shifts @frames into the end of @buffer, in place. */
void scope_wan_stream_push(ScopeWanStream *s, ScopeTensor buffer, ScopeTensor frames);

G_END_DECLS
