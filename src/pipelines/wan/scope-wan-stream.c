/* SPDX-License-Identifier: Apache-2.0 */
/* A session of a streaming Wan pipeline: its memory, and the order of the blocks. Worker thread. */
#include "pipelines/wan/scope-wan-stream-private.h"

#include <scope/scope-frame.h>

#include "engine/scope-assert.h"
#include "models/scope-wan-vace.h"

#define MAX_REFERENCES 4

/* -- memory ----------------------------------------------------------------------------------- */

/* Adds up what is taken, or takes it: the same list serves both. */
typedef struct {
    ScopeArena *arena; /* NULL: count only */
    size_t n_bytes;
} Taker;

static void
take(Taker *taker, ScopeTensor *tensor, int ndim, const int64_t *shape)
{
    if (taker->arena != NULL) {
        *tensor = scope_arena_alloc(taker->arena, SCOPE_DTYPE_F32, ndim, shape);
        return;
    }
    size_t n = sizeof(float);
    for (int i = 0; i < ndim; i++) {
        n *= (size_t)shape[i];
    }
    taker->n_bytes += (n + 63) / 64 * 64 + 64;
}

static void
take_buffers(ScopeWanStream *s, Taker *taker)
{
    const ScopeWanStreamOptions *o = &s->options;
    const ScopeWanVariant *v = &o->variant;
    const ScopeWanConfig *c = scope_wan_model_get_config(s->model);
    int64_t h = o->height / s->factor, w = o->width / s->factor;
    int64_t n = s->max_frames, channels = c->in_dim;

    take(taker, &s->x, SCOPE_SHAPE(n, channels, h, w));
    take(taker, &s->noise, SCOPE_SHAPE(n, channels, h, w));
    take(taker, &s->flow, SCOPE_SHAPE(n, c->out_dim, h, w));
    if (o->codec.encode != NULL) {
        take(taker, &s->video, SCOPE_SHAPE(s->max_pixels, o->height, o->width, 3));
    }
    if (o->codec.decode != NULL) {
        take(taker, &s->frames, SCOPE_SHAPE(s->max_pixels, o->height, o->width, 3));
    }
    if ((v->flags & SCOPE_WAN_VARIANT_RECACHE) != 0) {
        take(taker, &s->recent, SCOPE_SHAPE(v->window_frames, channels, h, w));
    }
    if (v->context_frames > 0) {
        take(taker, &s->context, SCOPE_SHAPE(v->context_frames, channels, h, w));
        take(taker, &s->tail, SCOPE_SHAPE(v->context_frames - 1, channels, h, w));
        take(taker, &s->origin, SCOPE_SHAPE(1, channels, h, w));
        take(taker, &s->pixels,
             SCOPE_SHAPE(1 + SCOPE_WAN_FRAMES_PER_LATENT * (v->context_frames - 1), o->height,
                         o->width, 3));
    }
    if (c->n_vace_layers > 0 && o->codec.encode != NULL) {
        take(taker, &s->vace_a, SCOPE_SHAPE(s->max_pixels, o->height, o->width, 3));
        take(taker, &s->vace_b, SCOPE_SHAPE(s->max_pixels, o->height, o->width, 3));
        take(taker, &s->vace_mask, SCOPE_SHAPE(s->max_pixels, o->height, o->width, 1));
        take(taker, &s->vace_latents[0], SCOPE_SHAPE(n, channels, h, w));
        take(taker, &s->vace_latents[1], SCOPE_SHAPE(n, channels, h, w));
        take(taker, &s->vace_context, SCOPE_SHAPE(c->vace_in_dim, n + MAX_REFERENCES, h, w));
    }
}

