/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline `frame-counter` of the browser's tests: one gray frame a chunk, which says which one
 * it is and since which one it has its shade. Two rows of 16 cells above the gray hold both numbers
 * as bits, the highest first, white for 1. With input it gives a frame for each that comes in.
 */
#include <string.h>

#include <scope/scope.h>

#define SIZE_PX    256
#define CELL_PX    (SIZE_PX / 16)
#define FRAME_RATE 10

typedef struct {
    gint64 shade;
} Params;

static const ScopeParamDesc params[] = {
    SCOPE_PARAM_INT(Params, shade, "60", SCOPE_PARAM_RANGE(0, 255),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .help = "Gray of the picture."),
};

typedef struct {
    const ScopeHost *host;
    gint64 shade;
    guint64 since; /* chunk that first had the shade */
} Stream;

/* The instance is only the host, which outlives it. */
static gboolean
counter_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
             gpointer *ret_instance, GError **error)
{
    *ret_instance = (gpointer)host;
    return TRUE;
}

static void
counter_unload(gpointer instance)
{
}

static gpointer
counter_stream_new(gpointer instance, const void *values, GError **error)
{
    Stream *stream = g_new0(Stream, 1);

    stream->host = instance;
    stream->shade = ((const Params *)values)->shade;
    return stream;
}

static guint32
counter_prepare(gpointer stream, const ScopeCall *call)
{
    return call->mode == SCOPE_MODE_VIDEO ? 1 : 0;
}

static void
draw_bits(ScopeFrame *frame, guint top, guint64 number)
{
    for (guint y = top; y < top + CELL_PX; y++) {
        for (guint bit = 0; bit < 16; bit++) {
            memset(frame->data[0] + (gsize)y * frame->stride[0] + 3 * CELL_PX * bit,
                   number >> (15 - bit) & 1 ? 235 : 16, 3 * CELL_PX);
        }
    }
}

static gboolean
counter_process(gpointer data, const ScopeCall *call, GError **error)
{
    Stream *stream = data;
    gint64 shade = ((const Params *)call->params)->shade;
    ScopeFrame *frame = stream->host->frame_new(SCOPE_FRAME_FORMAT_RGB24, SIZE_PX, SIZE_PX);

    if (shade != stream->shade) {
        stream->shade = shade;
        stream->since = call->chunk_index;
    }
    memset(frame->data[0], (int)shade, (gsize)frame->stride[0] * SIZE_PX);
    draw_bits(frame, 0, call->chunk_index);
    draw_bits(frame, CELL_PX, stream->since);
    if (call->n_ports > 0) {
        frame->pts_us = call->ports[0].frames[0]->pts_us;
        frame->born_us = call->ports[0].frames[0]->born_us;
    }
    stream->host->output_push(call->output, "video", frame);
    return TRUE;
}

static const ScopePipelineDesc counter_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "frame-counter",
    .name = "Frame counter",
    .description = "Numbers its frames, for tests.",
    .version = "1.0.0",
    .schema_title = "FrameCounterConfig",
    .modes = SCOPE_MODES_BOTH,
    .default_mode = SCOPE_MODE_TEXT,
    .min_dimension = 1,
    .frame_rate = FRAME_RATE,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .params = params,
    .n_params = G_N_ELEMENTS(params),
    .params_size = sizeof(Params),
    .load = counter_load,
    .unload = counter_unload,
    .stream_new = counter_stream_new,
    .stream_free = g_free,
    .prepare = counter_prepare,
    .process = counter_process,
};

SCOPE_EXPORT gboolean scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline,
                                        gpointer context, GError **error);

SCOPE_EXPORT gboolean
scope_plugin_init(const ScopeHost *host, ScopeRegister register_pipeline, gpointer context,
                  GError **error)
{
    return register_pipeline(context, &counter_desc, error);
}
