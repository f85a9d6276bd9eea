/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, transfers, errors and graphs of the CUDA backend. A context owns a stream, the handles of
 * the libraries and its pinned pieces. The thread that owns the context.
 */
#include "engine/cuda/scope-cuda.h"

#include <gio/gio.h>
#include <string.h>

#include "engine/scope-engine-error.h"

/* Why the calling thread's arenas could not grow; NULL = they could. Set by an allocation that has
 * no error argument, cleared by the thread's next synchronize. */
static _Thread_local GError *exhausted;

static ScopeCudaDevice *
device_of(const ScopeBackend *backend)
{
    return backend->state;
}

/* ---- memory -------------------------------------------------------------------------------- */

static void *
memory_alloc(const ScopeBackend *backend, size_t n_bytes, GError **error)
{
    void *data = NULL;
    int code = scope_cuda_device_use(device_of(backend)->index);
    code = code == 0 ? scope_cuda_device_alloc(&data, n_bytes) : code;
    if (code == 0) {
        return data;
    }
    uint64_t n_free = 0;
    if (scope_cuda_device_is_full(code) && scope_cuda_device_get_free(&n_free) == 0) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "allocating %zu bytes on device %d: %" G_GUINT64_FORMAT " are free", n_bytes,
                    device_of(backend)->index, n_free);
    } else {
        g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_DEVICE_LOST,
                    "allocating %zu bytes on device %d: %s", n_bytes, device_of(backend)->index,
                    scope_cuda_device_describe(code));
    }
    return NULL;
}

static void
memory_free(const ScopeBackend *backend, void *data, size_t n_bytes)
{
    (void)scope_cuda_device_use(device_of(backend)->index);
    scope_cuda_device_free(data, n_bytes);
}

static void
memory_exhausted(const ScopeBackend *backend, const GError *error)
{
    (void)backend;
    if (!exhausted) {
        exhausted = g_error_copy(error);
    }
}

/* ---- context ------------------------------------------------------------------------------- */

ScopeCudaStream *
scope_cuda_begin(ScopeContext *ctx)
{
    ScopeCudaStream *s = ctx->stream;
    if (s->failure != 0 || exhausted) {
        return NULL;
    }
    scope_cuda_check(s, scope_cuda_device_use(s->device->index), "choosing the device");
    return s->failure == 0 ? s : NULL;
}

ScopeCudaStream *
scope_cuda_begin_unrecorded(ScopeContext *ctx)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (s && s->is_capturing) {
        s->is_spoiled = TRUE;
        return NULL;
    }
    return s;
}

void
scope_cuda_check(ScopeCudaStream *s, int code, const char *what)
{
    if (code < 0 && s->failure == 0) {
        s->failure = code;
        s->failed_at = what;
    }
}

static void
context_clear(ScopeContext *ctx)
{
    ScopeCudaStream *s = ctx->stream;
    (void)scope_cuda_device_use(s->device->index);
    if (s->stream) {
        (void)scope_cuda_stream_synchronize(s->stream);
    }
    scope_cuda_dnn_destroy(s->dnn);
    scope_cuda_blas_destroy(s->blas);
    for (int i = 0; i < SCOPE_CUDA_N_PIECES; i++) {
        if (s->piece_done[i]) {
            scope_cuda_event_destroy(s->piece_done[i]);
        }
    }
    if (s->pieces) {
        scope_cuda_host_free(s->pieces);
    }
    if (s->workspace) {
        scope_cuda_device_free(s->workspace, SCOPE_CUDA_BLAS_WORKSPACE);
    }
    if (s->stream) {
        scope_cuda_stream_destroy(s->stream);
    }
    g_clear_pointer(&ctx->stream, g_free);
}

static int
open_stream(ScopeCudaStream *s)
{
    int code = scope_cuda_device_use(s->device->index);
    code = code == 0 ? scope_cuda_stream_create(&s->stream) : code;
    code = code == 0 ? scope_cuda_device_alloc(&s->workspace, SCOPE_CUDA_BLAS_WORKSPACE) : code;
    code = code == 0 ? scope_cuda_host_alloc((void **)&s->pieces,
                                             SCOPE_CUDA_N_PIECES * SCOPE_CUDA_PIECE_BYTES)
                     : code;
    for (int i = 0; i < SCOPE_CUDA_N_PIECES && code == 0; i++) {
        code = scope_cuda_event_create(&s->piece_done[i]);
    }
    return code;
}

