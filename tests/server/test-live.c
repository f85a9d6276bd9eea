/* SPDX-License-Identifier: Apache-2.0 */
/* Live video end to end: offer over HTTP, pictures through pipelines, messages both ways. */
#include "live-fixture.h"

#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-replay-log.h"

#define LUMA 120

static ServerFixture *f;

static void
load(const char *body, const char *status)
{
    g_auto(Reply) reply = server_fixture_load(f, body);

    g_assert_cmpstr(reply_string(&reply, "status"), ==, status);
}

/* Mean of one plane, 0..255. */
static guint
plane_mean(const ScopeFrame *frame, guint plane)
{
    guint width = plane == 0 ? frame->width : (frame->width + 1) / 2;
    guint height = plane == 0 ? frame->height : (frame->height + 1) / 2;
    guint64 sum = 0;

    for (guint y = 0; y < height; y++) {
        for (guint x = 0; x < width; x++) {
            sum += frame->data[plane][y * frame->stride[plane] + x];
        }
    }
    return (guint)(sum / (width * height));
}

static gboolean
has_no_sessions(gpointer data)
{
    return live_metric(f, "scope_sessions") == 0.0;
}

/* Ends the session as a client that says so; one that vanishes is noticed later. */
static void
finish_one(Live *live)
{
    g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", live->session_id, NULL);
    g_auto(Reply) reply = server_fixture_request(f, "DELETE", path, NULL);

    g_assert_cmpuint(reply.status, ==, 204);
    live_free(live);
}

static void
finish(Live *live)
{
    finish_one(live);
    g_assert_true(server_fixture_wait(has_no_sessions, NULL));
}

static void
test_passthrough(void)
{
    Live *live;
    g_autoptr(ScopeFrame) frame = NULL;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    g_assert_true(live_wait_frames(live, 30));
    frame = live_dup_frame(live);
    g_assert_cmpuint(frame->width, ==, 320);
    g_assert_cmpuint(frame->height, ==, 240);
    g_assert_cmpint(abs((int)plane_mean(frame, 0) - LUMA), <=, 4);
    g_assert_cmpint(abs((int)plane_mean(frame, 1) - 90), <=, 4);
    g_assert_cmpint(abs((int)plane_mean(frame, 2) - 170), <=, 4);
    finish(live);
}

