/* SPDX-License-Identifier: Apache-2.0 */
/* Sorts the tensors of a LoRA file into entries by the suffixes and prefixes of the known naming
 * forms. Owns the entries and a reference to the checkpoint. Any thread. */
#include "engine/checkpoint/scope-lora-file.h"

#include <math.h>
#include <string.h>

typedef enum {
    PART_DOWN,
    PART_UP,
    PART_ALPHA,
    PART_DIFF,
    PART_DIFF_BIAS,
    PART_DORA,
    PART_MID,
} Part;

struct _ScopeLoraFile {
    gatomicrefcount ref_count;
    ScopeCheckpoint *checkpoint;
    GPtrArray *entries;    /* of ScopeLoraEntry, owned */
    GHashTable *by_module; /* name as in @module -> entry */
    GStringChunk *strings;
    GPtrArray *unknown; /* NULL-terminated when complete */
};

static const struct {
    const char *suffix;
    Part part;
} suffixes[] = {
    {".lora_A", PART_DOWN},      {".lora_down", PART_DOWN},  {".lora_B", PART_UP},
    {".lora_up", PART_UP},       {".alpha", PART_ALPHA},     {".diff", PART_DIFF},
    {".diff_b", PART_DIFF_BIAS}, {".dora_scale", PART_DORA}, {".lora_magnitude_vector", PART_DORA},
    {".lora_mid", PART_MID},
};

static const char *const prefixes[] = {"base_model.model.", "diffusion_model.", "transformer.",
                                       "model.", "lora_unet_"};

/* Cuts the name at the suffix of a known form and tells which part of an adapter it is. */
static gboolean
split_suffix(const char *name, gsize *ret_length, Part *ret_part)
{
    for (gsize i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        const char *at = g_strrstr(name, suffixes[i].suffix);
        const char *rest = at != NULL ? at + strlen(suffixes[i].suffix) : NULL;
        if (at == NULL || at == name) {
            continue;
        }
        /* what may follow: nothing, ".weight", or ".<adapter>.weight" */
        if (*rest == '\0' || strcmp(rest, ".weight") == 0 ||
            (*rest == '.' && g_str_has_suffix(rest, ".weight") &&
             strchr(rest + 1, '.') == rest + strlen(rest) - strlen(".weight"))) {
            *ret_length = (gsize)(at - name);
            *ret_part = suffixes[i].part;
            return TRUE;
        }
    }
    return FALSE;
}

/* Removes known prefixes, however stacked; tells whether the name is joined by underscores. */
static const char *
strip_prefixes(const char *module, gboolean *ret_underscored)
{
    gsize i = 0;

    *ret_underscored = FALSE;
    while (i < G_N_ELEMENTS(prefixes)) {
        if (g_str_has_prefix(module, prefixes[i]) && module[strlen(prefixes[i])] != '\0') {
            module += strlen(prefixes[i]);
            *ret_underscored = *ret_underscored || strcmp(prefixes[i], "lora_unet_") == 0;
            i = 0;
        } else {
            i++;
        }
    }
    return module;
}

static gboolean
fail(const ScopeLoraFile *file, ScopeCheckpointError code, const char *name, GError **error,
     const char *what)
{
    g_set_error(error, SCOPE_CHECKPOINT_ERROR, code, "%s: '%s': %s",
                scope_checkpoint_get_path(file->checkpoint), name, what);
    return FALSE;
}

static ScopeLoraEntry *
get_entry(ScopeLoraFile *file, const char *name, gsize length)
{
    g_autofree char *full = g_strndup(name, length);
    gboolean underscored;
    const char *module = strip_prefixes(full, &underscored);
    ScopeLoraEntry *entry = g_hash_table_lookup(file->by_module, module);

    if (entry == NULL) {
        entry = g_new0(ScopeLoraEntry, 1);
        entry->module = g_string_chunk_insert(file->strings, module);
        entry->underscored = underscored;
        entry->factor = 1;
        g_ptr_array_add(file->entries, entry);
        g_hash_table_insert(file->by_module, (gpointer)entry->module, entry);
    }
    return entry;
}

/* alpha is kept in @factor until the ranks are known. */
static gboolean
set_alpha(ScopeLoraFile *file, ScopeLoraEntry *entry, const ScopeCheckpointTensor *tensor,
          GError **error)
{
    float alpha = NAN;

    if (tensor->n_elements == 1) {
        scope_checkpoint_tensor_copy_f32(tensor, &alpha);
    }
    if (!isfinite(alpha)) {
        return fail(file, SCOPE_CHECKPOINT_ERROR_MISMATCH, tensor->name, error,
                    "alpha is not one finite number");
    }
    entry->has_alpha = TRUE;
    entry->factor = (double)alpha;
    return TRUE;
}

