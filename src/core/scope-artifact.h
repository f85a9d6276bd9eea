/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the files of an artifact lie below the models directory, and whether they are there. The
 * one place that knows the layout: pipelines, downloads and the command line ask here. Any thread;
 * looks at the file system.
 */
#ifndef SCOPE_ARTIFACT_H
#define SCOPE_ARTIFACT_H

#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * scope_artifact_dup_label:
 * @artifact: borrowed
 *
 * Thread: any.
 * Returns: (transfer full): what clients call it: the repository, `Google Drive (<id>)` or the
 *   address.
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
 * Thread: any.
 * Returns: (transfer full) (nullable): the first file that is not there, as a path; %NULL when all
 *   files exist and all directories hold something.
 */
char *scope_artifact_find_missing(const ScopeArtifact *artifact, const char *models_dir);

/**
 * scope_artifact_find_file:
 * @artifact: borrowed
 * @models_dir: where model files lie
 * @file: one of its files or directories
 * @pipeline_id: who needs it, for the remedy in the message
 * @error: (nullable): set on failure
 *
 * Thread: any.
 * Errors: SCOPE_PIPELINE_ERROR_MISSING_FILE, with the path and the command that fetches it.
 * Returns: (transfer full): the path of @file, or %NULL with @error set.
 */
char *scope_artifact_find_file(const ScopeArtifact *artifact, const char *models_dir,
                               const char *file, const char *pipeline_id, GError **error);

G_END_DECLS

#endif
