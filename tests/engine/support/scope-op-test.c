/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared parts of the op tests. Owns the contexts and tensors of one test. Main thread.
 */
#include "support/scope-op-test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/cpu/kernels/scope-kernels.h"
#include "support/scope-alloc-counter.h"

#define GUARD 128

int
op_test_main(void)
{
    const char *wanted = g_getenv("SCOPE_CPU_LEVEL"), *got = scope_kernels_get()->name;
    if (wanted && strcmp(got, wanted) != 0) {
        printf("1..0 # SKIP kernels for %s do not run here, the best are %s\n", wanted, got);
        return 0;
    }
    return g_test_run();
}

static uint64_t
next_random(OpTest *test)
{
    /* splitmix64 */
    uint64_t z = (test->rng += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void
free_tensor(gpointer data)
{
    TestTensor *t = data;
    free(t->buffer);
    free(t->before);
    g_free(t);
}

void
op_test_init(OpTest *test)
{
    const char *given = g_getenv("SCOPE_TEST_SEED");
    memset(test, 0, sizeof *test);
    test->rng = given ? g_ascii_strtoull(given, NULL, 10) : (uint64_t)g_get_real_time();
    g_test_message("SCOPE_TEST_SEED=%" G_GUINT64_FORMAT, test->rng);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        test->pool[i] = scope_pool_create(i + 1, &error);
        g_assert_no_error(error);
        test->ctx[i] = scope_context_create(scope_backend_cpu(), test->pool[i], &error);
        g_assert_no_error(error);
    }
    test->weights = scope_arena_create(scope_backend_cpu(), "weights");
    test->tensors = g_ptr_array_new_with_free_func(free_tensor);
}

void
op_test_clear(OpTest *test)
{
    for (int i = 0; i < 2; i++) {
        scope_context_destroy(test->ctx[i]);
        scope_pool_destroy(test->pool[i]);
    }
    scope_arena_destroy(test->weights);
    g_ptr_array_unref(test->tensors);
}

int64_t
op_test_int(OpTest *test, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(next_random(test) % (uint64_t)(hi - lo + 1));
}

float
op_test_float(OpTest *test)
{
    return (float)((double)(next_random(test) >> 40) / 8388608.0 - 1.0);
}

static void
fill_random(OpTest *test, ScopeDType dtype, char *data, int64_t n)
{
    size_t size = scope_dtype_size(dtype);
    for (int64_t i = 0; i < n; i++) {
        float v = scope_dtype_is_float(dtype)
                      ? op_test_float(test)
                      : (float)op_test_int(test, dtype == SCOPE_DTYPE_U8 ? 0 : -8, 7);
        scope_dtype_from_f32(dtype, &v, data + (size_t)i * size, 1);
    }
}

TestTensor *
op_test_tensor(OpTest *test, ScopeDType dtype, int64_t row_gap, int ndim, const int64_t *shape)
{
    TestTensor *r = g_new0(TestTensor, 1);
    int64_t padded[SCOPE_TENSOR_MAX_DIMS];
    memcpy(padded, shape, (size_t)ndim * sizeof *shape);
    padded[ndim - 1] += row_gap;
    int64_t n = 1;
    for (int d = 0; d < ndim; d++) {
        n *= padded[d];
    }
    r->n_bytes = (size_t)n * scope_dtype_size(dtype) + 2 * GUARD;
    r->buffer = aligned_alloc(64, (r->n_bytes + 63) & ~(size_t)63);
    r->before = malloc(r->n_bytes);
    memset(r->buffer, 0xA5, r->n_bytes);
    fill_random(test, dtype, r->buffer + GUARD, n);
    memcpy(r->before, r->buffer, r->n_bytes);
    r->t = scope_tensor_wrap(dtype, r->buffer + GUARD, ndim, padded);
    r->t = scope_tensor_slice(r->t, -1, 0, shape[ndim - 1]);
    g_ptr_array_add(test->tensors, r);
    return r;
}

static int64_t
element_offset(ScopeTensor t, int64_t flat)
{
    int64_t offset = 0;
    for (int d = t.ndim - 1; d >= 0; d--) {
        offset += flat % t.shape[d] * t.stride[d];
        flat /= t.shape[d];
    }
    return offset * (int64_t)scope_dtype_size(t.dtype);
}

/* Every byte that is not part of the tensor is as before. */
static void
check_surroundings(const TestTensor *r)
{
    g_autofree char *copy = g_memdup2(r->buffer, r->n_bytes);
    size_t size = scope_dtype_size(r->t.dtype);
    int64_t n = scope_tensor_n_elements(r->t);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = (char *)r->t.data - r->buffer + element_offset(r->t, i);
        memcpy(copy + at, r->before + at, size);
    }
    g_assert_cmpmem(copy, r->n_bytes, r->before, r->n_bytes);
}

