/* SPDX-License-Identifier: Apache-2.0 */
/* How Video-Depth-Anything is run: preparing frames, streams that remember, and whole clips in
 * windows. A stream owns the arena of what it remembers. Worker thread. */
#include "models/scope-vda-private.h"

#include <gio/gio.h>
#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

/* The window of a stream: entries of the list and what happens to it. */
#define N_NEWEST 29 /* newest entries that the current frame sees, beside the first two */
#define N_LISTED 42 /* entries kept; from there on the second one is dropped for each new one */
#define N_SLOTS  (N_LISTED + 1)

/* Windows of a clip. */
#define CLIP_STEP      22
#define CLIP_OVERLAP   10
#define CLIP_KEYFRAMES 2  /* leading frames of a window that repeat frames of the one before */
#define CLIP_ALIGN     12 /* frame of a window that the next one is aligned with */

struct _ScopeVdaStream {
    const ScopeVda *vda;
    ScopeVdaMemory memory;
    ScopeArena *arena;
    ScopeVdaCache cache;
    int64_t height, width, net_height, net_width;
    int64_t frame;         /* number of the next one */
    int list[N_SLOTS + 1]; /* slots, oldest first; the first frame fills the window at the start */
    int n_listed;
    int seen[SCOPE_VDA_WINDOW]; /* slots in front of the current frame */
};

/* -- Preparing -------------------------------------------------------------------------------- */

static int64_t
to_patches(double size, int64_t patch, int64_t at_least)
{
    int64_t rounded = (int64_t)rint(size / (double)patch) * patch;

    return rounded >= at_least ? rounded : (int64_t)ceil(size / (double)patch) * patch;
}

void
scope_vda_get_network_size(const ScopeVda *vda, int64_t height, int64_t width, int64_t input_size,
                           int64_t *ret_height, int64_t *ret_width)
{
    const double widest = 1.78, target = 1.777;
    double ratio = (double)MAX(height, width) / (double)MIN(height, width), scale;
    int64_t side = input_size;

    if (ratio > widest) {
        side = (int64_t)((double)side * target / ratio);
        side = (int64_t)rint((double)side / (double)vda->patch) * vda->patch;
    }
    scale = MAX((double)side / (double)height, (double)side / (double)width);
    *ret_height = MAX(to_patches(scale * (double)height, vda->patch, side), vda->patch);
    *ret_width = MAX(to_patches(scale * (double)width, vda->patch, side), vda->patch);
}

void
scope_vda_prepare_frames(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    const ScopeResizeOptions cubic = {.mode = SCOPE_RESIZE_BICUBIC};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor unit = scope_context_scratch(ctx, scope_context_work_dtype(ctx), x.ndim, x.shape);

    scope_op_copy(ctx, unit, x);
    scope_op_affine(ctx, unit, unit, 1.0f / 255, 0);
    scope_op_resize(ctx, y, unit, &cubic);
    for (int i = 0; i < 3; i++) {
        ScopeTensor channel = scope_tensor_slice(y, 3, i, i + 1);
        scope_op_affine(ctx, channel, channel, 1 / std[i], -mean[i] / std[i]);
    }
    scope_arena_release(ctx->scratch, mark);
}

/* Depth of the network's size at the size of @y: [T, H, W]. */
static void
resize_depth(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    const ScopeResizeOptions corners = {.mode = SCOPE_RESIZE_BILINEAR_CORNERS};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor large = scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                              SCOPE_SHAPE(y.shape[0], y.shape[1], y.shape[2], 1));

    scope_op_resize(ctx, large,
                    scope_tensor_reshape(x, SCOPE_SHAPE(x.shape[0], x.shape[1], x.shape[2], 1)),
                    &corners);
    scope_op_copy(ctx, y, scope_tensor_select(large, 3, 0));
    scope_arena_release(ctx->scratch, mark);
}

/* -- Streams ---------------------------------------------------------------------------------- */

