/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller visualizer: draws the keys that are held and follows the mouse. One frame a call. The
 * instance holds the size, the stream holds the position of the mouse.
 */
#include "pipelines/controller-viz/scope-controller-viz.h"

#include <string.h>

#define KEY_PX    30
#define GAP_PX    5
#define MARGIN_PX 20
#define BORDER_PX 2
#define DOT_PX    10
#define BUTTON_PX 8

/* Values of the contract are 0..1; output is truncated to 8 bits (webrtc.md 7.1). */
#define LEVEL(value) ((guint8)((value)*255.0))

typedef struct {
    gint64 height;
    gint64 width;
    ScopeCtrlInput ctrl_input;
    gboolean has_ctrl_input;
} ControllerParams;

typedef struct {
    const ScopeHost *host;
    guint32 width;
    guint32 height;
} Controller;

typedef struct {
    const Controller *controller;
    gdouble x;
    gdouble y;
} ControllerStream;

/* clang-format off */
static const ScopeParamDesc params[] = {
    SCOPE_PARAM_INT(ControllerParams, height, "512", SCOPE_PARAM_RANGE(1, 8192), .unit = "px",
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX | SCOPE_PARAM_NO_UI,
                    .help = "Height of the output."),
    SCOPE_PARAM_INT(ControllerParams, width, "512", SCOPE_PARAM_RANGE(1, 8192), .unit = "px",
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX | SCOPE_PARAM_NO_UI,
                    .help = "Width of the output."),
    SCOPE_PARAM_CTRL_INPUT(ControllerParams, ctrl_input, "null",
                           .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                           .apply = SCOPE_PARAM_APPLY_CHUNK,
                           SCOPE_PARAM_NULL_IF_UNSET(ControllerParams, ctrl_input),
                           .help = "Keys held and motion of the mouse."),
};
/* clang-format on */

static gboolean
controller_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
                gpointer *ret_instance, GError **error)
{
    const ControllerParams *load = values;
    Controller *self = g_new0(Controller, 1);

    self->host = host;
    self->width = (guint32)load->width;
    self->height = (guint32)load->height;
    *ret_instance = self;
    return TRUE;
}

static void
controller_unload(gpointer instance)
{
    g_free(instance);
}

static gpointer
controller_stream_new(gpointer instance, const void *values, GError **error)
{
    ControllerStream *self = g_new0(ControllerStream, 1);

    self->controller = instance;
    self->x = self->controller->width / 2;
    self->y = self->controller->height / 2;
    return self;
}

static void
controller_stream_free(gpointer stream)
{
    g_free(stream);
}

static guint32
controller_prepare(gpointer stream, const ScopeCall *call)
{
    return 0;
}

