/* SPDX-License-Identifier: Apache-2.0 */
/* LongLive: its files, its table, its description. Constant data. */
#include "pipelines/longlive/scope-longlive.h"

#include "pipelines/wan/scope-wan-session.h"

static const char *const wrappers[] = {"generator", NULL};

static const ScopeWanProduct product = {
    SCOPE_WAN_COMMON_FILES,
    .id = "longlive",
    .variant = &scope_wan_variant_longlive,
    .config = SCOPE_WAN_DIR_1_3B "/config.json",
    .weights = "LongLive-1.3B/models/longlive_base.pt",
    .wrappers = wrappers,
    .adapter = "LongLive-1.3B/models/lora.pt",
    .vace = SCOPE_WAN_DIR_COMFY "/" SCOPE_WAN_VACE_1_3B,
};

static const char *const files[] = {"config.json", "models/longlive_base.pt", "models/lora.pt",
                                    NULL};
static const ScopeArtifact artifacts[] = {
    SCOPE_WAN_COMMON_ARTIFACTS(scope_wan_files_vace_1_3b),
    {.repo_id = "daydreamlive/LongLive-1.3B", .files = files},
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAM_TABLE(ScopeWanParams, "320", "576", "[1000, 750, 500, 250]", "1", "1.0", "512",
                          "512", "[1000, 750]", NULL, NULL, NULL, SCOPE_PARAM_MODULATABLE, "0.7",
                          "true"),
};

SCOPE_WAN_DEFINE_LOAD(longlive_load, product)

const ScopePipelineDesc scope_longlive_desc = {
    SCOPE_WAN_DESC,
    .id = "longlive",
    .name = "LongLive",
    .description = "Long, steady video from text on Wan 2.1 1.3B, with smooth prompt switches. By "
                   "Nvidia, MIT, HKUST, HKU and Tsinghua University.",
    .schema_title = "LongLiveConfig",
    .docs_url = "https://github.com/NVlabs/LongLive",
    .features = SCOPE_WAN_FEATURES,
    .default_mode = SCOPE_MODE_TEXT,
    .estimated_vram_gb = 20.0,
    .min_dimension = 16,
    .inputs = scope_wan_session_ports,
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = longlive_load,
};
