/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes finished frames from a queue and shows each at its time; while paused it repeats the last
 * one. Owns one thread. Lock: one leaf lock; @show is called without it.
 */
#ifndef SCOPE_PACER_H
#define SCOPE_PACER_H

#include "core/scope-frame.h"
#include "core/scope-mailbox.h"

G_BEGIN_DECLS

/** ScopePacer: opaque. */
typedef struct _ScopePacer ScopePacer;

/**
 * SCOPE_PACER_REPEAT_US: how often the last frame is shown again while paused. Not slower:
 * receivers that expect packets at the rate so far take longer gaps for losses.
 */
#define SCOPE_PACER_REPEAT_US (G_USEC_PER_SEC / 15)

/** SCOPE_PACER_BUCKETS: bounds of the histogram of ages, see scope_pacer_get_bounds_s(). */
#define SCOPE_PACER_BUCKETS 12

/**
 * ScopePacerConfig:
 * @queue: of ScopeFrame; a reference is taken
 * @get_fps: rate for frames without a source time, > 0. Thread: the pacer's
 * @show: one frame, borrowed; TRUE when it was taken. Thread: the pacer's, no lock held
 * @user_data: for both
 * @is_paused: whether it starts paused
 */
typedef struct {
    ScopeMailbox *queue;
    gdouble (*get_fps)(gpointer user_data);
    gboolean (*show)(ScopeFrame *frame, gint64 pts_us, gpointer user_data);
    gpointer user_data;
    gboolean is_paused;
} ScopePacerConfig;

/**
 * ScopePacerStats:
 * @n_shown: frames given to @show, repeats not counted
 * @n_refused: of those, not taken
 * @fps: over the last seconds
 * @first_us: monotonic time of the first frame that was taken; 0 = none yet
 * @age_buckets: frames by their age when shown, one more than the bounds
 * @age_sum_us: sum of ages
 */
typedef struct {
    guint64 n_shown;
    guint64 n_refused;
    gdouble fps;
    gint64 first_us;
    guint64 age_buckets[SCOPE_PACER_BUCKETS + 1];
    gint64 age_sum_us;
} ScopePacerStats;

/**
 * scope_pacer_new:
 * @config: borrowed
 * @error: (nullable): set when the thread cannot be started
 *
 * Thread: any.
 * Errors: G_IO_ERROR.
 * Returns: (transfer full): a running pacer, or %NULL with @error set.
 */
ScopePacer *scope_pacer_new(const ScopePacerConfig *config, GError **error);

/** scope_pacer_request_stop: asks the thread to end and closes the queue. Thread: any. */
void scope_pacer_request_stop(ScopePacer *pacer);

/** scope_pacer_free: (nullable): joins the thread, which ends at once. Thread: any but its own. */
void scope_pacer_free(ScopePacer *pacer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePacer, scope_pacer_free)

/** scope_pacer_set_paused: acts before the next frame. Thread: any. */
void scope_pacer_set_paused(ScopePacer *pacer, gboolean is_paused);

/** scope_pacer_dup_last: (transfer full) (nullable): the frame that was shown last. Thread: any. */
ScopeFrame *scope_pacer_dup_last(ScopePacer *pacer);

/** scope_pacer_get_stats: fills @ret_stats. Thread: any. */
void scope_pacer_get_stats(ScopePacer *pacer, ScopePacerStats *ret_stats);

/** scope_pacer_get_bounds_s: (array fixed-size=SCOPE_PACER_BUCKETS): upper bounds in seconds.
 * Thread: any. */
const gdouble *scope_pacer_get_bounds_s(void);

G_END_DECLS

#endif
