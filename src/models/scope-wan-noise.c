/* SPDX-License-Identifier: Apache-2.0 */
/* Video-to-video preparation: frames, noise, motion. Worker thread. */
#include "models/scope-wan-noise.h"

#include <math.h>

#define FULL_MOTION 0.2
#define SMOOTHING   0.9

const ScopeWanNoiseRule scope_wan_noise_rule_product = {.base = 0.8, .sensitivity = 0.2};
const ScopeWanNoiseRule scope_wan_noise_rule_upstream = {
    .base = 0.8, .sensitivity = 0.1, .recursive = TRUE};

void
scope_wan_noise_controller_init(ScopeWanNoiseController *controller, ScopeArena *arena,
                                int64_t height, int64_t width)
{
    *controller = (ScopeWanNoiseController){0};
    controller->last_frame =
        scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(height, width, 3));
}

void
scope_wan_noise_controller_reset(ScopeWanNoiseController *controller)
{
    controller->has_last = controller->has_previous = FALSE;
}

/* Root mean square difference of two frames. */
static double
difference(ScopeContext *ctx, ScopeTensor a, ScopeTensor b)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n = scope_tensor_n_elements(a);
    ScopeTensor d = scope_context_scratch(ctx, SCOPE_DTYPE_F32, a.ndim, a.shape);
    ScopeTensor sum = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    float value = 0;

    scope_op_scale_add(ctx, d, a, 1.0f, b, -1.0f);
    scope_op_reduce(ctx, SCOPE_REDUCE_SUM_SQUARES, sum, scope_tensor_reshape(d, SCOPE_SHAPE(n)));
    scope_context_download(ctx, &value, sum);
    scope_arena_release(ctx->scratch, mark);
    return sqrt((double)value / (double)n);
}

double
scope_wan_noise_motion(ScopeContext *ctx, ScopeTensor frames, ScopeTensor before, int64_t n_newest)
{
    int64_t n = scope_tensor_dim(frames, 0);
    int64_t first = MAX(n - n_newest, 0);
    double largest = 0;

    for (int64_t i = first; i < n; i++) {
        ScopeTensor earlier = before;
        if (i > first || (scope_tensor_is_none(before) && i > 0)) {
            earlier = scope_tensor_select(frames, 0, i - 1);
        }
        if (!scope_tensor_is_none(earlier)) {
            double d = difference(ctx, scope_tensor_select(frames, 0, i), earlier);
            largest = MAX(largest, d);
        }
    }
    return CLAMP(largest / FULL_MOTION, 0.0, 1.0);
}

double
scope_wan_noise_controller_update(ScopeWanNoiseController *controller, ScopeContext *ctx,
                                  const ScopeWanNoiseRule *rule, ScopeTensor frames,
                                  int64_t n_newest, double requested)
{
    ScopeTensor before = controller->has_last ? controller->last_frame : SCOPE_TENSOR_NONE;
    double motion = scope_wan_noise_motion(ctx, frames, before, n_newest);
    double anchor = rule->recursive && controller->has_previous ? controller->previous : requested;
    double noise =
        (rule->base - rule->sensitivity * motion) * SMOOTHING + (1.0 - SMOOTHING) * anchor;

    if (!scope_tensor_is_none(controller->last_frame)) {
        scope_op_copy(ctx, controller->last_frame,
                      scope_tensor_select(frames, 0, scope_tensor_dim(frames, 0) - 1));
        controller->has_last = TRUE;
    }
    controller->previous = noise;
    controller->has_previous = TRUE;
    return noise;
}

int
scope_wan_noise_first_step(double scale)
{
    return (int)(1000.0 * scale) - 100;
}

void
scope_wan_noise_mix(ScopeContext *ctx, ScopeTensor x, ScopeTensor noise, ScopeTensor clean,
                    double scale)
{
    scope_op_scale_add(ctx, x, noise, (float)scale, clean, (float)(1.0 - scale));
}

float
scope_wan_linspace_f32(float first, float last, int n, int i)
{
    if (n <= 1) {
        return first;
    }
    float step = (last - first) / (float)(n - 1);
    return i < n / 2 ? first + step * (float)i : last - step * (float)(n - 1 - i);
}

void
scope_wan_video_indices(int n_frames, int n_wanted, int *ret_indices)
{
    for (int i = 0; i < n_wanted; i++) {
        ret_indices[i] =
            n_frames == n_wanted
                ? i
                : (int)nearbyintf(scope_wan_linspace_f32(0, (float)(n_frames - 1), n_wanted, i));
    }
}

void
scope_wan_video_frame(ScopeContext *ctx, ScopeTensor out, ScopeTensor frame)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t h = frame.shape[0], w = frame.shape[1];
    int64_t to_h = out.shape[0], to_w = out.shape[1];
    ScopeDType work = scope_context_work_dtype(ctx);
    ScopeTensor x = scope_context_scratch(ctx, work, SCOPE_SHAPE(1, h, w, 3));
    ScopeTensor y = scope_context_scratch(ctx, work, SCOPE_SHAPE(1, to_h, to_w, 3));
    ScopeResizeOptions options = {.mode = SCOPE_RESIZE_BILINEAR};

    scope_op_copy(ctx, scope_tensor_select(x, 0, 0), frame);
    scope_op_resize(ctx, y, x, &options);
    scope_op_affine(ctx, y, y, 2.0f / 255.0f, -1.0f);
    scope_op_copy(ctx, out, scope_tensor_select(y, 0, 0));
    scope_arena_release(ctx->scratch, mark);
}
