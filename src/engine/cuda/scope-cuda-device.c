/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA runtime behind scope-cuda-device.h. Owns nothing. Any thread.
 */
#include "engine/cuda/scope-cuda-device.h"

#include <cuda_runtime_api.h>

/* The driver must be of the runtime's major version or later. */
#define VERSION_MAJOR(version) ((version) / 1000)
#define VERSION_MINOR(version) ((version) % 1000 / 10)

#define MIN_COMPUTE_MAJOR 9 /* the kernels are built for 9.0 and, as PTX, for what follows */

static void
read_device(int index, ScopeDeviceInfo *info)
{
    struct cudaDeviceProp properties;
    size_t n_free = 0, n_total = 0;
    if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) {
        return;
    }
    g_strlcpy(info->name, properties.name, sizeof info->name);
    info->major = properties.major;
    info->minor = properties.minor;
    info->total_bytes = properties.totalGlobalMem;
    if (cudaSetDevice(index) == cudaSuccess && cudaMemGetInfo(&n_free, &n_total) == cudaSuccess) {
        info->free_bytes = n_free;
    }
}

static void
refuse(ScopeDeviceProbe *probe, ScopeDeviceState state, const char *reason)
{
    probe->state = state;
    g_strlcpy(probe->reason, reason, sizeof probe->reason);
}

static void
refuse_driver(ScopeDeviceProbe *probe)
{
    int driver = probe->driver_version, runtime = probe->runtime_version;
    if (driver == 0) {
        refuse(probe, SCOPE_DEVICE_NO_DRIVER,
               "no NVIDIA driver is loaded; install the driver of the GPU");
        return;
    }
    probe->state = SCOPE_DEVICE_OLD_DRIVER;
    g_snprintf(probe->reason, sizeof probe->reason,
               "the NVIDIA driver supports CUDA %d.%d, the module needs %d.%d; update the driver",
               VERSION_MAJOR(driver), VERSION_MINOR(driver), VERSION_MAJOR(runtime),
               VERSION_MINOR(runtime));
}

void
scope_cuda_device_probe(ScopeDeviceProbe *ret_probe)
{
    int n = 0;
    if (cudaDriverGetVersion(&ret_probe->driver_version) != cudaSuccess) {
        ret_probe->driver_version = 0;
    }
    (void)cudaRuntimeGetVersion(&ret_probe->runtime_version);
    cudaError_t status = cudaGetDeviceCount(&n);
    if (status == cudaErrorInsufficientDriver || ret_probe->driver_version == 0) {
        refuse_driver(ret_probe);
        return;
    }
    if (status == cudaErrorNoDevice || (status == cudaSuccess && n == 0)) {
        refuse(ret_probe, SCOPE_DEVICE_NONE, "the NVIDIA driver sees no device");
        return;
    }
    if (status != cudaSuccess) {
        refuse(ret_probe, SCOPE_DEVICE_NONE, cudaGetErrorString(status));
        return;
    }
    ret_probe->n_devices = MIN(n, SCOPE_MAX_DEVICES);
    int n_usable = 0;
    for (int i = 0; i < ret_probe->n_devices; i++) {
        read_device(i, &ret_probe->devices[i]);
        n_usable += ret_probe->devices[i].major >= MIN_COMPUTE_MAJOR;
    }
    if (n_usable == 0) {
        ret_probe->state = SCOPE_DEVICE_NONE;
        g_snprintf(ret_probe->reason, sizeof ret_probe->reason,
                   "%s has compute capability %d.%d, the module needs %d.0 (Hopper) or later",
                   ret_probe->devices[0].name, ret_probe->devices[0].major,
                   ret_probe->devices[0].minor, MIN_COMPUTE_MAJOR);
    }
}

const char *
scope_cuda_device_describe(int code)
{
    return cudaGetErrorString((cudaError_t)-code);
}

gboolean
scope_cuda_device_is_full(int code)
{
    return code == -(int)cudaErrorMemoryAllocation;
}

int
scope_cuda_device_use(int index)
{
    return -(int)cudaSetDevice(index);
}

int
scope_cuda_device_alloc(void **ret_data, size_t n_bytes)
{
    cudaError_t status = cudaMalloc(ret_data, n_bytes);
    if (status == cudaErrorMemoryAllocation) {
        (void)cudaGetLastError(); /* it is not sticky, and the next kernel must not report it */
    }
    return -(int)status;
}

void
scope_cuda_device_free(void *data, size_t n_bytes)
{
    (void)n_bytes;
    (void)cudaFree(data);
}

int
scope_cuda_device_get_free(uint64_t *ret_free)
{
    size_t n_free = 0, n_total = 0;
    cudaError_t status = cudaMemGetInfo(&n_free, &n_total);
    *ret_free = n_free;
    return -(int)status;
}

int
scope_cuda_host_alloc(void **ret_data, size_t n_bytes)
{
    return -(int)cudaHostAlloc(ret_data, n_bytes, cudaHostAllocDefault);
}

void
scope_cuda_host_free(void *data)
{
    (void)cudaFreeHost(data);
}

int
scope_cuda_stream_create(void **ret_stream)
{
    return -(int)cudaStreamCreateWithFlags((cudaStream_t *)ret_stream, cudaStreamNonBlocking);
}

void
scope_cuda_stream_destroy(void *stream)
{
    (void)cudaStreamDestroy(stream);
}

int
scope_cuda_stream_synchronize(void *stream)
{
    return -(int)cudaStreamSynchronize(stream);
}

int
scope_cuda_event_create(void **ret_event)
{
    return -(int)cudaEventCreateWithFlags((cudaEvent_t *)ret_event, cudaEventDisableTiming);
}

void
scope_cuda_event_destroy(void *event)
{
    (void)cudaEventDestroy(event);
}

int
scope_cuda_event_record(void *event, void *stream)
{
    return -(int)cudaEventRecord(event, stream);
}

int
scope_cuda_event_synchronize(void *event)
{
    return -(int)cudaEventSynchronize(event);
}

int
scope_cuda_copy_to_device(void *dst, const void *src, size_t n_bytes, void *stream)
{
    return -(int)cudaMemcpyAsync(dst, src, n_bytes, cudaMemcpyHostToDevice, stream);
}

int
scope_cuda_copy_to_host(void *dst, const void *src, size_t n_bytes, void *stream)
{
    return -(int)cudaMemcpyAsync(dst, src, n_bytes, cudaMemcpyDeviceToHost, stream);
}

int
scope_cuda_graph_begin(void *stream)
{
    return -(int)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
}

int
scope_cuda_graph_end(void *stream, void **ret_graph)
{
    cudaGraph_t recorded = NULL;
    cudaGraphExec_t ready = NULL;
    cudaError_t status = cudaStreamEndCapture(stream, &recorded);
    if (status == cudaSuccess && recorded) {
        status = cudaGraphInstantiate(&ready, recorded, 0);
    }
    if (recorded) {
        (void)cudaGraphDestroy(recorded);
    }
    (void)cudaGetLastError(); /* a capture that failed is no fault of the device */
    *ret_graph = ready;
    return -(int)status;
}

int
scope_cuda_graph_launch(void *graph, void *stream)
{
    return -(int)cudaGraphLaunch(graph, stream);
}

void
scope_cuda_graph_destroy(void *graph)
{
    (void)cudaGraphExecDestroy(graph);
}
