/* SPDX-License-Identifier: Apache-2.0 */
/* Self-attention caches of the causal Wan families: planning a pass, writing, and the key sequence
 * that its queries see. Worker thread. */
#include "models/scope-wan-cache.h"

#include <math.h>

#include "engine/scope-assert.h"

/* The reference's masked kernel works on keys in multiples of this. */
#define MASKED_KERNEL_KEYS 128

/* -- life ------------------------------------------------------------------------------------- */

static size_t
padded(int64_t n_elements, ScopeDType dtype)
{
    return ((size_t)n_elements * scope_dtype_size(dtype) + 63) / 64 * 64;
}

size_t
scope_wan_cache_n_bytes(const ScopeWanCacheOptions *o)
{
    int64_t frame = o->frame_tokens * o->n_heads * o->head_dim * o->n_layers;
    size_t n = 2 * padded(frame * o->slot_frames, o->dtype);

    if (o->kind == SCOPE_WAN_CACHE_MEMFLOW) {
        n += 2 * padded(frame * o->bank_frames, o->dtype) + 2 * padded(frame, o->dtype);
    }
    return n;
}

void
scope_wan_cache_init(ScopeWanCache *cache, ScopeContext *ctx, const ScopeWanCacheOptions *o,
                     ScopeArena *arena)
{
    *cache = (ScopeWanCache){.options = *o};
    cache->k = scope_arena_alloc(
        arena, o->dtype,
        SCOPE_SHAPE(o->n_layers, o->slot_frames * o->frame_tokens, o->n_heads, o->head_dim));
    cache->v = scope_arena_alloc(arena, o->dtype, cache->k.ndim, cache->k.shape);
    if (o->kind == SCOPE_WAN_CACHE_MEMFLOW) {
        ScopeWanBank *bank = &cache->bank;
        SCOPE_ASSERT(o->bank_frames >= 1 && o->record_interval >= 1 &&
                     o->sink_frames + o->bank_frames <= SCOPE_WAN_MEMORY_MAX_FRAMES);
        bank->k = scope_arena_alloc(
            arena, o->dtype,
            SCOPE_SHAPE(o->n_layers, o->bank_frames * o->frame_tokens, o->n_heads, o->head_dim));
        bank->v = scope_arena_alloc(arena, o->dtype, bank->k.ndim, bank->k.shape);
        bank->staged_k = scope_arena_alloc(
            arena, o->dtype, SCOPE_SHAPE(o->n_layers, o->frame_tokens, o->n_heads, o->head_dim));
        bank->staged_v =
            scope_arena_alloc(arena, o->dtype, bank->staged_k.ndim, bank->staged_k.shape);
    }
    scope_wan_cache_reset(cache, ctx);
}

void
scope_wan_cache_zero(ScopeWanCache *cache, ScopeContext *ctx)
{
    scope_op_fill(ctx, cache->k, 0.0f);
    scope_op_fill(ctx, cache->v, 0.0f);
}

void
scope_wan_cache_reset(ScopeWanCache *cache, ScopeContext *ctx)
{
    scope_wan_cache_zero(cache, ctx);
    cache->total_tokens = cache->filled_tokens = 0;
    if (cache->options.kind == SCOPE_WAN_CACHE_MEMFLOW) {
        scope_op_fill(ctx, cache->bank.k, 0.0f);
        scope_op_fill(ctx, cache->bank.v, 0.0f);
        scope_op_fill(ctx, cache->bank.staged_k, 0.0f);
        scope_op_fill(ctx, cache->bank.staged_v, 0.0f);
        cache->bank.total_tokens = cache->bank.filled_tokens = 0;
    }
}

void
scope_wan_cache_rewind(ScopeWanCache *cache)
{
    cache->total_tokens = cache->filled_tokens = 0;
}

/* -- planning --------------------------------------------------------------------------------- */

static gboolean
has_protected_sink(const ScopeWanCacheOptions *o)
{
    return o->kind == SCOPE_WAN_CACHE_LONGLIVE || o->kind == SCOPE_WAN_CACHE_MEMFLOW;
}

