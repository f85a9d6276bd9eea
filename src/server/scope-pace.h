/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the next frame is due (webrtc.md 7.3). Plain arithmetic in the caller's memory, so that it
 * can be tested without a clock; not shared between threads.
 */
#ifndef SCOPE_PACE_H
#define SCOPE_PACE_H

#include <scope/scope-api.h>

G_BEGIN_DECLS

/** ScopePace: private members; all zero is the initial state. */
typedef struct {
    gboolean has_anchor;
    gint64 anchor_us; /* from source time to wall time */
    gint64 last_pts_us;
    gdouble expected_us; /* distance of source times */
    gint64 last_due_us;  /* of frames without source times; 0 = none yet */
    gint64 min_slack_us;
    guint min_waiting;
    guint n_slacks;
} ScopePace;

/**
 * scope_pace_next:
 * @pace: the state
 * @pts_us: source time of the frame, or SCOPE_TIME_NONE
 * @now_us: monotonic time
 * @fps: current rate of the pipeline, > 0; for frames without a source time
 * @n_waiting: frames that are ready behind this one
 * @ret_pts_us: the time that the frame carries to the receiver
 *
 * Frames with a source time keep their distances, relative to the first one. Where the pipeline
 * proves to deliver earlier than it did at first, the delay is reduced.
 *
 * Thread: one at a time.
 * Errors: none.
 * Returns: the monotonic time at which the frame is to be shown; in the past = at once.
 */
gint64 scope_pace_next(ScopePace *pace, gint64 pts_us, gint64 now_us, gdouble fps, guint n_waiting,
                       gint64 *ret_pts_us);

/**
 * scope_pace_earliest:
 * @pace: the state
 * @fps: current rate of the pipeline, > 0
 *
 * Before this time no frame without a source time is due, so none has to be taken from the queue: a
 * frame that is taken late is younger.
 *
 * Thread: one at a time.
 * Errors: none.
 * Returns: a monotonic time; 0 when the next frame may be due at once.
 */
gint64 scope_pace_earliest(const ScopePace *pace, gdouble fps);

/** scope_pace_reset: the next frame becomes the new reference. Thread: one at a time. */
void scope_pace_reset(ScopePace *pace);

G_END_DECLS

#endif
