/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one message through guard, router, body limits and handler. Its state hangs on the
 * message and goes with it. Main thread only.
 */
#include "server/scope-dispatch.h"

#include <string.h>

#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-routes.h"
#include "server/scope-server-error.h"
#include "server/scope-upload.h"

SCOPE_LOG_TOPIC(server, http)

/* What a rejected client may still send before it is cut off instead of answered. */
#define MAX_DISCARD_BYTES (32u * 1024 * 1024)
/* A body that is held in memory must be complete after this. */
#define MAX_BODY_TIME_US (60 * G_USEC_PER_SEC)
#define TOKEN_COOKIE     "scope_token"

typedef struct {
    const ScopeGuard *guard;
    gpointer context;
    gint64 body_timeout_us;
    gint64 start_us;
    gint64 body_end_us; /* 0 = a body that is streamed */
    ScopeRequest *request;
    gsize max_body_bytes;
    gsize n_body_bytes;
    gsize n_discarded_bytes;
    gboolean is_rejected;
} Dispatch;

static const char dispatch_key[] = "scope-dispatch";

static void
dispatch_free(gpointer data)
{
    Dispatch *dispatch = data;

    g_clear_pointer(&dispatch->request, scope_request_unref);
    g_free(dispatch);
}

static Dispatch *
get_dispatch(SoupServerMessage *msg)
{
    return g_object_get_data(G_OBJECT(msg), dispatch_key);
}

static void
refresh_deadline(SoupServerMessage *msg, Dispatch *dispatch)
{
    gint64 timeout_us = dispatch->body_timeout_us;

    if (dispatch->body_end_us > 0) {
        timeout_us = MIN(timeout_us, dispatch->body_end_us - g_get_monotonic_time());
    }
    scope_conn_set_deadline(scope_conn_from_message(msg), MAX(timeout_us, 1));
}

static void
reject(SoupServerMessage *msg, Dispatch *dispatch)
{
    dispatch->is_rejected = TRUE;
    soup_message_body_set_accumulate(soup_server_message_get_request_body(msg), FALSE);
}

static void
on_got_chunk(SoupServerMessage *msg, GBytes *chunk, gpointer user_data)
{
    Dispatch *dispatch = user_data;
    ScopeUpload *upload = dispatch->request ? scope_request_get_upload(dispatch->request) : NULL;
    gsize size = g_bytes_get_size(chunk);

    refresh_deadline(msg, dispatch);
    dispatch->n_body_bytes += size;
    if (dispatch->is_rejected) {
        dispatch->n_discarded_bytes += size;
        if (dispatch->n_discarded_bytes > MAX_DISCARD_BYTES) {
            scope_conn_close(scope_conn_from_message(msg));
        }
        return;
    }
    if (upload) {
        /* A failed upload is answered when the handler finishes it; the rest is discarded. */
        if (!scope_upload_write(upload, chunk)) {
            dispatch->n_discarded_bytes += size;
            if (dispatch->n_discarded_bytes > MAX_DISCARD_BYTES) {
                scope_conn_close(scope_conn_from_message(msg));
            }
        }
        return;
    }
    if (dispatch->request && dispatch->n_body_bytes > dispatch->max_body_bytes) {
        reject(msg, dispatch);
        scope_request_reply_error(dispatch->request, 413,
                                  "The body has more than %" G_GSIZE_FORMAT " bytes",
                                  dispatch->max_body_bytes);
    }
}

static void
on_got_body(SoupServerMessage *msg, gpointer user_data)
{
    scope_conn_set_deadline(scope_conn_from_message(msg), 0);
}

static void
on_progress(SoupServerMessage *msg, gpointer user_data)
{
    Dispatch *dispatch = user_data;

    scope_conn_set_deadline(scope_conn_from_message(msg), dispatch->body_timeout_us);
}

static void
on_wrote_data(SoupServerMessage *msg, guint size, gpointer user_data)
{
    on_progress(msg, user_data);
}

static void
on_message_finished(SoupServerMessage *msg, gpointer user_data)
{
    Dispatch *dispatch = user_data;
    ScopeUpload *upload = dispatch->request ? scope_request_get_upload(dispatch->request) : NULL;

    if (upload) {
        scope_upload_set_flow(upload, NULL, NULL);
        scope_upload_abort(upload);
    }
    /* The request refers to the message, which this state hangs on. */
    g_clear_pointer(&dispatch->request, scope_request_unref);
}

