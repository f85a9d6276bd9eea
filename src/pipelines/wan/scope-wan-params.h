/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of the streaming diffusion pipelines. All of them share one struct and one table;
 * what differs between them (sizes, schedules, defaults) is an argument of the table.
 */
#ifndef SCOPE_WAN_PARAMS_H
#define SCOPE_WAN_PARAMS_H

#include <scope/scope-param.h>

G_BEGIN_DECLS

/** ScopeWanVaeType: index into the choices of `vae_type`. */
typedef enum {
    SCOPE_WAN_VAE_WAN = 0,
    SCOPE_WAN_VAE_LIGHT,
    SCOPE_WAN_VAE_TAE,
    SCOPE_WAN_VAE_LIGHT_TAE,
} ScopeWanVaeType;

/** ScopeWanInterpolation: index into the choices of the interpolation methods. */
typedef enum {
    SCOPE_WAN_LINEAR = 0,
    SCOPE_WAN_SLERP,
} ScopeWanInterpolation;

/** ScopeWanQuantizationChoice: index into the choices of `quantization`. */
typedef enum {
    SCOPE_WAN_CHOICE_FP8 = 0,
    SCOPE_WAN_CHOICE_INT8,
} ScopeWanQuantizationChoice;

/**
 * ScopeWanParams: a snapshot of all values, load-time ones first. Keys, ranges and meanings are
 * those of the table below; docs/reference/params.md lists them.
 */
typedef struct {
    gint64 height;
    gint64 width;
    gboolean manage_cache;
    gint64 base_seed;
    ScopeIntList denoising_steps;
    const char *lora_merge_strategy;
    gdouble noise_scale;
    gboolean noise_controller;
    gint64 input_size;
    gboolean has_input_size;
    ScopeStringList ref_images;
    gdouble vace_context_scale;
    gint32 vae_type;
    gint32 quantization;
    gboolean has_quantization;
    gboolean vace_enabled;
    ScopeLoraList loras;
    gint32 lora_merge_mode;
    gboolean has_lora_merge_mode;

    ScopePromptList prompts;
    gint32 prompt_interpolation_method;
    gint32 spatial_interpolation_method;
    gboolean has_spatial_interpolation_method;
    ScopeTransition transition;
    gboolean has_transition;
    ScopeIntList denoising_step_list;
    gboolean has_denoising_step_list;
    gdouble kv_cache_attention_bias;
    ScopeLoraList lora_scales;
    gboolean has_lora_scales;
    ScopeStringList vace_ref_images;
    gboolean has_vace_ref_images;
    const char *first_frame_image;
    gboolean has_first_frame_image;
    const char *last_frame_image;
    gboolean has_last_frame_image;
} ScopeWanParams;

/** The choices of the enumerations; defined in scope-wan-params.c. */
extern const char *const scope_wan_vae_types[];
extern const char *const scope_wan_quantizations[];
extern const char *const scope_wan_interpolations[];
extern const char *const scope_wan_merge_modes[];

#define SCOPE_WAN_BOTH_BOUNDS (SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX)

/* What a client may send while streaming, without being part of the schema. */
#define SCOPE_WAN_RUNTIME .apply = SCOPE_PARAM_APPLY_CHUNK

/*
 * The items of a parameter table, in the order of the wire contract. Arguments: a number that sizes
 * are multiples of; as JSON text the defaults of height, width, schedule, input_size, noise_scale
 * and noise_controller, and what video mode (@video_...) and text mode (@text_...) have instead, or
 * NULL; further flags of `noise_scale`.
 */
