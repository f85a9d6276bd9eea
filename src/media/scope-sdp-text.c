/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Splits an untrusted session description into lines and sections within fixed limits. Pure
 * functions; the strings point into one private copy of the text.
 */
#include "media/scope-sdp-text.h"

#include <gio/gio.h>
#include <string.h>

#include "media/scope-media.h"
#include "media/scope-sdp.h"

#define MAX_LINES      4096
#define MAX_LINE_BYTES 4096
#define MAX_FORMATS    128
#define N_MLINE_MIN    4

static void
section_free(gpointer data)
{
    ScopeSdpSection *section = data;
    g_strfreev(section->formats);
    g_array_unref(section->attributes);
    g_free(section);
}

void
scope_sdp_text_free(ScopeSdpText *text)
{
    if (text != NULL) {
        g_ptr_array_unref(text->sections);
        g_free(text->buffer);
        g_free(text);
    }
}

static ScopeSdpSection *
add_section(ScopeSdpText *text)
{
    ScopeSdpSection *section = g_new0(ScopeSdpSection, 1);
    section->attributes = g_array_new(FALSE, FALSE, sizeof(ScopeSdpAttribute));
    g_ptr_array_add(text->sections, section);
    return section;
}

/* m=<media> <port>[/<count>] <proto> <format> ... */
static gboolean
parse_mline(ScopeSdpText *text, char *value, guint line, GError **error)
{
    if (text->sections->len > SCOPE_SDP_MAX_MEDIA) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                    "SDP line %u: more than %d m-lines", line, SCOPE_SDP_MAX_MEDIA);
        return FALSE;
    }
    g_auto(GStrv) words = g_strsplit(value, " ", MAX_FORMATS + N_MLINE_MIN);
    guint n_words = g_strv_length(words);
    guint64 port;
    if (n_words < N_MLINE_MIN || n_words == MAX_FORMATS + N_MLINE_MIN ||
        !g_ascii_string_to_unsigned(words[1], 10, 0, G_MAXUINT16, &port, NULL)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP,
                    "SDP line %u: an m-line must be \"m=<media> <port> <protocol> <formats>\" with "
                    "at most %d formats",
                    line, MAX_FORMATS);
        return FALSE;
    }
    ScopeSdpSection *section = add_section(text);
    section->formats = g_strdupv(words + 3);
    section->port = (guint)port;
    char *cursor = value;
    section->media = strsep(&cursor, " ");
    strsep(&cursor, " ");
    section->proto = strsep(&cursor, " ");
    return TRUE;
}

static gboolean
parse_line(ScopeSdpText *text, char *line, guint number, GError **error)
{
    gsize n_bytes = strlen(line);
    if (n_bytes < 2 || line[1] != '=' || !g_ascii_islower(line[0]) || n_bytes > MAX_LINE_BYTES) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP,
                    "SDP line %u: a line must be \"<letter>=<value>\" of at most %d bytes", number,
                    MAX_LINE_BYTES);
        return FALSE;
    }
    char *value = line + 2;
    if ((number == 1) != (line[0] == 'v') || (number == 1 && !g_str_equal(value, "0"))) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP,
                    "SDP line %u: the first line, and no other, must be \"v=0\"", number);
        return FALSE;
    }
    if (line[0] == 'm') {
        return parse_mline(text, value, number, error);
    }
    if (line[0] == 'o') {
        text->origin = value;
    }
    if (line[0] == 'a') {
        ScopeSdpSection *section = text->sections->pdata[text->sections->len - 1];
        char *colon = strchr(value, ':');
        if (colon != NULL) {
            *colon = '\0';
        }
        ScopeSdpAttribute attribute = {value, colon ? colon + 1 : ""};
        g_array_append_val(section->attributes, attribute);
    }
    return TRUE;
}

static gboolean
check_bytes(const char *text, gsize n_bytes, GError **error)
{
    if (n_bytes > SCOPE_PEER_MAX_SDP_BYTES) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                    "SDP: %" G_GSIZE_FORMAT " bytes, but at most %d are accepted", n_bytes,
                    SCOPE_PEER_MAX_SDP_BYTES);
        return FALSE;
    }
    for (gsize i = 0; i < n_bytes; i++) {
        if ((guchar)text[i] < ' ' && text[i] != '\n' && text[i] != '\r' && text[i] != '\t') {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP,
                        "SDP: control character 0x%02x at byte %" G_GSIZE_FORMAT, (guchar)text[i],
                        i);
            return FALSE;
        }
    }
    if (!g_utf8_validate(text, (gssize)n_bytes, NULL)) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP, "SDP: not valid UTF-8");
        return FALSE;
    }
    return TRUE;
}

ScopeSdpText *
scope_sdp_text_parse(const char *bytes, gsize n_bytes, GError **error)
{
    if (!check_bytes(bytes, n_bytes, error)) {
        return NULL;
    }
    g_autoptr(ScopeSdpText) text = g_new0(ScopeSdpText, 1);
    text->sections = g_ptr_array_new_with_free_func(section_free);
    text->buffer = g_strndup(bytes, n_bytes);
    add_section(text);
    char *cursor = text->buffer;
    guint number = 0;
    while (cursor != NULL && *cursor != '\0') {
        char *line = strsep(&cursor, "\n");
        gsize length = strlen(line);
        if (length > 0 && line[length - 1] == '\r') {
            line[length - 1] = '\0';
        }
        if (*line == '\0') {
            continue;
        }
        if (++number > MAX_LINES) {
            g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT,
                        "SDP: more than %d lines", MAX_LINES);
            return NULL;
        }
        if (!parse_line(text, line, number, error)) {
            return NULL;
        }
    }
    if (text->sections->len < 2 || text->origin == NULL) {
        g_set_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP, "SDP: %s",
                    number == 0            ? "the text is empty"
                    : text->origin == NULL ? "the o= line is missing"
                                           : "no m-line, so there is nothing to connect");
        return NULL;
    }
    return g_steal_pointer(&text);
}

const char *
scope_sdp_section_find(const ScopeSdpSection *section, const char *key, guint nth)
{
    for (guint i = 0; i < section->attributes->len; i++) {
        const ScopeSdpAttribute *a = &g_array_index(section->attributes, ScopeSdpAttribute, i);
        if (g_str_equal(a->key, key) && nth-- == 0) {
            return a->value;
        }
    }
    return NULL;
}

const char *
scope_sdp_section_find_payload(const ScopeSdpSection *section, const char *key, int payload,
                               guint nth)
{
    char prefix[8];
    int n_prefix = g_snprintf(prefix, sizeof(prefix), "%d ", payload);
    for (guint i = 0; i < section->attributes->len; i++) {
        const ScopeSdpAttribute *a = &g_array_index(section->attributes, ScopeSdpAttribute, i);
        if (g_str_equal(a->key, key) && g_str_has_prefix(a->value, prefix) && nth-- == 0) {
            return a->value + n_prefix;
        }
    }
    return NULL;
}
