/* SPDX-License-Identifier: Apache-2.0 */
/* The error domain of the server module and its mapping to HTTP. Any thread. */
#include "server/scope-server-error.h"

#include "core/scope-error.h"

G_DEFINE_QUARK(scope - server - error, scope_server_error)

guint
scope_server_error_to_status(const GError *error)
{
    static const guint statuses[] = {
        [SCOPE_SERVER_ERROR_INTERNAL] = 500,        [SCOPE_SERVER_ERROR_BAD_REQUEST] = 400,
        [SCOPE_SERVER_ERROR_UNAUTHORIZED] = 401,    [SCOPE_SERVER_ERROR_FORBIDDEN] = 403,
        [SCOPE_SERVER_ERROR_NOT_FOUND] = 404,       [SCOPE_SERVER_ERROR_CONFLICT] = 409,
        [SCOPE_SERVER_ERROR_TOO_LARGE] = 413,       [SCOPE_SERVER_ERROR_INVALID] = 422,
        [SCOPE_SERVER_ERROR_NOT_IMPLEMENTED] = 501, [SCOPE_SERVER_ERROR_UNAVAILABLE] = 503,
    };

    g_return_val_if_fail(error != NULL, 500);
    if (g_error_matches(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID)) {
        return 422;
    }
    if (g_error_matches(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_NOT_FOUND)) {
        return 404;
    }
    if (error->domain != SCOPE_SERVER_ERROR || error->code < 0 ||
        (gsize)error->code >= G_N_ELEMENTS(statuses)) {
        return 500;
    }
    return statuses[error->code];
}