static gboolean
context_init(ScopeContext *ctx, GError **error)
{
    ScopeCudaStream *s = g_new0(ScopeCudaStream, 1);
    s->device = device_of(ctx->backend);
    ctx->stream = s;
    int code = open_stream(s);
    if (code != 0) {
        g_set_error(error, SCOPE_ENGINE_ERROR,
                    scope_cuda_device_is_full(code) ? SCOPE_ENGINE_ERROR_OUT_OF_MEMORY
                                                    : SCOPE_ENGINE_ERROR_DEVICE_LOST,
                    "starting a stream on device %d: %s", s->device->index,
                    scope_cuda_device_describe(code));
        context_clear(ctx);
        return FALSE;
    }
    s->blas = scope_cuda_blas_create(s->stream, s->workspace, SCOPE_CUDA_BLAS_WORKSPACE);
    if (s->device->precision != SCOPE_PRECISION_F32) {
        s->dnn = scope_cuda_dnn_create(s->stream);
    }
    return TRUE;
}

static gboolean
synchronize(ScopeContext *ctx, GError **error)
{
    ScopeCudaStream *s = ctx->stream;
    g_autoptr(GError) full = g_steal_pointer(&exhausted);
    if (s->failure == 0) {
        scope_cuda_check(s, scope_cuda_device_use(s->device->index), "choosing the device");
        scope_cuda_check(s, scope_cuda_stream_synchronize(s->stream), "running the chunk");
    }
    if (s->failure != 0) {
        gboolean is_full = scope_cuda_device_is_full(s->failure);
        g_set_error(error, SCOPE_ENGINE_ERROR,
                    is_full ? SCOPE_ENGINE_ERROR_OUT_OF_MEMORY : SCOPE_ENGINE_ERROR_DEVICE_LOST,
                    "%s on device %d: %s", s->failed_at, s->device->index,
                    scope_cuda_device_describe(s->failure));
        s->failure = is_full ? 0 : s->failure;
        return FALSE;
    }
    if (full) {
        g_set_error_literal(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_OUT_OF_MEMORY,
                            full->message);
        return FALSE;
    }
    return TRUE;
}

/* ---- transfers ----------------------------------------------------------------------------- */

/* The next pinned piece, once the copy that used it last is done. */
static char *
take_piece(ScopeCudaStream *s, guint *ret_index)
{
    *ret_index = s->next_piece;
    s->next_piece = (s->next_piece + 1) % SCOPE_CUDA_N_PIECES;
    scope_cuda_check(s, scope_cuda_event_synchronize(s->piece_done[*ret_index]),
                     "waiting for a transfer");
    return s->pieces + *ret_index * SCOPE_CUDA_PIECE_BYTES;
}

void
scope_cuda_upload(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes)
{
    ScopeCudaStream *s = scope_cuda_begin_unrecorded(ctx);
    for (size_t at = 0; s && at < n_bytes && s->failure == 0; at += SCOPE_CUDA_PIECE_BYTES) {
        size_t n = MIN(SCOPE_CUDA_PIECE_BYTES, n_bytes - at);
        guint index;
        char *piece = take_piece(s, &index);
        memcpy(piece, (const char *)src + at, n);
        scope_cuda_check(s, scope_cuda_copy_to_device((char *)dst + at, piece, n, s->stream),
                         "copying to the device");
        scope_cuda_check(s, scope_cuda_event_record(s->piece_done[index], s->stream),
                         "copying to the device");
    }
}

