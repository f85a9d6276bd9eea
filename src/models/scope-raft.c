/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of RAFT. The model owns its arena and a reference on the checkpoint. Loader thread. */
#include "models/scope-raft-private.h"

#include <math.h>

#include "models/scope-layer-loader.h"

#define BATCH_NORM_EPS 1e-5f

/* Padding that keeps the size, for any odd kernel. */
static ScopeConvGeometry
same(int kernel_h, int kernel_w, int stride)
{
    ScopeConvGeometry geometry = scope_conv_geometry_strided(stride, 0);

    geometry.pad_top = geometry.pad_bottom = (kernel_h - 1) / 2;
    geometry.pad_left = geometry.pad_right = (kernel_w - 1) / 2;
    return geometry;
}

/* Channels of a vector as f32, or NULL after an error. */
static float *
dup_vector(ScopeLayerLoader *loader, const char *prefix, const char *name, int64_t n)
{
    g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
    ScopeTensor mapped = scope_layer_loader_mapped(loader, prefix, name, SCOPE_SHAPE(n));
    float *values;

    if (loader->error != NULL || scope_tensor_is_none(mapped)) {
        return NULL;
    }
    values = g_new(float, (gsize)n);
    scope_checkpoint_tensor_copy_f32(scope_checkpoint_find(loader->checkpoint, full), values);
    return values;
}

/* The convolution "<name>.0" with the batch norm "<name>.1" behind it, as one convolution. */
static void
load_folded(ScopeLayerLoader *loader, ScopeWeight *weight, const char *name,
            ScopeLayerConvShape shape, const ScopeConvGeometry *geometry)
{
    g_autofree char *conv = g_strconcat(name, ".0", NULL);
    g_autofree char *norm = g_strconcat(name, ".1", NULL);
    g_autofree char *full = g_strconcat(conv, ".weight", NULL);
    int64_t n = scope_layer_loader_dim(loader, conv, "weight", 0);
    g_autofree float *bias = dup_vector(loader, conv, "bias", n);
    g_autofree float *gamma = dup_vector(loader, norm, "weight", n);
    g_autofree float *beta = dup_vector(loader, norm, "bias", n);
    g_autofree float *mean = dup_vector(loader, norm, "running_mean", n);
    g_autofree float *variance = dup_vector(loader, norm, "running_var", n);
    g_autofree float *kernel = NULL;
    ScopeTensor stored = scope_layer_loader_mapped(
        loader, conv, "weight",
        SCOPE_SHAPE(shape.n_out, shape.n_in, shape.kernel_h, shape.kernel_w));
    int64_t row;

    if (loader->error != NULL) {
        return;
    }
    kernel = g_new(float, (gsize)scope_tensor_n_elements(stored));
    scope_checkpoint_tensor_copy_f32(scope_checkpoint_find(loader->checkpoint, full), kernel);
    row = scope_tensor_n_elements(stored) / n;
    for (int64_t o = 0; o < n; o++) {
        float factor = gamma[o] / sqrtf(variance[o] + BATCH_NORM_EPS);
        for (int64_t i = 0; i < row; i++) {
            kernel[o * row + i] *= factor;
        }
        bias[o] = (bias[o] - mean[o]) * factor + beta[o];
    }
    scope_layer_loader_conv_view(
        loader, weight, scope_tensor_wrap(SCOPE_DTYPE_F32, kernel, stored.ndim, stored.shape),
        scope_tensor_wrap(SCOPE_DTYPE_F32, bias, SCOPE_SHAPE(n)), geometry);
}

/* "<prefix>.<name>.0", with the batch norm "<prefix>.<name>.1" folded in where the file has one. */
static void
load_cnr(ScopeLayerLoader *loader, ScopeWeight *weight, const char *prefix, const char *name,
         int64_t n_in, int kernel, int stride)
{
    g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
    g_autofree char *conv = g_strconcat(full, ".0", NULL);
    const ScopeConvGeometry geometry = same(kernel, kernel, stride);
    const ScopeLayerConvShape shape = {SCOPE_LAYER_ANY_SIZE, n_in, 0, kernel, kernel};

    if (scope_layer_loader_has(loader, full, "1.running_mean")) {
        load_folded(loader, weight, full, shape, &geometry);
    } else {
        scope_layer_loader_conv(loader, weight, conv, shape, &geometry, SCOPE_LAYER_BIAS);
    }
}

