/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generation end to end on tiny random weights: scales of adapters, and what can go wrong: memory
 * runs out, the device is lost (where SCOPE_CUDA_MODULE names the stand-in), numbers are not
 * finite, files cannot be read, the size is wrong. Each time the client is told clearly, the server
 * lives, and the next load and session work. Main thread.
 */
#include "live-fixture.h"

#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "media/scope-thumbnail.h"
#include "pipelines/support/tiny-models.h"
#include "server/scope-services.h"
#include "support/scope-memory-fault.h"
#include "support/scope-tiny-wan.h"

#define N_FRAMES 8
#define SIZE     "'height':128,'width':128,'vae_type':'tae'"
#define LOAD     "{'pipeline_ids':['longlive'],'load_params':{" SIZE "}}"
#define SMALL                                                                                      \
    "{'pipeline_ids':['reward-forcing'],'load_params':"                                            \
    "{'height':32,'width':32,'vae_type':'tae','vace_enabled':false}}"
#define TEXT "{'input_mode':'text','prompts':[{'text':'a cat','weight':1}]}"

static ServerFixture *f;
static ScopeServices services;

static void
use_services(ScopeServerOptions *options)
{
    scope_services_init(&services, options->models_dir, options->data_dir);
    services.lora_dir = options->lora_dir;
    services.assets_dir = options->assets_dir;
    services.host.n_cpus = 1; /* tiny work is not worth the waking of threads */
    options->services = &services.host;
}

static void
write_file(const char *relative, const char *data, gssize size)
{
    g_autofree char *path = server_fixture_path(f, relative);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, data, size, NULL));
}

static void
write_files(void)
{
    g_autofree char *models = server_fixture_path(f, "models");
    g_autofree char *adapter = server_fixture_path(f, "models/lora/style.safetensors");
    g_autofree char *bytes = NULL;
    gsize n_bytes;
    g_autoptr(ScopeFrame) frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 20, 10);
    g_autoptr(GBytes) png = NULL;

    tiny_models_write(models);
    g_assert_true(g_file_get_contents(adapter, &bytes, &n_bytes, NULL));
    write_file("lora/style.safetensors", bytes, (gssize)n_bytes);
    memset(frame->data[0], 200, (gsize)frame->stride[0] * frame->height);
    png = scope_image_encode(frame, SCOPE_IMAGE_FORMAT_PNG, NULL);
    write_file("assets/grey.png", g_bytes_get_data(png, NULL), (gssize)g_bytes_get_size(png));
    write_file("assets/junk.png", "<html>", -1);
    write_file("lora/junk.safetensors", "<html>", -1);
}

/* Loads @body; @told is NULL when that must work, else a part of the error. */
static void
load(const char *body, const char *told)
{
    g_auto(Reply) reply = server_fixture_load(f, body);
    const char *error = reply_string(&reply, "error");

    g_test_message("%s: %s", reply_string(&reply, "status"), error != NULL ? error : "");
    g_assert_cmpstr(reply_string(&reply, "status"), ==, told == NULL ? "loaded" : "error");
    g_assert_true(told == NULL || strstr(error, told) != NULL);
}

static gboolean
has_no_sessions(gpointer data)
{
    return live_metric(f, "scope_sessions") == 0.0;
}

static Live *
start(void)
{
    Live *live = live_new(f, "recvonly", TEXT);

    live_wait_channel(live);
    g_assert_true(live_wait_frames(live, 1));
    return live;
}

/* Ends the session as a client that says so; it may have ended by itself. */
static void
finish(Live *live)
{
    g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", live->session_id, NULL);
    Reply reply = server_fixture_request(f, "DELETE", path, NULL);

    reply_clear(&reply);
    live_free(live);
    g_assert_true(server_fixture_wait(has_no_sessions, NULL));
}

static void
send(Live *live, const char *json)
{
    g_autofree char *text = g_strdelimit(g_strdup(json), "'", '"');

    rtc_client_send_text(live->client, text);
}

