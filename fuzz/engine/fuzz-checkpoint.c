/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes every container reader: whatever opens must be readable to its last element. Used for the
 * safetensors and the PyTorch corpus alike, as the first bytes decide. Main thread. */
#include "fuzz-support.h"

#include "engine/checkpoint/scope-checkpoint.h"

/* Larger tensors are only possible through stride 0; one is enough. */
#define MAX_ELEMENTS (1 << 20)

static void
read_all(const ScopeCheckpoint *checkpoint)
{
    for (guint i = 0; i < scope_checkpoint_get_n_tensors(checkpoint); i++) {
        const ScopeCheckpointTensor *tensor = scope_checkpoint_get_tensor(checkpoint, i);
        g_autofree float *values = NULL;
        if (tensor->n_elements > MAX_ELEMENTS) {
            continue;
        }
        values = g_new(float, (gsize)tensor->n_elements + 1);
        scope_checkpoint_tensor_copy_f32(tensor, values);
        g_assert_true(scope_checkpoint_find(checkpoint, tensor->name) == tensor);
    }
}

static void
run(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = scope_checkpoint_open(path, &error);
    g_autoptr(ScopeCheckpoint) state = NULL;

    g_assert_true((checkpoint == NULL) == (error != NULL));
    if (checkpoint != NULL) {
        read_all(checkpoint);
        state = scope_checkpoint_select(checkpoint, NULL, NULL, NULL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    fuzz_with_file(bytes, n_bytes, run);
    return 0;
}
