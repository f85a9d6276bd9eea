/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers that golden-families.c enters in its table, one group a file. Main thread. */
#pragma once

#include "golden-case.h"

/* golden-checkpoints.c */
gboolean golden_run_safetensors_good(GoldenCase *c, GError **error);
gboolean golden_run_safetensors_bad(GoldenCase *c, GError **error);
gboolean golden_run_torch_good(GoldenCase *c, GError **error);
gboolean golden_run_torch_bad(GoldenCase *c, GError **error);

/* golden-lora.c */
gboolean golden_run_lora_files(GoldenCase *c, GError **error);

/* golden-vae.c */
gboolean golden_run_vae_encode_whole(GoldenCase *c, GError **error);
gboolean golden_run_vae_encode_stream(GoldenCase *c, GError **error);
gboolean golden_run_vae_decode_whole(GoldenCase *c, GError **error);
gboolean golden_run_vae_decode_stream(GoldenCase *c, GError **error);

/* golden-taehv.c */
gboolean golden_run_taehv_decode(GoldenCase *c, GError **error);
gboolean golden_run_taehv_decode_stream(GoldenCase *c, GError **error);
gboolean golden_run_taehv_encode(GoldenCase *c, GError **error);
gboolean golden_run_taehv_encode_chunks(GoldenCase *c, GError **error);

/* golden-umt5.c */
gboolean golden_run_umt5_buckets(GoldenCase *c, GError **error);
gboolean golden_run_umt5_encode(GoldenCase *c, GError **error);

/* golden-tokenizer.c */
gboolean golden_run_tokenizer(GoldenCase *c, GError **error);

/* golden-dit-model.c */
gboolean golden_run_dit_embed(GoldenCase *c, GError **error);
gboolean golden_run_dit_full(GoldenCase *c, GError **error);
gboolean golden_run_dit_vace_full(GoldenCase *c, GError **error);
gboolean golden_run_dit_block_causal(GoldenCase *c, GError **error);
gboolean golden_run_dit_causal(GoldenCase *c, GError **error);
gboolean golden_run_dit_recompute(GoldenCase *c, GError **error);

/* golden-depth.c */
gboolean golden_run_depth_forward(GoldenCase *c, GError **error);
gboolean golden_run_depth_stream(GoldenCase *c, GError **error);
gboolean golden_run_depth_clip(GoldenCase *c, GError **error);
gboolean golden_run_depth_helpers(GoldenCase *c, GError **error);

/* golden-rife.c */
gboolean golden_run_rife_pair(GoldenCase *c, GError **error);
gboolean golden_run_rife_doubling(GoldenCase *c, GError **error);
gboolean golden_run_rife_warp(GoldenCase *c, GError **error);

/* golden-processors.c */
gboolean golden_run_controller(GoldenCase *c, GError **error);
gboolean golden_run_gray(GoldenCase *c, GError **error);
gboolean golden_run_conversions(GoldenCase *c, GError **error);
gboolean golden_run_contour(GoldenCase *c, GError **error);
gboolean golden_run_raft(GoldenCase *c, GError **error);
gboolean golden_run_flow_image(GoldenCase *c, GError **error);

/* golden-dit-lora.c */
gboolean golden_run_dit_lora(GoldenCase *c, GError **error);

/* golden-dit-rollout.c */
gboolean golden_run_dit_rollout(GoldenCase *c, GError **error);
gboolean golden_run_dit_forcing(GoldenCase *c, GError **error);

/* golden-dit-units.c */
gboolean golden_run_dit_scheduler(GoldenCase *c, GError **error);
gboolean golden_run_dit_v2v(GoldenCase *c, GError **error);
gboolean golden_run_dit_preprocess(GoldenCase *c, GError **error);
gboolean golden_run_dit_blend(GoldenCase *c, GError **error);
gboolean golden_run_dit_memory(GoldenCase *c, GError **error);
gboolean golden_run_dit_fp8(GoldenCase *c, GError **error);
gboolean golden_run_dit_vace_context(GoldenCase *c, GError **error);
