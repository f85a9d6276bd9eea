/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader's thread and its two queues. Unloads go first; a load waits until instances that were
 * retired before it are gone. Results travel to the caller's main context.
 *
 * Lock: one leaf lock. The structure lives as long as the loader or an instance of it.
 */
#include "core/scope-loader.h"

#include "core/scope-json.h"
#include "core/scope-loader-private.h"
#include "core/scope-lock.h"
#include "core/scope-log.h"
#include "core/scope-thread.h"

#define RETIRE_WAIT_US (5 * G_USEC_PER_SEC)
#define IDLE_WAIT_US   (60 * G_USEC_PER_SEC)

SCOPE_LOG_TOPIC(core, loader)

typedef struct {
    ScopeLoader *loader; /* borrowed until closed */
    ScopePipelineInfo *info;
    JsonObject *load_params;
    ScopeLoadProgress *progress;
    ScopeLoadDone done;
    gpointer user_data;
    GMainContext *context;
    gint64 latest_us;
    ScopeInstance *instance;
    GError *error;
    GSource *source;
} Job;

typedef struct {
    ScopeUnloadFunc func;
    gpointer data;
    gboolean retired;
} Unload;

struct _ScopeLoader {
    gint ref_count;
    const ScopeHost *host;
    ScopeThread *thread;

    ScopeLock lock;
    ScopeCond cond;
    GQueue loads;    /* of Job, waiting */
    GQueue unloads;  /* of Unload, waiting */
    GQueue finished; /* of Job, whose source is attached */
    Job *running;
    guint n_retired; /* instances that are not unloaded yet */
    gboolean closed;
};

static void
job_free(Job *job)
{
    scope_pipeline_info_unref(job->info);
    json_object_unref(job->load_params);
    scope_load_progress_unref(job->progress);
    g_main_context_unref(job->context);
    scope_instance_unref(job->instance);
    g_clear_error(&job->error);
    g_clear_pointer(&job->source, g_source_unref);
    g_free(job);
}

