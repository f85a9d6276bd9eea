/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Topics, the level filter, the limit of repeats, and the writer behind g_log_structured that sends
 * lines to the terminal and to the file. Process-wide state under one leaf lock; topics cache their
 * level in an atomic, which is all that a silent line touches.
 */
#include "core/scope-log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/scope-error.h"
#include "core/scope-lock.h"
#include "core/scope-log-file.h"

#define REPEAT_SLOTS     64
#define REPEAT_MAX       5
#define REPEAT_WINDOW_US (10 * G_USEC_PER_SEC)

typedef struct {
    char *glob;
    gint level;
} FilterRule;

typedef struct {
    guint hash;
    gint64 since_us;
    guint n_seen;
    guint n_hidden;
    ScopeLogLevel level;
    char logger[48];
    char message[160];
} Repeat;

static struct {
    ScopeLock lock;
    GArray *rules; /* of FilterRule, the last match wins; NULL = not read yet */
    char **quiet;
    gboolean no_terminal;
    gboolean colour;
    ScopeLogFile *file;
    ScopeLogTopic *topics;
    Repeat repeats[REPEAT_SLOTS];
} state = {.lock = SCOPE_LOCK_INIT};

static pthread_once_t writer_once = PTHREAD_ONCE_INIT;
static _Thread_local char connection_id[64];

static const char *const level_names[] = {"error", "warning", "info", "debug", "trace"};
static const char *const level_labels[] = {"ERROR", "WARNING", "INFO", "DEBUG", "TRACE"};
static const char *const level_colours[] = {"\033[31m", "\033[33m", "\033[32m", "\033[36m",
                                            "\033[90m"};

gboolean
scope_log_level_from_string(const char *text, ScopeLogLevel *ret_level)
{
    for (guint i = 0; text != NULL && i < G_N_ELEMENTS(level_names); i++) {
        if (g_ascii_strcasecmp(text, level_names[i]) == 0) {
            *ret_level = (ScopeLogLevel)i;
            return TRUE;
        }
    }
    return FALSE;
}

/* -- Filter -------------------------------------------------------------------------------- */

static void
rule_clear(gpointer data)
{
    g_free(((FilterRule *)data)->glob);
}

static GArray *
parse_filter(const char *text, GError **error)
{
    g_auto(GStrv) items = g_strsplit(text, ",", -1);
    g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(FilterRule));
    FilterRule base = {g_strdup("*"), SCOPE_LOG_INFO};

    g_array_set_clear_func(rules, rule_clear);
    g_array_append_val(rules, base);
    for (guint i = 0; items[i] != NULL; i++) {
        char *item = g_strstrip(items[i]);
        char *colon = strrchr(item, ':');
        const char *level_text = colon != NULL ? colon + 1 : item;
        ScopeLogLevel level;
        FilterRule rule;

        if (*item == '\0')
            continue;
        if (!scope_log_level_from_string(level_text, &level) || colon == item) {
            g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                        "Log filter item \"%s\" is not LEVEL or TOPIC:LEVEL with a level of error, "
                        "warning, info, debug, trace",
                        item);
            return NULL;
        }
        rule.glob = colon != NULL ? g_strndup(item, (gsize)(colon - item)) : g_strdup("*");
        rule.level = (gint)level;
        g_array_append_val(rules, rule);
    }
    return g_steal_pointer(&rules);
}

/* Lock held. */
static gint
level_for(const char *name)
{
    gint level = SCOPE_LOG_INFO;

    for (guint i = 0; state.rules != NULL && i < state.rules->len; i++) {
        const FilterRule *rule = &g_array_index(state.rules, FilterRule, i);

        if (g_pattern_match_simple(rule->glob, name))
            level = rule->level;
    }
    for (guint i = 0; state.quiet != NULL && state.quiet[i] != NULL; i++) {
        if (*state.quiet[i] != '\0' && g_pattern_match_simple(state.quiet[i], name))
            return SCOPE_LOG_ERROR;
    }
    return level;
}

/* Lock held. */
static void
set_rules(GArray *rules)
{
    g_clear_pointer(&state.rules, g_array_unref);
    state.rules = rules;
    for (ScopeLogTopic *topic = state.topics; topic != NULL; topic = topic->next)
        __atomic_store_n(&topic->level, level_for(topic->name), __ATOMIC_RELAXED);
}

