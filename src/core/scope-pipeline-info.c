/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a pipeline's description and its entry in the list of schemas. Immutable after
 * construction, any thread.
 */
#include "core/scope-pipeline-info.h"

#include <string.h>

#include "core/scope-json.h"

static const char *const default_ports[] = {"video", NULL};

static const char *const *
get_inputs(const ScopePipelineDesc *desc)
{
    return desc->inputs != NULL ? desc->inputs : default_ports;
}

static const char *const *
get_outputs(const ScopePipelineDesc *desc)
{
    return desc->outputs != NULL ? desc->outputs : default_ports;
}

static gboolean
is_valid_id(const char *id)
{
    if (id == NULL || *id == '\0' || strlen(id) > 63)
        return FALSE;
    for (const char *p = id; *p != '\0'; p++) {
        if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '-')
            return FALSE;
    }
    return TRUE;
}

/* What is wrong with @desc beside ABI and table, or NULL. */
static const char *
find_defect(const ScopePipelineDesc *desc)
{
    const guint32 formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24) |
                            SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_I420);

    if (!is_valid_id(desc->id))
        return "its id is not [a-z0-9-]+ of at most 63 characters";
    if (desc->name == NULL || *desc->name == '\0')
        return "name is missing";
    if (desc->description == NULL || *desc->description == '\0')
        return "description is missing";
    if (desc->version == NULL || *desc->version == '\0')
        return "version is missing";
    if (desc->schema_title == NULL || *desc->schema_title == '\0')
        return "schema_title is missing";
    if (desc->load == NULL)
        return "the callback load is missing";
    if (desc->unload == NULL)
        return "the callback unload is missing";
    if (desc->prepare == NULL)
        return "the callback prepare is missing";
    if (desc->process == NULL)
        return "the callback process is missing";
    if (desc->stream_new != NULL && desc->stream_free == NULL)
        return "the callback stream_free is missing beside stream_new";
    if ((desc->modes & SCOPE_MODES_BOTH) == 0 || (desc->modes & ~SCOPE_MODES_BOTH) != 0)
        return "modes is not a set of text and video";
    if (desc->default_mode != SCOPE_MODE_TEXT && desc->default_mode != SCOPE_MODE_VIDEO)
        return "default_mode is unknown";
    if (!(desc->modes & SCOPE_MODE_BIT(desc->default_mode)))
        return "default_mode is not among modes";
    if ((desc->input_formats & formats) == 0 || (desc->input_formats & ~formats) != 0)
        return "input_formats is not a set of RGB24 and I420";
    if (desc->min_dimension < 1)
        return "min_dimension is less than 1";
    if (!(desc->frame_rate >= 0.0 && desc->frame_rate <= 1000.0))
        return "frame_rate is not 0 to 1000";
    if (desc->n_artifacts > 0 && desc->artifacts == NULL)
        return "artifacts is missing";
    for (guint i = 0; i < desc->n_artifacts; i++) {
        const ScopeArtifact *artifact = &desc->artifacts[i];

        if (artifact->repo_id == NULL && artifact->name == NULL)
            return "an artifact without repo_id has no name";
        if (artifact->repo_id == NULL && artifact->drive_file_id == NULL && artifact->url == NULL)
            return "an artifact has no source";
    }
    if (desc->n_params > 0 && desc->params == NULL)
        return "params is missing";
    if (get_inputs(desc)[0] == NULL || get_outputs(desc)[0] == NULL)
        return "inputs or outputs are an empty list";
    return NULL;
}

