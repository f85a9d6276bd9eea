/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scope-cuda-device.h and scope-cuda-libraries.h without a device: work runs where it is queued,
 * memory is protected while no kernel runs, and the libraries have no plan for anything. The
 * variable SCOPE_EMULATED sets what goes wrong: "no-driver", "no-device", "full:BYTES" (memory
 * that there is), "lost:N" (the N-th synchronization fails, and everything after it),
 * "lost-when:FILE" (synchronizations fail once FILE is there).
 */
#include "cuda/emulated-device.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/cuda/scope-cuda-libraries.h"

#define FULL (-2)
#define LOST (-700)

#define LOST_WHEN "lost-when:"

#define MAX_REGIONS 1024
#define PAGE        4096

static struct {
    char *data;
    size_t n_bytes;
} regions[MAX_REGIONS];
static int n_regions, depth;
static size_t used_bytes;
static int n_synchronized;

/* The value behind "NAME:" in the variable, or -1. */
static gint64
fault(const char *name)
{
    const char *value = g_getenv("SCOPE_EMULATED");
    size_t n = strlen(name);
    if (!value || strncmp(value, name, n) != 0) {
        return -1;
    }
    return value[n] == ':' ? g_ascii_strtoll(value + n + 1, NULL, 10) : 0;
}

static gboolean
is_lost(void)
{
    const char *value = g_getenv("SCOPE_EMULATED");
    gint64 lost_at = fault("lost");
    if (value && g_str_has_prefix(value, LOST_WHEN)) {
        return g_file_test(value + strlen(LOST_WHEN), G_FILE_TEST_EXISTS);
    }
    return lost_at >= 0 && n_synchronized > lost_at;
}

static void
protect(int how)
{
    for (int i = 0; i < n_regions; i++) {
        g_assert_cmpint(mprotect(regions[i].data, regions[i].n_bytes, how), ==, 0);
    }
}

void
scope_emulated_enter(void)
{
    if (depth++ == 0) {
        protect(PROT_READ | PROT_WRITE);
    }
}

void
scope_emulated_leave(void)
{
    if (--depth == 0) {
        protect(PROT_NONE);
    }
}

/* ---- devices ------------------------------------------------------------------------------- */

void
scope_cuda_device_probe(ScopeDeviceProbe *ret_probe)
{
    ret_probe->runtime_version = 13000;
    if (fault("no-driver") >= 0) {
        ret_probe->state = SCOPE_DEVICE_NO_DRIVER;
        g_strlcpy(ret_probe->reason, "emulated: no driver", sizeof ret_probe->reason);
        return;
    }
    ret_probe->driver_version = 13000;
    if (fault("no-device") >= 0) {
        ret_probe->state = SCOPE_DEVICE_NONE;
        g_strlcpy(ret_probe->reason, "emulated: no device", sizeof ret_probe->reason);
        return;
    }
    ret_probe->n_devices = 2;
    for (int i = 0; i < 2; i++) {
        ScopeDeviceInfo *info = &ret_probe->devices[i];
        g_strlcpy(info->name, "Emulated GPU", sizeof info->name);
        info->major = 9;
        info->total_bytes = info->free_bytes = (uint64_t)1 << 30;
    }
}

const char *
scope_cuda_device_describe(int code)
{
    return code == FULL ? "out of memory" : "an illegal memory access was encountered";
}

gboolean
scope_cuda_device_is_full(int code)
{
    return code == FULL;
}

int
scope_cuda_device_use(int index)
{
    return index < 2 ? 0 : LOST;
}

