/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two rows of black and white fields: the bits of the number, and below them their inverse as a
 * check. Pure functions.
 */
#include "rtc-pattern.h"

#include <stdlib.h>
#include <string.h>

#define BLACK 16
#define WHITE 235

static void
draw_field(ScopeFrame *frame, guint column, guint row, guint8 value)
{
    guint32 w = frame->width / RTC_PATTERN_BITS, h = frame->height / 16;
    for (guint32 y = row * h; y < (row + 1) * h; y++) {
        memset(frame->data[0] + (gsize)y * frame->stride[0] + (gsize)column * w, value, w);
    }
}

static guint
read_field(const ScopeFrame *frame, guint column, guint row)
{
    guint32 w = frame->width / RTC_PATTERN_BITS, h = frame->height / 16;
    guint sum = 0, n = 0;
    for (guint32 y = row * h + h / 4; y < (row + 1) * h - h / 4; y++) {
        for (guint32 x = column * w + w / 4; x < (column + 1) * w - w / 4; x++, n++) {
            sum += frame->data[0][(gsize)y * frame->stride[0] + x];
        }
    }
    return n > 0 ? sum / n : 0;
}

static void
draw_background(ScopeFrame *frame, guint number)
{
    for (guint32 y = 0; y < frame->height; y++) {
        guint8 *row = frame->data[0] + (gsize)y * frame->stride[0];
        for (guint32 x = 0; x < frame->width; x++) {
            guint wave = ((x + number * 3) & 127) ^ ((y + number) & 63);
            row[x] = (guint8)(48 + wave);
        }
    }
    for (guint plane = 1; plane < 3; plane++) {
        for (guint32 y = 0; y < (frame->height + 1) / 2; y++) {
            guint8 level = (guint8)(64 + ((y + number * plane) & 127));
            memset(frame->data[plane] + (gsize)y * frame->stride[plane], level,
                   (frame->width + 1) / 2);
        }
    }
}

ScopeFrame *
rtc_pattern_new(guint32 width, guint32 height, guint number)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, width, height);
    draw_background(frame, number);
    for (guint bit = 0; bit < RTC_PATTERN_BITS; bit++) {
        gboolean set = (number >> bit) & 1;
        draw_field(frame, bit, 0, set ? WHITE : BLACK);
        draw_field(frame, bit, 1, set ? BLACK : WHITE);
    }
    return frame;
}

gboolean
rtc_pattern_read(const ScopeFrame *frame, guint *ret_number)
{
    guint number = 0;
    for (guint bit = 0; bit < RTC_PATTERN_BITS; bit++) {
        guint value = read_field(frame, bit, 0), inverse = read_field(frame, bit, 1);
        if (abs((int)value - (int)inverse) < 60) {
            return FALSE;
        }
        number |= (value > inverse ? 1u : 0u) << bit;
    }
    *ret_number = number;
    return TRUE;
}

double
rtc_pattern_difference(const ScopeFrame *a, const ScopeFrame *b)
{
    guint64 sum = 0, n = 0;
    for (guint plane = 0; plane < 3; plane++) {
        guint32 w = plane ? (a->width + 1) / 2 : a->width;
        guint32 h = plane ? (a->height + 1) / 2 : a->height;
        for (guint32 y = 0; y < h; y++) {
            const guint8 *ra = a->data[plane] + (gsize)y * a->stride[plane];
            const guint8 *rb = b->data[plane] + (gsize)y * b->stride[plane];
            for (guint32 x = 0; x < w; x++, n++) {
                sum += (guint)abs(ra[x] - rb[x]);
            }
        }
    }
    return (double)sum / (double)n;
}
