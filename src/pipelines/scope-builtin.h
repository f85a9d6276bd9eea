/* SPDX-License-Identifier: Apache-2.0 */
/* The pipelines that are part of the program. */
#ifndef SCOPE_BUILTIN_H
#define SCOPE_BUILTIN_H

#include "core/scope-registry.h"

G_BEGIN_DECLS

/**
 * scope_builtin_register_all:
 * @error: (nullable): set on failure
 *
 * Registers every built-in pipeline but `mini`, in the order of the wire contract.
 *
 * Errors: as scope_registry_register().
 * Returns: %TRUE, or %FALSE with @error set.
 * Thread: main.
 */
gboolean scope_builtin_register_all(ScopeRegistry *registry, GError **error);

/**
 * scope_builtin_register_mini:
 * @share_dir: where files that came with the program lie
 * @error: (nullable): set on failure
 *
 * Registers `mini` when its weights are there.
 *
 * Errors: as scope_registry_register().
 * Returns: %TRUE, or %FALSE with @error set.
 * Thread: main.
 */
gboolean scope_builtin_register_mini(ScopeRegistry *registry, const char *share_dir,
                                     GError **error);

G_END_DECLS

#endif
