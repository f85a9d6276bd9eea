/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session. Main owns everything here but the link, which the streaming threads of the peer and
 * the pacer use: it holds its own references and goes with the last of its users.
 *
 * Frames: peer (streaming thread) -> chain or direct queue -> pacer (own thread) -> peer.
 * End: the chain and the peer are asked to end, a pool thread waits for the workers, main frees.
 */
#include "server/scope-session.h"

#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-lock.h"
#include "core/scope-log.h"
#include "core/scope-param-merge.h"
#include "core/scope-session-params.h"
#include "server/scope-message.h"
#include "core/scope-replay-log.h"
#include "server/scope-pacer.h"
#include "server/scope-rate.h"

SCOPE_LOG_TOPIC(server, session)

/* Depth of the queue between source and sink where no pipeline stands between them. */
#define DIRECT_FRAMES 4
/* How long a connected client has to read why its stream ended before the connection goes. */
#define FATAL_GRACE_MS    2000
#define SESSION_JITTER_MS 20

/* What other threads see of a session. Refcounted, any thread. */
typedef struct {
    gint refs;
    ScopeSession *session; /* main only; NULL once it is gone */
    ScopeChain *chain;     /* owned: a picture may be on its way in while the session is freed */
    ScopeMailbox *direct;
    ScopeLock lock;
    ScopeRate rate_in;
    guint64 n_in;
    guint64 n_in_dropped;
} Link;

struct _ScopeSession {
    gint refs;
    char *id;
    ScopeSessionCallbacks callbacks;
    ScopePlan *plan;
    ScopePeer *peer;
    ScopeChain *chain;
    ScopePacer *pacer;
    ScopeReplayLog *replay; /* (nullable) */
    Link *link;
    gint64 start_us;
    guint fatal_id;
    gboolean is_fatal; /* the stream has ended by an error; the client is told */
    gboolean is_closing;
    gboolean has_ended;
    gboolean has_logged_text;
    gboolean has_logged_problem;
};

static Link *
link_ref(Link *link)
{
    g_atomic_int_inc(&link->refs);
    return link;
}

static void
link_unref(gpointer data)
{
    Link *link = data;

    if (!g_atomic_int_dec_and_test(&link->refs)) {
        return;
    }
    scope_chain_unref(link->chain);
    scope_mailbox_unref(link->direct);
    scope_lock_clear(&link->lock);
    g_free(link);
}

static Link *
link_new(ScopeSession *session)
{
    Link *link = g_new0(Link, 1);

    link->refs = 1;
    link->session = session;
    scope_lock_init(&link->lock);
    return link;
}

/* -- frames -- */

static void
on_frame(ScopePeer *peer, guint input, ScopeFrame *frame, gpointer user_data)
{
    Link *link = user_data;
    gboolean is_taken = TRUE;

    if (input > 0) {
        return;
    }
    if (link->chain) {
        is_taken = scope_chain_push_input(link->chain, scope_frame_ref(frame));
    } else if (link->direct) {
        is_taken = scope_mailbox_push(link->direct, scope_frame_ref(frame));
    }
    SCOPE_LOCK_GUARD(&link->lock);
    link->n_in++;
    link->n_in_dropped += is_taken ? 0 : 1;
    scope_rate_add(&link->rate_in, g_get_monotonic_time());
}

static gdouble
get_fps(gpointer user_data)
{
    ScopeSession *session = user_data;

    return session->chain ? scope_chain_get_fps(session->chain) : 30.0;
}

static gboolean
show_frame(ScopeFrame *frame, gint64 pts_us, gpointer user_data)
{
    ScopeSession *session = user_data;

    return scope_peer_push_frame(session->peer, 0, frame, pts_us);
}

/* -- the end of a session -- */

static void
end_session(ScopeSession *session, ScopeSessionEnd end)
{
    if (session->has_ended) {
        return;
    }
    session->has_ended = TRUE;
    session->callbacks.ended(session, end, session->callbacks.user_data);
}

static gboolean
on_fatal_grace(gpointer user_data)
{
    ScopeSession *session = user_data;

    session->fatal_id = 0;
    end_session(session, SCOPE_SESSION_END_FATAL);
    return G_SOURCE_REMOVE;
}

