/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeVda: Video-Depth-Anything, relative depth of video frames: a vision transformer per frame
 * and a head whose motion modules look along time. The model owns its prepared weights and is
 * read-only after load; a ScopeVdaStream owns what the motion modules remember of past frames.
 * Depth is inverse and relative: 0 or more, larger is nearer.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-context.h"
#include "engine/scope-weight.h"
#include "models/scope-model-tap.h"

G_BEGIN_DECLS

typedef struct _ScopeVda ScopeVda;
typedef struct _ScopeVdaStream ScopeVdaStream;

#define SCOPE_VDA_N_TAPS             4
#define SCOPE_VDA_DEFAULT_INPUT_SIZE 518 /**< shorter side of the network input, pixels */
#define SCOPE_VDA_WINDOW             32  /**< frames that a motion module sees, as trained */

/** ScopeVdaOptions: zero-initialised fits the published files (vits, vitb, vitl). */
typedef struct {
    int n_heads;                /**< of the transformer; 0: width / 64 */
    int n_motion_heads;         /**< 0: 8 */
    int n_groups;               /**< of the motion modules' norm; 0: 32 */
    int taps[SCOPE_VDA_N_TAPS]; /**< blocks whose output the head reads; all 0: by the depth */
    ScopeWeightStore store;
} ScopeVdaOptions;

/**
 * scope_vda_load:
 * @ctx: borrowed during the call; its backend holds the weights
 * @checkpoint: flat state dictionary "pretrained..." and "head..."; a reference is kept
 * @options: (nullable): see there
 * @error: (nullable) set on failure
 *
 * Thread: loader. Errors: ScopeCheckpointError naming file, tensor, found and expected;
 * G_IO_ERROR_NO_SPACE.
 * Source: DepthAnything/Video-Depth-Anything video_depth_anything/.
 * Returns: (transfer full): the model, or NULL with @error set and nothing kept.
 */
ScopeVda *scope_vda_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint,
                         const ScopeVdaOptions *options, GError **error);

/**
 * scope_vda_check:
 * @checkpoint: as for scope_vda_load()
 * @error: (nullable) set on failure
 *
 * Compares names, shapes and types without reading any weight.
 * Thread: any. Errors: as scope_vda_load().
 * Returns: TRUE when the file would load, FALSE with @error set.
 */
gboolean scope_vda_check(ScopeCheckpoint *checkpoint, GError **error);

/**
 * scope_vda_unload:
 * @vda: (nullable): no stream of it may be left
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_vda_unload(ScopeVda *vda);

/** scope_vda_get_patch: side of a patch in pixels, 14 for the published files. Thread: any. */
int64_t scope_vda_get_patch(const ScopeVda *vda);

/**
 * scope_vda_get_network_size:
 * @height: of the frames, pixels
 * @width: of the frames, pixels
 * @input_size: wanted shorter side of the network input, such as SCOPE_VDA_DEFAULT_INPUT_SIZE
 * @ret_height: of the network input, a multiple of the patch
 * @ret_width: of the network input, a multiple of the patch
 *
 * Thread: any. Errors: none.
 * Source: DepthAnything/Video-Depth-Anything video_depth.py, util/transform.py.
 * Returns: nothing.
 */
void scope_vda_get_network_size(const ScopeVda *vda, int64_t height, int64_t width,
                                int64_t input_size, int64_t *ret_height, int64_t *ret_width);

/**
 * scope_vda_prepare_frames:
 * @ctx: the worker's
 * @y: [T, h, w, 3] float: network input
 * @x: [T, H, W, 3] u8 or float 0..255, any strides, HOST allowed
 *
 * Resizes (bicubic, no antialias, no clamping) and normalises with the statistics of ImageNet.
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: DepthAnything/Video-Depth-Anything util/transform.py.
 * Returns: nothing.
 */
