/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route table and its search. Entries of one area stand together; a catch-all stands last. A
 * NULL handler means that the operation comes later and answers 501. No state, any thread.
 */
#include "server/scope-routes.h"

#include <string.h>

#include "server/scope-handlers.h"

/* clang-format off */
static const ScopeRoute routes[] = {
    {"GET", "/health", 1, SCOPE_ROUTE_PUBLIC, 0, scope_route_health, NULL,
     "Liveness probe."},
    {"GET", "/api/v1/health", 1, SCOPE_ROUTE_PUBLIC, 0, scope_route_health, NULL,
     "Liveness probe, second path."},
    {"GET", "/metrics", 1, 0, 0, scope_route_metrics, NULL,
     "Counters in Prometheus text format."},
    {"GET", "/", 1, SCOPE_ROUTE_PAGE, 0, scope_route_root, NULL,
     "Web frontend entry page."},
    {"GET", "/docs", 1, SCOPE_ROUTE_PAGE, 0, scope_route_docs, NULL,
     "Description of the HTTP interface as a page."},
    {"GET", "/openapi.json", 2, 0, 0, scope_route_openapi, NULL,
     "Machine-readable API description of the running server."},
    {"GET", "/redoc", 2, SCOPE_ROUTE_PAGE, 0, scope_route_redoc, NULL,
     "Redirects to /docs."},
    {"POST", "/api/v1/restart", 2, 0, 0, scope_route_restart, NULL,
     "Restart the server process."},
    {"GET", "/api/v1/hardware/info", 1, 0, 0, scope_route_hardware, NULL,
     "GPU memory and availability of optional video interfaces."},
    {"POST", "/api/v1/pipeline/load", 1, SCOPE_ROUTE_JSON, 0, scope_route_pipeline_load, NULL,
     "Start loading one pipeline or a chain."},
    {"GET", "/api/v1/pipeline/status", 1, 0, 0, scope_route_pipeline_status, NULL,
     "Combined state of all pipeline instances."},
    {"GET", "/api/v1/pipelines/schemas", 1, 0, 0, scope_route_pipeline_schemas, NULL,
     "Metadata and configuration schema of every registered pipeline."},
    {"GET", "/pipelines", 1, 0, 0, scope_route_pipeline_schemas, NULL,
     "Short name of /api/v1/pipelines/schemas."},
    {"GET", "/api/v1/nodes/definitions", 2, 0, 0, scope_route_node_definitions, NULL,
     "Definitions of every node type for the workflow builder."},
    {"GET", "/api/v1/webrtc/ice-servers", 1, 0, 0, scope_route_ice_servers, NULL,
     "ICE servers the client should use."},
    {"POST", "/api/v1/webrtc/offer", 1, SCOPE_ROUTE_JSON, 0, scope_route_offer, NULL,
     "Exchange an SDP offer for an answer; creates a session."},
    {"PATCH", "/api/v1/webrtc/offer/{session_id}", 1, SCOPE_ROUTE_JSON, 0, scope_route_candidates, NULL,
     "Add remote ICE candidates (trickle)."},
    {"DELETE", "/api/v1/webrtc/offer/{session_id}", 2, 0, 0, scope_route_session_delete, NULL,
     "Close and remove a session."},
    {"GET", "/api/v1/models/status", 1, 0, 0, scope_route_model_status, NULL,
     "Are the model files of a pipeline present; download progress."},
    {"POST", "/api/v1/models/download", 1, SCOPE_ROUTE_JSON, 0, scope_route_model_download, NULL,
     "Start a background download of a pipeline's artifacts."},
    {"DELETE", "/api/v1/models/download", 2, 0, 0, scope_route_model_cancel, NULL,
     "End the download of a pipeline's artifacts."},
    {"GET", "/api/v1/lora/list", 1, 0, 0, scope_route_loras, NULL,
     "List LoRA files (older path)."},
    {"GET", "/api/v1/loras", 2, 0, 0, scope_route_loras, NULL,
     "List LoRA files."},
    {"POST", "/api/v1/loras", 2, 0, 0, NULL, NULL,
     "Download a LoRA from an URL into the LoRA directory (synchronous)."},
    {"DELETE", "/api/v1/loras/{name}", 2, 0, 0, NULL, NULL,
     "Delete a LoRA by name (file stem)."},
    {"POST", "/api/v1/lora/download", 2, 0, 0, NULL, NULL,
     "Download a LoRA by provenance (used by workflow import)."},
    {"PUT", "/api/v1/lora/{filename*}/provenance", 2, 0, 0, NULL, NULL,
     "Record where an installed LoRA came from."},
    {"GET", "/api/v1/assets", 1, 0, 0, scope_route_assets, NULL,
     "List uploaded assets, newest first."},
    {"POST", "/api/v1/assets", 1, SCOPE_ROUTE_STREAM, 0, scope_route_asset_upload, scope_route_asset_begin,
     "Upload a file as the raw request body."},
    {"GET", "/api/v1/assets/{asset_path*}", 1, 0, 0, scope_route_asset, NULL,
     "Serve an asset file (thumbnails, previews)."},
    {"GET", "/api/v1/plugins", 1, 0, 0, scope_route_plugins, NULL,
     "Installed plugins and those that failed to load."},
    {"POST", "/api/v1/plugins", 2, 0, 0, NULL, NULL,
     "Install a plugin."},
    {"DELETE", "/api/v1/plugins/{name}", 2, 0, 0, NULL, NULL,
     "Uninstall a plugin and unload its pipelines."},
    {"POST", "/api/v1/plugins/{name}/reload", 2, 0, 0, NULL, NULL,
     "Reload an editable (development) plugin."},
    {"GET", "/api/v1/recordings/{session_id}", 2, 0, 0, NULL, NULL,
     "Finalise and download the recording of a session."},
    {"POST", "/api/v1/recordings/{session_id}/start", 2, 0, 0, NULL, NULL,
     "Start recording a running session (or one record node)."},
    {"POST", "/api/v1/recordings/{session_id}/stop", 2, 0, 0, NULL, NULL,
     "Stop recording; the file stays available for download until the session ends."},
    {"POST", "/api/v1/workflow/resolve", 2, 0, 0, NULL, NULL,
     "Check which dependencies of a workflow file are present."},
    {"GET", "/api/v1/input-sources", 2, 0, 0, scope_route_input_types, NULL,
     "Kinds of server-side video input."},
    {"GET", "/api/v1/input-sources/{source_type}/sources", 2, 0, 0, scope_route_input_sources, NULL,
     "Discover senders or files of one kind."},
    {"GET", "/api/v1/input-sources/{source_type}/sources/{identifier*}/resolution", 2, 0, 0, NULL, NULL,
     "Native size of one source."},
    {"GET", "/api/v1/input-sources/{source_type}/sources/{identifier*}/stream", 2, 0, 0, NULL, NULL,
     "Motion-JPEG preview of one source."},
    {"POST", "/api/v1/session/parameters", 2, SCOPE_ROUTE_JSON, 0, scope_route_parameters_post, NULL,
     "Send a parameter update to every active session."},
    {"GET", "/api/v1/session/parameters", 2, 0, 0, scope_route_parameters_get, NULL,
     "Accumulated parameters of the first active session (else the headless session)."},
    {"GET", "/api/v1/session/frame", 2, 0, 0, scope_route_frame, NULL,
     "Latest output frame as JPEG."},
    {"GET", "/api/v1/session/output.ts", 2, 0, 0, NULL, NULL,
     "MPEG-TS stream of the headless session."},
    {"GET", "/api/v1/session/metrics", 2, 0, 0, scope_route_session_metrics, NULL,
     "Frame counters of the active session and GPU memory."},
    {"POST", "/api/v1/session/start", 2, 0, 0, NULL, NULL,
     "Start a session without WebRTC."},
    {"POST", "/api/v1/session/stop", 2, 0, 0, NULL, NULL,
     "Stop the headless session."},
    {"GET", "/api/v1/osc/status", 2, 0, 0, scope_route_osc_status, NULL,
     "OSC listener state."},
    {"PUT", "/api/v1/osc/settings", 2, 0, 0, NULL, NULL,
     "Switch logging of accepted messages."},
    {"GET", "/api/v1/osc/paths", 2, 0, 0, NULL, NULL,
     "Every OSC address the server understands."},
    {"POST", "/api/v1/osc/inventory", 2, 0, 0, NULL, NULL,
     "Replace the list of addresses supplied by the workflow graph."},
    {"GET", "/api/v1/osc/stream", 2, 0, 0, NULL, NULL,
     "Server-sent events for accepted OSC messages."},
    {"GET", "/api/v1/osc/docs", 2, 0, 0, NULL, NULL,
     "HTML reference page of the OSC addresses."},
    {"GET", "/api/v1/dmx/status", 2, 0, 0, scope_route_dmx_status, NULL,
     "Art-Net listener state."},
    {"PUT", "/api/v1/dmx/settings", 2, 0, 0, NULL, NULL,
     "Enable or disable, set logging, set the preferred port."},
    {"POST", "/api/v1/dmx/restart", 2, 0, 0, NULL, NULL,
     "Re-bind the Art-Net listener, optionally on a new preferred port (persisted)."},
    {"GET", "/api/v1/dmx/paths", 2, 0, 0, NULL, NULL,
     "Numeric parameters that can be mapped to DMX channels."},
    {"GET", "/api/v1/dmx/config", 2, 0, 0, scope_route_dmx_config, NULL,
     "Stored DMX configuration."},
    {"PUT", "/api/v1/dmx/config", 2, 0, 0, NULL, NULL,
     "Change or import the DMX configuration (partial update)."},
    {"GET", "/api/v1/dmx/stream", 2, 0, 0, NULL, NULL,
     "Server-sent events for DMX changes."},
    {"GET", "/api/v1/tempo/status", 2, 0, 0, scope_route_tempo_status, NULL,
     "Tempo source and beat position."},
    {"POST", "/api/v1/tempo/enable", 2, 0, 0, NULL, NULL,
     "Select and start a tempo source (stops the previous one)."},
    {"POST", "/api/v1/tempo/disable", 2, 0, 0, scope_route_tempo_status, NULL,
     "Stop tempo synchronisation."},
    {"POST", "/api/v1/tempo/set_tempo", 2, 0, 0, NULL, NULL,
     "Change the session tempo (Link only)."},
    {"GET", "/api/v1/tempo/sources", 2, 0, 0, scope_route_tempo_sources, NULL,
     "Tempo sources and their availability."},
    {"GET", "/api/v1/keys", 2, 0, 0, scope_route_keys, NULL,
     "Known credential services and whether they are set. Never returns secrets."},
    {"PUT", "/api/v1/keys/{service_id}", 2, SCOPE_ROUTE_JSON, 0, scope_route_key_put, NULL,
     "Store a token."},
    {"DELETE", "/api/v1/keys/{service_id}", 2, 0, 0, scope_route_key_delete, NULL,
     "Remove a stored token."},
    {"GET", "/api/v1/logs/current", 2, 0, 0, scope_route_log_current, NULL,
     "Newest log file as a text attachment."},
    {"GET", "/api/v1/logs/tail", 2, 0, 0, scope_route_log_tail, NULL,
     "Last lines, or lines added since a byte offset."},
    {"GET", "/api/v1/onboarding/status", 2, 0, 0, scope_route_onboarding_get, NULL,
     "First-run state of the frontend."},
    {"PUT", "/api/v1/onboarding/status", 2, SCOPE_ROUTE_JSON, 0, scope_route_onboarding_put, NULL,
     "Merge non-null members into the stored state."},
    {"GET", "/api/v1/cloud/status", 3, 0, 0, scope_route_cloud_status, NULL,
     "State of the vendor cloud relay: always disconnected."},
    {"POST", "/api/v1/cloud/connect", 3, SCOPE_ROUTE_JSON_OPTIONAL, 0, scope_route_cloud_connect, NULL,
     "Connect to the vendor cloud: refused with 400."},
    {"POST", "/api/v1/cloud/disconnect", 3, 0, 0, scope_route_cloud_status, NULL,
     "Disconnect from the vendor cloud: answers with the disconnected status."},
    {"GET", "/assets/{file*}", 2, SCOPE_ROUTE_PUBLIC, 0, scope_route_ui_file, NULL,
     "Static files of the web UI."},
    {"GET", "/{path*}", 2, SCOPE_ROUTE_PAGE, 0, scope_route_ui_file, NULL,
     "Any other file of the web UI, else its entry page."},
};
/* clang-format on */