void
scope_dispatch_attach(SoupServerMessage *msg, const ScopeGuard *guard, gpointer context,
                      gint64 body_timeout_us)
{
    Dispatch *dispatch = g_new0(Dispatch, 1);

    dispatch->guard = guard;
    dispatch->context = context;
    dispatch->body_timeout_us = body_timeout_us;
    dispatch->start_us = g_get_monotonic_time();
    g_object_set_data_full(G_OBJECT(msg), dispatch_key, dispatch, dispatch_free);
    g_signal_connect(msg, "got-chunk", G_CALLBACK(on_got_chunk), dispatch);
    g_signal_connect(msg, "got-body", G_CALLBACK(on_got_body), dispatch);
    g_signal_connect(msg, "wrote-headers", G_CALLBACK(on_progress), dispatch);
    g_signal_connect(msg, "wrote-body-data", G_CALLBACK(on_wrote_data), dispatch);
    g_signal_connect(msg, "finished", G_CALLBACK(on_message_finished), dispatch);
}

static void
set_common_headers(SoupServerMessage *msg)
{
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(msg);

    /* libsoup 3.2 never frees a connection that the client closes between two requests. */
    soup_message_headers_replace(headers, "Connection", "close");
    soup_message_headers_replace(headers, "X-Content-Type-Options", "nosniff");
    soup_message_headers_replace(headers, "Referrer-Policy", "no-referrer");
    soup_message_headers_replace(headers, "Cross-Origin-Resource-Policy", "same-site");
    soup_message_headers_replace(headers, "X-Frame-Options", "SAMEORIGIN");
}

