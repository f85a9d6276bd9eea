/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: a live chain whose parameters change while it runs leaves a log from which the same
 * frames come out, twice; chains that nobody watches drop nothing; and what is wrong with a log is
 * told.
 */
#include "core/scope-replay-log.h"

#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-error.h"
#include "core/scope-frame.h"
#include "fake-pipelines.h"
#include "pipelines/scope-builtin.h"

#define WAIT_US (20 * G_USEC_PER_SEC)

static ScopeFrame *
pop(ScopeChain *chain)
{
    ScopeFrame *frame =
        scope_mailbox_pop_until(scope_chain_get_output(chain), g_get_monotonic_time() + WAIT_US);

    g_assert_nonnull(frame);
    return frame;
}

static void
add_frame(GPtrArray *frames, ScopeFrame *frame)
{
    gsize n_bytes = 3 * (gsize)frame->width * frame->height;
    guint8 *bytes = g_malloc(n_bytes);

    for (guint32 y = 0; y < frame->height; y++)
        memcpy(bytes + (gsize)y * frame->width * 3, frame->data[0] + (gsize)y * frame->stride[0],
               (gsize)frame->width * 3);
    g_ptr_array_add(frames, g_bytes_new_take(bytes, n_bytes));
    scope_frame_unref(frame);
}

static GPtrArray *
frames_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

/* -- a session and its replay ----------------------------------------------------------------- */

/* The keys and mouse of somebody who plays, and what else a client sends. */
static void
disturb(ScopeChain *chain, guint i)
{
    static const char *const keys[] = {"KeyA", "KeyW", "ArrowDown", "MouseLeft"};
    g_autofree char *text =
        g_strdup_printf("{'ctrl_input': {'button': ['%s'], 'mouse': [%d, %d]}, 'base_seed': %u}",
                        keys[i % 4], (gint)(i * 7 % 23) - 11, (gint)(i * 5 % 17) - 8, i);
    g_autoptr(JsonObject) params = fake_json(text);
    g_autoptr(JsonObject) paused = fake_json(i % 8 == 3 ? "{'paused': true}" : "{}");
    g_autoptr(JsonObject) resumed = fake_json("{'paused': false, 'reset_cache': true}");

    g_assert_true(scope_chain_update(chain, params, NULL, NULL, NULL));
    if (i % 8 != 3)
        return;
    g_assert_true(scope_chain_update(chain, paused, NULL, NULL, NULL));
    g_assert_true(scope_chain_update(chain, resumed, NULL, NULL, NULL));
}

/* Runs live with a log at @path; a reset drops frames that wait, so their number varies. */
static void
run_live(ScopeInstance *instance, const char *path)
{
    g_autoptr(JsonObject) params = fake_json("{'prompts': ['nobody looks at this']}");
    ScopeChainConfig config = {.session_id = "s", .params = params};
    ScopeChainNode node = {.node_id = "view", .instance = instance};
    g_autoptr(GError) error = NULL;
    ScopeReplayLog *log =
        scope_replay_log_create(path, "0", SCOPE_REPLAY_INPUT_FORGOTTEN, &config, &node, 1, &error);
    g_autoptr(ScopeChain) chain = NULL;
    ScopeStageStats stats;

    g_assert_no_error(error);
    config.hooks = scope_replay_log_get_hooks(log);
    chain = scope_chain_new(&config, &node, 1, &error);
    g_assert_true(scope_chain_start(chain, &error));
    for (guint i = 0; i < 60; i++) {
        scope_frame_unref(pop(chain));
        if (i % 3 == 1)
            disturb(chain, i);
    }
    g_assert_true(scope_chain_stop(chain));
    scope_chain_get_stats(chain, 0, &stats);
    scope_replay_log_close(log, stats.n_frames_out);
}

static JsonObject *
before_chunk(const char *node_id, guint64 chunk_index, guint64 n_frames, gpointer user_data)
{
    return scope_replay_build_params(user_data, node_id, chunk_index);
}

