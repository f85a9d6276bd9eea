/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attention and convolution by cuDNN's graph interface: a graph of one operation, the first engine
 * of its heuristics that accepts it, and the plan kept by shape. Owns the handle and the plans. The
 * thread that owns the context.
 */
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <stdbool.h>

#include "engine/cuda/scope-cuda-libraries.h"
#include "engine/scope-plans.h"

#define MAX_PLANS   256
#define MAX_ENGINES 8
#define MAX_OWNED   8
#define ALIGNMENT   16

struct _ScopeCudaDnn {
    cudnnHandle_t handle;
    ScopePlans *plans;
};

/* A tensor for the library: sizes and strides in its order of dimensions. */
typedef struct {
    gint64 type, n, size[5], stride[5];
} Shape;

/* What a plan depends on; no padding. */
typedef struct {
    gint64 is_conv;
    Shape tensor[4];
    gint64 pre[3], post[3], step[3], dilation[3];
} Key;
G_STATIC_ASSERT(sizeof(Key) <= SCOPE_PLANS_MAX_KEY);

typedef struct {
    cudnnBackendDescriptor_t owned[MAX_OWNED]; /* all that the plan stands on, freed backwards */
    int n_owned;
    cudnnBackendDescriptor_t plan;
    gsize workspace_bytes;
} Plan;

ScopeCudaDnn *
scope_cuda_dnn_create(void *stream)
{
    cudnnHandle_t handle;
    cudnnStatus_t status = cudnnCreate(&handle);
    if (status == CUDNN_STATUS_SUCCESS) {
        status = cudnnSetStream(handle, stream);
    }
    if (status != CUDNN_STATUS_SUCCESS) {
        g_warning("cuDNN does not start (%s): attention and convolutions take slow kernels",
                  cudnnGetErrorString(status));
        return NULL;
    }
    ScopeCudaDnn *dnn = g_new0(ScopeCudaDnn, 1);
    dnn->handle = handle;
    return dnn;
}

static void
plan_free(gpointer data)
{
    Plan *plan = data;
    if (plan->plan) {
        (void)cudnnBackendDestroyDescriptor(plan->plan);
    }
    while (plan->n_owned > 0) {
        (void)cudnnBackendDestroyDescriptor(plan->owned[--plan->n_owned]);
    }
    g_free(plan);
}

void
scope_cuda_dnn_destroy(ScopeCudaDnn *dnn)
{
    if (!dnn) {
        return;
    }
    scope_plans_destroy(dnn->plans);
    (void)cudnnDestroy(dnn->handle);
    g_free(dnn);
}

/* ---- descriptors --------------------------------------------------------------------------- */

static gboolean
set(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
    gint64 n, const void *values)
{
    return cudnnBackendSetAttribute(d, name, type, n, values) == CUDNN_STATUS_SUCCESS;
}

static gboolean
set_descriptor(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
               cudnnBackendDescriptor_t value)
{
    return set(d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

/* A new descriptor that @plan frees, or NULL. */
static cudnnBackendDescriptor_t
add(Plan *plan, cudnnBackendDescriptorType_t type)
{
    cudnnBackendDescriptor_t d = NULL;
    if (plan->n_owned == MAX_OWNED ||
        cudnnBackendCreateDescriptor(type, &d) != CUDNN_STATUS_SUCCESS) {
        return NULL;
    }
    plan->owned[plan->n_owned++] = d;
    return d;
}

static gboolean
finish(cudnnBackendDescriptor_t d)
{
    return cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS;
}

static cudnnBackendDescriptor_t
add_tensor(Plan *plan, gint64 id, const Shape *shape, gboolean is_value)
{
    const gint64 alignment = is_value ? 4 : ALIGNMENT;
    const cudnnDataType_t type = (cudnnDataType_t)shape->type;
    const bool by_value = is_value != FALSE;
    cudnnBackendDescriptor_t d = add(plan, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    gboolean ok =
        d && set(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id) &&
        set(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type) &&
        set(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment) &&
        set(d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, shape->n, shape->size) &&
        set(d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, shape->n, shape->stride) &&
        (!is_value || set(d, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &by_value)) &&
        finish(d);
    return ok ? d : NULL;
}

/* Turns engine @config into the plan. */
static gboolean
accept_engine(const ScopeCudaDnn *dnn, Plan *plan, cudnnBackendDescriptor_t config)
{
    cudnnBackendDescriptor_t d = NULL;
    gint64 n_bytes = 0, n = 0;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &d) !=
        CUDNN_STATUS_SUCCESS) {
        return FALSE;
    }
    if (set(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn->handle) &&
        set_descriptor(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config) && finish(d) &&
        cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                 &n, &n_bytes) == CUDNN_STATUS_SUCCESS) {
        plan->plan = d;
        plan->workspace_bytes = (gsize)n_bytes;
        return TRUE;
    }
    (void)cudnnBackendDestroyDescriptor(d);
    return FALSE;
}