int
scope_cuda_device_alloc(void **ret_data, size_t n_bytes)
{
    gint64 limit = fault("full");
    size_t rounded = (n_bytes + PAGE - 1) / PAGE * PAGE;
    if ((limit >= 0 && used_bytes + rounded > (size_t)limit) || n_regions == MAX_REGIONS) {
        return FULL;
    }
    void *data = mmap(NULL, rounded, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(data != MAP_FAILED);
    regions[n_regions].data = data;
    regions[n_regions++].n_bytes = rounded;
    used_bytes += rounded;
    *ret_data = data;
    return 0;
}

void
scope_cuda_device_free(void *data, size_t n_bytes)
{
    (void)n_bytes;
    for (int i = 0; i < n_regions; i++) {
        if (regions[i].data == data) {
            used_bytes -= regions[i].n_bytes;
            g_assert_cmpint(munmap(data, regions[i].n_bytes), ==, 0);
            regions[i] = regions[--n_regions];
            return;
        }
    }
    g_assert_not_reached();
}

int
scope_cuda_device_get_free(uint64_t *ret_free)
{
    gint64 limit = fault("full");
    *ret_free = limit >= 0 ? (uint64_t)limit - used_bytes : (uint64_t)1 << 30;
    return 0;
}

int
scope_cuda_host_alloc(void **ret_data, size_t n_bytes)
{
    *ret_data = g_malloc(n_bytes);
    return 0;
}

void
scope_cuda_host_free(void *data)
{
    g_free(data);
}

/* ---- streams ------------------------------------------------------------------------------- */

int
scope_cuda_stream_create(void **ret_stream)
{
    *ret_stream = g_malloc0(1);
    return 0;
}

void
scope_cuda_stream_destroy(void *stream)
{
    g_free(stream);
}

int
scope_cuda_stream_synchronize(void *stream)
{
    (void)stream;
    n_synchronized++;
    return is_lost() ? LOST : 0;
}

int
scope_cuda_event_create(void **ret_event)
{
    *ret_event = g_malloc0(1);
    return 0;
}

void
scope_cuda_event_destroy(void *event)
{
    g_free(event);
}

int
scope_cuda_event_record(void *event, void *stream)
{
    (void)event;
    (void)stream;
    return 0;
}

int
scope_cuda_event_synchronize(void *event)
{
    (void)event;
    return 0;
}

int
scope_cuda_copy_to_device(void *dst, const void *src, size_t n_bytes, void *stream)
{
    (void)stream;
    scope_emulated_enter();
    memcpy(dst, src, n_bytes);
    scope_emulated_leave();
    return 0;
}

int
scope_cuda_copy_to_host(void *dst, const void *src, size_t n_bytes, void *stream)
{
    return scope_cuda_copy_to_device(dst, src, n_bytes, stream);
}

/* Nothing can be recorded, because work runs where it is queued. */
int
scope_cuda_graph_begin(void *stream)
{
    (void)stream;
    return LOST;
}

int
scope_cuda_graph_end(void *stream, void **ret_graph)
{
    (void)stream;
    *ret_graph = NULL;
    return LOST;
}

int
scope_cuda_graph_launch(void *graph, void *stream)
{
    (void)graph;
    (void)stream;
    return LOST;
}

void
scope_cuda_graph_destroy(void *graph)
{
    (void)graph;
}

/* ---- libraries ----------------------------------------------------------------------------- */

void
scope_cuda_libraries_describe(char *text, gsize n_bytes)
{
    g_strlcpy(text, "none", n_bytes);
}

ScopeCudaBlas *
scope_cuda_blas_create(void *stream, void *workspace, gsize n_bytes)
{
    (void)workspace;
    (void)n_bytes;
    return stream;
}

void
scope_cuda_blas_destroy(ScopeCudaBlas *blas)
{
    (void)blas;
}

int
scope_cuda_blas_product(ScopeCudaBlas *blas, const ScopeCudaProduct *product)
{
    (void)blas;
    (void)product;
    return SCOPE_CUDA_NO_PLAN;
}

ScopeCudaDnn *
scope_cuda_dnn_create(void *stream)
{
    return stream;
}

void
scope_cuda_dnn_destroy(ScopeCudaDnn *dnn)
{
    (void)dnn;
}

int
scope_cuda_dnn_plan_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, gsize *ret_n_bytes)
{
    (void)dnn;
    (void)sdpa;
    *ret_n_bytes = 0;
    return SCOPE_CUDA_NO_PLAN;
}

int
scope_cuda_dnn_plan_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, gsize *ret_n_bytes)
{
    (void)dnn;
    (void)conv;
    *ret_n_bytes = 0;
    return SCOPE_CUDA_NO_PLAN;
}

int
scope_cuda_dnn_run_sdpa(ScopeCudaDnn *dnn, const ScopeCudaSdpa *sdpa, void *workspace)
{
    (void)dnn;
    (void)sdpa;
    (void)workspace;
    return LOST;
}

int
scope_cuda_dnn_run_conv(ScopeCudaDnn *dnn, const ScopeCudaConv *conv, void *workspace)
{
    (void)dnn;
    (void)conv;
    (void)workspace;
    return LOST;
}
