/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread between the queue of finished frames and the encoder. What other threads read or
 * change (pause, last frame, counters) is under one leaf lock.
 */
#include "server/scope-pacer.h"

#include "core/scope-lock.h"
#include "core/scope-thread.h"
#include "server/scope-pace.h"
#include "server/scope-rate.h"

/* How long a pop waits before pause and stop are looked at again. */
#define POLL_US (50 * 1000)

struct _ScopePacer {
    ScopePacerConfig config;
    ScopeThread *thread;

    ScopeLock lock;
    ScopeCond changed;
    gboolean is_stopping;
    gboolean is_paused;
    ScopeFrame *last;
    ScopePacerStats stats;
    ScopeRate rate;
};

static const gdouble bounds_s[SCOPE_PACER_BUCKETS] = {0.005, 0.01, 0.02, 0.035, 0.05, 0.075,
                                                      0.1,   0.15, 0.25, 0.5,   1.0,  2.5};

const gdouble *
scope_pacer_get_bounds_s(void)
{
    return bounds_s;
}

/* Waits until @until_us; TRUE when nothing changed meanwhile. */
static gboolean
wait_until(ScopePacer *pacer, gint64 until_us, gboolean is_paused)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    while (!pacer->is_stopping && pacer->is_paused == is_paused) {
        if (g_get_monotonic_time() >= until_us) {
            return TRUE;
        }
        scope_cond_wait_until(&pacer->changed, &pacer->lock, until_us);
    }
    return FALSE;
}

static void
note_age(ScopePacerStats *stats, const ScopeFrame *frame, gint64 now_us)
{
    gint64 age_us;
    guint bucket = 0;

    if (frame->born_us == SCOPE_TIME_NONE) {
        return;
    }
    age_us = MAX(now_us - frame->born_us, 0);
    while (bucket < SCOPE_PACER_BUCKETS && (gdouble)age_us > bounds_s[bucket] * G_USEC_PER_SEC) {
        bucket++;
    }
    stats->age_buckets[bucket]++;
    stats->age_sum_us += age_us;
}

/* Shows @frame (transfer full), which becomes the last one. */
static void
show(ScopePacer *pacer, ScopeFrame *frame, gint64 pts_us)
{
    gboolean is_taken = pacer->config.show(frame, pts_us, pacer->config.user_data);
    gint64 now_us = g_get_monotonic_time();
    ScopeFrame *before;

    scope_lock_lock(&pacer->lock);
    pacer->stats.n_shown++;
    if (!is_taken) {
        pacer->stats.n_refused++;
    } else if (pacer->stats.first_us == 0) {
        pacer->stats.first_us = now_us;
    }
    note_age(&pacer->stats, frame, now_us);
    scope_rate_add(&pacer->rate, now_us);
    before = pacer->last;
    pacer->last = frame;
    scope_lock_unlock(&pacer->lock);
    scope_frame_unref(before);
}

static gboolean
is_stopping(ScopePacer *pacer)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    return pacer->is_stopping;
}

static gboolean
is_paused(ScopePacer *pacer)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    return pacer->is_paused;
}

/* Repeats the last frame until the pause ends. */
static void
run_paused(ScopePacer *pacer)
{
    while (wait_until(pacer, g_get_monotonic_time() + SCOPE_PACER_REPEAT_US, TRUE)) {
        g_autoptr(ScopeFrame) last = scope_pacer_dup_last(pacer);
        if (last) {
            pacer->config.show(last, g_get_monotonic_time(), pacer->config.user_data);
        }
    }
}

static void
run(gpointer data)
{
    ScopePacer *pacer = data;
    ScopePace pace = {0};
    g_autoptr(ScopeFrame) held = NULL;

    while (!is_stopping(pacer)) {
        gint64 due_us, pts_us = 0;
        if (is_paused(pacer)) {
            run_paused(pacer);
            scope_pace_reset(&pace);
            continue;
        }
        if (!held) {
            wait_until(pacer,
                       scope_pace_earliest(&pace, pacer->config.get_fps(pacer->config.user_data)),
                       FALSE);
            held = scope_mailbox_pop_until(pacer->config.queue, g_get_monotonic_time() + POLL_US);
        }
        if (!held) {
            if (scope_mailbox_is_closed(pacer->config.queue)) {
                /* The stream has ended; what is left is to wait for the stop. */
                wait_until(pacer, g_get_monotonic_time() + POLL_US, FALSE);
            }
            continue;
        }
        due_us = scope_pace_next(&pace, held->pts_us, g_get_monotonic_time(),
                                 pacer->config.get_fps(pacer->config.user_data),
                                 scope_mailbox_get_length(pacer->config.queue), &pts_us);
        if (wait_until(pacer, due_us, FALSE)) {
            show(pacer, g_steal_pointer(&held), pts_us);
        }
    }
}

ScopePacer *
scope_pacer_new(const ScopePacerConfig *config, GError **error)
{
    ScopePacer *pacer = g_new0(ScopePacer, 1);

    pacer->config = *config;
    pacer->config.queue = scope_mailbox_ref(config->queue);
    pacer->is_paused = config->is_paused;
    scope_lock_init(&pacer->lock);
    scope_cond_init(&pacer->changed);
    pacer->thread = scope_thread_start("scope-pacer", run, pacer, error);
    if (!pacer->thread) {
        scope_pacer_free(pacer);
        return NULL;
    }
    return pacer;
}

void
scope_pacer_request_stop(ScopePacer *pacer)
{
    scope_lock_lock(&pacer->lock);
    pacer->is_stopping = TRUE;
    scope_cond_broadcast(&pacer->changed);
    scope_lock_unlock(&pacer->lock);
    scope_mailbox_close(pacer->config.queue);
}

void
scope_pacer_free(ScopePacer *pacer)
{
    if (!pacer) {
        return;
    }
    if (pacer->thread) {
        scope_pacer_request_stop(pacer);
        scope_thread_join(&pacer->thread);
    }
    scope_frame_unref(pacer->last);
    scope_mailbox_unref(pacer->config.queue);
    scope_cond_clear(&pacer->changed);
    scope_lock_clear(&pacer->lock);
    g_free(pacer);
}

void
scope_pacer_set_paused(ScopePacer *pacer, gboolean is_paused_now)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    pacer->is_paused = is_paused_now;
    scope_cond_broadcast(&pacer->changed);
}

ScopeFrame *
scope_pacer_dup_last(ScopePacer *pacer)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    return pacer->last ? scope_frame_ref(pacer->last) : NULL;
}

void
scope_pacer_get_stats(ScopePacer *pacer, ScopePacerStats *ret_stats)
{
    SCOPE_LOCK_GUARD(&pacer->lock);
    *ret_stats = pacer->stats;
    ret_stats->fps = scope_rate_get(&pacer->rate, g_get_monotonic_time());
}
