/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading of plugins: good ones, every kind of broken one, and the two examples of the tree, which
 * are run for a while. SCOPE_TEST_PLUGINS is the folder of built examples, SCOPE_TEST_BAD_PLUGINS
 * the one with broken libraries.
 */
#include "core/scope-plugins.h"

#include <string.h>

#include <glib/gstdio.h>

#include "core/scope-chain.h"
#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "fake-pipelines.h"

typedef struct {
    char *dir;
    ScopeRegistry *registry;
    ScopePlugins *plugins;
} Fixture;

static void
set_up(Fixture *self, gconstpointer data)
{
    self->dir = g_dir_make_tmp("scope-plugins-XXXXXX", NULL);
    self->registry = scope_registry_new();
    self->plugins = scope_plugins_new();
}

static void
tear_down(Fixture *self, gconstpointer data)
{
    g_autofree char *command = NULL;

    g_assert_true(g_str_has_prefix(self->dir, g_get_tmp_dir()));
    command = g_strdup_printf("rm -r '%s'", self->dir);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
    scope_plugins_free(self->plugins);
    scope_registry_free(self->registry);
    g_free(self->dir);
}

static void
add_folder(Fixture *self, const char *name, const char *manifest, const char *library)
{
    g_autofree char *dir = g_build_filename(self->dir, name, NULL);
    g_autofree char *path = g_build_filename(dir, "plugin.json", NULL);

    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, manifest, -1, NULL));
    if (library != NULL) {
        g_autofree char *from = g_build_filename(g_getenv("SCOPE_TEST_BAD_PLUGINS"), library, NULL);
        g_autofree char *to = g_build_filename(dir, "p.so", NULL);
        g_autofree char *bytes = NULL;
        gsize n_bytes;

        g_assert_true(g_file_get_contents(from, &bytes, &n_bytes, NULL));
        g_assert_true(g_file_set_contents(to, bytes, (gssize)n_bytes, NULL));
    }
}

static char *
manifest(const char *name, guint abi)
{
    return g_strdup_printf("{\"name\": \"%s\", \"version\": \"1.0\", \"description\": \"d\", "
                           "\"author\": \"a\", \"abi\": %u, \"library\": \"p.so\"}",
                           name, abi);
}

static void
assert_failure(Fixture *self, const char *name, const char *error_type, const char *part)
{
    for (guint i = 0; i < scope_plugins_get_n_failed(self->plugins); i++) {
        const ScopePluginFailure *failure = scope_plugins_get_failed(self->plugins, i);

        if (!g_str_equal(failure->name, name))
            continue;
        g_test_message("%s: %s: %s", name, failure->error_type, failure->message);
        g_assert_cmpstr(failure->error_type, ==, error_type);
        g_assert_nonnull(strstr(failure->message, part));
        return;
    }
    g_test_message("%s did not fail", name);
    g_test_fail();
}

static void
test_broken(Fixture *self, gconstpointer data)
{
    static const struct {
        const char *name;
        const char *library;
        const char *error_type;
        const char *part;
    } libraries[] = {
        {"bad-abi", "bad-1.so", "InitError", "ABI version 99, this program has version"},
        {"bad-size", "bad-2.so", "InitError", "8 bytes"},
        {"bad-callback", "bad-3.so", "InitError", "callback process"},
        {"bad-table", "bad-4.so", "InitError", "full stop"},
        {"bad-silent", "bad-5.so", "InitError", "no reason"},
        {"bad-after-good", "bad-6.so", "InitError", "callback process"},
        {"bad-null", "bad-7.so", "InitError", "no description"},
        {"bad-symbol", "bad-symbol.so", "SymbolError", "scope_plugin_init"},
        {"bad-missing", NULL, "LoadError", "p.so"},
    };
    g_autoptr(JsonObject) list = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(libraries); i++) {
        g_autofree char *text = manifest(libraries[i].name, SCOPE_ABI_VERSION);

        add_folder(self, libraries[i].name, text, libraries[i].library);
    }
    add_folder(self, "json-broken", "{", NULL);
    add_folder(self, "json-list", "[]", NULL);
    add_folder(self, "json-empty", "{}", NULL);
    add_folder(self, "json-path",
               "{\"name\": \"json-path\", \"version\": \"1\", \"description\": \"d\", \"author\": "
               "\"a\", \"abi\": 2, \"library\": \"../p.so\"}",
               NULL);
    {
        g_autofree char *text = manifest("json-abi", SCOPE_ABI_VERSION + 6);

        add_folder(self, "json-abi", text, "bad-0.so");
    }
    g_assert_cmpuint(
        scope_plugins_load_dir(self->plugins, self->dir, FALSE, fake_host(), self->registry), ==,
        0);
    for (guint i = 0; i < G_N_ELEMENTS(libraries); i++)
        assert_failure(self, libraries[i].name, libraries[i].error_type, libraries[i].part);
    assert_failure(self, "json-broken", "ManifestError", "JSON");
    assert_failure(self, "json-list", "ManifestError", "not an object");
    assert_failure(self, "json-empty", "ManifestError", "\"name\"");
    assert_failure(self, "json-path", "ManifestError", "\"library\"");
    assert_failure(self, "json-abi", "AbiError", "version 8");
    /* What a plugin registered before its init failed is not there either. */
    g_assert_cmpuint(scope_registry_get_n(self->registry), ==, 0);

    list = scope_plugins_build_list(self->plugins);
    g_assert_cmpint(scope_json_object_get_int(list, "total", -1), ==, 0);
    g_assert_cmpuint(json_array_get_length(scope_json_object_get_array(list, "failed_plugins")), ==,
                     G_N_ELEMENTS(libraries) + 5);
}

