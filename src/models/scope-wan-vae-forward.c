/* SPDX-License-Identifier: Apache-2.0 */
/* The forward passes of the Wan VAE. A pass runs a few frames through all layers, channels-last;
 * two scratch buffers take turns as input and output of a layer, and residual blocks add in place.
 * Worker thread. */
#include "models/scope-wan-vae-private.h"

#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

typedef struct {
    ScopeContext *ctx;
    ScopeWanVaeState *state;
    const ScopeModelTap *tap;
    ScopeTensor buffers[2]; /* flat */
    int other;              /* the buffer that does not hold the current tensor */
    gboolean encode;
    gboolean first; /* the first frame of the stream is alone in its pass */
} Pass;

/* The free buffer as [n, h, w, c]; it becomes the current one. */
static ScopeTensor
take(Pass *pass, const int64_t shape[4])
{
    ScopeTensor flat = pass->buffers[pass->other];
    int64_t n = shape[0] * shape[1] * shape[2] * shape[3];

    pass->other = 1 - pass->other;
    return scope_tensor_reshape(scope_tensor_slice(flat, 0, 0, n), 4, shape);
}

static ScopeTensor
scratch(Pass *pass, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return scope_context_scratch(pass->ctx, scope_context_work_dtype(pass->ctx),
                                 SCOPE_SHAPE(n, h, w, c));
}

static void
norm(Pass *pass, ScopeTensor y, ScopeTensor x, ScopeTensor gamma, ScopeActivation activation)
{
    const ScopeNormOptions options = {
        .kind = SCOPE_NORM_L2, .eps = 1e-12f, .weight = gamma, .activation = activation};

    scope_op_norm(pass->ctx, y, x, &options);
}

/* Convolution behind the remembered frames of @slot, which then remembers @x. */
static void
causal_conv(Pass *pass, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight, int slot,
            ScopeTensor residual)
{
    ScopeConvOptions options = {.context = pass->state->slots[slot],
                                .epilogue = {.residual = residual}};

    scope_op_conv(pass->ctx, y, x, weight, &options);
    scope_op_push_frames(pass->ctx, pass->state->slots[slot], x);
}

static ScopeTensor
run_residual(Pass *pass, const ScopeWanVaeLayer *layer, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    int64_t n = x.shape[0], h = x.shape[1], w = x.shape[2];
    ScopeTensor a = scratch(pass, n, h, w, layer->n_in);
    ScopeTensor b = scratch(pass, n, h, w, layer->n_out);
    ScopeTensor y = x;

    norm(pass, a, x, layer->gamma_a, SCOPE_ACTIVATION_SILU);
    causal_conv(pass, b, a, &layer->conv_a, layer->slot, SCOPE_TENSOR_NONE);
    norm(pass, b, b, layer->gamma_b, SCOPE_ACTIVATION_SILU);
    if (layer->n_in != layer->n_out) {
        y = take(pass, b.shape);
        scope_op_conv(pass->ctx, y, x, &layer->shortcut, NULL);
    }
    causal_conv(pass, y, b, &layer->conv_b, layer->slot + 1, y);
    scope_arena_release(pass->ctx->scratch, mark);
    return y;
}

/* One head over the positions of each frame; no memory between frames. */
static ScopeTensor
run_attention(Pass *pass, const ScopeWanVaeLayer *layer, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    int64_t n = x.shape[0], h = x.shape[1], w = x.shape[2], c = layer->n_in;
    ScopeTensor a = scratch(pass, n, h, w, c);
    ScopeTensor qkv = scratch(pass, n, h, w, 3 * c);
    ScopeTensor rows, out;
    ScopeAttentionSegment segment = {.log_bias = 0};
    ScopeAttentionOptions options = {
        .scale = 1.0f / sqrtf((float)c), .segments = &segment, .n_segments = 1};
    ScopeConvOptions proj = {.epilogue = {.residual = x}};

    norm(pass, a, x, layer->gamma_a, SCOPE_ACTIVATION_NONE);
    scope_op_conv(pass->ctx, qkv, a, &layer->conv_a, NULL);
    rows = scope_tensor_reshape(qkv, SCOPE_SHAPE(n, h * w, 1, 3 * c));
    segment.k = scope_tensor_slice(rows, 3, c, 2 * c);
    segment.v = scope_tensor_slice(rows, 3, 2 * c, 3 * c);
    out = scope_tensor_reshape(a, SCOPE_SHAPE(n, h * w, 1, c));
    scope_op_attention(pass->ctx, out, scope_tensor_slice(rows, 3, 0, c), &options);
    scope_op_conv(pass->ctx, x, a, &layer->conv_b, &proj);
    scope_arena_release(pass->ctx->scratch, mark);
    return x;
}