void
op_test_run(OpTest *test, TestTensor *out, OpTestRun run, void *data)
{
    memcpy(out->buffer, out->before, out->n_bytes);
    run(test->ctx[1], data);
    check_surroundings(out);
    g_autofree char *two = g_memdup2(out->buffer, out->n_bytes);
    memcpy(out->buffer, out->before, out->n_bytes);
    int64_t before = scope_alloc_counter_read();
    run(test->ctx[1], data);
    if (scope_alloc_counter_is_active()) {
        g_assert_cmpint(scope_alloc_counter_read(), ==, before);
    }
    g_assert_cmpmem(two, out->n_bytes, out->buffer, out->n_bytes);
    memcpy(out->buffer, out->before, out->n_bytes);
    run(test->ctx[0], data);
    g_assert_cmpmem(two, out->n_bytes, out->buffer, out->n_bytes);
    g_assert_cmpuint(scope_arena_get_used_bytes(test->ctx[1]->scratch), ==, 0);
}

double
op_test_get(ScopeTensor t, const int64_t *index)
{
    float v;
    int64_t offset = 0;
    for (int d = 0; d < t.ndim; d++) {
        g_assert_true(index[d] >= 0 && index[d] < t.shape[d]);
        offset += index[d] * t.stride[d];
    }
    if (t.dtype == SCOPE_DTYPE_F32) {
        return (double)((const float *)t.data)[offset];
    }
    const void *p = scope_tensor_at(t, index);
    if (t.dtype == SCOPE_DTYPE_I32) {
        return *(const int32_t *)p;
    }
    scope_dtype_to_f32(t.dtype, p, &v, 1);
    return (double)v;
}

void
op_test_close(const char *what, ScopeTensor t, const int64_t *index, double want, double tolerance)
{
    double got = op_test_get(t, index);
    if (!(fabs(got - want) <= tolerance)) {
        g_autofree char *shape = scope_tensor_describe(t);
        GString *at = g_string_new(NULL);
        for (int d = 0; d < t.ndim; d++) {
            g_string_append_printf(at, " %" G_GINT64_FORMAT, index[d]);
        }
        g_autofree char *message = g_strdup_printf("%s %s at%s: got %.9g, want %.9g, tolerance %g",
                                                   what, shape, at->str, got, want, tolerance);
        g_assertion_message(G_LOG_DOMAIN, __FILE__, __LINE__, G_STRFUNC, message);
    }
}

double
op_ref_activation(ScopeActivation activation, double param, double v)
{
    switch (activation) {
    case SCOPE_ACTIVATION_RELU:
        return v > 0 ? v : 0;
    case SCOPE_ACTIVATION_LEAKY_RELU:
        return v > 0 ? v : v * param;
    case SCOPE_ACTIVATION_SILU:
        return v / (1 + exp(-v));
    case SCOPE_ACTIVATION_GELU_TANH:
        return 0.5 * v * (1 + tanh(sqrt(2 / G_PI) * (v + 0.044715 * v * v * v)));
    case SCOPE_ACTIVATION_GELU_ERF:
        return 0.5 * v * (1 + erf(v / sqrt(2.0)));
    case SCOPE_ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-v));
    case SCOPE_ACTIVATION_TANH:
        return tanh(v);
    case SCOPE_ACTIVATION_NONE:
    case SCOPE_N_ACTIVATIONS:
        break;
    }
    return v;
}

double
op_ref_epilogue(const ScopeWeight *weight, const ScopeEpilogue *e, ScopeTensor residual,
                int64_t row, int64_t o, double sum)
{
    if (!scope_tensor_is_none(weight->scale)) {
        sum *= OP_GET(weight->scale, weight->scale.shape[0] > 1 ? o : 0);
    }
    if (!scope_tensor_is_none(weight->bias)) {
        sum += OP_GET(weight->bias, o);
    }
    sum = op_ref_activation(e->activation, (double)e->activation_param, sum);
    if (!scope_tensor_is_none(e->gate)) {
        sum *= OP_GET(e->gate, row / e->gate_rows, o);
    }
    if (!scope_tensor_is_none(residual)) {
        sum += OP_GET(residual, row, o);
    }
    return op_ref_activation(e->final_activation, (double)e->final_param, sum);
}
