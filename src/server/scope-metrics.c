/* SPDX-License-Identifier: Apache-2.0 */
/* Collects counters from the parts of the server and writes them as text. Main thread only. */
#include "server/scope-metrics.h"

#include "core/scope-frame.h"
#include "core/scope-instance.h"
#include "server/scope-hardware.h"
#include "server/scope-server-private.h"

static void
append_head(GString *text, const char *name, const char *type, const char *help)
{
    g_string_append_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Prometheus wants a dot, whatever the locale says. */
static void
append_value(GString *text, const char *name, const char *labels, gdouble value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(text, "%s%s %s\n", name, labels,
                           g_ascii_formatd(buffer, sizeof buffer, "%.9g", value));
}

static void
append_single(GString *text, const char *name, const char *type, const char *help, gdouble value)
{
    append_head(text, name, type, help);
    append_value(text, name, "", value);
}

static void
append_process(GString *text, ScopeServer *server)
{
    ScopeProcessUsage usage;
    ScopeFramePoolStats pool;

    scope_process_usage_read(&usage);
    scope_frame_pool_get_stats(&pool);
    append_single(text, "process_resident_memory_bytes", "gauge", "Resident memory.",
                  (gdouble)usage.rss_bytes);
    append_single(text, "process_cpu_seconds_total", "counter", "Processor time.", usage.cpu_s);
    append_single(text, "process_threads", "gauge", "Threads.", usage.n_threads);
    append_single(text, "process_open_fds", "gauge", "Open descriptors.", usage.n_fds);
    append_single(text, "process_start_time_seconds", "gauge", "Unix time of the start.",
                  server->start_time_s);
    append_single(text, "scope_frame_pool_live", "gauge", "Frames that have an owner.",
                  pool.n_live);
    append_single(text, "scope_frame_pool_idle_bytes", "gauge", "Frame memory kept for reuse.",
                  (gdouble)pool.idle_bytes);
    append_single(text, "scope_pipelines_loading", "gauge", "1 while a pipeline is being loaded.",
                  scope_manager_get_state(server->manager) == SCOPE_MANAGER_LOADING);
    append_single(text, "scope_pipeline_instances", "gauge", "Loaded pipeline instances.",
                  scope_instance_count());
}

static void
append_http(GString *text, ScopeServer *server)
{
    static const char *const classes[] = {"cut", "1xx", "2xx", "3xx", "4xx", "5xx"};
    ScopeHttpStats stats;

    scope_http_get_stats(server->http, &stats);
    append_single(text, "scope_http_connections", "gauge", "Open HTTP connections.",
                  stats.n_connections);
    append_single(text, "scope_http_connections_refused_total", "counter",
                  "Connections over the limit.", (gdouble)stats.n_connections_refused);
    append_single(text, "scope_http_connections_timed_out_total", "counter",
                  "Connections that were too slow.", (gdouble)stats.n_connections_timed_out);
    append_head(text, "scope_http_replies_total", "counter", "Replies by class of status.");
    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autofree char *labels = g_strdup_printf("{class=\"%s\"}", classes[i]);
        append_value(text, "scope_http_replies_total", labels, (gdouble)stats.n_replies[i]);
    }
}

typedef struct {
    GString *text;
    const char *name;
    gdouble (*get)(const ScopeSessionStats *stats);
} SessionMetric;

static void
append_session_value(ScopeSession *session, gpointer user_data)
{
    const SessionMetric *metric = user_data;
    ScopeSessionStats stats;
    g_autofree char *labels = g_strdup_printf("{session=\"%s\"}", scope_session_get_id(session));

    scope_session_get_stats(session, &stats);
    append_value(metric->text, metric->name, labels, metric->get(&stats));
}

#define SESSION_GETTER(field)                                                                      \
    static gdouble get_##field(const ScopeSessionStats *stats)                                     \
    {                                                                                              \
        return (gdouble)stats->field;                                                              \
    }

SESSION_GETTER(frames_in)
SESSION_GETTER(frames_out)
SESSION_GETTER(frames_in_dropped)
SESSION_GETTER(frames_out_dropped)
SESSION_GETTER(fps_in)
SESSION_GETTER(fps_out)
SESSION_GETTER(pipeline_fps)
SESSION_GETTER(first_frame_s)
SESSION_GETTER(queue_frames)

