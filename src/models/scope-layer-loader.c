/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a model loader against a checkpoint, with one sticky error. Owns the error only.
 * One thread. */
#include "models/scope-layer-loader.h"

#include <stdarg.h>

static char *
join(const char *prefix, const char *name)
{
    return prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
}

void
scope_layer_loader_init(ScopeLayerLoader *loader, ScopeCheckpoint *checkpoint, ScopeContext *ctx,
                        ScopeArena *arena)
{
    *loader = (ScopeLayerLoader){.checkpoint = checkpoint, .ctx = ctx, .arena = arena};
}

gboolean
scope_layer_loader_finish(ScopeLayerLoader *loader, GError **error)
{
    g_clear_pointer(&loader->own_copies, g_ptr_array_unref);
    if (loader->error == NULL) {
        return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&loader->error));
    return FALSE;
}

void
scope_layer_loader_fail(ScopeLayerLoader *loader, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    if (loader->error != NULL) {
        return;
    }
    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(&loader->error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH, "%s: %s",
                scope_checkpoint_get_path(loader->checkpoint), what);
}

gboolean
scope_layer_loader_has(ScopeLayerLoader *loader, const char *prefix, const char *name)
{
    g_autofree char *full = join(prefix, name);

    return scope_checkpoint_find(loader->checkpoint, full) != NULL;
}

int64_t
scope_layer_loader_dim(ScopeLayerLoader *loader, const char *prefix, const char *name, int dim)
{
    g_autofree char *full = join(prefix, name);
    const ScopeCheckpointTensor *tensor;

    if (loader->error != NULL) {
        return 1;
    }
    tensor = scope_checkpoint_require(loader->checkpoint, full, -1, NULL, &loader->error);
    if (tensor == NULL) {
        return 1;
    }
    if (dim >= tensor->rank || tensor->shape[dim] < 1) {
        g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
        scope_layer_loader_fail(loader, "tensor '%s' is %s, expected a size at dimension %d", full,
                                found, dim);
        return 1;
    }
    return tensor->shape[dim];
}

static ScopeDType
engine_dtype(ScopeStoredType type)
{
    switch (type) {
    case SCOPE_STORED_F64:
        return SCOPE_DTYPE_F64;
    case SCOPE_STORED_F32:
        return SCOPE_DTYPE_F32;
    case SCOPE_STORED_F16:
        return SCOPE_DTYPE_F16;
    case SCOPE_STORED_BF16:
        return SCOPE_DTYPE_BF16;
    case SCOPE_STORED_F8_E4M3:
        return SCOPE_DTYPE_F8_E4M3;
    case SCOPE_STORED_F8_E5M2:
        return SCOPE_DTYPE_F8_E5M2;
    default:
        return SCOPE_DTYPE_INVALID;
    }
}

/* Finds @full with @shape (ANY_SIZE accepts all) and checks that it holds floats. */
static const ScopeCheckpointTensor *
require(ScopeLayerLoader *loader, const char *full, int rank, const int64_t *shape)
{
    gint64 want[SCOPE_CHECKPOINT_MAX_RANK];
    const ScopeCheckpointTensor *tensor;

    if (loader->error != NULL) {
        return NULL;
    }
    for (int i = 0; i < rank; i++) {
        want[i] = shape[i];
    }
    tensor = scope_checkpoint_require(loader->checkpoint, full, rank, rank < 0 ? NULL : want,
                                      &loader->error);
    if (tensor == NULL) {
        return NULL;
    }
    if (engine_dtype(tensor->type) == SCOPE_DTYPE_INVALID) {
        scope_layer_loader_fail(loader, "tensor '%s' has type %s, expected a floating point type",
                                full, scope_stored_type_get_name(tensor->type));
        return NULL;
    }
    if (tensor->n_elements < 1) {
        scope_layer_loader_fail(loader, "tensor '%s' is empty", full);
        return NULL;
    }
    return tensor;
}

/* The stored data as an engine tensor; @ret_copy owns a copy where the data cannot be used. */
static ScopeTensor
wrap(const ScopeCheckpointTensor *tensor, void **ret_copy)
{
    const void *data = tensor->data;
    int64_t shape[SCOPE_TENSOR_MAX_DIMS] = {0};

    *ret_copy = NULL;
    if (!tensor->contiguous || !scope_checkpoint_tensor_is_aligned(tensor)) {
        *ret_copy = g_malloc((gsize)tensor->n_elements * scope_stored_type_get_size(tensor->type));
        scope_checkpoint_tensor_copy(tensor, *ret_copy);
        data = *ret_copy;
    }
    for (int i = 0; i < tensor->rank && i < SCOPE_TENSOR_MAX_DIMS; i++) {
        shape[i] = tensor->shape[i];
    }
    return scope_tensor_wrap(engine_dtype(tensor->type), data, tensor->rank, shape);
}

