/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `scribble`. */
#ifndef SCOPE_SCRIBBLE_PIPELINE_H
#define SCOPE_SCRIBBLE_PIPELINE_H

#include <scope/scope-pipeline.h>

/** scope_scribble_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_scribble_desc;

#endif
