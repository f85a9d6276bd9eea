/* SPDX-License-Identifier: Apache-2.0 */
/* The published layouts, written down as loops over names and shapes. Owns nothing. One thread. */
#include "headers/scope-model-layouts.h"

#include <string.h>

#define F32  SCOPE_STORED_F32
#define BF16 SCOPE_STORED_BF16
#define FP8  SCOPE_STORED_F8_E4M3

/* weight and bias of a linear */
static void
linear(ScopeHeaderFile *file, ScopeStoredType weight, ScopeStoredType bias, gint64 n_out,
       gint64 n_in, const char *name)
{
    scope_header_file_add(file, weight, SCOPE_DIMS(n_out, n_in), "%s.weight", name);
    scope_header_file_add(file, bias, SCOPE_DIMS(n_out), "%s.bias", name);
}

/* weight and bias of a norm */
static void
norm(ScopeHeaderFile *file, ScopeStoredType type, gint64 n, const char *name)
{
    scope_header_file_add(file, type, SCOPE_DIMS(n), "%s.weight", name);
    scope_header_file_add(file, type, SCOPE_DIMS(n), "%s.bias", name);
}

/* weight and, where wanted, bias of a square 2D convolution, f32 */
static void
conv(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, gint64 kernel, gboolean bias,
     const char *name)
{
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out, n_in, kernel, kernel), "%s.weight", name);
    if (bias) {
        scope_header_file_add(file, F32, SCOPE_DIMS(n_out), "%s.bias", name);
    }
}

#define NAME(buffer, ...) (g_snprintf(buffer, sizeof buffer, __VA_ARGS__), buffer)

/* -- Wan -------------------------------------------------------------------------------------- */

static void
wan_block(ScopeHeaderFile *file, const ScopeWanLayout *wan, const char *prefix)
{
    static const char *const attention[] = {"self_attn", "cross_attn"};
    gint64 d = wan->dim;
    char name[128];

    scope_header_file_add(file, wan->other, SCOPE_DIMS(1, 6, d), "%s.modulation", prefix);
    for (int a = 0; a < 2; a++) {
        for (const char *m = "qkvo"; *m != '\0'; m++) {
            linear(file, wan->linear, wan->other, d, d,
                   NAME(name, "%s.%s.%c", prefix, attention[a], *m));
        }
        scope_header_file_add(file, wan->other, SCOPE_DIMS(d), "%s.%s.norm_q.weight", prefix,
                              attention[a]);
        scope_header_file_add(file, wan->other, SCOPE_DIMS(d), "%s.%s.norm_k.weight", prefix,
                              attention[a]);
    }
    norm(file, wan->other, d, NAME(name, "%s.norm3", prefix));
    linear(file, wan->linear, wan->other, wan->ffn_dim, d, NAME(name, "%s.ffn.0", prefix));
    linear(file, wan->linear, wan->other, d, wan->ffn_dim, NAME(name, "%s.ffn.2", prefix));
}

void
scope_layout_wan(ScopeHeaderFile *file, const ScopeWanLayout *wan)
{
    gint64 d = wan->dim;
    char name[64];

    scope_header_file_add(file, wan->other, SCOPE_DIMS(d, 16, 1, 2, 2), "patch_embedding.weight");
    scope_header_file_add(file, wan->other, SCOPE_DIMS(d), "patch_embedding.bias");
    linear(file, wan->other, wan->other, d, 4096, "text_embedding.0");
    linear(file, wan->other, wan->other, d, d, "text_embedding.2");
    linear(file, wan->other, wan->other, d, 256, "time_embedding.0");
    linear(file, wan->other, wan->other, d, d, "time_embedding.2");
    linear(file, wan->other, wan->other, 6 * d, d, "time_projection.1");
    for (gint64 i = 0; i < wan->n_layers; i++) {
        wan_block(file, wan, NAME(name, "blocks.%d", (int)i));
    }
    scope_header_file_add(file, wan->other, SCOPE_DIMS(1, 2, d), "head.modulation");
    linear(file, wan->other, wan->other, 64, d, "head.head");
}

