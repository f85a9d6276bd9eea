/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning of prompts, step by step; every step takes a text and gives a new one. Owns nothing. Any
 * thread. */
#include "engine/tokenizer/scope-text-clean.h"

#include <string.h>

#include "engine/tokenizer/scope-html.h"

/* More rounds than any text needs; each round undoes one layer of damage. */
#define MAX_ROUNDS 10

/* Windows-1252 for 0x80..0x9F; five codes are undefined there and stay what they are. */
static const guint16 windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8d,   0x017d, 0x8f,   0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d,   0x017e, 0x0178,
};

/* -- HTML ------------------------------------------------------------------------------------- */

/* Replaces complete references only ("&name;"), and names that someone has put in capitals. */
static char *
unescape_complete(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        gsize length = 0;
        if (*text != '&') {
            g_string_append_c(out, *text++);
            continue;
        }
        while (length < 25 &&
               (g_ascii_isalnum(text[1 + length]) || (length == 0 && text[1] == '#'))) {
            length++;
        }
        if (length > 0 && text[1 + length] == ';') {
            g_autofree char *name = g_strndup(text, length + 2);
            g_autofree char *lower = g_ascii_strdown(name, -1);
            g_autofree char *upper = g_ascii_strup(name, -1);
            const char *known = scope_html_find_entity(name + 1, length + 1);
            const char *folded = scope_html_find_entity(lower + 1, length + 1);
            g_autofree char *replaced = NULL;
            if (known == NULL && folded != NULL && strcmp(name, upper) == 0) {
                replaced = g_utf8_strup(folded, -1);
            } else if (known != NULL || text[1] == '#') {
                replaced = scope_html_unescape(name);
            }
            if (replaced != NULL) {
                g_string_append(out, replaced);
                text += length + 2;
                continue;
            }
        }
        g_string_append_c(out, *text++);
    }
    return g_string_free(out, FALSE);
}

/* -- UTF-8 that was read as Windows-1252 ------------------------------------------------------- */

/* The byte that Windows-1252 (or Latin-1) has for a character, -1 when it has none. */
static int
to_byte(gunichar character)
{
    if (character < 0x100) {
        return (int)character;
    }
    for (int i = 0; i < 32; i++) {
        if (windows_1252[i] == character) {
            return 0x80 + i;
        }
    }
    return -1;
}

/* Reads one mis-decoded character at @at: bytes that form UTF-8 of more than one byte. Two-byte
 * sequences count only behind U+00C2 and U+00C3, as the other leads are letters that may well stand
 * before a symbol. Returns the length in @at, 0 for none. */
static gsize
read_misread(const char *at, char *ret_bytes, int *ret_n)
{
    const char *next = at;
    int lead = to_byte(g_utf8_get_char(next));
    int n = lead == 0xC2 || lead == 0xC3   ? 2
            : lead >= 0xE0 && lead <= 0xEF ? 3
            : lead >= 0xF0 && lead <= 0xF4 ? 4
                                           : 0;

    for (int i = 0; i < n; i++) {
        int byte = *next != '\0' ? to_byte(g_utf8_get_char(next)) : -1;
        if (byte < 0x80 || (i > 0 && byte > 0xBF)) {
            return 0;
        }
        ret_bytes[i] = (char)(guchar)byte;
        next = g_utf8_next_char(next);
    }
    if (n == 0 || !g_utf8_validate(ret_bytes, n, NULL)) {
        return 0;
    }
    *ret_n = n;
    return (gsize)(next - at);
}

static char *
repair_misread(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        char bytes[4];
        int n = 0;
        gsize length = read_misread(text, bytes, &n);
        if (length > 0) {
            g_string_append_len(out, bytes, n);
        } else {
            length = (gsize)(g_utf8_next_char(text) - text);
            g_string_append_len(out, text, (gssize)length);
        }
        text += length;
    }
    return g_string_free(out, FALSE);
}

/* -- Characters ------------------------------------------------------------------------------- */

