/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session parameters of webrtc.md section 5.4 as a descriptor table. The struct below exists
 * only to carry the types: the server reads these members from the JSON itself.
 */
#include "core/scope-session-params.h"

#include "core/scope-assert.h"
#include "core/scope-json.h"
#include "core/scope-lock.h"

#define NULLABLE(field)                                                                            \
    .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI, .apply = SCOPE_PARAM_APPLY_CHUNK,           \
    SCOPE_PARAM_NULL_IF_UNSET(SessionValues, field)
#define NULLABLE_RANGE(field, lo, hi)                                                              \
    .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI | SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX, \
    .apply = SCOPE_PARAM_APPLY_CHUNK, SCOPE_PARAM_NULL_IF_UNSET(SessionValues, field),             \
    .min = (lo), .max = (hi)

#define NULLABLE_MIN(field, lo)                                                                    \
    .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI | SCOPE_PARAM_HAS_MIN,                       \
    .apply = SCOPE_PARAM_APPLY_CHUNK, SCOPE_PARAM_NULL_IF_UNSET(SessionValues, field), .min = (lo)

#define FIELD(type, name)                                                                          \
    type name;                                                                                     \
    gboolean has_##name

typedef struct {
    FIELD(gint32, input_mode);
    FIELD(ScopePromptList, prompts);
    FIELD(gint32, prompt_interpolation_method);
    FIELD(gint32, spatial_interpolation_method);
    FIELD(ScopeTransition, transition);
    FIELD(gdouble, noise_scale);
    FIELD(gboolean, noise_controller);
    FIELD(ScopeIntList, denoising_step_list);
    FIELD(gboolean, manage_cache);
    FIELD(gboolean, reset_cache);
    FIELD(gdouble, kv_cache_attention_bias);
    FIELD(gboolean, paused);
    FIELD(ScopeLoraList, lora_scales);
    FIELD(gboolean, vace_enabled);
    FIELD(ScopeStringList, vace_ref_images);
    FIELD(gboolean, vace_use_input_video);
    FIELD(gdouble, vace_context_scale);
    FIELD(const char *, first_frame_image);
    FIELD(const char *, last_frame_image);
    FIELD(ScopeStringList, images);
    FIELD(ScopeCtrlInput, ctrl_input);
    FIELD(ScopeStringList, pipeline_ids);
    FIELD(const char *, node_id);
    FIELD(gboolean, recording);
    FIELD(ScopeStringList, source_track_order);
    FIELD(gint64, base_seed);
    FIELD(gboolean, produces_video);
    FIELD(gboolean, produces_audio);
    FIELD(gint32, quantize_mode);
    FIELD(gint32, beat_cache_reset_rate);
    FIELD(gdouble, lookahead_ms);
} SessionValues;

static const char *const input_modes[] = {"text", "video", NULL};
static const char *const interpolations[] = {"linear", "slerp", NULL};
static const char *const beat_units[] = {"none", "beat", "bar", "2_bar", "4_bar", NULL};