void
scope_layout_vace(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 n_blocks)
{
    gint64 d = wan->dim;
    char name[64], part[96];

    scope_header_file_add(file, wan->other, SCOPE_DIMS(d, 96, 1, 2, 2),
                          "vace_patch_embedding.weight");
    scope_header_file_add(file, wan->other, SCOPE_DIMS(d), "vace_patch_embedding.bias");
    for (gint64 i = 0; i < n_blocks; i++) {
        NAME(name, "vace_blocks.%d", (int)i);
        wan_block(file, wan, name);
        linear(file, wan->linear, wan->other, d, d, NAME(part, "%s.after_proj", name));
        if (i == 0) {
            linear(file, wan->linear, wan->other, d, d, NAME(part, "%s.before_proj", name));
        }
    }
}

/* Calls @add for every linear inside the blocks. */
static void
each_linear(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 rank, const char *prefix,
            void (*add)(ScopeHeaderFile *, gint64, gint64, gint64, const char *, const char *))
{
    static const char *const modules[] = {
        "self_attn.q",  "self_attn.k",  "self_attn.v",  "self_attn.o", "cross_attn.q",
        "cross_attn.k", "cross_attn.v", "cross_attn.o", "ffn.0",       "ffn.2"};
    char name[64];

    for (gint64 i = 0; i < wan->n_layers; i++) {
        for (gsize m = 0; m < G_N_ELEMENTS(modules); m++) {
            gint64 n_out = strcmp(modules[m], "ffn.0") == 0 ? wan->ffn_dim : wan->dim;
            gint64 n_in = strcmp(modules[m], "ffn.2") == 0 ? wan->ffn_dim : wan->dim;
            add(file, n_out, n_in, rank, prefix, NAME(name, "blocks.%d.%s", (int)i, modules[m]));
        }
    }
}

static void
add_peft(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, gint64 rank, const char *prefix,
         const char *module)
{
    scope_header_file_add(file, BF16, SCOPE_DIMS(rank, n_in), "%s%s.lora_A.weight", prefix, module);
    scope_header_file_add(file, BF16, SCOPE_DIMS(n_out, rank), "%s%s.lora_B.weight", prefix,
                          module);
}

static void
add_kohya(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, gint64 rank, const char *prefix,
          const char *module)
{
    g_autofree char *name = g_strdelimit(g_strdup(module), ".", '_');

    scope_header_file_add(file, BF16, 0, NULL, "%s%s.alpha", prefix, name);
    scope_header_file_add(file, BF16, SCOPE_DIMS(rank, n_in), "%s%s.lora_down.weight", prefix,
                          name);
    scope_header_file_add(file, BF16, SCOPE_DIMS(n_out, rank), "%s%s.lora_up.weight", prefix, name);
}

void
scope_layout_wan_lora(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 rank,
                      const char *prefix)
{
    each_linear(file, wan, rank, prefix, add_peft);
}

void
scope_layout_kohya_lora(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 rank)
{
    each_linear(file, wan, rank, "lora_unet_", add_kohya);
}

/* -- UMT5 ------------------------------------------------------------------------------------- */

