/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear and matmul against sums in double, over stored types, odd shapes and epilogues.
 */
#include <math.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor y, x;
    ScopeWeight weight;
    ScopeEpilogue e;
} Linear;

static void
run_linear(ScopeContext *ctx, void *data)
{
    Linear *l = data;
    scope_op_linear(ctx, l->y, l->x, &l->weight, &l->e);
}

typedef struct {
    ScopeDType dtype;
    ScopeWeightStore store;
    int64_t n, k, o;
    gboolean plain; /* no bias, scale or epilogue */
} LinearCase;

static void
random_epilogue(OpTest *test, Linear *l, TestTensor *y, ScopeTensor *ret_residual)
{
    int64_t n = l->y.shape[0], o = l->y.shape[1];
    l->e.activation = (ScopeActivation)op_test_int(test, 0, SCOPE_N_ACTIVATIONS - 1);
    l->e.activation_param = 0.2F;
    l->e.final_activation = (ScopeActivation)op_test_int(test, 0, SCOPE_N_ACTIVATIONS - 1);
    l->e.final_param = 0.1F;
    if (op_test_int(test, 0, 1)) {
        l->e.gate_rows = op_test_int(test, 1, n);
        l->e.gate = op_test_tensor(test, SCOPE_DTYPE_F32, 2,
                                   SCOPE_SHAPE((n + l->e.gate_rows - 1) / l->e.gate_rows, o))
                        ->t;
    }
    switch (op_test_int(test, 0, 2)) {
    case 1: { /* in place: the output is the residual */
        ScopeTensor copy = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(n, o))->t;
        scope_op_copy(test->ctx[0], copy, y->t);
        l->e.residual = l->y;
        *ret_residual = copy;
        break;
    }
    case 2:
        l->e.residual = op_test_tensor(test, SCOPE_DTYPE_F32, 3, SCOPE_SHAPE(n, o))->t;
        *ret_residual = l->e.residual;
        break;
    default:
        break;
    }
}

/* Bound of the error that int8 adds to a sum: half a step of each factor. */
static double
int8_bound(ScopeTensor x, ScopeTensor w, int64_t n, int64_t o)
{
    double x_top = 0, w_top = 0, x_sum = 0, w_sum = 0;
    for (int64_t k = 0; k < x.shape[1]; k++) {
        double a = fabs(OP_GET(x, n, k)), b = fabs(OP_GET(w, o, k));
        x_top = MAX(x_top, a);
        w_top = MAX(w_top, b);
        x_sum += a;
        w_sum += b;
    }
    double x_half = x_top / 1000 / 2, w_half = w_top / 127 / 2;
    return 1.01 * (x_half * w_sum + w_half * x_sum + x_half * w_half * (double)x.shape[1]);
}

static void
check_linear(OpTest *test, const LinearCase *c)
{
    TestTensor *w = op_test_tensor(test, c->dtype, 0, SCOPE_SHAPE(c->o, c->k));
    TestTensor *y =
        op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 5), SCOPE_SHAPE(c->n, c->o));
    Linear l = {
        .y = y->t,
        .x = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 3), SCOPE_SHAPE(c->n, c->k))
                 ->t};
    ScopeWeightOptions options = {.store = c->store};
    ScopeTensor residual = SCOPE_TENSOR_NONE;
    if (!c->plain) {
        options.bias = op_test_tensor(test, SCOPE_DTYPE_BF16, 0, SCOPE_SHAPE(c->o))->t;
        if (op_test_int(test, 0, 1)) {
            options.scale = op_test_tensor(test, SCOPE_DTYPE_F32, 0,
                                           SCOPE_SHAPE(op_test_int(test, 0, 1) ? 1 : c->o))
                                ->t;
        }
        random_epilogue(test, &l, y, &residual);
    }
    g_autoptr(GError) error = NULL;
    g_assert_true(scope_weight_prepare_linear(test->ctx[1], test->weights, w->t, &options,
                                              &l.weight, &error));
    g_assert_no_error(error);
    op_test_run(test, y, run_linear, &l);
    /* an int8 weight holds its own steps in place of the scale given */
    ScopeWeight given = l.weight;
    given.scale = options.scale;
    gboolean quantised = l.weight.store == SCOPE_WEIGHT_STORE_INT8;
    for (int64_t n = 0; n < c->n; n++) {
        for (int64_t o = 0; o < c->o; o++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < c->k; k++) {
                double p = OP_GET(l.x, n, k) * OP_GET(w->t, o, k);
                sum += p;
                size += fabs(p);
            }
            double tolerance = 3e-7 * size + 3e-6;
            if (quantised) {
                tolerance += 1.2 * int8_bound(l.x, w->t, n, o);
            }
            OP_CLOSE("linear", l.y, op_ref_epilogue(&given, &l.e, residual, n, o, sum), tolerance,
                     n, o);
        }
    }
}