/* Allocates keys and values; without an arena only counts their bytes. */
static size_t
place_cache(ScopeContext *ctx, ScopeVdaStream *stream, int n_slots, ScopeArena *arena)
{
    const ScopeVda *vda = stream->vda;
    ScopeDType type = scope_context_work_dtype(ctx);
    size_t n_bytes = 0;

    for (int i = 0; i < SCOPE_VDA_N_MOTION; i++) {
        int64_t shape[3];
        scope_vda_motion_shape(vda, i, stream->net_height / vda->patch,
                               stream->net_width / vda->patch, shape);
        for (int k = 0; k < SCOPE_VDA_N_ATTENTION; k++) {
            int64_t pixels = shape[0] * shape[1];
            n_bytes += 2 * ((size_t)(n_slots * pixels * shape[2]) * scope_dtype_size(type) + 64);
            if (arena != NULL) {
                stream->cache.k[i][k] =
                    scope_arena_alloc(arena, type, SCOPE_SHAPE(n_slots, pixels, shape[2]));
                stream->cache.v[i][k] =
                    scope_arena_alloc(arena, type, SCOPE_SHAPE(n_slots, pixels, shape[2]));
            }
        }
    }
    return n_bytes;
}

ScopeVdaStream *
scope_vda_stream_create(ScopeContext *ctx, const ScopeVda *vda, ScopeVdaMemory memory,
                        int64_t height, int64_t width, int64_t input_size, GError **error)
{
    g_autoptr(ScopeVdaStream) stream = g_new0(ScopeVdaStream, 1);
    int n_slots = memory == SCOPE_VDA_MEMORY_WINDOW ? N_SLOTS : 1;

    if (height < 1 || width < 1 || input_size < 1) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "frame size %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
                    " with network input %" G_GINT64_FORMAT ", expected at least 1 pixel",
                    width, height, input_size);
        return NULL;
    }
    stream->vda = vda;
    stream->memory = memory;
    stream->height = height;
    stream->width = width;
    scope_vda_get_network_size(vda, height, width, input_size, &stream->net_height,
                               &stream->net_width);
    stream->arena = scope_arena_create(ctx->backend, "depth stream");
    if (!scope_arena_reserve(stream->arena, place_cache(ctx, stream, n_slots, NULL), error)) {
        return NULL;
    }
    place_cache(ctx, stream, n_slots, stream->arena);
    scope_arena_seal(stream->arena);
    scope_vda_stream_reset(stream);
    return g_steal_pointer(&stream);
}

void
scope_vda_stream_reset(ScopeVdaStream *stream)
{
    stream->frame = 0;
    stream->n_listed = 0;
}

void
scope_vda_stream_destroy(ScopeVdaStream *stream)
{
    if (stream == NULL) {
        return;
    }
    scope_arena_destroy(stream->arena);
    g_free(stream);
}

/* Chooses what the current frame sees and where it will be stored. */
static void
choose_history(ScopeVdaStream *stream)
{
    gboolean used[N_SLOTS] = {FALSE};
    int n = 0;

    if (stream->memory == SCOPE_VDA_MEMORY_WINDOW && stream->n_listed > 0) {
        stream->seen[n++] = stream->list[0];
        stream->seen[n++] = stream->list[1];
        for (int i = stream->n_listed - N_NEWEST; i < stream->n_listed; i++) {
            stream->seen[n++] = stream->list[i];
        }
    } else if (stream->n_listed > 0) {
        stream->seen[n++] = stream->list[0];
    }
    stream->cache.history = stream->seen;
    stream->cache.n_history = n;
    stream->cache.store = 0;
    for (int i = 0; i < stream->n_listed; i++) {
        used[stream->list[i]] = TRUE;
    }
    if (stream->memory == SCOPE_VDA_MEMORY_WINDOW) {
        while (used[stream->cache.store]) {
            stream->cache.store++;
        }
    }
}

/* Appends the current frame. */
static void
remember(ScopeVdaStream *stream)
{
    int slot = stream->cache.store;

    if (stream->memory == SCOPE_VDA_MEMORY_PREVIOUS) {
        stream->list[0] = slot;
        stream->n_listed = 1;
    } else if (stream->frame == 0) {
        for (stream->n_listed = 0; stream->n_listed < SCOPE_VDA_WINDOW; stream->n_listed++) {
            stream->list[stream->n_listed] = slot;
        }
    } else {
        stream->list[stream->n_listed++] = slot;
        if (stream->n_listed > N_LISTED) {
            stream->n_listed--;
            for (int i = 1; i < stream->n_listed; i++) {
                stream->list[i] = stream->list[i + 1];
            }
        }
    }
    stream->frame++;
}

