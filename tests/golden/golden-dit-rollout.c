/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of whole streams: the blocks of the live pipelines, with recorded noise, latents of input
 * video and prompt embeddings in place of generator, VAE and text encoder. Main thread. */
#include "golden-dit.h"
#include "golden-families.h"

#include <string.h>

#include "engine/scope-ops.h"
#include "pipelines/wan/scope-wan-stream.h"

#define MAX_VIDEO 512

/* What stands in for the live interfaces. */
typedef struct {
    GoldenDit *dit;
    int chunk;             /* in progress */
    GError *error;         /* first problem of a callback that cannot tell it */
    ScopeTensor all_noise; /* sf_rollout: noise of all frames, else none */
    int64_t n_given;       /* sf_rollout: frames that were given */
} Stand;

/* Copies input @name into @to, which it has to fit. Returns its frames, 0 with an error set. */
static int64_t
copy_in(Stand *stand, const char *name, ScopeTensor to, gboolean front, GError **error)
{
    ScopeTensor x = golden_engine_in(stand->dit->engine, stand->dit->c, name, 4, error);

    if (scope_tensor_is_none(x)) {
        return 0;
    }
    if ((front ? x.shape[0] > to.shape[0] : x.shape[0] != to.shape[0]) ||
        x.shape[1] != to.shape[1] || x.shape[2] != to.shape[2] || x.shape[3] != to.shape[3]) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' has %d frames, the chunk %d",
                    name, (int)x.shape[0], (int)to.shape[0]);
        return 0;
    }
    scope_op_copy(stand->dit->ctx, scope_tensor_slice(to, 0, 0, x.shape[0]), x);
    return x.shape[0];
}

static void
draw_noise(gpointer user_data, ScopeTensor noise, int64_t start_frame, int draw)
{
    Stand *stand = user_data;
    g_autofree char *name = draw == 0 ? g_strdup_printf("noise.c%d", stand->chunk)
                                      : g_strdup_printf("renoise.c%d.s%d", stand->chunk, draw - 1);

    if (draw == 0 && !scope_tensor_is_none(stand->all_noise)) {
        int64_t first = start_frame - stand->n_given;
        scope_op_copy(stand->dit->ctx, noise,
                      scope_tensor_slice(stand->all_noise, 0, first, first + noise.shape[0]));
        return;
    }
    scope_op_fill(stand->dit->ctx, noise, 0.0f);
    copy_in(stand, name, noise, FALSE, stand->error == NULL ? &stand->error : NULL);
}

static gboolean
encode_pixels(gpointer user_data, ScopeWanEncoding encoding, ScopeTensor latents,
              ScopeTensor frames, int64_t *ret_n, GError **error)
{
    Stand *stand = user_data;
    g_autofree char *name = g_strdup_printf(
        "%s.c%d", encoding == SCOPE_WAN_ENCODING_VIDEO ? "video_latents" : "reencoded",
        stand->chunk);

    *ret_n = copy_in(stand, name, latents, TRUE, error);
    return *ret_n > 0;
}

static gboolean
encode_text(gpointer user_data, const char *text, float *ret_rows, GError **error)
{
    Stand *stand = user_data;
    const ScopeWanConfig *config = scope_wan_model_get_config(stand->dit->model);
    g_autofree char *name = g_strdup_printf("prompt_embeds.%s", text);
    const GoldenTensor *rows = golden_in(stand->dit->c, name, error);

    if (rows == NULL) {
        return FALSE;
    }
    if (rows->rank != 2 || rows->shape[0] > config->text_len ||
        rows->shape[1] != config->text_dim) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' does not fit the model", name);
        return FALSE;
    }
    memset(ret_rows, 0, sizeof(float) * (gsize)config->text_len * (gsize)config->text_dim);
    memcpy(ret_rows, rows->f32, sizeof(float) * (gsize)rows->n);
    return TRUE;
}

