/* SPDX-License-Identifier: Apache-2.0 */
/* The collector behind ScopeHost.output_push. For stages only; the worker's own memory. */
#ifndef SCOPE_HOST_PRIVATE_H
#define SCOPE_HOST_PRIVATE_H

#include "core/scope-host.h"
#include "core/scope-stage-timings.h"

G_BEGIN_DECLS

/** ScopeOutputItem: one frame and the port it was pushed to (interned). */
typedef struct {
    const char *port;
    ScopeFrame *frame;
} ScopeOutputItem;

struct _ScopeOutput {
    GArray *items;             /* of ScopeOutputItem; frames belong to it */
    ScopeStageTimings timings; /* of the call in progress; averages unused */
};

/** scope_output_init: prepares @output. Thread: the worker, like the other two. */
void scope_output_init(ScopeOutput *output);

/** scope_output_reset: frees frames that nobody took. Thread: the worker. */
void scope_output_reset(ScopeOutput *output);

/** scope_output_clear: frees everything. Thread: the worker. */
void scope_output_clear(ScopeOutput *output);

G_END_DECLS

#endif
