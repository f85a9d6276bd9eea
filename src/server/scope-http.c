/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listening sockets and their connections. Connections are accepted here and handed to libsoup
 * (whose own listener, in 3.2, keeps every accepted GSocket for ever): limits and deadlines hold
 * from the first moment on. What a request may do is decided in scope-dispatch.c. Main thread only.
 */
#include "server/scope-http.h"

#include <string.h>

#include "core/scope-log.h"
#include "server/scope-dispatch.h"

SCOPE_LOG_TOPIC(server, http)

#define SWEEP_INTERVAL_MS 250
#define BACKLOG           64

struct _ScopeHttp {
    ScopeHttpOptions options;
    SoupServer *soup;
    GPtrArray *sockets; /* listening GSocket */
    GPtrArray *sources; /* their GSource */
    GHashTable *conns;  /* set of ScopeConn */
    guint sweep_id;
    guint16 port;
    ScopeHttpStats stats;
};

static const char conn_key[] = "scope-conn";

static void
conn_free(gpointer data)
{
    ScopeConn *conn = data;

    if (conn->http) {
        g_hash_table_remove(conn->http->conns, conn);
    }
    g_clear_object(&conn->socket);
    g_free(conn);
}

ScopeConn *
scope_conn_from_message(SoupServerMessage *msg)
{
    GSocketAddress *remote = soup_server_message_get_remote_address(msg);

    return remote ? g_object_get_data(G_OBJECT(remote), conn_key) : NULL;
}

void
scope_conn_set_deadline(ScopeConn *conn, gint64 timeout_us)
{
    if (conn) {
        conn->deadline_us = timeout_us > 0 ? g_get_monotonic_time() + timeout_us : 0;
    }
}

void
scope_conn_close(ScopeConn *conn)
{
    if (conn) {
        conn->deadline_us = 0;
        g_socket_shutdown(conn->socket, TRUE, TRUE, NULL);
    }
}

void
scope_conn_forget(ScopeConn *conn)
{
    g_hash_table_remove(conn->http->conns, conn);
    conn->http = NULL;
    g_clear_object(&conn->socket);
}

static gboolean
on_sweep(gpointer user_data)
{
    ScopeHttp *http = user_data;
    gint64 now_us = g_get_monotonic_time();
    GHashTableIter iter;
    gpointer key;

    g_hash_table_iter_init(&iter, http->conns);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        ScopeConn *conn = key;
        if (conn->deadline_us > 0 && now_us > conn->deadline_us) {
            http->stats.n_connections_timed_out++;
            scope_conn_close(conn);
        }
    }
    return G_SOURCE_CONTINUE;
}

static void
take_connection(ScopeHttp *http, GSocket *socket)
{
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_autoptr(GSocketAddress) local = g_socket_get_local_address(socket, NULL);
    g_autoptr(GSocketAddress) remote = g_socket_get_remote_address(socket, NULL);
    g_autoptr(GError) error = NULL;
    ScopeConn *conn;

    if (!local || !remote) {
        return;
    }
    if (g_hash_table_size(http->conns) >= http->options.max_connections) {
        if (http->stats.n_connections_refused++ == 0) {
            scope_log_warning("more than %u connections: further ones are closed",
                              http->options.max_connections);
        }
        return;
    }
    g_socket_set_option(socket, 6 /* IPPROTO_TCP */, 1 /* TCP_NODELAY */, 1, NULL);
    conn = g_new0(ScopeConn, 1);
    conn->http = http;
    conn->socket = g_object_ref(socket);
    g_hash_table_add(http->conns, conn);
    scope_conn_set_deadline(conn, http->options.idle_timeout_us);
    /* libsoup keeps @remote as long as the connection lives. */
    g_object_set_data_full(G_OBJECT(remote), conn_key, conn, conn_free);
    if (!soup_server_accept_iostream(http->soup, G_IO_STREAM(stream), local, remote, &error)) {
        scope_log_warning("a connection could not be taken over: %s", error->message);
    }
}

static gboolean
on_incoming(GSocket *listening, GIOCondition condition, gpointer user_data)
{
    ScopeHttp *http = user_data;

    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GSocket) socket = g_socket_accept(listening, NULL, &error);
        if (!socket) {
            if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
                scope_log_warning("accept: %s", error->message);
            }
            return G_SOURCE_CONTINUE;
        }
        take_connection(http, socket);
    }
}

static void
on_request_started(SoupServer *soup, SoupServerMessage *msg, gpointer user_data)
{
    ScopeHttp *http = user_data;

    http->stats.n_requests++;
    scope_conn_set_deadline(scope_conn_from_message(msg), http->options.header_timeout_us);
    scope_dispatch_attach(msg, http->options.guard, http->options.context,
                          http->options.body_timeout_us);
}

static void
end_request(ScopeHttp *http, SoupServerMessage *msg, gboolean is_cut)
{
    guint status = soup_server_message_get_status(msg);

    http->stats.n_replies[is_cut ? 0 : MIN(status / 100, 5)]++;
    scope_conn_set_deadline(scope_conn_from_message(msg), http->options.idle_timeout_us);
    scope_dispatch_log(msg, is_cut);
}

static void
on_request_finished(SoupServer *soup, SoupServerMessage *msg, gpointer user_data)
{
    end_request(user_data, msg, FALSE);
}

static void
on_request_aborted(SoupServer *soup, SoupServerMessage *msg, gpointer user_data)
{
    /* libsoup also reports replies of status 500 as aborted. */
    end_request(user_data, msg, soup_server_message_get_status(msg) < 200);
}