static gboolean
is_held(const ControllerParams *values, const char *code)
{
    for (guint i = 0; values->has_ctrl_input && i < values->ctrl_input.buttons.n_items; i++) {
        if (strcmp(values->ctrl_input.buttons.items[i], code) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Fills the part of the rectangle that lies inside the frame. */
static void
fill_rect(ScopeFrame *frame, gint x, gint y, gint width, gint height, const guint8 rgb[3])
{
    gint left = MAX(x, 0);
    gint right = MIN(x + width, (gint)frame->width);
    gint bottom = MIN(y + height, (gint)frame->height);

    for (gint row = MAX(y, 0); row < bottom; row++) {
        guint8 *pixel = frame->data[0] + (gsize)row * frame->stride[0] + (gsize)MAX(left, 0) * 3;

        for (gint column = left; column < right; column++, pixel += 3)
            memcpy(pixel, rgb, 3);
    }
}

static void
draw_key(ScopeFrame *frame, gint x, gint y, gboolean held)
{
    static const guint8 on[3] = {LEVEL(0.9), LEVEL(0.9), LEVEL(0.9)};
    static const guint8 off[3] = {LEVEL(0.3), LEVEL(0.3), LEVEL(0.3)};

    if (held) {
        fill_rect(frame, x, y, KEY_PX, KEY_PX, on);
        return;
    }
    fill_rect(frame, x, y, KEY_PX, BORDER_PX, off);
    fill_rect(frame, x, y + KEY_PX - BORDER_PX, KEY_PX, BORDER_PX, off);
    fill_rect(frame, x, y, BORDER_PX, KEY_PX, off);
    fill_rect(frame, x + KEY_PX - BORDER_PX, y, BORDER_PX, KEY_PX, off);
}

/* Up above left, down, right, in the lower left corner. */
static void
draw_keys(ScopeFrame *frame, const ControllerParams *values)
{
    gint step = KEY_PX + GAP_PX;
    gint low = (gint)frame->height - MARGIN_PX - KEY_PX;

    draw_key(frame, MARGIN_PX + step, low - step,
             is_held(values, "KeyW") || is_held(values, "ArrowUp"));
    draw_key(frame, MARGIN_PX, low, is_held(values, "KeyA") || is_held(values, "ArrowLeft"));
    draw_key(frame, MARGIN_PX + step, low, is_held(values, "KeyS") || is_held(values, "ArrowDown"));
    draw_key(frame, MARGIN_PX + 2 * step, low,
             is_held(values, "KeyD") || is_held(values, "ArrowRight"));
}

static void
draw_square(ScopeFrame *frame, gint center_x, gint center_y, gint size, const guint8 rgb[3])
{
    fill_rect(frame, center_x - size / 2, center_y - size / 2, size, size, rgb);
}

static void
draw_mouse(ScopeFrame *frame, const ControllerParams *values, gint x, gint y)
{
    static const guint8 red[3] = {LEVEL(0.9), LEVEL(0.1), LEVEL(0.1)};
    static const struct {
        const char *code;
        gint dx;
        gint dy;
        guint8 rgb[3];
    } buttons[] = {
        {"MouseLeft", -15, -15, {LEVEL(0.1), LEVEL(0.9), LEVEL(0.1)}},
        {"MouseMiddle", 0, -20, {LEVEL(0.9), LEVEL(0.9), LEVEL(0.1)}},
        {"MouseRight", 15, -15, {LEVEL(0.1), LEVEL(0.1), LEVEL(0.9)}},
    };

    draw_square(frame, x, y, DOT_PX, red);
    for (guint i = 0; i < G_N_ELEMENTS(buttons); i++) {
        if (is_held(values, buttons[i].code))
            draw_square(frame, x + buttons[i].dx, y + buttons[i].dy, BUTTON_PX, buttons[i].rgb);
    }
}

static gboolean
controller_process(gpointer stream, const ScopeCall *call, GError **error)
{
    ControllerStream *self = stream;
    const Controller *controller = self->controller;
    const ControllerParams *values = call->params;
    ScopeFrame *frame = controller->host->frame_new(SCOPE_FRAME_FORMAT_RGB24, controller->width,
                                                    controller->height);

    if (values->has_ctrl_input) {
        self->x = CLAMP(self->x + values->ctrl_input.mouse_dx, 0.0, controller->width - 1.0);
        self->y = CLAMP(self->y + values->ctrl_input.mouse_dy, 0.0, controller->height - 1.0);
    }
    memset(frame->data[0], LEVEL(0.1), (gsize)frame->stride[0] * frame->height);
    draw_keys(frame, values);
    draw_mouse(frame, values, (gint)self->x, (gint)self->y);
    controller->host->output_push(call->output, "video", frame);
    return TRUE;
}

const ScopePipelineDesc scope_controller_viz_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "controller-viz",
    .name = "Controller Visualizer",
    .description = "Shows which keys are held and where the mouse moves. For checking controls.",
    .version = "1.0.0",
    .schema_title = "ControllerVisualizerConfig",
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_TEXT),
    .default_mode = SCOPE_MODE_TEXT,
    .min_dimension = 1,
    .frame_rate = 60.0,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .params_size = sizeof(ControllerParams),
    .load = controller_load,
    .unload = controller_unload,
    .stream_new = controller_stream_new,
    .stream_free = controller_stream_free,
    .prepare = controller_prepare,
    .process = controller_process,
};
