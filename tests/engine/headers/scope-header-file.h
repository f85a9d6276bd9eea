/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint of full size that holds no data: names, types and shapes are real, the bytes behind
 * them are a hole in a sparse file. Written as safetensors, as a sharded set or as a PyTorch
 * archive of any size. One thread. */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"

G_BEGIN_DECLS

typedef struct {
    char *name;
    ScopeStoredType type;
    int rank;
    gint64 shape[SCOPE_CHECKPOINT_MAX_RANK];
} ScopeHeaderTensor;

/** ScopeHeaderFile: tensors in the order of the file; release with scope_header_file_clear(). */
typedef struct {
    GArray *tensors; /* of ScopeHeaderTensor */
    gint64 n_parameters;
} ScopeHeaderFile;

/** scope_header_file_init: an empty list. */
void scope_header_file_init(ScopeHeaderFile *file);
/** scope_header_file_clear: frees the list. */
void scope_header_file_clear(ScopeHeaderFile *file);

/** SCOPE_DIMS: expands to rank and sizes. */
#define SCOPE_DIMS(...)                                                                            \
    (int)(sizeof((const gint64[]){__VA_ARGS__}) / sizeof(gint64)), (const gint64[])                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/** scope_header_file_add: adds a tensor whose name is formatted from @format. */
void scope_header_file_add(ScopeHeaderFile *file, ScopeStoredType type, int rank,
                           const gint64 *shape, const char *format, ...) G_GNUC_PRINTF(5, 6);

/** scope_header_file_write_safetensors: one file, or @n_shards of them with an index at @path. */
gboolean scope_header_file_write_safetensors(const ScopeHeaderFile *file, const char *path,
                                             guint n_shards);

/** ScopeHeaderWrapping: how a training checkpoint wraps the state dict. */
typedef struct {
    const char *wrapper; /* (nullable): key of the dict that holds the tensors */
    const char *decoy;   /* (nullable): key of a second dict with one tensor */
    const char *prefix;  /* in front of every name, may be "" */
} ScopeHeaderWrapping;

/** scope_header_file_write_torch: a zip archive as torch.save() writes it. */
gboolean scope_header_file_write_torch(const ScopeHeaderFile *file, const char *path,
                                       const ScopeHeaderWrapping *wrapping);

/** scope_header_file_check: asserts that @checkpoint names exactly these tensors, under @prefix. */
void scope_header_file_check(const ScopeHeaderFile *file, const ScopeCheckpoint *checkpoint,
                             const char *prefix);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScopeHeaderFile, scope_header_file_clear)

G_END_DECLS