static GPtrArray *
run_replay(ScopeInstance *instance, ScopeReplay *replay)
{
    const ScopeStageHooks hooks = {.before_chunk = before_chunk, .user_data = replay};
    ScopeChainConfig config = {.offline_fps = 25.0, .hooks = &hooks};
    const ScopeReplayNode *from = replay->nodes->pdata[0];
    ScopeChainNode node = {.node_id = from->node_id, .instance = instance};
    g_autoptr(ScopeChain) chain = scope_chain_new(&config, &node, 1, NULL);
    GPtrArray *frames = frames_new();

    g_assert_true(scope_chain_start(chain, NULL));
    for (gint64 i = 0; i < replay->n_frames; i++) {
        ScopeFrame *frame = pop(chain);

        g_assert_cmpint(frame->pts_us, ==, i * 40000);
        add_frame(frames, frame);
    }
    g_assert_true(scope_chain_stop(chain));
    return frames;
}

static ScopeReplay *
read_log(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    ScopeReplay *replay;
    gsize length;

    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    replay = scope_replay_parse(text, length, path, &error);
    g_assert_no_error(error);
    return replay;
}

static void
assert_same_frames(GPtrArray *a, GPtrArray *b)
{
    g_assert_cmpuint(a->len, ==, b->len);
    for (guint i = 0; i < a->len; i++)
        g_assert_true(g_bytes_equal(a->pdata[i], b->pdata[i]));
}

typedef struct {
    ScopeRegistry *registry;
    ScopeInstance *instance;
    char *folder;
    char *path;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonObject) load = fake_json("{'width': 160, 'height': 128}");
    g_autoptr(GError) error = NULL;

    f->registry = scope_registry_new();
    g_assert_true(scope_builtin_register_all(f->registry, NULL));
    f->instance = scope_instance_load(scope_registry_lookup(f->registry, "controller-viz"),
                                      fake_host(), NULL, load, NULL, &error);
    g_assert_no_error(error);
    f->folder = g_dir_make_tmp("scope-replay-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "logs", "a.jsonl", NULL);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_autofree char *logs = g_path_get_dirname(f->path);

    scope_instance_unref(f->instance);
    scope_registry_free(f->registry);
    g_remove(f->path);
    g_rmdir(logs);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->path);
}

static void
test_same_frames(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeReplay) replay = NULL;
    g_autoptr(GPtrArray) first = NULL;
    g_autoptr(GPtrArray) second = NULL;
    const ScopeReplayNode *node;

    run_live(f->instance, f->path);
    replay = read_log(f->path);
    node = replay->nodes->pdata[0];
    g_assert_cmpstr(node->pipeline_id, ==, "controller-viz");
    g_assert_cmpint(json_object_get_int_member(node->load_params, "width"), ==, 160);
    g_assert_false(replay->has_input);
    g_assert_cmpint(replay->n_frames, >=, 60);
    g_assert_cmpuint(g_hash_table_size(replay->updates), >, 10);
    first = run_replay(f->instance, replay);
    second = run_replay(f->instance, replay);
    assert_same_frames(first, second);
}

/* The frames of the session itself, popped without a reset that would drop some. */
static void
test_live_frames(Fixture *f, gconstpointer data)
{
    ScopeChainConfig config = {0};
    ScopeChainNode node = {.node_id = "view", .instance = f->instance};
    ScopeReplayLog *log = scope_replay_log_create(f->path, "0", SCOPE_REPLAY_INPUT_FORGOTTEN,
                                                  &config, &node, 1, NULL);
    g_autoptr(ScopeChain) chain = NULL;
    g_autoptr(GPtrArray) live = frames_new();
    g_autoptr(GPtrArray) replayed = NULL;
    g_autoptr(ScopeReplay) replay = NULL;

    config.hooks = scope_replay_log_get_hooks(log);
    chain = scope_chain_new(&config, &node, 1, NULL);
    g_assert_true(scope_chain_start(chain, NULL));
    for (guint i = 0; i < 80; i++) {
        add_frame(live, pop(chain));
        if (i % 8 != 3)
            disturb(chain, i);
    }
    g_assert_true(scope_chain_stop(chain));
    scope_replay_log_close(log, live->len);
    replay = read_log(f->path);
    replayed = run_replay(f->instance, replay);
    assert_same_frames(live, replayed);
}

/* -- chains that nobody watches --------------------------------------------------------------- */

/* A hundred frames through stages that want three and two at a time: ninety-nine, then ninety-eight
 * come out, in order, and then the chain says that it is done. */