static ScopeTensor
run_downsample(Pass *pass, const ScopeWanVaeLayer *layer, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    int64_t shape[4] = {x.shape[0], x.shape[1], x.shape[2], x.shape[3]};
    ScopeTensor slot = pass->state->slots[layer->slot];
    ScopeTensor y;

    scope_wan_vae_layer_shape(layer, TRUE, pass->first, shape);
    y = take(pass, shape);
    if (!layer->temporal) {
        scope_op_conv(pass->ctx, y, x, &layer->conv_a, NULL);
    } else if (pass->first) {
        scope_op_conv(pass->ctx, y, x, &layer->conv_a, NULL);
        scope_op_push_frames(pass->ctx, slot, y);
    } else {
        ScopeTensor small = scratch(pass, x.shape[0], shape[1], shape[2], shape[3]);
        scope_op_conv(pass->ctx, small, x, &layer->conv_a, NULL);
        causal_conv(pass, y, small, &layer->time_conv, layer->slot, SCOPE_TENSOR_NONE);
    }
    scope_arena_release(pass->ctx->scratch, mark);
    return y;
}

/* The temporal convolution makes two frames of one as channel halves; the spatial convolution reads
 * each half where it lies. The first frame of a stream passes without it and is not remembered. */
static ScopeTensor
run_upsample(Pass *pass, const ScopeWanVaeLayer *layer, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    int64_t n = x.shape[0], c = x.shape[3];
    int64_t shape[4] = {n, x.shape[1], x.shape[2], c};
    ScopeTensor y, pairs;

    scope_wan_vae_layer_shape(layer, FALSE, pass->first, shape);
    y = take(pass, shape);
    if (!layer->temporal || pass->first) {
        scope_op_conv(pass->ctx, y, x, &layer->conv_a, NULL);
        return y;
    }
    pairs = scratch(pass, n, x.shape[1], x.shape[2], 2 * c);
    causal_conv(pass, pairs, x, &layer->time_conv, layer->slot, SCOPE_TENSOR_NONE);
    for (int64_t i = 0; i < 2 * n; i++) {
        ScopeTensor frame = scope_tensor_slice(pairs, 0, i / 2, i / 2 + 1);
        ScopeTensor half = scope_tensor_slice(frame, 3, (i % 2) * c, (i % 2 + 1) * c);
        scope_op_conv(pass->ctx, scope_tensor_slice(y, 0, i, i + 1), half, &layer->conv_a, NULL);
    }
    scope_arena_release(pass->ctx->scratch, mark);
    return y;
}

static ScopeTensor
run_layer(Pass *pass, const ScopeWanVaeLayer *layer, ScopeTensor x)
{
    switch (layer->kind) {
    case SCOPE_WAN_VAE_LAYER_RESIDUAL:
        return run_residual(pass, layer, x);
    case SCOPE_WAN_VAE_LAYER_ATTENTION:
        return run_attention(pass, layer, x);
    case SCOPE_WAN_VAE_LAYER_RESAMPLE:
    default:
        return pass->encode ? run_downsample(pass, layer, x) : run_upsample(pass, layer, x);
    }
}

/* conv1, all layers, and the head, on one group of frames. */
static ScopeTensor
run_half(Pass *pass, ScopeTensor x)
{
    const ScopeWanVaeHalf *half = scope_wan_vae_state_half(pass->state);
    const char *name = pass->encode ? "encoder" : "decoder";
    int64_t shape[4] = {x.shape[0], x.shape[1], x.shape[2], half->conv_in.n_out};
    ScopeTensor y = take(pass, shape);

    causal_conv(pass, y, x, &half->conv_in, 0, SCOPE_TENSOR_NONE);
    scope_model_tap(pass->tap, y, "%s.conv1", name);
    for (guint i = 0; i < half->layers->len; i++) {
        const ScopeWanVaeLayer *layer = g_ptr_array_index(half->layers, i);
        y = run_layer(pass, layer, y);
        scope_model_tap(pass->tap, y, "%s", layer->name);
    }
    norm(pass, y, y, half->head_gamma, SCOPE_ACTIVATION_SILU);
    x = scratch(pass, y.shape[0], y.shape[1], y.shape[2], half->conv_out.n_out);
    causal_conv(pass, x, y, &half->conv_out, half->n_slots - 1, SCOPE_TENSOR_NONE);
    scope_model_tap(pass->tap, x, "%s.head", name);
    return x;
}

