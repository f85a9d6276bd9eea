/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanStream: one session of a streaming Wan pipeline: prompt, caches, buffers, position in the
 * stream. A chunk is a fixed sequence of blocks over this state (scope-wan-stream-private.h), the
 * same for every pipeline; what differs is data (ScopeWanVariant). Text encoder, VAE and noise are
 * given as small interfaces. Owned by the session's worker thread, all of it.
 *
 * Layouts: latents [F, C, h, w] f32 (C = 16, h = H/8, w = W/8), pixels [n, H, W, 3] f32, -1..1.
 */
#pragma once

#include "models/scope-embedding.h"
#include "models/scope-wan-model.h"
#include "pipelines/wan/scope-wan-variant.h"

G_BEGIN_DECLS

#define SCOPE_WAN_FRAMES_PER_LATENT 4 /* pixel frames of a latent frame */
#define SCOPE_WAN_PIXELS_PER_LATENT 8 /* pixels of a latent pixel and axis, usually */

/** ScopeWanEncoding: which memory an encoder call continues. */
typedef enum {
    SCOPE_WAN_ENCODING_STILL = 0, /**< none: frames on their own */
    SCOPE_WAN_ENCODING_VIDEO,     /**< input video */
    SCOPE_WAN_ENCODING_INACTIVE,  /**< kept pixels of a VACE context */
    SCOPE_WAN_ENCODING_REACTIVE,  /**< generated pixels of a VACE context */
    SCOPE_WAN_N_ENCODINGS
} ScopeWanEncoding;

/**
 * ScopeWanCodec: a VAE with its streaming state. Called on the worker thread only.
 * @spatial_factor: pixels of a latent pixel and axis; 0: SCOPE_WAN_PIXELS_PER_LATENT
 * @reset: forgets all memories
 * @encode: writes latents of @frames [n, H, W, 3] to the front of @latents [max, C, h, w] and tells
 *   how many in @ret_n; FALSE with @error set on failure
 * @decode: (nullable): writes pixels of @latents [F, C, h, w] to the front of @frames
 *   [max, H, W, 3] and tells how many; NULL: no pixels are made
 */
typedef struct {
    gpointer user_data;
    int spatial_factor;
    void (*reset)(gpointer user_data);
    gboolean (*encode)(gpointer user_data, ScopeWanEncoding encoding, ScopeTensor latents,
                       ScopeTensor frames, int64_t *ret_n, GError **error);
    gboolean (*decode)(gpointer user_data, ScopeTensor frames, ScopeTensor latents, int64_t *ret_n,
                       GError **error);
} ScopeWanCodec;

/**
 * ScopeWanEncodeText: the text encoder.
 * @user_data: as in the options
 * @text: a prompt
 * @ret_rows: [text_len, text_dim] f32, host; rows past the prompt's tokens are zero
 * @error: set on failure
 *
 * Thread: worker. Errors: its own. Returns: TRUE, or FALSE with @error set.
 */
typedef gboolean (*ScopeWanEncodeText)(gpointer user_data, const char *text, float *ret_rows,
                                       GError **error);

/**
 * ScopeWanDrawNoise: where noise comes from.
 * @user_data: as in the options
 * @noise: [F, C, h, w] f32, contiguous: receives standard normal numbers
 * @start_frame: first frame of the chunk
 * @draw: 0: what the chunk starts from; i: what is added after denoise step i - 1
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
typedef void (*ScopeWanDrawNoise)(gpointer user_data, ScopeTensor noise, int64_t start_frame,
                                  int draw);

/** ScopeWanStreamOptions: fixed for a session; pointers are borrowed and outlive it. */
typedef struct {
    ScopeWanVariant variant; /**< by value: a pipeline's own numbers may differ */
    int height, width;       /**< pixels, multiples of the codec's spatial factor times 2 */
    int64_t max_rope_frames; /**< frame positions; 0: the variant's */
    ScopeDType cache_dtype;  /**< SCOPE_DTYPE_INVALID: the backend's work type */
    double context_noise;    /**< timestep of the clean pass, normally 0 */
    ScopeWanCodec codec;
    ScopeWanEncodeText encode_text;
    gpointer encode_text_data;
    ScopeWanDrawNoise draw_noise; /**< (nullable): NULL: the engine's generator and @seed */
    gpointer draw_noise_data;
    uint64_t seed;             /**< base seed; a chunk uses seed + its first frame */
    gboolean accurate_padding; /**< leave out the zero keys that the reference lets take part */
} ScopeWanStreamOptions;

