/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live session of a streaming pipeline on tiny weights, with a new prompt, a transition, another
 * adapter strength and other steps on the way, leaves a log from which its frames come out again
 * bit for bit, twice; so does a row of stages that take their input in other pieces, fed with video
 * faster than they work. Main thread.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-json.h"
#include "core/scope-replay-log.h"
#include "pipelines/gray/scope-gray.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/passthrough/scope-passthrough.h"
#include "wan-driver.h"

#define N_FRAMES 60
#define WAIT_US  (60 * G_USEC_PER_SEC)

static DriverFixture fixture;

/* What is sent before a frame is taken; the chunk that it acts on is left to chance. */
static const struct {
    guint frame;
    const char *json;
} messages[] = {
    {4, "{'prompts':[{'text':'a dog','weight':1},{'text':'a bird','weight':2}]}"},
    {14, "{'transition':{'target_prompts':[{'text':'the sea','weight':1}],'num_steps':2}}"},
    {26, "{'lora_scales':[{'path':'style.safetensors','scale':-1.5}]}"},
    {34, "{'denoising_step_list':[1000,500],'manage_cache':false}"},
    {44, "{'prompts':['a cat']}"},
};

static void
take_frame(ScopeChain *chain, GByteArray *bytes)
{
    g_autoptr(ScopeFrame) frame =
        scope_mailbox_pop_until(scope_chain_get_output(chain), g_get_monotonic_time() + WAIT_US);

    g_assert_nonnull(frame);
    for (guint32 y = 0; y < frame->height; y++)
        g_byte_array_append(bytes, frame->data[0] + (gsize)y * frame->stride[0], 3 * frame->width);
}

static ScopeChain *
start(ScopeInstance *instance, ScopeChainConfig *config)
{
    ScopeChainNode node = {.node_id = "main", .instance = instance};
    ScopeChain *chain = scope_chain_new(config, &node, 1, NULL);

    g_assert_true(scope_chain_start(chain, NULL));
    return chain;
}

static GByteArray *
run_live(ScopeInstance *instance, const char *path)
{
    g_autoptr(JsonObject) params = driver_json("{'prompts':['a cat'],'input_mode':'text'}");
    ScopeChainConfig config = {.params = params};
    ScopeChainNode node = {.node_id = "main", .instance = instance};
    ScopeReplayLog *log =
        scope_replay_log_create(path, "0", SCOPE_REPLAY_INPUT_FORGOTTEN, &config, &node, 1, NULL);
    g_autoptr(ScopeChain) chain = NULL;
    GByteArray *bytes = g_byte_array_new();
    guint next = 0;

    g_assert_nonnull(log);
    config.hooks = scope_replay_log_get_hooks(log);
    chain = start(instance, &config);
    for (guint i = 0; i < N_FRAMES; i++) {
        if (next < G_N_ELEMENTS(messages) && messages[next].frame == i) {
            g_autoptr(JsonObject) update = driver_json(messages[next++].json);
            g_autoptr(GPtrArray) problems = scope_param_problems_new();

            g_assert_true(scope_chain_update(chain, update, NULL, problems, NULL));
            g_assert_cmpuint(problems->len, ==, 0);
        }
        take_frame(chain, bytes);
    }
    g_assert_true(scope_chain_stop(chain));
    scope_replay_log_close(log, N_FRAMES);
    return bytes;
}

static JsonObject *
before_chunk(const char *node_id, guint64 chunk_index, guint64 n_frames, gpointer user_data)
{
    return scope_replay_build_params(user_data, node_id, chunk_index);
}

static GByteArray *
run_replay(ScopeInstance *instance, const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(ScopeReplay) replay = NULL;
    g_autoptr(ScopeChain) chain = NULL;
    GByteArray *bytes = g_byte_array_new();
    gsize length;

    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    replay = scope_replay_parse(text, length, path, NULL);
    g_assert_nonnull(replay);
    g_assert_cmpint(replay->n_frames, ==, N_FRAMES);
    const ScopeStageHooks hooks = {.before_chunk = before_chunk, .user_data = replay};
    ScopeChainConfig config = {.offline_fps = 16.0, .hooks = &hooks};
    chain = start(instance, &config);
    for (guint i = 0; i < N_FRAMES; i++)
        take_frame(chain, bytes);
    g_assert_true(scope_chain_stop(chain));
    return bytes;
}