/* The first engine that the heuristics of @mode name and that accepts the graph. */
static gboolean
choose_engine(const ScopeCudaDnn *dnn, Plan *plan, cudnnBackendDescriptor_t graph,
              cudnnBackendHeurMode_t mode)
{
    cudnnBackendDescriptor_t heuristics = NULL, configs[MAX_ENGINES] = {NULL};
    gint64 n_found = 0;
    gboolean done = FALSE, ok = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
                                                             &heuristics) == CUDNN_STATUS_SUCCESS;
    for (int i = 0; i < MAX_ENGINES && ok; i++) {
        ok = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &configs[i]) ==
             CUDNN_STATUS_SUCCESS;
    }
    ok = ok && set_descriptor(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph) &&
         set(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) &&
         finish(heuristics) &&
         cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                  CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_ENGINES, &n_found,
                                  configs) == CUDNN_STATUS_SUCCESS;
    for (gint64 i = 0; i < MIN(n_found, MAX_ENGINES) && ok && !done; i++) {
        done = accept_engine(dnn, plan, configs[i]);
    }
    for (int i = 0; i < MAX_ENGINES; i++) {
        if (configs[i]) {
            (void)cudnnBackendDestroyDescriptor(configs[i]);
        }
    }
    if (heuristics) {
        (void)cudnnBackendDestroyDescriptor(heuristics);
    }
    return done;
}

/* A plan for the graph of one operation. */
static gboolean
plan_operation(const ScopeCudaDnn *dnn, Plan *plan, cudnnBackendDescriptor_t operation)
{
    cudnnBackendDescriptor_t graph = add(plan, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    return graph &&
           set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &dnn->handle) &&
           set_descriptor(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, operation) && finish(graph) &&
           (choose_engine(dnn, plan, graph, CUDNN_HEUR_MODE_A) ||
            choose_engine(dnn, plan, graph, CUDNN_HEUR_MODE_FALLBACK));
}

/* ---- attention ----------------------------------------------------------------------------- */

/* [B, n, H, d] as the library's [B, H, n, d]. */
static Shape
shape_of_heads(ScopeTensor t)
{
    return (Shape){
        .type = CUDNN_DATA_BFLOAT16,
        .n = 4,
        .size = {t.shape[0], t.shape[2], t.shape[1], t.shape[3]},
        .stride = {MAX(t.stride[0], t.shape[1] * t.stride[1]), t.stride[2], t.stride[1], 1}};
}

static Key
sdpa_key(const ScopeCudaSdpa *sdpa)
{
    return (Key){.tensor = {shape_of_heads(sdpa->q), shape_of_heads(sdpa->k),
                            shape_of_heads(sdpa->v), shape_of_heads(sdpa->out)}};
}

static gboolean
build_sdpa(const ScopeCudaDnn *dnn, Plan *plan, const Key *key)
{
    static const cudnnBackendAttributeName_t names[4] = {
        CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC,
        CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC};
    const Shape scalar = {
        .type = CUDNN_DATA_FLOAT, .n = 4, .size = {1, 1, 1, 1}, .stride = {1, 1, 1, 1}};
    cudnnBackendDescriptor_t tensor[5];
    for (int i = 0; i < 5; i++) {
        tensor[i] = add_tensor(plan, i + 1, i < 4 ? &key->tensor[i] : &scalar, i == 4);
        if (!tensor[i]) {
            return FALSE;
        }
    }
    cudnnBackendDescriptor_t op = add(plan, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR);
    gboolean ok = op && set_descriptor(op, CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, tensor[4]);
    for (int i = 0; i < 4 && ok; i++) {
        ok = set_descriptor(op, names[i], tensor[i]);
    }
    return ok && finish(op) && plan_operation(dnn, plan, op);
}

