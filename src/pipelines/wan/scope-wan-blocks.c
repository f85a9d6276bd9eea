/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of a chunk around the transformer: schedule, cache setup, recache, recompute, denoise,
 * clean pass, bookkeeping. Worker thread. */
#include <gio/gio.h>
#include <math.h>
#include <string.h>

#include "pipelines/wan/scope-wan-stream-private.h"

ScopeWanPass
scope_wan_stream_pass(ScopeWanStream *s, ScopeTensor latents, const float *timesteps)
{
    return (ScopeWanPass){
        .latents = latents,
        .flow = SCOPE_TENSOR_NONE,
        .timesteps = timesteps,
        .text = &s->text,
        .cache = &s->cache,
        .start_frame = s->model_start,
        .window_frames = SCOPE_WAN_WINDOW_ALL,
        .vace_context = SCOPE_TENSOR_NONE,
        .pad_keys = !s->options.accurate_padding,
        .lora_scales = s->n_lora_scales > 0 ? s->lora_scales : NULL,
    };
}

void
scope_wan_stream_fill_timesteps(float *timesteps, int64_t n, double t)
{
    for (int64_t i = 0; i < n; i++) {
        timesteps[i] = (float)t;
    }
}

void
scope_wan_stream_push(ScopeWanStream *s, ScopeTensor buffer, ScopeTensor frames)
{
    int64_t room = buffer.shape[0], n = MIN(frames.shape[0], room);

    if (n == 0) {
        return;
    }
    scope_op_move_rows(s->ctx, buffer, 0, n, room - n);
    scope_op_copy(s->ctx, scope_tensor_slice(buffer, 0, room - n, room),
                  scope_tensor_slice(frames, 0, frames.shape[0] - n, frames.shape[0]));
}

/* -- schedule --------------------------------------------------------------------------------- */

gboolean
scope_wan_block_steps(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error)
{
    const ScopeWanVariant *v = &s->options.variant;
    const int *list = chunk->steps != NULL ? chunk->steps : v->steps;
    int n = chunk->steps != NULL ? chunk->n_steps : v->n_steps;
    gboolean warp = (v->flags & SCOPE_WAN_VARIANT_WARP_STEPS) != 0;

    if (n < 1 || n > SCOPE_WAN_MAX_STEPS) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "a schedule of %d steps was given, expected 1 to %d", n, SCOPE_WAN_MAX_STEPS);
        return FALSE;
    }
    gboolean first = s->n_steps == 0;
    s->steps_changed = n != s->n_steps;
    for (int i = 0; i < n; i++) {
        double t = warp ? scope_wan_scheduler_warp(&s->scheduler, list[i]) : list[i];
        s->steps_changed = s->steps_changed || t != s->steps[i];
        s->steps[i] = t;
    }
    s->n_steps = n;
    s->steps_changed = s->steps_changed && !first;
    return TRUE;
}

/* -- cache setup ------------------------------------------------------------------------------ */

static void
take_lora_scales(ScopeWanStream *s, const ScopeWanChunk *chunk)
{
    guint n = MIN(chunk->n_lora_scales, s->n_lora_scales);

    s->lora_changed = FALSE;
    for (guint i = 0; chunk->lora_scales != NULL && i < n; i++) {
        s->lora_changed = s->lora_changed || s->lora_scales[i] != chunk->lora_scales[i];
        s->lora_scales[i] = chunk->lora_scales[i];
    }
}

/* Frames that come in beside the prompt, as input video or as guidance. */
static gboolean
has_input_frames(const ScopeWanChunk *chunk)
{
    return chunk->video != NULL ||
           (chunk->vace != NULL &&
            (chunk->vace->n_frames > 0 || !scope_tensor_is_none(chunk->vace->context)));
}

static gboolean
wants_reset(const ScopeWanStream *s, const ScopeWanChunk *chunk)
{
    const ScopeWanConditioning *c = &s->conditioning;
    const ScopeWanVariant *v = &s->options.variant;
    gboolean new_prompt = c->changed && !c->by_transition && has_input_frames(chunk);

    if (!s->started || chunk->reset || s->video_mode != (chunk->video != NULL) ||
        s->start_frame >= s->options.max_rope_frames - v->chunk_frames) {
        return TRUE;
    }
    return chunk->manage_cache &&
           ((s->steps_changed && !chunk->steps_modulated) || s->lora_changed || new_prompt);
}

