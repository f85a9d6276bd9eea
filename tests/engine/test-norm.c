/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Norms, group norm and softmax against double.
 */
#include <math.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor y, x;
    ScopeNormOptions o;
    ScopeGroupNormOptions g;
} Norm;

static void
run_norm(ScopeContext *ctx, void *data)
{
    Norm *n = data;
    scope_op_norm(ctx, n->y, n->x, &n->o);
}

static void
run_group_norm(ScopeContext *ctx, void *data)
{
    Norm *n = data;
    scope_op_group_norm(ctx, n->y, n->x, &n->g);
}

static void
run_softmax(ScopeContext *ctx, void *data)
{
    Norm *n = data;
    scope_op_softmax(ctx, n->y, n->x);
}

static void
check_norm_row(const Norm *n, int64_t row)
{
    const ScopeNormOptions *o = &n->o;
    int64_t d = n->x.shape[1], group = o->modulation_rows > 0 ? row / o->modulation_rows : 0;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < d && o->kind == SCOPE_NORM_LAYER; i++) {
        mean += OP_GET(n->x, row, i) / (double)d;
    }
    for (int64_t i = 0; i < d; i++) {
        squares += pow(OP_GET(n->x, row, i) - mean, 2);
    }
    double scale = o->kind == SCOPE_NORM_L2 ? sqrt((double)d) / MAX(sqrt(squares), (double)o->eps)
                                            : 1 / sqrt(squares / (double)d + (double)o->eps);
    for (int64_t i = 0; i < d; i++) {
        double v = (OP_GET(n->x, row, i) - mean) * scale;
        v *= scope_tensor_is_none(o->weight) ? 1 : OP_GET(o->weight, i);
        v += scope_tensor_is_none(o->bias) ? 0 : OP_GET(o->bias, i);
        v *= scope_tensor_is_none(o->scale) ? 1 : 1 + OP_GET(o->scale, group, i);
        v += scope_tensor_is_none(o->shift) ? 0 : OP_GET(o->shift, group, i);
        v = op_ref_activation(o->activation, (double)o->activation_param, v);
        OP_CLOSE("norm", n->y, v, 2e-5, row, i);
    }
}

static void
check_norm(OpTest *test, ScopeNormKind kind, int64_t n_rows, int64_t d)
{
    TestTensor *y =
        op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 3), SCOPE_SHAPE(n_rows, d));
    Norm n = {.y = y->t, .o = {.kind = kind, .eps = kind == SCOPE_NORM_L2 ? 1e-12F : 1e-6F}};
    n.x = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 3), SCOPE_SHAPE(n_rows, d))->t;
    /* an offset that would cancel badly in single precision sums of squares */
    scope_op_affine(test->ctx[0], n.x, n.x, 1.0F, kind == SCOPE_NORM_LAYER ? 3.0F : 0.1F);
    if (op_test_int(test, 0, 1)) {
        n.o.weight = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(d))->t;
    }
    if (op_test_int(test, 0, 1)) {
        n.o.bias = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(d))->t;
    }
    if (op_test_int(test, 0, 1)) {
        n.o.modulation_rows = op_test_int(test, 1, n_rows);
        int64_t groups = (n_rows + n.o.modulation_rows - 1) / n.o.modulation_rows;
        n.o.scale = op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(groups, d))->t;
        n.o.shift = op_test_tensor(test, SCOPE_DTYPE_F32, 2, SCOPE_SHAPE(groups, d))->t;
    }
    n.o.activation = (ScopeActivation)op_test_int(test, 0, SCOPE_N_ACTIVATIONS - 1);
    n.o.activation_param = 0.3F;
    op_test_run(test, y, run_norm, &n);
    for (int64_t row = 0; row < n_rows; row++) {
        check_norm_row(&n, row);
    }
}

static void
test_norm(void)
{
    for (int kind = SCOPE_NORM_LAYER; kind <= SCOPE_NORM_L2; kind++) {
        OpTest test;
        op_test_init(&test);
        for (int round = 0; round < 20; round++) {
            check_norm(&test, (ScopeNormKind)kind, op_test_int(&test, 1, 30),
                       kind == SCOPE_NORM_LAYER ? op_test_int(&test, 8, 90)
                                                : op_test_int(&test, 1, 90));
        }
        check_norm(&test, (ScopeNormKind)kind, 5, 1536);
        op_test_clear(&test);
    }
}

