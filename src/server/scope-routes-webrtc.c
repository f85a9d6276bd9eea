/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the signalling: ICE servers, offer, candidates, end of a session. Main thread only. */
#include "server/scope-handlers.h"

#include <string.h>

#include "core/scope-json.h"
#include "server/scope-server-private.h"

/* One request carries what a browser gathers in one go; far more is not one. */
#define MAX_CANDIDATES 256

void
scope_route_ice_servers(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);

    scope_request_reply_object(request, scope_ice_dup_body(server->ice));
}

static void
on_answered(const char *session_id, const char *answer, const GError *error, gpointer user_data)
{
    ScopeRequest *request = user_data;
    JsonObject *body;

    if (error) {
        scope_request_reply_gerror(request, error);
    } else {
        body = json_object_new();
        json_object_set_string_member(body, "sdp", answer);
        json_object_set_string_member(body, "type", "answer");
        json_object_set_string_member(body, "sessionId", session_id);
        scope_request_reply_object(request, body);
    }
    scope_request_unref(request);
}

void
scope_route_offer(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = scope_request_get_body(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GError) error = NULL;
    const char *sdp = scope_member_read_string(body, "sdp", SCOPE_MEMBER_REQUIRED, faults);
    const char *type = scope_member_read_string(body, "type", SCOPE_MEMBER_REQUIRED, faults);
    JsonObject *initial =
        scope_member_read_object(body, "initialParameters", SCOPE_MEMBER_NULLABLE, faults);
    ScopePlan *plan = NULL;

    if (type && strcmp(type, "offer") != 0) {
        scope_faults_push(faults, "type");
        scope_faults_add(faults, "literal_error", json_object_get_member(body, "type"),
                         "Input should be 'offer'");
        scope_faults_pop(faults);
    }
    if (scope_faults_is_empty(faults)) {
        scope_faults_push(faults, "initialParameters");
        plan = scope_plan_new(server->manager, server->options.registry, initial, faults, &error);
        scope_faults_pop(faults);
    }
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
    } else if (!plan) {
        scope_request_reply_gerror(request, error);
    } else {
        scope_sessions_offer(server->sessions, sdp, plan, on_answered,
                             scope_request_defer(request));
    }
}

typedef struct {
    const char *candidate;
    const char *mid;
    gint64 mline_index;
} Candidate;

static void
read_candidate(JsonObject *item, GArray *candidates, ScopeFaults *faults)
{
    const guint nullable = SCOPE_MEMBER_NULLABLE;
    JsonNode *index = json_object_get_member(item, "sdpMLineIndex");
    Candidate candidate = {
        .candidate = scope_member_read_string(item, "candidate", nullable, faults),
        .mid = scope_member_read_string(item, "sdpMid", nullable, faults),
        .mline_index = -1,
    };

    if (scope_node_is_integer(index) && json_node_get_int(index) >= 0 &&
        json_node_get_int(index) <= G_MAXINT) {
        candidate.mline_index = json_node_get_int(index);
    } else if (index && !JSON_NODE_HOLDS_NULL(index)) {
        scope_faults_push(faults, "sdpMLineIndex");
        scope_faults_add(faults, "int_type", index, "Input should be a valid integer");
        scope_faults_pop(faults);
    }
    g_array_append_val(candidates, candidate);
}

static void
read_candidates(JsonObject *body, GArray *candidates, ScopeFaults *faults)
{
    JsonArray *list = scope_member_read_array(body, "candidates", SCOPE_MEMBER_REQUIRED, faults);
    guint n = list ? json_array_get_length(list) : 0;

    scope_faults_push(faults, "candidates");
    if (n > MAX_CANDIDATES) {
        scope_faults_add(faults, "too_long", NULL, "List should have at most %d items",
                         MAX_CANDIDATES);
        n = 0;
    }
    for (guint i = 0; i < n; i++) {
        JsonNode *item = json_array_get_element(list, i);
        scope_faults_push_index(faults, i);
        if (JSON_NODE_HOLDS_OBJECT(item)) {
            read_candidate(json_node_get_object(item), candidates, faults);
        } else {
            scope_faults_add(faults, "model_attributes_type", item,
                             "Input should be a valid dictionary");
        }
        scope_faults_pop(faults);
    }
    scope_faults_pop(faults);
}

void
scope_route_candidates(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const char *id = scope_request_get_param(request, "session_id");
    ScopeSession *session = scope_sessions_lookup(server->sessions, id);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
    ScopePeerState state;

    read_candidates(scope_request_get_body(request), candidates, faults);
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    if (!session) {
        scope_request_reply_error(request, 404, "Session %s not found", id);
        return;
    }
    state = scope_peer_get_state(scope_session_get_peer(session));
    if (state == SCOPE_PEER_STATE_FAILED || state == SCOPE_PEER_STATE_CLOSED) {
        scope_request_reply_error(request, 404, "Session %s is closed or failed", id);
        return;
    }
    for (guint i = 0; i < candidates->len; i++) {
        const Candidate *item = &g_array_index(candidates, Candidate, i);
        g_autoptr(GError) error = NULL;
        if (!scope_peer_add_candidate(scope_session_get_peer(session), item->mid,
                                      (int)item->mline_index, item->candidate, &error)) {
            scope_request_reply_error(request, 404, "Invalid ICE candidate: %s", error->message);
            return;
        }
    }
    scope_request_reply_empty(request, 204);
}

void
scope_route_session_delete(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);

    scope_sessions_close(server->sessions, scope_request_get_param(request, "session_id"));
    scope_request_reply_empty(request, 204);
}