ScopeLoader *
scope_loader_ref(ScopeLoader *self)
{
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_loader_unref(ScopeLoader *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    scope_cond_clear(&self->cond);
    scope_lock_clear(&self->lock);
    g_free(self);
}

/* Main: hands the result over, unless the loader was freed meanwhile. */
static gboolean
deliver(gpointer user_data)
{
    Job *job = user_data;
    ScopeLoader *self = job->loader;

    scope_lock_lock(&self->lock);
    g_queue_remove(&self->finished, job);
    scope_lock_unlock(&self->lock);

    job->done(g_steal_pointer(&job->instance), job->error, job->user_data);
    job_free(job);
    return G_SOURCE_REMOVE;
}

/* Lock held; released around the load. */
static void
run_load(ScopeLoader *self, Job *job)
{
    self->running = job;
    scope_lock_unlock(&self->lock);

    if (scope_load_progress_is_cancelled(job->progress))
        g_set_error(&job->error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED,
                    "Loading %s was cancelled", job->info->desc->id);
    else
        job->instance = scope_instance_load(job->info, self->host, self, job->load_params,
                                            job->progress, &job->error);

    scope_lock_lock(&self->lock);
    self->running = NULL;
    if (self->closed) {
        scope_lock_unlock(&self->lock);
        job_free(job);
        scope_lock_lock(&self->lock);
        return;
    }
    g_queue_push_tail(&self->finished, job);
    job->source = g_idle_source_new();
    g_source_set_priority(job->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(job->source, deliver, job, NULL);
    g_source_attach(job->source, job->context);
}

/* Lock held; released around the unload. */
static void
run_unload(ScopeLoader *self)
{
    Unload *unload = g_queue_pop_head(&self->unloads);

    scope_lock_unlock(&self->lock);
    unload->func(unload->data);
    scope_lock_lock(&self->lock);
    if (unload->retired)
        self->n_retired--;
    g_free(unload);
}

static void
loader_main(gpointer data)
{
    ScopeLoader *self = data;

    scope_lock_lock(&self->lock);
    for (;;) {
        gint64 now_us = g_get_monotonic_time();
        Job *job = g_queue_peek_head(&self->loads);

        if (self->unloads.length > 0) {
            run_unload(self);
        } else if (job != NULL && (self->n_retired == 0 || now_us >= job->latest_us)) {
            if (self->n_retired > 0)
                scope_log_warning("loading %s while an earlier pipeline is still in use",
                                  job->info->desc->id);
            g_queue_pop_head(&self->loads);
            run_load(self, job);
        } else if (self->closed) {
            break;
        } else {
            scope_cond_wait_until(&self->cond, &self->lock,
                                  job != NULL ? job->latest_us : now_us + IDLE_WAIT_US);
        }
    }
    scope_lock_unlock(&self->lock);
}

ScopeLoader *
scope_loader_new(const ScopeHost *host, GError **error)
{
    ScopeLoader *self;

    g_return_val_if_fail(host != NULL, NULL);

    self = g_new0(ScopeLoader, 1);
    self->ref_count = 1;
    self->host = host;
    scope_lock_init(&self->lock);
    scope_cond_init(&self->cond);
    g_queue_init(&self->loads);
    g_queue_init(&self->unloads);
    g_queue_init(&self->finished);
    self->thread = scope_thread_start("scope-loader", loader_main, self, error);
    if (self->thread == NULL) {
        scope_loader_unref(self);
        return NULL;
    }
    return self;
}

void
scope_loader_free(ScopeLoader *self)
{
    GQueue dropped = G_QUEUE_INIT;
    Job *job;

    if (self == NULL)
        return;
    scope_lock_lock(&self->lock);
    self->closed = TRUE;
    while ((job = g_queue_pop_head(&self->loads)) != NULL)
        g_queue_push_tail(&dropped, job);
    while ((job = g_queue_pop_head(&self->finished)) != NULL)
        g_queue_push_tail(&dropped, job);
    if (self->running != NULL)
        scope_load_progress_cancel(self->running->progress);
    scope_cond_broadcast(&self->cond);
    scope_lock_unlock(&self->lock);

    scope_thread_join(&self->thread);
    while ((job = g_queue_pop_head(&dropped)) != NULL) {
        if (job->source != NULL)
            g_source_destroy(job->source);
        job_free(job);
    }
    scope_loader_unref(self);
}

void
scope_loader_load(ScopeLoader *self, ScopePipelineInfo *info, JsonObject *load_params,
                  ScopeLoadProgress *progress, ScopeLoadDone done, gpointer user_data)
{
    Job *job;

    g_return_if_fail(self != NULL && info != NULL && done != NULL);

    job = g_new0(Job, 1);
    job->loader = self;
    job->info = scope_pipeline_info_ref(info);
    job->load_params = scope_json_object_copy(load_params);
    job->progress =
        progress != NULL ? scope_load_progress_ref(progress) : scope_load_progress_new();
    job->done = done;
    job->user_data = user_data;
    job->context = g_main_context_ref_thread_default();

    SCOPE_LOCK_GUARD(&self->lock);
    job->latest_us = g_get_monotonic_time() + RETIRE_WAIT_US;
    g_queue_push_tail(&self->loads, job);
    scope_cond_signal(&self->cond);
}

void
scope_loader_retire(ScopeLoader *self, ScopeInstance *instance)
{
    if (instance == NULL)
        return;
    g_return_if_fail(self != NULL && scope_instance_set_retired(instance) == self);

    scope_lock_lock(&self->lock);
    self->n_retired++;
    scope_lock_unlock(&self->lock);
    scope_instance_unref(instance);
}

gboolean
scope_loader_post_unload(ScopeLoader *self, ScopeUnloadFunc func, gpointer data, gboolean retired)
{
    Unload *unload;

    SCOPE_LOCK_GUARD(&self->lock);
    if (self->closed)
        return FALSE;
    unload = g_new0(Unload, 1);
    unload->func = func;
    unload->data = data;
    unload->retired = retired;
    g_queue_push_tail(&self->unloads, unload);
    scope_cond_signal(&self->cond);
    return TRUE;
}
