/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the CPU backend and its memory: anonymous mappings, which cost nothing until they
 * are touched. Where a thread's memory runs out in the middle of work, its ops do nothing until it
 * synchronizes, and the tensors without data are never read. Owns nothing else. Any thread.
 */
#include "engine/cpu/scope-cpu.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/scope-engine-error.h"

/* Why the calling thread's arenas could not grow; NULL = they could. Set by an allocation that has
 * no error argument, cleared by the thread's next synchronize. */
static _Thread_local GError *exhausted;

static void *
memory_alloc(const ScopeBackend *backend, size_t n_bytes, GError **error)
{
    (void)backend;
    void *data = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "mapping %zu bytes of memory: %s",
                    n_bytes, g_strerror(errno));
        return NULL;
    }
    /* a hint only: large pages save address translation in big products */
    (void)madvise(data, n_bytes, MADV_HUGEPAGE);
    return data;
}

static void
memory_free(const ScopeBackend *backend, void *data, size_t n_bytes)
{
    (void)backend;
    munmap(data, n_bytes);
}

static void
memory_exhausted(const ScopeBackend *backend, const GError *error)
{
    (void)backend;
    if (!exhausted) {
        exhausted = g_error_copy(error);
    }
}

gboolean
scope_cpu_is_exhausted(void)
{
    return exhausted != NULL;
}

void
scope_cpu_run(ScopeContext *ctx, int64_t n_tiles, ScopeTileFn fn, void *user_data)
{
    if (!exhausted) {
        scope_pool_run(ctx->pool, n_tiles, fn, user_data);
    }
}

static gboolean
context_init(ScopeContext *ctx, GError **error)
{
    (void)ctx;
    (void)error;
    return TRUE;
}

static void
context_clear(ScopeContext *ctx)
{
    (void)ctx;
}

static void
upload(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes)
{
    (void)ctx;
    if (n_bytes > 0 && !exhausted) {
        memcpy(dst, src, n_bytes);
    }
}

static void
download(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes)
{
    (void)ctx;
    if (n_bytes > 0 && !exhausted) {
        memcpy(dst, src, n_bytes);
    } else if (n_bytes > 0) {
        memset(dst, 0, n_bytes); /* the caller learns of the failure when it synchronizes */
    }
}

static gboolean
synchronize(ScopeContext *ctx, GError **error)
{
    g_autoptr(GError) full = g_steal_pointer(&exhausted);
    (void)ctx;
    if (full) {
        g_set_error_literal(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_OUT_OF_MEMORY,
                            full->message);
    }
    return !full;
}

/* There is nothing to gain from recording: ops run where they are called. */
static gboolean
capture_begin(ScopeContext *ctx)
{
    (void)ctx;
    return FALSE;
}

static void *
capture_end(ScopeContext *ctx)
{
    (void)ctx;
    return NULL;
}

static void
graph_launch(ScopeContext *ctx, void *graph)
{
    (void)ctx;
    (void)graph;
    g_assert_not_reached();
}

static void
graph_free(const ScopeBackend *backend, void *graph)
{
    (void)backend;
    (void)graph;
    g_assert_not_reached();
}

static const ScopeBackend cpu_backend = {
    .abi_version = SCOPE_BACKEND_ABI_VERSION,
    .struct_size = sizeof(ScopeBackend),
    .name = "cpu",
    .memory = SCOPE_MEMORY_HOST,
    .work_dtype = SCOPE_DTYPE_F32,
    .memory_alloc = memory_alloc,
    .memory_free = memory_free,
    .memory_exhausted = memory_exhausted,
    .context_init = context_init,
    .context_clear = context_clear,
    .upload = upload,
    .download = download,
    .synchronize = synchronize,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .graph_launch = graph_launch,
    .graph_free = graph_free,
    .prepare_weight = scope_cpu_prepare_weight,
    .linear = scope_cpu_linear,
    .matmul = scope_cpu_matmul,
    .conv = scope_cpu_conv,
    .conv_transpose = scope_cpu_conv_transpose,
    .attention = scope_cpu_attention,
    .rope = scope_cpu_rope,
    .norm = scope_cpu_norm,
    .group_norm = scope_cpu_group_norm,
    .softmax = scope_cpu_softmax,
    .unary = scope_cpu_unary,
    .binary = scope_cpu_binary,
    .scale_add = scope_cpu_scale_add,
    .lerp = scope_cpu_lerp,
    .glu = scope_cpu_glu,
    .reduce = scope_cpu_reduce,
    .copy = scope_cpu_copy,
    .move_rows = scope_cpu_move_rows,
    .fill = scope_cpu_fill,
    .gather_rows = scope_cpu_gather_rows,
    .random_normal = scope_cpu_random_normal,
    .resize = scope_cpu_resize,
    .grid_sample = scope_cpu_grid_sample,
    .pool2d = scope_cpu_pool2d,
    .pad = scope_cpu_pad,
};

const ScopeBackend *
scope_backend_cpu(void)
{
    return &cpu_backend;
}
