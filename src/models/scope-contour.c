/* SPDX-License-Identifier: Apache-2.0 */
/* The contour network: convolutions with mirrored borders, instance norms over each frame. The
 * model owns its arena and a reference on the checkpoint. Loader thread for load, worker for run.
 */
#include "models/scope-contour.h"

#include "engine/scope-assert.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"

typedef struct {
    ScopeWeight a, b;
} Block;

struct _ScopeContour {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeWeight first, down[2], up[2], last;
    GArray *blocks; /* of Block */
};

static ScopeConvGeometry
mirrored(int pad)
{
    ScopeConvGeometry geometry = scope_conv_geometry_same(pad);

    geometry.pad_mode = SCOPE_PAD_REFLECT;
    return geometry;
}

static void
load_blocks(ScopeLayerLoader *loader, ScopeContour *contour, int64_t width)
{
    const ScopeConvGeometry geometry = mirrored(1);

    for (int i = 0;; i++) {
        g_autofree char *a = g_strdup_printf("model2.%d.conv_block.1", i);
        g_autofree char *b = g_strdup_printf("model2.%d.conv_block.5", i);
        Block block = {0};

        if (!scope_layer_loader_has(loader, a, "weight")) {
            return;
        }
        scope_layer_loader_conv(loader, &block.a, a, (ScopeLayerConvShape){width, width, 0, 3, 3},
                                &geometry, SCOPE_LAYER_BIAS);
        scope_layer_loader_conv(loader, &block.b, b, (ScopeLayerConvShape){width, width, 0, 3, 3},
                                &geometry, SCOPE_LAYER_BIAS);
        g_array_append_val(contour->blocks, block);
    }
}

static void
load_layers(ScopeLayerLoader *loader, ScopeContour *contour)
{
    const ScopeConvGeometry border = mirrored(3), strided = scope_conv_geometry_strided(2, 1);
    static const char *const down[2] = {"model1.0", "model1.3"};
    static const char *const up[2] = {"model3.0", "model3.3"};
    ScopeConvGeometry enlarge = strided;
    int64_t width;

    enlarge.output_pad_h = enlarge.output_pad_w = 1;
    scope_layer_loader_conv(loader, &contour->first, "model0.1",
                            (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, 3, 0, 7, 7}, &border,
                            SCOPE_LAYER_BIAS);
    width = contour->first.n_out;
    for (int i = 0; i < 2; i++) {
        scope_layer_loader_conv(loader, &contour->down[i], down[i],
                                (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, width, 0, 3, 3},
                                &strided, SCOPE_LAYER_BIAS);
        width = contour->down[i].n_out;
    }
    load_blocks(loader, contour, width);
    for (int i = 0; i < 2; i++) {
        scope_layer_loader_conv_transpose(
            loader, &contour->up[i], up[i],
            (ScopeLayerConvShape){SCOPE_LAYER_ANY_SIZE, width, 0, 3, 3}, &enlarge,
            SCOPE_LAYER_BIAS);
        width = contour->up[i].n_out;
    }
    scope_layer_loader_conv(loader, &contour->last, "model4.1",
                            (ScopeLayerConvShape){1, width, 0, 7, 7}, &border, SCOPE_LAYER_BIAS);
}

/* Loads with a context, only compares without. */
static ScopeContour *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeContour) contour = g_new0(ScopeContour, 1);
    ScopeLayerLoader loader;

    contour->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (contour->checkpoint == NULL) {
        return NULL;
    }
    contour->blocks = g_array_new(FALSE, TRUE, sizeof(Block));
    contour->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, contour->checkpoint, ctx, contour->arena);
    load_layers(&loader, contour);
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&contour) : NULL;
}

ScopeContour *
scope_contour_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return load(ctx, checkpoint, error);
}

gboolean
scope_contour_check(ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeContour) contour = load(NULL, checkpoint, error);

    return contour != NULL;
}