static Pass
begin_pass(ScopeContext *ctx, ScopeWanVaeState *state, const ScopeModelTap *tap)
{
    Pass pass = {.ctx = ctx,
                 .state = state,
                 .tap = tap,
                 .encode = state->direction == SCOPE_WAN_VAE_ENCODE,
                 .first = state->fresh};

    for (int i = 0; i < 2; i++) {
        pass.buffers[i] = scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                                SCOPE_SHAPE(state->max_elements));
    }
    return pass;
}

static void
decode_pass(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor frames, ScopeTensor latents,
            const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeWanVae *vae = state->vae;
    Pass pass = begin_pass(ctx, state, tap);
    ScopeTensor raw =
        scratch(&pass, latents.shape[0], latents.shape[1], latents.shape[2], vae->z_channels);
    ScopeTensor z =
        scratch(&pass, latents.shape[0], latents.shape[1], latents.shape[2], vae->z_channels);

    scope_op_mul(ctx, raw, latents, vae->std);
    scope_op_add(ctx, raw, raw, vae->mean);
    scope_op_conv(ctx, z, raw, &vae->decoder.quant, NULL);
    scope_op_clamp(ctx, frames, run_half(&pass, z), -1, 1);
    state->fresh = FALSE;
    scope_arena_release(ctx->scratch, mark);
}

static void
encode_pass(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor latents, ScopeTensor frames,
            const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeWanVae *vae = state->vae;
    Pass pass = begin_pass(ctx, state, tap);
    ScopeTensor x =
        scratch(&pass, frames.shape[0], frames.shape[1], frames.shape[2], frames.shape[3]);
    ScopeTensor y, moments;

    scope_op_copy(ctx, x, frames);
    y = run_half(&pass, x);
    moments = scratch(&pass, y.shape[0], y.shape[1], y.shape[2], 2 * vae->z_channels);
    scope_op_conv(ctx, moments, y, &vae->encoder.quant, NULL);
    scope_model_tap(tap, moments, "conv1");
    scope_op_binary(ctx, SCOPE_BINARY_SUB, latents,
                    scope_tensor_slice(moments, 3, 0, vae->z_channels), vae->mean);
    scope_op_mul(ctx, latents, latents, vae->inverse_std);
    state->fresh = FALSE;
    scope_arena_release(ctx->scratch, mark);
}

/* Runs all groups: the first latent of a stream alone, then latents_per_pass at a time. */
static void
run_stream(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor frames, ScopeTensor latents,
           const ScopeModelTap *tap)
{
    int64_t n_latents = latents.shape[0];
    int64_t latent = 0, frame = 0;

    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[1] == state->height &&
                 frames.shape[2] == state->width && frames.shape[3] == 3);
    SCOPE_ASSERT(latents.ndim == 4 &&
                 latents.shape[1] == state->height / state->vae->spatial_factor &&
                 latents.shape[2] == state->width / state->vae->spatial_factor &&
                 latents.shape[3] == state->vae->z_channels);
    SCOPE_ASSERT(n_latents > 0 &&
                 frames.shape[0] == scope_wan_vae_state_count_frames(state, n_latents));
    while (latent < n_latents) {
        int64_t n = state->fresh ? 1 : MIN(state->latents_per_pass, n_latents - latent);
        int64_t n_frames = scope_wan_vae_state_count_frames(state, n);
        ScopeTensor some_latents = scope_tensor_slice(latents, 0, latent, latent + n);
        ScopeTensor some_frames = scope_tensor_slice(frames, 0, frame, frame + n_frames);

        if (state->direction == SCOPE_WAN_VAE_ENCODE) {
            encode_pass(ctx, state, some_latents, some_frames, tap);
        } else {
            decode_pass(ctx, state, some_frames, some_latents, tap);
        }
        latent += n;
        frame += n_frames;
    }
}

void
scope_wan_vae_decode(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor ret_frames,
                     ScopeTensor latents, const ScopeModelTap *tap)
{
    SCOPE_ASSERT(state->direction == SCOPE_WAN_VAE_DECODE);
    run_stream(ctx, state, ret_frames, latents, tap);
}

void
scope_wan_vae_encode(ScopeContext *ctx, ScopeWanVaeState *state, ScopeTensor ret_latents,
                     ScopeTensor frames, const ScopeModelTap *tap)
{
    SCOPE_ASSERT(state->direction == SCOPE_WAN_VAE_ENCODE);
    run_stream(ctx, state, frames, ret_latents, tap);
}
