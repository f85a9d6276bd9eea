/* SPDX-License-Identifier: Apache-2.0 */
/* Reads tokenizer.json as a stream and encodes by its rules: added tokens in the raw text, then for
 * each text between them normaliser, words, unigram search. Owns nothing beyond the tokenizer. Any
 * thread. */
#include <string.h>

#include "engine/tokenizer/scope-tokenizer-private.h"

#define MAX_ADDED 65536u

typedef struct {
    ScopeTokenizer *tokenizer;
    ScopeJsonReader json;
    char problem[160];
    gboolean unsupported;
    gint64 unk_id;
    gboolean byte_fallback;
    GPtrArray *template_names; /* ids of the template in order; NULL stands for the text */
    gboolean has_template;
} Reader;

static gboolean refuse(Reader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Well formed, but not interpreted. */
static gboolean
refuse(Reader *reader, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_vsnprintf(reader->problem, sizeof reader->problem, format, arguments);
    va_end(arguments);
    reader->unsupported = TRUE;
    return FALSE;
}

static ScopeJsonToken
next(Reader *reader)
{
    return scope_json_reader_next(&reader->json);
}

/* TRUE when the next value is null, which is then read. */
static gboolean
take_null(Reader *reader)
{
    const char *at = reader->json.at;

    while (at < reader->json.end && g_ascii_isspace(*at)) {
        at++;
    }
    return at < reader->json.end && *at == 'n' && next(reader) == SCOPE_JSON_NULL;
}

/* -- added_tokens ----------------------------------------------------------------------------- */

static gboolean
read_added_token(Reader *reader)
{
    ScopeAddedToken token = {.id = -1};
    ScopeJsonToken kind;

    while ((kind = next(reader)) == SCOPE_JSON_KEY) {
        g_autofree char *key = g_strdup(reader->json.text->str);
        ScopeJsonToken value = next(reader);
        if (strcmp(key, "id") == 0 && value == SCOPE_JSON_INTEGER && reader->json.integer >= 0 &&
            reader->json.integer < SCOPE_UNIGRAM_MAX_PIECES) {
            token.id = (gint32)reader->json.integer;
        } else if (strcmp(key, "content") == 0 && value == SCOPE_JSON_STRING) {
            g_free(token.text);
            token.text = g_strdup(reader->json.text->str);
        } else if (strcmp(key, "lstrip") == 0) {
            token.strip_left = value == SCOPE_JSON_TRUE;
        } else if (strcmp(key, "rstrip") == 0) {
            token.strip_right = value == SCOPE_JSON_TRUE;
        } else if (strcmp(key, "single_word") == 0 && value == SCOPE_JSON_TRUE) {
            g_free(token.text);
            return refuse(reader, "added tokens that match single words only are not read");
        }
    }
    if (kind != SCOPE_JSON_OBJECT_END || token.id < 0 || token.text == NULL ||
        *token.text == '\0' || reader->tokenizer->added->len >= MAX_ADDED) {
        g_free(token.text);
        return FALSE;
    }
    token.length = strlen(token.text);
    reader->tokenizer->n_ids = MAX(reader->tokenizer->n_ids, (guint)token.id + 1);
    g_array_append_val(reader->tokenizer->added, token);
    return TRUE;
}

static gboolean
read_added_tokens(Reader *reader)
{
    ScopeJsonToken token = next(reader);

    if (token != SCOPE_JSON_ARRAY_BEGIN) {
        return token == SCOPE_JSON_NULL;
    }
    while ((token = next(reader)) == SCOPE_JSON_OBJECT_BEGIN) {
        if (!read_added_token(reader)) {
            return FALSE;
        }
    }
    return token == SCOPE_JSON_ARRAY_END;
}

/* -- pre_tokenizer ---------------------------------------------------------------------------- */

static gboolean
set_prepend(Reader *reader, ScopePreStep *step, const char *scheme)
{
    if (strcmp(scheme, "always") == 0) {
        step->prepend = SCOPE_PREPEND_ALWAYS;
    } else if (strcmp(scheme, "first") == 0) {
        step->prepend = SCOPE_PREPEND_FIRST;
    } else if (strcmp(scheme, "never") == 0) {
        step->prepend = SCOPE_PREPEND_NEVER;
    } else {
        return refuse(reader, "Metaspace with prepend_scheme '%.40s' is not read", scheme);
    }
    return TRUE;
}

/* Reads one pre-tokeniser after its '{'. The JSON depth limit bounds the recursion. */
static gboolean
read_pre_step(Reader *reader)
{
    ScopePreStep step = {.prepend = SCOPE_PREPEND_ALWAYS, .split = TRUE};
    g_autofree char *type = NULL;
    gboolean has_scheme = FALSE, ok = TRUE;
    ScopeJsonToken token = SCOPE_JSON_ERROR;

    while (ok && (token = next(reader)) == SCOPE_JSON_KEY) {
        g_autofree char *key = g_strdup(reader->json.text->str);
        ScopeJsonToken value = next(reader);
        if (strcmp(key, "type") == 0 && value == SCOPE_JSON_STRING) {
            g_free(type);
            type = g_strdup(reader->json.text->str);
        } else if (strcmp(key, "replacement") == 0 && value == SCOPE_JSON_STRING) {
            g_free(step.replacement);
            step.replacement = g_strdup(reader->json.text->str);
        } else if (strcmp(key, "add_prefix_space") == 0) {
            if (!has_scheme) {
                step.prepend =
                    value == SCOPE_JSON_FALSE ? SCOPE_PREPEND_NEVER : SCOPE_PREPEND_ALWAYS;
            }
        } else if (strcmp(key, "prepend_scheme") == 0 && value == SCOPE_JSON_STRING) {
            has_scheme = TRUE;
            ok = set_prepend(reader, &step, reader->json.text->str);
        } else if (strcmp(key, "split") == 0) {
            step.split = value != SCOPE_JSON_FALSE;
        } else if (strcmp(key, "pretokenizers") == 0 && value == SCOPE_JSON_ARRAY_BEGIN) {
            while (ok && (value = next(reader)) == SCOPE_JSON_OBJECT_BEGIN) {
                ok = read_pre_step(reader);
            }
            ok = ok && value == SCOPE_JSON_ARRAY_END;
        } else {
            ok = value == SCOPE_JSON_STRING || value == SCOPE_JSON_TRUE ||
                 value == SCOPE_JSON_FALSE || value == SCOPE_JSON_NULL;
        }
    }
    ok = ok && token == SCOPE_JSON_OBJECT_END && type != NULL;
    if (ok && strcmp(type, "Sequence") == 0) {
        g_free(step.replacement);
        return TRUE;
    }
    step.is_whitespace_split = ok && strcmp(type, "WhitespaceSplit") == 0;
    if (ok && !step.is_whitespace_split && strcmp(type, "Metaspace") != 0) {
        ok = refuse(reader, "pre-tokeniser of type '%.40s' is not read", type);
    }
    if (!ok || (!step.is_whitespace_split &&
                (step.replacement == NULL || g_utf8_strlen(step.replacement, -1) != 1))) {
        g_free(step.replacement);
        return FALSE;
    }
    g_array_append_val(reader->tokenizer->pre_steps, step);
    return TRUE;
}

/* -- post_processor --------------------------------------------------------------------------- */

/* [{"Sequence": {"id": "A", ..}}, {"SpecialToken": {"id": "</s>", ..}}] */
static gboolean
read_template(Reader *reader)
{
    ScopeJsonToken token = next(reader);

    if (token != SCOPE_JSON_ARRAY_BEGIN) {
        return FALSE;
    }
    while ((token = next(reader)) == SCOPE_JSON_OBJECT_BEGIN) {
        gboolean special;
        if (next(reader) != SCOPE_JSON_KEY) {
            return FALSE;
        }
        special = strcmp(reader->json.text->str, "SpecialToken") == 0;
        if (next(reader) != SCOPE_JSON_OBJECT_BEGIN) {
            return FALSE;
        }
        while ((token = next(reader)) == SCOPE_JSON_KEY) {
            gboolean is_id = strcmp(reader->json.text->str, "id") == 0;
            token = next(reader);
            if (is_id && token == SCOPE_JSON_STRING && reader->template_names->len < 64) {
                g_ptr_array_add(reader->template_names,
                                special ? g_strdup(reader->json.text->str) : NULL);
            }
        }
        if (token != SCOPE_JSON_OBJECT_END || next(reader) != SCOPE_JSON_OBJECT_END) {
            return FALSE;
        }
    }
    reader->has_template = TRUE;
    return token == SCOPE_JSON_ARRAY_END;
}

static gboolean
read_post_processor(Reader *reader)
{
    ScopeJsonToken token;

    if (take_null(reader)) {
        return TRUE;
    }
    if (next(reader) != SCOPE_JSON_OBJECT_BEGIN) {
        return FALSE;
    }
    while ((token = next(reader)) == SCOPE_JSON_KEY) {
        if (strcmp(reader->json.text->str, "single") == 0 && !reader->has_template) {
            if (!read_template(reader)) {
                return FALSE;
            }
        } else if (strcmp(reader->json.text->str, "type") == 0) {
            if (next(reader) != SCOPE_JSON_STRING) {
                return FALSE;
            }
            if (strcmp(reader->json.text->str, "TemplateProcessing") != 0) {
                return refuse(reader, "post-processor of type '%.40s' is not read",
                              reader->json.text->str);
            }
        } else if (!scope_json_reader_skip(&reader->json)) {
            return FALSE;
        }
    }
    return token == SCOPE_JSON_OBJECT_END;
}

/* -- model ------------------------------------------------------------------------------------ */

static gboolean
read_vocabulary(Reader *reader)
{
    ScopeJsonToken token = next(reader);

    if (token != SCOPE_JSON_ARRAY_BEGIN) {
        return refuse(reader, "a vocabulary that is no list of [piece, score] is not read");
    }
    while ((token = next(reader)) == SCOPE_JSON_ARRAY_BEGIN) {
        g_autofree char *piece = NULL;
        if (next(reader) != SCOPE_JSON_STRING) {
            return FALSE;
        }
        piece = g_strdup(reader->json.text->str);
        token = next(reader);
        if ((token != SCOPE_JSON_INTEGER && token != SCOPE_JSON_REAL) ||
            !scope_unigram_add(reader->tokenizer->unigram, piece, strlen(piece),
                               reader->json.real) ||
            next(reader) != SCOPE_JSON_ARRAY_END) {
            return FALSE;
        }
    }
    return token == SCOPE_JSON_ARRAY_END;
}

static gboolean
read_model(Reader *reader)
{
    ScopeJsonToken token;

    if (next(reader) != SCOPE_JSON_OBJECT_BEGIN) {
        return FALSE;
    }
    while ((token = next(reader)) == SCOPE_JSON_KEY) {
        g_autofree char *key = g_strdup(reader->json.text->str);
        if (strcmp(key, "vocab") == 0 &&
            scope_unigram_get_n_pieces(reader->tokenizer->unigram) == 0) {
            if (!read_vocabulary(reader)) {
                return FALSE;
            }
            continue;
        }
        token = next(reader);
        if (strcmp(key, "type") == 0 && token == SCOPE_JSON_STRING) {
            if (strcmp(reader->json.text->str, "Unigram") != 0) {
                return refuse(reader, "model of type '%.40s' is not read", reader->json.text->str);
            }
        } else if (strcmp(key, "unk_id") == 0) {
            reader->unk_id = token == SCOPE_JSON_INTEGER ? reader->json.integer : -1;
        } else if (strcmp(key, "byte_fallback") == 0) {
            reader->byte_fallback = token == SCOPE_JSON_TRUE;
        } else if (token == SCOPE_JSON_OBJECT_BEGIN || token == SCOPE_JSON_ARRAY_BEGIN) {
            return refuse(reader, "model with a member '%.40s' is not read", key);
        }
    }
    return token == SCOPE_JSON_OBJECT_END;
}

/* -- The whole file --------------------------------------------------------------------------- */

static gboolean
read_top(Reader *reader)
{
    ScopeTokenizer *tokenizer = reader->tokenizer;
    ScopeJsonToken token;

    if (next(reader) != SCOPE_JSON_OBJECT_BEGIN) {
        return FALSE;
    }
    while ((token = next(reader)) == SCOPE_JSON_KEY) {
        const char *key = reader->json.text->str;
        gboolean ok;
        if (strcmp(key, "added_tokens") == 0) {
            ok = read_added_tokens(reader);
        } else if (strcmp(key, "normalizer") == 0 && tokenizer->normalizer == NULL) {
            tokenizer->normalizer =
                scope_normalizer_read(&reader->json, reader->problem, sizeof reader->problem);
            ok = tokenizer->normalizer != NULL;
            reader->unsupported = strstr(reader->problem, "not read") != NULL;
        } else if (strcmp(key, "pre_tokenizer") == 0) {
            ok = take_null(reader) ||
                 (next(reader) == SCOPE_JSON_OBJECT_BEGIN && read_pre_step(reader));
        } else if (strcmp(key, "post_processor") == 0) {
            ok = read_post_processor(reader);
        } else if (strcmp(key, "model") == 0) {
            ok = read_model(reader);
        } else {
            ok = scope_json_reader_skip(&reader->json);
        }
        if (!ok) {
            return FALSE;
        }
    }
    return token == SCOPE_JSON_OBJECT_END && next(reader) == SCOPE_JSON_END;
}

/* The id of a token by name: an added token or a piece; -1 when there is none. */
static gint32
find_token(const ScopeTokenizer *tokenizer, const char *name)
{
    for (guint i = 0; i < tokenizer->added->len; i++) {
        const ScopeAddedToken *token = &g_array_index(tokenizer->added, ScopeAddedToken, i);
        if (strcmp(token->text, name) == 0) {
            return token->id;
        }
    }
    return scope_unigram_find(tokenizer->unigram, name, strlen(name));
}

static gboolean
finish(Reader *reader)
{
    ScopeTokenizer *tokenizer = reader->tokenizer;
    guint n_pieces = scope_unigram_get_n_pieces(tokenizer->unigram);
    gboolean after = FALSE;

    if (n_pieces == 0 || reader->unk_id < -1 || reader->unk_id >= (gint64)n_pieces) {
        g_snprintf(reader->problem, sizeof reader->problem,
                   "a vocabulary of %u pieces with unk_id %" G_GINT64_FORMAT, n_pieces,
                   reader->unk_id);
        return FALSE;
    }
    scope_unigram_finish(tokenizer->unigram, (gint32)reader->unk_id, reader->byte_fallback);
    if (tokenizer->normalizer == NULL) {
        tokenizer->normalizer = scope_normalizer_new();
    }
    tokenizer->n_ids = MAX(tokenizer->n_ids, n_pieces);
    if (!reader->has_template) {
        g_ptr_array_add(reader->template_names, NULL);
        g_ptr_array_add(reader->template_names, g_strdup("</s>"));
    }
    for (guint i = 0; i < reader->template_names->len; i++) {
        const char *name = g_ptr_array_index(reader->template_names, i);
        gint32 id = name != NULL ? find_token(tokenizer, name) : -1;
        if (name == NULL) {
            after = TRUE;
        } else if (id < 0) {
            return refuse(reader, "the template names '%.40s', which is no token", name);
        } else {
            g_array_append_val(after ? tokenizer->after : tokenizer->before, id);
        }
    }
    tokenizer->pad_id = MAX(find_token(tokenizer, "<pad>"), 0);
    tokenizer->eos_id = tokenizer->after->len > 0
                            ? g_array_index(tokenizer->after, gint32, tokenizer->after->len - 1)
                            : -1;
    return TRUE;
}

gboolean
scope_tokenizer_read_json_private(ScopeTokenizer *tokenizer, const char *bytes, gsize size,
                                  GError **error)
{
    Reader reader = {.tokenizer = tokenizer, .unk_id = -1};
    gboolean done;

    tokenizer->unigram = scope_unigram_new();
    reader.template_names = g_ptr_array_new_with_free_func(g_free);
    scope_json_reader_init(&reader.json, bytes, size);
    done = read_top(&reader) && finish(&reader);
    if (!done) {
        const char *problem = scope_json_reader_get_problem(&reader.json);
        gboolean is_json = *problem == '\0';
        g_set_error(error, SCOPE_TOKENIZER_ERROR,
                    is_json && reader.unsupported ? SCOPE_TOKENIZER_ERROR_UNSUPPORTED
                                                  : SCOPE_TOKENIZER_ERROR_FORMAT,
                    "%s: %s (near byte %zu)", tokenizer->path,
                    !is_json                  ? problem
                    : *reader.problem != '\0' ? reader.problem
                                              : "not what a tokenizer.json holds",
                    (size_t)(reader.json.at - reader.json.begin));
    }
    scope_json_reader_clear(&reader.json);
    g_ptr_array_unref(reader.template_names);
    return done;
}

/* -- Encoding --------------------------------------------------------------------------------- */

/* The words of one text between added tokens, by one step. */
static GPtrArray *
split_metaspace(const ScopePreStep *step, GPtrArray *words, gboolean is_first)
{
    GPtrArray *out = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < words->len; i++) {
        g_auto(GStrv) parts = g_strsplit(g_ptr_array_index(words, i), " ", -1);
        g_autofree char *marked = g_strjoinv(step->replacement, parts);
        const char *at;
        if (*marked != '\0' && !g_str_has_prefix(marked, step->replacement) &&
            (step->prepend == SCOPE_PREPEND_ALWAYS ||
             (step->prepend == SCOPE_PREPEND_FIRST && is_first && i == 0))) {
            char *prefixed = g_strconcat(step->replacement, marked, NULL);
            g_free(marked);
            marked = prefixed;
        }
        for (at = marked; *at != '\0';) {
            const char *end = step->split ? strstr(at + 1, step->replacement) : NULL;
            gsize length = end != NULL ? (gsize)(end - at) : strlen(at);
            g_ptr_array_add(out, g_strndup(at, length));
            at += length;
        }
    }
    return out;
}

