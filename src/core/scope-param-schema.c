/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON Schema of a parameter table, in the shape that clients of the wire contract expect
 * (pipelines.md section 6). The rules are those of scope-param-validate.c, with two exceptions that
 * the contract asks for: a strictly descending list is a plain list in the schema, and a string
 * with choices is a plain string. No state, any thread.
 */
#include "core/scope-param-table-private.h"

#include "core/scope-json.h"

static JsonObject *
new_typed(const char *type)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "type", type);
    return object;
}

static JsonArray *
new_string_array(const char *const *strings)
{
    JsonArray *array = json_array_new();

    for (guint i = 0; strings != NULL && strings[i] != NULL; i++)
        json_array_add_string_element(array, strings[i]);
    return array;
}

static JsonObject *
new_enum(const char *const *choices)
{
    JsonObject *object = new_typed("string");

    json_object_set_array_member(object, "enum", new_string_array(choices));
    return object;
}

static void
set_number(JsonObject *object, const char *key, gdouble value, gboolean integer)
{
    if (integer)
        json_object_set_int_member(object, key, (gint64)value);
    else
        json_object_set_double_member(object, key, value);
}

static JsonObject *
new_number(const ScopeParamDesc *desc, gboolean integer)
{
    JsonObject *object = new_typed(integer ? "integer" : "number");

    if (desc->flags & SCOPE_PARAM_HAS_MIN)
        set_number(object, "minimum", desc->min, integer);
    if (desc->flags & SCOPE_PARAM_HAS_MAX)
        set_number(object, "maximum", desc->max, integer);
    return object;
}

static JsonObject *
new_array_of(JsonObject *items)
{
    JsonObject *object = new_typed("array");

    json_object_set_object_member(object, "items", items);
    return object;
}

/* A sub-schema from a text that this file itself holds. */
static JsonObject *
new_from_text(const char *text)
{
    JsonObject *object = scope_json_parse_object(text, -1, 0, NULL);

    g_return_val_if_fail(object != NULL, json_object_new());
    return object;
}

#define PROMPT_ITEM                                                                                \
    "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"text\"],"              \
    "\"properties\":{\"text\":{\"type\":\"string\"},"                                              \
    "\"weight\":{\"type\":\"number\",\"minimum\":0,\"default\":1.0}}}]}"
#define PROMPTS "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":" PROMPT_ITEM "}]}"
#define TRANSITION                                                                                 \
    "{\"type\":\"object\",\"required\":[\"target_prompts\"],\"properties\":{"                      \
    "\"target_prompts\":" PROMPTS ","                                                              \
    "\"num_steps\":{\"type\":\"integer\",\"minimum\":0,\"default\":4},"                            \
    "\"temporal_interpolation_method\":{\"type\":\"string\",\"enum\":[\"linear\",\"slerp\"],"      \
    "\"default\":\"linear\"}}}"
#define LORAS                                                                                      \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\"],\"properties\":{"  \
    "\"path\":{\"type\":\"string\"},"                                                              \
    "\"scale\":{\"type\":\"number\",\"minimum\":-10,\"maximum\":10,\"default\":1.0},"              \
    "\"merge_mode\":{\"anyOf\":[{\"type\":\"string\","                                             \
    "\"enum\":[\"permanent_merge\",\"runtime_peft\"]},{\"type\":\"null\"}],\"default\":null}}}}"
#define CTRL_INPUT                                                                                 \
    "{\"type\":\"object\",\"properties\":{"                                                        \
    "\"button\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"                             \
    "\"mouse\":{\"type\":\"array\",\"items\":{\"type\":\"number\"},"                               \
    "\"minItems\":2,\"maxItems\":2}}}"

static JsonObject *
new_ref(const char *name)
{
    g_autofree char *ref = g_strdup_printf("#/$defs/%s", name);
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "$ref", ref);
    return object;
}

/* The type alone: what stands in the first branch of a nullable property. */
static JsonObject *
new_type(const ScopeParamDesc *desc)
{
    switch (desc->type) {
    case SCOPE_PARAM_TYPE_BOOL:
        return new_typed("boolean");
    case SCOPE_PARAM_TYPE_INT:
        return new_number(desc, TRUE);
    case SCOPE_PARAM_TYPE_FLOAT:
        return new_number(desc, FALSE);
    case SCOPE_PARAM_TYPE_STRING:
        return new_typed("string");
    case SCOPE_PARAM_TYPE_ENUM:
        return desc->enum_name != NULL ? new_ref(desc->enum_name) : new_enum(desc->choices);
    case SCOPE_PARAM_TYPE_INT_LIST:
        return new_array_of(new_number(desc, TRUE));
    case SCOPE_PARAM_TYPE_STRING_LIST:
        return new_array_of(new_typed("string"));
    case SCOPE_PARAM_TYPE_PROMPTS:
        return new_from_text(PROMPTS);
    case SCOPE_PARAM_TYPE_TRANSITION:
        return new_from_text(TRANSITION);
    case SCOPE_PARAM_TYPE_LORAS:
        return new_from_text(LORAS);
    case SCOPE_PARAM_TYPE_CTRL_INPUT:
        return new_from_text(CTRL_INPUT);
    case SCOPE_PARAM_TYPE_INVALID:
    default:
        return json_object_new();
    }
}

