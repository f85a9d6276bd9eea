/* SPDX-License-Identifier: Apache-2.0 */
/* Logging: the filter, the line format, rotation, deletion of old files, the limit of repeats. */
#include "core/scope-log.h"

#include <string.h>
#include <utime.h>

#include <glib/gstdio.h>

#include "core/scope-error.h"
#include "core/scope-log-file.h"
#include "core/scope-thread.h"

SCOPE_LOG_TOPIC(core, test)

typedef struct {
    char *dir;
} Fixture;

static void
set_up(Fixture *self, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    self->dir = g_dir_make_tmp("scope-log-XXXXXX", &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *self, gconstpointer data)
{
    GDir *dir = g_dir_open(self->dir, 0, NULL);
    const char *name;

    scope_log_shutdown();
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(self->dir, name, NULL);

        g_unlink(path);
    }
    g_dir_close(dir);
    g_rmdir(self->dir);
    g_free(self->dir);
}

static char *
log_text(void)
{
    g_autofree char *path = scope_log_dup_path();
    char *text = NULL;

    scope_log_flush();
    g_assert_nonnull(path);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static void
init(Fixture *self, const char *filter)
{
    g_autoptr(GError) error = NULL;
    ScopeLogConfig config = {.filter = filter,
                             .logs_dir = self->dir,
                             .no_terminal = TRUE,
                             .quiet_loggers = "core.quiet"};

    scope_log_init(&config, &error);
    g_assert_no_error(error);
}

static void
test_format(Fixture *self, gconstpointer data)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    init(self, "info");
    scope_log_info("plain %d", 1);
    scope_log_debug("hidden");
    scope_log_set_connection("conn-1");
    scope_log_warning("two\nlines\x1b[31m");
    scope_log_set_connection(NULL);
    text = log_text();
    lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 3); /* two lines and the end */
    g_assert_true(g_regex_match_simple(
        "^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d,\\d{3} - core\\.test - INFO - plain 1$",
        lines[0], 0, 0));
    g_assert_true(g_regex_match_simple(
        "^[-0-9 :,]+ - core\\.test - WARNING - \\[conn-1\\] two\\\\nlines\\\\x1b\\[31m$", lines[1],
        0, 0));
}

static void
test_filter(Fixture *self, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    ScopeLogTopic *other = scope_log_topic_get("core", "other");
    ScopeLogTopic *quiet = scope_log_topic_get("core", "quiet");

    g_assert_true(scope_log_topic_get("core", "other") == other);
    init(self, "warning,core.t*:trace");
    g_assert_true(scope_log_is_enabled(&scope_log_topic_, SCOPE_LOG_TRACE));
    g_assert_true(scope_log_is_enabled(other, SCOPE_LOG_WARNING));
    g_assert_false(scope_log_is_enabled(other, SCOPE_LOG_INFO));
    g_assert_false(scope_log_is_enabled(quiet, SCOPE_LOG_WARNING));
    /* Later items win. */
    g_assert_true(scope_log_set_filter("core.test:debug,*:error", &error));
    g_assert_false(scope_log_is_enabled(&scope_log_topic_, SCOPE_LOG_WARNING));
    g_assert_false(scope_log_set_filter("core:loud", &error));
    g_assert_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID);
    g_assert_nonnull(strstr(error->message, "core:loud"));
    g_assert_true(scope_log_set_filter("info", NULL));
}

static guint
count(const char *text, const char *part)
{
    guint n = 0;

    for (const char *p = strstr(text, part); p != NULL; p = strstr(p + 1, part))
        n++;
    return n;
}

static void
test_repeats(Fixture *self, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;

    init(self, "info");
    path = scope_log_dup_path();
    for (guint i = 0; i < 500; i++) {
        scope_log_warning("frame %u is late", i);
        scope_log_info("listening on %u", i);
    }
    for (guint i = 0; i < 20; i++)
        scope_log_info("same");
    scope_log_shutdown(); /* writes what is pending */
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpuint(count(text, "is late"), ==, 6); /* five and the count */
    g_assert_cmpuint(count(text, "repeated 495 more times"), ==, 1);
    g_assert_cmpuint(count(text, "listening on"), ==, 500); /* info that differs is kept */
    g_assert_cmpuint(count(text, " same"), ==, 6);
    g_assert_cmpuint(count(text, "repeated 15 more times"), ==, 1);
}

static void
test_rotation(Fixture *self, gconstpointer data)
{
    ScopeLogFile *file = scope_log_file_open(self->dir, 1000, NULL);
    g_autofree char *path = g_strdup(scope_log_file_get_path(file));
    char line[100];

    memset(line, 'x', sizeof line);
    line[99] = '\n';
    for (guint i = 0; i < 100; i++)
        scope_log_file_write(file, line, sizeof line);
    scope_log_file_close(file);
    for (guint i = 0; i <= 6; i++) {
        g_autofree char *part = i == 0 ? g_strdup(path) : g_strdup_printf("%s.%u", path, i);
        GStatBuf st;

        if (i == 6) {
            g_assert_cmpint(g_stat(part, &st), !=, 0);
            continue;
        }
        g_assert_cmpint(g_stat(part, &st), ==, 0);
        g_assert_cmpint(st.st_size, ==, 1000);
    }
}

static void
test_old_files(Fixture *self, gconstpointer data)
{
    static const struct {
        const char *name;
        gint64 age_s;
        gboolean stays;
    } files[] = {
        {"scope-logs-2020-01-01-00-00-00.log", 25 * 3600, FALSE},
        {"scope-logs-2020-01-01-00-00-00.log.3", 25 * 3600, FALSE},
        {"scope-logs-2020-01-02-00-00-00.log", 23 * 3600, TRUE},
        {"notes.log", 90 * 3600, TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(self->dir, files[i].name, NULL);
        time_t then = (time_t)(g_get_real_time() / G_USEC_PER_SEC - files[i].age_s);
        struct utimbuf times = {then, then};

        g_assert_true(g_file_set_contents(path, "x", 1, NULL));
        g_assert_cmpint(utime(path, &times), ==, 0);
    }
    init(self, "info");
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(self->dir, files[i].name, NULL);

        g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, files[i].stays);
    }
}

static void
write_lines(gpointer data)
{
    for (guint i = 0; i < 300; i++) {
        scope_log_info("line %u of %u", i, GPOINTER_TO_UINT(data));
        scope_log_set_filter(i % 2 ? "info" : "debug", NULL);
    }
}

static void
test_threads(Fixture *self, gconstpointer data)
{
    ScopeThread *threads[4];
    g_autofree char *text = NULL;

    init(self, "info");
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = scope_thread_start("writer", write_lines, GUINT_TO_POINTER(i), NULL);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        scope_thread_join(&threads[i]);
    text = log_text();
    g_assert_cmpuint(count(text, "\n"), ==, 1200);
}

int
main(int argc, char **argv)
{
#define ADD(path, func) g_test_add(path, Fixture, NULL, set_up, func, tear_down)
    g_test_init(&argc, &argv, NULL);
    ADD("/log/format", test_format);
    ADD("/log/filter", test_filter);
    ADD("/log/repeats", test_repeats);
    ADD("/log/rotation", test_rotation);
    ADD("/log/old-files", test_old_files);
    ADD("/log/threads", test_threads);
    return g_test_run();
}
