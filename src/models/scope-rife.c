/* SPDX-License-Identifier: Apache-2.0 */
/* RIFE: loading, and the coarse-to-fine estimation of the flow. The model owns its arena and a
 * reference on the checkpoint. Loader thread for load, worker for the rest. */
#include "models/scope-rife.h"

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"
#include "models/scope-video-convert.h"

#define SLOPE        0.2f /* of the leaky ReLU */
#define N_IMAGE      3
#define N_FLOW       4 /* channels: to the first frame, to the second */
#define N_FEATURE    8 /* channels that a block hands to the next */
#define N_RESULT     (N_FLOW + 1 + N_FEATURE)
#define N_LAST       (4 * N_RESULT) /* before the pixel shuffle */
#define BLOCK_SHRINK 4              /* of a block's two strided convolutions */

typedef struct {
    ScopeWeight conv;
    ScopeTensor beta; /* [1, c] */
} Unit;

typedef struct {
    ScopeWeight first[2], last;
    GArray *units; /* of Unit */
    int64_t width;
    int scale;
} Block;

struct _ScopeRife {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeWeight head[4];
    GPtrArray *blocks; /* (element-type Block) */
    int64_t n_features;
};

/* -- Loading ---------------------------------------------------------------------------------- */

static void
block_free(gpointer data)
{
    Block *block = data;

    g_array_unref(block->units);
    g_free(block);
}

static void
load_head(ScopeLayerLoader *loader, ScopeRife *rife)
{
    const ScopeConvGeometry strided = scope_conv_geometry_strided(2, 1);
    const ScopeConvGeometry same = scope_conv_geometry_same(1);
    int64_t width;

    scope_layer_loader_conv(loader, &rife->head[0], "encode.cnn0",
                            (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, N_IMAGE, 0, 3, 3}, &strided,
                            SCOPE_LAYER_BIAS);
    width = rife->head[0].n_out;
    scope_layer_loader_conv(loader, &rife->head[1], "encode.cnn1",
                            (ScopeLayerConvShape){width, width, 0, 3, 3}, &same, SCOPE_LAYER_BIAS);
    scope_layer_loader_conv(loader, &rife->head[2], "encode.cnn2",
                            (ScopeLayerConvShape){width, width, 0, 3, 3}, &same, SCOPE_LAYER_BIAS);
    scope_layer_loader_conv_transpose(loader, &rife->head[3], "encode.cnn3",
                                      (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, width, 0, 4, 4},
                                      &strided, SCOPE_LAYER_BIAS);
    rife->n_features = rife->head[3].n_out;
}

static void
load_units(ScopeLayerLoader *loader, Block *block, const char *prefix)
{
    const ScopeConvGeometry same = scope_conv_geometry_same(1);
    int64_t c = block->width;

    for (int i = 0; loader->error == NULL; i++) {
        g_autofree char *name = g_strdup_printf("%s.convblock.%d", prefix, i);
        g_autofree char *conv = g_strconcat(name, ".conv", NULL);
        Unit unit = {0};

        if (!scope_layer_loader_has(loader, conv, "weight")) {
            return;
        }
        scope_layer_loader_conv(loader, &unit.conv, conv, (ScopeLayerConvShape){c, c, 0, 3, 3},
                                &same, SCOPE_LAYER_BIAS);
        unit.beta = scope_layer_loader_vector(loader, name, "beta", c);
        if (!scope_tensor_is_none(unit.beta)) {
            unit.beta = scope_tensor_reshape(unit.beta, SCOPE_SHAPE(1, c));
        }
        g_array_append_val(block->units, unit);
    }
}

