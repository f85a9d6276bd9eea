/* SPDX-License-Identifier: Apache-2.0 */
/* The stand-in hub; see hub-stand-in.h. One thread per connection, state under one lock. */
#include "hub-stand-in.h"

#include <stdio.h>
#include <string.h>

#include "core/scope-lock.h"
#include "core/scope-thread.h"

#define PAGE_ENTRIES 2

typedef struct {
    char *repo_id;
    char *path;
    gsize n_bytes;
    GBytes *bytes; /* (nullable) */
    gint64 announced;
    gboolean is_large;
    HubFault fault;
    guint n_faults;
    guint status;
    guint n_requests;
    gsize n_sent;
} File;

struct _HubStandIn {
    GSocketService *service;
    GMainContext *context; /* accepts connections */
    GMainLoop *loop;
    ScopeThread *thread;
    GCancellable *ended;
    char *url;
    char *token;
    ScopeLock lock;
    GPtrArray *files;
    guint n_listing_faults;
    guint listing_status;
};

void
hub_stand_in_fill(guint8 *bytes, gsize n_bytes)
{
    for (gsize i = 0; i < n_bytes; i++)
        bytes[i] = (guint8)(i * 131 + (i >> 8) * 7);
}

static void
file_free(gpointer data)
{
    File *file = data;
    g_free(file->repo_id);
    g_free(file->path);
    g_clear_pointer(&file->bytes, g_bytes_unref);
    g_free(file);
}

/* ---- replies ------------------------------------------------------------------------------- */

static void
send_text(GOutputStream *out, guint status, const char *headers, const char *body)
{
    g_autofree char *reply =
        g_strdup_printf("HTTP/1.1 %u X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s",
                        status, strlen(body), headers, body);
    g_output_stream_write_all(out, reply, strlen(reply), NULL, NULL, NULL);
}

static char *
checksum_of(gsize n_bytes)
{
    g_autofree guint8 *bytes = g_malloc(n_bytes + 1);
    hub_stand_in_fill(bytes, n_bytes);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, n_bytes);
}

/* A page of the listing, with a `next` link when there is more. */
static void
send_tree(HubStandIn *hub, GOutputStream *out, const char *repo_id, guint page)
{
    g_autoptr(GString) body = g_string_new("[");
    g_autofree char *link = g_strdup("");
    guint index = 0;

    SCOPE_LOCK_GUARD(&hub->lock);
    if (hub->n_listing_faults > 0) {
        hub->n_listing_faults--;
        send_text(out, hub->listing_status, "", "no");
        return;
    }
    for (guint i = 0; i < hub->files->len; i++) {
        const File *file = hub->files->pdata[i];
        if (strcmp(file->repo_id, repo_id) != 0)
            continue;
        const guint entry = index++;
        if (entry / PAGE_ENTRIES > page) {
            g_free(link);
            link = g_strdup_printf(
                "Link: <%s/api/models/%s/tree/main?recursive=true&cursor=%u>; rel=\"next\"\r\n",
                hub->url, repo_id, page + 1);
            break;
        }
        if (entry / PAGE_ENTRIES < page)
            continue;
        g_autofree char *checksum = checksum_of(file->n_bytes);
        g_string_append_printf(body,
                               "%s{\"type\":\"file\",\"path\":\"%s\",\"size\":%" G_GINT64_FORMAT,
                               body->len > 1 ? "," : "", file->path, file->announced);
        if (file->is_large)
            g_string_append_printf(body, ",\"lfs\":{\"oid\":\"%s\",\"size\":%" G_GINT64_FORMAT "}",
                                   checksum, file->announced);
        g_string_append(body, "}");
    }
    g_string_append(body, "]");
    send_text(out, index ? 200 : 404, link, body->str);
}

/* Takes one fault of @file and counts the request. */
static HubFault
begin_delivery(HubStandIn *hub, File *file)
{
    SCOPE_LOCK_GUARD(&hub->lock);
    file->n_requests++;
    if (file->n_faults == 0)
        return HUB_FAULT_NONE;
    file->n_faults--;
    return file->fault;
}

