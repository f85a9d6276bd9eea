/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation of the interface that works without a model, and what the front refuses. */
#include "server-fixture.h"

#include <string.h>

#include <glib/gstdio.h>

#include "contract-check.h"
#include "core/scope-json.h"
#include "server/scope-routes.h"

static ServerFixture *f;

static void
assert_reply(const char *method, const char *path, const char *body, guint status)
{
    g_auto(Reply) reply = server_fixture_request(f, method, path, body);

    if (reply.status != status) {
        g_autofree char *text = reply_text(&reply);
        g_test_message("%s %s: %u instead of %u: %.300s", method, path, reply.status, status, text);
    }
    g_assert_cmpuint(reply.status, ==, status);
}

static void
assert_detail(const char *method, const char *path, const char *body, guint status,
              const char *detail)
{
    g_auto(Reply) reply = server_fixture_request(f, method, path, body);

    g_assert_cmpuint(reply.status, ==, status);
    g_assert_cmpstr(reply_string(&reply, "detail"), ==, detail);
}

static void
test_health(void)
{
    g_auto(Reply) first = server_fixture_request(f, "GET", "/health?_t=1", NULL);
    g_auto(Reply) second = server_fixture_request(f, "GET", "/api/v1/health", NULL);
    g_auto(Reply) head = server_fixture_request(f, "HEAD", "/health", NULL);
    JsonObject *a = json_node_get_object(first.json);
    JsonObject *b = json_node_get_object(second.json);

    g_assert_cmpstr(reply_string(&first, "status"), ==, "healthy");
    g_assert_cmpfloat(json_object_get_double_member(a, "server_start_time"), ==,
                      json_object_get_double_member(b, "server_start_time"));
    g_assert_cmpuint(head.status, ==, 200);
    g_assert_cmpuint(g_bytes_get_size(head.body), ==, 0);
}

static void
test_simple_operations(void)
{
    static const char *const gets[] = {
        "/",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/pipelines",
        "/api/v1/hardware/info",
        "/api/v1/pipelines/schemas",
        "/api/v1/pipeline/status",
        "/api/v1/nodes/definitions",
        "/api/v1/webrtc/ice-servers",
        "/api/v1/models/status?pipeline_id=passthrough",
        "/api/v1/models/status",
        "/api/v1/lora/list",
        "/api/v1/loras",
        "/api/v1/assets",
        "/api/v1/plugins",
        "/api/v1/input-sources",
        "/api/v1/session/parameters",
        "/api/v1/session/metrics",
        "/api/v1/osc/status",
        "/api/v1/dmx/status",
        "/api/v1/dmx/config",
        "/api/v1/tempo/status",
        "/api/v1/tempo/sources",
        "/api/v1/keys",
        "/api/v1/logs/tail",
        "/api/v1/onboarding/status",
        "/api/v1/cloud/status",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(gets); i++) {
        assert_reply("GET", gets[i], NULL, 200);
    }
    assert_reply("GET", "/redoc", NULL, 307);
    assert_reply("POST", "/api/v1/cloud/connect", NULL, 400);
    assert_reply("POST", "/api/v1/cloud/disconnect", NULL, 200);
    assert_reply("POST", "/api/v1/models/download", "{'pipeline_id':'passthrough'}", 200);
    assert_reply("POST", "/api/v1/models/download", "{'pipeline_id':''}", 400);
    assert_reply("POST", "/api/v1/models/download", "{}", 422);
    assert_reply("DELETE", "/api/v1/models/download", NULL, 400);
    assert_reply("DELETE", "/api/v1/models/download?pipeline_id=passthrough", NULL, 404);
    assert_reply("GET", "/api/v1/input-sources/ndi/sources", NULL, 400);
    assert_reply("GET", "/api/v1/input-sources/none/sources", NULL, 404);
    assert_reply("DELETE", "/api/v1/webrtc/offer/unknown", NULL, 204);
    assert_reply("GET", "/api/v1/logs/tail?lines=0", NULL, 422);
    assert_reply("GET", "/api/v1/logs/tail?since_offset=x", NULL, 422);
}

