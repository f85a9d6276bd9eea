/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP front: listening socket, connection limits and deadlines, the guard, body limits, and
 * the dispatch to the route table. Knows nothing of what the handlers do.
 */
#ifndef SCOPE_HTTP_H
#define SCOPE_HTTP_H

#include <gio/gio.h>

#include "server/scope-guard.h"
#include "server/scope-request.h"

G_BEGIN_DECLS

/** ScopeHttp: opaque. Thread: main only. */
typedef struct _ScopeHttp ScopeHttp;

/**
 * ScopeHttpOptions:
 * @host: name or address to bind
 * @port: 0 = any free one
 * @guard: borrowed, outlives the front
 * @context: what scope_request_get_context() returns
 * @max_connections: further ones are closed at once
 * @idle_timeout_us: a connection without a request is closed after this
 * @header_timeout_us: from the first byte to the end of the headers
 * @body_timeout_us: longest pause inside a body, and inside a reply that the client does not take
 *
 * Fill with SCOPE_HTTP_OPTIONS_INIT.
 */
typedef struct {
    const char *host;
    guint16 port;
    const ScopeGuard *guard;
    gpointer context;
    guint max_connections;
    gint64 idle_timeout_us;
    gint64 header_timeout_us;
    gint64 body_timeout_us;
} ScopeHttpOptions;

#define SCOPE_HTTP_OPTIONS_INIT                                                                    \
    ((ScopeHttpOptions){                                                                           \
        .host = "127.0.0.1",                                                                       \
        .max_connections = 256,                                                                    \
        .idle_timeout_us = 60 * G_USEC_PER_SEC,                                                    \
        .header_timeout_us = 15 * G_USEC_PER_SEC,                                                  \
        .body_timeout_us = 20 * G_USEC_PER_SEC,                                                    \
    })

/** ScopeHttpStats: counters since the start. */
typedef struct {
    guint n_connections;
    guint64 n_connections_refused;
    guint64 n_connections_timed_out;
    guint64 n_requests;
    guint64 n_replies[6]; /* by hundreds of the status; [0] = cut off */
} ScopeHttpStats;

/**
 * scope_http_new:
 * @options: borrowed
 * @error: (nullable): set on failure
 *
 * Binds and listens.
 *
 * Thread: main.
 * Errors: G_IO_ERROR_ADDRESS_IN_USE and other G_IO_ERROR, G_RESOLVER_ERROR; the text names address
 *   and port.
 * Returns: (transfer full): a listening front, or %NULL with @error set.
 */
ScopeHttp *scope_http_new(const ScopeHttpOptions *options, GError **error);

/** scope_http_get_port: the bound port. Thread: main. */
guint16 scope_http_get_port(ScopeHttp *http);

/** scope_http_get_stats: fills @ret_stats. Thread: main. */
void scope_http_get_stats(ScopeHttp *http, ScopeHttpStats *ret_stats);

/** scope_http_free: closes every connection; %NULL is allowed. Thread: main. */
void scope_http_free(ScopeHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeHttp, scope_http_free)

G_END_DECLS

#endif
