/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Construction and lookup of parameter tables. A table is checked once, here; everything behind it
 * may rely on what it says. Immutable after construction, any thread.
 */
#include "core/scope-param-table-private.h"

#include <string.h>

#include "core/scope-error.h"
#include "core/scope-json.h"

#define MAX_EXACT 9007199254740992.0

gsize
scope_param_type_size(ScopeParamType type)
{
    switch (type) {
    case SCOPE_PARAM_TYPE_BOOL:
        return sizeof(gboolean);
    case SCOPE_PARAM_TYPE_INT:
        return sizeof(gint64);
    case SCOPE_PARAM_TYPE_FLOAT:
        return sizeof(gdouble);
    case SCOPE_PARAM_TYPE_STRING:
        return sizeof(const char *);
    case SCOPE_PARAM_TYPE_ENUM:
        return sizeof(gint32);
    case SCOPE_PARAM_TYPE_INT_LIST:
        return sizeof(ScopeIntList);
    case SCOPE_PARAM_TYPE_STRING_LIST:
        return sizeof(ScopeStringList);
    case SCOPE_PARAM_TYPE_PROMPTS:
        return sizeof(ScopePromptList);
    case SCOPE_PARAM_TYPE_TRANSITION:
        return sizeof(ScopeTransition);
    case SCOPE_PARAM_TYPE_LORAS:
        return sizeof(ScopeLoraList);
    case SCOPE_PARAM_TYPE_CTRL_INPUT:
        return sizeof(ScopeCtrlInput);
    case SCOPE_PARAM_TYPE_INVALID:
    default:
        return 0;
    }
}

static gboolean
is_snake_case(const char *key)
{
    if (key == NULL || !g_ascii_islower(key[0]))
        return FALSE;
    for (const char *p = key; *p != '\0'; p++) {
        if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '_')
            return FALSE;
    }
    return TRUE;
}

static gboolean
has_choices(const ScopeParamDesc *desc)
{
    return desc->choices != NULL && desc->choices[0] != NULL;
}

/* What is wrong with @desc by itself, or NULL. */
static const char *
find_defect(const ScopeParamDesc *desc, gsize values_size, gboolean stored)
{
    const guint32 both = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX;
    gsize size = scope_param_type_size(desc->type);
    gboolean numeric = desc->type == SCOPE_PARAM_TYPE_INT || desc->type == SCOPE_PARAM_TYPE_FLOAT ||
                       desc->type == SCOPE_PARAM_TYPE_INT_LIST;

    if (!is_snake_case(desc->key))
        return "the key is not snake_case";
    if (size == 0)
        return "the type is unknown";
    if (desc->help == NULL || !g_str_has_suffix(desc->help, "."))
        return "help is missing or does not end with a full stop";
    if (desc->default_json == NULL)
        return "there is no default";
    if (stored && desc->offset + size > values_size)
        return "the field lies outside the struct";
    if ((desc->flags & SCOPE_PARAM_NULLABLE) && stored &&
        (desc->offset_set + sizeof(gboolean) > values_size || desc->offset_set == desc->offset))
        return "nullable, but offset_set is no field of the struct";
    if ((desc->flags & both) && !numeric)
        return "bounds on a type that has none";
    if ((desc->flags & both) == both && desc->min > desc->max)
        return "min is greater than max";
    if (desc->type != SCOPE_PARAM_TYPE_FLOAT && (desc->flags & both) &&
        (desc->min < -MAX_EXACT || desc->max > MAX_EXACT))
        return "a bound is beyond 2^53, where JSON integers are not exact";
    if ((desc->flags & SCOPE_PARAM_MODULATABLE) && desc->min >= desc->max)
        return "modulatable without a range";
    if (desc->type == SCOPE_PARAM_TYPE_ENUM && !has_choices(desc))
        return "an enumeration without choices";
    if (desc->apply != SCOPE_PARAM_APPLY_LOAD && desc->apply != SCOPE_PARAM_APPLY_CHUNK)
        return "apply is unknown";
    return NULL;
}

static gboolean
set_invalid(GError **error, const char *key, const char *defect)
{
    g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "Parameter \"%s\": %s",
                key != NULL ? key : "(null)", defect);
    return FALSE;
}

/* Parses and checks one of the defaults; for the base default the value is kept. */
static gboolean
check_default(const ScopeParamDesc *desc, const char *what, const char *text, JsonNode **ret_value,
              GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonNode) value = NULL;
    g_autofree char *defect = NULL;

    if (text == NULL)
        return TRUE;
    value = scope_json_parse(text, -1, 0, &local);
    if (value == NULL) {
        defect = g_strdup_printf("the %s %s is not JSON: %s", what, text, local->message);
        return set_invalid(error, desc->key, defect);
    }
    if (!scope_param_validate_value(desc, value, problems)) {
        g_autofree char *problem = scope_param_problem_to_string(problems->pdata[0]);

        defect = g_strdup_printf("the %s %s is not valid: %s", what, text, problem);
        return set_invalid(error, desc->key, defect);
    }
    if (ret_value != NULL)
        *ret_value = g_steal_pointer(&value);
    return TRUE;
}

