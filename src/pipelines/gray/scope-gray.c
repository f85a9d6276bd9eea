/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grayscale: luma = 0.299 R + 0.587 G + 0.114 B. An I420 frame holds that luma already, so its Y
 * plane is kept and only the chroma is set to neutral; RGB frames are computed.
 */
#include "pipelines/gray/scope-gray.h"

#include <string.h>

#include "core/scope-frame.h"

typedef struct {
    const ScopeHost *host;
} Gray;

static gboolean
gray_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    Gray *self = g_new0(Gray, 1);

    self->host = host;
    *ret_instance = self;
    return TRUE;
}

static void
gray_unload(gpointer instance)
{
    g_free(instance);
}

static guint32
gray_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

static void
gray_i420(const ScopeFrame *in, ScopeFrame *out)
{
    gsize chroma_rows = (in->height + 1) / 2;

    for (guint32 y = 0; y < in->height; y++)
        memcpy(out->data[0] + (gsize)y * out->stride[0], in->data[0] + (gsize)y * in->stride[0],
               in->width);
    memset(out->data[1], 128, out->stride[1] * chroma_rows);
    memset(out->data[2], 128, out->stride[2] * chroma_rows);
}

static void
gray_row(const guint8 *restrict in, guint8 *restrict out, guint32 width)
{
    for (guint32 x = 0; x < width; x++) {
        /* 0.299, 0.587, 0.114 in units of 1/65536; their sum is exactly 65536. */
        guint32 luma = 19595u * in[3 * x] + 38470u * in[3 * x + 1] + 7471u * in[3 * x + 2];
        guint8 value = (guint8)((luma + 32768u) >> 16);

        out[3 * x] = value;
        out[3 * x + 1] = value;
        out[3 * x + 2] = value;
    }
}

static gboolean
gray_process(gpointer stream, const ScopeCall *call, GError **error)
{
    const Gray *self = stream;
    const ScopePort *port = &call->ports[0];

    for (guint i = 0; i < port->n_frames; i++) {
        const ScopeFrame *in = port->frames[i];
        ScopeFrame *out = self->host->frame_new(in->format, in->width, in->height);

        if (in->format == SCOPE_FRAME_FORMAT_I420) {
            gray_i420(in, out);
        } else {
            for (guint32 y = 0; y < in->height; y++)
                gray_row(in->data[0] + (gsize)y * in->stride[0],
                         out->data[0] + (gsize)y * out->stride[0], in->width);
        }
        scope_frame_copy_times(out, in);
        self->host->output_push(call->output, "video", out);
    }
    return TRUE;
}

const ScopePipelineDesc scope_gray_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "gray",
    .name = "Grayscale",
    .description = "Turns the input video into shades of gray.",
    .version = "1.0.0",
    .schema_title = "GrayConfig",
    .usage = SCOPE_PIPELINE_PREPROCESSOR,
    .features = SCOPE_PIPELINE_MODIFIED,
    .modes = SCOPE_MODE_BIT(SCOPE_MODE_VIDEO),
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24) |
                     SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_I420),
    .load = gray_load,
    .unload = gray_unload,
    .prepare = gray_prepare,
    .process = gray_process,
};