static void
load_conv(ScopeLayerLoader *loader, ScopeWeight *weight, const char *name, int64_t n_out,
          int64_t n_in, int kernel_h, int kernel_w)
{
    const ScopeConvGeometry geometry = same(kernel_h, kernel_w, 1);

    scope_layer_loader_conv(loader, weight, name,
                            (ScopeLayerConvShape){n_out, n_in, 0, kernel_h, kernel_w}, &geometry,
                            SCOPE_LAYER_BIAS);
}

static int64_t
load_block(ScopeLayerLoader *loader, ScopeRaftEncoder *encoder, const char *name, gboolean large,
           int64_t width)
{
    ScopeRaftBlock block = {.n_convs = large ? 2 : 3};
    int stride;

    block.strided = scope_layer_loader_has(loader, name, "downsample.0.weight");
    stride = block.strided ? 2 : 1;
    if (large) {
        load_cnr(loader, &block.conv[0], name, "convnormrelu1", width, 3, stride);
        load_cnr(loader, &block.conv[1], name, "convnormrelu2", block.conv[0].n_out, 3, 1);
    } else {
        load_cnr(loader, &block.conv[0], name, "convnormrelu1", width, 1, 1);
        load_cnr(loader, &block.conv[1], name, "convnormrelu2", block.conv[0].n_out, 3, stride);
        load_cnr(loader, &block.conv[2], name, "convnormrelu3", block.conv[1].n_out, 1, 1);
    }
    if (block.strided) {
        load_cnr(loader, &block.downsample, name, "downsample", width, 1, 2);
    }
    g_array_append_val(encoder->blocks, block);
    if (loader->error == NULL &&
        block.conv[block.n_convs - 1].n_out != (block.strided ? block.downsample.n_out : width)) {
        scope_layer_loader_fail(loader, "block '%s' and its shortcut have different widths", name);
    }
    return block.conv[block.n_convs - 1].n_out;
}

static void
load_encoder(ScopeLayerLoader *loader, ScopeRaftEncoder *encoder, const char *name, gboolean large)
{
    g_autofree char *last = g_strconcat(name, ".conv", NULL);
    int64_t width;

    encoder->blocks = g_array_new(FALSE, TRUE, sizeof(ScopeRaftBlock));
    load_cnr(loader, &encoder->first, name, "convnormrelu", 3, 7, 2);
    width = encoder->first.n_out;
    for (int layer = 1; layer <= SCOPE_RAFT_N_LAYERS; layer++) {
        for (int i = 0; i < 2; i++) {
            g_autofree char *block = g_strdup_printf("%s.layer%d.%d", name, layer, i);
            width = load_block(loader, encoder, block, large, width);
        }
    }
    load_conv(loader, &encoder->last, last, SCOPE_LAYER_ANY_SIZE, width, 1, 1);
}

static void
load_gru(ScopeLayerLoader *loader, ScopeRaft *raft, int index, int kernel_h, int kernel_w)
{
    static const char *const names[3] = {"convz", "convr", "convq"};
    ScopeWeight *weights[3] = {&raft->gru[index].z, &raft->gru[index].r, &raft->gru[index].q};
    int64_t n_in = raft->n_hidden + raft->n_context + raft->n_motion;

    for (int i = 0; i < 3; i++) {
        g_autofree char *name =
            g_strdup_printf("update_block.recurrent_block.convgru%d.%s", index + 1, names[i]);
        load_conv(loader, weights[i], name, raft->n_hidden, n_in, kernel_h, kernel_w);
    }
}

/* The radius follows from the channels of the correlation window: levels * (2 r + 1)^2. */
static void
find_radius(ScopeLayerLoader *loader, ScopeRaft *raft)
{
    int64_t n =
        scope_layer_loader_dim(loader, "update_block.motion_encoder", "convcorr1.0.weight", 1);

    for (raft->radius = 0;
         SCOPE_RAFT_N_LEVELS * (2 * raft->radius + 1) * (2 * raft->radius + 1) < n;
         raft->radius++) {
    }
    if (SCOPE_RAFT_N_LEVELS * (2 * raft->radius + 1) * (2 * raft->radius + 1) != n) {
        scope_layer_loader_fail(
            loader,
            "convcorr1 reads %" G_GINT64_FORMAT " channels, expected 4 levels of an odd square", n);
    }
}