/* A client that has not connected yet hears of the error first; one that never does has failed. */
static void
begin_grace(ScopeSession *session)
{
    if (session->is_fatal && session->fatal_id == 0 &&
        scope_peer_get_state(session->peer) == SCOPE_PEER_STATE_CONNECTED) {
        session->fatal_id = g_timeout_add(FATAL_GRACE_MS, on_fatal_grace, session);
    }
}

static void
on_state(ScopePeer *peer, ScopePeerState state, const char *reason, gpointer user_data)
{
    ScopeSession *session = ((Link *)user_data)->session;

    if (!session) {
        return;
    }
    if (state == SCOPE_PEER_STATE_CONNECTED) {
        scope_log_info("session %s connected after %.2f s", session->id,
                       (gdouble)(g_get_monotonic_time() - session->start_us) / G_USEC_PER_SEC);
        begin_grace(session);
    } else if (state == SCOPE_PEER_STATE_FAILED) {
        scope_log_warning("session %s failed: %s", session->id, reason ? reason : "no reason");
        end_session(session, SCOPE_SESSION_END_FAILED);
    } else if (state == SCOPE_PEER_STATE_CLOSED) {
        end_session(session, SCOPE_SESSION_END_CLOSED);
    }
}

typedef struct {
    Link *link;
    char *node_id;
    char *text;
    gboolean is_lost; /* the device, and with it the instance */
} Fatal;

/* Has the instance of @node_id dropped, so that the next load makes a new one. */
static void
tell_lost(ScopeSession *session, const Fatal *fatal)
{
    for (guint i = 0; i < session->plan->nodes->len; i++) {
        const ScopePlanNode *node = g_ptr_array_index(session->plan->nodes, i);
        if (node->instance && strcmp(node->node_id, fatal->node_id) == 0) {
            session->callbacks.lost(session, node->instance, fatal->text,
                                    session->callbacks.user_data);
            return;
        }
    }
}

static gboolean
on_fatal_main(gpointer user_data)
{
    Fatal *fatal = user_data;
    ScopeSession *session = fatal->link->session;

    if (session && fatal->is_lost) {
        tell_lost(session, fatal);
    }
    if (session && !session->is_closing && !session->is_fatal) {
        session->is_fatal = TRUE;
        scope_log_error("session %s: the stream ended: %s", session->id, fatal->text);
        scope_session_send_stopped(session, fatal->text);
        begin_grace(session);
    }
    return G_SOURCE_REMOVE;
}

/* A chunk failed, the stream goes on. */
static gboolean
on_skipped_main(gpointer user_data)
{
    Fatal *skipped = user_data;
    ScopeSession *session = skipped->link->session;

    if (session && session->replay) {
        scope_replay_log_stop(session->replay, "a chunk failed");
    }
    if (session && !session->is_closing) {
        g_autoptr(JsonObject) message = scope_message_build_chunk_error(skipped->text);
        scope_session_send(session, message);
    }
    return G_SOURCE_REMOVE;
}

static void
fatal_free(gpointer data)
{
    Fatal *fatal = data;

    link_unref(fatal->link);
    g_free(fatal->node_id);
    g_free(fatal->text);
    g_free(fatal);
}

/* Has @func called on the main thread with what happened. */
static void
post_error(GSourceFunc func, Link *link, const char *node_id, const GError *error)
{
    Fatal *fatal = g_new0(Fatal, 1);

    fatal->link = link_ref(link);
    fatal->node_id = g_strdup(node_id);
    fatal->text = g_strdup_printf("%s: %s", node_id, error->message);
    fatal->is_lost = g_error_matches(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_DEVICE_LOST);
    g_main_context_invoke_full(NULL, G_PRIORITY_DEFAULT, func, fatal, fatal_free);
}

static void
on_fatal(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    post_error(on_fatal_main, user_data, node_id, error);
}

static void
on_skipped(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    post_error(on_skipped_main, user_data, node_id, error);
}

/* -- messages -- */

static void
on_message(ScopePeer *peer, const char *text, gsize n_bytes, gpointer user_data)
{
    ScopeSession *session = ((Link *)user_data)->session;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) message = NULL;

    if (!session) {
        return;
    }
    message = scope_message_parse(text, n_bytes, &error);
    if (message) {
        scope_session_apply(session, message, SCOPE_SESSION_FROM_CHANNEL);
    } else if (!session->has_logged_text) {
        session->has_logged_text = TRUE;
        scope_log_warning("session %s: a message was ignored, and further ones will be silently: "
                          "%s",
                          session->id, error->message);
    }
}