/* The document and the table describe the same operations, and what comes later answers 501. */
static void
test_document_equals_table(void)
{
    JsonObject *paths = scope_json_object_get_object(contract_get_document(), "paths");
    g_autoptr(GHashTable) documented = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gsize n_routes = 0;
    const ScopeRoute *routes = scope_routes_get(&n_routes);
    JsonObjectIter path_iter;
    const char *path;
    JsonNode *node;

    json_object_iter_init(&path_iter, paths);
    while (json_object_iter_next(&path_iter, &path, &node)) {
        JsonObjectIter iter;
        const char *method;
        JsonNode *operation;
        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &method, &operation)) {
            g_autofree char *upper = g_ascii_strup(method, -1);
            g_hash_table_insert(documented, g_strdup_printf("%s %s", upper, path),
                                json_node_get_object(operation));
        }
    }
    g_assert_cmpuint(g_hash_table_size(documented), ==, n_routes);
    for (gsize i = 0; i < n_routes; i++) {
        g_auto(GStrv) parts = g_strsplit(routes[i].path, "*}", -1);
        g_autofree char *plain = g_strjoinv("}", parts);
        g_autofree char *key = g_strdup_printf("%s %s", routes[i].method, plain);
        JsonObject *operation = g_hash_table_lookup(documented, key);
        g_test_message("%s", key);
        g_assert_nonnull(operation);
        g_assert_cmpstr(scope_json_object_get_string(operation, "x-state"), ==,
                        routes[i].handler ? "works" : "later");
        g_assert_cmpint(scope_json_object_get_int(operation, "x-tier", 0), ==, routes[i].tier);
        g_assert_cmpstr(scope_json_object_get_string(operation, "summary"), ==, routes[i].summary);
    }
}

/* docs/http.md has a line for every operation, with its state. */
static void
test_page_equals_table(void)
{
    g_autofree char *text = NULL;
    gsize n_routes = 0;
    const ScopeRoute *routes = scope_routes_get(&n_routes);
    guint n_lines = 0;

    g_assert_true(g_file_get_contents(SCOPE_DOCS_DIR "/http.md", &text, NULL, NULL));
    for (gsize i = 0; i < n_routes; i++) {
        g_auto(GStrv) parts = g_strsplit(routes[i].path, "*}", -1);
        g_autofree char *plain = g_strjoinv("}", parts);
        g_autofree char *line = g_strdup_printf(
            "\n| %s | `%s` | %u | %s | %s |\n", routes[i].method, plain, routes[i].tier,
            routes[i].handler ? "works" : "later: 501", routes[i].summary);
        if (!strstr(text, line)) {
            g_test_message("docs/http.md lacks: %s", line);
        }
        g_assert_nonnull(strstr(text, line));
    }
    for (const char *at = strstr(text, "## Operations"); (at = strstr(at + 1, "\n| ")) != NULL;) {
        n_lines++;
    }
    g_assert_cmpuint(n_lines, ==, n_routes + 2); /* and the head of the table */
}

static void
test_later_operations(void)
{
    assert_reply("POST", "/api/v1/session/stop", NULL, 501);
    assert_reply("GET", "/api/v1/recordings/abc", NULL, 501);
    assert_reply("DELETE", "/api/v1/plugins/abc", NULL, 501);
    assert_reply("PUT", "/api/v1/lora/a/b.safetensors/provenance", "{}", 501);
}

static void
test_routing(void)
{
    assert_detail("GET", "/api/v1/unknown", NULL, 404, "Not Found");
    assert_detail("POST", "/nowhere", "{}", 404, "Not Found");
    assert_detail("GET", "/api/v1/pipeline/load", NULL, 405, "Method Not Allowed");
    assert_detail("POST", "/health", "{}", 405, "Method Not Allowed");
    assert_detail("GET", "/some/page", NULL, 404, "Frontend not built");
    assert_reply("OPTIONS", "/api/v1/pipeline/load", NULL, 200);
}

static Reply
send_with_header(const char *path, const char *name, const char *value)
{
    SoupMessage *msg = server_fixture_message(f, "GET", path);

    soup_message_headers_replace(soup_message_get_request_headers(msg), name, value);
    return server_fixture_send(f, msg);
}

