/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a ScopePeer: errors, deadlines, candidates, cancel, and teardown under load with
 * nothing left behind.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "media/scope-media.h"
#include "peer-fixture.h"
#include "rtc-pattern.h"
#include "sanitizers.h"

#define VP8       SCOPE_VIDEO_CODEC_VP8
#define N_CYCLES  30
#define N_WARM_UP 5

static gboolean
has_failed(PeerFixture *f)
{
    return f->state == SCOPE_PEER_STATE_FAILED;
}

static gboolean
is_closed(PeerFixture *f)
{
    return f->state == SCOPE_PEER_STATE_CLOSED;
}

static gboolean
is_answered(PeerFixture *f)
{
    return f->answered;
}

static gboolean
has_frames(PeerFixture *f)
{
    static guint number = 0;
    g_autoptr(ScopeFrame) frame = rtc_pattern_new(320, 240, ++number);
    rtc_client_push(f->client, 0, frame);
    SCOPE_LOCK_GUARD(&f->lock);
    return f->client_frames >= 3;
}

static void
test_close_at_once(void)
{
    PeerFixture *f = peer_fixture_new(NULL, NULL);
    scope_peer_close(f->peer);
    scope_peer_close(f->peer);
    g_autoptr(GError) error = NULL;
    g_assert_false(scope_peer_send_text(f->peer, "x", &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED);
    peer_fixture_free(f);
    g_assert_cmpuint(scope_peer_get_n_live(), ==, 0);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    PeerFixture *f = user_data;
    f->answer = scope_peer_accept_offer_finish(f->peer, result, &f->error);
    f->answered = TRUE;
}

static void
test_close_while_negotiating(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    scope_peer_accept_offer_async(f->peer, offer, NULL, on_answer, f);
    scope_peer_close(f->peer);
    g_assert_true(peer_fixture_wait(f, is_answered, 10));
    g_assert_error(f->error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CLOSED);
    peer_fixture_free(f);
}

static void
test_second_offer(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    peer_fixture_offer(f, offer);
    g_assert_no_error(f->error);
    peer_fixture_offer(f, offer);
    g_assert_error(f->error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_STATE);
    peer_fixture_free(f);
}

static void
test_bad_offer(void)
{
    PeerFixture *f = peer_fixture_new(NULL, NULL);
    peer_fixture_offer(f, "not a description");
    g_assert_error(f->error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_SDP);
    peer_fixture_free(f);
}

static void
test_candidates(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    g_autoptr(GError) error = NULL;
    g_assert_false(scope_peer_add_candidate(f->peer, "0", 0, "", &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_STATE);
    g_clear_error(&error);
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    peer_fixture_offer(f, offer);
    static const char *const fine[] = {
        "candidate:1 1 UDP 2015364095 127.0.0.1 9 typ host",
        "1 1 udp 2015364095 ::1 9 typ host",
        "candidate:2 1 udp 1 0f5c1bd8-91a5-4f53-a3f1-9e4c8b3a1c0e.local 5000 typ host generation 0",
        "candidate:3 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active",
        "candidate:4 2 udp 1 127.0.0.1 9 typ host",
        "",
        NULL,
    };
    for (guint i = 0; i < G_N_ELEMENTS(fine); i++) {
        g_assert_true(scope_peer_add_candidate(f->peer, NULL, -1, fine[i], &error));
        g_assert_no_error(error);
    }
    g_assert_false(scope_peer_add_candidate(f->peer, "0", 0, "candidate:1 1 udp", &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_CANDIDATE);
    g_clear_error(&error);
    /* Nonsense before must not keep the real candidates from working. */
    g_assert_true(rtc_client_set_answer(f->client, f->answer));
    f->echo = TRUE;
    peer_fixture_trickle(f);
    g_assert_true(peer_fixture_wait(f, has_frames, 10));
    peer_fixture_free(f);
}

static void
test_candidates_inside(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    f->echo = TRUE;
    g_autofree char *offer = rtc_client_create_offer(f->client, 5000);
    g_assert_nonnull(strstr(offer, "a=candidate"));
    peer_fixture_offer(f, offer);
    g_assert_no_error(f->error);
    g_assert_true(rtc_client_set_answer(f->client, f->answer));
    g_assert_true(peer_fixture_wait(f, has_frames, 10));
    peer_fixture_free(f);
}

static void
test_client_without_candidates(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    ScopePeerOptions peer_options = peer_fixture_options();
    peer_options.connect_timeout_ms = 1000;
    PeerFixture *f = peer_fixture_new(&peer_options, &options);
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    peer_fixture_offer(f, offer);
    g_assert_no_error(f->error);
    g_assert_true(peer_fixture_wait(f, has_failed, 5));
    g_assert_nonnull(strstr(f->reason, "did not connect"));
    peer_fixture_free(f);
}

static void
test_wrong_address(void)
{
    ScopePeerOptions options = peer_fixture_options();
    static const ScopePeerCallbacks callbacks = {NULL, NULL, NULL, NULL};
    g_autoptr(GError) error = NULL;
    options.ice_address = "not an address";
    g_assert_null(scope_peer_new(&options, &callbacks, NULL, NULL, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_FAILED);
    while (scope_peer_get_n_live() > 0) {
        g_main_context_iteration(NULL, TRUE);
    }
}

static gboolean
is_over_while_sending(PeerFixture *f)
{
    static guint number = 0;
    g_autoptr(ScopeFrame) frame = rtc_pattern_new(320, 240, ++number);
    scope_peer_push_frame(f->peer, 0, frame, SCOPE_TIME_NONE);
    f->channels |= f->state == SCOPE_PEER_STATE_DISCONNECTED ? 0x100 : 0;
    return has_failed(f) || is_closed(f);
}

/* The client's sockets go without a word, as when a machine is switched off. */
static void
test_client_vanishes(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    ScopePeerOptions peer_options = peer_fixture_options();
    peer_options.silence_timeout_ms = 3000;
    PeerFixture *f = peer_fixture_new(&peer_options, &options);
    f->echo = TRUE;
    peer_fixture_connect(f);
    g_assert_true(peer_fixture_wait(f, has_frames, 10));
    g_clear_pointer(&f->client, rtc_client_free);
    g_assert_true(peer_fixture_wait(f, is_over_while_sending, 10));
    g_assert_true(has_failed(f));
    g_assert_nonnull(strstr(f->reason, "silent"));
    g_assert_true(f->channels & 0x100);
    peer_fixture_free(f);
}

static glong
get_rss_kib(void)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
    return strtol(strchr(text, ' '), NULL, 10) * 4;
}

static void
connect_and_close_under_load(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    f->echo = TRUE;
    peer_fixture_connect(f);
    g_assert_true(peer_fixture_wait(f, has_frames, 10));
    peer_fixture_free(f);
}

static guint wanted_threads;

static gboolean
threads_are_back(PeerFixture *f)
{
    return peer_fixture_count_threads() <= wanted_threads;
}

static void
test_close_under_load(void)
{
    for (guint i = 0; i < N_WARM_UP; i++) {
        connect_and_close_under_load();
    }
    guint threads = peer_fixture_count_threads(), fds = peer_fixture_count_fds();
    glong rss_kib = get_rss_kib();
    for (guint i = 0; i < N_CYCLES; i++) {
        connect_and_close_under_load();
    }
    wanted_threads = threads + 2;
    peer_fixture_wait(NULL, threads_are_back, 10);
    g_test_message("threads %u -> %u, descriptors %u -> %u, RSS %ld -> %ld KiB", threads,
                   peer_fixture_count_threads(), fds, peer_fixture_count_fds(), rss_kib,
                   get_rss_kib());
    g_assert_cmpuint(peer_fixture_count_threads(), <=, threads + 2);
    g_assert_cmpuint(peer_fixture_count_fds(), <=, fds + 4);
    if (!TEST_WITH_ASAN)
        g_assert_cmpint(get_rss_kib() - rss_kib, <, N_CYCLES * 300);
    g_assert_cmpuint(scope_peer_get_n_live(), ==, 0);
}

int
main(int argc, char **argv)
{
    /* One arena: what threads that come and go leave in theirs would hide a leak. */
    mallopt(M_ARENA_MAX, 1);
    g_test_init(&argc, &argv, NULL);
    g_autoptr(GError) error = NULL;
    if (!scope_media_init(&error)) {
        g_print("1..0 # SKIP %s\n", error->message);
        return 0;
    }
    g_test_add_func("/peer-life/close-at-once", test_close_at_once);
    g_test_add_func("/peer-life/close-while-negotiating", test_close_while_negotiating);
    g_test_add_func("/peer-life/second-offer", test_second_offer);
    g_test_add_func("/peer-life/bad-offer", test_bad_offer);
    g_test_add_func("/peer-life/candidates", test_candidates);
    g_test_add_func("/peer-life/candidates-inside", test_candidates_inside);
    g_test_add_func("/peer-life/client-without-candidates", test_client_without_candidates);
    g_test_add_func("/peer-life/wrong-address", test_wrong_address);
    g_test_add_func("/peer-life/client-vanishes", test_client_vanishes);
    g_test_add_func("/peer-life/close-under-load", test_close_under_load);
    return g_test_run();
}
