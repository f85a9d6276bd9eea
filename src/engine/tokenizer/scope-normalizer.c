/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and applies the normaliser of a tokenizer.json, including the compiled character map (a
 * Darts double array with a pool of replacements), whose every step is checked against its size.
 * Owns its steps. Any thread once read. */
#include "engine/tokenizer/scope-normalizer.h"

#include <string.h>

/* Grapheme clusters of at least this many bytes are looked up character by character. */
#define MAX_CLUSTER_BYTES 6

typedef enum {
    STEP_SEQUENCE,
    STEP_PRECOMPILED,
    STEP_REPLACE,
    STEP_STRIP,
    STEP_PREPEND,
    STEP_NFC,
    STEP_NFKC,
    STEP_LOWERCASE,
} StepType;

typedef struct {
    StepType type;
    char *pattern; /* REPLACE: text, NULL for runs of spaces */
    char *content; /* REPLACE, PREPEND */
    gboolean left, right;
    guint32 *units; /* PRECOMPILED */
    gsize n_units;
    char *pool; /* zero-terminated texts; ends with a zero */
    gsize n_pool;
} Step;

struct _ScopeNormalizer {
    GPtrArray *steps; /* of Step */
    GRegex *cluster;
};

static void
free_step(gpointer data)
{
    Step *step = data;

    g_free(step->pattern);
    g_free(step->content);
    g_free(step->units);
    g_free(step->pool);
    g_free(step);
}

ScopeNormalizer *
scope_normalizer_new(void)
{
    ScopeNormalizer *normalizer = g_new0(ScopeNormalizer, 1);

    normalizer->steps = g_ptr_array_new_with_free_func(free_step);
    return normalizer;
}

void
scope_normalizer_free(ScopeNormalizer *normalizer)
{
    if (normalizer == NULL) {
        return;
    }
    g_clear_pointer(&normalizer->cluster, g_regex_unref);
    g_ptr_array_unref(normalizer->steps);
    g_free(normalizer);
}

/* -- Reading ---------------------------------------------------------------------------------- */

static gboolean
read_charsmap(Step *step, const char *base64)
{
    gsize n_bytes = 0;
    g_autofree guchar *bytes = g_base64_decode(base64, &n_bytes);
    guint32 n_trie;

    if (n_bytes < 4) {
        return FALSE;
    }
    memcpy(&n_trie, bytes, sizeof n_trie);
    n_trie = GUINT32_FROM_LE(n_trie);
    if (n_trie % 4 != 0 || n_trie == 0 || n_trie > n_bytes - 4) {
        return FALSE;
    }
    g_free(step->units);
    g_free(step->pool);
    step->n_units = n_trie / 4;
    step->units = g_new(guint32, step->n_units);
    for (gsize i = 0; i < step->n_units; i++) {
        memcpy(&step->units[i], bytes + 4 + 4 * i, 4);
        step->units[i] = GUINT32_FROM_LE(step->units[i]);
    }
    step->n_pool = n_bytes - 4 - n_trie;
    step->pool = g_malloc(step->n_pool + 1);
    memcpy(step->pool, bytes + 4 + n_trie, step->n_pool);
    step->pool[step->n_pool] = '\0';
    return TRUE;
}

/* {"String": "x"} or {"Regex": " {2,}"} */
static gboolean
read_pattern(ScopeJsonReader *json, Step *step)
{
    gboolean regex;

    if (scope_json_reader_next(json) != SCOPE_JSON_OBJECT_BEGIN ||
        scope_json_reader_next(json) != SCOPE_JSON_KEY) {
        return FALSE;
    }
    regex = strcmp(json->text->str, "Regex") == 0;
    if (scope_json_reader_next(json) != SCOPE_JSON_STRING) {
        return FALSE;
    }
    g_clear_pointer(&step->pattern, g_free);
    if (!regex) {
        step->pattern = g_strdup(json->text->str);
    } else if (strcmp(json->text->str, " {2,}") != 0) {
        return FALSE;
    }
    return (regex || *step->pattern != '\0') &&
           scope_json_reader_next(json) == SCOPE_JSON_OBJECT_END;
}

