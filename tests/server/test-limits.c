/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads, files and clients that misbehave: each gets a clear answer, and nothing stays behind. */
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "server-fixture.h"

#define CLIENT_TIMEOUT_MS 600
#define MAX_CONNECTIONS   40
#define MAX_UPLOAD        (1024 * 1024)

static ServerFixture *f;

static void
change_options(ScopeServerOptions *options)
{
    options->client_timeout_ms = CLIENT_TIMEOUT_MS;
    options->max_connections = MAX_CONNECTIONS;
    options->max_upload_bytes = MAX_UPLOAD;
}

static Reply
upload(const char *name, gsize n_bytes)
{
    g_autofree char *path = g_strconcat("/api/v1/assets?filename=", name, NULL);
    SoupMessage *msg = server_fixture_message(f, "POST", path);
    char *data = g_malloc(n_bytes + 1);
    g_autoptr(GBytes) bytes = NULL;

    for (gsize i = 0; i < n_bytes; i++) {
        data[i] = (char)(i * 7);
    }
    bytes = g_bytes_new_take(data, n_bytes);
    soup_message_set_request_body_from_bytes(msg, "application/octet-stream", bytes);
    return server_fixture_send(f, msg);
}

/* Files below the assets folder, temporary ones included. */
static guint
count_files(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    guint n = 0;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        n += g_file_test(child, G_FILE_TEST_IS_DIR) ? count_files(child) : 1;
    }
    return n;
}

static guint
count_assets(void)
{
    g_autofree char *path = server_fixture_path(f, "assets");

    return count_files(path);
}

static void
test_upload_and_serve(void)
{
    g_auto(Reply) stored = upload("folder/a%20b.png", 700000);
    g_auto(Reply) list = server_fixture_request(f, "GET", "/api/v1/assets?type=image", NULL);
    g_auto(Reply) videos = server_fixture_request(f, "GET", "/api/v1/assets?type=video", NULL);
    g_auto(Reply) whole = server_fixture_request(f, "GET", "/api/v1/assets/folder/a%20b.png", NULL);
    g_auto(Reply) head = server_fixture_request(f, "HEAD", "/api/v1/assets/folder/a%20b.png", NULL);
    const char *data;
    gsize size = 0;

    g_assert_cmpuint(stored.status, ==, 200);
    g_assert_cmpstr(reply_string(&stored, "name"), ==, "a b");
    g_assert_cmpstr(reply_string(&stored, "folder"), ==, "folder");
    g_assert_cmpuint(json_array_get_length(
                         json_object_get_array_member(json_node_get_object(list.json), "assets")),
                     ==, 1);
    g_assert_cmpuint(json_array_get_length(
                         json_object_get_array_member(json_node_get_object(videos.json), "assets")),
                     ==, 0);
    data = g_bytes_get_data(whole.body, &size);
    g_assert_cmpuint(size, ==, 700000);
    for (gsize i = 0; i < size; i++) {
        g_assert_cmpint(data[i], ==, (char)(i * 7));
    }
    g_assert_cmpuint(g_bytes_get_size(head.body), ==, 0);
    g_assert_cmpint(
        soup_message_headers_get_content_length(soup_message_get_response_headers(head.msg)), ==,
        700000);
    g_assert_cmpuint(count_assets(), ==, 1);
}

static guint
get_range(const char *range, gsize *ret_size, char *ret_first)
{
    SoupMessage *msg = server_fixture_message(f, "GET", "/api/v1/assets/folder/a%20b.png");
    g_auto(Reply) reply = {0};
    const char *data;

    soup_message_headers_replace(soup_message_get_request_headers(msg), "Range", range);
    reply = server_fixture_send(f, msg);
    data = g_bytes_get_data(reply.body, ret_size);
    *ret_first = data ? *data : 0;
    return reply.status;
}

static void
test_ranges(void)
{
    gsize size = 0;
    char first = 0;

    g_assert_cmpuint(get_range("bytes=100-199", &size, &first), ==, 206);
    g_assert_cmpuint(size, ==, 100);
    g_assert_cmpint(first, ==, (char)(100 * 7));
    g_assert_cmpuint(get_range("bytes=699990-", &size, &first), ==, 206);
    g_assert_cmpuint(size, ==, 10);
    g_assert_cmpuint(get_range("bytes=-5", &size, &first), ==, 206);
    g_assert_cmpuint(size, ==, 5);
    g_assert_cmpuint(get_range("bytes=700000-", &size, &first), ==, 416);
    g_assert_cmpuint(get_range("bytes=5-1", &size, &first), ==, 200);
    g_assert_cmpuint(get_range("bytes=a-b", &size, &first), ==, 200);
}

