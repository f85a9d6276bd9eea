/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions between frames as people see them (u8 RGB or 0..1) and as the networks want them
 * (-1..1), and the gray processor. Pure functions on tensors of one context, channels-last; they
 * own nothing and take scratch only.
 */
#pragma once

#include "engine/scope-context.h"

G_BEGIN_DECLS

/**
 * scope_video_to_model:
 * @ctx: the worker's
 * @y: [T, H, W, 3] float, any strides: values in -1..1
 * @x: [T, h, w, 3] u8 or float 0..255, any strides, HOST allowed
 *
 * Resizes to the size of @y (bilinear, half-pixel centres, no antialias even when shrinking) and
 * maps 0..255 to -1..1.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope, the frame conversion of its pipelines (documented behaviour).
 * Returns: nothing.
 */
void scope_video_to_model(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/**
 * scope_video_resize:
 * @ctx: the worker's
 * @y: [T, H, W, 3] u8 or float, any strides; u8 truncates
 * @x: [T, h, w, 3] u8 or float 0..255, any strides, HOST allowed
 *
 * The same resize, values unchanged: frames of several sizes in a chunk take that of the first.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope, the frame conversion of its pipelines (documented behaviour).
 * Returns: nothing.
 */
void scope_video_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/**
 * scope_video_from_model:
 * @ctx: the worker's
 * @y: [T, H, W, 3] float, any strides: values in 0..1; in place allowed
 * @x: [T, H, W, 3] float, any strides: values in -1..1
 *
 * y = clamp(x / 2 + 0.5, 0, 1).
 *
 * Thread: worker. Errors: none (asserts).
 * Source: daydreamlive/scope, the frame conversion of its pipelines (documented behaviour).
 * Returns: nothing.
 */
void scope_video_from_model(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/** ScopeVideoRounding: what happens to the fraction when 0..1 becomes 0..255. */
typedef enum {
    SCOPE_VIDEO_TRUNCATE = 0,
    SCOPE_VIDEO_ROUND,
} ScopeVideoRounding;

/**
 * scope_video_to_u8:
 * @ctx: the worker's
 * @y: [T, H, W, C] u8, any strides
 * @x: [T, H, W, C] float, any strides: values in 0..1
 * @rounding: see there
 *
 * y = clamp(x * 255, 0, 255), truncated or rounded to nearest even.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope, the frame conversion of its pipelines (documented behaviour).
 * Returns: nothing.
 */
void scope_video_to_u8(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                       ScopeVideoRounding rounding);

/**
 * scope_video_to_gray:
 * @ctx: the worker's
 * @y: [T, H, W, 3] float, any strides: three equal channels in 0..1
 * @x: [T, H, W, 3] u8 or float 0..255, any strides, HOST allowed
 *
 * y = clamp(0.299 R + 0.587 G + 0.114 B, 0, 1) of x / 255.
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: daydreamlive/scope gray processor (documented behaviour).
 * Returns: nothing.
 */
void scope_video_to_gray(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

G_END_DECLS