static void
test_chain_removes_colour(void)
{
    Live *live;
    g_autoptr(ScopeFrame) frame = NULL;

    load("{'pipeline_ids':['gray','passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    g_assert_true(live_wait_frames(live, 30));
    frame = live_dup_frame(live);
    g_assert_cmpint(abs((int)plane_mean(frame, 1) - 128), <=, 3);
    g_assert_cmpint(abs((int)plane_mean(frame, 2) - 128), <=, 3);
    finish(live);
}

static void
test_generator_without_input(void)
{
    Live *live;

    load("{'pipeline_ids':['controller-viz']}", "loaded");
    live = live_new(f, "recvonly", "{'input_mode':'text'}");
    g_assert_true(live_wait_frames(live, 10));
    finish(live);
}

/* The folder of replay logs, beside those of the fixture. */
static void
record_logs(ScopeServerOptions *options)
{
    g_autofree char *path = g_build_filename(options->data_dir, "replays", NULL);

    options->replay_dir = g_intern_string(path);
}

/* Whether there is the complete log of a session whose pipeline was loaded with a width of 328. */
static gboolean
has_log(gpointer data)
{
    g_autofree char *path = server_fixture_path(f, "data/replays");
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    ScopeReplay **ret_replay = data;
    const char *name;

    while (!*ret_replay && folder && (name = g_dir_read_name(folder))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *text = NULL;
        g_autoptr(ScopeReplay) replay = NULL;
        gsize length = 0;

        g_assert_true(g_file_get_contents(file, &text, &length, NULL));
        replay = scope_replay_parse(text, length, file, NULL);
        if (replay && replay->n_frames >= 0 && strstr(text, "\"width\":328")) {
            *ret_replay = g_steal_pointer(&replay);
        }
    }
    return *ret_replay != NULL;
}

/* What a session was told is in its log, with the frame count at its end. */
static void
test_replay_log(void)
{
    g_autoptr(ScopeReplay) replay = NULL;
    g_autoptr(JsonObject) first = NULL;
    const ScopeReplayNode *node;
    gboolean is_told = FALSE;
    Live *live;

    load("{'pipeline_ids':['controller-viz'],'load_params':{'width':328,'height':240}}", "loaded");
    live = live_new(f, "recvonly", "{'input_mode':'text'}");
    live_wait_channel(live);
    g_assert_true(live_wait_frames(live, 5));
    rtc_client_send_text(live->client,
                         "{\"ctrl_input\": {\"button\": [\"KeyW\"], \"mouse\": [3, 4]}}");
    g_assert_true(live_wait_frames(live, 10));
    finish(live);
    g_assert_true(server_fixture_wait(has_log, &replay));
    g_assert_cmpint(replay->n_frames, >=, 15);
    node = replay->nodes->pdata[0];
    g_assert_cmpstr(node->pipeline_id, ==, "controller-viz");
    first = scope_replay_build_params(replay, node->node_id, 0);
    g_assert_cmpstr(json_object_get_string_member(first, "input_mode"), ==, "text");
    for (gint64 i = 1; i < replay->n_frames; i++) {
        g_autoptr(JsonObject) params = scope_replay_build_params(replay, node->node_id, (guint64)i);
        is_told = is_told || (params && json_object_has_member(params, "ctrl_input"));
    }
    g_assert_true(is_told);
}

static void
test_graph(void)
{
    static const char graph[] =
        "{'graph':{'nodes':[{'id':'cam','type':'source'},{'id':'g1','type':'pipeline',"
        "'pipeline_id':'gray'},{'id':'out','type':'sink'}],'edges':["
        "{'from':'cam','from_port':'video','to_node':'g1','to_port':'video'},"
        "{'from':'g1','from_port':'video','to_node':'out','to_port':'video'}]},"
        "'input_mode':'video'}";
    static const char direct[] =
        "{'graph':{'nodes':[{'id':'cam','type':'source'},{'id':'out','type':'sink'}],'edges':["
        "{'from':'cam','from_port':'video','to_node':'out','to_port':'video'}]}}";
    Live *live;

    load("{'pipelines':[{'node_id':'g1','pipeline_id':'gray'}]}", "loaded");
    live = live_new(f, "sendrecv", graph);
    live_feed(live, LUMA);
    g_assert_true(live_wait_frames(live, 10));
    finish(live);
    live = live_new(f, "sendrecv", direct);
    live_feed(live, LUMA);
    g_assert_true(live_wait_frames(live, 10));
    finish(live);
}

static void
test_messages(void)
{
    Live *live;
    g_autofree char *notice = NULL;
    g_autofree char *updated = NULL;
    g_autoptr(JsonObject) object = NULL;
    JsonObject *item;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    live_wait_channel(live);
    rtc_client_send_text(live->client, "not json");
    rtc_client_send_text(live->client, "[1,2]");
    rtc_client_send_text(live->client, "{\"noise_scale\": 7, \"manage_cache\": true}");
    notice = live_wait_text(live, "parameter_error");
    object = scope_json_parse_object(notice, -1, 0, NULL);
    item = json_array_get_object_element(json_object_get_array_member(object, "errors"), 0);
    g_assert_cmpstr(json_object_get_string_member(item, "parameter"), ==, "noise_scale");
    g_assert_true(json_object_has_member(item, "message"));
    g_assert_true(json_object_has_member(item, "allowed"));
    g_assert_true(live_wait_frames(live, 5));
    g_auto(Reply) record = server_fixture_request(f, "GET", "/api/v1/session/parameters", NULL);
    object = (json_object_unref(object), json_object_ref(json_object_get_object_member(
                                             json_node_get_object(record.json), "parameters")));
    g_assert_true(scope_json_object_get_bool(object, "manage_cache", FALSE));
    g_assert_false(json_object_has_member(object, "noise_scale"));
    g_auto(Reply) reply =
        server_fixture_request(f, "POST", "/api/v1/session/parameters", "{'noise_scale':0.5}");
    g_assert_cmpuint(reply.status, ==, 200);
    updated = live_wait_text(live, "parameters_updated");
    g_assert_nonnull(strstr(updated, "noise_scale"));
    finish(live);
}

typedef struct {
    Live *live;
    int luma;
} Look;

static gboolean
has_look(gpointer data)
{
    const Look *look = data;
    g_autoptr(ScopeFrame) frame = live_dup_frame(look->live);

    return frame && abs((int)plane_mean(frame, 0) - look->luma) <= 6;
}

static gboolean
is_paused(gpointer data)
{
    g_auto(Reply) record = server_fixture_request(f, "GET", "/api/v1/session/parameters", NULL);
    JsonObject *parameters =
        json_object_get_object_member(json_node_get_object(record.json), "parameters");

    return scope_json_object_get_bool(parameters, "paused", FALSE);
}

static void
test_pause(void)
{
    Live *live;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, 60);
    live_wait_channel(live);
    g_assert_true(server_fixture_wait(has_look, &(Look){live, 60}));
    rtc_client_send_text(live->client, "{\"paused\": true}");
    g_assert_true(server_fixture_wait(is_paused, NULL));
    live_feed(live, 200);
    /* The last picture is repeated; the new ones go nowhere. */
    g_assert_true(live_wait_frames(live, 20));
    g_assert_true(has_look(&(Look){live, 60}));
    rtc_client_send_text(live->client, "{\"paused\": false}");
    g_assert_true(server_fixture_wait(has_look, &(Look){live, 200}));
    finish(live);
}

