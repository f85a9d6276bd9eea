/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A measuring WebRTC client: sends numbered pictures to a server that speaks the wire contract,
 * reads the numbers of what comes back, and reports latency, loss, time to the first picture, and
 * the server's processor time and memory. One or many sessions, or many connects one after the
 * other. Writes one JSON object to standard output.
 */
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/scope-lock.h"
#include "media/scope-gst-frame.h"
#include "media/scope-media.h"
#include "rtc-client.h"
#include "rtc-pattern.h"

#define N_NUMBERS       (1u << RTC_PATTERN_BITS)
#define CONNECT_SECONDS 20
#define WARM_UP_US      (2 * G_USEC_PER_SEC)

static const char *url = "http://127.0.0.1:8000";
static const char *pipeline = "";
static gboolean no_codecs = FALSE;
static int n_seconds = 20, n_sessions = 1, n_cycles = 0, size = 512, fps = 30, server_pid = 0;

static GOptionEntry entries[] = {
    {"url", 0, 0, G_OPTION_ARG_STRING, &url, "Server", "URL"},
    {"pipeline", 0, 0, G_OPTION_ARG_STRING, &pipeline, "Load this pipeline first", "ID"},
    {"seconds", 0, 0, G_OPTION_ARG_INT, &n_seconds, "Time to measure, after 2 s of warm-up", "N"},
    {"sessions", 0, 0, G_OPTION_ARG_INT, &n_sessions, "Sessions side by side", "N"},
    {"cycles", 0, 0, G_OPTION_ARG_INT, &n_cycles, "Connect and disconnect so often instead", "N"},
    {"no-codecs", 0, 0, G_OPTION_ARG_NONE, &no_codecs,
     "Encode once for all sessions and decode nothing, so that the server alone is at work", NULL},
    {"size", 0, 0, G_OPTION_ARG_INT, &size, "Width and height", "PIXELS"},
    {"fps", 0, 0, G_OPTION_ARG_INT, &fps, "Pictures a second", "N"},
    {"pid", 0, 0, G_OPTION_ARG_INT, &server_pid, "The server's process, for its use of CPU", "PID"},
    {NULL},
};

typedef struct {
    RtcClient *client;
    char *id;
    gint64 start_us; /* the offer was sent */
    ScopeLock lock;  /* guards what follows */
    gint64 sent_us[N_NUMBERS];
    guint64 n_sent;
    guint64 n_back;
    gint64 first_us;
    gboolean measuring;
    GArray *latencies_us; /* of gint64 */
} Session;

typedef struct {
    double cpu_s;
    glong rss_kib;
    guint threads;
    guint fds;
} Process;

static SoupSession *http;

/* -- HTTP
 * ------------------------------------------------------------------------------------------- */

static JsonNode *
request(const char *method, const char *path, const char *body, guint *ret_status)
{
    g_autofree char *target = g_strconcat(url, path, NULL);
    g_autoptr(SoupMessage) message = soup_message_new(method, target);
    g_autoptr(GError) error = NULL;
    if (body != NULL) {
        g_autoptr(GBytes) bytes = g_bytes_new(body, strlen(body));
        soup_message_set_request_body_from_bytes(message, "application/json", bytes);
    }
    g_autoptr(GBytes) reply = soup_session_send_and_read(http, message, NULL, &error);
    *ret_status = soup_message_get_status(message);
    if (reply == NULL || g_bytes_get_size(reply) == 0) {
        return NULL;
    }
    g_autofree char *text = g_strndup(g_bytes_get_data(reply, NULL), g_bytes_get_size(reply));
    return json_from_string(text, NULL);
}

/* For requests whose reply does not matter. */
static guint
call(const char *method, const char *path, const char *body)
{
    guint status = 0;
    JsonNode *reply = request(method, path, body, &status);
    g_clear_pointer(&reply, json_node_unref);
    return status;
}

static char *
make_object(const char *first, ...)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    va_list args;
    json_builder_begin_object(builder);
    va_start(args, first);
    for (const char *key = first; key != NULL; key = va_arg(args, const char *)) {
        json_builder_set_member_name(builder, key);
        json_builder_add_string_value(builder, va_arg(args, const char *));
    }
    va_end(args);
    json_builder_set_member_name(builder, "initialParameters");
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "input_mode");
    json_builder_add_string_value(builder, "video");
    json_builder_end_object(builder);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    return json_to_string(root, FALSE);
}