static void
download(ScopeContext *ctx, void *dst, const void *src, size_t n_bytes)
{
    const size_t all = SCOPE_CUDA_N_PIECES * SCOPE_CUDA_PIECE_BYTES;
    ScopeCudaStream *s = scope_cuda_begin_unrecorded(ctx);
    if (s) {
        scope_cuda_check(s, scope_cuda_stream_synchronize(s->stream), "running the chunk");
    }
    for (size_t at = 0; s && at < n_bytes && s->failure == 0; at += all) {
        size_t n = MIN(all, n_bytes - at);
        scope_cuda_check(s,
                         scope_cuda_copy_to_host(s->pieces, (const char *)src + at, n, s->stream),
                         "copying from the device");
        scope_cuda_check(s, scope_cuda_stream_synchronize(s->stream), "copying from the device");
        if (s->failure == 0) {
            memcpy((char *)dst + at, s->pieces, n);
        }
    }
    if ((!s || s->failure != 0) && n_bytes > 0) {
        memset(dst, 0, n_bytes); /* the caller learns of the failure when it synchronizes */
    }
}

gboolean
scope_cuda_upload_as(ScopeContext *ctx, ScopeTensor dst, ScopeTensor src, GError **error)
{
    if (dst.dtype == src.dtype) {
        scope_cuda_upload(ctx, dst.data, src.data, scope_tensor_n_bytes(src));
        return TRUE;
    }
    const int64_t part = (int64_t)8 << 20, n = scope_tensor_n_elements(src);
    size_t from = scope_dtype_size(src.dtype), to = scope_dtype_size(dst.dtype);
    if (!scope_arena_reserve(ctx->scratch, (size_t)MIN(part, n) * from, error)) {
        return FALSE;
    }
    for (int64_t at = 0; at < n; at += part) {
        int64_t shape = MIN(part, n - at);
        ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
        ScopeTensor raw = scope_context_scratch(ctx, src.dtype, 1, &shape);
        ScopeTensor out =
            scope_tensor_wrap(dst.dtype, (char *)dst.data + (size_t)at * to, 1, &shape);
        scope_cuda_upload(ctx, raw.data, (const char *)src.data + (size_t)at * from,
                          scope_tensor_n_bytes(raw));
        ScopeCudaStream *s = scope_cuda_begin(ctx);
        if (s) {
            scope_cuda_check(s, scope_cuda_k_copy(s->stream, out, raw), "converting");
        }
        scope_arena_release(ctx->scratch, mark);
    }
    return TRUE;
}

ScopeTensor
scope_cuda_contiguous(ScopeContext *ctx, ScopeTensor t, ScopeDType dtype)
{
    if (t.dtype == dtype && scope_tensor_is_contiguous(t)) {
        return t;
    }
    ScopeTensor copy = scope_context_scratch(ctx, dtype, t.ndim, t.shape);
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (s) {
        scope_cuda_check(s, scope_cuda_k_copy(s->stream, copy, t), "copying");
    }
    return copy;
}

/* ---- graphs -------------------------------------------------------------------------------- */

static gboolean
capture_begin(ScopeContext *ctx)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (!s || scope_cuda_graph_begin(s->stream) != 0) {
        return FALSE;
    }
    s->is_capturing = TRUE;
    s->is_spoiled = FALSE;
    return TRUE;
}

static void *
capture_end(ScopeContext *ctx)
{
    ScopeCudaStream *s = ctx->stream;
    void *graph = NULL;
    s->is_capturing = FALSE;
    int code = scope_cuda_graph_end(s->stream, &graph);
    if (graph && (code != 0 || s->is_spoiled || s->failure != 0 || exhausted)) {
        scope_cuda_graph_destroy(graph);
        return NULL;
    }
    return graph;
}

static void
graph_launch(ScopeContext *ctx, void *graph)
{
    ScopeCudaStream *s = scope_cuda_begin(ctx);
    if (s) {
        scope_cuda_check(s, scope_cuda_graph_launch(graph, s->stream), "starting a graph");
    }
}

static void
graph_free(const ScopeBackend *backend, void *graph)
{
    (void)scope_cuda_device_use(device_of(backend)->index);
    scope_cuda_graph_destroy(graph);
}

void
scope_cuda_backend_fill_memory(ScopeBackend *table)
{
    table->memory_alloc = memory_alloc;
    table->memory_free = memory_free;
    table->memory_exhausted = memory_exhausted;
    table->context_init = context_init;
    table->context_clear = context_clear;
    table->upload = scope_cuda_upload;
    table->download = download;
    table->synchronize = synchronize;
    table->capture_begin = capture_begin;
    table->capture_end = capture_end;
    table->graph_launch = graph_launch;
    table->graph_free = graph_free;
}
