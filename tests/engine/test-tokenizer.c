/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning of prompts, and a tokenizer.json built here: added tokens, prefixes, ties, unknown text,
 * byte fallback, truncation, and what is refused. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/tokenizer/scope-html.h"
#include "engine/tokenizer/scope-text-clean.h"
#include "engine/tokenizer/scope-tokenizer.h"

/* -- Cleaning --------------------------------------------------------------------------------- */

static void
test_clean(void)
{
    static const struct {
        const char *text, *cleaned;
    } cases[] = {
        {"", ""},
        {" \t\n\xe3\x80\x80 ", ""},
        {"  a \n\n b\xc2\xa0 c  ", "a b c"},
        {"\xe2\x80\x9cq\xe2\x80\x9d \xe2\x80\x98s\xe2\x80\x99", "\"q\" 's'"},
        {"\xef\xac\x81n \xc4\xb2", "fin IJ"},
        {"\xef\xbc\xa1\xef\xbc\x8c\xef\xbd\xb6", "A,\xe3\x82\xab"},
        {"\x1b[31mred\x1b[0m", "red"},
        {"a\x01\x7f\xef\xbb\xbf"
         "b",
         "ab"},
        {"a\r\nb\xe2\x80\xa8"
         "c",
         "a b c"},
        {"e\xcc\x81", "\xc3\xa9"},
        {"Sch\xc3\x83\xc2\xb6n", "Sch\xc3\xb6n"},
        {"\xc3\xa2\xe2\x82\xac\xc5\x93q", "\"q"},
        {"na\xc3\xafve caf\xc3\xa9\xe2\x80\xa6", "na\xc3\xafve caf\xc3\xa9\xe2\x80\xa6"},
        {"&amp;amp;amp;lt;", "<"},
        {"1 < 2 &amp;amp; 3", "1 < 2 & 3"},
        {"&EACUTE;", "\xc3\x89"},
        {"KEEP Case, Punct!", "KEEP Case, Punct!"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *cleaned = scope_text_clean(cases[i].text);
        g_assert_cmpstr(cleaned, ==, cases[i].cleaned);
    }
}

static void
test_html(void)
{
    static const struct {
        const char *text, *plain;
    } cases[] = {
        {"&lt;b&gt; &copy &notit; &notin;", "<b> \xc2\xa9 \xc2\xacit; \xe2\x88\x89"},
        {"&#65;&#x42;&#67 &#xD800;&#0;", "ABC \xef\xbf\xbd\xef\xbf\xbd"},
        {"&#150;", "\xe2\x80\x93"},
        {"& &; &# &#x; &unknown;", "& &; &# &#x; &unknown;"},
        {"&#99999999999999;", "\xef\xbf\xbd"},
        {"&zwnj;&zwj;&AElig", "\xe2\x80\x8c\xe2\x80\x8d\xc3\x86"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *plain = scope_html_unescape(cases[i].text);
        g_assert_cmpstr(plain, ==, cases[i].plain);
    }
}

/* -- tokenizer.json --------------------------------------------------------------------------- */

#define MARK "\xe2\x96\x81"

#define ADDED                                                                                      \
    "\"added_tokens\":[{\"id\":0,\"content\":\"<pad>\"},{\"id\":1,\"content\":\"</s>\"},"          \
    "{\"id\":9,\"content\":\"<x>\"},{\"id\":10,\"content\":\"<x>y\"}]"
#define NORMALIZER                                                                                 \
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Replace\",\"pattern\":"    \
    "{\"Regex\":\" {2,}\"},\"content\":\" \"}]}"
#define METASPACE                                                                                  \
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK                            \
    "\",\"add_prefix_space\":true}"
#define POST                                                                                       \
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\"," \
    "\"type_id\":0}},{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}]}"
#define VOCAB                                                                                      \
    "[[\"<pad>\",0],[\"</s>\",0],[\"<unk>\",0],[\"" MARK                                           \
    "\",-3],[\"a\",-2],[\"b\",-2],[\"ab\",-4],"                                                    \
    "[\"" MARK "ab\",-5.5],[\"<0xC3>\",-9]"

static const char sound[] = "{" ADDED "," NORMALIZER "," METASPACE "," POST
                            ",\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"vocab\":" VOCAB "]}}";

static ScopeTokenizer *
open_json(const char *json, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("scope-tokenizer-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "tokenizer.json", NULL);
    ScopeTokenizer *tokenizer;

    g_assert_true(g_file_set_contents(path, json, -1, NULL));
    tokenizer = scope_tokenizer_open(folder, error);
    g_remove(path);
    g_rmdir(folder);
    return tokenizer;
}

static void
check_ids(const ScopeTokenizer *tokenizer, const char *text, guint max, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) ids = scope_tokenizer_encode(tokenizer, text, -1, max, &error);
    g_autoptr(GString) found = g_string_new(NULL);

    g_assert_no_error(error);
    for (guint i = 0; i < ids->len; i++) {
        g_string_append_printf(found, i > 0 ? " %d" : "%d", g_array_index(ids, gint32, i));
    }
    g_assert_cmpstr(found->str, ==, wanted);
}

static void
test_encode(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeTokenizer) tokenizer = open_json(sound, &error);

    g_assert_no_error(error);
    g_assert_cmpint(scope_tokenizer_get_eos_id(tokenizer), ==, 1);
    g_assert_cmpint(scope_tokenizer_get_pad_id(tokenizer), ==, 0);
    g_assert_cmpuint(scope_tokenizer_get_n_ids(tokenizer), ==, 11);
    check_ids(tokenizer, "", 0, "1");
    check_ids(tokenizer, "ab", 0, "7 1");
    /* a + b (-4) and ab (-4) tie: the piece that was found first stays */
    check_ids(tokenizer, "bab", 0, "3 5 6 1");
    check_ids(tokenizer, "a  b", 0, "3 4 3 5 1");
    check_ids(tokenizer, "a</s>b", 0, "3 4 1 3 5 1");
    check_ids(tokenizer, "<x>y<x>", 0, "10 9 1");
    check_ids(tokenizer,
              "\xc3\xa9\xc3\xa9"
              "a",
              0, "3 2 4 1");
    check_ids(tokenizer, "ab ab ab", 2, "7 1");
    check_ids(tokenizer, "ab", 1, "1");
}

static void
test_prompt(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeTokenizer) tokenizer = open_json(sound, &error);
    gint32 ids[6], mask[6];
    guint n;

    g_assert_no_error(error);
    g_assert_true(scope_tokenizer_encode_prompt(tokenizer, " ab  b\n", ids, mask, 6, &n, &error));
    g_assert_cmpuint(n, ==, 4);
    g_assert_cmpint(ids[0], ==, 7);
    g_assert_cmpint(ids[3], ==, 1);
    g_assert_cmpint(ids[4] + ids[5] + mask[4] + mask[5], ==, 0);
    g_assert_cmpint(mask[0] + mask[3], ==, 2);
}