static gboolean
add_tensor(ScopeLoraFile *file, const ScopeCheckpointTensor *tensor, GError **error)
{
    ScopeLoraEntry *entry;
    const ScopeCheckpointTensor **place = NULL;
    gsize length;
    Part part;

    if (!split_suffix(tensor->name, &length, &part)) {
        g_ptr_array_add(file->unknown, (gpointer)tensor->name);
        return TRUE;
    }
    if (part == PART_DORA || part == PART_MID) {
        return fail(file, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, tensor->name, error,
                    part == PART_DORA
                        ? "DoRA adapters are not supported"
                        : "adapters with a middle tensor (lora_mid) are not supported");
    }
    entry = get_entry(file, tensor->name, length);
    if (part == PART_ALPHA) {
        return entry->has_alpha ? fail(file, SCOPE_CHECKPOINT_ERROR_FORMAT, tensor->name, error,
                                       "alpha is there twice for this module")
                                : set_alpha(file, entry, tensor, error);
    }
    place = part == PART_DOWN   ? &entry->down
            : part == PART_UP   ? &entry->up
            : part == PART_DIFF ? &entry->diff
                                : &entry->diff_bias;
    if (*place != NULL) {
        return fail(file, SCOPE_CHECKPOINT_ERROR_FORMAT, tensor->name, error,
                    "there are two such tensors for this module");
    }
    if (!scope_dtype_is_float(scope_stored_type_get_dtype(tensor->type))) {
        return fail(file, SCOPE_CHECKPOINT_ERROR_MISMATCH, tensor->name, error,
                    "not a floating point tensor");
    }
    *place = tensor;
    return TRUE;
}

/* Sizes of a pair: down [r, in...], up [out, r, 1...]. */
static gboolean
finish_entry(ScopeLoraFile *file, ScopeLoraEntry *entry, GError **error)
{
    const ScopeCheckpointTensor *down = entry->down, *up = entry->up;
    g_autofree char *shapes = NULL;
    gboolean ok;

    if (down == NULL && up == NULL) {
        entry->factor = 1;
        return entry->diff != NULL || entry->diff_bias != NULL ||
               fail(file, SCOPE_CHECKPOINT_ERROR_MISSING, entry->module, error,
                    "alpha without the tensors of an adapter");
    }
    if (down == NULL || up == NULL) {
        return fail(file, SCOPE_CHECKPOINT_ERROR_MISSING, entry->module, error,
                    down == NULL ? "lora_up (B) without its lora_down (A)"
                                 : "lora_down (A) without its lora_up (B)");
    }
    ok = down->rank >= 2 && up->rank >= 2 && down->shape[0] > 0 && down->shape[0] == up->shape[1] &&
         up->shape[0] > 0 && down->n_elements > 0;
    for (int i = 2; ok && i < up->rank; i++) {
        ok = up->shape[i] == 1;
    }
    if (!ok) {
        g_autofree char *a = scope_checkpoint_tensor_dup_shape(down);
        g_autofree char *b = scope_checkpoint_tensor_dup_shape(up);
        shapes = g_strdup_printf("down is %s, up is %s, expected [rank, in] and [out, rank]", a, b);
        return fail(file, SCOPE_CHECKPOINT_ERROR_MISMATCH, entry->module, error, shapes);
    }
    entry->rank = down->shape[0];
    entry->n_in = down->n_elements / entry->rank;
    entry->n_out = up->shape[0];
    entry->factor = entry->has_alpha ? entry->factor / (double)entry->rank : 1;
    return TRUE;
}

ScopeLoraFile *
scope_lora_file_new(ScopeCheckpoint *checkpoint, GError **error)
{
    static const char *const wrappers[] = {"generator_lora", "lora", "state_dict", "model", NULL};
    g_autoptr(ScopeLoraFile) file = g_new0(ScopeLoraFile, 1);

    g_atomic_ref_count_init(&file->ref_count);
    file->entries = g_ptr_array_new_with_free_func(g_free);
    file->by_module = g_hash_table_new(g_str_hash, g_str_equal);
    file->strings = g_string_chunk_new(1024);
    file->unknown = g_ptr_array_new();
    file->checkpoint = scope_checkpoint_select(checkpoint, wrappers, NULL, error);
    if (file->checkpoint == NULL) {
        return NULL;
    }
    for (guint i = 0; i < scope_checkpoint_get_n_tensors(file->checkpoint); i++) {
        if (!add_tensor(file, scope_checkpoint_get_tensor(file->checkpoint, i), error)) {
            return NULL;
        }
    }
    g_ptr_array_add(file->unknown, NULL);
    for (guint i = 0; i < file->entries->len; i++) {
        if (!finish_entry(file, g_ptr_array_index(file->entries, i), error)) {
            return NULL;
        }
    }
    if (file->entries->len == 0) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                    "%s: no LoRA adapter found among %u tensors, the first is '%s'",
                    scope_checkpoint_get_path(checkpoint),
                    scope_checkpoint_get_n_tensors(file->checkpoint),
                    scope_checkpoint_get_tensor(file->checkpoint, 0)->name);
        return NULL;
    }
    return g_steal_pointer(&file);
}

ScopeLoraFile *
scope_lora_file_open(const char *path, GError **error)
{
    g_autoptr(ScopeCheckpoint) checkpoint = scope_checkpoint_open(path, error);

    return checkpoint != NULL ? scope_lora_file_new(checkpoint, error) : NULL;
}

