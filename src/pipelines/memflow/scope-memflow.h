/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `memflow`. */
#ifndef SCOPE_MEMFLOW_H
#define SCOPE_MEMFLOW_H

#include <scope/scope-pipeline.h>

/** scope_memflow_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_memflow_desc;

#endif
