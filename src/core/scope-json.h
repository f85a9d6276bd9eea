/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over json-glib that several modules need. All: any thread, on unshared values. */
#ifndef SCOPE_JSON_H
#define SCOPE_JSON_H

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * scope_json_equal:
 * @a: (nullable): %NULL counts as JSON null
 * @b: (nullable): the same
 *
 * Deep equality as JSON values: order of members does not matter, order of elements does, 1 and 1.0
 * are equal, true and 1 are not.
 *
 * Thread: any.
 */
gboolean scope_json_equal(JsonNode *a, JsonNode *b);

/** scope_json_object_equal: the same for objects; %NULL equals an object without members. Thread:
 * any. */
gboolean scope_json_object_equal(JsonObject *a, JsonObject *b);

/** scope_json_copy: (transfer full): a deep copy that shares nothing; JSON null for %NULL. Thread:
 * any. */
JsonNode *scope_json_copy(JsonNode *node);

/** scope_json_object_copy: (transfer full): a deep copy; an empty object for %NULL. Thread: any. */
JsonObject *scope_json_object_copy(JsonObject *object);

/**
 * scope_json_parse:
 * @text: UTF-8
 * @length: in bytes, -1 = terminated by NUL
 * @max_depth: deepest nesting of objects and arrays that is accepted, 0 = 64
 * @error: (nullable): set on failure
 *
 * Parses one JSON value. Depth is checked before parsing, so that hostile input cannot exhaust the
 * stack. Empty input, text behind the value and bytes that are not UTF-8 are errors.
 *
 * Errors: SCOPE_CORE_ERROR_INVALID, with what is wrong.
 * Returns: (transfer full): the value, or %NULL.
 *
 * Thread: any.
 */
JsonNode *scope_json_parse(const char *text, gssize length, guint max_depth, GError **error);

/** scope_json_parse_object: the same, for text whose value must be an object.
 * Errors: as scope_json_parse(). Thread: any. */
JsonObject *scope_json_parse_object(const char *text, gssize length, guint max_depth,
                                    GError **error);

/** scope_json_to_string: (transfer full): compact text of @node; `null` for %NULL. Thread: any. */
char *scope_json_to_string(JsonNode *node);

/** scope_json_object_to_string: (transfer full): compact text of @object. Thread: any. */
char *scope_json_object_to_string(JsonObject *object);

/** scope_json_object_get_string: (nullable): member as string; %NULL when absent or another type.
 * Thread: any. */
const char *scope_json_object_get_string(JsonObject *object, const char *key);

/** scope_json_object_get_bool: member as boolean; @fallback when absent or another type. Thread:
 * any. */
gboolean scope_json_object_get_bool(JsonObject *object, const char *key, gboolean fallback);

/** scope_json_object_get_int: member as integer; @fallback when absent or another type. Thread:
 * any. */
gint64 scope_json_object_get_int(JsonObject *object, const char *key, gint64 fallback);

/** scope_json_object_get_double: member as number; @fallback when absent or another type. Thread:
 * any. */
gdouble scope_json_object_get_double(JsonObject *object, const char *key, gdouble fallback);

/** scope_json_object_get_object: (transfer none) (nullable): member as object. Thread: any. */
JsonObject *scope_json_object_get_object(JsonObject *object, const char *key);

/** scope_json_object_get_array: (transfer none) (nullable): member as array. Thread: any. */
JsonArray *scope_json_object_get_array(JsonObject *object, const char *key);

G_END_DECLS

#endif