void scope_vda_prepare_frames(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/**
 * scope_vda_run_window:
 * @ctx: the worker's
 * @vda: borrowed
 * @ret_depth: [T, h, w] float: at the size of the network input
 * @frames: [T, h, w, 3] float: network input, T of 1 .. SCOPE_VDA_WINDOW frames that all see each
 *   other; sizes are multiples of the patch
 * @tap: (nullable): sees "tokens_after_pos_embed" and "vit.blocks.N" [T, tokens, width], then
 *   "head...." [T, h, w, C]; modules behind "head.motion_modules.3", and those of the two finest
 *   taps, run on a few frames at a time and are seen in as many parts
 *
 * Thread: worker. Allocates: scratch. Errors: none (asserts).
 * Source: DepthAnything/Video-Depth-Anything video_depth_anything/.
 * Returns: nothing.
 */
void scope_vda_run_window(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth,
                          ScopeTensor frames, const ScopeModelTap *tap);

/** ScopeVdaMemory: what a stream remembers. */
typedef enum {
    SCOPE_VDA_MEMORY_WINDOW = 0, /**< the first frame, a frame of the gap and the 29 newest */
    SCOPE_VDA_MEMORY_PREVIOUS,   /**< the frame before */
} ScopeVdaMemory;

/**
 * scope_vda_stream_create:
 * @ctx: borrowed during the call
 * @vda: borrowed, outlives the stream
 * @memory: see there
 * @height: of the frames, pixels
 * @width: of the frames, pixels
 * @input_size: wanted shorter side of the network input
 * @error: (nullable) set on failure
 *
 * Allocates everything that the stream will remember.
 * Thread: loader or worker. Errors: G_IO_ERROR_INVALID_ARGUMENT for sizes below 1 pixel,
 * G_IO_ERROR_NO_SPACE.
 * Returns: (transfer full): the stream, or NULL with @error set.
 */
ScopeVdaStream *scope_vda_stream_create(ScopeContext *ctx, const ScopeVda *vda,
                                        ScopeVdaMemory memory, int64_t height, int64_t width,
                                        int64_t input_size, GError **error);

/**
 * scope_vda_stream_reset:
 *
 * Forgets all frames. Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_vda_stream_reset(ScopeVdaStream *stream);

/**
 * scope_vda_stream_destroy:
 * @stream: (nullable)
 *
 * Thread: the owner. Errors: none. Returns: nothing.
 */
void scope_vda_stream_destroy(ScopeVdaStream *stream);

/**
 * scope_vda_stream_run:
 * @ctx: the worker's
 * @stream: advanced by one frame
 * @ret_depth: [H, W] float, any strides
 * @frame: [H, W, 3] u8 or float 0..255, any strides, HOST allowed
 *
 * Thread: worker. Allocates: scratch in the first calls only. Errors: none (asserts).
 * Source: DepthAnything/Video-Depth-Anything video_depth_stream.py; differs: keys and values are
 * remembered instead of their inputs, and the position part, which is linear, is added afterwards.
 * Returns: nothing.
 */
void scope_vda_stream_run(ScopeContext *ctx, ScopeVdaStream *stream, ScopeTensor ret_depth,
                          ScopeTensor frame);

/**
 * scope_vda_run_clip:
 * @ctx: the worker's
 * @vda: borrowed
 * @ret_depth: [T, H, W] float, any strides
 * @frames: [T, H, W, 3] u8 or float 0..255, any strides, HOST allowed, T >= 1
 * @input_size: wanted shorter side of the network input
 *
 * A whole clip in windows that overlap, aligned in scale and shift and cross-faded.
 *
 * Thread: worker. Allocates: scratch for a window. Errors: none (asserts).
 * Source: DepthAnything/Video-Depth-Anything video_depth.py.
 * Returns: nothing.
 */
void scope_vda_run_clip(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth,
                        ScopeTensor frames, int64_t input_size);

/**
 * scope_vda_fit:
 * @ctx: the worker's
 * @prediction: float, any shape
 * @target: float, same shape
 * @ret_scale: factor
 * @ret_shift: summand
 *
 * Least squares of target = scale * prediction + shift; 1 and 0 when the prediction is constant.
 * Thread: worker. Allocates: scratch. Errors: none.
 * Source: DepthAnything/Video-Depth-Anything utils/util.py compute_scale_and_shift.
 * Returns: nothing.
 */
void scope_vda_fit(ScopeContext *ctx, ScopeTensor prediction, ScopeTensor target, double *ret_scale,
                   double *ret_shift);

/**
 * scope_vda_normalise:
 * @ctx: the worker's
 * @y: float, any strides; in place allowed
 * @x: float, same shape
 *
 * y = (x - min) / (max - min) over the whole tensor, 0 when it is flat.
 * Thread: worker. Allocates: scratch. Errors: none.
 * Source: daydreamlive/scope video_depth_anything pipeline (documented behaviour).
 * Returns: nothing.
 */
void scope_vda_normalise(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeVda, scope_vda_unload)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeVdaStream, scope_vda_stream_destroy)

G_END_DECLS
