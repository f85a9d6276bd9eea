/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE servers. One request to one credential service at start, bounded in time and size; whatever
 * goes wrong leaves the fallback. Main thread only.
 */
#include "server/scope-ice.h"

#include <string.h>

#include <libsoup/soup.h>

#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-faults.h"
#include "server/scope-server-error.h"

SCOPE_LOG_TOPIC(server, ice)

#define FETCH_TIMEOUT_S 5
#define MAX_REPLY_BYTES (64 * 1024)
#define MAX_SERVERS     16

#define FASTRTC_URL    "https://turn.fastrtc.org/credentials?ttl=600"
#define TWILIO_URL     "https://api.twilio.com/2010-04-01/Accounts/%s/Tokens.json"
#define CLOUDFLARE_URL "https://rtc.live.cloudflare.com/v1/turn/keys/%s/credentials/generate"

struct _ScopeIce {
    GPtrArray *servers; /* of ScopeIceServer */
    GArray *flat;       /* the same, contiguous for the peer */
    SoupSession *session;
    GCancellable *cancellable;
    char *service;
};

/* The list hangs on its session, so that an answer that comes too late finds nothing. */
static const char ice_key[] = "scope-ice";

static void
server_free(gpointer data)
{
    ScopeIceServer *server = data;

    g_strfreev((char **)server->urls);
    g_free((char *)server->username);
    g_free((char *)server->credential);
    g_free(server);
}

static void
set_servers(ScopeIce *ice, GPtrArray *servers)
{
    g_clear_pointer(&ice->servers, g_ptr_array_unref);
    ice->servers = servers;
    g_array_set_size(ice->flat, 0);
    for (guint i = 0; i < servers->len; i++) {
        g_array_append_vals(ice->flat, g_ptr_array_index(servers, i), 1);
    }
}

static GPtrArray *
make_fallback(void)
{
    GPtrArray *servers = g_ptr_array_new_with_free_func(server_free);
    ScopeIceServer *server = g_new0(ScopeIceServer, 1);
    const char *urls[] = {SCOPE_ICE_FALLBACK_URL, NULL};

    server->urls = (const char *const *)g_strdupv((char **)urls);
    g_ptr_array_add(servers, server);
    return servers;
}

/* `urls` (or the older `url`) as a list; NULL when it is neither text nor a list of texts. */
static char **
read_urls(JsonObject *object)
{
    g_autoptr(GStrvBuilder) urls = g_strv_builder_new();
    JsonNode *node = json_object_get_member(object, "urls");
    JsonArray *array;

    if (!node) {
        node = json_object_get_member(object, "url");
    }
    if (scope_node_is_string(node)) {
        g_strv_builder_add(urls, json_node_get_string(node));
        return g_strv_builder_end(urls);
    }
    if (!node || !JSON_NODE_HOLDS_ARRAY(node)) {
        return NULL;
    }
    array = json_node_get_array(node);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (!scope_node_is_string(item)) {
            return NULL;
        }
        g_strv_builder_add(urls, json_node_get_string(item));
    }
    return json_array_get_length(array) > 0 ? g_strv_builder_end(urls) : NULL;
}

static gboolean
are_urls_valid(char **urls)
{
    for (char **url = urls; *url; url++) {
        if (!g_str_has_prefix(*url, "stun:") && !g_str_has_prefix(*url, "stuns:") &&
            !g_str_has_prefix(*url, "turn:") && !g_str_has_prefix(*url, "turns:")) {
            return FALSE;
        }
    }
    return TRUE;
}

static ScopeIceServer *
read_server(JsonNode *node)
{
    JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    g_auto(GStrv) urls = object ? read_urls(object) : NULL;
    ScopeIceServer *server;

    if (!urls || !are_urls_valid(urls)) {
        return NULL;
    }
    server = g_new0(ScopeIceServer, 1);
    server->urls = (const char *const *)g_steal_pointer(&urls);
    server->username = g_strdup(scope_json_object_get_string(object, "username"));
    server->credential = g_strdup(scope_json_object_get_string(object, "credential"));
    return server;
}

