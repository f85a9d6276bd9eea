/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass of RAFT: features, the correlation pyramid, recurrent updates, upsampling.
 * Everything lives in scratch. Worker thread. */
#include "models/scope-raft-private.h"

#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

/* What the updates of one pair of frames share; [h, w] is an eighth of the frame. */
typedef struct {
    ScopeContext *ctx;
    const ScopeRaft *raft;
    const ScopeModelTap *tap;
    int64_t h, w;
    ScopeTensor pyramid[SCOPE_RAFT_N_LEVELS]; /* [h * w, h / 2^l, w / 2^l, 1] */
    ScopeTensor window; /* [1, 2 r + 1, 2 r + 1, 2] f32: offsets, first index along x */
    ScopeTensor grid;   /* [1, h, w, 2] f32: own position of each pixel */
    ScopeTensor coords; /* [1, h, w, 2] f32: where each pixel went */
    ScopeTensor hidden; /* [1, h, w, hidden] */
    ScopeTensor input;  /* [1, h, w, hidden | context | motion | flow], what the GRU reads */
} Pass;

static ScopeTensor
scratch(ScopeContext *ctx, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return scope_context_scratch(ctx, scope_context_work_dtype(ctx), SCOPE_SHAPE(n, h, w, c));
}

static ScopeTensor
conv(ScopeContext *ctx, ScopeTensor x, const ScopeWeight *weight, ScopeActivation activation)
{
    const ScopeConvOptions options = {.epilogue = {.activation = activation}};
    int64_t size[3];
    ScopeTensor y;

    scope_weight_conv_output_size(weight, x.shape[0], x.shape[1], x.shape[2], size);
    y = scratch(ctx, size[0], size[1], size[2], weight->n_out);
    scope_op_conv(ctx, y, x, weight, &options);
    return y;
}

/* -- Encoders --------------------------------------------------------------------------------- */

static ScopeTensor
conv_norm(ScopeContext *ctx, const ScopeRaftEncoder *encoder, ScopeTensor x,
          const ScopeWeight *weight, ScopeActivation activation)
{
    const ScopeGroupNormOptions norm = {
        .n_groups = (int)weight->n_out, .eps = 1e-5f, .activation = activation};
    ScopeTensor y;

    if (!encoder->instance_norm) {
        return conv(ctx, x, weight, activation);
    }
    y = conv(ctx, x, weight, SCOPE_ACTIVATION_NONE);
    scope_op_group_norm(ctx, y, y, &norm);
    return y;
}

static ScopeTensor
run_encoder(ScopeContext *ctx, const ScopeRaftEncoder *encoder, ScopeTensor x)
{
    x = conv_norm(ctx, encoder, x, &encoder->first, SCOPE_ACTIVATION_RELU);
    for (guint i = 0; i < encoder->blocks->len; i++) {
        const ScopeRaftBlock *block = &g_array_index(encoder->blocks, ScopeRaftBlock, i);
        ScopeTensor y = x;

        for (int k = 0; k < block->n_convs; k++) {
            y = conv_norm(ctx, encoder, y, &block->conv[k], SCOPE_ACTIVATION_RELU);
        }
        if (block->strided) {
            x = conv_norm(ctx, encoder, x, &block->downsample, SCOPE_ACTIVATION_NONE);
        }
        scope_op_add(ctx, y, y, x);
        scope_op_activation(ctx, y, y, SCOPE_ACTIVATION_RELU);
        x = y;
    }
    return conv(ctx, x, &encoder->last, SCOPE_ACTIVATION_NONE);
}

/* -- Correlation ------------------------------------------------------------------------------ */

static void
correlate(Pass *pass, ScopeTensor features)
{
    int64_t n = pass->h * pass->w, c = features.shape[3];
    ScopeTensor rows = scope_tensor_reshape(features, SCOPE_SHAPE(2, n, c));
    ScopeTensor first = scope_tensor_select(rows, 0, 0), second = scope_tensor_select(rows, 0, 1);
    int64_t h = pass->h, w = pass->w;

    pass->pyramid[0] = scratch(pass->ctx, n, h, w, 1);
    scope_op_matmul(pass->ctx, scope_tensor_reshape(pass->pyramid[0], SCOPE_SHAPE(n, n)), first,
                    scope_tensor_transpose(second, 0, 1), 1.0f / sqrtf((float)c));
    for (int level = 1; level < SCOPE_RAFT_N_LEVELS; level++) {
        h /= 2;
        w /= 2;
        pass->pyramid[level] = scratch(pass->ctx, n, h, w, 1);
        scope_op_pool2d(pass->ctx, pass->pyramid[level], pass->pyramid[level - 1],
                        SCOPE_POOL_AVERAGE, 2);
    }
}

