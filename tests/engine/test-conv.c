/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Convolutions against sums in double: strides, padding, dilation, groups, upsampling, frames
 * before the input, transposed; and a stream in pieces against the whole.
 */
#include <math.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor y, x;
    ScopeWeight weight;
    ScopeConvOptions o;
} Conv;

static void
run_conv(ScopeContext *ctx, void *data)
{
    Conv *c = data;
    scope_op_conv(ctx, c->y, c->x, &c->weight, &c->o);
}

static void
run_conv_transpose(ScopeContext *ctx, void *data)
{
    Conv *c = data;
    scope_op_conv_transpose(ctx, c->y, c->x, &c->weight, &c->o.epilogue);
}

static int64_t
pad_index(int64_t i, int64_t n, ScopePadMode mode)
{
    if (i >= 0 && i < n) {
        return i;
    }
    if (mode == SCOPE_PAD_ZEROS) {
        return -1;
    }
    if (mode == SCOPE_PAD_BORDER) {
        return CLAMP(i, 0, n - 1);
    }
    return i < 0 ? -i : 2 * (n - 1) - i;
}

/* Input value with upsampling, padding and context. */
static double
source(const Conv *c, int64_t t, int64_t y, int64_t x, int64_t i)
{
    const ScopeConvGeometry *g = &c->weight.geometry;
    y = pad_index(y, c->x.shape[1] * g->upsample, g->pad_mode);
    x = pad_index(x, c->x.shape[2] * g->upsample, g->pad_mode);
    if (y < 0 || x < 0) {
        return 0;
    }
    int64_t n_context = scope_tensor_is_none(c->o.context) ? 0 : c->o.context.shape[0];
    return t < n_context ? OP_GET(c->o.context, t, y / g->upsample, x / g->upsample, i)
                         : OP_GET(c->x, t - n_context, y / g->upsample, x / g->upsample, i);
}

static double
ref_conv(const Conv *c, ScopeTensor w, const int64_t at[4], double *ret_size)
{
    const ScopeConvGeometry *g = &c->weight.geometry;
    int64_t ig = c->weight.n_in / g->groups, og = c->weight.n_out / g->groups;
    double sum = 0, size = 0;
    for (int64_t i = 0; i < ig; i++) {
        for (int kt = 0; kt < c->weight.kernel_t; kt++) {
            for (int ky = 0; ky < c->weight.kernel_h; ky++) {
                for (int kx = 0; kx < c->weight.kernel_w; kx++) {
                    double p = source(c, at[0] * g->stride_t + kt,
                                      at[1] * g->stride_h + ky * g->dilation_h - g->pad_top,
                                      at[2] * g->stride_w + kx * g->dilation_w - g->pad_left,
                                      at[3] / og * ig + i) *
                               OP_GET(w, at[3], i, kt, ky, kx);
                    sum += p;
                    size += fabs(p);
                }
            }
        }
    }
    *ret_size = size;
    return sum;
}

static void
random_epilogue(OpTest *test, Conv *c, TestTensor *y, ScopeTensor *ret_residual)
{
    ScopeEpilogue *e = &c->o.epilogue;
    int64_t n = c->y.shape[0] * c->y.shape[1] * c->y.shape[2], o = c->y.shape[3];
    e->activation = (ScopeActivation)op_test_int(test, 0, SCOPE_N_ACTIVATIONS - 1);
    e->activation_param = 0.2F;
    e->final_activation = (ScopeActivation)op_test_int(test, 0, SCOPE_N_ACTIVATIONS - 1);
    e->final_param = 0.1F;
    if (op_test_int(test, 0, 1)) {
        e->residual = op_test_tensor(test, SCOPE_DTYPE_F32, 0, 4, c->y.shape)->t;
        *ret_residual = e->residual;
        if (op_test_int(test, 0, 1)) {
            scope_op_copy(test->ctx[0], e->residual, y->t);
            e->residual = c->y;
        }
        *ret_residual = scope_tensor_reshape(*ret_residual, SCOPE_SHAPE(n, o));
    }
}

