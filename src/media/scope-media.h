/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up of the media module and its error domain. Everything in src/media stands on GStreamer;
 * what crosses its headers are ScopeFrames, bytes and text.
 */
#ifndef SCOPE_MEDIA_H
#define SCOPE_MEDIA_H

#include <glib.h>

G_BEGIN_DECLS

/** SCOPE_MEDIA_ERROR: the error domain of src/media. */
#define SCOPE_MEDIA_ERROR (scope_media_error_quark())

/**
 * ScopeMediaError:
 * @SCOPE_MEDIA_ERROR_FAILED: GStreamer reported a failure; the message is its own
 * @SCOPE_MEDIA_ERROR_MISSING_ELEMENT: a GStreamer element that is needed is not installed
 * @SCOPE_MEDIA_ERROR_SDP: the session description is malformed or hostile
 * @SCOPE_MEDIA_ERROR_UNSUPPORTED: well-formed, but nothing in common (codec, size, container)
 * @SCOPE_MEDIA_ERROR_CANDIDATE: an ICE candidate that cannot be parsed
 * @SCOPE_MEDIA_ERROR_STATE: the call does not fit the state (second offer, no offer yet)
 * @SCOPE_MEDIA_ERROR_CLOSED: the peer was closed or has failed
 * @SCOPE_MEDIA_ERROR_TIMEOUT: a bounded wait ran out
 * @SCOPE_MEDIA_ERROR_LIMIT: larger than a limit allows (bytes, pixels, queued messages)
 * @SCOPE_MEDIA_ERROR_CORRUPT: a media file that cannot be decoded
 * @SCOPE_MEDIA_ERROR_EOF: a media file has no further frame
 */
typedef enum {
    SCOPE_MEDIA_ERROR_FAILED = 0,
    SCOPE_MEDIA_ERROR_MISSING_ELEMENT,
    SCOPE_MEDIA_ERROR_SDP,
    SCOPE_MEDIA_ERROR_UNSUPPORTED,
    SCOPE_MEDIA_ERROR_CANDIDATE,
    SCOPE_MEDIA_ERROR_STATE,
    SCOPE_MEDIA_ERROR_CLOSED,
    SCOPE_MEDIA_ERROR_TIMEOUT,
    SCOPE_MEDIA_ERROR_LIMIT,
    SCOPE_MEDIA_ERROR_CORRUPT,
    SCOPE_MEDIA_ERROR_EOF,
} ScopeMediaError;

/**
 * scope_media_error_quark:
 *
 * Thread: any. Errors: none.
 * Returns: the error domain.
 */
GQuark scope_media_error_quark(void);

/**
 * scope_media_init:
 * @error: (nullable) set on failure
 *
 * Starts GStreamer and checks that the elements which every session needs are installed. Cheap
 * when called again. Call it before anything else of this module; the first call reads
 * GStreamer's registry (tens of milliseconds when its cache is warm).
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT (names element and Debian package),
 * SCOPE_MEDIA_ERROR_FAILED.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_media_init(GError **error);

/**
 * scope_media_shut_down:
 *
 * Waits for what scope_media_init() began in the background, so that the process can end without
 * pulling libraries away under it. Call it last; nothing of this module may be used afterwards.
 *
 * Thread: main. Errors: none. Returns: nothing.
 */
void scope_media_shut_down(void);

G_END_DECLS

#endif
