/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the server that are arithmetic or text: pacing, messages, graphs, names, guard. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "core/scope-json.h"
#include "fake-pipelines.h"
#include "server/scope-graph.h"
#include "server/scope-guard.h"
#include "server/scope-message.h"
#include "server/scope-pace.h"
#include "server/scope-path.h"
#include "server/scope-rate.h"
#include "server/scope-routes.h"
#include "server/scope-server-error.h"

#define FRAME_US 33333

/* -- pacing -- */

static void
test_pace_generated(void)
{
    ScopePace pace = {0};
    gint64 pts = 0;
    gint64 now = 1000000;
    gint64 first = scope_pace_next(&pace, SCOPE_TIME_NONE, now, 20.0, 0, &pts);

    g_assert_cmpint(first, ==, now);
    g_assert_cmpint(pts, ==, now);
    for (guint i = 1; i < 50; i++) {
        /* A burst of frames is spread over time at the rate of the pipeline. */
        g_assert_cmpint(scope_pace_next(&pace, SCOPE_TIME_NONE, now, 20.0, 0, &pts), ==,
                        first + 50000 * (gint64)i);
        g_assert_cmpint(pts, ==, first + 50000 * (gint64)i);
    }
    /* After a long gap nothing is caught up. */
    now += 60 * G_USEC_PER_SEC;
    g_assert_cmpint(scope_pace_next(&pace, SCOPE_TIME_NONE, now, 20.0, 0, &pts), ==, now);
}

static void
test_pace_source_times(void)
{
    ScopePace pace = {0};
    gint64 pts = 0;
    gint64 delay = 100000;

    for (gint64 i = 0; i < 200; i++) {
        /* Chunks of four: all four come when the last was captured. */
        gint64 source = 5000000 + i * FRAME_US;
        gint64 now = 5000000 + (i / 4 * 4 + 3) * FRAME_US;
        gint64 due = scope_pace_next(&pace, source, now, 30.0, (guint)(3 - i % 4), &pts);
        g_assert_cmpint(pts, ==, source);
        g_assert_cmpint(due - source, <=, delay);
        g_assert_cmpint(due - source, >=, delay - 10000);
    }
}

/* A slow first frame must not delay all that follow. */
static void
test_pace_gives_delay_back(void)
{
    ScopePace pace = {0};
    gint64 pts = 0, due = 0;

    scope_pace_next(&pace, 0, 400000, 30.0, 0, &pts);
    for (gint64 i = 1; i < 120; i++) {
        due =
            scope_pace_next(&pace, i * FRAME_US, MAX(i * FRAME_US + 20000, 400000), 30.0, 0, &pts) -
            i * FRAME_US;
    }
    g_assert_cmpint(due, <=, 30000);
}

/* Frames that a stall has piled up do not stay between source and screen. */
static void
test_pace_backlog_goes(void)
{
    ScopePace pace = {0};
    gint64 now = 1000000, pts = 0, last = 20;

    for (gint64 i = 0; i < 150; i++) {
        gint64 due;

        now = MAX(now, 1000000 + (i - 20) * FRAME_US);
        last = 20 + (now - 1000000) / FRAME_US; /* that has come in */
        due = scope_pace_next(&pace, i * FRAME_US, now, 30.0, (guint)(last - i), &pts);
        now = MAX(now, due);
    }
    g_assert_cmpint(last - 149, <=, 1);
}

static void
test_pace_discontinuity(void)
{
    ScopePace pace = {0};
    gint64 pts = 0;

    for (gint64 i = 0; i < 20; i++) {
        scope_pace_next(&pace, i * FRAME_US, 1000000 + i * FRAME_US, 30.0, 0, &pts);
    }
    /* A video that starts over. */
    g_assert_cmpint(scope_pace_next(&pace, 0, 2000000, 30.0, 0, &pts), ==, 2000000);
    /* A source that jumps ahead by ten seconds. */
    g_assert_cmpint(scope_pace_next(&pace, 10000000, 2033333, 30.0, 0, &pts), ==, 2033333);
    /* A stall of a second: late by far, so that the reference is given up. */
    g_assert_cmpint(scope_pace_next(&pace, 10033333, 3100000, 30.0, 0, &pts), ==, 3100000);
}

