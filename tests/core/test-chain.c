/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains with fake pipelines: order and loss of frames, parameters, errors, pause, back-pressure,
 * routing, replacement and a hundred starts and stops. Run under ThreadSanitizer too.
 */
#include "core/scope-chain.h"

#include <string.h>

#include "core/scope-frame.h"
#include "fake-pipelines.h"

typedef struct {
    ScopeChain *chain;
    guint n_frames;
    guint8 level;
    gint n_fatal;
    gint n_skipped;
} Run;

static void
on_fatal(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    Run *run = user_data;

    g_assert_cmpstr(node_id, ==, "a");
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY);
    g_atomic_int_inc(&run->n_fatal);
}

static void
on_skipped(ScopeChain *chain, const char *node_id, const GError *error, gpointer user_data)
{
    Run *run = user_data;

    g_assert_cmpstr(node_id, ==, "a");
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED);
    g_atomic_int_inc(&run->n_skipped);
}

static void
run_start(Run *run, const char *params_a, const char *params_b, const char *session, const char *id)
{
    g_autoptr(ScopeInstance) a = fake_load(id, params_a);
    g_autoptr(ScopeInstance) b = params_b != NULL ? fake_load("fake", params_b) : NULL;
    g_autoptr(JsonObject) params = fake_json(session);
    g_autoptr(GError) error = NULL;
    ScopeChainNode nodes[2] = {{"a", a, NULL}, {"b", b, NULL}};
    ScopeChainConfig config = {.session_id = "test",
                               .params = params,
                               .fatal = on_fatal,
                               .skipped = on_skipped,
                               .user_data = run};

    memset(run, 0, sizeof *run);
    run->chain = scope_chain_new(&config, nodes, b != NULL ? 2 : 1, &error);
    g_assert_no_error(error);
    g_assert_true(scope_chain_start(run->chain, &error));
}

static void
run_stop(Run *run)
{
    g_assert_true(scope_chain_stop(run->chain));
    g_clear_pointer(&run->chain, scope_chain_unref);
}

static void
update(Run *run, const char *json)
{
    g_autoptr(JsonObject) params = fake_json(json);

    g_assert_true(scope_chain_update(run->chain, params, NULL, NULL, NULL));
}

static ScopeFrame *
pop(Run *run)
{
    return scope_mailbox_pop_until(scope_chain_get_output(run->chain),
                                   g_get_monotonic_time() + 10 * G_USEC_PER_SEC);
}

static ScopeFrame *
make_frame(gint64 pts_us, guint8 level)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 16, 16);

    memset(frame->data[0], level, frame->stride[0] * 16);
    frame->pts_us = pts_us;
    frame->born_us = pts_us;
    return frame;
}

static void
test_frames_pass_in_order(void)
{
    Run run;

    run_start(&run, "{'want': 4}", "{'want': 1}", "{'input_mode': 'video'}", "fake");
    for (guint i = 0; i < 20; i++)
        g_assert_true(scope_chain_push_input(run.chain, make_frame(1000 + i, (guint8)i)));
    for (guint i = 0; i < 20; i++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_nonnull(frame);
        /* Sampling may skip frames when many wait, but never reorders or repeats. */
        g_assert_cmpint(frame->pts_us, ==, 1000 + frame->data[0][0]);
        g_assert_cmpint(frame->pts_us, >=, 1000 + (gint64)run.level);
        run.level = frame->data[0][0];
        if (run.level >= 15)
            break;
    }
    run_stop(&run);
}

/* A picture may be on its way in while the session ends: who holds the chain may still push. */
static void
test_stopped_chain_takes_nothing(void)
{
    g_autoptr(ScopeChain) late = NULL;
    Run run;

    run_start(&run, "{'want': 1}", NULL, "{'input_mode': 'video'}", "fake");
    late = scope_chain_ref(run.chain);
    run_stop(&run);
    g_assert_false(scope_chain_push_input(late, make_frame(1, 0)));
}

/* A stage that takes one frame at a time and needs long shows what is, not what was: of twenty
 * frames that come while it computes, the last one is next. */
