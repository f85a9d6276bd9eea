/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a Wan transformer: files, names, adapters, quantisation. Loader thread. */
#include <gio/gio.h>

#include "engine/scope-backend.h"
#include "models/scope-wan-model-private.h"

/* A load in progress. */
typedef struct {
    ScopeWanLoader loader;
    ScopeWanModel *model;
    const ScopeWanLoadOptions *options;
    ScopeContext *cpu; /* for merging and rounding */
    ScopeLoraMerge merge;
    gboolean in_block; /* quantisation is for the linears of blocks */
} Load;

static char *
rename_to_diffusers(const char *name, gpointer user_data)
{
    return scope_wan_name_to_diffusers(name);
}

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

static gboolean
patch_linear(ScopeWanLoader *loader, const char *base, ScopeTensor *weight,
             ScopeWeightOptions *options, gpointer user_data, GError **error)
{
    Load *load = user_data;

    if (!scope_lora_merge_apply(&load->merge, loader, base, weight, options, error)) {
        return FALSE;
    }
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_FP8) {
        round_to_fp8(load, weight, options);
    }
    return TRUE;
}

static gboolean
load_parts(Load *load, const char *base, int64_t n_out, int64_t n_in, ScopeWanLinear *linear,
           GError **error)
{
    g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(ScopeLoraPart));

    for (guint i = 0; i < load->options->n_runtime; i++) {
        ScopeLoraPart part = {0};
        gboolean found = FALSE;
        if (!scope_lora_part_load(&load->options->runtime[i], &load->loader, base, n_out, n_in,
                                  &part, &found, error)) {
            return FALSE;
        }
        if (found) {
            part.adapter = i;
            g_array_append_val(parts, part);
        }
    }
    if (parts->len > 0) {
        linear->n_parts = parts->len;
        linear->parts = (ScopeLoraPart *)(void *)g_array_free(g_steal_pointer(&parts), FALSE);
        g_ptr_array_add(load->model->parts, (gpointer)linear->parts);
    }
    return TRUE;
}

/* Loads PREFIX.NAME (or NAME). Linears of the main model are targets of adapters. */
static gboolean
load_linear(Load *load, const char *prefix, const char *name, int64_t n_out, int64_t n_in,
            gboolean is_target, ScopeWanLinear *ret, GError **error)
{
    g_autofree char *base = prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
    guint n_merged = load->merge.n;
    gboolean ok;

    load->loader.store = load->options->pack ? SCOPE_WEIGHT_STORE_PACK : SCOPE_WEIGHT_STORE_KEEP;
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_INT8) {
        load->loader.store = SCOPE_WEIGHT_STORE_INT8;
    }
    if (load->in_block && load->options->quantization == SCOPE_WAN_QUANTIZATION_FP8) {
        load->loader.store = SCOPE_WEIGHT_STORE_KEEP;
        ret->fp8 = TRUE;
    }
    load->merge.n = is_target ? n_merged : 0;
    ok = scope_wan_loader_linear(&load->loader, base, n_out, n_in, &ret->weight, error);
    load->merge.n = n_merged;
    return ok && (!is_target || load_parts(load, base, n_out, n_in, ret, error));
}

static gboolean
load_vector(Load *load, const char *prefix, const char *name, int64_t n, ScopeTensor *ret,
            GError **error)
{
    g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
    const gint64 shape[1] = {n};

    return scope_wan_loader_vector(&load->loader, full, 1, shape, ret, error);
}

/* -- blocks ----------------------------------------------------------------------------------- */

/* A modulation is stored as [1, n, D]. */
static gboolean
load_modulation(Load *load, const char *name, int64_t n, ScopeTensor *ret, GError **error)
{
    int64_t dim = load->model->config.dim;
    const gint64 shape[3] = {1, n, dim};
    ScopeTensor stored;

    if (!scope_wan_loader_vector(&load->loader, name, 3, shape, &stored, error)) {
        return FALSE;
    }
    *ret = scope_tensor_reshape(stored, SCOPE_SHAPE(n, dim));
    return TRUE;
}

static gboolean
load_attention(Load *load, const char *prefix, gboolean is_target, ScopeWanAttention *a,
               GError **error)
{
    int64_t dim = load->model->config.dim;

    return load_linear(load, prefix, "q", dim, dim, is_target, &a->q, error) &&
           load_linear(load, prefix, "k", dim, dim, is_target, &a->k, error) &&
           load_linear(load, prefix, "v", dim, dim, is_target, &a->v, error) &&
           load_linear(load, prefix, "o", dim, dim, is_target, &a->o, error) &&
           load_vector(load, prefix, "norm_q.weight", dim, &a->norm_q, error) &&
           load_vector(load, prefix, "norm_k.weight", dim, &a->norm_k, error);
}

static gboolean
load_block(Load *load, const char *prefix, gboolean is_target, ScopeWanBlock *b, GError **error)
{
    const ScopeWanConfig *c = &load->model->config;
    g_autofree char *modulation = g_strconcat(prefix, ".modulation", NULL);
    g_autofree char *self_attn = g_strconcat(prefix, ".self_attn", NULL);
    g_autofree char *cross_attn = g_strconcat(prefix, ".cross_attn", NULL);
    gboolean ok;

    load->in_block = TRUE;
    ok = load_modulation(load, modulation, 6, &b->modulation, error) &&
         load_attention(load, self_attn, is_target, &b->self_attn, error) &&
         load_attention(load, cross_attn, is_target, &b->cross_attn, error) &&
         load_vector(load, prefix, "norm3.weight", c->dim, &b->norm3_weight, error) &&
         load_vector(load, prefix, "norm3.bias", c->dim, &b->norm3_bias, error) &&
         load_linear(load, prefix, "ffn.0", c->ffn_dim, c->dim, is_target, &b->ffn_in, error) &&
         load_linear(load, prefix, "ffn.2", c->dim, c->ffn_dim, is_target, &b->ffn_out, error);
    load->in_block = FALSE;
    return ok;
}

