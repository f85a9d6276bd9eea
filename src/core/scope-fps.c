/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate of a stage's frame rate. Plain arithmetic, the caller's memory. */
#include "core/scope-fps.h"

#include <string.h>

void
scope_fps_init(ScopeFps *self, gdouble native_fps)
{
    memset(self, 0, sizeof *self);
    self->native_fps = native_fps;
}

void
scope_fps_add(ScopeFps *self, guint n_frames, gint64 now_us, gint64 process_us, gint64 blocked_us)
{
    gint64 interval_us;

    if (n_frames == 0)
        return;
    interval_us = self->last_us > 0 ? now_us - self->last_us - blocked_us : process_us;
    self->last_us = now_us;
    self->n_frames[self->next] = n_frames;
    self->interval_us[self->next] = MAX(interval_us, 1);
    self->next = (self->next + 1) % SCOPE_FPS_BATCHES;
    self->n = MIN(self->n + 1, SCOPE_FPS_BATCHES);
}

void
scope_fps_break(ScopeFps *self)
{
    self->last_us = 0;
}

gdouble
scope_fps_get(const ScopeFps *self)
{
    gint64 interval_us = 0;
    guint n_frames = 0;
    gdouble fps;

    if (self->n == 0)
        return self->native_fps > 0.0 ? CLAMP(self->native_fps, SCOPE_FPS_MIN, SCOPE_FPS_MAX)
                                      : SCOPE_FPS_INITIAL;
    for (guint i = 0; i < self->n; i++) {
        n_frames += self->n_frames[i];
        interval_us += self->interval_us[i];
    }
    fps = (gdouble)n_frames * 1e6 / (gdouble)interval_us;
    /* A machine that is too slow for the native rate shows what it makes, evenly. */
    if (self->native_fps > 0.0)
        fps = MIN(fps, self->native_fps);
    return CLAMP(fps, SCOPE_FPS_MIN, SCOPE_FPS_MAX);
}
