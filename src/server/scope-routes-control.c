/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes of controls that this release does not run (OSC, DMX, tempo, vendor cloud), in the shape
 * of "switched off" that clients understand, and the kinds of server-side input. Main thread only.
 */
#include "server/scope-handlers.h"

#include <string.h>

#include "server/scope-server-private.h"

typedef struct {
    const char *id;
    const char *name;
    const char *description;
} InputType;

static const InputType input_types[] = {
    {"ndi", "NDI", "Video from the local network over NDI."},
    {"spout", "Spout", "Textures of other programs on Windows."},
    {"syphon", "Syphon", "Textures of other programs on macOS."},
    {"video_file", "Video File", "A video of the assets folder, played in a loop."},
};

void
scope_route_input_types(ScopeRequest *request)
{
    JsonObject *body = json_object_new();
    JsonArray *list = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(input_types); i++) {
        JsonObject *item = json_object_new();
        json_object_set_string_member(item, "source_id", input_types[i].id);
        json_object_set_string_member(item, "source_name", input_types[i].name);
        json_object_set_string_member(item, "source_description", input_types[i].description);
        json_object_set_boolean_member(item, "available", FALSE);
        json_array_add_object_element(list, item);
    }
    json_object_set_array_member(body, "input_sources", list);
    scope_request_reply_object(request, body);
}

void
scope_route_input_sources(ScopeRequest *request)
{
    const char *type = scope_request_get_param(request, "source_type");

    for (gsize i = 0; i < G_N_ELEMENTS(input_types); i++) {
        if (strcmp(type, input_types[i].id) == 0) {
            scope_request_reply_error(request, 400,
                                      "Input source '%s' is not available on this system.", type);
            return;
        }
    }
    scope_request_reply_error(request, 404,
                              "Unknown input source type '%s'. Available types: ['ndi', 'spout', "
                              "'syphon', 'video_file']",
                              type);
}

static JsonObject *
build_listener_status(void)
{
    JsonObject *body = json_object_new();

    json_object_set_boolean_member(body, "enabled", FALSE);
    json_object_set_boolean_member(body, "listening", FALSE);
    json_object_set_null_member(body, "port");
    json_object_set_null_member(body, "host");
    json_object_set_boolean_member(body, "log_all_messages", FALSE);
    return body;
}

void
scope_route_osc_status(ScopeRequest *request)
{
    scope_request_reply_object(request, build_listener_status());
}

void
scope_route_dmx_status(ScopeRequest *request)
{
    JsonObject *body = build_listener_status();

    json_object_set_int_member(body, "preferred_port", 6454);
    json_object_set_int_member(body, "mapping_count", 0);
    scope_request_reply_object(request, body);
}

void
scope_route_dmx_config(ScopeRequest *request)
{
    JsonObject *body = json_object_new();

    json_object_set_boolean_member(body, "enabled", FALSE);
    json_object_set_int_member(body, "preferred_port", 6454);
    json_object_set_boolean_member(body, "log_all_messages", FALSE);
    json_object_set_array_member(body, "mappings", json_array_new());
    scope_request_reply_object(request, body);
}

void
scope_route_tempo_status(ScopeRequest *request)
{
    JsonObject *body = json_object_new();

    json_object_set_boolean_member(body, "enabled", FALSE);
    json_object_set_null_member(body, "source");
    json_object_set_int_member(body, "beats_per_bar", 4);
    json_object_set_null_member(body, "beat_state");
    scope_request_reply_object(request, body);
}

void
scope_route_tempo_sources(ScopeRequest *request)
{
    JsonObject *body = json_object_new();

    json_object_set_object_member(body, "sources", json_object_new());
    scope_request_reply_object(request, body);
}

void
scope_route_cloud_status(ScopeRequest *request)
{
    static const char *const nulls[] = {
        "error", "connect_stage",   "app_id",           "connection_id",
        "stats", "last_close_code", "last_close_reason"};
    JsonObject *body = json_object_new();

    json_object_set_boolean_member(body, "connected", FALSE);
    json_object_set_boolean_member(body, "connecting", FALSE);
    json_object_set_boolean_member(body, "webrtc_connected", FALSE);
    json_object_set_boolean_member(body, "credentials_configured", FALSE);
    for (gsize i = 0; i < G_N_ELEMENTS(nulls); i++) {
        json_object_set_null_member(body, nulls[i]);
    }
    scope_request_reply_object(request, body);
}

void
scope_route_cloud_connect(ScopeRequest *request)
{
    scope_request_reply_error(request, 400,
                              "This server runs on this machine only and knows no vendor cloud");
}