void
scope_session_send(ScopeSession *session, JsonObject *message)
{
    g_autofree char *text = scope_json_object_to_string(message);
    g_autoptr(GError) error = NULL;

    if (!scope_peer_send_text(session->peer, text, &error)) {
        scope_log_debug("session %s: a message was not sent: %s", session->id, error->message);
    }
}

void
scope_session_send_stopped(ScopeSession *session, const char *reason)
{
    g_autoptr(JsonObject) message = scope_message_build_stopped(reason);

    scope_session_send(session, message);
}

static void
tell_problems(ScopeSession *session, const GPtrArray *problems)
{
    g_autoptr(JsonObject) notice = scope_message_build_problems(problems);

    if (!session->has_logged_problem) {
        g_autofree char *text = scope_param_problem_to_string(g_ptr_array_index(problems, 0));
        session->has_logged_problem = TRUE;
        scope_log_warning("session %s: a parameter was refused (the client is told of each): %s",
                          session->id, text);
    }
    scope_session_send(session, notice);
}

/* Members of a running session that act on routing instead of pipelines. */
static void
apply_routing(ScopeSession *session, JsonObject *message)
{
    gboolean has_enabled = json_object_has_member(message, "vace_enabled");
    gboolean has_input = json_object_has_member(message, "vace_use_input_video");
    JsonObject *record = session->plan->record;

    if (session->chain && (has_enabled || has_input)) {
        scope_chain_set_vace_input(
            session->chain, scope_json_object_get_bool(record, "vace_enabled", FALSE) &&
                                scope_json_object_get_bool(record, "vace_use_input_video", TRUE));
    }
}

void
scope_session_apply(ScopeSession *session, JsonObject *message, ScopeSessionOrigin origin)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonObject) valid = scope_session_params_filter(message, problems);
    g_autoptr(JsonObject) params = scope_message_dup_params(valid);
    g_autoptr(JsonObject) record = scope_message_dup_record(valid);
    const char *node_id = scope_json_object_get_string(valid, "node_id");
    g_autoptr(GError) error = NULL;

    if (session->is_closing) {
        return;
    }
    if (json_object_has_member(valid, "paused")) {
        scope_pacer_set_paused(session->pacer, scope_json_object_get_bool(valid, "paused", FALSE));
    }
    if (session->chain && json_object_get_size(params) > 0 &&
        !scope_chain_update(session->chain, params, node_id, problems, &error)) {
        scope_log_warning("session %s: %s", session->id, error->message);
        return;
    }
    scope_param_merge(session->plan->record, record);
    apply_routing(session, record);
    if (session->chain && json_object_has_member(params, "lora_scales")) {
        session->callbacks.scaled(session, scope_json_object_get_array(params, "lora_scales"),
                                  session->callbacks.user_data);
    }
    if (problems->len > 0 && origin == SCOPE_SESSION_FROM_CHANNEL) {
        tell_problems(session, problems);
    }
}

/* -- life -- */

static gboolean
make_peer(ScopeSession *session, ScopeIce *ice, const char *ice_address, GError **error)
{
    ScopePeerOptions options = SCOPE_PEER_OPTIONS_INIT;
    ScopePeerCallbacks callbacks = {
        .state_changed = on_state,
        .message = on_message,
        .frame = on_frame,
    };

    options.ice_servers = scope_ice_get_servers(ice, &options.n_ice_servers);
    options.ice_address = ice_address;
    options.label = session->id;
    options.jitter_ms = SESSION_JITTER_MS;
    session->peer =
        scope_peer_new(&options, &callbacks, link_ref(session->link), link_unref, error);
    return session->peer != NULL;
}

/* A session whose log cannot be written runs without one. */
static void
begin_replay_log(ScopeSession *session, const ScopeSessionReplay *replay, ScopeChainConfig *config,
                 const ScopeChainNode *nodes, guint n_nodes)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%d-%H-%M-%S");
    g_autofree char *name = g_strdup_printf("%s-%.8s.jsonl", time, session->id);
    g_autofree char *path = g_build_filename(replay->folder, name, NULL);
    g_autoptr(GError) error = NULL;

    session->replay =
        scope_replay_log_create(path, SCOPE_VERSION, replay->input, config, nodes, n_nodes, &error);
    if (!session->replay) {
        scope_log_error("session %s cannot be replayed: %s", session->id, error->message);
        return;
    }
    config->hooks = scope_replay_log_get_hooks(session->replay);
    scope_log_info("session %s: log for replay: %s", session->id, path);
}

