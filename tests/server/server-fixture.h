/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real server on a free port in this process, with folders of its own, and a client for it. The
 * main loop runs while a request is awaited. Pipelines: the built-in ones, `fake`, `fake-fail-load`
 * and `gate`, whose load waits until the test opens it.
 */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H

#include <libsoup/soup.h>

#include "server/scope-server.h"

/** SERVER_FIXTURE_WAIT_S: how long anything may take. */
#define SERVER_FIXTURE_WAIT_S 60

typedef struct {
    ScopeServer *server;
    ScopeRegistry *registry;
    ScopeHost host;
    char *folder;
    char *base; /* http://127.0.0.1:port */
    SoupSession *client;
    gboolean is_stopped;
} ServerFixture;

/** Reply: what came back. Clear with reply_clear(). */
typedef struct {
    guint status;
    GBytes *body;
    JsonNode *json; /* NULL when the reply is not JSON */
    SoupMessage *msg;
} Reply;

/** server_fixture_new: starts a server; @change (nullable) may change its options before. */
ServerFixture *server_fixture_new(void (*change)(ScopeServerOptions *options));

/** server_fixture_stop: stops the server and waits for it; asserts that it takes under 3.5 s. */
void server_fixture_stop(ServerFixture *f);

/** server_fixture_free: stops the server and removes its folders. */
void server_fixture_free(ServerFixture *f);

/** server_fixture_wait: runs the main loop until @condition or the deadline. */
gboolean server_fixture_wait(gboolean (*condition)(gpointer data), gpointer data);

/**
 * server_fixture_request:
 * @path: with query
 * @body: (nullable): JSON with ' instead of "; NULL = no body
 *
 * Sends a request and waits; asserts that the reply is what docs/openapi.json allows.
 */
Reply server_fixture_request(ServerFixture *f, const char *method, const char *path,
                             const char *body);

/** server_fixture_send: the same for a message that the test made (transfer full). */
Reply server_fixture_send(ServerFixture *f, SoupMessage *msg);

/** server_fixture_message: (transfer full): a message for a path of the server. */
SoupMessage *server_fixture_message(ServerFixture *f, const char *method, const char *path);

/** server_fixture_raw: sends bytes and reads until the server closes or @seconds have passed. */
char *server_fixture_raw(ServerFixture *f, const char *bytes, gsize n_bytes, double seconds,
                         gboolean *ret_is_closed);

/** server_fixture_load: loads pipelines given by a JSON body and waits until nothing loads. */
Reply server_fixture_load(ServerFixture *f, const char *body);

/** server_fixture_path: (transfer full): a path below the fixture's folder. */
char *server_fixture_path(ServerFixture *f, const char *relative);

/** reply_clear: frees what @reply holds. */
void reply_clear(Reply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

/** reply_string: borrowed member of the reply's object, or NULL. */
const char *reply_string(const Reply *reply, const char *member);

/** reply_text: (transfer full): the body as text. */
char *reply_text(const Reply *reply);

#endif