/* Byte pieces are used only where all bytes have one. */
static void
test_byte_fallback(void)
{
    static const char json[] =
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":2,\"byte_fallback\":true,\"vocab\":" VOCAB
        ",[\"<0xA9>\",-9]]},\"post_processor\":null," METASPACE "}";
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeTokenizer) tokenizer = open_json(json, &error);

    g_assert_no_error(error);
    check_ids(tokenizer, "\xc3\xa9", 0, "3 8 9 1");
    check_ids(tokenizer, "\xc3\xa8", 0, "3 2 1");
}

static void
test_refused(void)
{
    static const struct {
        const char *json;
        int code;
        const char *message;
    } cases[] = {
        {"{", SCOPE_TOKENIZER_ERROR_FORMAT, "too early"},
        {"{}", SCOPE_TOKENIZER_ERROR_FORMAT, "0 pieces"},
        {"{\"model\":{\"type\":\"BPE\"}}", SCOPE_TOKENIZER_ERROR_UNSUPPORTED, "'BPE'"},
        {"{\"normalizer\":{\"type\":\"Bert\"}}", SCOPE_TOKENIZER_ERROR_UNSUPPORTED, "'Bert'"},
        {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\".*\"},\"content\":\"\"}}",
         SCOPE_TOKENIZER_ERROR_FORMAT, "malformed"},
        {"{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AAAA\"}}",
         SCOPE_TOKENIZER_ERROR_FORMAT, "malformed"},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}", SCOPE_TOKENIZER_ERROR_UNSUPPORTED,
         "'ByteLevel'"},
        {"{\"post_processor\":{\"type\":\"Roberta\"}}", SCOPE_TOKENIZER_ERROR_UNSUPPORTED,
         "'Roberta'"},
        {"{\"model\":{\"unk_id\":9,\"vocab\":[[\"a\",0]]}}", SCOPE_TOKENIZER_ERROR_FORMAT,
         "unk_id 9"},
        {"{\"model\":{\"vocab\":[[\"a\"]]}}", SCOPE_TOKENIZER_ERROR_FORMAT, "tokenizer.json"},
    };
    g_autoptr(GError) missing = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(open_json(cases[i].json, &error));
        g_assert_nonnull(error);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].message));
        g_assert_error(error, SCOPE_TOKENIZER_ERROR, cases[i].code);
    }
    g_assert_null(scope_tokenizer_open("/nonexistent", &missing));
    g_assert_nonnull(missing);
}

/* A text that nothing stands for is an error, not a silent loss. */
static void
test_no_unknown(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeTokenizer) tokenizer =
        open_json("{\"model\":{\"vocab\":[[\"a\",-1],[\"</s>\",0]]}}", &error);

    g_assert_no_error(error);
    check_ids(tokenizer, "aa", 0, "0 0 1");
    g_assert_null(scope_tokenizer_encode(tokenizer, "ab", -1, 0, &error));
    g_assert_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_ENCODE);
}

static void
test_bad_spiece(void)
{
    g_autofree char *folder = g_dir_make_tmp("scope-spiece-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "spiece.model", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "\x0a\xff\xff\xff\xff\x0f garbage", -1, NULL));
    g_assert_null(scope_tokenizer_open(path, &error));
    g_assert_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "spiece.model"));
    g_remove(path);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tokenizer/clean", test_clean);
    g_test_add_func("/tokenizer/html", test_html);
    g_test_add_func("/tokenizer/encode", test_encode);
    g_test_add_func("/tokenizer/prompt", test_prompt);
    g_test_add_func("/tokenizer/byte-fallback", test_byte_fallback);
    g_test_add_func("/tokenizer/refused", test_refused);
    g_test_add_func("/tokenizer/no-unknown", test_no_unknown);
    g_test_add_func("/tokenizer/bad-spiece", test_bad_spiece);
    return g_test_run();
}