/* A list of servers: an array, an object with `iceServers` or `ice_servers`, or one server. */
static GPtrArray *
read_servers(JsonNode *node, GError **error)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(server_free);
    JsonNode *list = node;
    JsonArray *array;

    if (JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *object = json_node_get_object(node);
        list = json_object_get_member(object, "iceServers");
        if (!list) {
            list = json_object_get_member(object, "ice_servers");
        }
        if (!list) {
            list = node;
        }
    }
    if (JSON_NODE_HOLDS_ARRAY(list)) {
        array = json_array_ref(json_node_get_array(list));
    } else {
        array = json_array_new();
        json_array_add_element(array, json_node_copy(list));
    }
    for (guint i = 0; i < MIN(json_array_get_length(array), MAX_SERVERS); i++) {
        ScopeIceServer *server = read_server(json_array_get_element(array, i));
        if (!server) {
            g_set_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST,
                        "ICE server %u needs `urls` with stun:, stuns:, turn: or turns:", i);
            json_array_unref(array);
            return NULL;
        }
        g_ptr_array_add(servers, server);
    }
    json_array_unref(array);
    return g_steal_pointer(&servers);
}

static void
on_credentials(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeIce *ice = g_object_get_data(source, ice_key);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes =
        soup_session_send_and_read_finish(SOUP_SESSION(source), result, &error);
    SoupMessage *msg = soup_session_get_async_result_message(SOUP_SESSION(source), result);
    guint status = msg ? soup_message_get_status(msg) : 0;
    g_autoptr(JsonNode) node = NULL;
    GPtrArray *servers = NULL;

    if (!ice) {
        return; /* freed meanwhile */
    }
    if (bytes && status / 100 != 2) {
        g_set_error(&error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_UNAVAILABLE, "status %u",
                    status);
    } else if (bytes && g_bytes_get_size(bytes) > MAX_REPLY_BYTES) {
        g_set_error_literal(&error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_TOO_LARGE,
                            "the answer is too long");
    } else if (bytes) {
        node = scope_json_parse(g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes), 0,
                                &error);
    }
    if (node) {
        servers = read_servers(node, &error);
    }
    if (servers) {
        scope_log_info("ICE servers from %s: %u", ice->service, servers->len);
        set_servers(ice, servers);
    } else {
        scope_log_warning("no TURN credentials from %s (%s): using %s", ice->service,
                          error ? error->message : "no answer", SCOPE_ICE_FALLBACK_URL);
    }
    g_clear_object(&ice->cancellable);
}

static SoupMessage *
make_message(const ScopeIceOptions *options, const char **ret_service)
{
    g_autofree char *url = NULL;
    g_autofree char *auth = NULL;
    SoupMessage *msg;

    if (options->hf_token) {
        *ret_service = "fastrtc";
        url = options->service_base ? g_strconcat(options->service_base, "/credentials", NULL)
                                    : g_strdup(FASTRTC_URL);
        auth = g_strconcat("Bearer ", options->hf_token, NULL);
        msg = soup_message_new("GET", url);
    } else if (options->cloudflare_key_id && options->cloudflare_api_token) {
        g_autoptr(GBytes) body = g_bytes_new_static("{\"ttl\":86400}", strlen("{\"ttl\":86400}"));
        *ret_service = "Cloudflare";
        url = options->service_base ? g_strconcat(options->service_base, "/cloudflare", NULL)
                                    : g_strdup_printf(CLOUDFLARE_URL, options->cloudflare_key_id);
        auth = g_strconcat("Bearer ", options->cloudflare_api_token, NULL);
        msg = soup_message_new("POST", url);
        if (msg) {
            soup_message_set_request_body_from_bytes(msg, "application/json", body);
        }
    } else if (options->twilio_account_sid && options->twilio_auth_token) {
        g_autofree char *pair =
            g_strdup_printf("%s:%s", options->twilio_account_sid, options->twilio_auth_token);
        g_autofree char *encoded = g_base64_encode((const guchar *)pair, strlen(pair));
        *ret_service = "Twilio";
        url = options->service_base ? g_strconcat(options->service_base, "/twilio", NULL)
                                    : g_strdup_printf(TWILIO_URL, options->twilio_account_sid);
        auth = g_strconcat("Basic ", encoded, NULL);
        msg = soup_message_new("POST", url);
    } else {
        return NULL;
    }
    if (msg) {
        soup_message_headers_replace(soup_message_get_request_headers(msg), "Authorization", auth);
    }
    return msg;
}