static void
reset_stream(ScopeWanStream *s)
{
    if (s->conditioning.n_steps > 0) {
        scope_wan_conditioning_settle(&s->conditioning);
        s->conditioning.changed = TRUE;
    }
    scope_wan_cache_reset(&s->cache, s->ctx);
    scope_wan_text_reset_cross(&s->text, s->ctx);
    scope_wan_noise_controller_reset(&s->controller);
    if (s->options.codec.reset != NULL) {
        s->options.codec.reset(s->options.codec.user_data);
    }
    s->start_frame = 0;
}

/* A model that only knows scenes of one text would go on with what it sees under a new one. */
static void
begin_scene(ScopeWanStream *s)
{
    ScopeWanConditioning *c = &s->conditioning;

    if ((s->options.variant.flags & SCOPE_WAN_VARIANT_NEW_SCENE) != 0 && c->new_scene &&
        c->n_steps == 0) {
        scope_wan_cache_reset(&s->cache, s->ctx);
        s->start_frame = 0;
        c->new_scene = FALSE;
    }
}

void
scope_wan_block_setup(ScopeWanStream *s, const ScopeWanChunk *chunk)
{
    const ScopeWanVariant *v = &s->options.variant;
    ScopeWanConditioning *c = &s->conditioning;

    take_lora_scales(s, chunk);
    s->was_reset = wants_reset(s, chunk);
    if (s->was_reset) {
        reset_stream(s);
        c->new_scene = FALSE;
    } else if (c->changed) {
        begin_scene(s);
        scope_wan_text_reset_cross(&s->text, s->ctx);
    }
    if (c->changed || !s->text.has_prompt) {
        scope_wan_text_set_prompt(
            &s->text, s->ctx,
            scope_tensor_wrap(SCOPE_DTYPE_F32, c->current, SCOPE_SHAPE(c->n_rows, c->width)));
    } else if (s->lora_changed) {
        s->text.context_valid = s->text.vace.filled = FALSE;
    }
    s->video_mode = chunk->video != NULL;
    s->started = TRUE;
    s->noise_offset = 0;
    s->past_weight = chunk->past_weight > 0 ? chunk->past_weight : v->past_weight;
    s->model_start =
        v->context_frames > 0 ? MIN(s->start_frame, v->context_frames) : s->start_frame;
}

/* -- recache, recompute ----------------------------------------------------------------------- */

void
scope_wan_block_recache(ScopeWanStream *s)
{
    const ScopeWanVariant *v = &s->options.variant;
    gboolean global_sink = (v->flags & SCOPE_WAN_VARIANT_GLOBAL_SINK) != 0;
    int64_t n = MIN(s->start_frame, v->window_frames);
    float timesteps[SCOPE_WAN_MAX_PASS_FRAMES];

    if ((v->flags & SCOPE_WAN_VARIANT_RECACHE) == 0 || !s->conditioning.changed || n <= 0) {
        return;
    }
    if (!global_sink) {
        scope_wan_cache_zero(&s->cache, s->ctx);
    }
    scope_wan_stream_fill_timesteps(timesteps, n, 0.0);
    int64_t held = s->recent.shape[0];
    ScopeWanPass pass =
        scope_wan_stream_pass(s, scope_tensor_slice(s->recent, 0, held - n, held), timesteps);
    pass.start_frame = s->start_frame - n;
    pass.call = (ScopeWanCacheCall){.rewrite_sink = !global_sink, .flush = TRUE, .recache = TRUE};
    scope_wan_model_run(s->ctx, s->model, &pass);
    scope_wan_text_reset_cross(&s->text, s->ctx);
}

/* The first context frame: the stream's own while it is near, then what the encoder makes of the
 * oldest picture that is kept. */
static gboolean
find_anchor(ScopeWanStream *s, ScopeTensor anchor, GError **error)
{
    const ScopeWanVariant *v = &s->options.variant;
    int64_t n = 0;

    if (s->start_frame - v->chunk_frames < v->context_frames) {
        scope_op_copy(s->ctx, anchor, s->origin);
        return TRUE;
    }
    return s->options.codec.encode(s->options.codec.user_data, SCOPE_WAN_ENCODING_STILL, anchor,
                                   scope_tensor_slice(s->pixels, 0, 0, 1), &n, error);
}

gboolean
scope_wan_block_recompute(ScopeWanStream *s, GError **error)
{
    const ScopeWanVariant *v = &s->options.variant;
    float timesteps[SCOPE_WAN_MAX_PASS_FRAMES];
    int n = v->context_frames;

    if (n == 0 || s->start_frame == 0) {
        return TRUE;
    }
    if (!find_anchor(s, scope_tensor_slice(s->context, 0, 0, 1), error)) {
        return FALSE;
    }
    scope_op_copy(s->ctx, scope_tensor_slice(s->context, 0, 1, n), s->tail);
    scope_wan_cache_rewind(&s->cache);
    scope_wan_stream_fill_timesteps(timesteps, n, 0.0);
    ScopeWanPass pass = scope_wan_stream_pass(s, s->context, timesteps);
    pass.fill_cache = TRUE;
    pass.block_frames = v->chunk_frames;
    scope_wan_model_run(s->ctx, s->model, &pass);
    return TRUE;
}

