/* SPDX-License-Identifier: Apache-2.0 */
/* Engine, files and frames for pipelines on networks; see scope-pipeline-engine.h. */
#include "pipelines/scope-pipeline-engine.h"

#include <string.h>

#include <gio/gio.h>

#include "core/scope-artifact.h"
#include "engine/scope-assert.h"
#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"
#include "engine/scope-ops.h"
#include "models/scope-video-convert.h"

#define MAX_THREADS 64

void
scope_pipeline_take_error(GError *error, GError **ret_error)
{
    if (error == NULL)
        return;
    if (g_error_matches(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_DEVICE_LOST))
        g_set_error_literal(ret_error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_DEVICE_LOST,
                            error->message);
    else if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE) ||
             g_error_matches(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_OUT_OF_MEMORY))
        g_set_error(
            ret_error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY,
            "out of memory: %s; a smaller picture, quantization or fewer sessions need less",
            error->message);
    else if (error->domain != SCOPE_PIPELINE_ERROR)
        g_set_error_literal(ret_error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED,
                            error->message);
    else {
        g_propagate_error(ret_error, error);
        return;
    }
    g_error_free(error);
}

gboolean
scope_pipeline_engine_init(ScopePipelineEngine *engine, const ScopeHost *host, GError **error)
{
    GError *failure = NULL;

    *engine = (ScopePipelineEngine){.host = host};
    engine->backend = scope_devices_open(NULL, SCOPE_PRECISION_BF16, &failure);
    if (engine->backend == NULL) {
        scope_pipeline_take_error(failure, error);
        return FALSE;
    }
    engine->pool = scope_pool_create((int)MIN(host->n_cpus, MAX_THREADS), &failure);
    scope_pipeline_take_error(failure, error);
    return engine->pool != NULL;
}

void
scope_pipeline_engine_clear(ScopePipelineEngine *engine)
{
    g_clear_pointer(&engine->pool, scope_pool_destroy);
}

ScopeContext *
scope_pipeline_engine_new_context(const ScopePipelineEngine *engine, GError **error)
{
    GError *failure = NULL;
    ScopeContext *ctx = scope_context_create(engine->backend, engine->pool, &failure);

    scope_pipeline_take_error(failure, error);
    return ctx;
}

static gpointer
load_file(ScopeContext *ctx, const char *path, ScopeModelLoad load, GError **error)
{
    g_autoptr(ScopeCheckpoint) whole = scope_checkpoint_open(path, error);
    g_autoptr(ScopeCheckpoint) weights = NULL;

    weights = whole != NULL ? scope_checkpoint_select(whole, NULL, NULL, error) : NULL;
    return weights != NULL ? load(ctx, weights, error) : NULL;
}

gpointer
scope_pipeline_engine_load_model(const ScopePipelineEngine *engine, const ScopePipelineDesc *desc,
                                 const ScopeArtifact *artifact, const char *file,
                                 ScopeModelLoad load, ScopeLoadProgress *progress, GError **error)
{
    g_autofree char *path =
        scope_artifact_find_file(artifact, engine->host->models_dir, file, desc->id, error);
    g_autoptr(ScopeContext) ctx =
        path != NULL ? scope_pipeline_engine_new_context(engine, error) : NULL;
    GError *failure = NULL;
    gpointer model;

    if (ctx == NULL)
        return NULL;
    if (!engine->host->progress(progress, "Loading model...", -1.0)) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED,
                    "Loading %s was cancelled", desc->id);
        return NULL;
    }
    model = load_file(ctx, path, load, &failure);
    scope_pipeline_take_error(failure, error);
    return model;
}

ScopeTensor
scope_pipeline_view_frame(const ScopeFrame *frame)
{
    int64_t height = frame->height, width = frame->width, row = frame->stride[0];
    ScopeTensor pixels =
        scope_tensor_wrap(SCOPE_DTYPE_U8, frame->data[0], SCOPE_SHAPE(1, height, width, 3));

    SCOPE_ASSERT(frame->format == SCOPE_FRAME_FORMAT_RGB24);
    pixels.stride[1] = row;
    pixels.stride[0] = height * row;
    return pixels;
}

ScopeTensor
scope_pipeline_upload_frames(ScopeContext *ctx, const ScopePort *port)
{
    int64_t n = port->n_frames, height = port->frames[0]->height, width = port->frames[0]->width;
    ScopeTensor all = scope_context_scratch(ctx, SCOPE_DTYPE_U8, SCOPE_SHAPE(n, height, width, 3));

    for (int64_t i = 0; i < n; i++) {
        ScopeTensor frame = scope_pipeline_view_frame(port->frames[i]);
        ScopeTensor slot = scope_tensor_slice(all, 0, i, i + 1);

        if (scope_tensor_same_shape(frame, slot))
            scope_op_copy(ctx, slot, frame);
        else
            scope_video_resize(ctx, slot, frame);
    }
    return all;
}

/* Rows of [height, width, channels] u8 to the rows of @frame. */
static void
copy_rows(ScopeFrame *frame, const guint8 *bytes, guint32 channels)
{
    for (guint32 y = 0; y < frame->height; y++) {
        const guint8 *from = bytes + (gsize)y * frame->width * channels;
        guint8 *to = frame->data[0] + (gsize)y * frame->stride[0];

        if (channels == 3) {
            memcpy(to, from, (gsize)frame->width * 3);
            continue;
        }
        for (guint32 x = 0; x < frame->width; x++)
            to[3 * x] = to[3 * x + 1] = to[3 * x + 2] = from[x];
    }
}

ScopeFrame *
scope_pipeline_new_frame(const ScopePipelineEngine *engine, ScopeContext *ctx, ScopeTensor pixels)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor bytes = scope_context_scratch(ctx, SCOPE_DTYPE_U8, pixels.ndim, pixels.shape);
    ScopeFrame *frame = engine->host->frame_new(SCOPE_FRAME_FORMAT_RGB24, (guint32)pixels.shape[1],
                                                (guint32)pixels.shape[0]);

    SCOPE_ASSERT(frame != NULL && pixels.ndim == 3 &&
                 (pixels.shape[2] == 1 || pixels.shape[2] == 3));
    scope_video_to_u8(ctx, bytes, pixels, SCOPE_VIDEO_TRUNCATE);
    if (bytes.memory == SCOPE_MEMORY_HOST && bytes.data != NULL) {
        copy_rows(frame, bytes.data, (guint32)pixels.shape[2]);
    } else {
        g_autofree guint8 *host = g_malloc(scope_tensor_n_bytes(bytes));

        scope_context_download(ctx, host, bytes);
        copy_rows(frame, host, (guint32)pixels.shape[2]);
    }
    scope_arena_release(ctx->scratch, mark);
    return frame;
}
