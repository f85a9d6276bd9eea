/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeOpticalFlow: coloured optical flow between the frames of a chunk: RAFT at a fixed square
 * size and the colours of its flow. Owns its host buffers; the network is borrowed. Keeps nothing
 * between chunks. One worker thread at a time.
 */
#pragma once

#include "models/scope-raft.h"

G_BEGIN_DECLS

typedef struct _ScopeOpticalFlow ScopeOpticalFlow;

/** SCOPE_OPTICAL_FLOW_DEFAULT_SIZE: side that frames are resized to, pixels. */
#define SCOPE_OPTICAL_FLOW_DEFAULT_SIZE 512

/** ScopeOpticalFlowRange: what RAFT is fed with. */
typedef enum {
    SCOPE_OPTICAL_FLOW_RANGE_PRODUCT = 0, /**< 0..255, as the product does */
    SCOPE_OPTICAL_FLOW_RANGE_TRAINED,     /**< -1..1, as the network was trained: better flow */
} ScopeOpticalFlowRange;

/**
 * scope_optical_flow_create:
 * @raft: borrowed, outlives the result
 * @size: side of the square that frames are resized to: a multiple of SCOPE_RAFT_SIZE_MULTIPLE, at
 *   least SCOPE_RAFT_MIN_SIZE
 * @range: see there
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: G_IO_ERROR_INVALID_ARGUMENT for @size.
 * Returns: (transfer full): the processor, or NULL with @error set.
 */
ScopeOpticalFlow *scope_optical_flow_create(const ScopeRaft *raft, int64_t size,
                                            ScopeOpticalFlowRange range, GError **error);

/**
 * scope_optical_flow_destroy:
 * @flow: (nullable)
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_optical_flow_destroy(ScopeOpticalFlow *flow);

/**
 * scope_optical_flow_run:
 * @ctx: the worker's
 * @flow: the processor
 * @ret_frames: [T, H, W, 3] float, any strides: colours in 0..1
 * @frames: [T, H, W, 3] u8 or float 0..255, any strides, HOST allowed, T >= 1
 *
 * Frame i shows the movement from frame i - 1 to i; frame 0 repeats frame 1. A single frame has no
 * movement to show and gives zeros. Colours tell direction; their strength is relative to the
 * fastest pixel of the frame.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope optical_flow pipeline (documented behaviour).
 * Returns: nothing.
 */
void scope_optical_flow_run(ScopeContext *ctx, ScopeOpticalFlow *flow, ScopeTensor ret_frames,
                            ScopeTensor frames);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeOpticalFlow, scope_optical_flow_destroy)

G_END_DECLS