static ScopeTensor
upload_f32(ScopeLayerLoader *loader, const ScopeCheckpointTensor *tensor, int ndim,
           const int64_t *shape)
{
    g_autofree float *values = NULL;
    ScopeTensor result;

    if (loader->ctx == NULL ||
        !scope_arena_reserve(loader->arena, (size_t)tensor->n_elements * sizeof(float),
                             &loader->error)) {
        return SCOPE_TENSOR_NONE;
    }
    values = g_new(float, (gsize)tensor->n_elements);
    scope_checkpoint_tensor_copy_f32(tensor, values);
    result = scope_arena_alloc(loader->arena, SCOPE_DTYPE_F32, ndim, shape);
    scope_context_upload(loader->ctx, result, values);
    return result;
}

ScopeTensor
scope_layer_loader_vector(ScopeLayerLoader *loader, const char *prefix, const char *name, int64_t n)
{
    g_autofree char *full = join(prefix, name);
    const ScopeCheckpointTensor *tensor = require(loader, full, -1, NULL);
    int n_wide = 0;

    if (tensor == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    for (int i = 0; i < tensor->rank; i++) {
        n_wide += tensor->shape[i] != 1;
    }
    if (n_wide > 1 || (n != SCOPE_LAYER_ANY_SIZE && tensor->n_elements != n)) {
        g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
        scope_layer_loader_fail(loader, "tensor '%s' is %s, expected a vector of %" G_GINT64_FORMAT,
                                full, found, n);
        return SCOPE_TENSOR_NONE;
    }
    return upload_f32(loader, tensor, SCOPE_SHAPE(tensor->n_elements));
}

ScopeTensor
scope_layer_loader_table(ScopeLayerLoader *loader, const char *prefix, const char *name, int ndim,
                         const int64_t *shape)
{
    g_autofree char *full = join(prefix, name);
    const ScopeCheckpointTensor *tensor = require(loader, full, ndim, shape);
    int64_t found[SCOPE_TENSOR_MAX_DIMS];

    if (tensor == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    for (int i = 0; i < ndim; i++) {
        found[i] = tensor->shape[i];
    }
    return upload_f32(loader, tensor, ndim, found);
}

ScopeTensor
scope_layer_loader_mapped(ScopeLayerLoader *loader, const char *prefix, const char *name, int ndim,
                          const int64_t *shape)
{
    g_autofree char *full = join(prefix, name);
    const ScopeCheckpointTensor *tensor = require(loader, full, ndim, shape);
    g_autofree void *copy = NULL;
    ScopeTensor stored;

    if (tensor == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    stored = wrap(tensor, &copy);
    if (copy == NULL) {
        return stored;
    }
    if (loader->copies == NULL && loader->own_copies == NULL) {
        loader->own_copies = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(loader->copies != NULL ? loader->copies : loader->own_copies,
                    g_steal_pointer(&copy));
    return stored;
}

/* Reads "<name>.bias" and "<name>.scale_weight" where they belong to the layer. */
static gboolean
read_options(ScopeLayerLoader *loader, const char *name, int64_t n_out, ScopeLayerLoaderFlags flags,
             ScopeWeightOptions *ret_options, void *ret_copies[2])
{
    const ScopeCheckpointTensor *tensor;

    ret_options->store = loader->store;
    if ((flags & SCOPE_LAYER_BIAS) != 0) {
        g_autofree char *full = join(name, "bias");
        tensor = require(loader, full, 1, &n_out);
        if (tensor == NULL) {
            return FALSE;
        }
        ret_options->bias = wrap(tensor, &ret_copies[0]);
    }
    if (scope_layer_loader_has(loader, name, "scale_weight")) {
        g_autofree char *full = join(name, "scale_weight");
        tensor = require(loader, full, -1, NULL);
        if (tensor == NULL) {
            return FALSE;
        }
        if (tensor->n_elements != 1 && (tensor->rank != 1 || tensor->n_elements != n_out)) {
            scope_layer_loader_fail(loader, "tensor '%s' is neither one number nor one a row",
                                    full);
            return FALSE;
        }
        ret_options->scale = wrap(tensor, &ret_copies[1]);
    }
    return TRUE;
}

/* Finds "<name>.weight", its bias and scale; FALSE after an error. */
static gboolean
read_layer(ScopeLayerLoader *loader, const char *name, int rank, const int64_t *shape, int out_dim,
           ScopeLayerLoaderFlags flags, ScopeTensor *ret_stored, ScopeWeightOptions *ret_options,
           void *ret_copies[3])
{
    g_autofree char *full = join(name, "weight");
    const ScopeCheckpointTensor *tensor = require(loader, full, rank, shape);

    if (tensor == NULL ||
        !read_options(loader, name, tensor->shape[out_dim], flags, ret_options, ret_copies)) {
        return FALSE;
    }
    *ret_stored = wrap(tensor, &ret_copies[2]);
    return TRUE;
}

static void
free_copies(void *copies[3])
{
    for (int i = 0; i < 3; i++) {
        g_free(copies[i]);
    }
}

void
scope_layer_loader_linear(ScopeLayerLoader *loader, ScopeWeight *ret_weight, const char *name,
                          int64_t n_out, int64_t n_in, ScopeLayerLoaderFlags flags)
{
    const int64_t shape[2] = {n_out, n_in};
    ScopeWeightOptions options = {0};
    ScopeTensor stored;
    void *copies[3] = {NULL};

    if (read_layer(loader, name, 2, shape, 0, flags, &stored, &options, copies)) {
        ret_weight->kind = SCOPE_WEIGHT_KIND_LINEAR;
        ret_weight->n_out = stored.shape[0];
        ret_weight->n_in = stored.shape[1];
        if (copies[2] != NULL && options.store == SCOPE_WEIGHT_STORE_KEEP) {
            options.store = SCOPE_WEIGHT_STORE_PACK; /* the copy does not outlive this call */
        }
        if (loader->ctx != NULL) {
            scope_weight_prepare_linear(loader->ctx, loader->arena, stored, &options, ret_weight,
                                        &loader->error);
        }
    }
    free_copies(copies);
}

static int
conv_shape(ScopeLayerConvShape shape, int groups, int64_t ret[5])
{
    int n = 0;

    ret[n++] = shape.n_out;
    ret[n++] = shape.n_in == SCOPE_LAYER_ANY_SIZE ? shape.n_in : shape.n_in / groups;
    if (shape.kernel_t > 0) {
        ret[n++] = shape.kernel_t;
    }
    ret[n++] = shape.kernel_h;
    ret[n++] = shape.kernel_w;
    return n;
}

void
scope_layer_loader_conv_view(ScopeLayerLoader *loader, ScopeWeight *ret_weight, ScopeTensor kernel,
                             ScopeTensor bias, const ScopeConvGeometry *geometry)
{
    ScopeWeightOptions options = {.store = loader->store, .bias = bias};

    if (loader->error != NULL) {
        return;
    }
    ret_weight->kind = SCOPE_WEIGHT_KIND_CONV;
    ret_weight->n_out = kernel.shape[0];
    ret_weight->n_in = kernel.shape[1] * geometry->groups;
    if (loader->ctx != NULL) {
        scope_weight_prepare_conv(loader->ctx, loader->arena, kernel, geometry, &options,
                                  ret_weight, &loader->error);
    }
}

void
scope_layer_loader_conv(ScopeLayerLoader *loader, ScopeWeight *ret_weight, const char *name,
                        ScopeLayerConvShape shape, const ScopeConvGeometry *geometry,
                        ScopeLayerLoaderFlags flags)
{
    int64_t want[5];
    int rank = conv_shape(shape, geometry->groups, want);
    ScopeWeightOptions options = {0};
    ScopeTensor stored;
    void *copies[3] = {NULL};

    if (read_layer(loader, name, rank, want, 0, flags, &stored, &options, copies)) {
        ret_weight->kind = SCOPE_WEIGHT_KIND_CONV;
        ret_weight->n_out = stored.shape[0];
        ret_weight->n_in = stored.shape[1] * geometry->groups;
        if (loader->ctx != NULL) {
            scope_weight_prepare_conv(loader->ctx, loader->arena, stored, geometry, &options,
                                      ret_weight, &loader->error);
        }
    }
    free_copies(copies);
}

void
scope_layer_loader_conv_transpose(ScopeLayerLoader *loader, ScopeWeight *ret_weight,
                                  const char *name, ScopeLayerConvShape shape,
                                  const ScopeConvGeometry *geometry, ScopeLayerLoaderFlags flags)
{
    const int64_t want[4] = {shape.n_in, shape.n_out, shape.kernel_h, shape.kernel_w};
    ScopeWeightOptions options = {0};
    ScopeTensor stored;
    void *copies[3] = {NULL};

    if (read_layer(loader, name, 4, want, 1, flags, &stored, &options, copies)) {
        ret_weight->kind = SCOPE_WEIGHT_KIND_CONV_TRANSPOSE;
        ret_weight->n_out = stored.shape[1];
        ret_weight->n_in = stored.shape[0];
        if (loader->ctx != NULL) {
            scope_weight_prepare_conv_transpose(loader->ctx, loader->arena, stored, geometry,
                                                &options, ret_weight, &loader->error);
        }
    }
    free_copies(copies);
}