/* ---- convolution --------------------------------------------------------------------------- */

/* 2D: frames are the batch. 3D: one sequence of frames. */
static Key
conv_key(const ScopeCudaConv *c)
{
    const ScopeConvGeometry *g = &c->geometry;
    const gint64 *x = c->x.shape, *xs = c->x.stride, *w = c->w.shape, *y = c->y.shape;
    gint64 ys[3] = {y[1] * y[2] * y[3], y[2] * y[3], y[3]};
    gint64 ws[3] = {w[2] * w[3] * w[4], w[3] * w[4], w[4]}, t = CUDNN_DATA_BFLOAT16;
    if (w[1] == 1) {
        return (Key){.is_conv = 2,
                     .tensor = {{t, 4, {x[0], x[3], x[1], x[2]}, {xs[0], 1, xs[1], xs[2]}},
                                {t, 4, {w[0], w[4], w[2], w[3]}, {w[1] * ws[0], 1, ws[1], ws[2]}},
                                {t, 4, {y[0], y[3], y[1], y[2]}, {ys[0], 1, ys[1], ys[2]}}},
                     .pre = {g->pad_top, g->pad_left},
                     .post = {g->pad_bottom, g->pad_right},
                     .step = {g->stride_h, g->stride_w},
                     .dilation = {g->dilation_h, g->dilation_w}};
    }
    return (Key){
        .is_conv = 3,
        .tensor = {{t, 5, {1, x[3], x[0], x[1], x[2]}, {x[0] * xs[0], 1, xs[0], xs[1], xs[2]}},
                   {t, 5, {w[0], w[4], w[1], w[2], w[3]}, {w[1] * ws[0], 1, ws[0], ws[1], ws[2]}},
                   {t, 5, {1, y[3], y[0], y[1], y[2]}, {y[0] * ys[0], 1, ys[0], ys[1], ys[2]}}},
        .pre = {0, g->pad_top, g->pad_left},
        .post = {0, g->pad_bottom, g->pad_right},
        .step = {g->stride_t, g->stride_h, g->stride_w},
        .dilation = {1, g->dilation_h, g->dilation_w}};
}

static cudnnBackendDescriptor_t
add_geometry(Plan *plan, const Key *key)
{
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    gint64 n = key->is_conv;
    cudnnBackendDescriptor_t d = add(plan, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    gboolean ok = d && set(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &n) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, n, key->pre) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, n, key->post) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, n, key->step) &&
                  set(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, n, key->dilation) &&
                  finish(d);
    return ok ? d : NULL;
}

