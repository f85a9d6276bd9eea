/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A video frame in host memory: refcounted, and immutable as soon as a second owner holds it.
 * Frames travel from the decoder through the stages of a chain to the encoder without copies.
 */
#ifndef SCOPE_FRAME_H
#define SCOPE_FRAME_H

#include <scope/scope-api.h>

G_BEGIN_DECLS

/**
 * ScopeFrameFormat:
 * @SCOPE_FRAME_FORMAT_INVALID: never valid
 * @SCOPE_FRAME_FORMAT_RGB24: one plane, [height, width, 3] u8, sRGB, rows @stride[0] bytes apart
 * @SCOPE_FRAME_FORMAT_I420: three planes Y [height, width], U and V [(height+1)/2, (width+1)/2],
 *   u8, BT.601 limited range: what WebRTC decoders deliver and encoders take
 */
typedef enum {
    SCOPE_FRAME_FORMAT_INVALID = 0,
    SCOPE_FRAME_FORMAT_RGB24 = 1,
    SCOPE_FRAME_FORMAT_I420 = 2,
} ScopeFrameFormat;

#define SCOPE_FRAME_FORMAT_BIT(format) (1u << (format))

/** SCOPE_FRAME_MAX_DIM: the largest width or height of a frame, in pixels. */
#define SCOPE_FRAME_MAX_DIM 8192

/**
 * ScopeFrame:
 * @format: layout of the planes
 * @width: in pixels, 1..SCOPE_FRAME_MAX_DIM
 * @height: in pixels, 1..SCOPE_FRAME_MAX_DIM
 * @stride: bytes from one row of a plane to the next, at least the row's length
 * @data: the planes; unused entries are %NULL. Writable only by the sole owner
 * @pts_us: presentation time on the monotonic clock of the process in microseconds: the time of
 *   capture for frames that came in, SCOPE_TIME_NONE for generated frames that the output paces
 * @born_us: monotonic time at which the pixels came into being (arrival or generation); every
 *   stage keeps it, so that latency can be told at the end
 *
 * Thread: any, reference counting is atomic. Created by scope_host.frame_new.
 */
typedef struct _ScopeFrame {
    ScopeFrameFormat format;
    guint32 width;
    guint32 height;
    guint32 stride[3];
    guint8 *data[3];
    gint64 pts_us;
    gint64 born_us;
} ScopeFrame;

G_END_DECLS

#endif
