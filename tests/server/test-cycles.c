/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients that come and go, against the program itself in a process of its own: threads,
 * descriptors and memory return to where they were.
 *
 * usage: test-server-cycles SCOPE
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "live-fixture.h"
#include "sanitizers.h"

/* Arenas of malloc and pools of GStreamer fill up first: in a run of 740 connects memory rose until
 * about the 200th and fell again. So a round that grows is followed by another: a leak grows in
 * each of them. */
#define N_WARM_UP    40
#define N_ROUNDS     3
#define RSS_GROWTH   1.05
#define RSS_SLACK_MB 1.0
/* The server gives memory back some time after its last session. */
#define TRIM_S 3.0

static const char *program;
static guint n_cycles = 100; /* or the first argument */

static gboolean
is_idle(gpointer data)
{
    return live_metric(data, "scope_sessions") == 0.0;
}

typedef struct {
    ServerFixture *f;
    double threads;
    double fds;
} Baseline;

/* Teardown of a peer goes on for a moment after its session has gone. */
static gboolean
is_back(gpointer data)
{
    const Baseline *baseline = data;

    return live_metric(baseline->f, "process_threads") <= baseline->threads &&
           live_metric(baseline->f, "process_open_fds") <= baseline->fds;
}

static void
run_cycles(ServerFixture *f, guint n)
{
    for (guint i = 0; i < n; i++) {
        Live *live = live_new(f, i % 2 ? "recvonly" : "sendrecv", "{'input_mode':'video'}");
        g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", live->session_id, NULL);
        g_auto(Reply) reply = {0};

        if (i % 2 == 0) {
            live_feed(live, 100);
            g_assert_true(live_wait_frames(live, 2));
        }
        reply = server_fixture_request(f, "DELETE", path, NULL);
        g_assert_cmpuint(reply.status, ==, 204);
        live_free(live);
    }
    g_assert_true(server_fixture_wait(is_idle, f));
}

/* In the child: a test that fails leaves no server behind. */
static void
die_with_the_test(gpointer user_data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Returns whether memory grew; threads and descriptors must be back. */
static gboolean
run_round(ServerFixture *f, Baseline *baseline)
{
    double before = live_metric(f, "process_resident_memory_bytes") / 1e6, after;

    run_cycles(f, n_cycles);
    g_assert_true(server_fixture_wait(is_back, baseline));
    live_run(TRIM_S);
    after = live_metric(f, "process_resident_memory_bytes") / 1e6;
    g_test_message("threads %.0f, descriptors %.0f, memory %.1f MB before, %.1f MB after",
                   baseline->threads, baseline->fds, before, after);
    return !TEST_WITH_ASAN && after > before * RSS_GROWTH + RSS_SLACK_MB;
}

static void
test_cycles(void)
{
    g_autofree char *folder = g_dir_make_tmp("scope-cycles-XXXXXX", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autofree char *line = NULL;
    ServerFixture f = {0};
    Baseline baseline = {.f = &f};
    gboolean is_growing = TRUE;
    gint64 stop_us;

    g_subprocess_launcher_set_child_setup(launcher, die_with_the_test, NULL, NULL);
    process = g_subprocess_launcher_spawn(launcher, &error, program, "serve", "--port", "0",
                                          "--no-browser", "--ice-address", "127.0.0.1",
                                          "--data-dir", folder, "--log-level", "error", NULL);
    g_assert_no_error(error);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    line = g_data_input_stream_read_line(out, NULL, NULL, &error);
    g_assert_no_error(error);
    f.base = g_strdup(strstr(line, "http://"));
    f.base[strlen(f.base) - 1] = '\0'; /* without the last slash */
    f.client = soup_session_new_with_options("timeout", SERVER_FIXTURE_WAIT_S, NULL);
    g_auto(Reply) status = server_fixture_load(&f, "{'pipeline_ids':['passthrough']}");
    g_assert_cmpstr(reply_string(&status, "status"), ==, "loaded");

    run_cycles(&f, N_WARM_UP);
    live_run(TRIM_S);
    baseline.threads = live_metric(&f, "process_threads");
    baseline.fds = live_metric(&f, "process_open_fds");
    for (guint round = 0; round < N_ROUNDS && is_growing; round++) {
        is_growing = run_round(&f, &baseline);
    }
    g_assert_false(is_growing);

    stop_us = g_get_monotonic_time();
    g_subprocess_send_signal(process, SIGTERM);
    g_assert_true(g_subprocess_wait(process, NULL, NULL));
    g_assert_cmpint(g_subprocess_get_exit_status(process), ==, 0);
    g_assert_cmpint(g_get_monotonic_time() - stop_us, <, 3 * G_USEC_PER_SEC);
    g_object_unref(f.client);
    g_free(f.base);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    program = argc > 1 ? argv[argc - 1] : NULL;
    if (argc > 2)
        n_cycles = (guint)g_ascii_strtoull(argv[1], NULL, 10);
    g_assert_nonnull(program);
    g_test_add_func("/server/cycles/come-and-go", test_cycles);
    return g_test_run();
}
