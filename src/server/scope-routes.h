/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of every HTTP operation: method, path, handler, and what the dispatcher must check
 * before the handler runs. docs/http.md and docs/openapi.json are compared with it by a test.
 */
#ifndef SCOPE_ROUTES_H
#define SCOPE_ROUTES_H

#include "server/scope-request.h"

G_BEGIN_DECLS

/**
 * ScopeRouteFlags:
 * @SCOPE_ROUTE_JSON: the body is a JSON object and required
 * @SCOPE_ROUTE_JSON_OPTIONAL: the body is a JSON object or empty
 * @SCOPE_ROUTE_STREAM: the body is stored while it arrives, see @begin
 * @SCOPE_ROUTE_PUBLIC: answered without the access token
 * @SCOPE_ROUTE_PAGE: a page: `?token=` is turned into a cookie
 * @SCOPE_ROUTE_ALIAS: kept for older clients; not in docs/openapi.json
 */
typedef enum {
    SCOPE_ROUTE_JSON = 1 << 0,
    SCOPE_ROUTE_JSON_OPTIONAL = 1 << 1,
    SCOPE_ROUTE_STREAM = 1 << 2,
    SCOPE_ROUTE_PUBLIC = 1 << 3,
    SCOPE_ROUTE_PAGE = 1 << 4,
    SCOPE_ROUTE_ALIAS = 1 << 5,
} ScopeRouteFlags;

/** ScopeRouteHandler: answers or defers @request. Thread: main. */
typedef void (*ScopeRouteHandler)(ScopeRequest *request);

/**
 * ScopeRouteBegin:
 *
 * STREAM routes: called when the headers are there, before the body. Attaches a ScopeUpload with
 * scope_request_take_upload(), or returns %FALSE with @error set, and the body is never read.
 *
 * Thread: main.
 */
typedef gboolean (*ScopeRouteBegin)(ScopeRequest *request, GError **error);

/**
 * ScopeRoute:
 * @method: `GET` routes also answer HEAD
 * @path: literal segments, `{name}` for one segment, `{name*}` for one or more
 * @tier: of the wire contract: 1 mandatory, 2 later releases, 3 vendor cloud
 * @flags: set of ScopeRouteFlags
 * @max_body_bytes: larger bodies get 413; 0 = the default of 1 MiB
 * @handler: (nullable): %NULL: answered with 501
 * @begin: STREAM only
 * @summary: one line for the documents
 */
typedef struct _ScopeRoute {
    const char *method;
    const char *path;
    guint tier;
    guint flags;
    gsize max_body_bytes;
    ScopeRouteHandler handler;
    ScopeRouteBegin begin;
    const char *summary;
} ScopeRoute;

/**
 * scope_routes_get:
 * @ret_n_routes: number of entries
 *
 * Thread: any.
 * Errors: none.
 * Returns: (array length=ret_n_routes): the table, static.
 */
const ScopeRoute *scope_routes_get(gsize *ret_n_routes);

/**
 * ScopeRouteMatch:
 * @SCOPE_ROUTE_NONE: no route has this path
 * @SCOPE_ROUTE_FOUND: found
 * @SCOPE_ROUTE_WRONG_METHOD: the path exists for other methods
 * @SCOPE_ROUTE_BAD_PATH: the percent-encoding is broken or holds a NUL
 */
typedef enum {
    SCOPE_ROUTE_NONE = 0,
    SCOPE_ROUTE_FOUND,
    SCOPE_ROUTE_WRONG_METHOD,
    SCOPE_ROUTE_BAD_PATH,
} ScopeRouteMatch;

/**
 * scope_routes_find:
 * @method: of the request
 * @raw_path: percent-encoded path of the request
 * @ret_route: (nullable): the entry when found
 * @ret_params: (transfer full) (nullable): decoded path parameters when found
 *
 * Thread: any.
 * Errors: none.
 * Returns: what was found.
 */
ScopeRouteMatch scope_routes_find(const char *method, const char *raw_path,
                                  const ScopeRoute **ret_route, GHashTable **ret_params);

G_END_DECLS

#endif
