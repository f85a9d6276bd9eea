/* SPDX-License-Identifier: Apache-2.0 */
/* The strict JSON pull reader. A small state machine over one byte range: `expect` says what may
 * come next, `is_object` is the stack of open containers. Owns one text buffer. Any thread. */
#include "engine/checkpoint/scope-json-reader.h"

#include <string.h>

enum {
    EXPECT_VALUE,        /* a value must come */
    EXPECT_FIRST_VALUE,  /* a value or the end of an empty array */
    EXPECT_FIRST_KEY,    /* a key or the end of an empty object */
    EXPECT_KEY,          /* a key must come */
    EXPECT_COMMA_OR_END, /* after a value inside a container */
    EXPECT_NOTHING,      /* after the top-level value */
    EXPECT_FAILED,
};

static ScopeJsonToken
fail(ScopeJsonReader *reader, const char *what)
{
    g_snprintf(reader->problem, sizeof reader->problem, "%s at byte %zu", what,
               (size_t)(reader->at - reader->begin));
    reader->expect = EXPECT_FAILED;
    return SCOPE_JSON_ERROR;
}

void
scope_json_reader_init(ScopeJsonReader *reader, const char *bytes, gsize size)
{
    const char *bad = NULL;

    memset(reader, 0, sizeof *reader);
    reader->begin = reader->at = bytes;
    reader->end = bytes + size;
    reader->text = g_string_new(NULL);
    reader->expect = EXPECT_VALUE;
    if (!g_utf8_validate_len(bytes, size, &bad)) {
        reader->at = bad;
        fail(reader, "not UTF-8 text");
    }
}

void
scope_json_reader_clear(ScopeJsonReader *reader)
{
    if (reader->text != NULL) {
        g_string_free(reader->text, TRUE);
    }
    reader->text = NULL;
}

const char *
scope_json_reader_get_problem(const ScopeJsonReader *reader)
{
    return reader->problem;
}

static void
skip_space(ScopeJsonReader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' ||
                                        *reader->at == '\n' || *reader->at == '\r')) {
        reader->at++;
    }
}

/* Reads the four hexadecimal digits of a \u escape; -1 when they are not there. */
static int
read_hex4(ScopeJsonReader *reader)
{
    int value = 0;

    if (reader->end - reader->at < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int digit = g_ascii_xdigit_value(*reader->at++);
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static gboolean
read_unicode_escape(ScopeJsonReader *reader)
{
    int unit = read_hex4(reader);
    gunichar character;

    if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        return FALSE;
    }
    character = (gunichar)unit;
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int low;
        if (reader->end - reader->at < 2 || reader->at[0] != '\\' || reader->at[1] != 'u') {
            return FALSE;
        }
        reader->at += 2;
        low = read_hex4(reader);
        if (low < 0xDC00 || low > 0xDFFF) {
            return FALSE;
        }
        character = 0x10000 + (((gunichar)unit - 0xD800) << 10) + ((gunichar)low - 0xDC00);
    }
    g_string_append_unichar(reader->text, character);
    return TRUE;
}

/* Reads a string whose opening quote is at the cursor into reader->text. */
static gboolean
read_string(ScopeJsonReader *reader)
{
    static const char codes[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";

    g_string_truncate(reader->text, 0);
    reader->at++;
    for (;;) {
        const char *run = reader->at;
        while (reader->at < reader->end && *reader->at != '"' && *reader->at != '\\' &&
               (guchar)*reader->at >= 0x20) {
            reader->at++;
        }
        g_string_append_len(reader->text, run, reader->at - run);
        if (reader->at == reader->end || (guchar)*reader->at < 0x20) {
            fail(reader, "string without end");
            return FALSE;
        }
        if (*reader->at++ == '"') {
            return TRUE;
        }
        if (reader->at < reader->end && *reader->at == 'u') {
            reader->at++;
            if (!read_unicode_escape(reader)) {
                fail(reader, "bad \\u escape (NUL and lone surrogates are refused)");
                return FALSE;
            }
        } else {
            const char *code =
                reader->at < reader->end && *reader->at != '\0' ? strchr(codes, *reader->at) : NULL;
            if (code == NULL) {
                fail(reader, "bad escape");
                return FALSE;
            }
            g_string_append_c(reader->text, values[code - codes]);
            reader->at++;
        }
    }
}

static gboolean
at_digit(const ScopeJsonReader *reader)
{
    return reader->at < reader->end && g_ascii_isdigit(*reader->at);
}

static gboolean
read_digits(ScopeJsonReader *reader)
{
    if (!at_digit(reader)) {
        return FALSE;
    }
    while (at_digit(reader)) {
        reader->at++;
    }
    return TRUE;
}

static ScopeJsonToken
read_number(ScopeJsonReader *reader)
{
    const char *start = reader->at;
    gboolean integer = TRUE;

    if (*reader->at == '-') {
        reader->at++;
    }
    if (reader->at < reader->end && *reader->at == '0') {
        reader->at++;
    } else if (!read_digits(reader)) {
        return fail(reader, "bad number");
    }
    if (reader->at < reader->end && *reader->at == '.') {
        integer = FALSE;
        reader->at++;
        if (!read_digits(reader)) {
            return fail(reader, "bad number");
        }
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        integer = FALSE;
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) {
            reader->at++;
        }
        if (!read_digits(reader)) {
            return fail(reader, "bad number");
        }
    }
    if (reader->at - start > 400) {
        return fail(reader, "number of more than 400 characters");
    }
    g_string_truncate(reader->text, 0);
    g_string_append_len(reader->text, start, reader->at - start);
    reader->real = g_ascii_strtod(reader->text->str, NULL);
    if (integer && g_ascii_string_to_signed(reader->text->str, 10, G_MININT64, G_MAXINT64,
                                            &reader->integer, NULL)) {
        return SCOPE_JSON_INTEGER;
    }
    return SCOPE_JSON_REAL;
}

