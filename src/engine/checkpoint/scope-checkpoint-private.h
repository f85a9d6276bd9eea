/* SPDX-License-Identifier: Apache-2.0 */
/* What the container readers share: a checkpoint under construction. The builder owns mappings and
 * names; readers add tensors and fail with messages that begin with the path. One thread. */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"

struct _ScopeCheckpoint {
    gatomicrefcount ref_count;
    char *path;
    GPtrArray *mappings; /* (element-type GMappedFile): keeps the data alive */
    GStringChunk *strings;
    GArray *tensors;       /* of ScopeCheckpointTensor */
    GHashTable *by_name;   /* name -> index + 1 */
    ScopeCheckpoint *base; /* (nullable): a selection keeps what it was made from */
};

/** An empty checkpoint for @path. */
ScopeCheckpoint *scope_checkpoint_new_private(const char *path);

/** Maps @path read-only; the mapping belongs to @checkpoint. Errors: IO. */
GMappedFile *scope_checkpoint_map_private(ScopeCheckpoint *checkpoint, const char *path,
                                          GError **error);

/** Adds @tensor; name and file are copied. Errors: FORMAT for a name that is
 * there already, LIMIT past SCOPE_CHECKPOINT_MAX_TENSORS. */
gboolean scope_checkpoint_add_private(ScopeCheckpoint *checkpoint,
                                      const ScopeCheckpointTensor *tensor, GError **error);

/** The product of @shape, or -1 when a size is negative or the product does not fit. */
gint64 scope_checkpoint_count_private(int rank, const gint64 *shape);

/** Fills stride, n_elements and contiguous from rank and shape. FALSE: overflow. */
gboolean scope_checkpoint_set_contiguous_private(ScopeCheckpointTensor *tensor);

/** The readers. @file is mapped and belongs to @checkpoint. Errors: see
 * scope_checkpoint_open(). */
gboolean scope_safetensors_read_private(ScopeCheckpoint *checkpoint, const char *path,
                                        GMappedFile *file, GError **error);
gboolean scope_safetensors_read_index_private(ScopeCheckpoint *checkpoint, const char *path,
                                              GMappedFile *file, GError **error);
gboolean scope_torch_read_zip_private(ScopeCheckpoint *checkpoint, const char *path,
                                      GMappedFile *file, GError **error);
gboolean scope_torch_read_legacy_private(ScopeCheckpoint *checkpoint, const char *path,
                                         GMappedFile *file, GError **error);
