/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: JSON layers written into the pipeline's struct. Everything that a value points to lies
 * in the snapshot's own arena. Immutable after construction, any thread.
 */
#include "core/scope-param-snapshot.h"

#include <string.h>

#include "core/scope-param-table-private.h"

#define BLOCK_BYTES 1024
#define ALIGN       16

typedef struct Block {
    struct Block *next;
    gsize n_used;
    gsize n_bytes;
    _Alignas(ALIGN) guint8 data[];
} Block;

struct _ScopeParamSnapshot {
    gint ref_count;
    Block *blocks;
    guint8 *values;
};

static gpointer
arena_alloc(ScopeParamSnapshot *self, gsize n_bytes)
{
    gsize rounded = (n_bytes + ALIGN - 1) & ~(gsize)(ALIGN - 1);
    Block *block = self->blocks;
    gpointer memory;

    if (block == NULL || block->n_used + rounded > block->n_bytes) {
        gsize capacity = MAX(rounded, BLOCK_BYTES);

        block = g_malloc0(sizeof(Block) + capacity);
        block->n_bytes = capacity;
        block->next = self->blocks;
        self->blocks = block;
    }
    memory = block->data + block->n_used;
    block->n_used += rounded;
    return memory;
}

static const char *
arena_strdup(ScopeParamSnapshot *self, const char *text)
{
    gsize n_bytes = strlen(text) + 1;

    return memcpy(arena_alloc(self, n_bytes), text, n_bytes);
}

/* -- Values: @node was validated ------------------------------------------------------------- */

static gint64
node_int(JsonNode *node)
{
    return json_node_get_value_type(node) == G_TYPE_DOUBLE ? (gint64)json_node_get_double(node)
                                                           : json_node_get_int(node);
}

static ScopeIntList
read_int_list(ScopeParamSnapshot *self, JsonArray *array)
{
    guint n = json_array_get_length(array);
    gint64 *items = n > 0 ? arena_alloc(self, n * sizeof *items) : NULL;

    for (guint i = 0; i < n; i++)
        items[i] = node_int(json_array_get_element(array, i));
    return (ScopeIntList){items, n};
}

static ScopeStringList
read_string_list(ScopeParamSnapshot *self, JsonArray *array)
{
    guint n = json_array_get_length(array);
    const char **items = n > 0 ? arena_alloc(self, n * sizeof *items) : NULL;

    for (guint i = 0; i < n; i++)
        items[i] = arena_strdup(self, json_array_get_string_element(array, i));
    return (ScopeStringList){items, n};
}

static ScopePrompt
read_prompt(ScopeParamSnapshot *self, JsonNode *node)
{
    JsonObject *object;

    if (!JSON_NODE_HOLDS_OBJECT(node))
        return (ScopePrompt){arena_strdup(self, json_node_get_string(node)), 1.0};
    object = json_node_get_object(node);
    return (ScopePrompt){
        arena_strdup(self, json_object_get_string_member(object, "text")),
        json_object_get_double_member_with_default(object, "weight", 1.0),
    };
}

static ScopePromptList
read_prompts(ScopeParamSnapshot *self, JsonNode *node)
{
    gboolean single = !JSON_NODE_HOLDS_ARRAY(node);
    JsonArray *array = single ? NULL : json_node_get_array(node);
    guint n = single ? 1 : json_array_get_length(array);
    ScopePrompt *items = n > 0 ? arena_alloc(self, n * sizeof *items) : NULL;

    for (guint i = 0; i < n; i++)
        items[i] = read_prompt(self, single ? node : json_array_get_element(array, i));
    return (ScopePromptList){items, n};
}

static ScopeTransition
read_transition(ScopeParamSnapshot *self, JsonObject *object)
{
    JsonNode *steps = json_object_get_member(object, "num_steps");
    const char *method = json_object_get_string_member_with_default(
        object, "temporal_interpolation_method", "linear");
    gint64 num_steps = steps != NULL ? node_int(steps) : 4;

    return (ScopeTransition){
        read_prompts(self, json_object_get_member(object, "target_prompts")),
        (guint32)CLAMP(num_steps, 0, G_MAXUINT32),
        strcmp(method, "slerp") == 0,
    };
}

static ScopeLoraList
read_loras(ScopeParamSnapshot *self, JsonArray *array)
{
    guint n = json_array_get_length(array);
    ScopeLora *items = n > 0 ? arena_alloc(self, n * sizeof *items) : NULL;

    for (guint i = 0; i < n; i++) {
        JsonObject *object = json_array_get_object_element(array, i);
        const char *mode = json_object_has_member(object, "merge_mode") &&
                                   !json_object_get_null_member(object, "merge_mode")
                               ? json_object_get_string_member(object, "merge_mode")
                               : NULL;

        items[i].path = arena_strdup(self, json_object_get_string_member(object, "path"));
        items[i].scale = json_object_get_double_member_with_default(object, "scale", 1.0);
        items[i].merge_mode = mode != NULL ? arena_strdup(self, mode) : NULL;
    }
    return (ScopeLoraList){items, n};
}

