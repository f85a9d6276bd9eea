/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeRaft: optical flow between two frames by recurrent updates (RAFT, small and large; which one
 * follows from the tensors). The model owns its prepared weights, is read-only after load and keeps
 * nothing between frames.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeRaft ScopeRaft;

#define SCOPE_RAFT_SIZE_MULTIPLE   8   /**< of the frame sizes, in pixels */
#define SCOPE_RAFT_MIN_SIZE        128 /**< so that the coarsest correlation has two pixels */
#define SCOPE_RAFT_DEFAULT_UPDATES 12

/**
 * scope_raft_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: names of torchvision ("feature_encoder.convnormrelu.0.weight"); a reference is kept
 * @error: (nullable) set on failure
 *
 * Batch norms are folded into the convolutions in front of them.
 *
 * Thread: loader. Errors: ScopeCheckpointError naming file, tensor, found and expected;
 * G_IO_ERROR_NO_SPACE.
 * Source: pytorch/vision torchvision/models/optical_flow/raft.py.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeRaft *scope_raft_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_raft_check:
 * @checkpoint: as for scope_raft_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types without reading any weight.
 * Thread: any. Errors: as scope_raft_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_raft_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_raft_unload:
 * @raft: (nullable)
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_raft_unload(ScopeRaft *raft);

/** scope_raft_is_large: (also _get_radius): which variant the file holds, and the radius of its
 * correlation window: 3 for the small one, 4 for the large. Thread: any. */
gboolean scope_raft_is_large(const ScopeRaft *raft);
int scope_raft_get_radius(const ScopeRaft *raft);

/** ScopeRaftOptions: zero-initialised runs SCOPE_RAFT_DEFAULT_UPDATES from zero flow. */
typedef struct {
    int n_updates;            /**< 0 for the default */
    ScopeTensor initial_flow; /**< none, or [H/8, W/8, 2] f32: start, in pixels of that size */
    ScopeModelTap tap; /**< sees "feature_maps" [2, H/8, W/8, C], "context", and in each update
                            "corr_lookup" */
} ScopeRaftOptions;

/**
 * scope_raft_run:
 * @ctx: the worker's
 * @raft: borrowed
 * @ret_flow: [H, W, 2] f32, any strides: movement to the right and down from @frames 0 to 1, pixels
 * @frames: [2, H, W, 3] float, any strides; trained on -1..1. Sizes are multiples of
 *   SCOPE_RAFT_SIZE_MULTIPLE and at least SCOPE_RAFT_MIN_SIZE
 * @options: (nullable): see there
 *
 * Thread: worker. Allocates: scratch, (H W / 64)^2 * 5.3 bytes of it for the correlation. Errors:
 * none (asserts).
 * Source: pytorch/vision torchvision/models/optical_flow/raft.py.
 * Returns: nothing.
 */
void scope_raft_run(ScopeContext *ctx, const ScopeRaft *raft, ScopeTensor ret_flow,
                    ScopeTensor frames, const ScopeRaftOptions *options);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeRaft, scope_raft_unload)

G_END_DECLS