static gboolean
parse_type(const char *name, StepType *ret_type)
{
    static const char *const names[] = {"Sequence", "Precompiled", "Replace", "Strip",
                                        "Prepend",  "NFC",         "NFKC",    "Lowercase"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_type = (StepType)i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean read_step(ScopeJsonReader *json, GPtrArray *steps, char *ret_problem,
                          gsize n_problem);

/* Reads the value of one member of a step. The JSON depth limit bounds the recursion. */
static gboolean
read_member(ScopeJsonReader *json, const char *key, Step *step, gboolean *ret_has_type,
            GPtrArray *steps, char *ret_problem, gsize n_problem)
{
    ScopeJsonToken token;

    if (strcmp(key, "normalizers") == 0) {
        const char *next;
        if (scope_json_reader_next(json) != SCOPE_JSON_ARRAY_BEGIN) {
            return FALSE;
        }
        for (;;) {
            for (next = json->at; next < json->end && g_ascii_isspace(*next); next++) {
            }
            if (next < json->end && *next == ']') {
                return scope_json_reader_next(json) == SCOPE_JSON_ARRAY_END;
            }
            if (!read_step(json, steps, ret_problem, n_problem)) {
                return FALSE;
            }
        }
    }
    if (strcmp(key, "pattern") == 0) {
        return read_pattern(json, step);
    }
    token = scope_json_reader_next(json);
    if (strcmp(key, "type") == 0 && token == SCOPE_JSON_STRING) {
        *ret_has_type = parse_type(json->text->str, &step->type);
        if (!*ret_has_type) {
            g_snprintf(ret_problem, n_problem, "normalizer of type '%.40s' is not read",
                       json->text->str);
        }
        return *ret_has_type;
    }
    if (strcmp(key, "precompiled_charsmap") == 0 && token == SCOPE_JSON_STRING) {
        return read_charsmap(step, json->text->str);
    }
    if ((strcmp(key, "content") == 0 || strcmp(key, "prepend") == 0) &&
        token == SCOPE_JSON_STRING) {
        g_free(step->content);
        step->content = g_strdup(json->text->str);
        return TRUE;
    }
    if (strcmp(key, "strip_left") == 0 || strcmp(key, "strip_right") == 0) {
        *(key[6] == 'l' ? &step->left : &step->right) = token == SCOPE_JSON_TRUE;
        return token == SCOPE_JSON_TRUE || token == SCOPE_JSON_FALSE;
    }
    g_snprintf(ret_problem, n_problem, "normalizer with a member '%.40s' that is not read", key);
    return FALSE;
}

/* Reads one object and appends its step, after those of its children. */
static gboolean
read_step(ScopeJsonReader *json, GPtrArray *steps, char *ret_problem, gsize n_problem)
{
    Step *step = g_new0(Step, 1);
    gboolean has_type = FALSE, ok = scope_json_reader_next(json) == SCOPE_JSON_OBJECT_BEGIN;
    ScopeJsonToken token = SCOPE_JSON_ERROR;

    while (ok && (token = scope_json_reader_next(json)) == SCOPE_JSON_KEY) {
        g_autofree char *key = g_strdup(json->text->str);
        ok = read_member(json, key, step, &has_type, steps, ret_problem, n_problem);
    }
    ok = ok && token == SCOPE_JSON_OBJECT_END && has_type && steps->len < 64 &&
         (step->type != STEP_PRECOMPILED || step->units != NULL) &&
         ((step->type != STEP_REPLACE && step->type != STEP_PREPEND) || step->content != NULL);
    if (!ok || step->type == STEP_SEQUENCE) {
        free_step(step);
        return ok;
    }
    g_ptr_array_add(steps, step);
    return TRUE;
}

ScopeNormalizer *
scope_normalizer_read(ScopeJsonReader *json, char *ret_problem, gsize n_problem)
{
    g_autoptr(ScopeNormalizer) normalizer = scope_normalizer_new();
    const char *next = json->at;

    g_snprintf(ret_problem, n_problem, "normalizer is malformed");
    while (next < json->end && g_ascii_isspace(*next)) {
        next++;
    }
    if (next < json->end && *next == 'n') {
        return scope_json_reader_next(json) == SCOPE_JSON_NULL ? g_steal_pointer(&normalizer)
                                                               : NULL;
    }
    if (!read_step(json, normalizer->steps, ret_problem, n_problem)) {
        return NULL;
    }
    normalizer->cluster = g_regex_new("\\X", G_REGEX_OPTIMIZE, 0, NULL);
    return g_steal_pointer(&normalizer);
}

/* -- The character map ------------------------------------------------------------------------ */

static guint32
offset_of(guint32 unit)
{
    return (unit >> 10) << ((unit & 0x200) >> 6);
}

/* The replacement of the shortest prefix of [text, text + length) that the map knows, or NULL. */
static const char *
look_up(const Step *step, const char *text, gsize length)
{
    gsize node = offset_of(step->units[0]);

    for (gsize i = 0; i < length; i++) {
        guint32 unit;
        node ^= (guchar)text[i];
        if (node >= step->n_units) {
            return NULL;
        }
        unit = step->units[node];
        if ((unit & 0x800000FFu) != (guchar)text[i]) {
            return NULL;
        }
        node ^= offset_of(unit);
        if ((unit >> 8) & 1) {
            guint32 value = node < step->n_units ? step->units[node] & 0x7FFFFFFFu : G_MAXUINT32;
            return value < step->n_pool ? step->pool + value : NULL;
        }
    }
    return NULL;
}

static void
append_mapped(const Step *step, const char *text, gsize length, GString *out)
{
    const char *mapped = look_up(step, text, length);

    if (mapped != NULL) {
        g_string_append(out, mapped);
    } else {
        g_string_append_len(out, text, (gssize)length);
    }
}

static char *
apply_charsmap(const ScopeNormalizer *normalizer, const Step *step, const char *text)
{
    GString *out = g_string_new(NULL);
    g_autoptr(GMatchInfo) match = NULL;

    g_regex_match(normalizer->cluster, text, 0, &match);
    while (g_match_info_matches(match)) {
        int begin, end;
        g_match_info_fetch_pos(match, 0, &begin, &end);
        if (end - begin < MAX_CLUSTER_BYTES &&
            look_up(step, text + begin, (gsize)(end - begin)) != NULL) {
            append_mapped(step, text + begin, (gsize)(end - begin), out);
        } else {
            for (const char *at = text + begin; at < text + end; at = g_utf8_next_char(at)) {
                append_mapped(step, at, (gsize)(g_utf8_next_char(at) - at), out);
            }
        }
        if (!g_match_info_next(match, NULL)) {
            break;
        }
    }
    return g_string_free(out, FALSE);
}

/* -- Applying --------------------------------------------------------------------------------- */

static char *
replace_runs(const char *text, const char *content)
{
    GString *out = g_string_new(NULL);

    while (*text != '\0') {
        gsize n = strspn(text, " ");
        if (n >= 2) {
            g_string_append(out, content);
        } else {
            n = n == 1 ? 1 : strcspn(text, " ");
            g_string_append_len(out, text, (gssize)n);
        }
        text += n;
    }
    return g_string_free(out, FALSE);
}

static char *
replace_text(const char *text, const char *pattern, const char *content)
{
    g_auto(GStrv) parts = g_strsplit(text, pattern, -1);

    return g_strjoinv(content, parts);
}

static gboolean
is_space_at(const char *at)
{
    gunichar c = g_utf8_get_char(at);

    return g_unichar_isspace(c) || c == 0x0B || c == 0x85;
}

static char *
strip(const char *text, gboolean left, gboolean right)
{
    const char *end = text + strlen(text);

    while (left && *text != '\0' && is_space_at(text)) {
        text = g_utf8_next_char(text);
    }
    while (right && end > text && is_space_at(g_utf8_prev_char(end))) {
        end = g_utf8_prev_char(end);
    }
    return g_strndup(text, (gsize)(end - text));
}

static char *
apply_step(const ScopeNormalizer *normalizer, const Step *step, const char *text)
{
    switch (step->type) {
    case STEP_PRECOMPILED:
        return apply_charsmap(normalizer, step, text);
    case STEP_REPLACE:
        return step->pattern != NULL ? replace_text(text, step->pattern, step->content)
                                     : replace_runs(text, step->content);
    case STEP_STRIP:
        return strip(text, step->left, step->right);
    case STEP_PREPEND:
        return *text != '\0' ? g_strconcat(step->content, text, NULL) : g_strdup(text);
    case STEP_NFC:
        return g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
    case STEP_NFKC:
        return g_utf8_normalize(text, -1, G_NORMALIZE_NFKC);
    case STEP_LOWERCASE:
        return g_utf8_strdown(text, -1);
    case STEP_SEQUENCE:
        break;
    }
    return g_strdup(text);
}

char *
scope_normalizer_apply(const ScopeNormalizer *normalizer, const char *text)
{
    char *result = g_strdup(text);

    for (guint i = 0; i < normalizer->steps->len; i++) {
        g_autofree char *before = result;
        result = apply_step(normalizer, g_ptr_array_index(normalizer->steps, i), before);
    }
    return result;
}
