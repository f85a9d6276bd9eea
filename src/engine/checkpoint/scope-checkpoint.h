/* SPDX-License-Identifier: Apache-2.0 */
/* One read-only view over every checkpoint container: safetensors, sharded safetensors, PyTorch
 * zip archives and legacy PyTorch files. A ScopeCheckpoint is immutable and refcounted; it owns the
 * file mappings, and every tensor it names points into them. Opening reads headers only.
 * Any thread. */
#pragma once

#include <glib.h>

#include "engine/checkpoint/scope-stored-type.h"

G_BEGIN_DECLS

/* Limits of the readers; a file that exceeds one is refused with SCOPE_CHECKPOINT_ERROR_LIMIT. */
#define SCOPE_CHECKPOINT_MAX_RANK         16
#define SCOPE_CHECKPOINT_MAX_HEADER_BYTES (100u * 1000 * 1000)
#define SCOPE_CHECKPOINT_MAX_PICKLE_BYTES (64u * 1024 * 1024)
#define SCOPE_CHECKPOINT_MAX_TENSORS      (1u << 20)
#define SCOPE_CHECKPOINT_MAX_DEPTH        16

#define SCOPE_CHECKPOINT_ERROR (scope_checkpoint_error_quark())

/**
 * ScopeCheckpointError:
 * @SCOPE_CHECKPOINT_ERROR_IO: the file cannot be opened or mapped
 * @SCOPE_CHECKPOINT_ERROR_FORMAT: the bytes contradict the format: truncated, overlapping,
 * malformed
 * @SCOPE_CHECKPOINT_ERROR_UNSUPPORTED: well formed, but of a kind that is not read
 * @SCOPE_CHECKPOINT_ERROR_UNSAFE: the pickle asks for code or a name outside the allow list
 * @SCOPE_CHECKPOINT_ERROR_LIMIT: a bound of this reader is exceeded
 * @SCOPE_CHECKPOINT_ERROR_MISSING: a tensor or sub-dictionary that was asked for is not there
 * @SCOPE_CHECKPOINT_ERROR_MISMATCH: a tensor has another shape or dtype than was asked for
 *
 * Every message begins with the path of the file and names the tensor where one is concerned.
 */
typedef enum {
    SCOPE_CHECKPOINT_ERROR_IO,
    SCOPE_CHECKPOINT_ERROR_FORMAT,
    SCOPE_CHECKPOINT_ERROR_UNSUPPORTED,
    SCOPE_CHECKPOINT_ERROR_UNSAFE,
    SCOPE_CHECKPOINT_ERROR_LIMIT,
    SCOPE_CHECKPOINT_ERROR_MISSING,
    SCOPE_CHECKPOINT_ERROR_MISMATCH,
} ScopeCheckpointError;

/** scope_checkpoint_error_quark: the domain of ScopeCheckpointError. Thread: any. */
GQuark scope_checkpoint_error_quark(void);

typedef struct _ScopeCheckpoint ScopeCheckpoint;

/**
 * ScopeCheckpointTensor:
 * @name: full name; nested dictionaries of a pickle are joined with '/'
 * @file: path of the file that holds the data, for messages
 * @type: stored element type
 * @rank: number of dimensions, 0 for a scalar
 * @shape: [rank] sizes, slowest dimension first
 * @stride: [rank] steps in elements; 0 and non-contiguous strides occur in pickles only
 * @n_elements: product of @shape
 * @contiguous: TRUE when the elements lie row-major without gaps
 * @data: first element, mapped read-only; possibly unaligned (see
 *   scope_checkpoint_tensor_is_aligned()); not NULL, even for zero elements
 * @n_bytes: bytes from @data that the tensor may touch
 *
 * All fields are borrowed from the checkpoint and live as long as it does.
 */
typedef struct {
    const char *name;
    const char *file;
    ScopeStoredType type;
    int rank;
    gint64 shape[SCOPE_CHECKPOINT_MAX_RANK];
    gint64 stride[SCOPE_CHECKPOINT_MAX_RANK];
    gint64 n_elements;
    gboolean contiguous;
    const guint8 *data;
    gsize n_bytes;
} ScopeCheckpointTensor;

/**
 * scope_checkpoint_open:
 * @path: a .safetensors file, a *.safetensors.index.json, a .pt/.pth/.bin/.pkl/.ckpt file of
 *   PyTorch, or a folder that holds one sharded set or one such file
 * @error: set on failure
 *
 * Maps the file or files, validates every header and lists the tensors. The container is recognised
 * by its first bytes, never by its name. Tensor data is not read; memory use is a small multiple of
 * the header. A pickle is interpreted as data: no name in it is ever resolved or called.
 *
 * Thread: any. Blocks: disk, header pages. Errors: every code of ScopeCheckpointError except
 * MISMATCH. Returns: (transfer full): the checkpoint, or NULL with @error set and nothing left
 * open.
 */
ScopeCheckpoint *scope_checkpoint_open(const char *path, GError **error);

/**
 * scope_checkpoint_ref: (also scope_checkpoint_unref)
 * @checkpoint: a checkpoint; scope_checkpoint_unref() takes NULL
 *
 * The last unref unmaps the files: every pointer into them is then invalid.
 *
 * Thread: any. Errors: none. Returns: @checkpoint, or nothing.
 */
