/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How kernels of this folder are written and started. A kernel is a struct with operator(): flat
 * kernels get one item each, team kernels share an item between the threads of a block. The
 * structs know nothing of blocks, so the same source is compiled for the host too, where a loop
 * takes the place of the grid and a team has one member: the tests run the arithmetic without a
 * device. Device code and tests only.
 */
#pragma once

#include "engine/cuda/scope-cuda-kernels.h"
#include "engine/scope-dtype-bits.h"

#ifdef __CUDACC__
#define SCOPE_FN __device__ inline
#else
#define SCOPE_FN inline
#endif

#define SCOPE_CUDA_BLOCK 256

/** ScopeTeam: the threads that share one item; item indexes start at rank and step by size. */
struct ScopeTeam {
    int rank, size;
};

#ifdef __CUDACC__

/** The sum over the team, the same in every thread; all threads of the team call it. */
template <class T>
__device__ inline T
team_sum(ScopeTeam team, T value)
{
    __shared__ T part[SCOPE_CUDA_BLOCK];
    part[team.rank] = value;
    __syncthreads();
    for (int half = SCOPE_CUDA_BLOCK / 2; half > 0; half /= 2) {
        if (team.rank < half) {
            part[team.rank] += part[team.rank + half];
        }
        __syncthreads();
    }
    T total = part[0];
    __syncthreads();
    return total;
}

/** The largest value of the team; as team_sum(). */
template <class T>
__device__ inline T
team_max(ScopeTeam team, T value)
{
    __shared__ T part[SCOPE_CUDA_BLOCK];
    part[team.rank] = value;
    __syncthreads();
    for (int half = SCOPE_CUDA_BLOCK / 2; half > 0; half /= 2) {
        if (team.rank < half && part[team.rank + half] > part[team.rank]) {
            part[team.rank] = part[team.rank + half];
        }
        __syncthreads();
    }
    T top = part[0];
    __syncthreads();
    return top;
}

template <class F>
__global__ void
__launch_bounds__(SCOPE_CUDA_BLOCK) flat_kernel(const F f, int64_t n)
{
    int64_t step = (int64_t)gridDim.x * SCOPE_CUDA_BLOCK;
    for (int64_t i = (int64_t)blockIdx.x * SCOPE_CUDA_BLOCK + threadIdx.x; i < n; i += step) {
        f(i);
    }
}

template <class F>
__global__ void
__launch_bounds__(SCOPE_CUDA_BLOCK) team_kernel(const F f, int64_t n)
{
    const ScopeTeam team = {(int)threadIdx.x, SCOPE_CUDA_BLOCK};
    for (int64_t i = blockIdx.x; i < n; i += gridDim.x) {
        f(i, team);
        __syncthreads();
    }
}

static inline unsigned
grid_of(int64_t n_blocks)
{
    return (unsigned)(n_blocks < (1 << 20) ? n_blocks : (1 << 20));
}

/** Starts @f for items 0..n-1 on @stream. Returns: 0, or a negative code of the device. */
template <class F>
static int
launch_flat(void *stream, int64_t n, const F &f)
{
    if (n > 0) {
        unsigned grid = grid_of((n + SCOPE_CUDA_BLOCK - 1) / SCOPE_CUDA_BLOCK);
        flat_kernel<F><<<grid, SCOPE_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(f, n);
    }
    return -(int)cudaGetLastError();
}

/** As launch_flat(), with a block for each item. */
template <class F>
static int
launch_teams(void *stream, int64_t n, const F &f)
{
    if (n > 0) {
        team_kernel<F><<<grid_of(n), SCOPE_CUDA_BLOCK, 0, (cudaStream_t)stream>>>(f, n);
    }
    return -(int)cudaGetLastError();
}

#else

#include "cuda/emulated-device.h"

template <class T>
inline T
team_sum(ScopeTeam, T value)
{
    return value;
}

template <class T>
inline T
team_max(ScopeTeam, T value)
{
    return value;
}

template <class F>
static int
launch_flat(void *, int64_t n, const F &f)
{
    scope_emulated_enter();
    for (int64_t i = 0; i < n; i++) {
        f(i);
    }
    scope_emulated_leave();
    return 0;
}

template <class F>
static int
launch_teams(void *, int64_t n, const F &f)
{
    const ScopeTeam team = {0, 1};
    scope_emulated_enter();
    for (int64_t i = 0; i < n; i++) {
        f(i, team);
    }
    scope_emulated_leave();
    return 0;
}

#endif

SCOPE_FN bool
is_none(const ScopeTensor &t)
{
    return t.dtype == SCOPE_DTYPE_INVALID;
}

/** Element @i of @data as float. */
SCOPE_FN float
load(const void *data, ScopeDType dtype, int64_t i)
{
    switch (dtype) {
    case SCOPE_DTYPE_F32:
        return ((const float *)data)[i];
    case SCOPE_DTYPE_F16:
        return widen(((const uint16_t *)data)[i], 5, 10, 1);
    case SCOPE_DTYPE_BF16:
        return float_from_bits((uint32_t)((const uint16_t *)data)[i] << 16);
    case SCOPE_DTYPE_F8_E4M3:
        return widen_e4m3(((const uint8_t *)data)[i]);
    case SCOPE_DTYPE_F8_E5M2:
        return widen(((const uint8_t *)data)[i], 5, 2, 1);
    case SCOPE_DTYPE_I8:
        return (float)((const int8_t *)data)[i];
    case SCOPE_DTYPE_U8:
        return (float)((const uint8_t *)data)[i];
    case SCOPE_DTYPE_I32:
        return (float)((const int32_t *)data)[i];
    case SCOPE_DTYPE_I64:
        return (float)((const int64_t *)data)[i];
    case SCOPE_DTYPE_F64:
        return (float)((const double *)data)[i];
    default:
        return 0.0F;
    }
}

