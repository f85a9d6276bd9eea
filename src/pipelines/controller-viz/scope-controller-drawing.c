/* SPDX-License-Identifier: Apache-2.0 */
/* The rectangles of the controller view. Owns nothing. Any thread. */
#include "pipelines/controller-viz/scope-controller-drawing.h"

#include <string.h>

#define KEY_PX    30
#define GAP_PX    5
#define MARGIN_PX 20
#define BORDER_PX 2
#define DOT_PX    5 /* from the middle of the cursor to its edge */
#define BUTTON_PX 4 /* the same of a mouse button */

typedef struct {
    const ScopeController *controller;
    ScopeControllerFill fill;
    gpointer user_data;
} Drawing;

void
scope_controller_init(ScopeController *controller, gint width, gint height)
{
    *controller =
        (ScopeController){.width = width, .height = height, .x = width / 2.0, .y = height / 2.0};
}

/* The whole cursor stays on the canvas; on one too small for that the upper left edge wins. */
static gdouble
keep_inside(gdouble position, gint size)
{
    return MAX(MIN(position, (gdouble)size - DOT_PX), (gdouble)DOT_PX);
}

void
scope_controller_move(ScopeController *controller, gdouble dx, gdouble dy)
{
    controller->x = keep_inside(controller->x + dx, controller->width);
    controller->y = keep_inside(controller->y + dy, controller->height);
}

static void
fill(const Drawing *drawing, gint left, gint top, gint width, gint height, const gdouble rgb[3])
{
    gint right = MIN(left + width, drawing->controller->width);
    gint bottom = MIN(top + height, drawing->controller->height);

    left = MAX(left, 0);
    top = MAX(top, 0);
    if (left < right && top < bottom)
        drawing->fill(left, top, right - left, bottom - top, rgb, drawing->user_data);
}

static gboolean
is_held(const Drawing *drawing, const char *name)
{
    for (guint i = 0; i < drawing->controller->n_held; i++) {
        if (strcmp(drawing->controller->held[i], name) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
draw_key(const Drawing *drawing, gint column, gint row, const char *letter, const char *arrow)
{
    static const gdouble on[3] = {0.9, 0.9, 0.9}, off[3] = {0.3, 0.3, 0.3};
    gint step = KEY_PX + GAP_PX;
    gint x = MARGIN_PX + column * step;
    gint y = drawing->controller->height - MARGIN_PX - (2 * KEY_PX + GAP_PX) + row * step;

    if (is_held(drawing, letter) || is_held(drawing, arrow)) {
        fill(drawing, x, y, KEY_PX, KEY_PX, on);
        return;
    }
    fill(drawing, x, y, KEY_PX, BORDER_PX, off);
    fill(drawing, x, y + KEY_PX - BORDER_PX, KEY_PX, BORDER_PX, off);
    fill(drawing, x, y, BORDER_PX, KEY_PX, off);
    fill(drawing, x + KEY_PX - BORDER_PX, y, BORDER_PX, KEY_PX, off);
}

/* Where a square ends along one axis. One that lies wholly left of (or above) the canvas ends as
 * far from the opposite edge: the reference slices arrays with the negative number, and clients
 * compare pictures with it. */
static gint
square_end(gint middle, gint reach, gint size)
{
    gint end = middle + reach;

    return end < 0 ? MAX(size + end, 0) : MIN(end, size);
}

static void
draw_square(const Drawing *drawing, gdouble x, gdouble y, gint reach, const gdouble rgb[3])
{
    gint left = MAX((gint)x - reach, 0), top = MAX((gint)y - reach, 0);

    fill(drawing, left, top, square_end((gint)x, reach, drawing->controller->width) - left,
         square_end((gint)y, reach, drawing->controller->height) - top, rgb);
}

static void
draw_mouse(const Drawing *drawing)
{
    static const gdouble red[3] = {0.9, 0.1, 0.1};
    static const struct {
        const char *name;
        gint dx;
        gint dy;
        gdouble rgb[3];
    } buttons[] = {
        {"MouseLeft", -15, -15, {0.2, 0.8, 0.2}},
        {"MouseMiddle", 0, -20, {0.8, 0.8, 0.2}},
        {"MouseRight", 15, -15, {0.2, 0.2, 0.8}},
    };
    gdouble x = drawing->controller->x, y = drawing->controller->y;

    draw_square(drawing, x, y, DOT_PX, red);
    for (guint i = 0; i < G_N_ELEMENTS(buttons); i++) {
        if (is_held(drawing, buttons[i].name))
            draw_square(drawing, x + buttons[i].dx, y + buttons[i].dy, BUTTON_PX, buttons[i].rgb);
    }
}

void
scope_controller_draw(const ScopeController *controller, ScopeControllerFill fill_canvas,
                      gpointer user_data)
{
    static const gdouble dark[3] = {0.1, 0.1, 0.1};
    const Drawing drawing = {controller, fill_canvas, user_data};

    fill(&drawing, 0, 0, controller->width, controller->height, dark);
    draw_key(&drawing, 1, 0, "KeyW", "ArrowUp");
    draw_key(&drawing, 0, 1, "KeyA", "ArrowLeft");
    draw_key(&drawing, 1, 1, "KeyS", "ArrowDown");
    draw_key(&drawing, 2, 1, "KeyD", "ArrowRight");
    draw_mouse(&drawing);
}
