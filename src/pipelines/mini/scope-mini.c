/* SPDX-License-Identifier: Apache-2.0 */
/* Mini: the small model that comes with the program, run by the code of the big ones. Constant
 * data. */
#include "pipelines/mini/scope-mini.h"

#include "pipelines/wan/scope-wan-session.h"

static const ScopeWanProduct product = {
    .id = "mini",
    .variant = &scope_wan_variant_mini,
    .config = "config.json",
    .weights = "diffusion.safetensors",
    .text_encoder = "text_encoder.safetensors",
    .tokenizer = ".",
    .vaes = {NULL, NULL, "autoencoder.safetensors", NULL},
    .has_one_vae = TRUE,
    .vae = SCOPE_WAN_VAE_TAE,
    .packs = TRUE,
    .size_multiple = 32,
    .own = "mini",
    .reads_variant = TRUE,
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAMS_PICTURE(ScopeWanParams, 32, "256", "256", "[1000, 750, 500, 250]", "1", "0.6",
                             "false", NULL, NULL, NULL, NULL, NULL, NULL, SCOPE_PARAM_MODULATABLE,
                             NULL, NULL),
    SCOPE_WAN_PARAMS_LORA(ScopeWanParams),
    SCOPE_WAN_PARAMS_PROMPT(ScopeWanParams),
};

SCOPE_WAN_DEFINE_LOAD(mini_load, product)

const ScopePipelineDesc scope_mini_desc = {
    SCOPE_WAN_DESC,
    .id = "mini",
    .name = "Mini",
    .description = "A small model that comes with the program and runs on two CPU cores: abstract "
                   "stage visuals from text, or over a camera picture.",
    .schema_title = "MiniConfig",
    .features = SCOPE_PIPELINE_SUPPORTS_PROMPTS | SCOPE_PIPELINE_SUPPORTS_LORA |
                SCOPE_PIPELINE_SUPPORTS_CACHE_MANAGEMENT | SCOPE_PIPELINE_MODIFIED,
    .default_mode = SCOPE_MODE_TEXT,
    .min_dimension = 32,
    .frame_rate = 16.0,
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = mini_load,
};