static gboolean
check_desc(const ScopePipelineDesc *desc, GError **error)
{
    const char *defect;

    /* The ABI comes first: of another version not even the members are where we expect them. */
    if (desc->abi_version != SCOPE_ABI_VERSION) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "Pipeline was built for ABI version %u, this program has version %u",
                    desc->abi_version, SCOPE_ABI_VERSION);
        return FALSE;
    }
    if (desc->size != sizeof(ScopePipelineDesc)) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "Pipeline was built with a description of %u bytes, this program has %zu bytes "
                    "(both call it ABI version %u)",
                    desc->size, sizeof(ScopePipelineDesc), SCOPE_ABI_VERSION);
        return FALSE;
    }
    defect = find_defect(desc);
    if (defect == NULL)
        return TRUE;
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                "Pipeline \"%s\" cannot be registered: %s", desc->id != NULL ? desc->id : "(null)",
                defect);
    return FALSE;
}

ScopePipelineInfo *
scope_pipeline_info_new(const ScopePipelineDesc *desc, const char *plugin_name, GError **error)
{
    g_autoptr(GError) local = NULL;
    ScopePipelineInfo *self;
    ScopeParamTable *table;

    g_return_val_if_fail(desc != NULL, NULL);

    if (!check_desc(desc, error))
        return NULL;
    table = scope_param_table_new(desc->params, desc->n_params, desc->params_size,
                                  SCOPE_PARAM_TABLE_BASE, &local);
    if (table == NULL) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "Pipeline \"%s\" cannot be registered: %s", desc->id, local->message);
        return NULL;
    }
    self = g_new0(ScopePipelineInfo, 1);
    self->ref_count = 1;
    self->desc = desc;
    self->table = table;
    self->plugin_name = g_strdup(plugin_name);
    return self;
}

ScopePipelineInfo *
scope_pipeline_info_ref(ScopePipelineInfo *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_pipeline_info_unref(ScopePipelineInfo *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    scope_param_table_unref(self->table);
    g_free(self->plugin_name);
    g_free(self);
}

gboolean
scope_pipeline_info_has_input(const ScopePipelineInfo *self, const char *port)
{
    return g_strv_contains(get_inputs(self->desc), port);
}

gboolean
scope_pipeline_info_has_output(const ScopePipelineInfo *self, const char *port)
{
    return g_strv_contains(get_outputs(self->desc), port);
}

/* -- The entry in the list of schemas -------------------------------------------------------- */

static JsonArray *
new_string_array(const char *const *strings)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; strings[i] != NULL; i++)
        json_array_add_string_element(array, strings[i]);
    return array;
}

static void
set_string_or_null(JsonObject *object, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_string_member(object, key, value);
    else
        json_object_set_null_member(object, key);
}

static void
set_double_or_null(JsonObject *object, const char *key, gdouble value)
{
    if (value > 0.0)
        json_object_set_double_member(object, key, value);
    else
        json_object_set_null_member(object, key);
}

static JsonObject *
new_mode_overrides(const ScopePipelineInfo *self, ScopeMode mode)
{
    JsonObject *overrides = json_object_new();

    for (guint i = 0; i < scope_param_table_get_n(self->table); i++) {
        const ScopeParamDesc *desc = scope_param_table_get(self->table, i);
        const char *text =
            mode == SCOPE_MODE_TEXT ? desc->default_text_json : desc->default_video_json;

        if (text != NULL)
            json_object_set_member(overrides, desc->key, scope_json_parse(text, -1, 0, NULL));
    }
    /* Under input video a new prompt starts anew: there is nothing to move from. */
    if (mode == SCOPE_MODE_VIDEO && self->desc->default_transition_steps > 0)
        json_object_set_int_member(overrides, "default_temporal_interpolation_steps", 0);
    return overrides;
}

