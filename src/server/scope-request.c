/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request and its reply. Owns a reference to the SoupServerMessage and what was parsed from it.
 * Main thread only.
 */
#include "server/scope-request.h"

#include <string.h>

#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-routes.h"
#include "server/scope-server-error.h"
#include "server/scope-upload.h"

SCOPE_LOG_TOPIC(server, http)

struct _ScopeRequest {
    gint refs;
    SoupServerMessage *msg;
    const ScopeRoute *route;
    gpointer context;
    GHashTable *params;
    GHashTable *query;
    JsonNode *body;
    ScopeUpload *upload;
    gulong finished_id;
    gboolean is_deferred;
    gboolean is_answered;
};

static void
on_finished(SoupServerMessage *msg, gpointer user_data)
{
    ScopeRequest *request = user_data;

    request->is_answered = TRUE;
}

ScopeRequest *
scope_request_new(SoupServerMessage *msg, const ScopeRoute *route, gpointer context)
{
    ScopeRequest *request = g_new0(ScopeRequest, 1);

    request->refs = 1;
    request->msg = g_object_ref(msg);
    request->route = route;
    request->context = context;
    request->finished_id = g_signal_connect(msg, "finished", G_CALLBACK(on_finished), request);
    return request;
}

ScopeRequest *
scope_request_ref(ScopeRequest *request)
{
    request->refs++;
    return request;
}

void
scope_request_unref(ScopeRequest *request)
{
    if (--request->refs > 0) {
        return;
    }
    if (request->is_deferred && !request->is_answered) {
        request->refs = 1;
        scope_request_reply_error(request, 500, "The request was dropped without an answer");
    }
    g_signal_handler_disconnect(request->msg, request->finished_id);
    g_clear_pointer(&request->params, g_hash_table_unref);
    g_clear_pointer(&request->query, g_hash_table_unref);
    g_clear_pointer(&request->body, json_node_unref);
    g_clear_pointer(&request->upload, scope_upload_unref);
    g_object_unref(request->msg);
    g_free(request);
}

gpointer
scope_request_get_context(ScopeRequest *request)
{
    return request->context;
}

SoupServerMessage *
scope_request_get_message(ScopeRequest *request)
{
    return request->msg;
}

const ScopeRoute *
scope_request_get_route(ScopeRequest *request)
{
    return request->route;
}

void
scope_request_take_params(ScopeRequest *request, GHashTable *params)
{
    g_clear_pointer(&request->params, g_hash_table_unref);
    request->params = params;
}

void
scope_request_take_query(ScopeRequest *request, GHashTable *query)
{
    g_clear_pointer(&request->query, g_hash_table_unref);
    request->query = query;
}

void
scope_request_take_body(ScopeRequest *request, JsonNode *body)
{
    g_clear_pointer(&request->body, json_node_unref);
    request->body = body;
}

void
scope_request_take_upload(ScopeRequest *request, ScopeUpload *upload)
{
    g_clear_pointer(&request->upload, scope_upload_unref);
    request->upload = upload;
}

ScopeUpload *
scope_request_get_upload(ScopeRequest *request)
{
    return request->upload;
}

const char *
scope_request_get_param(ScopeRequest *request, const char *name)
{
    return request->params ? g_hash_table_lookup(request->params, name) : NULL;
}

const char *
scope_request_get_query(ScopeRequest *request, const char *name)
{
    return request->query ? g_hash_table_lookup(request->query, name) : NULL;
}

JsonObject *
scope_request_get_body(ScopeRequest *request)
{
    return request->body && JSON_NODE_HOLDS_OBJECT(request->body)
               ? json_node_get_object(request->body)
               : NULL;
}

