/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention and rotary embedding against sums in double: segments, stored types, biases, ranges,
 * zero keys, batches, extreme scores.
 */
#include <math.h>

#include "support/scope-op-test.h"

typedef struct {
    ScopeTensor out, q;
    ScopeAttentionOptions o;
    ScopeAttentionSegment segments[4];
} Attention;

static void
run_attention(ScopeContext *ctx, void *data)
{
    Attention *a = data;
    scope_op_attention(ctx, a->out, a->q, &a->o);
}

/* Score of key @key (in segment order); NAN outside the range. */
static double
ref_score(const Attention *a, const int64_t at[3], int64_t key)
{
    int64_t j = key, d = a->q.shape[3];
    int s = 0;
    while (j >= a->segments[s].k.shape[1]) {
        j -= a->segments[s++].k.shape[1];
    }
    if (!scope_tensor_is_none(a->o.key_range) &&
        ((double)key < OP_GET(a->o.key_range, at[1], 0) ||
         (double)key >= OP_GET(a->o.key_range, at[1], 1))) {
        return -INFINITY;
    }
    double sum = 0;
    for (int64_t c = 0; c < d; c++) {
        sum += OP_GET(a->q, at[0], at[1], at[2], c) * OP_GET(a->segments[s].k, at[0], j, at[2], c);
    }
    sum = sum * (double)a->o.scale + (double)a->segments[s].log_bias;
    return scope_tensor_is_none(a->o.bias)
               ? sum
               : sum + OP_GET(a->o.bias, a->o.bias.shape[0] > 1 ? at[2] : 0, at[1], key);
}

static double
ref_value(const Attention *a, const int64_t at[3], int64_t key, int64_t c)
{
    int s = 0;
    while (key >= a->segments[s].k.shape[1]) {
        key -= a->segments[s++].k.shape[1];
    }
    return OP_GET(a->segments[s].v, at[0], key, at[2], c);
}

static void
check_query(const Attention *a, const int64_t at[3], int64_t n_keys, double tolerance)
{
    g_autofree double *p = g_new(double, n_keys + 1);
    double top = a->o.n_zero_keys > 0 ? 0 : -INFINITY, sum = 0;
    for (int64_t key = 0; key < n_keys; key++) {
        p[key] = ref_score(a, at, key);
        top = MAX(top, p[key]);
    }
    for (int64_t key = 0; key < n_keys; key++) {
        p[key] = isinf(top) ? 0 : exp(p[key] - top);
        sum += p[key];
    }
    sum += a->o.n_zero_keys > 0 ? (double)a->o.n_zero_keys * exp(-top) : 0;
    for (int64_t c = 0; c < a->q.shape[3]; c++) {
        double want = 0;
        for (int64_t key = 0; key < n_keys; key++) {
            want += p[key] > 0 ? p[key] * ref_value(a, at, key, c) : 0;
        }
        OP_CLOSE("attention", a->out, sum > 0 ? want / sum : 0, tolerance, at[0], at[1], at[2], c);
    }
}

typedef struct {
    int64_t batch, n_queries, n_heads, d, n_keys[4];
    int n_segments;
    ScopeDType dtype;
    float scale;
    gboolean extras; /* random biases, ranges and zero keys */
} AttentionCase;

static void
add_extras(OpTest *test, Attention *a, int64_t n_keys)
{
    int64_t n_queries = a->q.shape[1], n_heads = a->q.shape[2];
    if (op_test_int(test, 0, 1)) {
        /* the Toeplitz view of a relative table: strides length, -1, 1 */
        int64_t length = n_queries + n_keys - 1, last = n_queries - 1;
        ScopeTensor table =
            op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(n_heads, length))->t;
        a->o.bias = scope_tensor_as_strided(table, last, SCOPE_SHAPE(n_heads, n_queries, n_keys),
                                            (const int64_t[]){length, -1, 1});
    } else if (op_test_int(test, 0, 1)) {
        a->o.bias = op_test_tensor(test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(1, n_queries, n_keys))->t;
        for (int i = 0; i < 10; i++) {
            *(float *)scope_tensor_at(
                a->o.bias, (const int64_t[]){0, op_test_int(test, 0, n_queries - 1),
                                             op_test_int(test, 0, n_keys - 1)}) = -INFINITY;
        }
    }
    if (op_test_int(test, 0, 1)) {
        a->o.key_range = op_test_tensor(test, SCOPE_DTYPE_I32, 0, SCOPE_SHAPE(n_queries, 2))->t;
        int32_t *range = a->o.key_range.data;
        for (int64_t i = 0; i < n_queries; i++) {
            range[2 * i] = (int32_t)op_test_int(test, 0, n_keys);
            range[2 * i + 1] = (int32_t)op_test_int(test, range[2 * i], n_keys);
        }
    }
    a->o.n_zero_keys = op_test_int(test, 0, 1) ? op_test_int(test, 1, 40) : 0;
}

