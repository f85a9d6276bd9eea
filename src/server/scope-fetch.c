/* SPDX-License-Identifier: Apache-2.0 */
/* Resumable, verified, atomic fetch of one file; see scope-fetch.h. A download thread. */
#include "server/scope-fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <glib/gstdio.h>

#define BLOCK_BYTES      (1 << 20)
#define MAX_JSON_BYTES   (16 << 20)
#define MAX_PAGE_BYTES   (1 << 20)
#define MAX_REDIRECTS    5
#define MAX_BACKOFF_MS   30000
#define PROGRESS_US      100000
#define IO_TIMEOUT_S     30
#define SPARE_DISK_BYTES (64 << 20)

G_DEFINE_QUARK(scope - fetch - error - quark, scope_fetch_error)

SoupSession *
scope_fetch_session_new(void)
{
    return soup_session_new_with_options("timeout", IO_TIMEOUT_S, "user-agent",
                                         "scope/" SCOPE_VERSION, NULL);
}

/* ---- requests ------------------------------------------------------------------------------ */

/* What is wrong with a reply of @status, and what to do about it. */
static void
set_status_error(GError **error, guint status, const char *url, gboolean is_hub)
{
    static const struct {
        guint status;
        ScopeFetchErrorCode code;
        const char *remedy; /* at the hub */
        const char *other;  /* elsewhere */
    } known[] = {
        {401, SCOPE_FETCH_ERROR_UNAUTHORIZED,
         "the server asks for a token; set HF_TOKEN or store a Hugging Face key in the settings",
         "the file is not public"},
        {403, SCOPE_FETCH_ERROR_FORBIDDEN,
         "access is refused; open the repository's page, accept its licence, and check the token",
         "access is refused; the file is not public, or too many have fetched it today"},
        {404, SCOPE_FETCH_ERROR_NOT_FOUND, "there is no such file or repository",
         "there is no such file"},
        {429, SCOPE_FETCH_ERROR_RATE_LIMITED,
         "too many requests; wait some minutes, or set HF_TOKEN for a higher limit",
         "too many requests; wait some minutes"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (known[i].status == status) {
            g_set_error(error, SCOPE_FETCH_ERROR, known[i].code, "%s answered %u: %s", url, status,
                        is_hub ? known[i].remedy : known[i].other);
            return;
        }
    }
    g_set_error(error, SCOPE_FETCH_ERROR,
                status >= 500 ? SCOPE_FETCH_ERROR_NETWORK : SCOPE_FETCH_ERROR_FAILED,
                "%s answered %u", url, status);
}

static gboolean
same_origin(GUri *a, GUri *b)
{
    return !strcmp(g_uri_get_scheme(a), g_uri_get_scheme(b)) &&
           !g_ascii_strcasecmp(g_uri_get_host(a), g_uri_get_host(b)) &&
           g_uri_get_port(a) == g_uri_get_port(b);
}

static GUri *
parse_url(const char *url, GUri *base, GError **error)
{
    g_autoptr(GUri) uri = base ? g_uri_parse_relative(base, url, SOUP_HTTP_URI_FLAGS, error)
                               : g_uri_parse(url, SOUP_HTTP_URI_FLAGS, error);
    if (!uri)
        return NULL;
    const char *scheme = g_uri_get_scheme(uri);
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                    "%s: only http and https are fetched", url);
        return NULL;
    }
    return g_steal_pointer(&uri);
}

/*
 * Sends a GET for bytes from @offset on and follows redirects by hand, so that @token never leaves
 * the origin of @url. Sets *@ret_message; the caller looks at its status.
 */