static gboolean
read_word(ScopeJsonReader *reader, const char *word)
{
    size_t length = strlen(word);

    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0) {
        return FALSE;
    }
    reader->at += length;
    return TRUE;
}

static ScopeJsonToken
open_container(ScopeJsonReader *reader, gboolean object)
{
    if (reader->depth == SCOPE_JSON_MAX_DEPTH) {
        return fail(reader, "nested deeper than " G_STRINGIFY(SCOPE_JSON_MAX_DEPTH) " levels");
    }
    reader->at++;
    reader->is_object[reader->depth++] = object ? 1 : 0;
    reader->expect = object ? EXPECT_FIRST_KEY : EXPECT_FIRST_VALUE;
    return object ? SCOPE_JSON_OBJECT_BEGIN : SCOPE_JSON_ARRAY_BEGIN;
}

static ScopeJsonToken
close_container(ScopeJsonReader *reader)
{
    gboolean object = reader->is_object[--reader->depth];

    reader->at++;
    reader->expect = reader->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
    return object ? SCOPE_JSON_OBJECT_END : SCOPE_JSON_ARRAY_END;
}

static ScopeJsonToken
read_value(ScopeJsonReader *reader)
{
    ScopeJsonToken token = SCOPE_JSON_ERROR;

    switch (*reader->at) {
    case '{':
    case '[':
        return open_container(reader, *reader->at == '{');
    case '"':
        token = read_string(reader) ? SCOPE_JSON_STRING : SCOPE_JSON_ERROR;
        break;
    case 't':
        token = read_word(reader, "true") ? SCOPE_JSON_TRUE : fail(reader, "unknown word");
        break;
    case 'f':
        token = read_word(reader, "false") ? SCOPE_JSON_FALSE : fail(reader, "unknown word");
        break;
    case 'n':
        token = read_word(reader, "null") ? SCOPE_JSON_NULL : fail(reader, "unknown word");
        break;
    default:
        token = *reader->at == '-' || g_ascii_isdigit(*reader->at)
                    ? read_number(reader)
                    : fail(reader, "a value was expected");
        break;
    }
    if (token != SCOPE_JSON_ERROR) {
        reader->expect = reader->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
    }
    return token;
}

static ScopeJsonToken
read_key(ScopeJsonReader *reader)
{
    if (*reader->at != '"') {
        return fail(reader, "a key was expected");
    }
    if (!read_string(reader)) {
        return SCOPE_JSON_ERROR;
    }
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != ':') {
        return fail(reader, "':' was expected");
    }
    reader->at++;
    reader->expect = EXPECT_VALUE;
    return SCOPE_JSON_KEY;
}

ScopeJsonToken
scope_json_reader_next(ScopeJsonReader *reader)
{
    char close;

    if (reader->expect == EXPECT_FAILED) {
        return SCOPE_JSON_ERROR;
    }
    skip_space(reader);
    if (reader->expect == EXPECT_NOTHING) {
        return reader->at == reader->end ? SCOPE_JSON_END : fail(reader, "text after the value");
    }
    if (reader->at == reader->end) {
        return fail(reader, "the text ends too early");
    }
    close = reader->depth > 0 && reader->is_object[reader->depth - 1] ? '}' : ']';
    if (reader->expect == EXPECT_COMMA_OR_END) {
        if (*reader->at == close) {
            return close_container(reader);
        }
        if (*reader->at != ',') {
            return fail(reader, "',' was expected");
        }
        reader->at++;
        reader->expect = close == '}' ? EXPECT_KEY : EXPECT_VALUE;
        return scope_json_reader_next(reader);
    }
    if (*reader->at == close &&
        (reader->expect == EXPECT_FIRST_KEY || reader->expect == EXPECT_FIRST_VALUE)) {
        return close_container(reader);
    }
    if (reader->expect == EXPECT_FIRST_KEY || reader->expect == EXPECT_KEY) {
        return read_key(reader);
    }
    return read_value(reader);
}

gboolean
scope_json_reader_skip(ScopeJsonReader *reader)
{
    guint depth = reader->depth;

    do {
        ScopeJsonToken token = scope_json_reader_next(reader);
        if (token == SCOPE_JSON_ERROR || token == SCOPE_JSON_END) {
            return FALSE;
        }
    } while (reader->depth > depth);
    return TRUE;
}
