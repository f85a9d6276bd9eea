/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of Video-Depth-Anything. The model owns its arena and a reference on the checkpoint.
 * Loader thread. */
#include "models/scope-vda-private.h"

#include <string.h>

#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"

#define DEFAULT_HEAD_WIDTH   64
#define DEFAULT_MOTION_HEADS 8
#define DEFAULT_GROUPS       32

/* -- Transformer ------------------------------------------------------------------------------ */

static void
load_linear(ScopeLayerLoader *loader, ScopeWeight *weight, const char *prefix, const char *name,
            int64_t n_out, int64_t n_in, ScopeLayerLoaderFlags flags)
{
    g_autofree char *full = g_strconcat(prefix, ".", name, NULL);

    scope_layer_loader_linear(loader, weight, full, n_out, n_in, flags);
}

/* A vector as one row, for the gate of an epilogue. */
static ScopeTensor
load_row(ScopeLayerLoader *loader, const char *prefix, const char *name, int64_t n)
{
    ScopeTensor row = scope_layer_loader_vector(loader, prefix, name, n);

    return scope_tensor_is_none(row) ? row : scope_tensor_reshape(row, SCOPE_SHAPE(1, n));
}

static void
load_block(ScopeLayerLoader *loader, ScopeVda *vda, int index)
{
    g_autofree char *name = g_strdup_printf("pretrained.blocks.%d", index);
    ScopeVdaBlock *block = &vda->blocks[index];
    int64_t d = vda->width, hidden = scope_layer_loader_dim(loader, name, "mlp.fc1.weight", 0);

    block->norm1_weight = scope_layer_loader_vector(loader, name, "norm1.weight", d);
    block->norm1_bias = scope_layer_loader_vector(loader, name, "norm1.bias", d);
    block->norm2_weight = scope_layer_loader_vector(loader, name, "norm2.weight", d);
    block->norm2_bias = scope_layer_loader_vector(loader, name, "norm2.bias", d);
    block->ls1 = load_row(loader, name, "ls1.gamma", d);
    block->ls2 = load_row(loader, name, "ls2.gamma", d);
    load_linear(loader, &block->qkv, name, "attn.qkv", 3 * d, d, SCOPE_LAYER_BIAS);
    load_linear(loader, &block->proj, name, "attn.proj", d, d, SCOPE_LAYER_BIAS);
    load_linear(loader, &block->fc1, name, "mlp.fc1", hidden, d, SCOPE_LAYER_BIAS);
    load_linear(loader, &block->fc2, name, "mlp.fc2", d, hidden, SCOPE_LAYER_BIAS);
}

/* The stored position embeddings: one for the class token, then a square grid. */
static void
load_positions(ScopeLayerLoader *loader, ScopeVda *vda)
{
    int64_t n = scope_layer_loader_dim(loader, "pretrained", "pos_embed", 1);
    ScopeTensor all;

    for (vda->grid = 1; vda->grid * vda->grid < n - 1; vda->grid++) {
    }
    if (vda->grid * vda->grid != n - 1) {
        scope_layer_loader_fail(loader,
                                "tensor 'pretrained.pos_embed' has %" G_GINT64_FORMAT
                                " rows, expected one more than a square",
                                n);
    }
    all =
        scope_layer_loader_table(loader, "pretrained", "pos_embed", SCOPE_SHAPE(1, n, vda->width));
    vda->class_token =
        scope_layer_loader_table(loader, "pretrained", "cls_token", SCOPE_SHAPE(1, 1, vda->width));
    if (!scope_tensor_is_none(all)) {
        vda->class_position = scope_tensor_slice(all, 1, 0, 1);
        vda->patch_positions = scope_tensor_reshape(
            scope_tensor_slice(all, 1, 1, n), SCOPE_SHAPE(1, vda->grid, vda->grid, vda->width));
    }
}