static void
test_linear_types(void)
{
    const ScopeDType dtypes[] = {SCOPE_DTYPE_F32,     SCOPE_DTYPE_F16,     SCOPE_DTYPE_BF16,
                                 SCOPE_DTYPE_F8_E4M3, SCOPE_DTYPE_F8_E5M2, SCOPE_DTYPE_F64};
    for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store++) {
        for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
            OpTest test;
            op_test_init(&test);
            for (int round = 0; round < 6; round++) {
                LinearCase c = {dtypes[i],
                                (ScopeWeightStore)store,
                                op_test_int(&test, 1, 40),
                                op_test_int(&test, 1, 80),
                                op_test_int(&test, 1, 70),
                                round == 0};
                check_linear(&test, &c);
            }
            op_test_clear(&test);
        }
    }
}

/* Sizes around the blocks of the kernels: rows of 6, columns of 16, depth of 256 and more. */
static void
test_linear_blocks(void)
{
    const int64_t shapes[][3] = {{1, 513, 97},   {6, 256, 16},  {7, 257, 17},  {12, 768, 48},
                                 {61, 300, 33},  {2, 1025, 31}, {150, 40, 18}, {13, 520, 130},
                                 {200, 260, 40}, {1, 1, 1},     {5, 2050, 3}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        OpTest test;
        op_test_init(&test);
        for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store++) {
            LinearCase c = {store ? SCOPE_DTYPE_F32 : SCOPE_DTYPE_BF16,
                            (ScopeWeightStore)store,
                            shapes[i][0],
                            shapes[i][1],
                            shapes[i][2],
                            FALSE};
            check_linear(&test, &c);
        }
        op_test_clear(&test);
    }
}

/* A row of zeros and a weight row of zeros must not divide by zero when quantised. */
static void
test_linear_zero_rows(void)
{
    for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store++) {
        OpTest test;
        op_test_init(&test);
        ScopeTensor w = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(20, 32))->t;
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(9, 20));
        Linear l = {.y = y->t,
                    .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(9, 32))->t};
        scope_op_fill(test.ctx[0], scope_tensor_select(l.x, 0, 3), 0.0F);
        scope_op_fill(test.ctx[0], scope_tensor_select(w, 0, 5), 0.0F);
        ScopeWeightOptions options = {.store = (ScopeWeightStore)store};
        g_assert_true(
            scope_weight_prepare_linear(test.ctx[1], test.weights, w, &options, &l.weight, NULL));
        op_test_run(&test, y, run_linear, &l);
        for (int64_t i = 0; i < 20; i++) {
            OP_CLOSE("zero x", l.y, 0.0, 0.0, 3, i);
        }
        for (int64_t i = 0; i < 9; i++) {
            OP_CLOSE("zero w", l.y, 0.0, 0.0, i, 5);
        }
        op_test_clear(&test);
    }
}

/* An op on part of a larger batch gives the same bits: rows do not depend on their neighbours. */
static void
test_linear_row_independence(void)
{
    for (int store = 0; store <= SCOPE_WEIGHT_STORE_INT8; store++) {
        OpTest test;
        op_test_init(&test);
        ScopeTensor w = op_test_tensor(&test, SCOPE_DTYPE_F16, 0, SCOPE_SHAPE(50, 300))->t;
        ScopeTensor x = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(37, 300))->t;
        ScopeTensor all = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(37, 50))->t;
        ScopeTensor part = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(11, 50))->t;
        ScopeWeightOptions options = {.store = (ScopeWeightStore)store};
        ScopeWeight weight;
        g_assert_true(
            scope_weight_prepare_linear(test.ctx[1], test.weights, w, &options, &weight, NULL));
        scope_op_linear(test.ctx[1], all, x, &weight, NULL);
        scope_op_linear(test.ctx[0], part, scope_tensor_slice(x, 0, 13, 24), &weight, NULL);
        ScopeTensor same = scope_tensor_slice(all, 0, 13, 24);
        g_assert_cmpmem(part.data, scope_tensor_n_bytes(part), same.data,
                        scope_tensor_n_bytes(same));
        op_test_clear(&test);
    }
}

