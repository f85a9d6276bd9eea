/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of the streaming pipelines: files, adapters, networks, in the order that the user is
 * told. Loader thread. */
#include "pipelines/wan/scope-wan-instance.h"

#include <gio/gio.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "pipelines/wan/scope-wan-variant-file.h"

/* Shares of the stages in the progress of a load. */
#define MODEL_END   0.8
#define ENCODER_END 0.9

/* A load in progress. */
typedef struct {
    ScopeWanInstance *instance;
    const ScopeWanParams *params;
    ScopeLoadProgress *progress;
    ScopeContext *ctx;
    GArray *merged;   /* of ScopeWanAdapter */
    GArray *runtime;  /* of ScopeWanAdapter */
    GPtrArray *files; /* of ScopeLoraFile: all */
} Load;

void
scope_wan_take_error(GError *error, GError **ret_error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
        g_error_matches(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT)) {
        error->code = error->domain == SCOPE_WAN_ERROR ? SCOPE_PIPELINE_ERROR_INVALID
                                                       : SCOPE_PIPELINE_ERROR_CANCELLED;
        error->domain = SCOPE_PIPELINE_ERROR;
    }
    scope_pipeline_take_error(error, ret_error);
}

static gboolean
tell(Load *load, const char *stage, double ratio, GError **error)
{
    const ScopeWanInstance *self = load->instance;

    if (self->engine.host->progress(load->progress, stage, ratio)) {
        return TRUE;
    }
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED,
                "Loading %s was cancelled", self->product->id);
    return FALSE;
}

static char *
path_of(Load *load, const char *name)
{
    return name != NULL ? scope_wan_product_dup_path(load->instance->product,
                                                     load->instance->engine.host, name)
                        : NULL;
}

/* -- adapters --------------------------------------------------------------------------------- */

static gboolean
is_runtime(const ScopeWanParams *params, const ScopeLora *lora)
{
    const char *mode = lora->merge_mode;

    if (mode == NULL) {
        mode = params->has_lora_merge_mode ? scope_wan_merge_modes[params->lora_merge_mode]
                                           : params->lora_merge_strategy;
    }
    return mode != NULL && strcmp(mode, "runtime_peft") == 0;
}

/* Opens the file at @path, called @name by whoever wanted it. */
static gboolean
add_adapter(Load *load, const char *name, const char *path, double scale, gboolean runtime,
            GError **error)
{
    ScopeWanInstance *self = load->instance;
    ScopeLoraFile *file = scope_lora_file_open(path, error);
    ScopeWanAdapter adapter = {.file = file, .scale = (float)scale};

    if (file == NULL) {
        g_prefix_error(error, "The adapter \"%s\" cannot be used: ", name);
        return FALSE;
    }
    g_ptr_array_add(load->files, file);
    if (!runtime) {
        g_array_append_val(load->merged, adapter);
        return TRUE;
    }
    g_array_append_val(load->runtime, adapter);
    g_array_append_val(self->lora_scales, adapter.scale);
    g_ptr_array_add(self->lora_names, g_strdup(name));
    g_ptr_array_add(self->lora_files, scope_lora_file_ref(file));
    return TRUE;
}

