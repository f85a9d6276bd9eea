/* SPDX-License-Identifier: Apache-2.0 */
/* The normaliser of a tokenizer.json: an ordered list of steps, interpreted. Filled by one thread,
 * then immutable. */
#pragma once

#include <glib.h>

#include "engine/checkpoint/scope-json-reader.h"

G_BEGIN_DECLS

typedef struct _ScopeNormalizer ScopeNormalizer;

/**
 * scope_normalizer_read:
 * @json: before the value of "normalizer": an object or null
 * @ret_problem: [n_problem] receives what is wrong on failure
 * @n_problem: size of @ret_problem
 *
 * Reads the types Sequence, Precompiled, Replace (a text, or the expression " {2,}"), Strip,
 * Prepend, NFC, NFKC and Lowercase. Every other type is refused. Thread: any. Errors: told in
 * @ret_problem. Returns: (transfer full): the steps (none for null), NULL on failure.
 */
ScopeNormalizer *scope_normalizer_read(ScopeJsonReader *json, char *ret_problem, gsize n_problem);

/**
 * scope_normalizer_new: (also scope_normalizer_free)
 * @normalizer: (nullable): for free
 *
 * Thread: any. Errors: none. Returns: (transfer full): one without steps, or nothing.
 */
ScopeNormalizer *scope_normalizer_new(void);
void scope_normalizer_free(ScopeNormalizer *normalizer);

/**
 * scope_normalizer_apply:
 * @normalizer: steps
 * @text: UTF-8
 *
 * Thread: any. Errors: none. Returns: (transfer full): the normalised text.
 */
char *scope_normalizer_apply(const ScopeNormalizer *normalizer, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeNormalizer, scope_normalizer_free)

G_END_DECLS
