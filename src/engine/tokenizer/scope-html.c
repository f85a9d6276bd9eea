/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces HTML character references in a text. Owns nothing. Any thread. */
#include "engine/tokenizer/scope-html.h"

#include <string.h>

#define MAX_NAME 32

const char *
scope_html_find_entity(const char *name, gsize length)
{
    guint low = 0, high = scope_html_n_entities;

    while (low < high) {
        guint middle = (low + high) / 2;
        const ScopeHtmlEntity *entity = &scope_html_entities[middle];
        int order = strncmp(name, entity->name, length);
        if (order == 0 && entity->name[length] == '\0') {
            return entity->text;
        }
        /* equal so far, but the entry is longer: it sorts behind */
        if (order <= 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* What a numeric reference to @code means: the table of HTML 5 for 0x80..0x9F is that of
 * Windows-1252, some codes mean nothing at all. 0 for nothing. */
static gunichar
resolve_number(guint64 code)
{
    static const guint16 windows[32] = {
        0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178,
    };

    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
        return 0xFFFD;
    }
    if (code >= 0x80 && code <= 0x9F) {
        return windows[code - 0x80];
    }
    if (code == 0x0D) {
        return 0x0D;
    }
    if ((code < 0x20 && code != '\t' && code != '\n' && code != '\f') || code == 0x7F ||
        (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE) {
        return 0;
    }
    return (gunichar)code;
}

/* Reads "#123;" or "#x1F;" at @at; its length, or 0 when there is no number. */
static gsize
read_number(const char *at, GString *out)
{
    gboolean hex = at[1] == 'x' || at[1] == 'X';
    const char *digit = at + (hex ? 2 : 1);
    const char *first = digit;
    guint64 code = 0;
    gunichar character;

    for (; hex ? g_ascii_isxdigit(*digit) : g_ascii_isdigit(*digit); digit++) {
        code = MIN(code * (hex ? 16 : 10) + (guint64)g_ascii_xdigit_value(*digit), 0x110000);
    }
    if (digit == first) {
        return 0;
    }
    character = resolve_number(code);
    if (character != 0) {
        g_string_append_unichar(out, character);
    }
    return (gsize)(digit - at) + (*digit == ';');
}

/* Reads a name at @at: the whole of it, else the longest known beginning. Its length, or 0. */
static gsize
read_name(const char *at, GString *out)
{
    const char *end = at;
    gsize length;

    for (int i = 0; i < MAX_NAME && *end != '\0' && strchr("\t\n\f <&#;", *end) == NULL; i++) {
        end = g_utf8_next_char(end);
    }
    length = (gsize)(end - at) + (*end == ';' && end > at);
    for (; length > 1; length--) {
        const char *text = scope_html_find_entity(at, length);
        if (text != NULL) {
            g_string_append(out, text);
            return length;
        }
    }
    return 0;
}

char *
scope_html_unescape(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        const char *and = strchr(text, '&');
        gsize length;
        if (and == NULL) {
            g_string_append(out, text);
            break;
        }
        g_string_append_len(out, text, and-text);
        length = and[1] == '#' ? read_number(and+1, out) : read_name(and+1, out);
        if (length == 0) {
            g_string_append_c(out, '&');
        }
        text = and+1 + length;
    }
    return g_string_free(out, FALSE);
}
