/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanLoader: from named tensors of a checkpoint to weights of a model. Checks every shape,
 * finds the scale that belongs to an fp8 matrix, and copies only what cannot stay mapped. Used
 * while a model loads, by one loader thread; owns nothing.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"

G_BEGIN_DECLS

typedef struct _ScopeWanLoader ScopeWanLoader;

/**
 * ScopeWanLoaderName:
 * @name: name under which the model knows a tensor
 * @user_data: as in the loader
 *
 * Thread: loader. Errors: none.
 * Returns: (transfer full): the name in this checkpoint.
 */
typedef char *(*ScopeWanLoaderName)(const char *name, gpointer user_data);

/**
 * ScopeWanLoaderPatch:
 * @loader: who asks
 * @base: linear without ".weight"
 * @weight: (inout): [O, K], HOST; may be replaced by a tensor of the host arena
 * @options: (inout): bias [O] and scale of @weight, HOST; likewise
 * @user_data: as in the loader
 * @error: (nullable) set on failure
 *
 * Changes a linear before it is prepared (a merged LoRA). Thread: loader. Errors: its own.
 * Returns: TRUE, or FALSE with @error set.
 */
typedef gboolean (*ScopeWanLoaderPatch)(ScopeWanLoader *loader, const char *base,
                                        ScopeTensor *weight, ScopeWeightOptions *options,
                                        gpointer user_data, GError **error);

/** ScopeWanLoader: filled by the caller; all pointers are borrowed. */
struct _ScopeWanLoader {
    ScopeContext *ctx;           /**< backend of the weights */
    ScopeArena *arena;           /**< receives prepared weights and vectors; its backend is ctx's */
    ScopeArena *host;            /**< CPU backend: copies of what cannot stay mapped */
    ScopeCheckpoint *checkpoint; /**< outlives the weights */
    ScopeWeightStore store;      /**< for linears */
    ScopeWanLoaderName rename;   /**< (nullable) */
    gpointer rename_data;
    ScopeWanLoaderPatch patch; /**< (nullable) */
    gpointer patch_data;
};

/**
 * scope_wan_loader_find:
 * @loader: a loader
 * @name: the model's name of a tensor
 *
 * Thread: loader. Errors: none.
 * Returns: (transfer none) (nullable): the tensor, or NULL when there is none.
 */
const ScopeCheckpointTensor *scope_wan_loader_find(ScopeWanLoader *loader, const char *name);

/**
 * scope_wan_loader_require:
 * @loader: a loader
 * @name: the model's name of a tensor
 * @rank: wanted dimensions, or -1 for any
 * @shape: (nullable): [rank] wanted sizes, -1 for any
 * @error: (nullable) set on failure
 *
 * Also refuses tensors that hold integers.
 * Thread: loader. Errors: SCOPE_CHECKPOINT_ERROR_MISSING, _MISMATCH; the message names file,
 * tensor, found and expected.
 * Returns: (transfer none): the tensor, or NULL with @error set.
 */
const ScopeCheckpointTensor *scope_wan_loader_require(ScopeWanLoader *loader, const char *name,
                                                      int rank, const gint64 *shape,
                                                      GError **error);

/**
 * scope_wan_loader_wrap:
 * @loader: a loader
 * @tensor: of the checkpoint, a float type
 *
 * Thread: loader. Errors: none (asserts on an integer type).
 * Returns: a contiguous HOST tensor: the mapping itself where it is aligned and contiguous, else a
 * copy in the host arena.
 */
ScopeTensor scope_wan_loader_wrap(ScopeWanLoader *loader, const ScopeCheckpointTensor *tensor);

/**
 * scope_wan_loader_vector:
 * @loader: a loader
 * @name: tensor name
 * @rank: wanted dimensions
 * @shape: [rank] wanted sizes
 * @ret_vector: [shape] f32, in the weights arena
 * @error: (nullable) set on failure
 *
 * Loads a small parameter (norm weight, modulation) as f32.
 * Thread: loader. Errors: as scope_wan_loader_require().
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_loader_vector(ScopeWanLoader *loader, const char *name, int rank,
                                 const gint64 *shape, ScopeTensor *ret_vector, GError **error);

/**
 * scope_wan_loader_linear:
 * @loader: a loader
 * @base: name without ".weight" and ".bias"
 * @n_out: rows wanted
 * @n_in: columns wanted; a convolution kernel of stride = size counts as [n_out, all the rest]
 * @ret_weight: [n_out, n_in] with bias [n_out]
 * @error: (nullable) set on failure
 *
 * Loads BASE.weight and BASE.bias; an fp8 weight takes its scale from BASE.scale_weight, BASE.scale
 * or BASE.weight_scale where one is there.
 * Thread: loader. Errors: as scope_wan_loader_require(), and the arena's.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_loader_linear(ScopeWanLoader *loader, const char *base, int64_t n_out,
                                 int64_t n_in, ScopeWeight *ret_weight, GError **error);

G_END_DECLS