static gboolean
is_loopback(const char *address)
{
    g_autoptr(GInetAddress) inet = address ? g_inet_address_new_from_string(address) : NULL;

    return inet && g_inet_address_get_is_loopback(inet);
}

ScopeIce *
scope_ice_new(const ScopeIceOptions *options, GError **error)
{
    g_autoptr(ScopeIce) ice = g_new0(ScopeIce, 1);
    g_autoptr(SoupMessage) msg = NULL;
    const char *service = NULL;

    ice->flat = g_array_new(FALSE, FALSE, sizeof(ScopeIceServer));
    if (options->servers_json) {
        g_autoptr(JsonNode) node = scope_json_parse(options->servers_json, -1, 0, error);
        GPtrArray *servers = node ? read_servers(node, error) : NULL;
        if (!servers) {
            g_prefix_error(error, "The list of ICE servers is malformed: ");
            return NULL;
        }
        set_servers(ice, servers);
        return g_steal_pointer(&ice);
    }
    set_servers(ice, make_fallback());
    if (is_loopback(options->address)) {
        return g_steal_pointer(&ice);
    }
    msg = make_message(options, &service);
    if (msg) {
        ice->service = g_strdup(service);
        ice->cancellable = g_cancellable_new();
        ice->session = soup_session_new_with_options("timeout", FETCH_TIMEOUT_S, NULL);
        g_object_set_data(G_OBJECT(ice->session), ice_key, ice);
        soup_session_send_and_read_async(ice->session, msg, G_PRIORITY_DEFAULT, ice->cancellable,
                                         on_credentials, NULL);
    }
    return g_steal_pointer(&ice);
}

void
scope_ice_free(ScopeIce *ice)
{
    if (!ice) {
        return;
    }
    if (ice->cancellable) {
        g_cancellable_cancel(ice->cancellable);
        g_clear_object(&ice->cancellable);
    }
    if (ice->session) {
        g_object_set_data(G_OBJECT(ice->session), ice_key, NULL);
        g_clear_object(&ice->session);
    }
    g_clear_pointer(&ice->servers, g_ptr_array_unref);
    g_array_unref(ice->flat);
    g_free(ice->service);
    g_free(ice);
}

gboolean
scope_ice_is_pending(ScopeIce *ice)
{
    return ice->cancellable != NULL;
}

JsonObject *
scope_ice_dup_body(ScopeIce *ice)
{
    JsonObject *body = json_object_new();
    JsonArray *list = json_array_new();

    for (guint i = 0; i < ice->flat->len; i++) {
        const ScopeIceServer *server = &g_array_index(ice->flat, ScopeIceServer, i);
        JsonObject *item = json_object_new();
        JsonArray *urls = json_array_new();
        for (guint k = 0; server->urls[k]; k++) {
            json_array_add_string_element(urls, server->urls[k]);
        }
        json_object_set_array_member(item, "urls", urls);
        scope_object_set_string(item, "username", server->username);
        scope_object_set_string(item, "credential", server->credential);
        json_array_add_object_element(list, item);
    }
    json_object_set_array_member(body, "iceServers", list);
    return body;
}

const ScopeIceServer *
scope_ice_get_servers(ScopeIce *ice, guint *ret_n_servers)
{
    *ret_n_servers = ice->flat->len;
    return (const ScopeIceServer *)ice->flat->data;
}