static void
test_slow_stage_takes_the_newest(void)
{
    guint n = 0;
    Run run;

    run_start(&run, "{'want': 1, 'delay_us': 100000}", NULL, "{'input_mode': 'video'}", "fake");
    g_assert_true(scope_chain_push_input(run.chain, make_frame(0, 0)));
    scope_frame_unref(pop(&run));
    for (gint64 i = 1; i <= 20; i++)
        scope_chain_push_input(run.chain, make_frame(i, 0));
    for (gint64 pts_us = 0; pts_us < 20; n++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_nonnull(frame);
        g_assert_cmpint(frame->pts_us, >, pts_us);
        pts_us = frame->pts_us;
    }
    g_assert_cmpuint(n, <, 10);
    run_stop(&run);
}

static void
test_sampling(void)
{
    static const guint expected_8_4[] = {0, 2, 4, 6};
    static const guint expected_5_2[] = {0, 2}; /* 2.5 rounds to the even 2 */
    static const guint expected_7_2[] = {0, 4}; /* 3.5 rounds to the even 4 */
    guint indices[512];

    scope_stage_sample_uniform(8, 4, indices);
    g_assert_cmpmem(indices, sizeof expected_8_4, expected_8_4, sizeof expected_8_4);
    scope_stage_sample_uniform(5, 2, indices);
    g_assert_cmpmem(indices, sizeof expected_5_2, expected_5_2, sizeof expected_5_2);
    scope_stage_sample_uniform(7, 2, indices);
    g_assert_cmpmem(indices, sizeof expected_7_2, expected_7_2, sizeof expected_7_2);
    for (guint n = 1; n < 70; n++) {
        for (guint k = 1; k <= n; k++) {
            scope_stage_sample_uniform(n, k, indices);
            g_assert_cmpuint(indices[0], ==, 0);
            g_assert_cmpuint(indices[k - 1], <, n);
            for (guint i = 1; i < k; i++)
                g_assert_cmpuint(indices[i], >, indices[i - 1]);
        }
    }
}

static gboolean
stage_has_calls(gpointer data)
{
    return fake_log_get().n_calls >= GPOINTER_TO_UINT(data);
}

static void
test_generator_waits_for_consumer(void)
{
    ScopeStageStats stats;
    guint n_chunks;
    Run run;

    fake_log_reset();
    run_start(&run, "{'batch': 3}", NULL, "{'input_mode': 'text'}", "fake");
    g_assert_true(fake_wait(stage_has_calls, GUINT_TO_POINTER(1)));
    g_usleep(50000); /* the claim is that nothing happens */
    scope_chain_get_stats(run.chain, 0, &stats);
    /* One chunk; the next is begun early only where a chunk takes half of its time on the screen,
     * as it may on a machine that is so busy. */
    n_chunks = stats.process_avg_us > 20000 ? 2 : 1;
    g_assert_cmpuint(scope_mailbox_get_length(scope_chain_get_output(run.chain)), <=, 3 * n_chunks);
    g_assert_cmpuint(fake_log_get().n_calls, <=, n_chunks);

    for (guint i = 0; i < 300; i++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_nonnull(frame);
        g_assert_cmpint(frame->pts_us, ==, SCOPE_TIME_NONE);
        g_assert_cmpint(frame->born_us, !=, SCOPE_TIME_NONE);
    }
    scope_chain_get_stats(run.chain, 0, &stats);
    g_assert_cmpuint(stats.n_frames_out_dropped, ==, 0);
    g_assert_cmpuint(stats.n_chunks, >=, 99); /* the last is counted after its frames are out */
    run_stop(&run);
}

static void
test_generator_behind_transform(void)
{
    ScopeStageStats stats;
    Run run;

    run_start(&run, "{'batch': 1}", "{'want': 12}", "{'input_mode': 'text'}", "fake");
    for (guint i = 0; i < 60; i++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_nonnull(frame);
    }
    for (guint i = 0; i < 2; i++) {
        scope_chain_get_stats(run.chain, i, &stats);
        g_assert_cmpuint(stats.n_frames_out_dropped + stats.n_frames_in_dropped, ==, 0);
    }
    run_stop(&run);
}

