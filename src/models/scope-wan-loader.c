/* SPDX-License-Identifier: Apache-2.0 */
/* Named tensors to prepared weights; see the header. Loader thread. */
#include "models/scope-wan-loader.h"

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

/* The engine's type of a floating point type, else SCOPE_DTYPE_INVALID. */
static ScopeDType
dtype_of(ScopeStoredType type)
{
    ScopeDType dtype = scope_stored_type_get_dtype(type);

    return scope_dtype_is_float(dtype) ? dtype : SCOPE_DTYPE_INVALID;
}

static char *
stored_name(ScopeWanLoader *loader, const char *name)
{
    return loader->rename != NULL ? loader->rename(name, loader->rename_data) : g_strdup(name);
}

const ScopeCheckpointTensor *
scope_wan_loader_find(ScopeWanLoader *loader, const char *name)
{
    g_autofree char *stored = stored_name(loader, name);

    return scope_checkpoint_find(loader->checkpoint, stored);
}

const ScopeCheckpointTensor *
scope_wan_loader_require(ScopeWanLoader *loader, const char *name, int rank, const gint64 *shape,
                         GError **error)
{
    g_autofree char *stored = stored_name(loader, name);
    const ScopeCheckpointTensor *tensor =
        scope_checkpoint_require(loader->checkpoint, stored, rank, shape, error);

    if (tensor != NULL && dtype_of(tensor->type) == SCOPE_DTYPE_INVALID) {
        g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                    "%s: tensor %s: found %s, expected a floating point type", tensor->file, stored,
                    found);
        return NULL;
    }
    return tensor;
}

ScopeTensor
scope_wan_loader_wrap(ScopeWanLoader *loader, const ScopeCheckpointTensor *tensor)
{
    ScopeDType dtype = dtype_of(tensor->type);
    int64_t shape[SCOPE_TENSOR_MAX_DIMS];
    int rank = MIN(tensor->rank, SCOPE_TENSOR_MAX_DIMS);

    SCOPE_ASSERT(dtype != SCOPE_DTYPE_INVALID && tensor->rank <= SCOPE_TENSOR_MAX_DIMS);
    for (int i = 0; i < rank; i++) {
        shape[i] = tensor->shape[i];
    }
    /* Doubles are narrowed once here, so that no op has to know them. */
    if (dtype == SCOPE_DTYPE_F64) {
        ScopeTensor copy = scope_arena_alloc(loader->host, SCOPE_DTYPE_F32, rank, shape);
        if (copy.data != NULL) {
            scope_checkpoint_tensor_copy_f32(tensor, copy.data);
        }
        return copy;
    }
    if (tensor->contiguous && scope_checkpoint_tensor_is_aligned(tensor)) {
        return scope_tensor_wrap(dtype, tensor->data, rank, shape);
    }
    ScopeTensor copy = scope_arena_alloc(loader->host, dtype, rank, shape);
    if (copy.data != NULL) {
        scope_checkpoint_tensor_copy(tensor, copy.data);
    }
    return copy;
}

gboolean
scope_wan_loader_vector(ScopeWanLoader *loader, const char *name, int rank, const gint64 *shape,
                        ScopeTensor *ret_vector, GError **error)
{
    const ScopeCheckpointTensor *tensor =
        scope_wan_loader_require(loader, name, rank, shape, error);

    if (tensor == NULL) {
        return FALSE;
    }
    int64_t sizes[SCOPE_TENSOR_MAX_DIMS];
    for (int i = 0; i < rank; i++) {
        sizes[i] = tensor->shape[i];
    }
    ScopeTensor vector = scope_arena_alloc(loader->arena, SCOPE_DTYPE_F32, rank, sizes);
    ScopeArenaMark mark = scope_arena_mark(loader->host);
    scope_op_copy(loader->ctx, vector, scope_wan_loader_wrap(loader, tensor));
    if (!scope_context_synchronize(loader->ctx, error)) {
        return FALSE;
    }
    scope_arena_release(loader->host, mark);
    *ret_vector = vector;
    return TRUE;
}

