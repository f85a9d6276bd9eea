/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of a worker: owns the scratch arena, borrows backend and pool. One thread at a time.
 */
#include "engine/scope-context.h"

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"
#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"

ScopeContext *
scope_context_create(const ScopeBackend *backend, ScopePool *pool, GError **error)
{
    SCOPE_ASSERT(backend->abi_version == SCOPE_BACKEND_ABI_VERSION &&
                 backend->struct_size == sizeof(ScopeBackend));
    ScopeContext *ctx = g_new0(ScopeContext, 1);
    ctx->backend = backend;
    ctx->pool = pool;
    ctx->scratch = scope_arena_create(backend, "scratch");
    if (!backend->context_init(ctx, error)) {
        scope_arena_destroy(ctx->scratch);
        g_free(ctx);
        return NULL;
    }
    return ctx;
}

void
scope_context_destroy(ScopeContext *ctx)
{
    if (!ctx) {
        return;
    }
    ctx->backend->context_clear(ctx);
    scope_arena_destroy(ctx->scratch);
    g_free(ctx);
}

ScopeDType
scope_context_work_dtype(const ScopeContext *ctx)
{
    return ctx->backend->work_dtype;
}

ScopeTensor
scope_context_scratch(ScopeContext *ctx, ScopeDType dtype, int ndim, const int64_t *shape)
{
    return scope_arena_alloc(ctx->scratch, dtype, ndim, shape);
}

void
scope_context_upload(ScopeContext *ctx, ScopeTensor dst, const void *src)
{
    SCOPE_ASSERT(scope_tensor_is_contiguous(dst));
    ctx->backend->upload(ctx, dst.data, src, scope_tensor_n_bytes(dst));
}

void
scope_context_download(ScopeContext *ctx, void *dst, ScopeTensor src)
{
    SCOPE_ASSERT(scope_tensor_is_contiguous(src));
    ctx->backend->download(ctx, dst, src.data, scope_tensor_n_bytes(src));
}

gboolean
scope_context_synchronize(ScopeContext *ctx, GError **error)
{
    g_autoptr(GError) why = NULL;
    gboolean is_done = ctx->backend->synchronize(ctx, &why);
    if (ctx->backend->memory != SCOPE_MEMORY_HOST) {
        /* arenas of the host beside those of the device */
        is_done = scope_backend_cpu()->synchronize(ctx, why ? NULL : &why) && is_done;
    }
    if (g_error_matches(why, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_DEVICE_LOST)) {
        scope_devices_note_lost(ctx->backend);
    }
    if (why) {
        g_propagate_error(error, g_steal_pointer(&why));
    }
    return is_done;
}
