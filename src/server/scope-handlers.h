/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers of the route table, by area. Each answers or defers its request; the context of the
 * request is the ScopeServer. Thread: main, for all of them.
 */
#ifndef SCOPE_HANDLERS_H
#define SCOPE_HANDLERS_H

#include "server/scope-request.h"

G_BEGIN_DECLS

/* scope-routes-system.c */
void scope_route_health(ScopeRequest *request);
void scope_route_restart(ScopeRequest *request);
void scope_route_hardware(ScopeRequest *request);
void scope_route_metrics(ScopeRequest *request);

/* scope-routes-ui.c */
void scope_route_root(ScopeRequest *request);
void scope_route_docs(ScopeRequest *request);
void scope_route_openapi(ScopeRequest *request);
void scope_route_redoc(ScopeRequest *request);
void scope_route_ui_file(ScopeRequest *request);

/* scope-routes-pipelines.c */
void scope_route_pipeline_load(ScopeRequest *request);
void scope_route_pipeline_status(ScopeRequest *request);
void scope_route_pipeline_schemas(ScopeRequest *request);
void scope_route_node_definitions(ScopeRequest *request);
void scope_route_plugins(ScopeRequest *request);

/* scope-routes-webrtc.c */
void scope_route_ice_servers(ScopeRequest *request);
void scope_route_offer(ScopeRequest *request);
void scope_route_candidates(ScopeRequest *request);
void scope_route_session_delete(ScopeRequest *request);

/* scope-routes-session.c */
void scope_route_parameters_post(ScopeRequest *request);
void scope_route_parameters_get(ScopeRequest *request);

void scope_route_frame(ScopeRequest *request);
void scope_route_session_metrics(ScopeRequest *request);

/* scope-routes-models.c */
void scope_route_model_status(ScopeRequest *request);
void scope_route_model_download(ScopeRequest *request);
void scope_route_loras(ScopeRequest *request);

/* scope-routes-assets.c */
void scope_route_assets(ScopeRequest *request);
void scope_route_asset(ScopeRequest *request);
void scope_route_asset_upload(ScopeRequest *request);

gboolean scope_route_asset_begin(ScopeRequest *request, GError **error);

/* scope-routes-settings.c */
void scope_route_keys(ScopeRequest *request);
void scope_route_key_put(ScopeRequest *request);
void scope_route_key_delete(ScopeRequest *request);
void scope_route_onboarding_get(ScopeRequest *request);
void scope_route_onboarding_put(ScopeRequest *request);
void scope_route_log_current(ScopeRequest *request);
void scope_route_log_tail(ScopeRequest *request);

/* scope-routes-control.c */
void scope_route_input_types(ScopeRequest *request);
void scope_route_input_sources(ScopeRequest *request);
void scope_route_osc_status(ScopeRequest *request);
void scope_route_dmx_status(ScopeRequest *request);
void scope_route_dmx_config(ScopeRequest *request);
void scope_route_tempo_status(ScopeRequest *request);
void scope_route_tempo_sources(ScopeRequest *request);
void scope_route_cloud_status(ScopeRequest *request);
void scope_route_cloud_connect(ScopeRequest *request);

G_END_DECLS

#endif
