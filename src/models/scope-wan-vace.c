/* SPDX-License-Identifier: Apache-2.0 */
/* Assembly of the VACE context. Worker thread. */
#include "models/scope-wan-vace.h"

#include <math.h>

#include "engine/scope-assert.h"
#include "models/scope-wan-noise.h"

#define LATENT_CHANNELS 16
#define CELL            SCOPE_WAN_VACE_CELL

gboolean
scope_wan_vace_split(ScopeContext *ctx, ScopeTensor inactive, ScopeTensor reactive,
                     ScopeTensor frames, ScopeTensor mask)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor binary = scope_context_scratch(ctx, SCOPE_DTYPE_F32, mask.ndim, mask.shape);
    ScopeTensor lowest = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    float value = 0;

    scope_op_unary(ctx, binary, mask, (ScopeUnary){.kind = SCOPE_UNARY_STEP, .a = 0.5f});
    scope_op_mul(ctx, reactive, frames, binary);
    scope_op_scale_add(ctx, inactive, frames, 1.0f, reactive, -1.0f);
    scope_op_reduce(ctx, SCOPE_REDUCE_MIN, lowest,
                    scope_tensor_reshape(binary, SCOPE_SHAPE(scope_tensor_n_elements(binary))));
    scope_context_download(ctx, &value, lowest);
    scope_arena_release(ctx->scratch, mark);
    return value > 0.5f;
}

int64_t
scope_wan_vace_mask_frames(int64_t n_frames)
{
    return (n_frames + 3) / 4;
}

void
scope_wan_vace_mask(ScopeContext *ctx, ScopeTensor out, ScopeTensor mask)
{
    int64_t n = mask.shape[0], n_out = out.shape[1], h = out.shape[2], w = out.shape[3];

    for (int64_t i = 0; i < n_out; i++) {
        int64_t from = MIN((int64_t)floor((double)(i + 0.5) * (double)n / (double)n_out), n - 1);
        ScopeTensor frame = scope_tensor_select(scope_tensor_select(mask, 0, from), 2, 0);
        frame = scope_tensor_slice(scope_tensor_slice(frame, 0, 0, h * CELL), 1, 0, w * CELL);
        ScopeTensor cells = scope_tensor_reshape(frame, SCOPE_SHAPE(h, CELL, w, CELL));
        ScopeTensor to =
            scope_tensor_reshape(scope_tensor_select(out, 1, i), SCOPE_SHAPE(CELL, CELL, h, w));
        scope_op_copy(ctx, to, scope_tensor_permute(cells, SCOPE_ORDER(1, 3, 0, 2)));
    }
}

/* Puts latents [frames, 16, h, w] at a channel and frame of the context. */
static void
place(ScopeContext *ctx, ScopeTensor context, ScopeTensor latents, int64_t channel, int64_t frame)
{
    if (scope_tensor_is_none(latents)) {
        return;
    }
    ScopeTensor to = scope_tensor_slice(context, 0, channel, channel + LATENT_CHANNELS);
    to = scope_tensor_slice(to, 1, frame, frame + latents.shape[0]);
    scope_op_copy(ctx, to, scope_tensor_transpose(latents, 0, 1));
}

void
scope_wan_vace_assemble(ScopeContext *ctx, ScopeTensor context, const ScopeWanVaceParts *parts)
{
    int64_t n_references = scope_tensor_is_none(parts->references) ? 0 : parts->references.shape[0];
    int64_t n_frames = context.shape[1] - n_references;

    SCOPE_ASSERT(context.shape[0] == SCOPE_WAN_VACE_CHANNELS && n_frames >= 0);
    scope_op_fill(ctx, context, 0.0f);
    place(ctx, context, parts->references, 0, 0);
    place(ctx, context, parts->inactive, 0, n_references);
    place(ctx, context, parts->reactive, LATENT_CHANNELS, n_references);
    if (!scope_tensor_is_none(parts->mask)) {
        ScopeTensor to =
            scope_tensor_slice(context, 0, 2 * LATENT_CHANNELS, SCOPE_WAN_VACE_CHANNELS);
        scope_op_copy(ctx,
                      scope_tensor_slice(to, 1, n_references, n_references + parts->mask.shape[1]),
                      parts->mask);
    }
}

void
scope_wan_vace_reference(ScopeContext *ctx, ScopeTensor out, ScopeTensor image)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t h = image.shape[0], w = image.shape[1], to_h = out.shape[0], to_w = out.shape[1];
    double ratio = MAX((double)to_h / (double)h, (double)to_w / (double)w);
    int64_t big_h = MAX((int64_t)llround((double)h * ratio), to_h);
    int64_t big_w = MAX((int64_t)llround((double)w * ratio), to_w);
    int64_t top = (big_h - to_h) / 2, left = (big_w - to_w) / 2;
    ScopeTensor whole = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(big_h, big_w, 3));

    scope_wan_video_frame(ctx, whole, image);
    whole = scope_tensor_slice(whole, 0, top, top + to_h);
    scope_op_copy(ctx, out, scope_tensor_slice(whole, 1, left, left + to_w));
    scope_arena_release(ctx->scratch, mark);
}
