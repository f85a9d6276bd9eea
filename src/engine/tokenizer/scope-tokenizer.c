/* SPDX-License-Identifier: Apache-2.0 */
/* Opening of tokenizers and the part of encoding that does not depend on the kind of file. Owns
 * what the file gave. Any thread. */
#include "engine/tokenizer/scope-tokenizer.h"

#include <string.h>

#include "engine/tokenizer/scope-text-clean.h"
#include "engine/tokenizer/scope-tokenizer-private.h"

G_DEFINE_QUARK(scope - tokenizer - error - quark, scope_tokenizer_error)

static void
clear_added(gpointer data)
{
    g_free(((ScopeAddedToken *)data)->text);
}

static void
clear_pre_step(gpointer data)
{
    g_free(((ScopePreStep *)data)->replacement);
}

static ScopeTokenizer *
tokenizer_new(const char *path)
{
    ScopeTokenizer *tokenizer = g_new0(ScopeTokenizer, 1);

    g_atomic_ref_count_init(&tokenizer->ref_count);
    tokenizer->path = g_strdup(path);
    tokenizer->eos_id = -1;
    tokenizer->added = g_array_new(FALSE, TRUE, sizeof(ScopeAddedToken));
    g_array_set_clear_func(tokenizer->added, clear_added);
    tokenizer->pre_steps = g_array_new(FALSE, TRUE, sizeof(ScopePreStep));
    g_array_set_clear_func(tokenizer->pre_steps, clear_pre_step);
    tokenizer->before = g_array_new(FALSE, FALSE, sizeof(gint32));
    tokenizer->after = g_array_new(FALSE, FALSE, sizeof(gint32));
    return tokenizer;
}

ScopeTokenizer *
scope_tokenizer_ref(ScopeTokenizer *tokenizer)
{
    g_atomic_ref_count_inc(&tokenizer->ref_count);
    return tokenizer;
}

void
scope_tokenizer_unref(ScopeTokenizer *tokenizer)
{
    if (tokenizer == NULL || !g_atomic_ref_count_dec(&tokenizer->ref_count)) {
        return;
    }
    scope_sentencepiece_free(tokenizer->spiece);
    scope_normalizer_free(tokenizer->normalizer);
    scope_unigram_free(tokenizer->unigram);
    g_array_unref(tokenizer->added);
    g_array_unref(tokenizer->pre_steps);
    g_array_unref(tokenizer->before);
    g_array_unref(tokenizer->after);
    g_free(tokenizer->path);
    g_free(tokenizer);
}

guint
scope_tokenizer_get_n_ids(const ScopeTokenizer *tokenizer)
{
    return tokenizer->n_ids;
}

gint32
scope_tokenizer_get_eos_id(const ScopeTokenizer *tokenizer)
{
    return tokenizer->eos_id;
}

gint32
scope_tokenizer_get_pad_id(const ScopeTokenizer *tokenizer)
{
    return tokenizer->pad_id;
}

/* -- Opening ---------------------------------------------------------------------------------- */

static gboolean
read_spiece(ScopeTokenizer *tokenizer, const char *bytes, gsize size, GError **error)
{
    char problem[256] = "not a SentencePiece model";

    tokenizer->spiece = scope_sentencepiece_load(bytes, size, problem, sizeof problem);
    if (tokenizer->spiece == NULL) {
        g_set_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_FORMAT, "%s: %s",
                    tokenizer->path, problem);
        return FALSE;
    }
    tokenizer->n_ids = (guint)scope_sentencepiece_get_n_pieces(tokenizer->spiece);
    tokenizer->eos_id = scope_sentencepiece_get_eos_id(tokenizer->spiece);
    tokenizer->pad_id = MAX(scope_sentencepiece_get_pad_id(tokenizer->spiece), 0);
    if (tokenizer->eos_id >= 0) {
        g_array_append_val(tokenizer->after, tokenizer->eos_id);
    }
    return TRUE;
}

static char *
find_in_folder(const char *path, GError **error)
{
    static const char *const names[] = {"tokenizer.json", "spiece.model", "tokenizer.model"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *file = g_build_filename(path, names[i], NULL);
        if (g_file_test(file, G_FILE_TEST_IS_REGULAR)) {
            return g_steal_pointer(&file);
        }
    }
    g_set_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_MISSING,
                "%s: the folder holds neither tokenizer.json nor spiece.model", path);
    return NULL;
}

