/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICE candidates from hostile clients: accepted ones are a single line with the usual prefix.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/scope-candidate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *normal = NULL;
    g_autoptr(GError) error = NULL;
    ScopeCandidateKind kind = scope_candidate_parse(text, &normal, &error);
    if ((kind == SCOPE_CANDIDATE_KIND_INVALID) != (error != NULL)) {
        abort();
    }
    if (normal != NULL && (!g_str_has_prefix(normal, "candidate:") || strpbrk(normal, "\r\n"))) {
        abort();
    }
    return 0;
}
