/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise ops of the CPU backend on the shared loop. Own nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

#include <math.h>
#include <string.h>

float
scope_cpu_activate(ScopeActivation activation, float param, float v)
{
    switch (activation) {
    case SCOPE_ACTIVATION_RELU:
        return v > 0.0F ? v : 0.0F;
    case SCOPE_ACTIVATION_LEAKY_RELU:
        return v > 0.0F ? v : v * param;
    case SCOPE_ACTIVATION_SILU:
        return v / (1.0F + expf(-v));
    case SCOPE_ACTIVATION_GELU_TANH:
        return 0.5F * v * (1.0F + tanhf(0.7978845608028654F * (v + 0.044715F * v * v * v)));
    case SCOPE_ACTIVATION_GELU_ERF:
        return 0.5F * v * (1.0F + erff(v * 0.7071067811865476F));
    case SCOPE_ACTIVATION_SIGMOID:
        return 1.0F / (1.0F + expf(-v));
    case SCOPE_ACTIVATION_TANH:
        return tanhf(v);
    case SCOPE_ACTIVATION_NONE:
    case SCOPE_N_ACTIVATIONS:
        break;
    }
    return v;
}

static float
unary_value(const ScopeUnary *op, float v)
{
    switch (op->kind) {
    case SCOPE_UNARY_AFFINE:
        return v * op->a + op->b;
    case SCOPE_UNARY_CLAMP:
        return v < op->a ? op->a : v > op->b ? op->b : v;
    case SCOPE_UNARY_ACTIVATION:
        return scope_cpu_activate(op->activation, op->a, v);
    case SCOPE_UNARY_EXP:
        return expf(v);
    case SCOPE_UNARY_LOG:
        return logf(v);
    case SCOPE_UNARY_SQRT:
        return sqrtf(v);
    case SCOPE_UNARY_ABS:
        return fabsf(v);
    case SCOPE_UNARY_SQUARE:
        return v * v;
    case SCOPE_UNARY_RECIPROCAL:
        return 1.0F / v;
    case SCOPE_UNARY_SIN:
        return sinf(v);
    case SCOPE_UNARY_COS:
        return cosf(v);
    case SCOPE_UNARY_ROUND:
        return rintf(v);
    case SCOPE_UNARY_FLOOR:
        return floorf(v);
    case SCOPE_UNARY_STEP:
        return v > op->a ? 1.0F : 0.0F;
    case SCOPE_N_UNARY_KINDS:
        break;
    }
    return v;
}

static void
unary_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    const ScopeUnary *op = loop->user_data;
    float *y = (float *)data[0];
    const float *x = (const float *)data[1];
    if (op->kind == SCOPE_UNARY_ACTIVATION && stride[0] == 1 && stride[1] == 1) {
        memmove(y, x, (size_t)n * sizeof(float));
        scope_kernels_get()->activate(op->activation, op->a, y, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        y[i * stride[0]] = unary_value(op, x[i * stride[1]]);
    }
}

void
scope_cpu_unary(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op)
{
    ScopeCpuLoop loop = {.row = unary_row, .user_data = &op, .n_operands = 2, .operand = {y, x}};
    scope_cpu_loop_run(ctx, &loop);
}

#define BINARY_LOOP(expr)                                                                          \
    for (int64_t i = 0; i < n; i++) {                                                              \
        float u = a[i * stride[1]], v = b[i * stride[2]];                                          \
        y[i * stride[0]] = (expr);                                                                 \
    }                                                                                              \
    break

static void
binary_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    float *y = (float *)data[0];
    const float *a = (const float *)data[1], *b = (const float *)data[2];
    switch (*(const ScopeBinaryKind *)loop->user_data) {
    case SCOPE_BINARY_ADD:
        BINARY_LOOP(u + v);
    case SCOPE_BINARY_SUB:
        BINARY_LOOP(u - v);
    case SCOPE_BINARY_MUL:
        BINARY_LOOP(u * v);
    case SCOPE_BINARY_DIV:
        BINARY_LOOP(u / v);
    case SCOPE_BINARY_MIN:
        BINARY_LOOP(u < v ? u : v);
    case SCOPE_BINARY_MAX:
        BINARY_LOOP(u > v ? u : v);
    case SCOPE_N_BINARY_KINDS:
        break;
    }
}

void
scope_cpu_binary(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                 ScopeTensor b)
{
    ScopeCpuLoop loop = {
        .row = binary_row, .user_data = &kind, .n_operands = 3, .operand = {y, a, b}};
    scope_cpu_loop_run(ctx, &loop);
}

static void
scale_add_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    const float *factor = loop->user_data;
    float *y = (float *)data[0];
    const float *a = (const float *)data[1], *b = (const float *)data[2];
    for (int64_t i = 0; i < n; i++) {
        y[i * stride[0]] = factor[0] * a[i * stride[1]] + factor[1] * b[i * stride[2]];
    }
}

void
scope_cpu_scale_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                    float beta)
{
    const float factor[2] = {alpha, beta};
    ScopeCpuLoop loop = {
        .row = scale_add_row, .user_data = factor, .n_operands = 3, .operand = {y, a, b}};
    scope_cpu_loop_run(ctx, &loop);
}

static void
lerp_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    (void)loop;
    float *y = (float *)data[0];
    const float *a = (const float *)data[1], *b = (const float *)data[2];
    const float *t = (const float *)data[3];
    for (int64_t i = 0; i < n; i++) {
        float u = a[i * stride[1]];
        y[i * stride[0]] = u + t[i * stride[3]] * (b[i * stride[2]] - u);
    }
}

void
scope_cpu_lerp(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t)
{
    ScopeCpuLoop loop = {.row = lerp_row, .n_operands = 4, .operand = {y, a, b, t}};
    scope_cpu_loop_run(ctx, &loop);
}

#define GLU_PART 512

static void
glu_row(const ScopeCpuLoop *loop, char *const *data, const int64_t *stride, int64_t n)
{
    ScopeActivation activation = *(const ScopeActivation *)loop->user_data;
    float *y = (float *)data[0];
    const float *a = (const float *)data[1], *gate = (const float *)data[2];
    float part[GLU_PART];
    for (int64_t i = 0; i < n; i += GLU_PART) {
        int64_t m = MIN(GLU_PART, n - i);
        for (int64_t j = 0; j < m; j++) {
            part[j] = gate[(i + j) * stride[2]];
        }
        scope_kernels_get()->activate(activation, 0.0F, part, m);
        for (int64_t j = 0; j < m; j++) {
            y[(i + j) * stride[0]] = a[(i + j) * stride[1]] * part[j];
        }
    }
}

void
scope_cpu_glu(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
              ScopeActivation activation)
{
    ScopeCpuLoop loop = {
        .row = glu_row, .user_data = &activation, .n_operands = 3, .operand = {y, a, gate}};
    scope_cpu_loop_run(ctx, &loop);
}
