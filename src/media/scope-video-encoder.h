/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The video encoders of GStreamer with settings for live video: no look-ahead, no B-frames, key
 * frames only at the start, on request and on a change of size.
 */
#ifndef SCOPE_VIDEO_ENCODER_H
#define SCOPE_VIDEO_ENCODER_H

#include <gst/gst.h>

#include "media/scope-peer.h"

G_BEGIN_DECLS

/**
 * scope_video_encoder_new:
 * @codec: VP8 or H264
 * @bitrate_bps: where to start
 * @error: (nullable) set on failure
 *
 * H.264 is encoded by the first of nvh264enc, x264enc and openh264enc that is installed and works.
 *
 * Thread: main. Errors: SCOPE_MEDIA_ERROR_MISSING_ELEMENT.
 * Returns: (transfer floating) an element with pads "sink" (raw I420) and "src", or NULL with
 * @error set.
 */
GstElement *scope_video_encoder_new(ScopeVideoCodec codec, guint bitrate_bps, GError **error);

/**
 * scope_video_encoder_set_bitrate:
 * @encoder: what scope_video_encoder_new returned
 * @bitrate_bps: new target
 *
 * May wait for the picture that is being encoded.
 *
 * Thread: the streaming thread that feeds @encoder, or any while it is idle. Errors: none.
 * Returns: nothing.
 */
void scope_video_encoder_set_bitrate(GstElement *encoder, guint bitrate_bps);

/**
 * scope_video_encoder_has_codec:
 * @codec: which
 *
 * Thread: main. Errors: none.
 * Returns: TRUE when an encoder for @codec is installed and works.
 */
gboolean scope_video_encoder_has_codec(ScopeVideoCodec codec);

G_END_DECLS

#endif
