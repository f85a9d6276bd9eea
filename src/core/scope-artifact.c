/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of model files on disk; see scope-artifact.h. Stateless. */
#include "core/scope-artifact.h"

#include <string.h>

char *
scope_artifact_dup_label(const ScopeArtifact *artifact)
{
    if (artifact->repo_id != NULL)
        return g_strdup(artifact->repo_id);
    if (artifact->drive_file_id != NULL)
        return g_strdup_printf("Google Drive (%s)", artifact->drive_file_id);
    return g_strdup(artifact->url);
}

char *
scope_artifact_dup_folder(const ScopeArtifact *artifact, const char *models_dir)
{
    const char *name = artifact->name;

    if (name == NULL && artifact->repo_id != NULL) {
        const char *slash = strrchr(artifact->repo_id, '/');

        name = slash != NULL ? slash + 1 : artifact->repo_id;
    }
    return g_build_filename(models_dir, name != NULL ? name : artifact->drive_file_id, NULL);
}

static gboolean
is_present(const char *path)
{
    g_autoptr(GDir) folder = NULL;

    if (!g_file_test(path, G_FILE_TEST_IS_DIR))
        return g_file_test(path, G_FILE_TEST_IS_REGULAR);
    folder = g_dir_open(path, 0, NULL);
    return folder != NULL && g_dir_read_name(folder) != NULL;
}

char *
scope_artifact_find_missing(const ScopeArtifact *artifact, const char *models_dir)
{
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models_dir);

    for (const char *const *file = artifact->files; file != NULL && *file != NULL; file++) {
        g_autofree char *path = g_build_filename(folder, *file, NULL);

        if (!is_present(path))
            return g_steal_pointer(&path);
    }
    return NULL;
}

char *
scope_artifact_find_file(const ScopeArtifact *artifact, const char *models_dir, const char *file,
                         const char *pipeline_id, GError **error)
{
    g_autofree char *folder = scope_artifact_dup_folder(artifact, models_dir);
    g_autofree char *path = g_build_filename(folder, file, NULL);

    if (is_present(path))
        return g_steal_pointer(&path);
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                "%s needs the model file %s, which is not there; `scope models download %s` "
                "fetches it",
                pipeline_id, path, pipeline_id);
    return NULL;
}
