/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of the transformer itself: embeddings, whole passes, block-causal passes, explicit calls
 * on a cache, recomputed caches. Main thread. */
#include "golden-dit.h"
#include "golden-families.h"

#include "engine/scope-ops.h"
#include "models/scope-wan-model-private.h"
#include "models/scope-wan-scheduler.h"

/* -- embed ------------------------------------------------------------------------------------ */

static gboolean
check_time(GoldenDit *dit, ScopeTensor *ret_e, GError **error)
{
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    const GoldenTensor *t = golden_in(dit->c, "t", error);

    if (t == NULL) {
        return FALSE;
    }
    const gint64 shape[2] = {t->n, config->freq_dim};
    float *waves = golden_alloc(dit->c, (gsize)(t->n * config->freq_dim));
    ScopeTensor e = golden_engine_alloc(dit->engine, SCOPE_SHAPE(t->n, config->dim));
    ScopeTensor e0 = golden_engine_alloc(dit->engine, SCOPE_SHAPE(t->n, 6, config->dim));
    for (gint64 i = 0; i < t->n; i++) {
        scope_wan_sinusoid(t->f32[i], config->freq_dim, waves + i * config->freq_dim);
    }
    scope_wan_embed_time(dit->ctx, dit->model, e, e0, t->f32, SCOPE_TENSOR_NONE, NULL);
    golden_check_f32(dit->c, "sinusoid", 2, shape, waves);
    golden_engine_check(dit->engine, dit->c, "e", e);
    golden_engine_check(dit->engine, dit->c, "e0", e0);
    *ret_e = e;
    return TRUE;
}

/* Table rows of the first positions along one axis: 0 frame, 1 row, 2 column. */
static ScopeTensor
axis_table(GoldenDit *dit, int axis, int64_t n, int head_dim)
{
    ScopeRopeGrid grid = {.n_frames = axis == 0 ? n : 1,
                          .height = axis == 1 ? n : 1,
                          .width = axis == 2 ? n : 1,
                          .head_dim = head_dim,
                          .theta = 10000.0};
    ScopeTensor table =
        scope_arena_alloc(dit->engine->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, head_dim / 2, 2));

    scope_op_rope_table(dit->ctx, table, &grid);
    return table;
}

static void
check_rope_tables(GoldenDit *dit, int head_dim)
{
    int n_pairs = head_dim / 2, n_side = n_pairs / 3, n_frame = n_pairs - 2 * n_side;
    const int begin[4] = {0, n_frame, n_frame + n_side, n_pairs};
    const GoldenTensor *want = golden_out(dit->c, "rope_freq_cos");
    int64_t n = want != NULL ? want->shape[0] : 1;
    ScopeTensor all =
        scope_arena_alloc(dit->engine->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, n_pairs, 2));

    for (int axis = 0; axis < 3; axis++) {
        scope_op_copy(dit->ctx, scope_tensor_slice(all, 1, begin[axis], begin[axis + 1]),
                      scope_tensor_slice(axis_table(dit, axis, n, head_dim), 1, begin[axis],
                                         begin[axis + 1]));
    }
    golden_engine_check(dit->engine, dit->c, "rope_freq_cos", scope_tensor_select(all, 2, 0));
    golden_engine_check(dit->engine, dit->c, "rope_freq_sin", scope_tensor_select(all, 2, 1));
}

static gboolean
check_rope(GoldenDit *dit, ScopeTensor latents, GError **error)
{
    ScopeTensor in = golden_engine_in(dit->engine, dit->c, "rope_in", 3, error);
    int n = 0;
    const gint64 *starts = golden_ints(dit->c, "run.rope_start_frames", &n);

    if (scope_tensor_is_none(in)) {
        return FALSE;
    }
    int head_dim = (int)in.shape[2];
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("rope_out.start%" G_GINT64_FORMAT, starts[i]);
        ScopeRopeGrid grid = {.start_frame = starts[i],
                              .n_frames = latents.shape[0],
                              .height = latents.shape[2] / SCOPE_WAN_PATCH,
                              .width = latents.shape[3] / SCOPE_WAN_PATCH,
                              .head_dim = head_dim,
                              .theta = 10000.0};
        ScopeTensor table = scope_arena_alloc(dit->engine->arena, SCOPE_DTYPE_F32,
                                              SCOPE_SHAPE(in.shape[0], head_dim / 2, 2));
        ScopeTensor out = golden_engine_alloc(dit->engine, in.ndim, in.shape);
        scope_op_rope_table(dit->ctx, table, &grid);
        scope_op_rope(dit->ctx, out, in, table);
        golden_engine_check(dit->engine, dit->c, name, out);
    }
    check_rope_tables(dit, head_dim);
    return TRUE;
}

