/* SPDX-License-Identifier: Apache-2.0 */
/* The forward passes of TAEHV: all entries over a few frames at once, channels-last. Two scratch
 * buffers take turns as input and output of an entry; memory blocks add in place. Worker thread. */
#include "models/scope-taehv-private.h"

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

typedef struct {
    ScopeContext *ctx;
    ScopeTaehvState *state;
    const ScopeModelTap *tap;
    ScopeTensor buffers[2]; /* flat */
    int other;              /* the buffer that does not hold the current tensor */
} Pass;

/* The free buffer as [t, h, w, c]; it becomes the current one. */
static ScopeTensor
take(Pass *pass, const int64_t shape[4])
{
    ScopeTensor flat = pass->buffers[pass->other];
    int64_t n = shape[0] * shape[1] * shape[2] * shape[3];

    pass->other = 1 - pass->other;
    return scope_tensor_reshape(scope_tensor_slice(flat, 0, 0, n), 4, shape);
}

static ScopeTensor
scratch(ScopeContext *ctx, const int64_t shape[4])
{
    return scope_context_scratch(ctx, scope_context_work_dtype(ctx), 4, shape);
}

static void
watch(Pass *pass, ScopeTensor value, int index)
{
    scope_model_tap(pass->tap, value, "%s.%d",
                    pass->state->direction == SCOPE_TAEHV_ENCODE ? "encoder" : "decoder", index);
}

static ScopeTensor
run_memory(Pass *pass, const ScopeTaehvEntry *entry, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    const int64_t shape[4] = {x.shape[0], x.shape[1], x.shape[2], entry->n_out};
    ScopeTensor slot = pass->state->slots[entry->slot];
    ScopeTensor a = scratch(pass->ctx, shape), b = scratch(pass->ctx, shape), y = x;
    ScopeConvOptions first = {.context = slot, .epilogue = {.activation = SCOPE_ACTIVATION_RELU}};
    ScopeConvOptions second = {.epilogue = {.activation = SCOPE_ACTIVATION_RELU}};
    ScopeConvOptions third = {.epilogue = {.final_activation = SCOPE_ACTIVATION_RELU}};

    scope_op_conv(pass->ctx, a, x, &entry->conv[0], &first);
    scope_op_push_frames(pass->ctx, slot, x);
    scope_op_conv(pass->ctx, b, a, &entry->conv[1], &second);
    if (entry->n_in != entry->n_out) {
        y = take(pass, shape);
        scope_op_conv(pass->ctx, y, x, &entry->skip, NULL);
    }
    third.epilogue.residual = y;
    scope_op_conv(pass->ctx, y, b, &entry->conv[2], &third);
    scope_arena_release(pass->ctx->scratch, mark);
    return y;
}

/* A convolution and the ReLU behind it. Frames that lie side by side in the channels are read where
 * they are. A watched pass applies the ReLU on its own, so that both results can be seen. */
static ScopeTensor
run_conv(Pass *pass, const ScopeTaehvEntry *entry, ScopeTensor x)
{
    gboolean watched = entry->relu && pass->tap != NULL && pass->tap->fn != NULL;
    ScopeConvOptions options = {.epilogue = {.activation = entry->relu && !watched
                                                               ? SCOPE_ACTIVATION_RELU
                                                               : SCOPE_ACTIVATION_NONE}};
    int64_t shape[4] = {x.shape[0], x.shape[1], x.shape[2], x.shape[3]};
    int64_t n = x.shape[0] * entry->steps, c = entry->n_in;
    ScopeTensor y;

    scope_taehv_entry_shape(entry, shape);
    y = take(pass, shape);
    for (int64_t i = 0; i < n && entry->steps > 1; i++) {
        ScopeTensor frame = scope_tensor_slice(x, 0, i / entry->steps, i / entry->steps + 1);
        int64_t part = i % entry->steps;
        scope_op_conv(pass->ctx, scope_tensor_slice(y, 0, i, i + 1),
                      scope_tensor_slice(frame, 3, part * c, (part + 1) * c), &entry->conv[0],
                      &options);
    }
    if (entry->steps == 1) {
        scope_op_conv(pass->ctx, y, x, &entry->conv[0], &options);
    }
    watch(pass, y, entry->index);
    if (watched) {
        scope_op_activation(pass->ctx, y, y, SCOPE_ACTIVATION_RELU);
    }
    if (entry->relu) {
        watch(pass, y, entry->index + 1);
    }
    return y;
}

static ScopeTensor
run_entry(Pass *pass, const ScopeTaehvEntry *entry, ScopeTensor x)
{
    int64_t shape[4] = {x.shape[0], x.shape[1], x.shape[2], x.shape[3]};
    ScopeTensor y = x;

    switch (entry->kind) {
    case SCOPE_TAEHV_ENTRY_CONV:
        return run_conv(pass, entry, x);
    case SCOPE_TAEHV_ENTRY_MEMORY:
        y = run_memory(pass, entry, x);
        break;
    case SCOPE_TAEHV_ENTRY_CLAMP:
        y = take(pass, shape);
        scope_op_affine(pass->ctx, y, x, 1.0f / 3.0f, 0);
        scope_op_activation(pass->ctx, y, y, SCOPE_ACTIVATION_TANH);
        scope_op_affine(pass->ctx, y, y, 3.0f, 0);
        break;
    case SCOPE_TAEHV_ENTRY_GROW:
        watch(pass, x, entry->index - 1);
        scope_taehv_entry_shape(entry, shape);
        y = take(pass, shape);
        scope_op_conv(pass->ctx, y, x, &entry->conv[0], NULL);
        break;
    case SCOPE_TAEHV_ENTRY_POOL:
    default:
        scope_taehv_entry_shape(entry, shape);
        y = take(pass, shape);
        scope_op_conv(pass->ctx, y, x, &entry->conv[0], NULL);
        break;
    }
    watch(pass, y, entry->index);
    return y;
}