static void
test_good_and_later_wins(Fixture *self, gconstpointer data)
{
    g_autofree char *first = manifest("first", SCOPE_ABI_VERSION);
    g_autofree char *second = manifest("second", SCOPE_ABI_VERSION);
    g_autoptr(JsonObject) list = NULL;

    add_folder(self, "a", first, "bad-0.so");
    add_folder(self, "b", second, "bad-0.so");
    g_assert_cmpuint(
        scope_plugins_load_dir(self->plugins, self->dir, TRUE, fake_host(), self->registry), ==, 2);
    /* Loading the folder again changes nothing: the names are known. */
    g_assert_cmpuint(
        scope_plugins_load_dir(self->plugins, self->dir, TRUE, fake_host(), self->registry), ==, 0);
    g_assert_cmpuint(scope_plugins_get_n_failed(self->plugins), ==, 0);
    g_assert_cmpuint(scope_registry_get_n(self->registry), ==, 1);
    g_assert_cmpstr(scope_registry_lookup(self->registry, "from-plugin")->plugin_name, ==,
                    "second");
    list = scope_plugins_build_list(self->plugins);
    g_assert_cmpint(scope_json_object_get_int(list, "total", -1), ==, 2);
    g_assert_cmpuint(
        scope_plugins_load_dir(self->plugins, "/nonexistent", TRUE, fake_host(), self->registry),
        ==, 0);
}

/* -- The examples ---------------------------------------------------------------------------- */

typedef struct {
    ScopeInstance *instance;
    ScopeChain *chain;
} Run;

static void
run_start(Fixture *self, Run *run, const char *id, const char *load, const char *session)
{
    g_autoptr(JsonObject) load_params = fake_json(load);
    g_autoptr(JsonObject) params = fake_json(session);
    g_autoptr(GError) error = NULL;
    ScopeChainConfig config = {.params = params};
    ScopeChainNode node = {.node_id = id};

    if (scope_registry_get_n(self->registry) == 0)
        g_assert_cmpuint(scope_plugins_load_dir(self->plugins, g_getenv("SCOPE_TEST_PLUGINS"), TRUE,
                                                fake_host(), self->registry),
                         ==, 2);
    run->instance = scope_instance_load(scope_registry_lookup(self->registry, id), fake_host(),
                                        NULL, load_params, NULL, &error);
    g_assert_no_error(error);
    node.instance = run->instance;
    run->chain = scope_chain_new(&config, &node, 1, &error);
    g_assert_no_error(error);
    g_assert_true(scope_chain_start(run->chain, &error));
}

static void
run_stop(Run *run)
{
    g_assert_true(scope_chain_stop(run->chain));
    g_clear_pointer(&run->chain, scope_chain_unref);
    g_clear_pointer(&run->instance, scope_instance_unref);
}

