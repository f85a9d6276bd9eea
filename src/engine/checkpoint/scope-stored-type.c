/* SPDX-License-Identifier: Apache-2.0 */
/* Names, sizes and exact scalar conversions of stored element types. These are the reference
 * versions: the engine's ops have their own fast ones. Owns nothing. Any thread. */
#include "engine/checkpoint/scope-stored-type.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    gsize size;
} types[SCOPE_STORED_N_TYPES] = {
    [SCOPE_STORED_INVALID] = {"invalid", 0}, [SCOPE_STORED_F64] = {"F64", 8},
    [SCOPE_STORED_F32] = {"F32", 4},         [SCOPE_STORED_F16] = {"F16", 2},
    [SCOPE_STORED_BF16] = {"BF16", 2},       [SCOPE_STORED_F8_E4M3] = {"F8_E4M3", 1},
    [SCOPE_STORED_F8_E5M2] = {"F8_E5M2", 1}, [SCOPE_STORED_I64] = {"I64", 8},
    [SCOPE_STORED_I32] = {"I32", 4},         [SCOPE_STORED_I16] = {"I16", 2},
    [SCOPE_STORED_I8] = {"I8", 1},           [SCOPE_STORED_U64] = {"U64", 8},
    [SCOPE_STORED_U32] = {"U32", 4},         [SCOPE_STORED_U16] = {"U16", 2},
    [SCOPE_STORED_U8] = {"U8", 1},           [SCOPE_STORED_BOOL] = {"BOOL", 1},
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

/* A small float with @e exponent bits and @m mantissa bits, widened through its fields. */
static float
small_to_f32(guint bits, int e, int m, gboolean has_infinity)
{
    guint exponent = (bits >> m) & ((1u << e) - 1);
    guint mantissa = bits & ((1u << m) - 1);
    int bias = (1 << (e - 1)) - 1;
    float sign = (bits >> (e + m)) & 1 ? -1.0f : 1.0f;

    if (exponent == (1u << e) - 1) {
        if (has_infinity) {
            return mantissa == 0 ? sign * INFINITY : NAN;
        }
        if (mantissa == (1u << m) - 1) {
            return NAN;
        }
    }
    if (exponent == 0) {
        return sign * ldexpf((float)mantissa, 1 - bias - m);
    }
    return sign * ldexpf((float)(mantissa | (1u << m)), (int)exponent - bias - m);
}

/* Rounds a float to a small float, to nearest even; @max_code is the largest finite code and
 * @over_code what lies past it. */
static guint
f32_to_small(float value, int e, int m, guint max_code, guint over_code, guint nan_code)
{
    int bias = (1 << (e - 1)) - 1;
    guint sign = signbit(value) ? 1u << (e + m) : 0;
    double magnitude = fabs((double)value);
    double scaled;
    int exponent;
    guint code;

    if (isnan(value)) {
        return sign | nan_code;
    }
    if (isinf(value)) {
        return sign | over_code;
    }
    if (magnitude == 0) {
        return sign;
    }
    frexp(magnitude, &exponent);
    exponent = MAX(exponent - 1, 1 - bias);
    scaled = nearbyint(ldexp(magnitude, m - exponent));
    if (exponent > 1 << e) {
        return sign | over_code;
    }
    /* A subnormal has no hidden bit and exponent code 0; a carry out of the mantissa falls into
     * the exponent field by itself. */
    code = (guint)(exponent - (1 - bias)) << m;
    code += (guint)scaled;
    return sign | (code > max_code ? over_code : code);
}

static float
bf16_to_f32(guint16 bits)
{
    guint32 wide = (guint32)bits << 16;
    float value;

    memcpy(&value, &wide, sizeof value);
    return value;
}

static guint16
f32_to_bf16(float value)
{
    guint32 bits;

    memcpy(&bits, &value, sizeof bits);
    if (isnan(value)) {
        return (guint16)((bits >> 16) | 0x40);
    }
    return (guint16)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
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
    case SCOPE_STORED_F32:
        if (n > 0) {
            memcpy(ret_dst, src, n * sizeof *ret_dst);
        }
        break;
    case SCOPE_STORED_F64:
        FOR_EACH(double, (float)v);
        break;
    case SCOPE_STORED_F16:
        FOR_EACH(guint16, small_to_f32(v, 5, 10, TRUE));
        break;
    case SCOPE_STORED_BF16:
        FOR_EACH(guint16, bf16_to_f32(v));
        break;
    case SCOPE_STORED_F8_E4M3:
        FOR_EACH(guint8, small_to_f32(v, 4, 3, FALSE));
        break;
    case SCOPE_STORED_F8_E5M2:
        FOR_EACH(guint8, small_to_f32(v, 5, 2, TRUE));
        break;
    case SCOPE_STORED_I64:
        FOR_EACH(gint64, (float)v);
        break;
    case SCOPE_STORED_I32:
        FOR_EACH(gint32, (float)v);
        break;
    case SCOPE_STORED_I16:
        FOR_EACH(gint16, (float)v);
        break;
    case SCOPE_STORED_I8:
        FOR_EACH(gint8, (float)v);
        break;
    case SCOPE_STORED_U64:
        FOR_EACH(guint64, (float)v);
        break;
    case SCOPE_STORED_U32:
        FOR_EACH(guint32, (float)v);
        break;
    case SCOPE_STORED_U16:
        FOR_EACH(guint16, (float)v);
        break;
    case SCOPE_STORED_U8:
    case SCOPE_STORED_BOOL:
        FOR_EACH(guint8, (float)v);
        break;
    case SCOPE_STORED_INVALID:
    case SCOPE_STORED_N_TYPES:
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

gboolean
scope_stored_type_from_f32(ScopeStoredType type, const float *src, void *ret_dst, gsize n)
{
    guint8 *bytes = ret_dst;

    for (gsize i = 0; i < n; i++) {
        guint16 wide = 0;
        switch (type) {
        case SCOPE_STORED_F32:
            memcpy(bytes + 4 * i, &src[i], 4);
            continue;
        case SCOPE_STORED_BF16:
            wide = f32_to_bf16(src[i]);
            break;
        case SCOPE_STORED_F16:
            wide = (guint16)f32_to_small(src[i], 5, 10, 0x7BFF, 0x7C00, 0x7E00);
            break;
        case SCOPE_STORED_F8_E4M3:
            bytes[i] = (guint8)f32_to_small(src[i], 4, 3, 0x7E, 0x7E, 0x7F);
            continue;
        case SCOPE_STORED_F8_E5M2:
            bytes[i] = (guint8)f32_to_small(src[i], 5, 2, 0x7B, 0x7C, 0x7E);
            continue;
        default:
            return FALSE;
        }
        memcpy(bytes + 2 * i, &wide, sizeof wide);
    }
    return scope_stored_type_get_size(type) > 0 && type <= SCOPE_STORED_F8_E5M2 &&
           type != SCOPE_STORED_F64;
}
