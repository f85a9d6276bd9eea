/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames and their pool. The pool keeps freed blocks in a few buckets, one per block size, bounded
 * in bytes; the bucket that was used longest ago gives way. One leaf lock. Any thread.
 */
#include "core/scope-frame.h"

#include <stdlib.h>
#include <string.h>

#include "core/scope-assert.h"
#include "core/scope-lock.h"

#define POOL_BUCKETS   12
#define POOL_MAX_BYTES ((gsize)64 << 20)

typedef struct _Frame Frame;

struct _Frame {
    ScopeFrame frame; /* first: a ScopeFrame* is a Frame* */
    gint ref_count;
    gsize block_bytes; /* 0 = wrapped */
    GDestroyNotify destroy;
    gpointer user_data;
    Frame *next;
};

typedef struct {
    gsize block_bytes;
    Frame *idle;
    guint n_idle;
    guint64 last_use;
} Bucket;

static struct {
    ScopeLock lock;
    Bucket buckets[POOL_BUCKETS];
    guint64 clock;
    guint64 n_allocated;
    guint n_live;
    guint n_idle;
    gsize idle_bytes;
} pool = {.lock = SCOPE_LOCK_INIT};

static guint32
align_up(guint32 n)
{
    return (n + SCOPE_FRAME_ALIGN - 1) & ~(guint32)(SCOPE_FRAME_ALIGN - 1);
}

static gboolean
is_valid(ScopeFrameFormat format, guint32 width, guint32 height)
{
    return (format == SCOPE_FRAME_FORMAT_RGB24 || format == SCOPE_FRAME_FORMAT_I420) &&
           width >= 1 && width <= SCOPE_FRAME_MAX_DIM && height >= 1 &&
           height <= SCOPE_FRAME_MAX_DIM;
}

/* Detaches every idle block of @bucket into a list. Lock held. */
static Frame *
bucket_drain(Bucket *bucket, Frame *list)
{
    while (bucket->idle != NULL) {
        Frame *frame = bucket->idle;

        bucket->idle = frame->next;
        frame->next = list;
        list = frame;
        pool.n_idle--;
        pool.idle_bytes -= bucket->block_bytes;
    }
    bucket->n_idle = 0;
    return list;
}

static void
free_list(Frame *list)
{
    while (list != NULL) {
        Frame *next = list->next;

        free(list);
        list = next;
    }
}

static Bucket *
find_bucket(gsize block_bytes)
{
    for (guint i = 0; i < POOL_BUCKETS; i++) {
        if (pool.buckets[i].block_bytes == block_bytes)
            return &pool.buckets[i];
    }
    return NULL;
}

/* The bucket for blocks of this size; takes over the one that is unused longest. Lock held. */
static Bucket *
claim_bucket(gsize block_bytes, Frame **list)
{
    Bucket *bucket = find_bucket(block_bytes);

    if (bucket != NULL)
        return bucket;
    bucket = &pool.buckets[0];
    for (guint i = 1; i < POOL_BUCKETS; i++) {
        if (pool.buckets[i].last_use < bucket->last_use)
            bucket = &pool.buckets[i];
    }
    *list = bucket_drain(bucket, *list);
    bucket->block_bytes = block_bytes;
    return bucket;
}

static Frame *
pool_take(gsize block_bytes)
{
    Frame *frame = NULL;
    Bucket *bucket;

    scope_lock_lock(&pool.lock);
    bucket = find_bucket(block_bytes);
    pool.n_live++;
    if (bucket != NULL && bucket->idle != NULL) {
        frame = bucket->idle;
        bucket->idle = frame->next;
        bucket->n_idle--;
        bucket->last_use = ++pool.clock;
        pool.n_idle--;
        pool.idle_bytes -= block_bytes;
    } else {
        pool.n_allocated++;
    }
    scope_lock_unlock(&pool.lock);

    if (frame == NULL) {
        frame = aligned_alloc(SCOPE_FRAME_ALIGN, block_bytes);
        SCOPE_ASSERT(frame != NULL);
    }
    return frame;
}

static void
pool_give(Frame *frame)
{
    gsize block_bytes = frame->block_bytes;
    Frame *list = NULL;
    Bucket *bucket;

    scope_lock_lock(&pool.lock);
    pool.n_live--;
    bucket = claim_bucket(block_bytes, &list);
    bucket->last_use = ++pool.clock;
    for (guint i = 0; i < POOL_BUCKETS && pool.idle_bytes + block_bytes > POOL_MAX_BYTES; i++) {
        if (&pool.buckets[i] != bucket)
            list = bucket_drain(&pool.buckets[i], list);
    }
    if (pool.idle_bytes + block_bytes > POOL_MAX_BYTES) {
        frame->next = list;
        list = frame;
    } else {
        frame->next = bucket->idle;
        bucket->idle = frame;
        bucket->n_idle++;
        pool.n_idle++;
        pool.idle_bytes += block_bytes;
    }
    scope_lock_unlock(&pool.lock);
    free_list(list);
}