static ScopeWanCacheOptions
cache_options(const ScopeWanStream *s)
{
    const ScopeWanStreamOptions *o = &s->options;
    const ScopeWanVariant *v = &o->variant;
    const ScopeWanConfig *c = scope_wan_model_get_config(s->model);
    int token = s->factor * SCOPE_WAN_PATCH; /* pixels of a token and axis */

    return (ScopeWanCacheOptions){
        .kind = v->cache,
        .n_layers = c->n_layers,
        .n_heads = c->n_heads,
        .head_dim = c->dim / c->n_heads,
        .frame_tokens = (int64_t)(o->height / token) * (o->width / token),
        .slot_frames = v->slot_frames,
        .window_frames = v->window_frames,
        .budget_frames = v->slot_frames,
        .sink_frames = v->sink_frames,
        .chunk_frames = v->chunk_frames,
        .bank_frames = v->bank_frames,
        .record_interval = v->record_interval,
        .sparse_frames = v->sparse_frames,
        .sink_decay = v->sink_decay,
        .dtype = o->cache_dtype,
    };
}

gboolean
scope_wan_check_size(gint64 height, gint64 width, int multiple, GError **error)
{
    gint64 h = MAX(height / multiple, 1) * multiple, w = MAX(width / multiple, 1) * multiple;

    if (height > 0 && width > 0 && height % multiple == 0 && width % multiple == 0 &&
        height <= SCOPE_FRAME_MAX_DIM && width <= SCOPE_FRAME_MAX_DIM) {
        return TRUE;
    }
    g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                "a picture of height %" G_GINT64_FORMAT " and width %" G_GINT64_FORMAT
                " cannot be made: both have to be divisible by %d, such as height %" G_GINT64_FORMAT
                " and width %" G_GINT64_FORMAT,
                height, width, multiple, MIN(h, SCOPE_FRAME_MAX_DIM), MIN(w, SCOPE_FRAME_MAX_DIM));
    return FALSE;
}

static gboolean
check_options(const ScopeWanStream *s, const ScopeWanConfig *c, GError **error)
{
    const ScopeWanStreamOptions *o = &s->options;
    const ScopeWanVariant *v = &o->variant;

    if (!scope_wan_check_size(o->height, o->width, s->factor * SCOPE_WAN_PATCH, error)) {
        return FALSE;
    }
    if (c->n_vace_layers > 0 && s->factor != SCOPE_WAN_VACE_CELL) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED,
                    "VACE works with an autoencoder of %d pixels a latent, this one has %d",
                    SCOPE_WAN_VACE_CELL, s->factor);
        return FALSE;
    }
    if (v->chunk_frames < 1 || v->first_chunk_frames < 1 ||
        v->slot_frames < MAX(v->context_frames, v->sink_frames) + v->chunk_frames ||
        v->slot_frames < v->first_chunk_frames || v->sink_frames < 0 ||
        v->slot_frames > SCOPE_WAN_MAX_PASS_FRAMES) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%s: a window of %d frames with a sink of %d does not hold a chunk of %d after "
                    "%d context frames",
                    v->id, v->slot_frames, v->sink_frames, v->chunk_frames, v->context_frames);
        return FALSE;
    }
    if (v->cache == SCOPE_WAN_CACHE_MEMFLOW &&
        (v->bank_frames < 1 || v->record_interval < 1 ||
         v->bank_frames + v->sink_frames > SCOPE_WAN_MEMORY_MAX_FRAMES)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%s: a bank of %d frames, recorded every %d chunks, beside a sink of %d is not "
                    "possible: sink and bank hold at most %d",
                    v->id, v->bank_frames, v->record_interval, v->sink_frames,
                    SCOPE_WAN_MEMORY_MAX_FRAMES);
        return FALSE;
    }
    if (c->in_dim != c->out_dim) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED,
                    "a model with %d channels in and %d out cannot stream", c->in_dim, c->out_dim);
        return FALSE;
    }
    return TRUE;
}