static void
test_parameter_latency(void)
{
    guint n = 0;
    Run run;

    run_start(&run, "{}", NULL, "{'input_mode': 'text', 'level': 50}", "fake");
    for (guint i = 0; i < 5; i++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_cmpuint(frame->data[0][0], ==, 50);
    }
    update(&run, "{'level': 200}");
    for (n = 1; n < 20; n++) {
        g_autoptr(ScopeFrame) frame = pop(&run);

        if (frame->data[0][0] == 200)
            break;
    }
    g_assert_cmpuint(n, <=, 3); /* one that waits, one in the making, then the new value */
    run_stop(&run);
}

static void
test_one_shot_and_mouse(void)
{
    FakeLog log;
    Run run;

    fake_log_reset();
    run_start(&run, "{}", NULL, "{'input_mode': 'text', 'paused': true}", "fake");
    for (guint i = 0; i < 10; i++)
        update(&run, "{'ctrl_input': {'button': ['KeyA'], 'mouse': [3, 1]}, 'once': 7}");
    update(&run, "{'paused': false}");
    for (guint i = 0; i < 20; i++)
        g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    run_stop(&run);
    log = fake_log_get();
    g_assert_cmpfloat(log.mouse_dx, ==, 30.0);
    g_assert_cmpint(log.once, ==, 7);
}

static void
test_errors_skip_the_chunk(void)
{
    ScopeStageStats stats;
    Run run;

    fake_log_reset();
    run_start(&run, "{}", NULL, "{'input_mode': 'text', 'fail_code': 1}", "fake");
    g_assert_true(fake_wait(stage_has_calls, GUINT_TO_POINTER(3)));
    g_assert_cmpuint(scope_mailbox_get_length(scope_chain_get_output(run.chain)), ==, 0);
    update(&run, "{'fail_code': 0}");
    {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_nonnull(frame);
    }
    scope_chain_get_stats(run.chain, 0, &stats);
    g_assert_cmpuint(stats.n_errors, >=, 3);
    g_assert_cmpint(g_atomic_int_get(&run.n_fatal), ==, 0);
    g_assert_cmpint(g_atomic_int_get(&run.n_skipped), ==, 1); /* the same reason is told once */
    run_stop(&run);
}

static gboolean
is_fatal(gpointer data)
{
    return g_atomic_int_get(&((Run *)data)->n_fatal) > 0;
}

static void
test_out_of_memory_ends_the_stream(void)
{
    g_autoptr(ScopeInstance) other = NULL;
    Run run;

    fake_log_reset();
    run_start(&run, "{}", NULL, "{'input_mode': 'text', 'fail_code': 2}", "fake");
    g_assert_true(fake_wait(is_fatal, &run));
    g_assert_cmpint(fake_log_get().n_calls, ==, 1);
    g_assert_cmpuint(fake_log_get().n_stream_frees, ==, 1);

    /* A fresh instance brings the stream back. */
    update(&run, "{'fail_code': 0}");
    other = fake_load("fake", "{}");
    g_assert_true(scope_chain_replace(run.chain, "a", other, NULL));
    g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    g_assert_cmpint(g_atomic_int_get(&run.n_fatal), ==, 1);
    run_stop(&run);
}

static void
test_pause(void)
{
    guint calls;
    Run run;

    fake_log_reset();
    run_start(&run, "{'delay_us': 1000}", NULL, "{'input_mode': 'text'}", "fake");
    g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    update(&run, "{'paused': true}");
    g_assert_true(scope_chain_is_paused(run.chain));
    g_usleep(20000); /* the chunk that runs ends */
    calls = fake_log_get().n_calls;
    scope_mailbox_clear(scope_chain_get_output(run.chain));
    g_usleep(50000); /* the claim is that nothing happens */
    g_assert_cmpuint(fake_log_get().n_calls, ==, calls);
    update(&run, "{'level': 99}");
    update(&run, "{'paused': false}");
    {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_cmpuint(frame->data[0][0], ==, 99);
    }
    run_stop(&run);
}