gint64
scope_request_query_int(ScopeRequest *request, const char *name, gint64 fallback, gint64 min,
                        gint64 max, ScopeFaults *faults)
{
    const char *text = scope_request_get_query(request, name);
    g_autoptr(JsonNode) input = NULL;
    gint64 value = fallback;
    char *end = NULL;

    if (!text) {
        return fallback;
    }
    input = json_node_init_string(json_node_alloc(), text);
    value = g_ascii_strtoll(text, &end, 10);
    scope_faults_push(faults, name);
    if (end == text || *end != '\0') {
        scope_faults_add(faults, "int_parsing", input,
                         "Input should be a valid integer, unable to parse string as an integer");
        value = fallback;
    } else if (value < min) {
        scope_faults_add(faults, "greater_than_equal", input,
                         "Input should be greater than or equal to %" G_GINT64_FORMAT, min);
        value = fallback;
    } else if (value > max) {
        scope_faults_add(faults, "less_than_equal", input,
                         "Input should be less than or equal to %" G_GINT64_FORMAT, max);
        value = fallback;
    }
    scope_faults_pop(faults);
    return value;
}

ScopeRequest *
scope_request_defer(ScopeRequest *request)
{
    if (!request->is_deferred) {
        request->is_deferred = TRUE;
        soup_server_message_pause(request->msg);
    }
    return scope_request_ref(request);
}

gboolean
scope_request_is_deferred(ScopeRequest *request)
{
    return request->is_deferred;
}

gboolean
scope_request_is_answered(ScopeRequest *request)
{
    return request->is_answered;
}

void
scope_request_set_header(ScopeRequest *request, const char *name, const char *value)
{
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(request->msg);

    soup_message_headers_replace(headers, name, value);
}

/* Marks the request as answered; FALSE when that already happened or the client is gone. */
static gboolean
begin_reply(ScopeRequest *request)
{
    if (request->is_answered) {
        return FALSE;
    }
    request->is_answered = TRUE;
    return TRUE;
}

static void
end_reply(ScopeRequest *request)
{
    if (request->is_deferred) {
        soup_server_message_unpause(request->msg);
    }
}

void
scope_request_reply_bytes(ScopeRequest *request, guint status, const char *content_type,
                          GBytes *bytes)
{
    if (!begin_reply(request)) {
        return;
    }
    scope_request_set_header(request, "Content-Type", content_type);
    soup_message_body_append_bytes(soup_server_message_get_response_body(request->msg), bytes);
    soup_server_message_set_status(request->msg, status, NULL);
    end_reply(request);
}

void
scope_request_reply_json(ScopeRequest *request, guint status, JsonNode *node)
{
    char *text = scope_json_to_string(node);
    g_autoptr(GBytes) bytes = g_bytes_new_take(text, strlen(text));

    json_node_unref(node);
    scope_request_reply_bytes(request, status, "application/json", bytes);
}

void
scope_request_reply_object(ScopeRequest *request, JsonObject *object)
{
    scope_request_reply_json(request, 200, scope_node_take_object(object));
}

void
scope_request_reply_message(ScopeRequest *request, const char *format, ...)
{
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    json_object_set_string_member(object, "message", text);
    scope_request_reply_object(request, object);
}

void
scope_request_reply_error(ScopeRequest *request, guint status, const char *format, ...)
{
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;
    g_autofree char *valid = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    valid = g_utf8_make_valid(text, -1);
    json_object_set_string_member(object, "detail", valid);
    scope_request_reply_json(request, status, scope_node_take_object(object));
}

void
scope_request_reply_gerror(ScopeRequest *request, const GError *error)
{
    guint status = scope_server_error_to_status(error);

    if (status >= 500 && status != 501) {
        scope_log_warning("%s %s failed: %s", soup_server_message_get_method(request->msg),
                          g_uri_get_path(soup_server_message_get_uri(request->msg)),
                          error->message);
    }
    scope_request_reply_error(request, status, "%s", error->message);
}

void
scope_request_reply_faults(ScopeRequest *request, const ScopeFaults *faults)
{
    scope_request_reply_json(request, 422, scope_faults_dup_body(faults));
}

void
scope_request_reply_empty(ScopeRequest *request, guint status)
{
    if (!begin_reply(request)) {
        return;
    }
    soup_server_message_set_status(request->msg, status, NULL);
    end_reply(request);
}