static void
check_attention(OpTest *test, const AttentionCase *c)
{
    TestTensor *out = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 2),
                                     SCOPE_SHAPE(c->batch, c->n_queries, c->n_heads, c->d));
    Attention a = {.out = out->t,
                   .q = op_test_tensor(test, SCOPE_DTYPE_F32, op_test_int(test, 0, 3),
                                       SCOPE_SHAPE(c->batch, c->n_queries, c->n_heads, c->d))
                            ->t};
    int64_t n_keys = 0;
    for (int s = 0; s < c->n_segments; s++) {
        a.segments[s].k = op_test_tensor(test, c->dtype, op_test_int(test, 0, 2),
                                         SCOPE_SHAPE(c->batch, c->n_keys[s], c->n_heads, c->d))
                              ->t;
        a.segments[s].v = op_test_tensor(test, c->dtype, op_test_int(test, 0, 2),
                                         SCOPE_SHAPE(c->batch, c->n_keys[s], c->n_heads, c->d))
                              ->t;
        a.segments[s].log_bias = c->extras ? op_test_float(test) : 0.0F;
        n_keys += c->n_keys[s];
    }
    a.o.scale = c->scale;
    a.o.segments = a.segments;
    a.o.n_segments = c->n_segments;
    if (c->extras && n_keys > 0) {
        add_extras(test, &a, n_keys);
    }
    op_test_run(test, out, run_attention, &a);
    /* a score error e changes a probability by the factor exp(e) */
    double tolerance = 3e-6 + 4e-7 * fabs((double)c->scale) * (double)c->d;
    for (int64_t i = 0; i < c->batch * c->n_queries * c->n_heads; i++) {
        int64_t at[3] = {i / (c->n_queries * c->n_heads), i / c->n_heads % c->n_queries,
                         i % c->n_heads};
        check_query(&a, at, n_keys, tolerance);
    }
}

static void
test_attention_random(void)
{
    const ScopeDType dtypes[] = {SCOPE_DTYPE_F32, SCOPE_DTYPE_BF16, SCOPE_DTYPE_F16,
                                 SCOPE_DTYPE_F8_E4M3};
    for (size_t t = 0; t < G_N_ELEMENTS(dtypes); t++) {
        OpTest test;
        op_test_init(&test);
        for (int round = 0; round < 12; round++) {
            AttentionCase c = {.batch = op_test_int(&test, 1, 2),
                               .n_queries = op_test_int(&test, 1, 70),
                               .n_heads = op_test_int(&test, 1, 3),
                               .d = op_test_int(&test, 1, 40),
                               .n_segments = (int)op_test_int(&test, 1, 4),
                               .dtype = dtypes[t],
                               .extras = round > 2};
            for (int s = 0; s < c.n_segments; s++) {
                c.n_keys[s] = op_test_int(&test, 0, 50);
            }
            c.scale = (float)(1.0 / sqrt((double)c.d));
            check_attention(&test, &c);
        }
        op_test_clear(&test);
    }
}

/* Head sizes of the models and more keys than a tile holds. */
static void
test_attention_sizes(void)
{
    const int64_t heads[] = {128, 64, 12, 384};
    for (size_t i = 0; i < G_N_ELEMENTS(heads); i++) {
        OpTest test;
        op_test_init(&test);
        AttentionCase c = {.batch = 1,
                           .n_queries = 53,
                           .n_heads = 2,
                           .d = heads[i],
                           .n_keys = {301, 0, 460},
                           .n_segments = 3,
                           .dtype = SCOPE_DTYPE_F32,
                           .scale = (float)(1.0 / sqrt((double)heads[i]))};
        check_attention(&test, &c);
        c.extras = TRUE;
        c.n_keys[1] = 40;
        c.dtype = SCOPE_DTYPE_BF16;
        check_attention(&test, &c);
        op_test_clear(&test);
    }
}

/* Many short sequences: one per pixel of a frame. */
static void
test_attention_batch(void)
{
    OpTest test;
    op_test_init(&test);
    AttentionCase c = {.batch = 40,
                       .n_queries = 3,
                       .n_heads = 4,
                       .d = 8,
                       .n_keys = {1, 1, 2},
                       .n_segments = 3,
                       .dtype = SCOPE_DTYPE_F32,
                       .scale = 0.35F};
    check_attention(&test, &c);
    op_test_clear(&test);
}