static ScopeWanStreamOptions
stream_options(Stand *stand, const ScopeWanVariant *variant, int height, int width)
{
    return (ScopeWanStreamOptions){
        .variant = *variant,
        .height = height,
        .width = width,
        .codec = {.user_data = stand, .encode = encode_pixels},
        .encode_text = encode_text,
        .encode_text_data = stand,
        .draw_noise = draw_noise,
        .draw_noise_data = stand,
    };
}

/* A problem that a callback could not tell becomes that of the handler. */
static gboolean
propagate(Stand *stand, GError **error)
{
    if (stand->error == NULL) {
        return TRUE;
    }
    if (error != NULL && *error != NULL) {
        g_clear_error(&stand->error);
        return FALSE;
    }
    g_propagate_error(error, g_steal_pointer(&stand->error));
    return FALSE;
}

/* -- rollout ---------------------------------------------------------------------------------- */

static gboolean
read_variant(GoldenCase *c, ScopeWanVariant *ret, GError **error)
{
    const char *id = golden_string(c, "run.pipeline", "");
    const ScopeWanVariant *found = scope_wan_variant_find(id);
    gint64 window = 0, chunk = 0;

    if (found == NULL) {
        return golden_not_understood(error, "pipeline \"%s\"", id);
    }
    if (!golden_require_int(c, "run.local_attn_size", &window, error) ||
        !golden_require_int(c, "run.num_frame_per_block", &chunk, error)) {
        return FALSE;
    }
    *ret = *found;
    if (found->first_chunk_frames == found->chunk_frames) {
        ret->first_chunk_frames = (int)chunk;
    }
    ret->chunk_frames = (int)chunk;
    ret->slot_frames = (int)window;
    if (found->window_frames != SCOPE_WAN_WINDOW_ALL) {
        ret->window_frames = (int)window;
    }
    ret->sink_frames = (int)golden_int(c, "model.sink_size", found->sink_frames);
    ret->sink_decay = (float)golden_double(c, "model.compression_alpha", found->sink_decay);
    ret->shift = golden_double(c, "run.timestep_shift", found->shift);
    ret->bank_frames = (int)golden_int(c, "run.bank_size", found->bank_frames);
    ret->record_interval = (int)golden_int(
        c, "run.record_interval", golden_int(c, "model.record_interval", found->record_interval));
    ret->records = golden_node(c, "run.record_interval") != NULL;
    ret->sparse_frames = golden_bool(c, "model.SMA", FALSE) ? 3 : 0;
    ret->context_frames = (int)golden_int(c, "run.kv_cache_num_frames", found->context_frames);
    ret->past_weight = golden_double(c, "run.kv_cache_attention_bias", found->past_weight);
    if (golden_node(c, "run.global_sink") != NULL) {
        ret->flags &= ~(guint)SCOPE_WAN_VARIANT_GLOBAL_SINK;
        ret->flags |= golden_bool(c, "run.global_sink", TRUE) ? SCOPE_WAN_VARIANT_GLOBAL_SINK : 0;
    }
    return TRUE;
}

/* The schedule of a chunk: run.steps_schedule names exceptions by chunk. */
static int
read_steps(GoldenCase *c, int chunk, int *ret_steps)
{
    g_autofree char *path = g_strdup_printf("run.steps_schedule.%d", chunk);
    int n = 0;
    const gint64 *list = golden_ints(c, path, &n);

    if (list == NULL) {
        list = golden_ints(c, "run.denoising_steps", &n);
    }
    n = MIN(n, SCOPE_WAN_MAX_STEPS);
    for (int i = 0; i < n; i++) {
        ret_steps[i] = (int)list[i];
    }
    return n;
}

static void
check_counters(GoldenDit *dit, const ScopeWanCache *cache, int chunk)
{
    g_autofree char *kv = g_strdup_printf("kv_index.c%d", chunk);
    g_autofree char *bank = g_strdup_printf("bank_index.c%d", chunk);

    golden_check_i64(dit->c, kv, 2, (const gint64[]){cache->total_tokens, cache->filled_tokens});
    if (golden_has_out(dit->c, bank)) {
        golden_check_i64(dit->c, bank, 2,
                         (const gint64[]){cache->bank.total_tokens, cache->bank.filled_tokens});
    }
}

