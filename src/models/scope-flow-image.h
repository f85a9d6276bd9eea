/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Colours for optical flow: the direction of a pixel's movement chooses the hue, its length against
 * the longest of the image the saturation. Pure host functions, any thread.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

G_BEGIN_DECLS

/** SCOPE_FLOW_IMAGE_N_COLOURS: entries of the colour wheel. */
#define SCOPE_FLOW_IMAGE_N_COLOURS 55

/**
 * scope_flow_image_get_wheel:
 * @ret_wheel: [55, 3] RGB, 0..255
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_flow_image_get_wheel(float ret_wheel[SCOPE_FLOW_IMAGE_N_COLOURS][3]);

/**
 * scope_flow_image_draw:
 * @ret_rgb: [height, width, 3] u8, host; zero flow is white
 * @flow: [height, width, 2] f32, host: movement to the right and down, in pixels
 * @height: rows
 * @width: columns
 *
 * Thread: any. Allocates: nothing. Errors: none.
 * Source: pytorch/vision torchvision/utils.py flow_to_image (documented behaviour).
 * Returns: nothing.
 */
void scope_flow_image_draw(uint8_t *ret_rgb, const float *flow, int64_t height, int64_t width);

G_END_DECLS
