/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and averages of the parts of a chunk. No state of its own. */
#include "core/scope-stage-timings.h"

#include <string.h>

/* The part called @name, made when there is room; NULL when there is none. */
static ScopeStageTiming *
find_part(ScopeStageTimings *self, const char *name)
{
    for (guint i = 0; i < self->n_parts; i++) {
        if (strcmp(self->parts[i].name, name) == 0)
            return &self->parts[i];
    }
    if (self->n_parts == SCOPE_STAGE_MAX_PARTS)
        return NULL;
    self->parts[self->n_parts] = (ScopeStageTiming){.name = name};
    return &self->parts[self->n_parts++];
}

void
scope_stage_timings_add(ScopeStageTimings *self, const char *name, gint64 us)
{
    ScopeStageTiming *part = find_part(self, name);

    if (part != NULL)
        part->last_us += us;
}

void
scope_stage_timings_merge(ScopeStageTimings *self, const ScopeStageTimings *chunk)
{
    for (guint i = 0; i < chunk->n_parts; i++) {
        gint64 us = chunk->parts[i].last_us;
        ScopeStageTiming *part = find_part(self, chunk->parts[i].name);

        if (part == NULL)
            continue;
        part->last_us = us;
        part->total_us += us;
        part->avg_us = part->n_chunks == 0 ? us : part->avg_us + (us - part->avg_us) / 16;
        part->n_chunks++;
    }
}