static void
load_block(ScopeLayerLoader *loader, ScopeRife *rife, int index)
{
    const ScopeConvGeometry strided = scope_conv_geometry_strided(2, 1);
    g_autofree char *name = g_strdup_printf("block%d", index);
    g_autofree char *first = g_strconcat(name, ".conv0.0.0", NULL);
    g_autofree char *second = g_strconcat(name, ".conv0.1.0", NULL);
    g_autofree char *last = g_strconcat(name, ".lastconv.0", NULL);
    Block *block = g_new0(Block, 1);
    int64_t n_in = 2 * N_IMAGE + 2 * rife->n_features + 1;

    g_ptr_array_add(rife->blocks, block);
    block->units = g_array_new(FALSE, TRUE, sizeof(Unit));
    if (index > 0) {
        n_in += 1 + N_FEATURE + N_FLOW;
    }
    scope_layer_loader_conv(loader, &block->first[0], first,
                            (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, n_in, 0, 3, 3}, &strided,
                            SCOPE_LAYER_BIAS);
    scope_layer_loader_conv(
        loader, &block->first[1], second,
        (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, block->first[0].n_out, 0, 3, 3}, &strided,
        SCOPE_LAYER_BIAS);
    block->width = block->first[1].n_out;
    load_units(loader, block, name);
    scope_layer_loader_conv_transpose(loader, &block->last, last,
                                      (ScopeLayerConvShape){N_LAST, block->width, 0, 4, 4},
                                      &strided, SCOPE_LAYER_BIAS);
}

/* Loads with a context, only compares without. */
static ScopeRife *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeRife) rife = g_new0(ScopeRife, 1);
    ScopeLayerLoader loader;

    rife->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (rife->checkpoint == NULL) {
        return NULL;
    }
    rife->blocks = g_ptr_array_new_with_free_func(block_free);
    rife->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, rife->checkpoint, ctx, rife->arena);
    load_head(&loader, rife);
    for (int i = 0; loader.error == NULL; i++) {
        g_autofree char *name = g_strdup_printf("block%d.conv0.0.0", i);
        if (i > 0 && !scope_layer_loader_has(&loader, name, "weight")) {
            break;
        }
        load_block(&loader, rife, i);
    }
    for (guint i = 0; i < rife->blocks->len; i++) {
        Block *block = g_ptr_array_index(rife->blocks, i);
        block->scale = 1 << (rife->blocks->len - 1 - i);
    }
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&rife) : NULL;
}

ScopeRife *
scope_rife_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return load(ctx, checkpoint, error);
}

gboolean
scope_rife_check(ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeRife) rife = load(NULL, checkpoint, error);

    return rife != NULL;
}

void
scope_rife_unload(ScopeRife *rife)
{
    if (rife == NULL) {
        return;
    }
    g_clear_pointer(&rife->blocks, g_ptr_array_unref);
    scope_arena_destroy(rife->arena);
    scope_checkpoint_unref(rife->checkpoint);
    g_free(rife);
}

int
scope_rife_get_n_blocks(const ScopeRife *rife)
{
    return (int)rife->blocks->len;
}

int64_t
scope_rife_get_block_width(const ScopeRife *rife, int block)
{
    return ((const Block *)g_ptr_array_index(rife->blocks, block))->width;
}

int64_t
scope_rife_get_pad_multiple(const ScopeRife *rife)
{
    return BLOCK_SHRINK * ((const Block *)g_ptr_array_index(rife->blocks, 0))->scale;
}

/* -- Forward ---------------------------------------------------------------------------------- */

typedef struct {
    ScopeContext *ctx;
    const ScopeRife *rife;
    const ScopeModelTap *tap;
    int64_t h, w;
    ScopeTensor image[2];   /* [1, h, w, 3] */
    ScopeTensor feature[2]; /* [1, h, w, f] */
    ScopeTensor flow;       /* [1, h, w, 4] f32 */
    ScopeTensor input;      /* [1, h, w, images | features | time | mask | feature] */
    ScopeTensor mask;       /* [1, h, w, 1], in the input */
} Pass;

static ScopeTensor
scratch(ScopeContext *ctx, int64_t n, int64_t h, int64_t w, int64_t c)
{
    return scope_context_scratch(ctx, scope_context_work_dtype(ctx), SCOPE_SHAPE(n, h, w, c));
}

