/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns a convolution into a plan of taps and packs its weights to match. A convolution after 2x2
 * enlargement becomes four small ones, whose kernels are sums of the original's (2.25 times less
 * arithmetic for 3x3); a transposed one becomes one per output residue. Plan and weights live in
 * the weights arena. Loader thread.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

#define NO_TAP INT32_MIN

/* One axis of one phase: which source offset each kernel index reads. */
typedef struct {
    int n_slots;
    int32_t *offset; /* [n_slots] distinct offsets */
    int32_t *slot;   /* [kernel] index of the offset, -1 for none */
} Axis;

typedef struct {
    int kernel, stride, dilation, pad, upsample;
    gboolean is_transposed;
} AxisRule;

static int32_t
source_offset(const AxisRule *r, int phase, int k)
{
    if (r->is_transposed) {
        int at = phase + r->pad - k;
        return at % r->stride == 0 ? at / r->stride : NO_TAP;
    }
    if (r->upsample == 2) {
        return (phase - r->pad + k) >> 1; /* floor, for negative values too */
    }
    return k * r->dilation - r->pad;
}

static void
axis_init(Axis *axis, const AxisRule *r, int phase)
{
    axis->n_slots = 0;
    axis->offset = g_new(int32_t, r->kernel);
    axis->slot = g_new(int32_t, r->kernel);
    for (int k = 0; k < r->kernel; k++) {
        int32_t d = source_offset(r, phase, k);
        axis->slot[k] = -1;
        for (int s = 0; s < axis->n_slots && d != NO_TAP; s++) {
            axis->slot[k] = axis->offset[s] == d ? s : axis->slot[k];
        }
        if (axis->slot[k] < 0 && d != NO_TAP) {
            axis->slot[k] = axis->n_slots;
            axis->offset[axis->n_slots++] = d;
        }
    }
}

static void
axis_clear(Axis *axis)
{
    g_free(axis->offset);
    g_free(axis->slot);
}

typedef struct {
    ScopeTensor stored; /* [O, I, kt, kh, kw] */
    const ScopeWeight *weight;
    ScopeCpuConvPlan *plan;
    const ScopeKernels *k;
    AxisRule rule_h, rule_w;
} Packer;

static float
stored_value(ScopeTensor t, int64_t o, int64_t i, int64_t kt, int64_t ky, int64_t kx)
{
    int64_t offset =
        o * t.stride[0] + i * t.stride[1] + kt * t.stride[2] + ky * t.stride[3] + kx * t.stride[4];
    float value;
    scope_dtype_to_f32(t.dtype, (const char *)t.data + offset * (int64_t)scope_dtype_size(t.dtype),
                       &value, 1);
    return value;
}

/* Adds the kernel of one output and input channel to its places. */
static void
pack_channel(const Packer *p, const Axis *h, const Axis *w, const ScopeCpuConvPhase *phase,
             float *dst, int64_t o, int64_t i)
{
    const ScopeWeight *weight = p->weight;
    gboolean merged = p->plan->is_merged;
    int64_t n_k = p->plan->n_k, nr = p->k->nr, n_across = merged ? 1 : w->n_slots;
    int64_t width = scope_kernels_panel_width(p->k, weight->n_out, o / nr);
    float *panel = dst + o / nr * phase->n_taps * n_k * nr + o % nr;
    for (int kt = 0; kt < weight->kernel_t; kt++) {
        for (int ky = 0; ky < weight->kernel_h; ky++) {
            for (int kx = 0; kx < weight->kernel_w; kx++) {
                if (h->slot[ky] < 0 || w->slot[kx] < 0) {
                    continue;
                }
                int64_t tap = ((int64_t)kt * h->n_slots + h->slot[ky]) * n_across +
                              (merged ? 0 : w->slot[kx]);
                int64_t k = merged ? kx * weight->n_in + i : i;
                panel[(tap * n_k + k) * width] += stored_value(p->stored, o, i, kt, ky, kx);
            }
        }
    }
}

static void
fill_taps(const Packer *p, const Axis *h, const Axis *w, ScopeCpuConvTap *tap)
{
    int width = p->plan->is_merged ? 1 : w->n_slots;
    for (int kt = 0; kt < p->weight->kernel_t; kt++) {
        for (int a = 0; a < h->n_slots; a++) {
            for (int b = 0; b < width; b++) {
                *tap++ = (ScopeCpuConvTap){kt, h->offset[a], w->offset[b]};
            }
        }
    }
}

