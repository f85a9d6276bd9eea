/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between ScopeFrame and GStreamer's buffers, without copying pixels.
 */
#ifndef SCOPE_GST_FRAME_H
#define SCOPE_GST_FRAME_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "core/scope-frame.h"

G_BEGIN_DECLS

/**
 * scope_gst_buffer_new_from_frame:
 * @frame: I420 or RGB24; a reference is kept by the buffer
 *
 * A read-only buffer over the planes of @frame, with a GstVideoMeta that tells their strides. No
 * time stamps are set.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) the buffer.
 */
GstBuffer *scope_gst_buffer_new_from_frame(ScopeFrame *frame);

/**
 * scope_gst_caps_new_for_frame:
 * @frame: borrowed
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) raw video caps of the frame's format and size; BT.601 for I420.
 */
GstCaps *scope_gst_caps_new_for_frame(const ScopeFrame *frame);

/**
 * scope_gst_frame_new_from_sample:
 * @sample: raw video in I420 or RGB; a reference is kept by the frame
 *
 * A frame over the mapped memory of @sample. Its times are SCOPE_TIME_NONE.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) (nullable) the frame, NULL when the sample is of another format, larger
 * than SCOPE_FRAME_MAX_DIM or cannot be mapped.
 */
ScopeFrame *scope_gst_frame_new_from_sample(GstSample *sample);

/**
 * scope_gst_frame_pad_even:
 * @frame: I420, borrowed
 *
 * Repeats the last column and row of luma where the size is odd; video codecs want even sizes.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) a frame of even size: another reference when @frame has one.
 */
ScopeFrame *scope_gst_frame_pad_even(ScopeFrame *frame);

G_END_DECLS

#endif