static ScopeTensor
run_half(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor x, const ScopeModelTap *tap)
{
    Pass pass = {.ctx = ctx, .state = state, .tap = tap};
    const GArray *entries = state->half->entries;

    for (int i = 0; i < 2; i++) {
        pass.buffers[i] = scope_context_scratch(
            ctx, scope_context_work_dtype(ctx),
            SCOPE_SHAPE(MAX(state->max_elements, scope_tensor_n_elements(x))));
    }
    for (guint i = 0; i < entries->len; i++) {
        x = run_entry(&pass, &g_array_index(entries, ScopeTaehvEntry, i), x);
    }
    return x;
}

/* -- Decoding --------------------------------------------------------------------------------- */

static void
decode_pass(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor frames, ScopeTensor latents,
            const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeTaehv *taehv = state->taehv;
    ScopeTensor z = scratch(ctx, latents.shape);
    ScopeTensor raw;

    if (taehv->latents == SCOPE_TAEHV_LATENTS_RAW) {
        scope_op_mul(ctx, z, latents, taehv->std);
        scope_op_add(ctx, z, z, taehv->mean);
    } else {
        scope_op_copy(ctx, z, latents);
    }
    scope_model_tap(tap, z, "decoder.input");
    raw = run_half(ctx, state, z, tap);
    raw = scope_tensor_slice(raw, 0, raw.shape[0] - frames.shape[0], raw.shape[0]);
    scope_op_affine(ctx, raw, raw, 2, -1);
    scope_op_clamp(ctx, frames, raw, -1, 1);
    state->fresh = FALSE;
    scope_arena_release(ctx->scratch, mark);
}

void
scope_taehv_decode(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor ret_frames,
                   ScopeTensor latents, const ScopeModelTap *tap)
{
    int64_t n_latents = latents.shape[0], factor = state->half->spatial_factor;
    int64_t latent = 0, frame = 0;

    SCOPE_ASSERT(state->direction == SCOPE_TAEHV_DECODE);
    SCOPE_ASSERT(latents.ndim == 4 && latents.shape[1] == state->height / factor &&
                 latents.shape[2] == state->width / factor &&
                 latents.shape[3] == state->taehv->z_channels);
    SCOPE_ASSERT(ret_frames.ndim == 4 && ret_frames.shape[1] == state->height &&
                 ret_frames.shape[2] == state->width && ret_frames.shape[3] == 3);
    SCOPE_ASSERT(n_latents > 0 &&
                 ret_frames.shape[0] == scope_taehv_state_count_frames(state, n_latents));
    while (latent < n_latents) {
        int64_t n = MIN(state->latents_per_pass, n_latents - latent);
        int64_t n_frames = scope_taehv_state_count_frames(state, n);

        decode_pass(ctx, state, scope_tensor_slice(ret_frames, 0, frame, frame + n_frames),
                    scope_tensor_slice(latents, 0, latent, latent + n), tap);
        latent += n;
        frame += n_frames;
    }
}

/* -- Encoding --------------------------------------------------------------------------------- */

/* @frames may lack up to temporal_factor - 1 frames at the end. */
static void
encode_pass(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor latents, ScopeTensor frames,
            const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeTaehv *taehv = state->taehv;
    int64_t n = frames.shape[0], n_full = latents.shape[0] * state->half->temporal_factor;
    const int64_t shape[4] = {n_full, frames.shape[1], frames.shape[2], 3};
    ScopeTensor x = scratch(ctx, shape), z;

    scope_op_affine(ctx, scope_tensor_slice(x, 0, 0, n), frames, 0.5f, 0.5f);
    for (int64_t i = n; i < n_full; i++) {
        scope_op_copy(ctx, scope_tensor_slice(x, 0, i, i + 1), scope_tensor_slice(x, 0, n - 1, n));
    }
    z = run_half(ctx, state, x, tap);
    if (taehv->latents == SCOPE_TAEHV_LATENTS_RAW) {
        scope_op_binary(ctx, SCOPE_BINARY_SUB, latents, z, taehv->mean);
        scope_op_mul(ctx, latents, latents, taehv->inverse_std);
    } else {
        scope_op_copy(ctx, latents, z);
    }
    state->fresh = FALSE;
    scope_arena_release(ctx->scratch, mark);
}

void
scope_taehv_encode(ScopeContext *ctx, ScopeTaehvState *state, ScopeTensor ret_latents,
                   ScopeTensor frames, const ScopeModelTap *tap)
{
    int64_t factor = state->half->spatial_factor, step = state->half->temporal_factor;
    int64_t n_latents = ret_latents.shape[0];

    SCOPE_ASSERT(state->direction == SCOPE_TAEHV_ENCODE);
    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[1] == state->height &&
                 frames.shape[2] == state->width && frames.shape[3] == 3);
    SCOPE_ASSERT(ret_latents.ndim == 4 && ret_latents.shape[1] == state->height / factor &&
                 ret_latents.shape[2] == state->width / factor &&
                 ret_latents.shape[3] == state->taehv->z_channels);
    SCOPE_ASSERT(frames.shape[0] > 0 && n_latents == (frames.shape[0] + step - 1) / step);
    for (int64_t latent = 0; latent < n_latents;) {
        int64_t n = MIN(state->latents_per_pass, n_latents - latent);
        int64_t end = MIN((latent + n) * step, frames.shape[0]);

        encode_pass(ctx, state, scope_tensor_slice(ret_latents, 0, latent, latent + n),
                    scope_tensor_slice(frames, 0, latent * step, end), tap);
        latent += n;
    }
}