static void
test_rate(void)
{
    ScopeRate rate = {{0}, 0};

    g_assert_cmpfloat(scope_rate_get(&rate, 0), ==, 0.0);
    for (gint64 i = 0; i < 500; i++) {
        scope_rate_add(&rate, i * 40000);
    }
    g_assert_cmpfloat_with_epsilon(scope_rate_get(&rate, 500 * 40000), 25.0, 0.01);
    g_assert_cmpfloat(scope_rate_get(&rate, 500 * 40000 + 3 * G_USEC_PER_SEC), ==, 0.0);
}

/* -- messages -- */

static void
test_message_members(void)
{
    g_autoptr(JsonObject) message =
        fake_json("{'node_id':'a','_quantized':true,'bpm':3,'paused':true,'prompt':'x','own':1,"
                  "'vace_enabled':true,'output_sinks':{}}");
    g_autoptr(JsonObject) params = scope_message_dup_params(message);
    g_autoptr(JsonObject) record = scope_message_dup_record(message);

    g_assert_false(json_object_has_member(params, "node_id"));
    g_assert_false(json_object_has_member(params, "_quantized"));
    g_assert_false(json_object_has_member(params, "bpm"));
    g_assert_false(json_object_has_member(params, "vace_enabled"));
    g_assert_true(json_object_has_member(params, "paused"));
    g_assert_true(json_object_has_member(params, "own"));
    g_assert_cmpstr(
        json_object_get_string_member(
            json_array_get_object_element(json_object_get_array_member(params, "prompts"), 0),
            "text"),
        ==, "x");
    g_assert_true(json_object_has_member(record, "vace_enabled"));
    g_assert_false(json_object_has_member(record, "output_sinks"));
    g_assert_true(json_object_has_member(message, "node_id"));
}

static void
test_message_parse(void)
{
    static const char *const bad[] = {"", "x", "[]", "1", "{\"a\":", "{\"a\":1}x", "\"{}\""};
    g_autoptr(GString) deep = g_string_new("{\"a\":");

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_null(scope_message_parse(bad[i], strlen(bad[i]), NULL));
    }
    for (guint i = 0; i < 30000; i++) {
        g_string_append_c(deep, '[');
    }
    g_assert_null(scope_message_parse(deep->str, deep->len, NULL));
}

/* -- graphs -- */

/* The JSON of the last graph, which its row borrows from. */
static JsonObject *graph_json;

static char *
check_graph(const char *json, ScopeGraphRow *ret_row)
{
    JsonObject *object = fake_json(json);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(ScopeGraph) graph = scope_graph_new(object, faults);
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    g_autoptr(ScopePipelineInfo) info = fake_info_new("fake");
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&graph_json, json_object_unref);
    graph_json = object;
    scope_registry_add(registry, info);
    if (!graph) {
        return scope_faults_dup_text(faults);
    }
    if (!scope_graph_check(graph, registry, &error) ||
        !scope_graph_get_row(graph, ret_row, &error)) {
        return g_strdup(error->message);
    }
    return NULL;
}

#define SOURCE     "{'id':'s','type':'source'}"
#define SINK       "{'id':'o','type':'sink'}"
#define PIPE(id)   "{'id':'" id "','type':'pipeline','pipeline_id':'fake'}"
#define EDGE(a, b) "{'from':'" a "','from_port':'video','to_node':'" b "','to_port':'video'}"

static void
assert_graph_text(const char *json, const char *part)
{
    g_autofree ScopeGraphRow *row = g_new0(ScopeGraphRow, 1);
    g_autofree char *text = check_graph(json, row);

    g_assert_nonnull(text);
    if (!strstr(text, part)) {
        g_test_message("'%s' lacks '%s'", text, part);
    }
    g_assert_nonnull(strstr(text, part));
}

