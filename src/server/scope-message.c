/* SPDX-License-Identifier: Apache-2.0 */
/* Taking messages apart and putting answers together. No state, any thread. */
#include "server/scope-message.h"

#include "core/scope-json.h"
#include "server/scope-faults.h"

/* A notice stays well below the size of a message however much was wrong. */
#define MAX_TOLD_PROBLEMS 16

/* Consumed by the server; never reach pipelines and are not part of the record. */
static const char *const control_members[] = {
    "_quantized",
    "quantize_mode",
    "lookahead_ms",
    "output_sinks",
    "input_source",
    "spout_sender",
    "spout_receiver",
    "modulations",
    "beat_cache_reset_rate",
    "bpm",
    "beat_phase",
    "bar_position",
    "beat_count",
    "is_playing",
    "node_id",
};

/* Part of the record, but of no meaning to pipelines. */
static const char *const setup_members[] = {
    "pipeline_ids",   "graph",
    "recording",      "produces_video",
    "produces_audio", "source_track_order",
    "vace_enabled",   "vace_use_input_video",
};

JsonObject *
scope_message_parse(const char *text, gsize n_bytes, GError **error)
{
    return scope_json_parse_object(text, (gssize)n_bytes, 0, error);
}

JsonObject *
scope_message_dup_record(JsonObject *message)
{
    JsonObject *record = scope_json_object_copy(message);

    for (gsize i = 0; i < G_N_ELEMENTS(control_members); i++) {
        if (json_object_has_member(record, control_members[i])) {
            json_object_remove_member(record, control_members[i]);
        }
    }
    return record;
}

/* `prompt`, as other controllers send it, is one prompt of full weight. */
static void
convert_prompt(JsonObject *params)
{
    const char *text = scope_json_object_get_string(params, "prompt");
    JsonArray *prompts;
    JsonObject *item;

    if (!text || json_object_has_member(params, "prompts")) {
        return;
    }
    item = json_object_new();
    json_object_set_string_member(item, "text", text);
    json_object_set_double_member(item, "weight", 1.0);
    prompts = json_array_new();
    json_array_add_object_element(prompts, item);
    json_object_set_array_member(params, "prompts", prompts);
    json_object_remove_member(params, "prompt");
}

JsonObject *
scope_message_dup_params(JsonObject *message)
{
    JsonObject *params = scope_message_dup_record(message);

    for (gsize i = 0; i < G_N_ELEMENTS(setup_members); i++) {
        if (json_object_has_member(params, setup_members[i])) {
            json_object_remove_member(params, setup_members[i]);
        }
    }
    convert_prompt(params);
    return params;
}

JsonObject *
scope_message_build_updated(JsonObject *params)
{
    JsonObject *message = json_object_new();

    json_object_set_string_member(message, "type", "parameters_updated");
    json_object_set_object_member(message, "parameters", scope_json_object_copy(params));
    return message;
}

JsonObject *
scope_message_build_chunk_error(const char *text)
{
    JsonObject *message = json_object_new();

    json_object_set_string_member(message, "type", "chunk_error");
    json_object_set_string_member(message, "error_message", text);
    return message;
}

JsonObject *
scope_message_build_stopped(const char *reason)
{
    JsonObject *message = json_object_new();

    json_object_set_string_member(message, "type", "stream_stopped");
    if (reason) {
        json_object_set_string_member(message, "error_message", reason);
    }
    return message;
}

JsonObject *
scope_message_build_problems(const GPtrArray *problems)
{
    JsonObject *message = json_object_new();
    JsonArray *errors = json_array_new();

    for (guint i = 0; i < MIN(problems->len, MAX_TOLD_PROBLEMS); i++) {
        const ScopeParamProblem *problem = g_ptr_array_index(problems, i);
        JsonObject *item = json_object_new();
        json_object_set_string_member(item, "parameter", problem->path);
        json_object_set_string_member(item, "message", problem->message);
        scope_object_set_string(item, "allowed", problem->allowed);
        json_array_add_object_element(errors, item);
    }
    json_object_set_string_member(message, "type", "parameter_error");
    json_object_set_array_member(message, "errors", errors);
    return message;
}