static GInputStream *
send_get(SoupSession *session, const char *url, const char *token, gint64 offset,
         SoupMessage **ret_message, GCancellable *cancellable, GError **error)
{
    g_autoptr(GUri) origin = parse_url(url, NULL, error);
    g_autoptr(GUri) target = origin ? g_uri_ref(origin) : NULL;

    for (int hop = 0; target && hop <= MAX_REDIRECTS; hop++) {
        g_autoptr(SoupMessage) message = soup_message_new_from_uri("GET", target);
        SoupMessageHeaders *headers = soup_message_get_request_headers(message);

        soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT);
        soup_message_headers_replace(headers, "Accept-Encoding", "identity");
        if (token && same_origin(origin, target)) {
            g_autofree char *bearer = g_strconcat("Bearer ", token, NULL);
            soup_message_headers_replace(headers, "Authorization", bearer);
        }
        if (offset > 0)
            soup_message_headers_set_range(headers, offset, -1);
        g_autoptr(GInputStream) body = soup_session_send(session, message, cancellable, error);
        if (!body)
            return NULL;
        const char *location =
            soup_message_headers_get_one(soup_message_get_response_headers(message), "Location");
        if (!SOUP_STATUS_IS_REDIRECTION(soup_message_get_status(message)) || !location) {
            *ret_message = g_steal_pointer(&message);
            return g_steal_pointer(&body);
        }
        g_autoptr(GUri) next = parse_url(location, target, error);
        g_clear_pointer(&target, g_uri_unref);
        target = g_steal_pointer(&next);
    }
    if (target)
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                    "%s redirects more than %d times", url, MAX_REDIRECTS);
    return NULL;
}

/* ---- the partial file ---------------------------------------------------------------------- */

/* One attempt's view of the partial file. */
typedef struct {
    const ScopeFetch *fetch;
    char *partial; /* <path>.incomplete */
    int fd;
    gint64 n_bytes;      /* on disk */
    gint64 total_bytes;  /* -1: unknown */
    GChecksum *checksum; /* of the bytes on disk */
    gint64 last_progress_us;
} Partial;

static void
partial_clear(Partial *partial)
{
    if (partial->fd >= 0)
        close(partial->fd);
    g_clear_pointer(&partial->checksum, g_checksum_free);
    g_clear_pointer(&partial->partial, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Partial, partial_clear)

static gboolean
set_errno_error(GError **error, const char *what, const char *path, int code)
{
    if (code == ENOSPC || code == EDQUOT)
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_DISK_FULL,
                    "%s %s: the disk is full; make room and start again, the part is kept", what,
                    path);
    else
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED, "%s %s: %s", what, path,
                    g_strerror(code));
    return FALSE;
}

static gboolean
partial_truncate(Partial *partial, GError **error)
{
    if (ftruncate(partial->fd, 0) != 0 || lseek(partial->fd, 0, SEEK_SET) != 0)
        return set_errno_error(error, "Emptying", partial->partial, errno);
    partial->n_bytes = 0;
    g_checksum_reset(partial->checksum);
    return TRUE;
}