static void
on_early(SoupServer *soup, SoupServerMessage *msg, const char *path, GHashTable *query,
         gpointer user_data)
{
    scope_dispatch_headers(msg, query);
}

static void
on_request(SoupServer *soup, SoupServerMessage *msg, const char *path, GHashTable *query,
           gpointer user_data)
{
    scope_dispatch_body(msg);
}

static gboolean
listen_address(ScopeHttp *http, GInetAddress *address, guint16 port, GError **error)
{
    g_autoptr(GSocketAddress) bind_address = g_inet_socket_address_new(address, port);
    g_autoptr(GSocketAddress) bound = NULL;
    g_autoptr(GSocket) socket = g_socket_new(g_inet_address_get_family(address),
                                             G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, error);
    g_autoptr(GSource) source = NULL;

    if (!socket) {
        return FALSE;
    }
    g_socket_set_blocking(socket, FALSE);
    g_socket_set_listen_backlog(socket, BACKLOG);
    if (!g_socket_bind(socket, bind_address, TRUE, error) || !g_socket_listen(socket, error)) {
        return FALSE;
    }
    bound = g_socket_get_local_address(socket, error);
    if (!bound) {
        return FALSE;
    }
    http->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound));
    if (!soup_server_listen_socket(http->soup, socket, 0, error)) {
        return FALSE;
    }
    /*
     * libsoup watches the socket too, at a lower priority: this source always takes what waits
     * before libsoup sees it. libsoup's own listener is wanted because keep-alive depends on it.
     */
    source = g_socket_create_source(socket, G_IO_IN, NULL);
    g_source_set_priority(source, G_PRIORITY_DEFAULT - 10);
    g_source_set_callback(source, G_SOURCE_FUNC(on_incoming), http, NULL);
    g_source_attach(source, NULL);
    g_ptr_array_add(http->sockets, g_steal_pointer(&socket));
    g_ptr_array_add(http->sources, g_steal_pointer(&source));
    return TRUE;
}

static GList *
lookup_host(const char *host, GError **error)
{
    g_autoptr(GResolver) resolver = NULL;
    GInetAddress *address = g_inet_address_new_from_string(host);

    if (address) {
        return g_list_prepend(NULL, address);
    }
    resolver = g_resolver_get_default();
    return g_resolver_lookup_by_name(resolver, host, NULL, error);
}

static gboolean
listen_host(ScopeHttp *http, GError **error)
{
    g_autolist(GInetAddress) addresses = lookup_host(http->options.host, error);
    guint16 port = http->options.port;

    if (!addresses) {
        return FALSE;
    }
    /* A name such as localhost may have two families; one of them has to work. */
    for (GList *at = addresses; at; at = at->next) {
        g_autoptr(GError) local_error = NULL;
        if (listen_address(http, at->data, port, &local_error)) {
            port = http->port;
        } else if (!at->next && http->sockets->len == 0) {
            g_propagate_prefixed_error(error, g_steal_pointer(&local_error),
                                       "Could not listen on %s port %u: ", http->options.host,
                                       (guint)http->options.port);
            return FALSE;
        }
    }
    return http->sockets->len > 0;
}

static void
source_free(gpointer source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

ScopeHttp *
scope_http_new(const ScopeHttpOptions *options, GError **error)
{
    g_autoptr(ScopeHttp) http = g_new0(ScopeHttp, 1);

    http->options = *options;
    http->conns = g_hash_table_new(NULL, NULL);
    http->sockets = g_ptr_array_new_with_free_func(g_object_unref);
    http->sources = g_ptr_array_new_with_free_func(source_free);
    /* Paths are decoded segment by segment in the router, so that %2F stays inside its segment. */
    http->soup = soup_server_new("raw-paths", TRUE, "server-header", "scope", NULL);
    g_signal_connect(http->soup, "request-started", G_CALLBACK(on_request_started), http);
    g_signal_connect(http->soup, "request-finished", G_CALLBACK(on_request_finished), http);
    g_signal_connect(http->soup, "request-aborted", G_CALLBACK(on_request_aborted), http);
    soup_server_add_early_handler(http->soup, NULL, on_early, http, NULL);
    soup_server_add_handler(http->soup, NULL, on_request, http, NULL);
    if (!listen_host(http, error)) {
        return NULL;
    }
    http->sweep_id = g_timeout_add(SWEEP_INTERVAL_MS, on_sweep, http);
    return g_steal_pointer(&http);
}

guint16
scope_http_get_port(ScopeHttp *http)
{
    return http->port;
}

void
scope_http_get_stats(ScopeHttp *http, ScopeHttpStats *ret_stats)
{
    *ret_stats = http->stats;
    ret_stats->n_connections = g_hash_table_size(http->conns);
}

void
scope_http_free(ScopeHttp *http)
{
    GHashTableIter iter;
    gpointer key;

    if (!http) {
        return;
    }
    g_clear_handle_id(&http->sweep_id, g_source_remove);
    g_ptr_array_set_size(http->sources, 0);
    /* Connections may outlive the front by the frames that libsoup still holds. */
    g_hash_table_iter_init(&iter, http->conns);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        ScopeConn *conn = key;
        conn->http = NULL;
        scope_conn_close(conn);
    }
    g_hash_table_remove_all(http->conns);
    if (http->soup) {
        g_signal_handlers_disconnect_by_data(http->soup, http);
        soup_server_disconnect(http->soup);
        g_object_unref(http->soup);
    }
    g_hash_table_unref(http->conns);
    g_ptr_array_unref(http->sources);
    g_ptr_array_unref(http->sockets);
    g_free(http);
}