static gboolean
load_pipeline(void)
{
    guint status = 0;
    g_autofree char *body = g_strdup_printf("{\"pipeline_ids\": [\"%s\"]}", pipeline);
    status = call("POST", "/api/v1/pipeline/load", body);
    gint64 deadline_us = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (status == 200 && g_get_monotonic_time() < deadline_us) {
        g_autoptr(JsonNode) now = request("GET", "/api/v1/pipeline/status", NULL, &status);
        const char *state = now ? json_object_get_string_member_with_default(
                                      json_node_get_object(now), "status", "")
                                : "";
        if (g_str_equal(state, "loaded")) {
            return TRUE;
        }
        g_usleep(20000);
    }
    return FALSE;
}

static void
send_candidates(Session *session)
{
    char *candidate;
    while ((candidate = rtc_client_pop_candidate(session->client)) != NULL) {
        g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", session->id, NULL);
        g_autofree char *body = g_strdup_printf(
            "{\"candidates\": [{\"candidate\": \"%s\", \"sdpMid\": null, \"sdpMLineIndex\": 0}]}",
            candidate);
        call("PATCH", path, body);
        g_free(candidate);
    }
}

/* -- One session
 * ------------------------------------------------------------------------------------- */

static void
on_frame(guint video, ScopeFrame *frame, gpointer user_data)
{
    Session *session = user_data;
    gint64 now_us = g_get_monotonic_time();
    guint number;
    gboolean readable = frame != NULL && rtc_pattern_read(frame, &number);
    SCOPE_LOCK_GUARD(&session->lock);
    if (session->first_us == 0) {
        session->first_us = now_us;
    }
    session->n_back += frame == NULL;
    if (readable && session->sent_us[number] > 0) {
        gint64 latency_us = now_us - session->sent_us[number];
        session->sent_us[number] = 0;
        session->n_back++;
        if (session->measuring) {
            g_array_append_val(session->latencies_us, latency_us);
        }
    }
}

static gboolean
exchange(Session *session)
{
    guint status;
    g_autofree char *offer = rtc_client_create_offer(session->client, 0);
    g_autofree char *body = make_object("sdp", offer, "type", "offer", NULL);
    session->start_us = g_get_monotonic_time();
    g_autoptr(JsonNode) reply = request("POST", "/api/v1/webrtc/offer", body, &status);
    if (reply == NULL || status != 200) {
        g_autofree char *text = reply ? json_to_string(reply, FALSE) : g_strdup("no reply");
        g_printerr("offer: status %u, %s\n", status, text);
        return FALSE;
    }
    JsonObject *answer = json_node_get_object(reply);
    session->id = g_strdup(json_object_get_string_member_with_default(answer, "sessionId", "none"));
    send_candidates(session);
    return rtc_client_set_answer(session->client,
                                 json_object_get_string_member_with_default(answer, "sdp", ""));
}

static void
send_picture(Session *session, guint number)
{
    g_autoptr(ScopeFrame) frame = rtc_pattern_new((guint32)size, (guint32)size, number);
    {
        SCOPE_LOCK_GUARD(&session->lock);
        session->sent_us[number] = g_get_monotonic_time();
        session->n_sent++;
    }
    rtc_client_push(session->client, 0, frame);
}

static Session *
session_new(void)
{
    RtcClientOptions options = {.video = {{"sendrecv", SCOPE_VIDEO_CODEC_VP8}},
                                .bitrate_bps = 4000000,
                                .no_codecs = no_codecs,
                                .frame = on_frame};
    Session *session = g_new0(Session, 1);
    scope_lock_init(&session->lock);
    session->latencies_us = g_array_new(FALSE, FALSE, sizeof(gint64));
    options.user_data = session;
    session->client = rtc_client_new(&options);
    return session;
}

static void
session_free(Session *session)
{
    if (session->id != NULL) {
        g_autofree char *path = g_strconcat("/api/v1/webrtc/offer/", session->id, NULL);
        call("DELETE", path, NULL);
    }
    rtc_client_free(session->client);
    g_array_unref(session->latencies_us);
    scope_lock_clear(&session->lock);
    g_free(session->id);
    g_free(session);
}