static void
send_file(HubStandIn *hub, GOutputStream *out, File *file, gsize start)
{
    const HubFault fault = begin_delivery(hub, file);
    g_autofree guint8 *bytes = g_malloc(file->n_bytes + 1);
    gsize n_bytes, n_sent = 0;

    if (fault == HUB_FAULT_STATUS) {
        send_text(out, file->status, "", "no");
        return;
    }
    if (fault == HUB_FAULT_IGNORE_RANGE)
        start = 0;
    if (start > 0 && start >= file->n_bytes) {
        send_text(out, 416, "", "");
        return;
    }
    if (file->bytes)
        memcpy(bytes, g_bytes_get_data(file->bytes, NULL), file->n_bytes);
    else
        hub_stand_in_fill(bytes, file->n_bytes);
    if (fault == HUB_FAULT_DAMAGE)
        bytes[file->n_bytes - 1] ^= 0xff;
    n_bytes = file->n_bytes - start;
    g_autofree char *head =
        g_strdup_printf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n"
                        "Content-Range: bytes %zu-%zu/%zu\r\n\r\n",
                        start > 0 ? 206 : 200, n_bytes, start, file->n_bytes - 1, file->n_bytes);
    g_output_stream_write_all(out, head, strlen(head), NULL, NULL, NULL);
    if (fault == HUB_FAULT_CUT || fault == HUB_FAULT_STALL)
        n_bytes /= 2;
    g_output_stream_write_all(out, bytes + start, n_bytes, &n_sent, NULL, NULL);
    if (fault == HUB_FAULT_STALL) {
        GPollFD poll = {.fd = g_cancellable_get_fd(hub->ended), .events = G_IO_IN};
        g_poll(&poll, 1, 20000);
        g_cancellable_release_fd(hub->ended);
    }
    SCOPE_LOCK_GUARD(&hub->lock);
    file->n_sent += n_sent;
}

/* ---- requests ------------------------------------------------------------------------------ */

static File *
find_file(HubStandIn *hub, const char *path)
{
    SCOPE_LOCK_GUARD(&hub->lock);
    for (guint i = 0; i < hub->files->len; i++) {
        File *file = hub->files->pdata[i];
        if (!strcmp(file->path, path))
            return file;
    }
    return NULL;
}

/* As Google Drive does it: pages with status 200, and a form whose uuid opens the way. */
static void
send_drive(HubStandIn *hub, GOutputStream *out, File *file, const char *target, gsize start)
{
    const char *html = "Content-Type: text/html; charset=utf-8\r\n";
    g_autofree char *login = g_strdup_printf("Location: %s/ServiceLogin?x=1\r\n", hub->url);
    g_autofree char *form = g_strdup_printf(
        "<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head><body>"
        "<p>%s is too large for Google to scan for viruses.</p>"
        "<form id=\"download-form\" action=\"%s/download\" method=\"get\">"
        "<input type=\"submit\" id=\"uc-download-link\" value=\"Download anyway\"/>"
        "<input type=\"hidden\" name=\"id\" value=\"%s\">"
        "<input type=\"hidden\" name=\"export\" value=\"download\">"
        "<input type=\"hidden\" name=\"confirm\" value=\"t\">"
        "<input type=\"hidden\" name=\"uuid\" value=\"8a7b&amp;c\"></form></body></html>",
        file->path, hub->url, file->path);

    if (file->fault == HUB_FAULT_CONFIRM && !strstr(target, "uuid=8a7b%26c"))
        send_text(out, 200, html, form);
    else if (file->fault == HUB_FAULT_LOGIN)
        send_text(out, 302, login, "");
    else if (file->fault == HUB_FAULT_QUOTA)
        send_text(out, 200, html,
                  "<html><head><title>Google Drive - Quota exceeded</title></head><body>"
                  "Sorry, you can&#39;t view or download this file at this time.</body></html>");
    else
        send_file(hub, out, file, start);
}