static void
test_replay(gconstpointer data)
{
    const ScopePipelineDesc *desc = data;
    g_autofree char *path = g_build_filename(fixture.folder, "session.jsonl", NULL);
    g_autoptr(ScopeInstance) instance = NULL;
    g_autoptr(ScopeInstance) again = NULL;
    g_autoptr(GByteArray) live = NULL;
    const char *load = "{'vae_type':'tae','loras':[{'path':'style.safetensors','scale':1,"
                       "'merge_mode':'runtime_peft'}]}";

    driver_fixture_use(&fixture, desc);
    instance = driver_load(&fixture, load, NULL);
    again = driver_load(&fixture, load, NULL);
    g_assert_nonnull(instance);
    live = run_live(instance, path);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GByteArray) replayed = run_replay(i == 0 ? instance : again, path);

        g_assert_cmpmem(replayed->data, replayed->len, live->data, live->len);
    }
    g_remove(path);
}

/* -- a row of stages with input --------------------------------------------------------------- */

#define N_ROW 3

/* What is sent before a frame is taken from the row. */
static const struct {
    guint frame;
    const char *json;
} row_messages[] = {
    {10, "{'prompts':['a dog']}"},
    {16, "{'reset_cache':true}"},
    {22, "{'input_mode':'text'}"},
    {36, "{'input_mode':'video','noise_scale':0.4}"},
    {44, "{'paused':true}"},
    {44, "{'paused':false}"},
    {50, "{'noise_controller':false}"},
};

static ScopeFrame *
make_input(guint n)
{
    /* the size changes once, as it does when a connection gets worse */
    const guint32 width = n < 300 ? 48 : 32, height = n < 300 ? 36 : 25;
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, width, height);

    for (guint plane = 0; plane < 3; plane++) {
        const guint32 rows = plane == 0 ? height : (height + 1) / 2;
        for (gsize i = 0; i < (gsize)frame->stride[plane] * rows; i++)
            frame->data[plane][i] = (guint8)(7 * i + 3 * n);
    }
    frame->pts_us = (gint64)n * 33333;
    frame->born_us = frame->pts_us;
    return frame;
}

static void
append_frame(GByteArray *bytes, ScopeFrame *frame)
{
    g_autoptr(ScopeFrame) rgb = scope_frame_convert(frame, SCOPE_FRAME_FORMAT_RGB24);

    for (guint32 y = 0; y < rgb->height; y++)
        g_byte_array_append(bytes, rgb->data[0] + (gsize)y * rgb->stride[0], 3 * rgb->width);
}

/* Takes what comes out until there are N_FRAMES, feeding video as fast as it is taken. */
static GByteArray *
run_row(const ScopeChainNode *nodes, const char *path)
{
    g_autoptr(JsonObject) params = driver_json("{'prompts':['a cat'],'input_mode':'video'}");
    ScopeChainConfig config = {.params = params, .output_frames = 100 * N_FRAMES};
    ScopeReplayLog *log =
        scope_replay_log_create(path, "0", SCOPE_REPLAY_INPUT_KEPT, &config, nodes, N_ROW, NULL);
    g_autoptr(ScopeChain) chain = NULL;
    GByteArray *bytes = g_byte_array_new();
    gint64 until_us = g_get_monotonic_time() + WAIT_US;

    config.hooks = scope_replay_log_get_hooks(log);
    chain = scope_chain_new(&config, nodes, N_ROW, NULL);
    g_assert_true(scope_chain_start(chain, NULL));
    for (guint i = 0, next = 0, n_fed = 0; i < N_FRAMES;) {
        g_autoptr(ScopeFrame) frame = NULL;

        g_assert_cmpint(g_get_monotonic_time(), <, until_us);
        if (next < G_N_ELEMENTS(row_messages) && row_messages[next].frame <= i) {
            g_autoptr(JsonObject) update = driver_json(row_messages[next++].json);
            /* for the stage in the middle: a reset of the last one drops what the test waits for */
            g_assert_true(scope_chain_update(
                chain, update,
                scope_json_object_get_bool(update, "reset_cache", FALSE) ? "main" : NULL, NULL,
                NULL));
        }
        scope_chain_push_input(chain, make_input(n_fed++));
        frame = scope_mailbox_pop_until(scope_chain_get_output(chain),
                                        g_get_monotonic_time() + 2 * 1000);
        if (frame != NULL) {
            append_frame(bytes, frame);
            i++;
        }
    }
    g_assert_true(scope_chain_stop(chain));
    scope_replay_log_close(log, N_FRAMES);
    return bytes;
}