static void
test_host_and_origin(void)
{
    static const char *const good_hosts[] = {"localhost", "127.0.0.1:1", "[::1]:80", "10.1.2.3",
                                             "app.localhost:99"};
    static const char *const bad_hosts[] = {"evil.example", "localhost.evil.example", "a@localhost",
                                            "127.0.0.1.evil.example:80"};
    static const char *const bad_origins[] = {"http://evil.example", "null", "file://",
                                              "http://localhost.evil.example",
                                              "https://127.0.0.1.evil.example"};

    for (gsize i = 0; i < G_N_ELEMENTS(good_hosts); i++) {
        g_auto(Reply) reply = send_with_header("/health", "Host", good_hosts[i]);
        g_assert_cmpuint(reply.status, ==, 200);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad_hosts); i++) {
        g_auto(Reply) reply = send_with_header("/health", "Host", bad_hosts[i]);
        g_assert_cmpuint(reply.status, ==, 403);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad_origins); i++) {
        g_auto(Reply) reply = send_with_header("/health", "Origin", bad_origins[i]);
        g_assert_cmpuint(reply.status, ==, 403);
        g_assert_null(soup_message_headers_get_one(soup_message_get_response_headers(reply.msg),
                                                   "Access-Control-Allow-Origin"));
    }
    g_auto(Reply) reply = send_with_header("/health", "Origin", "http://localhost:5173");
    g_assert_cmpuint(reply.status, ==, 200);
    g_assert_cmpstr(soup_message_headers_get_one(soup_message_get_response_headers(reply.msg),
                                                 "Access-Control-Allow-Origin"),
                    ==, "http://localhost:5173");
}

static void
test_bad_json(void)
{
    g_autoptr(GString) deep = g_string_new("{'a':");
    g_autoptr(GString) giant = g_string_new("{'a':'");

    for (guint i = 0; i < 100000; i++) {
        g_string_append_c(deep, '[');
    }
    g_string_append_c(deep, '}');
    for (guint i = 0; i < 3 * 1024 * 1024; i++) {
        g_string_append_c(giant, 'x');
    }
    g_string_append(giant, "'}");
    assert_reply("POST", "/api/v1/pipeline/load", "", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "{", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "[]", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "7", 422);
    assert_reply("POST", "/api/v1/pipeline/load", deep->str, 422);
    assert_reply("POST", "/api/v1/pipeline/load", giant->str, 413);
    assert_reply("POST", "/api/v1/pipeline/load", "{}", 400);
    assert_reply("POST", "/api/v1/pipeline/load", "{'pipeline_ids':'x'}", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "{'pipeline_ids':[1]}", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "{'pipelines':[{'node_id':'a'}]}", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "{'pipelines':[[]]}", 422);
    assert_reply("POST", "/api/v1/pipeline/load", "{'pipeline_ids':['gray','gray']}", 422);
    assert_reply("POST", "/api/v1/webrtc/offer", "{'sdp':'x'}", 422);
    assert_reply("POST", "/api/v1/webrtc/offer", "{'sdp':'x','type':'answer'}", 422);
    assert_reply("PATCH", "/api/v1/webrtc/offer/x", "{'candidates':[{}, 5]}", 422);
    assert_reply("PATCH", "/api/v1/webrtc/offer/x", "{'candidates':[]}", 404);
    assert_reply("POST", "/api/v1/session/parameters", "{}", 400);
    assert_reply("POST", "/api/v1/session/parameters", "{'noise_scale':2}", 422);
    assert_reply("POST", "/api/v1/session/parameters", "{'prompts':7}", 422);
    assert_reply("POST", "/api/v1/session/parameters", "{'anything':7}", 200);
}

