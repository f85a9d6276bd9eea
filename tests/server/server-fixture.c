/* SPDX-License-Identifier: Apache-2.0 */
/* The server under test and its client. */
#include "server-fixture.h"

#include <string.h>

#include <glib/gstdio.h>

#include "contract-check.h"
#include "core/scope-host.h"
#include "core/scope-json.h"
#include "fake-pipelines.h"
#include "gate-pipeline.h"
#include "media/scope-media.h"
#include "pipelines/scope-builtin.h"

/* -- the server -- */

char *
server_fixture_path(ServerFixture *f, const char *relative)
{
    return g_build_filename(f->folder, relative, NULL);
}

static void
fill_options(ServerFixture *f, ScopeServerOptions *options)
{
    static const char *const names[] = {"data", "models", "lora", "assets", "logs"};
    const char **targets[] = {&options->data_dir, &options->models_dir, &options->lora_dir,
                              &options->assets_dir, &options->logs_dir};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = server_fixture_path(f, names[i]);
        *targets[i] = g_intern_string(path);
    }
    options->port = 0;
    options->ice_address = "127.0.0.1";
    options->registry = f->registry;
    options->services = &f->host;
}

ServerFixture *
server_fixture_new(void (*change)(ScopeServerOptions *options))
{
    ServerFixture *f = g_new0(ServerFixture, 1);
    ScopeServerOptions options = SCOPE_SERVER_OPTIONS_INIT;
    g_autoptr(ScopePipelineInfo) fake = fake_info_new("fake");
    g_autoptr(ScopePipelineInfo) fail = fake_info_new("fake-fail-load");
    g_autoptr(GError) error = NULL;

    scope_media_init(&error);
    g_assert_no_error(error);
    f->folder = g_dir_make_tmp("scope-server-XXXXXX", &error);
    g_assert_no_error(error);
    f->registry = scope_registry_new();
    scope_host_init(&f->host, f->folder);
    g_assert_true(scope_builtin_register_all(f->registry, &error));
    g_assert_true(scope_registry_register(f->registry, gate_get_desc(), NULL, &error));
    g_assert_no_error(error);
    scope_registry_add(f->registry, fake);
    scope_registry_add(f->registry, fail);
    fill_options(f, &options);
    if (change) {
        change(&options);
    }
    f->server = scope_server_new(&options);
    g_assert_true(scope_server_start(f->server, &error));
    g_assert_no_error(error);
    f->base = g_strdup_printf("http://127.0.0.1:%u", scope_server_get_port(f->server));
    f->client = soup_session_new_with_options("timeout", SERVER_FIXTURE_WAIT_S, NULL);
    return f;
}

static void
on_stopped(gpointer user_data)
{
    *(gboolean *)user_data = TRUE;
}

static gboolean
is_true(gpointer data)
{
    return *(gboolean *)data;
}

void
server_fixture_stop(ServerFixture *f)
{
    gint64 start_us = g_get_monotonic_time();

    scope_server_stop(f->server, on_stopped, &f->is_stopped);
    g_assert_true(server_fixture_wait(is_true, &f->is_stopped));
    g_assert_cmpint(g_get_monotonic_time() - start_us, <, 3500000);
}

static void
remove_tree(const char *path)
{
    GDir *dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_remove(path);
}

static gboolean
has_no_context_work(gpointer data)
{
    return !g_main_context_pending(NULL);
}

void
server_fixture_free(ServerFixture *f)
{
    soup_session_abort(f->client);
    g_object_unref(f->client);
    if (!f->is_stopped) {
        server_fixture_stop(f);
    }
    scope_server_unref(f->server);
    server_fixture_wait(has_no_context_work, NULL);
    scope_registry_free(f->registry);
    remove_tree(f->folder);
    g_free(f->folder);
    g_free(f->base);
    g_free(f);
    scope_media_shut_down();
}

static gboolean
on_tick(gpointer user_data)
{
    return G_SOURCE_CONTINUE;
}

gboolean
server_fixture_wait(gboolean (*condition)(gpointer data), gpointer data)
{
    gint64 deadline_us = g_get_monotonic_time() + SERVER_FIXTURE_WAIT_S * G_USEC_PER_SEC;
    guint tick = g_timeout_add(5, on_tick, NULL);
    gboolean is_met;

    while (!(is_met = condition(data)) && g_get_monotonic_time() < deadline_us) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
    return is_met;
}

/* -- requests -- */

typedef struct {
    gboolean is_done;
    GBytes *bytes;
    GError *error;
} Exchange;

static void
on_sent(GObject *source, GAsyncResult *result, gpointer user_data)
{
    Exchange *exchange = user_data;

    exchange->bytes =
        soup_session_send_and_read_finish(SOUP_SESSION(source), result, &exchange->error);
    exchange->is_done = TRUE;
}

