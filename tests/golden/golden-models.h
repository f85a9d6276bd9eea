/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of networks share: an engine for one case, tensors of a case as engine tensors,
 * comparison of engine tensors with recorded ones, and the tap that compares intermediates by name.
 * A GoldenEngine owns its pool, context and arena. Main thread. */
#pragma once

#include "golden-case.h"

#include "engine/scope-context.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct {
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeArena *arena; /* inputs and results of the case */
} GoldenEngine;

/* Starts an engine with the threads of the case. Free with golden_engine_close(). */
GoldenEngine *golden_engine_open(const GoldenCase *c, GError **error);
void golden_engine_close(GoldenEngine *engine);

/* An input of the case as a contiguous f32 tensor of the backend; an integer input is converted.
 * No tensor with @error set when it is absent or has another rank; @rank -1 accepts any. */
ScopeTensor golden_engine_in(GoldenEngine *engine, GoldenCase *c, const char *name, int rank,
                             GError **error);

/* As golden_engine_in() for a tensor that is an expected result and feeds a later stage. */
ScopeTensor golden_engine_out(GoldenEngine *engine, GoldenCase *c, const char *name, int rank,
                              GError **error);

/* A contiguous float tensor of the backend, not cleared. */
ScopeTensor golden_engine_alloc(GoldenEngine *engine, int ndim, const int64_t *shape);

/* Host f32 copy of @value (any strides), owned by the case. */
float *golden_engine_download(GoldenEngine *engine, GoldenCase *c, ScopeTensor value);

/* Compares @value, in the layout of the expected tensor (permute first), with its tolerance. */
gboolean golden_engine_check(GoldenEngine *engine, GoldenCase *c, const char *name,
                             ScopeTensor value);

/* Compares each watched value whose name the case has: [T, H, W, C] with @order (4 numbers, the
 * dimensions of the expected tensor in terms of the value's). */
typedef struct {
    GoldenEngine *engine;
    GoldenCase *c;
    const char *prefix; /* in front of the watched name, "chunk0." or "" */
    const int *order;
} GoldenTap;

/* Checks that the integer member @path, where case.json has it, is @value: what a configuration
 * repeats of the weights. */
void golden_check_member(GoldenCase *c, const char *path, gint64 value);

/* A tap that checks through @tap. */
ScopeModelTap golden_tap(GoldenTap *tap);

/* Fails (FALSE with @error set) when the object at @path, NULL for the top of case.json, has a
 * member that is not in @known: what a case says and the handler ignores would not be tested.
 * An absent object has no members. At the top, remarks about the recording ("seed", "note",
 * "max_abs_diff_...") are always known. */
gboolean golden_only_members(const GoldenCase *c, const char *path, const char *const *known,
                             GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GoldenEngine, golden_engine_close)

G_END_DECLS
