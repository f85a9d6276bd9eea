/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on standard output; see scope-meter.h. */
#include "cli/scope-meter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_WIDTH     30
#define TERMINAL_US   (100 * 1000)
#define FIRST_LINE_US (2 * G_USEC_PER_SEC)
#define LAST_LINE_US  (60 * G_USEC_PER_SEC)

void
scope_meter_init(ScopeMeter *self)
{
    *self = (ScopeMeter){.is_terminal = isatty(STDOUT_FILENO), .interval_us = FIRST_LINE_US};
    self->start_us = g_get_monotonic_time();
}

static void
format_bar(char bar[BAR_WIDTH + 1], gdouble ratio)
{
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', (gsize)CLAMP(ratio * BAR_WIDTH, 0, BAR_WIDTH));
    bar[BAR_WIDTH] = '\0';
}

void
scope_meter_show(ScopeMeter *self, const char *text, gdouble ratio)
{
    char bar[BAR_WIDTH + 1];

    if (!self->is_terminal) {
        if (g_strcmp0(text, self->text) != 0)
            printf("%s\n", text);
        fflush(stdout);
        g_free(self->text);
        self->text = g_strdup(text);
        return;
    }
    format_bar(bar, ratio);
    if (ratio >= 0)
        printf("\r%s [%s] %3.0f %%\033[K", text, bar, ratio * 100);
    else
        printf("\r%s\033[K", text);
    fflush(stdout);
}

void
scope_meter_start(ScopeMeter *self)
{
    self->start_us = self->shown_us = g_get_monotonic_time();
}

void
scope_meter_count(ScopeMeter *self, guint64 n_frames, gdouble ratio)
{
    const gint64 now_us = g_get_monotonic_time();
    const gdouble passed_s = (gdouble)(now_us - self->start_us) / G_USEC_PER_SEC;
    g_autofree char *left = g_strdup("");
    char bar[BAR_WIDTH + 1];

    self->n_frames = n_frames;
    if (now_us - self->shown_us < (self->is_terminal ? TERMINAL_US : self->interval_us))
        return;
    self->shown_us = now_us;
    const gdouble fps = (gdouble)n_frames / MAX(passed_s, 1e-3);
    if (ratio > 0) {
        const int left_s = (int)(passed_s * (1 - MIN(ratio, 1)) / ratio + 0.5);
        g_free(left);
        left = g_strdup_printf(", %d:%02d left", left_s / 60, left_s % 60);
    }
    format_bar(bar, ratio);
    if (self->is_terminal && ratio >= 0)
        printf("\r[%s] %3.0f %%  %" G_GUINT64_FORMAT " frames, %.1f fps%s\033[K", bar,
               MIN(ratio, 1) * 100, n_frames, fps, left);
    else
        printf("%s%" G_GUINT64_FORMAT " frames, %.1f fps%s%s", self->is_terminal ? "\r" : "",
               n_frames, fps, left, self->is_terminal ? "\033[K" : "\n");
    fflush(stdout);
    self->interval_us = MIN(self->interval_us * 2, LAST_LINE_US);
}

void
scope_meter_clear(ScopeMeter *self)
{
    if (self->is_terminal)
        printf("\r\033[K");
    fflush(stdout);
    g_clear_pointer(&self->text, g_free);
}

void
scope_meter_print_sum(const ScopeMeter *self, const char *path)
{
    const gdouble passed_s = (gdouble)(g_get_monotonic_time() - self->start_us) / G_USEC_PER_SEC;

    printf("%s: %" G_GUINT64_FORMAT " frames in %.1f s, %.1f fps\n", path, self->n_frames, passed_s,
           (gdouble)self->n_frames / MAX(passed_s, 1e-3));
}
