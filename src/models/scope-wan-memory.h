/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of MemFlow: a bank of a few remembered frames per layer, compressed by how well they
 * match the prompt, and the choice of the frames that a head looks at. Worker thread; memory from
 * the session's arena. Selection is discrete: in low precision a near tie may fall the other way.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

#define SCOPE_WAN_MEMORY_MAX_FRAMES 16

/** ScopeWanBank: counters in tokens. */
typedef struct {
    ScopeTensor k, v;               /**< [L, bank_frames*fs, H, d] */
    ScopeTensor staged_k, staged_v; /**< [L, fs, H, d]: recorded, not yet in the bank */
    int64_t total_tokens;           /**< Gb */
    int64_t filled_tokens;          /**< Eb */
} ScopeWanBank;

/**
 * scope_wan_memory_compress:
 * @bank_k: (inout): [n*fs, H, d], f32, bf16 or f16
 * @bank_v: (inout): as @bank_k
 * @new_k: [fs, H, d]: the frame to take in
 * @new_v: as @new_k
 * @text_k: [T, H, d] float: cross-attention keys of the prompt
 *
 * Keeps the n - 1 frames whose keys match the prompt best, best first (the earlier one on ties),
 * and appends the new frame. Thread: worker. Blocks: reads scores back. Errors: none. Returns:
 * nothing.
 */
void scope_wan_memory_compress(ScopeContext *ctx, ScopeTensor bank_k, ScopeTensor bank_v,
                               ScopeTensor new_k, ScopeTensor new_v, ScopeTensor text_k);

/**
 * scope_wan_memory_route:
 * @sel_k: [min(top, n)*fs, H, d]: receives keys, frames in ascending order
 * @sel_v: as @sel_k
 * @q: [N, H, d] float: all queries of the chunk
 * @frames_k: [n] tensors [fs, H, d]
 * @frames_v: as @frames_k
 * @n_frames: n, 1..SCOPE_WAN_MEMORY_MAX_FRAMES
 *
 * For each head takes the frames with the highest mean(q) . mean(k) (the earlier one on ties), as
 * many as fit in @sel_k.
 * Thread: worker. Blocks: reads scores back. Errors: none. Returns: nothing.
 */
void scope_wan_memory_route(ScopeContext *ctx, ScopeTensor sel_k, ScopeTensor sel_v, ScopeTensor q,
                            const ScopeTensor *frames_k, const ScopeTensor *frames_v, int n_frames);

G_END_DECLS
