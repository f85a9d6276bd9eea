/* SPDX-License-Identifier: Apache-2.0 */
/* MemFlow: its files, its table, its description. Constant data. */
#include "pipelines/memflow/scope-memflow.h"

#include "pipelines/wan/scope-wan-session.h"

static const char *const wrappers[] = {"generator", NULL};

static const ScopeWanProduct product = {
    SCOPE_WAN_COMMON_FILES,
    .id = "memflow",
    .variant = &scope_wan_variant_memflow,
    .config = SCOPE_WAN_DIR_1_3B "/config.json",
    .weights = "MemFlow/base.pt",
    .wrappers = wrappers,
    .adapter = "MemFlow/lora.pt",
    .vace = SCOPE_WAN_DIR_COMFY "/" SCOPE_WAN_VACE_1_3B,
};

static const char *const files[] = {"config.json", "base.pt", "lora.pt", NULL};
static const ScopeArtifact artifacts[] = {
    SCOPE_WAN_COMMON_ARTIFACTS(scope_wan_files_vace_1_3b),
    {.repo_id = "daydreamlive/MemFlow", .files = files},
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAM_TABLE(ScopeWanParams, "320", "576", "[1000, 750, 500, 250]", "1", "1.0", "512",
                          "512", "[1000, 750]", NULL, NULL, NULL, 0, "0.7", "true"),
};

SCOPE_WAN_DEFINE_LOAD(memflow_load, product)

const ScopePipelineDesc scope_memflow_desc = {
    SCOPE_WAN_DESC,
    .id = "memflow",
    .name = "MemFlow",
    .description = "Long video from text on Wan 2.1 1.3B with a bank of memories of what was shown "
                   "before. By Kling.",
    .schema_title = "MemFlowConfig",
    .docs_url = "https://github.com/KlingTeam/MemFlow",
    .features = SCOPE_WAN_FEATURES,
    .default_mode = SCOPE_MODE_TEXT,
    .estimated_vram_gb = 20.0,
    .min_dimension = 16,
    .inputs = scope_wan_session_ports,
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = memflow_load,
};