/* clang-format off */
#define SCOPE_WAN_PARAMS_PICTURE(P, multiple_, height_, width_, steps_, input_size_, noise_,       \
        controller_, video_height_, video_width_, video_steps_, text_height_, text_width_,         \
        text_steps_, noise_flags_, video_noise_, video_controller_)                                \
    SCOPE_PARAM_INT(P, height, height_, .flags = SCOPE_PARAM_HAS_MIN, .min = 1,                    \
        .step = multiple_,                                                                         \
        .default_video_json = video_height_, .default_text_json = text_height_,                    \
        .order = 4, .group = "resolution", .unit = "px",                                           \
        .help = "Output height, a multiple of " #multiple_ "."),                                   \
    SCOPE_PARAM_INT(P, width, width_, .flags = SCOPE_PARAM_HAS_MIN, .min = 1,                      \
        .step = multiple_,                                                                         \
        .default_video_json = video_width_, .default_text_json = text_width_,                      \
        .order = 4, .group = "resolution", .unit = "px",                                           \
        .help = "Output width, a multiple of " #multiple_ "."),                                    \
    SCOPE_PARAM_BOOL(P, manage_cache, "true", .flags = SCOPE_PARAM_LIVE, .order = 5,               \
        .group = "cache",                                                                          \
        .help = "Reset the caches by itself when schedule, adapters or the video's "               \
                "prompt change."),                                                                 \
    SCOPE_PARAM_INT(P, base_seed, "42", .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_LIVE,           \
        .min = 0, .order = 5,                                                                      \
        .label = "Seed", .help = "Seed of the noise; the same seed repeats the same start."),      \
    SCOPE_PARAM_INT_LIST(P, denoising_steps, steps_,                                               \
        .flags = SCOPE_PARAM_DESCENDING | SCOPE_PARAM_MODULATABLE | SCOPE_WAN_BOTH_BOUNDS,         \
        SCOPE_PARAM_RANGE(0, 1000), .modulatable_min = 100,                                        \
        .default_video_json = video_steps_, .default_text_json = text_steps_,                      \
        .order = 6, .group = "denoising_steps",                                                    \
        .help = "Denoising schedule: timesteps, strictly descending."),                            \
    SCOPE_PARAM_STRING(P, lora_merge_strategy, "\"permanent_merge\"", .order = 2,                  \
        .group = "lora", .help = "How adapters are applied: merged at load, or at run time."),     \
    SCOPE_PARAM_FLOAT(P, noise_scale, noise_,                                                      \
        .flags = SCOPE_WAN_BOTH_BOUNDS | (noise_flags_), SCOPE_PARAM_RANGE(0, 1), .step = 0.01,    \
        .default_video_json = video_noise_, SCOPE_WAN_RUNTIME, .order = 7, .group = "noise",       \
        .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),                                                 \
        .help = "How much of the input video is replaced by noise."),                              \
    SCOPE_PARAM_BOOL(P, noise_controller, controller_, .default_video_json = video_controller_,    \
        SCOPE_WAN_RUNTIME, .order = 7, .group = "noise",                                           \
        .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),                                                 \
        .help = "Choose the noise by the motion in the input video."),                             \
    SCOPE_PARAM_INT(P, input_size, input_size_,                                                    \
        .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI, .min = 1,         \
        SCOPE_PARAM_NULL_IF_UNSET(P, input_size), .help = "Expected number of input frames.")

#define SCOPE_WAN_PARAMS_GUIDE(P)                                                                  \
    SCOPE_PARAM_STRING_LIST(P, ref_images, "[]", .flags = SCOPE_PARAM_NO_UI,                       \
        .help = "Reference images for VACE, by path."),                                            \
    SCOPE_PARAM_FLOAT(P, vace_context_scale, "1.0",                                                \
        .flags = SCOPE_WAN_BOTH_BOUNDS | SCOPE_PARAM_LIVE,                                         \
        SCOPE_PARAM_RANGE(0, 2), .step = 0.1, .order = 1, .group = "vace",                         \
        .help = "Strength of VACE's guidance.")

#define SCOPE_WAN_PARAMS_WEIGHTS(P)                                                                \
    SCOPE_PARAM_ENUM(P, vae_type, "\"wan\"", .choices = scope_wan_vae_types,                       \
        .enum_name = "VaeType", .order = 3, .label = "VAE",                                        \
        .help = "Decoder: wan is best and slowest, tae fastest, lightvae and lighttae between."),  \
    SCOPE_PARAM_ENUM(P, quantization, "null", .flags = SCOPE_PARAM_NULLABLE,                       \
        SCOPE_PARAM_NULL_IF_UNSET(P, quantization), .choices = scope_wan_quantizations,            \
        .enum_name = "Quantization", .order = 8, .group = "quantization",                          \
        .help = "8-bit weights and activations: less memory, more speed."),                        \
    SCOPE_PARAM_BOOL(P, vace_enabled, "true", .flags = SCOPE_PARAM_HIDDEN,                         \
        .help = "Load the VACE module.")

#define SCOPE_WAN_PARAMS_LORA(P)                                                                   \
    SCOPE_PARAM_LORAS(P, loras, "[]", .flags = SCOPE_PARAM_HIDDEN, .help = "Adapters to load."),   \
    SCOPE_PARAM_ENUM(P, lora_merge_mode, "null",                                                   \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE,                                        \
        SCOPE_PARAM_NULL_IF_UNSET(P, lora_merge_mode), .choices = scope_wan_merge_modes,           \
        .help = "How adapters without a mode of their own are applied."),                          \
    SCOPE_PARAM_LORAS(P, lora_scales, "null",                                                      \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_ONE_SHOT,                 \
        SCOPE_WAN_RUNTIME, SCOPE_PARAM_NULL_IF_UNSET(P, lora_scales),                              \
        .help = "New scales of run-time adapters.")