static ScopeTensor
conv(ScopeContext *ctx, ScopeTensor x, const ScopeWeight *weight, ScopeActivation activation)
{
    const ScopeConvOptions options = {
        .epilogue = {.activation = activation, .activation_param = SLOPE}};
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

/* Features [T, h, w, f] of frames [T, h, w, 3] into @y. */
static void
run_head(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);

    for (int i = 0; i < 3; i++) {
        x = conv(ctx, x, &rife->head[i], SCOPE_ACTIVATION_LEAKY_RELU);
    }
    scope_op_conv_transpose(ctx, y, x, &rife->head[3], NULL);
    scope_arena_release(ctx->scratch, mark);
}

static void
resize(Pass *pass, ScopeTensor y, ScopeTensor x)
{
    const ScopeResizeOptions bilinear = {.mode = SCOPE_RESIZE_BILINEAR};

    scope_op_resize(pass->ctx, y, x, &bilinear);
}

/* Both images (or features) moved by the flow, into neighbouring channels of the input. */
static void
warp(Pass *pass, const ScopeTensor pair[2], ScopeTensor y)
{
    int64_t c = pair[0].shape[3];

    for (int i = 0; i < 2; i++) {
        scope_op_grid_sample(pass->ctx, scope_tensor_slice(y, 3, i * c, (i + 1) * c), pair[i],
                             scope_tensor_slice(pass->flow, 3, 2 * i, 2 * i + 2), SCOPE_SAMPLE_FLOW,
                             SCOPE_PAD_BORDER);
    }
}

/* lrelu(conv(x) * beta + x), several times. */
static ScopeTensor
run_units(Pass *pass, const Block *block, ScopeTensor x)
{
    ScopeTensor y = scratch(pass->ctx, x.shape[0], x.shape[1], x.shape[2], x.shape[3]);

    for (guint i = 0; i < block->units->len; i++) {
        const Unit *unit = &g_array_index(block->units, Unit, i);
        const ScopeConvOptions options = {
            .epilogue = {.gate = unit->beta,
                         .gate_rows = x.shape[0] * x.shape[1] * x.shape[2],
                         .residual = x,
                         .final_activation = SCOPE_ACTIVATION_LEAKY_RELU,
                         .final_param = SLOPE}};
        ScopeTensor other = x;
        scope_op_conv(pass->ctx, y, x, &unit->conv, &options);
        x = y;
        y = other;
    }
    return x;
}

static void
watch(Pass *pass, int index, ScopeTensor result)
{
    scope_model_tap(pass->tap, scope_tensor_slice(result, 3, 0, N_FLOW), "block%d.flow_delta",
                    index);
    scope_model_tap(pass->tap, scope_tensor_slice(result, 3, N_FLOW, N_FLOW + 1), "block%d.mask",
                    index);
    scope_model_tap(pass->tap, scope_tensor_slice(result, 3, N_FLOW + 1, N_RESULT), "block%d.feat",
                    index);
}

