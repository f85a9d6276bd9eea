/* SPDX-License-Identifier: Apache-2.0 */
/* The unigram vocabulary: texts in one pool, an open-addressing index over them that is asked with
 * growing prefixes, and the Viterbi search. Owns pool and index. Any thread once finished. */
#include "engine/tokenizer/scope-unigram.h"

#include <string.h>

#define UNKNOWN_PENALTY 10.0

typedef struct {
    gsize at; /* in the pool */
    guint32 length;
    double score;
} Piece;

struct _ScopeUnigram {
    GString *pool;
    GArray *pieces; /* of Piece */
    guint32 *index; /* id + 1, 0 = free */
    guint32 mask;
    guint32 longest;
    double lowest;
    gint32 unk_id;
    gboolean byte_fallback;
};

/* One way to reach a position: the piece that ends there and where it begins. */
typedef struct {
    double score;
    gssize begin; /* -1: not reached */
    gint32 id;
} Node;

ScopeUnigram *
scope_unigram_new(void)
{
    ScopeUnigram *unigram = g_new0(ScopeUnigram, 1);

    unigram->pool = g_string_new(NULL);
    unigram->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    unigram->unk_id = -1;
    return unigram;
}

void
scope_unigram_free(ScopeUnigram *unigram)
{
    if (unigram == NULL) {
        return;
    }
    g_string_free(unigram->pool, TRUE);
    g_array_unref(unigram->pieces);
    g_free(unigram->index);
    g_free(unigram);
}

gboolean
scope_unigram_add(ScopeUnigram *unigram, const char *text, gsize length, double score)
{
    Piece piece = {unigram->pool->len, (guint32)length, score};

    if (length > SCOPE_UNIGRAM_MAX_PIECE_BYTES ||
        unigram->pieces->len >= SCOPE_UNIGRAM_MAX_PIECES) {
        return FALSE;
    }
    g_string_append_len(unigram->pool, text, (gssize)length);
    unigram->lowest = unigram->pieces->len == 0 ? score : MIN(unigram->lowest, score);
    unigram->longest = MAX(unigram->longest, piece.length);
    g_array_append_val(unigram->pieces, piece);
    return TRUE;
}

guint
scope_unigram_get_n_pieces(const ScopeUnigram *unigram)
{
    return unigram->pieces->len;
}

#define HASH_START 2166136261u

static guint32
hash_byte(guint32 hash, char byte)
{
    return (hash ^ (guchar)byte) * 16777619u;
}

/* The slot of a text: its own, or the free one where it would be put. */
static guint32 *
find_slot(const ScopeUnigram *unigram, const char *text, gsize length, guint32 hash)
{
    for (guint32 at = (hash ^ hash >> 15) & unigram->mask;; at = (at + 1) & unigram->mask) {
        guint32 *slot = &unigram->index[at];
        const Piece *piece;
        if (*slot == 0) {
            return slot;
        }
        piece = &g_array_index(unigram->pieces, Piece, *slot - 1);
        if (piece->length == length && memcmp(unigram->pool->str + piece->at, text, length) == 0) {
            return slot;
        }
    }
}

static guint32
hash_text(const char *text, gsize length)
{
    guint32 hash = HASH_START;

    for (gsize i = 0; i < length; i++) {
        hash = hash_byte(hash, text[i]);
    }
    return hash;
}

void
scope_unigram_finish(ScopeUnigram *unigram, gint32 unk_id, gboolean byte_fallback)
{
    guint32 size = 16;

    while (size < unigram->pieces->len * 2 + 2) {
        size *= 2;
    }
    unigram->mask = size - 1;
    unigram->index = g_new0(guint32, size);
    unigram->unk_id = unk_id;
    unigram->byte_fallback = byte_fallback;
    for (guint i = 0; i < unigram->pieces->len; i++) {
        const Piece *piece = &g_array_index(unigram->pieces, Piece, i);
        const char *text = unigram->pool->str + piece->at;
        *find_slot(unigram, text, piece->length, hash_text(text, piece->length)) = i + 1;
    }
}