static const char *
find_ligature(gunichar character)
{
    static const struct {
        gunichar character;
        const char *text;
    } ligatures[] = {
        {0x0132, "IJ"},        {0x0133, "ij"},        {0x0149, "\xca\xbcn"}, {0x01C4, "D\xc5\xbd"},
        {0x01C5, "D\xc5\xbe"}, {0x01C6, "d\xc5\xbe"}, {0x01C7, "LJ"},        {0x01C8, "Lj"},
        {0x01C9, "lj"},        {0x01CA, "NJ"},        {0x01CB, "Nj"},        {0x01CC, "nj"},
        {0x01F1, "DZ"},        {0x01F2, "Dz"},        {0x01F3, "dz"},        {0xFB00, "ff"},
        {0xFB01, "fi"},        {0xFB02, "fl"},        {0xFB03, "ffi"},       {0xFB04, "ffl"},
        {0xFB05, "\xc5\xbft"}, {0xFB06, "st"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(ligatures); i++) {
        if (ligatures[i].character == character) {
            return ligatures[i].text;
        }
    }
    return NULL;
}

static gboolean
is_dropped(gunichar c)
{
    return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

/* Length of a terminal escape (ESC [ digits letter) at @at, 0 for none. */
static gsize
read_escape(const char *at)
{
    const char *next = at + 2;

    if (at[0] != '\033' || at[1] != '[') {
        return 0;
    }
    while (g_ascii_isdigit(*next) || *next == ';') {
        next++;
    }
    return g_ascii_isalpha(*next) ? (gsize)(next + 1 - at) : 0;
}

/* Appends what becomes of one character. */
static void
append_fixed(GString *out, gunichar c)
{
    const char *ligature;

    if (c >= 0x80 && c <= 0x9F) {
        c = windows_1252[c - 0x80];
    }
    ligature = find_ligature(c);
    if (ligature != NULL) {
        g_string_append(out, ligature);
    } else if (c == 0x3000) {
        g_string_append_c(out, ' ');
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
        char utf8[8] = {0};
        g_autofree char *width = NULL;
        g_unichar_to_utf8(c, utf8);
        width = g_utf8_normalize(utf8, -1, G_NORMALIZE_NFKC);
        g_string_append(out, width);
    } else if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) {
        g_string_append_c(out, '\'');
    } else if (c >= 0x201C && c <= 0x201F) {
        g_string_append_c(out, '"');
    } else if (c == 0x2028 || c == 0x2029) {
        g_string_append_c(out, '\n');
    } else if (!is_dropped(c)) {
        g_string_append_unichar(out, c);
    }
}

static char *
fix_characters(const char *text)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        gsize escape = read_escape(text);
        if (escape > 0) {
            text += escape;
        } else if (*text == '\r') {
            g_string_append_c(out, '\n');
            text += text[1] == '\n' ? 2 : 1;
        } else {
            append_fixed(out, g_utf8_get_char(text));
            text = g_utf8_next_char(text);
        }
    }
    return g_string_free(out, FALSE);
}

/* Repeats all repairs of one line until nothing changes. */
static char *
fix_line(const char *line, gboolean unescape)
{
    char *text = g_strdup(line);

    for (int round = 0; round < MAX_ROUNDS; round++) {
        g_autofree char *before = text;
        g_autofree char *html = unescape ? unescape_complete(before) : g_strdup(before);
        g_autofree char *encoding = repair_misread(html);
        g_autofree char *characters = fix_characters(encoding);
        text = g_utf8_normalize(characters, -1, G_NORMALIZE_NFC);
        if (strcmp(text, before) == 0) {
            break;
        }
    }
    return text;
}

static char *
fix_lines(const char *text)
{
    GString *out = g_string_new(NULL);
    gboolean unescape = TRUE;

    while (*text != '\0') {
        const char *end = strchr(text, '\n');
        gsize length = end != NULL ? (gsize)(end - text) + 1 : strlen(text);
        g_autofree char *line = g_strndup(text, length);
        g_autofree char *fixed = NULL;
        unescape = unescape && strchr(line, '<') == NULL;
        fixed = fix_line(line, unescape);
        g_string_append(out, fixed);
        text += length;
    }
    return g_string_free(out, FALSE);
}

/* -- White space ------------------------------------------------------------------------------ */

static gboolean
is_space(gunichar c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

static char *
collapse_space(const char *text)
{
    GString *out = g_string_new(NULL);
    gboolean pending = FALSE;

    for (; *text != '\0'; text = g_utf8_next_char(text)) {
        gunichar c = g_utf8_get_char(text);
        if (is_space(c)) {
            pending = out->len > 0;
            continue;
        }
        if (pending) {
            g_string_append_c(out, ' ');
        }
        pending = FALSE;
        g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

char *
scope_text_clean(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *fixed = fix_lines(valid);
    g_autofree char *once = scope_html_unescape(fixed);
    g_autofree char *twice = scope_html_unescape(once);

    return collapse_space(twice);
}
