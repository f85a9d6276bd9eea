/* SPDX-License-Identifier: Apache-2.0 */
/* `scope serve`: runs the server until a signal or a restart ends it. Main thread. */
#include "cli/scope-commands.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <glib-unix.h>

#include "cli/scope-program.h"
#include "core/scope-log.h"
#include "engine/scope-devices.h"
#include "media/scope-media.h"
#include "pipelines/scope-estimate.h"
#include "server/scope-server.h"

#include "scope-commit.h"

SCOPE_LOG_TOPIC(cli, serve)

/*
 * Arenas of the allocator, set before there are threads. malloc_trim() returns what lies free at
 * the end of the first arena only: behind each further one, the codecs of sessions that have gone
 * leave up to 10 MB that nothing gives back.
 */
#define MAX_ARENAS 1

#define ANY_INTERFACE_V4 "0.0.0.0"
#define ANY_INTERFACE_V6 "::"

/* A running server and how it ends. */
typedef struct {
    GMainLoop *loop;
    ScopeServer *server;
    gboolean is_restart;
} Serve;

/* ---- options ------------------------------------------------------------------------------- */

static gboolean
parse_options(ScopeConfig *config, int argc, char **argv, int *ret_status)
{
    const char *port_variable = g_getenv("SCOPE_PORT");
    const GOptionEntry entries[] = {
        {"host", 0, 0, G_OPTION_ARG_STRING, &config->host, "Address to listen on [127.0.0.1]",
         "ADDR"},
        {"port", 0, 0, G_OPTION_ARG_INT, &config->port, "Port; 0 chooses a free one [8000]", "N"},
        {"data-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->data_dir,
         "Folder for everything that is written [~/.daydream-scope]", "DIR"},
        {"models-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->models_dir, "Folder of model files",
         "DIR"},
        {"assets-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->assets_dir, "Folder of uploads",
         "DIR"},
        {"plugins-dir", 0, 0, G_OPTION_ARG_FILENAME, &config->plugins_dir,
         "Folder of installed plugins", "DIR"},
        {"pipeline", 0, 0, G_OPTION_ARG_STRING, &config->pipeline, "Load a pipeline at start",
         "ID"},
        {"log-level", 0, 0, G_OPTION_ARG_STRING, &config->log_level,
         "error, warning, info, debug or trace [info]", "LEVEL"},
        {"auth-token", 0, 0, G_OPTION_ARG_STRING, &config->auth_token,
         "Ask clients for this bearer token", "TOKEN"},
        {"ice-address", 0, 0, G_OPTION_ARG_STRING, &config->ice_address,
         "Use only this local address for WebRTC", "ADDR"},
        {"allow-host", 0, 0, G_OPTION_ARG_STRING_ARRAY, &config->allowed_hosts,
         "Accept this host name too, for example of a reverse proxy; may be repeated", "NAME"},
        {"allow-origin", 0, 0, G_OPTION_ARG_STRING_ARRAY, &config->allowed_origins,
         "Accept pages of this origin too; may be repeated", "URL"},
        {"ice-servers", 0, 0, G_OPTION_ARG_STRING, &config->ice_servers,
         "STUN and TURN servers: a JSON array of {urls, username, credential}", "JSON"},
        {"record-log", 0, 0, G_OPTION_ARG_NONE, &config->record_log,
         "Write a log of each session below the data folder, for `scope replay`", NULL},
        {"record-input", 0, 0, G_OPTION_ARG_NONE, &config->record_input,
         "The same, and keep the video that sessions are fed with (raw: 12 MB/s at 512x512)", NULL},
        {"device", 0, 0, G_OPTION_ARG_STRING, &config->device,
         "Where models run: auto, cpu, cuda or cuda:N [auto]", "DEVICE"},
        {"no-browser", 'N', 0, G_OPTION_ARG_NONE, &config->no_browser, "Do not open a browser",
         NULL},
        {NULL},
    };

    guint64 port = 8000;

    if (port_variable && !g_ascii_string_to_unsigned(port_variable, 10, 0, 65535, &port, NULL)) {
        fprintf(stderr, "scope: SCOPE_PORT=%s: expected 0 to 65535\n", port_variable);
        *ret_status = SCOPE_EXIT_USAGE;
        return FALSE;
    }
    config->port = (int)port;
    if (!scope_command_parse("- run the server",
                             "Environment variables: docs/env.md. Settings win in the order "
                             "option, variable, default.",
                             entries, argc, argv, ret_status))
        return FALSE;
    ScopeLogLevel level;
    g_autoptr(GError) error = NULL;
    if (config->device)
        g_setenv("SCOPE_DEVICE", config->device, TRUE); /* before there are other threads */
    if (!scope_devices_check_name(NULL, &error)) {
        fprintf(stderr, "scope: %s\n", error->message);
    } else if (config->port < 0 || config->port > 65535) {
        fprintf(stderr, "scope: --port %d: expected 0 to 65535\n", config->port);
    } else if (config->log_level && !scope_log_level_from_string(config->log_level, &level)) {
        fprintf(stderr, "scope: --log-level %s: expected error, warning, info, debug or trace\n",
                config->log_level);
    } else if (config->ice_address && !g_hostname_is_ip_address(config->ice_address)) {
        fprintf(stderr, "scope: --ice-address %s: expected an IP address\n", config->ice_address);
    } else {
        return TRUE;
    }
    *ret_status = SCOPE_EXIT_USAGE;
    return FALSE;
}