static void
test_bad_names(void)
{
    static const char *const names[] = {"..%2Fx.png",  "%2Fetc%2Fx.png", "a%2F..%2F..%2Fx.png",
                                        ".hidden.png", "a%5Cb.png",      "a%0Ab.png"};
    g_autofree char *link = server_fixture_path(f, "assets/out.png");
    g_autofree char *overlong = g_strnfill(3000, 'a');
    g_autofree char *overlong_name = g_strconcat(overlong, ".png", NULL);
    guint before = count_assets();

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(Reply) reply = upload(names[i], 10);
        g_assert_cmpuint(reply.status, ==, 400);
        g_assert_cmpstr(reply_string(&reply, "detail"), ==, "Invalid filename");
    }
    g_auto(Reply) type = upload("x.exe", 10);
    g_assert_cmpuint(type.status, ==, 400);
    g_auto(Reply) lengthy = upload(overlong_name, 10);
    g_assert_cmpuint(lengthy.status, ==, 400);
    g_auto(Reply) none = server_fixture_request(f, "POST", "/api/v1/assets", "{}");
    g_assert_cmpuint(none.status, ==, 422);
    g_assert_cmpuint(count_assets(), ==, before);
    /* Reading is bound to the folder as well. */
    g_assert_cmpint(symlink("/etc/passwd", link), ==, 0);
    g_auto(Reply) linked = server_fixture_request(f, "GET", "/api/v1/assets/out.png", NULL);
    g_assert_cmpuint(linked.status, ==, 403);
    g_remove(link);
    g_auto(Reply) escaped =
        server_fixture_request(f, "GET", "/api/v1/assets/..%2F..%2Fdata%2Fx", NULL);
    g_assert_cmpuint(escaped.status, ==, 403);
    g_auto(Reply) absolute =
        server_fixture_request(f, "GET", "/api/v1/assets/%2Fetc%2Fpasswd", NULL);
    g_assert_cmpuint(absolute.status, ==, 404);
    g_auto(Reply) absent = server_fixture_request(f, "GET", "/api/v1/assets/none.png", NULL);
    g_assert_cmpuint(absent.status, ==, 404);
    g_assert_cmpstr(reply_string(&absent, "detail"), ==, "Asset not found");
}

static gboolean
has_one_file(gpointer data)
{
    return count_assets() == *(guint *)data;
}

static void
test_upload_over_limit(void)
{
    guint before = count_assets();
    g_auto(Reply) declared = upload("big.png", MAX_UPLOAD + 1);
    g_assert_cmpuint(declared.status, ==, 400);
    g_assert_cmpstr(reply_string(&declared, "detail"), ==, "File size exceeds maximum of 1MB");
    g_assert_true(server_fixture_wait(has_one_file, &before));
}

static void
test_upload_cut(void)
{
    guint before = count_assets();
    gboolean is_closed = FALSE;
    g_autoptr(GString) request =
        g_string_new("POST /api/v1/assets?filename=cut.png HTTP/1.1\r\nHost: localhost\r\n"
                     "Content-Length: 900000\r\n\r\n");
    g_autofree char *part = g_strnfill(800000, 'x');
    g_autofree char *answer = NULL;

    g_string_append(request, part);
    /* The client leaves in the middle of the body. */
    answer = server_fixture_raw(f, request->str, request->len, 0.2, &is_closed);
    g_assert_true(server_fixture_wait(has_one_file, &before));
    g_free(answer);
    /* The client stays, but sends nothing more: it is closed, and nothing is kept. */
    answer = server_fixture_raw(f, request->str, request->len, 10.0, &is_closed);
    g_assert_true(is_closed);
    g_assert_true(server_fixture_wait(has_one_file, &before));
}

/* A body that ends between two chunks looks complete, so none in chunks is taken. */
static void
test_upload_in_chunks(void)
{
    static const char head[] =
        "POST /api/v1/assets?filename=chunks.png HTTP/1.1\r\nHost: localhost\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n";
    guint before = count_assets();
    gboolean is_closed = FALSE;
    g_autofree char *whole = g_strconcat(head, "0\r\n\r\n", NULL);
    g_autofree char *cut = server_fixture_raw(f, head, strlen(head), 0.2, &is_closed);
    g_autofree char *answer = server_fixture_raw(f, whole, strlen(whole), 10.0, &is_closed);

    g_assert_null(strstr(cut, "HTTP/1.1 200"));
    g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 400"));
    g_assert_nonnull(strstr(answer, "Content-Length"));
    g_assert_true(server_fixture_wait(has_one_file, &before));
}

