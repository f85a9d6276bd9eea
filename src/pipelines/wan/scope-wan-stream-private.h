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
    gboolean new_scene;     /**< a text is new since the past was forgotten */
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

    int factor;          /**< pixels of a latent pixel and axis */
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

/*
 * The blocks, in their order:
 * text      prompts to the embedding of this chunk
 * steps     the schedule, and whether it is another than before
 * setup     resets what has to be reset; the model learns the prompt
 * video     input frames to size and range, and how much noise they get
 * latents   what denoising starts from
 * vace      pictures to the context of this chunk
 * recache   after a new prompt, recent frames run again
 * recompute the cache from context frames, where a pipeline does that
 * denoise   the few-step loop
 * clean     the clean latents write the cache
 * decode    latents to pixels
 * next      buffers and position for the chunk that follows
 */

/**
 * scope_wan_block_text: (and the other blocks that can fail)
 * @s: the stream
 * @chunk: what the chunk is made of
 * @result: filled as far as the block knows it
 * @error: (nullable) set on failure
 *
 * Thread: worker. Errors: SCOPE_WAN_ERROR_INPUT, those of encoder and codec; denoise:
 * G_IO_ERROR_INVALID_DATA.
 * Returns: TRUE, or FALSE with @error set; the chunk has then failed.
 */
gboolean scope_wan_block_text(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
gboolean scope_wan_block_steps(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
gboolean scope_wan_block_video(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
gboolean scope_wan_block_latents(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
gboolean scope_wan_block_vace(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error);
gboolean scope_wan_block_recompute(ScopeWanStream *s, GError **error);
gboolean scope_wan_block_denoise(ScopeWanStream *s, ScopeWanResult *result, GError **error);
gboolean scope_wan_block_decode(ScopeWanStream *s, ScopeWanResult *result, GError **error);

/**
 * scope_wan_block_setup: (and the other blocks that cannot fail)
 * @s: the stream
 * @chunk: what the chunk is made of
 * @result: of the chunk
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_block_setup(ScopeWanStream *s, const ScopeWanChunk *chunk);
void scope_wan_block_recache(ScopeWanStream *s);
void scope_wan_block_clean(ScopeWanStream *s);
void scope_wan_block_next(ScopeWanStream *s, const ScopeWanResult *result);

/**
 * scope_wan_conditioning_init: (also scope_wan_conditioning_clear, scope_wan_conditioning_settle)
 * @c: caller's memory
 * @n_rows: rows of an embedding
 * @width: numbers of a row
 *
 * Settling ends a transition at its target, as a reset does.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_conditioning_init(ScopeWanConditioning *c, int64_t n_rows, int64_t width);
void scope_wan_conditioning_clear(ScopeWanConditioning *c);
void scope_wan_conditioning_settle(ScopeWanConditioning *c);

/**
 * scope_wan_stream_pass:
 * @s: the stream
 * @latents: [F, C, h, w] f32
 * @timesteps: [F]; borrowed for the pass
 *
 * Thread: worker. Errors: none.
 * Returns: a pass with what all passes of the chunk share.
 */
ScopeWanPass scope_wan_stream_pass(ScopeWanStream *s, ScopeTensor latents, const float *timesteps);

/** scope_wan_stream_fill_timesteps: [n] times @t. Thread: any. Errors: none. Returns: nothing. */
void scope_wan_stream_fill_timesteps(float *timesteps, int64_t n, double t);

/**
 * scope_wan_stream_push:
 * @s: the stream
 * @buffer: [n, ...] f32: receives the frames at its end, what it held moves up
 * @frames: [m, ...] f32, same trailing sizes
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_stream_push(ScopeWanStream *s, ScopeTensor buffer, ScopeTensor frames);

G_END_DECLS
