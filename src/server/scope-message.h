/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the data channel (webrtc.md section 5): which members a message holds, in which order
 * they act, and what is told back. Pure functions over JSON.
 */
#ifndef SCOPE_MESSAGE_H
#define SCOPE_MESSAGE_H

#include <json-glib/json-glib.h>

#include "core/scope-param-table.h"

G_BEGIN_DECLS

/**
 * scope_message_parse:
 * @text: UTF-8 text of one message
 * @n_bytes: its length
 * @error: (nullable): set on failure
 *
 * Thread: any.
 * Errors: SCOPE_CORE_ERROR_INVALID: not JSON, or not an object.
 * Returns: (transfer full): the object, or %NULL with @error set.
 */
JsonObject *scope_message_parse(const char *text, gsize n_bytes, GError **error);

/**
 * scope_message_dup_params:
 * @message: borrowed
 *
 * What goes to the pipelines: without the members that the server consumes, and with `prompt`
 * turned into `prompts`.
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a new object.
 */
JsonObject *scope_message_dup_params(JsonObject *message);

/**
 * scope_message_dup_record:
 * @message: borrowed
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): what `session/parameters` shows of @message: without control members.
 */
JsonObject *scope_message_dup_record(JsonObject *message);

/**
 * scope_message_build_updated:
 * @params: borrowed
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a `parameters_updated` message.
 */
JsonObject *scope_message_build_updated(JsonObject *params);

/**
 * scope_message_build_stopped:
 * @reason: (nullable): for people
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a `stream_stopped` message.
 */
JsonObject *scope_message_build_stopped(const char *reason);

/** scope_message_build_chunk_error: (transfer full): a `chunk_error` message: a chunk failed with
 * @text, the stream goes on. Thread: any. */
JsonObject *scope_message_build_chunk_error(const char *text);

/**
 * scope_message_build_problems:
 * @problems: (element-type ScopeParamProblem): at least one
 *
 * Thread: any.
 * Errors: none.
 * Returns: (transfer full): a `parameter_error` notice that names every problem.
 */
JsonObject *scope_message_build_problems(const GPtrArray *problems);

G_END_DECLS

#endif
