/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass of Video-Depth-Anything: transformer per frame, motion modules along time, and a
 * convolutional head. What follows the last motion module runs on a few frames at a time, which
 * bounds the scratch and changes no number. Worker thread. */
#include "models/scope-vda-private.h"

#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"

#define MICRO_BATCH 4 /* frames */

typedef struct {
    ScopeContext *ctx;
    const ScopeVda *vda;
    const ScopeModelTap *tap;
    ScopeVdaCache *cache;
    int64_t n, gh, gw; /* frames, patch grid */
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
    if (weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE) {
        scope_op_conv_transpose(ctx, y, x, weight, &options.epilogue);
    } else {
        scope_op_conv(ctx, y, x, weight, &options);
    }
    return y;
}

static ScopeTensor
resize(ScopeContext *ctx, ScopeTensor x, int64_t h, int64_t w)
{
    const ScopeResizeOptions corners = {.mode = SCOPE_RESIZE_BILINEAR_CORNERS};
    ScopeTensor y;

    if (x.shape[1] == h && x.shape[2] == w) {
        return x;
    }
    y = scratch(ctx, x.shape[0], h, w, x.shape[3]);
    scope_op_resize(ctx, y, x, &corners);
    return y;
}

/* -- Transformer ------------------------------------------------------------------------------ */

static void
layer_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor weight, ScopeTensor bias)
{
    const ScopeNormOptions options = {
        .kind = SCOPE_NORM_LAYER, .eps = 1e-6f, .weight = weight, .bias = bias};

    scope_op_norm(ctx, y, x, &options);
}

/* Class token and patches with their positions: [n, 1 + gh * gw, D]. */
static ScopeTensor
embed(Pass *pass, ScopeTensor frames)
{
    ScopeContext *ctx = pass->ctx;
    const ScopeVda *vda = pass->vda;
    int64_t n_patches = pass->gh * pass->gw, d = vda->width;
    /* the reference asks for a factor of (size + 0.1) / grid, not of size / grid */
    const ScopeResizeOptions cubic = {.mode = SCOPE_RESIZE_BICUBIC,
                                      .ratio_h = (double)vda->grid / ((double)pass->gh + 0.1),
                                      .ratio_w = (double)vda->grid / ((double)pass->gw + 0.1)};
    ScopeTensor x = scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                          SCOPE_SHAPE(pass->n, 1 + n_patches, d));
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor first = scope_tensor_slice(x, 1, 0, 1);
    ScopeTensor rest = scope_tensor_slice(x, 1, 1, 1 + n_patches);
    ScopeTensor positions = vda->patch_positions, patches;

    if (pass->gh != vda->grid || pass->gw != vda->grid) {
        ScopeTensor stored = scratch(ctx, 1, vda->grid, vda->grid, d);
        positions = scratch(ctx, 1, pass->gh, pass->gw, d);
        scope_op_copy(ctx, stored, vda->patch_positions);
        scope_op_resize(ctx, positions, stored, &cubic);
    }
    patches = conv(ctx, frames, &vda->patch_embed, SCOPE_ACTIVATION_NONE);
    scope_op_add(ctx, rest, scope_tensor_reshape(patches, SCOPE_SHAPE(pass->n, n_patches, d)),
                 scope_tensor_reshape(positions, SCOPE_SHAPE(1, n_patches, d)));
    scope_op_add(ctx, first, vda->class_token, vda->class_position);
    scope_arena_release(ctx->scratch, mark);
    scope_model_tap(pass->tap, x, "tokens_after_pos_embed");
    return x;
}

static void
run_block(Pass *pass, const ScopeVdaBlock *block, ScopeTensor x)
{
    ScopeContext *ctx = pass->ctx;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    int64_t n = x.shape[0], tokens = x.shape[1], d = x.shape[2];
    int64_t heads = pass->vda->options.n_heads, head = d / heads;
    ScopeTensor a = scope_context_scratch(ctx, type, SCOPE_SHAPE(n, tokens, d));
    ScopeTensor qkv = scope_context_scratch(ctx, type, SCOPE_SHAPE(n, tokens, 3 * d));
    ScopeTensor hidden = scope_context_scratch(ctx, type, SCOPE_SHAPE(n, tokens, block->fc1.n_out));
    ScopeTensor parts = scope_tensor_reshape(qkv, SCOPE_SHAPE(n, tokens, 3, heads, head));
    const ScopeAttentionSegment segment = {.k = scope_tensor_select(parts, 2, 1),
                                           .v = scope_tensor_select(parts, 2, 2)};
    const ScopeAttentionOptions attention = {
        .scale = 1.0f / sqrtf((float)head), .segments = &segment, .n_segments = 1};
    const ScopeEpilogue first = {.gate = block->ls1, .gate_rows = n * tokens, .residual = x};
    const ScopeEpilogue second = {.gate = block->ls2, .gate_rows = n * tokens, .residual = x};
    const ScopeEpilogue gelu = {.activation = SCOPE_ACTIVATION_GELU_ERF};

    layer_norm(ctx, a, x, block->norm1_weight, block->norm1_bias);
    scope_op_linear(ctx, qkv, a, &block->qkv, NULL);
    scope_op_attention(ctx, scope_tensor_reshape(a, SCOPE_SHAPE(n, tokens, heads, head)),
                       scope_tensor_select(parts, 2, 0), &attention);
    scope_op_linear(ctx, x, a, &block->proj, &first);
    layer_norm(ctx, a, x, block->norm2_weight, block->norm2_bias);
    scope_op_linear(ctx, hidden, a, &block->fc1, &gelu);
    scope_op_linear(ctx, x, hidden, &block->fc2, &second);
    scope_arena_release(ctx->scratch, mark);
}

