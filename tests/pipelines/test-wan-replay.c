/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A live session of a streaming pipeline on tiny weights, with a new prompt, a transition, another
 * adapter strength and other steps on the way, leaves a log from which its frames come out again
 * bit for bit, twice. Main thread.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-replay-log.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/mini/scope-mini.h"
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
    ScopeReplayLog *log = scope_replay_log_create(path, "0", &config, &node, 1, NULL);
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

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    driver_fixture_init(&fixture);
    g_test_add_data_func("/wan-replay/longlive", &scope_longlive_desc, test_replay);
    g_test_add_data_func("/wan-replay/mini", &scope_mini_desc, test_replay);
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
