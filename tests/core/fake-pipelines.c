/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines for tests; the log is shared by all of them and has its own lock. */
#include "fake-pipelines.h"

#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-lock.h"

static ScopeLock log_lock = SCOPE_LOCK_INIT;
static FakeLog fake_log;

/* clang-format off */
#define MIN_0 .flags = SCOPE_PARAM_HAS_MIN, .min = 0, .apply = SCOPE_PARAM_APPLY_CHUNK

static const ScopeParamDesc params[] = {
    SCOPE_PARAM_INT(FakeParams, want, "0", MIN_0, .help = "Frames per chunk."),
    SCOPE_PARAM_INT(FakeParams, batch, "1", MIN_0, .help = "Frames out."),
    SCOPE_PARAM_INT(FakeParams, level, "10", SCOPE_PARAM_RANGE(0, 255),
                    .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .help = "Red."),
    SCOPE_PARAM_INT(FakeParams, delay_us, "0", MIN_0, .help = "Duration."),
    SCOPE_PARAM_INT(FakeParams, fail_code, "0", MIN_0, .help = "Failure."),
    SCOPE_PARAM_INT(FakeParams, once, "0", .flags = SCOPE_PARAM_ONE_SHOT,
                    .apply = SCOPE_PARAM_APPLY_CHUNK, .help = "Acts once."),
    SCOPE_PARAM_BOOL(FakeParams, mute, "false", .apply = SCOPE_PARAM_APPLY_CHUNK,
                     .help = "Pushes nothing."),
    SCOPE_PARAM_CTRL_INPUT(FakeParams, ctrl_input, "null", .flags = SCOPE_PARAM_NULLABLE,
                           SCOPE_PARAM_NULL_IF_UNSET(FakeParams, ctrl_input),
                           .apply = SCOPE_PARAM_APPLY_CHUNK, .help = "Keys and mouse."),
};
/* clang-format on */

static gboolean
fake_pipeline_load(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
                   gpointer *ret_instance, GError **error)
{
    SCOPE_LOCK_GUARD(&log_lock);
    fake_log.n_loads++;
    if (!host->progress(progress, "Loading fake...", 0.5)) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED, "cancelled");
        return FALSE;
    }
    *ret_instance = (gpointer)host;
    return TRUE;
}

static gboolean
fake_pipeline_load_fails(const ScopeHost *host, const void *values, ScopeLoadProgress *progress,
                         gpointer *ret_instance, GError **error)
{
    return FALSE; /* without an error, on purpose */
}

static void
fake_pipeline_unload(gpointer instance)
{
    SCOPE_LOCK_GUARD(&log_lock);
    fake_log.n_unloads++;
}

static gpointer
fake_stream_new(gpointer instance, const void *values, GError **error)
{
    SCOPE_LOCK_GUARD(&log_lock);
    fake_log.n_streams++;
    return g_memdup2(&instance, sizeof instance);
}

static void
fake_stream_free(gpointer stream)
{
    SCOPE_LOCK_GUARD(&log_lock);
    fake_log.n_stream_frees++;
    g_free(stream);
}

static guint32
fake_prepare(gpointer stream, const ScopeCall *call)
{
    const FakeParams *values = call->params;

    return (guint32)values->want;
}

static void
note_call(const ScopeCall *call)
{
    const FakeParams *values = call->params;

    SCOPE_LOCK_GUARD(&log_lock);
    fake_log.n_calls++;
    fake_log.n_resets += call->reset ? 1 : 0;
    fake_log.once += values->once;
    fake_log.mouse_dx += values->has_ctrl_input ? values->ctrl_input.mouse_dx : 0.0;
    fake_log.mode = call->mode;
    fake_log.ports[0] = '\0';
    for (guint i = 0; i < call->n_ports; i++)
        g_strlcat(fake_log.ports, call->ports[i].name, sizeof fake_log.ports);
}