/* Correlation around where each pixel is now: [1, h, w, levels * (2 r + 1)^2]. */
static ScopeTensor
look_up(Pass *pass)
{
    int64_t n = pass->h * pass->w, side = 2 * pass->raft->radius + 1;
    ScopeTensor found = scratch(pass->ctx, 1, pass->h, pass->w, SCOPE_RAFT_N_LEVELS * side * side);
    ScopeTensor rows =
        scope_tensor_reshape(found, SCOPE_SHAPE(n, SCOPE_RAFT_N_LEVELS, side, side, 1));
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    ScopeTensor at =
        scope_context_scratch(pass->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, side, side, 2));
    ScopeTensor centre = scope_tensor_reshape(pass->coords, SCOPE_SHAPE(n, 1, 1, 2));

    for (int level = 0; level < SCOPE_RAFT_N_LEVELS; level++) {
        scope_op_scale_add(pass->ctx, at, centre, 1.0f / (float)(1 << level), pass->window, 1);
        scope_op_grid_sample(pass->ctx, scope_tensor_select(rows, 1, level), pass->pyramid[level],
                             at, SCOPE_SAMPLE_ABSOLUTE, SCOPE_PAD_ZEROS);
    }
    scope_arena_release(pass->ctx->scratch, mark);
    return found;
}

/* -- Updates ---------------------------------------------------------------------------------- */

/* h = (1 - z) h + z q; the input's first channels hold h before and after. */
static void
run_gru(Pass *pass, const ScopeRaftGru *gru)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    ScopeTensor slot = scope_tensor_slice(pass->input, 3, 0, pass->raft->n_hidden);
    ScopeTensor z = conv(pass->ctx, pass->input, &gru->z, SCOPE_ACTIVATION_SIGMOID);
    ScopeTensor r = conv(pass->ctx, pass->input, &gru->r, SCOPE_ACTIVATION_SIGMOID);
    ScopeTensor q;

    scope_op_mul(pass->ctx, slot, r, pass->hidden);
    q = conv(pass->ctx, pass->input, &gru->q, SCOPE_ACTIVATION_TANH);
    scope_op_lerp(pass->ctx, pass->hidden, pass->hidden, q, z);
    scope_op_copy(pass->ctx, slot, pass->hidden);
    scope_arena_release(pass->ctx->scratch, mark);
}

static void
update(Pass *pass)
{
    ScopeContext *ctx = pass->ctx;
    const ScopeRaft *raft = pass->raft;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t width = pass->input.shape[3], begin = raft->n_hidden + raft->n_context;
    ScopeTensor flow = scratch(ctx, 1, pass->h, pass->w, 2);
    ScopeTensor corr = look_up(pass), moved, both;

    scope_model_tap(pass->tap, corr, "corr_lookup");
    scope_op_binary(ctx, SCOPE_BINARY_SUB, flow, pass->coords, pass->grid);
    corr = conv(ctx, corr, &raft->corr[0], SCOPE_ACTIVATION_RELU);
    if (raft->large) {
        corr = conv(ctx, corr, &raft->corr[1], SCOPE_ACTIVATION_RELU);
    }
    moved = conv(ctx, flow, &raft->flow[0], SCOPE_ACTIVATION_RELU);
    moved = conv(ctx, moved, &raft->flow[1], SCOPE_ACTIVATION_RELU);
    both = scratch(ctx, 1, pass->h, pass->w, corr.shape[3] + moved.shape[3]);
    scope_op_copy(ctx, scope_tensor_slice(both, 3, 0, corr.shape[3]), corr);
    scope_op_copy(ctx, scope_tensor_slice(both, 3, corr.shape[3], both.shape[3]), moved);
    both = conv(ctx, both, &raft->motion, SCOPE_ACTIVATION_RELU);
    scope_op_copy(ctx, scope_tensor_slice(pass->input, 3, begin, width - 2), both);
    scope_op_copy(ctx, scope_tensor_slice(pass->input, 3, width - 2, width), flow);
    run_gru(pass, &raft->gru[0]);
    if (raft->large) {
        run_gru(pass, &raft->gru[1]);
    }
    flow = conv(ctx, pass->hidden, &raft->head[0], SCOPE_ACTIVATION_RELU);
    flow = conv(ctx, flow, &raft->head[1], SCOPE_ACTIVATION_NONE);
    scope_op_add(ctx, pass->coords, pass->coords, flow);
    scope_arena_release(ctx->scratch, mark);
}