static void
load_transformer(ScopeLayerLoader *loader, ScopeVda *vda)
{
    ScopeConvGeometry geometry = SCOPE_CONV_GEOMETRY_INIT;

    vda->width = scope_layer_loader_dim(loader, "pretrained.patch_embed", "proj.weight", 0);
    vda->patch = scope_layer_loader_dim(loader, "pretrained.patch_embed", "proj.weight", 2);
    geometry.stride_h = geometry.stride_w = (int)vda->patch;
    scope_layer_loader_conv(
        loader, &vda->patch_embed, "pretrained.patch_embed.proj",
        (ScopeLayerConvShape){vda->width, 3, 0, (int)vda->patch, (int)vda->patch}, &geometry,
        SCOPE_LAYER_BIAS);
    load_positions(loader, vda);
    for (;; vda->n_blocks++) {
        g_autofree char *name = g_strdup_printf("pretrained.blocks.%d", vda->n_blocks);
        if (!scope_layer_loader_has(loader, name, "attn.qkv.weight")) {
            break;
        }
    }
    vda->blocks = g_new0(ScopeVdaBlock, (gsize)vda->n_blocks + 1);
    for (int i = 0; i < vda->n_blocks && loader->error == NULL; i++) {
        load_block(loader, vda, i);
    }
    vda->norm_weight = scope_layer_loader_vector(loader, "pretrained", "norm.weight", vda->width);
    vda->norm_bias = scope_layer_loader_vector(loader, "pretrained", "norm.bias", vda->width);
}

/* -- Motion modules --------------------------------------------------------------------------- */

