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
 * @SCOPE_FETCH_ERROR_FORBIDDEN: 403: the licence of the repository has to be accepted
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
