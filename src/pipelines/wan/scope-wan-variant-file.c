/* SPDX-License-Identifier: Apache-2.0 */
/* The object `scope` of a config.json. Loader thread. */
#include "pipelines/wan/scope-wan-variant-file.h"

#include <math.h>

#include "core/scope-json.h"
#include "models/scope-wan-config.h"

#define MAX_FRAMES 64

static gboolean
refuse(const char *path, const char *key, const char *expected, GError **error)
{
    g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG, "%s: \"scope.%s\" has to be %s",
                path, key, expected);
    return FALSE;
}

/* The member @key when it is a number of @min to @max; absent ones leave @ret alone. */
static gboolean
read_number(JsonObject *object, const char *path, const char *key, double min, double max,
            double *ret, GError **error)
{
    JsonNode *node = json_object_get_member(object, key);
    GType type = node != NULL && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node)
                                                             : G_TYPE_INVALID;

    if (node == NULL) {
        return TRUE;
    }
    if ((type != G_TYPE_INT64 && type != G_TYPE_DOUBLE) ||
        !(json_node_get_double(node) >= min && json_node_get_double(node) <= max)) {
        g_autofree char *expected = g_strdup_printf("a number from %g to %g", min, max);
        return refuse(path, key, expected, error);
    }
    *ret = json_node_get_double(node);
    return TRUE;
}

static gboolean
read_count(JsonObject *object, const char *path, const char *key, int min, int *ret, GError **error)
{
    double value = *ret;

    if (!read_number(object, path, key, min, MAX_FRAMES, &value, error)) {
        return FALSE;
    }
    *ret = (int)lround(value);
    return TRUE;
}

static gboolean
read_steps(JsonObject *object, const char *path, ScopeWanVariant *variant, GError **error)
{
    JsonArray *array = scope_json_object_get_array(object, "steps");
    guint n = array != NULL ? json_array_get_length(array) : 0;

    if (!json_object_has_member(object, "steps")) {
        return TRUE;
    }
    if (n < 1 || n > G_N_ELEMENTS(variant->steps)) {
        return refuse(path, "steps", "a list of 1 to 4 timesteps", error);
    }
    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);
        gint64 step = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : -1;
        if (step < 0 || step > 1000) {
            return refuse(path, "steps", "a list of timesteps from 0 to 1000", error);
        }
        variant->steps[i] = (int)step;
    }
    variant->n_steps = (int)n;
    return TRUE;
}

gboolean
scope_wan_variant_read(const char *path, ScopeWanVariant *variant, double *ret_context_noise,
                       GError **error)
{
    g_autofree char *text = NULL;
    JsonObject *root, *object;
    gboolean ok;

    if (!g_file_get_contents(path, &text, NULL, error)) {
        return FALSE;
    }
    root = scope_json_parse_object(text, -1, 0, error);
    if (root == NULL) {
        g_prefix_error(error, "%s: ", path);
        return FALSE;
    }
    object = scope_json_object_get_object(root, "scope");
    if (object == NULL) {
        json_object_unref(root);
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: the object \"scope\" is missing", path);
        return FALSE;
    }
    ok = read_count(object, path, "chunk_frames", 1, &variant->chunk_frames, error) &&
         read_count(object, path, "window_frames", 1, &variant->window_frames, error) &&
         read_count(object, path, "sink_frames", 0, &variant->sink_frames, error) &&
         read_number(object, path, "shift", 0.01, 100, &variant->shift, error) &&
         read_number(object, path, "context_noise", 0, 1000, ret_context_noise, error) &&
         read_steps(object, path, variant, error);
    variant->first_chunk_frames = variant->chunk_frames;
    variant->slot_frames = variant->window_frames;
    json_object_unref(root);
    return ok;
}