static void
test_graph_faults(void)
{
    assert_graph_text("{'nodes':[],'edges':[]}",
                      "Invalid graph: Graph must have at least one sink");
    assert_graph_text("{'nodes':[" SINK "," SINK "],'edges':[]}", "Duplicate node ID: 'o'");
    assert_graph_text("{'nodes':[" SINK ",{'id':'p','type':'pipeline'}],'edges':[]}",
                      "Pipeline node 'p' is missing pipeline_id");
    assert_graph_text("{'nodes':[" SINK ",{'id':'n','type':'node'}],'edges':[]}",
                      "Node 'n' is missing node_type_id");
    assert_graph_text("{'nodes':[" SINK "],'edges':[" EDGE("x", "y") "]}",
                      "Edge references non-existent source node: 'x'; Edge references "
                      "non-existent target node: 'y'");
    assert_graph_text("{'nodes':[" SINK "," PIPE("p") "],'edges':[{'from':'p','from_port':'depth',"
                                                      "'to_node':'o','to_port':'video'}]}",
                      "Invalid graph ports: ");
    assert_graph_text("{'nodes':[" SINK "," SOURCE
                      "," PIPE("p") "],'edges':[" EDGE("s", "p") "," EDGE("s", "p") "]}",
                      "more than one stream edge");
    assert_graph_text("{'nodes':{},'edges':[]}", "nodes");
    assert_graph_text("{'nodes':[{'id':1,'type':'sink'}],'edges':[]}", "nodes[0].id");
    assert_graph_text("{'nodes':[{'id':'a','type':'other'}],'edges':[]}", "nodes[0].type");
    assert_graph_text("{'nodes':[" SINK "]}", "edges");
}

static void
test_graph_rows(void)
{
    g_autofree ScopeGraphRow *row = g_new0(ScopeGraphRow, 1);

    g_assert_null(check_graph("{'nodes':[" SINK
                              "," PIPE("b") "," SOURCE "," PIPE("a") "],'edges':[" EDGE(
                                  "b", "o") "," EDGE("a", "b") "," EDGE("s", "a") "]}",
                              row));
    g_assert_cmpuint(row->n_pipelines, ==, 2);
    g_assert_cmpstr(row->sink_id, ==, "o");
    g_assert_true(row->has_source);
    g_assert_null(check_graph("{'nodes':[" SINK "," SOURCE "],'edges':[" EDGE("s", "o") "]}", row));
    g_assert_cmpuint(row->n_pipelines, ==, 0);
    g_assert_null(
        check_graph("{'nodes':[" SINK "," PIPE("p") "],'edges':[" EDGE("p", "o") "]}", row));
    g_assert_false(row->has_source);
    /* Two pipelines from one source, a circle, and pipelines that lead nowhere. */
    assert_graph_text("{'nodes':[" SINK "," SOURCE "," PIPE("a") "," PIPE("b") "],'edges':[" EDGE(
                          "s", "a") "," EDGE("s", "b") "," EDGE("a", "o") "]}",
                      "between source and sink");
    assert_graph_text("{'nodes':[" SINK "," PIPE("a") "," PIPE("b") "],'edges':[" EDGE(
                          "a", "b") "," EDGE("b", "a") "," EDGE("a", "o") "]}",
                      "not a row");
    assert_graph_text("{'nodes':[" SINK ",{'id':'t','type':'sink'}],'edges':[]}",
                      "more than one sink");
    assert_graph_text("{'nodes':[" SINK "],'edges':[]}", "nothing feeds the sink");
}

/* -- names -- */

static void
test_path(void)
{
    static const char *const bad[] = {
        "",     "/etc/passwd", "..",   "../x",   "a/../b", "a//b", "./a",      ".hidden",
        "a/.b", "a\\b",        "a\nb", "link/x", "link",   "a/..", "\xff.png",
    };
    g_autofree char *root = g_dir_make_tmp("scope-path-XXXXXX", NULL);
    g_autofree char *link = g_build_filename(root, "link", NULL);
    g_autofree char *inside = g_build_filename(root, "sub", NULL);
    g_autofree char *inner_link = g_build_filename(root, "same", NULL);
    g_autofree char *dangling = g_build_filename(root, "gone", NULL);
    g_autofree char *longest = g_strnfill(256, 'a');
    g_autofree char *overlong = g_strnfill(5000, 'a');
    g_autofree char *fine = NULL;

    g_assert_cmpint(symlink("/etc", link), ==, 0);
    g_assert_cmpint(g_mkdir(inside, 0755), ==, 0);
    g_assert_cmpint(symlink(inside, inner_link), ==, 0);
    g_assert_cmpint(symlink("/nonexistent/x", dangling), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(scope_path_resolve(root, bad[i], &error));
        g_assert_error(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_FORBIDDEN);
    }
    g_assert_null(scope_path_resolve(root, longest, NULL));
    g_assert_null(scope_path_resolve(root, overlong, NULL));
    g_assert_null(scope_path_resolve(root, "gone", NULL));
    fine = scope_path_resolve(root, "sub/new/file name.png", NULL);
    g_assert_true(fine && g_str_has_prefix(fine, root));
    g_free(fine);
    fine = scope_path_resolve(root, "same/x.png", NULL);
    g_assert_nonnull(fine);
    g_remove(link);
    g_remove(inner_link);
    g_remove(dangling);
    g_rmdir(inside);
    g_rmdir(root);
}

