/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `gray`. */
#ifndef SCOPE_GRAY_H
#define SCOPE_GRAY_H

#include <scope/scope-pipeline.h>

/** scope_gray_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_gray_desc;

#endif