static ScopeFrame *
pop(Run *run)
{
    ScopeFrame *frame = scope_mailbox_pop_until(scope_chain_get_output(run->chain),
                                                g_get_monotonic_time() + 10 * G_USEC_PER_SEC);

    g_assert_nonnull(frame);
    return frame;
}

static char *
hash_frame(const ScopeFrame *frame)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);

    for (guint y = 0; y < frame->height; y++)
        g_checksum_update(checksum, frame->data[0] + (gsize)y * frame->stride[0],
                          (gssize)frame->width * 3);
    return g_strdup(g_checksum_get_string(checksum));
}

static char *
hash_of_frame(Fixture *self, const char *session, guint index)
{
    g_autoptr(ScopeFrame) frame = NULL;
    Run run;

    run_start(self, &run, "cellular-automata", "{'width': 128, 'height': 96}", session);
    for (guint i = 0; i <= index; i++) {
        scope_frame_unref(frame);
        frame = pop(&run);
    }
    run_stop(&run);
    g_assert_cmpuint(frame->width, ==, 128);
    g_assert_cmpuint(frame->height, ==, 96);
    return hash_frame(frame);
}

static void
test_automata_deterministic(Fixture *self, gconstpointer data)
{
    static const char *const rules[] = {"life",         "highlife",  "day-and-night",
                                        "brians-brain", "star-wars", "cyclic",
                                        "bz",           "gray-scott"};

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        g_autofree char *session = g_strdup_printf("{'rule': '%s', 'seed': 5}", rules[i]);
        g_autofree char *other = g_strdup_printf("{'rule': '%s', 'seed': 6}", rules[i]);
        g_autofree char *one = hash_of_frame(self, session, 40);
        g_autofree char *two = hash_of_frame(self, session, 40);
        g_autofree char *three = hash_of_frame(self, other, 40);

        g_assert_cmpstr(one, ==, two);
        g_assert_cmpstr(one, !=, three);
    }
}

/* Mean difference of two frames in levels. */
static gdouble
difference(const ScopeFrame *a, const ScopeFrame *b)
{
    gdouble sum = 0.0;

    for (guint y = 0; y < a->height; y++) {
        for (guint x = 0; x < 3 * a->width; x++)
            sum += ABS(a->data[0][y * a->stride[0] + x] - b->data[0][y * b->stride[0] + x]);
    }
    return sum / (3.0 * a->width * a->height);
}

static void
test_automata_never_dies(Fixture *self, gconstpointer data)
{
    static const char *const rules[] = {"life",         "highlife",  "day-and-night",
                                        "brians-brain", "star-wars", "cyclic",
                                        "bz",           "gray-scott"};

    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        /* A world that begins empty has to come to life, and to stay alive. */
        g_autofree char *session = g_strdup_printf(
            "{'rule': '%s', 'density': 0, 'speed': 120, 'trail': 0.2, 'glow': 0}", rules[i]);
        g_autoptr(ScopeFrame) before = NULL;
        Run run;

        run_start(self, &run, "cellular-automata", "{'width': 128, 'height': 128}", session);
        for (guint n = 0; n < 1500; n++) {
            g_autoptr(ScopeFrame) frame = pop(&run);

            if (n % 150 == 149 && n > 400) {
                g_assert_nonnull(before);
                if (difference(before, frame) < 0.01)
                    g_test_message("%s rests at frame %u", rules[i], n);
                g_assert_cmpfloat(difference(before, frame), >=, 0.01);
            }
            if (n % 150 == 100) {
                g_clear_pointer(&before, scope_frame_unref);
                before = scope_frame_ref(frame);
            }
        }
        run_stop(&run);
    }
}

static void
update(Run *run, const char *json)
{
    g_autoptr(JsonObject) params = fake_json(json);
    g_autoptr(GPtrArray) problems = scope_param_problems_new();

    g_assert_true(scope_chain_update(run->chain, params, NULL, problems, NULL));
    g_assert_cmpuint(problems->len, ==, 0);
}

static gdouble
mean_of_next(Run *run, guint skip)
{
    g_autoptr(ScopeFrame) frame = NULL;
    gdouble sum = 0.0;

    for (guint i = 0; i <= skip; i++) {
        scope_frame_unref(frame);
        frame = pop(run);
    }
    for (guint y = 0; y < frame->height; y++) {
        for (guint x = 0; x < 3 * frame->width; x++)
            sum += frame->data[0][y * frame->stride[0] + x];
    }
    return sum / (3.0 * frame->width * frame->height);
}