static ScopeCtrlInput
read_ctrl_input(ScopeParamSnapshot *self, JsonObject *object)
{
    ScopeCtrlInput input = {{NULL, 0}, 0.0, 0.0};

    if (json_object_has_member(object, "button"))
        input.buttons = read_string_list(self, json_object_get_array_member(object, "button"));
    if (json_object_has_member(object, "mouse")) {
        JsonArray *mouse = json_object_get_array_member(object, "mouse");

        input.mouse_dx = json_array_get_double_element(mouse, 0);
        input.mouse_dy = json_array_get_double_element(mouse, 1);
    }
    return input;
}

static gint32
read_enum(const ScopeParamDesc *desc, const char *text)
{
    for (gint32 i = 0; desc->choices[i] != NULL; i++) {
        if (strcmp(desc->choices[i], text) == 0)
            return i;
    }
    return 0;
}

#define STORE(ctype, value)                                                                        \
    do {                                                                                           \
        ctype store_ = (value);                                                                    \
        memcpy(field, &store_, sizeof store_);                                                     \
    } while (0)

static void
store(ScopeParamSnapshot *self, const ScopeParamDesc *desc, JsonNode *node)
{
    guint8 *field = self->values + desc->offset;

    if (desc->flags & SCOPE_PARAM_NULLABLE) {
        gboolean is_set = !JSON_NODE_HOLDS_NULL(node);

        memcpy(self->values + desc->offset_set, &is_set, sizeof is_set);
        if (!is_set)
            return; /* the field stays zero */
    }
    switch (desc->type) {
    case SCOPE_PARAM_TYPE_BOOL:
        STORE(gboolean, json_node_get_boolean(node));
        break;
    case SCOPE_PARAM_TYPE_INT:
        STORE(gint64, node_int(node));
        break;
    case SCOPE_PARAM_TYPE_FLOAT:
        STORE(gdouble, json_node_get_double(node));
        break;
    case SCOPE_PARAM_TYPE_STRING:
        STORE(const char *, arena_strdup(self, json_node_get_string(node)));
        break;
    case SCOPE_PARAM_TYPE_ENUM:
        STORE(gint32, read_enum(desc, json_node_get_string(node)));
        break;
    case SCOPE_PARAM_TYPE_INT_LIST:
        STORE(ScopeIntList, read_int_list(self, json_node_get_array(node)));
        break;
    case SCOPE_PARAM_TYPE_STRING_LIST:
        STORE(ScopeStringList, read_string_list(self, json_node_get_array(node)));
        break;
    case SCOPE_PARAM_TYPE_PROMPTS:
        STORE(ScopePromptList, read_prompts(self, node));
        break;
    case SCOPE_PARAM_TYPE_TRANSITION:
        STORE(ScopeTransition, read_transition(self, json_node_get_object(node)));
        break;
    case SCOPE_PARAM_TYPE_LORAS:
        STORE(ScopeLoraList, read_loras(self, json_node_get_array(node)));
        break;
    case SCOPE_PARAM_TYPE_CTRL_INPUT:
        STORE(ScopeCtrlInput, read_ctrl_input(self, json_node_get_object(node)));
        break;
    case SCOPE_PARAM_TYPE_INVALID:
    default:
        break;
    }
}

/* The member of @layer if it may be used, else @below. */
static JsonNode *
pick(const ScopeParamDesc *desc, JsonObject *layer, JsonNode *below)
{
    JsonNode *node = layer != NULL ? json_object_get_member(layer, desc->key) : NULL;

    return node != NULL && scope_param_validate_value(desc, node, NULL) ? node : below;
}

ScopeParamSnapshot *
scope_param_snapshot_new(ScopeParamTable *table, JsonObject *load, JsonObject *runtime)
{
    ScopeParamSnapshot *self = g_new0(ScopeParamSnapshot, 1);

    self->ref_count = 1;
    self->values = arena_alloc(self, MAX(table->values_size, 1));
    for (guint i = 0; i < table->entries->len; i++) {
        const ScopeParamEntry *entry = &g_array_index(table->entries, ScopeParamEntry, i);
        const ScopeParamDesc *desc = entry->desc;
        JsonNode *node;

        if (!entry->stored)
            continue;
        node = pick(desc, load, entry->default_value);
        if (desc->apply == SCOPE_PARAM_APPLY_CHUNK || (desc->flags & SCOPE_PARAM_LIVE))
            node = pick(desc, runtime, node);
        store(self, desc, node);
    }
    return self;
}

ScopeParamSnapshot *
scope_param_snapshot_ref(ScopeParamSnapshot *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_param_snapshot_unref(ScopeParamSnapshot *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    for (Block *block = self->blocks, *next; block != NULL; block = next) {
        next = block->next;
        g_free(block);
    }
    g_free(self);
}

const void *
scope_param_snapshot_get_values(const ScopeParamSnapshot *self)
{
    return self->values;
}
