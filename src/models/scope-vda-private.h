/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of Video-Depth-Anything and the memory of its motion modules, as load, forward and
 * the running modes share them. */
#pragma once

#include "models/scope-vda.h"

#define SCOPE_VDA_N_MOTION    4
#define SCOPE_VDA_N_ATTENTION 2 /* in a motion module */

typedef struct {
    ScopeTensor norm1_weight, norm1_bias, norm2_weight, norm2_bias; /* [D] */
    ScopeTensor ls1, ls2;                                           /* [1, D] */
    ScopeWeight qkv, proj, fc1, fc2;
} ScopeVdaBlock;

/* Attention along time. The sinusoids enter q, k and v linearly: their products are made at load.
 */
typedef struct {
    ScopeTensor norm_weight, norm_bias; /* [C] */
    ScopeWeight q, k, v, out;
    ScopeTensor position_q, position_k, position_v; /* [positions, 1, C] */
} ScopeVdaAttention;

typedef struct {
    int64_t width;
    ScopeTensor norm_weight, norm_bias; /* of the groups, [C] */
    ScopeWeight proj_in, proj_out;
    ScopeVdaAttention attention[SCOPE_VDA_N_ATTENTION];
    ScopeTensor ff_norm_weight, ff_norm_bias; /* [C] */
    ScopeWeight ff_in, ff_out;
} ScopeVdaMotion;

typedef struct {
    ScopeWeight unit1[2], unit2[2], out; /* unit1 is absent in the coarsest block */
} ScopeVdaFusion;

struct _ScopeVda {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeVdaOptions options;
    int64_t patch, width, grid; /* grid: side of the stored position embeddings */
    int n_blocks, n_positions;
    ScopeWeight patch_embed;
    ScopeTensor class_token;     /* [1, 1, D] */
    ScopeTensor class_position;  /* [1, 1, D] */
    ScopeTensor patch_positions; /* [1, grid, grid, D] */
    ScopeTensor norm_weight, norm_bias;
    ScopeVdaBlock *blocks;
    ScopeWeight projects[SCOPE_VDA_N_TAPS];
    ScopeWeight enlarge[2], shrink; /* resize_layers 0, 1 and 3 */
    ScopeVdaMotion motion[SCOPE_VDA_N_MOTION];
    ScopeWeight layer_rn[SCOPE_VDA_N_TAPS];
    ScopeVdaFusion fusion[SCOPE_VDA_N_TAPS]; /* refinenet1..4 */
    ScopeWeight output1, output2[2];
};

/* Keys and values of past frames, without positions. */
typedef struct {
    ScopeTensor k[SCOPE_VDA_N_MOTION][SCOPE_VDA_N_ATTENTION]; /* [slots, pixels, C] */
    ScopeTensor v[SCOPE_VDA_N_MOTION][SCOPE_VDA_N_ATTENTION];
    const int *history; /* slots of the frames in front of the current one, oldest first */
    int n_history;
    int store; /* slot that receives the current frame */
} ScopeVdaCache;

/**
 * scope_vda_forward:
 * @ctx: the worker's
 * @vda: borrowed
 * @ret_depth: [T, h, w] float
 * @frames: [T, h, w, 3] float: network input
 * @cache: (nullable): past frames, T is then 1
 * @tap: (nullable): as scope_vda_run_window()
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_vda_forward(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth,
                       ScopeTensor frames, ScopeVdaCache *cache, const ScopeModelTap *tap);

/**
 * scope_vda_run_motion:
 * @ctx: the worker's
 * @vda: borrowed
 * @index: which motion module, 0 .. SCOPE_VDA_N_MOTION - 1
 * @x: [T, h, w, C] float, contiguous; changed in place
 * @cache: (nullable): past frames, T is then 1
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_vda_run_motion(ScopeContext *ctx, const ScopeVda *vda, int index, ScopeTensor x,
                          ScopeVdaCache *cache);

/**
 * scope_vda_motion_shape:
 * @vda: borrowed
 * @index: which motion module
 * @grid_h: rows of patches
 * @grid_w: columns of patches
 * @ret_shape: rows, columns and channels of its input
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_vda_motion_shape(const ScopeVda *vda, int index, int64_t grid_h, int64_t grid_w,
                            int64_t ret_shape[3]);