static void
test_settings(void)
{
    g_autofree char *token = server_fixture_path(f, "data/civitai_token");
    g_autofree char *text = NULL;
    GStatBuf info;

    assert_reply("PUT", "/api/v1/keys/civitai", "{'value':'abc'}", 200);
    g_assert_cmpint(g_stat(token, &info), ==, 0);
    g_assert_cmpuint(info.st_mode & 0777, ==, 0600);
    g_assert_true(g_file_get_contents(token, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "abc");
    assert_reply("DELETE", "/api/v1/keys/civitai", NULL, 200);
    assert_reply("DELETE", "/api/v1/keys/civitai", NULL, 404);
    assert_reply("PUT", "/api/v1/keys/civitai", "{'value':''}", 422);
    assert_reply("PUT", "/api/v1/keys/other", "{'value':'a'}", 404);
    assert_reply("PUT", "/api/v1/onboarding/status", "{'completed':true,'use_case':'art'}", 200);
    assert_reply("PUT", "/api/v1/onboarding/status", "{'inference_mode':'local'}", 200);
    assert_reply("PUT", "/api/v1/onboarding/status", "{'completed':3}", 422);
    g_auto(Reply) reply = server_fixture_request(f, "GET", "/api/v1/onboarding/status", NULL);
    g_assert_cmpstr(reply_string(&reply, "use_case"), ==, "art");
    g_assert_cmpstr(reply_string(&reply, "inference_mode"), ==, "local");
    g_assert_true(json_object_get_boolean_member(json_node_get_object(reply.json), "completed"));
}

static void
test_loras(void)
{
    g_autofree char *file = server_fixture_path(f, "lora/sub/style.safetensors");
    g_autofree char *folder = g_path_get_dirname(file);
    g_autofree char *share = server_fixture_path(f, "share");
    g_autofree char *bundled = server_fixture_path(f, "share/lora/came.safetensors");
    g_autofree char *hidden = server_fixture_path(f, "share/lora/style.safetensors");
    g_autofree char *bundled_folder = g_path_get_dirname(bundled);
    JsonArray *list;

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    g_assert_cmpint(g_mkdir_with_parents(bundled_folder, 0755), ==, 0);
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_assert_true(g_file_set_contents(bundled, "x", 1, NULL));
    g_assert_true(g_file_set_contents(hidden, "x", 1, NULL));
    f->host.share_dir = share;
    g_auto(Reply) reply = server_fixture_request(f, "GET", "/api/v1/lora/list", NULL);
    list = json_object_get_array_member(json_node_get_object(reply.json), "lora_files");
    f->host.share_dir = NULL;
    g_assert_cmpuint(json_array_get_length(list), ==, 2);
    /* what came with the program, but for what has the name of a file of the user's */
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(list, 0), "path"),
                    ==, bundled);
    g_assert_true(
        json_object_get_boolean_member(json_array_get_object_element(list, 0), "read_only"));
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(list, 1), "name"),
                    ==, "style");
    g_assert_cmpstr(json_object_get_string_member(json_array_get_object_element(list, 1), "folder"),
                    ==, "sub");
}

static void
set_token(ScopeServerOptions *options)
{
    options->auth_token = "s3cret token";
}

static guint
get_status(ServerFixture *other, const char *path, const char *name, const char *value)
{
    SoupMessage *msg = server_fixture_message(other, "GET", path);
    g_auto(Reply) reply = {0};

    if (name) {
        soup_message_headers_replace(soup_message_get_request_headers(msg), name, value);
    }
    reply = server_fixture_send(other, msg);
    return reply.status;
}

static void
test_token(void)
{
    ServerFixture *other = server_fixture_new(set_token);
    const char *cookie;

    g_assert_cmpuint(get_status(other, "/health", NULL, NULL), ==, 200);
    g_assert_cmpuint(get_status(other, "/api/v1/keys", NULL, NULL), ==, 401);
    g_assert_cmpuint(get_status(other, "/", NULL, NULL), ==, 401);
    g_assert_cmpuint(get_status(other, "/metrics", NULL, NULL), ==, 401);
    g_assert_cmpuint(get_status(other, "/api/v1/keys", "Authorization", "Bearer wrong"), ==, 401);
    g_assert_cmpuint(get_status(other, "/api/v1/keys", "Authorization", "Bearer s3cret token"), ==,
                     200);
    g_auto(Reply) page = server_fixture_request(other, "GET", "/?token=s3cret%20token", NULL);
    g_assert_cmpuint(page.status, ==, 200);
    cookie =
        soup_message_headers_get_one(soup_message_get_response_headers(page.msg), "Set-Cookie");
    g_assert_nonnull(strstr(cookie, "HttpOnly"));
    g_assert_cmpuint(get_status(other, "/api/v1/keys", "Cookie", "scope_token=s3cret%20token"), ==,
                     200);
    g_assert_cmpuint(get_status(other, "/api/v1/keys", "Cookie", "scope_token=x"), ==, 401);
    server_fixture_free(other);
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    f = server_fixture_new(NULL);
    g_test_add_func("/server/http/health", test_health);
    g_test_add_func("/server/http/simple-operations", test_simple_operations);
    g_test_add_func("/server/http/document-equals-table", test_document_equals_table);
    g_test_add_func("/server/http/page-equals-table", test_page_equals_table);
    g_test_add_func("/server/http/later-operations", test_later_operations);
    g_test_add_func("/server/http/routing", test_routing);
    g_test_add_func("/server/http/host-and-origin", test_host_and_origin);
    g_test_add_func("/server/http/bad-json", test_bad_json);
    g_test_add_func("/server/http/settings", test_settings);
    g_test_add_func("/server/http/loras", test_loras);
    g_test_add_func("/server/http/token", test_token);
    result = g_test_run();
    server_fixture_free(f);
    return result;
}
