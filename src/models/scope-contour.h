/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeContour: the network that draws the contours of a frame (the scribble processor). The model
 * owns its prepared weights, is read-only after load and keeps nothing between frames.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeContour ScopeContour;

/** SCOPE_CONTOUR_MIN_SIZE: smallest height and width that the mirrored borders allow, in pixels. */
#define SCOPE_CONTOUR_MIN_SIZE 5

/**
 * scope_contour_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: flat state dictionary "model0.1.weight" ...; a reference is kept
 * @error: (nullable) set on failure
 *
 * Widths and the number of residual blocks follow from the file.
 *
 * Thread: loader. Errors: ScopeCheckpointError naming file, tensor, found and expected;
 * G_IO_ERROR_NO_SPACE.
 * Source: ali-vilab/VACE annotators, the contour generator.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeContour *scope_contour_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_contour_check:
 * @checkpoint: as for scope_contour_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types without reading any weight.
 * Thread: any. Errors: as scope_contour_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_contour_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_contour_unload:
 * @contour: (nullable)
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_contour_unload(ScopeContour *contour);

/**
 * scope_contour_get_output_size:
 * @size: height or width of the frames
 *
 * Thread: any. Errors: none.
 * Returns: that of the drawing: @size rounded up to a multiple of 4.
 */
int64_t scope_contour_get_output_size(int64_t size);

/**
 * scope_contour_run:
 * @ctx: the worker's
 * @contour: borrowed
 * @y: [T, H', W', 1] float, any strides: 0 is a line, 1 is paper; H', W' as
 *   scope_contour_get_output_size() says
 * @x: [T, H, W, 3] float 0..1, any strides; both sizes at least SCOPE_CONTOUR_MIN_SIZE
 * @tap: (nullable): sees "model0" ... "model3" of all frames
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: ali-vilab/VACE annotators, the contour generator.
 * Returns: nothing.
 */
void scope_contour_run(ScopeContext *ctx, const ScopeContour *contour, ScopeTensor y, ScopeTensor x,
                       const ScopeModelTap *tap);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeContour, scope_contour_unload)

G_END_DECLS
