/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the server in the text format of Prometheus. */
#ifndef SCOPE_METRICS_H
#define SCOPE_METRICS_H

#include "server/scope-server.h"

G_BEGIN_DECLS

/**
 * scope_metrics_render:
 * @server: a started server
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full): the text.
 */
GBytes *scope_metrics_render(ScopeServer *server);

G_END_DECLS

#endif