/* -- Upsampling ------------------------------------------------------------------------------- */

/* Each of the 8 x 8 fine pixels is a weighted mean of the 3 x 3 coarse neighbours; the network
 * tells the weights. */
static void
upsample_convex(Pass *pass, ScopeTensor ret_flow, ScopeTensor flow)
{
    ScopeContext *ctx = pass->ctx;
    const int64_t h = pass->h, w = pass->w, n = h * w, r = SCOPE_RAFT_SIZE_MULTIPLE;
    const float mask_scale = 0.25f;
    ScopeTensor mask = conv(ctx, pass->hidden, &pass->raft->mask[0], SCOPE_ACTIVATION_RELU);
    ScopeTensor weights = scratch(ctx, 1, n, r * r, 9), padded = scratch(ctx, 1, h + 2, w + 2, 2);
    ScopeTensor patches = scratch(ctx, 1, n, 9, 2), fine = scratch(ctx, 1, n, r * r, 2), view;

    mask = conv(ctx, mask, &pass->raft->mask[1], SCOPE_ACTIVATION_NONE);
    view = scope_tensor_reshape(mask, SCOPE_SHAPE(1, n, 9, r * r));
    scope_op_affine(ctx, weights, scope_tensor_transpose(view, 2, 3), mask_scale, 0);
    scope_op_softmax(ctx, weights, weights);
    scope_op_pad(ctx, padded, flow, SCOPE_PAD_ZEROS, 1, 1);
    view = scope_tensor_as_strided(padded, 0, SCOPE_SHAPE(h, w, 3, 3, 2),
                                   (const int64_t[]){(w + 2) * 2, 2, (w + 2) * 2, 2, 1});
    scope_op_copy(ctx, scope_tensor_reshape(patches, SCOPE_SHAPE(h, w, 3, 3, 2)), view);
    scope_op_matmul(ctx, scope_tensor_select(fine, 0, 0), scope_tensor_select(weights, 0, 0),
                    scope_tensor_select(patches, 0, 0), (float)r);
    view = scope_tensor_reshape(fine, SCOPE_SHAPE(h, w, r, r, 2));
    scope_op_copy(ctx, scope_tensor_reshape(ret_flow, SCOPE_SHAPE(h, r, w, r, 2)),
                  scope_tensor_permute(view, SCOPE_ORDER(0, 2, 1, 3, 4)));
}

static void
upsample(Pass *pass, ScopeTensor ret_flow)
{
    const ScopeResizeOptions corners = {.mode = SCOPE_RESIZE_BILINEAR_CORNERS};
    const int64_t h = ret_flow.shape[0], w = ret_flow.shape[1];
    ScopeTensor flow = scratch(pass->ctx, 1, pass->h, pass->w, 2);
    ScopeTensor fine = scratch(pass->ctx, 1, h, w, 2);

    scope_op_binary(pass->ctx, SCOPE_BINARY_SUB, flow, pass->coords, pass->grid);
    if (pass->raft->large) {
        upsample_convex(pass, scope_tensor_select(fine, 0, 0), flow);
    } else {
        scope_op_resize(pass->ctx, fine, flow, &corners);
        scope_op_affine(pass->ctx, fine, fine, (float)SCOPE_RAFT_SIZE_MULTIPLE, 0);
    }
    scope_op_copy(pass->ctx, ret_flow, scope_tensor_select(fine, 0, 0));
}

/* -- Run -------------------------------------------------------------------------------------- */

