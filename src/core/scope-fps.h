/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate at which a stage makes frames (webrtc.md 7.2): frames and intervals of the last ten
 * batches. Plain arithmetic in the caller's memory; not shared between threads.
 */
#ifndef SCOPE_FPS_H
#define SCOPE_FPS_H

#include <glib.h>

G_BEGIN_DECLS

#define SCOPE_FPS_BATCHES 10
#define SCOPE_FPS_MIN     1.0
#define SCOPE_FPS_MAX     60.0
#define SCOPE_FPS_INITIAL 60.0

/** ScopeFps: private members; scope_fps_init() prepares it. */
typedef struct {
    guint n_frames[SCOPE_FPS_BATCHES];
    gint64 interval_us[SCOPE_FPS_BATCHES];
    guint n;
    guint next;
    gint64 last_us;
    gdouble native_fps;
} ScopeFps;

/** scope_fps_init: @native_fps > 0 is reported unless less is measured. Thread: the owner. */
void scope_fps_init(ScopeFps *fps, gdouble native_fps);

/**
 * scope_fps_add:
 * @n_frames: frames of a batch that is finished; 0 is ignored
 * @now_us: when it was finished
 * @process_us: how long its processing took; counts as the interval of a first batch
 * @blocked_us: time since the previous batch in which the stage only waited for its consumer, not
 *   part of the interval: otherwise a generator could never become faster again
 *
 * Thread: the owner.
 */
void scope_fps_add(ScopeFps *fps, guint n_frames, gint64 now_us, gint64 process_us,
                   gint64 blocked_us);

/** scope_fps_break: forgets when the previous batch was, after a pause. Thread: the owner. */
void scope_fps_break(ScopeFps *fps);

/** scope_fps_get: frames per second, SCOPE_FPS_MIN..SCOPE_FPS_MAX. Thread: the owner. */
gdouble scope_fps_get(const ScopeFps *fps);

G_END_DECLS

#endif
