/* SPDX-License-Identifier: Apache-2.0 */
/* The set of sessions. Owns them from their offer until they ended. Main thread only. */
#include "server/scope-sessions.h"

#include <malloc.h>
#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-message.h"
#include "server/scope-server-error.h"

SCOPE_LOG_TOPIC(server, session)

/* Time for the last words to leave before the connections go. */
#define FAREWELL_MS 120
/* After the last session, and again until its teardown is over. */
#define TRIM_DELAY_MS 1500

struct _ScopeSessions {
    ScopeManager *manager;
    ScopeIce *ice;
    char *ice_address;
    char *replay_dir;
    ScopeReplayInput replay_input;
    guint max_sessions;
    GPtrArray *live;      /* in order of creation */
    GPtrArray *answering; /* borrowed: offers that are being answered */
    ScopeSessionsStats stats;
    guint farewell_id;
    guint trim_id;
    gboolean is_shut_down;
};

/* An offer under way. */
typedef struct {
    ScopeSessions *sessions; /* NULL once the set is gone */
    ScopeSession *session;
    ScopeSessionsAnswered answered;
    gpointer user_data;
} Offer;

static void
on_manager_changed(ScopeManager *manager, gpointer user_data)
{
    ScopeSessions *sessions = user_data;

    for (guint i = 0; i < sessions->live->len; i++) {
        scope_session_sync(g_ptr_array_index(sessions->live, i), manager);
    }
}

ScopeSessions *
scope_sessions_new(ScopeManager *manager, ScopeIce *ice, const char *ice_address,
                   const ScopeSessionReplay *replay, guint max_sessions)
{
    ScopeSessions *sessions = g_new0(ScopeSessions, 1);

    sessions->manager = manager;
    sessions->ice = ice;
    sessions->ice_address = g_strdup(ice_address);
    sessions->replay_dir = g_strdup(replay->folder);
    sessions->replay_input = replay->input;
    sessions->max_sessions = max_sessions;
    sessions->live = g_ptr_array_new_with_free_func((GDestroyNotify)scope_session_unref);
    sessions->answering = g_ptr_array_new();
    scope_manager_set_changed(manager, on_manager_changed, sessions);
    return sessions;
}

void
scope_sessions_free(ScopeSessions *sessions)
{
    if (!sessions) {
        return;
    }
    scope_manager_set_changed(sessions->manager, NULL, NULL);
    g_clear_handle_id(&sessions->farewell_id, g_source_remove);
    g_clear_handle_id(&sessions->trim_id, g_source_remove);
    for (guint i = 0; i < sessions->answering->len; i++) {
        ((Offer *)g_ptr_array_index(sessions->answering, i))->sessions = NULL;
    }
    for (guint i = 0; i < sessions->live->len; i++) {
        scope_session_request_close(g_ptr_array_index(sessions->live, i));
    }
    g_ptr_array_unref(sessions->live);
    g_ptr_array_unref(sessions->answering);
    g_free(sessions->ice_address);
    g_free(sessions->replay_dir);
    g_free(sessions);
}

static void
job_trim(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    scope_frame_pool_trim();
    malloc_trim(0);
    g_task_return_boolean(task, TRUE);
}

/*
 * The threads of a session leave their free memory scattered over the arenas of the allocator,
 * which would keep it: while nobody streams it goes back to the system.
 */
static gboolean
on_trim(gpointer user_data)
{
    ScopeSessions *sessions = user_data;
    g_autoptr(GTask) task = NULL;

    if (sessions->live->len == 0 && !scope_sessions_is_idle(sessions)) {
        return G_SOURCE_CONTINUE;
    }
    sessions->trim_id = 0;
    if (sessions->live->len == 0) {
        task = g_task_new(NULL, NULL, NULL, NULL);
        g_task_run_in_thread(task, job_trim);
    }
    return G_SOURCE_REMOVE;
}

static void
drop(ScopeSessions *sessions, ScopeSession *session)
{
    g_ptr_array_remove(sessions->live, session);
    if (sessions->live->len == 0 && sessions->trim_id == 0 && !sessions->is_shut_down) {
        sessions->trim_id = g_timeout_add(TRIM_DELAY_MS, on_trim, sessions);
    }
}

static void
log_end(ScopeSession *session)
{
    ScopeSessionStats stats;

    scope_session_get_stats(session, &stats);
    scope_log_info(
        "session %s ended: %.1f s, %" G_GUINT64_FORMAT " frames in, %" G_GUINT64_FORMAT " out",
        scope_session_get_id(session), stats.elapsed_s, stats.frames_in, stats.frames_out);
}

static void
on_ended(ScopeSession *session, ScopeSessionEnd end, gpointer user_data)
{
    ScopeSessions *sessions = user_data;

    sessions->stats.n_failed += end == SCOPE_SESSION_END_FAILED;
    sessions->stats.n_fatal += end == SCOPE_SESSION_END_FATAL;
    log_end(session);
    drop(sessions, session);
}

static void
on_lost(ScopeSession *session, ScopeInstance *instance, const char *reason, gpointer user_data)
{
    ScopeSessions *sessions = user_data;

    scope_manager_fail(sessions->manager, instance, reason);
}

static void
on_scaled(ScopeSession *session, JsonArray *lora_scales, gpointer user_data)
{
    ScopeSessions *sessions = user_data;

    scope_manager_set_scales(sessions->manager, lora_scales);
}

