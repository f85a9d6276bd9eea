/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of plugins: whatever the text is, a verdict with a reason. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/scope-assert.h"
#include "core/scope-json.h"
#include "core/scope-plugins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) manifest =
        scope_json_parse_object((const char *)data, (gssize)size, 0, &error);

    if (manifest == NULL) {
        SCOPE_ASSERT(error != NULL);
        return 0;
    }
    if (!scope_plugin_manifest_check(manifest, &error))
        SCOPE_ASSERT(error != NULL);
    else
        SCOPE_ASSERT(strchr(scope_json_object_get_string(manifest, "library"), '/') == NULL);
    return 0;
}
