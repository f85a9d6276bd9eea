/* SPDX-License-Identifier: Apache-2.0 */
/* Which handler runs which case. To add a family: write golden-<family>.c, declare its functions in
 * golden-families.h, enter them here, add the file to meson.build. The first line that matches
 * family and kind wins; kinds are glob patterns, so that cases of other sizes and seeds keep their
 * handler. Constant data. */
#include "golden-families.h"

const GoldenHandler golden_handlers[] = {
    {"checkpoints", "safetensors-good*", golden_run_safetensors_good},
    {"checkpoints", "safetensors-bad*", golden_run_safetensors_bad},
    {"checkpoints", "torch-good*", golden_run_torch_good},
    {"checkpoints", "torch-bad*", golden_run_torch_bad},
    {"checkpoints", "lora*", golden_run_lora_files},
    {"tokenizer", "*", golden_run_tokenizer},
    {"wan-vae", "*encode-whole*", golden_run_vae_encode_whole},
    {"wan-vae", "*encode-stream*", golden_run_vae_encode_stream},
    {"wan-vae", "*decode-whole*", golden_run_vae_decode_whole},
    {"wan-vae", "*decode-stream*", golden_run_vae_decode_stream},
    {"taehv", "*decode-stream*", golden_run_taehv_decode_stream},
    {"taehv", "*decode*", golden_run_taehv_decode},
    {"taehv", "*encode-chunks*", golden_run_taehv_encode_chunks},
    {"taehv", "*encode*", golden_run_taehv_encode},
    {"umt5", "relative-buckets*", golden_run_umt5_buckets},
    {"umt5", "encode*", golden_run_umt5_encode},
    {"processors", "gray*", golden_run_gray},
    {"processors", "conversions*", golden_run_conversions},
    {"processors", "contour*", golden_run_contour},
    {"processors", "raft-*", golden_run_raft},
    {"processors", "flow-to-image*", golden_run_flow_image},
    {"wan-dit", "embed", golden_run_dit_embed},
    {"wan-dit", "wan_full", golden_run_dit_full},
    {"wan-dit", "vace_full", golden_run_dit_vace_full},
    {"wan-dit", "block_causal", golden_run_dit_block_causal},
    {"wan-dit", "causal", golden_run_dit_causal},
    {"wan-dit", "krea_recompute", golden_run_dit_recompute},
    {"wan-dit", "lora", golden_run_dit_lora},
    {"wan-dit", "scheduler", golden_run_dit_scheduler},
    {"wan-dit", "v2v", golden_run_dit_v2v},
    {"wan-dit", "preprocess", golden_run_dit_preprocess},
    {"wan-dit", "blend", golden_run_dit_blend},
    {"wan-dit", "memflow_unit", golden_run_dit_memory},
    {"wan-dit", "fp8", golden_run_dit_fp8},
    {"wan-dit", "vace_context", golden_run_dit_vace_context},
    {"video-depth-anything", "forward*", golden_run_depth_forward},
    {"video-depth-anything", "stream-*", golden_run_depth_stream},
    {"video-depth-anything", "offline-windows*", golden_run_depth_clip},
    {"video-depth-anything", "helpers*", golden_run_depth_helpers},
    {NULL, NULL, NULL},
};
