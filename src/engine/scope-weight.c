/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preparing weights: checks the published layout, copies bias and scale as f32, and lets the
 * backend pack the values. Loader or worker thread.
 */
#include "engine/scope-weight.h"

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

/* Copies a small host vector into the arena as f32; an absent tensor stays absent. */
static gboolean
copy_vector(ScopeContext *ctx, ScopeArena *arena, ScopeTensor t, ScopeTensor *ret, GError **error)
{
    if (scope_tensor_is_none(t)) {
        *ret = SCOPE_TENSOR_NONE;
        return TRUE;
    }
    int64_t n = scope_tensor_n_elements(t);
    SCOPE_ASSERT(scope_dtype_is_float(t.dtype) && scope_tensor_is_contiguous(t));
    if (!scope_arena_reserve(arena, (size_t)n * sizeof(float), error)) {
        return FALSE;
    }
    g_autofree float *values = g_new(float, MAX(n, 1));
    scope_dtype_to_f32(t.dtype, t.data, values, n);
    *ret = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n));
    scope_context_upload(ctx, *ret, values);
    return TRUE;
}

static gboolean
prepare(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored, const ScopeWeightOptions *options,
        ScopeWeight *weight, GError **error)
{
    static const ScopeWeightOptions defaults = {0};
    options = options ? options : &defaults;
    SCOPE_ASSERT(scope_dtype_is_float(stored.dtype) && stored.memory == SCOPE_MEMORY_HOST);
    if (!stored.data && !scope_context_synchronize(ctx, error)) {
        return FALSE; /* there was no memory for it */
    }
    SCOPE_ASSERT(stored.data);
    if (!copy_vector(ctx, arena, options->bias, &weight->bias, error) ||
        !copy_vector(ctx, arena, options->scale, &weight->scale, error)) {
        return FALSE;
    }
    SCOPE_ASSERT(scope_tensor_is_none(weight->bias) || weight->bias.shape[0] == weight->n_out);
    SCOPE_ASSERT(scope_tensor_is_none(weight->scale) || weight->scale.shape[0] == 1 ||
                 weight->scale.shape[0] == weight->n_out);
    return ctx->backend->prepare_weight(ctx, arena, stored, options->store, weight, error);
}

gboolean
scope_weight_prepare_linear(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                            const ScopeWeightOptions *options, ScopeWeight *ret_weight,
                            GError **error)
{
    SCOPE_ASSERT(stored.ndim == 2 && scope_tensor_is_contiguous(stored));
    ScopeWeight weight = {.kind = SCOPE_WEIGHT_KIND_LINEAR,
                          .n_out = stored.shape[0],
                          .n_in = stored.shape[1],
                          .kernel_t = 1,
                          .kernel_h = 1,
                          .kernel_w = 1,
                          .geometry = SCOPE_CONV_GEOMETRY_INIT};
    if (!prepare(ctx, arena, stored, options, &weight, error)) {
        return FALSE;
    }
    *ret_weight = weight;
    return TRUE;
}

static void
check_geometry(const ScopeConvGeometry *g)
{
    SCOPE_ASSERT(g->stride_t >= 1 && g->stride_h >= 1 && g->stride_w >= 1);
    SCOPE_ASSERT(g->dilation_h >= 1 && g->dilation_w >= 1 && g->groups >= 1);
    SCOPE_ASSERT(g->upsample == 1 || g->upsample == 2);
    SCOPE_ASSERT(g->pad_top >= 0 && g->pad_bottom >= 0 && g->pad_left >= 0 && g->pad_right >= 0);
}

gboolean
scope_weight_prepare_conv(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                          const ScopeConvGeometry *geometry, const ScopeWeightOptions *options,
                          ScopeWeight *ret_weight, GError **error)
{
    SCOPE_ASSERT(stored.ndim == 4 || stored.ndim == 5);
    check_geometry(geometry);
    if (stored.ndim == 4) {
        int64_t o = stored.shape[0], i = stored.shape[1];
        stored =
            scope_tensor_reshape(stored, SCOPE_SHAPE(o, i, 1, stored.shape[2], stored.shape[3]));
    }
    SCOPE_ASSERT(stored.shape[0] % geometry->groups == 0);
    ScopeWeight weight = {.kind = SCOPE_WEIGHT_KIND_CONV,
                          .n_out = stored.shape[0],
                          .n_in = stored.shape[1] * geometry->groups,
                          .kernel_t = (int)stored.shape[2],
                          .kernel_h = (int)stored.shape[3],
                          .kernel_w = (int)stored.shape[4],
                          .geometry = *geometry};
    if (!prepare(ctx, arena, stored, options, &weight, error)) {
        return FALSE;
    }
    *ret_weight = weight;
    return TRUE;
}

gboolean
scope_weight_prepare_conv_transpose(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                    const ScopeConvGeometry *geometry,
                                    const ScopeWeightOptions *options, ScopeWeight *ret_weight,
                                    GError **error)
{
    SCOPE_ASSERT(stored.ndim == 4 && geometry->groups == 1 && geometry->upsample == 1);
    SCOPE_ASSERT(geometry->dilation_h == 1 && geometry->dilation_w == 1);
    check_geometry(geometry);
    ScopeWeight weight = {.kind = SCOPE_WEIGHT_KIND_CONV_TRANSPOSE,
                          .n_out = stored.shape[1],
                          .n_in = stored.shape[0],
                          .kernel_t = 1,
                          .kernel_h = (int)stored.shape[2],
                          .kernel_w = (int)stored.shape[3],
                          .geometry = *geometry};
    if (!prepare(ctx, arena, stored, options, &weight, error)) {
        return FALSE;
    }
    *ret_weight = weight;
    return TRUE;
}

void
scope_weight_conv_output_size(const ScopeWeight *weight, int64_t n_frames, int64_t height,
                              int64_t width, int64_t ret_size[3])
{
    const ScopeConvGeometry *g = &weight->geometry;
    if (weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE) {
        ret_size[0] = n_frames;
        ret_size[1] = (height - 1) * g->stride_h - g->pad_top - g->pad_bottom + weight->kernel_h +
                      g->output_pad_h;
        ret_size[2] = (width - 1) * g->stride_w - g->pad_left - g->pad_right + weight->kernel_w +
                      g->output_pad_w;
        return;
    }
    SCOPE_ASSERT(weight->kind == SCOPE_WEIGHT_KIND_CONV);
    int64_t reach_h = (int64_t)(weight->kernel_h - 1) * g->dilation_h;
    int64_t reach_w = (int64_t)(weight->kernel_w - 1) * g->dilation_w;
    int64_t span_h = height * g->upsample + g->pad_top + g->pad_bottom - reach_h;
    int64_t span_w = width * g->upsample + g->pad_left + g->pad_right - reach_w;
    SCOPE_ASSERT(n_frames >= weight->kernel_t && span_h >= 1 && span_w >= 1);
    ret_size[0] = (n_frames - weight->kernel_t) / g->stride_t + 1;
    ret_size[1] = (span_h - 1) / g->stride_h + 1;
    ret_size[2] = (span_w - 1) / g->stride_w + 1;
}
