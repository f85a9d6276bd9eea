/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session of every streaming pipeline on tiny weights over many chunks, in text and in video
 * mode, with new prompts, transitions, strengths of adapters, steps, seeds and resets on the way:
 * resident memory stays where it was. Main thread.
 *
 * usage: test-wan-soak [CHUNKS]
 */
#include <stdlib.h>
#include <unistd.h>

#include "core/scope-chain.h"
#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/support/tiny-models.h"
#include "wan-driver.h"

#define SETTLED_CHUNKS 200 /* arenas, caches and the allocator are full by then */
#define N_ROUNDS       3   /* a leak grows in each; a block that is touched late grows once */
#define SLACK_KB       128
#define CHANGE_EVERY   10
#define WAIT_US        (120 * G_USEC_PER_SEC)

static DriverFixture fixture;
static guint64 n_chunks = 2000;

#define LOAD                                                                                       \
    "{'height':32,'width':32,'vae_type':'tae','vace_enabled':false,"                               \
    "'loras':[{'path':'style.safetensors','merge_mode':'runtime_peft'}]}"

static const struct {
    const ScopePipelineDesc *desc;
    const char *load;
} pipelines[] = {
    {&scope_longlive_desc, LOAD},
    {&scope_streamdiffusionv2_desc, LOAD},
    {&scope_memflow_desc, LOAD},
    {&scope_reward_forcing_desc, LOAD},
    {&scope_krea_realtime_video_desc, LOAD},
    {&scope_mini_desc, "{'height':32,'width':32}"},
};

/* Resident memory in KiB. */
static gint64
read_resident_kb(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;

    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    words = g_strsplit(text, " ", 3);
    return g_ascii_strtoll(words[1], NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The change with number @n; prompts never repeat. */
static void
change(ScopeChain *chain, guint64 n)
{
    static const char *const changes[] = {
        "{'lora_scales':[{'path':'style.safetensors','scale':0.5}]}",
        "{'denoising_step_list':[1000,500]}",
        "{'transition':{'target_prompts':['the sea'],'num_steps':4}}",
        "{'base_seed':7}",
        "{'reset_cache':true}",
        "{'lora_scales':[{'path':'style.safetensors','scale':-1}],'base_seed':42}",
        "{'denoising_step_list':[1000,750,500]}",
    };
    g_autofree char *prompt =
        g_strdup_printf("{'prompts':['a cat %c%c%c','a dog']}", (char)('a' + n % 26),
                        (char)('a' + n / 26 % 26), (char)('a' + n / 676 % 26));
    g_autoptr(JsonObject) update =
        driver_json(n % 2 == 0 ? prompt : changes[n / 2 % G_N_ELEMENTS(changes)]);

    g_assert_true(scope_chain_update(chain, update, NULL, NULL, NULL));
}

static ScopeFrame *
make_input(guint64 n)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, 48, 36);

    for (guint plane = 0; plane < 3; plane++) {
        const guint height = plane == 0 ? 36 : 18;
        for (gsize i = 0; i < (gsize)frame->stride[plane] * height; i++) {
            frame->data[plane][i] = (guint8)(7 * i + 3 * n);
        }
    }
    return frame;
}

static guint64
count_chunks(ScopeChain *chain)
{
    ScopeStageStats stats;

    scope_chain_get_stats(chain, 0, &stats);
    return stats.n_chunks;
}

/* Runs until @n chunks are made. */
static void
run_to(ScopeChain *chain, guint64 n, gboolean video)
{
    guint64 n_done, n_fed = 0;
    gint64 until_us = g_get_monotonic_time() + WAIT_US;

    for (guint64 last = 0; (n_done = count_chunks(chain)) < n;) {
        g_assert_cmpint(g_get_monotonic_time(), <, until_us);
        if (n_done != last) {
            until_us = g_get_monotonic_time() + WAIT_US;
            if (n_done / CHANGE_EVERY != last / CHANGE_EVERY) {
                change(chain, n_done / CHANGE_EVERY);
            }
            last = n_done;
        }
        while (video && scope_chain_has_room(chain)) {
            scope_chain_push_input(chain, make_input(n_fed++));
        }
        scope_frame_unref(scope_mailbox_pop_until(scope_chain_get_output(chain),
                                                  g_get_monotonic_time() + 10 * 1000));
    }
}

static void
test_soak(gconstpointer data, gboolean video)
{
    const guint index = GPOINTER_TO_UINT(data);
    g_autoptr(ScopeInstance) instance = NULL;
    g_autoptr(JsonObject) params = driver_json(video ? "{'prompts':['a cat'],'input_mode':'video'}"
                                                     : "{'prompts':['a cat'],'input_mode':'text'}");
    g_autoptr(ScopeChain) chain = NULL;
    const ScopeChainConfig config = {.params = params, .offline_fps = 16.0};
    ScopeChainNode node = {.node_id = "main"};
    gint64 resident_kb[N_ROUNDS + 1];
    guint n_grown = 0;

    driver_fixture_use(&fixture, pipelines[index].desc);
    node.instance = instance = driver_load(&fixture, pipelines[index].load, NULL);
    g_assert_nonnull(instance);
    chain = scope_chain_new(&config, &node, 1, NULL);
    g_assert_true(scope_chain_start(chain, NULL));
    for (guint i = 0; i <= N_ROUNDS; i++) {
        run_to(chain, SETTLED_CHUNKS + i * (n_chunks - SETTLED_CHUNKS) / N_ROUNDS, video);
        resident_kb[i] = read_resident_kb();
        n_grown += i > 0 && resident_kb[i] - resident_kb[i - 1] > SLACK_KB;
    }
    g_assert_true(scope_chain_stop(chain));
    g_test_message("%s, %s: resident %" G_GINT64_FORMAT " kB after %d chunks, %" G_GINT64_FORMAT
                   ", %" G_GINT64_FORMAT ", and %" G_GINT64_FORMAT " kB after %" G_GUINT64_FORMAT,
                   pipelines[index].desc->id, video ? "video" : "text", resident_kb[0],
                   SETTLED_CHUNKS, resident_kb[1], resident_kb[2], resident_kb[3], n_chunks);
    g_assert_cmpuint(n_grown, <, N_ROUNDS);
}

static void
test_text(gconstpointer data)
{
    test_soak(data, FALSE);
}

static void
test_video(gconstpointer data)
{
    test_soak(data, TRUE);
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    if (argc > 1) {
        n_chunks = MAX(g_ascii_strtoull(argv[1], NULL, 10), SETTLED_CHUNKS);
    }
    driver_fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(pipelines); i++) {
        g_autofree char *text = g_strdup_printf("/wan-soak/%s/text", pipelines[i].desc->id);
        g_autofree char *video = g_strdup_printf("/wan-soak/%s/video", pipelines[i].desc->id);
        g_test_add_data_func(text, GUINT_TO_POINTER(i), test_text);
        g_test_add_data_func(video, GUINT_TO_POINTER(i), test_video);
    }
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
