/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest server around ScopePeer: every picture of input 0 goes straight to output 0. Speaks
 * as much of the wire contract as a client needs to connect, so that the media part can be
 * measured alone. One GLib main loop; sessions are closed when their peer fails or closes.
 */
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <stdlib.h>

#include "media/scope-media.h"
#include "media/scope-peer.h"

typedef struct {
    ScopePeer *peer;
    char *id;
    SoupServerMessage *pending;
} Session;

static GHashTable *sessions;
static const char *ice_address;

static void
on_state(ScopePeer *peer, ScopePeerState state, const char *reason, gpointer user_data)
{
    Session *session = user_data;
    g_print("session %s: state %d%s%s\n", session->id, state, reason ? ": " : "",
            reason ? reason : "");
    if (state == SCOPE_PEER_STATE_FAILED || state == SCOPE_PEER_STATE_CLOSED) {
        g_hash_table_remove(sessions, session->id);
    }
}

static void
on_frame(ScopePeer *peer, guint input, ScopeFrame *frame, gpointer user_data)
{
    scope_peer_push_frame(peer, input, frame, frame->pts_us);
}

static void
on_text(ScopePeer *peer, const char *text, gsize n_bytes, gpointer user_data)
{
    scope_peer_send_text(peer, text, NULL);
}

static void
free_session(gpointer data)
{
    Session *session = data;
    g_free(session->id);
    g_free(session);
}

static void
drop_session(gpointer data)
{
    ScopePeer *peer = data;
    scope_peer_close(peer);
    scope_peer_unref(peer);
}

static void
reply(SoupServerMessage *message, guint status, const char *first, ...)
{
    g_autoptr(JsonObject) object = json_object_new();
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    va_list args;
    va_start(args, first);
    for (const char *key = first; key != NULL; key = va_arg(args, const char *)) {
        json_object_set_string_member(object, key, va_arg(args, const char *));
    }
    va_end(args);
    json_node_set_object(node, object);
    char *text = json_to_string(node, FALSE);
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, "application/json", SOUP_MEMORY_TAKE, text,
                                     strlen(text));
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Session *session = user_data;
    g_autoptr(GError) error = NULL;
    g_autofree char *sdp = scope_peer_accept_offer_finish(session->peer, result, &error);
    SoupServerMessage *message = g_steal_pointer(&session->pending);
    if (sdp != NULL) {
        reply(message, 200, "sdp", sdp, "type", "answer", "sessionId", session->id, NULL);
    } else {
        reply(message, 400, "detail", error->message, NULL);
    }
    soup_server_message_unpause(message);
    g_object_unref(message);
}

static JsonObject *
parse_body(SoupServerMessage *message, JsonParser *parser)
{
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    gsize n_bytes;
    const char *text = g_bytes_get_data(bytes, &n_bytes);
    if (!json_parser_load_from_data(parser, text, (gssize)n_bytes, NULL) ||
        !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        return NULL;
    }
    return json_node_get_object(json_parser_get_root(parser));
}

static void
handle_offer(SoupServerMessage *message, JsonObject *body)
{
    static const ScopePeerCallbacks callbacks = {on_state, NULL, on_text, on_frame};
    ScopePeerOptions options = SCOPE_PEER_OPTIONS_INIT;
    g_autoptr(GError) error = NULL;
    Session *session = g_new0(Session, 1);
    session->id = g_uuid_string_random();
    options.ice_address = ice_address;
    options.label = session->id;
    session->peer = scope_peer_new(&options, &callbacks, session, free_session, &error);
    if (session->peer == NULL) {
        reply(message, 500, "detail", error->message, NULL);
        return;
    }
    session->pending = g_object_ref(message);
    soup_server_message_pause(message);
    g_hash_table_insert(sessions, g_strdup(session->id), session->peer);
    scope_peer_accept_offer_async(session->peer,
                                  json_object_get_string_member_with_default(body, "sdp", ""), NULL,
                                  on_answer, session);
}

static void
handle_patch(SoupServerMessage *message, const char *id, JsonObject *body)
{
    ScopePeer *peer = g_hash_table_lookup(sessions, id);
    JsonArray *list = json_object_has_member(body, "candidates")
                          ? json_object_get_array_member(body, "candidates")
                          : NULL;
    for (guint i = 0; peer != NULL && list != NULL && i < json_array_get_length(list); i++) {
        JsonObject *entry = json_array_get_object_element(list, i);
        scope_peer_add_candidate(peer, NULL, -1,
                                 json_object_get_string_member_with_default(entry, "candidate", ""),
                                 NULL);
    }
    soup_server_message_set_status(message, peer ? 204 : 404, NULL);
}

static void
handle(SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
       gpointer user_data)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    const char *method = soup_server_message_get_method(message);
    const char *id = g_str_has_prefix(path, "/api/v1/webrtc/offer/")
                         ? path + strlen("/api/v1/webrtc/offer/")
                         : NULL;
    JsonObject *body = parse_body(message, parser);
    if (g_str_equal(path, "/api/v1/webrtc/offer") && body != NULL) {
        handle_offer(message, body);
    } else if (id != NULL && g_str_equal(method, "PATCH") && body != NULL) {
        handle_patch(message, id, body);
    } else if (id != NULL && g_str_equal(method, "DELETE")) {
        soup_server_message_set_status(message, g_hash_table_remove(sessions, id) ? 204 : 404,
                                       NULL);
    } else {
        reply(message, 404, "detail", "not found", NULL);
    }
}

int
main(int argc, char **argv)
{
    int port = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    g_autoptr(GError) error = NULL;
    ice_address = argc > 2 ? argv[2] : "127.0.0.1";
    if (!scope_media_init(&error)) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, drop_session);
    g_autoptr(SoupServer) server = soup_server_new(NULL, NULL);
    soup_server_add_handler(server, NULL, handle, NULL, NULL);
    if (!soup_server_listen_local(server, (guint)port, SOUP_SERVER_LISTEN_IPV4_ONLY, &error)) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    GSList *uris = soup_server_get_uris(server);
    g_autofree char *uri = g_uri_to_string(uris->data);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    g_print("%s\n", uri);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_main_loop_run(loop);
    return 0;
}
