/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams files as replies: opened and read on pool threads, one block at a time, the next when the
 * client has taken the one before. Owns the request and the stream while it runs. Main thread.
 */
#include <string.h>

#include <gio/gio.h>

#include "core/scope-log.h"
#include "server/scope-request.h"

SCOPE_LOG_TOPIC(server, files)

#define BLOCK_BYTES (256 * 1024)

typedef struct {
    ScopeRequest *request;
    SoupServerMessage *msg;
    GFile *file;
    GInputStream *stream;
    GCancellable *cancellable;
    char *content_type;
    char *attachment;
    guint64 size;
    guint64 left;
    gulong wrote_id;
    gulong finished_id;
    gboolean is_reading;
    gboolean is_over;
} FileReply;

static void
file_reply_free(FileReply *reply)
{
    g_signal_handler_disconnect(reply->msg, reply->finished_id);
    if (reply->wrote_id > 0) {
        g_signal_handler_disconnect(reply->msg, reply->wrote_id);
    }
    scope_request_unref(reply->request);
    g_clear_object(&reply->stream);
    g_object_unref(reply->file);
    g_object_unref(reply->cancellable);
    g_object_unref(reply->msg);
    g_free(reply->content_type);
    g_free(reply->attachment);
    g_free(reply);
}

/* Frees the reply as soon as no read refers to it. */
static void
end(FileReply *reply)
{
    reply->is_over = TRUE;
    if (reply->is_reading) {
        g_cancellable_cancel(reply->cancellable);
    } else {
        file_reply_free(reply);
    }
}

static void
on_finished(SoupServerMessage *msg, gpointer user_data)
{
    end(user_data);
}

static void read_block(FileReply *reply);

static void
on_block(GObject *source, GAsyncResult *result, gpointer user_data)
{
    FileReply *reply = user_data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, &error);
    SoupMessageBody *body = soup_server_message_get_response_body(reply->msg);
    gsize n = bytes ? g_bytes_get_size(bytes) : 0;

    reply->is_reading = FALSE;
    if (reply->is_over) {
        file_reply_free(reply);
        return;
    }
    if (n == 0) {
        /* The promised length cannot be kept: the connection ends instead of a false reply. */
        scope_log_warning("a file ended early while it was sent: %s",
                          error ? error->message : "it was shortened");
        soup_message_body_complete(body);
        soup_server_message_unpause(reply->msg);
        return;
    }
    soup_message_body_append_bytes(body, bytes);
    reply->left -= MIN(reply->left, n);
    if (reply->left == 0) {
        soup_message_body_complete(body);
    }
    soup_server_message_unpause(reply->msg);
}

static void
read_block(FileReply *reply)
{
    if (reply->is_reading || reply->left == 0) {
        return;
    }
    reply->is_reading = TRUE;
    g_input_stream_read_bytes_async(reply->stream, (gsize)MIN(reply->left, BLOCK_BYTES),
                                    G_PRIORITY_DEFAULT, reply->cancellable, on_block, reply);
}

static void
on_wrote_chunk(SoupServerMessage *msg, gpointer user_data)
{
    read_block(user_data);
}

/*
 * Reads one `bytes=a-b`, `bytes=a-` or `bytes=-n`. Anything else is answered with the whole file,
 * as RFC 9110 allows. FALSE when the range lies outside of the file.
 */
static gboolean
read_range(const char *text, guint64 size, guint64 *ret_start, guint64 *ret_end)
{
    const char *at = text + strlen("bytes=");
    char *end = NULL;
    guint64 first;

    *ret_start = 0;
    *ret_end = size;
    if (!g_str_has_prefix(text, "bytes=") || strchr(text, ',')) {
        return TRUE;
    }
    if (*at == '-') {
        guint64 n = g_ascii_strtoull(at + 1, &end, 10);
        if (end == at + 1 || *end || n == 0) {
            return FALSE;
        }
        *ret_start = size - MIN(n, size);
        return size > 0;
    }
    first = g_ascii_strtoull(at, &end, 10);
    if (end == at || *end != '-') {
        return TRUE;
    }
    if (first >= size) {
        return FALSE;
    }
    *ret_start = first;
    at = end + 1;
    if (*at) {
        guint64 last = g_ascii_strtoull(at, &end, 10);
        if (*end || last < first) {
            *ret_start = 0;
            return TRUE;
        }
        *ret_end = MIN(last + 1, size);
    }
    return TRUE;
}