/* Lock held. */
static void
ensure_rules(void)
{
    const char *text;
    GArray *rules;

    if (state.rules != NULL)
        return;
    text = g_getenv("SCOPE_DEBUG");
    rules = text != NULL ? parse_filter(text, NULL) : NULL;
    set_rules(rules != NULL ? rules : parse_filter("info", NULL));
}

gboolean
scope_log_set_filter(const char *filter, GError **error)
{
    GArray *rules;

    g_return_val_if_fail(filter != NULL, FALSE);

    rules = parse_filter(filter, error);
    if (rules == NULL)
        return FALSE;
    SCOPE_LOCK_GUARD(&state.lock);
    set_rules(rules);
    return TRUE;
}

gint
scope_log_topic_resolve(ScopeLogTopic *topic)
{
    SCOPE_LOCK_GUARD(&state.lock);
    ensure_rules();
    if (__atomic_load_n(&topic->level, __ATOMIC_RELAXED) < 0) {
        topic->next = state.topics;
        state.topics = topic;
        __atomic_store_n(&topic->level, level_for(topic->name), __ATOMIC_RELAXED);
    }
    return __atomic_load_n(&topic->level, __ATOMIC_RELAXED);
}

ScopeLogTopic *
scope_log_topic_get(const char *module, const char *name)
{
    g_autofree char *full = g_strdup_printf("%s.%s", module, name);
    ScopeLogTopic *topic;

    SCOPE_LOCK_GUARD(&state.lock);
    ensure_rules();
    for (topic = state.topics; topic != NULL; topic = topic->next) {
        if (strcmp(topic->name, full) == 0)
            return topic;
    }
    topic = g_new0(ScopeLogTopic, 1);
    topic->module = g_intern_string(module);
    topic->name = g_intern_string(full);
    topic->level = level_for(full);
    topic->next = state.topics;
    state.topics = topic;
    return topic;
}

void
scope_log_set_connection(const char *id)
{
    g_strlcpy(connection_id, id != NULL ? id : "", sizeof connection_id);
}

/* -- Lines --------------------------------------------------------------------------------- */

/* Control characters would let a client forge lines. */
static void
append_escaped(GString *line, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        guchar c = (guchar)*p;

        if (c == '\n')
            g_string_append(line, "\\n");
        else if ((c < 0x20 && c != '\t') || c == 0x7f)
            g_string_append_printf(line, "\\x%02x", c);
        else
            g_string_append_c(line, (gchar)c);
    }
}

/* Lock held. */
static void
write_line(ScopeLogLevel level, const char *logger, const char *connection, const char *message)
{
    gint64 now_us = g_get_real_time();
    time_t now_s = (time_t)(now_us / G_USEC_PER_SEC);
    guint ms = (guint)(now_us % G_USEC_PER_SEC / 1000);
    g_autoptr(GString) line = g_string_sized_new(256);
    char date[32];
    struct tm tm;

    localtime_r(&now_s, &tm);
    if (state.file != NULL) {
        strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
        g_string_printf(line, "%s,%03u - %s - %s - ", date, ms, logger, level_labels[level]);
        if (connection[0] != '\0')
            g_string_append_printf(line, "[%s] ", connection);
        append_escaped(line, message);
        g_string_append_c(line, '\n');
        scope_log_file_write(state.file, line->str, line->len);
    }
    if (!state.no_terminal) {
        const char *colour = state.colour ? level_colours[level] : "";
        const char *plain = state.colour ? "\033[0m" : "";
        const char *dim = state.colour ? "\033[90m" : "";
        gssize ignored;

        strftime(date, sizeof date, "%H:%M:%S", &tm);
        g_string_printf(line, "%s%s.%03u%s %s%-7s%s %s%s%s ", dim, date, ms, plain, colour,
                        level_labels[level], plain, dim, logger, plain);
        if (connection[0] != '\0')
            g_string_append_printf(line, "[%.8s] ", connection);
        append_escaped(line, message);
        g_string_append_c(line, '\n');
        ignored = write(STDERR_FILENO, line->str, line->len);
        (void)ignored; /* nobody to tell */
    }
}

