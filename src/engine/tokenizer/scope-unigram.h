/* SPDX-License-Identifier: Apache-2.0 */
/* A unigram vocabulary and the search for the best segmentation, as the Hugging Face library does
 * it for tokenizer.json. Filled by one thread, then immutable. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Bounds on what a tokenizer file may hold. */
#define SCOPE_UNIGRAM_MAX_PIECES      (1u << 22)
#define SCOPE_UNIGRAM_MAX_PIECE_BYTES 4096u

typedef struct _ScopeUnigram ScopeUnigram;

/**
 * scope_unigram_new: (also scope_unigram_free)
 * @unigram: (nullable): for free
 *
 * Thread: any. Errors: none. Returns: (transfer full): an empty vocabulary, or nothing.
 */
ScopeUnigram *scope_unigram_new(void);
void scope_unigram_free(ScopeUnigram *unigram);

/**
 * scope_unigram_add:
 * @unigram: a vocabulary that is being filled
 * @text: UTF-8 of the piece
 * @length: bytes in @text
 * @score: log probability
 *
 * Adds the next piece; its id is the number of pieces before it. The last of equal pieces wins.
 * Thread: the filling one. Errors: FALSE past a bound of this header.
 * Returns: TRUE when added.
 */
gboolean scope_unigram_add(ScopeUnigram *unigram, const char *text, gsize length, double score);

/**
 * scope_unigram_finish:
 * @unigram: a filled vocabulary
 * @unk_id: (-1 for none): id of the unknown piece
 * @byte_fallback: TRUE: unknown text becomes pieces <0x00>..<0xFF> where all of them exist
 *
 * Builds the index; no piece may be added afterwards.
 * Thread: the filling one. Errors: none. Returns: nothing.
 */
void scope_unigram_finish(ScopeUnigram *unigram, gint32 unk_id, gboolean byte_fallback);

/**
 * scope_unigram_find: (also scope_unigram_get_n_pieces)
 * @unigram: a finished vocabulary
 * @text: UTF-8 of a piece
 * @length: bytes in @text
 *
 * Thread: any. Errors: none. Returns: its id, -1 when there is none; the number of pieces.
 */
gint32 scope_unigram_find(const ScopeUnigram *unigram, const char *text, gsize length);
guint scope_unigram_get_n_pieces(const ScopeUnigram *unigram);

/**
 * scope_unigram_encode:
 * @unigram: a finished vocabulary
 * @word: UTF-8, normalised
 * @length: bytes in @word
 * @ids: (element-type gint32): ids are appended
 *
 * Viterbi search over the bytes of @word: the sum of scores decides, the earlier found wins a tie,
 * a character without a piece costs the lowest score minus 10, neighbouring unknown characters
 * become one unknown id (or bytes).
 * Thread: any. Errors: FALSE when a character is unknown and the vocabulary has no unknown piece.
 * Returns: TRUE when encoded.
 */
gboolean scope_unigram_encode(const ScopeUnigram *unigram, const char *word, gsize length,
                              GArray *ids);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeUnigram, scope_unigram_free)

G_END_DECLS
