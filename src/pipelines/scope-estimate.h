/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the big pipelines take on the processor, before one is loaded: operations of a frame,
 * counted from the dimensions of the model, over the rate of a matrix product that is measured once
 * in the background. Any thread.
 */
#ifndef SCOPE_ESTIMATE_H
#define SCOPE_ESTIMATE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * scope_estimate_start:
 * @n_cpus: cores that pipelines may use, >= 1
 *
 * Measures in a thread of its own, for some tens of milliseconds. Called once.
 *
 * Thread: main.
 */
void scope_estimate_start(guint n_cpus);

/** scope_estimate_finish: waits for the end of the measuring, if there was any. Thread: main. */
void scope_estimate_finish(void);

/**
 * scope_estimate_gflop:
 * @pipeline_id: a pipeline
 *
 * Thread: any.
 * Returns: 10^9 operations for one frame with default parameters in text mode: all passes of the
 *   transformer and the decoder; 0 for a pipeline that is not counted.
 */
gdouble scope_estimate_gflop(const char *pipeline_id);

/**
 * scope_estimate_frame_seconds:
 * @pipeline_id: a pipeline
 *
 * Thread: any.
 * Returns: seconds for one frame on the processor; 0 while nothing is measured, and for a pipeline
 *   that is not counted.
 */
gdouble scope_estimate_frame_seconds(const char *pipeline_id);

G_END_DECLS

#endif
