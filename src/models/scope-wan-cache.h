/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanCache: keys and values of self-attention of one stream, for all layers, with the rules of
 * the five families of causal Wan models: which slots a pass writes, what is evicted, and what a
 * query sees. Index arithmetic is done once a pass and is the same for every layer. Owned by the
 * session, worker thread; memory comes from the session's arena.
 */
#pragma once

#include "engine/scope-ops.h"
#include "models/scope-wan-memory.h"

G_BEGIN_DECLS

#define SCOPE_WAN_WINDOW_ALL (-1) /* no window: every earlier frame is seen */

/** ScopeWanCacheKind: rules of a family. */
typedef enum {
    SCOPE_WAN_CACHE_SELF_FORCING = 0, /**< newest frames of the budget; also Krea */
    SCOPE_WAN_CACHE_LONGLIVE,         /**< sink and newest frames; the sink is protected */
    SCOPE_WAN_CACHE_MEMFLOW,          /**< LongLive and a bank of remembered frames */
    SCOPE_WAN_CACHE_REWARD_FORCING,   /**< positions relative to the window, averaged sink */
    SCOPE_WAN_CACHE_STREAM_DIFFUSION, /**< always rolls when full, sees all that is filled */
} ScopeWanCacheKind;

/** ScopeWanCacheOptions: fixed for the life of a cache. Frames are latent frames. */
typedef struct {
    ScopeWanCacheKind kind;
    int n_layers, n_heads, head_dim;
    int64_t frame_tokens; /**< fs */
    int slot_frames;      /**< S: frames that fit */
    int window_frames;    /**< W: SCOPE_WAN_WINDOW_ALL never evicts (but STREAM_DIFFUSION does) */
    int budget_frames;    /**< A: frames that a query sees at most */
    int sink_frames;      /**< frames at the beginning that are kept; 0: none */
    int chunk_frames;     /**< frames of a regular chunk */
    int bank_frames;      /**< MEMFLOW: frames of the bank */
    int record_interval;  /**< MEMFLOW: chunks between two recorded ones, >= 1 */
    int sparse_frames;    /**< MEMFLOW: frames of sink and bank that a head sees; 0: all */
    float sink_decay;     /**< REWARD_FORCING: weight of the old sink in its moving average */
    ScopeDType dtype;     /**< of keys and values: f32, bf16 or f16 */
} ScopeWanCacheOptions;

/** ScopeWanCacheCall: what one pass does; zero-initialised: a plain step that writes. */
typedef struct {
    gboolean keep_cache;   /**< MEMFLOW: see the pass's own keys but leave the cache as it is */
    gboolean rewrite_sink; /**< LONGLIVE, MEMFLOW: this pass may overwrite the sink */
    gboolean flush;        /**< MEMFLOW: take the staged frame into the bank first */
    gboolean record;       /**< MEMFLOW: stage the first frame of this pass */
    gboolean recache;      /**< MEMFLOW: past frames run again under another prompt */
    gboolean bias_past;    /**< SELF_FORCING: weigh past frames with @past_weight */
    float past_weight;     /**< beta, > 0; their scores get + ln(beta) */
} ScopeWanCacheCall;

#define SCOPE_WAN_CACHE_MAX_SEGMENTS 16

/** ScopeWanCachePlan: index arithmetic of the pass in progress, in tokens. */
typedef struct {
    ScopeWanCacheCall call;
    int64_t start, n, end; /**< the pass: first token of the stream, tokens, one past the last */
    int64_t evicted;       /**< slots behind the sink that go */
    int64_t rolled;        /**< slots that move down by as many */
    int64_t filled;        /**< filled slots afterwards (E1) */
    int64_t write;         /**< first slot written (w0); up to @filled */
    gboolean commit;       /**< counters move on at the end */
    int64_t bank_used;     /**< MEMFLOW: tokens of the bank that are seen */
    int64_t bank_total, bank_filled; /**< MEMFLOW: counters afterwards, if recorded */
    ScopeTensor rope;                /**< [n, d/2, 2] f32 for queries (and keys) of the pass */
    ScopeTensor window_rope;         /**< REWARD_FORCING: [seen keys, d/2, 2] f32 */
} ScopeWanCachePlan;

