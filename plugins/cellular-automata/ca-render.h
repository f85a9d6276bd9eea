/* SPDX-License-Identifier: Apache-2.0 */
/* From values per cell to pixels: glow, scaling, colour. Owned by one stream, one thread. */
#ifndef CA_RENDER_H
#define CA_RENDER_H

#include <scope/scope.h>

/** CaRender: opaque: buffers for one size of world and frame. */
typedef struct _CaRender CaRender;

/**
 * CaView: how a frame is drawn.
 * @values: (array length=cells): 0..1 per cell
 * @lut: colours as ca_palette_fill() makes them
 * @glow: 0..1, light that bright cells throw on their surroundings
 * @soft: whether cells melt into each other instead of being squares
 * @pan_x: pixels by which the world is moved to the left
 * @pan_y: pixels by which the world is moved up
 */
typedef struct {
    const gfloat *values;
    const gfloat *lut;
    gfloat glow;
    gboolean soft;
    gint pan_x;
    gint pan_y;
} CaView;

/**
 * ca_render_new:
 * @cells_x: width of the world
 * @cells_y: height of the world
 * @cell_px: pixels per cell
 *
 * Returns: (transfer full): the buffers.
 */
CaRender *ca_render_new(guint cells_x, guint cells_y, guint cell_px);

/** ca_render_free: (nullable). */
void ca_render_free(CaRender *render);

/** ca_render_draw: fills @frame (RGB24); the world repeats beyond its edges. */
void ca_render_draw(CaRender *render, const CaView *view, ScopeFrame *frame);

/** ca_render_ring: draws a soft ring, for the cursor; @alpha 0..1. */
void ca_render_ring(ScopeFrame *frame, gfloat x, gfloat y, gfloat radius, gfloat alpha);

#endif
