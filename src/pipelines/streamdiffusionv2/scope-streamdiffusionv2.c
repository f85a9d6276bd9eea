/* SPDX-License-Identifier: Apache-2.0 */
/* StreamDiffusionV2: its files, its table, its description. Constant data. */
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"

#include "pipelines/wan/scope-wan-session.h"

static const char *const wrappers[] = {"generator", NULL};

static const ScopeWanProduct product = {
    SCOPE_WAN_COMMON_FILES,
    .id = "streamdiffusionv2",
    .variant = &scope_wan_variant_streamdiffusionv2,
    .config = SCOPE_WAN_DIR_1_3B "/config.json",
    .weights = "StreamDiffusionV2/wan_causal_dmd_v2v/model.pt",
    .wrappers = wrappers,
    .vace = SCOPE_WAN_DIR_COMFY "/" SCOPE_WAN_VACE_1_3B,
    .has_one_vae = TRUE,
    .vae = SCOPE_WAN_VAE_WAN,
};

static const char *const files[] = {"config.json", "wan_causal_dmd_v2v/model.pt", NULL};
static const ScopeArtifact artifacts[] = {
    SCOPE_WAN_COMMON_ARTIFACTS(scope_wan_files_vace_1_3b),
    {.repo_id = "daydreamlive/StreamDiffusionV2", .files = files},
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAM_TABLE(ScopeWanParams, "512", "512", "[750, 250]", "4", "1.0", NULL, NULL, NULL,
                          "512", "512", "[1000, 750]", 0, NULL, NULL),
};

SCOPE_WAN_DEFINE_LOAD(streamdiffusionv2_load, product)

const ScopePipelineDesc scope_streamdiffusionv2_desc = {
    SCOPE_WAN_DESC,
    .id = "streamdiffusionv2",
    .name = "StreamDiffusionV2",
    .description = "Fast video to video on Wan 2.1 1.3B, one latent frame at a time. By the "
                   "authors of StreamDiffusion.",
    .schema_title = "StreamDiffusionV2Config",
    .docs_url = "https://github.com/chenfengxu714/StreamDiffusionV2",
    .features = SCOPE_WAN_FEATURES,
    .default_mode = SCOPE_MODE_VIDEO,
    .estimated_vram_gb = 20.0,
    .min_dimension = 16,
    .inputs = scope_wan_session_ports,
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = streamdiffusionv2_load,
};
