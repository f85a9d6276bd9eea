/* SPDX-License-Identifier: Apache-2.0 */
/* The cleaning that prompts get before tokenisation: the repairs of ftfy's defaults, HTML unescaped
 * twice, white space collapsed. Pure functions. Any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * scope_text_clean:
 * @text: UTF-8; malformed bytes count as U+FFFD
 *
 * In this order: line by line until nothing changes (HTML references where the line has no '<',
 * mis-decoded UTF-8, C1 controls read as Windows-1252, Latin ligatures, full and half width forms,
 * curly quotes, line breaks, terminal escapes, control characters, NFC); HTML references twice
 * more; white space stripped and every run of it made one space. Case and punctuation stay.
 * Mis-decoded UTF-8 ("SchÃ¶n") is recognised by byte patterns that hardly occur in honest text;
 * ftfy has a larger heuristic that repairs more.
 *
 * Thread: any. Errors: none.
 * Returns: (transfer full): the cleaned text.
 */
char *scope_text_clean(const char *text);

G_END_DECLS