static gboolean
check_head(GoldenDit *dit, ScopeTensor latents, ScopeTensor e, GError **error)
{
    ScopeTensor tokens = golden_engine_in(dit->engine, dit->c, "head_tokens", 2, error);
    ScopeTensor rows = golden_engine_in(dit->engine, dit->c, "unpatchify_in", 2, error);
    int64_t n_frames = latents.shape[0];

    if (scope_tensor_is_none(tokens) || scope_tensor_is_none(rows)) {
        return FALSE;
    }
    ScopeTensor out = golden_engine_alloc(dit->engine, SCOPE_SHAPE(tokens.shape[0], rows.shape[1]));
    ScopeTensor flow = golden_dit_flow(dit, latents);
    scope_wan_head(dit->ctx, dit->model, out, tokens, scope_tensor_slice(e, 0, 0, n_frames), NULL);
    golden_engine_check(
        dit->engine, dit->c, "head_out",
        scope_tensor_reshape(out, SCOPE_SHAPE(n_frames, tokens.shape[0] / n_frames, -1)));
    scope_wan_unpatchify(dit->ctx, flow, rows);
    golden_engine_check(dit->engine, dit->c, "unpatchified", flow);
    return TRUE;
}

gboolean
golden_run_dit_embed(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"rope_start_frames", NULL};
    g_autoptr(GoldenDit) dit = NULL;
    ScopeTensor e;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "text", error)) {
        return FALSE;
    }
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    ScopeTensor x = golden_dit_latents(dit, "x", config->in_dim, error);
    if (scope_tensor_is_none(x) || !check_time(dit, &e, error)) {
        return FALSE;
    }
    int64_t n = x.shape[0] * x.shape[2] / SCOPE_WAN_PATCH * x.shape[3] / SCOPE_WAN_PATCH;
    ScopeTensor tokens = golden_engine_alloc(dit->engine, SCOPE_SHAPE(n, config->dim));
    scope_wan_embed_patches(dit->ctx, tokens, x, &dit->model->patch_embedding, NULL);
    golden_engine_check(dit->engine, c, "tokens", tokens);
    scope_wan_embed_text(dit->ctx, dit->model, &dit->text, NULL);
    golden_engine_check(dit->engine, c, "context", dit->text.context);
    return check_rope(dit, x, error) && check_head(dit, x, e, error);
}

/* -- whole passes ----------------------------------------------------------------------------- */

/* "seq_len" of the reference only adds masked padding; it must hold the tokens. */
static gboolean
check_seq_len(GoldenCase *c, ScopeTensor x, GError **error)
{
    gint64 n = x.shape[0] * x.shape[2] / SCOPE_WAN_PATCH * x.shape[3] / SCOPE_WAN_PATCH;

    return golden_int(c, "run.seq_len", n) >= n ||
           golden_not_understood(error, "run.seq_len is shorter than the tokens");
}

static const float *
fill_timesteps(float *timesteps, int64_t n, double t)
{
    for (int64_t i = 0; i < n; i++) {
        timesteps[i] = (float)t;
    }
    return timesteps;
}

gboolean
golden_run_dit_full(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"timesteps", "seq_len", "intermediates", NULL};
    g_autoptr(GoldenDit) dit = NULL;
    float timesteps[GOLDEN_DIT_MAX_FRAMES];
    int n = 0;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "text", error)) {
        return FALSE;
    }
    ScopeTensor x =
        golden_dit_latents(dit, "x", scope_wan_model_get_config(dit->model)->in_dim, error);
    if (scope_tensor_is_none(x) || !check_seq_len(c, x, error)) {
        return FALSE;
    }
    const double *t = golden_doubles(c, "run.timesteps", &n);
    ScopeTensor flow = golden_dit_flow(dit, x);
    GoldenTap watch = {.engine = dit->engine, .c = c, .prefix = "", .order = NULL};
    ScopeModelTap tap = golden_tap(&watch);
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("flow.%d", i);
        ScopeWanPass pass = {
            .latents = x,
            .flow = flow,
            .timesteps = fill_timesteps(timesteps, x.shape[0], t[i]),
            .text = &dit->text,
            .tap = i == 0 && golden_bool(c, "run.intermediates", FALSE) ? &tap : NULL,
        };
        scope_wan_model_run(dit->ctx, dit->model, &pass);
        golden_engine_check(dit->engine, c, name, flow);
    }
    return TRUE;
}