static void
end_replay_log(ScopeSession *session)
{
    ScopeStageStats last;

    if (!session->replay) {
        return;
    }
    scope_chain_get_stats(session->chain, scope_chain_get_n_stages(session->chain) - 1, &last);
    scope_replay_log_close(g_steal_pointer(&session->replay), last.n_frames_out);
}

static gboolean
make_chain(ScopeSession *session, const ScopeSessionReplay *replay, GError **error)
{
    const GPtrArray *nodes = session->plan->nodes;
    g_autofree ScopeChainNode *chain_nodes = g_new0(ScopeChainNode, nodes->len + 1);
    ScopeChainConfig config = {
        .session_id = session->id,
        .params = session->plan->params,
        .vace_input = session->plan->vace_input,
        .fatal = on_fatal,
        .skipped = on_skipped,
        .user_data = session->link,
    };

    if (nodes->len == 0) {
        session->link->direct = scope_mailbox_new(DIRECT_FRAMES, SCOPE_MAILBOX_DROP_OLDEST,
                                                  (GDestroyNotify)scope_frame_unref);
        return TRUE;
    }
    for (guint i = 0; i < nodes->len; i++) {
        const ScopePlanNode *node = g_ptr_array_index(nodes, i);
        chain_nodes[i].node_id = node->node_id;
        chain_nodes[i].instance = node->instance;
        chain_nodes[i].params = node->params;
    }
    if (replay->folder) {
        begin_replay_log(session, replay, &config, chain_nodes, nodes->len);
    }
    session->chain = scope_chain_new(&config, chain_nodes, nodes->len, error);
    if (!session->chain) {
        return FALSE;
    }
    session->link->chain = scope_chain_ref(session->chain);
    return TRUE;
}

static gboolean
make_pacer(ScopeSession *session, GError **error)
{
    ScopePacerConfig config = {
        .queue = session->chain ? scope_chain_get_output(session->chain) : session->link->direct,
        .get_fps = get_fps,
        .show = show_frame,
        .user_data = session,
        .is_paused = session->plan->paused,
    };

    session->pacer = scope_pacer_new(&config, error);
    return session->pacer != NULL;
}

ScopeSession *
scope_session_new(ScopePlan *plan, ScopeIce *ice, const char *ice_address,
                  const ScopeSessionReplay *replay, const ScopeSessionCallbacks *callbacks,
                  GError **error)
{
    g_autoptr(ScopeSession) session = g_new0(ScopeSession, 1);

    session->refs = 1;
    session->id = g_uuid_string_random();
    session->plan = plan;
    session->callbacks = *callbacks;
    session->has_ended = TRUE; /* a session that was never handed out tells nobody */
    session->link = link_new(session);
    session->start_us = g_get_monotonic_time();
    if (!make_chain(session, replay, error) || !make_peer(session, ice, ice_address, error) ||
        !make_pacer(session, error) ||
        (session->chain && !scope_chain_start(session->chain, error))) {
        return NULL;
    }
    session->has_ended = FALSE;
    scope_log_info("session %s: %u pipelines", session->id, plan->nodes->len);
    return g_steal_pointer(&session);
}

ScopeSession *
scope_session_ref(ScopeSession *session)
{
    session->refs++;
    return session;
}

static void
free_session(ScopeSession *session)
{
    session->link->session = NULL;
    scope_pacer_free(session->pacer);
    if (session->chain) {
        scope_chain_stop(session->chain);
        end_replay_log(session);
    }
    scope_chain_unref(session->chain);
    scope_peer_unref(session->peer);
    link_unref(session->link);
    scope_plan_free(session->plan);
    g_free(session->id);
    g_free(session);
}

/* Waits for workers and pacer on a pool thread, which is the only user of both by now. */
static void
job_join(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    ScopeSession *session = task_data;

    if (session->chain && !scope_chain_stop(session->chain)) {
        scope_log_warning("session %s: a worker did not end in time", session->id);
    }
    g_clear_pointer(&session->pacer, scope_pacer_free);
    g_task_return_boolean(task, TRUE);
}

static guint n_joining;

static void
on_joined(GObject *source, GAsyncResult *result, gpointer user_data)
{
    n_joining--;
    free_session(user_data);
}