/* The patches of each frame, without its class token, through the final norm. */
static void
norm_patches(Pass *pass, ScopeTensor y, ScopeTensor x)
{
    int64_t n_patches = pass->gh * pass->gw, d = pass->vda->width;
    ScopeTensor rows = scope_tensor_reshape(y, SCOPE_SHAPE(pass->n, n_patches, d));

    for (int64_t i = 0; i < pass->n; i++) {
        ScopeTensor frame = scope_tensor_select(x, 0, i);
        layer_norm(pass->ctx, scope_tensor_select(rows, 0, i),
                   scope_tensor_slice(frame, 0, 1, 1 + n_patches), pass->vda->norm_weight,
                   pass->vda->norm_bias);
    }
}

/* Runs all blocks; ret_taps get the normed patches [n, gh, gw, D] of the tapped ones. */
static void
run_transformer(Pass *pass, ScopeTensor frames, ScopeTensor ret_taps[SCOPE_VDA_N_TAPS])
{
    ScopeContext *ctx = pass->ctx;
    const ScopeVda *vda = pass->vda;
    ScopeArenaMark mark;
    ScopeTensor x;

    for (int i = 0; i < SCOPE_VDA_N_TAPS; i++) {
        ret_taps[i] = scratch(ctx, pass->n, pass->gh, pass->gw, vda->width);
    }
    mark = scope_arena_mark(ctx->scratch);
    x = embed(pass, frames);
    for (int i = 0; i <= vda->options.taps[SCOPE_VDA_N_TAPS - 1]; i++) {
        run_block(pass, &vda->blocks[i], x);
        scope_model_tap(pass->tap, x, "vit.blocks.%d", i);
        for (int k = 0; k < SCOPE_VDA_N_TAPS; k++) {
            if (vda->options.taps[k] == i) {
                norm_patches(pass, ret_taps[k], x);
            }
        }
    }
    scope_arena_release(ctx->scratch, mark);
}

/* -- Head ------------------------------------------------------------------------------------- */

/* x + conv(relu(conv(relu(x)))) into @y, which may be @x, or is added to when @add. */
static void
run_unit(ScopeContext *ctx, const ScopeWeight unit[2], ScopeTensor y, ScopeTensor x, gboolean add)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor a = scratch(ctx, x.shape[0], x.shape[1], x.shape[2], x.shape[3]), b;
    ScopeConvOptions options = {.epilogue = {.residual = y}};

    if (add) {
        scope_op_add(ctx, y, y, x);
    }
    scope_op_activation(ctx, a, x, SCOPE_ACTIVATION_RELU);
    b = conv(ctx, a, &unit[0], SCOPE_ACTIVATION_RELU);
    scope_op_conv(ctx, y, b, &unit[1], &options);
    scope_arena_release(ctx->scratch, mark);
}

/* Fuses @x, changed in place, with @skip and enlarges it to [h, w]. The 1x1 convolution commutes
 * with the interpolation and runs before it, on fewer pixels. */
static ScopeTensor
run_fusion(Pass *pass, int number, ScopeTensor x, ScopeTensor skip, int64_t h, int64_t w)
{
    const ScopeVdaFusion *fusion = &pass->vda->fusion[number - 1];
    ScopeTensor y;

    if (!scope_tensor_is_none(skip)) {
        run_unit(pass->ctx, fusion->unit1, x, skip, TRUE);
    }
    run_unit(pass->ctx, fusion->unit2, x, x, FALSE);
    y = resize(pass->ctx, conv(pass->ctx, x, &fusion->out, SCOPE_ACTIVATION_NONE), h, w);
    scope_model_tap(pass->tap, y, "head.refinenet%d", number);
    return y;
}