static gboolean
fake_process(gpointer stream, const ScopeCall *call, GError **error)
{
    const ScopeHost *host = *(const ScopeHost **)stream;
    const FakeParams *values = call->params;
    const ScopePort *in = call->n_ports > 0 ? &call->ports[0] : NULL;
    guint n = in != NULL ? in->n_frames : (guint)values->batch;

    note_call(call);
    if (values->delay_us > 0)
        g_usleep((gulong)values->delay_us);
    if (values->fail_code > 0) {
        g_set_error(error, SCOPE_PIPELINE_ERROR,
                    values->fail_code == 2 ? SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY
                                           : SCOPE_PIPELINE_ERROR_FAILED,
                    "asked to fail");
        return FALSE;
    }
    for (guint i = 0; i < n && !values->mute; i++) {
        ScopeFrame *frame;

        if (in != NULL) {
            frame = host->frame_ref(in->frames[i]);
        } else {
            frame = host->frame_new(SCOPE_FRAME_FORMAT_RGB24, 16, 16);
            memset(frame->data[0], (int)(values->level + values->once), frame->stride[0] * 16);
        }
        host->output_push(call->output, "video", frame);
    }
    return TRUE;
}

static const char *const vace_inputs[] = {"video", "vace_input_frames", "vace_input_masks", NULL};

#define FAKE(id_, ...)                                                                             \
    {                                                                                              \
        .abi_version = SCOPE_ABI_VERSION, .size = sizeof(ScopePipelineDesc), .id = id_,            \
        .name = "Fake", .description = "For tests.", .version = "1.0.0",                           \
        .schema_title = "FakeConfig", .modes = SCOPE_MODES_BOTH, .default_mode = SCOPE_MODE_VIDEO, \
        .min_dimension = 1, .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),     \
        .params = params, .n_params = G_N_ELEMENTS(params), .params_size = sizeof(FakeParams),     \
        .unload = fake_pipeline_unload, .stream_new = fake_stream_new,                             \
        .stream_free = fake_stream_free, .prepare = fake_prepare, .process = fake_process,         \
        __VA_ARGS__                                                                                \
    }

static const ScopePipelineDesc descs[] = {
    FAKE("fake", .load = fake_pipeline_load),
    FAKE("fake-vace", .load = fake_pipeline_load, .inputs = vace_inputs,
         .features = SCOPE_PIPELINE_SUPPORTS_VACE),
    FAKE("fake-fail-load", .load = fake_pipeline_load_fails),
};

ScopePipelineInfo *
fake_info_new(const char *id)
{
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(descs); i++) {
        if (strcmp(descs[i].id, id) == 0) {
            ScopePipelineInfo *info = scope_pipeline_info_new(&descs[i], NULL, &error);

            g_assert_no_error(error);
            return info;
        }
    }
    g_assert_not_reached();
}

const ScopeHost *
fake_host(void)
{
    static ScopeHost host;
    static gsize once;

    if (g_once_init_enter(&once)) {
        scope_host_init(&host, "/nonexistent");
        g_once_init_leave(&once, 1);
    }
    return &host;
}

ScopeInstance *
fake_load(const char *id, const char *json)
{
    g_autoptr(ScopePipelineInfo) info = fake_info_new(id);
    g_autoptr(JsonObject) load_params = fake_json(json);
    g_autoptr(GError) error = NULL;
    ScopeInstance *instance =
        scope_instance_load(info, fake_host(), NULL, load_params, NULL, &error);

    g_assert_no_error(error);
    return instance;
}

FakeLog
fake_log_get(void)
{
    SCOPE_LOCK_GUARD(&log_lock);
    return fake_log;
}

void
fake_log_reset(void)
{
    SCOPE_LOCK_GUARD(&log_lock);
    memset(&fake_log, 0, sizeof fake_log);
}

JsonObject *
fake_json(const char *text)
{
    g_autofree char *json = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(GError) error = NULL;
    JsonObject *object = scope_json_parse_object(json, -1, 0, &error);

    g_assert_no_error(error);
    return object;
}

gboolean
fake_wait(gboolean (*func)(gpointer), gpointer data)
{
    gint64 deadline_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    while (!func(data)) {
        if (g_get_monotonic_time() > deadline_us)
            return FALSE;
        g_usleep(1000);
    }
    return TRUE;
}
