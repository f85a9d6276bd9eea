/* SPDX-License-Identifier: Apache-2.0 */
/* A restricted pickle machine: it builds numbers, texts, containers, storage references and tensor
 * descriptions, and nothing else. Names are compared with an allow list and never resolved; no
 * opcode calls anything. Texts point into the pickle, which is borrowed. Any thread. */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"

typedef enum {
    SCOPE_PICKLE_NONE = 0,
    SCOPE_PICKLE_BOOL,
    SCOPE_PICKLE_INT,
    SCOPE_PICKLE_BIG_INT, /* outside 64 bit; the value is not kept */
    SCOPE_PICKLE_FLOAT,
    SCOPE_PICKLE_TEXT,
    SCOPE_PICKLE_BYTES,
    SCOPE_PICKLE_LIST,
    SCOPE_PICKLE_TUPLE,
    SCOPE_PICKLE_DICT, /* items: key, value, key, value */
    SCOPE_PICKLE_GLOBAL,
    SCOPE_PICKLE_STORAGE,
    SCOPE_PICKLE_TENSOR,
} ScopePickleType;

typedef struct {
    ScopePickleType type;
    guint32 length; /* of text, in bytes */
    union {
        gint64 integer; /* INT, BOOL */
        const char *text;
        GArray *items; /* (nullable) of guint32: references to values; NULL while empty */
        guint32 index; /* GLOBAL: into the allow list; STORAGE, TENSOR: into the arrays below */
    };
} ScopePickleValue;

typedef struct {
    const char *key;      /* owned by the pickle, NUL-terminated, plain */
    ScopeStoredType type; /* INVALID: untyped, counted in bytes */
    gint64 n_elements;
    gint64 view_offset;   /* legacy views: elements from the start of the storage, else 0 */
    gint64 root_elements; /* elements of the whole storage */
} ScopePickleStorage;

typedef struct {
    guint32 storage;
    ScopeStoredType type;
    gint64 offset; /* in elements */
    int rank;
    gint64 shape[SCOPE_CHECKPOINT_MAX_RANK];
    gint64 stride[SCOPE_CHECKPOINT_MAX_RANK];
} ScopePickleTensor;

typedef struct {
    GArray *values;   /* of ScopePickleValue; 0 is None */
    GArray *storages; /* of ScopePickleStorage */
    GArray *tensors;  /* of ScopePickleTensor */
    GStringChunk *strings;
    guint32 root;
} ScopePickle;

/** Runs one pickle from the start of [bytes, bytes + size). @label ("FILE: data.pkl") begins every
 * message. @ret_used: bytes up to and including STOP. Errors: FORMAT, UNSAFE, LIMIT; NULL with
 * @error set. */
ScopePickle *scope_pickle_parse_private(const char *label, const guint8 *bytes, gsize size,
                                        gsize *ret_used, GError **error);
void scope_pickle_free_private(ScopePickle *pickle);

/** What a value is, for messages: "a list". */
const char *scope_pickle_describe_private(const ScopePickleValue *value);

static inline const ScopePickleValue *
scope_pickle_get_private(const ScopePickle *pickle, guint32 reference)
{
    return &g_array_index(pickle->values, ScopePickleValue, reference);
}

static inline guint
scope_pickle_n_items_private(const ScopePickleValue *value)
{
    return value->items != NULL ? value->items->len : 0;
}

static inline guint32
scope_pickle_item_private(const ScopePickleValue *value, guint index)
{
    return g_array_index(value->items, guint32, index);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePickle, scope_pickle_free_private)