const ScopeRoute *
scope_routes_get(gsize *ret_n_routes)
{
    *ret_n_routes = G_N_ELEMENTS(routes);
    return routes;
}

/* Decodes one percent-encoded part; NULL when it is broken, not UTF-8 or holds a NUL. */
static char *
decode_part(const char *part, gsize length)
{
    g_autofree char *raw = g_strndup(part, length);
    g_autofree char *decoded = NULL;

    if (strstr(raw, "%00")) {
        return NULL;
    }
    decoded = g_uri_unescape_string(raw, NULL);
    if (!decoded || !g_utf8_validate(decoded, -1, NULL)) {
        return NULL;
    }
    return g_steal_pointer(&decoded);
}

static void
set_param(GHashTable *params, const char *pattern, gsize pattern_length, char *value)
{
    /* pattern is `{name}` or `{name*}` */
    gsize name_length = pattern_length - 2;

    if (pattern[pattern_length - 2] == '*') {
        name_length--;
    }
    g_hash_table_insert(params, g_strndup(pattern + 1, name_length), value);
}

/*
 * Matches the decoded segments against a template. A greedy parameter takes as many segments as
 * the rest of the template leaves over, at least one.
 */
static gboolean
match(const char *path, char **segments, guint n_segments, GHashTable *params)
{
    g_auto(GStrv) parts = g_strsplit(path + 1, "/", -1);
    guint n_parts = g_strv_length(parts);
    guint at = 0;

    if (n_parts == 0) { /* the root: g_strsplit() makes nothing of an empty text */
        return n_segments == 1 && *segments[0] == '\0';
    }
    for (guint i = 0; i < n_parts; i++) {
        gsize length = strlen(parts[i]);
        gboolean is_param = length > 2 && parts[i][0] == '{';
        guint n_take = 1;

        if (is_param && parts[i][length - 2] == '*') {
            guint n_after = n_parts - i - 1;
            if (n_segments < at + n_after + 1) {
                return FALSE;
            }
            n_take = n_segments - at - n_after;
        }
        if (at + n_take > n_segments) {
            return FALSE;
        }
        if (is_param) {
            g_autoptr(GString) value = g_string_new(segments[at]);
            for (guint k = 1; k < n_take; k++) {
                g_string_append_printf(value, "/%s", segments[at + k]);
            }
            if (value->len == 0) {
                return FALSE;
            }
            set_param(params, parts[i], length, g_strdup(value->str));
        } else if (strcmp(parts[i], segments[at]) != 0) {
            return FALSE;
        }
        at += n_take;
    }
    return at == n_segments;
}