/* -- denoise ---------------------------------------------------------------------------------- */

/* NaN and infinity are found in one sum of squares. */
static gboolean
is_finite(ScopeWanStream *s, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    ScopeTensor sum = scope_context_scratch(s->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    float value = 0;

    scope_op_reduce(s->ctx, SCOPE_REDUCE_SUM_SQUARES, sum,
                    scope_tensor_reshape(x, SCOPE_SHAPE(scope_tensor_n_elements(x))));
    scope_context_download(s->ctx, &value, sum);
    scope_arena_release(s->ctx->scratch, mark);
    return isfinite(value);
}

static void
draw(ScopeWanStream *s, ScopeTensor noise, int index)
{
    const ScopeWanStreamOptions *o = &s->options;

    if (o->draw_noise != NULL) {
        o->draw_noise(o->draw_noise_data, noise, s->start_frame, index);
        return;
    }
    scope_op_random_normal(s->ctx, noise, o->seed + (uint64_t)s->start_frame, s->noise_offset);
    s->noise_offset += (uint64_t)scope_tensor_n_elements(noise);
}

/* Steps of this chunk: under input video the first one follows the noise. */
static void
list_steps(const ScopeWanStream *s, ScopeWanResult *result)
{
    int first = 0, n = 0;

    if (!s->video_mode) {
        memcpy(result->steps, s->steps, sizeof(s->steps));
        result->n_steps = s->n_steps;
        return;
    }
    if ((s->options.variant.flags & SCOPE_WAN_VARIANT_EXACT_NOISE) == 0) {
        result->steps[n++] = scope_wan_noise_first_step(s->noise_scale);
        first = 1;
    } else {
        result->steps[n++] = 1000.0 * s->noise_scale;
        while (first < s->n_steps && s->steps[first] >= result->steps[0]) {
            first++;
        }
    }
    for (int i = first; i < s->n_steps && n < SCOPE_WAN_MAX_STEPS; i++) {
        result->steps[n++] = s->steps[i];
    }
    result->n_steps = n;
}

/* Takes @x from step @i to the next one along @flow, or to clean latents and from there up again
 * with fresh noise, whichever the model was trained for. */
static void
take_step(ScopeWanStream *s, ScopeTensor x, ScopeTensor flow, const ScopeWanResult *result, int i)
{
    const ScopeWanScheduler *scheduler = &s->scheduler;
    double t = result->steps[i], next = i + 1 < result->n_steps ? result->steps[i + 1] : 0.0;

    if (i + 1 < result->n_steps && (s->options.variant.flags & SCOPE_WAN_VARIANT_EULER) != 0) {
        double size =
            scope_wan_scheduler_sigma(scheduler, next) - scope_wan_scheduler_sigma(scheduler, t);
        scope_op_scale_add(s->ctx, x, x, 1.0f, flow, (float)size);
        return;
    }
    scope_wan_scheduler_to_clean(scheduler, s->ctx, x, x, flow, t);
    if (i + 1 < result->n_steps) {
        ScopeTensor noise = scope_tensor_slice(s->noise, 0, 0, s->n_frames);
        draw(s, noise, i + 1);
        scope_wan_scheduler_add_noise(scheduler, s->ctx, x, x, noise, next);
    }
}

gboolean
scope_wan_block_denoise(ScopeWanStream *s, ScopeWanResult *result, GError **error)
{
    const ScopeWanVariant *v = &s->options.variant;
    ScopeTensor x = scope_tensor_slice(s->x, 0, 0, s->n_frames);
    ScopeTensor flow = scope_tensor_slice(s->flow, 0, 0, s->n_frames);
    float timesteps[SCOPE_WAN_MAX_PASS_FRAMES];

    if (!scope_wan_cache_fits(&s->cache, s->model_start, s->n_frames)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "frames %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
                    " do not fit in a cache of %d frames",
                    s->start_frame, s->start_frame + s->n_frames - 1, v->slot_frames);
        return FALSE;
    }
    list_steps(s, result);
    result->timings.n_steps = result->n_steps;
    for (int i = 0; i < result->n_steps; i++) {
        int64_t begin = g_get_monotonic_time();
        double t = result->steps[i];
        scope_wan_stream_fill_timesteps(timesteps, s->n_frames, t);
        ScopeWanPass pass = scope_wan_stream_pass(s, x, timesteps);
        pass.flow = flow;
        pass.vace_context = s->chunk_vace;
        pass.vace_scale = (float)s->vace_scale;
        pass.call = (ScopeWanCacheCall){
            .keep_cache = (v->flags & SCOPE_WAN_VARIANT_KEEP_CACHE) != 0,
            .flush = i == 0,
            .bias_past = v->context_frames > 0 && s->past_weight != 1.0,
            .past_weight = (float)s->past_weight,
        };
        scope_wan_model_run(s->ctx, s->model, &pass);
        take_step(s, x, flow, result, i);
        result->timings.step_us[i] = g_get_monotonic_time() - begin;
    }
    if (!is_finite(s, x)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "the model made numbers that are not finite in frames %" G_GINT64_FORMAT
                    " to %" G_GINT64_FORMAT "; the caches are reset",
                    s->start_frame, s->start_frame + s->n_frames - 1);
        return FALSE;
    }
    result->latents = x;
    return TRUE;
}

