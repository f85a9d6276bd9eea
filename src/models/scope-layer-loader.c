/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a model loader against a checkpoint, with one sticky error. Owns the error and
 * copies that only the load needs. One thread. */
#include "models/scope-layer-loader.h"

#include <stdarg.h>

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

static char *
join(const char *prefix, const char *name)
{
    return prefix != NULL ? g_strconcat(prefix, ".", name, NULL) : g_strdup(name);
}

/* The name that this file uses. */
static char *
stored_name(ScopeLayerLoader *loader, const char *name)
{
    return loader->rename != NULL ? loader->rename(name) : g_strdup(name);
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
    if (loader->ctx != NULL) {
        /* what the device says, and arenas that could not grow */
        (void)scope_context_synchronize(loader->ctx, loader->error == NULL ? &loader->error : NULL);
    }
    g_clear_pointer(&loader->own_host, scope_arena_destroy);
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
    g_autofree char *full = join(prefix, name), *stored = stored_name(loader, full);

    return scope_checkpoint_find(loader->checkpoint, stored) != NULL;
}

int64_t
scope_layer_loader_dim(ScopeLayerLoader *loader, const char *prefix, const char *name, int dim)
{
    g_autofree char *full = join(prefix, name), *stored = stored_name(loader, full);
    const ScopeCheckpointTensor *tensor;

    if (loader->error != NULL) {
        return 1;
    }
    tensor = scope_checkpoint_require(loader->checkpoint, stored, -1, NULL, &loader->error);
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

/* The engine's type of a floating point type, else SCOPE_DTYPE_INVALID. */
static ScopeDType
engine_dtype(ScopeStoredType type)
{
    ScopeDType dtype = scope_stored_type_get_dtype(type);

    return scope_dtype_is_float(dtype) ? dtype : SCOPE_DTYPE_INVALID;
}

/* Finds @full with @shape (ANY_SIZE accepts all) and checks that it holds floats. */
static const ScopeCheckpointTensor *
require(ScopeLayerLoader *loader, const char *full, int rank, const int64_t *shape)
{
    g_autofree char *stored = stored_name(loader, full);
    gint64 want[SCOPE_CHECKPOINT_MAX_RANK];
    const ScopeCheckpointTensor *tensor;

    if (loader->error != NULL) {
        return NULL;
    }
    for (int i = 0; i < rank; i++) {
        want[i] = shape[i];
    }
    tensor = scope_checkpoint_require(loader->checkpoint, stored, rank, rank < 0 ? NULL : want,
                                      &loader->error);
    if (tensor == NULL) {
        return NULL;
    }
    if (engine_dtype(tensor->type) == SCOPE_DTYPE_INVALID) {
        g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
        scope_layer_loader_fail(loader, "tensor '%s' is %s, expected a floating point type", stored,
                                found);
        return NULL;
    }
    if (tensor->n_elements < 1) {
        scope_layer_loader_fail(loader, "tensor '%s' is empty", stored);
        return NULL;
    }
    return tensor;
}

/* Where copies go: to the caller's arena, else to one that lives until the loader finishes. */
static ScopeArena *
host_of(ScopeLayerLoader *loader)
{
    if (loader->host != NULL) {
        return loader->host;
    }
    if (loader->own_host == NULL) {
        loader->own_host = scope_arena_create(scope_backend_cpu(), "copies of a load");
    }
    return loader->own_host;
}

ScopeTensor
scope_layer_loader_wrap(ScopeLayerLoader *loader, const ScopeCheckpointTensor *tensor)
{
    ScopeDType dtype = engine_dtype(tensor->type);
    /* doubles are narrowed once here, so that no op has to know them */
    ScopeDType kept = dtype == SCOPE_DTYPE_F64 ? SCOPE_DTYPE_F32 : dtype;
    int64_t shape[SCOPE_TENSOR_MAX_DIMS];
    ScopeTensor copy;

    SCOPE_ASSERT(dtype != SCOPE_DTYPE_INVALID && tensor->rank <= SCOPE_TENSOR_MAX_DIMS);
    for (int i = 0; i < tensor->rank; i++) {
        shape[i] = tensor->shape[i];
    }
    if (kept == dtype && tensor->contiguous && scope_checkpoint_tensor_is_aligned(tensor)) {
        return scope_tensor_wrap(dtype, tensor->data, tensor->rank, shape);
    }
    if (loader->error != NULL ||
        !scope_arena_reserve(host_of(loader),
                             (size_t)tensor->n_elements * scope_dtype_size(kept) + 64,
                             &loader->error)) {
        return SCOPE_TENSOR_NONE;
    }
    copy = scope_arena_alloc(host_of(loader), kept, tensor->rank, shape);
    if (copy.data == NULL) {
        return copy; /* there was no memory for it, which is noted */
    }
    if (kept == dtype) {
        scope_checkpoint_tensor_copy(tensor, copy.data);
    } else {
        scope_checkpoint_tensor_copy_f32(tensor, copy.data);
    }
    return copy;
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

    return tensor != NULL ? scope_layer_loader_wrap(loader, tensor) : SCOPE_TENSOR_NONE;
}

/* The scale that belongs to the rows of an fp8 weight, or none. */
static ScopeTensor
read_scale(ScopeLayerLoader *loader, const char *name, int64_t n_out)
{
    static const char *const suffixes[] = {"scale_weight", "scale", "weight_scale"};

    for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *full = join(name, suffixes[i]);
        const ScopeCheckpointTensor *tensor =
            scope_layer_loader_has(loader, NULL, full) ? require(loader, full, -1, NULL) : NULL;
        if (tensor == NULL) {
            continue;
        }
        if (tensor->n_elements != 1 && tensor->n_elements != n_out) {
            g_autofree char *found = scope_checkpoint_tensor_dup_shape(tensor);
            scope_layer_loader_fail(loader, "tensor '%s' is %s, expected one scale or one a row",
                                    tensor->name, found);
            break;
        }
        ScopeTensor scale = scope_layer_loader_wrap(loader, tensor);
        return scope_tensor_is_none(scale)
                   ? scale
                   : scope_tensor_reshape(scale, SCOPE_SHAPE(tensor->n_elements));
    }
    return SCOPE_TENSOR_NONE;
}

