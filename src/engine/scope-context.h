/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeContext: what every op needs: a backend, the threads, and scratch memory. One context per
 * worker thread; contexts may share a backend and a pool.
 */
#pragma once

#include "engine/scope-arena.h"
#include "engine/scope-pool.h"

G_BEGIN_DECLS

typedef struct _ScopeContext ScopeContext;

struct _ScopeContext {
    const ScopeBackend *backend; /**< borrowed */
    ScopePool *pool;             /**< borrowed */
    ScopeArena *scratch;         /**< owned; ops take from it between mark and release */
    void *stream;                /**< backend's own: a device stream, NULL on the CPU */
};

/**
 * scope_context_create:
 * @backend: borrowed, outlives the context
 * @pool: borrowed, outlives the context
 * @error: (nullable) set on failure
 *
 * Thread: any; the context then belongs to one thread at a time. Errors: from the backend.
 * Returns: (transfer full): the context, or NULL with @error set.
 */
ScopeContext *scope_context_create(const ScopeBackend *backend, ScopePool *pool, GError **error);

/**
 * scope_context_destroy:
 * @ctx: (nullable)
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_context_destroy(ScopeContext *ctx);

/** scope_context_work_dtype: type of activations: f32 on the CPU. Thread: any. */
ScopeDType scope_context_work_dtype(const ScopeContext *ctx);

/**
 * scope_context_scratch:
 * @dtype: element type
 * @ndim: number of dimensions
 * @shape: sizes (use SCOPE_SHAPE(...))
 *
 * Thread: the owner. Errors: none (asserts, see scope_arena_alloc).
 * Returns: a tensor in the scratch arena; release it with mark and release around the caller:
 * ScopeArenaMark m = scope_arena_mark(ctx->scratch); ...; scope_arena_release(ctx->scratch, m);
 */
ScopeTensor scope_context_scratch(ScopeContext *ctx, ScopeDType dtype, int ndim,
                                  const int64_t *shape);

/**
 * scope_context_upload:
 * @dst: contiguous tensor of the backend
 * @src: host memory of scope_tensor_n_bytes(dst) bytes in the dtype of @dst; may be reused on
 * return
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_context_upload(ScopeContext *ctx, ScopeTensor dst, const void *src);

/**
 * scope_context_download:
 * @dst: host memory of scope_tensor_n_bytes(src) bytes
 * @src: contiguous tensor of the backend
 *
 * Waits for all earlier ops of the context. Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_context_download(ScopeContext *ctx, void *dst, ScopeTensor src);

/**
 * scope_context_synchronize:
 * @error: (nullable) set on failure
 *
 * Waits for all earlier ops and reads the sticky error, once per chunk. A device that is lost is
 * not opened again.
 * Thread: the owner. Errors: SCOPE_ENGINE_ERROR_OUT_OF_MEMORY when an arena could not grow,
 * SCOPE_ENGINE_ERROR_DEVICE_LOST.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_context_synchronize(ScopeContext *ctx, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeContext, scope_context_destroy)

G_END_DECLS