static ScopeWanCachePlan
plan_pass(const ScopeWanCache *cache, int64_t start, int64_t n)
{
    const ScopeWanCacheOptions *o = &cache->options;
    int64_t slots = o->slot_frames * o->frame_tokens, sink = o->sink_frames * o->frame_tokens;
    int64_t end = start + n, seen = cache->total_tokens, filled = cache->filled_tokens;
    gboolean rolls =
        o->window_frames != SCOPE_WAN_WINDOW_ALL || o->kind == SCOPE_WAN_CACHE_STREAM_DIFFUSION;
    ScopeWanCachePlan plan = {.start = start, .n = n, .end = end, .commit = TRUE};

    if (rolls && end > seen && n + filled > slots) {
        plan.evicted = n + filled - slots;
        plan.rolled = MAX(filled - plan.evicted - sink, 0);
    }
    plan.filled = filled + (end - seen) - plan.evicted;
    plan.write = plan.filled - n;
    return plan;
}

gboolean
scope_wan_cache_fits(const ScopeWanCache *cache, int64_t start_frame, int64_t n_frames)
{
    const ScopeWanCacheOptions *o = &cache->options;
    ScopeWanCachePlan plan =
        plan_pass(cache, start_frame * o->frame_tokens, n_frames * o->frame_tokens);

    return plan.write >= 0 && plan.filled <= o->slot_frames * o->frame_tokens;
}

/* The rules of LongLive on top of the common arithmetic. */
static void
protect_sink(const ScopeWanCache *cache, ScopeWanCachePlan *plan)
{
    int64_t sink = cache->options.sink_frames * cache->options.frame_tokens;
    gboolean again = plan->end <= cache->total_tokens && plan->start > 0;

    if (again && !plan->call.rewrite_sink) {
        plan->write = MIN(MAX(plan->write, sink), plan->filled);
    }
    plan->commit = !again;
}

static void
plan_bank(const ScopeWanCache *cache, ScopeWanCachePlan *plan)
{
    const ScopeWanCacheOptions *o = &cache->options;
    const ScopeWanBank *bank = &cache->bank;
    int64_t fs = o->frame_tokens, chunk = fs * o->chunk_frames;

    plan->bank_total = ((plan->end / chunk - 1) / o->record_interval + 1) * fs;
    plan->bank_filled = bank->filled_tokens + plan->bank_total - bank->total_tokens;
    if (bank->total_tokens == 0) {
        return;
    }
    gboolean current = !plan->call.recache && (plan->start / chunk) % o->record_interval == 0;
    int64_t usable = current ? plan->bank_filled - fs : plan->bank_filled;
    plan->bank_used = CLAMP(usable, 0, o->bank_frames * fs);
}

/* Takes the staged frame of every layer into the bank. */
static void
flush_bank(ScopeWanCache *cache, ScopeContext *ctx, ScopeTensor text_k)
{
    const ScopeWanCacheOptions *o = &cache->options;
    ScopeWanBank *bank = &cache->bank;
    int64_t fs = o->frame_tokens, filled = bank->filled_tokens;

    if (filled < fs) {
        return;
    }
    for (int i = 0; i < o->n_layers; i++) {
        ScopeTensor k = scope_tensor_select(bank->k, 0, i), v = scope_tensor_select(bank->v, 0, i);
        ScopeTensor new_k = scope_tensor_select(bank->staged_k, 0, i);
        ScopeTensor new_v = scope_tensor_select(bank->staged_v, 0, i);
        if (filled <= o->bank_frames * fs) {
            scope_op_copy(ctx, scope_tensor_slice(k, 0, filled - fs, filled), new_k);
            scope_op_copy(ctx, scope_tensor_slice(v, 0, filled - fs, filled), new_v);
        } else {
            scope_wan_memory_compress(ctx, k, v, new_k, new_v, scope_tensor_select(text_k, 0, i));
        }
    }
}

/* Reward-Forcing: where the window begins that follows the sink. */
static int64_t
window_begin(const ScopeWanCache *cache)
{
    const ScopeWanCacheOptions *o = &cache->options;
    int64_t sink = o->sink_frames * o->frame_tokens, budget = o->budget_frames * o->frame_tokens;

    return MAX(sink, cache->plan.filled - budget + sink);
}

static ScopeTensor
make_table(ScopeContext *ctx, const ScopeWanCacheOptions *o, int64_t start_frame, int64_t n_frames,
           int64_t height, int64_t width)
{
    ScopeRopeGrid grid = {
        .start_frame = start_frame,
        .n_frames = n_frames,
        .height = height,
        .width = width,
        .head_dim = o->head_dim,
        .theta = 10000.0,
    };
    ScopeTensor table = scope_context_scratch(
        ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_frames * height * width, o->head_dim / 2, 2));

    scope_op_rope_table(ctx, table, &grid);
    return table;
}

