/* SPDX-License-Identifier: Apache-2.0 */
/* Colour maps: gradients through a few stops, interpolated in Oklab so that steps look even. */
#ifndef CA_PALETTE_H
#define CA_PALETTE_H

#include <glib.h>

/** CA_PALETTE_SIZE: entries of a colour map. */
#define CA_PALETTE_SIZE 1024

/** ca_palette_names: names of the palettes, %NULL-terminated; the order is that of the indices. */
extern const char *const ca_palette_names[];

/**
 * ca_palette_fill:
 * @index: of the palette
 * @lut: (array fixed-size=1024): gets r, g, b as floats 0..255, three per entry
 */
void ca_palette_fill(guint index, gfloat *lut);

#endif