/* Connects and sends until the first picture is back. Returns the time it took, or -1. */
static gint64
connect_session(Session *session)
{
    if (!exchange(session)) {
        return -1;
    }
    gint64 deadline_us = session->start_us + CONNECT_SECONDS * G_USEC_PER_SEC;
    for (guint number = 1; g_get_monotonic_time() < deadline_us; number++) {
        send_candidates(session);
        if (rtc_client_is_connected(session->client)) {
            send_picture(session, number);
        }
        g_usleep((gulong)(G_USEC_PER_SEC / fps));
        SCOPE_LOCK_GUARD(&session->lock);
        if (session->first_us > 0) {
            return session->first_us - session->start_us;
        }
    }
    return -1;
}

/* -- The server's process
 * ------------------------------------------------------------------------------ */

static guint
count_entries(const char *what)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", server_pid, what);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (dir != NULL && g_dir_read_name(dir) != NULL) {
        n++;
    }
    return n;
}

static Process
read_process(void)
{
    Process process = {0};
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", server_pid);
    g_autofree char *text = NULL;
    if (server_pid <= 0 || !g_file_get_contents(path, &text, NULL, NULL)) {
        return process;
    }
    g_auto(GStrv) fields = g_strsplit(strrchr(text, ')') + 2, " ", -1);
    process.cpu_s =
        (strtod(fields[11], NULL) + strtod(fields[12], NULL)) / (double)sysconf(_SC_CLK_TCK);
    process.rss_kib = strtol(fields[21], NULL, 10) * sysconf(_SC_PAGESIZE) / 1024;
    process.threads = count_entries("task");
    process.fds = count_entries("fd");
    return process;
}

/* -- Report
 * --------------------------------------------------------------------------------------------- */

static int
compare(gconstpointer a, gconstpointer b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;
    return (x > y) - (x < y);
}

static double
percentile_ms(GArray *sorted, double q)
{
    guint index = (guint)(q * (sorted->len > 0 ? sorted->len - 1 : 0) + 0.5);
    return sorted->len > 0 ? (double)g_array_index(sorted, gint64, index) / 1000.0 : -1;
}

static void
add(JsonBuilder *builder, const char *name, double value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_double_value(builder, value);
}

static void
print(JsonBuilder *builder)
{
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    g_autofree char *text = json_to_string(root, TRUE);
    g_print("%s\n", text);
}

static void
stream(Session **sessions, double seconds)
{
    gint64 start_us = g_get_monotonic_time();
    static guint number = 1000;
    for (guint i = 0; i < (guint)(seconds * fps); i++) {
        number = (number + 1) % N_NUMBERS;
        for (int s = 0; s < n_sessions; s++) {
            send_picture(sessions[s], number);
        }
        gint64 left_us = start_us + (gint64)(i + 1) * G_USEC_PER_SEC / fps - g_get_monotonic_time();
        if (left_us > 0) {
            g_usleep((gulong)left_us);
        }
    }
}

static void
set_measuring(Session **sessions, gboolean on)
{
    for (int s = 0; s < n_sessions; s++) {
        SCOPE_LOCK_GUARD(&sessions[s]->lock);
        sessions[s]->measuring = on;
        if (on) {
            sessions[s]->n_sent = sessions[s]->n_back = 0;
        }
    }
}

static void
report(Session **sessions, GArray *first_us, Process before, Process after, double seconds)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(gint64));
    guint64 n_sent = 0, n_back = 0;
    double slowest_fps = fps;
    for (int s = 0; s < n_sessions; s++) {
        SCOPE_LOCK_GUARD(&sessions[s]->lock);
        GArray *mine = sessions[s]->latencies_us;
        g_array_append_vals(all, mine->data, mine->len);
        n_sent += sessions[s]->n_sent;
        n_back += sessions[s]->n_back;
        slowest_fps = MIN(slowest_fps, (double)sessions[s]->n_back / seconds);
    }
    g_array_sort(all, compare);
    g_array_sort(first_us, compare);
    json_builder_begin_object(builder);
    add(builder, "sessions", n_sessions);
    add(builder, "seconds", seconds);
    add(builder, "latency_p50_ms", percentile_ms(all, 0.50));
    add(builder, "latency_p95_ms", percentile_ms(all, 0.95));
    add(builder, "first_frame_p50_ms", percentile_ms(first_us, 0.5));
    add(builder, "frames_sent", (double)n_sent);
    add(builder, "frames_back", (double)n_back);
    add(builder, "lost_ratio", n_sent ? 1.0 - (double)n_back / (double)n_sent : 1.0);
    add(builder, "slowest_session_fps", slowest_fps);
    add(builder, "server_cpu_s_per_streamed_min",
        (after.cpu_s - before.cpu_s) / seconds * 60.0 / n_sessions);
    add(builder, "server_rss_mib", (double)after.rss_kib / 1024.0);
    print(builder);
}