void
scope_layout_umt5(ScopeHeaderFile *file, ScopeStoredType type)
{
    scope_header_file_add(file, BF16, SCOPE_DIMS(256384, 4096), "token_embedding.weight");
    for (int i = 0; i < 24; i++) {
        scope_header_file_add(file, BF16, SCOPE_DIMS(4096), "blocks.%d.norm1.weight", i);
        for (const char *m = "qkvo"; *m != '\0'; m++) {
            scope_header_file_add(file, type, SCOPE_DIMS(4096, 4096), "blocks.%d.attn.%c.weight", i,
                                  *m);
        }
        scope_header_file_add(file, BF16, SCOPE_DIMS(4096), "blocks.%d.norm2.weight", i);
        scope_header_file_add(file, type, SCOPE_DIMS(10240, 4096), "blocks.%d.ffn.gate.0.weight",
                              i);
        scope_header_file_add(file, type, SCOPE_DIMS(10240, 4096), "blocks.%d.ffn.fc1.weight", i);
        scope_header_file_add(file, type, SCOPE_DIMS(4096, 10240), "blocks.%d.ffn.fc2.weight", i);
        scope_header_file_add(file, BF16, SCOPE_DIMS(32, 64),
                              "blocks.%d.pos_embedding.embedding.weight", i);
    }
    scope_header_file_add(file, BF16, SCOPE_DIMS(4096), "norm.weight");
}

static void
scaled(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, const char *name)
{
    scope_header_file_add(file, FP8, SCOPE_DIMS(n_out, n_in), "%s.weight", name);
    scope_header_file_add(file, F32, 0, NULL, "%s.scale_weight", name);
}

void
scope_layout_umt5_scaled(ScopeHeaderFile *file)
{
    char name[96];

    scope_header_file_add(file, BF16, SCOPE_DIMS(256384, 4096), "shared.weight");
    for (int i = 0; i < 24; i++) {
        for (const char *m = "qkvo"; *m != '\0'; m++) {
            scaled(file, 4096, 4096,
                   NAME(name, "encoder.block.%d.layer.0.SelfAttention.%c", i, *m));
        }
        scope_header_file_add(
            file, BF16, SCOPE_DIMS(32, 64),
            "encoder.block.%d.layer.0.SelfAttention.relative_attention_bias.weight", i);
        scope_header_file_add(file, BF16, SCOPE_DIMS(4096),
                              "encoder.block.%d.layer.0.layer_norm.weight", i);
        scaled(file, 10240, 4096, NAME(name, "encoder.block.%d.layer.1.DenseReluDense.wi_0", i));
        scaled(file, 10240, 4096, NAME(name, "encoder.block.%d.layer.1.DenseReluDense.wi_1", i));
        scaled(file, 4096, 10240, NAME(name, "encoder.block.%d.layer.1.DenseReluDense.wo", i));
        scope_header_file_add(file, BF16, SCOPE_DIMS(4096),
                              "encoder.block.%d.layer.1.layer_norm.weight", i);
    }
    scope_header_file_add(file, BF16, SCOPE_DIMS(4096), "encoder.final_layer_norm.weight");
}

/* -- Wan VAE ---------------------------------------------------------------------------------- */

static void
conv3d(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, gint64 time, gint64 space,
       const char *name)
{
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out, n_in, time, space, space), "%s.weight",
                          name);
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out), "%s.bias", name);
}

static void
vae_residual(ScopeHeaderFile *file, gint64 n_in, gint64 n_out, const char *prefix)
{
    char name[96];

    scope_header_file_add(file, F32, SCOPE_DIMS(n_in, 1, 1, 1), "%s.residual.0.gamma", prefix);
    conv3d(file, n_out, n_in, 3, 3, NAME(name, "%s.residual.2", prefix));
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out, 1, 1, 1), "%s.residual.3.gamma", prefix);
    conv3d(file, n_out, n_out, 3, 3, NAME(name, "%s.residual.6", prefix));
    if (n_in != n_out) {
        conv3d(file, n_out, n_in, 1, 1, NAME(name, "%s.shortcut", prefix));
    }
}

static void
vae_middle(ScopeHeaderFile *file, gint64 width, const char *prefix)
{
    char name[64];

    vae_residual(file, width, width, NAME(name, "%s.0", prefix));
    scope_header_file_add(file, F32, SCOPE_DIMS(width, 1, 1), "%s.1.norm.gamma", prefix);
    conv(file, 3 * width, width, 1, TRUE, NAME(name, "%s.1.to_qkv", prefix));
    conv(file, width, width, 1, TRUE, NAME(name, "%s.1.proj", prefix));
    vae_residual(file, width, width, NAME(name, "%s.2", prefix));
}

