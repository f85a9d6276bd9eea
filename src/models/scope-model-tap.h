/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeModelTap: lets a caller watch the intermediate results of a forward pass, named after the
 * published modules. Used to compare with recorded references and to draw feature maps; a pass
 * without a tap costs one branch for each name.
 */
#pragma once

#include "engine/scope-tensor.h"

G_BEGIN_DECLS

/**
 * ScopeModelTapFn:
 * @name: published module name, "decoder.middle.0"; valid during the call
 * @value: the result, channels-last, in the backend's memory; valid during the call, read-only
 * @user_data: as given
 *
 * Thread: the one that runs the forward. Errors: none. Returns: nothing.
 */
typedef void (*ScopeModelTapFn)(const char *name, ScopeTensor value, void *user_data);

/** ScopeModelTap: zero-initialised watches nothing. */
typedef struct {
    ScopeModelTapFn fn; /**< (nullable) */
    void *user_data;
} ScopeModelTap;

/**
 * scope_model_tap:
 * @tap: (nullable): the watcher
 * @value: what was computed, any shape
 * @format: printf format of the name
 *
 * Thread: the one that runs the forward. Errors: none. Returns: nothing.
 */
void scope_model_tap(const ScopeModelTap *tap, ScopeTensor value, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

G_END_DECLS