gboolean
golden_run_dit_vace_full(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"t", "seq_len", "vace_context_scale", NULL};
    g_autoptr(GoldenDit) dit = NULL;
    float timesteps[GOLDEN_DIT_MAX_FRAMES];
    int n = 0;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "text", error)) {
        return FALSE;
    }
    ScopeTensor x =
        golden_dit_latents(dit, "x", scope_wan_model_get_config(dit->model)->in_dim, error);
    ScopeTensor context = golden_dit_context(dit, "vace_context", error);
    if (scope_tensor_is_none(x) || scope_tensor_is_none(context) || !check_seq_len(c, x, error)) {
        return FALSE;
    }
    const double *scales = golden_doubles(c, "run.vace_context_scale", &n);
    ScopeTensor flow = golden_dit_flow(dit, x);
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("flow.%d", i);
        ScopeWanPass pass = {
            .latents = x,
            .flow = flow,
            .timesteps = fill_timesteps(timesteps, x.shape[0], golden_double(c, "run.t", 0)),
            .text = &dit->text,
            .vace_context = context,
            .vace_scale = (float)scales[i],
        };
        scope_wan_model_run(dit->ctx, dit->model, &pass);
        golden_engine_check(dit->engine, c, name, flow);
    }
    return TRUE;
}

gboolean
golden_run_dit_block_causal(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"num_frame_per_block", "local_attn_size", NULL};
    g_autoptr(GoldenDit) dit = NULL;
    gint64 block = 0, window = 0;

    if (!golden_dit_check_members(c, members, error) ||
        !golden_require_int(c, "run.num_frame_per_block", &block, error) ||
        !golden_require_int(c, "run.local_attn_size", &window, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "text", error)) {
        return FALSE;
    }
    ScopeTensor x =
        golden_dit_latents(dit, "x", scope_wan_model_get_config(dit->model)->in_dim, error);
    const GoldenTensor *t = golden_in(c, "t", error);
    if (scope_tensor_is_none(x) || t == NULL) {
        return FALSE;
    }
    if (t->n != x.shape[0] || block < 1) {
        return golden_not_understood(error, "blocks of %d frames, %d timesteps", (int)block,
                                     (int)t->n);
    }
    ScopeWanPass pass = {
        .latents = x,
        .flow = golden_dit_flow(dit, x),
        .timesteps = t->f32,
        .text = &dit->text,
        .block_frames = (int)block,
        .window_frames = (int)window,
    };
    scope_wan_model_run(dit->ctx, dit->model, &pass);
    golden_engine_check(dit->engine, c, "flow", pass.flow);
    return TRUE;
}

/* -- calls on a cache ------------------------------------------------------------------------- */

static gboolean
cache_for(GoldenDit *dit, ScopeWanCacheKind kind, gint64 slot_frames, gint64 window_frames,
          gint64 budget_frames, ScopeTensor x, ScopeWanCache *cache, GError **error)
{
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);

    gint64 sink_frames = golden_int(dit->c, "model.sink_size", 0);
    if (slot_frames < 1 || budget_frames < 1 || sink_frames < 0 || sink_frames >= slot_frames) {
        return golden_not_understood(error, "a cache of %d frames with a sink of %d",
                                     (int)slot_frames, (int)sink_frames);
    }
    ScopeWanCacheOptions options = {
        .kind = kind,
        .n_layers = config->n_layers,
        .n_heads = config->n_heads,
        .head_dim = config->dim / config->n_heads,
        .frame_tokens = x.shape[2] / SCOPE_WAN_PATCH * x.shape[3] / SCOPE_WAN_PATCH,
        .slot_frames = (int)slot_frames,
        .window_frames = (int)window_frames,
        .budget_frames = (int)budget_frames,
        .sink_frames = (int)sink_frames,
        .chunk_frames = (int)x.shape[0],
        .dtype = SCOPE_DTYPE_F32,
    };
    scope_wan_cache_init(cache, dit->ctx, &options, dit->session);
    return TRUE;
}

