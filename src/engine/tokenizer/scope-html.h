/* SPDX-License-Identifier: Apache-2.0 */
/* HTML character references, read as HTML 5 says and as Python's html.unescape does. Owns nothing.
 * Any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/** ScopeHtmlEntity: one named reference; @name without '&', with ';' where it belongs to it. */
typedef struct {
    const char *name;
    const char *text;
} ScopeHtmlEntity;

/** scope_html_entities: every named reference of HTML 5, sorted by name (strcmp). */
extern const ScopeHtmlEntity scope_html_entities[];
extern const guint scope_html_n_entities;

/**
 * scope_html_find_entity:
 * @name: reference without '&', not terminated
 * @length: bytes in @name
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (nullable): its text, or NULL.
 */
const char *scope_html_find_entity(const char *name, gsize length);

/**
 * scope_html_unescape:
 * @text: UTF-8
 *
 * Replaces numeric and named references, also those old names that HTML reads without ';'.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full): the text.
 */
char *scope_html_unescape(const char *text);

G_END_DECLS
