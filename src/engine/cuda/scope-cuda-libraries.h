/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The products that NVIDIA's libraries compute: cuBLASLt for matrices, cuDNN for attention and
 * convolution. A call that the libraries have no plan for says so and queues nothing; the caller
 * then uses a kernel of its own.
 *
 * Thread: the owner of the context.
 */
#pragma once

#include "engine/cuda/scope-cuda-device.h"

G_BEGIN_DECLS

typedef struct _ScopeCudaBlas ScopeCudaBlas;
typedef struct _ScopeCudaDnn ScopeCudaDnn;

/** What a library call comes back with; other values are codes of the device. */
#define SCOPE_CUDA_DONE    0
#define SCOPE_CUDA_NO_PLAN 1

/** Writes the name and version of the library that must match its parts, "cuDNN 9.19.0". */
void scope_cuda_libraries_describe(char *text, gsize n_bytes);

/** The handle of a context with its plans; NULL when the library does not start, which is logged.
 * @workspace: device memory of @n_bytes that one call at a time uses. */
ScopeCudaBlas *scope_cuda_blas_create(void *stream, void *workspace, gsize n_bytes);
void scope_cuda_blas_destroy(ScopeCudaBlas *blas);

/** ScopeCudaProduct: y = a b^T (+ y0) over rows, with an epilogue. Batches are all regular. */
typedef struct {
    ScopeTensor y;       /* [B, N, O] rows */
    ScopeTensor x;       /* [B, N, K] rows */
    ScopeTensor w;       /* [B, O, K] rows, or columns: a stride of 1 in either dimension */
    ScopeTensor x_scale; /* none, or f32 [N]: e4m3 rows */
    ScopeTensor w_scale; /* none, or f32 [O] */
    ScopeTensor bias;    /* none, or [O] of the type of y */
    ScopeTensor add;     /* none, or [N, O] rows of the type of y: added to the product */
    gboolean gelu;       /* GELU (tanh) of product + bias */
    float alpha;
} ScopeCudaProduct;

/** Queues a product. Returns: SCOPE_CUDA_DONE, SCOPE_CUDA_NO_PLAN or a negative code. */
int scope_cuda_blas_product(ScopeCudaBlas *blas, const ScopeCudaProduct *product);

/** As scope_cuda_blas_create(); scratch comes with each call. */
ScopeCudaDnn *scope_cuda_dnn_create(void *stream);
void scope_cuda_dnn_destroy(ScopeCudaDnn *dnn);

/** ScopeCudaSdpa: attention of bf16 tensors [B, n, H, d] with contiguous channels. */
typedef struct {
    ScopeTensor out, q, k, v;
    float scale;
} ScopeCudaSdpa;

/** ScopeCudaConv: a convolution of bf16 tensors, channels-last, zero padding, no epilogue.
 * @x: [T, H, W, I]; @w: [O, kt, kh, kw, I/groups] contiguous; @y: [To, Ho, Wo, O] contiguous. */
typedef struct {
    ScopeTensor y, x, w;
    ScopeConvGeometry geometry;
} ScopeCudaConv;

/** The scratch bytes of the next call with this shape. Returns: SCOPE_CUDA_DONE or
 * SCOPE_CUDA_NO_PLAN. */
int scope_cuda_dnn_plan_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, gsize *ret_n_bytes);
int scope_cuda_dnn_plan_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, gsize *ret_n_bytes);

/** Queues what was planned for this shape. @workspace: (nullable): as many bytes as planned.
 * Returns: SCOPE_CUDA_DONE or a negative code. */
int scope_cuda_dnn_run_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, void *workspace);
int scope_cuda_dnn_run_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, void *workspace);

G_END_DECLS