/* Counts taps and weights of all phases; with @dst it also fills them. */
static int64_t
visit_phases(Packer *p, float *dst)
{
    ScopeCpuConvPlan *plan = p->plan;
    int64_t padded = (p->weight->n_out + p->k->nr - 1) / p->k->nr * p->k->nr, n_weights = 0;
    plan->n_taps = 0;
    for (int i = 0; i < plan->out_step_h * plan->out_step_w; i++) {
        Axis h, w;
        axis_init(&h, &p->rule_h, i / plan->out_step_w);
        axis_init(&w, &p->rule_w, i % plan->out_step_w);
        int n_taps = p->weight->kernel_t * h.n_slots * (plan->is_merged ? 1 : w.n_slots);
        if (dst) {
            plan->phases[i] = (ScopeCpuConvPhase){plan->n_taps, n_taps, n_weights};
            fill_taps(p, &h, &w, plan->taps + plan->n_taps);
            for (int64_t c = 0; c < p->weight->n_out * p->weight->n_in; c++) {
                pack_channel(p, &h, &w, &plan->phases[i], dst + n_weights, c / p->weight->n_in,
                             c % p->weight->n_in);
            }
        }
        plan->n_taps += n_taps;
        n_weights += n_taps * plan->n_k * padded;
        axis_clear(&h);
        axis_clear(&w);
    }
    return n_weights;
}

static void
set_rules(Packer *p)
{
    const ScopeWeight *w = p->weight;
    const ScopeConvGeometry *g = &w->geometry;
    ScopeCpuConvPlan *plan = p->plan;
    gboolean transposed = w->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE;
    gboolean plain = g->stride_h == 1 && g->stride_w == 1 && g->dilation_h == 1 &&
                     g->dilation_w == 1 && g->pad_mode != SCOPE_PAD_REFLECT;
    gboolean enlarged = !transposed && g->upsample == 2 && plain;
    p->rule_h = (AxisRule){w->kernel_h, g->stride_h,      g->dilation_h,
                           g->pad_top,  enlarged ? 2 : 1, transposed};
    p->rule_w = (AxisRule){w->kernel_w, g->stride_w,      g->dilation_w,
                           g->pad_left, enlarged ? 2 : 1, transposed};
    plan->out_step_h = transposed ? g->stride_h : enlarged ? 2 : 1;
    plan->out_step_w = transposed ? g->stride_w : enlarged ? 2 : 1;
    plan->in_step_h = transposed ? 1 : g->stride_h;
    plan->in_step_w = transposed ? 1 : g->stride_w;
    plan->upsample = enlarged || transposed ? 1 : g->upsample;
    plan->is_merged = !transposed && g->upsample == 1 && w->kernel_t == 1 && w->kernel_w > 1 &&
                      g->dilation_w == 1 && g->pad_left == 0 && g->pad_right == 0;
    plan->n_k = plan->is_merged ? w->n_in * w->kernel_w : w->n_in;
}

/* Grouped kernels: [taps][groups][I/g][O/g], summed directly. */
static gboolean
pack_groups(ScopeArena *arena, ScopeTensor stored, ScopeWeight *w, GError **error)
{
    int64_t groups = w->geometry.groups, og = w->n_out / groups, ig = w->n_in / groups;
    int64_t n = scope_tensor_n_elements(stored);
    if (!scope_arena_reserve(arena, (size_t)n * sizeof(float), error)) {
        return FALSE;
    }
    w->packed = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n));
    float *dst = w->packed.data;
    for (int64_t j = 0; j < n; j++) {
        int64_t o = j % og, i = j / og % ig, g = j / (og * ig) % groups,
                tap = j / (og * ig * groups);
        int64_t kx = tap % w->kernel_w, ky = tap / w->kernel_w % w->kernel_h;
        dst[j] = stored_value(stored, g * og + o, i, tap / w->kernel_w / w->kernel_h, ky, kx);
    }
    return TRUE;
}

/*
 * [O/nr][taps][n_k][nr] floats of all phases to 8-bit values, kept as 16-bit pairs
 * [O/nr][taps][n_k/2][nr][2], the last panel perhaps half as wide; the steps go into the weight's
 * scales.
 */
