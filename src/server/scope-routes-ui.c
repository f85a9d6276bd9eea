/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the web UI and of the pages that describe the interface. Main thread only. */
#include "server/scope-handlers.h"

#include <string.h>

#include "server/scope-ui.h"

/*
 * The UI loads nothing from elsewhere; styles are inline because its components set them, media
 * comes from cameras (blob:) and connections go to this server alone.
 */
#define PAGE_POLICY                                                                                \
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "           \
    "media-src 'self' blob: mediastream:; connect-src 'self'; font-src 'self' data:; "             \
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "            \
    "frame-ancestors 'self'"

static void
reply_page(ScopeRequest *request, GBytes *bytes)
{
    scope_request_set_header(request, "Content-Security-Policy", PAGE_POLICY);
    scope_request_set_header(request, "Cache-Control", "no-cache, no-store, must-revalidate");
    scope_request_set_header(request, "Pragma", "no-cache");
    scope_request_set_header(request, "Expires", "0");
    scope_request_reply_bytes(request, 200, "text/html; charset=utf-8", bytes);
}

void
scope_route_root(ScopeRequest *request)
{
    g_autoptr(GBytes) index = scope_ui_lookup("index.html");

    reply_page(request, index ? index : scope_ui_get_placeholder());
}

void
scope_route_docs(ScopeRequest *request)
{
    reply_page(request, scope_ui_get_docs_page());
}

void
scope_route_openapi(ScopeRequest *request)
{
    scope_request_reply_bytes(request, 200, "application/json", scope_ui_get_openapi());
}

void
scope_route_redoc(ScopeRequest *request)
{
    scope_request_set_header(request, "Location", "/docs");
    scope_request_reply_empty(request, 307);
}

/* Files of the build; any other path is a page of the UI, unless it looks like a file. */
void
scope_route_ui_file(ScopeRequest *request)
{
    const char *raw =
        g_uri_get_path(soup_server_message_get_uri(scope_request_get_message(request)));
    const char *path = scope_request_get_param(request, "path");
    const char *file = scope_request_get_param(request, "file");
    g_autofree char *name = file ? g_strconcat("assets/", file, NULL) : g_strdup(path);
    g_autoptr(GBytes) bytes = NULL;

    if (strstr(name, "..") || strchr(name, '\\')) {
        scope_request_reply_error(request, 403, "Access denied");
        return;
    }
    bytes = scope_ui_lookup(name);
    if (bytes) {
        /* Names under assets/ hold a hash of the content. */
        scope_request_set_header(request, "Cache-Control",
                                 file ? "public, max-age=31536000, immutable" : "no-cache");
        if (g_str_has_suffix(name, ".html")) {
            reply_page(request, bytes);
        } else {
            scope_request_reply_bytes(request, 200, scope_ui_get_content_type(name), bytes);
        }
    } else if (file || g_str_has_prefix(raw, "/internal/") || strcmp(raw, "/ws") == 0) {
        scope_request_reply_error(request, 404, "Not Found");
    } else if (!scope_ui_is_built()) {
        scope_request_reply_error(request, 404, "Frontend not built");
    } else {
        scope_route_root(request);
    }
}
