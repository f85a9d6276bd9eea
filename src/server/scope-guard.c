/* SPDX-License-Identifier: Apache-2.0 */
/* Host, Origin and token checks on text. Owns copies of the configured names. Any thread. */
#include "server/scope-guard.h"

#include <string.h>

#include <gio/gio.h>

struct _ScopeGuard {
    char **hosts;
    char **origins;
    char *token_digest;
};

ScopeGuard *
scope_guard_new(const char *bind_host, const char *const *allowed_hosts,
                const char *const *allowed_origins, const char *auth_token)
{
    ScopeGuard *guard = g_new0(ScopeGuard, 1);
    g_autoptr(GStrvBuilder) hosts = g_strv_builder_new();
    g_autofree char *machine = g_ascii_strdown(g_get_host_name(), -1);
    g_autofree char *machine_local = g_strconcat(machine, ".local", NULL);

    g_strv_builder_add(hosts, "localhost");
    g_strv_builder_add(hosts, bind_host);
    g_strv_builder_add(hosts, machine);
    g_strv_builder_add(hosts, machine_local);
    if (allowed_hosts) {
        g_strv_builder_addv(hosts, (const char **)allowed_hosts);
    }
    guard->hosts = g_strv_builder_end(hosts);
    guard->origins = g_strdupv((char **)allowed_origins);
    if (auth_token && *auth_token) {
        guard->token_digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, auth_token, -1);
    }
    return guard;
}

void
scope_guard_free(ScopeGuard *guard)
{
    if (!guard) {
        return;
    }
    g_strfreev(guard->hosts);
    g_strfreev(guard->origins);
    g_free(guard->token_digest);
    g_free(guard);
}

/* The host part of `host`, `host:port`, `[v6]` or `[v6]:port`, lower case; NULL when malformed. */
static char *
dup_host_part(const char *authority)
{
    const char *end;

    if (*authority == '[') {
        end = strchr(authority, ']');
        if (!end || (end[1] != '\0' && end[1] != ':')) {
            return NULL;
        }
        return g_ascii_strdown(authority + 1, end - authority - 1);
    }
    end = strchrnul(authority, ':');
    if (end == authority || strchr(authority, '@') || (*end == ':' && strchr(end + 1, ':'))) {
        return NULL;
    }
    return g_ascii_strdown(authority, end - authority);
}

gboolean
scope_guard_is_host_allowed(const ScopeGuard *guard, const char *host)
{
    g_autofree char *name = host ? dup_host_part(host) : NULL;

    if (!name) {
        return FALSE;
    }
    if (g_hostname_is_ip_address(name) || g_str_has_suffix(name, ".localhost")) {
        return TRUE;
    }
    for (char **known = guard->hosts; *known; known++) {
        if (g_ascii_strcasecmp(*known, name) == 0) {
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean
is_loopback_name(const char *name)
{
    g_autoptr(GInetAddress) address = NULL;

    if (strcmp(name, "localhost") == 0 || g_str_has_suffix(name, ".localhost")) {
        return TRUE;
    }
    address = g_inet_address_new_from_string(name);
    return address && g_inet_address_get_is_loopback(address);
}

gboolean
scope_guard_is_origin_allowed(const ScopeGuard *guard, const char *origin, const char *host)
{
    const char *authority = strstr(origin, "://");
    g_autofree char *name = NULL;

    for (char **known = guard->origins; known && *known; known++) {
        if (g_ascii_strcasecmp(*known, origin) == 0) {
            return TRUE;
        }
    }
    if (!authority ||
        !(g_str_has_prefix(origin, "http://") || g_str_has_prefix(origin, "https://"))) {
        return FALSE;
    }
    authority += strlen("://");
    if (host && g_ascii_strcasecmp(authority, host) == 0) {
        return TRUE;
    }
    name = dup_host_part(authority);
    return name && is_loopback_name(name);
}

gboolean
scope_guard_wants_token(const ScopeGuard *guard)
{
    return guard->token_digest != NULL;
}

gboolean
scope_guard_is_token(const ScopeGuard *guard, const char *token)
{
    g_autofree char *digest = NULL;
    guint8 difference = 0;

    if (!guard->token_digest) {
        return TRUE;
    }
    if (!token) {
        return FALSE;
    }
    /* Digests have one length, and where they first differ tells nothing about the token. */
    digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, token, -1);
    for (gsize i = 0; digest[i]; i++) {
        difference |= (guint8)(digest[i] ^ guard->token_digest[i]);
    }
    return difference == 0;
}
