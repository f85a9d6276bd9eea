/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanProduct: where the files of a pipeline lie, and how its model is put together. Constant
 * data, any thread.
 */
#pragma once

#include <scope/scope-pipeline.h>

#include "pipelines/wan/scope-wan-params.h"
#include "pipelines/wan/scope-wan-variant.h"

G_BEGIN_DECLS

/** Sub-paths of the published repositories below the models folder. */
#define SCOPE_WAN_DIR_1_3B         "Wan2.1-T2V-1.3B"
#define SCOPE_WAN_DIR_COMFY        "WanVideo_comfy"
#define SCOPE_WAN_DIR_AUTOENCODERS "Autoencoders"
#define SCOPE_WAN_VACE_1_3B        "Wan2_1-VACE_module_1_3B_bf16.safetensors"
#define SCOPE_WAN_VACE_14B         "Wan2_1-VACE_module_14B_bf16.safetensors"

/**
 * ScopeWanProduct: paths are relative to the folder of model files.
 * @id: of the pipeline
 * @variant: numbers of the streaming loop
 * @config: config.json of the transformer
 * @weights: the transformer
 * @wrappers: (nullable) (array zero-terminated=1): see scope_checkpoint_select()
 * @adapter: (nullable): LoRA that is part of the model, merged at load
 * @vace: (nullable): the VACE module; %NULL: VACE is not offered
 * @text_encoder: UMT5
 * @tokenizer: file or folder
 * @vaes: per ScopeWanVaeType; %NULL: that type is not offered
 * @has_one_vae: `vae_type` is ignored, @vae is used
 * @vae: the type of the only VAE
 * @packs: matrices are widened at load: faster, for small models
 * @size_multiple: what height and width have to be multiples of, in pixels
 * @own: (nullable): the files lie in this folder of the installation instead
 * @reads_variant: @config holds an object `scope` that overrides numbers of @variant
 */
typedef struct {
    const char *id;
    const ScopeWanVariant *variant;
    const char *config;
    const char *weights;
    const char *const *wrappers;
    const char *adapter;
    const char *vace;
    const char *text_encoder;
    const char *tokenizer;
    const char *vaes[4];
    gboolean has_one_vae;
    ScopeWanVaeType vae;
    gboolean packs;
    int size_multiple;
    const char *own;
    gboolean reads_variant;
} ScopeWanProduct;

/** SCOPE_WAN_COMMON_FILES: members that the published pipelines share. */
#define SCOPE_WAN_COMMON_FILES                                                                     \
    .size_multiple = 16,                                                                           \
    .text_encoder = SCOPE_WAN_DIR_COMFY "/umt5-xxl-enc-fp8_e4m3fn.safetensors",                    \
    .tokenizer = SCOPE_WAN_DIR_1_3B "/google/umt5-xxl",                                            \
    .vaes = {SCOPE_WAN_DIR_1_3B "/Wan2.1_VAE.pth", SCOPE_WAN_DIR_AUTOENCODERS "/lightvaew2_1.pth", \
             SCOPE_WAN_DIR_AUTOENCODERS "/taew2_1.pth",                                            \
             SCOPE_WAN_DIR_AUTOENCODERS "/lighttaew2_1.pth"}

/** Files of the shared artifacts; defined in scope-wan-product.c. */
extern const char *const scope_wan_files_1_3b[];
extern const char *const scope_wan_files_umt5[];
extern const char *const scope_wan_files_vace_1_3b[];
extern const char *const scope_wan_files_vace_14b[];
extern const char *const scope_wan_files_lightvae[];
extern const char *const scope_wan_files_tae[];
extern const char *const scope_wan_files_lighttae[];

/** SCOPE_WAN_COMMON_ARTIFACTS: items of an artifact list; @vace_files is the VACE module's. */
#define SCOPE_WAN_COMMON_ARTIFACTS(vace_files)                                                     \
    {.repo_id = "daydreamlive/Wan2.1-T2V-1.3B", .files = scope_wan_files_1_3b},                    \
        {.repo_id = "daydreamlive/WanVideo_comfy", .files = scope_wan_files_umt5},                 \
        {.repo_id = "daydreamlive/WanVideo_comfy", .files = (vace_files)},                         \
        {.repo_id = "daydreamlive/Autoencoders", .files = scope_wan_files_lightvae},               \
        {.repo_id = "daydreamlive/Autoencoders", .files = scope_wan_files_tae},                    \
    {                                                                                              \
        .repo_id = "daydreamlive/Autoencoders", .files = scope_wan_files_lighttae                  \
    }

/**
 * scope_wan_product_dup_path:
 * @product: a product
 * @host: whose folders
 * @name: relative path of the product
 *
 * Thread: any. Errors: none. Returns: (transfer full): where the file lies or should lie.
 */
char *scope_wan_product_dup_path(const ScopeWanProduct *product, const ScopeHost *host,
                                 const char *name);

/** scope_wan_product_get_vae_type: the VAE that @params ask for. Thread: any. */
ScopeWanVaeType scope_wan_product_get_vae_type(const ScopeWanProduct *product,
                                               const ScopeWanParams *params);

/** scope_wan_product_wants_vace: whether @params load the VACE module. Thread: any. */
gboolean scope_wan_product_wants_vace(const ScopeWanProduct *product, const ScopeWanParams *params);

/**
 * scope_wan_product_check_files:
 * @product: a product
 * @host: whose folders
 * @params: what is to be loaded
 * @error: (nullable): set on failure
 *
 * Looks for every file that a load with @params opens.
 *
 * Thread: loader. Errors: SCOPE_PIPELINE_ERROR_MISSING_FILE, naming the first missing file and how
 * to get it; SCOPE_PIPELINE_ERROR_INVALID for a VAE that the pipeline does not offer.
 * Returns: %TRUE when all are there.
 */
gboolean scope_wan_product_check_files(const ScopeWanProduct *product, const ScopeHost *host,
                                       const ScopeWanParams *params, GError **error);

G_END_DECLS
