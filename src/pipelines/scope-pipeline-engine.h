/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pipeline on a network needs around it: the engine of an instance (backend and threads), a
 * checkpoint from the models directory, and the way between frames and tensors. The instance owns
 * the engine; each stream has a context of its own on it.
 */
#ifndef SCOPE_PIPELINE_ENGINE_H
#define SCOPE_PIPELINE_ENGINE_H

#include <scope/scope-pipeline.h>

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"

G_BEGIN_DECLS

/**
 * ScopePipelineEngine:
 * @host: services of the program
 * @backend: where tensors live
 * @pool: threads that compute; streams of one instance take turns operation by operation
 *
 * In the instance's memory. Read-only after scope_pipeline_engine_init().
 */
typedef struct {
    const ScopeHost *host;
    const ScopeBackend *backend;
    ScopePool *pool;
} ScopePipelineEngine;

/**
 * scope_pipeline_engine_init:
 * @engine: the instance's memory
 * @host: must outlive @engine
 * @error: (nullable): set on failure
 *
 * Thread: loader. Errors: SCOPE_PIPELINE_ERROR_FAILED when no thread can be started.
 * Returns: %TRUE, or %FALSE with @error set and nothing to clear.
 */
gboolean scope_pipeline_engine_init(ScopePipelineEngine *engine, const ScopeHost *host,
                                    GError **error);

/** scope_pipeline_engine_clear: ends the threads. No context may be left. Thread: loader. */
void scope_pipeline_engine_clear(ScopePipelineEngine *engine);

/**
 * scope_pipeline_engine_new_context:
 * @engine: borrowed, outlives the context
 * @error: (nullable): set on failure
 *
 * Thread: loader, or the worker that will use it. Errors: SCOPE_PIPELINE_ERROR_FAILED.
 * Returns: (transfer full): a context, or %NULL with @error set.
 */
ScopeContext *scope_pipeline_engine_new_context(const ScopePipelineEngine *engine, GError **error);

/**
 * ScopeModelLoad:
 * @ctx: borrowed during the call
 * @checkpoint: the state dictionary; a reference is kept where needed
 * @error: (nullable): set on failure
 *
 * Thread: loader. Errors: those of the model.
 * Returns: (transfer full): the model, or %NULL with @error set.
 */
typedef gpointer (*ScopeModelLoad)(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_pipeline_engine_load_model:
 * @engine: borrowed
 * @desc: the pipeline
 * @artifact: one of its artifacts
 * @file: one of the artifact's files
 * @load: makes the model from the file
 * @progress: (nullable): told what happens
 * @error: (nullable): set on failure
 *
 * Opens a file of weights, takes its state dictionary out of what wraps it, and loads it.
 *
 * Thread: loader.
 * Errors: SCOPE_PIPELINE_ERROR_MISSING_FILE with the remedy, _OUT_OF_MEMORY, _CANCELLED, _FAILED.
 * Returns: (transfer full): what @load made, or %NULL with @error set.
 */
gpointer scope_pipeline_engine_load_model(const ScopePipelineEngine *engine,
                                          const ScopePipelineDesc *desc,
                                          const ScopeArtifact *artifact, const char *file,
                                          ScopeModelLoad load, ScopeLoadProgress *progress,
                                          GError **error);

/**
 * scope_pipeline_take_error:
 * @error: (nullable) (transfer full): what an engine or a model said
 * @ret_error: (nullable): the same in the domain of pipelines
 *
 * G_IO_ERROR_NO_SPACE becomes SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY, errors of pipelines and of
 * cancelled loads stay, everything else becomes SCOPE_PIPELINE_ERROR_FAILED with its message.
 *
 * Thread: any. Errors: as above. Returns: nothing.
 */
void scope_pipeline_take_error(GError *error, GError **ret_error);

/**
 * scope_pipeline_view_frame:
 * @frame: RGB24, borrowed as long as the view
 *
 * Thread: any.
 * Returns: its pixels as a HOST tensor [1, height, width, 3] u8; rows are as far apart as in the
 *   frame.
 */
ScopeTensor scope_pipeline_view_frame(const ScopeFrame *frame);

/**
 * scope_pipeline_upload_frames:
 * @ctx: the worker's
 * @port: RGB24 frames, at least one
 *
 * Frames of another size than the first are resized to it.
 *
 * Thread: worker. Allocates: scratch, released by the caller.
 * Returns: [n_frames, height, width, 3] u8 in scratch memory of the backend.
 */
ScopeTensor scope_pipeline_upload_frames(ScopeContext *ctx, const ScopePort *port);

/**
 * scope_pipeline_new_frame:
 * @engine: borrowed
 * @ctx: the worker's
 * @pixels: [height, width, C] float 0..1, any strides; C is 3, or 1 for three equal channels
 *
 * Values become bytes by truncation, as the wire contract says.
 *
 * Thread: worker. Allocates: scratch.
 * Returns: (transfer full): an RGB24 frame without times.
 */
ScopeFrame *scope_pipeline_new_frame(const ScopePipelineEngine *engine, ScopeContext *ctx,
                                     ScopeTensor pixels);

G_END_DECLS

#endif
