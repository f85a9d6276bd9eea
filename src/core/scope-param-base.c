/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fields that the schema of every pipeline has (pipelines.md 4.1), for those that a pipeline
 * does not declare itself. They are validated, never stored.
 */
#include "core/scope-param-table-private.h"

typedef struct {
    gint64 height;
    gint64 width;
    gboolean manage_cache;
    gint64 base_seed;
    ScopeIntList denoising_steps;
    gboolean has_denoising_steps;
    gint32 lora_merge_strategy;
    gboolean has_lora_merge_strategy;
    gdouble noise_scale;
    gboolean has_noise_scale;
    gboolean noise_controller;
    gboolean has_noise_controller;
    gint64 input_size;
    gboolean has_input_size;
    ScopeStringList ref_images;
    gboolean has_ref_images;
    gdouble vace_context_scale;
} BaseValues;

static const char *const merge_strategies[] = {"permanent_merge", "runtime_peft", NULL};

/* clang-format off */
static const ScopeParamDesc base_params[] = {
    SCOPE_PARAM_INT(BaseValues, height, "512", SCOPE_PARAM_RANGE(1, 0),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_NO_UI, .unit = "px",
                    .help = "Height of the output."),
    SCOPE_PARAM_INT(BaseValues, width, "512", SCOPE_PARAM_RANGE(1, 0),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_NO_UI, .unit = "px",
                    .help = "Width of the output."),
    SCOPE_PARAM_BOOL(BaseValues, manage_cache, "true", .flags = SCOPE_PARAM_NO_UI,
                     .help = "Resets caches by itself where the input asks for it."),
    SCOPE_PARAM_INT(BaseValues, base_seed, "42", SCOPE_PARAM_RANGE(0, 0),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_NO_UI,
                    .help = "Start of the random numbers; the same seed gives the same frames."),
    SCOPE_PARAM_INT_LIST(BaseValues, denoising_steps, "null",
                         .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                         SCOPE_PARAM_NULL_IF_UNSET(BaseValues, denoising_steps),
                         .help = "Timesteps of the denoising schedule."),
    SCOPE_PARAM_ENUM(BaseValues, lora_merge_strategy, "null",
                     .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                     SCOPE_PARAM_NULL_IF_UNSET(BaseValues, lora_merge_strategy),
                     .choices = merge_strategies,
                     .help = "How LoRA adapters are applied to the weights."),
    SCOPE_PARAM_FLOAT(BaseValues, noise_scale, "null", SCOPE_PARAM_RANGE(0, 1),
                      .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX | SCOPE_PARAM_NULLABLE |
                               SCOPE_PARAM_NO_UI,
                      SCOPE_PARAM_NULL_IF_UNSET(BaseValues, noise_scale),
                      .help = "Share of noise in the latents of video mode."),
    SCOPE_PARAM_BOOL(BaseValues, noise_controller, "null",
                     .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                     SCOPE_PARAM_NULL_IF_UNSET(BaseValues, noise_controller),
                     .help = "Sets the noise from the motion of the input."),
    SCOPE_PARAM_INT(BaseValues, input_size, "1", SCOPE_PARAM_RANGE(1, 0),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                    SCOPE_PARAM_NULL_IF_UNSET(BaseValues, input_size), .unit = "frames",
                    .help = "Input frames that one chunk expects, for information."),
    SCOPE_PARAM_STRING_LIST(BaseValues, ref_images, "null",
                            .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                            SCOPE_PARAM_NULL_IF_UNSET(BaseValues, ref_images),
                            .help = "Paths of reference images for VACE."),
    SCOPE_PARAM_FLOAT(BaseValues, vace_context_scale, "1.0", SCOPE_PARAM_RANGE(0, 2),
                      .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX | SCOPE_PARAM_NO_UI,
                      .help = "Strength of the VACE conditioning."),
};
/* clang-format on */

const ScopeParamDesc *
scope_param_base_descs(guint *ret_n)
{
    *ret_n = G_N_ELEMENTS(base_params);
    return base_params;
}