/* Origin and its answer headers; FALSE when the page may not talk to this server. */
static gboolean
check_origin(SoupServerMessage *msg, const ScopeGuard *guard, const char *host)
{
    SoupMessageHeaders *in = soup_server_message_get_request_headers(msg);
    SoupMessageHeaders *out = soup_server_message_get_response_headers(msg);
    const char *origin = soup_message_headers_get_one(in, "Origin");
    const char *wanted;

    if (!origin) {
        return TRUE;
    }
    if (!scope_guard_is_origin_allowed(guard, origin, host)) {
        return FALSE;
    }
    soup_message_headers_replace(out, "Access-Control-Allow-Origin", origin);
    soup_message_headers_replace(out, "Access-Control-Allow-Credentials", "true");
    soup_message_headers_replace(out, "Vary", "Origin");
    if (strcmp(soup_server_message_get_method(msg), "OPTIONS") == 0) {
        soup_message_headers_replace(out, "Access-Control-Allow-Methods",
                                     "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        wanted = soup_message_headers_get_list(in, "Access-Control-Request-Headers");
        if (wanted) {
            soup_message_headers_replace(out, "Access-Control-Allow-Headers", wanted);
        }
        soup_message_headers_replace(out, "Access-Control-Max-Age", "600");
    }
    return TRUE;
}

static char *
dup_cookie_token(SoupMessageHeaders *headers)
{
    const char *text = soup_message_headers_get_list(headers, "Cookie");
    g_auto(GStrv) cookies = text ? g_strsplit(text, ";", -1) : NULL;

    for (char **at = cookies; at && *at; at++) {
        const char *cookie = g_strstrip(*at);
        if (g_str_has_prefix(cookie, TOKEN_COOKIE "=")) {
            return g_uri_unescape_string(cookie + strlen(TOKEN_COOKIE "="), NULL);
        }
    }
    return NULL;
}

static gboolean
check_token(SoupServerMessage *msg, Dispatch *dispatch)
{
    const ScopeRoute *route = scope_request_get_route(dispatch->request);
    SoupMessageHeaders *in = soup_server_message_get_request_headers(msg);
    const char *bearer = soup_message_headers_get_one(in, "Authorization");
    const char *query = scope_request_get_query(dispatch->request, "token");
    g_autofree char *cookie = NULL;

    if (!scope_guard_wants_token(dispatch->guard) || (route->flags & SCOPE_ROUTE_PUBLIC)) {
        return TRUE;
    }
    if (bearer && g_ascii_strncasecmp(bearer, "Bearer ", strlen("Bearer ")) == 0 &&
        scope_guard_is_token(dispatch->guard, bearer + strlen("Bearer "))) {
        return TRUE;
    }
    if (query && scope_guard_is_token(dispatch->guard, query)) {
        if (route->flags & SCOPE_ROUTE_PAGE) {
            g_autofree char *escaped = g_uri_escape_string(query, NULL, FALSE);
            g_autofree char *header =
                g_strdup_printf(TOKEN_COOKIE "=%s; Path=/; HttpOnly; SameSite=Strict", escaped);
            scope_request_set_header(dispatch->request, "Set-Cookie", header);
        }
        return TRUE;
    }
    cookie = dup_cookie_token(in);
    return cookie && scope_guard_is_token(dispatch->guard, cookie);
}

/* Fills the request's route and parameters; answers itself when there is no route. */
static gboolean
find_route(SoupServerMessage *msg, Dispatch *dispatch, GHashTable *query)
{
    const char *path = g_uri_get_path(soup_server_message_get_uri(msg));
    const char *method = soup_server_message_get_method(msg);
    const ScopeRoute *route = NULL;
    GHashTable *params = NULL;
    ScopeRouteMatch found = scope_routes_find(method, path, &route, &params);

    if (found == SCOPE_ROUTE_FOUND) {
        scope_request_unref(dispatch->request);
        dispatch->request = scope_request_new(msg, route, dispatch->context);
        scope_request_take_params(dispatch->request, params);
        scope_request_take_query(dispatch->request, query ? g_hash_table_ref(query) : NULL);
        return TRUE;
    }
    if (found == SCOPE_ROUTE_WRONG_METHOD) {
        scope_request_reply_error(dispatch->request, 405, "Method Not Allowed");
    } else if (found == SCOPE_ROUTE_BAD_PATH) {
        scope_request_reply_error(dispatch->request, 400, "The path is not valid");
    } else {
        scope_request_reply_error(dispatch->request, 404, "Not Found");
    }
    return FALSE;
}

static void
on_flow(gboolean is_full, gpointer user_data)
{
    SoupServerMessage *msg = user_data;

    if (is_full) {
        scope_conn_set_deadline(scope_conn_from_message(msg), 0);
        soup_server_message_pause(msg);
    } else {
        refresh_deadline(msg, get_dispatch(msg));
        soup_server_message_unpause(msg);
    }
}

/* Prepares for the body; FALSE when the request was answered instead. */
static gboolean
prepare_body(SoupServerMessage *msg, Dispatch *dispatch)
{
    const ScopeRoute *route = scope_request_get_route(dispatch->request);
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(msg);
    g_autoptr(GError) error = NULL;
    goffset length = 0;

    dispatch->max_body_bytes =
        route->max_body_bytes > 0 ? route->max_body_bytes : SCOPE_HTTP_MAX_BODY_BYTES;
    if (route->flags & SCOPE_ROUTE_STREAM) {
        if (!route->begin(dispatch->request, &error)) {
            if (!scope_request_is_answered(dispatch->request)) {
                scope_request_reply_gerror(dispatch->request, error);
            }
            return FALSE;
        }
        dispatch->body_end_us = 0;
        soup_message_body_set_accumulate(soup_server_message_get_request_body(msg), FALSE);
        scope_upload_set_flow(scope_request_get_upload(dispatch->request), on_flow, msg);
        return TRUE;
    }
    if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH) {
        length = soup_message_headers_get_content_length(headers);
    }
    if ((guint64)length > dispatch->max_body_bytes) {
        scope_request_reply_error(dispatch->request, 413,
                                  "The body has more than %" G_GSIZE_FORMAT " bytes",
                                  dispatch->max_body_bytes);
        return FALSE;
    }
    return TRUE;
}

/*
 * A negative length passes libsoup's check of the headers and then breaks the reading of the body:
 * the connection is taken away from it and ended here.
 */
static gboolean
end_negative_length(SoupServerMessage *msg, SoupMessageHeaders *headers)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                 "Content-Length: 0\r\n\r\n";
    ScopeConn *conn = scope_conn_from_message(msg);
    g_autoptr(GIOStream) stream = NULL;

    if (!conn || soup_message_headers_get_encoding(headers) != SOUP_ENCODING_CONTENT_LENGTH ||
        soup_message_headers_get_content_length(headers) >= 0) {
        return FALSE;
    }
    g_socket_send(conn->socket, answer, strlen(answer), NULL, NULL);
    stream = soup_server_message_steal_connection(msg);
    g_io_stream_close(stream, NULL, NULL);
    /* libsoup 3.2 never frees its object of a connection that was stolen. */
    scope_conn_forget(conn);
    return TRUE;
}