static gboolean
open_adapters(Load *load, GError **error)
{
    const ScopeWanInstance *self = load->instance;
    const ScopeLoraList *list = &load->params->loras;

    if (self->product->adapter != NULL) {
        g_autofree char *path = path_of(load, self->product->adapter);
        if (!add_adapter(load, self->product->adapter, path, 1.0, FALSE, error)) {
            return FALSE;
        }
    }
    for (guint i = 0; i < list->n_items; i++) {
        const ScopeLora *lora = &list->items[i];
        g_autofree char *path = self->engine.host->lora_path(self->engine.host, lora->path, error);
        if (path == NULL || !add_adapter(load, lora->path, path, lora->scale,
                                         is_runtime(load->params, lora), error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* An adapter that changes nothing was made for another model. */
static gboolean
check_adapters(const GArray *adapters, GError **error)
{
    for (guint i = 0; i < adapters->len; i++) {
        const ScopeWanAdapter *a = &g_array_index(adapters, ScopeWanAdapter, i);
        if (a->n_matched == 0) {
            g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                        "The adapter %s names no part of this model: it was made for another one",
                        scope_lora_file_get_path(a->file));
            return FALSE;
        }
    }
    return TRUE;
}

/* -- networks --------------------------------------------------------------------------------- */

static gboolean
on_model_progress(double ratio, gpointer user_data)
{
    Load *load = user_data;

    return load->instance->engine.host->progress(load->progress, "Loading diffusion model...",
                                                 ratio * MODEL_END);
}

static ScopeWanQuantization
choose_quantization(const Load *load)
{
    const ScopeWanParams *p = load->params;

    if (!p->has_quantization) {
        return SCOPE_WAN_QUANTIZATION_NONE;
    }
    /* fp8 on the CPU would only be rounded; its 8-bit integers save the same memory and are fast */
    return p->quantization == SCOPE_WAN_CHOICE_FP8 && load->ctx->backend != scope_backend_cpu()
               ? SCOPE_WAN_QUANTIZATION_FP8
               : SCOPE_WAN_QUANTIZATION_INT8;
}

static gboolean
load_model(Load *load, GError **error)
{
    ScopeWanInstance *self = load->instance;
    const ScopeWanProduct *product = self->product;
    g_autofree char *weights = path_of(load, product->weights);
    g_autofree char *config = path_of(load, product->config);
    g_autofree char *vace = self->has_vace ? path_of(load, product->vace) : NULL;
    ScopeWanLoadOptions options = {
        .weights_path = weights,
        .wrappers = product->wrappers,
        .config_path = config,
        .vace_path = vace,
        .quantization = choose_quantization(load),
        .pack = product->packs,
        .merged = (ScopeWanAdapter *)(void *)load->merged->data,
        .n_merged = load->merged->len,
        .merge_narrow = TRUE,
        .runtime = (ScopeWanAdapter *)(void *)load->runtime->data,
        .n_runtime = load->runtime->len,
        .progress = on_model_progress,
        .progress_data = load,
    };

    if (!tell(load, "Loading diffusion model...", 0.0, error)) {
        return FALSE;
    }
    if (product->reads_variant &&
        !scope_wan_variant_read(config, &self->variant, &self->context_noise, error)) {
        return FALSE;
    }
    self->model = scope_wan_model_load(load->ctx, &options, error);
    return self->model != NULL && check_adapters(load->merged, error) &&
           check_adapters(load->runtime, error);
}

static gboolean
load_prompter(Load *load, GError **error)
{
    ScopeWanInstance *self = load->instance;
    g_autofree char *weights = path_of(load, self->product->text_encoder);
    g_autofree char *tokenizer = path_of(load, self->product->tokenizer);

    if (!tell(load, "Loading text encoder...", MODEL_END, error)) {
        return FALSE;
    }
    self->prompter = scope_wan_prompter_load(load->ctx, weights, tokenizer,
                                             scope_wan_model_get_config(self->model), error);
    return self->prompter != NULL;
}

static gboolean
load_autoencoder(Load *load, GError **error)
{
    ScopeWanInstance *self = load->instance;
    ScopeWanVaeType type = scope_wan_product_get_vae_type(self->product, load->params);
    g_autofree char *path = path_of(load, self->product->vaes[type]);
    int channels = scope_wan_model_get_config(self->model)->in_dim;

    if (!tell(load, "Loading VAE...", ENCODER_END, error)) {
        return FALSE;
    }
    self->autoencoder =
        scope_wan_autoencoder_load(load->ctx, type, path, SCOPE_WEIGHT_STORE_KEEP, error);
    if (self->autoencoder == NULL) {
        return FALSE;
    }
    if (scope_wan_autoencoder_get_z_channels(self->autoencoder) != channels) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: latents have %d channels, the diffusion model expects %d", path,
                    scope_wan_autoencoder_get_z_channels(self->autoencoder), channels);
        return FALSE;
    }
    return scope_wan_check_size(
        self->height, self->width,
        scope_wan_autoencoder_get_spatial_factor(self->autoencoder) * SCOPE_WAN_PATCH, error);
}

/* -- all of it -------------------------------------------------------------------------------- */

static gboolean
load_all(Load *load, GError **error)
{
    ScopeWanInstance *self = load->instance;

    if (!scope_wan_product_check_files(self->product, self->engine.host, load->params, error)) {
        return FALSE;
    }
    load->ctx = scope_pipeline_engine_new_context(&self->engine, error);
    return load->ctx != NULL && open_adapters(load, error) && load_model(load, error) &&
           load_prompter(load, error) && load_autoencoder(load, error);
}

ScopeWanInstance *
scope_wan_instance_load(const ScopeWanProduct *product, const ScopeHost *host,
                        const ScopeWanParams *params, ScopeLoadProgress *progress, GError **error)
{
    g_autoptr(ScopeWanInstance) self = NULL;
    GError *local = NULL;
    gboolean ok;

    /* cheap, and before any file is read */
    if (!scope_wan_check_size(params->height, params->width, product->size_multiple, &local)) {
        scope_wan_take_error(local, error);
        return NULL;
    }
    self = g_new0(ScopeWanInstance, 1);
    self->product = product;
    self->variant = *product->variant;
    self->height = (int)params->height;
    self->width = (int)params->width;
    self->has_vace = scope_wan_product_wants_vace(product, params);
    self->lora_files = g_ptr_array_new_with_free_func((GDestroyNotify)scope_lora_file_unref);
    self->lora_names = g_ptr_array_new_with_free_func(g_free);
    self->lora_scales = g_array_new(FALSE, FALSE, sizeof(float));
    g_autoptr(GArray) merged = g_array_new(FALSE, TRUE, sizeof(ScopeWanAdapter));
    g_autoptr(GArray) runtime = g_array_new(FALSE, TRUE, sizeof(ScopeWanAdapter));
    g_autoptr(GPtrArray) files =
        g_ptr_array_new_with_free_func((GDestroyNotify)scope_lora_file_unref);
    Load load = {.instance = self,
                 .params = params,
                 .progress = progress,
                 .merged = merged,
                 .runtime = runtime,
                 .files = files};
    ok = scope_pipeline_engine_init(&self->engine, host, &local) && load_all(&load, &local);
    if (load.ctx != NULL && !scope_context_synchronize(load.ctx, ok ? &local : NULL)) {
        ok = FALSE;
    }
    g_clear_pointer(&load.ctx, scope_context_destroy);
    scope_wan_take_error(local, error);
    return ok ? g_steal_pointer(&self) : NULL;
}

void
scope_wan_instance_unload(ScopeWanInstance *self)
{
    if (self == NULL) {
        return;
    }
    g_clear_pointer(&self->prompter, scope_wan_prompter_unload);
    g_clear_pointer(&self->autoencoder, scope_wan_autoencoder_unload);
    g_clear_pointer(&self->model, scope_wan_model_destroy);
    g_clear_pointer(&self->lora_files, g_ptr_array_unref);
    g_clear_pointer(&self->lora_names, g_ptr_array_unref);
    g_clear_pointer(&self->lora_scales, g_array_unref);
    scope_pipeline_engine_clear(&self->engine);
    g_free(self);
}
