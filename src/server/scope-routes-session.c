/* SPDX-License-Identifier: Apache-2.0 */
/* Routes that act on running sessions without a data channel. Main thread only. */
#include "server/scope-handlers.h"

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-session-params.h"
#include "media/scope-thumbnail.h"
#include "server/scope-message.h"
#include "server/scope-server-private.h"

void
scope_route_parameters_post(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = scope_request_get_body(request);
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    JsonObject *reply;

    if (json_object_get_size(body) == 0) {
        scope_request_reply_error(request, 400, "No parameters provided");
        return;
    }
    if (!scope_session_params_validate(body, problems)) {
        g_autoptr(ScopeFaults) faults = scope_faults_new("body");
        scope_faults_add_problems(faults, problems);
        scope_request_reply_faults(request, faults);
        return;
    }
    scope_sessions_update_all(server->sessions, body);
    reply = json_object_new();
    json_object_set_string_member(reply, "status", "ok");
    json_object_set_object_member(reply, "applied_parameters", scope_json_object_copy(body));
    scope_request_reply_object(request, reply);
}

void
scope_route_parameters_get(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    ScopeSession *session = scope_sessions_get_first(server->sessions);
    JsonObject *reply = json_object_new();

    json_object_set_object_member(
        reply, "parameters",
        scope_json_object_copy(session ? scope_session_get_record(session) : NULL));
    scope_request_reply_object(request, reply);
}

/* What the stages of a chain take for a chunk and, where they tell it, for its parts. */
static JsonArray *
build_stages(ScopeChain *chain)
{
    JsonArray *stages = json_array_new();

    for (guint i = 0; chain && i < scope_chain_get_n_stages(chain); i++) {
        ScopeStageStats stats;
        JsonObject *stage = json_object_new();
        JsonObject *parts = json_object_new();
        scope_chain_get_stats(chain, i, &stats);
        json_object_set_string_member(stage, "node_id", stats.node_id);
        json_object_set_string_member(stage, "pipeline_id", stats.pipeline_id);
        json_object_set_int_member(stage, "chunks", (gint64)stats.n_chunks);
        json_object_set_int_member(stage, "errors", (gint64)stats.n_errors);
        json_object_set_double_member(stage, "process_ms", (gdouble)stats.process_avg_us / 1e3);
        for (guint p = 0; p < stats.timings.n_parts; p++) {
            const ScopeStageTiming *part = &stats.timings.parts[p];
            json_object_set_double_member(parts, part->name, (gdouble)part->avg_us / 1e3);
        }
        json_object_set_object_member(stage, "parts_ms", parts);
        json_array_add_object_element(stages, stage);
    }
    return stages;
}

static JsonObject *
build_stats(ScopeSession *session)
{
    ScopeSessionStats stats;
    ScopePeerStats peer;
    JsonObject *object = json_object_new();

    scope_session_get_stats(session, &stats);
    json_object_set_int_member(object, "frames_in", (gint64)stats.frames_in);
    json_object_set_int_member(object, "frames_out", (gint64)stats.frames_out);
    json_object_set_double_member(object, "elapsed_seconds", stats.elapsed_s);
    json_object_set_double_member(object, "fps_in", stats.fps_in);
    json_object_set_double_member(object, "fps_out", stats.fps_out);
    json_object_set_double_member(object, "pipeline_fps", stats.pipeline_fps);
    scope_peer_get_stats(scope_session_get_peer(session), &peer);
    json_object_set_double_member(object, "encode_ms", (gdouble)peer.encode_us / 1e3);
    json_object_set_array_member(object, "stages", build_stages(scope_session_get_chain(session)));
    json_object_set_object_member(object, "output_sinks", json_object_new());
    json_object_set_boolean_member(object, "input_source_enabled", FALSE);
    json_object_set_boolean_member(object, "relay_mode", FALSE);
    return object;
}

void
scope_route_session_metrics(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    ScopeSession *session = scope_sessions_get_first(server->sessions);
    JsonObject *reply = json_object_new();
    JsonObject *sessions = json_object_new();

    if (session) {
        json_object_set_object_member(sessions, scope_session_get_id(session),
                                      build_stats(session));
    }
    json_object_set_object_member(reply, "sessions", sessions);
    json_object_set_object_member(reply, "gpu", json_object_new());
    scope_request_reply_object(request, reply);
}

static void
frame_free(gpointer frame)
{
    scope_frame_unref(frame);
}

static void
job_encode(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    GError *error = NULL;
    GBytes *bytes = scope_image_encode(task_data, SCOPE_IMAGE_FORMAT_JPEG, &error);

    if (bytes) {
        g_task_return_pointer(task, bytes, (GDestroyNotify)g_bytes_unref);
    } else {
        g_task_return_error(task, error);
    }
}

static void
on_encoded(GObject *source, GAsyncResult *result, gpointer user_data)
{
    g_autoptr(ScopeRequest) request = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = g_task_propagate_pointer(G_TASK(result), &error);

    if (bytes) {
        scope_request_set_header(request, "Cache-Control", "no-store");
        scope_request_reply_bytes(request, 200, "image/jpeg", bytes);
    } else {
        scope_request_reply_gerror(request, error);
    }
}

void
scope_route_frame(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    ScopeSession *session = scope_sessions_get_first(server->sessions);
    const char *sink = scope_request_get_query(request, "sink_node_id");
    g_autoptr(ScopeFaults) faults = scope_faults_new("query");
    ScopeFrame *frame = NULL;
    g_autoptr(GTask) task = NULL;

    /* The encoder's own quality is used; the value is checked all the same. */
    scope_request_query_int(request, "quality", 85, 1, 100, faults);
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    if (sink) {
        /* Only a headless session has sinks that can be asked for by name. */
        scope_request_reply_error(request, 404,
                                  "No frame available for sink node '%s' (no active session or "
                                  "pipeline not running)",
                                  sink);
        return;
    }
    frame = session ? scope_session_dup_last_frame(session) : NULL;
    if (!frame) {
        scope_request_reply_error(request, 404,
                                  "No frame available (no active session or pipeline not running)");
        return;
    }
    task = g_task_new(NULL, NULL, on_encoded, scope_request_defer(request));
    g_task_set_task_data(task, frame, frame_free);
    g_task_run_in_thread(task, job_encode);
}