static GPtrArray *
split_whitespace(GPtrArray *words)
{
    GPtrArray *out = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < words->len; i++) {
        const char *at = g_ptr_array_index(words, i);
        while (*at != '\0') {
            const char *end = at;
            while (*end != '\0' && !g_unichar_isspace(g_utf8_get_char(end))) {
                end = g_utf8_next_char(end);
            }
            if (end > at) {
                g_ptr_array_add(out, g_strndup(at, (gsize)(end - at)));
            }
            at = *end != '\0' ? g_utf8_next_char(end) : end;
        }
    }
    return out;
}

static gboolean
encode_between(const ScopeTokenizer *tokenizer, const char *text, gsize length, gboolean is_first,
               GArray *ids)
{
    g_autofree char *raw = g_strndup(text, length);
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(words, scope_normalizer_apply(tokenizer->normalizer, raw));
    for (guint i = 0; i < tokenizer->pre_steps->len; i++) {
        const ScopePreStep *step = &g_array_index(tokenizer->pre_steps, ScopePreStep, i);
        GPtrArray *split = step->is_whitespace_split ? split_whitespace(words)
                                                     : split_metaspace(step, words, is_first);
        g_ptr_array_unref(words);
        words = split;
    }
    for (guint i = 0; i < words->len; i++) {
        const char *word = g_ptr_array_index(words, i);
        if (!scope_unigram_encode(tokenizer->unigram, word, strlen(word), ids)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* The longest added token at @at, or NULL. */
static const ScopeAddedToken *
match_added(const ScopeTokenizer *tokenizer, const char *at)
{
    const ScopeAddedToken *best = NULL;

    for (guint i = 0; i < tokenizer->added->len; i++) {
        const ScopeAddedToken *token = &g_array_index(tokenizer->added, ScopeAddedToken, i);
        if (token->text[0] == *at && strncmp(token->text, at, token->length) == 0 &&
            (best == NULL || token->length > best->length)) {
            best = token;
        }
    }
    return best;
}

gboolean
scope_tokenizer_encode_json_private(const ScopeTokenizer *tokenizer, const char *text, GArray *ids)
{
    const char *start = text, *at = text;

    while (*at != '\0') {
        const ScopeAddedToken *token = match_added(tokenizer, at);
        gsize length = (gsize)(at - start);
        if (token == NULL) {
            at++;
            continue;
        }
        while (token->strip_left && length > 0 && g_ascii_isspace(start[length - 1])) {
            length--;
        }
        if (length > 0 && !encode_between(tokenizer, start, length, start == text, ids)) {
            return FALSE;
        }
        g_array_append_val(ids, token->id);
        at += token->length;
        while (token->strip_right && g_ascii_isspace(*at)) {
            at++;
        }
        start = at;
    }
    return at == start || encode_between(tokenizer, start, (gsize)(at - start), start == text, ids);
}
