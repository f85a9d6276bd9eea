/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of pipeline/load: three forms, wrong types, keys that repeat. */
#include <stddef.h>
#include <stdint.h>

#include "core/scope-json.h"
#include "server/scope-load-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(JsonObject) body = scope_json_parse_object((const char *)data, (gssize)size, 0, NULL);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GArray) entries = NULL;

    if (!body) {
        return 0;
    }
    entries = scope_load_request_read(body, faults);
    for (guint i = 0; scope_faults_is_empty(faults) && i < entries->len; i++) {
        const ScopeManagerEntry *entry = &g_array_index(entries, ScopeManagerEntry, i);
        g_assert_true(entry->key && entry->pipeline_id);
    }
    return 0;
}