static void
make_tables(ScopeWanCache *cache, ScopeContext *ctx, int64_t start_frame, int64_t height,
            int64_t width)
{
    const ScopeWanCacheOptions *o = &cache->options;
    ScopeWanCachePlan *plan = &cache->plan;
    int64_t fs = o->frame_tokens, n_frames = plan->n / fs;

    if (o->kind != SCOPE_WAN_CACHE_REWARD_FORCING) {
        plan->rope = make_table(ctx, o, start_frame, n_frames, height, width);
        return;
    }
    /* while the stream is shorter than the sink, all of its slots are seen, the empty ones too, but
     * queries keep their place in the stream */
    int64_t sink = o->sink_frames * fs, n_local = plan->filled - window_begin(cache);
    int64_t n_keys = sink + MAX(n_local, 0);
    int64_t first = MAX((sink + n_local - plan->n) / fs, 0);
    plan->window_rope = make_table(ctx, o, 0, MAX(n_keys / fs, first + n_frames), height, width);
    plan->rope = scope_tensor_slice(plan->window_rope, 0, first * fs, first * fs + plan->n);
    plan->window_rope = scope_tensor_slice(plan->window_rope, 0, 0, n_keys);
}

void
scope_wan_cache_begin(ScopeWanCache *cache, ScopeContext *ctx, const ScopeWanCacheCall *call,
                      int64_t start_frame, int64_t height, int64_t width, int64_t n_frames,
                      ScopeTensor text_k)
{
    const ScopeWanCacheOptions *o = &cache->options;
    int64_t fs = o->frame_tokens;

    SCOPE_ASSERT(height * width == fs && scope_wan_cache_fits(cache, start_frame, n_frames));
    cache->plan = plan_pass(cache, start_frame * fs, n_frames * fs);
    cache->plan.call = *call;
    if (has_protected_sink(o)) {
        protect_sink(cache, &cache->plan);
    }
    if (o->kind == SCOPE_WAN_CACHE_MEMFLOW) {
        if (call->flush) {
            flush_bank(cache, ctx, text_k);
        }
        plan_bank(cache, &cache->plan);
    }
    make_tables(cache, ctx, start_frame, height, width);
}

void
scope_wan_cache_end(ScopeWanCache *cache)
{
    const ScopeWanCachePlan *plan = &cache->plan;

    if (plan->call.keep_cache || !plan->commit) {
        return;
    }
    cache->total_tokens = plan->end;
    cache->filled_tokens = plan->filled;
    if (plan->call.record) {
        cache->bank.total_tokens = plan->bank_total;
        cache->bank.filled_tokens = plan->bank_filled;
    }
}

/* -- writing ---------------------------------------------------------------------------------- */

/* to = decay * to + (1 - decay) * from, for any cache dtype. */
static void
decay_rows(ScopeContext *ctx, ScopeTensor to, ScopeTensor from, float decay)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType work = scope_context_work_dtype(ctx);

    if (to.dtype == work) {
        scope_op_scale_add(ctx, to, to, decay, from, 1.0f - decay);
        return;
    }
    ScopeTensor a = scope_context_scratch(ctx, work, to.ndim, to.shape);
    ScopeTensor b = scope_context_scratch(ctx, work, from.ndim, from.shape);
    scope_op_copy(ctx, a, to);
    scope_op_copy(ctx, b, from);
    scope_op_scale_add(ctx, a, a, decay, b, 1.0f - decay);
    scope_op_copy(ctx, to, a);
    scope_arena_release(ctx->scratch, mark);
}

/* Reward-Forcing: what leaves the window is taken into the sink. */
static void
absorb_evicted(ScopeWanCache *cache, ScopeContext *ctx, ScopeTensor rows)
{
    const ScopeWanCacheOptions *o = &cache->options;
    int64_t sink = o->sink_frames * o->frame_tokens, evicted = cache->plan.evicted;
    ScopeTensor from = scope_tensor_slice(rows, 0, sink, sink + evicted);

    if (evicted == sink) {
        decay_rows(ctx, scope_tensor_slice(rows, 0, 0, sink), from, o->sink_decay);
    } else {
        int64_t n = MIN(evicted, sink);
        scope_op_copy(ctx, scope_tensor_slice(rows, 0, 0, n), scope_tensor_slice(from, 0, 0, n));
    }
}

