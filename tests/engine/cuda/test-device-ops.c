/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ops of a device against those of the CPU: the same random inputs, f32 and bf16, every slot of
 * the table. SCOPE_CUDA_MODULE names the module; without a device the test is skipped with the
 * reason. Main thread.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"
#include "engine/scope-ops.h"

#define MAX_INPUTS 8

/* One side: the CPU or the device. */
typedef struct {
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeArena *arena;
    ScopeDType work;
} Side;

static guint64 rng;

static float
random_float(void)
{
    rng = rng * G_GUINT64_CONSTANT(6364136223846793005) + G_GUINT64_CONSTANT(1442695040888963407);
    return (float)((double)(rng >> 40) / 8388608.0 - 1.0);
}

static void
side_init(Side *side, const char *device, ScopePrecision precision)
{
    g_autoptr(GError) error = NULL;
    const ScopeBackend *backend = scope_devices_open(device, precision, &error);
    g_assert_no_error(error);
    side->pool = scope_pool_create(1, &error);
    side->ctx = scope_context_create(backend, side->pool, &error);
    g_assert_no_error(error);
    side->arena = scope_arena_create(backend, "test");
    side->work = backend->work_dtype;
}

static void
side_clear(Side *side)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(scope_context_synchronize(side->ctx, &error));
    g_assert_cmpuint(scope_arena_get_used_bytes(side->ctx->scratch), ==, 0);
    scope_arena_destroy(side->arena);
    scope_context_destroy(side->ctx);
    scope_pool_destroy(side->pool);
}

/* The pair of sides, and the inputs that both see, rounded to the device's work type. */
typedef struct {
    Side cpu, device;
    double tolerance;
} Pair;

static float *
random_values(const Pair *p, int64_t n)
{
    float *values = g_new(float, n);
    for (int64_t i = 0; i < n; i++) {
        guint8 narrow[8];
        values[i] = random_float();
        scope_dtype_from_f32(p->device.work, &values[i], narrow, 1);
        scope_dtype_to_f32(p->device.work, narrow, &values[i], 1);
    }
    return values;
}

static int64_t
count(int ndim, const int64_t *shape)
{
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) {
        n *= shape[d];
    }
    return n;
}

/* A tensor of @dtype (INVALID: the work type) on one side. */
static ScopeTensor
place(Side *side, ScopeDType dtype, int ndim, const int64_t *shape, const float *values)
{
    ScopeTensor t = scope_arena_alloc(
        side->arena, dtype == SCOPE_DTYPE_INVALID ? side->work : dtype, ndim, shape);
    scope_op_copy(side->ctx, t, scope_tensor_wrap(SCOPE_DTYPE_F32, values, ndim, shape));
    return t;
}

static float *
fetch(Side *side, ScopeTensor t)
{
    ScopeTensor wide = scope_arena_alloc(side->arena, SCOPE_DTYPE_F32, t.ndim, t.shape);
    float *values = g_new(float, MAX(1, scope_tensor_n_elements(t)));
    scope_op_copy(side->ctx, wide, t);
    scope_context_download(side->ctx, values, wide);
    return values;
}

typedef struct {
    int ndim;
    int64_t shape[5];
    ScopeDType dtype; /* INVALID: the work type */
} Spec;

/* What a case computes: @in as placed, @out allocated like spec 0 of the case. */
typedef void (*Compute)(Side *side, ScopeTensor out, const ScopeTensor *in);

static void
check_case(Pair *p, const char *name, Compute compute, const Spec *spec, int n)
{
    float *values[MAX_INPUTS] = {NULL}, *got[2];
    Side *sides[2] = {&p->cpu, &p->device};
    for (int i = 0; i < n; i++) {
        values[i] = random_values(p, count(spec[i].ndim, spec[i].shape));
    }
    int64_t n_out = count(spec[0].ndim, spec[0].shape);
    for (int s = 0; s < 2; s++) {
        ScopeTensor in[MAX_INPUTS];
        for (int i = 0; i < n; i++) {
            in[i] = place(sides[s], spec[i].dtype, spec[i].ndim, spec[i].shape, values[i]);
        }
        compute(sides[s], in[0], in + 1);
        got[s] = fetch(sides[s], in[0]);
    }
    for (int64_t i = 0; i < n_out; i++) {
        double want = (double)got[0][i], error = fabs((double)got[1][i] - want);
        if (!(error <= p->tolerance * (1.0 + fabs(want)))) {
            g_test_message("%s: element %" G_GINT64_FORMAT " is %.9g, the CPU has %.9g", name, i,
                           (double)got[1][i], want);
            g_assert_not_reached();
        }
    }
    for (int i = 0; i < n; i++) {
        g_free(values[i]);
    }
    g_free(got[0]);
    g_free(got[1]);
}

