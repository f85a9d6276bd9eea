/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry points of the elementwise ops, data movement and image ops: check shapes and types, then
 * call the backend. Own nothing. The thread that owns the context.
 */
#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

static gboolean
is_work(const ScopeContext *ctx, ScopeTensor t)
{
    return t.dtype == ctx->backend->work_dtype;
}

static gboolean
is_operand(const ScopeContext *ctx, ScopeTensor t)
{
    return is_work(ctx, t) || t.dtype == SCOPE_DTYPE_F32;
}

static gboolean
is_image(const ScopeContext *ctx, ScopeTensor t)
{
    return t.ndim == 4 && is_operand(ctx, t) && (t.stride[3] == 1 || t.shape[3] == 1);
}

void
scope_op_unary(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op)
{
    SCOPE_ASSERT(is_operand(ctx, y) && is_operand(ctx, x) && scope_tensor_same_shape(y, x));
    ctx->backend->unary(ctx, y, x, op);
}

void
scope_op_activation(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeActivation act)
{
    scope_op_unary(ctx, y, x, (ScopeUnary){.kind = SCOPE_UNARY_ACTIVATION, .activation = act});
}

void
scope_op_affine(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, float scale, float offset)
{
    scope_op_unary(ctx, y, x, (ScopeUnary){.kind = SCOPE_UNARY_AFFINE, .a = scale, .b = offset});
}

void
scope_op_clamp(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, float lo, float hi)
{
    scope_op_unary(ctx, y, x, (ScopeUnary){.kind = SCOPE_UNARY_CLAMP, .a = lo, .b = hi});
}

void
scope_op_binary(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                ScopeTensor b)
{
    SCOPE_ASSERT(is_operand(ctx, y) && is_operand(ctx, a) && is_operand(ctx, b));
    a = scope_tensor_broadcast(a, y.ndim, y.shape);
    b = scope_tensor_broadcast(b, y.ndim, y.shape);
    ctx->backend->binary(ctx, kind, y, a, b);
}

void
scope_op_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b)
{
    scope_op_binary(ctx, SCOPE_BINARY_ADD, y, a, b);
}

void
scope_op_mul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b)
{
    scope_op_binary(ctx, SCOPE_BINARY_MUL, y, a, b);
}

void
scope_op_scale_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                   float beta)
{
    SCOPE_ASSERT(is_operand(ctx, y) && is_operand(ctx, a) && is_operand(ctx, b));
    a = scope_tensor_broadcast(a, y.ndim, y.shape);
    b = scope_tensor_broadcast(b, y.ndim, y.shape);
    ctx->backend->scale_add(ctx, y, a, alpha, b, beta);
}

void
scope_op_lerp(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t)
{
    SCOPE_ASSERT(is_operand(ctx, y) && is_operand(ctx, a) && is_operand(ctx, b));
    SCOPE_ASSERT(is_operand(ctx, t));
    a = scope_tensor_broadcast(a, y.ndim, y.shape);
    b = scope_tensor_broadcast(b, y.ndim, y.shape);
    t = scope_tensor_broadcast(t, y.ndim, y.shape);
    ctx->backend->lerp(ctx, y, a, b, t);
}

void
scope_op_glu(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
             ScopeActivation activation)
{
    SCOPE_ASSERT(is_operand(ctx, y) && is_operand(ctx, a) && is_operand(ctx, gate));
    SCOPE_ASSERT(scope_tensor_same_shape(y, a) && scope_tensor_same_shape(y, gate));
    ctx->backend->glu(ctx, y, a, gate, activation);
}

void
scope_op_reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x)
{
    SCOPE_ASSERT(y.dtype == SCOPE_DTYPE_F32 && is_operand(ctx, x) && y.ndim == x.ndim);
    for (int d = 0; d < x.ndim; d++) {
        SCOPE_ASSERT(y.shape[d] == x.shape[d] || (y.shape[d] == 1 && x.shape[d] > 0));
    }
    ctx->backend->reduce(ctx, kind, y, x);
}

void
scope_op_copy(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    SCOPE_ASSERT(scope_tensor_same_shape(y, x));
    ctx->backend->copy(ctx, y, x);
}

void
scope_op_move_rows(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from, int64_t n_rows)
{
    SCOPE_ASSERT(t.ndim >= 1 && n_rows >= 0 && to >= 0 && from >= 0);
    SCOPE_ASSERT(to + n_rows <= t.shape[0] && from + n_rows <= t.shape[0]);
    if (n_rows > 0 && to != from) {
        SCOPE_ASSERT(scope_tensor_is_contiguous(scope_tensor_select(t, 0, 0)));
        ctx->backend->move_rows(ctx, t, to, from, n_rows);
    }
}

void
scope_op_fill(ScopeContext *ctx, ScopeTensor y, float value)
{
    ctx->backend->fill(ctx, y, value);
}