static void
test_offline_drops_nothing(void)
{
    g_autoptr(ScopeInstance) three = fake_load("fake", "{'want': 3, 'delay_us': 200}");
    g_autoptr(ScopeInstance) two = fake_load("fake", "{'want': 2, 'delay_us': 500}");
    g_autoptr(JsonObject) params = fake_json("{'input_mode': 'video'}");
    ScopeChainConfig config = {.params = params, .offline_fps = 30.0, .output_frames = 4};
    ScopeChainNode nodes[2] = {{.node_id = "a", .instance = three},
                               {.node_id = "b", .instance = two}};
    g_autoptr(ScopeChain) chain = scope_chain_new(&config, nodes, 2, NULL);
    gint64 deadline_us = g_get_monotonic_time() + WAIT_US;
    guint n_in = 0, n_out = 0;

    g_assert_true(scope_chain_start(chain, NULL));
    for (;;) {
        gboolean ended = n_in == 100 && scope_chain_is_starved(chain);
        ScopeFrame *frame;

        while (n_in < 100 && scope_chain_has_room(chain)) {
            ScopeFrame *input = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 8, 8);

            memset(input->data[0], 0, input->stride[0] * 8);
            input->pts_us = n_in++ * 1000;
            g_assert_true(scope_chain_push_input(chain, input));
        }
        frame =
            scope_mailbox_pop_until(scope_chain_get_output(chain), g_get_monotonic_time() + 2000);
        if (frame != NULL)
            g_assert_cmpint(frame->pts_us, ==, n_out++ * 1000);
        else if (ended)
            break;
        scope_frame_unref(frame);
        g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
    }
    g_assert_cmpuint(n_out, ==, 98);
    g_assert_true(scope_chain_stop(chain));
}

typedef struct {
    gint n_fatal;
} Fatal;

static void
on_fatal(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    g_atomic_int_inc(&((Fatal *)user_data)->n_fatal);
}

static gboolean
has_failed(gpointer data)
{
    return g_atomic_int_get(&((Fatal *)data)->n_fatal) > 0;
}

static void
test_offline_failure_is_fatal(void)
{
    g_autoptr(ScopeInstance) instance = fake_load("fake", "{'want': 0}");
    g_autoptr(JsonObject) params = fake_json("{'fail_code': 1}");
    Fatal fatal = {0};
    ScopeChainConfig config = {
        .params = params, .offline_fps = 30.0, .fatal = on_fatal, .user_data = &fatal};
    ScopeChainNode node = {.node_id = "a", .instance = instance};
    g_autoptr(ScopeChain) chain = scope_chain_new(&config, &node, 1, NULL);

    g_assert_true(scope_chain_start(chain, NULL));
    g_assert_true(fake_wait(has_failed, &fatal));
    g_assert_true(scope_chain_stop(chain));
}

/* -- logs that are wrong ---------------------------------------------------------------------- */

static void
test_bad_logs(void)
{
    static const char *const head =
        "{\"format\":\"scope-replay\",\"format_version\":1,\"nodes\":[{\"node\":\"a\","
        "\"pipeline\":\"gray\"}]}\n";
    static const struct {
        const char *line, *says;
    } cases[] = {{"{\"node\":\"b\",\"chunk\":0,\"params\":{}}\n", "line 2"},
                 {"{\"node\":\"a\",\"chunk\":-1,\"params\":{}}\n", "`chunk`"},
                 {"{\"node\":\"a\",\"chunk\":0,\"params\":3}\n", "`params`"},
                 {"{\"node\":\"a\",\"chunk\":0,\"port\":\"video\",\"taken\":[]}\n", "`taken`"},
                 {"{\"node\":\"a\",\"chunk\":0,\"port\":\"video\",\"taken\":[1,1]}\n", "rising"},
                 {"{\"node\":\"a\",\"chunk\":0,\"port\":\"video\",\"taken\":[[]]}\n", "rising"},
                 {"{\"node\":\"a\",\"chunk\":0,\"taken\":[1]}\n", "`port`"},
                 {"{\"frames\":\"many\"}\n", "`frames`"},
                 {"nonsense\n", "line 2"}};
    static const char *const heads[] = {
        "", "{}\n", "{\"format\":\"scope-replay\"}\n",
        "{\"format\":\"scope-replay\",\"format_version\":1,\"nodes\":[3]}\n"};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat(head, cases[i].line, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_null(scope_replay_parse(text, strlen(text), "x.jsonl", &error));
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_assert_nonnull(strstr(error->message, "x.jsonl"));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++)
        g_assert_null(scope_replay_parse(heads[i], strlen(heads[i]), "x", NULL));
}