ScopeTokenizer *
scope_tokenizer_open(const char *path, GError **error)
{
    g_autoptr(ScopeTokenizer) tokenizer = NULL;
    g_autofree char *inside = NULL;
    g_autoptr(GMappedFile) file = NULL;
    const char *bytes;
    gsize size;
    gboolean done;

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        inside = find_in_folder(path, error);
        if (inside == NULL) {
            return NULL;
        }
        path = inside;
    }
    file = g_mapped_file_new(path, FALSE, error);
    if (file == NULL) {
        return NULL;
    }
    bytes = g_mapped_file_get_contents(file);
    size = g_mapped_file_get_length(file);
    if (size == 0 || size > SCOPE_TOKENIZER_MAX_FILE_BYTES) {
        g_set_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_FORMAT,
                    "%s: %" G_GSIZE_FORMAT " bytes, expected 1 to %u", path, size,
                    SCOPE_TOKENIZER_MAX_FILE_BYTES);
        return NULL;
    }
    tokenizer = tokenizer_new(path);
    done = bytes[0] == '{' ? scope_tokenizer_read_json_private(tokenizer, bytes, size, error)
                           : read_spiece(tokenizer, bytes, size, error);
    return done ? g_steal_pointer(&tokenizer) : NULL;
}

/* -- Encoding --------------------------------------------------------------------------------- */

static void
emit_id(gint32 id, void *user_data)
{
    g_array_append_val((GArray *)user_data, id);
}

GArray *
scope_tokenizer_encode_bare(const ScopeTokenizer *tokenizer, const char *text, gssize n_text,
                            GError **error)
{
    g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(gint32));
    gboolean done;

    if (tokenizer->spiece != NULL) {
        gsize length = n_text < 0 ? strlen(text) : (gsize)n_text;
        done = scope_sentencepiece_encode(tokenizer->spiece, text, length, emit_id, ids) == 0;
    } else {
        g_autofree char *valid = g_utf8_make_valid(text, n_text);
        done = scope_tokenizer_encode_json_private(tokenizer, valid, ids);
    }
    if (!done) {
        g_set_error(error, SCOPE_TOKENIZER_ERROR, SCOPE_TOKENIZER_ERROR_ENCODE,
                    "%s: a text holds characters that the vocabulary has nothing for",
                    tokenizer->path);
        return NULL;
    }
    return g_steal_pointer(&ids);
}

GArray *
scope_tokenizer_encode(const ScopeTokenizer *tokenizer, const char *text, gssize n_text,
                       guint max_ids, GError **error)
{
    GArray *ids = scope_tokenizer_encode_bare(tokenizer, text, n_text, error);
    guint n_fixed = tokenizer->before->len + tokenizer->after->len;

    if (ids == NULL) {
        return NULL;
    }
    if (max_ids > 0 && ids->len + n_fixed > max_ids) {
        g_array_set_size(ids, max_ids > n_fixed ? max_ids - n_fixed : 0);
    }
    g_array_prepend_vals(ids, tokenizer->before->data, tokenizer->before->len);
    g_array_append_vals(ids, tokenizer->after->data, tokenizer->after->len);
    return ids;
}

gboolean
scope_tokenizer_encode_prompt(const ScopeTokenizer *tokenizer, const char *prompt, gint32 *ret_ids,
                              gint32 *ret_mask, guint seq_len, guint *ret_n, GError **error)
{
    g_autofree char *cleaned = scope_text_clean(prompt);
    g_autoptr(GArray) ids = scope_tokenizer_encode(tokenizer, cleaned, -1, seq_len, error);

    if (ids == NULL) {
        return FALSE;
    }
    for (guint i = 0; i < seq_len; i++) {
        ret_ids[i] = i < ids->len ? g_array_index(ids, gint32, i) : tokenizer->pad_id;
        if (ret_mask != NULL) {
            ret_mask[i] = i < ids->len;
        }
    }
    if (ret_n != NULL) {
        *ret_n = MIN(ids->len, seq_len);
    }
    return TRUE;
}
