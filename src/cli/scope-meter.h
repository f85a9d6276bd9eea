/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long job is, on standard output: a bar that is drawn over on a terminal, else a line
 * now and then. Main thread; plain memory of the caller.
 */
#ifndef SCOPE_METER_H
#define SCOPE_METER_H

#include <glib.h>

G_BEGIN_DECLS

/** ScopeMeter: members are private. */
typedef struct {
    gboolean is_terminal;
    gint64 start_us;
    gint64 shown_us;
    gint64 interval_us;
    guint64 n_frames;
    char *text;
} ScopeMeter;

/** scope_meter_init: looks whether standard output is a terminal. Thread: main. */
void scope_meter_init(ScopeMeter *meter);

/**
 * scope_meter_show:
 * @text: what happens
 * @ratio: 0..1, or < 0 when it is not known
 *
 * A stage that is not counted in frames. Thread: main.
 */
void scope_meter_show(ScopeMeter *meter, const char *text, gdouble ratio);

/** scope_meter_start: the clock of the rate begins. Thread: main. */
void scope_meter_start(ScopeMeter *meter);

/**
 * scope_meter_count:
 * @n_frames: so far
 * @ratio: 0..1 of the whole, or < 0 when it is not known
 *
 * Shows frames, rate and remaining time, not oftener than is useful. Thread: main.
 */
void scope_meter_count(ScopeMeter *meter, guint64 n_frames, gdouble ratio);

/** scope_meter_clear: removes the bar. Thread: main. */
void scope_meter_clear(ScopeMeter *meter);

/** scope_meter_print_sum: one line about what was written to @path. Thread: main. */
void scope_meter_print_sum(const ScopeMeter *meter, const char *path);

G_END_DECLS

#endif