static void
check_bank(GoldenDit *dit, const ScopeWanCache *cache)
{
    for (int i = 0; cache->options.kind == SCOPE_WAN_CACHE_MEMFLOW && i < cache->options.n_layers;
         i++) {
        g_autofree char *k = g_strdup_printf("bank_final.l%d.k", i);
        g_autofree char *v = g_strdup_printf("bank_final.l%d.v", i);
        if (golden_has_out(dit->c, k)) {
            golden_engine_check(dit->engine, dit->c, k, scope_tensor_select(cache->bank.k, 0, i));
            golden_engine_check(dit->engine, dit->c, v, scope_tensor_select(cache->bank.v, 0, i));
        }
    }
}

/* Inputs of one chunk that live while it runs. */
typedef struct {
    int steps[SCOPE_WAN_MAX_STEPS];
    char text[32];
    ScopeWanPrompt prompt;
    ScopeTensor video[MAX_VIDEO];
    ScopeWanVaceInput vace;
    ScopeWanChunk chunk;
} ChunkInput;

static gboolean
read_chunk(GoldenDit *dit, const ScopeWanStream *stream, ScopeTensor picture, int index,
           ChunkInput *in, GError **error)
{
    GoldenCase *c = dit->c;
    int n_prompts = 0, n_scales = 0;
    const gint64 *prompts = golden_ints(c, "run.prompt_schedule", &n_prompts);
    const double *noise = golden_doubles(c, "run.noise_scale", &n_scales);
    g_autofree char *context = g_strdup_printf("vace_context.c%d", index);

    if (index >= n_prompts || (noise != NULL && index >= n_scales)) {
        return golden_not_understood(error, "chunk %d has no prompt or noise", index);
    }
    g_snprintf(in->text, sizeof(in->text), "%" G_GINT64_FORMAT, prompts[index]);
    in->prompt = (ScopeWanPrompt){.text = in->text, .weight = 1.0};
    in->chunk = (ScopeWanChunk){
        .prompts = &in->prompt,
        .n_prompts = 1,
        .steps = in->steps,
        .n_steps = read_steps(c, index, in->steps),
        .manage_cache = TRUE,
    };
    if (noise != NULL) {
        in->chunk.n_video = scope_wan_stream_count_input(stream, 0);
        in->chunk.video = in->video;
        in->chunk.noise_scale = noise[index];
        for (int i = 0; i < in->chunk.n_video && i < MAX_VIDEO; i++) {
            in->video[i] = picture;
        }
    }
    if (golden_has_in(c, context)) {
        int n = 0;
        const double *scales = golden_doubles(c, "run.vace_context_scale", &n);
        in->vace = (ScopeWanVaceInput){.context = golden_dit_context(dit, context, error)};
        if (scope_tensor_is_none(in->vace.context)) {
            return FALSE;
        }
        if (index >= n) {
            return golden_not_understood(error, "chunk %d has no context scale", index);
        }
        in->vace.scale = scales[index];
        in->chunk.vace = &in->vace;
    }
    return TRUE;
}

static gboolean
run_stream(Stand *stand, ScopeWanStream *stream, ScopeTensor picture, GError **error)
{
    GoldenDit *dit = stand->dit;
    gint64 n_chunks = golden_int(dit->c, "run.num_chunks", 0);

    for (int i = 0; i < n_chunks; i++) {
        g_autofree char *start_name = g_strdup_printf("start_frame.c%d", i);
        g_autofree char *latents_name = g_strdup_printf("latents.c%d", i);
        gint64 start = scope_wan_stream_get_start_frame(stream);
        ChunkInput in = {0};
        ScopeWanResult result;
        stand->chunk = i;
        if (!read_chunk(dit, stream, picture, i, &in, error) ||
            !scope_wan_stream_run(stream, &in.chunk, &result, error) || !propagate(stand, error)) {
            propagate(stand, error);
            return FALSE;
        }
        golden_check_i64(dit->c, start_name, 1, &start);
        golden_engine_check(dit->engine, dit->c, latents_name, result.latents);
        check_counters(dit, scope_wan_stream_peek_cache(stream), i);
    }
    golden_dit_check_cache(dit, scope_wan_stream_peek_cache(stream), "kv_final");
    check_bank(dit, scope_wan_stream_peek_cache(stream));
    return TRUE;
}