void
scope_vda_stream_run(ScopeContext *ctx, ScopeVdaStream *stream, ScopeTensor ret_depth,
                     ScopeTensor frame)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    int64_t h = stream->net_height, w = stream->net_width;
    ScopeTensor input = scope_context_scratch(ctx, type, SCOPE_SHAPE(1, h, w, 3));
    ScopeTensor depth = scope_context_scratch(ctx, type, SCOPE_SHAPE(1, h, w));

    SCOPE_ASSERT(frame.ndim == 3 && frame.shape[0] == stream->height &&
                 frame.shape[1] == stream->width && frame.shape[2] == 3);
    SCOPE_ASSERT(ret_depth.ndim == 2 && ret_depth.shape[0] == stream->height &&
                 ret_depth.shape[1] == stream->width);
    scope_vda_prepare_frames(
        ctx, input, scope_tensor_reshape(frame, SCOPE_SHAPE(1, stream->height, stream->width, 3)));
    choose_history(stream);
    scope_vda_forward(ctx, stream->vda, depth, input, &stream->cache, NULL);
    remember(stream);
    resize_depth(
        ctx, scope_tensor_reshape(ret_depth, SCOPE_SHAPE(1, stream->height, stream->width)), depth);
    scope_arena_release(ctx->scratch, mark);
}

/* -- Statistics ------------------------------------------------------------------------------- */

static double
reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor x)
{
    const int64_t ones[SCOPE_TENSOR_MAX_DIMS] = {1, 1, 1, 1, 1, 1};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor y = scope_context_scratch(ctx, SCOPE_DTYPE_F32, x.ndim, ones);
    float value = 0;

    scope_op_reduce(ctx, kind, y, x);
    scope_context_download(ctx, &value, y);
    scope_arena_release(ctx->scratch, mark);
    return (double)value;
}

/* Around the means, where the sums do not cancel. */
void
scope_vda_fit(ScopeContext *ctx, ScopeTensor prediction, ScopeTensor target, double *ret_scale,
              double *ret_shift)
{
    const double flat = 1e-12;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    ScopeTensor p = scope_context_scratch(ctx, type, prediction.ndim, prediction.shape);
    ScopeTensor t = scope_context_scratch(ctx, type, target.ndim, target.shape);
    double mean_p = reduce(ctx, SCOPE_REDUCE_MEAN, prediction);
    double mean_t = reduce(ctx, SCOPE_REDUCE_MEAN, target), square;

    scope_op_affine(ctx, p, prediction, 1, -(float)mean_p);
    scope_op_affine(ctx, t, target, 1, -(float)mean_t);
    square = reduce(ctx, SCOPE_REDUCE_SUM_SQUARES, p);
    *ret_scale = 1;
    *ret_shift = 0;
    if (square > flat * reduce(ctx, SCOPE_REDUCE_SUM_SQUARES, prediction)) {
        scope_op_mul(ctx, t, t, p);
        *ret_scale = reduce(ctx, SCOPE_REDUCE_SUM, t) / square;
        *ret_shift = mean_t - *ret_scale * mean_p;
    }
    scope_arena_release(ctx->scratch, mark);
}

void
scope_vda_normalise(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    double lowest = reduce(ctx, SCOPE_REDUCE_MIN, x), highest = reduce(ctx, SCOPE_REDUCE_MAX, x);

    if (!(highest > lowest)) {
        scope_op_fill(ctx, y, 0);
        return;
    }
    scope_op_affine(ctx, y, x, 1, -(float)lowest);
    scope_op_affine(ctx, y, y, (float)(1 / (highest - lowest)), 0);
}

/* -- Clips ------------------------------------------------------------------------------------ */

typedef struct {
    ScopeContext *ctx;
    const ScopeVda *vda;
    ScopeTensor frames, ret_depth;
    ScopeTensor input[2]; /* [window, h, w, 3]: this window's and the last one's */
    ScopeTensor depth;    /* [window, H, W] */
    ScopeTensor
        reference; /* [2, H, W]: what the first two frames of the next window are fitted to */
} Clip;

/* Fills the input of the window that starts at @start; the overlap of later windows is replaced by
 * key frames of the window before. */
