/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `krea-realtime-video`. */
#ifndef SCOPE_KREA_REALTIME_VIDEO_H
#define SCOPE_KREA_REALTIME_VIDEO_H

#include <scope/scope-pipeline.h>

/** scope_krea_realtime_video_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_krea_realtime_video_desc;

#endif
