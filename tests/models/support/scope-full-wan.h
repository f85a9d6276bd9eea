/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a Wan transformer of published size filled with random numbers: a PyTorch archive in which
 * all tensors share one storage, so that 1.4 billion parameters take the room of the largest. One
 * thread. */
#pragma once

#include "headers/scope-model-layouts.h"

G_BEGIN_DECLS

/**
 * scope_full_wan_write:
 * @wan: dimensions; its element types are not used
 * @bf16: TRUE for BF16, FALSE for F32
 * @path: file to write, ending in .pt
 * @error: (nullable) set on failure
 *
 * Thread: any. Errors: GFileError. Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_full_wan_write(const ScopeWanLayout *wan, gboolean bf16, const char *path,
                              GError **error);

G_END_DECLS
