/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of adapters and of checkpoint forms: a model loaded for each setting, three chunks on a
 * fresh cache. Main thread. */
#include "golden-dit.h"
#include "golden-families.h"

#include "engine/scope-ops.h"
#include "models/scope-wan-model-private.h"

#define MAX_ADAPTERS 16

/* The adapters of one setting. */
typedef struct {
    gboolean merged;
    ScopeWanAdapter adapters[MAX_ADAPTERS];
    float scales[MAX_ADAPTERS];
    const char *names[MAX_ADAPTERS];
    guint n;
} Setting;

static void
clear_setting(Setting *setting)
{
    for (guint i = 0; i < setting->n; i++) {
        scope_lora_file_unref(setting->adapters[i].file);
    }
    setting->n = 0;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setting, clear_setting)

static gboolean
read_setting(GoldenCase *c, JsonObject *object, Setting *setting, GError **error)
{
    static const char *const known[] = {"mode", "adapters", NULL};
    g_autoptr(GList) members = json_object_get_members(object);
    const char *mode = json_object_get_string_member(object, "mode");
    JsonArray *adapters = json_object_get_array_member(object, "adapters");

    for (GList *m = members; m != NULL; m = m->next) {
        if (!g_strv_contains(known, m->data)) {
            return golden_not_understood(error, "member '%s' of a setting", (char *)m->data);
        }
    }
    setting->merged = g_str_equal(mode, "merge");
    if ((!setting->merged && !g_str_equal(mode, "runtime")) ||
        json_array_get_length(adapters) > MAX_ADAPTERS) {
        return golden_not_understood(error, "mode \"%s\"", mode);
    }
    for (guint i = 0; i < json_array_get_length(adapters); i++) {
        JsonArray *pair = json_array_get_array_element(adapters, i);
        setting->names[i] = json_array_get_string_element(pair, 0);
        setting->scales[i] = (float)json_array_get_double_element(pair, 1);
        setting->adapters[i] = (ScopeWanAdapter){
            .file = scope_lora_file_open(golden_get_path(c, setting->names[i]), error),
            .scale = setting->scales[i],
        };
        if (setting->adapters[i].file == NULL) {
            return FALSE;
        }
        setting->n++;
    }
    return TRUE;
}

/* Linears of a model by published name, for run.report_weights. */
static const ScopeWeight *
find_weight(const ScopeWanModel *model, const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, ".", -1);

    if (g_strv_length(parts) != 5 || !g_str_equal(parts[0], "blocks") ||
        !g_str_equal(parts[4], "weight")) {
        return NULL;
    }
    guint64 index = g_ascii_strtoull(parts[1], NULL, 10);
    if (index >= (guint64)model->config.n_layers) {
        return NULL;
    }
    const ScopeWanBlock *b = &model->blocks[index];
    if (g_str_equal(parts[2], "ffn")) {
        return g_str_equal(parts[3], "0") ? &b->ffn_in.weight : &b->ffn_out.weight;
    }
    const ScopeWanAttention *a =
        g_str_equal(parts[2], "self_attn") ? &b->self_attn : &b->cross_attn;
    switch (parts[3][0]) {
    case 'q':
        return &a->q.weight;
    case 'k':
        return &a->k.weight;
    case 'v':
        return &a->v.weight;
    default:
        return &a->o.weight;
    }
}

static gboolean
report_weights(GoldenDit *dit, int index, GError **error)
{
    JsonNode *node = golden_node(dit->c, "run.report_weights");

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node)) {
        return TRUE;
    }
    if (golden_wants_int8(dit->c)) {
        golden_excuse(dit->c, "out.merged.*", "what was stored is not kept beside 8-bit weights");
        return TRUE;
    }
    for (guint i = 0; i < json_array_get_length(json_node_get_array(node)); i++) {
        const char *name = json_array_get_string_element(json_node_get_array(node), i);
        g_autofree char *full = g_strdup_printf("merged.setting%d.%s", index, name);
        const ScopeWeight *weight = find_weight(dit->model, name);
        if (weight == NULL) {
            return golden_not_understood(error, "weight '%s'", name);
        }
        /* mapped on the CPU, row by row in the memory of a device */
        ScopeTensor value = scope_tensor_is_none(weight->stored) ? weight->packed : weight->stored;
        if (golden_has_out(dit->c, full)) {
            golden_engine_check(dit->engine, dit->c, full, value);
        }
    }
    return TRUE;
}