/* Memory of the session and, for the largest pass, of the context. */
static gboolean
take_memory(ScopeWanStream *s, GError **error)
{
    const ScopeWanConfig *c = scope_wan_model_get_config(s->model);
    const ScopeWanVariant *v = &s->options.variant;
    ScopeWanCacheOptions cache = cache_options(s);
    Taker taker = {0};

    take_buffers(s, &taker);
    int64_t n_pass = s->max_frames;
    if ((v->flags & SCOPE_WAN_VARIANT_RECACHE) != 0) {
        n_pass = MAX(n_pass, v->window_frames);
    }
    size_t pixels = (size_t)s->options.height * (size_t)s->options.width * 3 * sizeof(float);
    size_t scratch = scope_wan_model_scratch_bytes(s->model, n_pass * cache.frame_tokens,
                                                   (int64_t)(v->slot_frames + v->bank_frames) *
                                                       cache.frame_tokens);
    if (!scope_arena_reserve(s->arena,
                             taker.n_bytes + scope_wan_cache_n_bytes(&cache) +
                                 scope_wan_text_n_bytes(s->ctx, c) + pixels + 4096,
                             error) ||
        !scope_arena_reserve(s->ctx->scratch, scratch + 4 * pixels, error)) {
        return FALSE;
    }
    taker.arena = s->arena;
    take_buffers(s, &taker);
    scope_wan_text_init(&s->text, s->ctx, c, s->arena);
    scope_wan_cache_init(&s->cache, s->ctx, &cache, s->arena);
    scope_wan_noise_controller_init(&s->controller, s->arena, s->options.height, s->options.width);
    scope_arena_seal(s->arena);
    if (!scope_tensor_is_none(s->pixels)) {
        scope_op_fill(s->ctx, s->pixels, 0.0f);
    }
    return TRUE;
}

ScopeWanStream *
scope_wan_stream_create(ScopeContext *ctx, const ScopeWanModel *model,
                        const ScopeWanStreamOptions *options, GError **error)
{
    const ScopeWanConfig *c = scope_wan_model_get_config(model);
    const ScopeWanVariant *v = &options->variant;
    g_autoptr(ScopeWanStream) s = NULL;

    s = g_new0(ScopeWanStream, 1);
    s->ctx = ctx;
    s->model = model;
    s->options = *options;
    s->factor = options->codec.spatial_factor > 0 ? options->codec.spatial_factor
                                                  : SCOPE_WAN_PIXELS_PER_LATENT;
    if (!check_options(s, c, error)) {
        return NULL;
    }
    if (s->options.max_rope_frames == 0) {
        s->options.max_rope_frames = v->max_frames > 0 ? v->max_frames : SCOPE_WAN_DEFAULT_MAX_ROPE;
    }
    if (s->options.cache_dtype == SCOPE_DTYPE_INVALID) {
        s->options.cache_dtype = scope_context_work_dtype(ctx);
    }
    /* input video begins with one frame that is a latent of its own */
    s->max_frames = MAX(v->chunk_frames + 1, v->first_chunk_frames);
    s->max_pixels = s->max_frames * SCOPE_WAN_FRAMES_PER_LATENT + 1;
    s->n_lora_scales = scope_wan_model_get_n_adapters(model);
    s->lora_scales = g_new0(float, MAX(s->n_lora_scales, 1));
    s->arena = scope_arena_create(ctx->backend, "session");
    scope_wan_scheduler_init(&s->scheduler, v->shift);
    scope_wan_conditioning_init(&s->conditioning, c->text_len, c->text_dim);
    return take_memory(s, error) ? g_steal_pointer(&s) : NULL;
}

void
scope_wan_stream_destroy(ScopeWanStream *s)
{
    if (s == NULL) {
        return;
    }
    scope_wan_conditioning_clear(&s->conditioning);
    g_clear_pointer(&s->arena, scope_arena_destroy);
    g_clear_pointer(&s->lora_scales, g_free);
    g_free(s);
}

const ScopeWanCache *
scope_wan_stream_peek_cache(const ScopeWanStream *s)
{
    return &s->cache;
}

void
scope_wan_stream_set_seed(ScopeWanStream *s, uint64_t seed)
{
    s->options.seed = seed;
}

int64_t
scope_wan_stream_get_start_frame(const ScopeWanStream *s)
{
    return s->start_frame;
}

size_t
scope_wan_stream_get_state_bytes(const ScopeWanStream *s)
{
    return scope_arena_get_capacity_bytes(s->arena);
}

/* -- a chunk ---------------------------------------------------------------------------------- */