typedef struct {
    ScopeReplay *replay;
    ScopeFrameFile *input;
} Source;

static JsonObject *
row_before_chunk(const char *node_id, guint64 chunk_index, guint64 n_frames, gpointer user_data)
{
    return scope_replay_build_params(((Source *)user_data)->replay, node_id, chunk_index);
}

static gboolean
row_choose(const char *node_id, guint64 chunk_index, ScopeStageChoice *ret_choice,
           gpointer user_data, GError **error)
{
    const Source *source = user_data;

    return scope_replay_choose(source->replay, source->input, node_id, chunk_index, ret_choice,
                               error);
}

static GByteArray *
replay_row(const ScopeChainNode *nodes, const char *path)
{
    g_autofree char *input_path = scope_replay_dup_input_path(path);
    g_autofree char *text = NULL;
    g_autoptr(ScopeChain) chain = NULL;
    GByteArray *bytes = g_byte_array_new();
    gsize length;
    Source source;

    g_assert_true(g_file_get_contents(path, &text, &length, NULL));
    source.replay = scope_replay_parse(text, length, path, NULL);
    g_assert_true(source.replay->has_kept_input);
    source.input = scope_frame_file_open(input_path, NULL);
    g_assert_nonnull(source.input);
    const ScopeStageHooks hooks = {
        .before_chunk = row_before_chunk, .chosen = row_choose, .user_data = &source};
    const ScopeChainConfig config = {.offline_fps = 16.0, .hooks = &hooks};
    chain = scope_chain_new(&config, nodes, N_ROW, NULL);
    g_assert_true(scope_chain_start(chain, NULL));
    for (guint i = 0; i < N_FRAMES; i++) {
        g_autoptr(ScopeFrame) frame = scope_mailbox_pop_until(scope_chain_get_output(chain),
                                                              g_get_monotonic_time() + WAIT_US);
        g_assert_nonnull(frame);
        append_frame(bytes, frame);
    }
    g_assert_true(scope_chain_stop(chain));
    scope_replay_free(source.replay);
    scope_frame_file_close(source.input);
    return bytes;
}

static ScopeInstance *
load_one(const ScopePipelineDesc *desc, const char *json)
{
    g_autoptr(GError) error = NULL;
    ScopeInstance *instance;

    driver_fixture_use(&fixture, desc);
    instance = driver_load(&fixture, json, &error);
    g_assert_no_error(error);
    return instance;
}

static void
test_row(void)
{
    g_autofree char *path = g_build_filename(fixture.folder, "row.jsonl", NULL);
    g_autofree char *input_path = scope_replay_dup_input_path(path);
    g_autoptr(ScopeInstance) gray = load_one(&scope_gray_desc, NULL);
    g_autoptr(ScopeInstance) mini = load_one(&scope_mini_desc, NULL);
    g_autoptr(ScopeInstance) pass = load_one(&scope_passthrough_desc, NULL);
    const ScopeChainNode nodes[N_ROW] = {{.node_id = "before", .instance = gray},
                                         {.node_id = "main", .instance = mini},
                                         {.node_id = "after", .instance = pass}};
    g_autoptr(GByteArray) live = run_row(nodes, path);

    for (guint i = 0; i < 2; i++) {
        g_autoptr(GByteArray) replayed = replay_row(nodes, path);

        g_assert_cmpmem(replayed->data, replayed->len, live->data, live->len);
    }
    g_remove(path);
    g_remove(input_path);
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    driver_fixture_init(&fixture);
    g_test_add_data_func("/wan-replay/longlive", &scope_longlive_desc, test_replay);
    g_test_add_data_func("/wan-replay/mini", &scope_mini_desc, test_replay);
    g_test_add_func("/wan-replay/row-with-input", test_row);
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
