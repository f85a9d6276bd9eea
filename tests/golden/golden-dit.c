/* SPDX-License-Identifier: Apache-2.0 */
/* Shared parts of the handlers of the Wan transformer. Main thread. */
#include "golden-dit.h"

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"

static const char *const top_members[] = {
    "name",    "kind",           "description",   "run",       "model",
    "vace",    "storage",        "computed_with", "tolerance", "bf16_reference",
    "tensors", "tensor_meaning", "layout",        NULL,
};
static const char *const model_members[] = {
    "text_len",          "in_dim",    "dim",        "ffn_dim",   "freq_dim",        "text_dim",
    "out_dim",           "num_heads", "num_layers", "sink_size", "record_interval", "bank_size",
    "compression_alpha", "SMA",       "eps",        NULL,
};
static const char *const vace_members[] = {"vace_in_dim", "vace_layers", NULL};
static const char *const storage_members[] = {"file", "dtype", "keep_f32", "prefix", "decoy", NULL};

gboolean
golden_dit_check_members(GoldenCase *c, const char *const *run_members, GError **error)
{
    return golden_only_members(c, NULL, top_members, error) &&
           golden_only_members(c, "run", run_members, error) &&
           (golden_node(c, "model") == NULL ||
            golden_only_members(c, "model", model_members, error)) &&
           (golden_node(c, "vace") == NULL ||
            golden_only_members(c, "vace", vace_members, error)) &&
           (golden_node(c, "storage") == NULL ||
            golden_only_members(c, "storage", storage_members, error));
}

static gboolean
read_config(GoldenCase *c, ScopeWanConfig *config, GError **error)
{
    int n_layers = 0;
    const gint64 *layers = golden_ints(c, "vace.vace_layers", &n_layers);

    *config = (ScopeWanConfig){
        .dim = (int)golden_int(c, "model.dim", 0),
        .ffn_dim = (int)golden_int(c, "model.ffn_dim", 0),
        .freq_dim = (int)golden_int(c, "model.freq_dim", 0),
        .text_dim = (int)golden_int(c, "model.text_dim", 0),
        .text_len = (int)golden_int(c, "model.text_len", 0),
        .in_dim = (int)golden_int(c, "model.in_dim", 0),
        .out_dim = (int)golden_int(c, "model.out_dim", 0),
        .n_heads = (int)golden_int(c, "model.num_heads", 0),
        .n_layers = (int)golden_int(c, "model.num_layers", 0),
        .eps = golden_double(c, "model.eps", 0),
        .vace_in_dim = (int)golden_int(c, "vace.vace_in_dim", 0),
    };
    if (n_layers > SCOPE_WAN_MAX_LAYERS) {
        return golden_not_understood(error, "%d VACE layers", n_layers);
    }
    for (int i = 0; i < n_layers; i++) {
        config->vace_layers[i] = (int)layers[i];
    }
    config->n_vace_layers = n_layers;
    return TRUE;
}

GoldenDit *
golden_dit_open(GoldenCase *c, ScopeWanAdapter *merged, guint n_merged, ScopeWanAdapter *runtime,
                guint n_runtime, GError **error)
{
    g_autoptr(GoldenDit) dit = g_new0(GoldenDit, 1);
    ScopeWanConfig config;

    dit->c = c;
    dit->engine = golden_engine_open(c, error);
    if (dit->engine == NULL || !read_config(c, &config, error)) {
        return NULL;
    }
    dit->ctx = dit->engine->ctx;
    ScopeWanLoadOptions options = {
        .weights_path = golden_weights_path(c),
        .known = &config,
        .vace_in_weights = config.n_vace_layers > 0,
        .merged = merged,
        .n_merged = n_merged,
        .runtime = runtime,
        .n_runtime = n_runtime,
        .quantization =
            golden_wants_int8(c) ? SCOPE_WAN_QUANTIZATION_INT8 : SCOPE_WAN_QUANTIZATION_NONE,
    };
    if (options.weights_path == NULL) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "the case has no weights");
        return NULL;
    }
    dit->model = scope_wan_model_load(dit->ctx, &options, error);
    if (dit->model == NULL) {
        return NULL;
    }
    dit->session = scope_arena_create(dit->ctx->backend, "session");
    scope_wan_text_init(&dit->text, dit->ctx, scope_wan_model_get_config(dit->model), dit->session);
    return g_steal_pointer(&dit);
}

void
golden_dit_close(GoldenDit *dit)
{
    if (dit == NULL) {
        return;
    }
    g_clear_pointer(&dit->model, scope_wan_model_destroy);
    g_clear_pointer(&dit->session, scope_arena_destroy);
    g_clear_pointer(&dit->engine, golden_engine_close);
    g_free(dit);
}

gboolean
golden_dit_set_prompt(GoldenDit *dit, const char *name, GError **error)
{
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    const GoldenTensor *rows = golden_in(dit->c, name, error);

    if (rows == NULL) {
        return FALSE;
    }
    if (rows->rank != 2 || rows->shape[0] > config->text_len ||
        rows->shape[1] != config->text_dim) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' does not fit the model", name);
        return FALSE;
    }
    scope_wan_text_set_prompt(
        &dit->text, dit->ctx,
        scope_tensor_wrap(SCOPE_DTYPE_F32, rows->f32, SCOPE_SHAPE(rows->shape[0], rows->shape[1])));
    return TRUE;
}

ScopeTensor
golden_dit_latents(GoldenDit *dit, const char *name, int channels, GError **error)
{
    ScopeTensor x = golden_engine_in(dit->engine, dit->c, name, 4, error);

    if (!scope_tensor_is_none(x) &&
        (x.shape[0] < 1 || x.shape[0] > GOLDEN_DIT_MAX_FRAMES || x.shape[1] != channels ||
         x.shape[2] % SCOPE_WAN_PATCH != 0 || x.shape[3] % SCOPE_WAN_PATCH != 0)) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' does not fit the model", name);
        return SCOPE_TENSOR_NONE;
    }
    return x;
}

ScopeTensor
golden_dit_context(GoldenDit *dit, const char *name, GError **error)
{
    const ScopeWanConfig *config = scope_wan_model_get_config(dit->model);
    ScopeTensor x = golden_engine_in(dit->engine, dit->c, name, 4, error);

    if (!scope_tensor_is_none(x) && x.shape[0] != config->vace_in_dim) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' does not fit the model", name);
        return SCOPE_TENSOR_NONE;
    }
    return x;
}

ScopeTensor
golden_dit_flow(GoldenDit *dit, ScopeTensor x)
{
    return golden_engine_alloc(
        dit->engine, SCOPE_SHAPE(x.shape[0], scope_wan_model_get_config(dit->model)->out_dim,
                                 x.shape[2], x.shape[3]));
}

void
golden_dit_check_cache(GoldenDit *dit, const ScopeWanCache *cache, const char *prefix)
{
    for (int i = 0; i < cache->options.n_layers; i++) {
        g_autofree char *k = g_strdup_printf("%s.l%d.k", prefix, i);
        g_autofree char *v = g_strdup_printf("%s.l%d.v", prefix, i);
        if (golden_has_out(dit->c, k)) {
            golden_engine_check(dit->engine, dit->c, k, scope_tensor_select(cache->k, 0, i));
            golden_engine_check(dit->engine, dit->c, v, scope_tensor_select(cache->v, 0, i));
        }
    }
}