/* The scale of an fp8 matrix, or none. */
static gboolean
find_scale(ScopeWanLoader *loader, const char *base, int64_t n_out, ScopeTensor *ret_scale,
           GError **error)
{
    static const char *const suffixes[] = {".scale_weight", ".scale", ".weight_scale"};

    *ret_scale = SCOPE_TENSOR_NONE;
    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *name = g_strconcat(base, suffixes[i], NULL);
        const ScopeCheckpointTensor *tensor = scope_wan_loader_find(loader, name);
        if (tensor == NULL) {
            continue;
        }
        if (dtype_of(tensor->type) == SCOPE_DTYPE_INVALID ||
            (tensor->n_elements != 1 && tensor->n_elements != n_out)) {
            g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
            g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                        "%s: tensor %s: found %s, expected one scale or %" G_GINT64_FORMAT,
                        tensor->file, tensor->name, found, n_out);
            return FALSE;
        }
        ScopeTensor scale = scope_wan_loader_wrap(loader, tensor);
        *ret_scale = scope_tensor_reshape(scale, SCOPE_SHAPE(tensor->n_elements));
        return TRUE;
    }
    return TRUE;
}

/* Finds BASE.weight as [n_out, n_in], whatever the rank of a kernel. */
static gboolean
find_matrix(ScopeWanLoader *loader, const char *base, int64_t n_out, int64_t n_in,
            ScopeTensor *ret_weight, GError **error)
{
    g_autofree char *name = g_strconcat(base, ".weight", NULL);
    const ScopeCheckpointTensor *tensor = scope_wan_loader_find(loader, name);
    const gint64 wanted[2] = {n_out, n_in};

    /* A kernel of rank above 2 was checked in full by the caller's configuration. */
    if (tensor == NULL || tensor->rank <= 2 || tensor->shape[0] != n_out ||
        tensor->n_elements != n_out * n_in) {
        tensor = scope_wan_loader_require(loader, name, 2, wanted, error);
    } else {
        tensor = scope_wan_loader_require(loader, name, -1, NULL, error);
    }
    if (tensor == NULL) {
        return FALSE;
    }
    *ret_weight =
        scope_tensor_reshape(scope_wan_loader_wrap(loader, tensor), SCOPE_SHAPE(n_out, n_in));
    return TRUE;
}

gboolean
scope_wan_loader_linear(ScopeWanLoader *loader, const char *base, int64_t n_out, int64_t n_in,
                        ScopeWeight *ret_weight, GError **error)
{
    g_autofree char *bias_name = g_strconcat(base, ".bias", NULL);
    const gint64 bias_shape[1] = {n_out};
    ScopeWeightOptions options = {.store = loader->store};
    ScopeArenaMark mark = scope_arena_mark(loader->host);
    ScopeTensor weight;

    if (!find_matrix(loader, base, n_out, n_in, &weight, error)) {
        return FALSE;
    }
    const ScopeCheckpointTensor *bias =
        scope_wan_loader_require(loader, bias_name, 1, bias_shape, error);
    if (bias == NULL || !find_scale(loader, base, n_out, &options.scale, error)) {
        return FALSE;
    }
    options.bias = scope_wan_loader_wrap(loader, bias);
    if (loader->patch != NULL &&
        !loader->patch(loader, base, &weight, &options, loader->patch_data, error)) {
        return FALSE;
    }
    if (!scope_weight_prepare_linear(loader->ctx, loader->arena, weight, &options, ret_weight,
                                     error)) {
        return FALSE;
    }
    /* What was packed no longer needs its copy on the host. */
    if (ret_weight->store != SCOPE_WEIGHT_STORE_KEEP) {
        scope_arena_release(loader->host, mark);
    }
    return TRUE;
}