/*
 * Answers /api/models/<owner>/<name>/tree/main, /<owner>/<name>/resolve/main/<path>, which
 * redirects to /cdn/<path> on another name of this host, and Google Drive's /download?id=, which
 * never sees the token.
 */
static void
answer(HubStandIn *hub, GOutputStream *out, const char *target, const char *authorization,
       gsize start)
{
    g_autofree char *wanted = hub->token ? g_strconcat("Bearer ", hub->token, NULL) : NULL;
    const char *resolve = strstr(target, "/resolve/main/");

    if (g_str_has_prefix(target, "/cdn/") || g_str_has_prefix(target, "/download?id=")) {
        g_autofree char *path = g_strdup(strchr(target + 1, target[1] == 'c' ? '/' : '=') + 1);
        path[strcspn(path, "&")] = '\0';
        File *file = find_file(hub, path);
        if (!file || authorization)
            send_text(out, file ? 400 : 404, "", "the token reached another host");
        else if (target[1] == 'd')
            send_drive(hub, out, file, target, start);
        else
            send_file(hub, out, file, start);
    } else if (g_str_has_prefix(target, "/ServiceLogin")) {
        send_text(out, 200, "Content-Type: text/html\r\n", "<html>Sign in</html>");
    } else if (wanted && g_strcmp0(authorization, wanted) != 0) {
        send_text(out, 401, "", "{\"error\":\"Invalid username or password.\"}");
    } else if (g_str_has_prefix(target, "/api/models/")) {
        g_autofree char *repo_id = g_strdup(target + strlen("/api/models/"));
        const char *cursor = strstr(target, "cursor=");
        char *tree = strstr(repo_id, "/tree/main");
        if (tree)
            *tree = '\0';
        send_tree(hub, out, repo_id, cursor ? (guint)g_ascii_strtoull(cursor + 7, NULL, 10) : 0);
    } else if (resolve) {
        const char *port = strrchr(hub->url, ':');
        g_autofree char *location = g_strdup_printf("Location: http://localhost%s/cdn/%s\r\n", port,
                                                    resolve + strlen("/resolve/main/"));
        send_text(out, 302, location, "");
    } else {
        send_text(out, 404, "", "");
    }
}

