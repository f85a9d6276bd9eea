/* SPDX-License-Identifier: Apache-2.0 */
/* LoRA adapters as files have them: PEFT, ComfyUI, Kohya and full-difference naming, in safetensors
 * or PyTorch containers, brought to one list of {module, down, up, alpha}. Knows no model: modules
 * are matched with the names that the caller gives. A ScopeLoraFile is immutable and keeps its
 * checkpoint alive; tensors stay mapped. Any thread. */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"

G_BEGIN_DECLS

typedef struct _ScopeLoraFile ScopeLoraFile;

/**
 * ScopeLoraEntry: what a file says about one module
 * @module: name without prefix and suffix: "blocks.0.self_attn.q", or with underscores for dots
 *   ("blocks_0_self_attn_q") when @underscored
 * @underscored: the file joins names by underscores (Kohya)
 * @down: (nullable): A, [rank, n_in], float; further dimensions of a convolution count as n_in
 * @up: (nullable): B, [n_out, rank], float; NULL exactly when @down is
 * @diff: (nullable): full difference of the weight, float
 * @diff_bias: (nullable): full difference of the bias, float
 * @rank: first dimension of @down, 0 without
 * @n_in: inputs of the module, 0 without @down
 * @n_out: outputs of the module, 0 without @up
 * @has_alpha: the file states alpha
 * @factor: alpha / rank; 1 when the file states no alpha
 *
 * The module's weight becomes W + strength * (factor * up @ down + diff). Owned by the file.
 */
typedef struct {
    const char *module;
    gboolean underscored;
    const ScopeCheckpointTensor *down;
    const ScopeCheckpointTensor *up;
    const ScopeCheckpointTensor *diff;
    const ScopeCheckpointTensor *diff_bias;
    gint64 rank;
    gint64 n_in;
    gint64 n_out;
    gboolean has_alpha;
    double factor;
} ScopeLoraEntry;

/**
 * scope_lora_file_open:
 * @path: a safetensors or PyTorch file
 * @error: set on failure
 *
 * Opens the container and sorts its tensors into entries. The prefixes diffusion_model.,
 * base_model.model., model., transformer. and lora_unet_ are removed; a dict "generator_lora" is
 * entered. Keys that belong to no known form are kept for scope_lora_file_get_unknown().
 *
 * Thread: any. Blocks: disk, header pages. Errors: those of scope_checkpoint_open();
 * SCOPE_CHECKPOINT_ERROR_UNSUPPORTED for DoRA and for lora_mid, which change what up and down mean;
 * SCOPE_CHECKPOINT_ERROR_MISSING when a pair lacks its other half or no adapter is found;
 * SCOPE_CHECKPOINT_ERROR_MISMATCH when the shapes of a pair do not fit or a type is no float.
 * Returns: (transfer full): the adapters, or NULL with @error set.
 */
ScopeLoraFile *scope_lora_file_open(const char *path, GError **error);

/**
 * scope_lora_file_new:
 * @checkpoint: an opened container; kept alive by the result
 * @error: set on failure
 *
 * As scope_lora_file_open() for a checkpoint that is open already.
 * Thread: any. Errors: as scope_lora_file_open().
 * Returns: (transfer full): the adapters, or NULL with @error set.
 */
ScopeLoraFile *scope_lora_file_new(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_lora_file_ref: (also scope_lora_file_unref)
 * @file: adapters; scope_lora_file_unref() takes NULL
 *
 * Thread: any. Errors: none. Returns: @file, or nothing.
 */
ScopeLoraFile *scope_lora_file_ref(ScopeLoraFile *file);
void scope_lora_file_unref(ScopeLoraFile *file);

/**
 * scope_lora_file_get_n_entries: (also scope_lora_file_get_entry, scope_lora_file_get_path)
 * @file: adapters
 * @index: below scope_lora_file_get_n_entries()
 *
 * Thread: any. Errors: none. Returns: (transfer none): what the name says.
 */
guint scope_lora_file_get_n_entries(const ScopeLoraFile *file);
const ScopeLoraEntry *scope_lora_file_get_entry(const ScopeLoraFile *file, guint index);
const char *scope_lora_file_get_path(const ScopeLoraFile *file);

/**
 * scope_lora_file_get_unknown:
 * @file: adapters
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (array zero-terminated=1): names of tensors that are no adapter in a
 * form that is read (LoKr, LoHa and others), for a warning.
 */
const char *const *scope_lora_file_get_unknown(const ScopeLoraFile *file);

/**
 * scope_lora_file_find:
 * @file: adapters
 * @module: dotted name of a module, such as "blocks.0.self_attn.q"
 *
 * An underscored file is asked for the name with every dot replaced, so that names which hold
 * underscores themselves (self_attn, time_embedding) are never guessed.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer none) (nullable): the entry, or NULL.
 */
const ScopeLoraEntry *scope_lora_file_find(const ScopeLoraFile *file, const char *module);

/**
 * scope_lora_file_match:
 * @file: adapters
 * @modules: [n_modules] dotted names of the modules of a model
 * @aliases: (nullable): [n_modules] a second name for each, tried after the first; NULLs allowed
 * @n_modules: how many
 * @ret_entries: [n_modules] the entry of each module, NULL where the file has none
 *
 * Thread: any. Errors: none.
 * Returns: (transfer container) (array zero-terminated=1): modules of the file that matched
 * nothing, to be reported; free with g_free().
 */
const char **scope_lora_file_match(const ScopeLoraFile *file, const char *const *modules,
                                   const char *const *aliases, guint n_modules,
                                   const ScopeLoraEntry **ret_entries);

/**
 * scope_lora_entry_check:
 * @entry: an entry
 * @n_out: outputs of the module
 * @n_in: inputs of the module (for a convolution all sizes but the first multiplied)
 * @error: set on failure
 *
 * Compares the adapter with the module that it is meant for.
 * Thread: any. Errors: SCOPE_CHECKPOINT_ERROR_MISMATCH, naming found and expected.
 * Returns: TRUE when it fits.
 */
gboolean scope_lora_entry_check(const ScopeLoraEntry *entry, gint64 n_out, gint64 n_in,
                                GError **error);

/**
 * scope_lora_entry_merge:
 * @entry: an entry that fits
 * @strength: the user's scale; may be 0 or negative
 * @n_out: outputs of the module
 * @n_in: inputs of the module
 * @weight: [n_out, n_in] f32, row-major; changed in place
 *
 * weight += strength * (factor * up @ down + diff), in f32. The caller rounds to the stored type.
 * Thread: any. Allocates: f32 copies of down and up. Errors: none (check before).
 * Returns: nothing.
 */
void scope_lora_entry_merge(const ScopeLoraEntry *entry, double strength, gint64 n_out, gint64 n_in,
                            float *weight);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeLoraFile, scope_lora_file_unref)

G_END_DECLS