static void
set_modes(JsonObject *entry, const ScopePipelineInfo *self)
{
    static const char *const names[] = {"text", "video"};
    ScopeMode first = self->desc->default_mode;
    ScopeMode order[2] = {first, first == SCOPE_MODE_TEXT ? SCOPE_MODE_VIDEO : SCOPE_MODE_TEXT};
    JsonArray *modes = json_array_new();
    JsonObject *defaults = json_object_new();

    for (guint i = 0; i < 2; i++) {
        JsonObject *overrides;

        if (!(self->desc->modes & SCOPE_MODE_BIT(order[i])))
            continue;
        json_array_add_string_element(modes, names[order[i]]);
        overrides = new_mode_overrides(self, order[i]);
        if (json_object_get_size(overrides) > 0)
            json_object_set_object_member(defaults, names[order[i]], overrides);
        else
            json_object_unref(overrides);
    }
    json_object_set_array_member(entry, "supported_modes", modes);
    json_object_set_string_member(entry, "default_mode", names[first]);
    if (json_object_get_size(defaults) > 0)
        json_object_set_object_member(entry, "mode_defaults", defaults);
    else
        json_object_unref(defaults);
}

static void
set_features(JsonObject *entry, const ScopePipelineDesc *desc)
{
    static const struct {
        const char *key;
        guint32 bit;
    } features[] = {
        {"supports_prompts", SCOPE_PIPELINE_SUPPORTS_PROMPTS},
        {"supports_lora", SCOPE_PIPELINE_SUPPORTS_LORA},
        {"supports_vace", SCOPE_PIPELINE_SUPPORTS_VACE},
        {"supports_cache_management", SCOPE_PIPELINE_SUPPORTS_CACHE_MANAGEMENT},
        {"supports_kv_cache_bias", SCOPE_PIPELINE_SUPPORTS_KV_CACHE_BIAS},
        {"supports_quantization", SCOPE_PIPELINE_SUPPORTS_QUANTIZATION},
        {"modified", SCOPE_PIPELINE_MODIFIED},
    };

    for (guint i = 0; i < G_N_ELEMENTS(features); i++)
        json_object_set_boolean_member(entry, features[i].key,
                                       (desc->features & features[i].bit) != 0);
}

JsonObject *
scope_pipeline_info_build_entry(const ScopePipelineInfo *self)
{
    const ScopePipelineDesc *desc = self->desc;
    JsonObject *entry = json_object_new();
    JsonArray *usage = json_array_new();

    json_object_set_string_member(entry, "id", desc->id);
    json_object_set_string_member(entry, "name", desc->name);
    json_object_set_string_member(entry, "description", desc->description);
    json_object_set_string_member(entry, "version", desc->version);
    set_string_or_null(entry, "docs_url", desc->docs_url);
    set_double_or_null(entry, "estimated_vram_gb", desc->estimated_vram_gb);
    json_object_set_boolean_member(entry, "requires_models", desc->n_artifacts > 0);
    set_modes(entry, self);
    set_features(entry, desc);
    json_object_set_string_member(entry, "default_temporal_interpolation_method",
                                  desc->default_transition_linear ? "linear" : "slerp");
    json_object_set_int_member(entry, "default_temporal_interpolation_steps",
                               desc->default_transition_steps);
    json_object_set_string_member(entry, "default_spatial_interpolation_method", "linear");
    json_object_set_int_member(entry, "min_dimension", desc->min_dimension);
    set_double_or_null(entry, "recommended_quantization_vram_threshold",
                       desc->quantization_vram_gb);
    json_object_set_boolean_member(entry, "produces_video",
                                   scope_pipeline_info_has_output(self, "video"));
    json_object_set_boolean_member(entry, "produces_audio",
                                   scope_pipeline_info_has_output(self, "audio"));
    if (desc->usage & SCOPE_PIPELINE_PREPROCESSOR)
        json_array_add_string_element(usage, "preprocessor");
    if (desc->usage & SCOPE_PIPELINE_POSTPROCESSOR)
        json_array_add_string_element(usage, "postprocessor");
    json_object_set_array_member(entry, "usage", usage);
    json_object_set_array_member(entry, "inputs", new_string_array(get_inputs(desc)));
    json_object_set_array_member(entry, "outputs", new_string_array(get_outputs(desc)));
    json_object_set_object_member(entry, "config_schema",
                                  scope_param_table_build_schema(self->table, desc->schema_title));
    set_string_or_null(entry, "plugin_name", self->plugin_name);
    return entry;
}
