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
    gint64 deadline_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
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
    return g_test_run();
}