static void
test_automata_controls(Fixture *self, gconstpointer data)
{
    gdouble full;
    gdouble empty;
    gdouble painted;
    Run run;

    run_start(self, &run, "cellular-automata", "{'width': 128, 'height': 128}",
              "{'rule': 'life', 'density': 0.5, 'speed': 0, 'trail': 0, 'glow': 0}");
    full = mean_of_next(&run, 3);
    update(&run, "{'ctrl_input': {'button': ['KeyC'], 'mouse': [0, 0]}}");
    empty = mean_of_next(&run, 80);
    g_assert_cmpfloat(empty, <, full * 0.3);
    update(&run, "{'ctrl_input': {'button': ['MouseLeft'], 'mouse': [30, 10]}}");
    painted = mean_of_next(&run, 8);
    g_assert_cmpfloat(painted, >, empty + 2.0);
    update(&run, "{'ctrl_input': {'button': ['MouseRight'], 'mouse': [-30, -10]}}");
    g_assert_cmpfloat(mean_of_next(&run, 160), <, painted);
    update(&run, "{'ctrl_input': {'button': ['Space'], 'mouse': [0, 0]}}");
    g_assert_cmpfloat(mean_of_next(&run, 80), >, full * 0.8);
    /* Sizes that do not divide, the smallest world, a new world while running. */
    update(&run, "{'cell_size': 7, 'soft': false, 'palette': 'ice', 'rule': 'bz'}");
    mean_of_next(&run, 5);
    update(&run, "{'cell_size': 16, 'rule': 'gray-scott', 'speed': 120, 'glow': 1}");
    mean_of_next(&run, 5);
    run_stop(&run);
}

static ScopeFrame *
through_effect(Fixture *self, const char *params, const guint8 rgb[3])
{
    ScopeFrame *in = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 33, 9);
    ScopeFrame *out;
    Run run;

    for (guint y = 0; y < 9; y++) {
        for (guint x = 0; x < 33; x++)
            memcpy(in->data[0] + y * in->stride[0] + 3 * x, rgb, 3);
    }
    in->pts_us = 1234;
    run_start(self, &run, "color-effect", "{}", params);
    g_assert_true(scope_chain_push_input(run.chain, in));
    out = pop(&run);
    run_stop(&run);
    g_assert_cmpint(out->pts_us, ==, 1234);
    return out;
}

static void
assert_effect(Fixture *self, const char *params, guint8 r, guint8 g, guint8 b, guint8 want_r,
              guint8 want_g, guint8 want_b)
{
    g_autoptr(ScopeFrame) out = through_effect(self, params, (guint8[3]){r, g, b});
    const guint8 *pixel = out->data[0] + 8 * out->stride[0] + 3 * 32;
    guint8 want[3] = {want_r, want_g, want_b};

    for (guint c = 0; c < 3; c++)
        g_assert_cmpint(ABS(pixel[c] - want[c]), <=, 2);
}

static void
test_color_effect(Fixture *self, gconstpointer data)
{
    assert_effect(self, "{}", 10, 200, 77, 10, 200, 77);
    assert_effect(self, "{'hue': 120}", 255, 0, 0, 0, 255, 0);
    assert_effect(self, "{'saturation': 0}", 255, 0, 0, 76, 76, 76);
    assert_effect(self, "{'contrast': 0}", 255, 3, 90, 128, 128, 128);
    assert_effect(self, "{'contrast': 3}", 255, 0, 128, 255, 0, 129);
    assert_effect(self, "{'brightness': 1}", 0, 0, 0, 255, 255, 255);
    assert_effect(self, "{'invert': true}", 255, 0, 100, 0, 255, 155);
    assert_effect(self, "{'posterize': 2}", 120, 130, 255, 0, 255, 255);
}

int
main(int argc, char **argv)
{
#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD("/plugins/broken", test_broken);
    ADD("/plugins/good", test_good_and_later_wins);
    ADD("/plugins/automata-deterministic", test_automata_deterministic);
    ADD("/plugins/automata-never-dies", test_automata_never_dies);
    ADD("/plugins/automata-controls", test_automata_controls);
    ADD("/plugins/color-effect", test_color_effect);
    return g_test_run();
}
