/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeRife: frames between two frames (RIFE, IFNet 4.x with any number of blocks and widths, which
 * follow from the tensors). The model owns its prepared weights, is read-only after load and keeps
 * nothing between calls.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeRife ScopeRife;

/**
 * scope_rife_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: state dictionary of "flownet.pkl", with or without "module." in front; names that
 *   belong to training are ignored; a reference is kept
 * @error: (nullable) set on failure
 *
 * Thread: loader. Errors: ScopeCheckpointError naming file, tensor, found and expected;
 * G_IO_ERROR_NO_SPACE.
 * Source: hzwer/Practical-RIFE, HolyWu/vs-rife vsrife/IFNet_HDv3_v4_25.py.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeRife *scope_rife_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_rife_check:
 * @checkpoint: as for scope_rife_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types without reading any weight.
 * Thread: any. Errors: as scope_rife_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_rife_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_rife_unload:
 * @rife: (nullable)
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_rife_unload(ScopeRife *rife);

/** scope_rife_get_n_blocks: (also _get_block_width, _get_pad_multiple): 4 or 5 blocks, the width of
 * one, and what frame sizes are padded to: 32 or 64 pixels. Thread: any. */
int scope_rife_get_n_blocks(const ScopeRife *rife);
int64_t scope_rife_get_block_width(const ScopeRife *rife, int block);
int64_t scope_rife_get_pad_multiple(const ScopeRife *rife);

/**
 * scope_rife_interpolate:
 * @ctx: the worker's
 * @rife: borrowed
 * @ret_frame: [H, W, 3] float, any strides
 * @first: [H, W, 3] float 0..1, any strides; sizes are multiples of scope_rife_get_pad_multiple()
 * @second: as @first
 * @time: 0 (first) .. 1 (second)
 * @tap: (nullable): sees "encode.img0", "encode.img1", and "blockN.flow_delta", ".mask", ".feat"
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: hzwer/Practical-RIFE.
 * Returns: nothing.
 */
void scope_rife_interpolate(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frame,
                            ScopeTensor first, ScopeTensor second, float time,
                            const ScopeModelTap *tap);

/**
 * scope_rife_double:
 * @ctx: the worker's
 * @rife: borrowed
 * @ret_frames: [2 T - 1, H, W, 3] float 0..1, any strides
 * @frames: [T, H, W, 3] float 0..1, any strides, any size, T >= 1
 *
 * Puts a frame into the middle of each pair. A stream passes the last frame of the chunk before as
 * the first one, and drops it from the result.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope rife pipeline (documented behaviour).
 * Returns: nothing.
 */
void scope_rife_double(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frames,
                       ScopeTensor frames);

/**
 * scope_rife_double_u8:
 * @ctx: the worker's
 * @rife: borrowed
 * @ret_frames: [2 T - 1, H, W, 3] u8, any strides
 * @frames: [T, H, W, 3] u8, any strides, HOST allowed
 *
 * As scope_rife_double() through x / 255 and back with truncation, which lets some values of the
 * given frames lose 1, as in the reference.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope rife pipeline (documented behaviour).
 * Returns: nothing.
 */
void scope_rife_double_u8(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frames,
                          ScopeTensor frames);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeRife, scope_rife_unload)

G_END_DECLS
