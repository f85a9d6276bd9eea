/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the parts together, starts them in order and ends them in the reverse order:
 * sessions (told, peers closed, workers joined) - HTTP - downloads, ICE - manager and its loader.
 * Main thread only.
 */
#include "server/scope-server.h"

#include <errno.h>
#include <string.h>

#include <glib/gstdio.h>

#include "core/scope-log.h"
#include "server/scope-hub.h"
#include "server/scope-server-private.h"

SCOPE_LOG_TOPIC(server, server)

#define STOP_POLL_MS     20
#define FETCH_BACKOFF_MS 1000

static const char *
keep(ScopeServer *server, const char *text)
{
    return text ? g_string_chunk_insert(server->texts, text) : NULL;
}

/* An empty setting counts as none. */
static const char *
keep_nonempty(ScopeServer *server, const char *text)
{
    return text && *text ? keep(server, text) : NULL;
}

ScopeServer *
scope_server_new(const ScopeServerOptions *options)
{
    ScopeServer *server = g_new0(ScopeServer, 1);
    ScopeServerOptions *own = &server->options;

    server->refs = 1;
    server->texts = g_string_chunk_new(512);
    server->options = *options;
    own->host = keep(server, options->host);
    own->version = keep(server, options->version);
    own->commit = keep(server, options->commit);
    own->data_dir = keep(server, options->data_dir);
    own->models_dir = keep(server, options->models_dir);
    own->lora_dir = keep(server, options->lora_dir);
    own->lora_shared_dir = keep_nonempty(server, options->lora_shared_dir);
    own->assets_dir = keep(server, options->assets_dir);
    own->logs_dir = keep_nonempty(server, options->logs_dir);
    own->pipeline = keep_nonempty(server, options->pipeline);
    own->auth_token = keep_nonempty(server, options->auth_token);
    own->ice_address = keep_nonempty(server, options->ice_address);
    own->replay_dir = keep_nonempty(server, options->replay_dir);
    own->ice_servers_json = keep_nonempty(server, options->ice_servers_json);
    own->hub_endpoint = keep_nonempty(server, options->hub_endpoint);
    own->drive_endpoint = keep_nonempty(server, options->drive_endpoint);
    own->hf_token = keep_nonempty(server, options->hf_token);
    own->civitai_token = keep_nonempty(server, options->civitai_token);
    own->twilio_account_sid = keep_nonempty(server, options->twilio_account_sid);
    own->twilio_auth_token = keep_nonempty(server, options->twilio_auth_token);
    own->cloudflare_key_id = keep_nonempty(server, options->cloudflare_key_id);
    own->cloudflare_api_token = keep_nonempty(server, options->cloudflare_api_token);
    server->guard = scope_guard_new(own->host, options->allowed_hosts, options->allowed_origins,
                                    own->auth_token);
    own->allowed_hosts = NULL;
    own->allowed_origins = NULL;
    server->start_time_s = (gdouble)g_get_real_time() / G_USEC_PER_SEC;
    server->start_us = g_get_monotonic_time();
    return server;
}

ScopeServer *
scope_server_ref(ScopeServer *server)
{
    server->refs++;
    return server;
}

static void
end_all(ScopeServer *server)
{
    g_clear_handle_id(&server->restart_id, g_source_remove);
    g_clear_handle_id(&server->stop_poll_id, g_source_remove);
    g_clear_pointer(&server->sessions, scope_sessions_free);
    g_clear_pointer(&server->http, scope_http_free);
    g_clear_pointer(&server->downloads, scope_downloads_free);
    g_clear_pointer(&server->ice, scope_ice_free);
    g_clear_pointer(&server->manager, scope_manager_free);
}

void
scope_server_unref(ScopeServer *server)
{
    if (!server || --server->refs > 0) {
        return;
    }
    end_all(server);
    scope_guard_free(server->guard);
    g_string_chunk_free(server->texts);
    g_free(server->url);
    g_free(server);
}

static gboolean
make_folder(const char *path, GError **error)
{
    if (path && g_mkdir_with_parents(path, 0755) != 0) {
        int saved = errno;
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(saved),
                    "Could not make the folder %s: %s", path, g_strerror(saved));
        return FALSE;
    }
    return TRUE;
}

/* A token stored through the settings serves where the environment sets none. */
static const char *
read_stored_token(ScopeServer *server, const char *file)
{
    g_autofree char *path = g_build_filename(server->options.data_dir, file, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return NULL;
    }
    return keep_nonempty(server, g_strstrip(text));
}