static gboolean
add_entry(ScopeParamTable *self, const ScopeParamDesc *desc, gboolean stored, GError **error)
{
    ScopeParamEntry entry = {desc, NULL, stored};
    const char *defect = find_defect(desc, self->values_size, stored);

    if (defect != NULL)
        return set_invalid(error, desc->key, defect);
    if (g_hash_table_contains(self->index, desc->key))
        return set_invalid(error, desc->key, "the key is used twice");
    if (!check_default(desc, "text default", desc->default_text_json, NULL, error) ||
        !check_default(desc, "video default", desc->default_video_json, NULL, error) ||
        !check_default(desc, "default", desc->default_json, &entry.default_value, error))
        return FALSE;
    json_node_seal(entry.default_value);
    g_array_append_val(self->entries, entry);
    g_hash_table_insert(self->index, (gpointer)desc->key, GUINT_TO_POINTER(self->entries->len));
    return TRUE;
}

/* Two fields in the same bytes would overwrite each other. */
static gboolean
check_overlap(const ScopeParamTable *self, GError **error)
{
    g_autofree guint8 *used = g_malloc0(self->values_size + 1);

    for (guint i = 0; i < self->entries->len; i++) {
        const ScopeParamEntry *entry = &g_array_index(self->entries, ScopeParamEntry, i);
        const ScopeParamDesc *desc = entry->desc;
        gsize offsets[2] = {desc->offset, desc->offset_set};
        gsize sizes[2] = {scope_param_type_size(desc->type),
                          desc->flags & SCOPE_PARAM_NULLABLE ? sizeof(gboolean) : 0};

        for (guint part = 0; entry->stored && part < 2; part++) {
            for (gsize b = 0; b < sizes[part]; b++) {
                if (used[offsets[part] + b]++)
                    return set_invalid(error, desc->key, "the field is used twice");
            }
        }
    }
    return TRUE;
}

static const ScopeParamDesc *
find_desc(const ScopeParamDesc *params, guint n_params, const char *key)
{
    for (guint i = 0; i < n_params; i++) {
        if (g_strcmp0(params[i].key, key) == 0)
            return &params[i];
    }
    return NULL;
}

static void
entry_clear(gpointer data)
{
    g_clear_pointer(&((ScopeParamEntry *)data)->default_value, json_node_unref);
}

ScopeParamTable *
scope_param_table_new(const ScopeParamDesc *params, guint n_params, gsize values_size,
                      ScopeParamTableFlags flags, GError **error)
{
    g_autoptr(ScopeParamTable) self = g_new0(ScopeParamTable, 1);
    const ScopeParamDesc *base;
    guint n_base = 0;

    self->ref_count = 1;
    self->values_size = values_size;
    self->entries = g_array_new(FALSE, FALSE, sizeof(ScopeParamEntry));
    g_array_set_clear_func(self->entries, entry_clear);
    self->index = g_hash_table_new(g_str_hash, g_str_equal);

    base = scope_param_base_descs(&n_base);
    if (!(flags & SCOPE_PARAM_TABLE_BASE))
        n_base = 0;
    for (guint i = 0; i < n_base; i++) {
        const ScopeParamDesc *own = find_desc(params, n_params, base[i].key);

        if (!add_entry(self, own != NULL ? own : &base[i], own != NULL, error))
            return NULL;
    }
    for (guint i = 0; i < n_params; i++) {
        gint known = scope_param_table_find(self, params[i].key != NULL ? params[i].key : "");

        if (known >= 0 && known < (gint)n_base &&
            g_array_index(self->entries, ScopeParamEntry, (guint)known).desc == &params[i])
            continue;
        if (!add_entry(self, &params[i], TRUE, error))
            return NULL;
    }
    if (!check_overlap(self, error))
        return NULL;
    return g_steal_pointer(&self);
}

ScopeParamTable *
scope_param_table_ref(ScopeParamTable *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_param_table_unref(ScopeParamTable *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    g_array_unref(self->entries);
    g_hash_table_unref(self->index);
    g_free(self);
}

guint
scope_param_table_get_n(const ScopeParamTable *self)
{
    return self->entries->len;
}

static const ScopeParamEntry *
get_entry(const ScopeParamTable *self, guint index)
{
    g_return_val_if_fail(index < self->entries->len, NULL);
    return &g_array_index(self->entries, ScopeParamEntry, index);
}

const ScopeParamDesc *
scope_param_table_get(const ScopeParamTable *self, guint index)
{
    return get_entry(self, index)->desc;
}

gboolean
scope_param_table_is_stored(const ScopeParamTable *self, guint index)
{
    return get_entry(self, index)->stored;
}

JsonNode *
scope_param_table_get_default(const ScopeParamTable *self, guint index)
{
    return get_entry(self, index)->default_value;
}

gsize
scope_param_table_get_values_size(const ScopeParamTable *self)
{
    return self->values_size;
}

gint
scope_param_table_find(const ScopeParamTable *self, const char *key)
{
    return (gint)GPOINTER_TO_UINT(g_hash_table_lookup(self->index, key)) - 1;
}

const ScopeParamDesc *
scope_param_table_lookup(const ScopeParamTable *self, const char *key)
{
    gint index = scope_param_table_find(self, key);

    return index >= 0 ? scope_param_table_get(self, (guint)index) : NULL;
}
