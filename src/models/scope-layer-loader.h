/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeLayerLoader: turns the tensors of a checkpoint into prepared weights of a model. Every
 * request names a published tensor and the shape that the model needs; the first one that cannot be
 * met sets a sticky error that names file, tensor, found and expected, and all later requests do
 * nothing, so that a loader function reads as a plain list. Without a context it only compares
 * names and shapes. One thread.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"

G_BEGIN_DECLS

/** SCOPE_LAYER_ANY_SIZE: accepts any size in that place of a shape. */
#define SCOPE_LAYER_ANY_SIZE ((int64_t)-1)

/** ScopeLayerLoaderFlags: what belongs to a layer beside its weight. */
typedef enum {
    SCOPE_LAYER_NO_BIAS = 0,
    SCOPE_LAYER_BIAS = 1 << 0, /**< "<name>.bias" [O] must be there */
} ScopeLayerLoaderFlags;

/** ScopeLayerLoader: fill with scope_layer_loader_init(); @store may be changed afterwards. */
typedef struct {
    ScopeCheckpoint *checkpoint; /**< borrowed */
    ScopeContext *ctx;           /**< borrowed (nullable): NULL compares names and shapes only */
    ScopeArena *arena;           /**< borrowed: receives packed weights and parameters */
    ScopeWeightStore store;      /**< of the linears and convolutions that follow */
    GPtrArray *copies;     /**< (nullable) (element-type of g_free): receives copies of tensors
                                that cannot stay mapped; they must live as long as the weights */
    GError *error;         /**< first failure, or NULL */
    GPtrArray *own_copies; /**< private */
} ScopeLayerLoader;

/** ScopeLayerConvShape: published kernel; SCOPE_LAYER_ANY_SIZE accepts any channel count. */
typedef struct {
    int64_t n_out, n_in;
    int kernel_t, kernel_h, kernel_w; /**< kernel_t = 0: the stored tensor has four dimensions */
} ScopeLayerConvShape;

/**
 * scope_layer_loader_init:
 * @loader: caller's memory
 * @checkpoint: borrowed until scope_layer_loader_finish()
 * @ctx: (nullable): borrowed; NULL makes a loader that only compares names and shapes
 * @arena: (nullable): borrowed; required with @ctx
 *
 * Thread: any, one at a time. Errors: none. Returns: nothing.
 */
void scope_layer_loader_init(ScopeLayerLoader *loader, ScopeCheckpoint *checkpoint,
                             ScopeContext *ctx, ScopeArena *arena);

/**
 * scope_layer_loader_finish:
 * @error: (nullable) set to the first failure
 *
 * Thread: the loader's. Errors: ScopeCheckpointError, G_IO_ERROR_NO_SPACE.
 * Returns: TRUE when every request was met, FALSE with @error set.
 */
gboolean scope_layer_loader_finish(ScopeLayerLoader *loader, GError **error);

/**
 * scope_layer_loader_fail:
 * @format: what is wrong; the path of the file is put in front
 *
 * Sets the sticky error (if it is the first) for a contradiction that only the model sees.
 * Thread: the loader's. Errors: sets SCOPE_CHECKPOINT_ERROR_MISMATCH. Returns: nothing.
 */
void scope_layer_loader_fail(ScopeLayerLoader *loader, const char *format, ...) G_GNUC_PRINTF(2, 3);

/**
 * scope_layer_loader_has:
 * @prefix: (nullable): joined to @name with a '.'
 * @name: tensor name
 *
 * Thread: the loader's. Errors: none. Returns: TRUE when the checkpoint has the tensor.
 */
gboolean scope_layer_loader_has(ScopeLayerLoader *loader, const char *prefix, const char *name);

/**
 * scope_layer_loader_dim:
 * @prefix: (nullable): joined to @name with a '.'
 * @name: tensor name
 * @dim: dimension, from 0
 *
 * Thread: the loader's. Errors: sticky, when the tensor is missing or has too few dimensions.
 * Returns: the size, or 1 after an error.
 */
int64_t scope_layer_loader_dim(ScopeLayerLoader *loader, const char *prefix, const char *name,
                               int dim);

/**
 * scope_layer_loader_vector:
 * @prefix: (nullable): joined to @name with a '.'
 * @name: tensor name
 * @n: wanted elements; dimensions of size 1 are ignored. SCOPE_LAYER_ANY_SIZE for any
 *
 * Thread: the loader's. Errors: sticky.
 * Returns: [n] f32 in the arena, or no tensor after an error or without a context.
 */
