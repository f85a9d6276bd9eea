/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of the program: made from a pool of recycled memory, so that a running stream allocates
 * nothing, and converted or resized only where a consumer asks for it.
 */
#ifndef SCOPE_CORE_FRAME_H
#define SCOPE_CORE_FRAME_H

#include <scope/scope-frame.h>

G_BEGIN_DECLS

/** SCOPE_FRAME_ALIGN: planes and rows of pooled frames start at multiples of this many bytes. */
#define SCOPE_FRAME_ALIGN 64

/**
 * ScopeFramePoolStats:
 * @n_allocated: blocks taken from the system since the start
 * @n_live: frames that have an owner now
 * @n_idle: blocks that wait for reuse
 * @idle_bytes: their size
 */
typedef struct {
    guint64 n_allocated;
    guint n_live;
    guint n_idle;
    gsize idle_bytes;
} ScopeFramePoolStats;

/**
 * scope_frame_new:
 * @format: RGB24 or I420
 * @width: 1..SCOPE_FRAME_MAX_DIM
 * @height: 1..SCOPE_FRAME_MAX_DIM
 *
 * A frame with undefined pixels; pts_us and born_us are SCOPE_TIME_NONE. Recycled memory when a
 * frame of the same layout was freed before.
 *
 * Returns: (transfer full) (nullable): %NULL only when an argument is out of range.
 * Thread: any.
 */
ScopeFrame *scope_frame_new(ScopeFrameFormat format, guint32 width, guint32 height);

/**
 * scope_frame_new_wrapped:
 * @data: addresses of the planes, as many as the format has
 * @stride: bytes from row to row, one per plane
 * @destroy: (nullable): called with @user_data when the last owner is gone, from its thread
 *
 * A frame over memory of someone else, who does not change it meanwhile (decoder buffers).
 *
 * Returns: (transfer full) (nullable): %NULL only when an argument is out of range; then @destroy
 *   is not called.
 * Thread: any.
 */
ScopeFrame *scope_frame_new_wrapped(ScopeFrameFormat format, guint32 width, guint32 height,
                                    guint8 *const *data, const guint32 *stride,
                                    GDestroyNotify destroy, gpointer user_data);

/** scope_frame_ref: another owner. Returns: @frame. Thread: any. */
ScopeFrame *scope_frame_ref(ScopeFrame *frame);

/** scope_frame_unref: (nullable): one owner less; the last returns the memory. Thread: any. */
void scope_frame_unref(ScopeFrame *frame);

/** scope_frame_is_writable: whether the caller is the only owner of pooled memory. Thread: any. */
gboolean scope_frame_is_writable(const ScopeFrame *frame);

/** scope_frame_copy: (transfer full): a frame with the same pixels and times. Thread: any. */
ScopeFrame *scope_frame_copy(const ScopeFrame *frame);

/** scope_frame_copy_times: sets pts_us and born_us of @frame to those of @from. Thread: owner. */
void scope_frame_copy_times(ScopeFrame *frame, const ScopeFrame *from);

/**
 * scope_frame_convert:
 * @frame: (transfer none): any format
 * @format: the format that is wanted
 *
 * BT.601 limited range; chroma is averaged over 2x2 pixels towards I420 and repeated towards RGB24.
 * Odd sizes are allowed. Times are kept.
 *
 * Returns: (transfer full): a new frame, or another reference to @frame when it has that format.
 * Thread: any.
 */
ScopeFrame *scope_frame_convert(ScopeFrame *frame, ScopeFrameFormat format);

/**
 * scope_frame_resize:
 * @frame: (transfer none): any format
 * @width: 1..SCOPE_FRAME_MAX_DIM
 * @height: 1..SCOPE_FRAME_MAX_DIM
 *
 * Bilinear with half-pixel centres, edges repeated, no preservation of the aspect. Times are kept.
 *
 * Returns: (transfer full): a new frame, or another reference to @frame when it has that size;
 *   %NULL when a size is out of range.
 * Thread: any.
 */
ScopeFrame *scope_frame_resize(ScopeFrame *frame, guint32 width, guint32 height);

/** scope_frame_get_bytes: bytes of pixels without padding, for example for statistics. Thread: any.
 */
gsize scope_frame_get_bytes(const ScopeFrame *frame);

/** scope_frame_pool_get_stats: (out): counters of the pool. Thread: any. */
void scope_frame_pool_get_stats(ScopeFramePoolStats *ret_stats);

/** scope_frame_pool_trim: gives idle memory back to the system. Thread: any. */
void scope_frame_pool_trim(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeFrame, scope_frame_unref)

G_END_DECLS

#endif