static void
vae_encoder(ScopeHeaderFile *file, const gint64 w[4])
{
    char name[64];
    int index = 0;

    conv3d(file, w[0], 3, 3, 3, "encoder.conv1");
    for (int stage = 0; stage < 4; stage++) {
        gint64 before = w[MAX(stage - 1, 0)];
        vae_residual(file, before, w[stage], NAME(name, "encoder.downsamples.%d", index++));
        vae_residual(file, w[stage], w[stage], NAME(name, "encoder.downsamples.%d", index++));
        if (stage < 3) {
            conv(file, w[stage], w[stage], 3, TRUE,
                 NAME(name, "encoder.downsamples.%d.resample.1", index));
            if (stage > 0) {
                conv3d(file, w[stage], w[stage], 3, 1,
                       NAME(name, "encoder.downsamples.%d.time_conv", index));
            }
            index++;
        }
    }
    vae_middle(file, w[3], "encoder.middle");
    scope_header_file_add(file, F32, SCOPE_DIMS(w[3], 1, 1, 1), "encoder.head.0.gamma");
    conv3d(file, 32, w[3], 3, 3, "encoder.head.2");
    conv3d(file, 32, 32, 1, 1, "conv1");
}

static void
vae_decoder(ScopeHeaderFile *file, const gint64 w[4])
{
    char name[64];
    gint64 width = w[3];
    int index = 0;

    conv3d(file, 16, 16, 1, 1, "conv2");
    conv3d(file, w[3], 16, 3, 3, "decoder.conv1");
    vae_middle(file, w[3], "decoder.middle");
    for (int stage = 3; stage >= 0; stage--) {
        for (int i = 0; i < 3; i++) {
            vae_residual(file, i == 0 ? width : w[stage], w[stage],
                         NAME(name, "decoder.upsamples.%d", index++));
        }
        if (stage > 0) {
            width = w[stage] / 2;
            conv(file, width, w[stage], 3, TRUE,
                 NAME(name, "decoder.upsamples.%d.resample.1", index));
            if (stage > 1) {
                conv3d(file, 2 * w[stage], w[stage], 3, 1,
                       NAME(name, "decoder.upsamples.%d.time_conv", index));
            }
            index++;
        }
    }
    scope_header_file_add(file, F32, SCOPE_DIMS(w[0], 1, 1, 1), "decoder.head.0.gamma");
    conv3d(file, 3, w[0], 3, 3, "decoder.head.2");
}

void
scope_layout_wan_vae(ScopeHeaderFile *file, const gint64 widths[4])
{
    vae_encoder(file, widths);
    vae_decoder(file, widths);
}

/* -- TAE -------------------------------------------------------------------------------------- */

static void
memory_block(ScopeHeaderFile *file, gint64 width, const char *half, int index)
{
    char name[64];

    conv(file, width, 2 * width, 3, TRUE, NAME(name, "%s.%d.conv.0", half, index));
    conv(file, width, width, 3, TRUE, NAME(name, "%s.%d.conv.2", half, index));
    conv(file, width, width, 3, TRUE, NAME(name, "%s.%d.conv.4", half, index));
}

void
scope_layout_taehv(ScopeHeaderFile *file)
{
    static const gint64 pools[] = {128, 128, 64}, widths[] = {256, 128, 64, 64},
                        grows[] = {256, 256, 128};
    char name[64];

    conv(file, 64, 3, 3, TRUE, "encoder.0");
    for (int stage = 0; stage < 3; stage++) {
        int index = 2 + 5 * stage;
        conv(file, 64, pools[stage], 1, FALSE, NAME(name, "encoder.%d.conv", index));
        conv(file, 64, 64, 3, FALSE, NAME(name, "encoder.%d", index + 1));
        for (int i = 2; i < 5; i++) {
            memory_block(file, 64, "encoder", index + i);
        }
    }
    conv(file, 16, 64, 3, TRUE, "encoder.17");
    conv(file, 256, 16, 3, TRUE, "decoder.1");
    for (int stage = 0; stage < 3; stage++) {
        int index = 3 + 6 * stage;
        for (int i = 0; i < 3; i++) {
            memory_block(file, widths[stage], "decoder", index + i);
        }
        conv(file, grows[stage], widths[stage], 1, FALSE, NAME(name, "decoder.%d.conv", index + 4));
        conv(file, widths[stage + 1], widths[stage], 3, FALSE, NAME(name, "decoder.%d", index + 5));
    }
    conv(file, 3, 64, 3, TRUE, "decoder.22");
}