typedef struct {
    ScopeDType dtype;
    ScopeWeightStore store;
    int64_t t, h, w, i, o, context;
    int kt, kh, kw;
    ScopeConvGeometry g;
    gboolean plain;
} ConvCase;

static void
check_conv(OpTest *test, const ConvCase *k)
{
    int64_t size[3];
    TestTensor *w = op_test_tensor(test, k->dtype, 0,
                                   SCOPE_SHAPE(k->o, k->i / k->g.groups, k->kt, k->kh, k->kw));
    Conv c = {.x = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 3),
                                  SCOPE_SHAPE(k->t, k->h, k->w, k->i))
                       ->t};
    if (k->context > 0) {
        c.o.context =
            op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(k->context, k->h, k->w, k->i))->t;
    }
    ScopeWeightOptions options = {.store = k->store};
    if (!k->plain) {
        options.bias = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(k->o))->t;
    }
    g_autoptr(GError) error = NULL;
    scope_weight_prepare_conv(test->ctx[1], test->weights, w->t, &k->g, &options, &c.weight,
                              &error);
    g_assert_no_error(error);
    scope_weight_conv_output_size(&c.weight, k->t + k->context, k->h, k->w, size);
    TestTensor *y =
        op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(size[0], size[1], size[2], k->o));
    c.y = y->t;
    ScopeTensor residual = SCOPE_TENSOR_NONE;
    if (!k->plain) {
        random_epilogue(test, &c, y, &residual);
    }
    op_test_run(test, y, run_conv, &c);
    int64_t n = scope_tensor_n_elements(y->t);
    /* an int8 weight holds its own steps in place of the scale given */
    ScopeWeight given = c.weight;
    given.scale = options.scale;
    gboolean quantised = c.weight.store == SCOPE_WEIGHT_STORE_INT8;
    double taps = (double)(k->i / k->g.groups * k->kt * k->kh * k->kw);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = i / k->o;
        int64_t at[4] = {row / (size[1] * size[2]), row / size[2] % size[1], row % size[2],
                         i % k->o};
        double scale, sum = ref_conv(&c, w->t, at, &scale);
        double tolerance = 4e-7 * scale + 3e-6;
        if (quantised) { /* values lie in [-1, 1): half a step of each factor */
            /* summed kernels of an enlargement have steps up to four times as large */
            double step = k->g.upsample == 2 ? 4.0 / 254 : 1.0 / 254;
            tolerance += 1.2 * taps * (1.0 / 2000 + step);
        }
        op_test_close("conv", c.y, at,
                      op_ref_epilogue(&given, &c.o.epilogue, residual, row, at[3], sum), tolerance);
    }
}

static ConvCase
random_case(OpTest *test)
{
    ConvCase k = {.dtype = SCOPE_DTYPE_F32,
                  .t = op_test_int(test, 1, 3),
                  .h = op_test_int(test, 4, 9),
                  .w = op_test_int(test, 4, 19),
                  .i = op_test_int(test, 1, 20),
                  .o = op_test_int(test, 1, 36),
                  .kt = (int)op_test_int(test, 1, 3),
                  .kh = (int)op_test_int(test, 1, 3),
                  .kw = (int)op_test_int(test, 1, 3),
                  .g = SCOPE_CONV_GEOMETRY_INIT};
    k.context = op_test_int(test, k.t < k.kt ? k.kt - k.t : 0, 2);
    if (k.t + k.context < k.kt) {
        k.context = k.kt - k.t;
    }
    k.g.pad_top = (int)op_test_int(test, 0, 2);
    k.g.pad_bottom = (int)op_test_int(test, 0, 2);
    k.g.pad_left = (int)op_test_int(test, 0, 2);
    k.g.pad_right = (int)op_test_int(test, 0, 2);
    k.g.stride_h = (int)op_test_int(test, 1, 2);
    k.g.stride_w = (int)op_test_int(test, 1, 2);
    k.g.stride_t = (int)op_test_int(test, 1, 2);
    k.g.pad_mode = (ScopePadMode)op_test_int(test, 0, 2);
    k.g.upsample = (int)op_test_int(test, 1, 2);
    if (op_test_int(test, 0, 3) == 0) {
        k.g.dilation_h = k.g.dilation_w = k.g.upsample == 1 && k.h > 4 && k.w > 4 ? 2 : 1;
    }
    return k;
}

