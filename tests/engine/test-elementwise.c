/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise ops, reductions, copies, gathers, random numbers against double.
 */
#include <math.h>
#include <string.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor y, a, b, c;
    ScopeUnary unary;
    ScopeBinaryKind binary;
    ScopeReduceKind reduce;
    ScopeActivation activation;
    float alpha, beta;
} Args;

#define RUN(name, call)                                                                            \
    static void run_##name(ScopeContext *ctx, void *data)                                          \
    {                                                                                              \
        Args *g = data;                                                                            \
        call;                                                                                      \
    }
RUN(unary, scope_op_unary(ctx, g->y, g->a, g->unary))
RUN(binary, scope_op_binary(ctx, g->binary, g->y, g->a, g->b))
RUN(scale_add, scope_op_scale_add(ctx, g->y, g->a, g->alpha, g->b, g->beta))
RUN(lerp, scope_op_lerp(ctx, g->y, g->a, g->b, g->c))
RUN(glu, scope_op_glu(ctx, g->y, g->a, g->b, g->activation))
RUN(reduce, scope_op_reduce(ctx, g->reduce, g->y, g->a))
RUN(copy, scope_op_copy(ctx, g->y, g->a))
RUN(fill, scope_op_fill(ctx, g->y, g->alpha))
RUN(gather, scope_op_gather_rows(ctx, g->y, g->a, g->b))
RUN(normal, scope_op_random_normal(ctx, g->y, 99, 7))

/* A random 3D shape; sometimes larger than a tile. */
static void
random_shape(OpTest *test, int64_t shape[3])
{
    gboolean large = op_test_int(test, 0, 5) == 0;
    shape[0] = op_test_int(test, 1, 6);
    shape[1] = op_test_int(test, 1, 9);
    shape[2] = large ? op_test_int(test, 3000, 20000) : op_test_int(test, 1, 40);
}

static double
ref_unary(const ScopeUnary *op, double v)
{
    double a = (double)op->a, b = (double)op->b;
    switch (op->kind) {
    case SCOPE_UNARY_AFFINE:
        return v * a + b;
    case SCOPE_UNARY_CLAMP:
        return CLAMP(v, a, b);
    case SCOPE_UNARY_ACTIVATION:
        return op_ref_activation(op->activation, a, v);
    case SCOPE_UNARY_EXP:
        return exp(v);
    case SCOPE_UNARY_LOG:
        return log(v);
    case SCOPE_UNARY_SQRT:
        return sqrt(v);
    case SCOPE_UNARY_ABS:
        return fabs(v);
    case SCOPE_UNARY_SQUARE:
        return v * v;
    case SCOPE_UNARY_RECIPROCAL:
        return 1 / v;
    case SCOPE_UNARY_SIN:
        return sin(v);
    case SCOPE_UNARY_COS:
        return cos(v);
    case SCOPE_UNARY_ROUND:
        return rint(v);
    case SCOPE_UNARY_FLOOR:
        return floor(v);
    case SCOPE_UNARY_STEP:
        return v > a;
    case SCOPE_N_UNARY_KINDS:
        break;
    }
    return NAN;
}

static void
check_unary(OpTest *test, ScopeUnary op)
{
    int64_t shape[3];
    random_shape(test, shape);
    gboolean positive = op.kind == SCOPE_UNARY_LOG || op.kind == SCOPE_UNARY_SQRT ||
                        op.kind == SCOPE_UNARY_RECIPROCAL;
    TestTensor *y = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 1), 3, shape);
    Args g = {.y = y->t,
              .a = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 1), 3, shape)->t,
              .unary = op};
    scope_op_affine(test->ctx[0], g.a, g.a, positive ? 2.0F : 9.0F, positive ? 2.1F : 0.0F);
    op_test_run(test, y, run_unary, &g);
    for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
        int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
        double want = ref_unary(&op, op_test_get(g.a, at));
        op_test_close("unary", g.y, at, want, 4e-6 * fabs(want) + 1e-6);
    }
}

static void
test_unary(void)
{
    OpTest test;
    op_test_init(&test);
    for (int kind = 0; kind < SCOPE_N_UNARY_KINDS; kind++) {
        for (int act = 0; act < (kind == SCOPE_UNARY_ACTIVATION ? SCOPE_N_ACTIVATIONS : 3); act++) {
            ScopeUnary op = {(ScopeUnaryKind)kind, (ScopeActivation)act, -0.5F, 0.75F};
            check_unary(&test, op);
        }
    }
    op_test_clear(&test);
}