/* One member of run.calls, read strictly. */
static JsonObject *
call_object(GoldenCase *c, guint index, GError **error)
{
    static const char *const known[] = {"t",          "start_frame", "prompt", "reset_cross",
                                        "vace_scale", "snapshot",    NULL};
    JsonObject *call =
        json_array_get_object_element(json_node_get_array(golden_node(c, "run.calls")), index);
    g_autoptr(GList) members = json_object_get_members(call);

    for (GList *m = members; m != NULL; m = m->next) {
        if (!g_strv_contains(known, m->data)) {
            golden_not_understood(error, "member '%s' of a call", (const char *)m->data);
            return NULL;
        }
    }
    return call;
}

static gboolean
run_call(GoldenDit *dit, ScopeWanCache *cache, const ScopeWanScheduler *scheduler, guint i,
         GError **error)
{
    GoldenCase *c = dit->c;
    JsonObject *call = call_object(c, i, error);
    g_autofree char *x_name = g_strdup_printf("x.%u", i);
    g_autofree char *flow_name = g_strdup_printf("flow.%u", i);
    g_autofree char *x0_name = g_strdup_printf("x0.%u", i);
    g_autofree char *index_name = g_strdup_printf("kv_index.%u", i);
    g_autofree char *context_name = g_strdup_printf("vace_context.%u", i);
    g_autofree char *kv_prefix = g_strdup_printf("kv.%u", i);
    float timesteps[GOLDEN_DIT_MAX_FRAMES];

    if (call == NULL) {
        return FALSE;
    }
    g_autofree char *prompt =
        g_strdup_printf("prompt_embeds.%" G_GINT64_FORMAT,
                        json_object_get_int_member_with_default(call, "prompt", 0));
    if (!golden_dit_set_prompt(dit, prompt, error)) {
        return FALSE;
    }
    if (json_object_get_boolean_member_with_default(call, "reset_cross", FALSE)) {
        scope_wan_text_reset_cross(&dit->text, dit->ctx);
    }
    ScopeTensor x =
        golden_dit_latents(dit, x_name, scope_wan_model_get_config(dit->model)->in_dim, error);
    if (scope_tensor_is_none(x)) {
        return FALSE;
    }
    double t = json_object_get_double_member(call, "t");
    ScopeWanPass pass = {
        .latents = x,
        .flow = golden_dit_flow(dit, x),
        .timesteps = fill_timesteps(timesteps, x.shape[0], t),
        .text = &dit->text,
        .cache = cache,
        .start_frame = json_object_get_int_member(call, "start_frame"),
        .vace_context = SCOPE_TENSOR_NONE,
        .pad_keys = TRUE,
    };
    if (json_object_has_member(call, "vace_scale")) {
        pass.vace_context = golden_dit_context(dit, context_name, error);
        pass.vace_scale = (float)json_object_get_double_member(call, "vace_scale");
        if (scope_tensor_is_none(pass.vace_context)) {
            return FALSE;
        }
    }
    if (!golden_check(c, scope_wan_cache_fits(cache, pass.start_frame, x.shape[0]),
                      "call %u does not fit in the cache", i)) {
        return TRUE;
    }
    scope_wan_model_run(dit->ctx, dit->model, &pass);
    golden_engine_check(dit->engine, c, flow_name, pass.flow);
    ScopeTensor x0 = golden_engine_alloc(dit->engine, x.ndim, x.shape);
    scope_wan_scheduler_to_clean(scheduler, dit->ctx, x0, x, pass.flow, t);
    golden_engine_check(dit->engine, c, x0_name, x0);
    golden_check_i64(c, index_name, 2, (const gint64[]){cache->total_tokens, cache->filled_tokens});
    golden_dit_check_cache(dit, cache, kv_prefix);
    return TRUE;
}

