/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test pictures that carry their own number, so that a picture which came back through encoders
 * and a server can be told apart and timed. Used by the tests of src/media and by bench/webrtc.
 */
#ifndef RTC_PATTERN_H
#define RTC_PATTERN_H

#include "core/scope-frame.h"

/** RTC_PATTERN_BITS: bits of a number; it wraps around. */
#define RTC_PATTERN_BITS 16

/**
 * rtc_pattern_new: (transfer full): an I420 picture of @width x @height with the number @number in
 * its top rows over a moving coloured background. At least 128x64. Thread: any.
 */
ScopeFrame *rtc_pattern_new(guint32 width, guint32 height, guint number);

/**
 * rtc_pattern_read: (out): the number of a picture of rtc_pattern_new() of any scale.
 * Returns: FALSE when the picture carries no readable number. Thread: any.
 */
gboolean rtc_pattern_read(const ScopeFrame *frame, guint *ret_number);

/**
 * rtc_pattern_difference: mean absolute difference of luma and chroma, 0..255, between two I420
 * pictures of the same size. Thread: any.
 */
double rtc_pattern_difference(const ScopeFrame *a, const ScopeFrame *b);

#endif
