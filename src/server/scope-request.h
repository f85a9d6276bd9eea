/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request in the hands of a route handler: path parameters, query, JSON body, and the
 * reply. A handler replies at once, or calls scope_request_defer() and replies later from main.
 */
#ifndef SCOPE_REQUEST_H
#define SCOPE_REQUEST_H

#include <libsoup/soup.h>

#include "server/scope-faults.h"

G_BEGIN_DECLS

/** ScopeRequest: refcounted. Thread: main only. */
typedef struct _ScopeRequest ScopeRequest;

struct _ScopeUpload;
struct _ScopeRoute;

/**
 * scope_request_new:
 * @msg: borrowed; a reference is kept
 * @route: (nullable): static; %NULL when no route fits
 * @context: what scope_request_get_context() returns
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full): a request without parameters and body.
 */
ScopeRequest *scope_request_new(SoupServerMessage *msg, const struct _ScopeRoute *route,
                                gpointer context);

/** scope_request_ref: another owner. Thread: main. */
ScopeRequest *scope_request_ref(ScopeRequest *request);

/** scope_request_unref: one owner less; an unanswered request is answered with 500. Thread: main.
 */
void scope_request_unref(ScopeRequest *request);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeRequest, scope_request_unref)

/** scope_request_get_context: what was given to scope_request_new(). Thread: main. */
gpointer scope_request_get_context(ScopeRequest *request);

/** scope_request_get_message: borrowed. Thread: main. */
SoupServerMessage *scope_request_get_message(ScopeRequest *request);

/** scope_request_get_route: (nullable): static. Thread: main. */
const struct _ScopeRoute *scope_request_get_route(ScopeRequest *request);

/** scope_request_take_params: (transfer full): name to decoded value. Thread: main. */
void scope_request_take_params(ScopeRequest *request, GHashTable *params);

/** scope_request_take_query: (transfer full) (nullable): name to decoded value. Thread: main. */
void scope_request_take_query(ScopeRequest *request, GHashTable *query);

/** scope_request_take_body: (transfer full) (nullable): the JSON body. Thread: main. */
void scope_request_take_body(ScopeRequest *request, JsonNode *body);

/** scope_request_take_upload: (transfer full) (nullable): stores the body. Thread: main. */
void scope_request_take_upload(ScopeRequest *request, struct _ScopeUpload *upload);

/** scope_request_get_upload: (nullable): borrowed. Thread: main. */
struct _ScopeUpload *scope_request_get_upload(ScopeRequest *request);

/** scope_request_get_param: borrowed decoded path parameter; it exists. Thread: main. */
const char *scope_request_get_param(ScopeRequest *request, const char *name);

/** scope_request_get_query: (nullable): borrowed decoded query value. Thread: main. */
const char *scope_request_get_query(ScopeRequest *request, const char *name);

/** scope_request_get_body: (nullable): borrowed JSON object of the body. Thread: main. */
JsonObject *scope_request_get_body(ScopeRequest *request);

/**
 * scope_request_query_int:
 * @request: borrowed
 * @name: of the query parameter
 * @fallback: when absent
 * @min: smallest allowed
 * @max: largest allowed
 * @faults: collects what is wrong; created with root `query`
 *
 * Thread: main.
 * Errors: none; faults are added.
 * Returns: the value, or @fallback.
 */
gint64 scope_request_query_int(ScopeRequest *request, const char *name, gint64 fallback, gint64 min,
                               gint64 max, ScopeFaults *faults);

/**
 * scope_request_defer:
 * @request: borrowed
 *
 * Tells that the reply comes later. The returned reference is what keeps the request open.
 *
 * Thread: main, inside the handler.
 * Errors: none.
 * Returns: (transfer full): a reference to @request.
 */
ScopeRequest *scope_request_defer(ScopeRequest *request);

/** scope_request_is_deferred: whether scope_request_defer() was called. Thread: main. */
gboolean scope_request_is_deferred(ScopeRequest *request);

/** scope_request_is_answered: whether a reply was given or the client is gone. Thread: main. */
gboolean scope_request_is_answered(ScopeRequest *request);

/** scope_request_set_header: sets a response header; before the reply. Thread: main. */
void scope_request_set_header(ScopeRequest *request, const char *name, const char *value);

/** scope_request_reply_json: answers with @node (transfer full). Thread: main. */
void scope_request_reply_json(ScopeRequest *request, guint status, JsonNode *node);

/** scope_request_reply_object: answers 200 with @object (transfer full). Thread: main. */
void scope_request_reply_object(ScopeRequest *request, JsonObject *object);

/** scope_request_reply_message: answers 200 with `{"message": text}`. Thread: main. */
void scope_request_reply_message(ScopeRequest *request, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/** scope_request_reply_error: answers with `{"detail": text}`. Thread: main. */
void scope_request_reply_error(ScopeRequest *request, guint status, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/** scope_request_reply_gerror: answers with the status and text of @error. Thread: main. */
void scope_request_reply_gerror(ScopeRequest *request, const GError *error);

/** scope_request_reply_faults: answers 422 with the list of @faults. Thread: main. */
void scope_request_reply_faults(ScopeRequest *request, const ScopeFaults *faults);

/** scope_request_reply_bytes: answers with @bytes (borrowed). Thread: main. */
void scope_request_reply_bytes(ScopeRequest *request, guint status, const char *content_type,
                               GBytes *bytes);

/** scope_request_reply_empty: answers without a body, for 204. Thread: main. */
void scope_request_reply_empty(ScopeRequest *request, guint status);

/**
 * scope_request_reply_file:
 * @request: borrowed
 * @path: absolute, already checked; must name a regular file
 * @content_type: of the reply
 * @attachment: (nullable): file name for `Content-Disposition: attachment`
 *
 * Streams a file without holding it in memory: one range of `Range` is honoured, HEAD is answered
 * without reading. Answers 404 when the file is not there.
 *
 * Thread: main. Blocks: nothing, reads happen on pool threads.
 * Errors: none.
 */
void scope_request_reply_file(ScopeRequest *request, const char *path, const char *content_type,
                              const char *attachment);

G_END_DECLS

#endif