/* Evicts and writes one layer's keys or values. */
static void
write_rows(ScopeWanCache *cache, ScopeContext *ctx, ScopeTensor rows, ScopeTensor x)
{
    const ScopeWanCacheOptions *o = &cache->options;
    const ScopeWanCachePlan *plan = &cache->plan;
    int64_t sink = o->sink_frames * o->frame_tokens;

    if (plan->evicted > 0) {
        if (o->kind == SCOPE_WAN_CACHE_REWARD_FORCING) {
            absorb_evicted(cache, ctx, rows);
        }
        if (plan->rolled > 0) {
            scope_op_move_rows(ctx, rows, sink, sink + plan->evicted, plan->rolled);
        }
    }
    int64_t n_kept = plan->filled - plan->write;
    if (n_kept > 0) {
        scope_op_copy(ctx, scope_tensor_slice(rows, 0, plan->write, plan->filled),
                      scope_tensor_slice(x, 0, plan->n - n_kept, plan->n));
    }
}

/* MemFlow: the first frame of what was written waits for the next flush. */
static void
stage_frame(ScopeWanCache *cache, ScopeContext *ctx, int layer, ScopeTensor k, ScopeTensor v)
{
    const ScopeWanCachePlan *plan = &cache->plan;
    int64_t first = plan->n - (plan->filled - plan->write), fs = cache->options.frame_tokens;

    if (plan->filled == plan->write) {
        return;
    }
    scope_op_copy(ctx, scope_tensor_select(cache->bank.staged_k, 0, layer),
                  scope_tensor_slice(k, 0, first, first + fs));
    scope_op_copy(ctx, scope_tensor_select(cache->bank.staged_v, 0, layer),
                  scope_tensor_slice(v, 0, first, first + fs));
}

/* -- the key sequence ------------------------------------------------------------------------- */

/* What a query sees, in order. */
typedef struct {
    ScopeAttentionSegment segments[SCOPE_WAN_CACHE_MAX_SEGMENTS];
    int n;
    int64_t n_zero_keys;
} KeySequence;

/* One layer of the pass in progress. */
typedef struct {
    ScopeWanCache *cache;
    ScopeContext *ctx;
    int layer;
    ScopeTensor rows_k, rows_v; /* the layer's slots */
    ScopeTensor new_k, new_v;   /* of the pass */
} LayerPass;

static void
append(KeySequence *keys, ScopeTensor k, ScopeTensor v, int64_t begin, int64_t end)
{
    if (begin >= end) {
        return;
    }
    SCOPE_ASSERT(keys->n < SCOPE_WAN_CACHE_MAX_SEGMENTS);
    keys->segments[keys->n++] = (ScopeAttentionSegment){
        .k = scope_tensor_slice(k, 0, begin, end),
        .v = scope_tensor_slice(v, 0, begin, end),
    };
}

/* Appends slots [begin, end) as they are after the pass. When the pass leaves the cache as it is,
 * the slots it would have written come from the pass itself and rolled ones from where they still
 * are. The range does not cross the end of the sink. */
static void
append_slots(LayerPass *p, KeySequence *keys, int64_t begin, int64_t end)
{
    const ScopeWanCachePlan *plan = &p->cache->plan;
    int64_t sink = p->cache->options.sink_frames * p->cache->options.frame_tokens;

    if (begin >= end) {
        return;
    }
    if (!plan->call.keep_cache) {
        append(keys, p->rows_k, p->rows_v, begin, end);
        return;
    }
    int64_t shift = begin >= sink ? plan->evicted : 0;
    int64_t old_end = CLAMP(plan->write, begin, end);
    int64_t new_end = CLAMP(plan->filled, old_end, end), new_first = plan->filled - plan->n;
    append(keys, p->rows_k, p->rows_v, begin + shift, old_end + shift);
    append(keys, p->new_k, p->new_v, old_end - new_first, new_end - new_first);
    append(keys, p->rows_k, p->rows_v, new_end, end);
}