static void
prepare_window(Clip *clip, int64_t start, int current)
{
    int64_t n = clip->frames.shape[0];

    for (int64_t i = 0; i < SCOPE_VDA_WINDOW; i++) {
        ScopeTensor to = scope_tensor_slice(clip->input[current], 0, i, i + 1);
        int64_t from = MIN(start + i, n - 1);
        int64_t key = i == 0 ? 0 : i == 1 ? CLIP_ALIGN : CLIP_STEP + i;

        if (start > 0 && i < CLIP_OVERLAP) {
            scope_op_copy(clip->ctx, to,
                          scope_tensor_slice(clip->input[1 - current], 0, key, key + 1));
        } else {
            scope_vda_prepare_frames(clip->ctx, to,
                                     scope_tensor_slice(clip->frames, 0, from, from + 1));
        }
    }
}

/* Fits the depths of a later window to what came before and merges them into the result. */
static void
merge_window(Clip *clip, int64_t start)
{
    ScopeContext *ctx = clip->ctx;
    int64_t n = clip->frames.shape[0];
    double scale, shift;

    scope_vda_fit(ctx, scope_tensor_slice(clip->depth, 0, 0, CLIP_KEYFRAMES), clip->reference,
                  &scale, &shift);
    scope_op_affine(ctx, clip->depth, clip->depth, (float)scale, (float)shift);
    scope_op_clamp(ctx, clip->depth, clip->depth, 0, INFINITY);
    for (int64_t i = CLIP_KEYFRAMES; i < SCOPE_VDA_WINDOW && start + i < n; i++) {
        ScopeTensor to = scope_tensor_slice(clip->ret_depth, 0, start + i, start + i + 1);
        ScopeTensor from = scope_tensor_slice(clip->depth, 0, i, i + 1);
        float weight = (float)(i - CLIP_KEYFRAMES) / (float)(CLIP_OVERLAP - CLIP_KEYFRAMES - 1);

        if (i < CLIP_OVERLAP) {
            scope_op_scale_add(ctx, to, to, 1 - weight, from, weight);
        } else {
            scope_op_copy(ctx, to, from);
        }
    }
}

void
scope_vda_run_clip(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth,
                   ScopeTensor frames, int64_t input_size)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    int64_t n = frames.shape[0], height = frames.shape[1], width = frames.shape[2], h, w;
    Clip clip = {.ctx = ctx, .vda = vda, .frames = frames, .ret_depth = ret_depth};
    int current = 0;

    SCOPE_ASSERT(frames.ndim == 4 && n >= 1 && ret_depth.ndim == 3 && ret_depth.shape[0] == n);
    scope_vda_get_network_size(vda, height, width, input_size, &h, &w);
    for (int i = 0; i < 2; i++) {
        clip.input[i] = scope_context_scratch(ctx, type, SCOPE_SHAPE(SCOPE_VDA_WINDOW, h, w, 3));
    }
    clip.depth = scope_context_scratch(ctx, type, SCOPE_SHAPE(SCOPE_VDA_WINDOW, height, width));
    clip.reference = scope_context_scratch(ctx, type, SCOPE_SHAPE(CLIP_KEYFRAMES, height, width));
    for (int64_t start = 0; start < n; start += CLIP_STEP, current = 1 - current) {
        ScopeArenaMark inner = scope_arena_mark(ctx->scratch);
        ScopeTensor small = scope_context_scratch(ctx, type, SCOPE_SHAPE(SCOPE_VDA_WINDOW, h, w));

        prepare_window(&clip, start, current);
        scope_vda_forward(ctx, vda, small, clip.input[current], NULL, NULL);
        resize_depth(ctx, clip.depth, small);
        if (start > 0) {
            merge_window(&clip, start);
        } else {
            int64_t n_first = MIN(n, SCOPE_VDA_WINDOW);
            scope_op_copy(ctx, scope_tensor_slice(ret_depth, 0, 0, n_first),
                          scope_tensor_slice(clip.depth, 0, 0, n_first));
            scope_op_copy(ctx, scope_tensor_slice(clip.reference, 0, 0, 1),
                          scope_tensor_slice(clip.depth, 0, 0, 1));
        }
        scope_op_copy(ctx, scope_tensor_slice(clip.reference, 0, 1, 2),
                      scope_tensor_slice(clip.depth, 0, CLIP_ALIGN, CLIP_ALIGN + 1));
        scope_arena_release(ctx->scratch, inner);
    }
    scope_arena_release(ctx->scratch, mark);
}
