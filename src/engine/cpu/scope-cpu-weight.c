/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of the CPU backend: linear weights stay as stored or become f32; convolutions are packed
 * elsewhere. Also applies bias, scale and epilogue to finished sums. Owns nothing. Any thread.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>

/* Room for one scale per output; takes over a scale that the file had. */
gboolean
scope_cpu_prepare_scales(ScopeArena *arena, ScopeWeight *weight, GError **error)
{
    if (!scope_arena_reserve(arena, (size_t)weight->n_out * sizeof(float), error)) {
        return FALSE;
    }
    ScopeTensor given = weight->scale;
    weight->scale = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(weight->n_out));
    float *scale = weight->scale.data;
    for (int64_t o = 0; o < weight->n_out; o++) {
        scale[o] = scope_tensor_is_none(given)
                       ? 1.0F
                       : ((const float *)given.data)[given.shape[0] > 1 ? o : 0];
    }
    return TRUE;
}

/* One row of 8-bit weights; returns the value of one step. */
static float
quantize_row(const float *row, int64_t n, int8_t *q)
{
    float top = scope_kernels_get()->abs_max(row, n), factor = top > 0.0F ? 127.0F / top : 0.0F;
    for (int64_t i = 0; i < n; i++) {
        q[i] = (int8_t)rintf(row[i] * factor);
    }
    return top / 127.0F;
}

static gboolean
prepare_int8(ScopeArena *arena, ScopeTensor stored, ScopeWeight *weight, GError **error)
{
    int64_t n_out = weight->n_out, n_in = weight->n_in;
    if (!scope_cpu_prepare_scales(arena, weight, error) ||
        !scope_arena_reserve(arena, (size_t)(n_out * n_in), error)) {
        return FALSE;
    }
    weight->store = SCOPE_WEIGHT_STORE_INT8;
    weight->packed = scope_arena_alloc(arena, SCOPE_DTYPE_I8, SCOPE_SHAPE(n_out, n_in));
    g_autofree float *row = g_new(float, n_in);
    int64_t row_bytes = n_in * (int64_t)scope_dtype_size(stored.dtype);
    for (int64_t o = 0; o < n_out; o++) {
        scope_kernels_get()->widen(stored.dtype, (const char *)stored.data + o * row_bytes, row,
                                   n_in);
        ((float *)weight->scale.data)[o] *=
            quantize_row(row, n_in, (int8_t *)weight->packed.data + o * n_in);
    }
    return TRUE;
}

gboolean
scope_cpu_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                         ScopeWeightStore store, ScopeWeight *weight, GError **error)
{
    (void)ctx;
    if (weight->kind != SCOPE_WEIGHT_KIND_LINEAR) {
        weight->store = store == SCOPE_WEIGHT_STORE_INT8 && weight->geometry.groups == 1
                            ? SCOPE_WEIGHT_STORE_INT8
                            : SCOPE_WEIGHT_STORE_PACK;
        return scope_cpu_prepare_conv(arena, stored, weight, error);
    }
    if (store == SCOPE_WEIGHT_STORE_INT8) {
        return prepare_int8(arena, stored, weight, error);
    }
    if (store == SCOPE_WEIGHT_STORE_KEEP) {
        weight->store = SCOPE_WEIGHT_STORE_KEEP;
        weight->stored = stored;
        return TRUE;
    }
    int64_t n = scope_tensor_n_elements(stored);
    if (!scope_arena_reserve(arena, (size_t)n * sizeof(float), error)) {
        return FALSE;
    }
    weight->store = SCOPE_WEIGHT_STORE_PACK;
    weight->packed = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n));
    scope_dtype_to_f32(stored.dtype, stored.data, weight->packed.data, n);
    return TRUE;
}

void
scope_cpu_finish_rows(const ScopeKernels *k, const ScopeWeight *weight, const ScopeEpilogue *e,
                      int64_t row, int64_t row_step, int64_t n_rows, int64_t first, int64_t n_out,
                      const float *sums, int64_t sum_row, float *y, int64_t y_row)
{
    const float *bias = weight->bias.data, *scale = weight->scale.data;
    ScopeFinish f = {.activation = e->activation,
                     .activation_param = e->activation_param,
                     .final_activation = e->final_activation,
                     .final_param = e->final_param,
                     .bias = bias ? bias + first : NULL};
    f.scale_is_vector = scale && weight->scale.shape[0] > 1;
    f.scale = f.scale_is_vector ? scale + first : scale;
    while (n_rows > 0) {
        int64_t n = n_rows;
        if (!scope_tensor_is_none(e->gate)) {
            n = MIN(n, (e->gate_rows - row % e->gate_rows + row_step - 1) / row_step);
            f.gate = (const float *)e->gate.data + row / e->gate_rows * e->gate.stride[0] + first;
        }
        if (!scope_tensor_is_none(e->residual)) {
            f.residual = (const float *)e->residual.data + row * e->residual.stride[0] + first;
            f.residual_row = e->residual.stride[0] * row_step;
        }
        k->finish(&f, sums, sum_row, y, y_row, n, n_out);
        row += n * row_step;
        n_rows -= n;
        sums += n * sum_row;
        y += n * y_row;
    }
}