static void
test_conv_random(void)
{
    for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store += 2) {
        OpTest test;
        op_test_init(&test);
        for (int round = 0; round < 40; round++) {
            ConvCase k = random_case(&test);
            k.store = (ScopeWeightStore)store;
            k.plain = round % 4 == 0;
            check_conv(&test, &k);
        }
        op_test_clear(&test);
    }
}

/* The shapes of the models: wide channels, 3x3, stride 2 with uneven padding, upsampling. */
static void
test_conv_shapes(void)
{
    const ScopeDType dtypes[] = {SCOPE_DTYPE_F32, SCOPE_DTYPE_BF16};
    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store += 2) {
            OpTest test;
            op_test_init(&test);
            ConvCase same = {.dtype = dtypes[i],
                             .store = (ScopeWeightStore)store,
                             .t = 2,
                             .h = 5,
                             .w = 15,
                             .i = 48,
                             .o = 64,
                             .kt = 1,
                             .kh = 3,
                             .kw = 3,
                             .g = scope_conv_geometry_same(1)};
            check_conv(&test, &same);
            ConvCase causal = same;
            causal.kt = 3;
            causal.context = 2;
            causal.i = causal.o = 32;
            check_conv(&test, &causal);
            ConvCase up = same;
            up.g.upsample = 2;
            up.o = 32;
            check_conv(&test, &up);
            ConvCase down = same;
            down.g = (ScopeConvGeometry)SCOPE_CONV_GEOMETRY_INIT;
            down.g.stride_h = down.g.stride_w = 2;
            down.g.pad_bottom = down.g.pad_right = 1;
            check_conv(&test, &down);
            ConvCase point = same;
            point.kh = point.kw = 1;
            point.g = (ScopeConvGeometry)SCOPE_CONV_GEOMETRY_INIT;
            point.i = 130;
            point.o = 3;
            check_conv(&test, &point);
            ConvCase wide = same;
            wide.kh = wide.kw = 7;
            wide.i = 3;
            wide.g = scope_conv_geometry_same(3);
            wide.g.pad_mode = SCOPE_PAD_REFLECT;
            check_conv(&test, &wide);
            op_test_clear(&test);
        }
    }
}

static void
test_conv_groups(void)
{
    OpTest test;
    op_test_init(&test);
    const int groups[] = {2, 3, 12};
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        for (int64_t o = 12; o <= 24; o += 12) {
            ConvCase k = {.dtype = SCOPE_DTYPE_F32,
                          .t = 1,
                          .h = 6,
                          .w = 7,
                          .i = 12,
                          .o = o,
                          .kt = 1,
                          .kh = 3,
                          .kw = 3,
                          .g = scope_conv_geometry_same(1)};
            k.g.groups = groups[i];
            check_conv(&test, &k);
            k.store = SCOPE_WEIGHT_STORE_INT8;
            check_conv(&test, &k);
        }
    }
    op_test_clear(&test);
}