ScopeTensor scope_layer_loader_vector(ScopeLayerLoader *loader, const char *prefix,
                                      const char *name, int64_t n);

/**
 * scope_layer_loader_table:
 * @prefix: (nullable): joined to @name with a '.'
 * @name: tensor name
 * @ndim: 1..SCOPE_TENSOR_MAX_DIMS
 * @shape: wanted sizes
 *
 * Thread: the loader's. Errors: sticky.
 * Returns: [shape] f32 in the arena, or no tensor after an error or without a context.
 */
ScopeTensor scope_layer_loader_table(ScopeLayerLoader *loader, const char *prefix, const char *name,
                                     int ndim, const int64_t *shape);

/**
 * scope_layer_loader_mapped:
 * @prefix: (nullable): joined to @name with a '.'
 * @name: tensor name
 * @ndim: 1..SCOPE_TENSOR_MAX_DIMS
 * @shape: wanted sizes
 *
 * The stored tensor itself: HOST memory that lives as long as the checkpoint. A tensor that is not
 * contiguous or not aligned is copied; the copy goes to @copies of the loader or, without one,
 * lives until scope_layer_loader_finish(). Thread: the loader's. Errors: sticky. Returns: [shape]
 * in the stored type, contiguous, or no tensor after an error.
 */
ScopeTensor scope_layer_loader_mapped(ScopeLayerLoader *loader, const char *prefix,
                                      const char *name, int ndim, const int64_t *shape);

/**
 * scope_layer_loader_linear:
 * @ret_weight: filled on success; without a context only its sizes
 * @name: layer name; "<name>.weight" [n_out, n_in] is read, "<name>.scale_weight" when it is there
 * @n_out: wanted rows or SCOPE_LAYER_ANY_SIZE
 * @n_in: wanted columns or SCOPE_LAYER_ANY_SIZE
 * @flags: SCOPE_LAYER_BIAS or SCOPE_LAYER_NO_BIAS
 *
 * Thread: the loader's. Errors: sticky. Returns: nothing.
 */
void scope_layer_loader_linear(ScopeLayerLoader *loader, ScopeWeight *ret_weight, const char *name,
                               int64_t n_out, int64_t n_in, ScopeLayerLoaderFlags flags);

/**
 * scope_layer_loader_conv:
 * @ret_weight: filled on success; without a context only its sizes
 * @name: layer name; "<name>.weight" [n_out, n_in/groups, (kt,) kh, kw] is read
 * @shape: wanted kernel
 * @geometry: strides and padding
 * @flags: SCOPE_LAYER_BIAS or SCOPE_LAYER_NO_BIAS
 *
 * Thread: the loader's. Errors: sticky. Returns: nothing.
 */
void scope_layer_loader_conv(ScopeLayerLoader *loader, ScopeWeight *ret_weight, const char *name,
                             ScopeLayerConvShape shape, const ScopeConvGeometry *geometry,
                             ScopeLayerLoaderFlags flags);

/**
 * scope_layer_loader_conv_transpose:
 * @ret_weight: filled on success; without a context only its sizes
 * @name: layer name; "<name>.weight" [n_in, n_out, kh, kw] is read
 * @shape: wanted kernel; kernel_t = 0
 * @geometry: stride, crop and output padding
 * @flags: SCOPE_LAYER_BIAS or SCOPE_LAYER_NO_BIAS
 *
 * Thread: the loader's. Errors: sticky. Returns: nothing.
 */
void scope_layer_loader_conv_transpose(ScopeLayerLoader *loader, ScopeWeight *ret_weight,
                                       const char *name, ScopeLayerConvShape shape,
                                       const ScopeConvGeometry *geometry,
                                       ScopeLayerLoaderFlags flags);

/**
 * scope_layer_loader_conv_view:
 * @ret_weight: filled on success
 * @kernel: [O, I/groups, (kt,) kh, kw] HOST, any strides: a view made from
 *   scope_layer_loader_mapped() for kernels that are stored in another order than the op wants
 * @bias: none, or [O] HOST of any float type
 * @geometry: strides and padding
 *
 * Does nothing but fill the sizes without a context, and nothing after an error.
 * Thread: the loader's. Errors: sticky. Returns: nothing.
 */
void scope_layer_loader_conv_view(ScopeLayerLoader *loader, ScopeWeight *ret_weight,
                                  ScopeTensor kernel, ScopeTensor bias,
                                  const ScopeConvGeometry *geometry);

G_END_DECLS
