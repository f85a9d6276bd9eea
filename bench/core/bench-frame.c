/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversion and resizing of frames, each beside a plain form of the same arithmetic that is kept
 * from being vectorised, in one run; and mailboxes beside a GAsyncQueue. Prints milliseconds per
 * frame or nanoseconds per item, and the ratio.
 */
#include <stdio.h>
#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-mailbox.h"
#include "core/scope-thread.h"

#define SIZE   512
#define ROUNDS 9

typedef void (*Body)(gpointer data);

static gint
compare(gconstpointer a, gconstpointer b)
{
    gdouble x = *(const gdouble *)a;
    gdouble y = *(const gdouble *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

/* Median microseconds of one call, each round over @n calls. */
static gdouble
measure(Body body, gpointer data, guint n)
{
    gdouble times[ROUNDS];

    body(data);
    for (guint r = 0; r < ROUNDS; r++) {
        gint64 start_us = g_get_monotonic_time();

        for (guint i = 0; i < n; i++)
            body(data);
        times[r] = (gdouble)(g_get_monotonic_time() - start_us) / n;
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    return times[ROUNDS / 2];
}

#if defined(__clang__)
#define PLAIN
#define NO_VECTOR _Pragma("clang loop vectorize(disable)")
#else
#define PLAIN __attribute__((optimize("no-tree-vectorize", "no-tree-slp-vectorize")))
#define NO_VECTOR
#endif

PLAIN static void
plain_to_i420(gpointer data)
{
    const ScopeFrame *rgb = data;
    ScopeFrame *yuv = scope_frame_new(SCOPE_FRAME_FORMAT_I420, rgb->width, rgb->height);

    for (guint y = 0; y < rgb->height; y++) {
        const guint8 *p = rgb->data[0] + (gsize)y * rgb->stride[0];
        guint8 *out = yuv->data[0] + (gsize)y * yuv->stride[0];

        NO_VECTOR
        for (guint x = 0; x < rgb->width; x++)
            out[x] =
                (guint8)(((66 * p[3 * x] + 129 * p[3 * x + 1] + 25 * p[3 * x + 2] + 128) >> 8) +
                         16);
    }
    for (guint y = 0; y < rgb->height / 2; y++) {
        const guint8 *a = rgb->data[0] + (gsize)(2 * y) * rgb->stride[0];
        const guint8 *b = a + rgb->stride[0];

        NO_VECTOR
        for (guint x = 0; x < rgb->width / 2; x++) {
            gint sum[3];

            for (guint c = 0; c < 3; c++)
                sum[c] = a[6 * x + c] + a[6 * x + 3 + c] + b[6 * x + c] + b[6 * x + 3 + c];
            yuv->data[1][(gsize)y * yuv->stride[1] + x] =
                (guint8)((-38 * sum[0] - 74 * sum[1] + 112 * sum[2] + 131584) >> 10);
            yuv->data[2][(gsize)y * yuv->stride[2] + x] =
                (guint8)((112 * sum[0] - 94 * sum[1] - 18 * sum[2] + 131584) >> 10);
        }
    }
    scope_frame_unref(yuv);
}

static void
to_i420(gpointer data)
{
    scope_frame_unref(scope_frame_convert(data, SCOPE_FRAME_FORMAT_I420));
}

static void
to_rgb(gpointer data)
{
    scope_frame_unref(scope_frame_convert(data, SCOPE_FRAME_FORMAT_RGB24));
}

static guint8
clamp_u8(gint v)
{
    return (guint8)CLAMP(v, 0, 255);
}

PLAIN static void
plain_to_rgb(gpointer data)
{
    const ScopeFrame *yuv = data;
    ScopeFrame *rgb = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, yuv->width, yuv->height);

    for (guint y = 0; y < yuv->height; y++) {
        guint8 *out = rgb->data[0] + (gsize)y * rgb->stride[0];

        NO_VECTOR
        for (guint x = 0; x < yuv->width; x++) {
            gint c = 298 * (yuv->data[0][(gsize)y * yuv->stride[0] + x] - 16) + 128;
            gint d = yuv->data[1][(gsize)(y / 2) * yuv->stride[1] + x / 2] - 128;
            gint e = yuv->data[2][(gsize)(y / 2) * yuv->stride[2] + x / 2] - 128;

            out[3 * x] = clamp_u8((c + 409 * e) >> 8);
            out[3 * x + 1] = clamp_u8((c - 100 * d - 208 * e) >> 8);
            out[3 * x + 2] = clamp_u8((c + 516 * d) >> 8);
        }
    }
    scope_frame_unref(rgb);
}

static void
resize_up(gpointer data)
{
    scope_frame_unref(scope_frame_resize(data, SIZE * 3 / 2, SIZE * 3 / 2));
}

static void
resize_down(gpointer data)
{
    scope_frame_unref(scope_frame_resize(data, SIZE / 2 + 1, SIZE / 2 + 1));
}

#define N_ITEMS 20000

static void
mailbox_drain(gpointer data)
{
    while (scope_mailbox_pop_until(data, G_MAXINT64) != NULL)
        ;
}

static void
mailbox_round(gpointer data)
{
    g_autoptr(ScopeMailbox) mailbox = scope_mailbox_new(N_ITEMS, SCOPE_MAILBOX_DROP_NEWEST, NULL);
    ScopeThread *thread = scope_thread_start("reader", mailbox_drain, mailbox, NULL);

    for (guint i = 1; i <= N_ITEMS; i++)
        scope_mailbox_push(mailbox, GUINT_TO_POINTER(i));
    scope_mailbox_close(mailbox);
    scope_thread_join(&thread);
}

static void
queue_drain(gpointer data)
{
    while (GPOINTER_TO_UINT(g_async_queue_pop(data)) != N_ITEMS)
        ;
}

static void
queue_round(gpointer data)
{
    g_autoptr(GAsyncQueue) queue = g_async_queue_new();
    ScopeThread *thread = scope_thread_start("reader", queue_drain, queue, NULL);

    for (guint i = 1; i <= N_ITEMS; i++)
        g_async_queue_push(queue, GUINT_TO_POINTER(i));
    scope_thread_join(&thread);
}

int
main(void)
{
    g_autoptr(ScopeFrame) rgb = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, SIZE, SIZE);
    g_autoptr(ScopeFrame) yuv = NULL;
    gdouble fast;
    gdouble slow;

    for (gsize i = 0; i < (gsize)rgb->stride[0] * SIZE; i++)
        rgb->data[0][i] = (guint8)(i * 2654435761u >> 13);
    yuv = scope_frame_convert(rgb, SCOPE_FRAME_FORMAT_I420);

    printf("%dx%d, median of %d rounds\n", SIZE, SIZE, ROUNDS);
    fast = measure(to_i420, rgb, 20);
    slow = measure(plain_to_i420, rgb, 20);
    printf("RGB24 to I420   %7.3f ms, plain %7.3f ms, ratio %.1f\n", fast / 1e3, slow / 1e3,
           slow / fast);
    fast = measure(to_rgb, yuv, 20);
    slow = measure(plain_to_rgb, yuv, 20);
    printf("I420 to RGB24   %7.3f ms, plain %7.3f ms, ratio %.1f\n", fast / 1e3, slow / 1e3,
           slow / fast);
    printf("resize x1.5     %7.3f ms RGB24, %7.3f ms I420\n", measure(resize_up, rgb, 5) / 1e3,
           measure(resize_up, yuv, 5) / 1e3);
    printf("resize x0.5     %7.3f ms RGB24, %7.3f ms I420\n", measure(resize_down, rgb, 10) / 1e3,
           measure(resize_down, yuv, 10) / 1e3);
    fast = measure(mailbox_round, NULL, 1) * 1e3 / N_ITEMS;
    slow = measure(queue_round, NULL, 1) * 1e3 / N_ITEMS;
    printf("mailbox         %7.0f ns an item between two threads, GAsyncQueue %.0f ns\n", fast,
           slow);
    return 0;
}
