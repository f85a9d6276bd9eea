/* SPDX-License-Identifier: Apache-2.0 */
/* RewardForcing: its files, its table, its description. Constant data. */
#include "pipelines/reward-forcing/scope-reward-forcing.h"

#include "pipelines/wan/scope-wan-session.h"

static const ScopeWanProduct product = {
    SCOPE_WAN_COMMON_FILES,
    .id = "reward-forcing",
    .variant = &scope_wan_variant_reward_forcing,
    .config = SCOPE_WAN_DIR_1_3B "/config.json",
    .weights = "Reward-Forcing-T2V-1.3B/rewardforcing.pt",
    .vace = SCOPE_WAN_DIR_COMFY "/" SCOPE_WAN_VACE_1_3B,
};

static const char *const files[] = {"config.json", "rewardforcing.pt", NULL};
static const ScopeArtifact artifacts[] = {
    SCOPE_WAN_COMMON_ARTIFACTS(scope_wan_files_vace_1_3b),
    {.repo_id = "daydreamlive/Reward-Forcing-T2V-1.3B", .files = files},
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAM_TABLE(ScopeWanParams, "320", "576", "[1000, 750, 500, 250]", "1", "1.0", "512",
                          "512", "[1000, 750]", NULL, NULL, NULL, 0, "0.7", "true"),
};

SCOPE_WAN_DEFINE_LOAD(reward_forcing_load, product)

const ScopePipelineDesc scope_reward_forcing_desc = {
    SCOPE_WAN_DESC,
    .id = "reward-forcing",
    .name = "RewardForcing",
    .description = "Video from text on Wan 2.1 1.3B, distilled with a reward for motion. By "
                   "Zhejiang University, Ant Group and others.",
    .schema_title = "RewardForcingConfig",
    .docs_url = "https://github.com/JaydenLyh/Reward-Forcing",
    .features = SCOPE_WAN_FEATURES,
    .default_mode = SCOPE_MODE_TEXT,
    .estimated_vram_gb = 20.0,
    .min_dimension = 16,
    .inputs = scope_wan_session_ports,
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = reward_forcing_load,
};