/* Tokens of a tap as an image of its own scale. */
static ScopeTensor
run_project(Pass *pass, int index, ScopeTensor tokens)
{
    const ScopeVda *vda = pass->vda;
    ScopeTensor y = conv(pass->ctx, tokens, &vda->projects[index], SCOPE_ACTIVATION_NONE);

    scope_model_tap(pass->tap, y, "head.projects.%d", index);
    if (index < 2) {
        y = conv(pass->ctx, y, &vda->enlarge[index], SCOPE_ACTIVATION_NONE);
    } else if (index == 3) {
        y = conv(pass->ctx, y, &vda->shrink, SCOPE_ACTIVATION_NONE);
    }
    scope_model_tap(pass->tap, y, "head.resize_layers.%d", index);
    return y;
}

static ScopeTensor
run_rn(Pass *pass, int index, ScopeTensor x)
{
    ScopeTensor y = conv(pass->ctx, x, &pass->vda->layer_rn[index], SCOPE_ACTIVATION_NONE);

    scope_model_tap(pass->tap, y, "head.layer%d_rn", index + 1);
    return y;
}

static void
run_motion(Pass *pass, int index, ScopeTensor x)
{
    scope_vda_run_motion(pass->ctx, pass->vda, index, x, pass->cache);
    scope_model_tap(pass->tap, x, "head.motion_modules.%d", index);
}

/* The two finest scales and the output, on @n frames from @first. */
static void
run_fine(Pass *pass, ScopeTensor depth, ScopeTensor path, const ScopeTensor taps[2])
{
    ScopeContext *ctx = pass->ctx;
    const ScopeVda *vda = pass->vda;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor fine = run_rn(pass, 0, run_project(pass, 0, taps[0]));
    ScopeTensor middle = run_rn(pass, 1, run_project(pass, 1, taps[1])), x;

    x = run_fusion(pass, 2, path, middle, fine.shape[1], fine.shape[2]);
    x = run_fusion(pass, 1, x, fine, 2 * fine.shape[1], 2 * fine.shape[2]);
    x = conv(ctx, x, &vda->output1, SCOPE_ACTIVATION_NONE);
    scope_model_tap(pass->tap, x, "head.output_conv1");
    x = resize(ctx, x, depth.shape[1], depth.shape[2]);
    x = conv(ctx, x, &vda->output2[0], SCOPE_ACTIVATION_RELU);
    x = conv(ctx, x, &vda->output2[1], SCOPE_ACTIVATION_RELU);
    scope_model_tap(pass->tap, x, "head.output_conv2");
    scope_op_copy(ctx, depth, scope_tensor_select(x, 3, 0));
    scope_arena_release(ctx->scratch, mark);
}

void
scope_vda_forward(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth, ScopeTensor frames,
                  ScopeVdaCache *cache, const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Pass pass = {.ctx = ctx, .vda = vda, .tap = tap, .cache = cache};
    ScopeTensor taps[SCOPE_VDA_N_TAPS], layer3, layer4, path;

    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[3] == 3 && frames.shape[0] >= 1);
    SCOPE_ASSERT(frames.shape[1] % vda->patch == 0 && frames.shape[2] % vda->patch == 0);
    SCOPE_ASSERT(ret_depth.ndim == 3 && ret_depth.shape[0] == frames.shape[0] &&
                 ret_depth.shape[1] == frames.shape[1] && ret_depth.shape[2] == frames.shape[2]);
    SCOPE_ASSERT(frames.shape[0] + (cache != NULL ? cache->n_history : 0) <= vda->n_positions);
    pass.n = frames.shape[0];
    pass.gh = frames.shape[1] / vda->patch;
    pass.gw = frames.shape[2] / vda->patch;
    run_transformer(&pass, frames, taps);
    layer3 = run_project(&pass, 2, taps[2]);
    layer4 = run_project(&pass, 3, taps[3]);
    run_motion(&pass, 0, layer3);
    run_motion(&pass, 1, layer4);
    layer3 = run_rn(&pass, 2, layer3);
    layer4 = run_rn(&pass, 3, layer4);
    path = run_fusion(&pass, 4, layer4, SCOPE_TENSOR_NONE, layer3.shape[1], layer3.shape[2]);
    run_motion(&pass, 2, path);
    path = run_fusion(&pass, 3, path, layer3, 2 * pass.gh, 2 * pass.gw);
    run_motion(&pass, 3, path);
    for (int64_t i = 0; i < pass.n; i += MICRO_BATCH) {
        int64_t end = MIN(i + MICRO_BATCH, pass.n);
        const ScopeTensor some[2] = {scope_tensor_slice(taps[0], 0, i, end),
                                     scope_tensor_slice(taps[1], 0, i, end)};
        run_fine(&pass, scope_tensor_slice(ret_depth, 0, i, end),
                 scope_tensor_slice(path, 0, i, end), some);
    }
    scope_arena_release(ctx->scratch, mark);
}

void
scope_vda_run_window(ScopeContext *ctx, const ScopeVda *vda, ScopeTensor ret_depth,
                     ScopeTensor frames, const ScopeModelTap *tap)
{
    scope_vda_forward(ctx, vda, ret_depth, frames, NULL, tap);
}
