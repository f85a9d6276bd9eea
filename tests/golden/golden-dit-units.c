/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of what stands beside the transformer: scheduler, noise, frames, embeddings, MemFlow's
 * selection, fp8, VACE contexts. Main thread. */
#include "golden-dit.h"
#include "golden-families.h"

#include <math.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "models/scope-embedding.h"
#include "models/scope-wan-linear.h"
#include "models/scope-wan-memory.h"
#include "models/scope-wan-noise.h"
#include "models/scope-wan-scheduler.h"
#include "models/scope-wan-vace.h"

#define MAX_STEPS 64

/* A number as it stands in tensor names: always with a fraction. */
static char *
number_text(double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    for (int precision = 1; precision <= 17; precision++) {
        g_autofree char *format = g_strdup_printf("%%.%dg", precision);
        g_ascii_formatd(digits, sizeof(digits), format, value);
        if (g_ascii_strtod(digits, NULL) == value) {
            break;
        }
    }
    return g_strconcat(digits, strpbrk(digits, ".en") == NULL ? ".0" : "", NULL);
}

static void
check_row(GoldenCase *c, const char *name, int n, const double *values)
{
    float row[MAX_STEPS];

    for (int i = 0; i < n; i++) {
        row[i] = (float)values[i];
    }
    golden_check_f32(c, name, 1, (const gint64[]){n}, row);
}

/* -- scheduler -------------------------------------------------------------------------------- */

static gboolean
check_lists(GoldenCase *c, const ScopeWanScheduler *s, const char *shift, GError **error)
{
    JsonNode *lists = golden_node(c, "run.step_lists");

    if (lists == NULL || !JSON_NODE_HOLDS_ARRAY(lists)) {
        return golden_not_understood(error, "run.step_lists");
    }
    for (guint i = 0; i < json_array_get_length(json_node_get_array(lists)); i++) {
        JsonArray *list = json_array_get_array_element(json_node_get_array(lists), i);
        guint n = json_array_get_length(list);
        g_autofree char *warped_name = g_strdup_printf("warped.shift%s.list%u", shift, i);
        g_autofree char *raw_name = g_strdup_printf("sigma_raw.shift%s.list%u", shift, i);
        g_autofree char *sigma_name = g_strdup_printf("sigma_warped.shift%s.list%u", shift, i);
        double warped[MAX_STEPS], raw_sigma[MAX_STEPS], warped_sigma[MAX_STEPS];
        if (n > MAX_STEPS) {
            return golden_not_understood(error, "%u steps", n);
        }
        for (guint j = 0; j < n; j++) {
            int t = (int)json_array_get_int_element(list, j);
            warped[j] = scope_wan_scheduler_warp(s, t);
            raw_sigma[j] = scope_wan_scheduler_sigma(s, t);
            warped_sigma[j] = scope_wan_scheduler_sigma(s, warped[j]);
        }
        check_row(c, warped_name, (int)n, warped);
        check_row(c, raw_name, (int)n, raw_sigma);
        check_row(c, sigma_name, (int)n, warped_sigma);
    }
    return TRUE;
}

static gboolean
check_spreads(GoldenCase *c, const ScopeWanScheduler *s, const char *shift, GError **error)
{
    int n_strengths = 0, n_steps = 0;
    const double *strengths = golden_doubles(c, "run.krea_strengths", &n_strengths);
    const gint64 *steps = golden_ints(c, "run.krea_steps", &n_steps);

    for (int i = 0; i < n_strengths; i++) {
        for (int j = 0; j < n_steps; j++) {
            g_autofree char *strength = number_text(strengths[i]);
            g_autofree char *name = g_strdup_printf(
                "krea_schedule.shift%s.strength%s.n%" G_GINT64_FORMAT, shift, strength, steps[j]);
            double values[MAX_STEPS];
            if (steps[j] < 1 || steps[j] > MAX_STEPS) {
                return golden_not_understood(error, "%" G_GINT64_FORMAT " steps", steps[j]);
            }
            scope_wan_scheduler_spread(s, strengths[i], (int)steps[j], values);
            check_row(c, name, (int)steps[j], values);
        }
    }
    return TRUE;
}

