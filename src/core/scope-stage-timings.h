/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the parts of a chunk take, as a pipeline tells through ScopeHost.output_timing: plain
 * data of fixed size, so that the steady state allocates nothing. Any thread, one at a time.
 */
#ifndef SCOPE_STAGE_TIMINGS_H
#define SCOPE_STAGE_TIMINGS_H

#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/** SCOPE_STAGE_MAX_PARTS: parts of a chunk that are told apart; further ones are not counted. */
#define SCOPE_STAGE_MAX_PARTS 16

/**
 * ScopeStageTiming: one part of a chunk.
 * @name: `text`, `denoise`, `decode`, ...; a literal of the pipeline
 * @last_us: in the last chunk that had it
 * @avg_us: moving average over about 16 such chunks
 * @total_us: since the stage began
 * @n_chunks: chunks that had it
 */
typedef struct {
    const char *name;
    gint64 last_us;
    gint64 avg_us;
    gint64 total_us;
    guint64 n_chunks;
} ScopeStageTiming;

/** ScopeStageTimings: parts in the order in which they were first told. */
typedef struct {
    ScopeStageTiming parts[SCOPE_STAGE_MAX_PARTS];
    guint n_parts;
} ScopeStageTimings;

/** scope_stage_timings_add: adds @us to last_us of part @name. Thread: the owner. */
void scope_stage_timings_add(ScopeStageTimings *timings, const char *name, gint64 us);

/** scope_stage_timings_merge: takes the parts of one chunk into the averages. Thread: the owner. */
void scope_stage_timings_merge(ScopeStageTimings *timings, const ScopeStageTimings *chunk);

G_END_DECLS

#endif