/* MemFlow's sparse variant: each head's best frames of sink and bank in place of them all. */
static void
append_routed(LayerPass *p, KeySequence *keys, ScopeTensor q)
{
    const ScopeWanCacheOptions *o = &p->cache->options;
    int64_t fs = o->frame_tokens;
    ScopeTensor frames_k[SCOPE_WAN_MEMORY_MAX_FRAMES], frames_v[SCOPE_WAN_MEMORY_MAX_FRAMES];
    int n = 0, n_bank = (int)(p->cache->plan.bank_used / fs);

    for (int i = 0; i < o->sink_frames; i++) {
        KeySequence one = {0};
        append_slots(p, &one, i * fs, (i + 1) * fs);
        SCOPE_ASSERT(one.n == 1);
        frames_k[n] = one.segments[0].k;
        frames_v[n++] = one.segments[0].v;
    }
    for (int i = 0; i < n_bank; i++) {
        frames_k[n] = scope_tensor_slice(scope_tensor_select(p->cache->bank.k, 0, p->layer), 0,
                                         i * fs, (i + 1) * fs);
        frames_v[n++] = scope_tensor_slice(scope_tensor_select(p->cache->bank.v, 0, p->layer), 0,
                                           i * fs, (i + 1) * fs);
    }
    if (n == 0) {
        return;
    }
    int64_t shape[3] = {MIN(n, o->sparse_frames) * fs, o->n_heads, o->head_dim};
    ScopeTensor sel_k = scope_context_scratch(p->ctx, o->dtype, 3, shape);
    ScopeTensor sel_v = scope_context_scratch(p->ctx, o->dtype, 3, shape);
    scope_wan_memory_route(p->ctx, sel_k, sel_v, q, frames_k, frames_v, n);
    append(keys, sel_k, sel_v, 0, shape[0]);
}

static void
append_sink_and_local(LayerPass *p, KeySequence *keys, ScopeTensor q)
{
    const ScopeWanCacheOptions *o = &p->cache->options;
    const ScopeWanCachePlan *plan = &p->cache->plan;
    int64_t fs = o->frame_tokens, sink = o->sink_frames * fs, budget = o->budget_frames * fs;
    gboolean sparse = o->kind == SCOPE_WAN_CACHE_MEMFLOW && o->sparse_frames > 0 &&
                      p->cache->bank.total_tokens > 0;

    if (sparse) {
        append_routed(p, keys, q);
    } else {
        append_slots(p, keys, 0, sink);
        if (plan->bank_used > 0) {
            append(keys, scope_tensor_select(p->cache->bank.k, 0, p->layer),
                   scope_tensor_select(p->cache->bank.v, 0, p->layer), 0, plan->bank_used);
        }
    }
    if (sink == 0) {
        append_slots(p, keys, MAX(0, plan->filled - budget), plan->filled);
    } else if (budget > sink) {
        append_slots(p, keys, MAX(sink, plan->filled - (budget - sink)), plan->filled);
    }
}

/* Krea: the first frame and the current chunk count in full, what lies between with a weight; the
 * reference's kernel for it lets zero keys take part. */
static void
append_biased(LayerPass *p, KeySequence *keys, int64_t begin, int64_t end)
{
    const ScopeWanCacheOptions *o = &p->cache->options;
    const ScopeWanCachePlan *plan = &p->cache->plan;
    int64_t n_keys = end - begin, fs = o->frame_tokens;
    int64_t past_begin = begin + fs, past_end = begin + n_keys - o->chunk_frames * fs;

    if (past_end > past_begin) {
        append_slots(p, keys, begin, past_begin);
        append_slots(p, keys, past_begin, past_end);
        keys->segments[keys->n - 1].log_bias = logf(plan->call.past_weight);
        append_slots(p, keys, past_end, end);
    } else {
        append_slots(p, keys, begin, end);
    }
    int64_t longest = MAX(plan->n, n_keys);
    keys->n_zero_keys =
        (longest + MASKED_KERNEL_KEYS - 1) / MASKED_KERNEL_KEYS * MASKED_KERNEL_KEYS - n_keys;
}

