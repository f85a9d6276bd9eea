/* SPDX-License-Identifier: Apache-2.0 */
/* Names from clients, resolved inside the folder they belong to and never outside of it. */
#ifndef SCOPE_PATH_H
#define SCOPE_PATH_H

#include <glib.h>

G_BEGIN_DECLS

/** SCOPE_PATH_MAX_NAME_BYTES: the longest relative name a client may give. */
#define SCOPE_PATH_MAX_NAME_BYTES 1024

/**
 * scope_path_resolve:
 * @root: absolute folder; need not exist
 * @name: relative name from a client, with `/` between its parts
 * @error: (nullable): set on failure
 *
 * Joins @root and @name. Refused are empty and absolute names, `.` and `..`, names that begin with
 * a dot, control characters, backslashes, parts over 255 bytes, and names whose existing part leads
 * out of @root through a symbolic link. Nothing is created.
 *
 * Thread: any. Blocks: a few system calls.
 * Errors: SCOPE_SERVER_ERROR_FORBIDDEN.
 * Returns: (transfer full): the absolute path, or %NULL with @error set.
 */
char *scope_path_resolve(const char *root, const char *name, GError **error);

/**
 * scope_path_join:
 * @root: absolute folder
 * @name: as for scope_path_resolve()
 * @error: (nullable): set on failure
 *
 * The same without looking at symbolic links: for folders whose owner may link out of them.
 *
 * Thread: any. Errors: SCOPE_SERVER_ERROR_FORBIDDEN.
 * Returns: (transfer full): the absolute path, or %NULL with @error set.
 */
char *scope_path_join(const char *root, const char *name, GError **error);

G_END_DECLS

#endif