static gboolean
check_steps(GoldenCase *c, GoldenEngine *engine, const ScopeWanScheduler *s, const char *shift,
            GError **error)
{
    const GoldenTensor *t = golden_in(c, "t", error);
    ScopeTensor clean = golden_engine_in(engine, c, "clean", -1, error);
    ScopeTensor noise = golden_engine_in(engine, c, "noise", -1, error);
    ScopeTensor flow = golden_engine_in(engine, c, "flow", -1, error);
    ScopeTensor xt = golden_engine_in(engine, c, "xt", -1, error);
    gboolean any_last = FALSE;

    if (t == NULL || scope_tensor_is_none(clean) || scope_tensor_is_none(noise) ||
        scope_tensor_is_none(flow) || scope_tensor_is_none(xt)) {
        return FALSE;
    }
    if (t->n != clean.shape[0]) {
        return golden_not_understood(error, "%d timesteps for %d rows", (int)t->n,
                                     (int)clean.shape[0]);
    }
    ScopeTensor out[4];
    static const char *const names[] = {"add_noise", "x0", "flow_from_x0", "euler_step"};
    for (int i = 0; i < 4; i++) {
        out[i] = golden_engine_alloc(engine, clean.ndim, clean.shape);
    }
    for (gint64 i = 0; i < t->n; i++) {
        any_last = any_last || scope_wan_scheduler_is_last(s, t->f32[i]);
    }
    for (gint64 i = 0; i < t->n; i++) {
        ScopeTensor x = scope_tensor_select(xt, 0, i), v = scope_tensor_select(flow, 0, i);
        ScopeTensor a = scope_tensor_select(clean, 0, i), b = scope_tensor_select(noise, 0, i);
        double at = t->f32[i];
        scope_wan_scheduler_add_noise(s, engine->ctx, scope_tensor_select(out[0], 0, i), a, b, at);
        scope_wan_scheduler_to_clean(s, engine->ctx, scope_tensor_select(out[1], 0, i), x, v, at);
        scope_wan_scheduler_to_flow(s, engine->ctx, scope_tensor_select(out[2], 0, i), x, a, at);
        scope_wan_scheduler_euler(s, engine->ctx, scope_tensor_select(out[3], 0, i), x, v, at,
                                  any_last);
    }
    for (int i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("%s.shift%s", names[i], shift);
        golden_engine_check(engine, c, name, out[i]);
    }
    return TRUE;
}