gint32
scope_unigram_find(const ScopeUnigram *unigram, const char *text, gsize length)
{
    return (gint32)*find_slot(unigram, text, length, hash_text(text, length)) - 1;
}

/* -- Search ----------------------------------------------------------------------------------- */

static void
reach(Node *node, gsize begin, gint32 id, double score)
{
    if (node->begin < 0 || score > node->score) {
        *node = (Node){score, (gssize)begin, id};
    }
}

/* Extends the best path that ends at @begin by every piece that begins there. */
static void
extend(const ScopeUnigram *unigram, const char *word, gsize length, gsize begin, Node *nodes)
{
    double score = begin == 0 ? 0 : nodes[begin].score;
    gsize first = (gsize)(g_utf8_next_char(word + begin) - word) - begin;
    gboolean has_single = FALSE;
    guint32 hash = HASH_START;
    gsize end = begin;

    while (end < length && end - begin < unigram->longest) {
        gsize next = (gsize)(g_utf8_next_char(word + end) - word);
        guint32 slot;
        for (; end < next; end++) {
            hash = hash_byte(hash, word[end]);
        }
        slot = *find_slot(unigram, word + begin, end - begin, hash);
        if (slot != 0) {
            const Piece *piece = &g_array_index(unigram->pieces, Piece, slot - 1);
            reach(&nodes[end], begin, (gint32)slot - 1, score + piece->score);
            has_single = has_single || end - begin == first;
        }
    }
    if (!has_single) {
        reach(&nodes[begin + first], begin, unigram->unk_id,
              score + unigram->lowest - UNKNOWN_PENALTY);
    }
}

/* Appends unknown text: as bytes where that is wanted and possible, else as one unknown id. */
static gboolean
append_unknown(const ScopeUnigram *unigram, const char *text, gsize length, GArray *ids)
{
    guint n_before = ids->len;
    gint32 known = scope_unigram_find(unigram, text, length);

    if (known >= 0) {
        g_array_append_val(ids, known);
        return TRUE;
    }
    for (gsize i = 0; unigram->byte_fallback && i < length; i++) {
        char name[8];
        gint32 id;
        g_snprintf(name, sizeof name, "<0x%02X>", (guchar)text[i]);
        id = scope_unigram_find(unigram, name, strlen(name));
        if (id < 0) {
            g_array_set_size(ids, n_before);
            break;
        }
        g_array_append_val(ids, id);
    }
    if (ids->len == n_before) {
        if (unigram->unk_id < 0) {
            return FALSE;
        }
        g_array_append_val(ids, unigram->unk_id);
    }
    return TRUE;
}

gboolean
scope_unigram_encode(const ScopeUnigram *unigram, const char *word, gsize length, GArray *ids)
{
    g_autofree Node *nodes = g_new(Node, length + 1);
    g_autoptr(GArray) ends = g_array_new(FALSE, FALSE, sizeof(gsize));

    for (gsize i = 0; i <= length; i++) {
        nodes[i] = (Node){0, -1, -1};
    }
    for (gsize at = 0; at < length; at = (gsize)(g_utf8_next_char(word + at) - word)) {
        extend(unigram, word, length, at, nodes);
    }
    for (gsize end = length; end > 0; end = (gsize)nodes[end].begin) {
        g_array_append_val(ends, end);
    }
    for (guint i = ends->len; i > 0;) {
        gsize end = g_array_index(ends, gsize, --i);
        gsize begin = (gsize)nodes[end].begin;
        if (nodes[end].id >= 0 && nodes[end].id != unigram->unk_id) {
            g_array_append_val(ids, nodes[end].id);
            continue;
        }
        /* neighbouring unknown characters are one */
        while (i > 0 && nodes[g_array_index(ends, gsize, i - 1)].id == nodes[end].id) {
            end = g_array_index(ends, gsize, --i);
        }
        if (!append_unknown(unigram, word + begin, end - begin, ids)) {
            return FALSE;
        }
    }
    return TRUE;
}
