/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small Wan transformers with random weights, in the published names, right or wrong on
 * purpose. One thread. */
#pragma once

#include "models/scope-wan-config.h"

G_BEGIN_DECLS

/** ScopeTinyWan: what to write; start from SCOPE_TINY_WAN. */
typedef struct {
    ScopeWanConfig config;
    guint64 seed;
    gboolean diffusers;     /**< names of the diffusers layout */
    gboolean fp8;           /**< matrices of the blocks as F8_E4M3 with a scale beside them */
    const char *leave_out;  /**< (nullable): tensor that is missing */
    const char *reshape;    /**< (nullable): tensor that gets one row more */
    const char *as_integer; /**< (nullable): tensor that is stored as I32 */
    const char *also;       /**< (nullable): tensor that is there beside the model's */
    const char *fill_nan;   /**< (nullable): tensor that holds NaN */
    gboolean pooled;        /**< with pooled_embedding.weight */
    gint64 n_places;        /**< rows of the table of places; 0: none */
    gsize cut_bytes;        /**< bytes missing at the end of the file */
} ScopeTinyWan;

/** SCOPE_TINY_WAN: two layers of two heads, with two context blocks when VACE is wanted. */
#define SCOPE_TINY_WAN                                                                             \
    {                                                                                              \
        .config = {.dim = 64,                                                                      \
                   .ffn_dim = 96,                                                                  \
                   .freq_dim = 32,                                                                 \
                   .text_dim = 24,                                                                 \
                   .text_len = 16,                                                                 \
                   .in_dim = 16,                                                                   \
                   .out_dim = 16,                                                                  \
                   .n_heads = 2,                                                                   \
                   .n_layers = 2},                                                                 \
        .seed = 1                                                                                  \
    }

/** scope_tiny_wan_write: writes a safetensors file. */
void scope_tiny_wan_write(const ScopeTinyWan *tiny, const char *path);

/** scope_tiny_wan_write_lora: an adapter of @rank on time_embedding.0 and on q of every
 * self-attention, there with @n_in columns (the model's width, or a wrong one); PEFT names. */
void scope_tiny_wan_write_lora(const ScopeTinyWan *tiny, const char *path, int rank, int n_in);

G_END_DECLS