static gboolean
build_conv(const ScopeCudaDnn *dnn, Plan *plan, const Key *key)
{
    static const cudnnBackendAttributeName_t names[3] = {
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
    const float alpha = 1.0F, beta = 0.0F;
    cudnnBackendDescriptor_t tensor[3], geometry = add_geometry(plan, key);
    for (int i = 0; i < 3; i++) {
        tensor[i] = add_tensor(plan, i + 1, &key->tensor[i], FALSE);
        if (!tensor[i]) {
            return FALSE;
        }
    }
    cudnnBackendDescriptor_t op = add(plan, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    gboolean ok =
        op && geometry &&
        set_descriptor(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, geometry) &&
        set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &alpha) &&
        set(op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &beta);
    for (int i = 0; i < 3 && ok; i++) {
        ok = set_descriptor(op, names[i], tensor[i]);
    }
    return ok && finish(op) && plan_operation(dnn, plan, op);
}

/* ---- planning and running ------------------------------------------------------------------ */

static const Plan *
find_plan(ScopeCudaDnn *dnn, const Key *key)
{
    gpointer found = NULL;
    if (!dnn->plans) {
        dnn->plans = scope_plans_create(MAX_PLANS, plan_free);
    }
    if (scope_plans_find(dnn->plans, key, sizeof *key, &found)) {
        return found;
    }
    Plan *plan = g_new0(Plan, 1);
    if (!(key->is_conv ? build_conv(dnn, plan, key) : build_sdpa(dnn, plan, key))) {
        char message[256] = "";
        cudnnGetLastErrorString(message, sizeof message);
        g_debug("cuDNN has no plan for %s: %s", key->is_conv ? "a convolution" : "an attention",
                message);
        g_clear_pointer(&plan, plan_free);
    }
    scope_plans_insert(dnn->plans, key, sizeof *key, plan);
    return plan;
}

static gboolean
is_aligned(ScopeTensor t)
{
    return (guintptr)t.data % ALIGNMENT == 0;
}

/* A shape that was planned: dropped again only if more shapes than the cache holds came between. */
static int
run(ScopeCudaDnn *dnn, const Key *key, int n, void **pointers, void *workspace)
{
    static const gint64 ids[5] = {1, 2, 3, 4, 5};
    const Plan *plan = find_plan(dnn, key);
    cudnnBackendDescriptor_t pack = NULL;
    cudnnStatus_t status = CUDNN_STATUS_BAD_PARAM;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack) !=
        CUDNN_STATUS_SUCCESS) {
        return -(int)cudaErrorUnknown;
    }
    if (plan && set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids) &&
        set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, pointers) &&
        set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace) &&
        finish(pack)) {
        status = cudnnBackendExecute(dnn->handle, plan->plan, pack);
    }
    (void)cudnnBackendDestroyDescriptor(pack);
    if (status == CUDNN_STATUS_SUCCESS) {
        return SCOPE_CUDA_DONE;
    }
    cudaError_t error = cudaGetLastError();
    g_warning("cuDNN refused to run a plan: %s", cudnnGetErrorString(status));
    return -(int)(error != cudaSuccess ? error : cudaErrorUnknown);
}

int
scope_cuda_dnn_plan_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, gsize *ret_n_bytes)
{
    const Key key = sdpa_key(sdpa);
    gboolean aligned =
        is_aligned(sdpa->q) && is_aligned(sdpa->k) && is_aligned(sdpa->v) && is_aligned(sdpa->out);
    const Plan *plan = aligned ? find_plan(dnn, &key) : NULL;
    *ret_n_bytes = plan ? plan->workspace_bytes : 0;
    return plan ? SCOPE_CUDA_DONE : SCOPE_CUDA_NO_PLAN;
}

int
scope_cuda_dnn_plan_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, gsize *ret_n_bytes)
{
    const Key key = conv_key(conv);
    gboolean aligned = is_aligned(conv->x) && is_aligned(conv->w) && is_aligned(conv->y);
    const Plan *plan = aligned ? find_plan(dnn, &key) : NULL;
    *ret_n_bytes = plan ? plan->workspace_bytes : 0;
    return plan ? SCOPE_CUDA_DONE : SCOPE_CUDA_NO_PLAN;
}

int
scope_cuda_dnn_run_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, void *workspace)
{
    const Key key = sdpa_key(sdpa);
    float scale = sdpa->scale;
    void *pointers[5] = {sdpa->q.data, sdpa->k.data, sdpa->v.data, sdpa->out.data, &scale};
    return run(dnn, &key, 5, pointers, workspace);
}

int
scope_cuda_dnn_run_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, void *workspace)
{
    const Key key = conv_key(conv);
    void *pointers[3] = {conv->x.data, conv->w.data, conv->y.data};
    return run(dnn, &key, 3, pointers, workspace);
}

/* ---- versions ------------------------------------------------------------------------------ */

void
scope_cuda_libraries_describe(char *text, gsize n_bytes)
{
    gsize dnn = cudnnGetVersion();
    g_snprintf(text, n_bytes, "cuDNN %" G_GSIZE_FORMAT ".%" G_GSIZE_FORMAT ".%" G_GSIZE_FORMAT,
               dnn / 10000, dnn / 100 % 100, dnn % 100);
}
