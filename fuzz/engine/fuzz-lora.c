/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes LoRA files: whatever opens must merge into a weight of the sizes that it states. Main
 * thread. */
#include "fuzz-support.h"

#include "engine/checkpoint/scope-lora-file.h"

#define MAX_ELEMENTS (1 << 16)

static void
run(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) file = scope_lora_file_open(path, &error);

    g_assert_true((file == NULL) == (error != NULL));
    for (guint i = 0; file != NULL && i < scope_lora_file_get_n_entries(file); i++) {
        const ScopeLoraEntry *entry = scope_lora_file_get_entry(file, i);
        gint64 n = entry->n_out * entry->n_in;
        g_autofree float *weight = NULL;
        if (entry->down == NULL || entry->n_out > MAX_ELEMENTS || entry->n_in > MAX_ELEMENTS ||
            n > MAX_ELEMENTS || entry->rank > 64 ||
            !scope_lora_entry_check(entry, entry->n_out, entry->n_in, NULL)) {
            continue;
        }
        weight = g_new0(float, (gsize)n + 1);
        scope_lora_entry_merge(entry, 0.5, entry->n_out, entry->n_in, weight);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    fuzz_with_file(bytes, n_bytes, run);
    return 0;
}
