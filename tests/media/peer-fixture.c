/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drives both ends from the test's thread, which is main for the peer. Nothing here sleeps: the
 * main loop blocks until something happens or a short tick passes.
 */
#include "peer-fixture.h"

#include <string.h>

#define TICK_MS 5

static void
on_state(ScopePeer *peer, ScopePeerState state, const char *reason, gpointer user_data)
{
    PeerFixture *f = user_data;
    f->state = state;
    f->closed |= state == SCOPE_PEER_STATE_CLOSED;
    if (reason != NULL) {
        g_free(f->reason);
        f->reason = g_strdup(reason);
    }
}

static void
on_channel(ScopePeer *peer, gpointer user_data)
{
    ((PeerFixture *)user_data)->channels++;
}

static void
on_message(ScopePeer *peer, const char *text, gsize n_bytes, gpointer user_data)
{
    PeerFixture *f = user_data;
    g_assert_cmpuint(strlen(text), ==, n_bytes);
    g_queue_push_tail(&f->texts, g_strdup(text));
}

static void
keep(PeerFixture *f, ScopeFrame **slot, guint *count, ScopeFrame *frame)
{
    SCOPE_LOCK_GUARD(&f->lock);
    g_clear_pointer(slot, scope_frame_unref);
    *slot = scope_frame_ref(frame);
    (*count)++;
}

static void
on_peer_frame(ScopePeer *peer, guint input, ScopeFrame *frame, gpointer user_data)
{
    PeerFixture *f = user_data;
    keep(f, &f->peer_frame, &f->peer_frames, frame);
    if (f->echo) {
        scope_peer_push_frame(peer, input, frame, frame->pts_us);
    }
}

static void
on_client_frame(guint video, ScopeFrame *frame, gpointer user_data)
{
    PeerFixture *f = user_data;
    keep(f, &f->client_frame[video], &f->client_frames, frame);
}

static void
on_destroy(gpointer user_data)
{
    ((PeerFixture *)user_data)->destroyed = TRUE;
}

ScopePeerOptions
peer_fixture_options(void)
{
    ScopePeerOptions options = SCOPE_PEER_OPTIONS_INIT;
    options.ice_address = "127.0.0.1";
    options.label = "test";
    return options;
}

PeerFixture *
peer_fixture_new(const ScopePeerOptions *options, const RtcClientOptions *client)
{
    static const ScopePeerCallbacks callbacks = {on_state, on_channel, on_message, on_peer_frame};
    PeerFixture *f = g_new0(PeerFixture, 1);
    ScopePeerOptions defaults = peer_fixture_options();
    scope_lock_init(&f->lock);
    g_autoptr(GError) error = NULL;
    f->peer = scope_peer_new(options ? options : &defaults, &callbacks, f, on_destroy, &error);
    g_assert_no_error(error);
    if (client != NULL) {
        RtcClientOptions mine = *client;
        mine.frame = on_client_frame;
        mine.user_data = f;
        f->client = rtc_client_new(&mine);
    }
    return f;
}

static gboolean
is_destroyed(PeerFixture *f)
{
    return f->destroyed;
}

void
peer_fixture_free(PeerFixture *f)
{
    scope_peer_close(f->peer);
    rtc_client_free(f->client);
    g_assert_true(peer_fixture_wait(f, is_destroyed, 10));
    scope_peer_unref(f->peer);
    g_assert_true(f->closed);
    g_clear_pointer(&f->peer_frame, scope_frame_unref);
    for (guint i = 0; i < RTC_CLIENT_MAX_VIDEO; i++) {
        g_clear_pointer(&f->client_frame[i], scope_frame_unref);
    }
    g_queue_clear_full(&f->texts, g_free);
    g_clear_error(&f->error);
    g_free(f->answer);
    g_free(f->reason);
    scope_lock_clear(&f->lock);
    g_free(f);
}

static gboolean
on_nothing(gpointer user_data)
{
    return G_SOURCE_CONTINUE;
}

gboolean
peer_fixture_wait(PeerFixture *f, gboolean (*condition)(PeerFixture *f), double seconds)
{
    gint64 deadline_us = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);
    guint tick = g_timeout_add(TICK_MS, on_nothing, NULL);
    gboolean met;
    while (!(met = condition(f)) && g_get_monotonic_time() < deadline_us) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
    return met;
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer user_data)
{
    PeerFixture *f = user_data;
    f->answer = scope_peer_accept_offer_finish(f->peer, result, &f->error);
    f->answered = TRUE;
}

static gboolean
is_answered(PeerFixture *f)
{
    return f->answered;
}

void
peer_fixture_offer(PeerFixture *f, const char *sdp)
{
    f->answered = FALSE;
    g_clear_error(&f->error);
    g_clear_pointer(&f->answer, g_free);
    scope_peer_accept_offer_async(f->peer, sdp, NULL, on_answer, f);
    g_assert_true(peer_fixture_wait(f, is_answered, 10));
    g_assert_true((f->answer != NULL) != (f->error != NULL));
}

void
peer_fixture_trickle(PeerFixture *f)
{
    char *candidate;
    while ((candidate = rtc_client_pop_candidate(f->client)) != NULL) {
        g_autoptr(GError) error = NULL;
        scope_peer_add_candidate(f->peer, "video0", 0, candidate, &error);
        g_assert_no_error(error);
        g_free(candidate);
    }
}

static gboolean
is_connected(PeerFixture *f)
{
    peer_fixture_trickle(f);
    return f->state == SCOPE_PEER_STATE_CONNECTED && rtc_client_is_connected(f->client);
}

void
peer_fixture_connect(PeerFixture *f)
{
    g_autofree char *offer = rtc_client_create_offer(f->client, 0);
    g_assert_nonnull(offer);
    peer_fixture_offer(f, offer);
    g_assert_no_error(f->error);
    g_assert_true(rtc_client_set_answer(f->client, f->answer));
    g_assert_true(peer_fixture_wait(f, is_connected, 10));
}

static guint
count_entries(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    guint n = 0;
    while (g_dir_read_name(dir) != NULL) {
        n++;
    }
    return n;
}

guint
peer_fixture_count_threads(void)
{
    return count_entries("/proc/self/task");
}

guint
peer_fixture_count_fds(void)
{
    return count_entries("/proc/self/fd") - 1;
}
