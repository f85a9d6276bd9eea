/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline `cellular-automata`: a generator of 30 frames a second. The instance holds the size;
 * each stream has its own world, so that two viewers paint in two worlds. What a stream shows
 * depends on its parameters and chunk numbers only, never on the clock.
 */
#include <math.h>
#include <string.h>

#include <scope/scope.h>

#include "ca-palette.h"
#include "ca-render.h"
#include "ca-world.h"

#define FRAME_RATE    30.0
#define PAN_PX        5
#define CURSOR_FRAMES 90
#define FADE_SHARE    0.12f /* of the way to a new palette, per frame */

typedef struct {
    gint64 height;
    gint64 width;
    gint32 rule;
    gint32 palette;
    gdouble speed;
    gdouble density;
    gdouble trail;
    gdouble glow;
    gboolean soft;
    gint64 cell_size;
    gint64 brush;
    gint64 seed;
    ScopeCtrlInput ctrl_input;
    gboolean has_ctrl_input;
} Params;

#define BOUNDS (SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX)

/* clang-format off */
static const ScopeParamDesc params[] = {
    SCOPE_PARAM_INT(Params, height, "512", SCOPE_PARAM_RANGE(64, 2048), .flags = BOUNDS,
                    .group = "resolution", .order = 20, .unit = "px",
                    .help = "Height of the output."),
    SCOPE_PARAM_INT(Params, width, "512", SCOPE_PARAM_RANGE(64, 2048), .flags = BOUNDS,
                    .group = "resolution", .order = 20, .unit = "px",
                    .help = "Width of the output."),
    SCOPE_PARAM_ENUM(Params, rule, "\"bz\"", .apply = SCOPE_PARAM_APPLY_CHUNK,
                     .choices = ca_rule_names, .enum_name = "CellularRule", .order = 1,
                     .label = "Rule", .help = "What drives the cells."),
    SCOPE_PARAM_ENUM(Params, palette, "\"orchid\"", .apply = SCOPE_PARAM_APPLY_CHUNK,
                     .choices = ca_palette_names, .enum_name = "CellularPalette", .order = 2,
                     .label = "Palette", .help = "Colours from background to brightest."),
    SCOPE_PARAM_FLOAT(Params, speed, "24.0", SCOPE_PARAM_RANGE(0, 120), .step = 1,
                      .flags = BOUNDS | SCOPE_PARAM_MODULATABLE,
                      .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 3, .label = "Speed", .unit = "1/s",
                      .help = "Generations per second; 0 holds the world."),
    SCOPE_PARAM_FLOAT(Params, trail, "0.6", SCOPE_PARAM_RANGE(0, 1), .step = 0.01,
                      .flags = BOUNDS | SCOPE_PARAM_MODULATABLE,
                      .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 4, .label = "Trail",
                      .help = "How long cells that are gone fade."),
    SCOPE_PARAM_FLOAT(Params, glow, "0.5", SCOPE_PARAM_RANGE(0, 1), .step = 0.01,
                      .flags = BOUNDS | SCOPE_PARAM_MODULATABLE,
                      .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 5, .label = "Glow",
                      .help = "Light that bright cells throw on their surroundings."),
    SCOPE_PARAM_BOOL(Params, soft, "true", .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 6,
                     .label = "Soft cells", .help = "Lets cells melt into each other."),
    SCOPE_PARAM_INT(Params, cell_size, "2", SCOPE_PARAM_RANGE(1, 16), .flags = BOUNDS,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 7, .label = "Cell size",
                    .unit = "px", .help = "Edge of a cell; a change starts a new world."),
    SCOPE_PARAM_FLOAT(Params, density, "0.3", SCOPE_PARAM_RANGE(0, 1), .step = 0.01,
                      .flags = BOUNDS, .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 8,
                      .label = "Density",
                      .help = "Share of live cells in a new world; a change starts one."),
    SCOPE_PARAM_INT(Params, seed, "42", SCOPE_PARAM_RANGE(0, 1000000), .flags = BOUNDS,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 9, .label = "Seed",
                    .help = "The same seed gives the same world; a change starts one."),
    SCOPE_PARAM_INT(Params, brush, "14", SCOPE_PARAM_RANGE(1, 64), .flags = BOUNDS,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .order = 10, .label = "Brush", .unit = "px",
                    .help = "Radius of what the mouse paints and erases."),
    SCOPE_PARAM_CTRL_INPUT(Params, ctrl_input, "null",
                           .flags = SCOPE_PARAM_NULLABLE | SCOPE_PARAM_NO_UI,
                           .apply = SCOPE_PARAM_APPLY_CHUNK,
                           SCOPE_PARAM_NULL_IF_UNSET(Params, ctrl_input),
                           .help = "Mouse paints and erases, Space and KeyC start over, arrows pan."),
};
/* clang-format on */