SoupMessage *
server_fixture_message(ServerFixture *f, const char *method, const char *path)
{
    g_autofree char *url = g_strconcat(f->base, path, NULL);
    g_autoptr(GUri) uri = g_uri_parse(url, SOUP_HTTP_URI_FLAGS | G_URI_FLAGS_PARSE_RELAXED, NULL);

    g_assert_nonnull(uri);
    return soup_message_new_from_uri(method, uri);
}

Reply
server_fixture_send(ServerFixture *f, SoupMessage *msg)
{
    Exchange exchange = {0};
    Reply reply = {.msg = msg};
    const char *type;
    g_autofree char *problem = NULL;

    soup_message_add_flags(msg, SOUP_MESSAGE_NO_REDIRECT);
    soup_session_send_and_read_async(f->client, msg, G_PRIORITY_DEFAULT, NULL, on_sent, &exchange);
    server_fixture_wait(is_true, &exchange.is_done);
    g_assert_true(exchange.is_done);
    g_assert_no_error(exchange.error);
    reply.status = soup_message_get_status(msg);
    reply.body = exchange.bytes;
    type = soup_message_headers_get_content_type(soup_message_get_response_headers(msg), NULL);
    if (g_strcmp0(type, "application/json") == 0 && g_bytes_get_size(reply.body) > 0) {
        reply.json = scope_json_parse(g_bytes_get_data(reply.body, NULL),
                                      (gssize)g_bytes_get_size(reply.body), 0, NULL);
        g_assert_nonnull(reply.json);
    }
    if (strcmp(soup_message_get_method(msg), "HEAD") != 0) {
        problem = contract_check_reply(soup_message_get_method(msg),
                                       g_uri_get_path(soup_message_get_uri(msg)), reply.status,
                                       reply.json);
    }
    if (problem) {
        g_test_message("%s", problem);
    }
    g_assert_null(problem);
    return reply;
}

Reply
server_fixture_request(ServerFixture *f, const char *method, const char *path, const char *body)
{
    SoupMessage *msg = server_fixture_message(f, method, path);

    if (body) {
        g_autofree char *json = g_strdelimit(g_strdup(body), "'", '"');
        g_autoptr(GBytes) bytes = g_bytes_new(json, strlen(json));
        soup_message_set_request_body_from_bytes(msg, "application/json", bytes);
    }
    return server_fixture_send(f, msg);
}

char *
server_fixture_raw(ServerFixture *f, const char *bytes, gsize n_bytes, double seconds,
                   gboolean *ret_is_closed)
{
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_autoptr(GSocketAddress) address =
        g_inet_socket_address_new_from_string("127.0.0.1", scope_server_get_port(f->server));
    gint64 deadline_us = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);
    GString *text = g_string_new(NULL);
    guint tick = g_timeout_add(5, on_tick, NULL);
    gsize sent = 0;

    g_assert_true(g_socket_connect(socket, address, NULL, NULL));
    g_socket_set_blocking(socket, FALSE);
    *ret_is_closed = FALSE;
    while (!*ret_is_closed && g_get_monotonic_time() < deadline_us) {
        char buffer[4096];
        gssize n;
        if (sent < n_bytes) {
            n = g_socket_send(socket, bytes + sent, n_bytes - sent, NULL, NULL);
            sent += n > 0 ? (gsize)n : 0;
        }
        do {
            g_autoptr(GError) error = NULL;
            n = g_socket_receive(socket, buffer, sizeof buffer, NULL, &error);
            if (n > 0) {
                g_string_append_len(text, buffer, n);
            } else if (n == 0 || !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
                *ret_is_closed = TRUE;
            }
        } while (n > 0);
        g_main_context_iteration(NULL, sent == n_bytes);
    }
    g_source_remove(tick);
    return g_string_free(text, FALSE);
}

static gboolean
is_not_loading(gpointer data)
{
    ServerFixture *f = data;
    g_auto(Reply) reply = server_fixture_request(f, "GET", "/metrics", NULL);
    g_autofree char *text = reply_text(&reply);

    return strstr(text, "scope_pipelines_loading 0\n") != NULL;
}

Reply
server_fixture_load(ServerFixture *f, const char *body)
{
    g_auto(Reply) reply = server_fixture_request(f, "POST", "/api/v1/pipeline/load", body);

    g_assert_cmpuint(reply.status, ==, 200);
    g_assert_true(server_fixture_wait(is_not_loading, f));
    return server_fixture_request(f, "GET", "/api/v1/pipeline/status", NULL);
}

void
reply_clear(Reply *reply)
{
    g_clear_pointer(&reply->body, g_bytes_unref);
    g_clear_pointer(&reply->json, json_node_unref);
    g_clear_object(&reply->msg);
}

const char *
reply_string(const Reply *reply, const char *member)
{
    return reply->json && JSON_NODE_HOLDS_OBJECT(reply->json)
               ? scope_json_object_get_string(json_node_get_object(reply->json), member)
               : NULL;
}

char *
reply_text(const Reply *reply)
{
    gsize size = 0;
    const char *data = g_bytes_get_data(reply->body, &size);

    return g_strndup(data ? data : "", size);
}