/** ScopeWanPrompt: a text and its share. */
typedef struct {
    const char *text;
    double weight;
} ScopeWanPrompt;

/** ScopeWanTransition: a gradual change to other prompts; one step a chunk. */
typedef struct {
    const ScopeWanPrompt *targets; /**< [n_targets] */
    int n_targets;
    int n_steps; /**< 0 and 1: at once */
    ScopeEmbeddingMethod method;
} ScopeWanTransition;

/** ScopeWanVaceInput: pictures that guide a chunk; borrowed for the call. */
typedef struct {
    ScopeTensor context;       /**< none, or [96, F, h, w] f32, ready made; then nothing else */
    const ScopeTensor *frames; /**< (nullable) [n_frames]: [h, w, 3] u8: conditioning video */
    int n_frames;
    const ScopeTensor *masks; /**< (nullable) [n_masks]: [h, w, 3] u8: the first channel, 0
                                   keep, 255 generate */
    int n_masks;
    const ScopeTensor *references; /**< [n_references]: [h, w, 3] u8 */
    int n_references;
    ScopeTensor first_frame; /**< none, or [h, w, 3] u8: the chunk begins with it */
    ScopeTensor last_frame;  /**< none, or [h, w, 3] u8: the chunk ends with it */
    double scale;            /**< 0..2 */
} ScopeWanVaceInput;

/** ScopeWanChunk: what one chunk is made of; borrowed for the call. */
typedef struct {
    const ScopeWanPrompt *prompts; /**< [n_prompts], >= 1 */
    int n_prompts;
    ScopeEmbeddingMethod method;          /**< of blending them */
    const ScopeWanTransition *transition; /**< (nullable) */
    const int *steps; /**< (nullable) [n_steps]: schedule; NULL: the variant's */
    int n_steps;
    gboolean steps_modulated; /**< a changing schedule does not reset the caches */
    gboolean manage_cache;    /**< reset the caches by itself where that is wanted */
    gboolean reset;           /**< reset the caches now */
    double past_weight;       /**< weight of past frames; 0: the variant's default */
    const ScopeTensor *video; /**< (nullable) [n_video]: [h, w, 3] u8; video mode when set */
    int n_video;
    double noise_scale;            /**< video mode: 0..1 */
    gboolean noise_controller;     /**< video mode: choose the noise by the motion */
    const ScopeWanVaceInput *vace; /**< (nullable) */
    const float *lora_scales;      /**< (nullable) [run-time adapters of the model] */
    guint n_lora_scales;
} ScopeWanChunk;

/** ScopeWanTimings: microseconds that the blocks of the last chunk took. */
typedef struct {
    int64_t text_us, input_us, recache_us, decode_us, clean_us, total_us;
    int64_t step_us[SCOPE_WAN_MAX_STEPS];
    int n_steps;
} ScopeWanTimings;

/** ScopeWanResult: of the last chunk; tensors are valid until the next call. */
typedef struct {
    ScopeTensor latents; /**< [F, C, h, w] f32 */
    ScopeTensor frames;  /**< none without a decoder, or [n, H, W, 3] f32, about -1..1 */
    int64_t start_frame; /**< first latent frame of the chunk */
    gboolean was_reset;  /**< the caches were reset before it */
    double noise_scale;  /**< video mode: what was used */
    double steps[SCOPE_WAN_MAX_STEPS]; /**< timesteps that were run */
    int n_steps;
    ScopeWanTimings timings;
} ScopeWanResult;