/* Waits for a message of @type that holds @told. */
static void
wait_told(Live *live, const char *type, const char *told)
{
    g_autofree char *text = live_wait_text(live, type);

    g_test_message("%s", text);
    g_assert_nonnull(strstr(text, told));
}

/* Whatever happened: the pipeline loads and makes pictures. */
static void
check_works(void)
{
    load(LOAD, NULL);
    finish(start());
}

/* -- loads ------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *body, *told;
} bad_loads[] = {
    {"adapter-is-junk",
     "{'pipeline_ids':['longlive'],'load_params':{" SIZE ",'loras':[{'path':'junk.safetensors'}]}}",
     "junk.safetensors"},
    {"adapter-is-gone",
     "{'pipeline_ids':['longlive'],'load_params':{" SIZE ",'loras':[{'path':'gone.safetensors'}]}}",
     "gone.safetensors"},
    {"size",
     "{'pipeline_ids':['longlive'],'load_params':{'vae_type':'tae','height':330,'width':128}}",
     "divisible by 16, such as height 320 and width 128"},
    {"reference-is-wanted-of-nothing",
     "{'pipeline_ids':['longlive'],'load_params':{'vae_type':'none'}}", "vae_type"},
};

static void
test_bad_load(gconstpointer data)
{
    const guint i = GPOINTER_TO_UINT(data);

    load(bad_loads[i].body, bad_loads[i].told);
    load(LOAD, NULL);
}

static void
test_memory_of_a_load(void)
{
    scope_memory_fault_set(0);
    load("{'pipeline_ids':['memflow'],'load_params':{" SIZE "}}", "bytes");
    g_assert_cmpint(scope_memory_fault_clear(), >, 0);
    check_works();
}

/* -- sessions --------------------------------------------------------------------------------- */

/* A reference picture needs memory that the session has not asked for so far. */
static void
test_memory_of_a_chunk(void)
{
    Live *live;

    load(LOAD, NULL);
    live = start();
    scope_memory_fault_set(0);
    send(live, "{'vace_ref_images':['grey.png']}");
    wait_told(live, "stream_stopped", "bytes");
    g_assert_cmpint(scope_memory_fault_clear(), >, 0);
    finish(live);
    check_works();
}

/* The stream ends long before the client has connected, which hears why nevertheless. */
static void
test_memory_of_a_session(void)
{
    Live *live;

    load(LOAD, NULL);
    scope_memory_fault_set(0);
    live = live_offer(f, "recvonly", TEXT);
    live_run(3.0);
    live_connect(live);
    wait_told(live, "stream_stopped", "bytes");
    g_assert_cmpint(scope_memory_fault_clear(), >, 0);
    finish(live);
    check_works();
}

static void
test_picture_is_junk(void)
{
    Live *live;

    load(LOAD, NULL);
    live = start();
    send(live, "{'first_frame_image':'junk.png'}");
    wait_told(live, "chunk_error", "junk.png");
    send(live, "{'vace_ref_images':['gone.png']}");
    wait_told(live, "chunk_error", "gone.png");
    g_assert_true(live_wait_frames(live, N_FRAMES));
    finish(live);
}

static void
test_not_a_number(void)
{
    ScopeTinyWan tiny = SCOPE_TINY_WAN;
    g_autofree char *path = server_fixture_path(f, "models/MemFlow/base.pt");
    Live *live;

    tiny.config.text_dim = 32;
    tiny.fill_nan = "blocks.0.ffn.0.bias";
    g_assert_cmpint(g_unlink(path), ==, 0);
    scope_tiny_wan_write(&tiny, path);
    load("{'pipeline_ids':['memflow'],'load_params':{" SIZE "}}", NULL);
    live = live_new(f, "recvonly", TEXT);
    wait_told(live, "chunk_error", "not finite");
    /* the session lives on and gets what is loaded in its place */
    finish(live);
    check_works();
}

/* -- adapters ---------------------------------------------------------------------------------- */

#define WITH_ADAPTER(scale)                                                                        \
    "{'pipeline_ids':['longlive'],'load_params':{" SIZE ",'loras':["                               \
    "{'path':'style.safetensors','merge_mode':'runtime_peft','scale':" scale "}]}}"

