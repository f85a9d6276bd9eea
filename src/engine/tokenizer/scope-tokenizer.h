/* SPDX-License-Identifier: Apache-2.0 */
/* Text to ids, from the files of a published model: tokenizer.json (Hugging Face rules, what the
 * reference uses) or spiece.model (SentencePiece library). Immutable and refcounted. Any thread. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define SCOPE_TOKENIZER_MAX_FILE_BYTES (256u * 1024 * 1024)

#define SCOPE_TOKENIZER_ERROR (scope_tokenizer_error_quark())

/**
 * ScopeTokenizerError:
 * @SCOPE_TOKENIZER_ERROR_FORMAT: the file is malformed
 * @SCOPE_TOKENIZER_ERROR_UNSUPPORTED: well formed, with parts that are not interpreted
 * @SCOPE_TOKENIZER_ERROR_MISSING: no tokenizer file was found
 * @SCOPE_TOKENIZER_ERROR_ENCODE: a text cannot be encoded
 */
typedef enum {
    SCOPE_TOKENIZER_ERROR_FORMAT,
    SCOPE_TOKENIZER_ERROR_UNSUPPORTED,
    SCOPE_TOKENIZER_ERROR_MISSING,
    SCOPE_TOKENIZER_ERROR_ENCODE,
} ScopeTokenizerError;

/** scope_tokenizer_error_quark: the domain of ScopeTokenizerError. Thread: any. */
GQuark scope_tokenizer_error_quark(void);

typedef struct _ScopeTokenizer ScopeTokenizer;

/**
 * scope_tokenizer_open:
 * @path: a tokenizer.json, a SentencePiece model, or a folder; in a folder tokenizer.json comes
 *   before spiece.model
 * @error: set on failure
 *
 * A file that begins with '{' is a tokenizer.json. Ids, flags and the appended EOS come from the
 * file. Normaliser and pre-tokeniser types that are not interpreted are refused by name.
 *
 * Thread: any. Blocks: reads the file (17 MB for UMT5). Errors: ScopeTokenizerError, G_FILE_ERROR.
 * Returns: (transfer full): the tokenizer, or NULL with @error set.
 */
ScopeTokenizer *scope_tokenizer_open(const char *path, GError **error);

/**
 * scope_tokenizer_ref: (also scope_tokenizer_unref)
 * @tokenizer: a tokenizer; scope_tokenizer_unref() takes NULL
 *
 * Thread: any. Errors: none. Returns: @tokenizer, or nothing.
 */
ScopeTokenizer *scope_tokenizer_ref(ScopeTokenizer *tokenizer);
void scope_tokenizer_unref(ScopeTokenizer *tokenizer);

/**
 * scope_tokenizer_get_n_ids: (also scope_tokenizer_get_eos_id, scope_tokenizer_get_pad_id)
 * @tokenizer: a tokenizer
 *
 * Thread: any. Errors: none.
 * Returns: ids are below the first; the EOS that is appended, -1 for none; the padding id (0 when
 * the file names none).
 */
guint scope_tokenizer_get_n_ids(const ScopeTokenizer *tokenizer);
gint32 scope_tokenizer_get_eos_id(const ScopeTokenizer *tokenizer);
gint32 scope_tokenizer_get_pad_id(const ScopeTokenizer *tokenizer);

/**
 * scope_tokenizer_encode:
 * @tokenizer: a tokenizer
 * @text: the text as it is; see scope_text_clean() for what prompts get before
 * @n_text: bytes in @text, -1 when it ends with NUL; malformed UTF-8 counts as U+FFFD
 * @max_ids: 0 for no limit; otherwise the ids are cut so that together with EOS they are not more
 * @error: set on failure
 *
 * Thread: any. Errors: SCOPE_TOKENIZER_ERROR_ENCODE.
 * Returns: (transfer full) (element-type gint32): the ids with EOS, or NULL with @error set.
 */
GArray *scope_tokenizer_encode(const ScopeTokenizer *tokenizer, const char *text, gssize n_text,
                               guint max_ids, GError **error);

/**
 * scope_tokenizer_encode_bare:
 * @tokenizer: a tokenizer
 * @text: as for scope_tokenizer_encode()
 * @n_text: as for scope_tokenizer_encode()
 * @error: set on failure
 *
 * As scope_tokenizer_encode(), without EOS and without limit.
 * Thread: any. Errors: SCOPE_TOKENIZER_ERROR_ENCODE.
 * Returns: (transfer full) (element-type gint32): the ids, or NULL with @error set.
 */
GArray *scope_tokenizer_encode_bare(const ScopeTokenizer *tokenizer, const char *text,
                                    gssize n_text, GError **error);

/**
 * scope_tokenizer_encode_prompt:
 * @tokenizer: a tokenizer
 * @prompt: as the user typed it
 * @ret_ids: [seq_len] ids, padded at the end
 * @ret_mask: (nullable): [seq_len] 1 for ids of the text and EOS, 0 for padding
 * @seq_len: at least 1; 512 for UMT5
 * @ret_n: (nullable): how many ids are not padding
 * @error: set on failure
 *
 * What a text encoder gets: cleaned with scope_text_clean(), encoded, cut, padded.
 * Thread: any. Errors: SCOPE_TOKENIZER_ERROR_ENCODE; the outputs are then untouched.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_tokenizer_encode_prompt(const ScopeTokenizer *tokenizer, const char *prompt,
                                       gint32 *ret_ids, gint32 *ret_mask, guint seq_len,
                                       guint *ret_n, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeTokenizer, scope_tokenizer_unref)

G_END_DECLS
