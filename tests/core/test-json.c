/* SPDX-License-Identifier: Apache-2.0 */
/* Strict parsing and deep equality of JSON. */
#include "core/scope-json.h"

#include <string.h>

#include "core/scope-error.h"
#include "core/scope-thread.h"

static void
test_parse(void)
{
    static const char *const good[] = {"{}",          " [1, 2.5e-3, null] ",
                                       "\"a\\\"]}\"", "true",
                                       "-1",          "{\"a\": {\"b\": [\"\xc3\xa4\"]}}",
                                       "\"\\u00e4\""};
    static const char *const bad[] = {"",         "  ",         "{",     "{}}",  "{} {}",
                                      "[1,]2",    "1 2",        "\"a",   "nul",  "{'a': 1}",
                                      "// x\n{}", "var a = 1",  "[1] x", "\xff", "{\"a\" 1}",
                                      "]",        "\"a\" \"b\""};

    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = scope_json_parse(good[i], -1, 0, &error);

        g_assert_no_error(error);
        g_assert_nonnull(node);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = scope_json_parse(bad[i], -1, 0, &error);

        g_test_message("case %u", i);
        g_assert_null(node);
        g_assert_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID);
    }
}

static void
test_depth(void)
{
    g_autofree char *deep = g_strnfill(200000, '[');
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(scope_json_parse(deep, -1, 0, &error));
    g_assert_nonnull(strstr(error->message, "deep"));
    for (guint i = 0; i < 64; i++)
        g_string_append_c(text, '[');
    for (guint i = 0; i < 64; i++)
        g_string_append_c(text, ']');
    {
        g_autoptr(JsonNode) node = scope_json_parse(text->str, -1, 64, NULL);

        g_assert_nonnull(node);
        g_assert_null(scope_json_parse(text->str, -1, 63, NULL));
    }
    /* Brackets inside strings do not count. */
    {
        g_autofree char *quoted = g_strdup_printf("\"%s\"", deep);
        g_autoptr(JsonNode) node = scope_json_parse(quoted, -1, 2, NULL);

        g_assert_nonnull(node);
    }
}

static void
test_equal(void)
{
    static const struct {
        const char *a;
        const char *b;
        gboolean equal;
    } cases[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1}", TRUE},
        {"{\"a\":1}", "{\"a\":1.0}", TRUE},
        {"{\"a\":1}", "{\"a\":true}", FALSE},
        {"{\"a\":1}", "{\"a\":\"1\"}", FALSE},
        {"{\"a\":null}", "{}", FALSE},
        {"{\"a\":[1,2]}", "{\"a\":[2,1]}", FALSE},
        {"{\"a\":{}}", "{\"a\":{}}", TRUE},
        {"{\"a\":{\"x\":{}}}", "{\"a\":{\"y\":{}}}", FALSE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(JsonObject) a = scope_json_parse_object(cases[i].a, -1, 0, NULL);
        g_autoptr(JsonObject) b = scope_json_parse_object(cases[i].b, -1, 0, NULL);
        g_autoptr(JsonObject) copy = scope_json_object_copy(a);

        g_assert_cmpint(scope_json_object_equal(a, b), ==, cases[i].equal);
        g_assert_cmpint(scope_json_object_equal(b, a), ==, cases[i].equal);
        g_assert_true(scope_json_object_equal(a, copy));
    }
    {
        g_autoptr(JsonObject) empty = json_object_new();

        g_assert_true(scope_json_object_equal(NULL, empty));
        g_assert_true(scope_json_object_equal(empty, NULL));
    }
}

static void
copy_often(gpointer data)
{
    for (guint i = 0; i < 100000; i++) {
        g_autoptr(JsonObject) copy = scope_json_object_copy(data);

        g_assert_cmpstr(scope_json_object_get_string(copy, "text"), ==, "red fire");
    }
}

/* Threads may copy one object at the same time, and end their copies when they like. */
static void
test_copy_shares_nothing(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node =
        scope_json_parse("{\"text\": \"red fire\", \"list\": [1, 2.5, true, null]}", -1, 0, &error);
    ScopeThread *threads[2];

    g_assert_no_error(error);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = scope_thread_start("copy", copy_often, json_node_get_object(node), &error);
        g_assert_no_error(error);
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        scope_thread_join(&threads[i]);
    g_autoptr(JsonNode) copy = scope_json_copy(node);
    g_assert_true(scope_json_equal(node, copy));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/parse", test_parse);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/equal", test_equal);
    g_test_add_func("/json/copy-shares-nothing", test_copy_shares_nothing);
    return g_test_run();
}
