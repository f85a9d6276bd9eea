/* SPDX-License-Identifier: Apache-2.0 */
/* The list of built-in pipelines, in the order that clients see. Main thread. */
#include "pipelines/scope-builtin.h"

#include "pipelines/controller-viz/scope-controller-viz.h"
#include "pipelines/gray/scope-gray.h"
#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/optical-flow/scope-optical-flow-pipeline.h"
#include "pipelines/passthrough/scope-passthrough.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/rife/scope-rife-pipeline.h"
#include "pipelines/scribble/scope-scribble-pipeline.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/video-depth-anything/scope-video-depth-anything-pipeline.h"

/* Order of the contract: streamdiffusionv2, longlive, krea-realtime-video, reward-forcing, memflow,
 * passthrough, video-depth-anything, controller-viz, rife, scribble, gray, optical-flow. */
static const ScopePipelineDesc *const builtins[] = {
    &scope_streamdiffusionv2_desc,
    &scope_longlive_desc,
    &scope_krea_realtime_video_desc,
    &scope_reward_forcing_desc,
    &scope_memflow_desc,
    &scope_passthrough_desc,
    &scope_video_depth_anything_desc,
    &scope_controller_viz_desc,
    &scope_rife_desc,
    &scope_scribble_desc,
    &scope_gray_desc,
    &scope_optical_flow_desc,
};

gboolean
scope_builtin_register_all(ScopeRegistry *registry, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(builtins); i++) {
        if (!scope_registry_register(registry, builtins[i], NULL, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
scope_builtin_register_mini(ScopeRegistry *registry, const char *share_dir, GError **error)
{
    g_autofree char *config = g_build_filename(share_dir, "mini", "config.json", NULL);

    return !g_file_test(config, G_FILE_TEST_IS_REGULAR) ||
           scope_registry_register(registry, &scope_mini_desc, NULL, error);
}
