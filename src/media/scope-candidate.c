/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of an ICE candidate line, field by field. Pure functions.
 */
#include "media/scope-candidate.h"

#include <gio/gio.h>
#include <string.h>

#include "media/scope-media.h"

#define MAX_CANDIDATE_BYTES 1024
#define N_FIXED_FIELDS      8

static ScopeCandidateKind
refuse(GError **error, const char *field, const char *value, const char *right)
{
    g_autofree char *shown = g_utf8_make_valid(value, (gssize)strnlen(value, 64));
    g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CANDIDATE,
                "ICE candidate: %s is \"%s\", but must be %s", field, shown, right);
    return SCOPE_CANDIDATE_KIND_INVALID;
}

static gboolean
is_number(const char *text, guint64 max)
{
    guint64 value;
    return g_ascii_string_to_unsigned(text, 10, 0, max, &value, NULL);
}

static gboolean
is_ice_chars(const char *text, gsize max)
{
    gsize n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/");
    return n > 0 && n <= max && text[n] == '\0';
}

static gboolean
is_host_name(const char *text)
{
    gsize n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    return n > 0 && n <= 253 && text[n] == '\0';
}

static gboolean
is_type(const char *text)
{
    static const char *const types[] = {"host", "srflx", "prflx", "relay", NULL};
    return g_strv_contains(types, text);
}

/* The extension pairs after the type must be complete; their values are free. */
static gboolean
has_tcptype_active(char **fields, guint n_fields)
{
    for (guint i = N_FIXED_FIELDS; i + 1 < n_fields; i += 2) {
        if (g_str_equal(fields[i], "tcptype") && g_str_equal(fields[i + 1], "active")) {
            return TRUE;
        }
    }
    return FALSE;
}

static ScopeCandidateKind
check_fields(char **fields, guint n_fields, GError **error)
{
    if (n_fields < N_FIXED_FIELDS) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CANDIDATE,
                    "ICE candidate: %u fields, but at least %d are needed (foundation, component, "
                    "transport, priority, address, port, \"typ\", type)",
                    n_fields, N_FIXED_FIELDS);
        return SCOPE_CANDIDATE_KIND_INVALID;
    }
    if (!is_ice_chars(fields[0], 32)) {
        return refuse(error, "foundation", fields[0], "1 to 32 letters, digits, + or /");
    }
    if (!is_number(fields[1], 256) || g_str_equal(fields[1], "0")) {
        return refuse(error, "component", fields[1], "a number from 1 to 256");
    }
    gboolean udp = g_ascii_strcasecmp(fields[2], "udp") == 0;
    if (!udp && g_ascii_strcasecmp(fields[2], "tcp") != 0) {
        return refuse(error, "transport", fields[2], "udp or tcp");
    }
    if (!is_number(fields[3], G_MAXUINT32)) {
        return refuse(error, "priority", fields[3], "a number below 2^32");
    }
    gboolean address = g_hostname_is_ip_address(fields[4]);
    if (!address && !is_host_name(fields[4])) {
        return refuse(error, "address", fields[4], "an IP address or a host name");
    }
    if (!is_number(fields[5], G_MAXUINT16)) {
        return refuse(error, "port", fields[5], "a number from 0 to 65535");
    }
    if (!g_str_equal(fields[6], "typ")) {
        return refuse(error, "the seventh field", fields[6], "\"typ\"");
    }
    if (!is_type(fields[7])) {
        return refuse(error, "type", fields[7], "host, srflx, prflx or relay");
    }
    if (!g_str_equal(fields[1], "1") || (!udp && has_tcptype_active(fields, n_fields))) {
        return SCOPE_CANDIDATE_KIND_IGNORED;
    }
    return address ? SCOPE_CANDIDATE_KIND_ADDRESS : SCOPE_CANDIDATE_KIND_NAME;
}

ScopeCandidateKind
scope_candidate_parse(const char *text, char **ret_normal, GError **error)
{
    const char *body = text ? text : "";
    gsize n_bytes = strlen(body);
    if (n_bytes > MAX_CANDIDATE_BYTES) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CANDIDATE,
                    "ICE candidate: %" G_GSIZE_FORMAT " bytes long, but at most %d are allowed",
                    n_bytes, MAX_CANDIDATE_BYTES);
        return SCOPE_CANDIDATE_KIND_INVALID;
    }
    g_autofree char *trimmed = g_strstrip(g_strdup(body));
    body = trimmed;
    if (g_str_has_prefix(body, "a=")) {
        body += strlen("a=");
    }
    if (g_str_equal(body, "end-of-candidates")) {
        body = "";
    }
    if (g_str_has_prefix(body, "candidate:")) {
        body += strlen("candidate:");
    }
    if (*body == '\0') {
        *ret_normal = NULL;
        return SCOPE_CANDIDATE_KIND_END;
    }
    if (strpbrk(body, "\r\n") != NULL) {
        return refuse(error, "the text", body, "a single line");
    }
    g_auto(GStrv) fields = g_strsplit(body, " ", 64);
    ScopeCandidateKind kind = check_fields(fields, g_strv_length(fields), error);
    if (kind != SCOPE_CANDIDATE_KIND_INVALID) {
        *ret_normal = g_strconcat("candidate:", body, NULL);
    }
    return kind;
}
