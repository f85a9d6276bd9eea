/* SPDX-License-Identifier: Apache-2.0 */
/* Resolution of client-given names inside a folder. No state, any thread. */
#include "server/scope-path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/scope-server-error.h"

#define MAX_PART_BYTES 255

static gboolean
refuse(GError **error)
{
    g_set_error_literal(error, SCOPE_SERVER_ERROR, SCOPE_SERVER_ERROR_FORBIDDEN, "Invalid path");
    return FALSE;
}

static gboolean
check_name(const char *name, GError **error)
{
    g_auto(GStrv) parts = NULL;

    if (*name == '\0' || *name == '/' || strlen(name) > SCOPE_PATH_MAX_NAME_BYTES ||
        !g_utf8_validate(name, -1, NULL) || strchr(name, '\\')) {
        return refuse(error);
    }
    for (const char *c = name; *c; c++) {
        if ((guchar)*c < 0x20 || *c == 0x7f) {
            return refuse(error);
        }
    }
    parts = g_strsplit(name, "/", -1);
    for (char **part = parts; *part; part++) {
        if (**part == '\0' || **part == '.' || strlen(*part) > MAX_PART_BYTES) {
            return refuse(error);
        }
    }
    return TRUE;
}

/* The canonical form of the deepest part of @path that exists. */
static char *
dup_canonical_existing(const char *path)
{
    g_autofree char *at = g_strdup(path);

    for (;;) {
        char *canonical = realpath(at, NULL);
        char *parent;
        if (canonical) {
            char *copy = g_strdup(canonical);
            free(canonical);
            return copy;
        }
        /* A dangling link exists without a target: its target is unknown, so it is refused. */
        if (errno != ENOENT || g_file_test(at, G_FILE_TEST_IS_SYMLINK) || strcmp(at, "/") == 0) {
            return NULL;
        }
        parent = g_path_get_dirname(at);
        g_free(at);
        at = parent;
    }
}

char *
scope_path_join(const char *root, const char *name, GError **error)
{
    return check_name(name, error) ? g_build_filename(root, name, NULL) : NULL;
}

char *
scope_path_resolve(const char *root, const char *name, GError **error)
{
    g_autofree char *path = scope_path_join(root, name, error);
    g_autofree char *existing = NULL;
    g_autofree char *canonical_root = NULL;
    gsize root_length;

    if (!path) {
        return NULL;
    }
    existing = dup_canonical_existing(path);
    canonical_root = dup_canonical_existing(root);
    if (!existing || !canonical_root) {
        refuse(error);
        return NULL;
    }
    root_length = strlen(canonical_root);
    if (strncmp(existing, canonical_root, root_length) != 0 ||
        (existing[root_length] != '\0' && existing[root_length] != '/' &&
         strcmp(canonical_root, "/") != 0)) {
        refuse(error);
        return NULL;
    }
    return g_steal_pointer(&path);
}