/* Reward-Forcing stores keys unrotated: rotates those in sight by their place in the window. */
static void
append_window(LayerPass *p, KeySequence *keys)
{
    const ScopeWanCacheOptions *o = &p->cache->options;
    ScopeWanCachePlan *plan = &p->cache->plan;
    int64_t sink = o->sink_frames * o->frame_tokens, begin = window_begin(p->cache);
    int64_t n_local = MAX(plan->filled - begin, 0), n_keys = sink + n_local;
    ScopeTensor k = scope_context_scratch(p->ctx, scope_context_work_dtype(p->ctx),
                                          SCOPE_SHAPE(n_keys, o->n_heads, o->head_dim));

    scope_op_copy(p->ctx, scope_tensor_slice(k, 0, 0, sink),
                  scope_tensor_slice(p->rows_k, 0, 0, sink));
    scope_op_copy(p->ctx, scope_tensor_slice(k, 0, sink, n_keys),
                  scope_tensor_slice(p->rows_k, 0, begin, begin + n_local));
    scope_op_rope(p->ctx, k, k, plan->window_rope);
    SCOPE_ASSERT(keys->n + 2 <= SCOPE_WAN_CACHE_MAX_SEGMENTS);
    keys->segments[keys->n++] = (ScopeAttentionSegment){
        .k = scope_tensor_slice(k, 0, 0, sink),
        .v = scope_tensor_slice(p->rows_v, 0, 0, sink),
    };
    keys->segments[keys->n++] = (ScopeAttentionSegment){
        .k = scope_tensor_slice(k, 0, sink, n_keys),
        .v = scope_tensor_slice(p->rows_v, 0, begin, begin + n_local),
    };
}

static void
collect_keys(LayerPass *p, KeySequence *keys, ScopeTensor q)
{
    const ScopeWanCacheOptions *o = &p->cache->options;
    const ScopeWanCachePlan *plan = &p->cache->plan;
    int64_t begin = MAX(0, plan->filled - o->budget_frames * o->frame_tokens);

    switch (o->kind) {
    case SCOPE_WAN_CACHE_SELF_FORCING:
        if (plan->call.bias_past) {
            append_biased(p, keys, begin, plan->filled);
        } else {
            append(keys, p->rows_k, p->rows_v, begin, plan->filled);
        }
        break;
    case SCOPE_WAN_CACHE_LONGLIVE:
    case SCOPE_WAN_CACHE_MEMFLOW:
        append_sink_and_local(p, keys, q);
        break;
    case SCOPE_WAN_CACHE_REWARD_FORCING:
        append_window(p, keys);
        break;
    case SCOPE_WAN_CACHE_STREAM_DIFFUSION:
        append(keys, p->rows_k, p->rows_v, 0, plan->filled);
        break;
    }
}

void
scope_wan_cache_attend(ScopeWanCache *cache, ScopeContext *ctx, int layer, ScopeTensor out,
                       ScopeTensor q, ScopeTensor k, ScopeTensor v)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeWanCachePlan *plan = &cache->plan;
    KeySequence keys = {0};
    LayerPass p = {
        .cache = cache,
        .ctx = ctx,
        .layer = layer,
        .rows_k = scope_tensor_select(cache->k, 0, layer),
        .rows_v = scope_tensor_select(cache->v, 0, layer),
        .new_k = k,
        .new_v = v,
    };

    scope_op_rope(ctx, q, q, plan->rope);
    if (cache->options.kind != SCOPE_WAN_CACHE_REWARD_FORCING) {
        scope_op_rope(ctx, k, k, plan->rope);
    }
    if (!plan->call.keep_cache) {
        write_rows(cache, ctx, p.rows_k, k);
        write_rows(cache, ctx, p.rows_v, v);
        if (plan->call.record) {
            stage_frame(cache, ctx, layer, k, v);
        }
    }
    collect_keys(&p, &keys, q);
    ScopeAttentionOptions options = {
        .scale = 1.0f / sqrtf((float)cache->options.head_dim),
        .segments = keys.segments,
        .n_segments = keys.n,
        .n_zero_keys = keys.n_zero_keys,
    };
    scope_op_attention(ctx, out, q, &options);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_wan_cache_fill(ScopeWanCache *cache, ScopeContext *ctx, int layer, ScopeTensor k,
                     ScopeTensor v)
{
    int64_t n = scope_tensor_dim(k, 0);

    SCOPE_ASSERT(n <= scope_tensor_dim(cache->k, 1));
    scope_op_copy(ctx, scope_tensor_slice(scope_tensor_select(cache->k, 0, layer), 0, 0, n), k);
    scope_op_copy(ctx, scope_tensor_slice(scope_tensor_select(cache->v, 0, layer), 0, 0, n), v);
}

void
scope_wan_cache_set_filled(ScopeWanCache *cache, int64_t n_tokens)
{
    cache->total_tokens = cache->filled_tokens = n_tokens;
}