/* The tails, where a wrong formula gives NaN or infinity. */
static void
test_activation_extremes(void)
{
    OpTest test;
    op_test_init(&test);
    const float values[] = {-3e38F, -1e4F, -100.0F, -89.0F, -20.0F, -1e-30F, 0.0F,
                            1e-30F, 20.0F, 89.0F,   100.0F, 1e4F,   3e38F};
    for (int act = 0; act < SCOPE_N_ACTIVATIONS; act++) {
        float out[G_N_ELEMENTS(values)];
        ScopeTensor x =
            scope_tensor_wrap(SCOPE_DTYPE_F32, values, SCOPE_SHAPE(G_N_ELEMENTS(values)));
        ScopeTensor y = scope_tensor_wrap(SCOPE_DTYPE_F32, out, SCOPE_SHAPE(G_N_ELEMENTS(values)));
        scope_op_activation(test.ctx[0], y, x, (ScopeActivation)act);
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
            double want = op_ref_activation((ScopeActivation)act, 0, (double)values[i]);
            g_assert_cmpfloat_with_epsilon((double)out[i], want, fabs(want) * 1e-5 + 1e-6);
        }
    }
    op_test_clear(&test);
}

static double
ref_binary(ScopeBinaryKind kind, double a, double b)
{
    const double results[SCOPE_N_BINARY_KINDS] = {a + b, a - b, a * b, a / b, MIN(a, b), MAX(a, b)};
    return results[kind];
}

static void
test_binary(void)
{
    OpTest test;
    op_test_init(&test);
    for (int round = 0; round < 40; round++) {
        int64_t shape[3];
        random_shape(&test, shape);
        /* each operand repeats some dimensions; the second may lack the first */
        int64_t sa[3], sb[3];
        for (int d = 0; d < 3; d++) {
            sa[d] = op_test_int(&test, 0, 2) ? shape[d] : 1;
            sb[d] = op_test_int(&test, 0, 2) ? shape[d] : 1;
        }
        int lack = (int)op_test_int(&test, 0, 1);
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, op_test_int(&test, 0, 1), 3, shape);
        Args g = {.y = y->t, .binary = (ScopeBinaryKind)(round % SCOPE_N_BINARY_KINDS)};
        g.a = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, 3, sa)->t;
        g.b = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, 3 - lack, sb + lack)->t;
        g.c = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, 3, shape)->t;
        scope_op_affine(test.ctx[0], g.b, g.b, 1.0F, 2.0F);
        g.alpha = op_test_float(&test);
        g.beta = op_test_float(&test);
        OpTestRun run[3] = {run_binary, run_scale_add, run_lerp};
        for (int op = 0; op < 3; op++) {
            op_test_run(&test, y, run[op], &g);
            ScopeTensor a = scope_tensor_broadcast(g.a, 3, shape);
            ScopeTensor b = scope_tensor_broadcast(g.b, 3, shape);
            for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
                int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
                double u = op_test_get(a, at), v = op_test_get(b, at), t = op_test_get(g.c, at);
                double want = op == 0   ? ref_binary(g.binary, u, v)
                              : op == 1 ? (double)g.alpha * u + (double)g.beta * v
                                        : u + t * (v - u);
                op_test_close("binary", g.y, at, want, 1e-6);
            }
        }
    }
    op_test_clear(&test);
}

/* Gated linear units on the two halves of a row, in place too. */
static void
test_glu(void)
{
    OpTest test;
    op_test_init(&test);
    for (int act = 0; act < SCOPE_N_ACTIVATIONS; act++) {
        ScopeTensor both = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(13, 66))->t;
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(13, 33));
        Args g = {.y = y->t,
                  .a = scope_tensor_slice(both, 1, 0, 33),
                  .b = scope_tensor_slice(both, 1, 33, 66),
                  .activation = (ScopeActivation)act};
        op_test_run(&test, y, run_glu, &g);
        for (int64_t i = 0; i < 13 * 33; i++) {
            int64_t at[2] = {i / 33, i % 33};
            double want =
                op_test_get(g.a, at) * op_ref_activation(g.activation, 0, op_test_get(g.b, at));
            op_test_close("glu", g.y, at, want, 1e-6);
        }
    }
    op_test_clear(&test);
}