/* Repeats of warnings count as equal when only numbers differ; of other lines only when equal. */
static guint
message_hash(ScopeLogLevel level, const char *logger, const char *message)
{
    guint hash = g_str_hash(logger) * 33u + level;

    for (const char *p = message; *p != '\0'; p++) {
        if (level <= SCOPE_LOG_WARNING && g_ascii_isdigit(*p))
            continue;
        hash = hash * 33u + (guchar)*p;
    }
    return hash != 0 ? hash : 1;
}

/* Tells how often a line was left out. Lock held. */
static void
flush_repeat(Repeat *repeat)
{
    g_autofree char *text = NULL;

    if (repeat->n_hidden > 0) {
        text = g_strdup_printf("%s (repeated %u more times in %.0f s)", repeat->message,
                               repeat->n_hidden,
                               (gdouble)(g_get_monotonic_time() - repeat->since_us) / 1e6);
        write_line(repeat->level, repeat->logger, "", text);
    }
    memset(repeat, 0, sizeof *repeat);
}

/* The slot of a line: its own, or the oldest that hides nothing; NULL when there is none. */
static Repeat *
find_repeat(guint hash)
{
    Repeat *oldest = NULL;

    for (guint i = 0; i < REPEAT_SLOTS; i++) {
        Repeat *repeat = &state.repeats[i];

        if (repeat->hash == hash)
            return repeat;
        if (repeat->n_hidden == 0 && (oldest == NULL || repeat->since_us < oldest->since_us))
            oldest = repeat;
    }
    return oldest;
}

/* Whether the line is one repeat too many. Lock held. */
static gboolean
is_repeat(ScopeLogLevel level, const char *logger, const char *message)
{
    gint64 now_us = g_get_monotonic_time();
    Repeat *repeat;
    guint hash;

    if (level > SCOPE_LOG_INFO)
        return FALSE;
    for (guint i = 0; i < REPEAT_SLOTS; i++) {
        if (state.repeats[i].hash != 0 && now_us - state.repeats[i].since_us > REPEAT_WINDOW_US)
            flush_repeat(&state.repeats[i]);
    }
    hash = message_hash(level, logger, message);
    repeat = find_repeat(hash);
    if (repeat == NULL)
        return FALSE;
    if (repeat->hash != hash) {
        repeat->hash = hash;
        repeat->n_seen = 0;
        repeat->since_us = now_us;
        repeat->level = level;
        g_strlcpy(repeat->logger, logger, sizeof repeat->logger);
        g_strlcpy(repeat->message, message, sizeof repeat->message);
    }
    if (++repeat->n_seen <= REPEAT_MAX)
        return FALSE;
    repeat->n_hidden++;
    return TRUE;
}

static void
emit(ScopeLogLevel level, const char *logger, const char *connection, const char *message)
{
    SCOPE_LOCK_GUARD(&state.lock);
    if (!is_repeat(level, logger, message))
        write_line(level, logger, connection, message);
}

/* -- The writer behind GLib ------------------------------------------------------------------ */

static ScopeLogLevel
level_from_glib(GLogLevelFlags flags)
{
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return SCOPE_LOG_ERROR;
    if (flags & G_LOG_LEVEL_WARNING)
        return SCOPE_LOG_WARNING;
    if (flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO))
        return SCOPE_LOG_INFO;
    return SCOPE_LOG_DEBUG;
}

static const char *
find_field(const GLogField *fields, gsize n_fields, const char *key)
{
    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return fields[i].value;
    }
    return NULL;
}

