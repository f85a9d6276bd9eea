/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A named thread that can be waited for with a deadline. The owner joins it exactly once.
 */
#ifndef SCOPE_THREAD_H
#define SCOPE_THREAD_H

#include <glib.h>

G_BEGIN_DECLS

/** ScopeThread: opaque; belongs to the thread that started it. */
typedef struct _ScopeThread ScopeThread;

/** ScopeThreadFunc: the body of a thread; @data as given to scope_thread_start(). */
typedef void (*ScopeThreadFunc)(gpointer data);

/**
 * scope_thread_start:
 * @name: up to 15 bytes are shown by the system
 * @func: the body
 * @data: for @func; must outlive the thread
 * @error: (nullable): set on failure
 *
 * Errors: G_IO_ERROR, from the errno of the system.
 * Returns: (transfer full): the thread, or %NULL.
 * Thread: any.
 */
ScopeThread *scope_thread_start(const char *name, ScopeThreadFunc func, gpointer data,
                                GError **error);

/**
 * scope_thread_join_until:
 * @thread: (nullable): address of the thread; set to %NULL when it was joined
 * @deadline_us: on the clock of g_get_monotonic_time()
 *
 * Waits for the end of the thread and frees it. When the deadline passes first, the thread goes on
 * and still belongs to the caller.
 *
 * Returns: %TRUE when the thread has ended (or was %NULL).
 * Thread: the owner.
 */
gboolean scope_thread_join_until(ScopeThread **thread, gint64 deadline_us);

/**
 * scope_thread_detach: (nullable): gives up on joining: the thread frees itself when it ends. Its
 * body must own everything that it still touches. Thread: the owner.
 */
void scope_thread_detach(ScopeThread **thread);

/** scope_thread_join: as scope_thread_join_until() without a deadline, for bodies that are known to
 * end.
 *
 * Thread: any.
 */
void scope_thread_join(ScopeThread **thread);

G_END_DECLS

#endif
