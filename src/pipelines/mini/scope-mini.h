/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `mini`. */
#ifndef SCOPE_MINI_H
#define SCOPE_MINI_H

#include <scope/scope-pipeline.h>

/** scope_mini_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_mini_desc;

#endif