/* W (y + p) = W y + W p: the second part is the same for all frames and pixels of a position. */
static ScopeTensor
project_positions(ScopeLayerLoader *loader, const ScopeWeight *weight, ScopeTensor positions)
{
    ScopeTensor y;

    if (loader->error != NULL || loader->ctx == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    y = scope_arena_alloc(loader->arena, scope_context_work_dtype(loader->ctx),
                          SCOPE_SHAPE(positions.shape[0], 1, weight->n_out));
    scope_op_linear(loader->ctx, scope_tensor_select(y, 1, 0), positions, weight, NULL);
    return y;
}

static void
load_attention(ScopeLayerLoader *loader, ScopeVda *vda, ScopeVdaAttention *attention,
               const char *block, int index, int64_t c)
{
    g_autofree char *name = g_strdup_printf("%s.attention_blocks.%d", block, index);
    g_autofree char *norm = g_strdup_printf("%s.norms.%d", block, index);
    int64_t n = scope_layer_loader_dim(loader, name, "pos_encoder.pe", 1);
    ScopeTensor table, positions;

    attention->norm_weight = scope_layer_loader_vector(loader, norm, "weight", c);
    attention->norm_bias = scope_layer_loader_vector(loader, norm, "bias", c);
    load_linear(loader, &attention->q, name, "to_q", c, c, SCOPE_LAYER_NO_BIAS);
    load_linear(loader, &attention->k, name, "to_k", c, c, SCOPE_LAYER_NO_BIAS);
    load_linear(loader, &attention->v, name, "to_v", c, c, SCOPE_LAYER_NO_BIAS);
    load_linear(loader, &attention->out, name, "to_out.0", c, c, SCOPE_LAYER_BIAS);
    table = scope_layer_loader_table(loader, name, "pos_encoder.pe", SCOPE_SHAPE(1, n, c));
    vda->n_positions = vda->n_positions == 0 ? (int)n : MIN(vda->n_positions, (int)n);
    if (scope_tensor_is_none(table)) {
        return;
    }
    positions =
        scope_arena_alloc(loader->arena, scope_context_work_dtype(loader->ctx), SCOPE_SHAPE(n, c));
    scope_op_copy(loader->ctx, positions, scope_tensor_select(table, 0, 0));
    attention->position_q = project_positions(loader, &attention->q, positions);
    attention->position_k = project_positions(loader, &attention->k, positions);
    attention->position_v = project_positions(loader, &attention->v, positions);
}

static void
load_motion(ScopeLayerLoader *loader, ScopeVda *vda, int index, int64_t c)
{
    g_autofree char *name = g_strdup_printf("head.motion_modules.%d.temporal_transformer", index);
    g_autofree char *block = g_strconcat(name, ".transformer_blocks.0", NULL);
    ScopeVdaMotion *motion = &vda->motion[index];
    int64_t wide = scope_layer_loader_dim(loader, block, "ff.net.0.proj.weight", 0);

    motion->width = c;
    motion->norm_weight = scope_layer_loader_vector(loader, name, "norm.weight", c);
    motion->norm_bias = scope_layer_loader_vector(loader, name, "norm.bias", c);
    load_linear(loader, &motion->proj_in, name, "proj_in", c, c, SCOPE_LAYER_BIAS);
    load_linear(loader, &motion->proj_out, name, "proj_out", c, c, SCOPE_LAYER_BIAS);
    for (int i = 0; i < SCOPE_VDA_N_ATTENTION; i++) {
        load_attention(loader, vda, &motion->attention[i], block, i, c);
    }
    motion->ff_norm_weight = scope_layer_loader_vector(loader, block, "ff_norm.weight", c);
    motion->ff_norm_bias = scope_layer_loader_vector(loader, block, "ff_norm.bias", c);
    load_linear(loader, &motion->ff_in, block, "ff.net.0.proj", wide, c, SCOPE_LAYER_BIAS);
    load_linear(loader, &motion->ff_out, block, "ff.net.2", c, wide / 2, SCOPE_LAYER_BIAS);
    if (loader->error == NULL &&
        (c % vda->options.n_motion_heads != 0 || c % vda->options.n_groups != 0)) {
        scope_layer_loader_fail(loader,
                                "motion module %d has %" G_GINT64_FORMAT
                                " channels, expected a multiple of %d heads and %d groups",
                                index, c, vda->options.n_motion_heads, vda->options.n_groups);
    }
}

/* -- Head ------------------------------------------------------------------------------------- */

static void
load_conv(ScopeLayerLoader *loader, ScopeWeight *weight, const char *name, int64_t n_out,
          int64_t n_in, int kernel, ScopeLayerLoaderFlags flags)
{
    const ScopeConvGeometry geometry = scope_conv_geometry_same(kernel / 2);

    scope_layer_loader_conv(loader, weight, name,
                            (ScopeLayerConvShape){n_out, n_in, 0, kernel, kernel}, &geometry,
                            flags);
}

static void
load_fusion(ScopeLayerLoader *loader, ScopeVdaFusion *fusion, int number, int64_t c, gboolean skip)
{
    g_autofree char *out = g_strdup_printf("head.scratch.refinenet%d.out_conv", number);

    for (int i = 0; i < 2; i++) {
        g_autofree char *unit1 =
            g_strdup_printf("head.scratch.refinenet%d.resConfUnit1.conv%d", number, i + 1);
        g_autofree char *unit2 =
            g_strdup_printf("head.scratch.refinenet%d.resConfUnit2.conv%d", number, i + 1);
        if (skip) {
            load_conv(loader, &fusion->unit1[i], unit1, c, c, 3, SCOPE_LAYER_BIAS);
        }
        load_conv(loader, &fusion->unit2[i], unit2, c, c, 3, SCOPE_LAYER_BIAS);
    }
    load_conv(loader, &fusion->out, out, c, c, 1, SCOPE_LAYER_BIAS);
}

static void
load_resize(ScopeLayerLoader *loader, ScopeVda *vda)
{
    const ScopeConvGeometry strided = scope_conv_geometry_strided(2, 1);
    int64_t c = vda->projects[3].n_out;

    for (int i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("head.resize_layers.%d", i);
        int factor = i == 0 ? 4 : 2;
        const ScopeConvGeometry geometry = scope_conv_geometry_strided(factor, 0);
        int64_t n = vda->projects[i].n_out;
        scope_layer_loader_conv_transpose(loader, &vda->enlarge[i], name,
                                          (ScopeLayerConvShape){n, n, 0, factor, factor}, &geometry,
                                          SCOPE_LAYER_BIAS);
    }
    scope_layer_loader_conv(loader, &vda->shrink, "head.resize_layers.3",
                            (ScopeLayerConvShape){c, c, 0, 3, 3}, &strided, SCOPE_LAYER_BIAS);
}

static void
load_head(ScopeLayerLoader *loader, ScopeVda *vda)
{
    int64_t features = scope_layer_loader_dim(loader, "head.scratch", "layer1_rn.weight", 0),
            hidden;

    for (int i = 0; i < SCOPE_VDA_N_TAPS; i++) {
        g_autofree char *project = g_strdup_printf("head.projects.%d", i);
        g_autofree char *layer = g_strdup_printf("head.scratch.layer%d_rn", i + 1);
        load_conv(loader, &vda->projects[i], project, SCOPE_LAYER_ANY_SIZE, vda->width, 1,
                  SCOPE_LAYER_BIAS);
        load_conv(loader, &vda->layer_rn[i], layer, features, vda->projects[i].n_out, 3,
                  SCOPE_LAYER_NO_BIAS);
        load_fusion(loader, &vda->fusion[i], i + 1, features, i < SCOPE_VDA_N_TAPS - 1);
    }
    load_resize(loader, vda);
    load_motion(loader, vda, 0, vda->projects[2].n_out);
    load_motion(loader, vda, 1, vda->projects[3].n_out);
    load_motion(loader, vda, 2, features);
    load_motion(loader, vda, 3, features);
    load_conv(loader, &vda->output1, "head.scratch.output_conv1", SCOPE_LAYER_ANY_SIZE, features, 3,
              SCOPE_LAYER_BIAS);
    load_conv(loader, &vda->output2[0], "head.scratch.output_conv2.0", SCOPE_LAYER_ANY_SIZE,
              vda->output1.n_out, 3, SCOPE_LAYER_BIAS);
    hidden = vda->output2[0].n_out;
    load_conv(loader, &vda->output2[1], "head.scratch.output_conv2.2", 1, hidden, 1,
              SCOPE_LAYER_BIAS);
}

/* -- Public ----------------------------------------------------------------------------------- */

/* What zero options mean, from the size of the transformer. */
static void
fill_options(ScopeLayerLoader *loader, ScopeVda *vda)
{
    static const int small[SCOPE_VDA_N_TAPS] = {2, 5, 8, 11};
    static const int large[SCOPE_VDA_N_TAPS] = {4, 11, 17, 23};
    ScopeVdaOptions *options = &vda->options;
    int highest = 0;

    if (options->n_heads == 0) {
        options->n_heads = (int)(vda->width / DEFAULT_HEAD_WIDTH);
    }
    for (int i = 0; i < SCOPE_VDA_N_TAPS; i++) {
        highest = MAX(highest, options->taps[i]);
    }
    if (highest == 0) {
        memcpy(options->taps, vda->n_blocks == 24 ? large : small, sizeof small);
        highest = options->taps[SCOPE_VDA_N_TAPS - 1];
    }
    if (loader->error == NULL && (options->n_heads < 1 || vda->width % options->n_heads != 0)) {
        scope_layer_loader_fail(loader,
                                "width %" G_GINT64_FORMAT " of the transformer, expected a "
                                "multiple of %d heads",
                                vda->width, options->n_heads);
    }
    if (loader->error == NULL && highest >= vda->n_blocks) {
        scope_layer_loader_fail(loader, "%d blocks, expected more than %d", vda->n_blocks, highest);
    }
}

/* Loads with a context, only compares without. */
static ScopeVda *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeVdaOptions *options, GError **error)
{
    g_autoptr(ScopeVda) vda = g_new0(ScopeVda, 1);
    ScopeLayerLoader loader;

    vda->options = *options;
    vda->options.n_motion_heads =
        options->n_motion_heads > 0 ? options->n_motion_heads : DEFAULT_MOTION_HEADS;
    vda->options.n_groups = options->n_groups > 0 ? options->n_groups : DEFAULT_GROUPS;
    vda->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (vda->checkpoint == NULL) {
        return NULL;
    }
    vda->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, vda->checkpoint, ctx, vda->arena);
    loader.store = options->store;
    load_transformer(&loader, vda);
    load_head(&loader, vda);
    fill_options(&loader, vda);
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&vda) : NULL;
}

ScopeVda *
scope_vda_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeVdaOptions *options,
               GError **error)
{
    const ScopeVdaOptions defaults = {0};

    return load(ctx, checkpoint, options != NULL ? options : &defaults, error);
}

gboolean
scope_vda_check(ScopeCheckpoint *checkpoint, GError **error)
{
    const ScopeVdaOptions defaults = {0};
    g_autoptr(ScopeVda) vda = load(NULL, checkpoint, &defaults, error);

    return vda != NULL;
}

void
scope_vda_unload(ScopeVda *vda)
{
    if (vda == NULL) {
        return;
    }
    g_free(vda->blocks);
    scope_arena_destroy(vda->arena);
    scope_checkpoint_unref(vda->checkpoint);
    g_free(vda);
}

int64_t
scope_vda_get_patch(const ScopeVda *vda)
{
    return vda->patch;
}
