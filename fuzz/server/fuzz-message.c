/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the data channel: what is valid is merged, what is not is told in one notice. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/scope-json.h"
#include "core/scope-param-merge.h"
#include "core/scope-session-params.h"
#include "media/scope-peer.h"
#include "server/scope-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(JsonObject) message = scope_message_parse((const char *)data, size, NULL);
    g_autoptr(JsonObject) valid = NULL;
    g_autoptr(JsonObject) params = NULL;
    g_autoptr(JsonObject) record = json_object_new();

    if (!message || size > SCOPE_PEER_MAX_MESSAGE_BYTES) {
        return 0;
    }
    valid = scope_session_params_filter(message, problems);
    params = scope_message_dup_params(valid);
    scope_param_merge(record, params);
    g_assert_true(scope_session_params_validate(valid, NULL));
    if (problems->len > 0) {
        g_autoptr(JsonObject) notice = scope_message_build_problems(problems);
        g_autofree char *text = scope_json_object_to_string(notice);
        g_assert_true(g_utf8_validate(text, -1, NULL));
    }
    return 0;
}
