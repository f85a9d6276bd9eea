/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of pacing. No clock, no state but the caller's. */
#include "server/scope-pace.h"

#include <math.h>
#include <string.h>

/* Lateness at which the reference is given up. */
#define REANCHOR_US 500000
/* A jump of source times by more than this, or by 8 frames, is a discontinuity. */
#define JUMP_US     250000
#define JUMP_FRAMES 8.0
#define EMA_FACTOR  0.2
/* Frames over which the smallest spare time is looked at, and what is left of it. */
#define SLACK_FRAMES  30
#define SLACK_KEEP_US 3000
/* The most that is given back in one step: less than what looks like a stall. */
#define SLACK_STEP_US 400000

void
scope_pace_reset(ScopePace *pace)
{
    memset(pace, 0, sizeof *pace);
}

static gint64
next_generated(ScopePace *pace, gint64 now_us, gdouble fps, gint64 *ret_pts_us)
{
    gint64 interval_us = (gint64)(G_USEC_PER_SEC / fps);
    gint64 due_us = pace->last_due_us > 0 ? pace->last_due_us + interval_us : now_us;

    if (due_us < now_us - interval_us) {
        due_us = now_us;
    }
    pace->has_anchor = FALSE;
    pace->last_due_us = due_us;
    *ret_pts_us = due_us;
    return due_us;
}

static void
anchor_at(ScopePace *pace, gint64 pts_us, gint64 now_us)
{
    pace->has_anchor = TRUE;
    pace->anchor_us = now_us - pts_us;
    pace->n_slacks = 0;
}

/* Gives back delay that the last frames did not need, so that what a stall has piled up goes within
 * seconds. A frame that is taken late shows less spare time than it had; how many always waited
 * behind it tells the rest. */
static void
note_slack(ScopePace *pace, gint64 slack_us, guint n_waiting)
{
    gboolean is_first = pace->n_slacks == 0;
    gint64 spare_us;

    pace->min_slack_us = is_first ? slack_us : MIN(pace->min_slack_us, slack_us);
    pace->min_waiting = is_first ? n_waiting : MIN(pace->min_waiting, n_waiting);
    if (++pace->n_slacks < SLACK_FRAMES) {
        return;
    }
    spare_us = pace->min_slack_us + (gint64)(pace->min_waiting * pace->expected_us);
    if (spare_us > 2 * SLACK_KEEP_US) {
        pace->anchor_us -= MIN(spare_us - SLACK_KEEP_US, SLACK_STEP_US);
    }
    pace->n_slacks = 0;
}

gint64
scope_pace_next(ScopePace *pace, gint64 pts_us, gint64 now_us, gdouble fps, guint n_waiting,
                gint64 *ret_pts_us)
{
    gdouble delta_us;
    gint64 due_us;

    if (pts_us == SCOPE_TIME_NONE) {
        return next_generated(pace, now_us, fps, ret_pts_us);
    }
    *ret_pts_us = pts_us;
    pace->last_due_us = 0;
    if (!pace->has_anchor) {
        anchor_at(pace, pts_us, now_us);
        pace->last_pts_us = pts_us;
        pace->expected_us = 0.0;
        return now_us;
    }
    delta_us = (gdouble)(pts_us - pace->last_pts_us);
    pace->last_pts_us = pts_us;
    if (fabs(delta_us - pace->expected_us) > MAX(JUMP_US, JUMP_FRAMES * pace->expected_us)) {
        anchor_at(pace, pts_us, now_us);
    } else if (pace->expected_us > 0.0) {
        pace->expected_us += EMA_FACTOR * (delta_us - pace->expected_us);
    } else {
        pace->expected_us = MAX(delta_us, 0.0);
    }
    due_us = pts_us + pace->anchor_us;
    if (due_us < now_us - REANCHOR_US) {
        anchor_at(pace, pts_us, now_us);
        due_us = now_us;
    }
    note_slack(pace, due_us - now_us, n_waiting);
    return due_us;
}

gint64
scope_pace_earliest(const ScopePace *pace, gdouble fps)
{
    if (pace->has_anchor || pace->last_due_us == 0) {
        return 0;
    }
    return pace->last_due_us + (gint64)(G_USEC_PER_SEC / fps);
}