static void
test_two_sessions(void)
{
    Live *a, *b;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    a = live_new(f, "sendrecv", "{'input_mode':'video'}");
    b = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(a, 60);
    live_feed(b, 200);
    g_assert_true(live_wait_frames(a, 30));
    g_assert_true(live_wait_frames(b, 30));
    g_assert_cmpfloat(live_metric(f, "scope_sessions"), ==, 2.0);
    g_autoptr(ScopeFrame) frame_a = live_dup_frame(a);
    g_autoptr(ScopeFrame) frame_b = live_dup_frame(b);
    g_assert_cmpint(abs((int)plane_mean(frame_a, 0) - 60), <=, 6);
    g_assert_cmpint(abs((int)plane_mean(frame_b, 0) - 200), <=, 6);
    finish_one(a);
    g_assert_true(live_wait_frames(b, 30));
    finish(b);
}

/* A pipeline that is loaded anew under a running session: frames stop and go on. */
static void
test_reload_under_session(void)
{
    Live *live;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    g_assert_true(live_wait_frames(live, 10));
    load("{'pipeline_ids':['passthrough'],'load_params':{'width':256}}", "loaded");
    g_assert_true(live_wait_frames(live, 30));
    load("{'pipeline_ids':['gray']}", "loaded");
    g_assert_cmpfloat(live_metric(f, "scope_pipeline_instances"), <=, 2.0);
    load("{'pipeline_ids':['passthrough']}", "loaded");
    g_assert_true(live_wait_frames(live, 30));
    finish(live);
}

static void
test_fatal_error(void)
{
    Live *live;
    g_autofree char *stopped = NULL;

    load("{'pipeline_ids':['fake']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    live_wait_channel(live);
    rtc_client_send_text(live->client, "{\"fail_code\": 2}");
    stopped = live_wait_text(live, "stream_stopped");
    g_assert_nonnull(strstr(stopped, "error_message"));
    g_assert_true(server_fixture_wait(has_no_sessions, NULL));
    finish(live);
}

static void
test_offer_faults(void)
{
    static const char *const bodies[] = {
        "{'sdp':'','type':'offer'}",
        "{'sdp':'nonsense','type':'offer'}",
        "{'sdp':'v=0\\r\\n','type':'offer'}",
        "{'sdp':'v=0\\r\\nm=video 9 UDP/TLS/RTP/SAVPF 96\\r\\n','type':'offer'}",
    };

    load("{'pipeline_ids':['passthrough']}", "loaded");
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_auto(Reply) reply = server_fixture_request(f, "POST", "/api/v1/webrtc/offer", bodies[i]);
        g_assert_cmpuint(reply.status, ==, 500);
        g_assert_nonnull(reply_string(&reply, "detail"));
    }
    g_auto(Reply) unknown = server_fixture_request(
        f, "POST", "/api/v1/webrtc/offer",
        "{'sdp':'x','type':'offer','initialParameters':{'pipeline_ids':['nope']}}");
    g_assert_cmpuint(unknown.status, ==, 400);
    g_auto(Reply) invalid =
        server_fixture_request(f, "POST", "/api/v1/webrtc/offer",
                               "{'sdp':'x','type':'offer','initialParameters':{'noise_scale':3}}");
    g_assert_cmpuint(invalid.status, ==, 422);
    g_assert_true(server_fixture_wait(has_no_sessions, NULL));
}

static void
test_not_loaded(void)
{
    g_auto(Reply) reply =
        server_fixture_request(f, "POST", "/api/v1/webrtc/offer", "{'sdp':'x','type':'offer'}");

    g_assert_cmpuint(reply.status, ==, 400);
    g_assert_cmpstr(reply_string(&reply, "detail"), ==,
                    "Pipeline not loaded. Please load pipeline first.");
}

static void
test_shutdown_tells(void)
{
    Live *live;
    g_autofree char *stopped = NULL;

    load("{'pipeline_ids':['passthrough']}", "loaded");
    live = live_new(f, "sendrecv", "{'input_mode':'video'}");
    live_feed(live, LUMA);
    live_wait_channel(live);
    g_assert_true(live_wait_frames(live, 10));
    server_fixture_stop(f);
    stopped = live_wait_text(live, "stream_stopped");
    live_free(live);
}

int
main(int argc, char **argv)
{
    int result;

    g_test_init(&argc, &argv, NULL);
    gst_init(&argc, &argv);
    f = server_fixture_new(record_logs);
    g_test_add_func("/server/live/not-loaded", test_not_loaded);
    g_test_add_func("/server/live/passthrough", test_passthrough);
    g_test_add_func("/server/live/chain-removes-colour", test_chain_removes_colour);
    g_test_add_func("/server/live/generator-without-input", test_generator_without_input);
    g_test_add_func("/server/live/replay-log", test_replay_log);
    g_test_add_func("/server/live/graph", test_graph);
    g_test_add_func("/server/live/messages", test_messages);
    g_test_add_func("/server/live/pause", test_pause);
    g_test_add_func("/server/live/two-sessions", test_two_sessions);
    g_test_add_func("/server/live/reload-under-session", test_reload_under_session);
    g_test_add_func("/server/live/fatal-error", test_fatal_error);
    g_test_add_func("/server/live/offer-faults", test_offer_faults);
    g_test_add_func("/server/live/shutdown-tells", test_shutdown_tells);
    result = g_test_run();
    server_fixture_free(f);
    return result;
}
