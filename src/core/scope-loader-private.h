/* SPDX-License-Identifier: Apache-2.0 */
/* What an instance needs of the loader that unloads it. */
#ifndef SCOPE_LOADER_PRIVATE_H
#define SCOPE_LOADER_PRIVATE_H

#include "core/scope-instance.h"

G_BEGIN_DECLS

/** ScopeUnloadFunc: unloads and frees what @data stands for. Thread: the loader. */
typedef void (*ScopeUnloadFunc)(gpointer data);

/** scope_loader_ref: keeps the loader's memory (not its thread) alive. Thread: any. */
ScopeLoader *scope_loader_ref(ScopeLoader *loader);

/** scope_loader_unref: (nullable): the opposite. Thread: any. */
void scope_loader_unref(ScopeLoader *loader);

/**
 * scope_loader_post_unload:
 * @retired: whether scope_loader_retire() counts on it
 *
 * Returns: %FALSE when the loader has ended: the caller unloads by itself. Thread: any.
 */
gboolean scope_loader_post_unload(ScopeLoader *loader, ScopeUnloadFunc func, gpointer data,
                                  gboolean retired);

/** scope_instance_set_retired: marks @instance; returns the loader that it belongs to. Thread: the
 * worker. */
ScopeLoader *scope_instance_set_retired(ScopeInstance *instance);

G_END_DECLS

#endif
