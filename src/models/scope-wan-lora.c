/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters of a Wan transformer, merged and at run time. Loader thread. */
#include "models/scope-wan-lora.h"

#include <string.h>

#include "models/scope-wan-config.h"

/* The entry for @base under its published or diffusers name, checked and counted; NULL when there
 * is none and after an error. */
static const ScopeLoraEntry *
match(ScopeWanAdapter *adapter, ScopeLayerLoader *loader, const char *base, int64_t n_out,
      int64_t n_in)
{
    const ScopeLoraEntry *entry = scope_lora_file_find(adapter->file, base);

    if (entry == NULL) {
        g_autofree char *alias = scope_wan_name_to_diffusers(base);
        entry = scope_lora_file_find(adapter->file, alias);
    }
    if (entry == NULL || loader->error != NULL) {
        return NULL;
    }
    adapter->n_matched++;
    return scope_lora_entry_check(entry, n_out, n_in, &loader->error) ? entry : NULL;
}

/* -- merging ---------------------------------------------------------------------------------- */

/* A tensor of the adapter as f32 [rows, columns] in scratch. */
static ScopeTensor
widen(ScopeContext *cpu, const ScopeCheckpointTensor *t, int64_t rows, int64_t columns)
{
    ScopeTensor wide = scope_context_scratch(cpu, SCOPE_DTYPE_F32, SCOPE_SHAPE(rows, columns));

    if (wide.data != NULL) {
        scope_checkpoint_tensor_copy_f32(t, wide.data);
    }
    return wide;
}

/* @weight as f32 with its scale applied, in scratch. */
static ScopeTensor
widen_weight(ScopeContext *cpu, ScopeTensor weight, const ScopeWeightOptions *options)
{
    ScopeTensor wide = scope_context_scratch(cpu, SCOPE_DTYPE_F32, weight.ndim, weight.shape);

    scope_op_copy(cpu, wide, weight);
    if (!scope_tensor_is_none(options->scale)) {
        int64_t n = scope_tensor_n_elements(options->scale);
        ScopeTensor scale = scope_context_scratch(cpu, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, 1));
        scope_op_copy(cpu, scale, scope_tensor_reshape(options->scale, SCOPE_SHAPE(n, 1)));
        scope_op_mul(cpu, wide, wide, scale);
    }
    return wide;
}

/* A tensor of scratch to the host arena, rounded to @dtype. */
static ScopeTensor
keep(ScopeLayerLoader *loader, ScopeContext *cpu, ScopeTensor wide, ScopeDType dtype)
{
    ScopeTensor kept = scope_arena_alloc(loader->host, dtype, wide.ndim, wide.shape);

    scope_op_copy(cpu, kept, wide);
    return kept;
}

static void
merge_entry(ScopeContext *cpu, ScopeTensor weight, ScopeTensor bias, const ScopeLoraEntry *entry,
            float scale)
{
    int64_t n_out = scope_tensor_dim(weight, 0), n_in = scope_tensor_dim(weight, 1);

    if (entry->down != NULL) {
        ScopeTensor a = widen(cpu, entry->down, entry->rank, n_in);
        ScopeTensor b = widen(cpu, entry->up, n_out, entry->rank);
        ScopeTensor delta = scope_context_scratch(cpu, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_out, n_in));
        scope_op_matmul(cpu, delta, b, a, (float)(scale * entry->factor));
        scope_op_add(cpu, weight, weight, delta);
    }
    if (entry->diff != NULL) {
        scope_op_scale_add(cpu, weight, weight, 1.0f, widen(cpu, entry->diff, n_out, n_in), scale);
    }
    if (entry->diff_bias != NULL) {
        ScopeTensor diff = widen(cpu, entry->diff_bias, 1, n_out);
        scope_op_scale_add(cpu, bias, bias, 1.0f, scope_tensor_select(diff, 0, 0), scale);
    }
}

