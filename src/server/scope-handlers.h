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
/** scope_route_health: answers `GET /health`. Thread: main. */
void scope_route_health(ScopeRequest *request);
/** scope_route_restart: answers `POST /api/v1/restart`. Thread: main. */
void scope_route_restart(ScopeRequest *request);
/** scope_route_hardware: answers `GET /api/v1/hardware/info`. Thread: main. */
void scope_route_hardware(ScopeRequest *request);
/** scope_route_metrics: answers `GET /metrics`. Thread: main. */
void scope_route_metrics(ScopeRequest *request);

/* scope-routes-ui.c */
/** scope_route_root: answers `GET /`. Thread: main. */
void scope_route_root(ScopeRequest *request);
/** scope_route_docs: answers `GET /docs`. Thread: main. */
void scope_route_docs(ScopeRequest *request);
/** scope_route_openapi: answers `GET /openapi.json`. Thread: main. */
void scope_route_openapi(ScopeRequest *request);
/** scope_route_redoc: answers `GET /redoc`. Thread: main. */
void scope_route_redoc(ScopeRequest *request);
/** scope_route_ui_file: answers `GET /assets/{file}`. Thread: main. */
void scope_route_ui_file(ScopeRequest *request);

/* scope-routes-pipelines.c */
/** scope_route_pipeline_load: answers `POST /api/v1/pipeline/load`. Thread: main. */
void scope_route_pipeline_load(ScopeRequest *request);
/** scope_route_pipeline_status: answers `GET /api/v1/pipeline/status`. Thread: main. */
void scope_route_pipeline_status(ScopeRequest *request);
/** scope_route_pipeline_schemas: answers `GET /api/v1/pipelines/schemas`. Thread: main. */
void scope_route_pipeline_schemas(ScopeRequest *request);
/** scope_route_node_definitions: answers `GET /api/v1/nodes/definitions`. Thread: main. */
void scope_route_node_definitions(ScopeRequest *request);
/** scope_route_plugins: answers `GET /api/v1/plugins`. Thread: main. */
void scope_route_plugins(ScopeRequest *request);

/* scope-routes-webrtc.c */
/** scope_route_ice_servers: answers `GET /api/v1/webrtc/ice-servers`. Thread: main. */
void scope_route_ice_servers(ScopeRequest *request);
/** scope_route_offer: answers `POST /api/v1/webrtc/offer`. Thread: main. */
void scope_route_offer(ScopeRequest *request);
/** scope_route_candidates: answers `PATCH /api/v1/webrtc/offer/{session_id}`. Thread: main. */
void scope_route_candidates(ScopeRequest *request);
/** scope_route_session_delete: answers `DELETE /api/v1/webrtc/offer/{session_id}`. Thread: main. */
void scope_route_session_delete(ScopeRequest *request);

/* scope-routes-session.c */
/** scope_route_parameters_post: answers `POST /api/v1/session/parameters`. Thread: main. */
void scope_route_parameters_post(ScopeRequest *request);
/** scope_route_parameters_get: answers `GET /api/v1/session/parameters`. Thread: main. */
void scope_route_parameters_get(ScopeRequest *request);

/** scope_route_frame: answers `GET /api/v1/session/frame`. Thread: main. */
void scope_route_frame(ScopeRequest *request);
/** scope_route_session_metrics: answers `GET /api/v1/session/metrics`. Thread: main. */
void scope_route_session_metrics(ScopeRequest *request);

/* scope-routes-models.c */
/** scope_route_model_status: answers `GET /api/v1/models/status`. Thread: main. */
void scope_route_model_status(ScopeRequest *request);
/** scope_route_model_cancel: answers `DELETE /api/v1/models/download`. Thread: main. */
void scope_route_model_cancel(ScopeRequest *request);
/** scope_route_model_download: answers `POST /api/v1/models/download`. Thread: main. */
void scope_route_model_download(ScopeRequest *request);
/** scope_route_loras: answers `GET /api/v1/lora/list`. Thread: main. */
void scope_route_loras(ScopeRequest *request);

/* scope-routes-assets.c */
/** scope_route_assets: answers `GET /api/v1/assets`. Thread: main. */
void scope_route_assets(ScopeRequest *request);
/** scope_route_asset: answers `GET /api/v1/assets/{asset_path}`. Thread: main. */
void scope_route_asset(ScopeRequest *request);
/** scope_route_asset_upload: answers `POST /api/v1/assets`. Thread: main. */
void scope_route_asset_upload(ScopeRequest *request);

/** scope_route_asset_begin: checks an upload before its body is read. Thread: main.
 * Errors: SCOPE_SERVER_ERROR_BAD_REQUEST.
 */
gboolean scope_route_asset_begin(ScopeRequest *request, GError **error);

/* scope-routes-settings.c */
/** scope_route_keys: answers `GET /api/v1/keys`. Thread: main. */
void scope_route_keys(ScopeRequest *request);
/** scope_route_key_put: answers `PUT /api/v1/keys/{service_id}`. Thread: main. */
void scope_route_key_put(ScopeRequest *request);
/** scope_route_key_delete: answers `DELETE /api/v1/keys/{service_id}`. Thread: main. */
void scope_route_key_delete(ScopeRequest *request);
/** scope_route_onboarding_get: answers `GET /api/v1/onboarding/status`. Thread: main. */
void scope_route_onboarding_get(ScopeRequest *request);
/** scope_route_onboarding_put: answers `PUT /api/v1/onboarding/status`. Thread: main. */
void scope_route_onboarding_put(ScopeRequest *request);
/** scope_route_log_current: answers `GET /api/v1/logs/current`. Thread: main. */
void scope_route_log_current(ScopeRequest *request);
/** scope_route_log_tail: answers `GET /api/v1/logs/tail`. Thread: main. */
void scope_route_log_tail(ScopeRequest *request);

/* scope-routes-control.c */
/** scope_route_input_types: answers `GET /api/v1/input-sources`. Thread: main. */
void scope_route_input_types(ScopeRequest *request);
/** scope_route_input_sources: answers `GET /api/v1/input-sources/{source_type}/sources`. Thread:
 * main. */
void scope_route_input_sources(ScopeRequest *request);
/** scope_route_osc_status: answers `GET /api/v1/osc/status`. Thread: main. */
void scope_route_osc_status(ScopeRequest *request);
/** scope_route_dmx_status: answers `GET /api/v1/dmx/status`. Thread: main. */
void scope_route_dmx_status(ScopeRequest *request);
/** scope_route_dmx_config: answers `GET /api/v1/dmx/config`. Thread: main. */
void scope_route_dmx_config(ScopeRequest *request);
/** scope_route_tempo_status: answers `GET /api/v1/tempo/status`. Thread: main. */
void scope_route_tempo_status(ScopeRequest *request);
/** scope_route_tempo_sources: answers `GET /api/v1/tempo/sources`. Thread: main. */
void scope_route_tempo_sources(ScopeRequest *request);
/** scope_route_cloud_status: answers `GET /api/v1/cloud/status`. Thread: main. */
void scope_route_cloud_status(ScopeRequest *request);
/** scope_route_cloud_connect: answers `POST /api/v1/cloud/connect`. Thread: main. */
void scope_route_cloud_connect(ScopeRequest *request);

G_END_DECLS

#endif