ScopeCheckpoint *scope_checkpoint_ref(ScopeCheckpoint *checkpoint);
void scope_checkpoint_unref(ScopeCheckpoint *checkpoint);

/**
 * scope_checkpoint_select:
 * @checkpoint: an opened checkpoint; kept alive by the result
 * @wrappers: (nullable) (array zero-terminated=1): names of wrapping dictionaries in order of
 *   preference, such as { "generator", NULL }; NULL means: generator_ema, generator, model, module,
 *   state_dict, else the top level if it holds tensors, else the only dictionary
 * @prefixes: (nullable) (array zero-terminated=1): further prefixes that are cut off where every
 *   name has them, before "model." and "module." are tried; NULL for none
 * @error: set on failure
 *
 * Finds the state dictionary of a model in a training checkpoint: takes the tensors below the
 * first wrapping dictionary that exists (the top level when none of @wrappers does), removes
 * "_fsdp_wrapped_module." anywhere in a name, and cuts the prefixes "model." and "module." where
 * every name has them. Shares all data with @checkpoint.
 *
 * Thread: any. Errors: SCOPE_CHECKPOINT_ERROR_MISSING when no tensor remains,
 * SCOPE_CHECKPOINT_ERROR_FORMAT when two names become equal.
 * Returns: (transfer full): the narrowed checkpoint, or NULL with @error set.
 */
ScopeCheckpoint *scope_checkpoint_select(ScopeCheckpoint *checkpoint, const char *const *wrappers,
                                         const char *const *prefixes, GError **error);

/**
 * scope_checkpoint_get_path: (also scope_checkpoint_get_n_tensors, scope_checkpoint_get_tensor)
 * @checkpoint: a checkpoint
 * @index: below scope_checkpoint_get_n_tensors()
 *
 * Tensors are listed in the order of the file; for a sharded set shard after shard.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none): what the name says.
 */
const char *scope_checkpoint_get_path(const ScopeCheckpoint *checkpoint);
guint scope_checkpoint_get_n_tensors(const ScopeCheckpoint *checkpoint);
const ScopeCheckpointTensor *scope_checkpoint_get_tensor(const ScopeCheckpoint *checkpoint,
                                                         guint index);

/**
 * scope_checkpoint_find:
 * @checkpoint: a checkpoint
 * @name: full tensor name
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (nullable): the tensor, or NULL when there is none of that name.
 */
const ScopeCheckpointTensor *scope_checkpoint_find(const ScopeCheckpoint *checkpoint,
                                                   const char *name);

/**
 * scope_checkpoint_require:
 * @checkpoint: a checkpoint
 * @name: full tensor name
 * @rank: wanted number of dimensions, or -1 for any shape
 * @shape: (nullable): [rank] wanted sizes; -1 accepts any size in that place
 * @error: set on failure
 *
 * Finds a tensor and compares its shape. The message of a mismatch tells what was found and what
 * was expected; that of a missing tensor tells how many tensors there are and a similar name.
 *
 * Thread: any. Errors: SCOPE_CHECKPOINT_ERROR_MISSING, SCOPE_CHECKPOINT_ERROR_MISMATCH.
 * Returns: (transfer none): the tensor, or NULL with @error set.
 */
const ScopeCheckpointTensor *scope_checkpoint_require(const ScopeCheckpoint *checkpoint,
                                                      const char *name, int rank,
                                                      const gint64 *shape, GError **error);

/**
 * scope_checkpoint_tensor_is_aligned:
 * @tensor: a tensor
 *
 * safetensors promises no alignment. A tensor that is not aligned, or not contiguous, has to be
 * copied before typed code reads it; scope_checkpoint_tensor_copy() does both.
 *
 * Thread: any. Errors: none.
 * Returns: TRUE when @tensor->data is a multiple of the element size.
 */
gboolean scope_checkpoint_tensor_is_aligned(const ScopeCheckpointTensor *tensor);

/**
 * scope_checkpoint_tensor_copy:
 * @tensor: a tensor
 * @ret_dst: [n_elements] of the stored type, row-major
 *
 * Gathers the elements in row-major order, whatever the strides, without conversion.
 *
 * Thread: any. Errors: none.
 * Returns: nothing.
 */
void scope_checkpoint_tensor_copy(const ScopeCheckpointTensor *tensor, void *ret_dst);

/**
 * scope_checkpoint_tensor_copy_f32: (also scope_checkpoint_tensor_copy_i64)
 * @tensor: a tensor
 * @ret_dst: [n_elements] f32 (or i64), row-major
 *
 * Gathers and converts; see scope_stored_type_to_f32() and scope_stored_type_to_i64().
 *
 * Thread: any. Errors: copy_i64 refuses float types.
 * Returns: nothing; copy_i64: FALSE when the stored type is no integer type.
 */
void scope_checkpoint_tensor_copy_f32(const ScopeCheckpointTensor *tensor, float *ret_dst);
gboolean scope_checkpoint_tensor_copy_i64(const ScopeCheckpointTensor *tensor, gint64 *ret_dst);

/**
 * scope_checkpoint_tensor_dup_shape:
 * @tensor: a tensor
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full): "F32 [2, 3]", for messages.
 */
char *scope_checkpoint_tensor_dup_shape(const ScopeCheckpointTensor *tensor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeCheckpoint, scope_checkpoint_unref)

G_END_DECLS
