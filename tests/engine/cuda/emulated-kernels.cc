/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of the CUDA backend compiled for the host (scope-cuda-launch.cuh). They are included
 * because Meson would give .cu files to nvcc, which this build must not need.
 */
#include "engine/cuda/scope-cuda-elementwise.cu"
#include "engine/cuda/scope-cuda-image.cu"
#include "engine/cuda/scope-cuda-products.cu"
#include "engine/cuda/scope-cuda-rows.cu"
