/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters in load requests. No state, any thread. */
#include "server/scope-adapters.h"

#include "core/scope-json.h"

#define DEFAULT_SCALE 1.0

/* The @index-th adapter; NULL when there is none, or it is not one. */
static JsonObject *
get_adapter(JsonObject *load_params, guint index)
{
    JsonArray *loras = scope_json_object_get_array(load_params, "loras");
    JsonNode *node = json_array_get_element(loras, index);
    JsonObject *adapter = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

    return adapter && scope_json_object_get_string(adapter, "path") ? adapter : NULL;
}

static guint
count_adapters(JsonObject *load_params)
{
    JsonArray *loras = scope_json_object_get_array(load_params, "loras");

    return loras ? json_array_get_length(loras) : 0;
}

/* As pipelines decide it: the adapter's own mode, else that of the request. */
static gboolean
is_runtime(JsonObject *load_params, JsonObject *adapter)
{
    const char *mode = scope_json_object_get_string(adapter, "merge_mode");

    mode = mode ? mode : scope_json_object_get_string(load_params, "lora_merge_mode");
    mode = mode ? mode : scope_json_object_get_string(load_params, "lora_merge_strategy");
    return g_strcmp0(mode, "runtime_peft") == 0;
}

/* What a load depends on. */
static JsonObject *
dup_without_scales(JsonObject *load_params)
{
    JsonObject *copy = scope_json_object_copy(load_params);

    for (guint i = 0; i < count_adapters(copy); i++) {
        JsonObject *adapter = get_adapter(copy, i);
        if (adapter && is_runtime(copy, adapter)) {
            json_object_remove_member(adapter, "scale");
        }
    }
    return copy;
}

gboolean
scope_adapters_is_same_request(JsonObject *a, JsonObject *b)
{
    g_autoptr(JsonObject) left = dup_without_scales(a);
    g_autoptr(JsonObject) right = dup_without_scales(b);

    return scope_json_object_equal(left, right);
}

JsonObject *
scope_adapters_build_scales(JsonObject *load_params)
{
    JsonObject *scales = json_object_new();

    for (guint i = 0; i < count_adapters(load_params); i++) {
        JsonObject *adapter = get_adapter(load_params, i);
        if (adapter && is_runtime(load_params, adapter)) {
            json_object_set_double_member(
                scales, scope_json_object_get_string(adapter, "path"),
                scope_json_object_get_double(adapter, "scale", DEFAULT_SCALE));
        }
    }
    return scales;
}

void
scope_adapters_update_scales(JsonObject *scales, JsonArray *lora_scales)
{
    for (guint i = 0; lora_scales && i < json_array_get_length(lora_scales); i++) {
        JsonObject *item = json_array_get_object_element(lora_scales, i);
        const char *path = scope_json_object_get_string(item, "path");
        if (path && json_object_has_member(scales, path)) {
            json_object_set_double_member(
                scales, path, scope_json_object_get_double(item, "scale", DEFAULT_SCALE));
        }
    }
}

void
scope_adapters_describe(JsonObject *load_params, JsonObject *scales, GHashTable *seen,
                        JsonArray *list)
{
    for (guint i = 0; i < count_adapters(load_params); i++) {
        JsonObject *adapter = get_adapter(load_params, i);
        const char *path = adapter ? scope_json_object_get_string(adapter, "path") : NULL;
        const char *mode = adapter ? scope_json_object_get_string(adapter, "merge_mode") : NULL;
        JsonObject *item;
        if (!path || !g_hash_table_add(seen, (gpointer)path)) {
            continue;
        }
        item = json_object_new();
        json_object_set_string_member(item, "path", path);
        json_object_set_double_member(
            item, "scale",
            scope_json_object_get_double(
                scales, path, scope_json_object_get_double(adapter, "scale", DEFAULT_SCALE)));
        if (mode) {
            json_object_set_string_member(item, "merge_mode", mode);
        }
        json_array_add_object_element(list, item);
    }
}
