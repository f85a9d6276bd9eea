/* SPDX-License-Identifier: Apache-2.0 */
/* A stage without a thread; see the header. */
#include "wan-driver.h"

#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-host.h"
#include "core/scope-json.h"
#include "core/scope-param-merge.h"
#include "core/scope-param-snapshot.h"
#include "pipelines/support/tiny-models.h"

#define SIZE        TINY_MODELS_SIZE
#define FRAME_BYTES ((guint)SIZE * SIZE * 3)

/* -- the host --------------------------------------------------------------------------------- */

static char *
lora_path(const ScopeHost *host, const char *name, GError **error)
{
    const DriverFixture *f = (const DriverFixture *)host;

    return g_build_filename(f->models_dir, "lora", name, NULL);
}

/* "red", "blue": pictures of one colour; anything else is not there. */
static ScopeFrame *
image_load(const ScopeHost *host, const char *name, GError **error)
{
    const gboolean red = g_str_equal(name, "red"), blue = g_str_equal(name, "blue");
    ScopeFrame *frame;

    if (!red && !blue) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE,
                    "The picture \"%s\" is not there", name);
        return NULL;
    }
    frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 40, 30);
    for (guint32 y = 0; y < frame->height; y++) {
        for (guint32 x = 0; x < frame->width; x++) {
            guint8 *p = frame->data[0] + (gsize)y * frame->stride[0] + (gsize)x * 3;
            p[0] = red ? 255 : 0;
            p[1] = (guint8)(4 * x);
            p[2] = blue ? 255 : 0;
        }
    }
    return frame;
}

void
driver_fixture_init(DriverFixture *f)
{
    f->folder = g_dir_make_tmp("scope-pipelines-XXXXXX", NULL);
    f->models_dir = g_build_filename(f->folder, "models", NULL);
    tiny_models_write(f->models_dir);
    tiny_models_write_mini(f->folder);
    scope_host_init(&f->host, f->models_dir);
    f->host.share_dir = f->folder;
    f->host.lora_path = lora_path;
    f->host.image_load = image_load;
    f->host.n_cpus = 1; /* tiny work is not worth the waking of threads */
}

void
driver_fixture_clear(DriverFixture *f)
{
    g_clear_pointer(&f->info, scope_pipeline_info_unref);
    tiny_models_remove(f->folder);
    g_free(f->models_dir);
    g_free(f->folder);
}

void
driver_fixture_use(DriverFixture *f, const ScopePipelineDesc *desc)
{
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&f->info, scope_pipeline_info_unref);
    f->info = scope_pipeline_info_new(desc, NULL, &error);
    g_assert_no_error(error);
}

/* -- a session -------------------------------------------------------------------------------- */

JsonObject *
driver_json(const char *text)
{
    g_autofree char *quoted = g_strdelimit(g_strdup(text), "'", '"');
    g_autoptr(GError) error = NULL;
    JsonObject *object = scope_json_parse_object(quoted, -1, 0, &error);

    g_assert_no_error(error);
    return object;
}

ScopeInstance *
driver_load(DriverFixture *f, const char *json, GError **error)
{
    g_autoptr(JsonObject) params = driver_json(json != NULL ? json : "{}");

    if (!json_object_has_member(params, "height")) {
        json_object_set_int_member(params, "height", SIZE);
    }
    if (!json_object_has_member(params, "width")) {
        json_object_set_int_member(params, "width", SIZE);
    }
    return scope_instance_load(f->info, &f->host, NULL, params, NULL, error);
}

static ScopeParamSnapshot *
snapshot(const Driver *d)
{
    return scope_param_snapshot_new(scope_instance_get_info(d->instance)->table,
                                    scope_instance_get_load_params(d->instance), d->record);
}

Driver *
driver_try_open(ScopeInstance *instance, GError **error)
{
    Driver *d = g_new0(Driver, 1);
    const ScopePipelineDesc *desc = scope_instance_get_info(instance)->desc;
    g_autoptr(ScopeParamSnapshot) values = NULL;

    d->instance = scope_instance_ref(instance);
    d->record = driver_json("{'prompts':[{'text':'a cat'}]}");
    scope_output_init(&d->output);
    values = snapshot(d);
    d->stream = desc->stream_new(scope_instance_get_handle(instance),
                                 scope_param_snapshot_get_values(values), error);
    if (d->stream == NULL) {
        driver_close(d);
        return NULL;
    }
    return d;
}