/* The stored weight of a layer on its way to the backend. */
typedef struct {
    ScopeTensor stored;
    ScopeWeightOptions options;
    ScopeArenaMark mark; /* of the host, before copies of this layer */
} Layer;

/* Finds "<name>.weight", its bias and scale; FALSE after an error. */
static gboolean
read_layer(ScopeLayerLoader *loader, const char *name, int rank, const int64_t *shape, int out_dim,
           ScopeLayerLoaderFlags flags, Layer *ret)
{
    g_autofree char *full = join(name, "weight"), *bias = join(name, "bias");
    const ScopeCheckpointTensor *tensor = require(loader, full, rank, shape);

    *ret = (Layer){.mark = scope_arena_mark(host_of(loader))};
    if (tensor == NULL) {
        return FALSE;
    }
    int64_t n_out = tensor->shape[out_dim];
    ret->stored = scope_layer_loader_wrap(loader, tensor);
    ret->options.store = loader->store;
    if ((flags & SCOPE_LAYER_BIAS) != 0) {
        ret->options.bias = scope_layer_loader_mapped(loader, NULL, bias, SCOPE_SHAPE(n_out));
    }
    ret->options.scale = read_scale(loader, name, n_out);
    if (loader->host == NULL && ret->stored.data != tensor->data &&
        ret->options.store == SCOPE_WEIGHT_STORE_KEEP) {
        ret->options.store = SCOPE_WEIGHT_STORE_PACK; /* the copy does not outlive the load */
    }
    return loader->error == NULL;
}

