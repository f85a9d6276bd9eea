/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `controller-viz`. */
#ifndef SCOPE_CONTROLLER_VIZ_H
#define SCOPE_CONTROLLER_VIZ_H

#include <scope/scope-pipeline.h>

/** scope_controller_viz_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_controller_viz_desc;

#endif