static void
quantise_phases(const Packer *p, const float *wide, int16_t *dst)
{
    ScopeCpuConvPlan *plan = p->plan;
    int64_t nr = p->k->nr, n_out = p->weight->n_out, n_pairs = (plan->n_k + 1) / 2, at = 0;
    int n_phases = plan->out_step_h * plan->out_step_w;
    g_autofree float *top = g_new0(float, n_out);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n_phases; i++) {
            ScopeCpuConvPhase *phase = &plan->phases[i];
            int64_t rows = phase->n_taps * plan->n_k;
            for (int64_t j = 0; j < n_out * rows; j++) {
                int64_t o = j / rows, row = j % rows, tap = row / plan->n_k, k = row % plan->n_k;
                int64_t width = scope_kernels_panel_width(p->k, n_out, o / nr);
                float v = wide[phase->weights + o / nr * rows * nr + row * width + o % nr];
                if (pass == 0) {
                    top[o] = MAX(top[o], fabsf(v));
                } else {
                    int64_t panel = at + o / nr * phase->n_taps * n_pairs * nr * 2;
                    int64_t pair = tap * n_pairs + k / 2;
                    dst[panel + (pair * width + o % nr) * 2 + k % 2] =
                        (int16_t)rintf(top[o] > 0.0F ? v * (127.0F / top[o]) : 0.0F);
                }
            }
            if (pass == 1) {
                phase->weights = at;
                at += (n_out + nr - 1) / nr * phase->n_taps * n_pairs * nr * 2;
            }
        }
    }
    for (int64_t o = 0; o < n_out; o++) {
        ((float *)p->weight->scale.data)[o] *= top[o] / 127.0F;
    }
}

/* Packs the weights of all phases in their final form. */
static gboolean
pack_weights(ScopeArena *arena, Packer *p, ScopeWeight *weight, int64_t n_weights, GError **error)
{
    if (weight->store != SCOPE_WEIGHT_STORE_INT8) {
        if (!scope_arena_reserve(arena, (size_t)n_weights * sizeof(float), error)) {
            return FALSE;
        }
        weight->packed = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_weights));
        memset(weight->packed.data, 0, (size_t)n_weights * sizeof(float));
        visit_phases(p, weight->packed.data);
        return TRUE;
    }
    int64_t n_bytes = n_weights / p->plan->n_k * ((p->plan->n_k + 1) / 2 * 2) * 2;
    if (!scope_cpu_prepare_scales(arena, weight, error) ||
        !scope_arena_reserve(arena, (size_t)n_bytes, error)) {
        return FALSE;
    }
    weight->packed = scope_arena_alloc(arena, SCOPE_DTYPE_U8, SCOPE_SHAPE(n_bytes));
    memset(weight->packed.data, 0, (size_t)n_bytes);
    g_autofree float *wide = g_new0(float, n_weights);
    visit_phases(p, wide);
    quantise_phases(p, wide, weight->packed.data);
    return TRUE;
}

gboolean
scope_cpu_prepare_conv(ScopeArena *arena, ScopeTensor stored, ScopeWeight *weight, GError **error)
{
    if (weight->geometry.groups > 1) {
        return pack_groups(arena, stored, weight, error);
    }
    if (weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE) {
        /* [I, O, kh, kw] seen as [O, I, 1, kh, kw] */
        const int64_t *s = stored.shape;
        stored = scope_tensor_reshape(stored, SCOPE_SHAPE(s[0], s[1], 1, s[2], s[3]));
        stored = scope_tensor_transpose(stored, 0, 1);
    }
    ScopeCpuConvPlan plan = {0};
    Packer packer = {.stored = stored, .weight = weight, .plan = &plan, .k = scope_kernels_get()};
    set_rules(&packer);
    int64_t n_weights = visit_phases(&packer, NULL);
    int64_t n_phases = (int64_t)plan.out_step_h * plan.out_step_w;
    int64_t n_bytes = (int64_t)sizeof plan + n_phases * (int64_t)sizeof(ScopeCpuConvPhase) +
                      plan.n_taps * (int64_t)sizeof(ScopeCpuConvTap);
    if (!scope_arena_reserve(arena, (size_t)n_bytes, error)) {
        return FALSE;
    }
    weight->aux = scope_arena_alloc(arena, SCOPE_DTYPE_U8, SCOPE_SHAPE(n_bytes));
    plan.phases = (ScopeCpuConvPhase *)((char *)weight->aux.data + sizeof plan);
    plan.taps = (ScopeCpuConvTap *)(plan.phases + n_phases);
    if (!pack_weights(arena, &packer, weight, n_weights, error)) {
        return FALSE;
    }
    memcpy(weight->aux.data, &plan, sizeof plan);
    return TRUE;
}