/* What was packed no longer needs its copy on the host. */
static void
drop_copies(ScopeLayerLoader *loader, const Layer *layer, const ScopeWeight *weight)
{
    if (loader->ctx == NULL || weight->store != SCOPE_WEIGHT_STORE_KEEP) {
        scope_arena_release(host_of(loader), layer->mark);
    }
}

/* A kernel as large as its stride is a matrix, whatever its rank. */
static gboolean
is_kernel_of(ScopeLayerLoader *loader, const char *name, int64_t n_out, int64_t n_in)
{
    g_autofree char *full = join(name, "weight"), *stored = stored_name(loader, full);
    const ScopeCheckpointTensor *tensor = scope_checkpoint_find(loader->checkpoint, stored);

    return tensor != NULL && tensor->rank > 2 && tensor->rank <= SCOPE_TENSOR_MAX_DIMS &&
           tensor->shape[0] == n_out && tensor->n_elements == n_out * n_in;
}

void
scope_layer_loader_linear(ScopeLayerLoader *loader, ScopeWeight *ret_weight, const char *name,
                          int64_t n_out, int64_t n_in, ScopeLayerLoaderFlags flags)
{
    gboolean kernel = (flags & SCOPE_LAYER_KERNEL) != 0 && is_kernel_of(loader, name, n_out, n_in);
    Layer layer;

    if (!read_layer(loader, name, kernel ? -1 : 2, (const int64_t[]){n_out, n_in}, 0, flags,
                    &layer)) {
        return;
    }
    if (kernel) {
        layer.stored = scope_tensor_reshape(layer.stored, SCOPE_SHAPE(n_out, n_in));
    }
    ret_weight->kind = SCOPE_WEIGHT_KIND_LINEAR;
    ret_weight->n_out = layer.stored.shape[0];
    ret_weight->n_in = layer.stored.shape[1];
    if (loader->ctx != NULL && loader->patch != NULL) {
        loader->patch(loader, name, &layer.stored, &layer.options, loader->patch_data);
    }
    if (loader->ctx != NULL && loader->error == NULL) {
        scope_weight_prepare_linear(loader->ctx, loader->arena, layer.stored, &layer.options,
                                    ret_weight, &loader->error);
    }
    drop_copies(loader, &layer, ret_weight);
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
    Layer layer;

    if (!read_layer(loader, name, rank, want, 0, flags, &layer)) {
        return;
    }
    ret_weight->kind = SCOPE_WEIGHT_KIND_CONV;
    ret_weight->n_out = layer.stored.shape[0];
    ret_weight->n_in = layer.stored.shape[1] * geometry->groups;
    if (loader->ctx != NULL) {
        scope_weight_prepare_conv(loader->ctx, loader->arena, layer.stored, geometry,
                                  &layer.options, ret_weight, &loader->error);
    }
    drop_copies(loader, &layer, ret_weight);
}

void
scope_layer_loader_conv_transpose(ScopeLayerLoader *loader, ScopeWeight *ret_weight,
                                  const char *name, ScopeLayerConvShape shape,
                                  const ScopeConvGeometry *geometry, ScopeLayerLoaderFlags flags)
{
    const int64_t want[4] = {shape.n_in, shape.n_out, shape.kernel_h, shape.kernel_w};
    Layer layer;

    if (!read_layer(loader, name, 4, want, 1, flags, &layer)) {
        return;
    }
    ret_weight->kind = SCOPE_WEIGHT_KIND_CONV_TRANSPOSE;
    ret_weight->n_out = layer.stored.shape[1];
    ret_weight->n_in = layer.stored.shape[0];
    if (loader->ctx != NULL) {
        scope_weight_prepare_conv_transpose(loader->ctx, loader->arena, layer.stored, geometry,
                                            &layer.options, ret_weight, &loader->error);
    }
    drop_copies(loader, &layer, ret_weight);
}