ScopeFrame *
scope_frame_new(ScopeFrameFormat format, guint32 width, guint32 height)
{
    gsize header = align_up(sizeof(Frame));
    guint32 stride[3] = {0, 0, 0};
    gsize size[3] = {0, 0, 0};
    gsize block_bytes;
    guint8 *base;
    Frame *self;

    if (!is_valid(format, width, height))
        return NULL;

    if (format == SCOPE_FRAME_FORMAT_RGB24) {
        stride[0] = align_up(width * 3);
        size[0] = (gsize)stride[0] * height;
    } else {
        stride[0] = align_up(width);
        stride[1] = stride[2] = align_up((width + 1) / 2);
        size[0] = (gsize)stride[0] * height;
        size[1] = size[2] = (gsize)stride[1] * ((height + 1) / 2);
    }
    /* One spare vector behind the last row, so that kernels may read past its end. */
    block_bytes = header + size[0] + size[1] + size[2] + SCOPE_FRAME_ALIGN;
    self = pool_take(block_bytes);
    base = (guint8 *)self + header;
    memset(self, 0, sizeof *self);
    self->ref_count = 1;
    self->block_bytes = block_bytes;
    self->frame.format = format;
    self->frame.width = width;
    self->frame.height = height;
    for (guint i = 0; i < 3; i++) {
        self->frame.stride[i] = stride[i];
        self->frame.data[i] = size[i] > 0 ? base : NULL;
        base += size[i];
    }
    self->frame.pts_us = SCOPE_TIME_NONE;
    self->frame.born_us = SCOPE_TIME_NONE;
    return &self->frame;
}

ScopeFrame *
scope_frame_new_wrapped(ScopeFrameFormat format, guint32 width, guint32 height, guint8 *const *data,
                        const guint32 *stride, GDestroyNotify destroy, gpointer user_data)
{
    guint n_planes = format == SCOPE_FRAME_FORMAT_RGB24 ? 1 : 3;
    Frame *self;

    if (!is_valid(format, width, height))
        return NULL;

    self = g_new0(Frame, 1);
    self->ref_count = 1;
    self->destroy = destroy;
    self->user_data = user_data;
    self->frame.format = format;
    self->frame.width = width;
    self->frame.height = height;
    for (guint i = 0; i < n_planes; i++) {
        self->frame.data[i] = data[i];
        self->frame.stride[i] = stride[i];
    }
    self->frame.pts_us = SCOPE_TIME_NONE;
    self->frame.born_us = SCOPE_TIME_NONE;
    return &self->frame;
}

ScopeFrame *
scope_frame_ref(ScopeFrame *frame)
{
    Frame *self = (Frame *)frame;

    g_return_val_if_fail(frame != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return frame;
}

void
scope_frame_unref(ScopeFrame *frame)
{
    Frame *self = (Frame *)frame;

    if (frame == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    if (self->block_bytes > 0) {
        pool_give(self);
        return;
    }
    if (self->destroy != NULL)
        self->destroy(self->user_data);
    g_free(self);
}

gboolean
scope_frame_is_writable(const ScopeFrame *frame)
{
    const Frame *self = (const Frame *)frame;

    return self->block_bytes > 0 && g_atomic_int_get(&self->ref_count) == 1;
}

void
scope_frame_copy_times(ScopeFrame *frame, const ScopeFrame *from)
{
    frame->pts_us = from->pts_us;
    frame->born_us = from->born_us;
}

/* Bytes in a row and rows of plane @i. */
static void
plane_size(const ScopeFrame *frame, guint i, gsize *ret_row_bytes, guint32 *ret_rows)
{
    if (frame->format == SCOPE_FRAME_FORMAT_RGB24) {
        *ret_row_bytes = i == 0 ? (gsize)frame->width * 3 : 0;
        *ret_rows = i == 0 ? frame->height : 0;
    } else {
        *ret_row_bytes = i == 0 ? frame->width : (frame->width + 1) / 2;
        *ret_rows = i == 0 ? frame->height : (frame->height + 1) / 2;
    }
}

ScopeFrame *
scope_frame_copy(const ScopeFrame *frame)
{
    ScopeFrame *copy = scope_frame_new(frame->format, frame->width, frame->height);

    for (guint i = 0; i < 3; i++) {
        gsize row_bytes;
        guint32 rows;

        plane_size(frame, i, &row_bytes, &rows);
        for (guint32 y = 0; y < rows; y++)
            memcpy(copy->data[i] + (gsize)y * copy->stride[i],
                   frame->data[i] + (gsize)y * frame->stride[i], row_bytes);
    }
    scope_frame_copy_times(copy, frame);
    return copy;
}

gsize
scope_frame_get_bytes(const ScopeFrame *frame)
{
    gsize bytes = 0;

    for (guint i = 0; i < 3; i++) {
        gsize row_bytes;
        guint32 rows;

        plane_size(frame, i, &row_bytes, &rows);
        bytes += row_bytes * rows;
    }
    return bytes;
}

void
scope_frame_pool_get_stats(ScopeFramePoolStats *ret_stats)
{
    SCOPE_LOCK_GUARD(&pool.lock);
    ret_stats->n_allocated = pool.n_allocated;
    ret_stats->n_live = pool.n_live;
    ret_stats->n_idle = pool.n_idle;
    ret_stats->idle_bytes = pool.idle_bytes;
}

void
scope_frame_pool_trim(void)
{
    Frame *list = NULL;

    scope_lock_lock(&pool.lock);
    for (guint i = 0; i < POOL_BUCKETS; i++)
        list = bucket_drain(&pool.buckets[i], list);
    scope_lock_unlock(&pool.lock);
    free_list(list);
}