static void
test_routes(void)
{
    const ScopeRoute *route = NULL;
    GHashTable *params = NULL;

    g_assert_cmpint(scope_routes_find("GET", "/api/v1/assets/a/b%20c.png", &route, &params), ==,
                    SCOPE_ROUTE_FOUND);
    g_assert_cmpstr(g_hash_table_lookup(params, "asset_path"), ==, "a/b c.png");
    g_hash_table_unref(params);
    g_assert_cmpint(scope_routes_find("PUT", "/api/v1/lora/a/b/provenance", &route, &params), ==,
                    SCOPE_ROUTE_FOUND);
    g_assert_cmpstr(g_hash_table_lookup(params, "filename"), ==, "a/b");
    g_hash_table_unref(params);
    g_assert_cmpint(scope_routes_find("GET", "/api/v1/assets/%00", &route, &params), ==,
                    SCOPE_ROUTE_BAD_PATH);
    g_assert_cmpint(scope_routes_find("GET", "/%zz", &route, &params), ==, SCOPE_ROUTE_BAD_PATH);
    g_assert_cmpint(scope_routes_find("GET", "/%ff", &route, &params), ==, SCOPE_ROUTE_BAD_PATH);
    g_assert_cmpint(scope_routes_find("GET", "/api/v1/assets/", &route, &params), ==,
                    SCOPE_ROUTE_NONE);
}

static void
test_guard(void)
{
    static const char *const hosts[] = {"scope.example", NULL};
    static const char *const origins[] = {"https://studio.example", NULL};
    g_autoptr(ScopeGuard) guard = scope_guard_new("0.0.0.0", hosts, origins, "token");

    g_assert_true(scope_guard_is_host_allowed(guard, "SCOPE.example:8000"));
    g_assert_true(scope_guard_is_host_allowed(guard, "192.168.1.5"));
    g_assert_true(scope_guard_is_host_allowed(guard, g_get_host_name()));
    g_assert_false(scope_guard_is_host_allowed(guard, "other.example"));
    g_assert_false(scope_guard_is_host_allowed(guard, NULL));
    g_assert_false(scope_guard_is_host_allowed(guard, ""));
    g_assert_false(scope_guard_is_host_allowed(guard, "[::1"));
    g_assert_true(scope_guard_is_origin_allowed(guard, "https://studio.example", "x"));
    g_assert_true(
        scope_guard_is_origin_allowed(guard, "http://192.168.1.5:8000", "192.168.1.5:8000"));
    g_assert_false(
        scope_guard_is_origin_allowed(guard, "http://192.168.1.6:8000", "192.168.1.5:8000"));
    g_assert_true(scope_guard_is_token(guard, "token"));
    g_assert_false(scope_guard_is_token(guard, "tokem"));
    g_assert_false(scope_guard_is_token(guard, ""));
    g_assert_false(scope_guard_is_token(guard, NULL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/parts/pace-generated", test_pace_generated);
    g_test_add_func("/server/parts/pace-source-times", test_pace_source_times);
    g_test_add_func("/server/parts/pace-gives-delay-back", test_pace_gives_delay_back);
    g_test_add_func("/server/parts/pace-backlog-goes", test_pace_backlog_goes);
    g_test_add_func("/server/parts/pace-discontinuity", test_pace_discontinuity);
    g_test_add_func("/server/parts/rate", test_rate);
    g_test_add_func("/server/parts/message-members", test_message_members);
    g_test_add_func("/server/parts/message-parse", test_message_parse);
    g_test_add_func("/server/parts/graph-faults", test_graph_faults);
    g_test_add_func("/server/parts/graph-rows", test_graph_rows);
    g_test_add_func("/server/parts/path", test_path);
    g_test_add_func("/server/parts/routes", test_routes);
    g_test_add_func("/server/parts/guard", test_guard);
    int result = g_test_run();
    g_clear_pointer(&graph_json, json_object_unref);
    return result;
}