static void
test_norm_zero_row(void)
{
    OpTest test;
    op_test_init(&test);
    TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(2, 24));
    Norm n = {.y = y->t,
              .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(2, 24))->t,
              .o = {.kind = SCOPE_NORM_L2, .eps = 1e-12F}};
    scope_op_fill(test.ctx[0], n.x, 0.0F);
    op_test_run(&test, y, run_norm, &n);
    for (int64_t i = 0; i < 48; i++) {
        OP_CLOSE("zero row", n.y, 0, 0, i / 24, i % 24);
    }
    op_test_clear(&test);
}

static void
check_group_norm(OpTest *test, int64_t frames, int64_t h, int64_t w, int64_t c, int groups)
{
    TestTensor *y = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(frames, h, w, c));
    Norm n = {.y = y->t,
              .x = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(frames, h, w, c))->t,
              .g = {.n_groups = groups, .eps = 1e-5F}};
    n.g.weight = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(c))->t;
    n.g.bias = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(c))->t;
    n.g.activation = SCOPE_ACTIVATION_RELU;
    op_test_run(test, y, run_group_norm, &n);
    int64_t width = c / groups;
    for (int64_t t = 0; t < frames * groups; t++) {
        int64_t frame = t / groups, first = t % groups * width;
        double mean = 0, var = 0, count = (double)(h * w * width);
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t i = 0; i < h * w * width; i++) {
                double v = OP_GET(n.x, frame, i / width / w, i / width % w, first + i % width);
                mean += pass == 0 ? v / count : 0;
                var += pass == 1 ? (v - mean) * (v - mean) / count : 0;
            }
        }
        for (int64_t i = 0; i < h * w * width; i++) {
            int64_t at[4] = {frame, i / width / w, i / width % w, first + i % width};
            double v = (op_test_get(n.x, at) - mean) / sqrt(var + 1e-5);
            v = v * OP_GET(n.g.weight, at[3]) + OP_GET(n.g.bias, at[3]);
            op_test_close("group norm", n.y, at, v > 0 ? v : 0, 2e-5);
        }
    }
}

static void
test_group_norm(void)
{
    OpTest test;
    op_test_init(&test);
    check_group_norm(&test, 2, 5, 7, 64, 32);
    check_group_norm(&test, 1, 9, 13, 24, 24);
    check_group_norm(&test, 3, 4, 4, 30, 3);
    check_group_norm(&test, 1, 1, 2, 5, 1);
    check_group_norm(&test, 1, 40, 33, 40, 40);
    op_test_clear(&test);
}

static void
test_softmax(void)
{
    OpTest test;
    op_test_init(&test);
    for (int round = 0; round < 20; round++) {
        int64_t rows = op_test_int(&test, 1, 30), d = op_test_int(&test, 1, 80);
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(rows, d));
        Norm n = {.y = y->t,
                  .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 2, SCOPE_SHAPE(rows, d))->t};
        scope_op_affine(test.ctx[0], n.x, n.x, round % 2 ? 500.0F : 4.0F, 0.0F);
        op_test_run(&test, y, run_softmax, &n);
        for (int64_t r = 0; r < rows; r++) {
            double top = -INFINITY, sum = 0;
            for (int64_t i = 0; i < d; i++) {
                top = MAX(top, OP_GET(n.x, r, i));
            }
            for (int64_t i = 0; i < d; i++) {
                sum += exp(OP_GET(n.x, r, i) - top);
            }
            for (int64_t i = 0; i < d; i++) {
                OP_CLOSE("softmax", n.y, exp(OP_GET(n.x, r, i) - top) / sum, 1e-6, r, i);
            }
        }
    }
    op_test_clear(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/norm", test_norm);
    g_test_add_func("/engine/norm/zero-row", test_norm_zero_row);
    g_test_add_func("/engine/group-norm", test_group_norm);
    g_test_add_func("/engine/softmax", test_softmax);
    return op_test_main();
}
