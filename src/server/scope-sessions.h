/* SPDX-License-Identifier: Apache-2.0 */
/* The set of live sessions: creation, look-up, broadcast, counters, and their common end. */
#ifndef SCOPE_SESSIONS_H
#define SCOPE_SESSIONS_H

#include "server/scope-session.h"

G_BEGIN_DECLS

/** ScopeSessions: opaque. Thread: main only. */
typedef struct _ScopeSessions ScopeSessions;

/**
 * ScopeSessionsStats: counters since the start.
 * @n_live: sessions now
 * @n_created: sessions that were answered
 * @n_refused: offers that were not answered
 * @n_failed: sessions that ended by a failure of the transport
 * @n_fatal: sessions whose stream ended by a fatal error
 */
typedef struct {
    guint n_live;
    guint64 n_created;
    guint64 n_refused;
    guint64 n_failed;
    guint64 n_fatal;
} ScopeSessionsStats;

/**
 * scope_sessions_new:
 * @manager: borrowed, outlives the set; its `changed` callback is taken
 * @ice: borrowed, outlives the set
 * @ice_address: (nullable): copied
 * @replay: what is written of each session for `scope replay`; copied
 * @max_sessions: further offers are refused with 503
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full): an empty set.
 */
ScopeSessions *scope_sessions_new(ScopeManager *manager, ScopeIce *ice, const char *ice_address,
                                  const ScopeSessionReplay *replay, guint max_sessions);

/** scope_sessions_free: (nullable): ends every session. Thread: main. */
void scope_sessions_free(ScopeSessions *sessions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeSessions, scope_sessions_free)

/**
 * ScopeSessionsAnswered:
 * @session_id: (nullable): of the new session
 * @answer: (nullable): its SDP
 * @error: (nullable): set instead of both
 * @user_data: as given
 *
 * The end of an offer. Thread: main.
 */
typedef void (*ScopeSessionsAnswered)(const char *session_id, const char *answer,
                                      const GError *error, gpointer user_data);

/**
 * scope_sessions_offer:
 * @sessions: borrowed
 * @sdp: the client's offer
 * @plan: (transfer full): what the session runs
 * @answered: called once, possibly before return
 * @user_data: for @answered
 *
 * Creates a session, starts its chain, and answers the offer.
 *
 * Thread: main.
 * Errors: through @answered: SCOPE_SERVER_ERROR_UNAVAILABLE (too many sessions, shutting down) and
 *   those of the peer and of the chain.
 */
void scope_sessions_offer(ScopeSessions *sessions, const char *sdp, ScopePlan *plan,
                          ScopeSessionsAnswered answered, gpointer user_data);

/** scope_sessions_lookup: (nullable): borrowed session with @id. Thread: main. */
ScopeSession *scope_sessions_lookup(ScopeSessions *sessions, const char *id);

/** scope_sessions_get_first: (nullable): borrowed: the session that lives longest. Thread: main. */
ScopeSession *scope_sessions_get_first(ScopeSessions *sessions);

/** scope_sessions_foreach: calls @func for each session. Thread: main. */
void scope_sessions_foreach(ScopeSessions *sessions,
                            void (*func)(ScopeSession *session, gpointer user_data),
                            gpointer user_data);

/** scope_sessions_close: ends one session; an unknown @id is ignored. Thread: main. */
void scope_sessions_close(ScopeSessions *sessions, const char *id);

/**
 * scope_sessions_update_all:
 * @sessions: borrowed
 * @params: validated parameters
 *
 * Applies @params to every session as a message of the data channel would, and tells every client
 * with `parameters_updated`.
 *
 * Thread: main.
 * Errors: none.
 */
void scope_sessions_update_all(ScopeSessions *sessions, JsonObject *params);

/** scope_sessions_shut_down: tells and closes all; later offers are refused. Thread: main. */
void scope_sessions_shut_down(ScopeSessions *sessions);

/** scope_sessions_is_idle: whether no session and no peer of one is left. Thread: main. */
gboolean scope_sessions_is_idle(ScopeSessions *sessions);

/** scope_sessions_get_stats: fills @ret_stats. Thread: main. */
void scope_sessions_get_stats(ScopeSessions *sessions, ScopeSessionsStats *ret_stats);

G_END_DECLS

#endif
