/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a Wan transformer: files, names, adapters, quantisation. Loader thread. */
#include <gio/gio.h>

#include "engine/scope-backend.h"
#include "models/scope-wan-model-private.h"

/* A load in progress. */
typedef struct {
    ScopeLayerLoader loader;
    ScopeWanModel *model;
    const ScopeWanLoadOptions *options;
    ScopeContext *cpu; /* for merging and rounding */
    ScopeLoraMerge merge;
    gboolean in_block; /* quantisation is for the linears of blocks */
} Load;

/* -- linears ---------------------------------------------------------------------------------- */

/* Rounds a weight to fp8 with one scale, on the host. */
static void
round_to_fp8(Load *load, ScopeTensor *weight, ScopeWeightOptions *options)
{
    ScopeContext *cpu = load->cpu;
    ScopeArenaMark mark = scope_arena_mark(cpu->scratch);
    ScopeTensor q =
        scope_arena_alloc(load->model->host, SCOPE_DTYPE_F8_E4M3, weight->ndim, weight->shape);
    ScopeTensor scale = scope_arena_alloc(load->model->host, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    ScopeTensor wide = scope_context_scratch(cpu, SCOPE_DTYPE_F32, weight->ndim, weight->shape);

    scope_op_copy(cpu, wide, *weight);
    if (!scope_tensor_is_none(options->scale)) {
        int64_t n = scope_tensor_n_elements(options->scale);
        ScopeTensor old = scope_context_scratch(cpu, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, 1));
        scope_op_copy(cpu, old, scope_tensor_reshape(options->scale, SCOPE_SHAPE(n, 1)));
        scope_op_mul(cpu, wide, wide, old);
    }
    scope_fp8_quantize(cpu, q, scale, wide);
    *weight = q;
    options->scale = scale;
    scope_arena_release(cpu->scratch, mark);
}

static void
patch_linear(ScopeLayerLoader *loader, const char *base, ScopeTensor *weight,
             ScopeWeightOptions *options, gpointer user_data)
{
    Load *load = user_data;

    scope_lora_merge_apply(&load->merge, loader, base, weight, options);
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_FP8 &&
        loader->error == NULL) {
        round_to_fp8(load, weight, options);
    }
}

static void
load_parts(Load *load, const char *base, int64_t n_out, int64_t n_in, ScopeWanLinear *linear)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(ScopeLoraPart));

    for (guint i = 0; i < load->options->n_runtime; i++) {
        ScopeLoraPart part = {0};
        if (scope_lora_part_load(&load->options->runtime[i], &load->loader, base, n_out, n_in,
                                 &part)) {
            part.adapter = i;
            g_array_append_val(parts, part);
        }
    }
    if (parts->len > 0) {
        linear->n_parts = parts->len;
        linear->parts = (ScopeLoraPart *)(void *)g_array_free(g_steal_pointer(&parts), FALSE);
        g_ptr_array_add(load->model->parts, (gpointer)linear->parts);
    }
}

/* Loads PREFIX.NAME (or NAME). Linears of the main model are targets of adapters. */
static void
load_linear(Load *load, const char *prefix, const char *name, int64_t n_out, int64_t n_in,
            gboolean is_target, ScopeWanLinear *ret)
{
    g_autofree char *base = prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
    guint n_merged = load->merge.n;

    load->loader.store = load->options->pack ? SCOPE_WEIGHT_STORE_PACK : SCOPE_WEIGHT_STORE_KEEP;
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_INT8) {
        load->loader.store = SCOPE_WEIGHT_STORE_INT8;
    }
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_FP8) {
        load->loader.store = SCOPE_WEIGHT_STORE_KEEP;
        ret->fp8 = TRUE;
    }
    load->merge.n = is_target ? n_merged : 0;
    scope_layer_loader_linear(&load->loader, &ret->weight, base, n_out, n_in,
                              SCOPE_LAYER_BIAS | SCOPE_LAYER_KERNEL);
    load->merge.n = n_merged;
    if (is_target) {
        load_parts(load, base, n_out, n_in, ret);
    }
}

/* -- blocks ----------------------------------------------------------------------------------- */

/* A modulation is stored as [1, n, D]. */
static ScopeTensor
load_modulation(Load *load, const char *name, int64_t n)
{
    int64_t dim = load->model->config.dim;
    ScopeTensor stored =
        scope_layer_loader_table(&load->loader, NULL, name, SCOPE_SHAPE(1, n, dim));

    return scope_tensor_is_none(stored) ? stored
                                        : scope_tensor_reshape(stored, SCOPE_SHAPE(n, dim));
}

static void
load_attention(Load *load, const char *prefix, gboolean is_target, ScopeWanAttention *a)
{
    int64_t dim = load->model->config.dim;

    load_linear(load, prefix, "q", dim, dim, is_target, &a->q);
    load_linear(load, prefix, "k", dim, dim, is_target, &a->k);
    load_linear(load, prefix, "v", dim, dim, is_target, &a->v);
    load_linear(load, prefix, "o", dim, dim, is_target, &a->o);
    a->norm_q = scope_layer_loader_vector(&load->loader, prefix, "norm_q.weight", dim);
    a->norm_k = scope_layer_loader_vector(&load->loader, prefix, "norm_k.weight", dim);
}