void
scope_layout_taehv_deep(ScopeHeaderFile *file)
{
    static const struct {
        const char *name;
        gint64 n_out, n_in, kernel;
        gboolean bias;
    } convs[] = {
        {"encoder.0.conv", 4, 12, 1, FALSE}, {"encoder.1", 8, 4, 3, FALSE},
        {"encoder.3", 8, 8, 3, FALSE},       {"encoder.5", 8, 8, 3, FALSE},
        {"encoder.7", 8, 8, 3, FALSE},       {"encoder.9", 16, 8, 3, TRUE},
        {"decoder.1", 8, 16, 3, TRUE},       {"decoder.5.conv", 8, 8, 1, FALSE},
        {"decoder.6", 8, 8, 3, FALSE},       {"decoder.9.conv", 8, 8, 1, FALSE},
        {"decoder.10", 8, 8, 3, FALSE},      {"decoder.13.conv", 16, 8, 1, FALSE},
        {"decoder.14", 4, 8, 3, FALSE},      {"decoder.16", 4, 4, 3, TRUE},
        {"decoder.19.conv", 8, 4, 1, FALSE}, {"decoder.20", 3, 4, 3, TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(convs); i++) {
        conv(file, convs[i].n_out, convs[i].n_in, convs[i].kernel, convs[i].bias, convs[i].name);
    }
    memory_block(file, 8, "encoder", 8);
    memory_block(file, 8, "decoder", 3);
    memory_block(file, 8, "decoder", 7);
    memory_block(file, 8, "decoder", 11);
}

/* -- Video-Depth-Anything --------------------------------------------------------------------- */

static void
depth_transformer(ScopeHeaderFile *file, gint64 width)
{
    char name[64];

    scope_header_file_add(file, F32, SCOPE_DIMS(1, 1, width), "pretrained.cls_token");
    scope_header_file_add(file, F32, SCOPE_DIMS(1, 1370, width), "pretrained.pos_embed");
    scope_header_file_add(file, F32, SCOPE_DIMS(1, width), "pretrained.mask_token");
    conv(file, width, 3, 14, TRUE, "pretrained.patch_embed.proj");
    for (int i = 0; i < 12; i++) {
        norm(file, F32, width, NAME(name, "pretrained.blocks.%d.norm1", i));
        linear(file, F32, F32, 3 * width, width, NAME(name, "pretrained.blocks.%d.attn.qkv", i));
        linear(file, F32, F32, width, width, NAME(name, "pretrained.blocks.%d.attn.proj", i));
        scope_header_file_add(file, F32, SCOPE_DIMS(width), "pretrained.blocks.%d.ls1.gamma", i);
        norm(file, F32, width, NAME(name, "pretrained.blocks.%d.norm2", i));
        linear(file, F32, F32, 4 * width, width, NAME(name, "pretrained.blocks.%d.mlp.fc1", i));
        linear(file, F32, F32, width, 4 * width, NAME(name, "pretrained.blocks.%d.mlp.fc2", i));
        scope_header_file_add(file, F32, SCOPE_DIMS(width), "pretrained.blocks.%d.ls2.gamma", i);
    }
    norm(file, F32, width, "pretrained.norm");
}

static void
depth_motion(ScopeHeaderFile *file, int index, gint64 c)
{
    char module[64], block[96], name[128];

    NAME(module, "head.motion_modules.%d.temporal_transformer", index);
    NAME(block, "%s.transformer_blocks.0", module);
    norm(file, F32, c, NAME(name, "%s.norm", module));
    linear(file, F32, F32, c, c, NAME(name, "%s.proj_in", module));
    for (int a = 0; a < 2; a++) {
        for (const char *m = "qkv"; *m != '\0'; m++) {
            scope_header_file_add(file, F32, SCOPE_DIMS(c, c),
                                  "%s.attention_blocks.%d.to_%c.weight", block, a, *m);
        }
        linear(file, F32, F32, c, c, NAME(name, "%s.attention_blocks.%d.to_out.0", block, a));
        scope_header_file_add(file, F32, SCOPE_DIMS(1, 32, c),
                              "%s.attention_blocks.%d.pos_encoder.pe", block, a);
        norm(file, F32, c, NAME(name, "%s.norms.%d", block, a));
    }
    linear(file, F32, F32, 8 * c, c, NAME(name, "%s.ff.net.0.proj", block));
    linear(file, F32, F32, c, 4 * c, NAME(name, "%s.ff.net.2", block));
    norm(file, F32, c, NAME(name, "%s.ff_norm", block));
    linear(file, F32, F32, c, c, NAME(name, "%s.proj_out", module));
}

void
scope_layout_depth(ScopeHeaderFile *file, const ScopeDepthLayout *depth)
{
    const gint64 *widths = depth->widths;
    gint64 f = depth->features;
    char name[96];

    depth_transformer(file, depth->width);
    for (int i = 0; i < 4; i++) {
        conv(file, widths[i], depth->width, 1, TRUE, NAME(name, "head.projects.%d", i));
    }
    conv(file, widths[0], widths[0], 4, TRUE, "head.resize_layers.0");
    conv(file, widths[1], widths[1], 2, TRUE, "head.resize_layers.1");
    conv(file, widths[3], widths[3], 3, TRUE, "head.resize_layers.3");
    for (int i = 0; i < 4; i++) {
        conv(file, f, widths[i], 3, FALSE, NAME(name, "head.scratch.layer%d_rn", i + 1));
        conv(file, f, f, 1, TRUE, NAME(name, "head.scratch.refinenet%d.out_conv", i + 1));
        for (int u = 0; u < 4; u++) {
            conv(file, f, f, 3, TRUE,
                 NAME(name, "head.scratch.refinenet%d.resConfUnit%d.conv%d", i + 1, u / 2 + 1,
                      u % 2 + 1));
        }
    }
    conv(file, f / 2, f, 3, TRUE, "head.scratch.output_conv1");
    conv(file, 32, f / 2, 3, TRUE, "head.scratch.output_conv2.0");
    conv(file, 1, 32, 1, TRUE, "head.scratch.output_conv2.2");
    depth_motion(file, 0, widths[2]);
    depth_motion(file, 1, widths[3]);
    depth_motion(file, 2, f);
    depth_motion(file, 3, f);
}

/* -- RIFE and contours ------------------------------------------------------------------------ */

/* A transposed convolution: [in, out, k, k], bias [out]. */
static void
transposed(ScopeHeaderFile *file, gint64 n_in, gint64 n_out, gint64 kernel, const char *name)
{
    scope_header_file_add(file, F32, SCOPE_DIMS(n_in, n_out, kernel, kernel), "%s.weight", name);
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out), "%s.bias", name);
}

