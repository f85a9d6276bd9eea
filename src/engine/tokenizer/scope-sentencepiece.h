/* SPDX-License-Identifier: Apache-2.0 */
/* A thin C shim over libsentencepiece, the only C++ of the engine. Exceptions end here. A model is
 * immutable after loading. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _ScopeSentencePiece ScopeSentencePiece;

/**
 * scope_sentencepiece_load:
 * @bytes: a serialised ModelProto (spiece.model); not kept
 * @n_bytes: its size
 * @ret_problem: [n_problem] receives what is wrong on failure
 * @n_problem: size of @ret_problem
 *
 * Thread: any. Errors: told in @ret_problem. Returns: (transfer full): the model, NULL on failure.
 */
ScopeSentencePiece *scope_sentencepiece_load(const void *bytes, size_t n_bytes, char *ret_problem,
                                             size_t n_problem);

/**
 * scope_sentencepiece_free:
 * @model: (nullable): a model
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_sentencepiece_free(ScopeSentencePiece *model);

/**
 * scope_sentencepiece_encode:
 * @model: a model
 * @text: bytes, UTF-8 or not
 * @n_text: their number
 * @emit: called once an id, in order
 * @user_data: for @emit
 *
 * Splits @text without BOS and EOS. Thread: any. Errors: a negative return.
 * Returns: 0, or -1 when the library failed.
 */
int scope_sentencepiece_encode(const ScopeSentencePiece *model, const char *text, size_t n_text,
                               void (*emit)(int32_t id, void *user_data), void *user_data);

/**
 * scope_sentencepiece_get_n_pieces: (also scope_sentencepiece_get_eos_id,
 * scope_sentencepiece_get_pad_id)
 * @model: a model
 *
 * Thread: any. Errors: none. Returns: the number or id; -1 when the model has no such piece.
 */
int32_t scope_sentencepiece_get_n_pieces(const ScopeSentencePiece *model);
int32_t scope_sentencepiece_get_eos_id(const ScopeSentencePiece *model);
int32_t scope_sentencepiece_get_pad_id(const ScopeSentencePiece *model);

#ifdef __cplusplus
}
#endif
