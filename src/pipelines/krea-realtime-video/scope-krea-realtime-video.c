/* SPDX-License-Identifier: Apache-2.0 */
/* Krea Realtime Video: its files, its table, its description. Constant data. */
#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"

#include "pipelines/wan/scope-wan-session.h"

static const ScopeWanProduct product = {
    SCOPE_WAN_COMMON_FILES,
    .id = "krea-realtime-video",
    .variant = &scope_wan_variant_krea,
    .config = "Wan2.1-T2V-14B/config.json",
    .weights = "krea-realtime-video/krea-realtime-video-14b.safetensors",
    .vace = SCOPE_WAN_DIR_COMFY "/" SCOPE_WAN_VACE_14B,
};

static const char *const files[] = {"config.json", "krea-realtime-video-14b.safetensors", NULL};
static const char *const base_files[] = {"config.json", NULL};
static const ScopeArtifact artifacts[] = {
    SCOPE_WAN_COMMON_ARTIFACTS(scope_wan_files_vace_14b),
    {.repo_id = "daydreamlive/Wan2.1-T2V-14B", .files = base_files},
    {.repo_id = "daydreamlive/krea-realtime-video", .files = files},
};

static const ScopeParamDesc params[] = {
    SCOPE_WAN_PARAM_TABLE(ScopeWanParams, "320", "576", "[1000, 750, 500, 250]", "1", "0.3", "256",
                          "256", "[1000, 750]", NULL, NULL, NULL, 0, "0.7", "true"),
};

SCOPE_WAN_DEFINE_LOAD(krea_realtime_video_load, product)

const ScopePipelineDesc scope_krea_realtime_video_desc = {
    SCOPE_WAN_DESC,
    .id = "krea-realtime-video",
    .name = "Krea Realtime Video",
    .description = "The highest quality, on Wan 2.1 14B. From Krea.",
    .schema_title = "KreaRealtimeVideoConfig",
    .docs_url = "https://github.com/krea-ai/realtime-video",
    .features = SCOPE_WAN_FEATURES | SCOPE_PIPELINE_SUPPORTS_KV_CACHE_BIAS,
    .default_mode = SCOPE_MODE_TEXT,
    .estimated_vram_gb = 32.0,
    .min_dimension = 16,
    .default_transition_steps = 4,
    .default_transition_linear = TRUE,
    .quantization_vram_gb = 40.0,
    .inputs = scope_wan_session_ports,
    .artifacts = artifacts,
    .n_artifacts = G_N_ELEMENTS(artifacts),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .load = krea_realtime_video_load,
};