static gboolean
report(Load *load, int n_done, GError **error)
{
    const ScopeWanConfig *c = &load->model->config;
    double ratio = (double)n_done / (c->n_layers + c->n_vace_layers);

    if (load->options->progress != NULL &&
        !load->options->progress(ratio, load->options->progress_data)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "loading %s was cancelled",
                    scope_checkpoint_get_path(load->model->weights));
        return FALSE;
    }
    return TRUE;
}

/* A vector per place of a square picture, which only our own small model has. */
static gboolean
load_places(Load *load, GError **error)
{
    ScopeWanModel *m = load->model;
    const ScopeCheckpointTensor *stored = scope_checkpoint_find(m->weights, "position_embedding");
    const gint64 any[3] = {1, -1, m->config.dim};
    ScopeTensor table;
    int64_t side = 1;

    m->places = SCOPE_TENSOR_NONE;
    if (stored == NULL) {
        return TRUE;
    }
    if (scope_checkpoint_require(m->weights, "position_embedding", 3, any, error) == NULL) {
        return FALSE;
    }
    while (side * side < stored->shape[1]) {
        side++;
    }
    if (side * side != stored->shape[1]) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: position_embedding has %" G_GINT64_FORMAT
                    " places, expected a square number",
                    stored->file, stored->shape[1]);
        return FALSE;
    }
    if (!load_modulation(load, "position_embedding", side * side, &table, error)) {
        return FALSE;
    }
    m->places = scope_tensor_reshape(table, SCOPE_SHAPE(1, side, side, m->config.dim));
    return TRUE;
}

/* What the sum of the prompt's rows adds to the time embedding; as rare as the places. */
static gboolean
load_pooled(Load *load, GError **error)
{
    ScopeWanModel *m = load->model;
    const gint64 shape[2] = {m->config.dim, m->config.text_dim};

    m->pooled_embedding = SCOPE_TENSOR_NONE;
    return scope_checkpoint_find(m->weights, "pooled_embedding.weight") == NULL ||
           scope_wan_loader_vector(&load->loader, "pooled_embedding.weight", 2, shape,
                                   &m->pooled_embedding, error);
}

static gboolean
load_main(Load *load, GError **error)
{
    ScopeWanModel *m = load->model;
    const ScopeWanConfig *c = &m->config;
    int64_t area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH;

    if (!load_linear(load, NULL, "patch_embedding", c->dim, c->in_dim * area, FALSE,
                     &m->patch_embedding, error) ||
        !load_places(load, error) || !load_pooled(load, error) ||
        !load_linear(load, NULL, "text_embedding.0", c->dim, c->text_dim, TRUE, &m->text_in,
                     error) ||
        !load_linear(load, NULL, "text_embedding.2", c->dim, c->dim, TRUE, &m->text_out, error) ||
        !load_linear(load, NULL, "time_embedding.0", c->dim, c->freq_dim, TRUE, &m->time_in,
                     error) ||
        !load_linear(load, NULL, "time_embedding.2", c->dim, c->dim, TRUE, &m->time_out, error) ||
        !load_linear(load, NULL, "time_projection.1", 6 * c->dim, c->dim, TRUE, &m->time_projection,
                     error) ||
        !load_modulation(load, "head.modulation", 2, &m->head_modulation, error) ||
        !load_linear(load, NULL, "head.head", c->out_dim * area, c->dim, TRUE, &m->head, error)) {
        return FALSE;
    }
    for (int i = 0; i < c->n_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("blocks.%d", i);
        if (!load_block(load, prefix, TRUE, &m->blocks[i], error) || !report(load, i + 1, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* Context blocks carry the published names in every layout and are no target of adapters. */
static gboolean
load_vace(Load *load, GError **error)
{
    ScopeWanModel *m = load->model;
    const ScopeWanConfig *c = &m->config;
    int64_t area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH;

    if (c->n_vace_layers == 0) {
        return TRUE;
    }
    load->loader.checkpoint = m->vace_weights;
    load->loader.rename = NULL;
    if (!load_linear(load, NULL, "vace_patch_embedding", c->dim, c->vace_in_dim * area, FALSE,
                     &m->vace_patch_embedding, error)) {
        return FALSE;
    }
    for (int i = 0; i < c->n_vace_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("vace_blocks.%d", i);
        ScopeWanVaceBlock *b = &m->vace_blocks[i];
        if (!load_block(load, prefix, FALSE, &b->block, error) ||
            (i == 0 &&
             !load_linear(load, prefix, "before_proj", c->dim, c->dim, FALSE, &b->before, error)) ||
            !load_linear(load, prefix, "after_proj", c->dim, c->dim, FALSE, &b->after, error) ||
            !report(load, c->n_layers + i + 1, error)) {
            return FALSE;
        }
    }
    return TRUE;
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
        .loader = {.ctx = ctx,
                   .arena = model->arena,
                   .host = model->host,
                   .checkpoint = model->weights,
                   .patch = patch_linear},
        .model = model,
        .options = options,
        .cpu = cpu,
        .merge = {.cpu = cpu,
                  .adapters = options->merged,
                  .n = options->n_merged,
                  .narrow = options->merge_narrow},
    };
    load.loader.patch_data = &load;
    if (scope_wan_name_is_diffusers(model->weights)) {
        load.loader.rename = rename_to_diffusers;
    }
    if (!load_main(&load, error) || !load_vace(&load, error) ||
        !scope_context_synchronize(ctx, error)) {
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