static void
assert_closed(const char *bytes, double at_least_s, double at_most_s)
{
    gboolean is_closed = FALSE;
    gint64 start_us = g_get_monotonic_time();
    char *answer = server_fixture_raw(f, bytes, strlen(bytes), at_most_s, &is_closed);
    double seconds = (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;

    g_free(answer);
    g_assert_true(is_closed);
    g_assert_cmpfloat(seconds, >=, at_least_s);
}

static void
test_slow_clients(void)
{
    /* Silent from the start, in the headers, in the body. */
    assert_closed("", 0.4, 5.0);
    assert_closed("GET /health HTT", 0.4, 5.0);
    assert_closed("GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", 0.4, 5.0);
    assert_closed("POST /api/v1/pipeline/load HTTP/1.1\r\nHost: localhost\r\n"
                  "Content-Length: 100\r\n\r\n{",
                  0.4, 5.0);
    g_auto(Reply) health = server_fixture_request(f, "GET", "/health", NULL);
    g_assert_cmpuint(health.status, ==, 200);
}

static void
test_malformed_requests(void)
{
    static const char *const requests[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "POST /api/v1/pipeline/load HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST /api/v1/pipeline/load HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        gboolean is_closed = FALSE;
        g_autofree char *answer =
            server_fixture_raw(f, requests[i], strlen(requests[i]), 5.0, &is_closed);
        g_test_message("%" G_GSIZE_FORMAT ": %.40s", i, answer);
        g_assert_true(is_closed);
        g_assert_false(g_str_has_prefix(answer, "HTTP/1.1 200"));
    }
    g_auto(Reply) health = server_fixture_request(f, "GET", "/health", NULL);
    g_assert_cmpuint(health.status, ==, 200);
}

/* Silent connections are counted, the surplus is closed at once, and all of them end in time. */
static void
test_too_many_connections(void)
{
    g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func(g_object_unref);
    g_autoptr(GSocketAddress) address =
        g_inet_socket_address_new_from_string("127.0.0.1", scope_server_get_port(f->server));
    guint n_closed = 0;
    gint64 until_us;

    for (guint i = 0; i < MAX_CONNECTIONS + 10; i++) {
        GSocket *socket =
            g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
        g_assert_true(g_socket_connect(socket, address, NULL, NULL));
        g_socket_set_blocking(socket, FALSE);
        g_ptr_array_add(sockets, socket);
    }
    until_us = g_get_monotonic_time() + 300000;
    while (g_get_monotonic_time() < until_us) {
        g_main_context_iteration(NULL, FALSE);
    }
    for (guint i = 0; i < sockets->len; i++) {
        char byte;
        n_closed += g_socket_receive(g_ptr_array_index(sockets, i), &byte, 1, NULL, NULL) == 0;
    }
    g_assert_cmpuint(n_closed, ==, 10);
    until_us = g_get_monotonic_time() + 4 * CLIENT_TIMEOUT_MS * 1000;
    while (g_get_monotonic_time() < until_us) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(2000);
    }
    g_auto(Reply) health = server_fixture_request(f, "GET", "/health", NULL);
    g_assert_cmpuint(health.status, ==, 200);
}

/* A client that asks for a file and does not read it. */
static void
test_client_that_does_not_read(void)
{
    static const char request[] =
        "GET /api/v1/assets/folder/large.png HTTP/1.1\r\nHost: localhost\r\n\r\n";
    g_autofree char *path = server_fixture_path(f, "assets/folder/large.png");
    g_autofree char *data = g_strnfill(8 * 1024 * 1024, 'x');
    g_autoptr(GSocketAddress) address =
        g_inet_socket_address_new_from_string("127.0.0.1", scope_server_get_port(f->server));
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    gint64 until_us;
    gsize n = 0;
    gssize got;
    char buffer[65536];

    g_assert_true(g_file_set_contents(path, data, 8 * 1024 * 1024, NULL));
    g_assert_true(g_socket_connect(socket, address, NULL, NULL));
    g_assert_cmpint(g_socket_send(socket, request, strlen(request), NULL, NULL), >, 0);
    until_us = g_get_monotonic_time() + 4 * CLIENT_TIMEOUT_MS * 1000;
    while (g_get_monotonic_time() < until_us) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(2000);
    }
    while ((got = g_socket_receive(socket, buffer, sizeof buffer, NULL, NULL)) > 0) {
        n += (gsize)got;
    }
    g_assert_cmpuint(n, <, 8 * 1024 * 1024);
    g_remove(path);
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    f = server_fixture_new(change_options);
    g_test_add_func("/server/limits/upload-and-serve", test_upload_and_serve);
    g_test_add_func("/server/limits/ranges", test_ranges);
    g_test_add_func("/server/limits/bad-names", test_bad_names);
    g_test_add_func("/server/limits/upload-over-limit", test_upload_over_limit);
    g_test_add_func("/server/limits/upload-cut", test_upload_cut);
    g_test_add_func("/server/limits/upload-in-chunks", test_upload_in_chunks);
    g_test_add_func("/server/limits/slow-clients", test_slow_clients);
    g_test_add_func("/server/limits/malformed-requests", test_malformed_requests);
    g_test_add_func("/server/limits/too-many-connections", test_too_many_connections);
    g_test_add_func("/server/limits/client-that-does-not-read", test_client_that_does_not_read);
    result = g_test_run();
    server_fixture_free(f);
    return result;
}