/* What int8 costs: relative error of a wide layer with normal weights and activations. */
static void
test_linear_int8_error(void)
{
    OpTest test;
    op_test_init(&test);
    ScopeTensor w = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(200, 1536))->t;
    ScopeTensor x = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(50, 1536))->t;
    ScopeTensor exact = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(50, 200))->t;
    ScopeTensor got = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(50, 200))->t;
    scope_op_random_normal(test.ctx[0], w, 1, 0);
    scope_op_random_normal(test.ctx[0], x, 2, 0);
    ScopeWeight plain, int8;
    ScopeWeightOptions options = {.store = SCOPE_WEIGHT_STORE_INT8};
    scope_weight_prepare_linear(test.ctx[0], test.weights, w, NULL, &plain, NULL);
    scope_weight_prepare_linear(test.ctx[0], test.weights, w, &options, &int8, NULL);
    scope_op_linear(test.ctx[0], exact, x, &plain, NULL);
    scope_op_linear(test.ctx[0], got, x, &int8, NULL);
    double wrong = 0, size = 0;
    for (int64_t i = 0; i < 50 * 200; i++) {
        double a = (double)((float *)exact.data)[i], b = (double)((float *)got.data)[i];
        wrong += (a - b) * (a - b);
        size += a * a;
    }
    g_test_message("relative error of int8: %g", sqrt(wrong / size));
    g_assert_cmpfloat(sqrt(wrong / size), <, 0.012);
    op_test_clear(&test);
}

typedef struct {
    ScopeTensor y, a, b;
    float alpha;
} Matmul;

static void
run_matmul(ScopeContext *ctx, void *data)
{
    Matmul *m = data;
    scope_op_matmul(ctx, m->y, m->a, m->b, m->alpha);
}

static void
check_matmul(OpTest *test, const int64_t size[4], gboolean transpose_a, gboolean transpose_b)
{
    int64_t batch = size[0], m = size[1], n = size[2], k = size[3];
    TestTensor *y =
        op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 2), SCOPE_SHAPE(batch, m, n));
    int64_t shared = op_test_int(test, 0, 1) ? 1 : batch;
    Matmul mm = {.y = y->t, .alpha = op_test_float(test)};
    mm.a = transpose_a
               ? scope_tensor_transpose(
                     op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(batch, k, m))->t, 1, 2)
               : op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(batch, m, k))->t;
    mm.b = transpose_b
               ? scope_tensor_transpose(
                     op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(shared, n, k))->t, 1, 2)
               : op_test_tensor(test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(shared, k, n))->t;
    op_test_run(test, y, run_matmul, &mm);
    for (int64_t i = 0; i < batch * m * n; i++) {
        int64_t bi = i / (m * n), r = i / n % m, c = i % n;
        double sum = 0, scale = 0;
        for (int64_t j = 0; j < k; j++) {
            double p = OP_GET(mm.a, bi, r, j) * OP_GET(mm.b, shared == 1 ? 0 : bi, j, c);
            sum += p;
            scale += fabs(p);
        }
        OP_CLOSE("matmul", mm.y, sum * (double)mm.alpha, 3e-7 * scale + 1e-6, bi, r, c);
    }
}

static void
test_matmul(void)
{
    for (int layout = 0; layout < 4; layout++) {
        OpTest test;
        op_test_init(&test);
        for (int round = 0; round < 8; round++) {
            int64_t size[4] = {op_test_int(&test, 1, 4), op_test_int(&test, 1, 40),
                               op_test_int(&test, 1, 50), op_test_int(&test, 1, 60)};
            check_matmul(&test, size, layout & 1, layout & 2);
        }
        op_test_clear(&test);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/linear/types", test_linear_types);
    g_test_add_func("/engine/linear/blocks", test_linear_blocks);
    g_test_add_func("/engine/linear/zero-rows", test_linear_zero_rows);
    g_test_add_func("/engine/linear/row-independence", test_linear_row_independence);
    g_test_add_func("/engine/linear/int8-error", test_linear_int8_error);
    g_test_add_func("/engine/matmul", test_matmul);
    return op_test_main();
}
