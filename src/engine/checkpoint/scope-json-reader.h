/* SPDX-License-Identifier: Apache-2.0 */
/* A strict pull reader for JSON that comes from outside: safetensors headers, shard indexes and
 * tokenizer.json. It keeps integers apart from reals, sees duplicate keys (the caller does the
 * comparing), refuses NUL characters, never recurses and allocates only the text of one token.
 * It does not own the bytes that it reads. Any thread, one at a time. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Deepest nesting of objects and arrays that is read. */
#define SCOPE_JSON_MAX_DEPTH 32

typedef enum {
    SCOPE_JSON_ERROR = 0, /* see scope_json_reader_get_problem() */
    SCOPE_JSON_END,       /* the value is complete and only white space follows */
    SCOPE_JSON_OBJECT_BEGIN,
    SCOPE_JSON_OBJECT_END,
    SCOPE_JSON_ARRAY_BEGIN,
    SCOPE_JSON_ARRAY_END,
    SCOPE_JSON_KEY,     /* text holds the key */
    SCOPE_JSON_STRING,  /* text holds the value */
    SCOPE_JSON_INTEGER, /* integer holds the value: no fraction, no exponent, fits 64 bit */
    SCOPE_JSON_REAL,    /* real holds the value; also integers outside 64 bit */
    SCOPE_JSON_TRUE,
    SCOPE_JSON_FALSE,
    SCOPE_JSON_NULL,
} ScopeJsonToken;

typedef struct {
    const char *begin; /* borrowed */
    const char *at;
    const char *end;
    GString *text;  /* text of the last key or string, valid until the next token */
    gint64 integer; /* value of the last integer */
    double real;    /* value of the last number */
    char problem[128];
    guint8 is_object[SCOPE_JSON_MAX_DEPTH];
    guint depth;
    int expect; /* private */
} ScopeJsonReader;

/**
 * scope_json_reader_init:
 * @reader: caller's memory
 * @bytes: (array length=size): UTF-8 text; borrowed until scope_json_reader_clear()
 * @size: bytes in @bytes
 *
 * Starts reading. Bytes that are not UTF-8, or hold a NUL, make the first token an error.
 *
 * Thread: any. Errors: none.
 * Returns: nothing.
 */
void scope_json_reader_init(ScopeJsonReader *reader, const char *bytes, gsize size);

/**
 * scope_json_reader_clear:
 * @reader: an initialised reader
 *
 * Frees what the reader allocated. Thread: any. Errors: none. Returns: nothing.
 */
void scope_json_reader_clear(ScopeJsonReader *reader);

/**
 * scope_json_reader_next:
 * @reader: an initialised reader
 *
 * Reads one token. After SCOPE_JSON_ERROR or SCOPE_JSON_END every further call repeats it.
 *
 * Thread: any. Errors: SCOPE_JSON_ERROR, told by scope_json_reader_get_problem().
 * Returns: the token.
 */
ScopeJsonToken scope_json_reader_next(ScopeJsonReader *reader);

/**
 * scope_json_reader_skip:
 * @reader: an initialised reader, before a value
 *
 * Reads one whole value, however nested, and drops it.
 *
 * Thread: any. Errors: FALSE when the value is malformed.
 * Returns: TRUE when a value was skipped.
 */
gboolean scope_json_reader_skip(ScopeJsonReader *reader);

/**
 * scope_json_reader_get_problem:
 * @reader: an initialised reader
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none): what was wrong and at which byte, or "" while all is well.
 */
const char *scope_json_reader_get_problem(const ScopeJsonReader *reader);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeJsonReader, scope_json_reader_clear)

G_END_DECLS