#define SCOPE_WAN_PARAMS_PROMPT(P)                                                                 \
    SCOPE_PARAM_PROMPTS(P, prompts, "[]", .flags = SCOPE_PARAM_HIDDEN, SCOPE_WAN_RUNTIME,          \
        .help = "What to show: texts that are blended by weight."),                                \
    SCOPE_PARAM_ENUM(P, prompt_interpolation_method, "\"linear\"", .flags = SCOPE_PARAM_HIDDEN,    \
        SCOPE_WAN_RUNTIME, .choices = scope_wan_interpolations,                                    \
        .help = "How several prompts are blended; slerp takes exactly two."),                      \
    SCOPE_PARAM_ENUM(P, spatial_interpolation_method, "null",                                      \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE, SCOPE_WAN_RUNTIME,                     \
        SCOPE_PARAM_NULL_IF_UNSET(P, spatial_interpolation_method),                                \
        .choices = scope_wan_interpolations,                                                       \
        .help = "Another name of prompt_interpolation_method; wins when sent."),                   \
    SCOPE_PARAM_TRANSITION(P, transition, "null",                                                  \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE, SCOPE_WAN_RUNTIME,                     \
        SCOPE_PARAM_NULL_IF_UNSET(P, transition), .help = "Smooth change to other prompts."),      \
    SCOPE_PARAM_INT_LIST(P, denoising_step_list, "null",                                           \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_DESCENDING |              \
                 SCOPE_WAN_BOTH_BOUNDS,                                                            \
        SCOPE_PARAM_RANGE(0, 1000), SCOPE_WAN_RUNTIME,                                             \
        SCOPE_PARAM_NULL_IF_UNSET(P, denoising_step_list),                                         \
        .help = "Schedule in force; the load-time one when not sent.")

#define SCOPE_WAN_PARAMS_GUIDE_RUN(P, bias_)                                                       \
    SCOPE_PARAM_FLOAT(P, kv_cache_attention_bias, bias_,                                           \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_WAN_BOTH_BOUNDS, SCOPE_PARAM_RANGE(0.01, 1),           \
        SCOPE_WAN_RUNTIME, .help = "Reliance on past frames; smaller forgets faster."),            \
    SCOPE_PARAM_STRING_LIST(P, vace_ref_images, "null",                                            \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_ONE_SHOT,                 \
        SCOPE_WAN_RUNTIME, SCOPE_PARAM_NULL_IF_UNSET(P, vace_ref_images),                          \
        .help = "Reference images for the next chunk."),                                           \
    SCOPE_PARAM_STRING(P, first_frame_image, "null", SCOPE_PARAM_NULL_IF_UNSET(P,                  \
        first_frame_image),                                                                        \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_ONE_SHOT,                 \
        SCOPE_WAN_RUNTIME, .help = "Image that the next chunk begins with."),                      \
    SCOPE_PARAM_STRING(P, last_frame_image, "null", SCOPE_PARAM_NULL_IF_UNSET(P,                   \
        last_frame_image),                                                                         \
        .flags = SCOPE_PARAM_HIDDEN | SCOPE_PARAM_NULLABLE | SCOPE_PARAM_ONE_SHOT,                 \
        SCOPE_WAN_RUNTIME, .help = "Image that the next chunk ends with.")

/* The table of a published pipeline: everything. */
#define SCOPE_WAN_PARAM_TABLE(P, height_, width_, steps_, input_size_, bias_,                      \
        video_height_, video_width_, video_steps_, text_height_, text_width_, text_steps_,         \
        noise_flags_, video_noise_, video_controller_)                                             \
    SCOPE_WAN_PARAMS_PICTURE(P, 16, height_, width_, steps_, input_size_, "0.7", "true",           \
        video_height_, video_width_, video_steps_, text_height_, text_width_, text_steps_, noise_flags_, video_noise_,          \
        video_controller_),                                                                        \
    SCOPE_WAN_PARAMS_GUIDE(P),                                                                     \
    SCOPE_WAN_PARAMS_WEIGHTS(P),                                                                   \
    SCOPE_WAN_PARAMS_LORA(P),                                                                      \
    SCOPE_WAN_PARAMS_PROMPT(P),                                                                    \
    SCOPE_WAN_PARAMS_GUIDE_RUN(P, bias_)
/* clang-format on */

G_END_DECLS

#endif
