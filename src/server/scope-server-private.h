/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers see of the server: its parts and resolved options. Main thread only. */
#ifndef SCOPE_SERVER_PRIVATE_H
#define SCOPE_SERVER_PRIVATE_H

#include "server/scope-downloads.h"
#include "server/scope-guard.h"
#include "server/scope-http.h"
#include "server/scope-ice.h"
#include "server/scope-manager.h"
#include "server/scope-server.h"
#include "server/scope-sessions.h"

G_BEGIN_DECLS

/**
 * ScopeServer:
 * @options: with texts that live as long as the server
 * @texts: owns them
 * @start_time_s: Unix time of the start, constant for the process
 * @start_us: monotonic time of the start
 */
struct _ScopeServer {
    gint refs;
    ScopeServerOptions options;
    GStringChunk *texts;
    gdouble start_time_s;
    gint64 start_us;
    char *url;
    ScopeGuard *guard;
    ScopeHttp *http;
    ScopeManager *manager;
    ScopeSessions *sessions;
    ScopeIce *ice;
    ScopeDownloads *downloads;
    guint restart_id;
    guint stop_poll_id;
    gint64 stop_deadline_us;
    void (*stop_done)(gpointer user_data);
    gpointer stop_data;
    gboolean is_stopping;
};

G_END_DECLS

#endif
