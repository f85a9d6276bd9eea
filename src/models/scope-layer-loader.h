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
    SCOPE_LAYER_BIAS = 1 << 0,   /**< "<name>.bias" [O] must be there */
    SCOPE_LAYER_KERNEL = 1 << 1, /**< a linear may be stored as a kernel as large as its stride,
                                      which counts as [n_out, all the rest] */
} ScopeLayerLoaderFlags;

typedef struct _ScopeLayerLoader ScopeLayerLoader;

/**
 * ScopeLayerLoaderPatch:
 * @loader: who asks
 * @name: layer name, as the model knows it
 * @weight: (inout): [O, K], HOST; may be replaced by a tensor of the loader's @host
 * @options: (inout): bias [O] and scale of @weight, HOST; likewise
 * @user_data: as in the loader
 *
 * Changes a linear before it is prepared (a merged LoRA). Thread: the loader's. Errors: sets the
 * sticky one. Returns: nothing.
 */
typedef void (*ScopeLayerLoaderPatch)(ScopeLayerLoader *loader, const char *name,
                                      ScopeTensor *weight, ScopeWeightOptions *options,
                                      gpointer user_data);

/** ScopeLayerLoader: fill with scope_layer_loader_init(); the members from @store on may be set
 * afterwards. */
struct _ScopeLayerLoader {
    ScopeCheckpoint *checkpoint; /**< borrowed */
    ScopeContext *ctx;           /**< borrowed (nullable): NULL compares names and shapes only */
    ScopeArena *arena;           /**< borrowed: receives packed weights and parameters */
    GError *error;               /**< first failure, or NULL */
    ScopeArena *own_host;        /**< private */
    ScopeWeightStore store;      /**< of the linears and convolutions that follow */
    ScopeArena *host; /**< borrowed (nullable), CPU backend: receives copies of what cannot stay
                           mapped, and then lives as long as the weights. Without one, copies last
                           until scope_layer_loader_finish() and no weight refers to them */
    char *(*rename)(const char *name); /**< (nullable): gives this file's name of a tensor (transfer
                                            full) */
    ScopeLayerLoaderPatch patch;       /**< (nullable) */
    gpointer patch_data;
};

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
 * The stored tensor itself, as scope_layer_loader_wrap() gives it. Thread: the loader's. Errors:
 * sticky. Returns: [shape], contiguous, or no tensor after an error.
 */
ScopeTensor scope_layer_loader_mapped(ScopeLayerLoader *loader, const char *prefix,
                                      const char *name, int ndim, const int64_t *shape);

/**
 * scope_layer_loader_wrap:
 * @tensor: of any checkpoint that outlives the result, a float type
 *
 * Thread: the loader's. Errors: sticky; asserts on an integer type.
 * Returns: a contiguous HOST tensor: the mapping itself where it is aligned and contiguous, else a
 * copy (see @host of the loader); doubles become f32. No tensor after an error.
 */
ScopeTensor scope_layer_loader_wrap(ScopeLayerLoader *loader, const ScopeCheckpointTensor *tensor);

/**
 * scope_layer_loader_linear:
 * @ret_weight: filled on success; without a context only its sizes
 * @name: layer name; "<name>.weight" [n_out, n_in] is read, and the scale of an fp8 weight where
 *   "<name>.scale_weight", "<name>.scale" or "<name>.weight_scale" is there
 * @n_out: wanted rows or SCOPE_LAYER_ANY_SIZE
 * @n_in: wanted columns or SCOPE_LAYER_ANY_SIZE
 * @flags: SCOPE_LAYER_BIAS or SCOPE_LAYER_NO_BIAS, with or without SCOPE_LAYER_KERNEL
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
