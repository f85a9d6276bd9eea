/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ScopePeer and a client of bench/webrtc in one process over 127.0.0.1, for the tests of
 * src/media.
 */
#ifndef PEER_FIXTURE_H
#define PEER_FIXTURE_H

#include "core/scope-lock.h"
#include "media/scope-peer.h"
#include "rtc-client.h"

/** PeerFixture: both ends and what they saw. Frame fields are guarded by @lock. */
typedef struct {
    ScopePeer *peer;
    RtcClient *client;
    char *answer;
    GError *error;
    gboolean answered;
    ScopePeerState state;
    gboolean closed;
    gboolean destroyed;
    gboolean echo; /* the peer sends what it receives */
    guint channels;
    GQueue texts; /* that the peer received */
    char *reason;
    ScopeLock lock;
    guint peer_frames;
    guint client_frames;
    ScopeFrame *peer_frame;                         /* newest */
    ScopeFrame *client_frame[RTC_CLIENT_MAX_VIDEO]; /* newest per m-line */
} PeerFixture;

/** peer_fixture_new: a peer with @options (or defaults) and, if not NULL, a client. */
PeerFixture *peer_fixture_new(const ScopePeerOptions *options, const RtcClientOptions *client);

/** peer_fixture_free: closes both; asserts that the peer is gone within 10 s. */
void peer_fixture_free(PeerFixture *f);

/** peer_fixture_offer: gives @sdp to the peer and waits for answer or error, 10 s at most. */
void peer_fixture_offer(PeerFixture *f, const char *sdp);

/** peer_fixture_connect: the whole exchange; asserts that both ends are connected within 10 s. */
void peer_fixture_connect(PeerFixture *f);

/** peer_fixture_trickle: hands the candidates that the client has found to the peer. */
void peer_fixture_trickle(PeerFixture *f);

/** peer_fixture_wait: runs the main loop until @condition, @seconds at most. */
gboolean peer_fixture_wait(PeerFixture *f, gboolean (*condition)(PeerFixture *f), double seconds);

/** PEER_FIXTURE_OPTIONS: the peer's options on loopback. */
#define PEER_FIXTURE_OPTIONS peer_fixture_options()

/** peer_fixture_options: defaults with ICE on 127.0.0.1. */
ScopePeerOptions peer_fixture_options(void);

/** peer_fixture_count_threads: of this process. */
guint peer_fixture_count_threads(void);

/** peer_fixture_count_fds: open descriptors of this process. */
guint peer_fixture_count_fds(void);

#endif