static gboolean
start_ice(ScopeServer *server, const char *hf_token, GError **error)
{
    const ScopeServerOptions *options = &server->options;
    ScopeIceOptions ice = {
        .address = options->ice_address,
        .servers_json = options->ice_servers_json,
        .hf_token = hf_token,
        .twilio_account_sid = options->twilio_account_sid,
        .twilio_auth_token = options->twilio_auth_token,
        .cloudflare_key_id = options->cloudflare_key_id,
        .cloudflare_api_token = options->cloudflare_api_token,
    };

    server->ice = scope_ice_new(&ice, error);
    return server->ice != NULL;
}

static gboolean
start_http(ScopeServer *server, GError **error)
{
    ScopeHttpOptions options = SCOPE_HTTP_OPTIONS_INIT;

    options.host = server->options.host;
    options.port = server->options.port;
    options.guard = server->guard;
    options.context = server;
    options.max_connections = server->options.max_connections;
    options.header_timeout_us = (gint64)server->options.client_timeout_ms * 1000;
    options.body_timeout_us = options.header_timeout_us;
    options.idle_timeout_us = 3 * options.header_timeout_us;
    server->http = scope_http_new(&options, error);
    if (!server->http) {
        return FALSE;
    }
    server->url = g_strdup_printf(strchr(options.host, ':') ? "http://[%s]:%u/" : "http://%s:%u/",
                                  options.host, scope_http_get_port(server->http));
    scope_log_info("listening on %s", server->url);
    return TRUE;
}

gboolean
scope_server_start(ScopeServer *server, GError **error)
{
    const ScopeServerOptions *options = &server->options;
    const char *hf_token = options->hf_token;
    ScopeHub hub = {.endpoint = options->hub_endpoint ? options->hub_endpoint : SCOPE_HUB_ENDPOINT,
                    .drive_endpoint =
                        options->drive_endpoint ? options->drive_endpoint : SCOPE_DRIVE_ENDPOINT};

    g_return_val_if_fail(!server->http, FALSE);
    if (!make_folder(options->data_dir, error) || !make_folder(options->models_dir, error) ||
        !make_folder(options->lora_dir, error)) {
        return FALSE;
    }
    if (!hf_token) {
        hf_token = read_stored_token(server, "huggingface_token");
    }
    hub.token = hf_token;
    server->manager = scope_manager_new(options->registry, options->services, error);
    if (!server->manager || !start_ice(server, hf_token, error)) {
        return FALSE;
    }
    server->downloads = scope_downloads_new(options->models_dir, &hub, FETCH_BACKOFF_MS, error);
    if (!server->downloads) {
        return FALSE;
    }
    server->sessions = scope_sessions_new(
        server->manager, server->ice, options->ice_address,
        &(ScopeSessionReplay){options->replay_dir, options->replay_input
                                                       ? SCOPE_REPLAY_INPUT_KEPT
                                                       : SCOPE_REPLAY_INPUT_FORGOTTEN},
        options->max_sessions);
    if (!start_http(server, error)) {
        return FALSE;
    }
    if (options->pipeline) {
        ScopeManagerEntry entry = {.key = options->pipeline, .pipeline_id = options->pipeline};
        scope_manager_load(server->manager, &entry, 1);
    }
    return TRUE;
}

static void
finish_stop(ScopeServer *server)
{
    void (*done)(gpointer user_data) = server->stop_done;
    gpointer data = server->stop_data;

    server->stop_done = NULL;
    end_all(server);
    if (done) {
        done(data);
    }
    scope_server_unref(server);
}

static gboolean
on_stop_poll(gpointer user_data)
{
    ScopeServer *server = user_data;
    gboolean is_late = g_get_monotonic_time() > server->stop_deadline_us;

    if (!scope_sessions_is_idle(server->sessions) && !is_late) {
        return G_SOURCE_CONTINUE;
    }
    if (is_late) {
        scope_log_warning("sessions did not end in time and are left behind");
    }
    server->stop_poll_id = 0;
    finish_stop(server);
    return G_SOURCE_REMOVE;
}

void
scope_server_stop(ScopeServer *server, void (*done)(gpointer user_data), gpointer user_data)
{
    if (server->is_stopping) {
        return;
    }
    server->is_stopping = TRUE;
    server->stop_done = done;
    server->stop_data = user_data;
    /* Some of the time is kept for what ends after the sessions. */
    server->stop_deadline_us = g_get_monotonic_time() + SCOPE_SERVER_STOP_US / 2;
    scope_server_ref(server);
    if (server->sessions) {
        scope_sessions_shut_down(server->sessions);
        server->stop_poll_id = g_timeout_add(STOP_POLL_MS, on_stop_poll, server);
    } else {
        finish_stop(server);
    }
}

const char *
scope_server_get_url(ScopeServer *server)
{
    return server->url;
}

guint16
scope_server_get_port(ScopeServer *server)
{
    return server->http ? scope_http_get_port(server->http) : 0;
}
