/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of LoRA files: every naming form merged into one base gives the recorded weights. The
 * expected tensors are grouped as "scale<strength>_alpha/...", "scale<strength>_noalpha/..." and
 * "generator_lora_alpha_equals_rank/..."; a file belongs to the group that its kind and its alpha
 * say. Main thread. */
#include "golden-families.h"

#include <string.h>

#include "engine/checkpoint/scope-lora-file.h"

static void
check_merge(GoldenCase *c, const char *file, const ScopeLoraFile *lora, ScopeCheckpoint *base,
            ScopeCheckpoint *expected, double strength, const char *group, double atol, double rtol)
{
    guint n_merged = 0;

    for (guint i = 0; i < scope_checkpoint_get_n_tensors(base); i++) {
        const ScopeCheckpointTensor *weight = scope_checkpoint_get_tensor(base, i);
        g_autofree char *module = g_strndup(weight->name, strlen(weight->name) - strlen(".weight"));
        g_autofree char *name = g_strdup_printf("%s/%s", group, weight->name);
        const ScopeCheckpointTensor *want = scope_checkpoint_find(expected, name);
        const ScopeLoraEntry *entry = scope_lora_file_find(lora, module);
        float *merged = golden_alloc(c, (gsize)weight->n_elements);
        g_autoptr(GError) error = NULL;
        if (!golden_check(c, want != NULL && entry != NULL, "%s: %s has no adapter or no reference",
                          file, module) ||
            !golden_check(c,
                          scope_lora_entry_check(entry, weight->shape[0], weight->shape[1], &error),
                          "%s", error != NULL ? error->message : "")) {
            continue;
        }
        scope_checkpoint_tensor_copy_f32(weight, merged);
        scope_lora_entry_merge(entry, strength, weight->shape[0], weight->shape[1], merged);
        golden_compare_f32(c, name, want, merged, atol, rtol);
        n_merged++;
    }
    golden_check(c, n_merged == scope_lora_file_get_n_entries(lora),
                 "%s: %u of %u adapters match a module", file, n_merged,
                 scope_lora_file_get_n_entries(lora));
}

/* Finds the group of a file among the expected tensors, and its strength. */
static char *
find_group(const ScopeCheckpoint *expected, gboolean torch, gboolean alpha, double *ret_strength)
{
    for (guint i = 0; i < scope_checkpoint_get_n_tensors(expected); i++) {
        const char *name = scope_checkpoint_get_tensor(expected, i)->name;
        g_autofree char *group = g_strndup(name, strcspn(name, "/"));
        gboolean scaled = g_str_has_prefix(group, "scale");
        if (torch ? !scaled : scaled && g_str_has_suffix(group, alpha ? "_alpha" : "_noalpha")) {
            *ret_strength = scaled ? g_ascii_strtod(group + strlen("scale"), NULL) : 1;
            return g_steal_pointer(&group);
        }
    }
    return NULL;
}

gboolean
golden_run_lora_files(GoldenCase *c, GError **error)
{
    g_autoptr(GDir) folder = g_dir_open(golden_get_folder(c), 0, error);
    ScopeCheckpoint *base = folder != NULL ? golden_weights(c, error) : NULL;
    ScopeCheckpoint *expected = base != NULL ? golden_open(c, "expected.safetensors", error) : NULL;
    double atol = golden_double(c, "tolerances.atol", 0);
    double rtol = golden_double(c, "tolerances.rtol", 0);
    const char *name;

    if (expected == NULL) {
        return FALSE;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autoptr(ScopeLoraFile) lora = NULL;
        gboolean torch = g_str_has_suffix(name, ".pt");
        g_autofree char *group = NULL;
        double strength = 0;
        if (strcmp(name, "case.json") == 0 || strcmp(name, "base.safetensors") == 0 ||
            strcmp(name, "expected.safetensors") == 0) {
            continue;
        }
        lora = scope_lora_file_open(golden_get_path(c, name), error);
        if (lora == NULL) {
            return FALSE;
        }
        group =
            find_group(expected, torch, scope_lora_file_get_entry(lora, 0)->has_alpha, &strength);
        if (group == NULL) {
            return golden_not_understood(error, "no expected weights belong to %s", name);
        }
        check_merge(c, name, lora, base, expected, strength, group, atol, rtol);
    }
    return TRUE;
}