typedef struct {
    const ScopeHost *host;
    guint32 width;
    guint32 height;
} Instance;

typedef struct {
    const Instance *instance;
    CaWorld *world;
    CaRender *render;
    gfloat *values;
    gfloat lut[3 * CA_PALETTE_SIZE];
    gfloat lut_goal[3 * CA_PALETTE_SIZE];
    gint32 palette;
    gint32 rule;
    gint64 cell_size;
    gint64 seed;
    gdouble density;
    gdouble due; /* generations that are due, with a fraction */
    gfloat cursor_x;
    gfloat cursor_y;
    guint cursor_frames;
    gint pan_x;
    gint pan_y;
    gboolean space_held;
    gboolean clear_held;
} Stream;

static gboolean
automata_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
              gpointer *ret_instance, GError **error)
{
    const Params *load = values;
    Instance *self = g_new0(Instance, 1);

    self->host = host;
    self->width = (guint32)load->width;
    self->height = (guint32)load->height;
    *ret_instance = self;
    return TRUE;
}

static void
automata_unload(gpointer instance)
{
    g_free(instance);
}

/* -- Worlds ---------------------------------------------------------------------------------- */

static void
start_world(Stream *self, const Params *values)
{
    guint cells_x = MAX(self->instance->width / (guint)values->cell_size, 8);
    guint cells_y = MAX(self->instance->height / (guint)values->cell_size, 8);

    if (self->world == NULL || self->cell_size != values->cell_size) {
        g_clear_pointer(&self->world, ca_world_free);
        g_clear_pointer(&self->render, ca_render_free);
        g_free(self->values);
        self->world = ca_world_new(cells_x, cells_y);
        self->render = ca_render_new(cells_x, cells_y, (guint)values->cell_size);
        self->values = g_new0(gfloat, (gsize)cells_x * cells_y);
    }
    self->cell_size = values->cell_size;
    self->seed = values->seed;
    self->density = values->density;
    self->rule = values->rule;
    ca_world_set_seed(self->world, (guint64)values->seed);
    ca_world_randomize(self->world, (CaRule)values->rule, values->density);
}

static gpointer
automata_stream_new(gpointer instance, const void *values, GError **error)
{
    const Params *initial = values;
    Stream *self = g_new0(Stream, 1);

    self->instance = instance;
    self->cursor_x = (gfloat)self->instance->width / 2.0f;
    self->cursor_y = (gfloat)self->instance->height / 2.0f;
    self->palette = initial->palette;
    ca_palette_fill((guint)initial->palette, self->lut);
    memcpy(self->lut_goal, self->lut, sizeof self->lut);
    start_world(self, initial);
    return self;
}

static void
automata_stream_free(gpointer stream)
{
    Stream *self = stream;

    ca_world_free(self->world);
    ca_render_free(self->render);
    g_free(self->values);
    g_free(self);
}

static guint32
automata_prepare(gpointer stream, const ScopeCall *call)
{
    return 0;
}

/* -- Controls -------------------------------------------------------------------------------- */

