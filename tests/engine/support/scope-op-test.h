/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the op tests share: a seeded generator, tensors with guard bands, contexts with one and two
 * threads, and the comparison of an op with a reference in double. Main thread of a test.
 */
#pragma once

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"

/** OpTest: one per test; clear frees all tensors made from it. */
typedef struct {
    uint64_t rng;
    ScopePool *pool[2]; /**< one and two threads */
    ScopeContext *ctx[2];
    ScopeArena *weights;
    GPtrArray *tensors;
} OpTest;

/** TestTensor: a tensor inside a larger buffer whose other bytes must not change. */
typedef struct {
    ScopeTensor t;
    char *buffer;
    char *before; /**< contents when made; restored before every run of an op that writes it */
    size_t n_bytes;
} TestTensor;

/** Calls the op under test once; @data is the test's own. */
typedef void (*OpTestRun)(ScopeContext *ctx, void *data);

/**
 * g_test_run(), or a skip with its reason when SCOPE_CPU_LEVEL names a level of kernels that this
 * processor cannot run.
 */
int op_test_main(void);

/** Prepares a test; the seed comes from SCOPE_TEST_SEED or the clock and is printed. */
void op_test_init(OpTest *test);
void op_test_clear(OpTest *test);

/** A uniform integer in [lo, hi]. */
int64_t op_test_int(OpTest *test, int64_t lo, int64_t hi);
/** A uniform float in [-1, 1). */
float op_test_float(OpTest *test);

/**
 * A tensor with random values in [-1, 1) (integers: -8..7), guard bands around it and, when
 * @row_gap > 0, that many unused elements after each row of the last dimension.
 */
TestTensor *op_test_tensor(OpTest *test, ScopeDType dtype, int64_t row_gap, int ndim,
                           const int64_t *shape);

/**
 * Runs the op with one thread and with two: both outputs must be the same bit by bit, nothing
 * outside the tensor may change, and a repeated run must not allocate.
 */
void op_test_run(OpTest *test, TestTensor *out, OpTestRun run, void *data);

/** Element of any dtype as double. */
double op_test_get(ScopeTensor t, const int64_t *index);
#define OP_GET(t, ...) op_test_get((t), (const int64_t[]){__VA_ARGS__})

/** Fails the test unless |got - want| <= tolerance; names the element. */
void op_test_close(const char *what, ScopeTensor t, const int64_t *index, double want,
                   double tolerance);
#define OP_CLOSE(what, t, want, tolerance, ...)                                                    \
    op_test_close((what), (t), (const int64_t[]){__VA_ARGS__}, (want), (tolerance))

/** Activation in double. */
double op_ref_activation(ScopeActivation activation, double param, double v);
/** Bias, scale and epilogue in double; @row and @o name the output element. */
double op_ref_epilogue(const ScopeWeight *weight, const ScopeEpilogue *e, ScopeTensor residual,
                       int64_t row, int64_t o, double sum);
