/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeBackend: the table of functions that an engine backend fills. Every slot is required.
 * Entry points in scope-ops.c and scope-context.c have checked shapes and types before a slot is
 * called; argument meanings are those of the entry point with the same name.
 *
 * Thread: as the entry points; one thread per context.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

#define SCOPE_BACKEND_ABI_VERSION 2

struct _ScopeBackend {
    uint32_t abi_version;  /**< SCOPE_BACKEND_ABI_VERSION */
    uint32_t struct_size;  /**< sizeof(ScopeBackend) */
    const char *name;      /**< "cpu", "cuda" */
    ScopeMemory memory;    /**< of what memory_alloc returns */
    ScopeDType work_dtype; /**< type of activations */
    void *state;           /**< backend's own */

    /* memory: alloc returns 64-byte aligned memory or NULL with error set */
    void *(*memory_alloc)(const ScopeBackend *backend, size_t n_bytes, GError **error);
    void (*memory_free)(const ScopeBackend *backend, void *data, size_t n_bytes);
    /* an arena could not grow where its caller cannot fail. Returning means: the address NULL is
     * never read, and the calling thread's next synchronize reports the error */
    void (*memory_exhausted)(const ScopeBackend *backend, const GError *error);
    gboolean (*context_init)(ScopeContext *ctx, GError **error);
    void (*context_clear)(ScopeContext *ctx);
    void (*upload)(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes);
    void (*download)(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes);
    gboolean (*synchronize)(ScopeContext *ctx, GError **error);

    /* graphs: between begin and end the ops of the context are recorded, not run. begin returns
     * FALSE where the backend cannot record; end returns NULL when an op could not be recorded */
    gboolean (*capture_begin)(ScopeContext *ctx);
    void *(*capture_end)(ScopeContext *ctx);
    void (*graph_launch)(ScopeContext *ctx, void *graph);
    void (*graph_free)(const ScopeBackend *backend, void *graph);

    /* weights: kind, sizes, geometry, stored, scale and bias of the weight are filled */
    gboolean (*prepare_weight)(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                               ScopeWeightStore store, ScopeWeight *weight, GError **error);

    /* ops; x and y of linear are [N, K] and [N, O]; matmul and attention always have the batch
     * dimension; binary, scale_add, lerp and glu inputs are already broadcast */
    void (*linear)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                   const ScopeEpilogue *epilogue);
    void (*matmul)(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);
    void (*conv)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                 const ScopeConvOptions *options);
    void (*conv_transpose)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                           const ScopeWeight *weight, const ScopeEpilogue *epilogue);
    void (*attention)(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                      const ScopeAttentionOptions *options);
    void (*rope)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table);
    void (*norm)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeNormOptions *options);
    void (*group_norm)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                       const ScopeGroupNormOptions *options);
    void (*softmax)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);
    void (*unary)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op);
    void (*binary)(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                   ScopeTensor b);
    void (*scale_add)(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                      float beta);
    void (*lerp)(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t);
    void (*glu)(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
                ScopeActivation activation);
    void (*reduce)(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x);
    void (*copy)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);
    void (*move_rows)(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from, int64_t n_rows);
    void (*fill)(ScopeContext *ctx, ScopeTensor y, float value);
    void (*gather_rows)(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids);
    void (*random_normal)(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset);
    void (*resize)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                   const ScopeResizeOptions *options);
    void (*grid_sample)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
                        ScopeSampleMode mode, ScopePadMode pad);
    void (*pool2d)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind, int size);
    void (*pad)(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top,
                int left);
};

/**
 * scope_backend_cpu:
 *
 * The CPU backend; picks the fastest kernels that this processor can run, once. The environment
 * variable SCOPE_CPU_LEVEL=portable|avx2|avxvnni|avx512|avx512vnni limits the choice (for tests and
 * bug hunting).
 * Thread: any. Errors: none.
 * Returns: (transfer none): the backend, valid for the life of the program.
 */
const ScopeBackend *scope_backend_cpu(void);

G_END_DECLS
