/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeTensor: a small value that describes n-dimensional data owned by someone else (an arena, a
 * mapped checkpoint, the caller's array). Views are new values on the same memory; nothing here
 * allocates, copies or frees data. Any thread.
 */
#pragma once

#include "engine/scope-dtype.h"

G_BEGIN_DECLS

#define SCOPE_TENSOR_MAX_DIMS 6

/** ScopeMemory: where the data of a tensor lives. */
typedef enum {
    SCOPE_MEMORY_HOST = 0, /**< readable by the CPU (arrays, mapped files, everything of the CPU
                                backend) */
    SCOPE_MEMORY_DEVICE,   /**< only the backend's ops, upload and download may touch it */
} ScopeMemory;

/**
 * ScopeTensor: passed by value. The data outlives the tensor; who owns it is said where the tensor
 * comes from. Strides count elements and may be zero (broadcast) or negative. Models use @data of a
 * DEVICE tensor only through scope_context_upload() and scope_context_download().
 */
typedef struct {
    void *data;       /**< address of element [0,0,...]; host or device address */
    ScopeDType dtype; /**< SCOPE_DTYPE_INVALID: no tensor */
    ScopeMemory memory;
    int ndim; /**< 0..SCOPE_TENSOR_MAX_DIMS; 0 is a scalar */
    int64_t shape[SCOPE_TENSOR_MAX_DIMS];
    int64_t stride[SCOPE_TENSOR_MAX_DIMS];
} ScopeTensor;

/** SCOPE_TENSOR_NONE: the absent tensor, for optional arguments. */
#define SCOPE_TENSOR_NONE ((ScopeTensor){.dtype = SCOPE_DTYPE_INVALID})

/** SCOPE_SHAPE: expands to the two arguments "ndim, shape"; SCOPE_SHAPE(2, 3) is a 2x3 shape. */
#define SCOPE_SHAPE(...)                                                                           \
    (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])             \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/**
 * scope_tensor_wrap:
 * @dtype: element type
 * @data: host memory with room for the shape, row-major; borrowed for the life of the tensor
 * @ndim: 0..SCOPE_TENSOR_MAX_DIMS
 * @shape: @ndim sizes, each >= 0
 *
 * Thread: any. Errors: none (asserts).
 * Returns: a contiguous HOST tensor on @data.
 */
ScopeTensor scope_tensor_wrap(ScopeDType dtype, const void *data, int ndim, const int64_t *shape);

/** scope_tensor_is_none: TRUE for SCOPE_TENSOR_NONE. Thread: any. */
static inline gboolean
scope_tensor_is_none(ScopeTensor t)
{
    return t.dtype == SCOPE_DTYPE_INVALID;
}

/**
 * scope_tensor_n_elements:
 *
 * Thread: any. Errors: none.
 * Returns: the product of the sizes (1 for a scalar).
 */
int64_t scope_tensor_n_elements(ScopeTensor t);

/**
 * scope_tensor_n_bytes:
 *
 * Thread: any. Errors: none.
 * Returns: elements times element size (what a contiguous copy occupies).
 */
size_t scope_tensor_n_bytes(ScopeTensor t);

/**
 * scope_tensor_dim:
 * @dim: index, negative counts from the end
 *
 * Thread: any. Errors: none (asserts on a bad index).
 * Returns: size of that dimension.
 */
int64_t scope_tensor_dim(ScopeTensor t, int dim);

/**
 * scope_tensor_is_contiguous:
 *
 * Thread: any. Errors: none.
 * Returns: TRUE when the elements are row-major without gaps (size-1 dimensions are ignored).
 */
gboolean scope_tensor_is_contiguous(ScopeTensor t);

/**
 * scope_tensor_same_shape:
 *
 * Thread: any. Errors: none.
 * Returns: TRUE when number of dimensions and all sizes agree.
 */
gboolean scope_tensor_same_shape(ScopeTensor a, ScopeTensor b);

/**
 * scope_tensor_slice:
 * @dim: dimension, negative counts from the end
 * @begin: first index
 * @end: one past the last index, begin <= end <= size
 *
 * Thread: any. Errors: none (asserts).
 * Returns: the view [begin, end) of that dimension; the number of dimensions stays.
 */
ScopeTensor scope_tensor_slice(ScopeTensor t, int dim, int64_t begin, int64_t end);

/**
 * scope_tensor_select:
 * @dim: dimension, negative counts from the end
 * @index: position inside it
 *
 * Thread: any. Errors: none (asserts).
 * Returns: the view at @index with that dimension removed.
 */
ScopeTensor scope_tensor_select(ScopeTensor t, int dim, int64_t index);

/**
 * scope_tensor_reshape:
 * @ndim: new number of dimensions
 * @shape: new sizes; one may be -1 and is derived
 *
 * Thread: any. Errors: none (asserts that the element count stays and that the strides allow it:
 * dimensions are split freely and merged where memory is regular).
 * Returns: a view with the new shape.
 */
ScopeTensor scope_tensor_reshape(ScopeTensor t, int ndim, const int64_t *shape);

/**
 * scope_tensor_permute:
 * @order: for each new dimension the old one it takes, all of 0..ndim-1 once (length as t.ndim)
 *
 * Thread: any. Errors: none (asserts).
 * Returns: the view with reordered dimensions.
 */
ScopeTensor scope_tensor_permute(ScopeTensor t, const int *order);

/** SCOPE_ORDER: literal for the @order argument; SCOPE_ORDER(1, 0) is a transposition. */
#define SCOPE_ORDER(...) ((const int[]){__VA_ARGS__})

/**
 * scope_tensor_transpose:
 * @a: dimension, negative counts from the end
 * @b: dimension, negative counts from the end
 *
 * Thread: any. Errors: none (asserts).
 * Returns: the view with the two dimensions exchanged.
 */
ScopeTensor scope_tensor_transpose(ScopeTensor t, int a, int b);

/**
 * scope_tensor_as_strided:
 * @offset: elements from t.data to the new element [0,...]
 * @ndim: number of dimensions of the result
 * @shape: its sizes
 * @stride: its strides in elements; zero and negative allowed
 *
 * An arbitrary view, for instance the Toeplitz view of a relative position table (strides L, -1,
 * 1). The caller guarantees that every element lies in memory it may read.
 *
 * Thread: any. Errors: none.
 * Returns: the view.
 */
ScopeTensor scope_tensor_as_strided(ScopeTensor t, int64_t offset, int ndim, const int64_t *shape,
                                    const int64_t *stride);

/**
 * scope_tensor_broadcast:
 * @ndim: number of dimensions of the result, >= t.ndim
 * @shape: target sizes; aligned at the last dimension each size of @t equals it or is 1
 *
 * Thread: any. Errors: none (asserts).
 * Returns: a view with stride 0 where a dimension is repeated.
 */
ScopeTensor scope_tensor_broadcast(ScopeTensor t, int ndim, const int64_t *shape);

/**
 * scope_tensor_at:
 * @index: one index per dimension
 *
 * For tests and host-side code: HOST memory only.
 * Thread: any. Errors: none (asserts).
 * Returns: address of the element.
 */
void *scope_tensor_at(ScopeTensor t, const int64_t *index);

/**
 * scope_tensor_describe:
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full): text such as "f32[720,1536]" for messages.
 */
char *scope_tensor_describe(ScopeTensor t);

G_END_DECLS
