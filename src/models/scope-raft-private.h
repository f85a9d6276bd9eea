/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of a RAFT, as load and forward share them. */
#pragma once

#include "engine/scope-weight.h"
#include "models/scope-raft.h"

#define SCOPE_RAFT_N_LEVELS 4
#define SCOPE_RAFT_N_LAYERS 3

/* Residual block: two or three convolutions and a shortcut. */
typedef struct {
    ScopeWeight conv[3];
    int n_convs;
    ScopeWeight downsample;
    gboolean strided; /* has the shortcut convolution */
} ScopeRaftBlock;

typedef struct {
    gboolean instance_norm; /* behind each convolution but the last; batch norms are folded */
    ScopeWeight first, last;
    GArray *blocks; /* of ScopeRaftBlock */
} ScopeRaftEncoder;

typedef struct {
    ScopeWeight z, r, q;
} ScopeRaftGru;

struct _ScopeRaft {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    gboolean large;
    int radius;
    int64_t n_hidden, n_context, n_motion; /* channels */
    ScopeRaftEncoder feature, context;
    ScopeWeight corr[2]; /* the second in the large variant */
    ScopeWeight flow[2], motion;
    ScopeRaftGru gru[2]; /* the second in the large variant */
    ScopeWeight head[2];
    ScopeWeight mask[2]; /* large */
};
