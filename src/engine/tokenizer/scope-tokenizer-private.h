/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a tokenizer, shared by its two kinds. One thread while it is being read. */
#pragma once

#include "engine/tokenizer/scope-normalizer.h"
#include "engine/tokenizer/scope-sentencepiece.h"
#include "engine/tokenizer/scope-tokenizer.h"
#include "engine/tokenizer/scope-unigram.h"

/* A token that is matched in the raw text before anything else. */
typedef struct {
    char *text;
    gsize length;
    gint32 id;
    gboolean strip_left, strip_right; /* takes the white space beside it */
} ScopeAddedToken;

typedef enum {
    SCOPE_PREPEND_NEVER,
    SCOPE_PREPEND_FIRST,
    SCOPE_PREPEND_ALWAYS,
} ScopePrepend;

/* One step of splitting a normalised text into words. */
typedef struct {
    gboolean is_whitespace_split;
    char *replacement; /* Metaspace: the mark, usually U+2581 */
    ScopePrepend prepend;
    gboolean split;
} ScopePreStep;

struct _ScopeTokenizer {
    gatomicrefcount ref_count;
    char *path;
    gint32 eos_id;
    gint32 pad_id;
    guint n_ids;

    ScopeSentencePiece *spiece; /* this, or all below */

    ScopeNormalizer *normalizer;
    ScopeUnigram *unigram;
    GArray *added;     /* of ScopeAddedToken */
    GArray *pre_steps; /* of ScopePreStep */
    GArray *before;    /* of gint32: ids that the template puts in front */
    GArray *after;     /* of gint32: ids that it appends */
};

/** Fills @tokenizer from a tokenizer.json. Errors: FORMAT, UNSUPPORTED; FALSE with @error set. */
gboolean scope_tokenizer_read_json_private(ScopeTokenizer *tokenizer, const char *bytes, gsize size,
                                           GError **error);

/** Appends the ids of @text by the rules of tokenizer.json. Errors: FALSE for unknown text that
 * nothing stands for. */
gboolean scope_tokenizer_encode_json_private(const ScopeTokenizer *tokenizer, const char *text,
                                             GArray *ids);
