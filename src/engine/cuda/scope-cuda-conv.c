/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions of the CUDA backend: cuDNN where it has a plan, after the input was brought into the
 * form that it takes; else the plain kernel. Owns nothing; takes scratch. The thread that owns the
 * context.
 */
#include "engine/cuda/scope-cuda.h"

/* [context, x] as one tensor: a view when the state lies right before the input, else a copy. */
static ScopeTensor
join_context(ScopeContext *ctx, ScopeTensor context, ScopeTensor x)
{
    if (scope_tensor_is_none(context) || context.shape[0] == 0) {
        return x;
    }
    int64_t p = context.shape[0], n = p + x.shape[0];
    const int64_t shape[4] = {n, x.shape[1], x.shape[2], x.shape[3]};
    gboolean adjacent = TRUE;
    for (int d = 0; d < 4; d++) {
        adjacent = adjacent && context.stride[d] == x.stride[d];
    }
    if (adjacent && (char *)context.data + p * x.stride[0] * (int64_t)scope_dtype_size(x.dtype) ==
                        (char *)x.data) {
        return scope_tensor_as_strided(context, 0, 4, shape, x.stride);
    }
    ScopeTensor all = scope_context_scratch(ctx, x.dtype, 4, shape);
    ctx->backend->copy(ctx, scope_tensor_slice(all, 0, 0, p), context);
    ctx->backend->copy(ctx, scope_tensor_slice(all, 0, p, n), x);
    return all;
}

/* Enlarges and pads as far as the library cannot; @g then describes what is left to do. */
static ScopeTensor
simplify(ScopeContext *ctx, ScopeTensor x, ScopeConvGeometry *g)
{
    if (g->upsample == 2) {
        ScopeTensor large = scope_context_scratch(
            ctx, x.dtype, SCOPE_SHAPE(x.shape[0], x.shape[1] * 2, x.shape[2] * 2, x.shape[3]));
        const ScopeResizeOptions nearest = {.mode = SCOPE_RESIZE_NEAREST};
        ctx->backend->resize(ctx, large, x, &nearest);
        x = large;
        g->upsample = 1;
    }
    if (g->pad_mode != SCOPE_PAD_ZEROS) {
        ScopeTensor padded =
            scope_context_scratch(ctx, x.dtype,
                                  SCOPE_SHAPE(x.shape[0], x.shape[1] + g->pad_top + g->pad_bottom,
                                              x.shape[2] + g->pad_left + g->pad_right, x.shape[3]));
        ctx->backend->pad(ctx, padded, x, g->pad_mode, g->pad_top, g->pad_left);
        x = padded;
        g->pad_mode = SCOPE_PAD_ZEROS;
        g->pad_top = g->pad_bottom = g->pad_left = g->pad_right = 0;
    }
    return x;
}

static ScopeTensor
image_rows(ScopeTensor y)
{
    return scope_tensor_reshape(y, SCOPE_SHAPE(y.shape[0] * y.shape[1] * y.shape[2], y.shape[3]));
}

/* The convolution by the library, into @y or scratch, and the pass that finishes it. */
static int
library_conv(ScopeContext *ctx, ScopeCudaStream *s, const ScopeConvArgs *args)
{
    ScopeCudaConv c = {.y = args->y, .w = args->packed, .geometry = args->geometry};
    if (!s->dnn || c.geometry.groups > 1) {
        return SCOPE_CUDA_NO_PLAN;
    }
    c.x = simplify(ctx, join_context(ctx, args->context, args->x), &c.geometry);
    if (!scope_tensor_is_none(args->finish.epilogue.residual)) {
        c.y = scope_context_scratch(ctx, args->y.dtype, 4, args->y.shape);
    }
    gsize n_bytes = 0;
    int code = scope_cuda_dnn_plan_conv(s->dnn, &c, &n_bytes);
    if (code != SCOPE_CUDA_DONE) {
        return code;
    }
    ScopeTensor workspace =
        scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE((int64_t)n_bytes));
    if (!scope_cuda_begin(ctx)) {
        return SCOPE_CUDA_DONE; /* scratch is exhausted, which is noted */
    }
    code = scope_cuda_dnn_run_conv(s->dnn, &c, workspace.data);
    return code == SCOPE_CUDA_DONE
               ? scope_cuda_k_finish(s->stream, image_rows(args->y), image_rows(c.y), args->finish)
               : code;
}

void
scope_cuda_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                const ScopeConvOptions *options)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s) {
        return;
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeConvArgs args = {
        .y = y,
        .x = x,
        .context = options->context,
        .packed = weight->packed,
        .n_in = weight->n_in,
        .n_out = weight->n_out,
        .kernel_t = weight->kernel_t,
        .kernel_h = weight->kernel_h,
        .kernel_w = weight->kernel_w,
        .geometry = weight->geometry,
        .finish = {.scale = weight->scale, .bias = weight->bias, .epilogue = options->epilogue}};
    int code = library_conv(ctx, s, &args);
    if (code == SCOPE_CUDA_NO_PLAN && scope_cuda_begin(ctx)) {
        code = scope_cuda_k_conv(s->stream, args);
    }
    scope_cuda_check(s, code, "convolution");
    scope_arena_release(ctx->scratch, mark);
}

void
scope_cuda_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                          const ScopeWeight *weight, const ScopeEpilogue *epilogue)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s) {
        return;
    }
    ScopeConvArgs args = {
        .y = y,
        .x = x,
        .packed = weight->packed,
        .n_in = weight->n_in,
        .n_out = weight->n_out,
        .kernel_t = 1,
        .kernel_h = weight->kernel_h,
        .kernel_w = weight->kernel_w,
        .geometry = weight->geometry,
        .finish = {.scale = weight->scale, .bias = weight->bias, .epilogue = *epilogue}};
    scope_cuda_check(s, scope_cuda_k_conv_transpose(s->stream, args), "transposed convolution");
}