gboolean
golden_run_dit_rollout(GoldenCase *c, GError **error)
{
    static const char *const members[] = {
        "pipeline",
        "height",
        "width",
        "timestep_shift",
        "local_attn_size",
        "num_frame_per_block",
        "denoising_steps",
        "num_chunks",
        "global_sink",
        "prompt_schedule",
        "noise_scale",
        "bank_size",
        "record_interval",
        "max_rope",
        "kv_cache_num_frames",
        "steps_schedule",
        "vace_context_scale",
        "kv_cache_attention_bias",
        NULL,
    };
    g_autoptr(GoldenDit) dit = NULL;
    g_autoptr(ScopeWanStream) stream = NULL;
    ScopeWanVariant variant;
    gint64 height = 0, width = 0;

    if (!golden_dit_check_members(c, members, error) || !read_variant(c, &variant, error) ||
        !golden_require_int(c, "run.height", &height, error) ||
        !golden_require_int(c, "run.width", &width, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL) {
        return FALSE;
    }
    golden_excuse(c, "in.prompt_embeds.*", "a pool of prompts; the schedule takes what it names");
    Stand stand = {.dit = dit, .all_noise = SCOPE_TENSOR_NONE};
    ScopeWanStreamOptions options = stream_options(&stand, &variant, (int)height, (int)width);
    options.max_rope_frames = golden_int(c, "run.max_rope", 0);
    stream = scope_wan_stream_create(dit->ctx, dit->model, &options, error);
    if (stream == NULL) {
        return FALSE;
    }
    ScopeTensor picture = scope_tensor_wrap(
        SCOPE_DTYPE_U8, golden_alloc(c, (gsize)(height * width)), SCOPE_SHAPE(height, width, 3));
    return run_stream(&stand, stream, picture, error);
}

/* -- the loop of Self-Forcing ----------------------------------------------------------------- */

/* Frames that are given run first, a chunk at a time. */
static gboolean
prefill(Stand *stand, ScopeWanStream *stream, const ScopeWanPrompt *prompt, ScopeTensor all,
        int chunk_frames, GError **error)
{
    GoldenDit *dit = stand->dit;

    if (!golden_has_in(dit->c, "initial_latent")) {
        return TRUE;
    }
    ScopeTensor given = golden_dit_latents(dit, "initial_latent", (int)all.shape[1], error);
    if (scope_tensor_is_none(given)) {
        return FALSE;
    }
    for (int64_t i = 0; i < given.shape[0]; i += chunk_frames) {
        ScopeTensor part = scope_tensor_slice(given, 0, i, MIN(i + chunk_frames, given.shape[0]));
        if (!scope_wan_stream_prefill(stream, prompt, 1, part, error)) {
            return FALSE;
        }
    }
    scope_op_copy(dit->ctx, scope_tensor_slice(all, 0, 0, given.shape[0]), given);
    return TRUE;
}

static gboolean
run_forcing(Stand *stand, ScopeWanStream *stream, ScopeTensor all, const ScopeWanVariant *variant,
            GError **error)
{
    GoldenDit *dit = stand->dit;
    ScopeWanPrompt prompt = {.text = "0", .weight = 1.0};
    int steps[SCOPE_WAN_MAX_STEPS];
    ScopeWanResult result = {.n_steps = 0};
    float timesteps[SCOPE_WAN_MAX_STEPS];

    if (!prefill(stand, stream, &prompt, all, variant->chunk_frames, error)) {
        return FALSE;
    }
    ScopeWanChunk chunk = {.prompts = &prompt,
                           .n_prompts = 1,
                           .steps = steps,
                           .n_steps = read_steps(dit->c, -1, steps)};
    for (stand->chunk = 0; scope_wan_stream_get_start_frame(stream) < all.shape[0];
         stand->chunk++) {
        int64_t at = scope_wan_stream_get_start_frame(stream);
        if (!scope_wan_stream_run(stream, &chunk, &result, error) || !propagate(stand, error)) {
            propagate(stand, error);
            return FALSE;
        }
        scope_op_copy(dit->ctx, scope_tensor_slice(all, 0, at, at + result.latents.shape[0]),
                      result.latents);
    }
    for (int i = 0; i < result.n_steps; i++) {
        timesteps[i] = (float)result.steps[i];
    }
    golden_check_f32(dit->c, "denoising_timesteps", 1, (const gint64[]){result.n_steps}, timesteps);
    golden_engine_check(dit->engine, dit->c, "latents", all);
    const ScopeWanCache *cache = scope_wan_stream_peek_cache(stream);
    golden_check_i64(dit->c, "kv_index", 2,
                     (const gint64[]){cache->total_tokens, cache->filled_tokens});
    golden_dit_check_cache(dit, cache, "kv_final");
    return TRUE;
}

gboolean
golden_run_dit_forcing(GoldenCase *c, GError **error)
{
    static const char *const members[] = {
        "latent_h",
        "latent_w",
        "timestep_shift",
        "denoising_steps",
        "context_noise",
        "local_attn_size",
        "num_frame_per_block",
        "warp_denoising_step",
        NULL,
    };
    g_autoptr(GoldenDit) dit = NULL;
    g_autoptr(ScopeWanStream) stream = NULL;
    ScopeWanVariant variant = scope_wan_variant_self_forcing;
    gint64 window = 0, chunk = 0;

    if (!golden_dit_check_members(c, members, error) ||
        !golden_require_int(c, "run.local_attn_size", &window, error) ||
        !golden_require_int(c, "run.num_frame_per_block", &chunk, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL) {
        return FALSE;
    }
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    ScopeTensor noise = golden_dit_latents(dit, "noise", config->in_dim, error);
    if (scope_tensor_is_none(noise)) {
        return FALSE;
    }
    Stand stand = {.dit = dit, .all_noise = noise};
    if (golden_has_in(c, "initial_latent")) {
        stand.n_given = golden_in(c, "initial_latent", NULL)->shape[0];
    }
    int64_t n_frames = noise.shape[0] + stand.n_given;
    variant.chunk_frames = variant.first_chunk_frames = (int)chunk;
    variant.window_frames = (int)window;
    variant.slot_frames = (int)(window == SCOPE_WAN_WINDOW_ALL ? n_frames : window);
    variant.sink_frames = (int)golden_int(c, "model.sink_size", 0);
    variant.shift = golden_double(c, "run.timestep_shift", variant.shift);
    if (!golden_bool(c, "run.warp_denoising_step", FALSE)) {
        variant.flags &= ~(guint)SCOPE_WAN_VARIANT_WARP_STEPS;
    }
    ScopeWanStreamOptions options =
        stream_options(&stand, &variant, (int)noise.shape[2] * SCOPE_WAN_PIXELS_PER_LATENT,
                       (int)noise.shape[3] * SCOPE_WAN_PIXELS_PER_LATENT);
    options.context_noise = golden_double(c, "run.context_noise", 0);
    options.codec = (ScopeWanCodec){0};
    stream = scope_wan_stream_create(dit->ctx, dit->model, &options, error);
    if (stream == NULL) {
        return FALSE;
    }
    ScopeTensor all = golden_engine_alloc(
        dit->engine, SCOPE_SHAPE(n_frames, noise.shape[1], noise.shape[2], noise.shape[3]));
    return run_forcing(&stand, stream, all, &variant, error);
}