/* One block at its scale: adds to the flow, replaces mask and feature in the input. */
static void
run_block(Pass *pass, int index)
{
    ScopeContext *ctx = pass->ctx;
    const Block *block = g_ptr_array_index(pass->rife->blocks, index);
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t h = pass->h / block->scale, w = pass->w / block->scale;
    int64_t n_in = block->first[0].n_in, n_state = pass->input.shape[3] - 1 - N_FEATURE;
    ScopeTensor x = scratch(ctx, 1, h, w, n_in), result, small;
    float scale = (float)block->scale;

    if (index == 0) {
        resize(pass, x, scope_tensor_slice(pass->input, 3, 0, n_in));
    } else {
        ScopeTensor flow = scope_tensor_slice(x, 3, n_in - N_FLOW, n_in);
        resize(pass, scope_tensor_slice(x, 3, 0, n_in - N_FLOW), pass->input);
        resize(pass, flow, pass->flow);
        scope_op_affine(ctx, flow, flow, 1 / scale, 0);
    }
    x = conv(ctx, x, &block->first[0], SCOPE_ACTIVATION_LEAKY_RELU);
    x = conv(ctx, x, &block->first[1], SCOPE_ACTIVATION_LEAKY_RELU);
    x = conv(ctx, run_units(pass, block, x), &block->last, SCOPE_ACTIVATION_NONE);
    small = scratch(ctx, 1, h, w, N_RESULT);
    scope_op_pixel_shuffle(ctx, small, x, 2);
    result = small;
    if (block->scale > 1) {
        result = scratch(ctx, 1, pass->h, pass->w, N_RESULT);
        resize(pass, result, small);
    }
    x = scope_tensor_slice(result, 3, 0, N_FLOW);
    scope_op_affine(ctx, x, x, scale, 0);
    watch(pass, index, result);
    if (index == 0) {
        scope_op_copy(ctx, pass->flow, x);
    } else {
        scope_op_add(ctx, pass->flow, pass->flow, x);
    }
    scope_op_copy(ctx, scope_tensor_slice(pass->input, 3, n_state, pass->input.shape[3]),
                  scope_tensor_slice(result, 3, N_FLOW, N_RESULT));
    scope_arena_release(ctx->scratch, mark);
}

/* Images, features and time of the first block: nothing is moved yet. */
static void
start_input(Pass *pass, float time)
{
    int64_t f = pass->rife->n_features, n_plain = 2 * N_IMAGE + 2 * f;

    pass->flow =
        scope_context_scratch(pass->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1, pass->h, pass->w, N_FLOW));
    pass->input = scratch(pass->ctx, 1, pass->h, pass->w, n_plain + 1 + 1 + N_FEATURE);
    pass->mask = scope_tensor_slice(pass->input, 3, n_plain + 1, n_plain + 2);
    for (int i = 0; i < 2; i++) {
        int64_t feature = 2 * N_IMAGE + i * f;
        scope_op_copy(pass->ctx, scope_tensor_slice(pass->input, 3, i * N_IMAGE, (i + 1) * N_IMAGE),
                      pass->image[i]);
        scope_op_copy(pass->ctx, scope_tensor_slice(pass->input, 3, feature, feature + f),
                      pass->feature[i]);
    }
    scope_op_fill(pass->ctx, scope_tensor_slice(pass->input, 3, n_plain, n_plain + 1), time);
}