/* Uploads the pixel grid and the window of offsets. The window's FIRST index moves along x. */
static void
make_grids(Pass *pass)
{
    const int r = pass->raft->radius, side = 2 * r + 1;
    g_autofree float *grid = g_new(float, (gsize)(pass->h * pass->w * 2));
    g_autofree float *window = g_new(float, (gsize)(side * side * 2));

    for (int64_t y = 0; y < pass->h; y++) {
        for (int64_t x = 0; x < pass->w; x++) {
            grid[(y * pass->w + x) * 2] = (float)x;
            grid[(y * pass->w + x) * 2 + 1] = (float)y;
        }
    }
    for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) {
            window[(i * side + j) * 2] = (float)(i - r);
            window[(i * side + j) * 2 + 1] = (float)(j - r);
        }
    }
    pass->grid =
        scope_context_scratch(pass->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, pass->h, pass->w, 2));
    pass->coords =
        scope_context_scratch(pass->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, pass->h, pass->w, 2));
    pass->window = scope_context_scratch(pass->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, side, side, 2));
    scope_context_upload(pass->ctx, pass->grid, grid);
    scope_context_upload(pass->ctx, pass->window, window);
}

/* Splits the context features into the first hidden state and what every update reads. */
static void
start_hidden(Pass *pass, ScopeTensor context)
{
    const ScopeRaft *raft = pass->raft;
    int64_t n = raft->n_hidden, m = raft->n_context;

    pass->hidden = scratch(pass->ctx, 1, pass->h, pass->w, n);
    pass->input = scratch(pass->ctx, 1, pass->h, pass->w, n + m + raft->n_motion);
    scope_op_activation(pass->ctx, pass->hidden, scope_tensor_slice(context, 3, 0, n),
                        SCOPE_ACTIVATION_TANH);
    scope_op_copy(pass->ctx, scope_tensor_slice(pass->input, 3, 0, n), pass->hidden);
    scope_op_activation(pass->ctx, scope_tensor_slice(pass->input, 3, n, n + m),
                        scope_tensor_slice(context, 3, n, n + m), SCOPE_ACTIVATION_RELU);
}

void
scope_raft_run(ScopeContext *ctx, const ScopeRaft *raft, ScopeTensor ret_flow, ScopeTensor frames,
               const ScopeRaftOptions *options)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeRaftOptions defaults = {0};
    const int r = SCOPE_RAFT_SIZE_MULTIPLE;
    int n_updates;
    Pass pass = {.ctx = ctx, .raft = raft};
    ScopeTensor images, maps;

    options = options != NULL ? options : &defaults;
    n_updates = options->n_updates > 0 ? options->n_updates : SCOPE_RAFT_DEFAULT_UPDATES;
    pass.tap = &options->tap;
    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[0] == 2 && frames.shape[3] == 3);
    SCOPE_ASSERT(frames.shape[1] % r == 0 && frames.shape[1] >= SCOPE_RAFT_MIN_SIZE);
    SCOPE_ASSERT(frames.shape[2] % r == 0 && frames.shape[2] >= SCOPE_RAFT_MIN_SIZE);
    SCOPE_ASSERT(ret_flow.ndim == 3 && ret_flow.shape[0] == frames.shape[1] &&
                 ret_flow.shape[1] == frames.shape[2] && ret_flow.shape[2] == 2);
    pass.h = frames.shape[1] / r;
    pass.w = frames.shape[2] / r;
    images = scratch(ctx, 2, frames.shape[1], frames.shape[2], 3);
    scope_op_copy(ctx, images, frames);
    maps = run_encoder(ctx, &raft->feature, images);
    scope_model_tap(pass.tap, maps, "feature_maps");
    correlate(&pass, maps);
    maps = run_encoder(ctx, &raft->context, scope_tensor_slice(images, 0, 0, 1));
    scope_model_tap(pass.tap, maps, "context");
    make_grids(&pass);
    start_hidden(&pass, maps);
    scope_op_copy(ctx, pass.coords, pass.grid);
    if (!scope_tensor_is_none(options->initial_flow)) {
        scope_op_add(ctx, pass.coords, pass.coords, options->initial_flow);
    }
    for (int i = 0; i < n_updates; i++) {
        update(&pass);
    }
    upsample(&pass, ret_flow);
    scope_arena_release(ctx->scratch, mark);
}