/* Opens the partial file and takes the checksum of what an earlier attempt left. */
static gboolean
partial_open(Partial *partial, GCancellable *cancellable, GError **error)
{
    partial->fd = open(partial->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (partial->fd < 0)
        return set_errno_error(error, "Opening", partial->partial, errno);
    partial->checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_autofree guint8 *block = g_malloc(BLOCK_BYTES);
    for (;;) {
        ssize_t got = read(partial->fd, block, BLOCK_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return set_errno_error(error, "Reading", partial->partial, errno);
        if (got == 0)
            break;
        g_checksum_update(partial->checksum, block, got);
        partial->n_bytes += got;
        if (g_cancellable_set_error_if_cancelled(cancellable, error))
            return FALSE;
    }
    if (partial->fetch->size_bytes >= 0 && partial->n_bytes > partial->fetch->size_bytes)
        return partial_truncate(partial, error);
    return TRUE;
}

static gboolean
partial_check_room(Partial *partial, GError **error)
{
    struct statvfs disk;

    if (partial->total_bytes < 0 || fstatvfs(partial->fd, &disk) != 0)
        return TRUE;
    const gint64 wanted = partial->total_bytes - partial->n_bytes;
    const gint64 available = (gint64)disk.f_bavail * (gint64)disk.f_frsize;
    if (wanted + SPARE_DISK_BYTES <= available)
        return TRUE;
    g_autofree char *needs = g_format_size((guint64)wanted);
    g_autofree char *has = g_format_size((guint64)available);
    g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_DISK_FULL,
                "%s needs %s, and the disk has %s left; make room, or choose another folder with "
                "--models-dir",
                partial->fetch->path, needs, has);
    return FALSE;
}

static gboolean
partial_append(Partial *partial, const guint8 *data, gsize n_bytes, GError **error)
{
    g_checksum_update(partial->checksum, data, (gssize)n_bytes);
    while (n_bytes > 0) {
        ssize_t done = write(partial->fd, data, n_bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return set_errno_error(error, "Writing", partial->partial, errno);
        data += done;
        n_bytes -= (gsize)done;
        partial->n_bytes += done;
    }
    return TRUE;
}

static void
partial_report(Partial *partial, gboolean force)
{
    const gint64 now_us = g_get_monotonic_time();

    if (!partial->fetch->progress || (!force && now_us - partial->last_progress_us < PROGRESS_US))
        return;
    partial->last_progress_us = now_us;
    partial->fetch->progress(partial->n_bytes, partial->total_bytes, partial->fetch->user_data);
}

/* Verifies what is on disk and moves it into place. A file that is not right is deleted. */
static gboolean
partial_finish(Partial *partial, GError **error)
{
    const ScopeFetch *fetch = partial->fetch;
    const char *checksum = g_checksum_get_string(partial->checksum);

    if (fetch->sha256 && g_ascii_strncasecmp(fetch->sha256, checksum, strlen(fetch->sha256)) != 0) {
        g_unlink(partial->partial);
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_MISMATCH,
                    "%s: sha256 is %s, expected %s; the file was discarded", fetch->path, checksum,
                    fetch->sha256);
        return FALSE;
    }
    if (fsync(partial->fd) != 0)
        return set_errno_error(error, "Writing", partial->partial, errno);
    if (g_rename(partial->partial, fetch->path) != 0)
        return set_errno_error(error, "Renaming to", fetch->path, errno);
    partial_report(partial, TRUE);
    return TRUE;
}

/* ---- one attempt --------------------------------------------------------------------------- */

static gboolean
is_page(SoupMessage *message)
{
    const char *type =
        soup_message_headers_get_content_type(soup_message_get_response_headers(message), NULL);
    return type && !g_ascii_strcasecmp(type, "text/html");
}

/* Whether the reply continues the partial file, starts it anew, or is an error. */
static gboolean
accept_reply(Partial *partial, SoupMessage *message, gboolean *ret_restart, GError **error)
{
    SoupMessageHeaders *headers = soup_message_get_response_headers(message);
    const guint status = soup_message_get_status(message);
    goffset start = 0, end = 0, total = -1;

    *ret_restart = FALSE;
    if (status == 416) {
        *ret_restart = TRUE;
        return partial_truncate(partial, error);
    }
    if (status == 206) {
        if (!soup_message_headers_get_content_range(headers, &start, &end, &total) ||
            start != partial->n_bytes) {
            *ret_restart = TRUE;
            return partial_truncate(partial, error);
        }
        partial->total_bytes = total;
    } else if (status == 200 && is_page(message) &&
               !g_str_has_suffix(partial->fetch->path, ".html")) {
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                    "%s answered with a web page instead of the file; open the address in a "
                    "browser to see why",
                    partial->fetch->url);
        return FALSE;
    } else if (status == 200) {
        if (partial->n_bytes > 0 && !partial_truncate(partial, error))
            return FALSE;
        if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH)
            partial->total_bytes = soup_message_headers_get_content_length(headers);
    } else {
        set_status_error(error, status, partial->fetch->url, partial->fetch->is_hub);
        return FALSE;
    }
    if (partial->fetch->size_bytes >= 0) {
        if (partial->total_bytes >= 0 && partial->total_bytes != partial->fetch->size_bytes) {
            g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_MISMATCH,
                        "%s has %" G_GINT64_FORMAT " bytes, expected %" G_GINT64_FORMAT,
                        partial->fetch->url, partial->total_bytes, partial->fetch->size_bytes);
            return FALSE;
        }
        partial->total_bytes = partial->fetch->size_bytes;
    }
    return TRUE;
}