void
scope_session_unref(ScopeSession *session)
{
    g_autoptr(GTask) task = NULL;

    if (!session || --session->refs > 0) {
        return;
    }
    if (!session->peer || !session->pacer) {
        free_session(session); /* never started */
        return;
    }
    scope_session_request_close(session);
    n_joining++;
    task = g_task_new(NULL, NULL, on_joined, session);
    g_task_set_task_data(task, session, NULL);
    g_task_run_in_thread(task, job_join);
}

guint
scope_session_get_n_joining(void)
{
    return n_joining;
}

void
scope_session_request_close(ScopeSession *session)
{
    if (session->is_closing) {
        return;
    }
    session->is_closing = TRUE;
    session->link->session = NULL;
    g_clear_handle_id(&session->fatal_id, g_source_remove);
    if (session->chain) {
        scope_chain_request_stop(session->chain);
    }
    scope_pacer_request_stop(session->pacer);
    scope_peer_close(session->peer);
}

/* -- what the manager changes -- */

static void
sync_node(ScopeSession *session, ScopePlanNode *node, ScopeManager *manager)
{
    const char *key = scope_manager_find_key(manager, node->instance);
    ScopeInstance *now;

    if (key) {
        if (strcmp(key, node->key) != 0) {
            g_free(node->key);
            node->key = g_strdup(key);
        }
        return;
    }
    now = scope_manager_lookup(manager, node->key);
    if (now == node->instance) {
        return; /* both NULL: still being loaded */
    }
    scope_log_info("session %s: %s %s", session->id, node->node_id,
                   now ? "goes on with the new instance" : "waits for its pipeline");
    if (session->replay) {
        scope_replay_log_stop(session->replay, "a pipeline was loaded anew");
    }
    scope_chain_replace(session->chain, node->node_id, now, NULL);
    scope_instance_unref(node->instance);
    node->instance = now ? scope_instance_ref(now) : NULL;
}

void
scope_session_sync(ScopeSession *session, ScopeManager *manager)
{
    if (session->is_closing || !session->chain) {
        return;
    }
    for (guint i = 0; i < session->plan->nodes->len; i++) {
        sync_node(session, g_ptr_array_index(session->plan->nodes, i), manager);
    }
}

/* -- getters -- */

const char *
scope_session_get_id(ScopeSession *session)
{
    return session->id;
}

ScopePeer *
scope_session_get_peer(ScopeSession *session)
{
    return session->peer;
}

ScopeChain *
scope_session_get_chain(ScopeSession *session)
{
    return session->chain;
}

JsonObject *
scope_session_get_record(ScopeSession *session)
{
    return session->plan->record;
}

ScopeFrame *
scope_session_dup_last_frame(ScopeSession *session)
{
    return scope_pacer_dup_last(session->pacer);
}

void
scope_session_get_pacer_stats(ScopeSession *session, ScopePacerStats *ret_stats)
{
    scope_pacer_get_stats(session->pacer, ret_stats);
}

void
scope_session_get_stats(ScopeSession *session, ScopeSessionStats *ret_stats)
{
    gint64 now_us = g_get_monotonic_time();
    ScopeMailbox *queue =
        session->chain ? scope_chain_get_output(session->chain) : session->link->direct;
    ScopePacerStats pacer;

    memset(ret_stats, 0, sizeof *ret_stats);
    scope_pacer_get_stats(session->pacer, &pacer);
    ret_stats->frames_out = pacer.n_shown - pacer.n_refused;
    ret_stats->frames_out_dropped = pacer.n_refused;
    ret_stats->fps_out = pacer.fps;
    ret_stats->first_frame_s =
        pacer.first_us > 0 ? (gdouble)(pacer.first_us - session->start_us) / G_USEC_PER_SEC : -1.0;
    ret_stats->elapsed_s = (gdouble)(now_us - session->start_us) / G_USEC_PER_SEC;
    ret_stats->pipeline_fps = session->chain ? scope_chain_get_fps(session->chain) : 0.0;
    ret_stats->queue_frames = scope_mailbox_get_length(queue);
    SCOPE_LOCK_GUARD(&session->link->lock);
    ret_stats->frames_in = session->link->n_in;
    ret_stats->frames_in_dropped = session->link->n_in_dropped;
    ret_stats->fps_in = scope_rate_get(&session->link->rate_in, now_us);
}
