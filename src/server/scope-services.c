/* SPDX-License-Identifier: Apache-2.0 */
/* Names of adapters and pictures to files. Stateless, any thread but main. */
#include "server/scope-services.h"

#include <string.h>

#include "media/scope-media-file.h"
#include "server/scope-path.h"

/* The part of @name below @root, @name itself when it is relative; NULL when it lies elsewhere. */
static const char *
relative_to(const char *root, const char *name)
{
    gsize length = strlen(root);

    if (*name != '/')
        return name;
    if (strncmp(name, root, length) != 0 || name[length] != '/')
        return NULL;
    return name + length + 1;
}

static const ScopeServices *
services_of(const ScopeHost *host)
{
    return (const ScopeServices *)host; /* first member */
}

/* The adapter @name in @root; links are followed, as they are when the folder is listed. */
static char *
find_in(const char *root, const char *name)
{
    const char *relative = root != NULL ? relative_to(root, name) : NULL;
    g_autofree char *path = relative != NULL ? scope_path_join(root, relative, NULL) : NULL;

    return path != NULL && g_file_test(path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&path)
                                                                     : NULL;
}

static char *
lora_path(const ScopeHost *host, const char *name, GError **error)
{
    const ScopeServices *self = services_of(host);
    g_autofree char *bundled =
        host->share_dir != NULL ? g_build_filename(host->share_dir, "lora", NULL) : NULL;
    const char *const roots[] = {self->lora_dir, self->lora_shared_dir, bundled};

    if (self->trusts_names && g_file_test(name, G_FILE_TEST_IS_REGULAR))
        return g_strdup(name);
    for (guint i = 0; i < G_N_ELEMENTS(roots); i++) {
        char *path = find_in(roots[i], name);
        if (path != NULL)
            return path;
    }
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                "The adapter \"%s\" is not in %s; put the file there, or correct the path", name,
                self->lora_dir);
    return NULL;
}

static ScopeFrame *
image_load(const ScopeHost *host, const char *name, GError **error)
{
    const ScopeServices *self = services_of(host);
    const char *relative = relative_to(self->assets_dir, name);
    g_autofree char *path =
        relative != NULL ? scope_path_resolve(self->assets_dir, relative, NULL) : NULL;
    ScopeFrame *frame;

    if (self->trusts_names && g_file_test(name, G_FILE_TEST_IS_REGULAR)) {
        g_free(path);
        path = g_strdup(name);
    }
    if (path == NULL || !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                    "The picture \"%s\" is not in %s; upload it first", name, self->assets_dir);
        return NULL;
    }
    frame = scope_image_load(path, error);
    if (frame == NULL)
        g_prefix_error(error, "The picture \"%s\" cannot be read: ", name);
    return frame;
}

void
scope_services_init(ScopeServices *self, const char *models_dir, const char *share_dir)
{
    scope_host_init(&self->host, models_dir);
    self->host.share_dir = share_dir;
    self->host.lora_path = lora_path;
    self->host.image_load = image_load;
}