gboolean
golden_run_dit_scheduler(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"shifts", "step_lists", "krea_strengths", "krea_steps",
                                          NULL};
    const gint64 n_entries[1] = {SCOPE_WAN_N_TIMESTEPS};
    g_autoptr(GoldenEngine) engine = NULL;
    ScopeWanScheduler s;
    int n = 0;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    engine = golden_engine_open(c, error);
    if (engine == NULL) {
        return FALSE;
    }
    const double *shifts = golden_doubles(c, "run.shifts", &n);
    for (int i = 0; i < n; i++) {
        g_autofree char *shift = number_text(shifts[i]);
        g_autofree char *sigmas = g_strdup_printf("sigmas.shift%s", shift);
        g_autofree char *timesteps = g_strdup_printf("timesteps.shift%s", shift);
        scope_wan_scheduler_init(&s, shifts[i]);
        golden_check_f32(c, sigmas, 1, n_entries, s.sigmas);
        golden_check_f32(c, timesteps, 1, n_entries, s.timesteps);
        if (!check_lists(c, &s, shift, error) || !check_spreads(c, &s, shift, error) ||
            !check_steps(c, engine, &s, shift, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* -- video-to-video --------------------------------------------------------------------------- */

/* A clip [3, n, h, w] of the case, seen as [n, h, w, 3]. */
static ScopeTensor
clip(GoldenEngine *engine, GoldenCase *c, const char *name, GError **error)
{
    ScopeTensor x = golden_engine_in(engine, c, name, 4, error);

    return scope_tensor_is_none(x) ? x : scope_tensor_permute(x, SCOPE_ORDER(1, 2, 3, 0));
}

static gboolean
check_noising(GoldenCase *c, GoldenEngine *engine, GError **error)
{
    ScopeTensor noise = golden_engine_in(engine, c, "noise", -1, error);
    ScopeTensor latents = golden_engine_in(engine, c, "latents", -1, error);
    int n = 0;
    const double *scales = golden_doubles(c, "run.scales", &n);

    if (scope_tensor_is_none(noise) || scope_tensor_is_none(latents)) {
        return FALSE;
    }
    for (int i = 0; i < n; i++) {
        g_autofree char *noisy = g_strdup_printf("noisy.%d", i);
        g_autofree char *first = g_strdup_printf("first_step.%d", i);
        ScopeTensor x = golden_engine_alloc(engine, noise.ndim, noise.shape);
        gint64 step = scope_wan_noise_first_step(scales[i]);
        scope_wan_noise_mix(engine->ctx, x, noise, latents, scales[i]);
        golden_engine_check(engine, c, noisy, x);
        golden_check_i64(c, first, 1, &step);
    }
    return TRUE;
}

static gboolean
check_controller(GoldenCase *c, GoldenEngine *engine, GError **error)
{
    JsonNode *node = golden_node(c, "run.controller_calls");
    ScopeWanNoiseController controller;
    float results[MAX_STEPS];

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node)) {
        return golden_not_understood(error, "run.controller_calls");
    }
    JsonArray *calls = json_node_get_array(node);
    guint n = json_array_get_length(calls);
    if (n > MAX_STEPS) {
        return golden_not_understood(error, "%u calls of the controller", n);
    }
    for (guint i = 0; i < n; i++) {
        JsonObject *call = json_array_get_object_element(calls, i);
        g_autofree char *name = g_strdup_printf("video.%u", i);
        ScopeTensor frames = clip(engine, c, name, error);
        if (scope_tensor_is_none(frames)) {
            return FALSE;
        }
        if (i == 0) {
            scope_wan_noise_controller_init(&controller, engine->arena, frames.shape[1],
                                            frames.shape[2]);
        }
        if (json_object_get_boolean_member(call, "init_cache")) {
            scope_wan_noise_controller_reset(&controller);
        }
        results[i] = (float)scope_wan_noise_controller_update(
            &controller, engine->ctx, &scope_wan_noise_rule_product, frames,
            golden_int(c, "run.num_frame_per_block", 0),
            json_object_get_double_member(call, "noise_scale"));
    }
    return golden_check_f32(c, "controller_noise_scale", 1, (const gint64[]){n}, results) || TRUE;
}

/* The upstream program looks at a window that ends at each of the given frames. */
static gboolean
check_upstream(GoldenCase *c, GoldenEngine *engine, GError **error)
{
    ScopeTensor video = clip(engine, c, "upstream_video", error);
    ScopeWanNoiseController controller = {.last_frame = SCOPE_TENSOR_NONE};
    int n = 0;
    const gint64 *ends = golden_ints(c, "run.upstream_ends", &n);
    gint64 chunk = golden_int(c, "run.upstream_chunk", 0);
    double initial = golden_double(c, "run.upstream_init", 0);
    float results[MAX_STEPS];
    gint64 steps[MAX_STEPS];

    if (scope_tensor_is_none(video)) {
        return FALSE;
    }
    if (n > MAX_STEPS) {
        return golden_not_understood(error, "%d windows", n);
    }
    ScopeWanNoiseRule rule = scope_wan_noise_rule_upstream;
    rule.base = initial;
    for (int i = 0; i < n; i++) {
        if (ends[i] < 1 || ends[i] > video.shape[0]) {
            return golden_not_understood(error, "a window that ends outside the clip");
        }
        double noise = scope_wan_noise_controller_update(&controller, engine->ctx, &rule,
                                                         scope_tensor_slice(video, 0, 0, ends[i]),
                                                         chunk, initial);
        results[i] = (float)noise;
        steps[i] = scope_wan_noise_first_step(noise);
    }
    golden_check_f32(c, "upstream_noise_scale", 1, (const gint64[]){n}, results);
    golden_check_i64(c, "upstream_first_step", n, steps);
    return TRUE;
}

gboolean
golden_run_dit_v2v(GoldenCase *c, GError **error)
{
    static const char *const members[] = {
        "num_frame_per_block", "scales", "controller_calls", "upstream_init", "upstream_chunk",
        "upstream_ends",       NULL};
    g_autoptr(GoldenEngine) engine = NULL;

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    engine = golden_engine_open(c, error);
    return engine != NULL && check_noising(c, engine, error) &&
           check_controller(c, engine, error) && check_upstream(c, engine, error);
}

static gboolean
check_clip(GoldenCase *c, GoldenEngine *engine, JsonObject *wanted, guint index, GError **error)
{
    g_autofree char *in_name = g_strdup_printf("frames.%u", index);
    g_autofree char *out_name = g_strdup_printf("video.%u", index);
    g_autofree char *indices_name = g_strdup_printf("indices.%u", index);
    const GoldenTensor *frames = golden_in(c, in_name, error);
    int n = (int)json_object_get_int_member(wanted, "target_frames");
    int indices[1024];
    gint64 wide[1024];

    if (frames == NULL) {
        return FALSE;
    }
    if (frames->rank != 4 || n < 1 || n > 1024 ||
        json_object_get_int_member(wanted, "height") < 1 ||
        json_object_get_int_member(wanted, "width") < 1) {
        return golden_not_understood(error, "the size of clip %u", index);
    }
    ScopeTensor bytes = scope_tensor_wrap(
        SCOPE_DTYPE_U8, frames->stored->data,
        SCOPE_SHAPE(frames->shape[0], frames->shape[1], frames->shape[2], frames->shape[3]));
    ScopeTensor out =
        golden_engine_alloc(engine, SCOPE_SHAPE(n, json_object_get_int_member(wanted, "height"),
                                                json_object_get_int_member(wanted, "width"), 3));
    scope_wan_video_indices((int)frames->shape[0], n, indices);
    for (int i = 0; i < n; i++) {
        wide[i] = indices[i];
        scope_wan_video_frame(engine->ctx, scope_tensor_select(out, 0, i),
                              scope_tensor_select(bytes, 0, indices[i]));
    }
    golden_check_i64(c, indices_name, n, wide);
    golden_engine_check(engine, c, out_name, scope_tensor_permute(out, SCOPE_ORDER(3, 0, 1, 2)));
    return TRUE;
}

gboolean
golden_run_dit_preprocess(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"cases", NULL};
    g_autoptr(GoldenEngine) engine = NULL;
    JsonNode *cases = golden_node(c, "run.cases");

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    if (cases == NULL || !JSON_NODE_HOLDS_ARRAY(cases)) {
        return golden_not_understood(error, "run.cases");
    }
    engine = golden_engine_open(c, error);
    if (engine == NULL) {
        return FALSE;
    }
    for (guint i = 0; i < json_array_get_length(json_node_get_array(cases)); i++) {
        JsonObject *wanted = json_array_get_object_element(json_node_get_array(cases), i);
        if (!check_clip(c, engine, wanted, i, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* -- prompt embeddings ------------------------------------------------------------------------ */

#define MAX_EMBEDS 16

typedef struct {
    const GoldenTensor *embeds[MAX_EMBEDS];
    const float *rows[MAX_EMBEDS];
    int n;
    ScopeEmbeddingMethod method;
} BlendCase;

static gboolean
read_blend(GoldenCase *c, JsonObject *op, BlendCase *ret, GError **error)
{
    JsonArray *embeds = json_object_get_array_member(op, "embeds");
    const char *method = json_object_get_string_member(op, "method");

    ret->method = g_str_equal(method, "slerp") ? SCOPE_EMBEDDING_SLERP : SCOPE_EMBEDDING_LINEAR;
    if (!g_str_equal(method, "slerp") && !g_str_equal(method, "linear")) {
        return golden_not_understood(error, "method \"%s\"", method);
    }
    ret->n = (int)json_array_get_length(embeds);
    if (ret->n < 1 || ret->n > MAX_EMBEDS) {
        return golden_not_understood(error, "%d embeddings", ret->n);
    }
    for (int i = 0; i < ret->n; i++) {
        g_autofree char *name = g_strdup_printf("embeds.%" G_GINT64_FORMAT,
                                                json_array_get_int_element(embeds, (guint)i));
        ret->embeds[i] = golden_in(c, name, error);
        if (ret->embeds[i] == NULL) {
            return FALSE;
        }
        ret->rows[i] = ret->embeds[i]->f32;
    }
    return TRUE;
}

static void
check_blend(GoldenCase *c, JsonObject *op, const BlendCase *blend, guint index)
{
    g_autofree char *name = g_strdup_printf("result.%u", index);
    const GoldenTensor *first = blend->embeds[0];
    float *out = golden_alloc(c, (gsize)first->n);
    JsonArray *weights = json_object_get_array_member(op, "weights");
    double values[MAX_EMBEDS];

    for (int i = 0; i < blend->n; i++) {
        values[i] = json_array_get_double_element(weights, (guint)i);
    }
    scope_embedding_blend(out, blend->rows, values, blend->n, first->shape[0], first->shape[1],
                          blend->method);
    golden_check_f32(c, name, first->rank, first->shape, out);
}

static void
check_transition(GoldenCase *c, JsonObject *op, const BlendCase *blend, guint index)
{
    g_autofree char *steps_name = g_strdup_printf("steps.%u", index);
    const GoldenTensor *first = blend->embeds[0];
    int n = scope_embedding_transition_steps(blend->rows[0], blend->rows[1], first->n,
                                             (int)json_object_get_int_member(op, "steps"));
    gint64 n_steps = n;

    golden_check_i64(c, steps_name, 1, &n_steps);
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("result.%u.step%d", index, i);
        float *out = golden_alloc(c, (gsize)first->n);
        scope_embedding_mix(out, blend->rows[0], blend->rows[1],
                            scope_embedding_transition_position(i, n), first->shape[0],
                            first->shape[1], blend->method);
        golden_check_f32(c, name, first->rank, first->shape, out);
    }
}

gboolean
golden_run_dit_blend(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"cases", NULL};
    JsonNode *cases = golden_node(c, "run.cases");

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    if (cases == NULL || !JSON_NODE_HOLDS_ARRAY(cases)) {
        return golden_not_understood(error, "run.cases");
    }
    golden_excuse(c, "in.embeds.*", "a pool of embeddings; a case takes what it names");
    for (guint i = 0; i < json_array_get_length(json_node_get_array(cases)); i++) {
        JsonObject *op = json_array_get_object_element(json_node_get_array(cases), i);
        const char *kind = json_object_get_string_member(op, "op");
        BlendCase blend;
        if (!read_blend(c, op, &blend, error)) {
            return FALSE;
        }
        if (g_str_equal(kind, "blend")) {
            check_blend(c, op, &blend, i);
        } else if (g_str_equal(kind, "transition") && blend.n == 2) {
            check_transition(c, op, &blend, i);
        } else {
            return golden_not_understood(error, "op \"%s\"", kind);
        }
    }
    return TRUE;
}

/* -- MemFlow ---------------------------------------------------------------------------------- */

gboolean
golden_run_dit_memory(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"num_heads", "head_dim",  "tokens_per_frame",
                                          "top_k",     "bank_size", NULL};
    static const char *const names[] = {"route.q", "route.k",    "route.v",    "bank.k",
                                        "bank.v",  "bank.k_new", "bank.v_new", "bank.text_k"};
    g_autoptr(GoldenEngine) engine = NULL;
    gint64 fs = 0, top = 0, bank_size = 0;
    ScopeTensor in[8];

    if (!golden_dit_check_members(c, members, error) ||
        !golden_require_int(c, "run.tokens_per_frame", &fs, error) ||
        !golden_require_int(c, "run.top_k", &top, error) ||
        !golden_require_int(c, "run.bank_size", &bank_size, error)) {
        return FALSE;
    }
    engine = golden_engine_open(c, error);
    for (int i = 0; engine != NULL && i < 8; i++) {
        in[i] = golden_engine_in(engine, c, names[i], 3, error);
        if (scope_tensor_is_none(in[i])) {
            return FALSE;
        }
    }
    if (engine == NULL) {
        return FALSE;
    }
    int n_frames = (int)(in[1].shape[0] / MAX(fs, 1));
    ScopeTensor frames_k[SCOPE_WAN_MEMORY_MAX_FRAMES], frames_v[SCOPE_WAN_MEMORY_MAX_FRAMES];
    if (fs < 1 || top < 1 || n_frames < 1 || n_frames > SCOPE_WAN_MEMORY_MAX_FRAMES ||
        in[3].shape[0] != bank_size * fs) {
        return golden_not_understood(error, "%d frames to choose from", n_frames);
    }
    for (int i = 0; i < n_frames; i++) {
        frames_k[i] = scope_tensor_slice(in[1], 0, i * fs, (i + 1) * fs);
        frames_v[i] = scope_tensor_slice(in[2], 0, i * fs, (i + 1) * fs);
    }
    int64_t shape[3] = {MIN(top, n_frames) * fs, in[0].shape[1], in[0].shape[2]};
    ScopeTensor sel_k = golden_engine_alloc(engine, 3, shape);
    ScopeTensor sel_v = golden_engine_alloc(engine, 3, shape);
    scope_wan_memory_route(engine->ctx, sel_k, sel_v, in[0], frames_k, frames_v, n_frames);
    golden_engine_check(engine, c, "route.k_selected", sel_k);
    golden_engine_check(engine, c, "route.v_selected", sel_v);
    scope_wan_memory_compress(engine->ctx, in[3], in[4], in[5], in[6], in[7]);
    golden_engine_check(engine, c, "bank.k_out", in[3]);
    golden_engine_check(engine, c, "bank.v_out", in[4]);
    return TRUE;
}

/* -- fp8 -------------------------------------------------------------------------------------- */

/* Also gives host copies of codes and scale, as a file would hold them. */
static void
check_quantized(GoldenCase *c, GoldenEngine *engine, const char *name, ScopeTensor x,
                ScopeTensor *ret_q, ScopeTensor *ret_scale)
{
    g_autofree char *scale_name = g_strdup_printf("%s.scale", name);
    g_autofree char *bytes_name = g_strdup_printf("%s.bytes", name);
    ScopeTensor q = scope_arena_alloc(engine->arena, SCOPE_DTYPE_F8_E4M3, x.ndim, x.shape);
    ScopeTensor scale = scope_arena_alloc(engine->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    guint8 *bytes = (guint8 *)golden_alloc(c, (gsize)scope_tensor_n_elements(q));

    scope_fp8_quantize(engine->ctx, q, scale, x);
    scope_context_download(engine->ctx, bytes, q);
    golden_check_u8(c, bytes_name, scope_tensor_n_elements(q), bytes, 0, 0);
    golden_engine_check(engine, c, scale_name, scale);
    *ret_q = scope_tensor_wrap(SCOPE_DTYPE_F8_E4M3, bytes, x.ndim, x.shape);
    *ret_scale = scope_tensor_wrap(SCOPE_DTYPE_F32, golden_engine_download(engine, c, scale),
                                   SCOPE_SHAPE(1));
}

gboolean
golden_run_dit_fp8(GoldenCase *c, GError **error)
{
    static const char *const members[] = {NULL};
    g_autoptr(GoldenEngine) engine = NULL;
    guint8 codes[256];
    float table[256];

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    engine = golden_engine_open(c, error);
    if (engine == NULL) {
        return FALSE;
    }
    ScopeTensor x = golden_engine_in(engine, c, "x", 2, error);
    ScopeTensor w = golden_engine_in(engine, c, "w", 2, error);
    const GoldenTensor *b = golden_in(c, "b", error);
    const GoldenTensor *numbers = b != NULL ? golden_in(c, "rounding.in", error) : NULL;
    if (scope_tensor_is_none(x) || scope_tensor_is_none(w) || numbers == NULL) {
        return FALSE;
    }
    for (int i = 0; i < 256; i++) {
        codes[i] = (guint8)i;
    }
    scope_dtype_to_f32(SCOPE_DTYPE_F8_E4M3, codes, table, 256);
    /* the file holds 0 in place of the two codes that are no numbers */
    golden_check(c, isnan(table[0x7f]) && isnan(table[0xff]), "codes 0x7f and 0xff are numbers");
    table[0x7f] = table[0xff] = 0.0f;
    golden_check_f32(c, "table", 1, (const gint64[]){256}, table);
    guint8 *rounded = (guint8 *)golden_alloc(c, (gsize)numbers->n);
    scope_dtype_from_f32(SCOPE_DTYPE_F8_E4M3, numbers->f32, rounded, numbers->n);
    golden_check_u8(c, "rounding.bytes", numbers->n, rounded, 0, 0);

    ScopeTensor q, scale, wq, w_scale;
    check_quantized(c, engine, "x", x, &q, &scale);
    check_quantized(c, engine, "w", w, &wq, &w_scale);
    ScopeWeightOptions options = {
        .store = SCOPE_WEIGHT_STORE_KEEP,
        .bias = scope_tensor_wrap(SCOPE_DTYPE_F32, b->f32, SCOPE_SHAPE(b->n)),
        .scale = w_scale,
    };
    ScopeWanLinear linear = {.fp8 = TRUE};
    if (!scope_weight_prepare_linear(engine->ctx, engine->arena, wq, &options, &linear.weight,
                                     error)) {
        return FALSE;
    }
    ScopeTensor y = golden_engine_alloc(engine, SCOPE_SHAPE(x.shape[0], w.shape[0]));
    scope_wan_linear_run(engine->ctx, y, x, &linear, NULL, NULL);
    golden_engine_check(engine, c, "y", y);
    return TRUE;
}

/* -- VACE contexts ---------------------------------------------------------------------------- */

/* An optional input CASE.NAME; latents are [F, 16, h, w]. */
static ScopeTensor
optional(GoldenCase *c, GoldenEngine *engine, const char *of, const char *name)
{
    g_autofree char *full = g_strdup_printf("%s.%s", of, name);

    return golden_has_in(c, full) ? golden_engine_in(engine, c, full, 4, NULL) : SCOPE_TENSOR_NONE;
}

static void
check_named(GoldenCase *c, GoldenEngine *engine, const char *of, const char *name, ScopeTensor x)
{
    g_autofree char *full = g_strdup_printf("%s.%s", of, name);

    golden_engine_check(engine, c, full, x);
}

static gboolean
check_context(GoldenCase *c, GoldenEngine *engine, const char *name, JsonObject *facts,
              GError **error)
{
    g_autofree char *frames_name = g_strdup_printf("%s.frames", name);
    g_autofree char *cache_name = g_strdup_printf("%s.reactive_use_cache", name);
    gboolean masked = json_object_get_boolean_member(facts, "mask");
    gboolean has_frames = json_object_get_int_member(facts, "frames") > 0;
    ScopeTensor frames = has_frames ? clip(engine, c, frames_name, error) : SCOPE_TENSOR_NONE;
    ScopeWanVaceParts parts = {
        .references = optional(c, engine, name, "lat_refs"),
        .inactive = optional(c, engine, name, masked ? "lat_inactive" : "lat_frames"),
        .reactive = optional(c, engine, name, "lat_reactive"),
    };

    if (has_frames && (scope_tensor_is_none(frames) || scope_tensor_is_none(parts.inactive))) {
        return FALSE;
    }
    if (!has_frames && (masked || scope_tensor_is_none(parts.references))) {
        return golden_not_understood(error, "%s has neither frames nor references", name);
    }
    ScopeTensor sized = has_frames ? parts.inactive : parts.references;
    int64_t n = has_frames ? frames.shape[0] : 0, h = has_frames ? frames.shape[1] : 0;
    int64_t w = has_frames ? frames.shape[2] : 0;
    int64_t n_latents = has_frames ? parts.inactive.shape[0] : 0;
    int64_t n_references = scope_tensor_is_none(parts.references) ? 0 : parts.references.shape[0];
    /* what the encoder made of the reference images is given */
    ScopeTensor images = optional(c, engine, name, "refs");
    golden_check(c,
                 n_references == json_object_get_int_member(facts, "refs") &&
                     (n_references == 0 || images.shape[1] == n_references) &&
                     n == json_object_get_int_member(facts, "frames"),
                 "%s has other frames or references than it says", name);
    if (masked) {
        g_autofree char *mask_name = g_strdup_printf("%s.mask", name);
        ScopeTensor mask = clip(engine, c, mask_name, error);
        if (scope_tensor_is_none(mask)) {
            return FALSE;
        }
        ScopeTensor inactive = golden_engine_alloc(engine, SCOPE_SHAPE(n, h, w, 3));
        ScopeTensor reactive = golden_engine_alloc(engine, SCOPE_SHAPE(n, h, w, 3));
        gint64 use_cache =
            scope_wan_vace_split(engine->ctx, inactive, reactive, frames, mask) ? 1 : 0;
        check_named(c, engine, name, "inactive_pixels",
                    scope_tensor_permute(inactive, SCOPE_ORDER(3, 0, 1, 2)));
        check_named(c, engine, name, "reactive_pixels",
                    scope_tensor_permute(reactive, SCOPE_ORDER(3, 0, 1, 2)));
        golden_check_i64(c, cache_name, 1, &use_cache);
        parts.mask = golden_engine_alloc(engine, SCOPE_SHAPE(SCOPE_WAN_VACE_MASK_CHANNELS,
                                                             scope_wan_vace_mask_frames(n),
                                                             h / 16 * 2, w / 16 * 2));
        scope_wan_vace_mask(engine->ctx, parts.mask, mask);
    }
    ScopeTensor context =
        golden_engine_alloc(engine, SCOPE_SHAPE(SCOPE_WAN_VACE_CHANNELS, n_references + n_latents,
                                                sized.shape[2], sized.shape[3]));
    scope_wan_vace_assemble(engine->ctx, context, &parts);
    check_named(c, engine, name, "vace_context", context);
    if (masked) {
        ScopeTensor all = scope_tensor_slice(context, 0, 32, SCOPE_WAN_VACE_CHANNELS);
        check_named(c, engine, name, "mask64", all);
    }
    return TRUE;
}

gboolean
golden_run_dit_vace_context(GoldenCase *c, GError **error)
{
    static const char *const members[] = {"cases", NULL};
    g_autoptr(GoldenEngine) engine = NULL;
    JsonNode *cases = golden_node(c, "run.cases");

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    if (cases == NULL || !JSON_NODE_HOLDS_OBJECT(cases)) {
        return golden_not_understood(error, "run.cases");
    }
    engine = golden_engine_open(c, error);
    if (engine == NULL) {
        return FALSE;
    }
    g_autoptr(GList) names = json_object_get_members(json_node_get_object(cases));
    for (GList *name = names; name != NULL; name = name->next) {
        JsonObject *facts = json_object_get_object_member(json_node_get_object(cases), name->data);
        if (!check_context(c, engine, name->data, facts, error)) {
            return FALSE;
        }
    }
    return TRUE;
}