static void
refuse(ScopeSessions *sessions, GError *error, ScopeSessionsAnswered answered, gpointer user_data)
{
    sessions->stats.n_refused++;
    answered(NULL, NULL, error, user_data);
    g_error_free(error);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Offer *offer = user_data;
    ScopePeer *peer = scope_session_get_peer(offer->session);
    g_autoptr(GError) error = NULL;
    g_autofree char *answer = scope_peer_accept_offer_finish(peer, result, &error);

    if (offer->sessions) {
        g_ptr_array_remove_fast(offer->sessions->answering, offer);
    }
    if (offer->sessions && answer) {
        offer->sessions->stats.n_created++;
        offer->answered(scope_session_get_id(offer->session), answer, NULL, offer->user_data);
    } else {
        if (!error) {
            g_set_error_literal(&error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_UNAVAILABLE,
                                "The server is shutting down");
        }
        if (offer->sessions) {
            offer->sessions->stats.n_refused++;
            scope_log_debug("session %s: the offer was not answered: %s",
                            scope_session_get_id(offer->session), error->message);
            drop(offer->sessions, offer->session);
        }
        offer->answered(NULL, NULL, error, offer->user_data);
    }
    scope_session_unref(offer->session);
    g_free(offer);
}

void
scope_sessions_offer(ScopeSessions *sessions, const char *sdp, ScopePlan *plan,
                     ScopeSessionsAnswered answered, gpointer user_data)
{
    ScopeSessionCallbacks callbacks = {
        .ended = on_ended, .lost = on_lost, .scaled = on_scaled, .user_data = sessions};
    GError *error = NULL;
    ScopeSession *session;
    Offer *offer;

    if (sessions->is_shut_down || sessions->live->len >= sessions->max_sessions) {
        scope_plan_free(plan);
        error = sessions->is_shut_down
                    ? g_error_new_literal(SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_UNAVAILABLE,
                                          "The server is shutting down")
                    : g_error_new(SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_UNAVAILABLE,
                                  "There are already %u sessions, the most this server allows",
                                  sessions->max_sessions);
        refuse(sessions, error, answered, user_data);
        return;
    }
    session = scope_session_new(plan, sessions->ice, sessions->ice_address,
                                &(ScopeSessionReplay){sessions->replay_dir, sessions->replay_input},
                                &callbacks, &error);
    if (!session) {
        refuse(sessions, error, answered, user_data);
        return;
    }
    scope_manager_set_scales(
        sessions->manager,
        scope_json_object_get_array(scope_session_get_record(session), "lora_scales"));
    g_ptr_array_add(sessions->live, session);
    offer = g_new0(Offer, 1);
    offer->sessions = sessions;
    offer->session = scope_session_ref(session);
    offer->answered = answered;
    offer->user_data = user_data;
    g_ptr_array_add(sessions->answering, offer);
    scope_peer_accept_offer_async(scope_session_get_peer(session), sdp, NULL, on_answer, offer);
}

ScopeSession *
scope_sessions_lookup(ScopeSessions *sessions, const char *id)
{
    for (guint i = 0; i < sessions->live->len; i++) {
        ScopeSession *session = g_ptr_array_index(sessions->live, i);
        if (strcmp(scope_session_get_id(session), id) == 0) {
            return session;
        }
    }
    return NULL;
}

ScopeSession *
scope_sessions_get_first(ScopeSessions *sessions)
{
    return sessions->live->len > 0 ? g_ptr_array_index(sessions->live, 0) : NULL;
}

void
scope_sessions_foreach(ScopeSessions *sessions,
                       void (*func)(ScopeSession *session, gpointer user_data), gpointer user_data)
{
    for (guint i = 0; i < sessions->live->len; i++) {
        func(g_ptr_array_index(sessions->live, i), user_data);
    }
}

void
scope_sessions_close(ScopeSessions *sessions, const char *id)
{
    ScopeSession *session = scope_sessions_lookup(sessions, id);

    if (session) {
        log_end(session);
        scope_session_request_close(session);
        drop(sessions, session);
    }
}

void
scope_sessions_update_all(ScopeSessions *sessions, JsonObject *params)
{
    g_autoptr(JsonObject) message = scope_message_build_updated(params);

    for (guint i = 0; i < sessions->live->len; i++) {
        ScopeSession *session = g_ptr_array_index(sessions->live, i);
        scope_session_apply(session, params, SCOPE_SESSION_FROM_REST);
        scope_session_send(session, message);
    }
}

static gboolean
on_farewell(gpointer user_data)
{
    ScopeSessions *sessions = user_data;

    sessions->farewell_id = 0;
    for (guint i = 0; i < sessions->live->len; i++) {
        scope_session_request_close(g_ptr_array_index(sessions->live, i));
    }
    g_ptr_array_set_size(sessions->live, 0);
    return G_SOURCE_REMOVE;
}

void
scope_sessions_shut_down(ScopeSessions *sessions)
{
    if (sessions->is_shut_down) {
        return;
    }
    sessions->is_shut_down = TRUE;
    for (guint i = 0; i < sessions->live->len; i++) {
        scope_session_send_stopped(g_ptr_array_index(sessions->live, i), NULL);
    }
    if (sessions->live->len > 0) {
        sessions->farewell_id = g_timeout_add(FAREWELL_MS, on_farewell, sessions);
    }
}

gboolean
scope_sessions_is_idle(ScopeSessions *sessions)
{
    return sessions->live->len == 0 && sessions->answering->len == 0 &&
           scope_session_get_n_joining() == 0 && scope_peer_get_n_live() == 0;
}

void
scope_sessions_get_stats(ScopeSessions *sessions, ScopeSessionsStats *ret_stats)
{
    *ret_stats = sessions->stats;
    ret_stats->n_live = sessions->live->len;
}
