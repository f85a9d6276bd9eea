/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from strangers: readers that tell precisely what is wrong with a member. The collected
 * faults have the shape that clients of the contract expect under status 422.
 */
#ifndef SCOPE_FAULTS_H
#define SCOPE_FAULTS_H

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/**
 * scope_node_take_object:
 * @object: (transfer full):
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a node that owns @object.
 */
JsonNode *scope_node_take_object(JsonObject *object);

/**
 * scope_object_set_string:
 * @object: borrowed
 * @member: key
 * @value: (nullable): UTF-8; %NULL becomes JSON null
 *
 * Thread: any.
 * Errors: none.
 */
void scope_object_set_string(JsonObject *object, const char *member, const char *value);

/** ScopeFaults: a list of validation faults in the contract's shape. Thread: one at a time. */
typedef struct _ScopeFaults ScopeFaults;

/**
 * scope_faults_new:
 * @root: first element of every `loc`, `body` or `query`; must be static
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): an empty list.
 */
ScopeFaults *scope_faults_new(const char *root);

/** scope_faults_free: frees @faults; %NULL is allowed. Thread: any. */
void scope_faults_free(ScopeFaults *faults);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeFaults, scope_faults_free)

/** scope_faults_push: enters a member; later faults carry it in `loc`. Thread: any. */
void scope_faults_push(ScopeFaults *faults, const char *member);

/** scope_faults_push_index: enters an array element. Thread: any. */
void scope_faults_push_index(ScopeFaults *faults, guint index);

/** scope_faults_pop: leaves what was entered last. Thread: any. */
void scope_faults_pop(ScopeFaults *faults);

/**
 * scope_faults_add:
 * @faults: borrowed
 * @type: stable word, for example `missing`, `string_type`, `greater_than_equal`
 * @input: (nullable): the offending value, copied; long ones are left out
 * @format: printf format of the message, tells what would be right
 *
 * Thread: any.
 * Errors: none.
 */
void scope_faults_add(ScopeFaults *faults, const char *type, JsonNode *input, const char *format,
                      ...) G_GNUC_PRINTF(4, 5);

/**
 * scope_faults_add_problems:
 * @faults: borrowed
 * @problems: (element-type ScopeParamProblem): what a parameter table did not accept; borrowed
 *
 * Thread: any.
 * Errors: none.
 */
void scope_faults_add_problems(ScopeFaults *faults, const GPtrArray *problems);

/** scope_faults_is_empty: whether nothing was added. Thread: any. */
gboolean scope_faults_is_empty(const ScopeFaults *faults);

/**
 * scope_faults_dup_body:
 * @faults: borrowed
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): `{"detail": [{type, loc, msg, input}]}`.
 */
JsonNode *scope_faults_dup_body(const ScopeFaults *faults);

/**
 * scope_faults_dup_text:
 * @faults: borrowed
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): the messages joined with `; `, for logs and notices.
 */
char *scope_faults_dup_text(const ScopeFaults *faults);

/** ScopeMemberFlags: how a member is read. */
typedef enum {
    SCOPE_MEMBER_OPTIONAL = 0,
    SCOPE_MEMBER_REQUIRED = 1 << 0,
    SCOPE_MEMBER_NULLABLE = 1 << 1,
} ScopeMemberFlags;

/**
 * scope_member_read_string:
 * @object: borrowed
 * @member: key
 * @flags: whether it may be absent or null
 * @faults: collects what is wrong
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: (nullable): borrowed from @object; %NULL when absent, null or of another type.
 */
const char *scope_member_read_string(JsonObject *object, const char *member, guint flags,
                                     ScopeFaults *faults);

/**
 * scope_member_read_bool:
 * @object: borrowed
 * @member: key
 * @flags: whether it may be absent or null
 * @fallback: value when absent, null or wrong
 * @faults: collects what is wrong
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: the value.
 */
gboolean scope_member_read_bool(JsonObject *object, const char *member, guint flags,
                                gboolean fallback, ScopeFaults *faults);

/**
 * scope_member_read_object:
 * @object: borrowed
 * @member: key
 * @flags: whether it may be absent or null
 * @faults: collects what is wrong
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: (nullable): borrowed from @object.
 */
JsonObject *scope_member_read_object(JsonObject *object, const char *member, guint flags,
                                     ScopeFaults *faults);

/**
 * scope_member_read_array:
 * @object: borrowed
 * @member: key
 * @flags: whether it may be absent or null
 * @faults: collects what is wrong
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: (nullable): borrowed from @object.
 */
JsonArray *scope_member_read_array(JsonObject *object, const char *member, guint flags,
                                   ScopeFaults *faults);

/** scope_node_is_string: whether @node is a JSON string. Thread: any. */
gboolean scope_node_is_string(JsonNode *node);

/** scope_node_is_integer: whether @node is a JSON integer. Thread: any. */
gboolean scope_node_is_integer(JsonNode *node);

/** scope_node_is_number: whether @node is a finite JSON number. Thread: any. */
gboolean scope_node_is_number(JsonNode *node);

/** scope_node_is_bool: whether @node is a JSON boolean. Thread: any. */
gboolean scope_node_is_bool(JsonNode *node);

G_END_DECLS

#endif
