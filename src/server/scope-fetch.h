/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches one file over HTTP so that the disk holds either the whole, verified file or a partial
 * one that the next attempt resumes: `<name>.incomplete`, then fsync and rename. Blocks; runs on a
 * download thread with a SoupSession of that thread.
 */
#ifndef SCOPE_FETCH_H
#define SCOPE_FETCH_H

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

/** SCOPE_FETCH_ERROR: the domain. */
#define SCOPE_FETCH_ERROR (scope_fetch_error_quark())

/**
 * ScopeFetchErrorCode:
 * @SCOPE_FETCH_ERROR_FAILED: anything else; the message says what
 * @SCOPE_FETCH_ERROR_UNAUTHORIZED: 401: a token is needed or wrong
 * @SCOPE_FETCH_ERROR_FORBIDDEN: 403: the licence of the repository has to be accepted, or the file
 * is not public
 * @SCOPE_FETCH_ERROR_NOT_FOUND: 404
 * @SCOPE_FETCH_ERROR_RATE_LIMITED: 429 after every attempt
 * @SCOPE_FETCH_ERROR_NETWORK: connections that fail or end early, 5xx, after every attempt
 * @SCOPE_FETCH_ERROR_MISMATCH: size or checksum is not what was announced
 * @SCOPE_FETCH_ERROR_DISK_FULL: not enough room for the file
 */
typedef enum {
    SCOPE_FETCH_ERROR_FAILED = 0,
    SCOPE_FETCH_ERROR_UNAUTHORIZED,
    SCOPE_FETCH_ERROR_FORBIDDEN,
    SCOPE_FETCH_ERROR_NOT_FOUND,
    SCOPE_FETCH_ERROR_RATE_LIMITED,
    SCOPE_FETCH_ERROR_NETWORK,
    SCOPE_FETCH_ERROR_MISMATCH,
    SCOPE_FETCH_ERROR_DISK_FULL,
} ScopeFetchErrorCode;

/**
 * scope_fetch_error_quark:
 *
 * Thread: any. Returns: the quark of the domain.
 */
GQuark scope_fetch_error_quark(void);

/**
 * ScopeFetchProgress:
 * @n_bytes: bytes of the file on disk now
 * @total_bytes: size of the file, or -1 while unknown
 * @user_data: as given
 *
 * Thread: the one that fetches; called at most about ten times a second.
 */
typedef void (*ScopeFetchProgress)(gint64 n_bytes, gint64 total_bytes, gpointer user_data);

/**
 * ScopeFetch:
 * @url: http or https
 * @is_hub: of the Hugging Face Hub: what a refusal means and what helps
 * @token: (nullable): bearer token, sent to the host of @url only, not to hosts it redirects to
 * @path: where the file goes; its folder is made
 * @size_bytes: expected size, or -1
 * @sha256: (nullable): expected checksum, 64 hexadecimal digits or the first of them
 * @n_attempts: how often to try in all; a partial file is resumed
 * @backoff_ms: pause before the second attempt; doubles each time
 * @progress: (nullable): told how far it is
 * @user_data: for @progress
 *
 * What to fetch. Strings are borrowed for the call.
 */
typedef struct {
    const char *url;
    gboolean is_hub;
    const char *token;
    const char *path;
    gint64 size_bytes;
    const char *sha256;
    guint n_attempts;
    guint backoff_ms;
    ScopeFetchProgress progress;
    gpointer user_data;
} ScopeFetch;

#define SCOPE_FETCH_INIT                                                                           \
    {                                                                                              \
        .size_bytes = -1, .n_attempts = 5, .backoff_ms = 1000                                      \
    }

/**
 * scope_fetch_session_new:
 *
 * Thread: the one that will fetch.
 * Returns: (transfer full): a session with the time-outs that scope_fetch_file() counts on.
 */
SoupSession *scope_fetch_session_new(void);

/**
 * scope_fetch_file:
 * @session: of this thread
 * @fetch: what to fetch
 * @cancellable: (nullable): ends it at once; the partial file stays
 * @error: (nullable): set on failure
 *
 * Thread: a download thread; blocks until done.
 * Errors: SCOPE_FETCH_ERROR, G_IO_ERROR_CANCELLED.
 * Returns: %TRUE when @path holds the whole file, or %FALSE with @error set.
 */
gboolean scope_fetch_file(SoupSession *session, const ScopeFetch *fetch, GCancellable *cancellable,
                          GError **error);

/**
 * scope_fetch_retry:
 * @failure: (transfer full): why the last attempt failed
 * @n_done: attempts so far
 * @n_attempts: how many there are in all
 * @backoff_ms: pause before the second attempt; doubles each time
 * @cancellable: (nullable): ends the pause at once
 * @error: (nullable): set to @failure when there is no further attempt
 *
 * Pauses before another attempt, if @failure is one that may pass: the network, the server, too
 * many requests, or a file that was damaged.
 *
 * Thread: a download thread; blocks for the pause.
 * Errors: @failure, G_IO_ERROR_CANCELLED.
 * Returns: whether to try again.
 */
gboolean scope_fetch_retry(GError *failure, guint n_done, guint n_attempts, guint backoff_ms,
                           GCancellable *cancellable, GError **error);

/**
 * ScopeFetchReply:
 * @page: (nullable): the reply's text where it is a web page; at most 1 MiB
 * @size_bytes: of the file otherwise, or -1 when the server does not tell
 *
 * How a server answers. Clear with scope_fetch_reply_clear().
 */
typedef struct {
    char *page;
    gint64 size_bytes;
} ScopeFetchReply;

/** scope_fetch_reply_clear: frees the text. Thread: any. */
void scope_fetch_reply_clear(ScopeFetchReply *reply);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeFetchReply, scope_fetch_reply_clear)

/**
 * scope_fetch_probe:
 * @session: of this thread
 * @url: http or https, not of the hub
 * @ret_reply: filled; untouched on failure
 * @cancellable: (nullable): ends it at once
 * @error: (nullable): set on failure
 *
 * Asks for a file and looks at the head of the reply only, unless it is a page.
 *
 * Thread: a download thread; blocks until done.
 * Errors: SCOPE_FETCH_ERROR, G_IO_ERROR_CANCELLED.
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_fetch_probe(SoupSession *session, const char *url, ScopeFetchReply *ret_reply,
                           GCancellable *cancellable, GError **error);

/**
 * scope_fetch_json:
 * @session: of this thread
 * @url: http or https
 * @token: (nullable): bearer token
 * @ret_next_url: (out) (nullable): the `next` link of a paged reply, or %NULL
 * @cancellable: (nullable): ends it at once
 * @error: (nullable): set on failure
 *
 * Gets a reply of at most 16 MiB.
 *
 * Thread: a download thread; blocks until done.
 * Errors: SCOPE_FETCH_ERROR, G_IO_ERROR_CANCELLED.
 * Returns: (transfer full): the body, or %NULL with @error set.
 */
GBytes *scope_fetch_json(SoupSession *session, const char *url, const char *token,
                         char **ret_next_url, GCancellable *cancellable, GError **error);

G_END_DECLS

#endif
