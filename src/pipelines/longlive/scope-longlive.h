/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `longlive`. */
#ifndef SCOPE_LONGLIVE_H
#define SCOPE_LONGLIVE_H

#include <scope/scope-pipeline.h>

/** scope_longlive_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_longlive_desc;

#endif
