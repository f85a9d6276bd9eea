/* SPDX-License-Identifier: Apache-2.0 */
/* A WebRTC client of a ServerFixture: offer over HTTP, pictures and texts over the connection. */
#ifndef LIVE_FIXTURE_H
#define LIVE_FIXTURE_H

#include "core/scope-lock.h"
#include "rtc-client.h"
#include "server-fixture.h"

typedef struct {
    ServerFixture *f;
    RtcClient *client;
    char *session_id;
    char *answer; /* the server's, as SDP */
    ScopeLock lock;
    guint n_frames;
    ScopeFrame *frame; /* newest */
    guint source_id;   /* that feeds pictures */
    guint n_pushed;
    guint8 luma; /* of the pictures that are fed */
} Live;

/**
 * live_offer:
 * @direction: of its video, sendrecv or recvonly
 * @initial: (nullable): initialParameters as JSON with ' instead of "
 *
 * Makes the offer and has it answered: the session runs, without a connection so far.
 */
Live *live_offer(ServerFixture *f, const char *direction, const char *initial);

/** live_connect: takes the answer and sends the candidates until it is connected. */
void live_connect(Live *live);

/** live_new: live_offer() and live_connect(). */
Live *live_new(ServerFixture *f, const char *direction, const char *initial);

/** live_free: closes the connection. */
void live_free(Live *live);

/** live_feed: sends grey pictures of 320x240 at 30 fps until live_free(). */
void live_feed(Live *live, guint8 luma);

/** live_wait_frames: waits until @n further pictures have come; whether they did. */
gboolean live_wait_frames(Live *live, guint n);

/** live_get_n_frames: pictures so far. */
guint live_get_n_frames(Live *live);

/** live_dup_frame: (transfer full): the newest picture. */
ScopeFrame *live_dup_frame(Live *live);

/** live_wait_channel: waits until the data channel is open. */
void live_wait_channel(Live *live);

/** live_wait_text: (transfer full): waits for a text that holds @part. */
char *live_wait_text(Live *live, const char *part);

/** live_run: lets the main loop run for a while. */
void live_run(double seconds);

/** live_metric: a value of /metrics, summed over its labels. */
double live_metric(ServerFixture *f, const char *name);

#endif