static void
load_update(ScopeLayerLoader *loader, ScopeRaft *raft)
{
    const char *motion = "update_block.motion_encoder";
    int64_t window = SCOPE_RAFT_N_LEVELS * (2 * raft->radius + 1) * (2 * raft->radius + 1);
    int64_t n_corr;

    load_cnr(loader, &raft->corr[0], motion, "convcorr1", window, 1, 1);
    n_corr = raft->corr[0].n_out;
    if (raft->large) {
        load_cnr(loader, &raft->corr[1], motion, "convcorr2", n_corr, 3, 1);
        n_corr = raft->corr[1].n_out;
    }
    load_cnr(loader, &raft->flow[0], motion, "convflow1", 2, 7, 1);
    load_cnr(loader, &raft->flow[1], motion, "convflow2", raft->flow[0].n_out, 3, 1);
    load_cnr(loader, &raft->motion, motion, "conv", n_corr + raft->flow[1].n_out, 3, 1);
    raft->n_motion = raft->motion.n_out + 2;
    load_gru(loader, raft, 0, raft->large ? 1 : 3, raft->large ? 5 : 3);
    if (raft->large) {
        load_gru(loader, raft, 1, 5, 1);
    }
    load_conv(loader, &raft->head[0], "update_block.flow_head.conv1", SCOPE_LAYER_ANY_SIZE,
              raft->n_hidden, 3, 3);
    load_conv(loader, &raft->head[1], "update_block.flow_head.conv2", 2, raft->head[0].n_out, 3, 3);
    if (raft->large) {
        int64_t n_mask = 9 * SCOPE_RAFT_SIZE_MULTIPLE * SCOPE_RAFT_SIZE_MULTIPLE;
        load_conv(loader, &raft->mask[0], "mask_predictor.convrelu.0", SCOPE_LAYER_ANY_SIZE,
                  raft->n_hidden, 3, 3);
        load_conv(loader, &raft->mask[1], "mask_predictor.conv", n_mask, raft->mask[0].n_out, 1, 1);
    }
}

static void
load_all(ScopeLayerLoader *loader, ScopeRaft *raft)
{
    const char *gru = "update_block.recurrent_block.convgru1";

    raft->large =
        !scope_layer_loader_has(loader, "feature_encoder.layer1.0", "convnormrelu3.0.weight");
    load_encoder(loader, &raft->feature, "feature_encoder", raft->large);
    load_encoder(loader, &raft->context, "context_encoder", raft->large);
    raft->feature.instance_norm = TRUE;
    raft->n_hidden = scope_layer_loader_dim(loader, gru, "convz.weight", 0);
    raft->n_context = raft->context.last.n_out - raft->n_hidden;
    if (loader->error == NULL && raft->n_context < 1) {
        scope_layer_loader_fail(loader,
                                "the context encoder has %" G_GINT64_FORMAT
                                " channels, expected more than the %" G_GINT64_FORMAT
                                " of the hidden state",
                                raft->context.last.n_out, raft->n_hidden);
    }
    find_radius(loader, raft);
    load_update(loader, raft);
}

/* Loads with a context, only compares without. */
static ScopeRaft *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeRaft) raft = g_new0(ScopeRaft, 1);
    ScopeLayerLoader loader;

    raft->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (raft->checkpoint == NULL) {
        return NULL;
    }
    raft->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    scope_layer_loader_init(&loader, raft->checkpoint, ctx, raft->arena);
    load_all(&loader, raft);
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&raft) : NULL;
}

ScopeRaft *
scope_raft_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, GError **error)
{
    return load(ctx, checkpoint, error);
}

gboolean
scope_raft_check(ScopeCheckpoint *checkpoint, GError **error)
{
    g_autoptr(ScopeRaft) raft = load(NULL, checkpoint, error);

    return raft != NULL;
}

void
scope_raft_unload(ScopeRaft *raft)
{
    if (raft == NULL) {
        return;
    }
    g_clear_pointer(&raft->feature.blocks, g_array_unref);
    g_clear_pointer(&raft->context.blocks, g_array_unref);
    scope_arena_destroy(raft->arena);
    scope_checkpoint_unref(raft->checkpoint);
    g_free(raft);
}

gboolean
scope_raft_is_large(const ScopeRaft *raft)
{
    return raft->large;
}

int
scope_raft_get_radius(const ScopeRaft *raft)
{
    return raft->radius;
}
