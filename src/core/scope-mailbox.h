/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way in which our threads hand things over: a bounded queue of pointers with counters.
 * Readers poll, block with a deadline, or attach it to a main context as a GSource.
 */
#ifndef SCOPE_MAILBOX_H
#define SCOPE_MAILBOX_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeMailboxPolicy: what a full mailbox does with a push.
 * @SCOPE_MAILBOX_DROP_NEWEST: frees the item that is pushed
 * @SCOPE_MAILBOX_DROP_OLDEST: frees the item that waits longest
 */
typedef enum {
    SCOPE_MAILBOX_DROP_NEWEST = 0,
    SCOPE_MAILBOX_DROP_OLDEST,
} ScopeMailboxPolicy;

/** ScopeMailbox: opaque, refcounted. All functions: any thread, unless a line says otherwise. */
typedef struct _ScopeMailbox ScopeMailbox;

/**
 * ScopeMailboxStats: counters since creation.
 * @n_pushed: items offered, dropped ones included
 * @n_popped: items handed to a reader
 * @n_dropped: items freed because the mailbox was full or closed
 * @n_replaced: items freed because a later one had the same key
 * @n_cleared: items freed by scope_mailbox_clear()
 * @length: items that wait now
 * @max_length: most items that ever waited
 */
typedef struct {
    guint64 n_pushed;
    guint64 n_popped;
    guint64 n_dropped;
    guint64 n_replaced;
    guint64 n_cleared;
    guint length;
    guint max_length;
} ScopeMailboxStats;

/** ScopeMailboxFunc: called by the source while items wait; %G_SOURCE_REMOVE ends the source. */
typedef gboolean (*ScopeMailboxFunc)(ScopeMailbox *mailbox, gpointer user_data);

/** ScopeMailboxNotify: called after items were taken out, without a lock, by the taking thread. */
typedef void (*ScopeMailboxNotify)(ScopeMailbox *mailbox, gpointer user_data);

/**
 * scope_mailbox_new:
 * @capacity: items that may wait, >= 1
 * @policy: what happens when it is full
 * @item_free: (nullable): frees items that no reader takes; called without a lock
 *
 * Returns: (transfer full): an empty mailbox.
 *
 * Thread: any.
 */
ScopeMailbox *scope_mailbox_new(guint capacity, ScopeMailboxPolicy policy,
                                GDestroyNotify item_free);

/** scope_mailbox_ref: another owner. Returns: @mailbox. Thread: any. */
ScopeMailbox *scope_mailbox_ref(ScopeMailbox *mailbox);

/** scope_mailbox_unref: (nullable): one owner less; the last one frees waiting items. Thread: any.
 */
void scope_mailbox_unref(ScopeMailbox *mailbox);

/**
 * scope_mailbox_push:
 * @item: (transfer full) (not nullable): to hand over
 *
 * Appends @item: first in, first out.
 *
 * Returns: %FALSE when an item (this or the oldest) was dropped.
 *
 * Thread: any.
 */
gboolean scope_mailbox_push(ScopeMailbox *mailbox, gpointer item);

/**
 * scope_mailbox_push_keyed:
 * @key: (not nullable): interned by the mailbox with g_intern_string(), so from a bounded set
 * @item: (transfer full) (not nullable): to hand over
 *
 * Latest wins: when an item with the same key waits, @item takes its place in the queue and the
 * earlier one is freed. Else as scope_mailbox_push().
 *
 * Returns: %FALSE when an item was dropped for lack of room.
 *
 * Thread: any.
 */
gboolean scope_mailbox_push_keyed(ScopeMailbox *mailbox, const char *key, gpointer item);

/** scope_mailbox_pop: (transfer full) (nullable): the item that waits longest, without blocking.
 * Thread: any. */
gpointer scope_mailbox_pop(ScopeMailbox *mailbox);

/**
 * scope_mailbox_pop_until:
 * @deadline_us: on the clock of g_get_monotonic_time()
 *
 * Waits for an item. Thread: one that may block.
 *
 * Returns: (transfer full) (nullable): the item; %NULL when the deadline passed or the mailbox was
 *   closed and is empty.
 */
gpointer scope_mailbox_pop_until(ScopeMailbox *mailbox, gint64 deadline_us);

/** scope_mailbox_clear: frees every item that waits. Returns: how many. Thread: any. */
guint scope_mailbox_clear(ScopeMailbox *mailbox);

/** scope_mailbox_close: later pushes are dropped, blocked readers wake. Waiting items stay. Thread:
 * any. */
void scope_mailbox_close(ScopeMailbox *mailbox);

/** scope_mailbox_is_closed: whether scope_mailbox_close() was called. Thread: any. */
gboolean scope_mailbox_is_closed(ScopeMailbox *mailbox);

/** scope_mailbox_get_length: items that wait now. Thread: any. */
guint scope_mailbox_get_length(ScopeMailbox *mailbox);

/** scope_mailbox_get_capacity: items that may wait. Thread: any. */
guint scope_mailbox_get_capacity(ScopeMailbox *mailbox);

/** scope_mailbox_grow: raises the capacity to @capacity; a smaller value changes nothing. Thread:
 * any. */
void scope_mailbox_grow(ScopeMailbox *mailbox, guint capacity);

/** scope_mailbox_get_stats: (out): copies the counters. Thread: any. */
void scope_mailbox_get_stats(ScopeMailbox *mailbox, ScopeMailboxStats *ret_stats);

/**
 * scope_mailbox_set_taken_func:
 * @func: (nullable): called whenever items left the mailbox, for producers that wait for room
 *
 * After a call with %NULL returns, the former @func is not running and will not be called.
 * Must not be called from inside @func.
 *
 * Thread: any.
 */
void scope_mailbox_set_taken_func(ScopeMailbox *mailbox, ScopeMailboxNotify func,
                                  gpointer user_data);

/**
 * scope_mailbox_get_fd:
 *
 * Returns: an eventfd that is readable while items wait or the mailbox is closed; to be polled,
 *   never read. -1 when the system has none left. Belongs to the mailbox.
 *
 * Thread: any.
 */
int scope_mailbox_get_fd(ScopeMailbox *mailbox);

/**
 * scope_mailbox_create_source:
 * @priority: for example G_PRIORITY_DEFAULT
 * @func: called in the context that the source is attached to, as long as items wait; it is
 *   expected to pop at least one
 * @user_data: for @func
 * @destroy: (nullable): frees @user_data
 *
 * Returns: (transfer full): a source that holds a reference to the mailbox; the caller attaches it.
 *
 * Thread: any.
 */
GSource *scope_mailbox_create_source(ScopeMailbox *mailbox, gint priority, ScopeMailboxFunc func,
                                     gpointer user_data, GDestroyNotify destroy);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeMailbox, scope_mailbox_unref)

G_END_DECLS

#endif