static void
append_sessions(GString *text, ScopeServer *server)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        gdouble (*get)(const ScopeSessionStats *stats);
    } metrics[] = {
        {"scope_session_frames_in_total", "counter", "Frames from the client.", get_frames_in},
        {"scope_session_frames_out_total", "counter", "Frames to the encoder.", get_frames_out},
        {"scope_session_frames_in_dropped_total", "counter", "Frames that found a full queue.",
         get_frames_in_dropped},
        {"scope_session_frames_out_dropped_total", "counter", "Frames the encoder did not take.",
         get_frames_out_dropped},
        {"scope_session_fps_in", "gauge", "Frames per second from the client.", get_fps_in},
        {"scope_session_fps_out", "gauge", "Frames per second to the encoder.", get_fps_out},
        {"scope_session_pipeline_fps", "gauge", "Rate of the last stage.", get_pipeline_fps},
        {"scope_session_first_frame_seconds", "gauge",
         "From the offer to the first frame; -1 = none yet.", get_first_frame_s},
        {"scope_session_queue_frames", "gauge", "Finished frames that wait.", get_queue_frames},
    };
    ScopeSessionsStats stats;

    scope_sessions_get_stats(server->sessions, &stats);
    append_single(text, "scope_sessions", "gauge", "Live sessions.", stats.n_live);
    append_single(text, "scope_sessions_created_total", "counter", "Sessions answered.",
                  (gdouble)stats.n_created);
    append_single(text, "scope_sessions_refused_total", "counter", "Offers not answered.",
                  (gdouble)stats.n_refused);
    append_single(text, "scope_sessions_failed_total", "counter", "Sessions lost by transport.",
                  (gdouble)stats.n_failed);
    append_single(text, "scope_sessions_fatal_total", "counter", "Streams ended by an error.",
                  (gdouble)stats.n_fatal);
    for (gsize i = 0; i < G_N_ELEMENTS(metrics); i++) {
        SessionMetric metric = {.text = text, .name = metrics[i].name, .get = metrics[i].get};
        append_head(text, metrics[i].name, metrics[i].type, metrics[i].help);
        scope_sessions_foreach(server->sessions, append_session_value, &metric);
    }
}

static void
add_ages(ScopeSession *session, gpointer user_data)
{
    ScopePacerStats *sum = user_data;
    ScopePacerStats stats;

    scope_session_get_pacer_stats(session, &stats);
    for (guint i = 0; i <= SCOPE_PACER_BUCKETS; i++) {
        sum->age_buckets[i] += stats.age_buckets[i];
    }
    sum->age_sum_us += stats.age_sum_us;
}

/* The age of frames when they reach the encoder, over the sessions that live. */
static void
append_ages(GString *text, ScopeServer *server)
{
    const gdouble *bounds = scope_pacer_get_bounds_s();
    ScopePacerStats sum = {0};
    guint64 n = 0;

    scope_sessions_foreach(server->sessions, add_ages, &sum);
    append_head(text, "scope_frame_age_seconds", "histogram",
                "Age of frames when they reach the encoder.");
    for (guint i = 0; i < SCOPE_PACER_BUCKETS; i++) {
        char buffer[G_ASCII_DTOSTR_BUF_SIZE];
        g_autofree char *labels =
            g_strdup_printf("{le=\"%s\"}", g_ascii_formatd(buffer, sizeof buffer, "%g", bounds[i]));
        n += sum.age_buckets[i];
        append_value(text, "scope_frame_age_seconds_bucket", labels, (gdouble)n);
    }
    n += sum.age_buckets[SCOPE_PACER_BUCKETS];
    append_value(text, "scope_frame_age_seconds_bucket", "{le=\"+Inf\"}", (gdouble)n);
    append_value(text, "scope_frame_age_seconds_sum", "", (gdouble)sum.age_sum_us / 1e6);
    append_value(text, "scope_frame_age_seconds_count", "", (gdouble)n);
}

static gdouble
get_stage_process(const ScopeStageStats *stats)
{
    return (gdouble)stats->process_avg_us / 1e6;
}

static gdouble
get_stage_latency(const ScopeStageStats *stats)
{
    return (gdouble)stats->latency_us / 1e6;
}

static gdouble
get_stage_queue(const ScopeStageStats *stats)
{
    return stats->queue_frames;
}

static gdouble
get_stage_chunks(const ScopeStageStats *stats)
{
    return (gdouble)stats->n_chunks;
}

static gdouble
get_stage_errors(const ScopeStageStats *stats)
{
    return (gdouble)stats->n_errors;
}

static gdouble
get_stage_drops(const ScopeStageStats *stats)
{
    return (gdouble)(stats->n_frames_in_dropped + stats->n_frames_out_dropped);
}

typedef struct {
    GString *text;
    const char *name;
    gdouble (*get)(const ScopeStageStats *stats);
} StageMetric;

/* Node ids come from clients. */
static char *
dup_label(const char *value)
{
    g_autoptr(GString) label = g_string_new(NULL);

    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\') {
            g_string_append_c(label, '\\');
        }
        g_string_append_c(label, *c == '\n' ? ' ' : *c);
    }
    return g_strdup(label->str);
}

