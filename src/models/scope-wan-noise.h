/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Video-to-video: input frames to the model's size and rate, how much noise goes over them, and the
 * controller that lowers the noise when the picture moves. Session state is caller's memory, worker
 * thread.
 */
#pragma once

#include "engine/scope-ops.h"

G_BEGIN_DECLS

/** ScopeWanNoiseRule: the constants of a controller. */
typedef struct {
    double base;        /**< noise of a still picture */
    double sensitivity; /**< taken off at full motion */
    gboolean recursive; /**< smooths against its own last result instead of the requested noise */
} ScopeWanNoiseRule;

extern const ScopeWanNoiseRule scope_wan_noise_rule_product;  /**< 0.8, 0.2 */
extern const ScopeWanNoiseRule scope_wan_noise_rule_upstream; /**< 0.8, 0.1, recursive */

/** ScopeWanNoiseController: zero-initialised has seen nothing. */
typedef struct {
    ScopeTensor last_frame; /**< none, or [H, W, 3] f32: set by scope_wan_noise_controller_init */
    gboolean has_last;
    double previous; /**< last result */
    gboolean has_previous;
} ScopeWanNoiseController;

/**
 * scope_wan_noise_controller_init:
 * @controller: caller's memory
 * @arena: session state
 * @height: pixels
 * @width: pixels
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_noise_controller_init(ScopeWanNoiseController *controller, ScopeArena *arena,
                                     int64_t height, int64_t width);

/** scope_wan_noise_controller_reset: forgets the last frame and result. Thread: worker. */
void scope_wan_noise_controller_reset(ScopeWanNoiseController *controller);

/**
 * scope_wan_noise_motion:
 * @frames: [n, H, W, 3] f32, -1..1, any strides
 * @before: none, or [H, W, 3] f32: stands in for the predecessor of the first newest frame (the
 *   reference takes the last frame of the chunk before, however many lie between)
 * @n_newest: how many of the newest frames to compare with their predecessors
 *
 * Thread: worker. Blocks: reads numbers back. Errors: none.
 * Returns: largest root mean square difference of two neighbours, / 0.2, 0..1.
 */
double scope_wan_noise_motion(ScopeContext *ctx, ScopeTensor frames, ScopeTensor before,
                              int64_t n_newest);

/**
 * scope_wan_noise_controller_update:
 * @rule: constants
 * @frames: [n, H, W, 3] f32, -1..1, any strides
 * @n_newest: as for scope_wan_noise_motion()
 * @requested: noise wanted by the user, 0..1
 *
 * Thread: worker. Blocks: reads numbers back. Errors: none.
 * Returns: noise for this chunk.
 */
double scope_wan_noise_controller_update(ScopeWanNoiseController *controller, ScopeContext *ctx,
                                         const ScopeWanNoiseRule *rule, ScopeTensor frames,
                                         int64_t n_newest, double requested);

/** scope_wan_noise_first_step: int(1000 * scale) - 100, the first step under that noise.
 * Thread: any. */
int scope_wan_noise_first_step(double scale);

/**
 * scope_wan_noise_mix:
 * @x: f32: receives noise * scale + clean * (1 - scale); may be @noise
 * @noise: f32, shape of @x
 * @clean: f32, shape of @x
 *
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_noise_mix(ScopeContext *ctx, ScopeTensor x, ScopeTensor noise, ScopeTensor clean,
                         double scale);

/**
 * scope_wan_linspace_f32:
 * @i: 0..n-1
 *
 * Thread: any. Errors: none.
 * Returns: value @i of an even ramp of @n values, rounded in single precision as the reference's.
 */
float scope_wan_linspace_f32(float first, float last, int n, int i);

/**
 * scope_wan_video_indices:
 * @n_frames: frames there, >= 1
 * @n_wanted: frames wanted
 * @ret_indices: [n_wanted]
 *
 * Which frame stands for which: an even ramp, rounded, ties to even.
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_video_indices(int n_frames, int n_wanted, int *ret_indices);

/**
 * scope_wan_video_frame:
 * @out: [H, W, 3] f32, -1..1
 * @frame: [h, w, 3] u8, any strides but of the channels
 *
 * Bilinear resize without antialias, then value / 255 * 2 - 1.
 * Thread: worker. Errors: none. Returns: nothing.
 */
void scope_wan_video_frame(ScopeContext *ctx, ScopeTensor out, ScopeTensor frame);

G_END_DECLS
