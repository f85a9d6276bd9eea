/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of ICE servers that clients and the server itself use. Chosen once at start: a static
 * list, or TURN credentials of a service, or one STUN server when there is nothing else.
 */
#ifndef SCOPE_ICE_H
#define SCOPE_ICE_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#include "media/scope-peer.h"

G_BEGIN_DECLS

/** SCOPE_ICE_FALLBACK_URL: what is used when nothing is configured or the service fails. */
#define SCOPE_ICE_FALLBACK_URL "stun:stun.l.google.com:19302"

/**
 * ScopeIceOptions:
 * @address: (nullable): the only local address of ICE; a loopback address means that no server is
 *   of use, and nothing is fetched
 * @servers_json: (nullable): static list
 * @hf_token: (nullable): for the fastrtc credential service
 * @twilio_account_sid: (nullable): for Twilio
 * @twilio_auth_token: (nullable): for Twilio
 * @cloudflare_key_id: (nullable): for Cloudflare
 * @cloudflare_api_token: (nullable): for Cloudflare
 * @service_base: (nullable): base URL instead of the services' own; for tests
 *
 * Borrowed texts.
 */
typedef struct {
    const char *address;
    const char *servers_json;
    const char *hf_token;
    const char *twilio_account_sid;
    const char *twilio_auth_token;
    const char *cloudflare_key_id;
    const char *cloudflare_api_token;
    const char *service_base;
} ScopeIceOptions;

/** ScopeIce: opaque. Thread: main only. */
typedef struct _ScopeIce ScopeIce;

/**
 * scope_ice_new:
 * @options: borrowed
 * @error: (nullable): set on failure
 *
 * Begins to fetch credentials where some are configured; until they are there the fallback holds.
 *
 * Thread: main. Blocks: nothing.
 * Errors: SCOPE_SERVER_ERROR_BAD_REQUEST: the static list is malformed.
 * Returns: (transfer full): the list, or %NULL with @error set.
 */
ScopeIce *scope_ice_new(const ScopeIceOptions *options, GError **error);

/** scope_ice_free: (nullable): ends a request that runs. Thread: main. */
void scope_ice_free(ScopeIce *ice);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeIce, scope_ice_free)

/** scope_ice_is_pending: whether a service has not answered yet. Thread: main. */
gboolean scope_ice_is_pending(ScopeIce *ice);

/** scope_ice_dup_body: (transfer full): the body of `ice-servers`. Thread: main. */
JsonObject *scope_ice_dup_body(ScopeIce *ice);

/** scope_ice_get_servers: (array length=ret_n_servers): borrowed for this turn of main. Thread:
 * main. */
const ScopeIceServer *scope_ice_get_servers(ScopeIce *ice, guint *ret_n_servers);

G_END_DECLS

#endif