gboolean
golden_run_dit_causal(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"latent_h",
                                          "latent_w",
                                          "timestep_shift",
                                          "local_attn_size",
                                          "max_attention_frames",
                                          "cache_frames",
                                          "calls",
                                          "impl",
                                          NULL};
    g_autoptr(GoldenDit) dit = NULL;
    ScopeWanCache cache;
    ScopeWanScheduler scheduler;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    const char *impl = golden_string(c, "run.impl", "");
    gboolean longlive = g_str_equal(impl, "longlive");
    JsonNode *calls = golden_node(c, "run.calls");
    if ((!longlive && !g_str_equal(impl, "selfforcing")) || calls == NULL ||
        !JSON_NODE_HOLDS_ARRAY(calls)) {
        return golden_not_understood(error, "run.impl \"%s\" or run.calls", impl);
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL) {
        return FALSE;
    }
    ScopeTensor x =
        golden_dit_latents(dit, "x.0", scope_wan_model_get_config(dit->model)->in_dim, error);
    if (scope_tensor_is_none(x) ||
        !cache_for(dit, longlive ? SCOPE_WAN_CACHE_LONGLIVE : SCOPE_WAN_CACHE_SELF_FORCING,
                   golden_int(c, "run.cache_frames", 0), golden_int(c, "run.local_attn_size", 0),
                   golden_int(c, "run.max_attention_frames", 0), x, &cache, error)) {
        return FALSE;
    }
    scope_wan_scheduler_init(&scheduler, golden_double(c, "run.timestep_shift", 5.0));
    for (guint i = 0; i < json_array_get_length(json_node_get_array(calls)); i++) {
        if (!run_call(dit, &cache, &scheduler, i, error)) {
            return FALSE;
        }
    }
    for (int i = 0; i < scope_wan_model_get_config(dit->model)->n_layers; i++) {
        g_autofree char *k = g_strdup_printf("cross.l%d.k", i);
        g_autofree char *v = g_strdup_printf("cross.l%d.v", i);
        if (golden_has_out(c, k)) {
            golden_engine_check(dit->engine, c, k, scope_tensor_select(dit->text.main.k, 0, i));
            golden_engine_check(dit->engine, c, v, scope_tensor_select(dit->text.main.v, 0, i));
        }
    }
    return TRUE;
}

/* -- a recomputed cache ----------------------------------------------------------------------- */

gboolean
golden_run_dit_recompute(GoldenCase *c, GError **error)
{
    static const char *const members[] = {
        "latent_h", "latent_w", "num_frame_per_block", "cache_frames", "t", "biases", NULL};
    g_autoptr(GoldenDit) dit = NULL;
    gint64 chunk = 0, slots = 0;
    ScopeWanCache cache;
    float timesteps[GOLDEN_DIT_MAX_FRAMES];
    int n = 0;

    if (!golden_dit_check_members(c, members, error) ||
        !golden_require_int(c, "run.num_frame_per_block", &chunk, error) ||
        !golden_require_int(c, "run.cache_frames", &slots, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, NULL, 0, NULL, 0, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "prompt_embeds.0", error)) {
        return FALSE;
    }
    int in_dim = scope_wan_model_get_config(dit->model)->in_dim;
    ScopeTensor context = golden_dit_latents(dit, "context_frames", in_dim, error);
    ScopeTensor x = golden_dit_latents(dit, "x", in_dim, error);
    if (scope_tensor_is_none(x) || scope_tensor_is_none(context)) {
        return FALSE;
    }
    if (chunk < 1 || slots < context.shape[0] + x.shape[0]) {
        return golden_not_understood(error, "chunks of %d frames in a cache of %d", (int)chunk,
                                     (int)slots);
    }
    if (!cache_for(dit, SCOPE_WAN_CACHE_SELF_FORCING, slots, SCOPE_WAN_WINDOW_ALL, slots, x, &cache,
                   error)) {
        return FALSE;
    }
    cache.options.chunk_frames = (int)chunk;
    ScopeWanPass recompute = {
        .latents = context,
        .flow = golden_dit_flow(dit, context),
        .timesteps = fill_timesteps(timesteps, context.shape[0], 0.0),
        .text = &dit->text,
        .cache = &cache,
        .fill_cache = TRUE,
        .block_frames = (int)chunk,
        .window_frames = SCOPE_WAN_WINDOW_ALL,
    };
    scope_wan_model_run(dit->ctx, dit->model, &recompute);
    golden_engine_check(dit->engine, c, "context_flow", recompute.flow);
    golden_dit_check_cache(dit, &cache, "kv_context");

    const double *biases = golden_doubles(c, "run.biases", &n);
    ScopeTensor flow = golden_dit_flow(dit, x);
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("flow.%d", i);
        ScopeWanPass pass = {
            .latents = x,
            .flow = flow,
            .timesteps = fill_timesteps(timesteps, x.shape[0], golden_double(c, "run.t", 0)),
            .text = &dit->text,
            .cache = &cache,
            .call = {.bias_past = biases[i] != 1.0, .past_weight = (float)biases[i]},
            .start_frame = context.shape[0],
        };
        scope_wan_model_run(dit->ctx, dit->model, &pass);
        golden_engine_check(dit->engine, c, name, flow);
    }
    return TRUE;
}