static gboolean
on_run(GThreadedSocketService *service, GSocketConnection *connection, GObject *source,
       gpointer user_data)
{
    HubStandIn *hub = user_data;
    g_autoptr(GDataInputStream) in =
        g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_autofree char *authorization = NULL;
    char target[2048] = "";
    gsize start = 0;

    g_data_input_stream_set_newline_type(in, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
    g_autofree char *first = g_data_input_stream_read_line(in, NULL, hub->ended, NULL);
    if (!first || sscanf(first, "GET %2047s HTTP", target) != 1)
        return TRUE;
    for (;;) {
        g_autofree char *line = g_data_input_stream_read_line(in, NULL, hub->ended, NULL);
        if (!line || !*line)
            break;
        if (!g_ascii_strncasecmp(line, "Authorization: ", 15)) {
            g_free(authorization);
            authorization = g_strdup(line + 15);
        }
        if (!g_ascii_strncasecmp(line, "Range: bytes=", 13))
            start = (gsize)g_ascii_strtoull(line + 13, NULL, 10);
    }
    answer(hub, out, target, authorization, start);
    return TRUE;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void
run_loop(gpointer data)
{
    HubStandIn *hub = data;

    g_main_context_push_thread_default(hub->context);
    g_main_loop_run(hub->loop);
    g_main_context_pop_thread_default(hub->context);
}

static gboolean
on_quit(gpointer data)
{
    g_main_loop_quit(data);
    return G_SOURCE_REMOVE;
}

HubStandIn *
hub_stand_in_new(const char *token)
{
    HubStandIn *hub = g_new0(HubStandIn, 1);
    g_autoptr(GError) error = NULL;

    hub->token = g_strdup(token);
    hub->ended = g_cancellable_new();
    hub->files = g_ptr_array_new_with_free_func(file_free);
    scope_lock_init(&hub->lock);
    hub->context = g_main_context_new();
    hub->loop = g_main_loop_new(hub->context, FALSE);
    g_main_context_push_thread_default(hub->context);
    hub->service = g_threaded_socket_service_new(8);
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any_port = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) bound = NULL;
    g_socket_listener_add_address(G_SOCKET_LISTENER(hub->service), any_port, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_TCP, NULL, &bound, &error);
    g_assert_no_error(error);
    hub->url = g_strdup_printf("http://127.0.0.1:%u",
                               g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
    g_signal_connect(hub->service, "run", G_CALLBACK(on_run), hub);
    g_socket_service_start(hub->service);
    g_main_context_pop_thread_default(hub->context);
    hub->thread = scope_thread_start("hub", run_loop, hub, &error);
    g_assert_no_error(error);
    return hub;
}

void
hub_stand_in_free(HubStandIn *hub)
{
    g_cancellable_cancel(hub->ended);
    g_autoptr(GSource) quit = g_idle_source_new();
    g_source_set_callback(quit, on_quit, hub->loop, NULL);
    g_source_attach(quit, hub->context);
    scope_thread_join(&hub->thread);
    g_socket_service_stop(hub->service);
    g_socket_listener_close(G_SOCKET_LISTENER(hub->service));
    g_object_unref(hub->service);
    g_object_unref(hub->ended);
    g_main_loop_unref(hub->loop);
    g_main_context_unref(hub->context);
    g_ptr_array_unref(hub->files);
    scope_lock_clear(&hub->lock);
    g_free(hub->url);
    g_free(hub->token);
    g_free(hub);
}

const char *
hub_stand_in_get_url(HubStandIn *hub)
{
    return hub->url;
}

void
hub_stand_in_add(HubStandIn *hub, const char *repo_id, const char *path, gsize n_bytes,
                 gboolean is_large)
{
    File *file = g_new0(File, 1);

    file->repo_id = g_strdup(repo_id);
    file->path = g_strdup(path);
    file->n_bytes = n_bytes;
    file->announced = (gint64)n_bytes;
    file->is_large = is_large;
    SCOPE_LOCK_GUARD(&hub->lock);
    g_ptr_array_add(hub->files, file);
}

void
hub_stand_in_set_bytes(HubStandIn *hub, const char *path, GBytes *bytes)
{
    File *file = find_file(hub, path);

    SCOPE_LOCK_GUARD(&hub->lock);
    file->bytes = g_bytes_ref(bytes);
    file->n_bytes = g_bytes_get_size(bytes);
}

void
hub_stand_in_announce(HubStandIn *hub, const char *path, gint64 n_bytes)
{
    File *file = find_file(hub, path);

    SCOPE_LOCK_GUARD(&hub->lock);
    file->announced = n_bytes;
}

void
hub_stand_in_set_fault(HubStandIn *hub, const char *path, HubFault fault, guint n_times,
                       guint status)
{
    File *file = find_file(hub, path);

    SCOPE_LOCK_GUARD(&hub->lock);
    file->fault = fault;
    file->n_faults = n_times;
    file->status = status;
}

void
hub_stand_in_fail_listing(HubStandIn *hub, guint n_times, guint status)
{
    SCOPE_LOCK_GUARD(&hub->lock);
    hub->n_listing_faults = n_times;
    hub->listing_status = status;
}

guint
hub_stand_in_count(HubStandIn *hub, const char *path, gsize *ret_n_bytes)
{
    const File *file = find_file(hub, path);

    SCOPE_LOCK_GUARD(&hub->lock);
    if (ret_n_bytes)
        *ret_n_bytes = file->n_sent;
    return file->n_requests;
}
