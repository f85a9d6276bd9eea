/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `video-depth-anything`. */
#ifndef SCOPE_VIDEO_DEPTH_ANYTHING_PIPELINE_H
#define SCOPE_VIDEO_DEPTH_ANYTHING_PIPELINE_H

#include <scope/scope-pipeline.h>

/** scope_video_depth_anything_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_video_depth_anything_desc;

#endif