ScopeLoraFile *
scope_lora_file_ref(ScopeLoraFile *file)
{
    g_atomic_ref_count_inc(&file->ref_count);
    return file;
}

void
scope_lora_file_unref(ScopeLoraFile *file)
{
    if (file == NULL || !g_atomic_ref_count_dec(&file->ref_count)) {
        return;
    }
    g_ptr_array_unref(file->unknown);
    g_hash_table_unref(file->by_module);
    g_ptr_array_unref(file->entries);
    g_string_chunk_free(file->strings);
    scope_checkpoint_unref(file->checkpoint);
    g_free(file);
}

guint
scope_lora_file_get_n_entries(const ScopeLoraFile *file)
{
    return file->entries->len;
}

const ScopeLoraEntry *
scope_lora_file_get_entry(const ScopeLoraFile *file, guint index)
{
    g_return_val_if_fail(index < file->entries->len, NULL);
    return g_ptr_array_index(file->entries, index);
}

const char *
scope_lora_file_get_path(const ScopeLoraFile *file)
{
    return scope_checkpoint_get_path(file->checkpoint);
}

const char *const *
scope_lora_file_get_unknown(const ScopeLoraFile *file)
{
    return (const char *const *)file->unknown->pdata;
}

/* -- Matching --------------------------------------------------------------------------------- */

const ScopeLoraEntry *
scope_lora_file_find(const ScopeLoraFile *file, const char *module)
{
    const ScopeLoraEntry *entry = g_hash_table_lookup(file->by_module, module);
    g_autofree char *underscored = NULL;

    if (entry != NULL && !entry->underscored) {
        return entry;
    }
    underscored = g_strdelimit(g_strdup(module), ".", '_');
    entry = g_hash_table_lookup(file->by_module, underscored);
    return entry != NULL && entry->underscored ? entry : NULL;
}

const char **
scope_lora_file_match(const ScopeLoraFile *file, const char *const *modules,
                      const char *const *aliases, guint n_modules,
                      const ScopeLoraEntry **ret_entries)
{
    g_autoptr(GHashTable) matched = g_hash_table_new(NULL, NULL);
    const char **unmatched = g_new0(const char *, file->entries->len + 1);
    guint n_unmatched = 0;

    for (guint i = 0; i < n_modules; i++) {
        ret_entries[i] = scope_lora_file_find(file, modules[i]);
        if (ret_entries[i] == NULL && aliases != NULL && aliases[i] != NULL) {
            ret_entries[i] = scope_lora_file_find(file, aliases[i]);
        }
        g_hash_table_add(matched, (gpointer)ret_entries[i]);
    }
    for (guint i = 0; i < file->entries->len; i++) {
        const ScopeLoraEntry *entry = g_ptr_array_index(file->entries, i);
        if (!g_hash_table_contains(matched, entry)) {
            unmatched[n_unmatched++] = entry->module;
        }
    }
    return unmatched;
}

/* -- Applying --------------------------------------------------------------------------------- */

gboolean
scope_lora_entry_check(const ScopeLoraEntry *entry, gint64 n_out, gint64 n_in, GError **error)
{
    const ScopeCheckpointTensor *any = entry->down != NULL   ? entry->down
                                       : entry->diff != NULL ? entry->diff
                                                             : entry->diff_bias;

    if (entry->down != NULL && (entry->n_out != n_out || entry->n_in != n_in)) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                    "%s: '%s' is an adapter of %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT
                    ", the module has %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT,
                    any->file, entry->module, entry->n_out, entry->n_in, n_out, n_in);
        return FALSE;
    }
    if ((entry->diff != NULL && entry->diff->n_elements != n_out * n_in) ||
        (entry->diff_bias != NULL && entry->diff_bias->n_elements != n_out)) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                    "%s: '%s' holds a difference of another size, the module has %" G_GINT64_FORMAT
                    " x %" G_GINT64_FORMAT,
                    any->file, entry->module, n_out, n_in);
        return FALSE;
    }
    return TRUE;
}

void
scope_lora_entry_merge(const ScopeLoraEntry *entry, double strength, gint64 n_out, gint64 n_in,
                       float *weight)
{
    if (entry->down != NULL) {
        g_autofree float *down = g_new(float, (gsize)entry->down->n_elements);
        g_autofree float *up = g_new(float, (gsize)entry->up->n_elements);
        scope_checkpoint_tensor_copy_f32(entry->down, down);
        scope_checkpoint_tensor_copy_f32(entry->up, up);
        for (gint64 o = 0; o < n_out; o++) {
            float *row = weight + o * n_in;
            for (gint64 r = 0; r < entry->rank; r++) {
                float factor = (float)(strength * entry->factor * (double)up[o * entry->rank + r]);
                const float *from = down + r * n_in;
                for (gint64 i = 0; i < n_in; i++) {
                    row[i] += factor * from[i];
                }
            }
        }
    }
    if (entry->diff != NULL) {
        g_autofree float *diff = g_new(float, (gsize)entry->diff->n_elements);
        scope_checkpoint_tensor_copy_f32(entry->diff, diff);
        for (gint64 i = 0; i < n_out * n_in; i++) {
            weight[i] += (float)strength * diff[i];
        }
    }
}