/* Scores far beyond exp's range, and queries that see nothing. */
static void
test_attention_extremes(void)
{
    OpTest test;
    op_test_init(&test);
    AttentionCase c = {.batch = 1,
                       .n_queries = 9,
                       .n_heads = 2,
                       .d = 16,
                       .n_keys = {200},
                       .n_segments = 1,
                       .dtype = SCOPE_DTYPE_F32,
                       .scale = 300.0F};
    TestTensor *out =
        op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(1, c.n_queries, c.n_heads, c.d));
    Attention a = {
        .out = out->t,
        .q = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(1, c.n_queries, c.n_heads, c.d))
                 ->t};
    a.segments[0].k = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(1, 200, 2, 16))->t;
    a.segments[0].v = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(1, 200, 2, 16))->t;
    a.o = (ScopeAttentionOptions){.scale = c.scale, .segments = a.segments, .n_segments = 1};
    op_test_run(&test, out, run_attention, &a);
    for (int64_t i = 0; i < scope_tensor_n_elements(out->t); i++) {
        g_assert_true(isfinite(((float *)out->t.data)[i]));
        g_assert_cmpfloat(fabsf(((float *)out->t.data)[i]), <=, 1.0F);
    }
    a.o.key_range = op_test_tensor(&test, SCOPE_DTYPE_I32, 0, SCOPE_SHAPE(9, 2))->t;
    scope_op_fill(test.ctx[0], a.o.key_range, 7.0F);
    op_test_run(&test, out, run_attention, &a);
    for (int64_t i = 0; i < scope_tensor_n_elements(out->t); i++) {
        g_assert_cmpfloat(((float *)out->t.data)[i], ==, 0.0F);
    }
    op_test_clear(&test);
}

typedef struct {
    ScopeTensor y, x, table;
} Rope;

static void
run_rope(ScopeContext *ctx, void *data)
{
    Rope *r = data;
    scope_op_rope(ctx, r->y, r->x, r->table);
}

static double
rope_angle(const ScopeRopeGrid *g, int64_t token, int pair)
{
    int d = g->head_dim, c = d / 2, ca = c / 3, cf = c - 2 * ca;
    int64_t f = token / (g->height * g->width), y = token / g->width % g->height;
    int64_t x = token % g->width;
    if (pair < cf) {
        return (double)(g->start_frame + f) * pow(g->theta, -2.0 * pair / (d - 4 * (d / 6)));
    }
    pair -= cf;
    return pair < ca ? (double)y * pow(g->theta, -2.0 * pair / (2 * (d / 6)))
                     : (double)x * pow(g->theta, -2.0 * (pair - ca) / (2 * (d / 6)));
}

static void
test_rope(void)
{
    const int head_dims[] = {128, 12, 20, 64};
    for (size_t i = 0; i < G_N_ELEMENTS(head_dims); i++) {
        OpTest test;
        op_test_init(&test);
        int d = head_dims[i];
        ScopeRopeGrid g = {.start_frame = 37,
                           .n_frames = 2,
                           .height = 3,
                           .width = 5,
                           .head_dim = d,
                           .theta = 10000.0};
        TestTensor *y = op_test_tensor(&test, SCOPE_DTYPE_F32, 1, SCOPE_SHAPE(30, 3, d));
        Rope r = {.y = y->t,
                  .x = op_test_tensor(&test, SCOPE_DTYPE_F32, 2, SCOPE_SHAPE(30, 3, d))->t,
                  .table = op_test_tensor(&test, SCOPE_DTYPE_F32, 0, SCOPE_SHAPE(30, d / 2, 2))->t};
        scope_op_rope_table(test.ctx[0], r.table, &g);
        op_test_run(&test, y, run_rope, &r);
        for (int64_t n = 0; n < 30 * 3 * (d / 2); n++) {
            int64_t token = n / (3 * (d / 2)), head = n / (d / 2) % 3, pair = n % (d / 2);
            double angle = rope_angle(&g, token, (int)pair);
            double a = OP_GET(r.x, token, head, 2 * pair);
            double b = OP_GET(r.x, token, head, 2 * pair + 1);
            OP_CLOSE("rope", r.y, a * cos(angle) - b * sin(angle), 3e-7, token, head, 2 * pair);
            OP_CLOSE("rope", r.y, a * sin(angle) + b * cos(angle), 3e-7, token, head, 2 * pair + 1);
        }
        op_test_clear(&test);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/attention/random", test_attention_random);
    g_test_add_func("/engine/attention/sizes", test_attention_sizes);
    g_test_add_func("/engine/attention/batch", test_attention_batch);
    g_test_add_func("/engine/attention/extremes", test_attention_extremes);
    g_test_add_func("/engine/rope", test_rope);
    return op_test_main();
}
