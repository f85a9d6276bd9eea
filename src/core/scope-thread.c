/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads over pthread. The body's end is announced with a condition variable, so that a join can
 * have a deadline; the pthread itself is joined afterwards.
 */
#include "core/scope-thread.h"

#include <gio/gio.h>

#include "core/scope-lock.h"

struct _ScopeThread {
    pthread_t thread;
    ScopeLock lock;
    ScopeCond cond;
    gboolean done;
    gboolean detached;
    ScopeThreadFunc func;
    gpointer data;
    char name[16];
};

static void
thread_free(ScopeThread *self)
{
    scope_cond_clear(&self->cond);
    scope_lock_clear(&self->lock);
    g_free(self);
}

static void *
thread_main(void *arg)
{
    ScopeThread *self = arg;
    gboolean detached;

    pthread_setname_np(pthread_self(), self->name);
    self->func(self->data);

    scope_lock_lock(&self->lock);
    self->done = TRUE;
    detached = self->detached;
    scope_cond_broadcast(&self->cond);
    scope_lock_unlock(&self->lock);
    if (detached)
        thread_free(self);
    return NULL;
}

ScopeThread *
scope_thread_start(const char *name, ScopeThreadFunc func, gpointer data, GError **error)
{
    ScopeThread *self;
    int err;

    g_return_val_if_fail(name != NULL && func != NULL, NULL);

    self = g_new0(ScopeThread, 1);
    scope_lock_init(&self->lock);
    scope_cond_init(&self->cond);
    self->func = func;
    self->data = data;
    g_strlcpy(self->name, name, sizeof self->name);
    err = pthread_create(&self->thread, NULL, thread_main, self);
    if (err != 0) {
        g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(err),
                    "Starting the thread %s failed: %s", name, g_strerror(err));
        thread_free(self);
        return NULL;
    }
    return self;
}

gboolean
scope_thread_join_until(ScopeThread **thread, gint64 deadline_us)
{
    ScopeThread *self = *thread;
    gboolean done;

    if (self == NULL)
        return TRUE;

    scope_lock_lock(&self->lock);
    while (!self->done && scope_cond_wait_until(&self->cond, &self->lock, deadline_us))
        ;
    done = self->done;
    scope_lock_unlock(&self->lock);
    if (!done)
        return FALSE;

    pthread_join(self->thread, NULL);
    thread_free(self);
    *thread = NULL;
    return TRUE;
}

void
scope_thread_detach(ScopeThread **thread)
{
    ScopeThread *self = *thread;
    gboolean done;

    if (self == NULL)
        return;
    pthread_detach(self->thread);
    scope_lock_lock(&self->lock);
    self->detached = TRUE;
    done = self->done;
    scope_lock_unlock(&self->lock);
    if (done)
        thread_free(self);
    *thread = NULL;
}

void
scope_thread_join(ScopeThread **thread)
{
    if (*thread == NULL)
        return;
    pthread_join((*thread)->thread, NULL);
    thread_free(*thread);
    *thread = NULL;
}