SCOPE_FN int64_t
clamp_to_int(float v, int64_t lo, int64_t hi)
{
    if (v != v) {
        return 0;
    }
    if ((double)v <= (double)lo) {
        return lo;
    }
    return (double)v >= (double)hi ? hi : (int64_t)v;
}

/** Writes @v to element @i of @data, rounded as scope_dtype_from_f32() does. */
SCOPE_FN void
store(void *data, ScopeDType dtype, int64_t i, float v)
{
    switch (dtype) {
    case SCOPE_DTYPE_F32:
        ((float *)data)[i] = v;
        break;
    case SCOPE_DTYPE_F16:
        ((uint16_t *)data)[i] = narrow_f16(v);
        break;
    case SCOPE_DTYPE_BF16:
        ((uint16_t *)data)[i] = narrow_bf16(v);
        break;
    case SCOPE_DTYPE_F8_E4M3:
        ((uint8_t *)data)[i] = narrow_e4m3(v);
        break;
    case SCOPE_DTYPE_F8_E5M2:
        ((uint8_t *)data)[i] = narrow_e5m2(v);
        break;
    case SCOPE_DTYPE_I8:
        ((int8_t *)data)[i] = (int8_t)clamp_to_int(v, INT8_MIN, INT8_MAX);
        break;
    case SCOPE_DTYPE_U8:
        ((uint8_t *)data)[i] = (uint8_t)clamp_to_int(v, 0, UINT8_MAX);
        break;
    case SCOPE_DTYPE_I32:
        ((int32_t *)data)[i] = (int32_t)clamp_to_int(v, INT32_MIN, INT32_MAX);
        break;
    case SCOPE_DTYPE_I64:
        ((int64_t *)data)[i] = clamp_to_int(v, INT64_MIN, INT64_MAX);
        break;
    case SCOPE_DTYPE_F64:
        ((double *)data)[i] = (double)v;
        break;
    default:
        break;
    }
}

/** Maps a coordinate outside [0, n) by the pad mode; -1 means zero. */
SCOPE_FN int64_t
scope_cuda_pad_index(int64_t i, int64_t n, ScopePadMode mode)
{
    if (i >= 0 && i < n) {
        return i;
    }
    if (mode == SCOPE_PAD_BORDER) {
        return i < 0 ? 0 : n - 1;
    }
    return mode == SCOPE_PAD_REFLECT ? (i < 0 ? -i : 2 * (n - 1) - i) : -1;
}

/** Distance of flat element @i from the first one, in elements. */
SCOPE_FN int64_t
offset_of(const ScopeTensor &t, int64_t i)
{
    int64_t offset = 0;
    for (int d = t.ndim - 1; d > 0; d--) {
        int64_t rest = i / t.shape[d];
        offset += (i - rest * t.shape[d]) * t.stride[d];
        i = rest;
    }
    return t.ndim > 0 ? offset + i * t.stride[0] : 0;
}

/** Sum of @n products of two rows of any type. */
SCOPE_FN float
dot_rows(const void *a, ScopeDType a_type, int64_t a_step, const void *b, ScopeDType b_type,
         int64_t b_step, int64_t n)
{
    float sum = 0.0F;
    if (a_type == SCOPE_DTYPE_F32 && b_type == SCOPE_DTYPE_F32) {
        const float *x = (const float *)a, *y = (const float *)b;
        for (int64_t i = 0; i < n; i++) {
            sum += x[i * a_step] * y[i * b_step];
        }
        return sum;
    }
    for (int64_t i = 0; i < n; i++) {
        sum += load(a, a_type, i * a_step) * load(b, b_type, i * b_step);
    }
    return sum;
}

SCOPE_FN float
activate(ScopeActivation activation, float param, float v)
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
    default:
        return v;
    }
}

/** ScopeFinishArgs' arithmetic for output (@row, @o) whose sum is @v. */
SCOPE_FN float
finish_value(const ScopeFinishArgs &f, int64_t row, int64_t o, float v)
{
    const ScopeEpilogue &e = f.epilogue;
    if (!is_none(f.scale)) {
        v *= ((const float *)f.scale.data)[f.scale.shape[0] > 1 ? o : 0];
    }
    if (!is_none(f.bias)) {
        v += ((const float *)f.bias.data)[o];
    }
    v = activate(e.activation, e.activation_param, v);
    if (!is_none(e.gate)) {
        v *= ((const float *)e.gate.data)[row / e.gate_rows * e.gate.stride[0] + o];
    }
    if (!is_none(e.residual)) {
        v += load(e.residual.data, e.residual.dtype, row * e.residual.stride[0] + o);
    }
    return activate(e.final_activation, e.final_param, v);
}