#define CASE(pair, compute, ...)                                                                   \
    do {                                                                                           \
        const Spec spec_[] = {__VA_ARGS__};                                                        \
        check_case(pair, #compute, compute, spec_, (int)G_N_ELEMENTS(spec_));                      \
    } while (0)
#define F32 SCOPE_DTYPE_F32

/* ---- products ------------------------------------------------------------------------------ */

static ScopeWeight
linear_weight(Side *side, ScopeDType dtype, gboolean with_scale)
{
    static float values[48 * 40], bias[48], scale[48];
    static char narrow[48 * 40 * 4];
    g_autoptr(GError) error = NULL;
    ScopeWeight weight;
    for (int i = 0; i < 48 * 40; i++) {
        values[i] = sinf((float)i) * 0.5F;
    }
    for (int i = 0; i < 48; i++) {
        bias[i] = cosf((float)i);
        scale[i] = 1.0F + 0.01F * (float)i;
    }
    scope_dtype_from_f32(dtype, values, narrow, 48 * 40);
    ScopeWeightOptions o = {.bias = scope_tensor_wrap(F32, bias, SCOPE_SHAPE(48))};
    if (with_scale) {
        o.scale = scope_tensor_wrap(F32, scale, SCOPE_SHAPE(48));
    }
    scope_weight_prepare_linear(side->ctx, side->arena,
                                scope_tensor_wrap(dtype, narrow, SCOPE_SHAPE(48, 40)), &o, &weight,
                                &error);
    g_assert_no_error(error);
    return weight;
}

static void
linear(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeWeight w = linear_weight(side, SCOPE_DTYPE_BF16, FALSE);
    ScopeEpilogue e = {.activation = SCOPE_ACTIVATION_GELU_TANH};
    scope_op_linear(side->ctx, out, in[0], &w, &e);
}

static void
linear_f8_gated(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeWeight w = linear_weight(side, SCOPE_DTYPE_F8_E4M3, TRUE);
    ScopeEpilogue e = {
        .gate = in[1], .gate_rows = 5, .residual = out, .final_activation = SCOPE_ACTIVATION_SILU};
    scope_op_linear(side->ctx, out, in[0], &w, &e);
}

static void
matmul(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    scope_op_matmul(side->ctx, out, scope_tensor_transpose(in[0], 1, 2), in[1], 0.5F);
}

static ScopeWeight
conv_weight(Side *side, const ScopeConvGeometry *g, int64_t o, int64_t i, int64_t kt, int64_t k)
{
    int64_t n = o * i * kt * k * k;
    g_autofree float *values = g_new(float, n), *bias = g_new(float, o);
    g_autoptr(GError) error = NULL;
    ScopeWeight weight;
    for (int64_t j = 0; j < n; j++) {
        values[j] = sinf((float)j) * 0.25F;
    }
    for (int64_t j = 0; j < o; j++) {
        bias[j] = cosf((float)j);
    }
    ScopeWeightOptions options = {.bias = scope_tensor_wrap(F32, bias, SCOPE_SHAPE(o))};
    scope_weight_prepare_conv(side->ctx, side->arena,
                              scope_tensor_wrap(F32, values, SCOPE_SHAPE(o, i, kt, k, k)), g,
                              &options, &weight, &error);
    g_assert_no_error(error);
    return weight;
}

static void
conv_causal(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeConvGeometry g = scope_conv_geometry_same(1);
    ScopeWeight w = conv_weight(side, &g, 6, 5, 3, 3);
    ScopeConvOptions o = {.context = in[1],
                          .epilogue = {.activation = SCOPE_ACTIVATION_RELU, .residual = in[2]}};
    scope_op_conv(side->ctx, out, in[0], &w, &o);
}

static void
conv_enlarged(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeConvGeometry g = scope_conv_geometry_same(1);
    g.upsample = 2;
    g.pad_mode = SCOPE_PAD_BORDER;
    ScopeWeight w = conv_weight(side, &g, 6, 5, 1, 3);
    scope_op_conv(side->ctx, out, in[0], &w, NULL);
}

static void
conv_strided(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeConvGeometry g = SCOPE_CONV_GEOMETRY_INIT;
    g.stride_h = g.stride_w = 2;
    g.pad_bottom = g.pad_right = 1;
    ScopeWeight w = conv_weight(side, &g, 6, 5, 1, 3);
    scope_op_conv(side->ctx, out, in[0], &w, NULL);
}

static void
conv_depthwise(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeConvGeometry g = scope_conv_geometry_same(1);
    g.groups = 6;
    ScopeWeight w = conv_weight(side, &g, 6, 1, 1, 3);
    scope_op_conv(side->ctx, out, in[0], &w, NULL);
}

static void
conv_transposed(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    static float values[5 * 6 * 4 * 4];
    ScopeConvGeometry g = scope_conv_geometry_strided(2, 1);
    ScopeWeight w;
    g_autoptr(GError) error = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        values[i] = sinf((float)i) * 0.25F;
    }
    scope_weight_prepare_conv_transpose(side->ctx, side->arena,
                                        scope_tensor_wrap(F32, values, SCOPE_SHAPE(5, 6, 4, 4)), &g,
                                        NULL, &w, &error);
    g_assert_no_error(error);
    ScopeEpilogue e = {.activation = SCOPE_ACTIVATION_LEAKY_RELU, .activation_param = 0.2F};
    scope_op_conv_transpose(side->ctx, out, in[0], &w, &e);
}

