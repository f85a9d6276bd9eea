/* SPDX-License-Identifier: Apache-2.0 */
/* Drawing. The glow is a box blur applied twice to a copy of the values, at the size of the world.
 */
#include "ca-render.h"

#include <math.h>
#include <string.h>

#include "ca-palette.h"

#define GLOW_PX 9 /* radius of the blur on the screen */

/* Where a pixel lies: a cell and the share of the next one. */
typedef struct {
    guint cell;
    gfloat share;
} Tap;

struct _CaRender {
    guint cells_x;
    guint cells_y;
    guint cell_px;
    gfloat *light; /* values with glow, scaled to the colour map */
    gfloat *blur;
    gfloat *scratch;
    gfloat *row;
    Tap *taps; /* one per column of the frame */
    guint n_taps;
    guint32 colours[CA_PALETTE_SIZE];
};

CaRender *
ca_render_new(guint cells_x, guint cells_y, guint cell_px)
{
    CaRender *self = g_new0(CaRender, 1);
    gsize n = (gsize)cells_x * cells_y;

    self->cells_x = cells_x;
    self->cells_y = cells_y;
    self->cell_px = cell_px;
    self->light = g_new0(gfloat, n);
    self->blur = g_new0(gfloat, n);
    self->scratch = g_new0(gfloat, n);
    self->row = g_new0(gfloat, cells_x + 1);
    return self;
}

void
ca_render_free(CaRender *self)
{
    if (self == NULL)
        return;
    g_free(self->light);
    g_free(self->blur);
    g_free(self->scratch);
    g_free(self->row);
    g_free(self->taps);
    g_free(self);
}

/* Running mean along rows, on a torus. */
static void
blur_rows(const CaRender *self, const gfloat *in, gfloat *out, gint radius)
{
    gint w = (gint)self->cells_x;
    gfloat scale = 1.0f / (gfloat)(2 * radius + 1);

    for (guint y = 0; y < self->cells_y; y++) {
        const gfloat *from = in + (gsize)y * self->cells_x;
        gfloat *to = out + (gsize)y * self->cells_x;
        gfloat sum = 0.0f;

        for (gint x = -radius; x <= radius; x++)
            sum += from[(x % w + w) % w];
        for (gint x = 0; x < w; x++) {
            gint enters = x + radius + 1;
            gint leaves = x - radius;

            to[x] = sum * scale;
            enters = enters >= w ? enters % w : enters;
            leaves = leaves < 0 ? (leaves % w + w) % w : leaves;
            sum += from[enters] - from[leaves];
        }
    }
}

/* The same along columns: whole rows at once. */
static void
blur_columns(const CaRender *self, const gfloat *in, gfloat *out, gint radius)
{
    gint h = (gint)self->cells_y;
    gsize w = self->cells_x;
    gfloat *sum = self->row;
    gfloat scale = 1.0f / (gfloat)(2 * radius + 1);

    memset(sum, 0, w * sizeof *sum);
    for (gint y = -radius; y <= radius; y++) {
        const gfloat *from = in + (gsize)((y % h + h) % h) * w;

        for (gsize x = 0; x < w; x++)
            sum[x] += from[x];
    }
    for (gint y = 0; y < h; y++) {
        const gfloat *enters = in + (gsize)((y + radius + 1) % h) * w;
        const gfloat *leaves = in + (gsize)(((y - radius) % h + h) % h) * w;
        gfloat *to = out + (gsize)y * w;

        for (gsize x = 0; x < w; x++) {
            to[x] = sum[x] * scale;
            sum[x] += enters[x] - leaves[x];
        }
    }
}

