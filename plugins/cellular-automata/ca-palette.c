/* SPDX-License-Identifier: Apache-2.0 */
/* Colour maps. No state. */
#include "ca-palette.h"

#include <math.h>

#define MAX_STOPS 6

const char *const ca_palette_names[] = {"aurora", "ember",  "ocean", "orchid", "sunset",
                                        "moss",   "copper", "ice",   "mono",   NULL};

/* From background to brightest; 0xRRGGBB, the rest is zero. */
static const struct {
    guint n_stops;
    guint32 stops[MAX_STOPS];
} palettes[] = {
    {6, {0x05060f, 0x0b2a4a, 0x0f766e, 0x4ade80, 0xa78bfa, 0xfdf2ff}},
    {6, {0x070304, 0x3b0a12, 0x9f1d20, 0xf0641e, 0xfbbf24, 0xfffbe6}},
    {6, {0x02060e, 0x062a52, 0x0b5fa5, 0x22b8cf, 0x9be7f0, 0xffffff}},
    {6, {0x08040f, 0x2e1065, 0x86198f, 0xec4899, 0xfdba9b, 0xfff7ed}},
    {6, {0x06081a, 0x2a1458, 0x8b2a6b, 0xf2545b, 0xffb347, 0xfff6c8}},
    {6, {0x040806, 0x0d2b1d, 0x236b3a, 0x7fb13c, 0xe3d96a, 0xfffdf0}},
    {6, {0x060505, 0x2b1a14, 0x7a3b22, 0xc9773b, 0x7fc8b8, 0xf3fff9}},
    {6, {0x04060a, 0x142336, 0x3b5b7e, 0x8bb6d9, 0xd6ecff, 0xffffff}},
    {3, {0x060607, 0x8a8a90, 0xffffff}},
};

typedef struct {
    gfloat l, a, b;
} Lab;

static gfloat
to_linear(gfloat value)
{
    return value <= 0.04045f ? value / 12.92f : powf((value + 0.055f) / 1.055f, 2.4f);
}

static gfloat
from_linear(gfloat value)
{
    value = CLAMP(value, 0.0f, 1.0f);
    return value <= 0.0031308f ? value * 12.92f : 1.055f * powf(value, 1.0f / 2.4f) - 0.055f;
}

/* Matrices of Björn Ottosson's Oklab. */
static Lab
lab_from_hex(guint32 hex)
{
    gfloat r = to_linear((gfloat)(hex >> 16 & 255) / 255.0f);
    gfloat g = to_linear((gfloat)(hex >> 8 & 255) / 255.0f);
    gfloat b = to_linear((gfloat)(hex & 255) / 255.0f);
    gfloat l = cbrtf(0.4122214708f * r + 0.5363325363f * g + 0.0514459929f * b);
    gfloat m = cbrtf(0.2119034982f * r + 0.6806995451f * g + 0.1073969566f * b);
    gfloat s = cbrtf(0.0883024619f * r + 0.2817188376f * g + 0.6299787005f * b);

    return (Lab){
        0.2104542553f * l + 0.7936177850f * m - 0.0040720468f * s,
        1.9779984951f * l - 2.4285922050f * m + 0.4505937099f * s,
        0.0259040371f * l + 0.7827717662f * m - 0.8086757660f * s,
    };
}

static void
lab_to_rgb(Lab lab, gfloat *rgb)
{
    gfloat l = lab.l + 0.3963377774f * lab.a + 0.2158037573f * lab.b;
    gfloat m = lab.l - 0.1055613458f * lab.a - 0.0638541728f * lab.b;
    gfloat s = lab.l - 0.0894841775f * lab.a - 1.2914855480f * lab.b;

    l = l * l * l;
    m = m * m * m;
    s = s * s * s;
    rgb[0] = 255.0f * from_linear(4.0767416621f * l - 3.3077115913f * m + 0.2309699292f * s);
    rgb[1] = 255.0f * from_linear(-1.2684380046f * l + 2.6097574011f * m - 0.3413193965f * s);
    rgb[2] = 255.0f * from_linear(-0.0041960863f * l - 0.7034186147f * m + 1.7076147010f * s);
}

void
ca_palette_fill(guint index, gfloat *lut)
{
    guint n = palettes[index].n_stops;

    for (guint i = 0; i < CA_PALETTE_SIZE; i++) {
        gfloat pos = (gfloat)i / (gfloat)(CA_PALETTE_SIZE - 1) * (gfloat)(n - 1);
        guint stop = MIN((guint)pos, n - 2);
        gfloat t = pos - (gfloat)stop;
        Lab p = lab_from_hex(palettes[index].stops[stop]);
        Lab q = lab_from_hex(palettes[index].stops[stop + 1]);
        Lab mixed = {p.l + (q.l - p.l) * t, p.a + (q.a - p.a) * t, p.b + (q.b - p.b) * t};

        lab_to_rgb(mixed, lut + 3 * i);
    }
}
