/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline whose load waits until the test opens it, or until it is cancelled. */
#ifndef GATE_PIPELINE_H
#define GATE_PIPELINE_H

#include <scope/scope-pipeline.h>

/** gate_get_desc: (transfer none): the pipeline `gate`, with one parameter `size` of 1 to 100. */
const ScopePipelineDesc *gate_get_desc(void);

/** gate_open: lets @n loads of `gate` finish. */
void gate_open(guint n);

/** gate_get_n_waiting: loads of `gate` that wait now. */
guint gate_get_n_waiting(void);

/** gate_get_n_loads: loads of `gate` that were begun. */
guint gate_get_n_loads(void);

/** gate_reset: closes the gate and forgets the counts. */
void gate_reset(void);

#endif
