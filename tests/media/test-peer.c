/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopePeer against a webrtcbin client in the same process: shapes of offers, pictures both ways,
 * text, key frames, sizes, errors, teardown.
 */
#include <string.h>

#include "media/scope-media.h"
#include "peer-fixture.h"
#include "rtc-pattern.h"

#define VP8  SCOPE_VIDEO_CODEC_VP8
#define H264 SCOPE_VIDEO_CODEC_H264

/* Mean error over all samples that a codec at these rates stays below, with some room. */
#define MAX_CODEC_ERROR 4.0

/* For what comes at once on a machine that has nothing else to do. */
#define DEADLINE_S 60

static gboolean
never(PeerFixture *f)
{
    return FALSE;
}

static void
test_sendrecv_echo(gconstpointer data)
{
    ScopeVideoCodec codec = GPOINTER_TO_INT(data);
    RtcClientOptions options = {.video = {{"sendrecv", codec}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    f->echo = TRUE;
    peer_fixture_connect(f);
    guint number = 0, seen = 0;
    gint64 deadline_us = g_get_monotonic_time() + DEADLINE_S * G_USEC_PER_SEC;
    double difference = 255;
    while (seen < 20 && g_get_monotonic_time() < deadline_us) {
        g_autoptr(ScopeFrame) frame = rtc_pattern_new(320, 240, ++number);
        rtc_client_push(f->client, 0, frame);
        peer_fixture_wait(f, never, 0.033);
        SCOPE_LOCK_GUARD(&f->lock);
        guint got;
        if (f->client_frame[0] != NULL && rtc_pattern_read(f->client_frame[0], &got)) {
            g_autoptr(ScopeFrame) original = rtc_pattern_new(320, 240, got);
            difference = rtc_pattern_difference(original, f->client_frame[0]);
            seen++;
        }
    }
    g_test_message("mean error %.2f, %u of %u came back", difference, f->client_frames, number);
    g_assert_cmpuint(seen, >=, 20);
    g_assert_cmpfloat(difference, <, MAX_CODEC_ERROR);
    peer_fixture_free(f);
}

/* Sends numbered pictures of one size until @condition, for 10 s at most. */
static gboolean
stream_until(PeerFixture *f, guint32 width, guint32 height, gboolean (*condition)(PeerFixture *f))
{
    static guint number = 0;
    gint64 deadline_us = g_get_monotonic_time() + DEADLINE_S * G_USEC_PER_SEC;
    while (!condition(f) && g_get_monotonic_time() < deadline_us) {
        g_autoptr(ScopeFrame) frame = rtc_pattern_new(width, height, ++number);
        if (f->client != NULL) {
            rtc_client_push(f->client, 0, frame);
        }
        for (guint output = 0; !f->echo && output < RTC_CLIENT_MAX_VIDEO; output++) {
            scope_peer_push_frame(f->peer, output, frame, SCOPE_TIME_NONE);
        }
        peer_fixture_wait(f, condition, 0.02);
    }
    return condition(f);
}

static gboolean
client_has_frames(PeerFixture *f)
{
    SCOPE_LOCK_GUARD(&f->lock);
    return f->client_frames >= 3;
}

static gboolean
peer_has_frames(PeerFixture *f)
{
    SCOPE_LOCK_GUARD(&f->lock);
    return f->peer_frames >= 3;
}

static void
test_recvonly(void)
{
    RtcClientOptions options = {.video = {{"recvonly", VP8}}, .audio = TRUE};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_nonnull(strstr(f->answer, "a=sendonly"));
    g_assert_nonnull(strstr(f->answer, "a=inactive"));
    g_assert_nonnull(strstr(f->answer, "a=end-of-candidates"));
    g_assert_nonnull(strstr(f->answer, "a=setup:active"));
    g_assert_nonnull(strstr(f->answer, "a=msid:"));
    g_assert_nonnull(strstr(f->answer, "a=max-message-size:65536"));
    g_assert_nonnull(strstr(f->answer, "a=rtcp-fb:96 nack pli"));
    g_assert_nonnull(strstr(f->answer, "rtx/90000"));
    g_assert_true(stream_until(f, 320, 240, client_has_frames));
    g_assert_cmpuint(f->peer_frames, ==, 0);
    peer_fixture_free(f);
}

/* The newest picture of one side, which the next one replaces on a thread of its own. */
static ScopeFrame *
dup_frame(PeerFixture *f, ScopeFrame **newest)
{
    SCOPE_LOCK_GUARD(&f->lock);
    return scope_frame_ref(*newest);
}

static void
test_sendonly(void)
{
    RtcClientOptions options = {.video = {{"sendonly", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_nonnull(strstr(f->answer, "a=recvonly"));
    g_assert_true(stream_until(f, 320, 240, peer_has_frames));
    g_assert_cmpuint(f->client_frames, ==, 0);
    g_autoptr(ScopeFrame) frame = dup_frame(f, &f->peer_frame);
    g_assert_false(scope_peer_push_frame(f->peer, 0, frame, SCOPE_TIME_NONE));
    peer_fixture_free(f);
}

static gboolean
both_outputs_arrive(PeerFixture *f)
{
    SCOPE_LOCK_GUARD(&f->lock);
    return f->client_frame[0] != NULL && f->client_frame[2] != NULL && f->peer_frames >= 3;
}

static void
test_several_lines(void)
{
    RtcClientOptions options = {
        .video = {{"sendrecv", VP8}, {"sendonly", VP8}, {"recvonly", VP8}, {"recvonly", VP8}},
        .audio = TRUE};
    ScopePeerOptions peer_options = peer_fixture_options();
    peer_options.max_outputs = 2;
    PeerFixture *f = peer_fixture_new(&peer_options, &options);
    peer_fixture_connect(f);
    g_assert_true(stream_until(f, 320, 240, both_outputs_arrive));
    g_assert_null(f->client_frame[3]);
    ScopePeerStats stats;
    scope_peer_get_stats(f->peer, &stats);
    g_assert_cmpuint(stats.n_inputs, ==, 2);
    g_assert_cmpuint(stats.n_outputs, ==, 2);
    peer_fixture_free(f);
}

static gboolean
channel_is_open(PeerFixture *f)
{
    return f->channels == 1 && rtc_client_is_channel_open(f->client);
}

static gboolean
peer_got_three(PeerFixture *f)
{
    return f->texts.length == 3;
}

static gboolean
client_got_text(PeerFixture *f)
{
    g_autofree char *text = rtc_client_pop_text(f->client);
    if (text != NULL) {
        f->channels++;
        g_autofree char *expected = g_strdup_printf("early %u", f->channels - 1);
        g_assert_cmpstr(text, ==, expected);
    }
    return f->channels == 4;
}

static void
test_data_only(void)
{
    RtcClientOptions options = {.video = {{NULL, VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    for (guint i = 1; i <= 3; i++) {
        g_autofree char *text = g_strdup_printf("early %u", i);
        g_assert_true(scope_peer_send_text(f->peer, text, NULL));
    }
    peer_fixture_connect(f);
    g_assert_true(peer_fixture_wait(f, channel_is_open, 10));
    g_assert_true(peer_fixture_wait(f, client_got_text, 10));
    g_autofree char *largest = g_strnfill(SCOPE_PEER_MAX_MESSAGE_BYTES - 1, 'x');
    g_autofree char *too_large = g_strnfill(SCOPE_PEER_MAX_MESSAGE_BYTES + 1, 'x');
    rtc_client_send_text(f->client, "{\"noise_scale\": 0.5}");
    rtc_client_send_text(f->client, "nicht JSON: \xc3\xa4");
    rtc_client_send_text(f->client, largest);
    g_assert_true(peer_fixture_wait(f, peer_got_three, 10));
    g_assert_cmpstr(g_queue_peek_nth(&f->texts, 0), ==, "{\"noise_scale\": 0.5}");
    g_assert_cmpuint(strlen(g_queue_peek_nth(&f->texts, 2)), ==, strlen(largest));
    g_autoptr(GError) error = NULL;
    g_assert_false(scope_peer_send_text(f->peer, too_large, &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT);
    peer_fixture_free(f);
}

static void
test_text_queue_is_bounded(void)
{
    PeerFixture *f = peer_fixture_new(NULL, NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < SCOPE_PEER_MAX_QUEUED_MESSAGES; i++) {
        g_assert_true(scope_peer_send_text(f->peer, "x", NULL));
    }
    g_assert_false(scope_peer_send_text(f->peer, "x", &error));
    g_assert_error(error, SCOPE_MEDIA_ERROR, SCOPE_MEDIA_ERROR_LIMIT);
    peer_fixture_free(f);
}

static guint32 wanted_width, wanted_height;

static gboolean
client_has_size(PeerFixture *f)
{
    SCOPE_LOCK_GUARD(&f->lock);
    guint number;
    return f->client_frame[0] != NULL && f->client_frame[0]->width == wanted_width &&
           f->client_frame[0]->height == wanted_height &&
           rtc_pattern_read(f->client_frame[0], &number);
}

static void
test_size_changes(gconstpointer data)
{
    static const guint32 sizes[][2] = {{320, 240}, {512, 512}, {321, 241}, {640, 360}, {160, 120}};
    RtcClientOptions options = {.video = {{"sendrecv", GPOINTER_TO_INT(data)}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    f->echo = TRUE;
    peer_fixture_connect(f);
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        wanted_width = (sizes[i][0] + 1) & ~1u;
        wanted_height = (sizes[i][1] + 1) & ~1u;
        g_assert_true(stream_until(f, sizes[i][0], sizes[i][1], client_has_size));
    }
    g_assert_cmpint(f->state, ==, SCOPE_PEER_STATE_CONNECTED);
    peer_fixture_free(f);
}

static gboolean
push_rgb_until_seen(PeerFixture *f)
{
    g_autoptr(ScopeFrame) frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 101, 77);
    for (guint32 y = 0; y < frame->height; y++) {
        for (guint32 x = 0; x < frame->width; x++) {
            guint8 *pixel = frame->data[0] + (gsize)y * frame->stride[0] + (gsize)x * 3;
            pixel[0] = 200;
            pixel[1] = 40;
            pixel[2] = 40;
        }
    }
    scope_peer_push_frame(f->peer, 0, frame, SCOPE_TIME_NONE);
    return client_has_frames(f);
}

static void
test_rgb_and_odd_size(void)
{
    RtcClientOptions options = {.video = {{"recvonly", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_true(peer_fixture_wait(f, push_rgb_until_seen, 10));
    g_autoptr(ScopeFrame) seen = dup_frame(f, &f->client_frame[0]);
    g_assert_cmpuint(seen->width, ==, 102);
    g_assert_cmpuint(seen->height, ==, 78);
    /* BT.601 limited range of (200, 40, 40), also in the padded corner. */
    g_assert_cmpint(ABS(seen->data[0][40 * seen->stride[0] + 50] - 93), <=, 4);
    g_assert_cmpint(ABS(seen->data[0][77 * seen->stride[0] + 101] - 93), <=, 4);
    g_assert_cmpint(ABS(seen->data[1][20 * seen->stride[1] + 25] - 105), <=, 4);
    g_assert_cmpint(ABS(seen->data[2][20 * seen->stride[2] + 25] - 198), <=, 4);
    peer_fixture_free(f);
}

static guint64 keyframes_before;

static gboolean
keyframe_was_requested(PeerFixture *f)
{
    ScopePeerStats stats;
    scope_peer_get_stats(f->peer, &stats);
    return stats.keyframes_requested > keyframes_before;
}

static gboolean
client_was_asked(PeerFixture *f)
{
    return rtc_client_get_keyframe_requests(f->client, 0) > keyframes_before;
}

static void
test_keyframe_requests(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_true(stream_until(f, 320, 240, client_has_frames));
    g_assert_true(stream_until(f, 320, 240, peer_has_frames));
    ScopePeerStats stats;
    scope_peer_get_stats(f->peer, &stats);
    keyframes_before = stats.keyframes_requested;
    rtc_client_request_keyframe(f->client, 0);
    g_assert_true(stream_until(f, 320, 240, keyframe_was_requested));
    keyframes_before = rtc_client_get_keyframe_requests(f->client, 0);
    scope_peer_request_keyframe(f->peer, 0);
    g_assert_true(stream_until(f, 320, 240, client_was_asked));
    peer_fixture_free(f);
}

static gboolean
stats_are_filled(PeerFixture *f)
{
    ScopePeerStats stats;
    scope_peer_get_stats(f->peer, &stats);
    return stats.frames_in > 10 && stats.frames_out > 10 && stats.bitrate_out_bps > 0 &&
           stats.bitrate_in_bps > 0 && stats.encode_us > 0 && stats.bytes_in > 0;
}

static void
test_stats(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_true(stream_until(f, 320, 240, stats_are_filled));
    ScopePeerStats stats;
    scope_peer_get_stats(f->peer, &stats);
    g_assert_cmpint(stats.state, ==, SCOPE_PEER_STATE_CONNECTED);
    g_assert_cmpint(stats.codec, ==, VP8);
    g_assert_cmpuint(stats.target_bitrate_bps, >=, 5000000);
    g_assert_cmpuint(stats.target_bitrate_bps, <=, 10000000);
    g_assert_cmpfloat(stats.loss_in_ratio, <, 0.01);
    peer_fixture_free(f);
}

static void
test_times_are_kept(void)
{
    RtcClientOptions options = {.video = {{"sendonly", VP8}}};
    PeerFixture *f = peer_fixture_new(NULL, &options);
    peer_fixture_connect(f);
    g_assert_true(stream_until(f, 320, 240, peer_has_frames));
    scope_lock_lock(&f->lock);
    gint64 now_us = g_get_monotonic_time();
    g_assert_cmpint(f->peer_frame->pts_us, >, now_us - 2 * G_USEC_PER_SEC);
    g_assert_cmpint(f->peer_frame->pts_us, <=, now_us);
    g_assert_cmpint(f->peer_frame->born_us, >=, f->peer_frame->pts_us);
    g_assert_cmpint(f->peer_frame->born_us, <=, now_us);
    g_assert_cmpint(f->peer_frame->format, ==, SCOPE_FRAME_FORMAT_I420);
    scope_lock_unlock(&f->lock);
    peer_fixture_free(f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autoptr(GError) error = NULL;
    if (!scope_media_init(&error)) {
        g_print("1..0 # SKIP %s\n", error->message);
        return 0;
    }
    g_test_add_data_func("/peer/echo-vp8", GINT_TO_POINTER(VP8), test_sendrecv_echo);
    g_test_add_data_func("/peer/echo-h264", GINT_TO_POINTER(H264), test_sendrecv_echo);
    g_test_add_func("/peer/recvonly", test_recvonly);
    g_test_add_func("/peer/sendonly", test_sendonly);
    g_test_add_func("/peer/several-lines", test_several_lines);
    g_test_add_func("/peer/data-only", test_data_only);
    g_test_add_func("/peer/text-queue-is-bounded", test_text_queue_is_bounded);
    g_test_add_data_func("/peer/size-changes-vp8", GINT_TO_POINTER(VP8), test_size_changes);
    g_test_add_data_func("/peer/size-changes-h264", GINT_TO_POINTER(H264), test_size_changes);
    g_test_add_func("/peer/rgb-and-odd-size", test_rgb_and_odd_size);
    g_test_add_func("/peer/keyframe-requests", test_keyframe_requests);
    g_test_add_func("/peer/stats", test_stats);
    g_test_add_func("/peer/times-are-kept", test_times_are_kept);
    return g_test_run();
}