void
scope_op_gather_rows(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids)
{
    SCOPE_ASSERT(is_operand(ctx, y) && y.ndim == 2 && table.ndim == 2 && ids.ndim == 1);
    SCOPE_ASSERT(scope_dtype_is_float(table.dtype) && ids.memory == SCOPE_MEMORY_HOST);
    SCOPE_ASSERT(ids.dtype == SCOPE_DTYPE_I32 || ids.dtype == SCOPE_DTYPE_I64);
    SCOPE_ASSERT(y.shape[0] == ids.shape[0] && y.shape[1] == table.shape[1]);
    SCOPE_ASSERT(scope_tensor_is_contiguous(ids));
    SCOPE_ASSERT(y.stride[1] == 1 && table.stride[1] == 1);
    ctx->backend->gather_rows(ctx, y, table, ids);
}

void
scope_op_random_normal(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset)
{
    SCOPE_ASSERT(is_operand(ctx, y) && scope_tensor_is_contiguous(y));
    ctx->backend->random_normal(ctx, y, seed, offset);
}

void
scope_op_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeResizeOptions *options)
{
    SCOPE_ASSERT(is_image(ctx, y) && is_image(ctx, x));
    SCOPE_ASSERT(x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3]);
    SCOPE_ASSERT(x.shape[1] > 0 && x.shape[2] > 0 && y.shape[1] > 0 && y.shape[2] > 0);
    ctx->backend->resize(ctx, y, x, options);
}

void
scope_op_grid_sample(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
                     ScopeSampleMode mode, ScopePadMode pad)
{
    SCOPE_ASSERT(is_image(ctx, y) && is_image(ctx, x) && coords.ndim == 4);
    SCOPE_ASSERT(coords.dtype == SCOPE_DTYPE_F32 && coords.stride[3] == 1 && coords.shape[3] == 2);
    for (int d = 0; d < 3; d++) {
        SCOPE_ASSERT(coords.shape[d] == y.shape[d]);
    }
    SCOPE_ASSERT(x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3]);
    SCOPE_ASSERT(pad == SCOPE_PAD_ZEROS || pad == SCOPE_PAD_BORDER);
    ctx->backend->grid_sample(ctx, y, x, coords, mode, pad);
}

void
scope_op_pool2d(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind, int size)
{
    SCOPE_ASSERT(is_image(ctx, y) && is_image(ctx, x) && scope_tensor_is_contiguous(y));
    SCOPE_ASSERT(size >= 1 && x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3]);
    SCOPE_ASSERT(y.shape[1] == x.shape[1] / size && y.shape[2] == x.shape[2] / size);
    ctx->backend->pool2d(ctx, y, x, kind, size);
}

void
scope_op_pad(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top, int left)
{
    SCOPE_ASSERT(is_image(ctx, y) && is_image(ctx, x) && scope_tensor_is_contiguous(y));
    SCOPE_ASSERT(x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3] && top >= 0 && left >= 0);
    int64_t bottom = y.shape[1] - top - x.shape[1], right = y.shape[2] - left - x.shape[2];
    SCOPE_ASSERT(bottom >= 0 && right >= 0);
    SCOPE_ASSERT(mode != SCOPE_PAD_REFLECT ||
                 (MAX(top, bottom) < x.shape[1] && MAX(left, right) < x.shape[2]));
    ctx->backend->pad(ctx, y, x, mode, top, left);
}

/* [T,H,W,C*r*r] seen as [T*H, W, C, r, r], and the large image as [T*H, r, W, r, C]. */
static void
shuffle_views(ScopeTensor *small, ScopeTensor *large, int r)
{
    ScopeTensor s = *small, l = *large;
    SCOPE_ASSERT(s.ndim == 4 && l.ndim == 4 && r >= 1);
    SCOPE_ASSERT(scope_tensor_is_contiguous(s) && scope_tensor_is_contiguous(l));
    int64_t th = s.shape[0] * s.shape[1], w = s.shape[2], c = l.shape[3];
    SCOPE_ASSERT(l.shape[0] == s.shape[0] && l.shape[1] == s.shape[1] * r);
    SCOPE_ASSERT(l.shape[2] == w * r && s.shape[3] == c * r * r);
    s = scope_tensor_reshape(s, SCOPE_SHAPE(th, w, c, r, r));
    *small = scope_tensor_permute(s, SCOPE_ORDER(0, 3, 1, 4, 2));
    *large = scope_tensor_reshape(l, SCOPE_SHAPE(th, r, w, r, c));
}

void
scope_op_pixel_shuffle(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, int r)
{
    shuffle_views(&x, &y, r);
    scope_op_copy(ctx, y, x);
}

void
scope_op_pixel_unshuffle(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, int r)
{
    shuffle_views(&y, &x, r);
    scope_op_copy(ctx, y, x);
}