static void
attention(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeAttentionSegment s[2] = {{.k = in[1], .v = in[2]}, {.k = in[3], .v = in[4]}};
    ScopeAttentionOptions o = {.scale = 0.3F, .segments = s, .n_segments = 2, .n_zero_keys = 3};
    scope_op_attention(side->ctx, out, in[0], &o);
}

static void
attention_biased(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeAttentionSegment s[2] = {{.k = in[1], .v = in[2], .log_bias = 0.7F},
                                  {.k = in[3], .v = in[4]}};
    int32_t range[18][2];
    for (int i = 0; i < 18; i++) {
        range[i][0] = i == 4 ? 5 : 0; /* query 4 sees nothing */
        range[i][1] = i == 4 ? 5 : 3 + i;
    }
    ScopeTensor there = scope_arena_alloc(side->arena, SCOPE_DTYPE_I32, SCOPE_SHAPE(18, 2));
    scope_context_upload(side->ctx, there, range);
    ScopeAttentionOptions o = {
        .scale = 0.3F, .segments = s, .n_segments = 2, .bias = in[5], .key_range = there};
    scope_op_attention(side->ctx, out, in[0], &o);
}

static void
test_products(Pair *p)
{
    CASE(p, linear, {2, {13, 48}}, {2, {13, 40}});
    CASE(p, linear_f8_gated, {2, {13, 48}}, {2, {13, 40}}, {2, {3, 48}, F32});
    CASE(p, matmul, {3, {2, 7, 9}}, {3, {2, 11, 7}}, {3, {2, 11, 9}});
    CASE(p, conv_causal, {4, {4, 5, 6, 6}}, {4, {4, 5, 6, 5}}, {4, {2, 5, 6, 5}},
         {4, {4, 5, 6, 6}});
    CASE(p, conv_enlarged, {4, {2, 10, 12, 6}}, {4, {2, 5, 6, 5}});
    CASE(p, conv_strided, {4, {2, 3, 3, 6}}, {4, {2, 6, 7, 5}});
    CASE(p, conv_depthwise, {4, {2, 5, 6, 6}}, {4, {2, 5, 6, 6}});
    CASE(p, conv_transposed, {4, {2, 10, 12, 6}}, {4, {2, 5, 6, 5}});
    CASE(p, attention, {3, {18, 2, 8}}, {3, {18, 2, 8}}, {3, {9, 2, 8}, SCOPE_DTYPE_BF16},
         {3, {9, 2, 8}, SCOPE_DTYPE_BF16}, {3, {12, 2, 8}}, {3, {12, 2, 8}});
    CASE(p, attention_biased, {3, {18, 2, 8}}, {3, {18, 2, 8}}, {3, {9, 2, 8}}, {3, {9, 2, 8}},
         {3, {12, 2, 8}}, {3, {12, 2, 8}}, {3, {2, 18, 21}, F32});
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void
norms(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    for (int kind = SCOPE_NORM_LAYER; kind <= SCOPE_NORM_L2; kind++) {
        ScopeNormOptions o = {.kind = (ScopeNormKind)kind,
                              .eps = 1e-6F,
                              .weight = scope_tensor_select(in[1], 0, 0),
                              .bias = scope_tensor_select(in[1], 0, 1),
                              .scale = in[2],
                              .shift = in[3],
                              .modulation_rows = 2,
                              .activation = SCOPE_ACTIVATION_SILU};
        scope_op_norm(side->ctx, scope_tensor_slice(out, 0, kind * 3, kind * 3 + 3), in[0], &o);
    }
}

static void
group_norm(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeGroupNormOptions o = {.n_groups = 4,
                               .eps = 1e-5F,
                               .weight = scope_tensor_select(in[1], 0, 0),
                               .bias = scope_tensor_select(in[1], 0, 1)};
    scope_op_group_norm(side->ctx, out, in[0], &o);
}

static void
softmax_in_place(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    (void)in;
    scope_op_softmax(side->ctx, out, out);
}

static void
rope(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeRopeGrid grid = {
        .start_frame = 3, .n_frames = 2, .height = 2, .width = 3, .head_dim = 12, .theta = 10000.0};
    ScopeTensor table = scope_arena_alloc(side->arena, F32, SCOPE_SHAPE(12, 6, 2));
    scope_op_rope_table(side->ctx, table, &grid);
    scope_op_rope(side->ctx, out, in[0], table);
}

static void
test_rows(Pair *p)
{
    CASE(p, norms, {2, {9, 50}}, {2, {3, 50}}, {2, {2, 50}, F32}, {2, {2, 50}, F32},
         {2, {2, 50}, F32});
    CASE(p, group_norm, {4, {2, 3, 5, 8}}, {4, {2, 3, 5, 8}}, {2, {2, 8}, F32});
    CASE(p, softmax_in_place, {2, {5, 300}});
    CASE(p, rope, {3, {12, 2, 12}}, {3, {12, 2, 12}});
}

/* ---- elementwise and movement -------------------------------------------------------------- */

static void
unaries(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    for (int kind = 0; kind < SCOPE_N_UNARY_KINDS; kind++) {
        ScopeUnary op = {(ScopeUnaryKind)kind, SCOPE_ACTIVATION_GELU_ERF, 0.25F, 0.75F};
        ScopeTensor x =
            kind == SCOPE_UNARY_LOG || kind == SCOPE_UNARY_SQRT || kind == SCOPE_UNARY_RECIPROCAL
                ? in[1]
                : in[0];
        if (kind == SCOPE_UNARY_LOG || kind == SCOPE_UNARY_SQRT || kind == SCOPE_UNARY_RECIPROCAL) {
            scope_op_affine(side->ctx, x, in[0], 0.25F, 1.5F);
        }
        scope_op_unary(side->ctx, scope_tensor_select(out, 0, kind), x, op);
    }
}

static void
binaries(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    for (int kind = 0; kind < SCOPE_N_BINARY_KINDS; kind++) {
        scope_op_binary(side->ctx, (ScopeBinaryKind)kind, scope_tensor_select(out, 0, kind), in[0],
                        kind == SCOPE_BINARY_DIV ? in[2] : in[1]);
    }
}

static void
binaries_with_divisor(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeTensor all[3] = {in[0], in[1], in[2]};
    scope_op_affine(side->ctx, all[2], all[2], 0.25F, 2.0F);
    binaries(side, out, all);
}

static void
blends(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    scope_op_scale_add(side->ctx, scope_tensor_select(out, 0, 0), in[0], 0.5F, in[1], -2.0F);
    scope_op_lerp(side->ctx, scope_tensor_select(out, 0, 1), in[0], in[1], in[2]);
    scope_op_glu(side->ctx, scope_tensor_select(out, 0, 2), in[0], in[3], SCOPE_ACTIVATION_SILU);
}

static void
reduces(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    for (int kind = 0; kind < SCOPE_N_REDUCE_KINDS; kind++) {
        scope_op_reduce(side->ctx, (ScopeReduceKind)kind,
                        scope_tensor_slice(out, 0, kind, kind + 1),
                        scope_tensor_permute(in[0], SCOPE_ORDER(1, 0, 2)));
    }
}

static void
moves(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    scope_op_copy(side->ctx, out, scope_tensor_transpose(in[0], 0, 1));
    scope_op_move_rows(side->ctx, out, 1, 3, 5);
    scope_op_move_rows(side->ctx, out, 6, 0, 4);
    scope_op_fill(side->ctx, scope_tensor_slice(out, 1, 2, 4), -1.5F);
}

/* The table on both sides of the bus, ids of both types. */
static void
gathers(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    static const int32_t small[3] = {4, 0, 6};
    static const int64_t large[3] = {1, 6, 2};
    float host[7][10];
    for (int i = 0; i < 70; i++) {
        host[i / 10][i % 10] = (float)i / 16.0F;
    }
    scope_op_gather_rows(side->ctx, scope_tensor_slice(out, 0, 0, 3), in[0],
                         scope_tensor_wrap(SCOPE_DTYPE_I32, small, SCOPE_SHAPE(3)));
    scope_op_gather_rows(side->ctx, scope_tensor_slice(out, 0, 3, 6),
                         scope_tensor_wrap(F32, host, SCOPE_SHAPE(7, 10)),
                         scope_tensor_wrap(SCOPE_DTYPE_I64, large, SCOPE_SHAPE(3)));
}

static void
noise(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    (void)in;
    scope_op_random_normal(side->ctx, out, G_GUINT64_CONSTANT(0x123456789abcdef), 4099);
}

static void
test_elements(Pair *p)
{
    CASE(p, unaries, {3, {SCOPE_N_UNARY_KINDS, 4, 9}}, {2, {4, 9}}, {2, {4, 9}});
    CASE(p, binaries_with_divisor, {3, {SCOPE_N_BINARY_KINDS, 4, 9}}, {2, {4, 9}}, {2, {4, 1}},
         {1, {9}, F32});
    CASE(p, blends, {3, {3, 4, 9}}, {2, {4, 9}}, {2, {4, 9}}, {1, {9}}, {2, {4, 9}});
    CASE(p, reduces, {3, {SCOPE_N_REDUCE_KINDS, 5, 1}, F32}, {3, {5, 1, 30}});
    CASE(p, moves, {2, {10, 6}}, {2, {6, 10}});
    CASE(p, gathers, {2, {6, 10}, F32}, {2, {7, 10}, SCOPE_DTYPE_BF16});
    CASE(p, noise, {1, {1003}, F32});
}

/* ---- images -------------------------------------------------------------------------------- */

static void
resizes(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    for (int mode = 0; mode < SCOPE_N_RESIZE_MODES; mode++) {
        ScopeResizeOptions o = {.mode = (ScopeResizeMode)mode};
        scope_op_resize(side->ctx, scope_tensor_slice(out, 0, mode, mode + 1), in[0], &o);
    }
}

static void
samples(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    scope_op_affine(side->ctx, in[1], in[1], 5.0F, 1.0F);
    scope_op_grid_sample(side->ctx, scope_tensor_slice(out, 0, 0, 1), in[0], in[1],
                         SCOPE_SAMPLE_FLOW, SCOPE_PAD_ZEROS);
    scope_op_grid_sample(side->ctx, scope_tensor_slice(out, 0, 1, 2), in[0], in[1],
                         SCOPE_SAMPLE_ABSOLUTE, SCOPE_PAD_BORDER);
}

static void
pools_and_pads(Side *side, ScopeTensor out, const ScopeTensor *in)
{
    ScopeTensor small = scope_arena_alloc(side->arena, side->work, SCOPE_SHAPE(1, 3, 3, 2));
    scope_op_pool2d(side->ctx, small, in[0], SCOPE_POOL_MAX, 2);
    scope_op_pad(side->ctx, scope_tensor_slice(out, 0, 0, 1), small, SCOPE_PAD_REFLECT, 2, 1);
    scope_op_pool2d(side->ctx, small, in[0], SCOPE_POOL_AVERAGE, 2);
    scope_op_pad(side->ctx, scope_tensor_slice(out, 0, 1, 2), small, SCOPE_PAD_ZEROS, 1, 2);
}

static void
test_images(Pair *p)
{
    CASE(p, resizes, {4, {SCOPE_N_RESIZE_MODES, 5, 4, 3}}, {4, {1, 7, 9, 3}});
    CASE(p, resizes, {4, {SCOPE_N_RESIZE_MODES, 9, 11, 3}}, {4, {1, 4, 5, 3}});
    CASE(p, samples, {4, {2, 4, 5, 3}}, {4, {1, 6, 7, 3}}, {4, {1, 4, 5, 2}, F32});
    CASE(p, pools_and_pads, {4, {2, 7, 6, 2}}, {4, {1, 7, 6, 2}});
}

/* ---- running ------------------------------------------------------------------------------- */

/* Every code of the narrow types survives the device's conversions. */
static void
test_codes(Pair *p)
{
    static const ScopeDType types[] = {SCOPE_DTYPE_F16, SCOPE_DTYPE_BF16, SCOPE_DTYPE_F8_E4M3,
                                       SCOPE_DTYPE_F8_E5M2};
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        int64_t n = scope_dtype_size(types[i]) == 1 ? 256 : 65536;
        g_autofree guint16 *codes = g_new0(guint16, n);
        for (int64_t j = 0; j < n; j++) {
            ((guint8 *)codes)[n == 256 ? j : 2 * j] = (guint8)j;
            if (n > 256) {
                codes[j] = (guint16)j;
            }
        }
        ScopeTensor narrow = scope_arena_alloc(p->device.arena, types[i], 1, &n);
        ScopeTensor again = scope_arena_alloc(p->device.arena, types[i], 1, &n);
        ScopeTensor wide = scope_arena_alloc(p->device.arena, F32, 1, &n);
        scope_context_upload(p->device.ctx, narrow, codes);
        scope_op_copy(p->device.ctx, wide, narrow);
        scope_op_copy(p->device.ctx, again, wide);
        g_autofree float *got = fetch(&p->device, wide), *twice = fetch(&p->device, again);
        for (int64_t j = 0; j < n; j++) {
            float want;
            scope_dtype_to_f32(types[i], (guint8 *)codes + (n == 256 ? j : 2 * j), &want, 1);
            g_assert_true(got[j] == want || (isnan(got[j]) && isnan(want)));
            g_assert_true(twice[j] == want || (isnan(twice[j]) && isnan(want)));
        }
    }
}

static void
test_all(gconstpointer data)
{
    ScopePrecision precision = (ScopePrecision)GPOINTER_TO_INT(data);
    Pair p = {.tolerance = precision == SCOPE_PRECISION_F32 ? 2e-5 : 0.02};
    rng = 7;
    side_init(&p.cpu, "cpu", precision);
    side_init(&p.device, "cuda", precision);
    test_products(&p);
    test_rows(&p);
    test_elements(&p);
    test_images(&p);
    test_codes(&p);
    side_clear(&p.device);
    side_clear(&p.cpu);
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_test_init(&argc, &argv, NULL);
    if (!scope_devices_open("cuda", SCOPE_PRECISION_F32, &error)) {
        printf("1..0 # SKIP no CUDA device: %s\n", error->message);
        return 0;
    }
    g_test_add_data_func("/device-ops/f32", GINT_TO_POINTER(SCOPE_PRECISION_F32), test_all);
    g_test_add_data_func("/device-ops/bf16", GINT_TO_POINTER(SCOPE_PRECISION_BF16), test_all);
    return g_test_run();
}
