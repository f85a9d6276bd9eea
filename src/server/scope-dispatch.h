/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to one HTTP message: the guard, the route, the limits of its body, and the call of
 * the handler. Between scope-http.c, which owns connections, and the handlers.
 */
#ifndef SCOPE_DISPATCH_H
#define SCOPE_DISPATCH_H

#include <libsoup/soup.h>

#include "server/scope-guard.h"
#include "server/scope-http.h"

G_BEGIN_DECLS

/** SCOPE_HTTP_MAX_BODY_BYTES: largest body of a route that does not say otherwise. */
#define SCOPE_HTTP_MAX_BODY_BYTES (1024 * 1024)

/**
 * ScopeConn: one connection, as seen by the deadlines.
 * @http: (nullable): its front
 * @socket: owned
 * @deadline_us: monotonic time at which it is closed; 0 = never
 */
typedef struct {
    ScopeHttp *http;
    GSocket *socket;
    gint64 deadline_us;
} ScopeConn;

/** scope_conn_from_message: (nullable): borrowed. Thread: main. */
ScopeConn *scope_conn_from_message(SoupServerMessage *msg);

/** scope_conn_set_deadline: closes it @timeout_us from now; 0 = never. Thread: main. */
void scope_conn_set_deadline(ScopeConn *conn, gint64 timeout_us);

/** scope_conn_close: ends both directions at once. %NULL is allowed. Thread: main. */
void scope_conn_close(ScopeConn *conn);

/** scope_conn_forget: the connection is closed and does not count any more. Thread: main. */
void scope_conn_forget(ScopeConn *conn);

/** scope_dispatch_attach: prepares @msg when its first byte has come. Thread: main. */
void scope_dispatch_attach(SoupServerMessage *msg, const ScopeGuard *guard, gpointer context,
                           gint64 body_timeout_us);

/** scope_dispatch_headers: decides from the headers whether the body is read. Thread: main. */
void scope_dispatch_headers(SoupServerMessage *msg, GHashTable *query);

/** scope_dispatch_body: the body is there: parses it and calls the handler. Thread: main. */
void scope_dispatch_body(SoupServerMessage *msg);

/** scope_dispatch_log: one line at level debug for a finished message. Thread: main. */
void scope_dispatch_log(SoupServerMessage *msg, gboolean is_cut);

G_END_DECLS

#endif