/* @y: [1, h, w, 3]. Images and features of the pass are set. */
static void
run_pair(Pass *pass, ScopeTensor y, float time)
{
    ScopeContext *ctx = pass->ctx;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor images, features;

    start_input(pass, time);
    images = scope_tensor_slice(pass->input, 3, 0, 2 * N_IMAGE);
    features =
        scope_tensor_slice(pass->input, 3, 2 * N_IMAGE, 2 * N_IMAGE + 2 * pass->rife->n_features);
    for (int i = 0; i < (int)pass->rife->blocks->len; i++) {
        if (i > 0) {
            warp(pass, pass->image, images);
            warp(pass, pass->feature, features);
        }
        run_block(pass, i);
    }
    warp(pass, pass->image, images);
    scope_op_activation(ctx, pass->mask, pass->mask, SCOPE_ACTIVATION_SIGMOID);
    scope_op_lerp(ctx, y, scope_tensor_slice(images, 3, N_IMAGE, 2 * N_IMAGE),
                  scope_tensor_slice(images, 3, 0, N_IMAGE), pass->mask);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_rife_interpolate(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frame,
                       ScopeTensor first, ScopeTensor second, float time, const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t h = first.shape[0], w = first.shape[1], multiple = scope_rife_get_pad_multiple(rife);
    const int64_t shape[4] = {1, h, w, N_IMAGE};
    Pass pass = {.ctx = ctx, .rife = rife, .tap = tap, .h = h, .w = w};

    SCOPE_ASSERT(first.ndim == 3 && first.shape[2] == N_IMAGE && h % multiple == 0 &&
                 w % multiple == 0);
    SCOPE_ASSERT(scope_tensor_same_shape(first, second) &&
                 scope_tensor_same_shape(first, ret_frame));
    for (int i = 0; i < 2; i++) {
        pass.image[i] = scratch(ctx, 1, h, w, N_IMAGE);
        pass.feature[i] = scratch(ctx, 1, h, w, rife->n_features);
        scope_op_copy(ctx, pass.image[i], scope_tensor_reshape(i == 0 ? first : second, 4, shape));
        run_head(ctx, rife, pass.feature[i], pass.image[i]);
        scope_model_tap(tap, pass.feature[i], "encode.img%d", i);
    }
    run_pair(&pass, scope_tensor_reshape(ret_frame, 4, shape), time);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_rife_double(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frames,
                  ScopeTensor frames)
{
    const float middle = 0.5f;
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n = frames.shape[0], height = frames.shape[1], width = frames.shape[2];
    int64_t multiple = scope_rife_get_pad_multiple(rife);
    int64_t h = (height + multiple - 1) / multiple * multiple;
    int64_t w = (width + multiple - 1) / multiple * multiple;
    Pass pass = {.ctx = ctx, .rife = rife, .h = h, .w = w};
    ScopeTensor packed, padded, features, between;

    SCOPE_ASSERT(frames.ndim == 4 && frames.shape[3] == N_IMAGE && n >= 1);
    SCOPE_ASSERT(ret_frames.ndim == 4 && ret_frames.shape[0] == 2 * n - 1 &&
                 ret_frames.shape[1] == height && ret_frames.shape[2] == width);
    packed = scratch(ctx, n, height, width, N_IMAGE);
    padded = scratch(ctx, n, h, w, N_IMAGE);
    features = scratch(ctx, n, h, w, rife->n_features);
    between = scratch(ctx, 1, h, w, N_IMAGE);
    scope_op_copy(ctx, packed, frames);
    scope_op_pad(ctx, padded, packed, SCOPE_PAD_ZEROS, 0, 0);
    for (int64_t i = 0; i < n; i++) {
        run_head(ctx, rife, scope_tensor_slice(features, 0, i, i + 1),
                 scope_tensor_slice(padded, 0, i, i + 1));
        scope_op_copy(ctx, scope_tensor_slice(ret_frames, 0, 2 * i, 2 * i + 1),
                      scope_tensor_slice(packed, 0, i, i + 1));
    }
    for (int64_t i = 0; i + 1 < n; i++) {
        for (int k = 0; k < 2; k++) {
            pass.image[k] = scope_tensor_slice(padded, 0, i + k, i + k + 1);
            pass.feature[k] = scope_tensor_slice(features, 0, i + k, i + k + 1);
        }
        run_pair(&pass, between, middle);
        scope_op_copy(ctx, scope_tensor_slice(ret_frames, 0, 2 * i + 1, 2 * i + 2),
                      scope_tensor_slice(scope_tensor_slice(between, 1, 0, height), 2, 0, width));
    }
    scope_arena_release(ctx->scratch, mark);
}

void
scope_rife_double_u8(ScopeContext *ctx, const ScopeRife *rife, ScopeTensor ret_frames,
                     ScopeTensor frames)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType type = scope_context_work_dtype(ctx);
    ScopeTensor x = scope_context_scratch(ctx, type, frames.ndim, frames.shape);
    ScopeTensor y = scope_context_scratch(ctx, type, ret_frames.ndim, ret_frames.shape);
    ScopeTensor white = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));

    scope_op_fill(ctx, white, 255);
    scope_op_copy(ctx, x, frames);
    scope_op_binary(ctx, SCOPE_BINARY_DIV, x, x, white);
    scope_rife_double(ctx, rife, y, x);
    scope_video_to_u8(ctx, ret_frames, y, SCOPE_VIDEO_TRUNCATE);
    scope_arena_release(ctx->scratch, mark);
}