static gboolean
has_length(gpointer mailbox)
{
    return scope_mailbox_get_length(mailbox) > 0;
}

static gboolean
has_no_length(gpointer mailbox)
{
    return scope_mailbox_get_length(mailbox) == 0;
}

/* What came in while it was paused is not shown afterwards. */
static void
test_resume_is_live(void)
{
    ScopeMailbox *output;
    gint64 deadline_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    Run run;

    run_start(&run, "{'want': 1}", NULL, "{'input_mode': 'video'}", "fake");
    output = scope_chain_get_output(run.chain);
    scope_chain_push_input(run.chain, make_frame(1, 1));
    g_assert_true(fake_wait(has_length, output));
    /* The reset empties the queue, which tells that the pause has been taken as well. */
    update(&run, "{'paused': true, 'reset_cache': true}");
    g_assert_true(fake_wait(has_no_length, output));
    for (guint i = 0; i < 10; i++)
        scope_chain_push_input(run.chain, make_frame(1000 + i, 1));
    update(&run, "{'paused': false}");
    for (gint64 i = 0; scope_mailbox_get_length(output) == 0; i++) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline_us);
        scope_chain_push_input(run.chain, make_frame(2000 + i, 2));
        g_usleep(1000);
    }
    {
        g_autoptr(ScopeFrame) frame = pop(&run);

        g_assert_cmpint(frame->pts_us, >=, 2000);
    }
    run_stop(&run);
}

static void
test_live_input_drops(void)
{
    ScopeStageStats stats;
    Run run;

    run_start(&run, "{'want': 1, 'delay_us': 200000}", NULL, "{'input_mode': 'video'}", "fake");
    for (guint i = 0; i < 100; i++)
        scope_chain_push_input(run.chain, make_frame(1 + i, 1));
    scope_chain_get_stats(run.chain, 0, &stats);
    g_assert_cmpuint(stats.n_frames_in, ==, 100);
    g_assert_cmpuint(stats.queue_frames, <=, SCOPE_STAGE_INPUT_FRAMES);
    g_assert_cmpuint(stats.n_frames_in_dropped, >=, 60);
    run_stop(&run);
}

static void
test_vace_routing(void)
{
    g_autoptr(ScopeInstance) vace = fake_load("fake-vace", "{'want': 1}");
    ScopeChainNode node = {"v", vace, NULL};
    ScopeChainConfig config = {.vace_input = TRUE};
    Run run = {0};

    fake_log_reset();
    run.chain = scope_chain_new(&config, &node, 1, NULL);
    g_assert_true(scope_chain_start(run.chain, NULL));
    scope_chain_push_input(run.chain, make_frame(1, 1));
    g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    g_assert_cmpstr(fake_log_get().ports, ==, "vace_input_frames");

    scope_chain_set_vace_input(run.chain, FALSE);
    scope_chain_push_input(run.chain, make_frame(2, 1));
    g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    g_assert_cmpstr(fake_log_get().ports, ==, "video");
    run_stop(&run);
}

static void
test_replace_while_streaming(void)
{
    Run run;

    fake_log_reset();
    run_start(&run, "{'level': 20}", NULL, "{'input_mode': 'text'}", "fake");
    g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    for (guint i = 0; i < 20; i++) {
        g_autofree char *json = g_strdup_printf("{'level': %u}", 100 + i);
        g_autoptr(ScopeInstance) next = fake_load("fake", json);
        gboolean seen = FALSE;

        if (i % 3 == 0)
            g_assert_true(scope_chain_replace(run.chain, "a", NULL, NULL));
        g_assert_true(scope_chain_replace(run.chain, "a", next, NULL));
        g_assert_true(scope_chain_uses(run.chain, next));
        for (guint k = 0; k < 20 && !seen; k++) {
            g_autoptr(ScopeFrame) frame = pop(&run);

            seen = frame->data[0][0] == 100 + i;
        }
        g_assert_true(seen);
    }
    g_assert_false(scope_chain_replace(run.chain, "nobody", NULL, NULL));
    run_stop(&run);
    g_assert_cmpuint(fake_log_get().n_unloads, ==, 21);
    g_assert_cmpuint(fake_log_get().n_streams, ==, fake_log_get().n_stream_frees);
}

