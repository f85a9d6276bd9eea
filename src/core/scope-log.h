/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging by topic over g_log_structured. A file names its topic once, and a silent line costs one
 * branch. Lines go to the terminal and to a rotating file; see docs/logging.md.
 *
 *     SCOPE_LOG_TOPIC(server, webrtc)
 *     scope_log_info("session %s connected", id);
 */
#ifndef SCOPE_LOG_H
#define SCOPE_LOG_H

#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * ScopeLogTopic:
 * @module: the folder below src/
 * @name: `<module>.<topic>`, what filters match and what lines show
 *
 * One subject of logging. Made with SCOPE_LOG_TOPIC() or scope_log_topic_get(); never freed.
 */
typedef struct _ScopeLogTopic {
    const char *module;
    const char *name;
    gint level;                  /* private: highest level shown, -1 = not looked up yet */
    struct _ScopeLogTopic *next; /* private */
} ScopeLogTopic;

/** SCOPE_LOG_TOPIC: declares the topic of a source file; no semicolon after it. */
#define SCOPE_LOG_TOPIC(module_, topic_)                                                           \
    static ScopeLogTopic scope_log_topic_ = {#module_, #module_ "." #topic_, -1, NULL};

#define scope_log_error(...)   scope_log_at(&scope_log_topic_, SCOPE_LOG_ERROR, __VA_ARGS__)
#define scope_log_warning(...) scope_log_at(&scope_log_topic_, SCOPE_LOG_WARNING, __VA_ARGS__)
#define scope_log_info(...)    scope_log_at(&scope_log_topic_, SCOPE_LOG_INFO, __VA_ARGS__)
#define scope_log_debug(...)   scope_log_at(&scope_log_topic_, SCOPE_LOG_DEBUG, __VA_ARGS__)
#define scope_log_trace(...)   scope_log_at(&scope_log_topic_, SCOPE_LOG_TRACE, __VA_ARGS__)

/** scope_log_at: logs under @topic when its level is shown. Arguments are not evaluated otherwise.
 */
#define scope_log_at(topic, level, ...)                                                            \
    do {                                                                                           \
        if (scope_log_is_enabled(topic, level))                                                    \
            scope_log_write(topic, level, __FILE__, G_STRINGIFY(__LINE__), __VA_ARGS__);           \
    } while (0)

/** scope_log_topic_resolve: looks up the level of @topic in the filter. Thread: any. */
gint scope_log_topic_resolve(ScopeLogTopic *topic);

/** scope_log_is_enabled: whether lines of @topic at @level are shown. Thread: any. */
static inline gboolean
scope_log_is_enabled(ScopeLogTopic *topic, ScopeLogLevel level)
{
    gint shown = __atomic_load_n(&topic->level, __ATOMIC_RELAXED);

    if (G_UNLIKELY(shown < 0))
        shown = scope_log_topic_resolve(topic);
    return (gint)level <= shown;
}

/** scope_log_write: what scope_log_at() calls; formats and writes one line. Thread: any. */
void scope_log_write(ScopeLogTopic *topic, ScopeLogLevel level, const char *file, const char *line,
                     const char *format, ...) G_GNUC_PRINTF(5, 6);

/**
 * scope_log_topic_get:
 * @module: for example `pipelines`
 * @name: for example `cellular-automata`
 *
 * A topic with a name that is known at run time only (plugins). The same arguments give the same
 * topic.
 *
 * Returns: (transfer none): the topic.
 * Thread: any.
 */
ScopeLogTopic *scope_log_topic_get(const char *module, const char *name);

/**
 * scope_log_set_connection:
 * @id: (nullable): copied, up to 63 bytes
 *
 * The connection that lines of the calling thread belong to: they show it in brackets.
 *
 * Thread: any; holds for the calling thread only.
 */
void scope_log_set_connection(const char *id);

/**
 * ScopeLogConfig:
 * @filter: (nullable): the grammar of SCOPE_DEBUG: a level and `glob:level` items, separated by
 *   commas, later items win: `info,engine.vae:debug,server.*:trace`. %NULL = the variable
 *   SCOPE_DEBUG, else `info`
 * @logs_dir: (nullable): where the file goes; made when absent. %NULL = no file
 * @quiet_loggers: (nullable): names to silence, separated by commas (SCOPE_LOG_QUIET_LOGGERS)
 * @no_terminal: nothing to stderr
 */
typedef struct {
    const char *filter;
    const char *logs_dir;
    const char *quiet_loggers;
    gboolean no_terminal;
} ScopeLogConfig;

/**
 * scope_log_init:
 * @config: what to do
 * @error: (nullable): set when the file cannot be written
 *
 * Opens this start's log file, deletes log files older than a day and applies the filter. Without
 * this call lines of level info and above go to stderr. On failure the terminal still works.
 *
 * Errors: G_FILE_ERROR for the folder or file, SCOPE_CORE_ERROR_INVALID for a filter that cannot be
 *   read.
 * Thread: main, once, before other threads log.
 */
gboolean scope_log_init(const ScopeLogConfig *config, GError **error);

/** scope_log_shutdown: writes counts that are pending and closes the file. Thread: main, last. */
void scope_log_shutdown(void);

/**
 * scope_log_set_filter:
 * @filter: as in ScopeLogConfig
 * @error: (nullable): names the item that cannot be read; then nothing changes
 *
 * Errors: SCOPE_CORE_ERROR_INVALID.
 * Thread: any.
 */
gboolean scope_log_set_filter(const char *filter, GError **error);

/** scope_log_dup_path: (transfer full) (nullable): the file of this start. Thread: any. */
char *scope_log_dup_path(void);

/** scope_log_flush: pushes what was written to the file system. Thread: any. */
void scope_log_flush(void);

/** scope_log_level_from_string: (out) level of `error` .. `trace`; %FALSE when unknown. Thread:
 * any. */
gboolean scope_log_level_from_string(const char *text, ScopeLogLevel *ret_level);

G_END_DECLS

#endif