void
scope_lora_merge_apply(const ScopeLoraMerge *merge, ScopeLayerLoader *loader, const char *base,
                       ScopeTensor *weight, ScopeWeightOptions *options)
{
    ScopeContext *cpu = merge->cpu;
    ScopeArenaMark mark = scope_arena_mark(cpu->scratch);
    ScopeTensor sum = SCOPE_TENSOR_NONE, bias = SCOPE_TENSOR_NONE;

    for (guint i = 0; i < merge->n; i++) {
        const ScopeLoraEntry *entry =
            match(&merge->adapters[i], loader, base, scope_tensor_dim(*weight, 0),
                  scope_tensor_dim(*weight, 1));
        if (entry == NULL) {
            continue;
        }
        if (scope_tensor_is_none(sum)) {
            sum = widen_weight(cpu, *weight, options);
            bias = scope_context_scratch(cpu, SCOPE_DTYPE_F32, options->bias.ndim,
                                         options->bias.shape);
            scope_op_copy(cpu, bias, options->bias);
        }
        ScopeArenaMark inner = scope_arena_mark(cpu->scratch);
        merge_entry(cpu, sum, bias, entry, merge->adapters[i].scale);
        scope_arena_release(cpu->scratch, inner);
    }
    if (!scope_tensor_is_none(sum)) {
        ScopeDType narrow = scope_dtype_size(weight->dtype) > 1 ? weight->dtype : SCOPE_DTYPE_BF16;
        *weight = keep(loader, cpu, sum, merge->narrow ? narrow : SCOPE_DTYPE_F32);
        options->bias = keep(loader, cpu, bias, SCOPE_DTYPE_F32);
        options->scale = SCOPE_TENSOR_NONE;
    }
    scope_arena_release(cpu->scratch, mark);
    if (loader->error == NULL) {
        scope_context_synchronize(cpu, &loader->error);
    }
}

/* -- run-time parts --------------------------------------------------------------------------- */

/* Prepares a matrix of the adapter, or zeros where the file has none. */
static void
prepare(ScopeLayerLoader *loader, const ScopeCheckpointTensor *t, int64_t rows, int64_t columns,
        ScopeTensor bias, ScopeWeight *ret_weight)
{
    ScopeWeightOptions options = {.store = SCOPE_WEIGHT_STORE_KEEP, .bias = bias};
    ScopeTensor stored;

    if (t != NULL) {
        stored = scope_layer_loader_wrap(loader, t);
    } else {
        stored = scope_arena_alloc(loader->host, SCOPE_DTYPE_F32, SCOPE_SHAPE(rows, columns));
        if (stored.data != NULL) {
            memset(stored.data, 0, scope_tensor_n_bytes(stored));
        }
    }
    if (loader->error == NULL) {
        scope_weight_prepare_linear(loader->ctx, loader->arena,
                                    scope_tensor_reshape(stored, SCOPE_SHAPE(rows, columns)),
                                    &options, ret_weight, &loader->error);
    }
}

gboolean
scope_lora_part_load(ScopeWanAdapter *adapter, ScopeLayerLoader *loader, const char *base,
                     int64_t n_out, int64_t n_in, ScopeLoraPart *ret_part)
{
    const ScopeLoraEntry *entry = match(adapter, loader, base, n_out, n_in);
    ScopeLoraPart part = {0};

    if (entry == NULL) {
        return FALSE;
    }
    part.factor = (float)entry->factor;
    part.has_pair = entry->down != NULL;
    part.has_dense = entry->diff != NULL || entry->diff_bias != NULL;
    if (part.has_pair) {
        prepare(loader, entry->down, entry->rank, n_in, SCOPE_TENSOR_NONE, &part.down);
        prepare(loader, entry->up, n_out, entry->rank, SCOPE_TENSOR_NONE, &part.up);
    }
    if (part.has_dense) {
        ScopeTensor bias = SCOPE_TENSOR_NONE;
        if (entry->diff_bias != NULL) {
            bias = scope_layer_loader_wrap(loader, entry->diff_bias);
            bias = loader->error == NULL ? scope_tensor_reshape(bias, SCOPE_SHAPE(n_out)) : bias;
        }
        prepare(loader, entry->diff, n_out, n_in, bias, &part.dense);
    }
    *ret_part = part;
    return loader->error == NULL;
}
