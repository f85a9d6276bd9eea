/* SPDX-License-Identifier: Apache-2.0 */
/* Names and shapes of the published checkpoints at full size, as the specifications of the models
 * give them. Every function adds the tensors of one model. One thread. */
#pragma once

#include "headers/scope-header-file.h"

G_BEGIN_DECLS

/** ScopeWanLayout: dimensions of a Wan transformer. */
typedef struct {
    gint64 dim, ffn_dim, n_layers;
    ScopeStoredType linear; /* matrices of the blocks */
    ScopeStoredType other;
} ScopeWanLayout;

/** scope_layout_wan: a transformer in the published names. */
void scope_layout_wan(ScopeHeaderFile *file, const ScopeWanLayout *wan);
/** scope_layout_vace: @n_blocks context blocks of a VACE module. */
void scope_layout_vace(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 n_blocks);
/** scope_layout_wan_lora: PEFT adapters on every linear inside the blocks, names after @prefix. */
void scope_layout_wan_lora(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 rank,
                           const char *prefix);
/** scope_layout_kohya_lora: the same modules in underscore names, with alpha. */
void scope_layout_kohya_lora(ScopeHeaderFile *file, const ScopeWanLayout *wan, gint64 rank);
/** scope_layout_umt5: UMT5-XXL in Wan's names; matrices of the blocks of type @linear. */
void scope_layout_umt5(ScopeHeaderFile *file, ScopeStoredType linear);
/** scope_layout_umt5_scaled: UMT5-XXL in Hugging Face's names, fp8 with one scale a matrix. */
void scope_layout_umt5_scaled(ScopeHeaderFile *file);
/** scope_layout_wan_vae: the video VAE; @widths of the four stages. */
void scope_layout_wan_vae(ScopeHeaderFile *file, const gint64 widths[4]);
/** scope_layout_taehv: the tiny autoencoder of Wan 2.1. */
void scope_layout_taehv(ScopeHeaderFile *file);
/** scope_layout_taehv_deep: the same graph with four enlarging stages, frames mixed at the first
 * entry, and ReLUs between convolutions and in front of an enlargement. */
void scope_layout_taehv_deep(ScopeHeaderFile *file);
/** ScopeDepthLayout: dimensions of Video-Depth-Anything. */
typedef struct {
    gint64 width;     /* of the transformer; its heads have 64 */
    gint64 features;  /* of the head */
    gint64 widths[4]; /* of the head's four taps */
} ScopeDepthLayout;

/** SCOPE_DEPTH_SMALL: the published small one. */
#define SCOPE_DEPTH_SMALL                                                                          \
    {                                                                                              \
        384, 64,                                                                                   \
        {                                                                                          \
            48, 96, 192, 384                                                                       \
        }                                                                                          \
    }

/** scope_layout_depth: Video-Depth-Anything. */
void scope_layout_depth(ScopeHeaderFile *file, const ScopeDepthLayout *depth);
/** scope_layout_rife: IFNet with @n_blocks blocks of @widths. */
void scope_layout_rife(ScopeHeaderFile *file, int n_blocks, const gint64 *widths);
/** scope_layout_contour: the contour network. */
void scope_layout_contour(ScopeHeaderFile *file);
/** scope_layout_raft_small: the small optical flow network of torchvision. */
void scope_layout_raft_small(ScopeHeaderFile *file);

G_END_DECLS