static void
load_block(Load *load, const char *prefix, gboolean is_target, ScopeWanBlock *b)
{
    const ScopeWanConfig *c = &load->model->config;
    g_autofree char *modulation = g_strconcat(prefix, ".modulation", NULL);
    g_autofree char *self_attn = g_strconcat(prefix, ".self_attn", NULL);
    g_autofree char *cross_attn = g_strconcat(prefix, ".cross_attn", NULL);

    load->in_block = TRUE;
    b->modulation = load_modulation(load, modulation, 6);
    load_attention(load, self_attn, is_target, &b->self_attn);
    load_attention(load, cross_attn, is_target, &b->cross_attn);
    b->norm3_weight = scope_layer_loader_vector(&load->loader, prefix, "norm3.weight", c->dim);
    b->norm3_bias = scope_layer_loader_vector(&load->loader, prefix, "norm3.bias", c->dim);
    load_linear(load, prefix, "ffn.0", c->ffn_dim, c->dim, is_target, &b->ffn_in);
    load_linear(load, prefix, "ffn.2", c->dim, c->ffn_dim, is_target, &b->ffn_out);
    load->in_block = FALSE;
}

/* Tells how far the load is; a refusal becomes its error. Returns: TRUE to go on. */
static gboolean
report(Load *load, int n_done)
{
    const ScopeWanConfig *c = &load->model->config;
    double ratio = (double)n_done / (c->n_layers + c->n_vace_layers);

    if (load->loader.error == NULL && load->options->progress != NULL &&
        !load->options->progress(ratio, load->options->progress_data)) {
        g_set_error(&load->loader.error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                    "loading %s was cancelled", scope_checkpoint_get_path(load->model->weights));
    }
    return load->loader.error == NULL;
}

/* A vector per place of a square picture, which only our own small model has. */
static void
load_places(Load *load)
{
    static const char name[] = "position_embedding";
    ScopeLayerLoader *loader = &load->loader;
    ScopeWanModel *m = load->model;
    ScopeTensor table;
    int64_t n, side = 1;

    m->places = SCOPE_TENSOR_NONE;
    if (!scope_layer_loader_has(loader, NULL, name)) {
        return;
    }
    n = scope_layer_loader_dim(loader, NULL, name, 1);
    while (side * side < n) {
        side++;
    }
    if (side * side != n && loader->error == NULL) {
        g_set_error(&loader->error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: %s has %" G_GINT64_FORMAT " places, expected a square number",
                    scope_checkpoint_get_path(m->weights), name, n);
    }
    table = load_modulation(load, name, n);
    if (!scope_tensor_is_none(table)) {
        m->places = scope_tensor_reshape(table, SCOPE_SHAPE(1, side, side, m->config.dim));
    }
}

/* What the sum of the prompt's rows adds to the time embedding; as rare as the places. */
static void
load_pooled(Load *load)
{
    ScopeWanModel *m = load->model;

    m->pooled_embedding = SCOPE_TENSOR_NONE;
    if (scope_layer_loader_has(&load->loader, NULL, "pooled_embedding.weight")) {
        m->pooled_embedding =
            scope_layer_loader_table(&load->loader, NULL, "pooled_embedding.weight",
                                     SCOPE_SHAPE(m->config.dim, m->config.text_dim));
    }
}

static void
load_main(Load *load)
{
    ScopeWanModel *m = load->model;
    const ScopeWanConfig *c = &m->config;
    int64_t area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH, d = c->dim;

    load_linear(load, NULL, "patch_embedding", d, c->in_dim * area, FALSE, &m->patch_embedding);
    load_places(load);
    load_pooled(load);
    load_linear(load, NULL, "text_embedding.0", d, c->text_dim, TRUE, &m->text_in);
    load_linear(load, NULL, "text_embedding.2", d, d, TRUE, &m->text_out);
    load_linear(load, NULL, "time_embedding.0", d, c->freq_dim, TRUE, &m->time_in);
    load_linear(load, NULL, "time_embedding.2", d, d, TRUE, &m->time_out);
    load_linear(load, NULL, "time_projection.1", 6 * d, d, TRUE, &m->time_projection);
    m->head_modulation = load_modulation(load, "head.modulation", 2);
    load_linear(load, NULL, "head.head", c->out_dim * area, d, TRUE, &m->head);
    for (int i = 0; i < c->n_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("blocks.%d", i);
        load_block(load, prefix, TRUE, &m->blocks[i]);
        if (!report(load, i + 1)) {
            return;
        }
    }
}