static void
append_stage_values(ScopeSession *session, gpointer user_data)
{
    const StageMetric *metric = user_data;
    ScopeChain *chain = scope_session_get_chain(session);

    for (guint i = 0; chain && i < scope_chain_get_n_stages(chain); i++) {
        ScopeStageStats stats;
        g_autofree char *node = NULL;
        g_autofree char *labels = NULL;
        scope_chain_get_stats(chain, i, &stats);
        node = dup_label(stats.node_id);
        labels = g_strdup_printf("{session=\"%s\",node=\"%s\",pipeline=\"%s\"}",
                                 scope_session_get_id(session), node, stats.pipeline_id);
        append_value(metric->text, metric->name, labels, metric->get(&stats));
    }
}

typedef struct {
    GString *text;
    const char *name;
    gboolean counts; /* chunks instead of seconds */
} PartMetric;

static void
append_part_values(ScopeSession *session, gpointer user_data)
{
    const PartMetric *metric = user_data;
    ScopeChain *chain = scope_session_get_chain(session);

    for (guint i = 0; chain && i < scope_chain_get_n_stages(chain); i++) {
        ScopeStageStats stats;
        g_autofree char *node = NULL;
        scope_chain_get_stats(chain, i, &stats);
        node = dup_label(stats.node_id);
        for (guint p = 0; p < stats.timings.n_parts; p++) {
            const ScopeStageTiming *part = &stats.timings.parts[p];
            g_autofree char *labels =
                g_strdup_printf("{session=\"%s\",node=\"%s\",pipeline=\"%s\",part=\"%s\"}",
                                scope_session_get_id(session), node, stats.pipeline_id, part->name);
            append_value(metric->text, metric->name, labels,
                         metric->counts ? (gdouble)part->n_chunks : (gdouble)part->total_us / 1e6);
        }
    }
}

/* What the parts of a chunk take, where a pipeline tells it, and what encoding takes. */
static void
append_parts(GString *text, ScopeServer *server)
{
    static const struct {
        const char *name;
        const char *help;
        gboolean counts;
    } metrics[] = {
        {"scope_stage_part_seconds_total", "Time in a part of the chunks.", FALSE},
        {"scope_stage_part_chunks_total", "Chunks that had the part.", TRUE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(metrics); i++) {
        PartMetric metric = {.text = text, .name = metrics[i].name, .counts = metrics[i].counts};
        append_head(text, metrics[i].name, "counter", metrics[i].help);
        scope_sessions_foreach(server->sessions, append_part_values, &metric);
    }
}

static void
append_encode_value(ScopeSession *session, gpointer user_data)
{
    ScopePeerStats stats;
    g_autofree char *labels = g_strdup_printf("{session=\"%s\"}", scope_session_get_id(session));

    scope_peer_get_stats(scope_session_get_peer(session), &stats);
    append_value(user_data, "scope_session_encode_seconds", labels, (gdouble)stats.encode_us / 1e6);
}

static void
append_encode(GString *text, ScopeServer *server)
{
    append_head(text, "scope_session_encode_seconds", "gauge",
                "From a frame's push to its encoded picture, moving average.");
    scope_sessions_foreach(server->sessions, append_encode_value, text);
}

static void
append_stages(GString *text, ScopeServer *server)
{
    static const struct {
        const char *name;
        const char *type;
        const char *help;
        gdouble (*get)(const ScopeStageStats *stats);
    } metrics[] = {
        {"scope_stage_chunks_total", "counter", "Chunks processed.", get_stage_chunks},
        {"scope_stage_errors_total", "counter", "Chunks that failed.", get_stage_errors},
        {"scope_stage_frames_dropped_total", "counter", "Frames dropped at full queues.",
         get_stage_drops},
        {"scope_stage_queue_frames", "gauge", "Frames that wait for the stage.", get_stage_queue},
        {"scope_stage_process_seconds", "gauge", "Duration of a chunk, moving average.",
         get_stage_process},
        {"scope_stage_frame_age_seconds", "gauge", "Age of the last frame that left the stage.",
         get_stage_latency},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(metrics); i++) {
        StageMetric metric = {.text = text, .name = metrics[i].name, .get = metrics[i].get};
        append_head(text, metrics[i].name, metrics[i].type, metrics[i].help);
        scope_sessions_foreach(server->sessions, append_stage_values, &metric);
    }
}

GBytes *
scope_metrics_render(ScopeServer *server)
{
    GString *text = g_string_new(NULL);

    append_head(text, "scope_build_info", "gauge", "Version of the program.");
    g_string_append_printf(text, "scope_build_info{version=\"%s\",commit=\"%s\"} 1\n",
                           server->options.version,
                           server->options.commit ? server->options.commit : "unknown");
    append_process(text, server);
    append_http(text, server);
    append_sessions(text, server);
    append_ages(text, server);
    append_stages(text, server);
    append_parts(text, server);
    append_encode(text, server);
    return g_string_free_to_bytes(text);
}