/** ScopeWanCache: fields are read by sessions and goldens; written by the functions below. */
typedef struct {
    ScopeWanCacheOptions options;
    ScopeTensor k;          /**< [L, S*fs, H, d] */
    ScopeTensor v;          /**< as @k */
    int64_t total_tokens;   /**< G: tokens of the stream seen */
    int64_t filled_tokens;  /**< E: filled slots */
    ScopeWanBank bank;      /**< MEMFLOW */
    ScopeWanCachePlan plan; /**< of the pass in progress */
} ScopeWanCache;

/**
 * scope_wan_cache_init:
 * @cache: caller's memory
 * @ctx: backend
 * @options: copied
 * @arena: session state; the tensors live as long as it
 *
 * Thread: worker. Errors: none (the arena asserts; reserve scope_wan_cache_n_bytes() first).
 * Returns: nothing.
 */
void scope_wan_cache_init(ScopeWanCache *cache, ScopeContext *ctx,
                          const ScopeWanCacheOptions *options, ScopeArena *arena);

/** scope_wan_cache_n_bytes: bytes that scope_wan_cache_init() takes. Thread: any. */
size_t scope_wan_cache_n_bytes(const ScopeWanCacheOptions *options);

/** scope_wan_cache_reset: forgets the stream: keys, values, counters, bank. Thread: worker. */
void scope_wan_cache_reset(ScopeWanCache *cache, ScopeContext *ctx);

/** scope_wan_cache_zero: zeroes keys and values and keeps the counters. Thread: worker. */
void scope_wan_cache_zero(ScopeWanCache *cache, ScopeContext *ctx);

/** scope_wan_cache_rewind: sets the counters to 0 and keeps keys and values. Thread: worker. */
void scope_wan_cache_rewind(ScopeWanCache *cache);

/**
 * scope_wan_cache_fits:
 * @cache: a cache
 * @start_frame: as for scope_wan_cache_begin()
 * @n_frames: as for scope_wan_cache_begin()
 *
 * Thread: worker. Errors: none.
 * Returns: TRUE when a pass over these frames has slots; a window that never evicts runs full.
 */
gboolean scope_wan_cache_fits(const ScopeWanCache *cache, int64_t start_frame, int64_t n_frames);

/**
 * scope_wan_cache_begin:
 * @cache: a cache
 * @ctx: context; the tables of the pass are taken from its scratch and live until the caller
 *   releases it
 * @call: copied
 * @start_frame: position of the first frame in the stream
 * @height: rows of tokens of a frame
 * @width: columns; height * width = frame_tokens
 * @n_frames: frames of the pass
 * @text_k: MEMFLOW with flush: [L, T, H, d] cross-attention keys; else unused
 *
 * Starts a pass: plans it and, on a flush, updates the bank of every layer.
 * Thread: worker. Errors: none (asserts unless scope_wan_cache_fits()). Returns: nothing.
 */
void scope_wan_cache_begin(ScopeWanCache *cache, ScopeContext *ctx, const ScopeWanCacheCall *call,
                           int64_t start_frame, int64_t height, int64_t width, int64_t n_frames,
                           ScopeTensor text_k);

/**
 * scope_wan_cache_attend:
 * @layer: 0..L-1, each once a pass, in order
 * @out: [N, H, d] float
 * @q: [N, H, d] float, normalised, before rotation; overwritten
 * @k: as @q; overwritten
 * @v: as @q
 *
 * Rotates, writes the layer's slots (unless kept) and attends.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_cache_attend(ScopeWanCache *cache, ScopeContext *ctx, int layer, ScopeTensor out,
                            ScopeTensor q, ScopeTensor k, ScopeTensor v);

/** scope_wan_cache_end: ends the pass: the counters move on. Thread: worker. */
void scope_wan_cache_end(ScopeWanCache *cache);

/**
 * scope_wan_cache_fill:
 * @layer: 0..L-1
 * @k: [N, H, d] float, after rotation
 * @v: [N, H, d] float
 *
 * Stores keys and values of a pass that ran without the cache in slots [0, N).
 * Thread: worker. Errors: none (asserts). Returns: nothing.
 */
void scope_wan_cache_fill(ScopeWanCache *cache, ScopeContext *ctx, int layer, ScopeTensor k,
                          ScopeTensor v);

/** scope_wan_cache_set_filled: both counters become @n_tokens, after fill. Thread: worker. */
void scope_wan_cache_set_filled(ScopeWanCache *cache, int64_t n_tokens);

G_END_DECLS
