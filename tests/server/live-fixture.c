/* SPDX-License-Identifier: Apache-2.0 */
/* The client side of live tests. Main thread; pictures come on GStreamer's threads. */
#include "live-fixture.h"

#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-json.h"

static void
on_frame(guint video, ScopeFrame *frame, gpointer user_data)
{
    Live *live = user_data;

    SCOPE_LOCK_GUARD(&live->lock);
    live->n_frames++;
    scope_frame_unref(live->frame);
    live->frame = scope_frame_ref(frame);
}

static void
send_candidates(Live *live)
{
    g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", live->session_id, NULL);
    char *candidate;

    while ((candidate = rtc_client_pop_candidate(live->client)) != NULL) {
        g_autofree char *body = g_strdup_printf(
            "{'candidates':[{'candidate':'%s','sdpMid':null,'sdpMLineIndex':0}]}", candidate);
        g_auto(Reply) reply = server_fixture_request(live->f, "PATCH", path, body);
        g_assert_cmpuint(reply.status, ==, 204);
        g_free(candidate);
    }
}

static gboolean
is_connected(gpointer data)
{
    Live *live = data;

    send_candidates(live);
    return rtc_client_is_connected(live->client);
}

static char *
make_body(const char *sdp, const char *initial)
{
    g_autoptr(JsonObject) body = json_object_new();

    json_object_set_string_member(body, "sdp", sdp);
    json_object_set_string_member(body, "type", "offer");
    if (initial) {
        g_autofree char *text = g_strdelimit(g_strdup(initial), "'", '"');
        json_object_set_object_member(body, "initialParameters",
                                      scope_json_parse_object(text, -1, 0, NULL));
    }
    return scope_json_object_to_string(body);
}

Live *
live_offer(ServerFixture *f, const char *direction, const char *initial)
{
    Live *live = g_new0(Live, 1);
    RtcClientOptions options = {
        .video = {{direction, SCOPE_VIDEO_CODEC_VP8}},
        .bitrate_bps = 1000000,
        .frame = on_frame,
        .user_data = live,
    };
    g_autofree char *sdp = NULL;
    g_autofree char *body = NULL;
    SoupMessage *msg = server_fixture_message(f, "POST", "/api/v1/webrtc/offer");
    g_autoptr(GBytes) bytes = NULL;
    g_auto(Reply) reply = {0};

    live->f = f;
    scope_lock_init(&live->lock);
    live->client = rtc_client_new(&options);
    sdp = rtc_client_create_offer(live->client, 0);
    g_assert_nonnull(sdp);
    body = make_body(sdp, initial);
    bytes = g_bytes_new(body, strlen(body));
    soup_message_set_request_body_from_bytes(msg, "application/json", bytes);
    reply = server_fixture_send(f, msg);
    if (reply.status != 200) {
        g_autofree char *text = reply_text(&reply);
        g_test_message("%s", text);
    }
    g_assert_cmpuint(reply.status, ==, 200);
    g_assert_cmpstr(reply_string(&reply, "type"), ==, "answer");
    live->session_id = g_strdup(reply_string(&reply, "sessionId"));
    g_assert_true(g_uuid_string_is_valid(live->session_id));
    live->answer = g_strdup(reply_string(&reply, "sdp"));
    return live;
}

void
live_connect(Live *live)
{
    g_assert_true(rtc_client_set_answer(live->client, live->answer));
    g_assert_true(server_fixture_wait(is_connected, live));
}

Live *
live_new(ServerFixture *f, const char *direction, const char *initial)
{
    Live *live = live_offer(f, direction, initial);

    live_connect(live);
    return live;
}

void
live_free(Live *live)
{
    if (live->source_id > 0) {
        g_source_remove(live->source_id);
    }
    rtc_client_free(live->client);
    scope_frame_unref(live->frame);
    scope_lock_clear(&live->lock);
    g_free(live->session_id);
    g_free(live->answer);
    g_free(live);
}

static gboolean
on_feed(gpointer user_data)
{
    Live *live = user_data;
    g_autoptr(ScopeFrame) frame = scope_frame_new(SCOPE_FRAME_FORMAT_I420, 320, 240);

    memset(frame->data[0], live->luma, (gsize)frame->stride[0] * 240);
    memset(frame->data[1], 90, (gsize)frame->stride[1] * 120);
    memset(frame->data[2], 170, (gsize)frame->stride[2] * 120);
    rtc_client_push(live->client, 0, frame);
    live->n_pushed++;
    return G_SOURCE_CONTINUE;
}

void
live_feed(Live *live, guint8 luma)
{
    live->luma = luma;
    if (live->source_id == 0) {
        live->source_id = g_timeout_add(33, on_feed, live);
    }
}

guint
live_get_n_frames(Live *live)
{
    SCOPE_LOCK_GUARD(&live->lock);
    return live->n_frames;
}

typedef struct {
    Live *live;
    guint n;
} Awaited;

static gboolean
has_frames(gpointer data)
{
    Awaited *awaited = data;

    return live_get_n_frames(awaited->live) >= awaited->n;
}

gboolean
live_wait_frames(Live *live, guint n)
{
    Awaited awaited = {live, live_get_n_frames(live) + n};

    return server_fixture_wait(has_frames, &awaited);
}

ScopeFrame *
live_dup_frame(Live *live)
{
    SCOPE_LOCK_GUARD(&live->lock);
    return live->frame ? scope_frame_ref(live->frame) : NULL;
}

static gboolean
is_channel_open(gpointer data)
{
    return rtc_client_is_channel_open(((Live *)data)->client);
}

void
live_wait_channel(Live *live)
{
    g_assert_true(server_fixture_wait(is_channel_open, live));
}

typedef struct {
    Live *live;
    const char *part;
    char *text;
} Text;

static gboolean
has_text(gpointer data)
{
    Text *text = data;
    char *next;

    while (!text->text && (next = rtc_client_pop_text(text->live->client)) != NULL) {
        if (strstr(next, text->part)) {
            text->text = next;
        } else {
            g_free(next);
        }
    }
    return text->text != NULL;
}

char *
live_wait_text(Live *live, const char *part)
{
    Text text = {live, part, NULL};

    g_assert_true(server_fixture_wait(has_text, &text));
    return text.text;
}

static gboolean
is_over(gpointer data)
{
    return g_get_monotonic_time() >= *(gint64 *)data;
}

void
live_run(double seconds)
{
    gint64 until_us = g_get_monotonic_time() + (gint64)(seconds * G_USEC_PER_SEC);

    server_fixture_wait(is_over, &until_us);
}

double
live_metric(ServerFixture *f, const char *name)
{
    g_auto(Reply) reply = server_fixture_request(f, "GET", "/metrics", NULL);
    g_autofree char *text = reply_text(&reply);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gsize length = strlen(name);
    double sum = 0.0;

    for (char **line = lines; *line; line++) {
        const char *space = strrchr(*line, ' ');
        if (space && strncmp(*line, name, length) == 0 &&
            ((*line)[length] == '{' || (*line)[length] == ' ')) {
            sum += g_ascii_strtod(space, NULL);
        }
    }
    return sum;
}