/* The scale that the status tells. */
static gdouble
read_scale(void)
{
    g_auto(Reply) reply = server_fixture_request(f, "GET", "/api/v1/pipeline/status", NULL);
    JsonArray *list =
        scope_json_object_get_array(json_node_get_object(reply.json), "loaded_lora_adapters");

    g_assert_cmpstr(reply_string(&reply, "status"), ==, "loaded");
    g_assert_cmpuint(json_array_get_length(list), ==, 1);
    return scope_json_object_get_double(json_array_get_object_element(list, 0), "scale", 0.0);
}

static gboolean
is_scaled(gpointer data)
{
    return fabs(read_scale() - *(gdouble *)data) < 1e-9;
}

/* A strength that was changed live is told, and asking for it again loads nothing. */
static void
test_scale_of_an_adapter(void)
{
    gdouble wanted = -2.0;
    Live *live;

    load(WITH_ADAPTER("1"), NULL);
    g_assert_cmpfloat(read_scale(), ==, 1.0);
    live = start();
    send(live, "{'lora_scales':[{'path':'style.safetensors','scale':-2}]}");
    g_assert_true(server_fixture_wait(is_scaled, &wanted));
    finish(live);
    load(WITH_ADAPTER("-2"), NULL);
    g_assert_cmpfloat(read_scale(), ==, -2.0);
    /* the next session begins with what it says itself */
    live = live_new(f, "recvonly",
                    "{'input_mode':'text','prompts':[{'text':'a cat','weight':1}],"
                    "'lora_scales':[{'path':'style.safetensors','scale':0.5}]}");
    g_assert_true(live_wait_frames(live, 1));
    g_assert_cmpfloat(read_scale(), ==, 0.5);
    finish(live);
}

/* -- the device ------------------------------------------------------------------------------- */

static void
test_device_is_lost(gconstpointer data)
{
    Live *live;

    load(SMALL, NULL);
    live = start();
    g_assert_true(g_file_set_contents(data, "", 0, NULL));
    wait_told(live, "stream_stopped", "illegal memory access");
    finish(live);
    /* the same request is not taken for loaded; it runs on the CPU now */
    load(SMALL, NULL);
    finish(start());
    g_assert_cmpint(g_unlink(data), ==, 0);
}

/* The stand-in of a device is lost once the file @path is there. */
static void
use_device(const char *path)
{
    g_autofree char *fault = g_strconcat("lost-when:", path, NULL);

    g_setenv("SCOPE_EMULATED", fault, TRUE);
}

int
main(int argc, char **argv)
{
    g_autofree char *folder = g_dir_make_tmp("scope-generation-XXXXXX", NULL);
    g_autofree char *lost = g_build_filename(folder, "lost", NULL);
    int status;

    g_test_init(&argc, &argv, NULL);
    if (g_getenv("SCOPE_CUDA_MODULE") != NULL) {
        use_device(lost);
        g_test_add_data_func("/generation/device-is-lost", lost, test_device_is_lost);
    } else {
        for (guint i = 0; i < G_N_ELEMENTS(bad_loads); i++) {
            g_autofree char *name = g_strconcat("/generation/load/", bad_loads[i].name, NULL);
            g_test_add_data_func(name, GUINT_TO_POINTER(i), test_bad_load);
        }
        g_test_add_func("/generation/adapter", test_scale_of_an_adapter);
        g_test_add_func("/generation/load/memory", test_memory_of_a_load);
        g_test_add_func("/generation/session/memory", test_memory_of_a_session);
        g_test_add_func("/generation/session/memory-of-a-chunk", test_memory_of_a_chunk);
        g_test_add_func("/generation/session/picture-is-junk", test_picture_is_junk);
        g_test_add_func("/generation/session/not-a-number", test_not_a_number);
    }
    f = server_fixture_new(use_services);
    write_files();
    status = g_test_run();
    server_fixture_free(f);
    g_rmdir(folder);
    return status;
}