static void
check_reduce(OpTest *test, ScopeReduceKind kind, unsigned mask)
{
    int64_t shape[3], out[3];
    random_shape(test, shape);
    for (int d = 0; d < 3; d++) {
        out[d] = mask & (1U << d) ? 1 : shape[d];
    }
    TestTensor *y = op_test_tensor(test, SCOPE_DTYPE_F32, 0, 3, out);
    Args g = {
        .y = y->t, .a = op_test_tensor(test, SCOPE_DTYPE_F32, 1, 3, shape)->t, .reduce = kind};
    op_test_run(test, y, run_reduce, &g);
    int64_t n = scope_tensor_n_elements(y->t), n_each = scope_tensor_n_elements(g.a) / n;
    g_autofree double *want = g_new(double, MAX(n, 1));
    for (int64_t i = 0; i < n; i++) {
        want[i] = kind == SCOPE_REDUCE_MIN ? INFINITY : kind == SCOPE_REDUCE_MAX ? -INFINITY : 0;
    }
    for (int64_t i = 0; i < scope_tensor_n_elements(g.a); i++) {
        int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
        double v = op_test_get(g.a, at);
        double *w = &want[((at[0] % out[0]) * out[1] + at[1] % out[1]) * out[2] + at[2] % out[2]];
        *w = kind == SCOPE_REDUCE_SUM           ? *w + v
             : kind == SCOPE_REDUCE_MEAN        ? *w + v / (double)n_each
             : kind == SCOPE_REDUCE_SUM_SQUARES ? *w + v * v
             : kind == SCOPE_REDUCE_MIN         ? MIN(*w, v)
             : kind == SCOPE_REDUCE_MAX         ? MAX(*w, v)
                                                : MAX(*w, fabs(v));
    }
    for (int64_t i = 0; i < n; i++) {
        OP_CLOSE("reduce", g.y, want[i], 1e-6 + 1e-7 * fabs(want[i]), i / out[2] / out[1],
                 i / out[2] % out[1], i % out[2]);
    }
}

static void
test_reduce(void)
{
    OpTest test;
    op_test_init(&test);
    for (int kind = 0; kind < SCOPE_N_REDUCE_KINDS; kind++) {
        for (unsigned mask = 0; mask < 8; mask++) {
            check_reduce(&test, (ScopeReduceKind)kind, mask);
        }
    }
    op_test_clear(&test);
}

static void
test_copy(void)
{
    OpTest test;
    op_test_init(&test);
    for (int from = SCOPE_DTYPE_F32; from < SCOPE_N_DTYPES; from++) {
        for (int to = SCOPE_DTYPE_F32; to < SCOPE_N_DTYPES; to++) {
            int64_t shape[3] = {op_test_int(&test, 1, 5), op_test_int(&test, 1, 9),
                                op_test_int(&test, 1, 400)};
            int64_t swapped[3] = {shape[2], shape[1], shape[0]};
            TestTensor *y = op_test_tensor(&test, (ScopeDType)to, 1, 3, shape);
            Args g = {.y = y->t};
            g.a = from % 2 ? op_test_tensor(&test, (ScopeDType)from, 1, 3, shape)->t
                           : scope_tensor_transpose(
                                 op_test_tensor(&test, (ScopeDType)from, 2, 3, swapped)->t, 0, 2);
            op_test_run(&test, y, run_copy, &g);
            for (int64_t i = 0; i < scope_tensor_n_elements(y->t); i++) {
                int64_t at[3] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
                float want = (float)op_test_get(g.a, at), rounded;
                double raw;
                scope_dtype_from_f32((ScopeDType)to, &want, &raw, 1);
                scope_dtype_to_f32((ScopeDType)to, &raw, &rounded, 1);
                op_test_close("copy", g.y, at, (double)rounded, 0);
            }
        }
    }
    op_test_clear(&test);
}

static void
test_fill_and_move(void)
{
    OpTest test;
    op_test_init(&test);
    for (int dtype = SCOPE_DTYPE_F32; dtype < SCOPE_N_DTYPES; dtype++) {
        TestTensor *y = op_test_tensor(&test, (ScopeDType)dtype, 1, SCOPE_SHAPE(5, 17));
        Args g = {.y = y->t, .alpha = 3.0F};
        op_test_run(&test, y, run_fill, &g);
        for (int64_t i = 0; i < 85; i++) {
            OP_CLOSE("fill", g.y, 3.0, 0, i / 17, i % 17);
        }
    }
    for (int gap = 0; gap < 2; gap++) {
        for (int64_t to = 0; to < 6; to++) {
            ScopeTensor t = op_test_tensor(&test, SCOPE_DTYPE_F32, gap, SCOPE_SHAPE(10, 7))->t;
            ScopeTensor old = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(10, 7))->t;
            scope_op_copy(test.ctx[0], old, t);
            scope_op_move_rows(test.ctx[0], t, to, 2, 4);
            for (int64_t i = 0; i < 70; i++) {
                int64_t row = i / 7, source = row >= to && row < to + 4 ? row - to + 2 : row;
                OP_CLOSE("move", t, OP_GET(old, source, i % 7), 0, row, i % 7);
            }
        }
    }
    op_test_clear(&test);
}