/* Context blocks carry the published names in every layout and are no target of adapters. */
static void
load_vace(Load *load)
{
    ScopeWanModel *m = load->model;
    const ScopeWanConfig *c = &m->config;
    int64_t area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH;

    if (c->n_vace_layers == 0) {
        return;
    }
    load->loader.checkpoint = m->vace_weights;
    load->loader.rename = NULL;
    load_linear(load, NULL, "vace_patch_embedding", c->dim, c->vace_in_dim * area, FALSE,
                &m->vace_patch_embedding);
    for (int i = 0; i < c->n_vace_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("vace_blocks.%d", i);
        ScopeWanVaceBlock *b = &m->vace_blocks[i];
        load_block(load, prefix, FALSE, &b->block);
        if (i == 0) {
            load_linear(load, prefix, "before_proj", c->dim, c->dim, FALSE, &b->before);
        }
        load_linear(load, prefix, "after_proj", c->dim, c->dim, FALSE, &b->after);
        if (!report(load, c->n_layers + i + 1)) {
            return;
        }
    }
}

/* -- files ------------------------------------------------------------------------------------ */

static ScopeCheckpoint *
open_weights(const char *path, const char *const *wrappers, GError **error)
{
    g_autoptr(ScopeCheckpoint) file = scope_checkpoint_open(path, error);

    return file != NULL ? scope_checkpoint_select(file, wrappers, NULL, error) : NULL;
}

static gboolean
open_files(ScopeWanModel *model, const ScopeWanLoadOptions *options, GError **error)
{
    ScopeWanConfig config = {0};

    if (options->known != NULL) {
        config = *options->known;
    } else if (options->config_path != NULL &&
               !scope_wan_config_load(options->config_path, &config, error)) {
        return FALSE;
    }
    model->weights = open_weights(options->weights_path, options->wrappers, error);
    if (model->weights == NULL) {
        return FALSE;
    }
    if (options->vace_in_weights) {
        model->vace_weights = scope_checkpoint_ref(model->weights);
    } else if (options->vace_path != NULL) {
        model->vace_weights = open_weights(options->vace_path, NULL, error);
        if (model->vace_weights == NULL) {
            return FALSE;
        }
    }
    if (!scope_wan_config_resolve(&config, options->config_path, model->weights,
                                  model->vace_weights, error)) {
        return FALSE;
    }
    model->config = config;
    model->blocks = g_new0(ScopeWanBlock, config.n_layers);
    model->vace_blocks = g_new0(ScopeWanVaceBlock, MAX(config.n_vace_layers, 1));
    return TRUE;
}

ScopeWanModel *
scope_wan_model_load(ScopeContext *ctx, const ScopeWanLoadOptions *options, GError **error)
{
    g_autoptr(ScopeWanModel) model = g_new0(ScopeWanModel, 1);
    g_autoptr(ScopeContext) cpu = scope_context_create(scope_backend_cpu(), ctx->pool, error);

    model->parts = g_ptr_array_new_with_free_func(g_free);
    model->n_adapters = options->n_runtime;
    model->arena = scope_arena_create(ctx->backend, "weights");
    model->host = scope_arena_create(scope_backend_cpu(), "host weights");
    if (cpu == NULL || !open_files(model, options, error)) {
        return NULL;
    }
    Load load = {
        .model = model,
        .options = options,
        .cpu = cpu,
        .merge = {.cpu = cpu,
                  .adapters = options->merged,
                  .n = options->n_merged,
                  .narrow = options->merge_narrow},
    };
    scope_layer_loader_init(&load.loader, model->weights, ctx, model->arena);
    load.loader.host = model->host;
    load.loader.patch = patch_linear;
    load.loader.patch_data = &load;
    if (scope_wan_name_is_diffusers(model->weights)) {
        load.loader.rename = scope_wan_name_to_diffusers;
    }
    load_main(&load);
    load_vace(&load);
    if (!scope_layer_loader_finish(&load.loader, error) || !scope_context_synchronize(ctx, error)) {
        return NULL;
    }
    return g_steal_pointer(&model);
}

void
scope_wan_model_destroy(ScopeWanModel *model)
{
    if (model == NULL) {
        return;
    }
    g_clear_pointer(&model->parts, g_ptr_array_unref);
    g_clear_pointer(&model->blocks, g_free);
    g_clear_pointer(&model->vace_blocks, g_free);
    g_clear_pointer(&model->arena, scope_arena_destroy);
    g_clear_pointer(&model->host, scope_arena_destroy);
    g_clear_pointer(&model->weights, scope_checkpoint_unref);
    g_clear_pointer(&model->vace_weights, scope_checkpoint_unref);
    g_free(model);
}

const ScopeWanConfig *
scope_wan_model_get_config(const ScopeWanModel *model)
{
    return &model->config;
}

guint
scope_wan_model_get_n_adapters(const ScopeWanModel *model)
{
    return model->n_adapters;
}

size_t
scope_wan_model_get_weights_bytes(const ScopeWanModel *model)
{
    return scope_arena_get_used_bytes(model->arena) + scope_arena_get_used_bytes(model->host);
}
