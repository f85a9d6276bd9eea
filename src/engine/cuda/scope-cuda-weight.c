/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of the CUDA backend: streamed from the mapped file through pinned memory and laid out as
 * the products want them. Everything lies in the weights arena. Loader thread.
 */
#include "engine/cuda/scope-cuda.h"

/* Smaller matrices gain nothing from 8 bits, and the library wants multiples of 16. */
#define E4M3_MIN_SIZE 256
#define E4M3_MULTIPLE 16

static gboolean
is_f8(ScopeDType dtype)
{
    return dtype == SCOPE_DTYPE_F8_E4M3 || dtype == SCOPE_DTYPE_F8_E5M2;
}

static gboolean
reserve_and_alloc(ScopeArena *arena, ScopeDType dtype, int ndim, const int64_t *shape,
                  ScopeTensor *ret, GError **error)
{
    size_t n_bytes = scope_tensor_n_bytes(scope_tensor_wrap(dtype, NULL, ndim, shape));
    if (!scope_arena_reserve(arena, n_bytes, error)) {
        return FALSE;
    }
    *ret = scope_arena_alloc(arena, dtype, ndim, shape);
    return TRUE;
}

/* The bias in the type of the results, which the library's epilogue adds. */
static gboolean
prepare_bias(ScopeContext *ctx, ScopeArena *arena, ScopeWeight *weight, GError **error)
{
    if (scope_tensor_is_none(weight->bias) || ctx->backend->work_dtype == SCOPE_DTYPE_F32) {
        weight->aux = weight->bias;
        return TRUE;
    }
    if (!reserve_and_alloc(arena, ctx->backend->work_dtype, SCOPE_SHAPE(weight->n_out),
                           &weight->aux, error)) {
        return FALSE;
    }
    ctx->backend->copy(ctx, weight->aux, weight->bias);
    return TRUE;
}

/* Quantises row by row; the factors of the file multiply those of the rows. */
static gboolean
prepare_e4m3(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored, ScopeWeight *weight,
             GError **error)
{
    int64_t n_out = weight->n_out, n_in = weight->n_in;
    size_t row = (size_t)n_in * scope_dtype_size(stored.dtype);
    int64_t part = MAX(1, (int64_t)(((size_t)32 << 20) / row));
    ScopeTensor given = weight->scale, scale;
    if (!reserve_and_alloc(arena, SCOPE_DTYPE_F8_E4M3, SCOPE_SHAPE(n_out, n_in), &weight->packed,
                           error) ||
        !reserve_and_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_out), &scale, error) ||
        !scope_arena_reserve(ctx->scratch, (size_t)MIN(part, n_out) * row, error)) {
        return FALSE;
    }
    for (int64_t o = 0; o < n_out; o += part) {
        int64_t n = MIN(part, n_out - o);
        ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
        ScopeTensor raw = scope_context_scratch(ctx, stored.dtype, SCOPE_SHAPE(n, n_in));
        scope_cuda_upload(ctx, raw.data, (const char *)stored.data + (size_t)o * row,
                          (size_t)n * row);
        ScopeCudaStream *s = scope_cuda_begin(ctx);
        if (s) {
            scope_cuda_check(s,
                             scope_cuda_k_quantise_rows(
                                 s->stream, scope_tensor_slice(weight->packed, 0, o, o + n),
                                 scope_tensor_slice(scale, 0, o, o + n), raw),
                             "quantising weights");
        }
        scope_arena_release(ctx->scratch, mark);
    }
    if (!scope_tensor_is_none(given)) {
        given = scope_tensor_broadcast(given, 1, scale.shape);
        ctx->backend->binary(ctx, SCOPE_BINARY_MUL, scale, scale, given);
    }
    weight->scale = scale;
    weight->layout = SCOPE_CUDA_LAYOUT_E4M3;
    return TRUE;
}

static gboolean
prepare_rows(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored, ScopeWeightStore store,
             ScopeWeight *weight, GError **error)
{
    /* 8-bit files stay so on the device, half the memory of an encoder, unless asked to unpack */
    gboolean keeps = is_f8(stored.dtype) && store == SCOPE_WEIGHT_STORE_KEEP;
    ScopeDType dtype = keeps ? stored.dtype : ctx->backend->work_dtype;
    weight->layout = SCOPE_CUDA_LAYOUT_ROWS;
    return reserve_and_alloc(arena, dtype, SCOPE_SHAPE(weight->n_out, weight->n_in),
                             &weight->packed, error) &&
           scope_cuda_upload_as(ctx, weight->packed, stored, error);
}

/* Published [O, I/g, kt, kh, kw] or, transposed, [I, O, kh, kw]: channels become the last. */
static gboolean
prepare_conv(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored, ScopeWeight *weight,
             GError **error)
{
    const int64_t *n = stored.shape;
    gboolean transposed = weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE;
    ScopeDType dtype = ctx->backend->work_dtype;
    ScopeTensor view;
    if (!scope_arena_reserve(ctx->scratch, scope_tensor_n_bytes(stored), error)) {
        return FALSE;
    }
    if (transposed) {
        if (!reserve_and_alloc(arena, dtype, SCOPE_SHAPE(n[1], n[2], n[3], n[0]), &weight->packed,
                               error)) {
            return FALSE;
        }
        view = scope_tensor_permute(weight->packed, SCOPE_ORDER(3, 0, 1, 2));
    } else {
        if (!reserve_and_alloc(arena, dtype, SCOPE_SHAPE(n[0], n[2], n[3], n[4], n[1]),
                               &weight->packed, error)) {
            return FALSE;
        }
        view = scope_tensor_permute(weight->packed, SCOPE_ORDER(0, 4, 1, 2, 3));
    }
    ctx->backend->copy(ctx, view, stored);
    weight->layout = SCOPE_CUDA_LAYOUT_CONV;
    return TRUE;
}

gboolean
scope_cuda_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                          ScopeWeightStore store, ScopeWeight *weight, GError **error)
{
    const ScopeCudaStream *s = ctx->stream;
    gboolean is_large = weight->n_in >= E4M3_MIN_SIZE && weight->n_out >= E4M3_MIN_SIZE &&
                        weight->n_in % E4M3_MULTIPLE == 0 && weight->n_out % E4M3_MULTIPLE == 0;
    gboolean done;
    weight->store = store == SCOPE_WEIGHT_STORE_INT8 ? SCOPE_WEIGHT_STORE_PACK : store;
    if (weight->kind != SCOPE_WEIGHT_KIND_LINEAR) {
        done = prepare_conv(ctx, arena, stored, weight, error);
    } else if (s->device->precision == SCOPE_PRECISION_FP8 && is_large) {
        done = prepare_e4m3(ctx, arena, stored, weight, error);
    } else {
        done = prepare_rows(ctx, arena, stored, store, weight, error);
    }
    if (!done || !prepare_bias(ctx, arena, weight, error)) {
        return FALSE;
    }
    /* a failure on the way is told here, where failing is an answer */
    return scope_cuda_begin(ctx) ? TRUE : ctx->backend->synchronize(ctx, error);
}
