/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that are one kernel each, and the movement of data that starts on the host. Own nothing;
 * take scratch. The thread that owns the context.
 */
#include "engine/cuda/scope-cuda.h"

#include <string.h>

/* Queues one kernel unless the context has failed. */
#define RUN(ctx, what, call)                                                                       \
    do {                                                                                           \
        ScopeCudaStream *s = scope_cuda_begin(ctx);                                                \
        if (s) {                                                                                   \
            scope_cuda_check(s, call, what);                                                       \
        }                                                                                          \
    } while (0)

static void
rope(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table)
{
    RUN(ctx, "rope", scope_cuda_k_rope(s->stream, y, x, table));
}

static void
norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeNormOptions *options)
{
    RUN(ctx, "norm", scope_cuda_k_norm(s->stream, y, x, *options));
}

static void
group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeGroupNormOptions *options)
{
    RUN(ctx, "group norm", scope_cuda_k_group_norm(s->stream, y, x, *options));
}

static void
softmax(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    RUN(ctx, "softmax", scope_cuda_k_softmax(s->stream, y, x, 0));
}

static void
unary(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op)
{
    RUN(ctx, "unary", scope_cuda_k_unary(s->stream, y, x, op));
}

static void
binary(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a, ScopeTensor b)
{
    RUN(ctx, "binary", scope_cuda_k_binary(s->stream, kind, y, a, b));
}

static void
scale_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b, float beta)
{
    RUN(ctx, "scale_add", scope_cuda_k_scale_add(s->stream, y, a, alpha, b, beta));
}

static void
lerp(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t)
{
    RUN(ctx, "lerp", scope_cuda_k_lerp(s->stream, y, a, b, t));
}

static void
glu(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate, ScopeActivation activation)
{
    RUN(ctx, "glu", scope_cuda_k_glu(s->stream, y, a, gate, activation));
}

static void
reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x)
{
    RUN(ctx, "reduce", scope_cuda_k_reduce(s->stream, kind, y, x));
}

static void
fill(ScopeContext *ctx, ScopeTensor y, float value)
{
    RUN(ctx, "fill", scope_cuda_k_fill(s->stream, y, value));
}

static void
random_normal(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset)
{
    RUN(ctx, "random_normal", scope_cuda_k_random_normal(s->stream, y, seed, offset));
}

/* ---- movement ------------------------------------------------------------------------------ */

/* Gathers host elements of any strides, so that one transfer can take them. */
static void
pack_host(ScopeTensor t, char *dst)
{
    size_t size = scope_dtype_size(t.dtype);
    int64_t n = scope_tensor_n_elements(t);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, offset = 0;
        for (int d = t.ndim - 1; d >= 0; d--) {
            offset += rest % t.shape[d] * t.stride[d];
            rest /= t.shape[d];
        }
        memcpy(dst + (size_t)i * size, (const char *)t.data + offset * (int64_t)size, size);
    }
}

/* A device copy of a host tensor, in scratch. */
static ScopeTensor
bring(ScopeContext *ctx, ScopeTensor t)
{
    ScopeTensor copy = scope_context_scratch(ctx, t.dtype, t.ndim, t.shape);
    size_t n_bytes = scope_tensor_n_bytes(t);
    if (scope_tensor_is_contiguous(t)) {
        scope_cuda_upload(ctx, copy.data, t.data, n_bytes);
        return copy;
    }
    g_autofree char *packed = g_malloc(MAX(n_bytes, 1));
    pack_host(t, packed);
    scope_cuda_upload(ctx, copy.data, packed, n_bytes);
    return copy;
}

static void
copy(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    SCOPE_ASSERT(y.memory == SCOPE_MEMORY_DEVICE);
    if (x.memory == SCOPE_MEMORY_HOST) {
        x = bring(ctx, x);
    }
    RUN(ctx, "copy", scope_cuda_k_copy(s->stream, y, x));
    scope_arena_release(ctx->scratch, mark);
}

