/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products by cuBLASLt. The algorithm of a shape is asked for once and kept with its descriptors.
 * Row-major tensors are the library's column-major ones transposed: y^T = w x^T. Owns the handle
 * and the plans. The thread that owns the context.
 */
#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "engine/cuda/scope-cuda-libraries.h"
#include "engine/scope-plans.h"

#define MAX_PLANS     512
#define MAX_ALIGNMENT 256

struct _ScopeCudaBlas {
    cublasLtHandle_t handle;
    void *stream, *workspace;
    gsize workspace_bytes;
    ScopePlans *plans;
};

/* Everything that the choice of an algorithm depends on. No padding: all members are 64 bits. */
typedef struct {
    gint64 n_batches, n, o, k;
    gint64 y_row, x_row, w_row, add_row, y_batch, x_batch, w_batch;
    gint64 x_type, y_type, w_is_transposed;
    gint64 has_scales, has_bias, has_add, has_gelu;
    gint64 x_alignment, w_alignment, y_alignment, add_alignment;
} Key;

typedef struct {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t w, x, add, y;
    cublasLtMatmulAlgo_t algo;
} Plan;

static void
plan_free(gpointer data)
{
    Plan *plan = data;
    cublasLtMatrixLayout_t layouts[4] = {plan->w, plan->x, plan->add, plan->y};
    for (int i = 0; i < 4; i++) {
        if (layouts[i]) {
            (void)cublasLtMatrixLayoutDestroy(layouts[i]);
        }
    }
    if (plan->desc) {
        (void)cublasLtMatmulDescDestroy(plan->desc);
    }
    g_free(plan);
}

ScopeCudaBlas *
scope_cuda_blas_create(void *stream, void *workspace, gsize n_bytes)
{
    cublasLtHandle_t handle;
    cublasStatus_t status = cublasLtCreate(&handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        g_warning("cuBLASLt does not start (%s): products take slow kernels",
                  cublasLtGetStatusString(status));
        return NULL;
    }
    ScopeCudaBlas *blas = g_new0(ScopeCudaBlas, 1);
    blas->handle = handle;
    blas->stream = stream;
    blas->workspace = workspace;
    blas->workspace_bytes = n_bytes;
    blas->plans = scope_plans_create(MAX_PLANS, plan_free);
    return blas;
}

void
scope_cuda_blas_destroy(ScopeCudaBlas *blas)
{
    if (!blas) {
        return;
    }
    scope_plans_destroy(blas->plans);
    (void)cublasLtDestroy(blas->handle);
    g_free(blas);
}

/* ---- plans --------------------------------------------------------------------------------- */

static gint64
alignment_of(ScopeTensor t)
{
    guintptr address = (guintptr)t.data;
    return address == 0 ? MAX_ALIGNMENT : MIN(MAX_ALIGNMENT, (gint64)(address & -address));
}

static cudaDataType_t
type_of(ScopeDType dtype)
{
    return dtype == SCOPE_DTYPE_F32       ? CUDA_R_32F
           : dtype == SCOPE_DTYPE_F8_E4M3 ? CUDA_R_8F_E4M3
                                          : CUDA_R_16BF;
}

static Key
key_of(const ScopeCudaProduct *p)
{
    Key key = {.n_batches = p->y.shape[0],
               .n = p->y.shape[1],
               .o = p->y.shape[2],
               .k = p->x.shape[2],
               .y_row = MAX(p->y.stride[1], p->y.shape[2]),
               .x_row = MAX(p->x.stride[1], p->x.shape[2]),
               .w_is_transposed = p->w.stride[2] == 1 || p->w.shape[2] == 1,
               .y_batch = p->y.stride[0],
               .x_batch = p->x.stride[0],
               .w_batch = p->w.stride[0],
               .x_type = p->x.dtype,
               .y_type = p->y.dtype,
               .has_scales = !scope_tensor_is_none(p->x_scale),
               .has_bias = !scope_tensor_is_none(p->bias),
               .has_add = !scope_tensor_is_none(p->add),
               .has_gelu = p->gelu,
               .x_alignment = alignment_of(p->x),
               .w_alignment = alignment_of(p->w),
               .y_alignment = alignment_of(p->y)};
    key.w_row = key.w_is_transposed ? MAX(p->w.stride[1], p->w.shape[2])
                                    : MAX(p->w.stride[2], p->w.shape[1]);
    key.add_row = key.has_add ? MAX(p->add.stride[0], p->add.shape[1]) : key.y_row;
    key.add_alignment = key.has_add ? alignment_of(p->add) : key.y_alignment;
    return key;
}

static gboolean
make_layout(cublasLtMatrixLayout_t *layout, cudaDataType_t type, gint64 rows, gint64 columns,
            gint64 step, gint64 n_batches, gint64 batch)
{
    int32_t count = (int32_t)n_batches;
    return cublasLtMatrixLayoutCreate(layout, type, (uint64_t)rows, (uint64_t)columns, step) ==
               CUBLAS_STATUS_SUCCESS &&
           cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count,
                                            sizeof count) == CUBLAS_STATUS_SUCCESS &&
           cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                            &batch, sizeof batch) == CUBLAS_STATUS_SUCCESS;
}

static gboolean
set(const Plan *plan, cublasLtMatmulDescAttributes_t attribute, const void *value, gsize n_bytes)
{
    return cublasLtMatmulDescSetAttribute(plan->desc, attribute, value, n_bytes) ==
           CUBLAS_STATUS_SUCCESS;
}