/* ---- ending -------------------------------------------------------------------------------- */

static void
on_stopped(gpointer user_data)
{
    g_main_loop_quit(((Serve *)user_data)->loop);
}

static gboolean
on_signal(gpointer user_data)
{
    Serve *serve = user_data;

    scope_log_info("stopping");
    scope_server_stop(serve->server, on_stopped, serve);
    return G_SOURCE_CONTINUE;
}

/* Signals that come while the server starts wait until its main loop runs. */
static void
block_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(how, &set, NULL);
}

static void
on_restart(gpointer user_data)
{
    Serve *serve = user_data;

    serve->is_restart = TRUE;
    scope_server_stop(serve->server, on_stopped, serve);
}

/* Starts the program anew in this process; comes back only on failure. */
static int
restart_self(char **argv)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);

    execv(self ? self : argv[0], argv);
    fprintf(stderr, "scope: cannot start again: %s\n", g_strerror(errno));
    return 1;
}

/* ---- running ------------------------------------------------------------------------------- */

/* The address for people: a name that works on this machine when all interfaces are bound. */
static char *
dup_page_url(const ScopeConfig *config, ScopeServer *server)
{
    if (strcmp(config->host, ANY_INTERFACE_V4) != 0 && strcmp(config->host, ANY_INTERFACE_V6) != 0)
        return g_strdup(scope_server_get_url(server));
    return g_strdup_printf("http://localhost:%u/", scope_server_get_port(server));
}

static void
open_browser(const char *url)
{
    g_autoptr(GError) error = NULL;

    if (!g_getenv("DISPLAY") && !g_getenv("WAYLAND_DISPLAY"))
        return;
    if (!g_app_info_launch_default_for_uri(url, NULL, &error))
        scope_log_debug("no browser was opened: %s", error->message);
}