static gboolean
copy_body(Partial *partial, GInputStream *body, GCancellable *cancellable, GError **error)
{
    g_autofree guint8 *block = g_malloc(BLOCK_BYTES);

    for (;;) {
        gssize got = g_input_stream_read(body, block, BLOCK_BYTES, cancellable, error);
        if (got < 0)
            return FALSE;
        if (got == 0)
            break;
        if (partial->total_bytes >= 0 && partial->n_bytes + got > partial->total_bytes) {
            g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_MISMATCH,
                        "%s sends more than the announced %" G_GINT64_FORMAT " bytes",
                        partial->fetch->url, partial->total_bytes);
            return FALSE;
        }
        if (!partial_append(partial, block, (gsize)got, error))
            return FALSE;
        partial_report(partial, FALSE);
    }
    if (partial->total_bytes >= 0 && partial->n_bytes < partial->total_bytes) {
        g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_NETWORK,
                    "%s ended after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " bytes",
                    partial->fetch->url, partial->n_bytes, partial->total_bytes);
        return FALSE;
    }
    return TRUE;
}

static gboolean
attempt(SoupSession *session, const ScopeFetch *fetch, GCancellable *cancellable, GError **error)
{
    g_auto(Partial) partial = {.fetch = fetch, .fd = -1, .total_bytes = fetch->size_bytes};

    partial.partial = g_strconcat(fetch->path, ".incomplete", NULL);
    if (!partial_open(&partial, cancellable, error))
        return FALSE;
    partial_report(&partial, TRUE);
    if (fetch->size_bytes >= 0 && partial.n_bytes == fetch->size_bytes)
        return partial_finish(&partial, error);
    if (!partial_check_room(&partial, error))
        return FALSE;
    for (int restarts = 0; restarts < 2; restarts++) {
        g_autoptr(SoupMessage) message = NULL;
        g_autoptr(GInputStream) body = send_get(session, fetch->url, fetch->token, partial.n_bytes,
                                                &message, cancellable, error);
        gboolean restart = FALSE;

        if (!body || !accept_reply(&partial, message, &restart, error))
            return FALSE;
        if (!restart)
            return partial_check_room(&partial, error) &&
                   copy_body(&partial, body, cancellable, error) && partial_finish(&partial, error);
    }
    g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                "%s cannot be fetched from its start", fetch->url);
    return FALSE;
}

/* ---- attempts ------------------------------------------------------------------------------ */

/* Whether another attempt may succeed: the network, the server, or a file that was damaged. */
static gboolean
is_transient(const GError *error)
{
    if (error->domain == SCOPE_FETCH_ERROR)
        return error->code == SCOPE_FETCH_ERROR_NETWORK ||
               error->code == SCOPE_FETCH_ERROR_RATE_LIMITED ||
               error->code == SCOPE_FETCH_ERROR_MISMATCH;
    return !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) &&
           error->domain != G_URI_ERROR;
}

/* Waits @pause_ms, or less when cancelled. */
static void
pause_before_retry(guint pause_ms, GCancellable *cancellable)
{
    GPollFD poll = {.fd = g_cancellable_get_fd(cancellable), .events = G_IO_IN};

    g_poll(&poll, poll.fd >= 0 ? 1 : 0, (gint)pause_ms);
    if (poll.fd >= 0)
        g_cancellable_release_fd(cancellable);
}