char *
scope_param_dup_title(const char *key)
{
    GString *title = g_string_new(NULL);
    gboolean start = TRUE;

    for (const char *p = key; *p != '\0'; p++) {
        g_string_append_c(title, *p == '_' ? ' ' : start ? g_ascii_toupper(*p) : *p);
        start = *p == '_';
    }
    return g_string_free(title, FALSE);
}

static JsonObject *
new_ui(const ScopeParamDesc *desc)
{
    static const char *const mode_names[] = {"text", "video"};
    gboolean integer = desc->type != SCOPE_PARAM_TYPE_FLOAT;
    JsonObject *ui = json_object_new();

    json_object_set_string_member(ui, "category",
                                  desc->flags & SCOPE_PARAM_INPUT ? "input" : "configuration");
    json_object_set_boolean_member(ui, "is_load_param", desc->apply == SCOPE_PARAM_APPLY_LOAD);
    if (desc->order != 0)
        json_object_set_int_member(ui, "order", desc->order);
    if (desc->group != NULL)
        json_object_set_string_member(ui, "component", desc->group);
    if (desc->modes != 0 && desc->modes != SCOPE_MODES_BOTH) {
        JsonArray *modes = json_array_new();

        for (guint i = 0; i < G_N_ELEMENTS(mode_names); i++) {
            if (desc->modes & SCOPE_MODE_BIT(i))
                json_array_add_string_element(modes, mode_names[i]);
        }
        json_object_set_array_member(ui, "modes", modes);
    }
    if (desc->label != NULL)
        json_object_set_string_member(ui, "label", desc->label);
    if (desc->flags & SCOPE_PARAM_MODULATABLE) {
        json_object_set_boolean_member(ui, "modulatable", TRUE);
        set_number(ui, "modulatable_min", MAX(desc->min, desc->modulatable_min), integer);
        set_number(ui, "modulatable_max", desc->max, integer);
    }
    /* Beyond the contract; clients ignore members that they do not know. */
    if (desc->step > 0.0)
        set_number(ui, "step", desc->step, integer);
    if (desc->unit != NULL)
        json_object_set_string_member(ui, "unit", desc->unit);
    return ui;
}

static JsonObject *
new_property(const ScopeParamEntry *entry)
{
    const ScopeParamDesc *desc = entry->desc;
    gboolean is_ref = desc->type == SCOPE_PARAM_TYPE_ENUM && desc->enum_name != NULL;
    JsonObject *property = new_type(desc);

    if (desc->flags & SCOPE_PARAM_NULLABLE) {
        JsonArray *branches = json_array_new();

        json_array_add_object_element(branches, property);
        json_array_add_object_element(branches, new_typed("null"));
        property = json_object_new();
        json_object_set_array_member(property, "anyOf", branches);
    }
    json_object_set_member(property, "default", scope_json_copy(entry->default_value));
    if (!is_ref) {
        g_autofree char *title = scope_param_dup_title(desc->key);

        json_object_set_string_member(property, "title", title);
    }
    json_object_set_string_member(property, "description", desc->help);
    if (!(desc->flags & SCOPE_PARAM_NO_UI))
        json_object_set_object_member(property, "ui", new_ui(desc));
    return property;
}

JsonObject *
scope_param_table_build_schema(const ScopeParamTable *self, const char *title)
{
    JsonObject *schema = new_typed("object");
    JsonObject *properties = json_object_new();
    JsonObject *defs = json_object_new();

    json_object_set_string_member(schema, "title", title);
    json_object_set_boolean_member(schema, "additionalProperties", FALSE);
    for (guint i = 0; i < self->entries->len; i++) {
        const ScopeParamEntry *entry = &g_array_index(self->entries, ScopeParamEntry, i);
        const ScopeParamDesc *desc = entry->desc;

        if (desc->flags & SCOPE_PARAM_HIDDEN)
            continue;
        if (desc->type == SCOPE_PARAM_TYPE_ENUM && desc->enum_name != NULL &&
            !json_object_has_member(defs, desc->enum_name)) {
            JsonObject *def = new_enum(desc->choices);

            json_object_set_string_member(def, "title", desc->enum_name);
            json_object_set_object_member(defs, desc->enum_name, def);
        }
        json_object_set_object_member(properties, desc->key, new_property(entry));
    }
    if (json_object_get_size(defs) > 0)
        json_object_set_object_member(schema, "$defs", defs);
    else
        json_object_unref(defs);
    json_object_set_object_member(schema, "properties", properties);
    return schema;
}
