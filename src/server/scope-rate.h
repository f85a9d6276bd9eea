/* SPDX-License-Identifier: Apache-2.0 */
/* Events per second over the last few seconds. In the caller's memory, under the caller's lock. */
#ifndef SCOPE_RATE_H
#define SCOPE_RATE_H

#include <glib.h>

G_BEGIN_DECLS

#define SCOPE_RATE_EVENTS 64

/** ScopeRate: private members; all zero is the initial state. */
typedef struct {
    gint64 times_us[SCOPE_RATE_EVENTS];
    guint64 n;
} ScopeRate;

/** scope_rate_add: one event at @now_us. */
static inline void
scope_rate_add(ScopeRate *rate, gint64 now_us)
{
    rate->times_us[rate->n++ % SCOPE_RATE_EVENTS] = now_us;
}

/** scope_rate_get: events per second; 0 when the last one is older than two seconds. */
static inline gdouble
scope_rate_get(const ScopeRate *rate, gint64 now_us)
{
    guint n = (guint)MIN(rate->n, SCOPE_RATE_EVENTS);
    gint64 first_us, last_us;

    if (n < 2) {
        return 0.0;
    }
    last_us = rate->times_us[(rate->n - 1) % SCOPE_RATE_EVENTS];
    first_us = rate->times_us[(rate->n - n) % SCOPE_RATE_EVENTS];
    if (now_us - last_us > 2 * G_USEC_PER_SEC || last_us <= first_us) {
        return 0.0;
    }
    return (gdouble)(n - 1) * G_USEC_PER_SEC / (gdouble)(last_us - first_us);
}

G_END_DECLS

#endif
