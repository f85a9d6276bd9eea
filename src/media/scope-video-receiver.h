/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One incoming video: RTP packets in, decoded frames out. The elements are ready before the first
 * packet comes, so that a streaming thread only has to link a pad.
 */
#ifndef SCOPE_VIDEO_RECEIVER_H
#define SCOPE_VIDEO_RECEIVER_H

#include <gst/gst.h>

#include "core/scope-frame.h"
#include "media/scope-peer.h"

G_BEGIN_DECLS

/** ScopeVideoReceiver: opaque; owned by the peer that made it. */
typedef struct _ScopeVideoReceiver ScopeVideoReceiver;

/**
 * ScopeVideoReceiverFunc:
 * @frame: borrowed; I420, times set
 * @user_data: as given
 *
 * Called for every decoded picture on the streaming thread of the receiver.
 */
typedef void (*ScopeVideoReceiverFunc)(guint input, ScopeFrame *frame, gpointer user_data);

/**
 * scope_video_receiver_new:
 * @codec: VP8 or H264
 * @colour_id: header extension id of the colour space, 0 for none
 * @input: number handed to @func
 * @pipeline: where the elements go; not started here
 * @func: borrowed
 * @user_data: for @func; must outlive the pipeline
 * @error: (nullable) set on failure
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT.
 * Returns: (transfer full) a receiver, or NULL with @error set.
 */
ScopeVideoReceiver *scope_video_receiver_new(ScopeVideoCodec codec, int colour_id, guint input,
                                             GstElement *pipeline, ScopeVideoReceiverFunc func,
                                             gpointer user_data, GError **error);

/**
 * scope_video_receiver_free:
 * @receiver: (nullable) transfer full; its pipeline must be in the NULL state
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_receiver_free(ScopeVideoReceiver *receiver);

/**
 * scope_video_receiver_get_element:
 * @receiver: borrowed
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) the bin with a sink pad "sink" that takes RTP packets.
 */
GstElement *scope_video_receiver_get_element(ScopeVideoReceiver *receiver);

/**
 * scope_video_receiver_request_keyframe:
 * @receiver: borrowed
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_receiver_request_keyframe(ScopeVideoReceiver *receiver);

/**
 * scope_video_receiver_get_counts:
 * @receiver: borrowed
 * @ret_frames: pictures decoded
 * @ret_bytes: RTP bytes taken in
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_video_receiver_get_counts(ScopeVideoReceiver *receiver, guint64 *ret_frames,
                                     guint64 *ret_bytes);

G_END_DECLS

#endif
