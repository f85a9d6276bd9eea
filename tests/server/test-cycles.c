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

/* The first connects read libraries in and make what the process keeps: the certificate of DTLS,
 * the tables of the codecs, types and pools of GStreamer, threads of the pool. */
#define N_WARM_UP  10
#define RSS_GROWTH 1.05
/* The server gives memory back 1.5 s after its last session. */
#define TRIM_S 3.0

static const char *program;
static guint n_cycles = 100; /* or the first argument */

static gboolean
is_idle(gpointer data)
{
    return live_metric(data, "scope_sessions") == 0.0;
}

typedef struct {
    double threads;
    double fds;
    double rss_mb;
} Process;

typedef struct {
    ServerFixture *f;
    Process before;
    Process now;
} Baseline;

static Process
read_process(ServerFixture *f)
{
    return (Process){
        .threads = live_metric(f, "process_threads"),
        .fds = live_metric(f, "process_open_fds"),
        .rss_mb = live_metric(f, "process_resident_memory_bytes") / 1e6,
    };
}

/* Teardown of a peer goes on for a moment after its session has gone, and memory is given back
 * after that. */
static gboolean
is_back(gpointer data)
{
    Baseline *baseline = data;

    baseline->now = read_process(baseline->f);
    return baseline->now.threads <= baseline->before.threads &&
           baseline->now.fds <= baseline->before.fds &&
           (TEST_WITH_ASAN || baseline->now.rss_mb < baseline->before.rss_mb * RSS_GROWTH);
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
    gboolean has_returned;
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
    baseline.before = read_process(&f);
    run_cycles(&f, n_cycles);
    has_returned = server_fixture_wait(is_back, &baseline);
    g_test_message("threads %.0f and %.0f, descriptors %.0f and %.0f, memory %.1f and %.1f MB",
                   baseline.before.threads, baseline.now.threads, baseline.before.fds,
                   baseline.now.fds, baseline.before.rss_mb, baseline.now.rss_mb);
    g_assert_true(has_returned);

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
