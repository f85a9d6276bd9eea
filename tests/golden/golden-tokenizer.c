/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of the tokenizers: cleaning, SentencePiece on spiece.model, and both forms of
 * tokenizer.json, all exact. Main thread. */
#include "golden-families.h"

#include <string.h>

#include "engine/tokenizer/scope-text-clean.h"
#include "engine/tokenizer/scope-tokenizer.h"

#define SEQ_LEN 512

typedef struct {
    ScopeTokenizer *spiece, *form_a, *form_b;
} Tokenizers;

static char *
describe_ids(const gint32 *ids, guint n)
{
    GString *text = g_string_new("[");

    for (guint i = 0; i < n && i < 40; i++) {
        g_string_append_printf(text, i > 0 ? " %d" : "%d", ids[i]);
    }
    g_string_append(text, n > 40 ? " ...]" : "]");
    return g_string_free(text, FALSE);
}

static gint32 *
dup_wanted(JsonArray *array, guint *ret_n)
{
    gint32 *ids;

    *ret_n = json_array_get_length(array);
    ids = g_new0(gint32, *ret_n + 1);
    for (guint i = 0; i < *ret_n; i++) {
        ids[i] = (gint32)json_array_get_int_element(array, i);
    }
    return ids;
}

static void
check_ids(GoldenCase *c, JsonObject *sample, const char *key, const char *text, const GArray *got)
{
    g_autofree gint32 *want = NULL;
    g_autofree char *is = NULL, *should = NULL;
    guint n_want;
    gboolean equal;

    if (!json_object_has_member(sample, key)) {
        return;
    }
    want = dup_wanted(json_object_get_array_member(sample, key), &n_want);
    equal = got != NULL && got->len == n_want &&
            (n_want == 0 || memcmp(got->data, want, n_want * sizeof(gint32)) == 0);
    is = got != NULL ? describe_ids((const gint32 *)(gpointer)got->data, got->len)
                     : g_strdup("an error");
    should = describe_ids(want, n_want);
    golden_check(c, equal, "%s of '%.60s' is %s, want %s", key, text, is, should);
}

static void
check_padded(GoldenCase *c, JsonObject *sample, const ScopeTokenizer *tokenizer, const char *text)
{
    JsonObject *padded = json_object_get_object_member(sample, "padded512_form_a");
    g_autofree gint32 *want = NULL;
    gint32 ids[SEQ_LEN], mask[SEQ_LEN];
    guint n_want, n = 0;
    gboolean ok = scope_tokenizer_encode_prompt(tokenizer, text, ids, mask, SEQ_LEN, &n, NULL);

    want = dup_wanted(json_object_get_array_member(padded, "ids_then_zero_padding"), &n_want);
    ok = ok && n == (guint)json_object_get_int_member(padded, "count") && n_want <= SEQ_LEN &&
         memcmp(ids, want, n_want * sizeof(gint32)) == 0;
    for (guint i = 0; ok && i < SEQ_LEN; i++) {
        ok = mask[i] == (i < n) && (i < n || ids[i] == 0);
    }
    golden_check(c, ok, "padded512_form_a of '%.60s' differs", text);
}

static void
check_sample(GoldenCase *c, const Tokenizers *t, JsonObject *sample)
{
    const char *text = json_object_get_string_member(sample, "text");
    const char *cleaned = json_object_get_string_member(sample, "cleaned");
    g_autofree char *got = scope_text_clean(text);
    g_autoptr(GArray) ids = NULL;
    const struct {
        const char *key;
        const ScopeTokenizer *tokenizer;
        const char *text;
        gboolean bare;
    } runs[] = {
        {"spm_ids_of_cleaned", t->spiece, cleaned, TRUE},
        {"spm_ids_of_raw_text", t->spiece, text, TRUE},
        {"hf_ids_form_a", t->form_a, cleaned, FALSE},
        {"hf_ids_form_b", t->form_b, cleaned, FALSE},
        {"hf_ids_form_a_of_raw_text", t->form_a, text, FALSE},
    };

    golden_check(c, strcmp(got, cleaned) == 0, "'%.60s' is cleaned to '%.60s', want '%.60s'", text,
                 got, cleaned);
    for (gsize i = 0; i < G_N_ELEMENTS(runs); i++) {
        g_clear_pointer(&ids, g_array_unref);
        ids = runs[i].bare ? scope_tokenizer_encode_bare(runs[i].tokenizer, runs[i].text, -1, NULL)
                           : scope_tokenizer_encode(runs[i].tokenizer, runs[i].text, -1, 0, NULL);
        check_ids(c, sample, runs[i].key, runs[i].text, ids);
    }
    if (json_object_has_member(sample, "padded512_form_a")) {
        check_padded(c, sample, t->form_a, text);
    }
}

/* Bytes that are not UTF-8, given in hexadecimal. */
static void
check_invalid(GoldenCase *c, const Tokenizers *t, JsonObject *sample)
{
    const char *hex = json_object_get_string_member(sample, "text_hex");
    g_autoptr(GString) bytes = g_string_new(NULL);
    g_autoptr(GArray) ids = NULL;

    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        g_string_append_c(bytes,
                          (char)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1])));
    }
    ids = scope_tokenizer_encode_bare(t->spiece, bytes->str, (gssize)bytes->len, NULL);
    check_ids(c, sample, "spm_ids", json_object_get_string_member(sample, "text_hex"), ids);
}

static gboolean
run_file(GoldenCase *c, const Tokenizers *t, const char *name,
         void (*check)(GoldenCase *, const Tokenizers *, JsonObject *), GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonArray *samples;

    if (!json_parser_load_from_file(parser, golden_get_path(c, name), error)) {
        return FALSE;
    }
    samples = json_node_get_array(json_parser_get_root(parser));
    for (guint i = 0; i < json_array_get_length(samples); i++) {
        check(c, t, json_array_get_object_element(samples, i));
    }
    return TRUE;
}

static gboolean
check_config(GoldenCase *c, const Tokenizers *t)
{
    return golden_check(
        c,
        scope_tokenizer_get_eos_id(t->form_a) == golden_int(c, "config.eos_id", 1) &&
            scope_tokenizer_get_eos_id(t->form_b) == golden_int(c, "config.eos_id", 1) &&
            scope_tokenizer_get_eos_id(t->spiece) == golden_int(c, "config.eos_id", 1) &&
            scope_tokenizer_get_pad_id(t->form_a) == golden_int(c, "config.pad_id", 0),
        "EOS or padding id differs from the configuration");
}

gboolean
golden_run_tokenizer(GoldenCase *c, GError **error)
{
    g_autoptr(ScopeTokenizer) spiece =
        scope_tokenizer_open(golden_get_path(c, "spiece.model"), error);
    g_autoptr(ScopeTokenizer) form_a =
        spiece != NULL ? scope_tokenizer_open(golden_get_path(c, "tokenizer.a.json"), error) : NULL;
    g_autoptr(ScopeTokenizer) form_b =
        form_a != NULL ? scope_tokenizer_open(golden_get_path(c, "tokenizer.b.json"), error) : NULL;
    const Tokenizers t = {spiece, form_a, form_b};

    if (form_b == NULL) {
        return FALSE;
    }
    check_config(c, &t);
    return run_file(c, &t, "ids.json", check_sample, error) &&
           (!g_file_test(golden_get_path(c, "invalid_utf8.json"), G_FILE_TEST_EXISTS) ||
            run_file(c, &t, "invalid_utf8.json", check_invalid, error));
}