static void
check_transposed(OpTest *test, ScopeWeightStore store)
{
    int64_t h = op_test_int(test, 1, 6), w = op_test_int(test, 1, 6),
            n_in = op_test_int(test, 1, 20);
    int64_t n_out = op_test_int(test, 1, 20), size[3];
    int kernel = (int)op_test_int(test, 1, 4), stride = (int)op_test_int(test, 1, 4);
    ScopeConvGeometry g = SCOPE_CONV_GEOMETRY_INIT;
    g.stride_h = g.stride_w = stride;
    g.pad_top = g.pad_left = g.pad_bottom = g.pad_right = kernel >= 3 && h > 1 && w > 1 ? 1 : 0;
    g.output_pad_h = (int)op_test_int(test, 0, stride - 1);
    g.output_pad_w = (int)op_test_int(test, 0, stride - 1);
    TestTensor *kernels =
        op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(n_in, n_out, kernel, kernel));
    Conv c = {.x = op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(2, h, w, n_in))->t};
    ScopeWeightOptions options = {
        .store = store, .bias = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(n_out))->t};
    g_assert_true(scope_weight_prepare_conv_transpose(test->ctx[1], test->weights, kernels->t, &g,
                                                      &options, &c.weight, NULL));
    scope_weight_conv_output_size(&c.weight, 2, h, w, size);
    TestTensor *y =
        op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(2, size[1], size[2], n_out));
    c.y = y->t;
    c.o.epilogue.activation = SCOPE_ACTIVATION_SILU;
    op_test_run(test, y, run_conv_transpose, &c);
    g_autofree double *want = g_new0(double, scope_tensor_n_elements(y->t));
    for (int64_t i = 0; i < 2 * h * w * n_in; i++) {
        int64_t t = i / (h * w * n_in), iy = i / (w * n_in) % h, ix = i / n_in % w, ch = i % n_in;
        for (int64_t j = 0; j < n_out * kernel * kernel; j++) {
            int64_t o = j / (kernel * kernel), ky = j / kernel % kernel, kx = j % kernel;
            int64_t oy = iy * stride + ky - g.pad_top, ox = ix * stride + kx - g.pad_left;
            if (oy >= 0 && ox >= 0 && oy < size[1] && ox < size[2]) {
                want[((t * size[1] + oy) * size[2] + ox) * n_out + o] +=
                    OP_GET(c.x, t, iy, ix, ch) * OP_GET(kernels->t, ch, o, ky, kx);
            }
        }
    }
    for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
        int64_t row = i / n_out;
        OP_CLOSE(
            "transposed", c.y,
            op_ref_epilogue(&c.weight, &c.o.epilogue, SCOPE_TENSOR_NONE, row, i % n_out, want[i]),
            2e-5, row / (size[1] * size[2]), row / size[2] % size[1], row % size[2], i % n_out);
    }
}

static void
test_conv_transpose(void)
{
    OpTest test;
    op_test_init(&test);
    for (int round = 0; round < 30; round++) {
        check_transposed(&test, SCOPE_WEIGHT_STORE_KEEP);
    }
    op_test_clear(&test);
}

/* Frame by frame with carried state gives the bits of one call over the whole clip. */
static void
test_conv_stream(void)
{
    OpTest test;
    op_test_init(&test);
    ScopeConvGeometry g = scope_conv_geometry_same(1);
    ScopeTensor w = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(24, 20, 3, 3, 3))->t;
    ScopeTensor x = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(7, 5, 9, 20))->t;
    ScopeTensor whole = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(7, 5, 9, 24))->t;
    ScopeTensor parts = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(7, 5, 9, 24))->t;
    ScopeConvOptions o = {
        .context = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(2, 5, 9, 20))->t};
    ScopeWeight weight;
    g_assert_true(scope_weight_prepare_conv(test.ctx[1], test.weights, w, &g, NULL, &weight, NULL));
    scope_op_fill(test.ctx[1], o.context, 0.0F);
    scope_op_conv(test.ctx[1], whole, x, &weight, &o);
    const int64_t cuts[] = {0, 1, 3, 4, 7};
    for (int i = 0; i < 4; i++) {
        ScopeTensor piece = scope_tensor_slice(x, 0, cuts[i], cuts[i + 1]);
        scope_op_conv(test.ctx[0], scope_tensor_slice(parts, 0, cuts[i], cuts[i + 1]), piece,
                      &weight, &o);
        scope_op_push_frames(test.ctx[0], o.context, piece);
    }
    g_assert_cmpmem(whole.data, scope_tensor_n_bytes(whole), parts.data,
                    scope_tensor_n_bytes(parts));
    op_test_clear(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/conv/random", test_conv_random);
    g_test_add_func("/engine/conv/shapes", test_conv_shapes);
    g_test_add_func("/engine/conv/groups", test_conv_groups);
    g_test_add_func("/engine/conv/transposed", test_conv_transpose);
    g_test_add_func("/engine/conv/stream", test_conv_stream);
    return op_test_main();
}
