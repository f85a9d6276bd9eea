/* SPDX-License-Identifier: Apache-2.0 */
/* The colour wheel and its use on a flow field. Owns nothing. Any thread. */
#include "models/scope-flow-image.h"

#include <float.h>
#include <math.h>

/* Six segments between red, yellow, green, cyan, blue, magenta and red again: one channel is full
 * and another rises or falls. */
void
scope_flow_image_get_wheel(float ret_wheel[SCOPE_FLOW_IMAGE_N_COLOURS][3])
{
    static const struct {
        int length, full, moving;
        gboolean rises;
    } segments[] = {{15, 0, 1, TRUE},  {6, 1, 0, FALSE}, {4, 1, 2, TRUE},
                    {11, 2, 1, FALSE}, {13, 2, 0, TRUE}, {6, 0, 2, FALSE}};
    int n = 0;

    for (gsize s = 0; s < G_N_ELEMENTS(segments); s++) {
        for (int k = 0; k < segments[s].length; k++, n++) {
            float step = floorf(255.0f * (float)k / (float)segments[s].length);
            ret_wheel[n][0] = ret_wheel[n][1] = ret_wheel[n][2] = 0;
            ret_wheel[n][segments[s].full] = 255;
            ret_wheel[n][segments[s].moving] = segments[s].rises ? step : 255 - step;
        }
    }
}

void
scope_flow_image_draw(uint8_t *ret_rgb, const float *flow, int64_t height, int64_t width)
{
    float wheel[SCOPE_FLOW_IMAGE_N_COLOURS][3];
    float longest = 0;

    scope_flow_image_get_wheel(wheel);
    for (int64_t i = 0; i < height * width; i++) {
        longest =
            fmaxf(longest, sqrtf(flow[2 * i] * flow[2 * i] + flow[2 * i + 1] * flow[2 * i + 1]));
    }
    for (int64_t i = 0; i < height * width; i++) {
        float x = flow[2 * i] / (longest + FLT_EPSILON);
        float y = flow[2 * i + 1] / (longest + FLT_EPSILON);
        float length = sqrtf(x * x + y * y);
        float angle = atan2f(-y, -x) / (float)G_PI;
        float place = (angle + 1) / 2 * (SCOPE_FLOW_IMAGE_N_COLOURS - 1);
        int first = (int)fminf(fmaxf(floorf(place), 0), SCOPE_FLOW_IMAGE_N_COLOURS - 1);
        int second = first + 1 == SCOPE_FLOW_IMAGE_N_COLOURS ? 0 : first + 1;
        float part = place - (float)first;

        for (int c = 0; c < 3; c++) {
            float colour = (1 - part) * (wheel[first][c] / 255) + part * (wheel[second][c] / 255);
            colour = 1 - length * (1 - colour);
            ret_rgb[3 * i + c] = (uint8_t)fminf(fmaxf(floorf(255 * colour), 0), 255);
        }
    }
}
