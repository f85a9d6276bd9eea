/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sizes and conversions of stored element types. Owns nothing. Any thread. */
#include "engine/checkpoint/scope-stored-type.h"

#include <string.h>

static const struct {
    const char *name;
    gsize size;
    ScopeDType dtype;
} types[SCOPE_STORED_N_TYPES] = {
    [SCOPE_STORED_INVALID] = {"invalid", 0, SCOPE_DTYPE_INVALID},
    [SCOPE_STORED_F64] = {"F64", 8, SCOPE_DTYPE_F64},
    [SCOPE_STORED_F32] = {"F32", 4, SCOPE_DTYPE_F32},
    [SCOPE_STORED_F16] = {"F16", 2, SCOPE_DTYPE_F16},
    [SCOPE_STORED_BF16] = {"BF16", 2, SCOPE_DTYPE_BF16},
    [SCOPE_STORED_F8_E4M3] = {"F8_E4M3", 1, SCOPE_DTYPE_F8_E4M3},
    [SCOPE_STORED_F8_E5M2] = {"F8_E5M2", 1, SCOPE_DTYPE_F8_E5M2},
    [SCOPE_STORED_I64] = {"I64", 8, SCOPE_DTYPE_I64},
    [SCOPE_STORED_I32] = {"I32", 4, SCOPE_DTYPE_I32},
    [SCOPE_STORED_I16] = {"I16", 2, SCOPE_DTYPE_INVALID},
    [SCOPE_STORED_I8] = {"I8", 1, SCOPE_DTYPE_I8},
    [SCOPE_STORED_U64] = {"U64", 8, SCOPE_DTYPE_INVALID},
    [SCOPE_STORED_U32] = {"U32", 4, SCOPE_DTYPE_INVALID},
    [SCOPE_STORED_U16] = {"U16", 2, SCOPE_DTYPE_INVALID},
    [SCOPE_STORED_U8] = {"U8", 1, SCOPE_DTYPE_U8},
    [SCOPE_STORED_BOOL] = {"BOOL", 1, SCOPE_DTYPE_U8},
};

const char *
scope_stored_type_get_name(ScopeStoredType type)
{
    return (guint)type < SCOPE_STORED_N_TYPES ? types[type].name : types[0].name;
}

gsize
scope_stored_type_get_size(ScopeStoredType type)
{
    return (guint)type < SCOPE_STORED_N_TYPES ? types[type].size : 0;
}

ScopeStoredType
scope_stored_type_from_name(const char *name)
{
    for (int i = SCOPE_STORED_INVALID + 1; i < SCOPE_STORED_N_TYPES; i++) {
        if (strcmp(types[i].name, name) == 0) {
            return (ScopeStoredType)i;
        }
    }
    return SCOPE_STORED_INVALID;
}

ScopeDType
scope_stored_type_get_dtype(ScopeStoredType type)
{
    return (guint)type < SCOPE_STORED_N_TYPES ? types[type].dtype : SCOPE_DTYPE_INVALID;
}

/* The engine's conversion reads whole elements; unaligned ones go through a small buffer. */
static void
widen(ScopeStoredType type, const guint8 *src, float *ret_dst, gsize n)
{
    gsize size = types[type].size;
    double buffer[512];

    if ((gsize)src % size == 0) {
        scope_dtype_to_f32(types[type].dtype, src, ret_dst, (gint64)n);
        return;
    }
    for (gsize done = 0; done < n;) {
        gsize part = MIN(n - done, sizeof buffer / size);
        memcpy(buffer, src + done * size, part * size);
        scope_dtype_to_f32(types[type].dtype, buffer, ret_dst + done, (gint64)part);
        done += part;
    }
}

#define FOR_EACH(ctype, expression)                                                                \
    do {                                                                                           \
        for (gsize i = 0; i < n; i++) {                                                            \
            ctype v;                                                                               \
            memcpy(&v, (const guint8 *)src + i * sizeof v, sizeof v);                              \
            ret_dst[i] = (expression);                                                             \
        }                                                                                          \
    } while (0)

void
scope_stored_type_to_f32(ScopeStoredType type, const void *src, float *ret_dst, gsize n)
{
    switch (type) {
    case SCOPE_STORED_I16:
        FOR_EACH(gint16, (float)v);
        break;
    case SCOPE_STORED_U16:
        FOR_EACH(guint16, (float)v);
        break;
    case SCOPE_STORED_U32:
        FOR_EACH(guint32, (float)v);
        break;
    case SCOPE_STORED_U64:
        FOR_EACH(guint64, (float)v);
        break;
    default:
        if (scope_stored_type_get_dtype(type) != SCOPE_DTYPE_INVALID) {
            widen(type, src, ret_dst, n);
        }
        break;
    }
}

gboolean
scope_stored_type_to_i64(ScopeStoredType type, const void *src, gint64 *ret_dst, gsize n)
{
    switch (type) {
    case SCOPE_STORED_I64:
        FOR_EACH(gint64, v);
        break;
    case SCOPE_STORED_I32:
        FOR_EACH(gint32, v);
        break;
    case SCOPE_STORED_I16:
        FOR_EACH(gint16, v);
        break;
    case SCOPE_STORED_I8:
        FOR_EACH(gint8, v);
        break;
    case SCOPE_STORED_U64:
        FOR_EACH(guint64, (gint64)v);
        break;
    case SCOPE_STORED_U32:
        FOR_EACH(guint32, v);
        break;
    case SCOPE_STORED_U16:
        FOR_EACH(guint16, v);
        break;
    case SCOPE_STORED_U8:
    case SCOPE_STORED_BOOL:
        FOR_EACH(guint8, v);
        break;
    default:
        return FALSE;
    }
    return TRUE;
}
