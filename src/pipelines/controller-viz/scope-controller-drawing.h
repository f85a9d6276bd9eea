/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the controller view looks like: the keys, the cursor and the mouse buttons as filled
 * rectangles, and how the cursor moves. Pure functions, any thread.
 */
#ifndef SCOPE_CONTROLLER_DRAWING_H
#define SCOPE_CONTROLLER_DRAWING_H

#include <glib.h>

/**
 * ScopeControllerFill:
 * @left: first column, at least 0
 * @top: first row, at least 0
 * @width: columns, at least 1; the rectangle lies inside the canvas
 * @height: rows, at least 1
 * @rgb: colour, 0..1
 * @user_data: as given
 *
 * Fills a rectangle. Thread: the one that draws. Errors: none. Returns: nothing.
 */
typedef void (*ScopeControllerFill)(gint left, gint top, gint width, gint height,
                                    const gdouble rgb[3], gpointer user_data);

/** ScopeController: size of the canvas, position of the cursor and what is held. */
typedef struct {
    gint width;  /**< pixels */
    gint height; /**< pixels */
    gdouble x;   /**< of the cursor, pixels; kept with its fraction between frames */
    gdouble y;
    const char *const *held; /**< [n_held] names of keys and mouse buttons ("KeyW", "MouseLeft") */
    guint n_held;
} ScopeController;

/**
 * scope_controller_init:
 * @controller: caller's memory
 * @width: of the canvas, pixels
 * @height: of the canvas, pixels
 *
 * Puts the cursor into the middle. Thread: any. Errors: none. Returns: nothing.
 */
void scope_controller_init(ScopeController *controller, gint width, gint height);

/**
 * scope_controller_move:
 * @controller: the cursor moves
 * @dx: to the right, pixels
 * @dy: down, pixels
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_controller_move(ScopeController *controller, gdouble dx, gdouble dy);

/**
 * scope_controller_draw:
 * @controller: what to draw
 * @fill: called for each rectangle, the background first
 * @user_data: passed to @fill
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_controller_draw(const ScopeController *controller, ScopeControllerFill fill,
                           gpointer user_data);

#endif
