/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeUmt5: the UMT5 text encoder. Its weights stay mapped in the stored type (fp8, 16 bit or f32)
 * and are widened tile by tile while they are used; the model owns only norms and position tables,
 * and keeps the checkpoint alive. Read-only after load, no state between calls.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeUmt5 ScopeUmt5;

/** ScopeUmt5Options: start from SCOPE_UMT5_OPTIONS_INIT. */
typedef struct {
    int max_tokens;         /**< rows that one call may have, >= 1 */
    int max_distance;       /**< of the relative position buckets, > buckets / 4 */
    float eps;              /**< of the norms */
    ScopeWeightStore store; /**< of the linears */
} ScopeUmt5Options;

#define SCOPE_UMT5_OPTIONS_INIT                                                                    \
    {                                                                                              \
        .max_tokens = 512, .max_distance = 128, .eps = 1e-6f                                       \
    }

/**
 * scope_umt5_load:
 * @ctx: borrowed during the call; its backend holds the norms
 * @checkpoint: names of Wan ("blocks.N.attn.q.weight") or of Hugging Face
 *   ("encoder.block.N.layer.0.SelfAttention.q.weight"), fp8 with or without "scale_weight"; a
 *   reference is kept
 * @options: (nullable): see there
 * @error: (nullable) set on failure
 *
 * Finds the layers by their published names and takes all sizes from the shapes.
 *
 * Thread: loader. Blocks: reads norms and position tables only. Errors: ScopeCheckpointError naming
 * file, tensor, found and expected; G_IO_ERROR_NO_SPACE.
 * Source: Wan-Video/Wan2.1 wan/modules/t5.py.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeUmt5 *scope_umt5_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint,
                           const ScopeUmt5Options *options, GError **error);

/**
 * scope_umt5_check:
 * @checkpoint: as for scope_umt5_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types without reading any weight.
 * Thread: any. Errors: as scope_umt5_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_umt5_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_umt5_unload:
 * @umt5: (nullable)
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_umt5_unload(ScopeUmt5 *umt5);

/** scope_umt5_get_width: (also _get_vocabulary_size, _get_n_layers, _get_max_tokens): 4096, 256384,
 * 24 and 512 for UMT5-XXL. Thread: any. */
int64_t scope_umt5_get_width(const ScopeUmt5 *umt5);
int64_t scope_umt5_get_vocabulary_size(const ScopeUmt5 *umt5);
int scope_umt5_get_n_layers(const ScopeUmt5 *umt5);
int scope_umt5_get_max_tokens(const ScopeUmt5 *umt5);

/**
 * scope_umt5_encode:
 * @ctx: the worker's
 * @umt5: borrowed
 * @ret_embeds: [S, width] float, rows, backend memory; rows from @n_ids on become 0
 * @ids: [n_ids] token ids without padding, end-of-text included, each 0 <= id < vocabulary
 * @n_ids: 1 .. MIN(S, max_tokens)
 *
 * Encodes one prompt. Only the real tokens are computed: padding is masked as keys and its rows are
 * cleared in the reference, so the result is the same.
 *
 * Thread: worker. Blocks: about 9 GFLOP a token at the size of UMT5-XXL, and the first time the
 * whole file is read. Allocates: scratch. Errors: none (asserts on lengths and ids).
 * Source: Wan-Video/Wan2.1 wan/modules/t5.py T5Encoder.
 * Returns: nothing.
 */
void scope_umt5_encode(ScopeContext *ctx, const ScopeUmt5 *umt5, ScopeTensor ret_embeds,
                       const int32_t *ids, int64_t n_ids);

/**
 * scope_umt5_encode_rows:
 * @ctx: the worker's
 * @umt5: borrowed
 * @ret_rows: [n_rows, width] float, rows, backend memory
 * @ids: [n_rows] token ids, padding included
 * @n_rows: 1 .. max_tokens
 * @n_keys: rows that attention may see, the first ones, 1 .. @n_rows
 * @tap: (nullable): sees "token_embedding", "blocks.N.pos_bias" [heads, n_rows, n_rows],
 *   "blocks.N.norm1", ".attn", ".ffn" (before the residual) and "blocks.N"
 *
 * Encodes rows as they are, without clearing any.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts on lengths and ids).
 * Source: Wan-Video/Wan2.1 wan/modules/t5.py T5Encoder.
 * Returns: nothing.
 */
void scope_umt5_encode_rows(ScopeContext *ctx, const ScopeUmt5 *umt5, ScopeTensor ret_rows,
                            const int32_t *ids, int64_t n_rows, int64_t n_keys,
                            const ScopeModelTap *tap);

/**
 * scope_umt5_bucket:
 * @relative: key index - query index
 * @n_buckets: rows of the position table, a multiple of 4
 * @max_distance: distance from which all share the last bucket
 *
 * Thread: any. Errors: none.
 * Source: Wan-Video/Wan2.1 wan/modules/t5.py T5RelativeEmbedding; the logarithm in f32.
 * Returns: the row of the position table, 0 .. @n_buckets - 1.
 */
int scope_umt5_bucket(int relative, int n_buckets, int max_distance);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeUmt5, scope_umt5_unload)

G_END_DECLS
