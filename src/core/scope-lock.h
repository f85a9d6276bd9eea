/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thin wrappers over pthread mutexes and condition variables: what ThreadSanitizer understands.
 * Every lock of ours is a leaf unless its owner says otherwise; waits have a deadline.
 */
#ifndef SCOPE_LOCK_H
#define SCOPE_LOCK_H

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include <glib.h>

G_BEGIN_DECLS

/** ScopeLock: a mutex that is not recursive. Static initializer: SCOPE_LOCK_INIT. */
typedef struct {
    pthread_mutex_t mutex;
} ScopeLock;

#define SCOPE_LOCK_INIT                                                                            \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

/** ScopeCond: a condition variable on the monotonic clock. Needs scope_cond_init(). */
typedef struct {
    pthread_cond_t cond;
} ScopeCond;

/** scope_lock_init: prepares @lock in the caller's memory. Thread: the owner. */
static inline void
scope_lock_init(ScopeLock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
}

/** scope_lock_clear: frees what @lock holds; nobody may hold or want it. Thread: the owner. */
static inline void
scope_lock_clear(ScopeLock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

/** scope_lock_lock: takes @lock. Thread: any that does not hold it. */
static inline void
scope_lock_lock(ScopeLock *lock)
{
    pthread_mutex_lock(&lock->mutex);
}

/** scope_lock_unlock: gives @lock back. Thread: the holder. */
static inline void
scope_lock_unlock(ScopeLock *lock)
{
    pthread_mutex_unlock(&lock->mutex);
}

/** scope_cond_init: prepares @cond in the caller's memory. Thread: the owner. */
static inline void
scope_cond_init(ScopeCond *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
}

/** scope_cond_clear: frees what @cond holds; nobody may wait on it. Thread: the owner. */
static inline void
scope_cond_clear(ScopeCond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

/** scope_cond_signal: wakes one waiter. Thread: any. */
static inline void
scope_cond_signal(ScopeCond *cond)
{
    pthread_cond_signal(&cond->cond);
}

/** scope_cond_broadcast: wakes every waiter. Thread: any. */
static inline void
scope_cond_broadcast(ScopeCond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

/**
 * scope_cond_wait_until:
 * @cond: to wait on
 * @lock: held by the caller; released while waiting
 * @deadline_us: on the clock of g_get_monotonic_time()
 *
 * Waits for a signal. Wakes without reason now and then, so the caller checks its condition again.
 *
 * Returns: %FALSE when the deadline has passed.
 * Thread: the holder of @lock.
 */
static inline gboolean
scope_cond_wait_until(ScopeCond *cond, ScopeLock *lock, gint64 deadline_us)
{
    struct timespec ts;

    deadline_us = MAX(deadline_us, 0);
    ts.tv_sec = (time_t)(deadline_us / G_USEC_PER_SEC);
    ts.tv_nsec = (long)(deadline_us % G_USEC_PER_SEC) * 1000;
    return pthread_cond_timedwait(&cond->cond, &lock->mutex, &ts) != ETIMEDOUT;
}

static inline ScopeLock *
scope_lock_guard_enter_(ScopeLock *lock)
{
    scope_lock_lock(lock);
    return lock;
}

static inline void
scope_lock_guard_leave_(ScopeLock **lock)
{
    scope_lock_unlock(*lock);
}

/** SCOPE_LOCK_GUARD: holds the lock until the end of the enclosing block. */
#define SCOPE_LOCK_GUARD(lock)                                                                     \
    __attribute__((cleanup(scope_lock_guard_leave_), unused)) ScopeLock *G_PASTE(                  \
        scope_lock_guard_, __LINE__) = scope_lock_guard_enter_(lock)

G_END_DECLS

#endif