static gboolean
run_chunks(GoldenDit *dit, const Setting *setting, int index, GError **error)
{
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    ScopeWanCache cache;
    int n = 0;
    const double *t = golden_doubles(dit->c, "run.timesteps", &n);
    int64_t start_frame = 0;

    for (int i = 0; i < n; i++) {
        g_autofree char *x_name = g_strdup_printf("x.%d", i);
        g_autofree char *flow_name = g_strdup_printf("flow.setting%d.%d", index, i);
        ScopeTensor x = golden_dit_latents(dit, x_name, config->in_dim, error);
        float timesteps[GOLDEN_DIT_MAX_FRAMES];
        if (scope_tensor_is_none(x)) {
            return FALSE;
        }
        if (i == 0) {
            gint64 window = golden_int(dit->c, "run.local_attn_size", 0);
            ScopeWanCacheOptions options = {
                .kind = SCOPE_WAN_CACHE_LONGLIVE,
                .n_layers = config->n_layers,
                .n_heads = config->n_heads,
                .head_dim = config->dim / config->n_heads,
                .frame_tokens = x.shape[2] / SCOPE_WAN_PATCH * x.shape[3] / SCOPE_WAN_PATCH,
                .slot_frames = (int)window,
                .window_frames = (int)window,
                .budget_frames = (int)window,
                .sink_frames = (int)golden_int(dit->c, "model.sink_size", 0),
                .chunk_frames = (int)x.shape[0],
                .dtype = SCOPE_DTYPE_F32,
            };
            if (window < 1 || options.sink_frames < 0 || options.sink_frames >= window) {
                return golden_not_understood(error, "run.local_attn_size");
            }
            scope_wan_cache_init(&cache, dit->ctx, &options, dit->session);
        }
        for (int64_t f = 0; f < x.shape[0]; f++) {
            timesteps[f] = (float)t[i];
        }
        ScopeWanPass pass = {
            .latents = x,
            .flow = golden_dit_flow(dit, x),
            .timesteps = timesteps,
            .text = &dit->text,
            .cache = &cache,
            .start_frame = start_frame,
            .lora_scales = setting->merged || setting->n == 0 ? NULL : setting->scales,
        };
        scope_wan_model_run(dit->ctx, dit->model, &pass);
        golden_engine_check(dit->engine, dit->c, flow_name, pass.flow);
        start_frame += x.shape[0];
    }
    return TRUE;
}

static gboolean
run_setting(GoldenCase *c, JsonObject *object, int index, GError **error)
{
    g_auto(Setting) setting = {.n = 0};
    g_autoptr(GoldenDit) dit = NULL;

    if (!read_setting(c, object, &setting, error)) {
        return FALSE;
    }
    dit = golden_dit_open(c, setting.adapters, setting.merged ? setting.n : 0, setting.adapters,
                          setting.merged ? 0 : setting.n, error);
    if (dit == NULL || !golden_dit_set_prompt(dit, "prompt_embeds.0", error)) {
        return FALSE;
    }
    for (guint i = 0; i < setting.n; i++) {
        g_autofree char *name = g_strdup_printf("n_matched.%s", setting.names[i]);
        gint64 n_matched = setting.adapters[i].n_matched;
        golden_check_i64(c, name, 1, &n_matched);
    }
    return report_weights(dit, index, error) && run_chunks(dit, &setting, index, error);
}

gboolean
golden_run_dit_lora(GoldenCase *c, GError **error)
{
    static const char *const members[] = {
        "latent_h", "latent_w", "local_attn_size", "timesteps", "settings", "report_weights", NULL};
    JsonNode *settings = golden_node(c, "run.settings");

    if (!golden_dit_check_members(c, members, error)) {
        return FALSE;
    }
    if (settings == NULL || !JSON_NODE_HOLDS_ARRAY(settings)) {
        return golden_not_understood(error, "run.settings");
    }
    for (guint i = 0; i < json_array_get_length(json_node_get_array(settings)); i++) {
        JsonObject *object = json_array_get_object_element(json_node_get_array(settings), i);
        if (!run_setting(c, object, (int)i, error)) {
            return FALSE;
        }
    }
    return TRUE;
}