Driver *
driver_open(ScopeInstance *instance)
{
    g_autoptr(GError) error = NULL;
    Driver *d = driver_try_open(instance, &error);

    g_assert_no_error(error);
    return d;
}

void
driver_close(Driver *d)
{
    if (d == NULL) {
        return;
    }
    if (d->stream != NULL) {
        scope_instance_get_info(d->instance)->desc->stream_free(d->stream);
    }
    scope_output_clear(&d->output);
    json_object_unref(d->record);
    scope_instance_unref(d->instance);
    g_free(d);
}

/* Frames of rising brightness with a ramp across. */
static GPtrArray *
make_frames(guint n, guint8 level)
{
    GPtrArray *frames = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);

    for (guint i = 0; i < n; i++) {
        ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 48, 36);
        for (guint32 y = 0; y < frame->height; y++) {
            for (guint32 x = 0; x < 3 * frame->width; x++) {
                frame->data[0][(gsize)y * frame->stride[0] + x] = (guint8)(level + 3 * i + x / 4);
            }
        }
        g_ptr_array_add(frames, frame);
    }
    return frames;
}

static GByteArray *
collect(Driver *d)
{
    GByteArray *bytes = g_byte_array_new();
    JsonObject *size = scope_instance_get_load_params(d->instance);

    for (guint i = 0; i < d->output.items->len; i++) {
        const ScopeFrame *frame = g_array_index(d->output.items, ScopeOutputItem, i).frame;
        g_assert_cmpint(frame->width, ==, json_object_get_int_member(size, "width"));
        g_assert_cmpint(frame->height, ==, json_object_get_int_member(size, "height"));
        for (guint32 y = 0; y < frame->height; y++) {
            g_byte_array_append(bytes, frame->data[0] + (gsize)y * frame->stride[0],
                                frame->width * 3);
        }
    }
    scope_output_reset(&d->output);
    return bytes;
}

GByteArray *
driver_run(Driver *d, const char *json, const DriverInput *input, GError **error)
{
    static const DriverInput none = {0};
    const DriverInput *in = input != NULL ? input : &none;
    const ScopePipelineDesc *desc = scope_instance_get_info(d->instance)->desc;
    g_autoptr(JsonObject) update = driver_json(json != NULL ? json : "{}");
    g_autoptr(GPtrArray) video = make_frames(in->n_video, in->video);
    g_autoptr(GPtrArray) guides = make_frames(in->n_guides, in->guide);
    g_autoptr(GPtrArray) masks = make_frames(in->n_masks, in->mask);
    g_autoptr(ScopeParamSnapshot) values = NULL;
    const struct {
        const char *name;
        GPtrArray *frames;
    } all[] = {{"video", video}, {"vace_input_frames", guides}, {"vace_input_masks", masks}};
    ScopePort ports[3];
    ScopeCall call = {.size = sizeof(ScopeCall), .ports = ports, .output = &d->output};
    gboolean ok;

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i].frames->len > 0) {
            ports[call.n_ports++] = (ScopePort){
                all[i].name, (ScopeFrame *const *)all[i].frames->pdata, all[i].frames->len};
        }
    }
    scope_param_merge(d->record, update);
    values = snapshot(d);
    call.mode = call.n_ports > 0 ? SCOPE_MODE_VIDEO : SCOPE_MODE_TEXT;
    call.params = scope_param_snapshot_get_values(values);
    call.reset = d->n_chunks == 0 || scope_json_object_get_bool(update, "reset_cache", FALSE);
    call.chunk_index = d->n_chunks;
    scope_param_take_one_shots(scope_instance_get_info(d->instance)->table, d->record);
    d->output.timings.n_parts = 0;
    ok = desc->process(d->stream, &call, error);
    if (!ok) {
        g_assert_cmpuint(d->output.items->len, ==, 0);
        return NULL;
    }
    d->n_chunks++;
    return collect(d);
}

guint
driver_count(const GByteArray *bytes)
{
    g_assert_cmpuint(bytes->len % FRAME_BYTES, ==, 0);
    return bytes->len / FRAME_BYTES;
}