/* Stores the time since @mark in @field and moves @mark on. */
static void
lap(int64_t *mark, int64_t *field)
{
    int64_t now = g_get_monotonic_time();

    *field = now - *mark;
    *mark = now;
}

static gboolean
run_blocks(ScopeWanStream *s, const ScopeWanChunk *chunk, ScopeWanResult *result, GError **error)
{
    int64_t begin = g_get_monotonic_time(), mark = begin, denoise = 0;
    ScopeWanTimings *t = &result->timings;

    if (!scope_wan_block_text(s, chunk, error)) {
        return FALSE;
    }
    lap(&mark, &t->text_us);
    if (!scope_wan_block_steps(s, chunk, error)) {
        return FALSE;
    }
    scope_wan_block_setup(s, chunk);
    result->start_frame = s->start_frame;
    result->was_reset = s->was_reset;
    if (!scope_wan_block_video(s, chunk, error) || !scope_wan_block_latents(s, chunk, error) ||
        !scope_wan_block_vace(s, chunk, error)) {
        return FALSE;
    }
    result->noise_scale = s->video_mode ? s->noise_scale : 0;
    lap(&mark, &t->input_us);
    scope_wan_block_recache(s);
    if (!scope_wan_block_recompute(s, error)) {
        return FALSE;
    }
    lap(&mark, &t->recache_us);
    if (!scope_wan_block_denoise(s, result, error)) {
        return FALSE;
    }
    lap(&mark, &denoise);
    scope_wan_block_clean(s);
    lap(&mark, &t->clean_us);
    if (!scope_wan_block_decode(s, result, error)) {
        return FALSE;
    }
    lap(&mark, &t->decode_us);
    scope_wan_block_next(s, result);
    t->total_us = g_get_monotonic_time() - begin;
    return scope_context_synchronize(s->ctx, error);
}

gboolean
scope_wan_stream_run(ScopeWanStream *s, const ScopeWanChunk *chunk, ScopeWanResult *ret_result,
                     GError **error)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    ScopeWanResult result = {.latents = SCOPE_TENSOR_NONE, .frames = SCOPE_TENSOR_NONE};
    gboolean ok = run_blocks(s, chunk, &result, error);

    scope_arena_release(s->ctx->scratch, mark);
    if (!ok) {
        (void)scope_context_synchronize(s->ctx, NULL); /* nothing of it is left for the next one */
        s->started = FALSE; /* whatever is in the caches, the next chunk does not build on it */
        return FALSE;
    }
    *ret_result = result;
    return TRUE;
}

gboolean
scope_wan_stream_prefill(ScopeWanStream *s, const ScopeWanPrompt *prompts, int n_prompts,
                         ScopeTensor latents, GError **error)
{
    ScopeWanChunk chunk = {.prompts = prompts, .n_prompts = n_prompts};
    ScopeWanResult result = {.frames = SCOPE_TENSOR_NONE};

    if (latents.ndim != 4 || latents.shape[0] < 1 || latents.shape[0] > s->max_frames ||
        latents.shape[1] != s->x.shape[1] || latents.shape[2] != s->x.shape[2] ||
        latents.shape[3] != s->x.shape[3] ||
        !scope_wan_cache_fits(&s->cache, s->start_frame, latents.shape[0])) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "given latents do not fit: expected 1 to %d frames of %d x %d", s->max_frames,
                    (int)s->x.shape[2], (int)s->x.shape[3]);
        return FALSE;
    }
    if (!scope_wan_block_text(s, &chunk, error)) {
        return FALSE;
    }
    scope_wan_block_setup(s, &chunk);
    s->n_frames = latents.shape[0];
    result.latents = scope_tensor_slice(s->x, 0, 0, s->n_frames);
    scope_op_copy(s->ctx, result.latents, latents);
    /* given frames are clean, whatever noise the clean pass claims for generated ones */
    double context_noise = s->options.context_noise;
    s->options.context_noise = 0;
    scope_wan_block_clean(s);
    s->options.context_noise = context_noise;
    scope_wan_block_next(s, &result);
    return scope_context_synchronize(s->ctx, error);
}