void
scope_dispatch_headers(SoupServerMessage *msg, GHashTable *query)
{
    Dispatch *dispatch = get_dispatch(msg);
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(msg);
    const char *host = soup_message_headers_get_one(headers, "Host");

    if (!dispatch) {
        soup_server_message_set_status(msg, 503, NULL);
        return;
    }
    if (end_negative_length(msg, headers)) {
        return;
    }
    dispatch->body_end_us = g_get_monotonic_time() + MAX_BODY_TIME_US;
    refresh_deadline(msg, dispatch);
    dispatch->request = scope_request_new(msg, NULL, dispatch->context);
    set_common_headers(msg);
    if (!scope_guard_is_host_allowed(dispatch->guard, host)) {
        scope_request_reply_error(dispatch->request, 403,
                                  "This server does not answer to the name '%s'", host ? host : "");
    } else if (!check_origin(msg, dispatch->guard, host)) {
        scope_request_reply_error(dispatch->request, 403,
                                  "Pages of this origin may not use this server");
    } else if (strcmp(soup_server_message_get_method(msg), "OPTIONS") == 0) {
        scope_request_reply_empty(dispatch->request, 200);
    } else if (find_route(msg, dispatch, query)) {
        if (!check_token(msg, dispatch)) {
            scope_request_set_header(dispatch->request, "WWW-Authenticate", "Bearer");
            scope_request_reply_error(
                dispatch->request, 401,
                "An access token is required: open the page once with ?token=TOKEN, or send the "
                "header Authorization: Bearer TOKEN");
        } else if (prepare_body(msg, dispatch)) {
            return;
        }
    }
    reject(msg, dispatch);
}

/* Parses the JSON body where the route wants one; FALSE when the request was answered instead. */
static gboolean
parse_body(SoupServerMessage *msg, ScopeRequest *request, guint flags)
{
    SoupMessageBody *body = soup_server_message_get_request_body(msg);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = NULL;
    gsize size = 0;
    const char *data = g_bytes_get_data(bytes, &size);

    if (size == 0 && (flags & SCOPE_ROUTE_JSON_OPTIONAL)) {
        return TRUE;
    }
    if (size == 0) {
        scope_faults_add(faults, "missing", NULL, "Field required");
    } else {
        node = scope_json_parse(data, (gssize)size, 0, &error);
        if (!node) {
            scope_faults_add(faults, "json_invalid", NULL, "JSON decode error: %s", error->message);
        } else if (!JSON_NODE_HOLDS_OBJECT(node)) {
            scope_faults_add(faults, "model_attributes_type", node,
                             "Input should be a valid dictionary");
        } else {
            scope_request_take_body(request, g_steal_pointer(&node));
            return TRUE;
        }
    }
    scope_request_reply_faults(request, faults);
    return FALSE;
}

void
scope_dispatch_body(SoupServerMessage *msg)
{
    Dispatch *dispatch = get_dispatch(msg);
    const ScopeRoute *route;

    if (!dispatch || !dispatch->request || scope_request_is_answered(dispatch->request)) {
        return;
    }
    route = scope_request_get_route(dispatch->request);
    if (!route->handler) {
        scope_request_reply_error(dispatch->request, 501,
                                  "This server does not offer %s %s yet; docs/http.md lists what "
                                  "it offers",
                                  route->method, route->path);
        return;
    }
    if ((route->flags & (SCOPE_ROUTE_JSON | SCOPE_ROUTE_JSON_OPTIONAL)) &&
        !parse_body(msg, dispatch->request, route->flags)) {
        return;
    }
    route->handler(dispatch->request);
    if (!scope_request_is_answered(dispatch->request) &&
        !scope_request_is_deferred(dispatch->request)) {
        scope_request_reply_error(dispatch->request, 500, "The request was not answered");
    }
}

void
scope_dispatch_log(SoupServerMessage *msg, gboolean is_cut)
{
    Dispatch *dispatch = get_dispatch(msg);
    GUri *uri = soup_server_message_get_uri(msg);

    scope_log_debug(
        "%s %s %u%s %.1f ms", soup_server_message_get_method(msg), uri ? g_uri_get_path(uri) : "-",
        soup_server_message_get_status(msg), is_cut ? " cut off" : "",
        dispatch ? (gdouble)(g_get_monotonic_time() - dispatch->start_us) / 1000.0 : 0.0);
}
