/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `optical-flow`. */
#ifndef SCOPE_OPTICAL_FLOW_PIPELINE_H
#define SCOPE_OPTICAL_FLOW_PIPELINE_H

#include <scope/scope-pipeline.h>

/** scope_optical_flow_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_optical_flow_desc;

#endif
