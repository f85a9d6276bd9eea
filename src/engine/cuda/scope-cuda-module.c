/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one symbol of the module: finds devices and makes backend tables, which live as long as the
 * process. The loader's thread.
 */
#include "engine/cuda/scope-cuda.h"

#include "engine/scope-engine-error.h"

static void
probe(ScopeDeviceProbe *ret_probe)
{
    *ret_probe = (ScopeDeviceProbe){.state = SCOPE_DEVICE_READY};
    scope_cuda_libraries_describe(ret_probe->libraries, sizeof ret_probe->libraries);
    scope_cuda_device_probe(ret_probe);
}

static const ScopeBackend *
open_device(int index, ScopePrecision precision, GError **error)
{
    int code = scope_cuda_device_use(index);
    if (code != 0) {
        g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE,
                    "opening CUDA device %d: %s", index, scope_cuda_device_describe(code));
        return NULL;
    }
    ScopeCudaDevice *device = g_new0(ScopeCudaDevice, 1);
    ScopeBackend *table = &device->table;
    device->index = index;
    device->precision = precision;
    table->abi_version = SCOPE_BACKEND_ABI_VERSION;
    table->struct_size = sizeof *table;
    table->name = "cuda";
    table->memory = SCOPE_MEMORY_DEVICE;
    table->work_dtype = precision == SCOPE_PRECISION_F32 ? SCOPE_DTYPE_F32 : SCOPE_DTYPE_BF16;
    table->state = device;
    scope_cuda_backend_fill_memory(table);
    scope_cuda_backend_fill_small(table);
    table->prepare_weight = scope_cuda_prepare_weight;
    table->linear = scope_cuda_linear;
    table->matmul = scope_cuda_matmul;
    table->conv = scope_cuda_conv;
    table->conv_transpose = scope_cuda_conv_transpose;
    table->attention = scope_cuda_attention;
    return table;
}

extern const ScopeBackendModule scope_backend_module;
__attribute__((visibility("default"))) const ScopeBackendModule scope_backend_module = {
    .abi_version = SCOPE_BACKEND_ABI_VERSION,
    .struct_size = sizeof(ScopeBackendModule),
    .probe = probe,
    .open = open_device,
};