static void
test_reset_cache(void)
{
    Run run;

    fake_log_reset();
    run_start(&run, "{}", NULL, "{'input_mode': 'text'}", "fake");
    for (guint i = 0; i < 5; i++)
        g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    g_assert_cmpuint(fake_log_get().n_resets, ==, 1);
    update(&run, "{'reset_cache': false}");
    update(&run, "{'reset_cache': true}");
    for (guint i = 0; i < 10; i++)
        g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
    g_assert_cmpuint(fake_log_get().n_resets, ==, 2);
    run_stop(&run);
}

static void
test_problems(void)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonObject) params = fake_json("{'level': 999, 'batch': 2, 'unknown': {}}");
    g_autoptr(GError) error = NULL;
    Run run;

    run_start(&run, "{}", "{'want': 1}", "{'input_mode': 'text'}", "fake");
    g_assert_true(scope_chain_update(run.chain, params, NULL, problems, &error));
    g_assert_cmpuint(problems->len, ==, 1);
    g_assert_cmpstr(((ScopeParamProblem *)problems->pdata[0])->path, ==, "level");
    g_assert_false(scope_chain_update(run.chain, params, "nobody", NULL, &error));
    g_assert_nonnull(error);
    run_stop(&run);
}

static void
test_hundred_starts(void)
{
    guint before = scope_instance_count();

    fake_log_reset();
    for (guint i = 0; i < 100; i++) {
        gint64 start_us = g_get_monotonic_time();
        Run run;

        run_start(&run, i % 2 ? "{'want': 2}" : "{'batch': 2}", i % 3 ? "{'want': 1}" : NULL,
                  i % 2 ? "{'input_mode': 'video'}" : "{'input_mode': 'text'}", "fake");
        if (i % 2)
            scope_chain_push_input(run.chain, make_frame(1, 1));
        else if (i % 4 == 0)
            g_clear_pointer(&(ScopeFrame *){pop(&run)}, scope_frame_unref);
        run_stop(&run);
        g_assert_cmpint(g_get_monotonic_time() - start_us, <, 5 * G_USEC_PER_SEC);
    }
    g_assert_cmpuint(scope_instance_count(), ==, before);
    g_assert_cmpuint(fake_log_get().n_streams, ==, fake_log_get().n_stream_frees);
    g_assert_cmpuint(fake_log_get().n_loads, ==, fake_log_get().n_unloads);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chain/sampling", test_sampling);
    g_test_add_func("/chain/order", test_frames_pass_in_order);
    g_test_add_func("/chain/stopped-takes-nothing", test_stopped_chain_takes_nothing);
    g_test_add_func("/chain/slow-takes-newest", test_slow_stage_takes_the_newest);
    g_test_add_func("/chain/generator-waits", test_generator_waits_for_consumer);
    g_test_add_func("/chain/generator-transform", test_generator_behind_transform);
    g_test_add_func("/chain/parameter-latency", test_parameter_latency);
    g_test_add_func("/chain/one-shot-mouse", test_one_shot_and_mouse);
    g_test_add_func("/chain/errors", test_errors_skip_the_chunk);
    g_test_add_func("/chain/out-of-memory", test_out_of_memory_ends_the_stream);
    g_test_add_func("/chain/pause", test_pause);
    g_test_add_func("/chain/resume-is-live", test_resume_is_live);
    g_test_add_func("/chain/live-drops", test_live_input_drops);
    g_test_add_func("/chain/vace-routing", test_vace_routing);
    g_test_add_func("/chain/replace", test_replace_while_streaming);
    g_test_add_func("/chain/reset-cache", test_reset_cache);
    g_test_add_func("/chain/problems", test_problems);
    g_test_add_func("/chain/hundred-starts", test_hundred_starts);
    return g_test_run();
}