static void
move_rows(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from, int64_t n_rows)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor source = scope_tensor_slice(t, 0, from, from + n_rows);
    if ((to < from ? from - to : to - from) < n_rows) { /* the ranges overlap */
        ScopeTensor held = scope_context_scratch(ctx, t.dtype, t.ndim, source.shape);
        RUN(ctx, "move_rows", scope_cuda_k_copy(s->stream, held, source));
        source = held;
    }
    RUN(ctx, "move_rows",
        scope_cuda_k_copy(s->stream, scope_tensor_slice(t, 0, to, to + n_rows), source));
    scope_arena_release(ctx->scratch, mark);
}

/* Rows of a mapped table: gathered on the host, so that only they travel. */
static ScopeTensor
gather_on_host(ScopeContext *ctx, ScopeTensor table, ScopeTensor ids)
{
    int64_t n = ids.shape[0], d = table.shape[1];
    size_t row = (size_t)d * scope_dtype_size(table.dtype);
    g_autofree char *rows = g_malloc(MAX((size_t)n * row, 1));
    for (int64_t i = 0; i < n; i++) {
        int64_t id = ids.dtype == SCOPE_DTYPE_I32 ? ((const int32_t *)ids.data)[i]
                                                  : ((const int64_t *)ids.data)[i];
        SCOPE_ASSERT(id >= 0 && id < table.shape[0]);
        memcpy(rows + (size_t)i * row,
               (const char *)table.data +
                   id * table.stride[0] * (int64_t)scope_dtype_size(table.dtype),
               row);
    }
    ScopeTensor gathered = scope_context_scratch(ctx, table.dtype, SCOPE_SHAPE(n, d));
    scope_cuda_upload(ctx, gathered.data, rows, (size_t)n * row);
    return gathered;
}

static void
gather_rows(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    if (table.memory == SCOPE_MEMORY_HOST) {
        ScopeTensor rows = gather_on_host(ctx, table, ids);
        RUN(ctx, "gather_rows", scope_cuda_k_copy(s->stream, y, rows));
    } else {
        for (int64_t i = 0; i < ids.shape[0]; i++) {
            int64_t id = ids.dtype == SCOPE_DTYPE_I32 ? ((const int32_t *)ids.data)[i]
                                                      : ((const int64_t *)ids.data)[i];
            SCOPE_ASSERT(id >= 0 && id < table.shape[0]);
        }
        ScopeTensor there = bring(ctx, ids);
        RUN(ctx, "gather_rows", scope_cuda_k_gather_rows(s->stream, y, table, there));
    }
    scope_arena_release(ctx->scratch, mark);
}

/* ---- images -------------------------------------------------------------------------------- */

static void
resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeResizeOptions *options)
{
    ScopeImageArgs args = {.y = y, .x = x, .resize = *options};
    RUN(ctx, "resize", scope_cuda_k_resize(s->stream, args));
}

static void
grid_sample(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
            ScopeSampleMode mode, ScopePadMode pad)
{
    ScopeImageArgs args = {.y = y, .x = x, .coords = coords, .sample = mode, .pad = pad};
    RUN(ctx, "grid_sample", scope_cuda_k_grid_sample(s->stream, args));
}

static void
pool2d(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind, int size)
{
    ScopeImageArgs args = {.y = y, .x = x, .pool = kind, .size = size};
    RUN(ctx, "pool2d", scope_cuda_k_pool2d(s->stream, args));
}

static void
pad(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top, int left)
{
    ScopeImageArgs args = {.y = y, .x = x, .pad = mode, .top = top, .left = left};
    RUN(ctx, "pad", scope_cuda_k_pad(s->stream, args));
}

void
scope_cuda_backend_fill_small(ScopeBackend *table)
{
    table->rope = rope;
    table->norm = norm;
    table->group_norm = group_norm;
    table->softmax = softmax;
    table->unary = unary;
    table->binary = binary;
    table->scale_add = scale_add;
    table->lerp = lerp;
    table->glu = glu;
    table->reduce = reduce;
    table->fill = fill;
    table->random_normal = random_normal;
    table->copy = copy;
    table->move_rows = move_rows;
    table->gather_rows = gather_rows;
    table->resize = resize;
    table->grid_sample = grid_sample;
    table->pool2d = pool2d;
    table->pad = pad;
}
