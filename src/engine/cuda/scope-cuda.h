/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the CUDA backend: its devices, the state of a context, and the slots of the table.
 * Meanings as in engine/scope-ops.h; shapes were checked there.
 *
 * Errors: a failed call sticks to the context; later ops do nothing, and the next synchronize
 * reports it. The thread that owns the context.
 */
#pragma once

#include "engine/cuda/scope-cuda-kernels.h"
#include "engine/cuda/scope-cuda-libraries.h"
#include "engine/scope-assert.h"
#include "engine/scope-backend-module.h"

G_BEGIN_DECLS

/** Pinned memory between host and device: pieces that are reused in turn. */
#define SCOPE_CUDA_N_PIECES    32
#define SCOPE_CUDA_PIECE_BYTES ((gsize)1 << 20)

/** Device memory that cuBLASLt works in; NVIDIA advises 32 MiB for Hopper. */
#define SCOPE_CUDA_BLAS_WORKSPACE ((gsize)32 << 20)

/** ScopeCudaDevice: the state behind a backend table. */
typedef struct {
    ScopeBackend table;
    int index;
    ScopePrecision precision;
} ScopeCudaDevice;

/** ScopeCudaStream: the state of a context (ScopeContext.stream). */
typedef struct {
    const ScopeCudaDevice *device;
    void *stream;
    ScopeCudaBlas *blas; /**< NULL in f32: the kernels are the reference there, but for linear */
    ScopeCudaDnn *dnn;   /**< NULL in f32 */
    void *workspace;     /**< of blas */
    char *pieces;        /**< pinned, SCOPE_CUDA_N_PIECES of SCOPE_CUDA_PIECE_BYTES */
    void *piece_done[SCOPE_CUDA_N_PIECES]; /**< events */
    guint next_piece;
    int failure;           /**< first negative code, or 0 */
    const char *failed_at; /**< static text */
    gboolean is_capturing;
    gboolean is_spoiled; /**< an op needed the host while it was being recorded */
} ScopeCudaStream;

/** How prepare_weight laid a weight out (ScopeWeight.layout). */
typedef enum {
    SCOPE_CUDA_LAYOUT_ROWS = 1, /**< packed: [O, K] of the work type, or f8 that is widened */
    SCOPE_CUDA_LAYOUT_E4M3,     /**< packed: [O, K] e4m3, scale [O]; activations quantised too */
    SCOPE_CUDA_LAYOUT_CONV,     /**< packed: [O, kt, kh, kw, I/groups] of the work type */
} ScopeCudaLayout;

/**
 * Makes the device current and tells whether work can be queued: NULL after a failure. Every slot
 * starts with it.
 */
ScopeCudaStream *scope_cuda_begin(ScopeContext *ctx);

/** Notes @code when it is negative; @what is static text that names the call. */
void scope_cuda_check(ScopeCudaStream *s, int code, const char *what);

/** As scope_cuda_begin() for ops that need the host to wait or to copy: none while recording. */
ScopeCudaStream *scope_cuda_begin_unrecorded(ScopeContext *ctx);

/** The table without its slots for ops (memory, transfers, graphs). */
void scope_cuda_backend_fill_memory(ScopeBackend *table);

/** Contiguous device copy of @t in scratch, of type @dtype; @t itself when it is that already. */
ScopeTensor scope_cuda_contiguous(ScopeContext *ctx, ScopeTensor t, ScopeDType dtype);

/** The upload slot: through the pinned pieces; @src may be reused on return. */
void scope_cuda_upload(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes);

/**
 * Streams @src [...] (HOST, contiguous, any float type) to @dst (device, same element count, any
 * type, contiguous). Errors: G_IO_ERROR_NO_SPACE of scratch. Returns: TRUE, or FALSE with @error.
 */
gboolean scope_cuda_upload_as(ScopeContext *ctx, ScopeTensor dst, ScopeTensor src, GError **error);

/** The slots for weights and products. Errors: G_IO_ERROR_NO_SPACE, or what the device reported.
 * Returns: TRUE, or FALSE with @error set. */
gboolean scope_cuda_prepare_weight(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                   ScopeWeightStore store, ScopeWeight *weight, GError **error);
void scope_cuda_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                       const ScopeEpilogue *epilogue);
void scope_cuda_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);
void scope_cuda_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                     const ScopeConvOptions *options);
void scope_cuda_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                               const ScopeWeight *weight, const ScopeEpilogue *epilogue);
void scope_cuda_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                          const ScopeAttentionOptions *options);

/** Fills the slots of the small ops: rows, elementwise, movement, images. */
void scope_cuda_backend_fill_small(ScopeBackend *table);

G_END_DECLS
