/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights of the CPU backend: packs convolution kernels as [kt, kh, kw, group, I/group, O/group]
 * f32 and, on request, linear weights as f32. Also applies bias, scale and epilogue to finished
 * rows.
 */
#include "engine/cpu/scope-cpu.h"

/* [O, I/g, kt, kh, kw] of any type to [taps][g][I/g][O/g] f32. */
static void
pack_conv(ScopeTensor stored, const ScopeWeight *w, float *dst)
{
    int64_t groups = w->geometry.groups, og = w->n_out / groups, ig = w->n_in / groups;
    int64_t taps = (int64_t)w->kernel_t * w->kernel_h * w->kernel_w, kw = w->kernel_w;
    int64_t size = (int64_t)scope_dtype_size(stored.dtype);
    for (int64_t o = 0; o < w->n_out; o++) {
        for (int64_t i = 0; i < ig; i++) {
            for (int64_t tap = 0; tap < taps; tap++) {
                int64_t offset = o * stored.stride[0] + i * stored.stride[1] +
                                 tap / (kw * w->kernel_h) * stored.stride[2] +
                                 tap / kw % w->kernel_h * stored.stride[3] +
                                 tap % kw * stored.stride[4];
                float value;
                scope_dtype_to_f32(stored.dtype, (const char *)stored.data + offset * size, &value,
                                   1);
                dst[((tap * groups + o / og) * ig + i) * og + o % og] = value;
            }
        }
    }
}

gboolean
scope_cpu_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                         ScopeWeightStore store, ScopeWeight *weight, GError **error)
{
    (void)ctx;
    int64_t n = scope_tensor_n_elements(stored);
    if (weight->kind == SCOPE_WEIGHT_KIND_LINEAR && store == SCOPE_WEIGHT_STORE_KEEP) {
        weight->store = SCOPE_WEIGHT_STORE_KEEP;
        weight->stored = stored;
        return TRUE;
    }
    if (!scope_arena_reserve(arena, (size_t)n * sizeof(float), error)) {
        return FALSE;
    }
    weight->store = SCOPE_WEIGHT_STORE_PACK;
    weight->packed = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n));
    if (weight->kind == SCOPE_WEIGHT_KIND_LINEAR) {
        scope_dtype_to_f32(stored.dtype, stored.data, weight->packed.data, n);
        return TRUE;
    }
    if (weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE) {
        /* [I, O, kh, kw] seen as [O, I, 1, kh, kw] */
        ScopeTensor t =
            scope_tensor_reshape(stored, SCOPE_SHAPE(stored.shape[0], stored.shape[1], 1,
                                                     stored.shape[2], stored.shape[3]));
        stored = scope_tensor_transpose(t, 0, 1);
    }
    pack_conv(stored, weight, weight->packed.data);
    return TRUE;
}

void
scope_cpu_finish_row(const ScopeWeight *weight, const ScopeEpilogue *e, int64_t row, int64_t begin,
                     int64_t end, float *v)
{
    const float *bias = weight->bias.data, *scale = weight->scale.data;
    int64_t scale_step = scale && weight->scale.shape[0] > 1 ? 1 : 0;
    const float *gate = scope_tensor_is_none(e->gate)
                            ? NULL
                            : (const float *)e->gate.data + row / e->gate_rows * e->gate.stride[0];
    const float *residual = scope_tensor_is_none(e->residual)
                                ? NULL
                                : (const float *)e->residual.data + row * e->residual.stride[0];
    for (int64_t o = begin; o < end; o++) {
        float r = v[o - begin];
        r = scale ? r * scale[o * scale_step] : r;
        r = bias ? r + bias[o] : r;
        r = scope_cpu_activate(e->activation, e->activation_param, r);
        r = gate ? r * gate[o] : r;
        r = residual ? r + residual[o] : r;
        v[o - begin] = scope_cpu_activate(e->final_activation, e->final_param, r);
    }
}
