/* SPDX-License-Identifier: Apache-2.0 */
/* The list of ICE servers: static, from a credential service, and what remains when that fails. */
#include <string.h>

#include <libsoup/soup.h>

#include "core/scope-json.h"
#include "server/scope-ice.h"
#include "server/scope-server-error.h"

static const char *service_reply;
static guint service_status;
static guint n_requests;
static char *service_auth;

static void
on_request(SoupServer *server, SoupServerMessage *msg, const char *path, GHashTable *query,
           gpointer user_data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(msg);

    n_requests++;
    g_free(service_auth);
    service_auth = g_strdup(soup_message_headers_get_one(headers, "Authorization"));
    /* libsoup 3.2 never frees a connection that its client closes between requests. */
    soup_message_headers_replace(soup_server_message_get_response_headers(msg), "Connection",
                                 "close");
    soup_server_message_set_status(msg, service_status, NULL);
    soup_server_message_set_response(msg, "application/json", SOUP_MEMORY_STATIC, service_reply,
                                     strlen(service_reply));
}

static void
assert_first_url(ScopeIce *ice, const char *url)
{
    guint n = 0;
    const ScopeIceServer *servers = scope_ice_get_servers(ice, &n);

    g_assert_cmpuint(n, >=, 1);
    g_assert_cmpstr(servers[0].urls[0], ==, url);
}

static void
fetch(ScopeIceOptions *options, guint status, const char *reply, const char *url)
{
    g_autoptr(SoupServer) server = soup_server_new(NULL, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeIce) ice = NULL;
    g_autofree char *base = NULL;
    GSList *uris;
    gint64 deadline_us = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    service_status = status;
    service_reply = reply;
    soup_server_add_handler(server, NULL, on_request, NULL, NULL);
    g_assert_true(soup_server_listen_local(server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error));
    uris = soup_server_get_uris(server);
    base = g_strdup_printf("http://127.0.0.1:%d", g_uri_get_port(uris->data));
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    options->service_base = base;
    ice = scope_ice_new(options, &error);
    g_assert_no_error(error);
    /* Until the answer is there, the fallback holds. */
    assert_first_url(ice, SCOPE_ICE_FALLBACK_URL);
    while (scope_ice_is_pending(ice) && g_get_monotonic_time() < deadline_us) {
        g_main_context_iteration(NULL, TRUE);
    }
    assert_first_url(ice, url);
    options->service_base = NULL;
}

static void
test_service(void)
{
    ScopeIceOptions options = {.hf_token = "hf_x"};

    fetch(&options, 200,
          "{\"iceServers\":{\"urls\":[\"turn:a.example:3478\"],\"username\":\"u\","
          "\"credential\":\"c\"}}",
          "turn:a.example:3478");
    g_assert_cmpstr(service_auth, ==, "Bearer hf_x");
    fetch(&options, 200, "{\"ice_servers\":[{\"url\":\"stun:b.example\"}]}", "stun:b.example");
    options = (ScopeIceOptions){.twilio_account_sid = "sid", .twilio_auth_token = "token"};
    fetch(&options, 201, "{\"ice_servers\":[{\"urls\":\"turn:t.example\"}]}", "turn:t.example");
    g_assert_true(g_str_has_prefix(service_auth, "Basic "));
}

static void
test_service_fails(void)
{
    ScopeIceOptions options = {.hf_token = "hf_x"};

    fetch(&options, 401, "{}", SCOPE_ICE_FALLBACK_URL);
    fetch(&options, 200, "not json", SCOPE_ICE_FALLBACK_URL);
    fetch(&options, 200, "{\"iceServers\":[{\"urls\":\"http://x\"}]}", SCOPE_ICE_FALLBACK_URL);
    fetch(&options, 200, "{\"iceServers\":[{\"urls\":[1]}]}", SCOPE_ICE_FALLBACK_URL);
}

static void
test_nothing_is_fetched(void)
{
    ScopeIceOptions options = {.hf_token = "hf_x", .address = "127.0.0.1"};
    g_autoptr(ScopeIce) pinned = scope_ice_new(&options, NULL);
    ScopeIceOptions none = {0};
    g_autoptr(ScopeIce) without = scope_ice_new(&none, NULL);

    g_assert_false(scope_ice_is_pending(pinned));
    g_assert_false(scope_ice_is_pending(without));
    assert_first_url(without, SCOPE_ICE_FALLBACK_URL);
}

static void
test_static_list(void)
{
    ScopeIceOptions options = {.servers_json = "[{\"urls\":\"turn:s.example\",\"username\":\"u\","
                                               "\"credential\":\"c\"},{\"urls\":[\"stun:t\"]}]"};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeIce) ice = scope_ice_new(&options, &error);
    g_autoptr(JsonObject) body = NULL;

    g_assert_no_error(error);
    assert_first_url(ice, "turn:s.example");
    body = scope_ice_dup_body(ice);
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(body, "iceServers")), ==,
                     2);
    options.servers_json = "[{\"urls\":7}]";
    g_assert_null(scope_ice_new(&options, &error));
    g_assert_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_BAD_REQUEST);
}

/* Freed while the service has not answered: the answer finds nothing. */
static void
test_free_while_pending(void)
{
    ScopeIceOptions options = {.hf_token = "hf_x", .service_base = "http://127.0.0.1:9"};
    ScopeIce *ice = scope_ice_new(&options, NULL);

    g_assert_true(scope_ice_is_pending(ice));
    scope_ice_free(ice);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/ice/service", test_service);
    g_test_add_func("/server/ice/service-fails", test_service_fails);
    g_test_add_func("/server/ice/nothing-is-fetched", test_nothing_is_fetched);
    g_test_add_func("/server/ice/static-list", test_static_list);
    g_test_add_func("/server/ice/free-while-pending", test_free_while_pending);
    result = g_test_run();
    g_free(service_auth);
    return result;
}
