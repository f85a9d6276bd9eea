/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may talk to the server: the Host check against DNS rebinding, the Origin check against
 * other sites in the user's browser, and the access token. See docs/security.md.
 */
#ifndef SCOPE_GUARD_H
#define SCOPE_GUARD_H

#include <glib.h>

G_BEGIN_DECLS

/** ScopeGuard: immutable after creation. */
typedef struct _ScopeGuard ScopeGuard;

/**
 * scope_guard_new:
 * @bind_host: address or name that the server binds
 * @allowed_hosts: (nullable) (array zero-terminated=1): further names that Host may hold
 * @allowed_origins: (nullable) (array zero-terminated=1): further origins, `scheme://host[:port]`
 * @auth_token: (nullable): %NULL or empty = no token wanted
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a guard.
 */
ScopeGuard *scope_guard_new(const char *bind_host, const char *const *allowed_hosts,
                            const char *const *allowed_origins, const char *auth_token);

/** scope_guard_free: %NULL is allowed. Thread: any. */
void scope_guard_free(ScopeGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeGuard, scope_guard_free)

/**
 * scope_guard_is_host_allowed:
 * @guard: borrowed
 * @host: (nullable): value of the Host header, with or without port
 *
 * Allowed are IP addresses (a rebound name is never one), `localhost` and names below it, the bound
 * name, the name of this machine alone and with `.local`, and the configured names.
 *
 * Thread: any.
 * Errors: none.
 * Returns: whether requests for @host are served.
 */
gboolean scope_guard_is_host_allowed(const ScopeGuard *guard, const char *host);

/**
 * scope_guard_is_origin_allowed:
 * @guard: borrowed
 * @origin: value of the Origin header
 * @host: value of the Host header, already allowed
 *
 * Allowed are the server's own origin, loopback origins on any port, and the configured ones.
 *
 * Thread: any.
 * Errors: none.
 * Returns: whether pages of @origin may use the server.
 */
gboolean scope_guard_is_origin_allowed(const ScopeGuard *guard, const char *origin,
                                       const char *host);

/** scope_guard_wants_token: whether an access token is configured. Thread: any. */
gboolean scope_guard_wants_token(const ScopeGuard *guard);

/**
 * scope_guard_is_token:
 * @guard: borrowed
 * @token: (nullable): what the client presented
 *
 * Compares in time that does not depend on the content.
 *
 * Thread: any.
 * Errors: none.
 * Returns: whether @token is the configured one.
 */
gboolean scope_guard_is_token(const ScopeGuard *guard, const char *token);

G_END_DECLS

#endif