ScopeRouteMatch
scope_routes_find(const char *method, const char *raw_path, const ScopeRoute **ret_route,
                  GHashTable **ret_params)
{
    g_autoptr(GPtrArray) segments = g_ptr_array_new_with_free_func(g_free);
    ScopeRouteMatch result = SCOPE_ROUTE_NONE;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const char *at = raw_path;

    while (*at == '/') {
        const char *end = strchrnul(at + 1, '/');
        char *part = decode_part(at + 1, (gsize)(end - at - 1));
        if (!part) {
            return SCOPE_ROUTE_BAD_PATH;
        }
        g_ptr_array_add(segments, part);
        at = end;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
        g_autoptr(GHashTable) params =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        /* The page fallback answers GET only and must not turn an unknown path into a 405. */
        gboolean is_fallback = strcmp(routes[i].path, "/{path*}") == 0;

        if (is_fallback &&
            (result == SCOPE_ROUTE_WRONG_METHOD || g_str_has_prefix(raw_path, "/api/"))) {
            break;
        }
        if (!match(routes[i].path, (char **)segments->pdata, segments->len, params)) {
            continue;
        }
        if (strcmp(routes[i].method, wanted) == 0) {
            *ret_route = &routes[i];
            *ret_params = g_steal_pointer(&params);
            return SCOPE_ROUTE_FOUND;
        }
        if (!is_fallback) {
            result = SCOPE_ROUTE_WRONG_METHOD;
        }
    }
    return result;
}
