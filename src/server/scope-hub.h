/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the Hugging Face Hub and other services know about model files: which files an artifact
 * consists of, where they are fetched from, how large they are and what their checksum is. Blocks;
 * runs on a download thread.
 */
#ifndef SCOPE_HUB_H
#define SCOPE_HUB_H

#include <libsoup/soup.h>
#include <scope/scope-pipeline.h>

#include "core/scope-artifact.h"

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
 * @path: below the artifact's folder, relative, without `..`; of a Google Drive file a name of its
 *   own, see scope_drive_unpack()
 * @url: where it is fetched from
 * @size_bytes: or -1 when the service does not tell
 * @sha256: (nullable): of files in large-file storage; of others its first digits, where the name
 *   ends with them
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

G_END_DECLS

#endif