/* clang-format off */
static const ScopeParamDesc session_params[] = {
    SCOPE_PARAM_ENUM(SessionValues, input_mode, "null", NULLABLE(input_mode),
                     .choices = input_modes, .help = "Whether processors wait for input frames."),
    SCOPE_PARAM_PROMPTS(SessionValues, prompts, "null", NULLABLE(prompts),
                        .help = "Prompts that are blended; weights are relative."),
    SCOPE_PARAM_ENUM(SessionValues, prompt_interpolation_method, "null",
                     NULLABLE(prompt_interpolation_method), .choices = interpolations,
                     .help = "How several prompts are blended."),
    SCOPE_PARAM_ENUM(SessionValues, spatial_interpolation_method, "null",
                     NULLABLE(spatial_interpolation_method), .choices = interpolations,
                     .help = "Other name of prompt_interpolation_method."),
    SCOPE_PARAM_TRANSITION(SessionValues, transition, "null", NULLABLE(transition),
                           .help = "Smooth change to other prompts."),
    SCOPE_PARAM_FLOAT(SessionValues, noise_scale, "null", NULLABLE_RANGE(noise_scale, 0, 1),
                      .help = "Share of noise in the latents of video mode."),
    SCOPE_PARAM_BOOL(SessionValues, noise_controller, "null", NULLABLE(noise_controller),
                     .help = "Sets the noise from the motion of the input."),
    SCOPE_PARAM_INT_LIST(SessionValues, denoising_step_list, "null", NULLABLE(denoising_step_list),
                         .help = "Timesteps of the denoising schedule."),
    SCOPE_PARAM_BOOL(SessionValues, manage_cache, "null", NULLABLE(manage_cache),
                     .help = "Resets caches by itself where the input asks for it."),
    SCOPE_PARAM_BOOL(SessionValues, reset_cache, "null", NULLABLE(reset_cache),
                     .help = "Clears queues and caches once."),
    SCOPE_PARAM_FLOAT(SessionValues, kv_cache_attention_bias, "null",
                      NULLABLE_RANGE(kv_cache_attention_bias, 0.01, 1),
                      .help = "Reliance on past frames; 1 = full."),
    SCOPE_PARAM_BOOL(SessionValues, paused, "null", NULLABLE(paused),
                     .help = "Holds the output."),
    SCOPE_PARAM_LORAS(SessionValues, lora_scales, "null", NULLABLE(lora_scales),
                      .help = "New scales of loaded adapters."),
    SCOPE_PARAM_BOOL(SessionValues, vace_enabled, "null", NULLABLE(vace_enabled),
                     .help = "Uses VACE in this session."),
    SCOPE_PARAM_STRING_LIST(SessionValues, vace_ref_images, "null", NULLABLE(vace_ref_images),
                            .help = "Reference images for the next chunk."),
    SCOPE_PARAM_BOOL(SessionValues, vace_use_input_video, "null", NULLABLE(vace_use_input_video),
                     .help = "Feeds the input video to VACE."),
    SCOPE_PARAM_FLOAT(SessionValues, vace_context_scale, "null",
                      NULLABLE_RANGE(vace_context_scale, 0, 2),
                      .help = "Strength of the VACE conditioning."),
    SCOPE_PARAM_STRING(SessionValues, first_frame_image, "null", NULLABLE(first_frame_image),
                       .help = "Image that the next chunk starts with."),
    SCOPE_PARAM_STRING(SessionValues, last_frame_image, "null", NULLABLE(last_frame_image),
                       .help = "Image that the next chunk ends with."),
    SCOPE_PARAM_STRING_LIST(SessionValues, images, "null", NULLABLE(images),
                            .help = "Reference images for pipelines that take them."),
    SCOPE_PARAM_CTRL_INPUT(SessionValues, ctrl_input, "null", NULLABLE(ctrl_input),
                           .help = "Keys held and motion of the mouse."),
    SCOPE_PARAM_STRING_LIST(SessionValues, pipeline_ids, "null", NULLABLE(pipeline_ids),
                            .help = "The chain to run."),
    SCOPE_PARAM_STRING(SessionValues, node_id, "null", NULLABLE(node_id),
                       .help = "The node that is meant."),
    SCOPE_PARAM_BOOL(SessionValues, recording, "null", NULLABLE(recording),
                     .help = "Records from the start."),
    SCOPE_PARAM_STRING_LIST(SessionValues, source_track_order, "null",
                            NULLABLE(source_track_order),
                            .help = "Source nodes in the order of the incoming tracks."),
    SCOPE_PARAM_INT(SessionValues, base_seed, "null",
                    NULLABLE_MIN(base_seed, 0),
                    .help = "Start of the random numbers."),
    SCOPE_PARAM_BOOL(SessionValues, produces_video, "null", NULLABLE(produces_video),
                     .help = "Informative."),
    SCOPE_PARAM_BOOL(SessionValues, produces_audio, "null", NULLABLE(produces_audio),
                     .help = "Informative."),
    SCOPE_PARAM_ENUM(SessionValues, quantize_mode, "null", NULLABLE(quantize_mode),
                     .choices = beat_units, .help = "Beat unit that changes wait for."),
    SCOPE_PARAM_ENUM(SessionValues, beat_cache_reset_rate, "null", NULLABLE(beat_cache_reset_rate),
                     .choices = beat_units, .help = "Beat unit at which caches are reset."),
    SCOPE_PARAM_FLOAT(SessionValues, lookahead_ms, "null",
                      NULLABLE_MIN(lookahead_ms, 0), .unit = "ms",
                      .help = "How long before the beat a change is applied."),
};
/* clang-format on */

static ScopeParamTable *session_table;
static pthread_once_t session_once = PTHREAD_ONCE_INIT;

static void
make_table(void)
{
    session_table = scope_param_table_new(session_params, G_N_ELEMENTS(session_params),
                                          sizeof(SessionValues), SCOPE_PARAM_TABLE_PLAIN, NULL);
    SCOPE_ASSERT(session_table != NULL);
}

ScopeParamTable *
scope_session_params_get_table(void)
{
    pthread_once(&session_once, make_table);
    return session_table;
}

gboolean
scope_session_params_validate_lora_scales(JsonObject *values, GPtrArray *problems)
{
    JsonArray *array = scope_json_object_get_array(values, "lora_scales");
    gboolean valid = TRUE;

    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        ScopeParamProblem *problem;

        if (!JSON_NODE_HOLDS_OBJECT(item) ||
            json_object_has_member(json_node_get_object(item), "scale"))
            continue;
        valid = FALSE;
        if (problems == NULL)
            continue;
        problem = g_new0(ScopeParamProblem, 1);
        problem->path = g_strdup_printf("lora_scales[%u].scale", i);
        problem->loc = json_array_new();
        json_array_add_string_element(problem->loc, "lora_scales");
        json_array_add_int_element(problem->loc, i);
        json_array_add_string_element(problem->loc, "scale");
        problem->type = "missing";
        problem->message = g_strdup("is required");
        problem->allowed = g_strdup("a number from -10 to 10");
        g_ptr_array_add(problems, problem);
    }
    return valid;
}

gboolean
scope_session_params_validate(JsonObject *values, GPtrArray *problems)
{
    gboolean valid = scope_param_table_validate(scope_session_params_get_table(), values, problems);

    return scope_session_params_validate_lora_scales(values, problems) && valid;
}

JsonObject *
scope_session_params_filter(JsonObject *values, GPtrArray *problems)
{
    JsonObject *kept = scope_param_table_filter(scope_session_params_get_table(), values, problems);

    if (!scope_session_params_validate_lora_scales(kept, problems))
        json_object_remove_member(kept, "lora_scales");
    return kept;
}