static void
fill_options(ScopeServerOptions *options, const ScopeConfig *config, ScopeProgram *program,
             Serve *serve)
{
    options->host = config->host;
    options->port = (guint16)config->port;
    options->commit = SCOPE_COMMIT;
    options->data_dir = config->data_dir;
    options->replay_dir = config->record_log || config->record_input ? config->replay_dir : NULL;
    options->replay_input = config->record_input;
    options->models_dir = config->models_dir;
    options->lora_dir = config->lora_dir;
    options->lora_shared_dir = config->lora_shared_dir;
    options->assets_dir = config->assets_dir;
    options->logs_dir = config->logs_dir;
    options->pipeline = config->pipeline;
    options->auth_token = config->auth_token;
    options->allowed_hosts = (const char *const *)config->allowed_hosts;
    options->allowed_origins = (const char *const *)config->allowed_origins;
    options->ice_address = config->ice_address;
    options->ice_servers_json = config->ice_servers;
    if (g_getenv("HF_ENDPOINT"))
        options->hub_endpoint = g_getenv("HF_ENDPOINT");
    options->drive_endpoint = g_getenv("SCOPE_DRIVE_ENDPOINT");
    options->hf_token = g_getenv("HF_TOKEN");
    options->civitai_token = g_getenv("CIVITAI_API_TOKEN");
    options->twilio_account_sid = g_getenv("TWILIO_ACCOUNT_SID");
    options->twilio_auth_token = g_getenv("TWILIO_AUTH_TOKEN");
    options->cloudflare_key_id = g_getenv("CLOUDFLARE_TURN_KEY_ID");
    options->cloudflare_api_token = g_getenv("CLOUDFLARE_TURN_KEY_API_TOKEN");
    options->is_managed = g_getenv("DAYDREAM_SCOPE_MANAGED") != NULL;
    options->registry = program->registry;
    options->plugins = program->plugins;
    options->services = &program->services.host;
    options->estimate = scope_estimate_frame_seconds;
    options->restart = on_restart;
    options->restart_data = serve;
}

static gboolean
run_server(const ScopeConfig *config, ScopeProgram *program, Serve *serve, GError **error)
{
    ScopeServerOptions options = SCOPE_SERVER_OPTIONS_INIT;

    scope_estimate_start(program->services.host.n_cpus);
    fill_options(&options, config, program, serve);
    serve->server = scope_server_new(&options);
    if (!scope_server_start(serve->server, error))
        return FALSE;
    g_autofree char *url = dup_page_url(config, serve->server);
    printf("Scope is running: %s\n", url);
    fflush(stdout);
    if (!config->no_browser)
        open_browser(url);
    const guint interrupt = g_unix_signal_add(SIGINT, on_signal, serve);
    const guint terminate = g_unix_signal_add(SIGTERM, on_signal, serve);
    block_signals(SIG_UNBLOCK);
    g_main_loop_run(serve->loop);
    g_source_remove(interrupt);
    g_source_remove(terminate);
    return TRUE;
}

int
scope_command_serve(int argc, char **argv)
{
    g_auto(ScopeConfig) config = {0};
    g_auto(ScopeProgram) program = {0};
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Serve serve = {.loop = loop};
    g_auto(GStrv) again = g_strdupv(argv);
    g_autoptr(GError) error = NULL;
    int status = 0;

    mallopt(M_ARENA_MAX, MAX_ARENAS);
    if (!parse_options(&config, argc, argv, &status))
        return status;
    scope_config_resolve(&config);
    signal(SIGPIPE, SIG_IGN);
    block_signals(SIG_BLOCK);
    const ScopeLogConfig log = {.filter = g_getenv("SCOPE_DEBUG") ? NULL : config.log_level,
                                .logs_dir = config.logs_dir,
                                .quiet_loggers = g_getenv("SCOPE_LOG_QUIET_LOGGERS")};
    if (!scope_log_init(&log, &error)) {
        scope_log_warning("no log file: %s", error->message);
        g_clear_error(&error);
    }
    if (!scope_media_init(&error) || !scope_program_init(&program, &config, &error) ||
        !run_server(&config, &program, &serve, &error)) {
        fprintf(stderr, "scope: %s\n", error->message);
        status = 1;
    }
    g_clear_pointer(&serve.server, scope_server_unref);
    scope_estimate_finish();
    scope_media_shut_down();
    scope_log_shutdown();
    if (serve.is_restart)
        return g_getenv("DAYDREAM_SCOPE_MANAGED") ? SCOPE_EXIT_RESTART : restart_self(again);
    return status;
}