static void
add_glow(CaRender *self, const CaView *view)
{
    gsize n = (gsize)self->cells_x * self->cells_y;
    gint limit = (gint)MIN(self->cells_x, self->cells_y) / 2 - 1;
    gint radius = CLAMP((gint)(GLOW_PX / self->cell_px), 1, limit);
    gfloat top = (gfloat)(CA_PALETTE_SIZE - 1);

    if (view->glow > 0.0f) {
        blur_rows(self, view->values, self->scratch, radius);
        blur_columns(self, self->scratch, self->blur, radius);
        blur_rows(self, self->blur, self->scratch, radius);
        blur_columns(self, self->scratch, self->blur, radius);
    } else {
        memset(self->blur, 0, n * sizeof *self->blur);
    }
    for (gsize i = 0; i < n; i++) {
        gfloat value = view->values[i];
        /* As with two lights on a wall: never above full. */
        gfloat glow = CLAMP(view->glow * self->blur[i], 0.0f, 1.0f);

        self->light[i] = top * (1.0f - (1.0f - value) * (1.0f - glow));
    }
}

static void
fill_colours(CaRender *self, const gfloat *lut)
{
    for (guint i = 0; i < CA_PALETTE_SIZE; i++) {
        guint8 rgb[4] = {(guint8)(lut[3 * i] + 0.5f), (guint8)(lut[3 * i + 1] + 0.5f),
                         (guint8)(lut[3 * i + 2] + 0.5f), 0};

        memcpy(&self->colours[i], rgb, sizeof rgb);
    }
}

/* The cell at @pixel or before it, and the share of the next one. */
static Tap
locate(gint pixel, guint cell_px, guint n, gboolean soft)
{
    gint size = (gint)(n * cell_px);
    gfloat pos;
    gint cell;

    pixel = (pixel % size + size) % size;
    if (!soft)
        return (Tap){(guint)pixel / cell_px, 0.0f};
    pos = ((gfloat)pixel + 0.5f) / (gfloat)cell_px - 0.5f;
    cell = (gint)floorf(pos);
    return (Tap){(guint)((cell + (gint)n) % (gint)n), pos - (gfloat)cell};
}

static void
draw_row(const CaRender *self, guint8 *restrict out, guint width)
{
    for (guint x = 0; x < width; x++) {
        Tap tap = self->taps[x];
        gfloat a = self->row[tap.cell];
        guint32 colour = self->colours[(guint)(a + (self->row[tap.cell + 1] - a) * tap.share)];

        memcpy(out + 3 * (gsize)x, &colour, 3);
    }
}

void
ca_render_draw(CaRender *self, const CaView *view, ScopeFrame *frame)
{
    guint n = self->cells_x;

    add_glow(self, view);
    fill_colours(self, view->lut);
    if (self->n_taps < frame->width) {
        self->taps = g_renew(Tap, self->taps, frame->width);
        self->n_taps = frame->width;
    }
    for (guint x = 0; x < frame->width; x++)
        self->taps[x] = locate((gint)x + view->pan_x, self->cell_px, n, view->soft);
    for (guint y = 0; y < frame->height; y++) {
        Tap tap = locate((gint)y + view->pan_y, self->cell_px, self->cells_y, view->soft);
        const gfloat *a = self->light + (gsize)tap.cell * n;
        const gfloat *b = self->light + (gsize)((tap.cell + 1) % self->cells_y) * n;

        for (guint x = 0; x < n; x++)
            self->row[x] = a[x] + (b[x] - a[x]) * tap.share;
        self->row[n] = self->row[0];
        draw_row(self, frame->data[0] + (gsize)y * frame->stride[0], frame->width);
    }
}

void
ca_render_ring(ScopeFrame *frame, gfloat x, gfloat y, gfloat radius, gfloat alpha)
{
    gint left = MAX((gint)(x - radius) - 2, 0);
    gint right = MIN((gint)(x + radius) + 3, (gint)frame->width);
    gint top = MAX((gint)(y - radius) - 2, 0);
    gint bottom = MIN((gint)(y + radius) + 3, (gint)frame->height);

    for (gint py = top; py < bottom; py++) {
        guint8 *row = frame->data[0] + (gsize)py * frame->stride[0];

        for (gint px = left; px < right; px++) {
            gfloat distance = fabsf(hypotf((gfloat)px - x, (gfloat)py - y) - radius);
            gfloat share = alpha * CLAMP(1.6f - distance, 0.0f, 1.0f);

            for (guint c = 0; c < 3; c++) {
                gfloat value = row[3 * px + (gint)c];

                row[3 * px + (gint)c] = (guint8)(value + (255.0f - value) * share);
            }
        }
    }
}
