/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products of the CUDA backend: what the library's epilogue can do is done there, a second kernel
 * does the rest, and where the library has no plan one kernel does all. Owns nothing; takes
 * scratch. The thread that owns the context.
 */
#include "engine/cuda/scope-cuda.h"

/* Splits scale, bias and epilogue: what the library does leaves @rest, which is not @all then. */
static void
split_epilogue(const ScopeWeight *weight, ScopeCudaProduct *p, ScopeFinishArgs *rest)
{
    ScopeEpilogue *e = &rest->epilogue;
    gboolean simple =
        e->activation == SCOPE_ACTIVATION_NONE || e->activation == SCOPE_ACTIVATION_GELU_TANH;
    if (!simple || !scope_tensor_is_none(rest->scale)) {
        return;
    }
    p->bias = weight->aux;
    p->gelu = e->activation == SCOPE_ACTIVATION_GELU_TANH;
    rest->bias = SCOPE_TENSOR_NONE;
    e->activation = SCOPE_ACTIVATION_NONE;
    if (!p->gelu && scope_tensor_is_none(e->gate) && !scope_tensor_is_none(e->residual)) {
        p->add = e->residual;
        e->residual = SCOPE_TENSOR_NONE;
    }
}

static gboolean
is_finished(const ScopeFinishArgs *f)
{
    return scope_tensor_is_none(f->scale) && scope_tensor_is_none(f->bias) &&
           f->epilogue.activation == SCOPE_ACTIVATION_NONE &&
           scope_tensor_is_none(f->epilogue.gate) && scope_tensor_is_none(f->epilogue.residual) &&
           f->epilogue.final_activation == SCOPE_ACTIVATION_NONE;
}

static ScopeTensor
as_batch(ScopeTensor t)
{
    return scope_tensor_as_strided(t, 0, SCOPE_SHAPE(1, t.shape[0], t.shape[1]),
                                   (const int64_t[]){0, t.stride[0], t.stride[1]});
}

/* The product by the library and what it left to do. Returns: as the library. */
static int
library_linear(ScopeContext *ctx, ScopeCudaStream *s, ScopeCudaProduct *p, ScopeTensor y,
               const ScopeWeight *weight, ScopeFinishArgs rest)
{
    if (!s->blas) {
        return SCOPE_CUDA_NO_PLAN;
    }
    split_epilogue(weight, p, &rest);
    ScopeTensor sums = y;
    if (!scope_tensor_is_none(rest.epilogue.residual)) {
        /* the residual may be the output, and is read after the product is written */
        sums = scope_context_scratch(ctx, y.dtype, y.ndim, y.shape);
    }
    p->y = as_batch(sums);
    int code = scope_cuda_blas_product(s->blas, p);
    if (code == SCOPE_CUDA_DONE && !is_finished(&rest)) {
        code = scope_cuda_k_finish(s->stream, y, sums, rest);
    }
    return code;
}

static void
linear_e4m3(ScopeContext *ctx, ScopeCudaStream *s, ScopeTensor y, ScopeTensor x,
            const ScopeWeight *weight, const ScopeFinishArgs *all)
{
    ScopeTensor q =
        scope_context_scratch(ctx, SCOPE_DTYPE_F8_E4M3, SCOPE_SHAPE(x.shape[0], x.shape[1]));
    ScopeTensor scale = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(x.shape[0]));
    if (!scope_cuda_begin(ctx)) {
        return;
    }
    scope_cuda_check(s, scope_cuda_k_quantise_rows(s->stream, q, scale, x), "quantising rows");
    ScopeCudaProduct p = {.x = as_batch(q),
                          .w = as_batch(weight->packed),
                          .x_scale = scale,
                          .w_scale = weight->scale,
                          .alpha = 1.0F};
    ScopeFinishArgs rest = *all;
    rest.scale = SCOPE_TENSOR_NONE;
    int code = library_linear(ctx, s, &p, y, weight, rest);
    if (code == SCOPE_CUDA_NO_PLAN) {
        code = scope_cuda_k_linear(s->stream, y, q, scale, weight->packed, *all);
    }
    scope_cuda_check(s, code, "linear in 8 bits");
}

void
scope_cuda_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                  const ScopeEpilogue *epilogue)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s) {
        return;
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeFinishArgs all = {.scale = weight->scale, .bias = weight->bias, .epilogue = *epilogue};
    if (weight->layout == SCOPE_CUDA_LAYOUT_E4M3) {
        linear_e4m3(ctx, s, y, x, weight, &all);
        scope_arena_release(ctx->scratch, mark);
        return;
    }
    ScopeTensor w = scope_cuda_contiguous(ctx, weight->packed, ctx->backend->work_dtype);
    if (scope_cuda_begin(ctx)) {
        ScopeCudaProduct p = {.x = as_batch(x), .w = as_batch(w), .alpha = 1.0F};
        int code = library_linear(ctx, s, &p, y, weight, all);
        if (code == SCOPE_CUDA_NO_PLAN) {
            code = scope_cuda_k_linear(s->stream, y, x, SCOPE_TENSOR_NONE, w, all);
        }
        scope_cuda_check(s, code, "linear");
    }
    scope_arena_release(ctx->scratch, mark);
}

void
scope_cuda_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s) {
        return;
    }
    if (a.shape[2] == 0) {
        scope_cuda_check(s, scope_cuda_k_fill(s->stream, y, 0.0F), "matmul");
        return;
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    if (a.stride[2] != 1) {
        a = scope_cuda_contiguous(ctx, a, a.dtype);
    }
    if (b.stride[1] != 1 && b.stride[2] != 1) {
        b = scope_cuda_contiguous(ctx, b, b.dtype);
    }
    if (scope_cuda_begin(ctx)) {
        ScopeCudaProduct p = {.y = y, .x = a, .w = scope_tensor_transpose(b, 1, 2), .alpha = alpha};
        int code = s->blas ? scope_cuda_blas_product(s->blas, &p) : SCOPE_CUDA_NO_PLAN;
        if (code == SCOPE_CUDA_NO_PLAN) {
            code = scope_cuda_k_matmul(s->stream, y, a, b, alpha);
        }
        scope_cuda_check(s, code, "matmul");
    }
    scope_arena_release(ctx->scratch, mark);
}
