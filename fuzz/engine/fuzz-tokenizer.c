/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes tokenizer.json and, with a fixed one, the texts: the input is read as a tokenizer first,
 * then as a prompt. Main thread. */
#include "fuzz-support.h"

#include "engine/tokenizer/scope-text-clean.h"
#include "engine/tokenizer/scope-tokenizer.h"

static void
run(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeTokenizer) tokenizer = scope_tokenizer_open(path, &error);
    g_autoptr(GArray) ids = NULL;

    g_assert_true((tokenizer == NULL) == (error != NULL));
    if (tokenizer != NULL) {
        ids = scope_tokenizer_encode(tokenizer, "a <x> \xe4\xb8\xad", -1, 8, NULL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    g_autofree char *text = g_strndup((const char *)bytes, n_bytes);
    g_autofree char *once = scope_text_clean(text);

    g_assert_true(g_utf8_validate(once, -1, NULL));
    if (n_bytes > 0 && bytes[0] == '{') {
        fuzz_with_file(bytes, n_bytes, run);
    }
    return 0;
}
