/* SPDX-License-Identifier: Apache-2.0 */
/* Merging of parameter updates. Pure functions; the caller owns the record. */
#include "core/scope-param-merge.h"

#include "core/scope-json.h"

static gdouble
mouse_at(JsonObject *ctrl, guint index)
{
    JsonArray *mouse = scope_json_object_get_array(ctrl, "mouse");
    JsonNode *node = mouse != NULL && json_array_get_length(mouse) == 2
                         ? json_array_get_element(mouse, index)
                         : NULL;

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : 0.0;
}

static void
set_mouse(JsonObject *ctrl, gdouble dx, gdouble dy)
{
    JsonArray *mouse = json_array_sized_new(2);

    json_array_add_double_element(mouse, dx);
    json_array_add_double_element(mouse, dy);
    json_object_set_array_member(ctrl, "mouse", mouse);
}

/* Buttons are a state, motion is an amount. */
static void
merge_ctrl_input(JsonObject *record, JsonObject *update)
{
    JsonObject *old = scope_json_object_get_object(record, "ctrl_input");
    JsonObject *merged = scope_json_object_copy(old);

    if (json_object_has_member(update, "button"))
        json_object_set_member(merged, "button",
                               scope_json_copy(json_object_get_member(update, "button")));
    if (json_object_has_member(update, "mouse") || json_object_has_member(merged, "mouse"))
        set_mouse(merged, mouse_at(old, 0) + mouse_at(update, 0),
                  mouse_at(old, 1) + mouse_at(update, 1));
    json_object_set_object_member(record, "ctrl_input", merged);
}

void
scope_param_merge(JsonObject *record, JsonObject *update)
{
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    if (json_object_has_member(update, "prompts") && !json_object_has_member(update, "transition"))
        json_object_remove_member(record, "transition");
    json_object_iter_init_ordered(&iter, update);
    while (json_object_iter_next_ordered(&iter, &key, &value)) {
        if (g_str_equal(key, "ctrl_input") && JSON_NODE_HOLDS_OBJECT(value))
            merge_ctrl_input(record, json_node_get_object(value));
        else
            json_object_set_member(record, key, scope_json_copy(value));
    }
}

gboolean
scope_param_take_one_shots(const ScopeParamTable *table, JsonObject *record)
{
    gboolean changed = FALSE;

    for (guint i = 0; i < scope_param_table_get_n(table); i++) {
        const ScopeParamDesc *desc = scope_param_table_get(table, i);

        if (!json_object_has_member(record, desc->key))
            continue;
        if (desc->flags & SCOPE_PARAM_ONE_SHOT) {
            json_object_remove_member(record, desc->key);
            changed = TRUE;
        } else if (desc->type == SCOPE_PARAM_TYPE_CTRL_INPUT) {
            JsonObject *ctrl = scope_json_object_get_object(record, desc->key);
            gboolean moved = mouse_at(ctrl, 0) < 0.0 || mouse_at(ctrl, 0) > 0.0 ||
                             mouse_at(ctrl, 1) < 0.0 || mouse_at(ctrl, 1) > 0.0;

            if (ctrl != NULL && moved) {
                set_mouse(ctrl, 0.0, 0.0);
                changed = TRUE;
            }
        }
    }
    return changed;
}