static GLogWriterOutput
log_writer(GLogLevelFlags flags, const GLogField *fields, gsize n_fields, gpointer user_data)
{
    const char *topic = find_field(fields, n_fields, "SCOPE_TOPIC");
    const char *level_text = find_field(fields, n_fields, "SCOPE_LEVEL");
    const char *domain = find_field(fields, n_fields, "GLIB_DOMAIN");
    const char *message = find_field(fields, n_fields, "MESSAGE");
    const char *connection = find_field(fields, n_fields, "SESSION");
    ScopeLogLevel level = level_from_glib(flags);
    gint shown;

    if (message == NULL)
        return G_LOG_WRITER_UNHANDLED;
    if (topic != NULL) {
        if (level_text != NULL)
            level = (ScopeLogLevel)(level_text[0] - '0');
        emit(level, topic, connection != NULL ? connection : "", message);
        return G_LOG_WRITER_HANDLED;
    }

    /* Lines of libraries. In tests their warnings are fatal, which the default writer sees to. */
    if (g_test_initialized())
        return g_log_writer_default(flags, fields, n_fields, user_data);
    if (domain == NULL)
        domain = "glib";
    scope_lock_lock(&state.lock);
    ensure_rules();
    shown = level_for(domain);
    scope_lock_unlock(&state.lock);
    if ((gint)level <= shown)
        emit(level, domain, connection_id, message);
    return G_LOG_WRITER_HANDLED;
}

static void
install_writer(void)
{
    state.colour = isatty(STDERR_FILENO) && g_getenv("NO_COLOR") == NULL;
    g_log_set_writer_func(log_writer, NULL, NULL);
}

void
scope_log_write(ScopeLogTopic *topic, ScopeLogLevel level, const char *file, const char *line,
                const char *format, ...)
{
    static const GLogLevelFlags glib_levels[] = {G_LOG_LEVEL_CRITICAL, G_LOG_LEVEL_WARNING,
                                                 G_LOG_LEVEL_INFO, G_LOG_LEVEL_DEBUG,
                                                 G_LOG_LEVEL_DEBUG};
    static const char *const priorities[] = {"4", "4", "6", "7", "7"};
    static const char *const digits[] = {"0", "1", "2", "3", "4"};
    g_autofree char *message = NULL;
    char domain[32];
    va_list args;

    pthread_once(&writer_once, install_writer);
    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_snprintf(domain, sizeof domain, "scope-%s", topic->module);

    GLogField fields[] = {
        {"MESSAGE", message, -1},
        {"PRIORITY", level == SCOPE_LOG_ERROR ? "3" : priorities[level], -1},
        {"GLIB_DOMAIN", domain, -1},
        {"SCOPE_TOPIC", topic->name, -1},
        {"SCOPE_LEVEL", digits[level], -1},
        {"CODE_FILE", file, -1},
        {"CODE_LINE", line, -1},
        {"SESSION", connection_id, -1},
    };
    g_log_structured_array(glib_levels[level], fields, G_N_ELEMENTS(fields));
}

/* -- Start and end ---------------------------------------------------------------------------- */

gboolean
scope_log_init(const ScopeLogConfig *config, GError **error)
{
    ScopeLogFile *file = NULL;

    g_return_val_if_fail(config != NULL, FALSE);

    pthread_once(&writer_once, install_writer);
    scope_lock_lock(&state.lock);
    state.no_terminal = config->no_terminal;
    g_clear_pointer(&state.quiet, g_strfreev);
    if (config->quiet_loggers != NULL)
        state.quiet = g_strsplit(config->quiet_loggers, ",", -1);
    g_clear_pointer(&state.rules, g_array_unref);
    ensure_rules();
    scope_lock_unlock(&state.lock);

    if (config->filter != NULL && !scope_log_set_filter(config->filter, error))
        return FALSE;
    if (config->logs_dir != NULL) {
        file = scope_log_file_open(config->logs_dir, SCOPE_LOG_FILE_MAX_BYTES, error);
        if (file == NULL)
            return FALSE;
    }
    SCOPE_LOCK_GUARD(&state.lock);
    g_clear_pointer(&state.file, scope_log_file_close);
    state.file = file;
    return TRUE;
}

void
scope_log_shutdown(void)
{
    SCOPE_LOCK_GUARD(&state.lock);
    for (guint i = 0; i < REPEAT_SLOTS; i++)
        flush_repeat(&state.repeats[i]);
    g_clear_pointer(&state.file, scope_log_file_close);
}

char *
scope_log_dup_path(void)
{
    SCOPE_LOCK_GUARD(&state.lock);
    return state.file != NULL ? g_strdup(scope_log_file_get_path(state.file)) : NULL;
}

void
scope_log_flush(void)
{
    SCOPE_LOCK_GUARD(&state.lock);
    if (state.file != NULL)
        scope_log_file_sync(state.file);
}