void
scope_layout_rife(ScopeHeaderFile *file, int n_blocks, const gint64 *widths)
{
    char name[64];

    conv(file, 16, 3, 3, TRUE, "encode.cnn0");
    conv(file, 16, 16, 3, TRUE, "encode.cnn1");
    conv(file, 16, 16, 3, TRUE, "encode.cnn2");
    transposed(file, 16, 4, 4, "encode.cnn3");
    for (int i = 0; i < n_blocks; i++) {
        gint64 c = widths[i];
        conv(file, c / 2, i == 0 ? 15 : 28, 3, TRUE, NAME(name, "block%d.conv0.0.0", i));
        conv(file, c, c / 2, 3, TRUE, NAME(name, "block%d.conv0.1.0", i));
        for (int j = 0; j < 8; j++) {
            conv(file, c, c, 3, TRUE, NAME(name, "block%d.convblock.%d.conv", i, j));
            scope_header_file_add(file, F32, SCOPE_DIMS(1, c, 1, 1), "block%d.convblock.%d.beta", i,
                                  j);
        }
        transposed(file, c, 52, 4, NAME(name, "block%d.lastconv.0", i));
    }
}

void
scope_layout_contour(ScopeHeaderFile *file)
{
    char name[64];

    conv(file, 64, 3, 7, TRUE, "model0.1");
    conv(file, 128, 64, 3, TRUE, "model1.0");
    conv(file, 256, 128, 3, TRUE, "model1.3");
    for (int i = 0; i < 3; i++) {
        conv(file, 256, 256, 3, TRUE, NAME(name, "model2.%d.conv_block.1", i));
        conv(file, 256, 256, 3, TRUE, NAME(name, "model2.%d.conv_block.5", i));
    }
    transposed(file, 256, 128, 3, "model3.0");
    transposed(file, 128, 64, 3, "model3.3");
    conv(file, 1, 64, 7, TRUE, "model4.1");
}