gboolean
scope_fetch_retry(GError *failure, guint n_done, guint n_attempts, guint backoff_ms,
                  GCancellable *cancellable, GError **error)
{
    if (n_done >= MAX(n_attempts, 1) || !is_transient(failure)) {
        g_propagate_error(error, failure);
        return FALSE;
    }
    g_error_free(failure);
    pause_before_retry(MIN(backoff_ms << MIN(n_done - 1, 16u), MAX_BACKOFF_MS), cancellable);
    return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

gboolean
scope_fetch_file(SoupSession *session, const ScopeFetch *fetch, GCancellable *cancellable,
                 GError **error)
{
    g_autofree char *folder = g_path_get_dirname(fetch->path);

    if (g_mkdir_with_parents(folder, 0755) != 0)
        return set_errno_error(error, "Creating", folder, errno);
    for (guint n_done = 1;; n_done++) {
        g_autoptr(GError) failure = NULL;
        if (attempt(session, fetch, cancellable, &failure))
            return TRUE;
        if (failure->domain != SCOPE_FETCH_ERROR &&
            !g_error_matches(failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
            g_prefix_error(&failure, "%s: ", fetch->url);
        if (!scope_fetch_retry(g_steal_pointer(&failure), n_done, fetch->n_attempts,
                               fetch->backoff_ms, cancellable, error))
            return FALSE;
    }
}

/* ---- small replies ------------------------------------------------------------------------- */

/* The target of `rel="next"` in a Link header, or NULL. */
static char *
parse_next_link(const char *link)
{
    g_auto(GStrv) items = g_strsplit(link ? link : "", ",", -1);

    for (char **item = items; *item; item++) {
        const char *open = strchr(*item, '<');
        const char *close = open ? strchr(open, '>') : NULL;
        if (close && strstr(close, "rel=\"next\""))
            return g_strndup(open + 1, (gsize)(close - open - 1));
    }
    return NULL;
}

/* Reads @body to its end, or to @max_bytes; NULL with @error set when it is longer. */
static GByteArray *
read_all(GInputStream *body, gsize max_bytes, const char *url, GCancellable *cancellable,
         GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 block[16384];

    for (;;) {
        gssize got = g_input_stream_read(body, block, sizeof block, cancellable, error);
        if (got < 0)
            return NULL;
        if (got == 0)
            return g_steal_pointer(&bytes);
        if (bytes->len + (gsize)got > max_bytes) {
            g_set_error(error, SCOPE_FETCH_ERROR, SCOPE_FETCH_ERROR_FAILED,
                        "%s answers with more than %zu bytes", url, max_bytes);
            return NULL;
        }
        g_byte_array_append(bytes, block, (guint)got);
    }
}

void
scope_fetch_reply_clear(ScopeFetchReply *reply)
{
    g_clear_pointer(&reply->page, g_free);
}

gboolean
scope_fetch_probe(SoupSession *session, const char *url, ScopeFetchReply *ret_reply,
                  GCancellable *cancellable, GError **error)
{
    g_autoptr(SoupMessage) message = NULL;
    g_autoptr(GInputStream) body = send_get(session, url, NULL, 0, &message, cancellable, error);
    ScopeFetchReply reply = {.size_bytes = -1};

    if (!body)
        return FALSE;
    if (soup_message_get_status(message) != 200) {
        set_status_error(error, soup_message_get_status(message), url, FALSE);
        return FALSE;
    }
    SoupMessageHeaders *headers = soup_message_get_response_headers(message);
    if (is_page(message)) {
        GByteArray *bytes = read_all(body, MAX_PAGE_BYTES, url, cancellable, error);
        if (!bytes)
            return FALSE;
        g_byte_array_append(bytes, (const guint8 *)"", 1);
        reply.page = (char *)g_byte_array_free(bytes, FALSE);
    } else if (soup_message_headers_get_encoding(headers) == SOUP_ENCODING_CONTENT_LENGTH) {
        reply.size_bytes = soup_message_headers_get_content_length(headers);
    }
    *ret_reply = reply;
    return TRUE;
}

GBytes *
scope_fetch_json(SoupSession *session, const char *url, const char *token, char **ret_next_url,
                 GCancellable *cancellable, GError **error)
{
    g_autoptr(SoupMessage) message = NULL;
    g_autoptr(GInputStream) body = send_get(session, url, token, 0, &message, cancellable, error);
    if (!body)
        return NULL;
    if (soup_message_get_status(message) != 200) {
        set_status_error(error, soup_message_get_status(message), url, TRUE);
        return NULL;
    }
    GByteArray *bytes = read_all(body, MAX_JSON_BYTES, url, cancellable, error);
    if (!bytes)
        return NULL;
    if (ret_next_url)
        *ret_next_url = parse_next_link(
            soup_message_headers_get_list(soup_message_get_response_headers(message), "Link"));
    return g_byte_array_free_to_bytes(bytes);
}
