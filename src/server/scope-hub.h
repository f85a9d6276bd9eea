/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Hugging Face Hub and Google Drive know about model files: which files an artifact
 * consists of, where they are fetched from, how large they are and what their checksum is. Blocks;
 * runs on a download thread.
 */
#ifndef SCOPE_HUB_H
#define SCOPE_HUB_H

#include <libsoup/soup.h>
#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * ScopeHub:
 * @endpoint: address of the hub without a trailing slash (HF_ENDPOINT)
 * @token: (nullable): bearer token (HF_TOKEN)
 * @drive_endpoint: address of Google Drive's download service without a trailing slash
 *
 * Where to ask. Strings are borrowed.
 */
typedef struct {
    const char *endpoint;
    const char *token;
    const char *drive_endpoint;
} ScopeHub;

#define SCOPE_HUB_ENDPOINT   "https://huggingface.co"
#define SCOPE_DRIVE_ENDPOINT "https://drive.usercontent.google.com"

/**
 * ScopeHubFile:
 * @path: below the artifact's folder, relative, without `..`
 * @url: where it is fetched from
 * @size_bytes: or -1 when the service does not tell
 * @sha256: (nullable): of files in large-file storage
 */
typedef struct {
    char *path;
    char *url;
    gint64 size_bytes;
    char *sha256;
} ScopeHubFile;

/**
 * scope_hub_list:
 * @hub: where to ask
 * @session: of this thread
 * @artifact: what is wanted
 * @cancellable: (nullable): ends it at once
 * @error: (nullable): set on failure
 *
 * Finds the files of @artifact on the main revision; a directory stands for all files below it.
 *
 * Thread: a download thread; blocks for one or more requests.
 * Errors: SCOPE_FETCH_ERROR (NOT_FOUND names the file that the repository lacks),
 *   G_IO_ERROR_CANCELLED.
 * Returns: (transfer full) (element-type ScopeHubFile): the files in the order of the artifact, or
 *   %NULL with @error set.
 */
GPtrArray *scope_hub_list(const ScopeHub *hub, SoupSession *session, const ScopeArtifact *artifact,
                          GCancellable *cancellable, GError **error);

/**
 * scope_artifact_dup_label:
 * @artifact: borrowed
 *
 * Thread: any.
 * Returns: (transfer full): what clients call it: the repository, or `Google Drive (<id>)`.
 */
char *scope_artifact_dup_label(const ScopeArtifact *artifact);

/**
 * scope_artifact_dup_folder:
 * @artifact: borrowed
 * @models_dir: where model files lie
 *
 * Thread: any.
 * Returns: (transfer full): the folder of its files.
 */
char *scope_artifact_dup_folder(const ScopeArtifact *artifact, const char *models_dir);

/**
 * scope_artifact_find_missing:
 * @artifact: borrowed
 * @models_dir: where model files lie
 *
 * Thread: any; looks at the file system.
 * Returns: (transfer full) (nullable): the first file that is not there, as a path; %NULL when all
 *   files exist and all directories hold something.
 */
char *scope_artifact_find_missing(const ScopeArtifact *artifact, const char *models_dir);

G_END_DECLS

#endif
