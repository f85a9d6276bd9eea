/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline `color-effect`: one frame in, one frame out. Hue, saturation, contrast, brightness
 * and tint are one 3x4 matrix, which is made once per call; posterising is a table behind it. There
 * is no stream state, so the instance serves as the stream of every session.
 */
#include <math.h>
#include <string.h>

#include <scope/scope.h>

#define FIXED_BITS 8

typedef struct {
    gdouble hue;
    gdouble saturation;
    gdouble contrast;
    gdouble brightness;
    gint64 posterize;
    gboolean invert;
} Params;

#define BOUNDS     (SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX)
#define MODULATED  (BOUNDS | SCOPE_PARAM_MODULATABLE)
#define LIVE(n, l) .apply = SCOPE_PARAM_APPLY_CHUNK, .order = n, .label = l

/* clang-format off */
static const ScopeParamDesc params[] = {
    SCOPE_PARAM_FLOAT(Params, hue, "0.0", SCOPE_PARAM_RANGE(-180, 180), .flags = MODULATED,
                      LIVE(1, "Hue"), .step = 1, .unit = "deg",
                      .help = "Turns all colours around the colour wheel."),
    SCOPE_PARAM_FLOAT(Params, saturation, "1.0", SCOPE_PARAM_RANGE(0, 3), .flags = MODULATED,
                      LIVE(2, "Saturation"), .step = 0.01,
                      .help = "0 is gray, 1 leaves colours as they are."),
    SCOPE_PARAM_FLOAT(Params, contrast, "1.0", SCOPE_PARAM_RANGE(0, 3), .flags = MODULATED,
                      LIVE(3, "Contrast"), .step = 0.01,
                      .help = "Distance from middle gray; 1 leaves it as it is."),
    SCOPE_PARAM_FLOAT(Params, brightness, "0.0", SCOPE_PARAM_RANGE(-1, 1), .flags = MODULATED,
                      LIVE(4, "Brightness"), .step = 0.01,
                      .help = "Added to every channel; 0 leaves it as it is."),
    SCOPE_PARAM_INT(Params, posterize, "0", SCOPE_PARAM_RANGE(0, 16), .flags = BOUNDS,
                    LIVE(5, "Posterize"), .step = 1,
                    .help = "Levels per channel; 0 and 1 leave all of them."),
    SCOPE_PARAM_BOOL(Params, invert, "false", LIVE(6, "Invert"),
                     .help = "Shows the negative."),
};
/* clang-format on */

typedef struct {
    const ScopeHost *host;
} Instance;

/* out = m * in + offset, in fixed point; the offset carries the rounding. */
typedef struct {
    gint32 m[3][3];
    gint32 offset[3];
} Matrix;

static gboolean
effect_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
            gpointer *ret_instance, GError **error)
{
    Instance *self = g_new0(Instance, 1);

    self->host = host;
    *ret_instance = self;
    return TRUE;
}

static void
effect_unload(gpointer instance)
{
    g_free(instance);
}

static guint32
effect_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

/* Rotation of hue around the gray axis, then saturation, contrast and brightness. */
static void
fill_matrix(const Params *values, Matrix *matrix)
{
    static const gdouble luma[3] = {0.299, 0.587, 0.114};
    gdouble angle = values->hue * G_PI / 180.0;
    gdouble c = cos(angle);
    gdouble third = (1.0 - c) / 3.0;
    gdouble s = sin(angle) / sqrt(3.0);
    gdouble rotation[3][3] = {
        {c + third, third - s, third + s},
        {third + s, c + third, third - s},
        {third - s, third + s, c + third},
    };
    gdouble gain = values->contrast * (values->invert ? -1.0 : 1.0);
    gdouble lift =
        127.5 - 127.5 * gain + 255.0 * values->brightness * (values->invert ? -1.0 : 1.0);

    for (guint column = 0; column < 3; column++) {
        gdouble gray = 0.0;

        for (guint row = 0; row < 3; row++)
            gray += luma[row] * rotation[row][column];
        for (guint row = 0; row < 3; row++) {
            gdouble value = gray + (rotation[row][column] - gray) * values->saturation;

            matrix->m[row][column] = (gint32)lrint(value * gain * (1 << FIXED_BITS));
        }
    }
    for (guint row = 0; row < 3; row++)
        matrix->offset[row] = (gint32)lrint(lift * (1 << FIXED_BITS)) + (1 << (FIXED_BITS - 1));
}

static void
fill_levels(gint64 n_levels, guint8 *levels)
{
    for (guint i = 0; i < 256; i++) {
        gdouble step = n_levels > 1 ? 255.0 / (gdouble)(n_levels - 1) : 1.0;

        levels[i] = (guint8)lrint(round((gdouble)i / step) * step);
    }
}

static inline guint8
clamp_u8(gint32 value)
{
    return (guint8)(value < 0 ? 0 : value > 255 ? 255 : value);
}

static void
apply_row(const guint8 *restrict in, guint8 *restrict out, guint width, const Matrix *matrix)
{
    const Matrix m = *matrix;

    for (guint x = 0; x < width; x++) {
        gint32 r = in[3 * x];
        gint32 g = in[3 * x + 1];
        gint32 b = in[3 * x + 2];

        for (guint c = 0; c < 3; c++)
            out[3 * x + c] = clamp_u8(
                (m.m[c][0] * r + m.m[c][1] * g + m.m[c][2] * b + m.offset[c]) >> FIXED_BITS);
    }
}

static gboolean
effect_process(gpointer stream, const ScopeCall *call, GError **error)
{
    const Instance *self = stream;
    const Params *values = call->params;
    const ScopePort *port = &call->ports[0];
    guint8 levels[256];
    Matrix matrix;

    fill_matrix(values, &matrix);
    fill_levels(values->posterize, levels);
    for (guint i = 0; i < port->n_frames; i++) {
        const ScopeFrame *in = port->frames[i];
        ScopeFrame *out = self->host->frame_new(in->format, in->width, in->height);

        for (guint y = 0; y < in->height; y++) {
            guint8 *row = out->data[0] + (gsize)y * out->stride[0];

            apply_row(in->data[0] + (gsize)y * in->stride[0], row, in->width, &matrix);
            for (guint x = 0; values->posterize > 1 && x < 3 * in->width; x++)
                row[x] = levels[row[x]];
        }
        out->pts_us = in->pts_us;
        out->born_us = in->born_us;
        self->host->output_push(call->output, "video", out);
    }
    return TRUE;
}

static const ScopePipelineDesc effect_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "color-effect",
    .name = "Color Effect",
    .description = "Turns the colours of the input video: hue, saturation, contrast, brightness, "
                   "steps.",
    .version = "1.0.0",
    .schema_title = "ColorEffectConfig",
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .params_size = sizeof(Params),
    .load = effect_load,
    .unload = effect_unload,
    .prepare = effect_prepare,
    .process = effect_process,
};

SCOPE_EXPORT gboolean scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline,
                                        gpointer context, GError **error);

SCOPE_EXPORT gboolean
scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline, gpointer context,
                  GError **error)
{
    return register_pipeline(context, &effect_desc, error);
}