static void
set_headers(FileReply *reply)
{
    scope_request_set_header(reply->request, "Content-Type", reply->content_type);
    scope_request_set_header(reply->request, "Accept-Ranges", "bytes");
    if (reply->attachment) {
        g_autoptr(GHashTable) params = g_hash_table_new(g_str_hash, g_str_equal);
        g_hash_table_insert(params, (gpointer) "filename", reply->attachment);
        soup_message_headers_set_content_disposition(
            soup_server_message_get_response_headers(reply->msg), "attachment", params);
    }
}

/* Sets status and length; FALSE when there is nothing to send after the headers. */
static gboolean
begin(FileReply *reply)
{
    SoupMessageHeaders *in = soup_server_message_get_request_headers(reply->msg);
    SoupMessageHeaders *out = soup_server_message_get_response_headers(reply->msg);
    const char *range = soup_message_headers_get_one(in, "Range");
    guint64 start = 0, stop = reply->size;
    guint status = 200;

    if (range && g_str_has_prefix(range, "bytes=")) {
        if (!read_range(range, reply->size, &start, &stop)) {
            g_autofree char *total = g_strdup_printf("bytes */%" G_GUINT64_FORMAT, reply->size);
            scope_request_set_header(reply->request, "Content-Range", total);
            scope_request_reply_error(reply->request, 416, "The range lies outside of the file");
            return FALSE;
        }
        if (start > 0 || stop < reply->size) {
            status = 206;
            soup_message_headers_set_content_range(out, (goffset)start, (goffset)stop - 1,
                                                   (goffset)reply->size);
        }
    }
    set_headers(reply);
    reply->left = stop - start;
    soup_message_headers_set_content_length(out, (goffset)reply->left);
    if (strcmp(soup_server_message_get_method(reply->msg), "HEAD") == 0 || reply->left == 0) {
        scope_request_reply_empty(reply->request, status);
        return FALSE;
    }
    if (!g_seekable_seek(G_SEEKABLE(reply->stream), (goffset)start, G_SEEK_SET, NULL, NULL)) {
        scope_request_reply_error(reply->request, 500, "The file could not be read");
        return FALSE;
    }
    soup_message_body_set_accumulate(soup_server_message_get_response_body(reply->msg), FALSE);
    reply->wrote_id =
        g_signal_connect(reply->msg, "wrote-chunk", G_CALLBACK(on_wrote_chunk), reply);
    scope_request_reply_empty(reply->request, status);
    return TRUE;
}

static void
on_info(GObject *source, GAsyncResult *result, gpointer user_data)
{
    FileReply *reply = user_data;
    g_autoptr(GFileInfo) info =
        g_file_input_stream_query_info_finish(G_FILE_INPUT_STREAM(source), result, NULL);

    reply->is_reading = FALSE;
    if (reply->is_over) {
        file_reply_free(reply);
        return;
    }
    if (!info || g_file_info_get_file_type(info) != G_FILE_TYPE_REGULAR) {
        scope_request_reply_error(reply->request, 404, "File not found");
        return;
    }
    reply->size = (guint64)g_file_info_get_size(info);
    if (begin(reply)) {
        read_block(reply);
    }
}

static void
on_open(GObject *source, GAsyncResult *result, gpointer user_data)
{
    FileReply *reply = user_data;
    g_autoptr(GFileInputStream) stream = g_file_read_finish(G_FILE(source), result, NULL);

    reply->is_reading = FALSE;
    if (reply->is_over) {
        file_reply_free(reply);
        return;
    }
    if (!stream) {
        scope_request_reply_error(reply->request, 404, "File not found");
        return;
    }
    reply->stream = G_INPUT_STREAM(g_steal_pointer(&stream));
    reply->is_reading = TRUE;
    g_file_input_stream_query_info_async(G_FILE_INPUT_STREAM(reply->stream),
                                         "standard::type,standard::size", G_PRIORITY_DEFAULT,
                                         reply->cancellable, on_info, reply);
}

void
scope_request_reply_file(ScopeRequest *request, const char *path, const char *content_type,
                         const char *attachment)
{
    FileReply *reply = g_new0(FileReply, 1);

    reply->request = scope_request_defer(request);
    reply->msg = g_object_ref(scope_request_get_message(request));
    reply->file = g_file_new_for_path(path);
    reply->cancellable = g_cancellable_new();
    reply->content_type = g_strdup(content_type);
    reply->attachment = g_strdup(attachment);
    reply->finished_id = g_signal_connect(reply->msg, "finished", G_CALLBACK(on_finished), reply);
    reply->is_reading = TRUE;
    g_file_read_async(reply->file, G_PRIORITY_DEFAULT, reply->cancellable, on_open, reply);
}