typedef struct _ScopeWanStream ScopeWanStream;

/**
 * scope_wan_check_size:
 * @height: pixels
 * @width: pixels
 * @multiple: what both have to be multiples of
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: SCOPE_WAN_ERROR_INPUT; the message names the next lower size that works.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_check_size(gint64 height, gint64 width, int multiple, GError **error);

/**
 * scope_wan_stream_create:
 * @ctx: context of the worker; borrowed, outlives the stream
 * @model: borrowed, outlives the stream
 * @options: copied
 * @error: (nullable) set on failure
 *
 * Takes all memory that chunks will need: state in an arena of its own, scratch in the context's.
 * Thread: worker. Errors: SCOPE_WAN_ERROR_INPUT (a size), G_IO_ERROR_NO_SPACE.
 * Returns: (transfer full): the stream, or NULL with @error set.
 */
ScopeWanStream *scope_wan_stream_create(ScopeContext *ctx, const ScopeWanModel *model,
                                        const ScopeWanStreamOptions *options, GError **error);

/**
 * scope_wan_stream_destroy:
 * @stream: (nullable)
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_stream_destroy(ScopeWanStream *stream);

/**
 * scope_wan_stream_count_input:
 * @stream: a stream
 * @n_frames: latent frames of the next chunk in video mode, 0: the usual
 *
 * Thread: worker. Errors: none.
 * Returns: pixel frames that the next chunk wants in video mode (another count is resampled).
 */
int scope_wan_stream_count_input(const ScopeWanStream *stream, int n_frames);

/**
 * scope_wan_stream_run:
 * @stream: a stream
 * @chunk: see there
 * @ret_result: filled on success
 * @error: (nullable) set on failure
 *
 * Makes one chunk. A failed chunk leaves the stream so that the next call starts anew.
 * Thread: worker. Blocks: a chunk. Allocates: nothing in the steady state (a changed prompt does).
 * Errors: SCOPE_WAN_ERROR_INPUT, G_IO_ERROR_INVALID_DATA (the result is not finite), those of
 * encoder, codec and device.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_stream_run(ScopeWanStream *stream, const ScopeWanChunk *chunk,
                              ScopeWanResult *ret_result, GError **error);

/**
 * scope_wan_stream_prefill:
 * @stream: a stream that has made no chunk since its last reset
 * @prompts: as in ScopeWanChunk
 * @n_prompts: how many
 * @latents: [F, C, h, w] f32: clean frames that the stream continues from; at most a chunk of them
 * @error: (nullable) set on failure
 *
 * Enters given frames into the caches as if they had been generated; repeated for more of them.
 * Thread: worker. Blocks: a pass. Errors: as scope_wan_stream_run().
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_stream_prefill(ScopeWanStream *stream, const ScopeWanPrompt *prompts,
                                  int n_prompts, ScopeTensor latents, GError **error);

/** scope_wan_stream_set_seed: the base seed from the next chunk on. Thread: worker. */
void scope_wan_stream_set_seed(ScopeWanStream *stream, uint64_t seed);

/** scope_wan_stream_peek_cache: (transfer none): the self-attention cache. Thread: worker. */
const ScopeWanCache *scope_wan_stream_peek_cache(const ScopeWanStream *stream);

/** scope_wan_stream_get_start_frame: first latent frame of the next chunk. Thread: worker. */
int64_t scope_wan_stream_get_start_frame(const ScopeWanStream *stream);

/** scope_wan_stream_get_state_bytes: bytes of the session's state. Thread: worker. */
size_t scope_wan_stream_get_state_bytes(const ScopeWanStream *stream);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanStream, scope_wan_stream_destroy)

G_END_DECLS
