/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of the CPU backend: linear weights stay as stored or become f32; convolutions are packed
 * elsewhere. Also applies bias, scale and epilogue to finished sums. Owns nothing. Any thread.
 */
#include "engine/cpu/scope-cpu.h"

gboolean
scope_cpu_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                         ScopeWeightStore store, ScopeWeight *weight, GError **error)
{
    (void)ctx;
    if (weight->kind != SCOPE_WEIGHT_KIND_LINEAR) {
        weight->store = SCOPE_WEIGHT_STORE_PACK;
        return scope_cpu_prepare_conv(arena, stored, weight, error);
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