gboolean
scope_wan_block_latents(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error)
{
    const ScopeWanVariant *v = &s->options.variant;

    if (s->video_mode) {
        /* the clean latents are in s->flow, put there by the encoder */
        int64_t n = 0;
        if (!s->options.codec.encode(
                s->options.codec.user_data, SCOPE_WAN_ENCODING_VIDEO, s->flow,
                scope_tensor_slice(s->video, 0, 0, scope_wan_stream_count_input(s, 0)), &n,
                error)) {
            return FALSE;
        }
        if (n < 1 || n > s->max_frames) {
            g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                        "the encoder made %" G_GINT64_FORMAT " latent frames, expected 1 to %d", n,
                        s->max_frames);
            return FALSE;
        }
        s->n_frames = n;
    } else {
        s->n_frames = s->start_frame == 0 ? v->first_chunk_frames : v->chunk_frames;
    }
    ScopeTensor x = scope_tensor_slice(s->x, 0, 0, s->n_frames);
    draw(s, x, 0);
    if (s->video_mode) {
        scope_wan_noise_mix(s->ctx, x, x, scope_tensor_slice(s->flow, 0, 0, s->n_frames),
                            s->noise_scale);
    }
    return TRUE;
}

/* -- after denoising -------------------------------------------------------------------------- */

void
scope_wan_block_clean(ScopeWanStream *s)
{
    const ScopeWanVariant *v = &s->options.variant;
    float timesteps[SCOPE_WAN_MAX_PASS_FRAMES];

    if ((v->flags & SCOPE_WAN_VARIANT_CLEAN_PASS) == 0) {
        return;
    }
    scope_wan_stream_fill_timesteps(timesteps, s->n_frames, s->options.context_noise);
    ScopeWanPass pass =
        scope_wan_stream_pass(s, scope_tensor_slice(s->x, 0, 0, s->n_frames), timesteps);
    pass.call.record = v->cache == SCOPE_WAN_CACHE_MEMFLOW && v->records &&
                       s->start_frame / v->chunk_frames % v->record_interval == 0;
    scope_wan_model_run(s->ctx, s->model, &pass);
}

gboolean
scope_wan_block_decode(ScopeWanStream *s, ScopeWanResult *result, GError **error)
{
    const ScopeWanCodec *codec = &s->options.codec;
    int64_t n = 0;

    result->frames = SCOPE_TENSOR_NONE;
    if (codec->decode == NULL) {
        return TRUE;
    }
    if (!codec->decode(codec->user_data, s->frames, result->latents, &n, error)) {
        return FALSE;
    }
    result->frames = scope_tensor_slice(s->frames, 0, 0, n);
    return TRUE;
}

void
scope_wan_block_next(ScopeWanStream *s, const ScopeWanResult *result)
{
    const ScopeWanVariant *v = &s->options.variant;
    gboolean overlap = (v->flags & SCOPE_WAN_VARIANT_OVERLAP) != 0 && s->video_mode &&
                       s->start_frame == 0 && s->n_frames > 1;

    if (!scope_tensor_is_none(s->recent)) {
        scope_wan_stream_push(s, s->recent, result->latents);
    }
    if (v->context_frames > 0) {
        if (s->start_frame == 0) {
            scope_op_copy(s->ctx, s->origin, scope_tensor_slice(result->latents, 0, 0, 1));
        }
        if (v->context_frames > 1) {
            scope_wan_stream_push(s, s->tail, result->latents);
        }
        if (!scope_tensor_is_none(result->frames)) {
            scope_wan_stream_push(s, s->pixels, result->frames);
        }
    }
    s->start_frame += s->n_frames - (overlap ? 1 : 0);
}