/* -- RAFT ------------------------------------------------------------------------------------- */

static void
raft_bottleneck(ScopeHeaderFile *file, gint64 n_in, gint64 n_out, gboolean down, const char *prefix)
{
    char name[96];

    conv(file, n_out / 4, n_in, 1, TRUE, NAME(name, "%s.convnormrelu1.0", prefix));
    conv(file, n_out / 4, n_out / 4, 3, TRUE, NAME(name, "%s.convnormrelu2.0", prefix));
    conv(file, n_out, n_out / 4, 1, TRUE, NAME(name, "%s.convnormrelu3.0", prefix));
    if (down) {
        conv(file, n_out, n_in, 1, TRUE, NAME(name, "%s.downsample.0", prefix));
    }
}

static void
raft_encoder(ScopeHeaderFile *file, gint64 n_out, const char *prefix)
{
    static const gint64 widths[] = {32, 32, 64, 96};
    char name[64];

    conv(file, 32, 3, 7, TRUE, NAME(name, "%s.convnormrelu.0", prefix));
    for (int i = 1; i < 4; i++) {
        raft_bottleneck(file, widths[i - 1], widths[i], i > 1,
                        NAME(name, "%s.layer%d.0", prefix, i));
        raft_bottleneck(file, widths[i], widths[i], FALSE, NAME(name, "%s.layer%d.1", prefix, i));
    }
    conv(file, n_out, 96, 1, TRUE, NAME(name, "%s.conv", prefix));
}

void
scope_layout_raft_small(ScopeHeaderFile *file)
{
    char name[64];

    raft_encoder(file, 128, "feature_encoder");
    raft_encoder(file, 160, "context_encoder");
    conv(file, 96, 196, 1, TRUE, "update_block.motion_encoder.convcorr1.0");
    conv(file, 64, 2, 7, TRUE, "update_block.motion_encoder.convflow1.0");
    conv(file, 32, 64, 3, TRUE, "update_block.motion_encoder.convflow2.0");
    conv(file, 80, 128, 3, TRUE, "update_block.motion_encoder.conv.0");
    for (const char *gate = "zrq"; *gate != '\0'; gate++) {
        conv(file, 96, 242, 3, TRUE,
             NAME(name, "update_block.recurrent_block.convgru1.conv%c", *gate));
    }
    conv(file, 128, 96, 3, TRUE, "update_block.flow_head.conv1");
    conv(file, 2, 128, 3, TRUE, "update_block.flow_head.conv2");
}
