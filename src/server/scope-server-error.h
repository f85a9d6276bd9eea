/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error domain of the server module. Each code stands for one HTTP status, so that a handler
 * can hand any GError to scope_request_reply_gerror().
 */
#ifndef SCOPE_SERVER_ERROR_H
#define SCOPE_SERVER_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

/** SCOPE_SERVER_ERROR: the domain. */
#define SCOPE_SERVER_ERROR (scope_server_error_quark())

/**
 * ScopeServerErrorCode:
 * @SCOPE_SERVER_ERROR_INTERNAL: 500, an unexpected failure
 * @SCOPE_SERVER_ERROR_BAD_REQUEST: 400
 * @SCOPE_SERVER_ERROR_UNAUTHORIZED: 401
 * @SCOPE_SERVER_ERROR_FORBIDDEN: 403
 * @SCOPE_SERVER_ERROR_NOT_FOUND: 404
 * @SCOPE_SERVER_ERROR_CONFLICT: 409
 * @SCOPE_SERVER_ERROR_TOO_LARGE: 413
 * @SCOPE_SERVER_ERROR_INVALID: 422
 * @SCOPE_SERVER_ERROR_NOT_IMPLEMENTED: 501
 * @SCOPE_SERVER_ERROR_UNAVAILABLE: 503
 */
typedef enum {
    SCOPE_SERVER_ERROR_INTERNAL = 0,
    SCOPE_SERVER_ERROR_BAD_REQUEST,
    SCOPE_SERVER_ERROR_UNAUTHORIZED,
    SCOPE_SERVER_ERROR_FORBIDDEN,
    SCOPE_SERVER_ERROR_NOT_FOUND,
    SCOPE_SERVER_ERROR_CONFLICT,
    SCOPE_SERVER_ERROR_TOO_LARGE,
    SCOPE_SERVER_ERROR_INVALID,
    SCOPE_SERVER_ERROR_NOT_IMPLEMENTED,
    SCOPE_SERVER_ERROR_UNAVAILABLE,
} ScopeServerErrorCode;

/**
 * scope_server_error_quark:
 *
 * Thread: any.
 * Errors: none.
 * Returns: the quark of the domain.
 */
GQuark scope_server_error_quark(void);

/**
 * scope_server_error_to_status:
 * @error: borrowed, of any domain
 *
 * Thread: any.
 * Errors: none.
 * Returns: the HTTP status for @error; 500 for foreign domains.
 */
guint scope_server_error_to_status(const GError *error);

G_END_DECLS

#endif