static int
run_sessions(void)
{
    g_autofree Session **sessions = g_new0(Session *, (gsize)n_sessions);
    g_autoptr(GArray) first_us = g_array_new(FALSE, FALSE, sizeof(gint64));
    int status = 0;
    for (int s = 0; s < n_sessions; s++) {
        sessions[s] = session_new();
        gint64 spent_us = connect_session(sessions[s]);
        g_array_append_val(first_us, spent_us);
        if (spent_us < 0) {
            g_printerr("session %d did not connect\n", s + 1);
            status = 1;
        }
    }
    if (status == 0) {
        stream(sessions, (double)WARM_UP_US / G_USEC_PER_SEC);
        set_measuring(sessions, TRUE);
        Process before = read_process();
        gint64 start_us = g_get_monotonic_time();
        stream(sessions, n_seconds);
        Process after = read_process();
        double seconds = (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC;
        g_usleep(300000);
        set_measuring(sessions, FALSE);
        report(sessions, first_us, before, after, seconds);
    }
    for (int s = 0; s < n_sessions; s++) {
        session_free(sessions[s]);
    }
    return status;
}

/* -- Without codecs ------------------------------------------------------------------------------
 */

typedef struct {
    GstElement *pipeline;
    GstElement *in;
    GstElement *out;
    guint number;
} Encoder;

/* One stream for all: a key picture each half second, because none can be asked for. */
static Encoder
encoder_new(void)
{
    Encoder encoder = {0};
    g_autofree char *text = g_strdup_printf(
        "appsrc name=in is-live=true format=time caps=video/x-raw,format=I420,width=%d,height=%d,"
        "framerate=%d/1 ! vp8enc deadline=1 cpu-used=-12 end-usage=cbr target-bitrate=4000000 "
        "keyframe-max-dist=15 ! appsink name=out sync=false",
        size, size, fps);
    encoder.pipeline = gst_parse_launch(text, NULL);
    encoder.in = gst_bin_get_by_name(GST_BIN(encoder.pipeline), "in");
    encoder.out = gst_bin_get_by_name(GST_BIN(encoder.pipeline), "out");
    gst_element_set_state(encoder.pipeline, GST_STATE_PLAYING);
    return encoder;
}

static void
encoder_clear(Encoder *encoder)
{
    gst_element_set_state(encoder->pipeline, GST_STATE_NULL);
    gst_object_unref(encoder->in);
    gst_object_unref(encoder->out);
    gst_object_unref(encoder->pipeline);
}

/* The next picture, encoded, to all of @sessions that are connected; then waits for its time. */
static void
send_encoded(Encoder *encoder, Session **sessions, int n)
{
    gint64 next_us = g_get_monotonic_time() + G_USEC_PER_SEC / fps;
    g_autoptr(ScopeFrame) frame =
        rtc_pattern_new((guint32)size, (guint32)size, encoder->number++ % N_NUMBERS);
    GstBuffer *raw = scope_gst_buffer_new_from_frame(frame);
    GST_BUFFER_PTS(raw) = (GstClockTime)g_get_monotonic_time() * GST_USECOND;
    gst_app_src_push_buffer(GST_APP_SRC(encoder->in), raw);
    g_autoptr(GstSample) sample = gst_app_sink_pull_sample(GST_APP_SINK(encoder->out));
    for (int s = 0; s < n; s++) {
        if (rtc_client_is_connected(sessions[s]->client)) {
            rtc_client_push_encoded(sessions[s]->client, 0,
                                    gst_buffer_copy(gst_sample_get_buffer(sample)));
            sessions[s]->n_sent++;
        }
        send_candidates(sessions[s]);
    }
    gint64 left_us = next_us - g_get_monotonic_time();
    if (left_us > 0) {
        g_usleep((gulong)left_us);
    }
}

static gboolean
has_begun(Session *session)
{
    SCOPE_LOCK_GUARD(&session->lock);
    return session->first_us > 0;
}

static gboolean
connect_encoded(Encoder *encoder, Session **sessions, int index)
{
    sessions[index] = session_new();
    if (!exchange(sessions[index])) {
        return FALSE;
    }
    gint64 deadline_us = g_get_monotonic_time() + CONNECT_SECONDS * G_USEC_PER_SEC;
    while (!has_begun(sessions[index]) && g_get_monotonic_time() < deadline_us) {
        send_encoded(encoder, sessions, index + 1);
    }
    return has_begun(sessions[index]);
}

static int
run_without_codecs(void)
{
    g_autofree Session **sessions = g_new0(Session *, (gsize)n_sessions);
    g_autoptr(GArray) first_us = g_array_new(FALSE, FALSE, sizeof(gint64));
    Encoder encoder = encoder_new();
    int n = 0;
    while (n < n_sessions && connect_encoded(&encoder, sessions, n)) {
        gint64 spent_us = sessions[n]->first_us - sessions[n]->start_us;
        g_array_append_val(first_us, spent_us);
        n++;
    }
    if (n == n_sessions) {
        for (int i = 0; i < 2 * fps; i++) {
            send_encoded(&encoder, sessions, n);
        }
        set_measuring(sessions, TRUE);
        Process before = read_process();
        gint64 begin_us = g_get_monotonic_time();
        for (int i = 0; i < n_seconds * fps; i++) {
            send_encoded(&encoder, sessions, n);
        }
        report(sessions, first_us, before, read_process(),
               (double)(g_get_monotonic_time() - begin_us) / G_USEC_PER_SEC);
    }
    for (int s = 0; s < n_sessions && sessions[s] != NULL; s++) {
        session_free(sessions[s]);
    }
    encoder_clear(&encoder);
    return n == n_sessions ? 0 : 1;
}

static int
run_cycles(void)
{
    g_autoptr(GArray) first_us = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_autoptr(JsonBuilder) builder = json_builder_new();
    Process before = {0};
    int n_failed = 0, n_warm_up = MIN(10, n_cycles / 5);
    for (int i = 0; i < n_cycles + n_warm_up; i++) {
        if (i == n_warm_up) {
            before = read_process();
        }
        Session *session = session_new();
        gint64 spent_us = connect_session(session);
        n_failed += spent_us < 0;
        g_array_append_val(first_us, spent_us);
        session_free(session);
    }
    g_usleep(3 * G_USEC_PER_SEC);
    Process after = read_process();
    g_array_sort(first_us, compare);
    json_builder_begin_object(builder);
    add(builder, "cycles", n_cycles);
    add(builder, "failed", n_failed);
    add(builder, "first_frame_p50_ms", percentile_ms(first_us, 0.5));
    add(builder, "first_frame_p95_ms", percentile_ms(first_us, 0.95));
    add(builder, "rss_before_mib", (double)before.rss_kib / 1024.0);
    add(builder, "rss_after_mib", (double)after.rss_kib / 1024.0);
    add(builder, "threads_before", before.threads);
    add(builder, "threads_after", after.threads);
    add(builder, "fds_before", before.fds);
    add(builder, "fds_after", after.fds);
    print(builder);
    return n_failed > 0;
}

int
main(int argc, char **argv)
{
    g_autoptr(GOptionContext) context = g_option_context_new("- measure a WebRTC server");
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || !scope_media_init(&error)) {
        g_printerr("%s\n", error->message);
        return 2;
    }
    http = soup_session_new_with_options("timeout", 60, NULL);
    if (*pipeline != '\0' && !load_pipeline()) {
        g_printerr("the pipeline %s could not be loaded\n", pipeline);
        return 1;
    }
    if (no_codecs) {
        return run_without_codecs();
    }
    return n_cycles > 0 ? run_cycles() : run_sessions();
}