void
scope_contour_unload(ScopeContour *contour)
{
    if (contour == NULL) {
        return;
    }
    g_clear_pointer(&contour->blocks, g_array_unref);
    scope_arena_destroy(contour->arena);
    scope_checkpoint_unref(contour->checkpoint);
    g_free(contour);
}

int64_t
scope_contour_get_output_size(int64_t size)
{
    return (size + 3) / 4 * 4;
}

/* -- Forward ---------------------------------------------------------------------------------- */

static ScopeTensor
conv_like(ScopeContext *ctx, ScopeTensor x, const ScopeWeight *weight)
{
    int64_t size[3];

    scope_weight_conv_output_size(weight, x.shape[0], x.shape[1], x.shape[2], size);
    return scope_context_scratch(ctx, scope_context_work_dtype(ctx),
                                 SCOPE_SHAPE(size[0], size[1], size[2], weight->n_out));
}

/* Instance norm of each frame, in place. */
static void
norm(ScopeContext *ctx, ScopeTensor x, ScopeActivation activation)
{
    const ScopeGroupNormOptions options = {
        .n_groups = (int)x.shape[3], .eps = 1e-5f, .activation = activation};

    scope_op_group_norm(ctx, x, x, &options);
}

static ScopeTensor
conv_norm_relu(ScopeContext *ctx, ScopeTensor x, const ScopeWeight *weight)
{
    ScopeTensor y = conv_like(ctx, x, weight);

    if (weight->kind == SCOPE_WEIGHT_KIND_CONV_TRANSPOSE) {
        scope_op_conv_transpose(ctx, y, x, weight, NULL);
    } else {
        scope_op_conv(ctx, y, x, weight, NULL);
    }
    norm(ctx, y, SCOPE_ACTIVATION_RELU);
    return y;
}

/* x += norm(conv(relu(norm(conv(x))))) */
static void
run_block(ScopeContext *ctx, const Block *block, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor a = conv_norm_relu(ctx, x, &block->a);
    ScopeTensor b = conv_like(ctx, a, &block->b);

    scope_op_conv(ctx, b, a, &block->b, NULL);
    norm(ctx, b, SCOPE_ACTIVATION_NONE);
    scope_op_add(ctx, x, x, b);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_contour_run(ScopeContext *ctx, const ScopeContour *contour, ScopeTensor y, ScopeTensor x,
                  const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    const ScopeConvOptions sigmoid = {.epilogue = {.activation = SCOPE_ACTIVATION_SIGMOID}};
    ScopeTensor a = scope_context_scratch(ctx, scope_context_work_dtype(ctx), x.ndim, x.shape);

    SCOPE_ASSERT(x.ndim == 4 && x.shape[1] >= SCOPE_CONTOUR_MIN_SIZE &&
                 x.shape[2] >= SCOPE_CONTOUR_MIN_SIZE && x.shape[3] == 3);
    SCOPE_ASSERT(y.ndim == 4 && y.shape[0] == x.shape[0] &&
                 y.shape[1] == scope_contour_get_output_size(x.shape[1]) &&
                 y.shape[2] == scope_contour_get_output_size(x.shape[2]) && y.shape[3] == 1);
    scope_op_copy(ctx, a, x);
    a = conv_norm_relu(ctx, a, &contour->first);
    scope_model_tap(tap, a, "model0");
    a = conv_norm_relu(ctx, a, &contour->down[0]);
    a = conv_norm_relu(ctx, a, &contour->down[1]);
    scope_model_tap(tap, a, "model1");
    for (guint i = 0; i < contour->blocks->len; i++) {
        run_block(ctx, &g_array_index(contour->blocks, Block, i), a);
    }
    scope_model_tap(tap, a, "model2");
    a = conv_norm_relu(ctx, a, &contour->up[0]);
    a = conv_norm_relu(ctx, a, &contour->up[1]);
    scope_model_tap(tap, a, "model3");
    x = conv_like(ctx, a, &contour->last);
    scope_op_conv(ctx, x, a, &contour->last, &sigmoid);
    scope_op_copy(ctx, y, x);
    scope_arena_release(ctx->scratch, mark);
}
