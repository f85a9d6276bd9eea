/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `passthrough`. */
#ifndef SCOPE_PASSTHROUGH_H
#define SCOPE_PASSTHROUGH_H

#include <scope/scope-pipeline.h>

/** scope_passthrough_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_passthrough_desc;

#endif
