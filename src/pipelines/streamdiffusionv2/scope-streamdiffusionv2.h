/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline `streamdiffusionv2`. */
#ifndef SCOPE_STREAMDIFFUSIONV2_H
#define SCOPE_STREAMDIFFUSIONV2_H

#include <scope/scope-pipeline.h>

/** scope_streamdiffusionv2_desc: its description; static, any thread. */
extern const ScopePipelineDesc scope_streamdiffusionv2_desc;

#endif
