/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controller visualizer: draws the keys that are held and follows the mouse. One frame a call. The
 * instance holds the size, the stream holds the position of the mouse.
 */
#include "pipelines/controller-viz/scope-controller-viz.h"

#include "pipelines/controller-viz/scope-controller-drawing.h"

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
    ScopeController view;
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
    scope_controller_init(&self->view, (gint)self->controller->width,
                          (gint)self->controller->height);
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

/* Values of the contract are 0..1; output is truncated to 8 bits (webrtc.md 7.1). */
static void
fill_frame(gint left, gint top, gint width, gint height, const gdouble rgb[3], gpointer user_data)
{
    ScopeFrame *frame = user_data;
    const guint8 bytes[3] = {(guint8)(rgb[0] * 255.0), (guint8)(rgb[1] * 255.0),
                             (guint8)(rgb[2] * 255.0)};

    for (gint row = top; row < top + height; row++) {
        guint8 *pixel = frame->data[0] + (gsize)row * frame->stride[0] + (gsize)left * 3;

        for (gint column = 0; column < width; column++, pixel += 3) {
            pixel[0] = bytes[0];
            pixel[1] = bytes[1];
            pixel[2] = bytes[2];
        }
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
        self->view.held = (const char *const *)values->ctrl_input.buttons.items;
        self->view.n_held = values->ctrl_input.buttons.n_items;
        scope_controller_move(&self->view, values->ctrl_input.mouse_dx,
                              values->ctrl_input.mouse_dy);
    }
    scope_controller_draw(&self->view, fill_frame, frame);
    self->view.held = NULL;
    self->view.n_held = 0;
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
