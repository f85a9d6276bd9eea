/* SPDX-License-Identifier: Apache-2.0 */
/* Element types as files store them: names, sizes, the engine's dtype of the same layout, and
 * conversion at any alignment. Wider than ScopeDType on purpose: files hold numbers that are read
 * and never computed with. Owns nothing. Any thread. */
#pragma once

#include <glib.h>

#include "engine/scope-dtype.h"

G_BEGIN_DECLS

typedef enum {
    SCOPE_STORED_INVALID = 0,
    SCOPE_STORED_F64,
    SCOPE_STORED_F32,
    SCOPE_STORED_F16,
    SCOPE_STORED_BF16,
    SCOPE_STORED_F8_E4M3, /* "fn" flavour: no infinity, 0x7F and 0xFF are NaN */
    SCOPE_STORED_F8_E5M2,
    SCOPE_STORED_I64,
    SCOPE_STORED_I32,
    SCOPE_STORED_I16,
    SCOPE_STORED_I8,
    SCOPE_STORED_U64,
    SCOPE_STORED_U32,
    SCOPE_STORED_U16,
    SCOPE_STORED_U8,
    SCOPE_STORED_BOOL, /* one byte, 0 or 1 */
    SCOPE_STORED_N_TYPES,
} ScopeStoredType;

/**
 * scope_stored_type_get_name: (also scope_stored_type_get_size, scope_stored_type_from_name)
 * @type: any type
 *
 * The name is the one of safetensors ("BF16", "F8_E4M3"); the size is in bytes an element, 0 for
 * SCOPE_STORED_INVALID.
 *
 * Thread: any. Errors: an unknown name gives SCOPE_STORED_INVALID.
 * Returns: (transfer none): the name, the size or the type.
 */
const char *scope_stored_type_get_name(ScopeStoredType type);
gsize scope_stored_type_get_size(ScopeStoredType type);
ScopeStoredType scope_stored_type_from_name(const char *name);

/**
 * scope_stored_type_get_dtype:
 * @type: any type
 *
 * Thread: any. Errors: none.
 * Returns: the engine's type of the same layout (U8 for BOOL), SCOPE_DTYPE_INVALID for I16, U16,
 * U32 and U64, which the engine does not compute with.
 */
ScopeDType scope_stored_type_get_dtype(ScopeStoredType type);

/**
 * scope_stored_type_to_f32:
 * @type: type of @src
 * @src: [n] elements, any alignment
 * @ret_dst: [n] f32
 * @n: element count
 *
 * Widens (or, for 64-bit types, rounds) a contiguous run of elements. Exact for every type of at
 * most 16 bits and for F32.
 *
 * Thread: any. Errors: none.
 * Returns: nothing.
 */
void scope_stored_type_to_f32(ScopeStoredType type, const void *src, float *ret_dst, gsize n);

/**
 * scope_stored_type_to_i64:
 * @type: an integer type or SCOPE_STORED_BOOL
 * @src: [n] elements, any alignment
 * @ret_dst: [n] i64; U64 values above the range wrap
 * @n: element count
 *
 * Thread: any. Errors: a float type is refused.
 * Returns: TRUE, or FALSE with @ret_dst untouched when @type is not an integer type.
 */
gboolean scope_stored_type_to_i64(ScopeStoredType type, const void *src, gint64 *ret_dst, gsize n);

G_END_DECLS
