/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `rife`. */
#ifndef SCOPE_RIFE_PIPELINE_H
#define SCOPE_RIFE_PIPELINE_H

#include <scope/scope-pipeline.h>

/** scope_rife_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_rife_desc;

#endif