static gboolean
is_held(const Params *values, const char *code)
{
    for (guint i = 0; values->has_ctrl_input && i < values->ctrl_input.buttons.n_items; i++) {
        if (strcmp(values->ctrl_input.buttons.items[i], code) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Paints along the way from the former to the present position. */
static void
paint_path(Stream *self, const Params *values, gfloat from_x, gfloat from_y, gboolean erase)
{
    gfloat cell = (gfloat)self->cell_size;
    gfloat dx = self->cursor_x - from_x;
    gfloat dy = self->cursor_y - from_y;
    gint radius = MAX((gint)((gfloat)values->brush / cell), 1);
    guint n = 1 + (guint)(hypotf(dx, dy) / MAX((gfloat)values->brush * 0.5f, 1.0f));

    for (guint i = 1; i <= n; i++) {
        gfloat t = (gfloat)i / (gfloat)n;

        ca_world_paint(self->world, (gint)((from_x + dx * t + (gfloat)self->pan_x) / cell),
                       (gint)((from_y + dy * t + (gfloat)self->pan_y) / cell), radius, erase);
    }
}

static void
apply_controls(Stream *self, const Params *values)
{
    gfloat from_x = self->cursor_x;
    gfloat from_y = self->cursor_y;
    gboolean space = is_held(values, "Space");
    gboolean clear = is_held(values, "KeyC");

    if (values->has_ctrl_input) {
        self->cursor_x = CLAMP(from_x + (gfloat)values->ctrl_input.mouse_dx, 0.0f,
                               (gfloat)self->instance->width - 1.0f);
        self->cursor_y = CLAMP(from_y + (gfloat)values->ctrl_input.mouse_dy, 0.0f,
                               (gfloat)self->instance->height - 1.0f);
        if (fabs(values->ctrl_input.mouse_dx) + fabs(values->ctrl_input.mouse_dy) > 0.0)
            self->cursor_frames = CURSOR_FRAMES;
    }
    if (is_held(values, "MouseLeft") || is_held(values, "MouseRight")) {
        self->cursor_frames = CURSOR_FRAMES;
        paint_path(self, values, from_x, from_y, !is_held(values, "MouseLeft"));
    }
    if (space && !self->space_held)
        ca_world_randomize(self->world, (CaRule)self->rule, self->density);
    if (clear && !self->clear_held)
        ca_world_clear(self->world);
    self->space_held = space;
    self->clear_held = clear;
    self->pan_x += PAN_PX * (is_held(values, "ArrowRight") - is_held(values, "ArrowLeft"));
    self->pan_y += PAN_PX * (is_held(values, "ArrowDown") - is_held(values, "ArrowUp"));
    self->pan_x %= (gint)(ca_world_get_width(self->world) * (guint)self->cell_size);
    self->pan_y %= (gint)(ca_world_get_height(self->world) * (guint)self->cell_size);
}

/* -- Frames ---------------------------------------------------------------------------------- */

static void
fade_palette(Stream *self, gint32 palette)
{
    if (self->palette != palette) {
        self->palette = palette;
        ca_palette_fill((guint)palette, self->lut_goal);
    }
    for (guint i = 0; i < G_N_ELEMENTS(self->lut); i++)
        self->lut[i] += (self->lut_goal[i] - self->lut[i]) * FADE_SHARE;
}

static void
advance(Stream *self, const Params *values, gboolean reset)
{
    if (reset || self->rule != values->rule || self->cell_size != values->cell_size ||
        self->seed != values->seed || self->density < values->density ||
        self->density > values->density)
        start_world(self, values);
    apply_controls(self, values);
    for (self->due += values->speed / FRAME_RATE; self->due >= 1.0; self->due -= 1.0)
        ca_world_step(self->world);
    ca_world_shade(self->world, self->values, (gfloat)values->trail);
    fade_palette(self, values->palette);
}

static gboolean
automata_process(gpointer stream, const ScopeCall *call, GError **error)
{
    Stream *self = stream;
    const Params *values = call->params;
    const ScopeHost *host = self->instance->host;
    ScopeFrame *frame =
        host->frame_new(SCOPE_FRAME_FORMAT_RGB24, self->instance->width, self->instance->height);
    CaView view;

    advance(self, values, call->reset && call->chunk_index > 0);
    view = (CaView){self->values, self->lut,   (gfloat)values->glow,
                    values->soft, self->pan_x, self->pan_y};
    ca_render_draw(self->render, &view, frame);
    if (self->cursor_frames > 0) {
        self->cursor_frames--;
        ca_render_ring(frame, self->cursor_x, self->cursor_y, (gfloat)values->brush,
                       0.5f * MIN((gfloat)self->cursor_frames / 30.0f, 1.0f));
    }
    host->output_push(call->output, "video", frame);
    return TRUE;
}

static const ScopePipelineDesc automata_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "cellular-automata",
    .name = "Cellular Automata",
    .description = "Worlds of cells that live by simple rules. Paint with the mouse: left makes "
                   "life, right erases; Space starts over, C clears, arrows pan.",
    .version = "1.0.0",
    .schema_title = "CellularAutomataConfig",
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_TEXT),
    .default_mode = SCOPE_MODE_TEXT,
    .min_dimension = 1,
    .frame_rate = FRAME_RATE,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .params_size = sizeof(Params),
    .load = automata_load,
    .unload = automata_unload,
    .stream_new = automata_stream_new,
    .stream_free = automata_stream_free,
    .prepare = automata_prepare,
    .process = automata_process,
};

SCOPE_EXPORT gboolean scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline,
                                        gpointer context, GError **error);

SCOPE_EXPORT gboolean
scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline, gpointer context,
                  GError **error)
{
    return register_pipeline(context, &automata_desc, error);
}
