/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of the system area: health, restart, hardware. Main thread only. */
#include "server/scope-handlers.h"

#include "core/scope-log.h"
#include "server/scope-hardware.h"
#include "server/scope-metrics.h"
#include "server/scope-server-private.h"

SCOPE_LOG_TOPIC(server, system)

#define RESTART_DELAY_MS 500

void
scope_route_health(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const ScopeHardware *hardware = scope_hardware_get();
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
    g_autofree char *timestamp =
        g_strdup_printf("%s.%06d", seconds, g_date_time_get_microsecond(now));
    JsonObject *body = json_object_new();

    json_object_set_string_member(body, "status", "healthy");
    json_object_set_string_member(body, "timestamp", timestamp);
    json_object_set_double_member(body, "server_start_time", server->start_time_s);
    json_object_set_string_member(body, "version", server->options.version);
    json_object_set_string_member(body, "git_commit",
                                  server->options.commit ? server->options.commit : "unknown");
    scope_object_set_string(body, "gpu", hardware->gpu_name);
    json_object_set_null_member(body, "vram");
    scope_request_set_header(request, "Cache-Control", "no-store");
    scope_request_reply_object(request, body);
}

static gboolean
on_restart(gpointer user_data)
{
    ScopeServer *server = user_data;

    server->restart_id = 0;
    scope_log_info("restarting, as a client asked");
    server->options.restart(server->options.restart_data);
    return G_SOURCE_REMOVE;
}

void
scope_route_restart(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);

    if (!server->options.restart) {
        scope_request_reply_error(request, 501, "This server cannot restart itself");
        return;
    }
    if (server->restart_id == 0) {
        server->restart_id = g_timeout_add(RESTART_DELAY_MS, on_restart, server);
    }
    scope_request_reply_message(request, "%s",
                                server->options.is_managed ? "Server exiting for respawn..."
                                                           : "Server restarting...");
}

static JsonObject *
build_unavailable(const char *reason)
{
    JsonObject *object = json_object_new();

    json_object_set_boolean_member(object, "available", FALSE);
    json_object_set_string_member(object, "reason", reason);
    json_object_set_null_member(object, "install_hint");
    return object;
}

static void
set_mib(JsonObject *object, const char *member, guint64 bytes)
{
    if (bytes > 0) {
        json_object_set_double_member(object, member, (gdouble)bytes / (1024.0 * 1024.0));
    } else {
        json_object_set_null_member(object, member);
    }
}

void
scope_route_hardware(ScopeRequest *request)
{
    const ScopeHardware *hardware = scope_hardware_get();
    JsonObject *body = json_object_new();

    if (hardware->vram_bytes > 0) {
        json_object_set_double_member(body, "vram_gb",
                                      (gdouble)hardware->vram_bytes / (1024.0 * 1024.0 * 1024.0));
    } else {
        json_object_set_null_member(body, "vram_gb");
    }
    json_object_set_object_member(body, "spout", build_unavailable("Spout is Windows-only"));
    json_object_set_object_member(body, "ndi", build_unavailable("NDI is not built in"));
    json_object_set_object_member(body, "syphon", build_unavailable("Syphon is macOS-only"));
    json_object_set_boolean_member(body, "spout_available", FALSE);
    json_object_set_boolean_member(body, "ndi_available", FALSE);
    json_object_set_boolean_member(body, "syphon_available", FALSE);
    scope_object_set_string(body, "gpu_name", hardware->gpu_name);
    set_mib(body, "total_vram_mb", hardware->vram_bytes);
    json_object_set_null_member(body, "free_vram_mb");
    json_object_set_string_member(body, "cpu_name", hardware->cpu_name);
    json_object_set_int_member(body, "cpu_count", hardware->n_cpus);
    set_mib(body, "total_ram_mb", hardware->ram_bytes);
    scope_request_reply_object(request, body);
}

void
scope_route_metrics(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(GBytes) text = scope_metrics_render(server);

    scope_request_reply_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}
