/* SPDX-License-Identifier: Apache-2.0 */
/* Files and pages that are built into the binary: the web UI, the OpenAPI document, the API page.
 */
#ifndef SCOPE_UI_H
#define SCOPE_UI_H

#include <gio/gio.h>

G_BEGIN_DECLS

/** scope_ui_is_built: whether the web UI is among the GResources. Thread: main. */
gboolean scope_ui_is_built(void);

/**
 * scope_ui_lookup:
 * @path: relative to the UI's root, without a leading slash
 *
 * Thread: main.
 * Errors: none.
 * Returns: (transfer full) (nullable): the bytes, without a copy; %NULL when there is no such file.
 */
GBytes *scope_ui_lookup(const char *path);

/** scope_ui_get_content_type: static content type by extension. Thread: any. */
const char *scope_ui_get_content_type(const char *path);

/** scope_ui_get_openapi: (transfer none): the OpenAPI document as JSON text. Thread: main. */
GBytes *scope_ui_get_openapi(void);

/** scope_ui_get_docs_page: (transfer none): the API page, made from the document. Thread: main. */
GBytes *scope_ui_get_docs_page(void);

/** scope_ui_get_placeholder: (transfer none): the page shown while no UI is built. Thread: main. */
GBytes *scope_ui_get_placeholder(void);

G_END_DECLS

#endif
