/* SPDX-License-Identifier: Apache-2.0 */
/* The reference page of all parameters, written from the tables. */
#ifndef SCOPE_PARAM_DOCS_H
#define SCOPE_PARAM_DOCS_H

#include "core/scope-registry.h"

G_BEGIN_DECLS

/**
 * scope_param_docs_build:
 * @registry: the pipelines to describe, in this order
 *
 * Returns: (transfer full): Markdown: the session parameters, then a section per pipeline.
 * Thread: main.
 */
char *scope_param_docs_build(ScopeRegistry *registry);

G_END_DECLS

#endif
