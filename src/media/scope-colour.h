/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the luma and chroma of a received picture stand for colours. Chromium encodes captured
 * canvases as BT.709 full range and says so in an RTP header extension; our frames are BT.601
 * limited range. No state; any thread.
 */
#ifndef SCOPE_COLOUR_H
#define SCOPE_COLOUR_H

#include "core/scope-frame.h"

G_BEGIN_DECLS

/** SCOPE_COLOUR_URI: the extension: primaries, transfer, matrix and range, a byte each. */
#define SCOPE_COLOUR_URI "http://www.webrtc.org/experiments/rtp-hdrext/color-space"

/** ScopeColourMatrix: weights of red and blue in luma; zero is the standard one of our frames. */
typedef enum {
    SCOPE_COLOUR_BT601 = 0,
    SCOPE_COLOUR_BT709,
    SCOPE_COLOUR_BT2020,
} ScopeColourMatrix;

/**
 * ScopeColour:
 * @matrix: weights of red and blue in luma
 * @is_full_range: luma is 0..255 instead of 16..235
 *
 * Zero-initialised it is what our frames hold.
 */
typedef struct {
    ScopeColourMatrix matrix;
    gboolean is_full_range;
} ScopeColour;

/**
 * scope_colour_parse:
 * @data: payload of the extension
 * @n_bytes: its length
 * @ret_colour: filled on success
 *
 * Reads matrix (ITU-T H.273) and range. What is unspecified counts as BT.601 limited range.
 *
 * Thread: any. Errors: none.
 * Returns: FALSE when the payload is too short.
 */
gboolean scope_colour_parse(const guint8 *data, gsize n_bytes, ScopeColour *ret_colour);

/**
 * scope_colour_is_standard:
 * @colour: borrowed
 *
 * Thread: any. Errors: none.
 * Returns: whether pictures can be used as they are.
 */
gboolean scope_colour_is_standard(const ScopeColour *colour);

/**
 * scope_colour_convert:
 * @frame: borrowed; I420 in @colour
 * @colour: what it holds
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full) the same picture as BT.601 limited range, with the same times.
 */
ScopeFrame *scope_colour_convert(const ScopeFrame *frame, const ScopeColour *colour);

G_END_DECLS

#endif
