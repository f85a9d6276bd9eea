/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scope-stage.c (interface, any thread) and scope-stage-worker.c (the worker) share.
 *
 * Lock order: the lock of a stage, then the lock of the stage or mailbox behind it. A stage wakes
 * the one before it without holding its own lock.
 */
#ifndef SCOPE_STAGE_PRIVATE_H
#define SCOPE_STAGE_PRIVATE_H

#include "core/scope-lock.h"
#include "core/scope-stage.h"
#include "core/scope-thread.h"

G_BEGIN_DECLS

#define SCOPE_STAGE_MAX_PORTS 8

/** ScopeWaker: the lock and condition of a stage, refcounted so that a consumer may wake it late.
 */
typedef struct {
    gint ref_count;
    ScopeLock lock;
    ScopeCond cond;
} ScopeWaker;

/** scope_waker_new: (transfer full): Thread: any, like the other three. */
ScopeWaker *scope_waker_new(void);

/** scope_waker_ref: another owner. Returns: @waker. Thread: any. */
ScopeWaker *scope_waker_ref(ScopeWaker *waker);

/** scope_waker_unref: (nullable): one owner less. Thread: any. */
void scope_waker_unref(ScopeWaker *waker);

/** scope_waker_wake: wakes the worker. Thread: any that does not hold the lock. */
void scope_waker_wake(ScopeWaker *waker);

/** ScopeStagePort: an input. Under the stage's lock. */
typedef struct {
    const char *name; /* interned */
    gboolean wired;
    guint capacity;
    GQueue frames;  /* of ScopeFrame */
    GQueue numbers; /* of their numbers among all that were offered, as GSIZE_TO_POINTER() */
} ScopeStagePort;

struct _ScopeStage {
    gint ref_count;
    char *node_id;
    char *session_id;
    ScopeWaker *waker;

    /* Fixed between start and join. */
    ScopeThread *thread;
    ScopeStage *consumer;
    ScopeMailbox *queue;
    gdouble offline_fps;
    ScopeStageHooks hooks;

    /* Under waker->lock. */
    ScopeStageFatal fatal;
    ScopeStageFatal skipped;
    gpointer user_data;
    ScopeInstance *target;
    ScopeParamTable *table;
    gboolean replace;
    JsonObject *pending;
    gboolean changed; /* reset, paused or mode */
    gboolean reset;
    gboolean paused;
    ScopeMode mode;
    gboolean stop;
    gboolean discard; /* frames that arrive are not wanted */
    gboolean waiting; /* the worker has not enough input for a chunk */
    guint want;       /* frames per chunk, for producers */
    ScopeStagePort ports[SCOPE_STAGE_MAX_PORTS];
    guint n_ports;
    ScopeWaker *producer;
    const char *output_port; /* interned */
    ScopeStageStats stats;
};

/** scope_stage_port_pop: (transfer full) (nullable): the oldest frame and its number. Lock
 * held. Thread: any. */
ScopeFrame *scope_stage_port_pop(ScopeStagePort *port, guint64 *ret_number);

/** scope_stage_worker_main: the body of the worker; takes over a reference. Thread: the worker. */
void scope_stage_worker_main(gpointer stage);

/** scope_stage_clear_port: frees frames that wait on @port. Returns: how many. Without lock.
 * Thread: the worker. */
guint scope_stage_clear_port(ScopeStage *stage, const char *port);

/** scope_stage_clear_inputs: frees frames that wait on any port. Without lock. Thread: the worker.
 */
void scope_stage_clear_inputs(ScopeStage *stage);

/** scope_stage_get_port_level: (out): frames that wait on @port and frames per chunk. Thread: any.
 */
void scope_stage_get_port_level(ScopeStage *stage, const char *port, guint *ret_length,
                                guint *ret_want);

/** scope_stage_grow_port: raises the capacity of @port to @capacity. Thread: the worker. */
void scope_stage_grow_port(ScopeStage *stage, const char *port, guint capacity);

G_END_DECLS

#endif