static void
test_push_frames(void)
{
    OpTest test;
    op_test_init(&test);
    for (int64_t n = 1; n < 6; n++) {
        ScopeTensor state = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(3, 2, 5))->t;
        ScopeTensor old = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(3, 2, 5))->t;
        ScopeTensor x = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(n, 2, 5))->t;
        scope_op_copy(test.ctx[0], old, state);
        scope_op_push_frames(test.ctx[1], state, x);
        for (int64_t i = 0; i < 30; i++) {
            int64_t frame = i / 10 + n; /* position in [old, x] */
            double want = frame < 3 ? OP_GET(old, frame, i / 5 % 2, i % 5)
                                    : OP_GET(x, frame - 3, i / 5 % 2, i % 5);
            OP_CLOSE("push", state, want, 0, i / 10, i / 5 % 2, i % 5);
        }
    }
    op_test_clear(&test);
}

static void
test_gather(void)
{
    OpTest test;
    op_test_init(&test);
    const ScopeDType dtypes[] = {SCOPE_DTYPE_F32, SCOPE_DTYPE_BF16, SCOPE_DTYPE_F8_E4M3};
    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 2, SCOPE_SHAPE(19, 33));
        Args g = {
            .y = y->t,
            .a = op_test_tensor(&test, dtypes[i], 1, SCOPE_SHAPE(50, 33))->t,
            .b = op_test_tensor(&test, i ? SCOPE_DTYPE_I32 : SCOPE_DTYPE_I64, 0, SCOPE_SHAPE(19))
                     ->t};
        for (int64_t n = 0; n < 19; n++) {
            float id = (float)op_test_int(&test, 0, 49);
            scope_op_fill(test.ctx[0], scope_tensor_slice(g.b, 0, n, n + 1), id);
        }
        op_test_run(&test, y, run_gather, &g);
        for (int64_t n = 0; n < 19 * 33; n++) {
            int64_t id = (int64_t)OP_GET(g.b, n / 33);
            OP_CLOSE("gather", g.y, OP_GET(g.a, id, n % 33), 0, n / 33, n % 33);
        }
    }
    op_test_clear(&test);
}

/* Known answers of Philox 4x32-10 (key and counter zero) through Box-Muller; moments; offsets. */
static void
test_random_normal(void)
{
    OpTest test;
    op_test_init(&test);
    const uint32_t known[4] = {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U};
    float first[4];
    ScopeTensor t = scope_tensor_wrap(SCOPE_DTYPE_F32, first, SCOPE_SHAPE(4));
    scope_op_random_normal(test.ctx[0], t, 0, 0);
    for (int i = 0; i < 4; i++) {
        double u1 = (known[i & 2] + 1.0) / 4294967296.0, u2 = known[(i & 2) + 1] / 4294967296.0;
        double want = sqrt(-2 * log(u1)) * (i & 1 ? sin(2 * G_PI * u2) : cos(2 * G_PI * u2));
        g_assert_cmpfloat_with_epsilon((double)first[i], want, 1e-6);
    }
    const int64_t n = 100001;
    TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(n));
    Args g = {.y = y->t};
    op_test_run(&test, y, run_normal, &g);
    const float *v = y->t.data;
    double sum = 0, squares = 0, fourth = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)v[i];
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    g_assert_cmpfloat_with_epsilon(sum / (double)n, 0, 0.02);
    g_assert_cmpfloat_with_epsilon(squares / (double)n, 1, 0.03);
    g_assert_cmpfloat_with_epsilon(fourth / (double)n, 3, 0.2);
    float part[50];
    ScopeTensor p = scope_tensor_wrap(SCOPE_DTYPE_F32, part, SCOPE_SHAPE(50));
    scope_op_random_normal(test.ctx[0], p, 99, 7 + 4093);
    g_assert_cmpmem(part, sizeof part, v + 4093, sizeof part);
    op_test_clear(&test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/unary", test_unary);
    g_test_add_func("/engine/activation-extremes", test_activation_extremes);
    g_test_add_func("/engine/binary", test_binary);
    g_test_add_func("/engine/glu", test_glu);
    g_test_add_func("/engine/reduce", test_reduce);
    g_test_add_func("/engine/copy", test_copy);
    g_test_add_func("/engine/fill-and-move", test_fill_and_move);
    g_test_add_func("/engine/push-frames", test_push_frames);
    g_test_add_func("/engine/gather", test_gather);
    g_test_add_func("/engine/random-normal", test_random_normal);
    return op_test_main();
}