static void
check_frame(const ScopeFrameFile *file, guint64 index, guint32 width, guint8 first)
{
    g_autoptr(ScopeFrame) frame = scope_frame_file_read(file, index);

    g_assert_nonnull(frame);
    g_assert_cmpuint(frame->width, ==, width);
    g_assert_cmpuint(frame->data[0][0], ==, first);
    g_assert_cmpint(frame->pts_us, ==, 1000 * (gint64)first);
}

/* Frames of odd sizes and both formats come back; one that was cut is left out; junk is refused. */
static void
test_frame_file(void)
{
    g_autofree char *folder = g_dir_make_tmp("scope-frames-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "x.frames", NULL);
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    ScopeFrameWriter *writer = scope_frame_writer_open(path, &error);
    ScopeFrameFile *file;
    gsize length;

    g_assert_no_error(error);
    for (guint8 i = 1; i <= 3; i++) {
        g_autoptr(ScopeFrame) frame = scope_frame_new(
            i == 2 ? SCOPE_FRAME_FORMAT_RGB24 : SCOPE_FRAME_FORMAT_I420, 16u + i, 9);

        for (guint plane = 0; plane < (i == 2 ? 1 : 3); plane++)
            memset(frame->data[plane], i, (gsize)frame->stride[plane] * (plane == 0 ? 9 : 5));
        frame->pts_us = 1000 * (gint64)i;
        g_assert_true(scope_frame_writer_push(writer, frame, &error));
    }
    scope_frame_writer_close(writer);
    file = scope_frame_file_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(scope_frame_file_get_n(file), ==, 3);
    for (guint8 i = 1; i <= 3; i++)
        check_frame(file, i - 1, 16u + i, i);
    g_assert_null(scope_frame_file_read(file, 3));
    scope_frame_file_close(file);

    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    g_assert_true(g_file_set_contents(path, bytes, (gssize)length - 1, NULL));
    file = scope_frame_file_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(scope_frame_file_get_n(file), ==, 2);
    scope_frame_file_close(file);
    bytes[12] = bytes[13] = bytes[14] = 0x7f; /* the width */
    g_assert_true(g_file_set_contents(path, bytes, (gssize)length, NULL));
    g_assert_null(scope_frame_file_open(path, &error));
    g_assert_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "byte 0"));
    g_remove(path);
    g_rmdir(folder);
}

/* A program that was killed leaves no end, and half a line. */
static void
test_cut_log(void)
{
    static const char *const text =
        "{\"format\":\"scope-replay\",\"format_version\":1,\"nodes\":[{\"node\":\"a\","
        "\"pipeline\":\"gray\"}]}\n"
        "{\"node\":\"a\",\"chunk\":2,\"params\":{\"x\":1}}\n"
        "{\"node\":\"a\",\"chunk\":2,\"params\":{\"y\":2}}\n"
        "{\"node\":\"a\",\"chu";
    g_autoptr(ScopeReplay) replay = scope_replay_parse(text, strlen(text), "x", NULL);
    g_autoptr(JsonObject) params = NULL;

    g_assert_nonnull(replay);
    g_assert_cmpint(replay->n_frames, ==, -1);
    g_assert_null(scope_replay_build_params(replay, "a", 1));
    params = scope_replay_build_params(replay, "a", 2);
    g_assert_cmpuint(json_object_get_size(params), ==, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/replay/same-frames", Fixture, NULL, set_up, test_same_frames, tear_down);
    g_test_add("/replay/live-frames", Fixture, NULL, set_up, test_live_frames, tear_down);
    g_test_add_func("/replay/offline-drops-nothing", test_offline_drops_nothing);
    g_test_add_func("/replay/offline-failure-is-fatal", test_offline_failure_is_fatal);
    g_test_add_func("/replay/bad-logs", test_bad_logs);
    g_test_add_func("/replay/cut-log", test_cut_log);
    g_test_add_func("/replay/frame-file", test_frame_file);
    return g_test_run();
}