/* The addresses of one call. */
static gboolean
set_pointers(const Plan *plan, const ScopeCudaProduct *p)
{
    return (scope_tensor_is_none(p->bias) ||
            set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p->bias.data, sizeof p->bias.data)) &&
           (scope_tensor_is_none(p->x_scale) || (set(plan, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
                                                     &p->w_scale.data, sizeof p->w_scale.data) &&
                                                 set(plan, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
                                                     &p->x_scale.data, sizeof p->x_scale.data)));
}

static gboolean
make_desc(Plan *plan, const Key *key, const ScopeCudaProduct *p)
{
    const cublasOperation_t op_w = key->w_is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = key->has_gelu && key->has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS
                                        : key->has_gelu                ? CUBLASLT_EPILOGUE_GELU
                                        : key->has_bias                ? CUBLASLT_EPILOGUE_BIAS
                                                                       : CUBLASLT_EPILOGUE_DEFAULT;
    const cublasLtMatmulMatrixScale_t mode = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
    return cublasLtMatmulDescCreate(&plan->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) ==
               CUBLAS_STATUS_SUCCESS &&
           set(plan, CUBLASLT_MATMUL_DESC_TRANSA, &op_w, sizeof op_w) &&
           set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue) &&
           (!key->has_scales ||
            (set(plan, CUBLASLT_MATMUL_DESC_A_SCALE_MODE, &mode, sizeof mode) &&
             set(plan, CUBLASLT_MATMUL_DESC_B_SCALE_MODE, &mode, sizeof mode))) &&
           set_pointers(plan, p);
}

static gboolean
make_layouts(Plan *plan, const Key *key)
{
    cudaDataType_t in = type_of((ScopeDType)key->x_type), out = type_of((ScopeDType)key->y_type);
    gint64 w_rows = key->w_is_transposed ? key->k : key->o;
    gint64 w_columns = key->w_is_transposed ? key->o : key->k;
    return make_layout(&plan->w, in, w_rows, w_columns, key->w_row, key->n_batches, key->w_batch) &&
           make_layout(&plan->x, in, key->k, key->n, key->x_row, key->n_batches, key->x_batch) &&
           make_layout(&plan->add, out, key->o, key->n, key->add_row, key->n_batches,
                       key->y_batch) &&
           make_layout(&plan->y, out, key->o, key->n, key->y_row, key->n_batches, key->y_batch);
}

static gboolean
choose_algorithm(const ScopeCudaBlas *blas, Plan *plan, const Key *key)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t result;
    int n_results = 0;
    const struct {
        cublasLtMatmulPreferenceAttributes_t attribute;
        gint64 alignment;
    } alignments[4] = {{CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key->w_alignment},
                       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key->x_alignment},
                       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key->add_alignment},
                       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key->y_alignment}};
    if (cublasLtMatmulPreferenceCreate(&preference) != CUBLAS_STATUS_SUCCESS) {
        return FALSE;
    }
    gboolean ok = cublasLtMatmulPreferenceSetAttribute(
                      preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &blas->workspace_bytes,
                      sizeof blas->workspace_bytes) == CUBLAS_STATUS_SUCCESS;
    for (int i = 0; i < 4 && ok; i++) {
        uint32_t bytes = (uint32_t)alignments[i].alignment;
        ok = cublasLtMatmulPreferenceSetAttribute(preference, alignments[i].attribute, &bytes,
                                                  sizeof bytes) == CUBLAS_STATUS_SUCCESS;
    }
    ok = ok &&
         cublasLtMatmulAlgoGetHeuristic(blas->handle, plan->desc, plan->w, plan->x, plan->add,
                                        plan->y, preference, 1, &result,
                                        &n_results) == CUBLAS_STATUS_SUCCESS &&
         n_results == 1 && result.state == CUBLAS_STATUS_SUCCESS;
    (void)cublasLtMatmulPreferenceDestroy(preference);
    plan->algo = result.algo;
    return ok;
}

static Plan *
make_plan(const ScopeCudaBlas *blas, const Key *key, const ScopeCudaProduct *p)
{
    Plan *plan = g_new0(Plan, 1);
    if (make_desc(plan, key, p) && make_layouts(plan, key) && choose_algorithm(blas, plan, key)) {
        return plan;
    }
    g_debug("cuBLASLt has no algorithm for %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT
            "x%" G_GINT64_FORMAT,
            key->n, key->o, key->k);
    plan_free(plan);
    return NULL;
}

int
scope_cuda_blas_product(ScopeCudaBlas *blas, const ScopeCudaProduct *p)
{
    const Key key = key_of(p);
    gpointer found = NULL;
    if (!scope_plans_find(blas->plans, &key, sizeof key, &found)) {
        found = make_plan(blas, &key, p);
        scope_plans_insert(blas->plans, &key, sizeof key, found);
    }
    const Plan *plan = found;
    if (!plan || !set_pointers(plan, p)) {
        return SCOPE_CUDA_NO_PLAN;
    }
    const float beta = key.has_add ? 1.0F : 0.0F;
    cublasStatus_t status =
        cublasLtMatmul(blas->handle, plan->desc, &p->alpha, p->w.data, plan->w, p->x.data, plan->x,
                       &beta, key.has_add ? p->add.data : p->y.data, plan->add, p->y.data, plan->y,
                       &plan->algo, blas->workspace, blas->workspace_bytes, blas->stream);
    if (status == CUBLAS_STATUS_SUCCESS) {
        return SCOPE_CUDA_DONE;
    }
    cudaError_t error = cudaGetLastError();
    return error != cudaSuccess ? -(int)error : SCOPE_CUDA_NO_PLAN;
}
