/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: HTTP interface, sessions, pipeline manager and everything that belongs to them. It
 * takes resolved values; reading options and environment is the program's business.
 *
 * Life: scope_server_new, scope_server_start, a running main loop, scope_server_stop,
 * scope_server_unref. Everything on the main thread with the default main context.
 */
#ifndef SCOPE_SERVER_H
#define SCOPE_SERVER_H

#include <gio/gio.h>

#include "core/scope-plugins.h"
#include "core/scope-registry.h"

G_BEGIN_DECLS

/** SCOPE_SERVER_UI_RESOURCE: where the built web UI is looked for among the GResources. */
#define SCOPE_SERVER_UI_RESOURCE "/org/scope/web"

/** SCOPE_SERVER_STOP_US: longest time from scope_server_stop() to its callback. */
#define SCOPE_SERVER_STOP_US (3 * G_USEC_PER_SEC)

/** ScopeServer: opaque, refcounted. */
typedef struct _ScopeServer ScopeServer;

/**
 * ScopeServerRestart:
 * @user_data: as given
 *
 * A client asked for a restart; the answer was sent half a second ago. Thread: main.
 */
typedef void (*ScopeServerRestart)(gpointer user_data);

/**
 * ScopeServerOptions:
 * @host: address or name to bind
 * @port: 0 = any free one
 * @version: shown by /health
 * @commit: (nullable): shown by /health
 * @data_dir: onboarding and tokens
 * @models_dir: model files
 * @lora_dir: LoRA files
 * @lora_shared_dir: (nullable): second LoRA folder, read-only
 * @assets_dir: uploads; made with the first one
 * @logs_dir: (nullable): log files
 * @pipeline: (nullable): loaded at start with default parameters
 * @auth_token: (nullable): access token that clients must present
 * @allowed_hosts: (nullable) (array zero-terminated=1): further names for the Host header
 * @allowed_origins: (nullable) (array zero-terminated=1): further origins of pages
 * @max_upload_bytes: largest uploaded asset
 * @max_connections: HTTP connections at a time
 * @client_timeout_ms: longest pause of an HTTP client inside its headers, its body, or a reply that
 *   it does not take; connections without a request are kept three times as long
 * @max_sessions: WebRTC sessions at a time
 * @ice_address: (nullable): ICE uses this local address only
 * @replay_dir: (nullable): where a log of each session is written, for `scope replay`
 * @replay_input: %TRUE: the video that sessions are fed with is kept beside their logs
 * @ice_servers_json: (nullable): static list, JSON array of {urls, username, credential}
 * @hub_endpoint: (nullable): where model files are fetched from instead of the Hugging Face Hub
 * @drive_endpoint: (nullable): the same for Google Drive's download service
 * @hf_token: (nullable): Hugging Face token, for model files and TURN credentials
 * @civitai_token: (nullable): token from the environment
 * @twilio_account_sid: (nullable): TURN through Twilio
 * @twilio_auth_token: (nullable): TURN through Twilio
 * @cloudflare_key_id: (nullable): TURN through own Cloudflare keys
 * @cloudflare_api_token: (nullable): TURN through own Cloudflare keys
 * @is_managed: a desktop shell starts the program again when it exits with code 42
 * @registry: borrowed until scope_server_unref(): the pipelines
 * @plugins: (nullable): borrowed until scope_server_unref(): what the list of plugins shows
 * @services: borrowed until scope_server_unref(): host services for pipelines
 * @estimate: (nullable): seconds that a pipeline takes for a frame on the processor, 0 = unknown;
 *   shown in the list of schemas
 * @restart: (nullable): what a restart request does; %NULL = refused with 501
 * @restart_data: for @restart
 *
 * Fill with SCOPE_SERVER_OPTIONS_INIT, then change what differs. Texts are copied.
 */
typedef struct {
    const char *host;
    guint16 port;
    const char *version;
    const char *commit;
    const char *data_dir;
    const char *models_dir;
    const char *lora_dir;
    const char *lora_shared_dir;
    const char *assets_dir;
    const char *logs_dir;
    const char *pipeline;
    const char *auth_token;
    const char *const *allowed_hosts;
    const char *const *allowed_origins;
    guint64 max_upload_bytes;
    guint max_connections;
    guint client_timeout_ms;
    guint max_sessions;
    const char *ice_address;
    const char *replay_dir;
    gboolean replay_input;
    const char *ice_servers_json;
    const char *hub_endpoint;
    const char *drive_endpoint;
    const char *hf_token;
    const char *civitai_token;
    const char *twilio_account_sid;
    const char *twilio_auth_token;
    const char *cloudflare_key_id;
    const char *cloudflare_api_token;
    gboolean is_managed;
    ScopeRegistry *registry;
    const ScopePlugins *plugins;
    const ScopeHost *services;
    gdouble (*estimate)(const char *pipeline_id);
    ScopeServerRestart restart;
    gpointer restart_data;
} ScopeServerOptions;

#define SCOPE_SERVER_OPTIONS_INIT                                                                  \
    ((ScopeServerOptions){                                                                         \
        .host = "127.0.0.1",                                                                       \
        .port = 8000,                                                                              \
        .version = SCOPE_VERSION,                                                                  \
        .max_upload_bytes = 512u * 1024 * 1024,                                                    \
        .max_connections = 256,                                                                    \
        .client_timeout_ms = 20000,                                                                \
        .max_sessions = 16,                                                                        \
    })

/**
 * scope_server_new:
 * @options: borrowed
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full): a server that does not listen yet.
 */
ScopeServer *scope_server_new(const ScopeServerOptions *options);

/** scope_server_ref: another owner. Thread: main. */
ScopeServer *scope_server_ref(ScopeServer *server);

/** scope_server_unref: (nullable): the last owner ends what still runs. Thread: main. */
void scope_server_unref(ScopeServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeServer, scope_server_unref)

/**
 * scope_server_start:
 * @server: borrowed
 * @error: (nullable): set on failure
 *
 * Listens, fetches ICE credentials where some are configured, and begins to load the initial
 * pipeline. /health answers from the first turn of the main loop on.
 *
 * Thread: main.
 * Errors: G_IO_ERROR (the address is in use or not ours), G_RESOLVER_ERROR, G_FILE_ERROR (a folder
 *   cannot be made), SCOPE_SERVER_ERROR_BAD_REQUEST (@ice_servers_json is malformed).
 * Returns: %TRUE, or %FALSE with @error set.
 */
gboolean scope_server_start(ScopeServer *server, GError **error);

/**
 * scope_server_stop:
 * @server: borrowed, kept alive until @done
 * @done: (nullable): called once on main when everything has ended, at the latest after
 *   SCOPE_SERVER_STOP_US
 * @user_data: for @done
 *
 * Tells every session that the stream has stopped, closes the peers, ends workers and connections.
 * Calling it again does nothing.
 *
 * Thread: main. Blocks: nothing.
 * Errors: none.
 */
void scope_server_stop(ScopeServer *server, void (*done)(gpointer user_data), gpointer user_data);

/** scope_server_get_url: borrowed `http://host:port/` of a started server. Thread: main. */
const char *scope_server_get_url(ScopeServer *server);

/** scope_server_get_port: the bound port of a started server. Thread: main. */
guint16 scope_server_get_port(ScopeServer *server);

G_END_DECLS

#endif
