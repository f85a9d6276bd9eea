/* SPDX-License-Identifier: Apache-2.0 */
/* The weights of a TAEHV and the memory of a stream, as load and forward share them. */
#pragma once

#include "models/scope-taehv.h"

typedef enum {
    SCOPE_TAEHV_ENTRY_CLAMP = 0, /* 3 tanh(x / 3) */
    SCOPE_TAEHV_ENTRY_CONV,
    SCOPE_TAEHV_ENTRY_MEMORY,
    SCOPE_TAEHV_ENTRY_POOL, /* several frames into one */
    SCOPE_TAEHV_ENTRY_GROW, /* one frame into several, side by side in the channels */
} ScopeTaehvEntryKind;

typedef struct {
    ScopeTaehvEntryKind kind;
    int index;           /* in the published sequence */
    int64_t n_in, n_out; /* channels of a frame */
    int steps;           /* pool, grow: frames; convolution: frames side by side in its input */
    int slot;            /* memory */
    gboolean relu;       /* convolution: the next entry of the sequence is a ReLU */
    gboolean upsample;   /* convolution: enlarges 2x2 first; grow: announces it */
    ScopeWeight conv[3]; /* memory: all three; else the first */
    ScopeWeight skip;    /* memory, where n_in != n_out */
} ScopeTaehvEntry;

typedef struct {
    gboolean loaded;
    GArray *entries; /* of ScopeTaehvEntry, in execution order */
    int n_slots;
    int64_t spatial_factor, temporal_factor;
} ScopeTaehvHalf;

struct _ScopeTaehv {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeTaehvHalf encoder, decoder;
    ScopeTaehvLatents latents;
    int64_t z_channels;
    ScopeTensor mean, std, inverse_std; /* [z] f32, for raw latents */
};

struct _ScopeTaehvState {
    const ScopeTaehv *taehv;
    const ScopeTaehvHalf *half;
    ScopeTaehvDirection direction;
    ScopeContext *ctx; /* borrowed: the worker's, for clearing */
    ScopeArena *arena;
    int64_t height, width, latents_per_pass;
    int64_t max_elements; /* of the widest tensor between two entries, in a full pass */
    gboolean fresh;
    ScopeTensor *slots; /* [1, h, w, c] each */
};

/**
 * scope_taehv_entry_shape:
 * @entry: an entry
 * @shape: (inout): [t, h, w, c] before and after the entry
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_taehv_entry_shape(const ScopeTaehvEntry *entry, int64_t shape[4]);
