/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One outgoing video: frames in, RTP packets out. Encodes on a streaming thread of its own. The
 * seam for sharing an encoder between viewers: a sender knows nothing of the connection behind its
 * source pad.
 */
#ifndef SCOPE_VIDEO_SENDER_H
#define SCOPE_VIDEO_SENDER_H

#include <gst/gst.h>

#include "core/scope-frame.h"
#include "media/scope-peer.h"

G_BEGIN_DECLS

/** ScopeVideoSender: opaque; owned by the peer that made it. */
typedef struct _ScopeVideoSender ScopeVideoSender;

/**
 * ScopeVideoSenderConfig:
 * @codec: VP8 or H264
 * @payload: RTP payload type
 * @ssrc: RTP source
 * @twcc_id: header extension id of transport-wide congestion control, 0 for none
 * @bitrate_bps: where to start
 */
typedef struct {
    ScopeVideoCodec codec;
    int payload;
    guint32 ssrc;
    int twcc_id;
    guint bitrate_bps;
} ScopeVideoSenderConfig;

/** ScopeVideoSenderStats: counters since the start; see ScopePeerStats. */
typedef struct {
    guint64 frames_out;
    guint64 frames_dropped;
    guint64 keyframes_requested;
    guint64 bytes_out;
    gint64 encode_us;
} ScopeVideoSenderStats;

/**
 * scope_video_sender_new:
 * @config: borrowed
 * @pipeline: where the elements go; not started here
 * @error: (nullable) set on failure
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT.
 * Returns: (transfer full) a sender, or NULL with @error set.
 */
ScopeVideoSender *scope_video_sender_new(const ScopeVideoSenderConfig *config, GstElement *pipeline,
                                         GError **error);

/**
 * scope_video_sender_free:
 * @sender: (nullable) transfer full; its pipeline must be in the NULL state
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_sender_free(ScopeVideoSender *sender);

/**
 * scope_video_sender_get_element:
 * @sender: borrowed
 *
 * Thread: main. Errors: none.
 * Returns: (transfer none) the bin with a source pad "src" that gives RTP packets.
 */
GstElement *scope_video_sender_get_element(ScopeVideoSender *sender);

/**
 * scope_video_sender_push:
 * @sender: borrowed
 * @frame: borrowed; see scope_peer_push_frame
 * @pts_us: monotonic time, or SCOPE_TIME_NONE
 *
 * Thread: any. Errors: none.
 * Returns: TRUE when queued.
 */
gboolean scope_video_sender_push(ScopeVideoSender *sender, ScopeFrame *frame, gint64 pts_us);

/**
 * scope_video_sender_set_bitrate:
 * @sender: borrowed
 * @bitrate_bps: the encoder's target from the next frame on
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_sender_set_bitrate(ScopeVideoSender *sender, guint bitrate_bps);

/**
 * scope_video_sender_force_keyframe:
 * @sender: borrowed
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_sender_force_keyframe(ScopeVideoSender *sender);

/**
 * scope_video_sender_count_drop:
 * @sender: borrowed
 *
 * Counts a picture that was not even queued.
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_sender_count_drop(ScopeVideoSender *sender);

/**
 * scope_video_sender_get_stats:
 * @sender: borrowed
 * @ret_stats: filled
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_sender_get_stats(ScopeVideoSender *sender, ScopeVideoSenderStats *ret_stats);

G_END_DECLS

#endif
