/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of settings: stored tokens, first-run state, logs. Main thread; log files on the pool. */
#include "server/scope-handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "core/scope-json.h"
#include "core/scope-log.h"
#include "server/scope-server-private.h"

#define MAX_TOKEN_BYTES      4096
#define MAX_ONBOARDING_BYTES (64 * 1024)
/* How much of the end of a log file is looked at for its last lines. */
#define MAX_TAIL_BYTES     (1024 * 1024)
#define MAX_TAIL_LINES     1000
#define DEFAULT_TAIL_LINES 200

typedef struct {
    const char *id;
    const char *name;
    const char *description;
    const char *env_var;
    const char *key_url;
    const char *file;
} Service;

static const Service services[] = {
    {"huggingface", "HuggingFace", "Downloads of gated models and TURN credentials.", "HF_TOKEN",
     "https://huggingface.co/settings/tokens", "huggingface_token"},
    {"civitai", "CivitAI", "Downloads of LoRA files.", "CIVITAI_API_TOKEN",
     "https://civitai.com/user/account", "civitai_token"},
};

static const char *
get_env_token(ScopeServer *server, const Service *service)
{
    return service == &services[0] ? server->options.hf_token : server->options.civitai_token;
}

static char *
dup_token_path(ScopeServer *server, const Service *service)
{
    return g_build_filename(server->options.data_dir, service->file, NULL);
}

static const Service *
find_service(ScopeRequest *request)
{
    const char *id = scope_request_get_param(request, "service_id");

    for (gsize i = 0; i < G_N_ELEMENTS(services); i++) {
        if (strcmp(services[i].id, id) == 0) {
            return &services[i];
        }
    }
    scope_request_reply_error(request, 404, "Unknown service: %s", id);
    return NULL;
}

void
scope_route_keys(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = json_object_new();
    JsonArray *keys = json_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(services); i++) {
        const Service *service = &services[i];
        g_autofree char *path = dup_token_path(server, service);
        gboolean is_env = get_env_token(server, service) != NULL;
        gboolean is_stored = g_file_test(path, G_FILE_TEST_IS_REGULAR);
        JsonObject *item = json_object_new();
        json_object_set_string_member(item, "id", service->id);
        json_object_set_string_member(item, "name", service->name);
        json_object_set_string_member(item, "description", service->description);
        json_object_set_boolean_member(item, "is_set", is_env || is_stored);
        scope_object_set_string(item, "source", is_env ? "env_var" : is_stored ? "stored" : NULL);
        json_object_set_string_member(item, "env_var", service->env_var);
        json_object_set_string_member(item, "key_url", service->key_url);
        json_array_add_object_element(keys, item);
    }
    json_object_set_array_member(body, "keys", keys);
    scope_request_reply_object(request, body);
}

static void
reply_success(ScopeRequest *request, const char *name, const char *verb)
{
    JsonObject *body = json_object_new();
    g_autofree char *message = g_strdup_printf("%s token %s", name, verb);

    json_object_set_boolean_member(body, "success", TRUE);
    json_object_set_string_member(body, "message", message);
    scope_request_reply_object(request, body);
}

/* Refuses when the environment sets the token, because a stored one would have no effect. */
static gboolean
check_not_env(ScopeRequest *request, const Service *service)
{
    ScopeServer *server = scope_request_get_context(request);

    if (get_env_token(server, service)) {
        scope_request_reply_error(request, 409,
                                  "The environment variable %s is set and takes precedence",
                                  service->env_var);
        return FALSE;
    }
    return TRUE;
}

void
scope_route_key_put(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const Service *service = find_service(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GError) error = NULL;
    g_autofree char *path = NULL;
    const char *value;

    if (!service || !check_not_env(request, service)) {
        return;
    }
    value = scope_member_read_string(scope_request_get_body(request), "value",
                                     SCOPE_MEMBER_REQUIRED, faults);
    if (value && (*value == '\0' || strlen(value) > MAX_TOKEN_BYTES)) {
        scope_faults_push(faults, "value");
        scope_faults_add(faults, *value ? "string_too_long" : "string_too_short", NULL,
                         "String should have 1 to %d characters", MAX_TOKEN_BYTES);
        scope_faults_pop(faults);
    }
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    path = dup_token_path(server, service);
    if (!g_file_set_contents_full(path, value, -1,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, &error)) {
        scope_request_reply_gerror(request, error);
        return;
    }
    reply_success(request, service->name, "saved");
}

void
scope_route_key_delete(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    const Service *service = find_service(request);
    g_autofree char *path = NULL;

    if (!service || !check_not_env(request, service)) {
        return;
    }
    path = dup_token_path(server, service);
    if (g_unlink(path) != 0) {
        scope_request_reply_error(request, 404, "No %s token to remove", service->name);
        return;
    }
    reply_success(request, service->name, "removed");
}

/* -- first-run state -- */

static const char *const onboarding_texts[] = {"inference_mode", "onboarding_style",
                                               "referral_source", "use_case"};

/* What is stored, in its full shape; defaults where the file is unreadable. */
static JsonObject *
read_onboarding(ScopeServer *server)
{
    g_autofree char *path = g_build_filename(server->options.data_dir, "onboarding.json", NULL);
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(JsonObject) stored = NULL;
    JsonObject *state = json_object_new();

    if (g_file_get_contents(path, &text, &length, NULL) && length <= MAX_ONBOARDING_BYTES) {
        stored = scope_json_parse_object(text, (gssize)length, 0, NULL);
    }
    json_object_set_boolean_member(
        state, "completed", stored && scope_json_object_get_bool(stored, "completed", FALSE));
    for (gsize i = 0; i < G_N_ELEMENTS(onboarding_texts); i++) {
        scope_object_set_string(state, onboarding_texts[i],
                                stored ? scope_json_object_get_string(stored, onboarding_texts[i])
                                       : NULL);
    }
    return state;
}

void
scope_route_onboarding_get(ScopeRequest *request)
{
    scope_request_reply_object(request, read_onboarding(scope_request_get_context(request)));
}

void
scope_route_onboarding_put(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    JsonObject *body = scope_request_get_body(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(JsonObject) state = read_onboarding(server);
    g_autofree char *path = g_build_filename(server->options.data_dir, "onboarding.json", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    gboolean completed = json_object_get_boolean_member(state, "completed");

    completed = scope_member_read_bool(body, "completed", SCOPE_MEMBER_NULLABLE, completed, faults);
    json_object_set_boolean_member(state, "completed", completed);
    for (gsize i = 0; i < G_N_ELEMENTS(onboarding_texts); i++) {
        const char *value =
            scope_member_read_string(body, onboarding_texts[i], SCOPE_MEMBER_NULLABLE, faults);
        if (value) {
            json_object_set_string_member(state, onboarding_texts[i], value);
        }
    }
    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    text = scope_json_object_to_string(state);
    if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error)) {
        scope_request_reply_gerror(request, error);
        return;
    }
    scope_request_reply_object(request, g_steal_pointer(&state));
}

/* -- logs -- */

/* The file of this start, else the newest in the folder; NULL when there is none. */
static char *
dup_log_path(ScopeServer *server)
{
    char *path = scope_log_dup_path();
    g_autoptr(GDir) dir = NULL;
    g_autofree char *newest = NULL;
    const char *name;

    if (path || !server->options.logs_dir) {
        return path;
    }
    dir = g_dir_open(server->options.logs_dir, 0, NULL);
    while (dir && (name = g_dir_read_name(dir))) {
        /* The names hold the time of the start, so that they sort by age. */
        if (g_str_has_prefix(name, "scope-logs-") && g_str_has_suffix(name, ".log") &&
            (!newest || strcmp(name, newest) > 0)) {
            g_free(newest);
            newest = g_strdup(name);
        }
    }
    return newest ? g_build_filename(server->options.logs_dir, newest, NULL) : NULL;
}

void
scope_route_log_current(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autofree char *path = dup_log_path(server);
    g_autofree char *name = path ? g_path_get_basename(path) : NULL;
    g_autofree char *attachment = NULL;

    if (!path || !g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
        scope_request_reply_error(request, 404, "No log file found");
        return;
    }
    if (g_str_has_suffix(name, ".log")) {
        name[strlen(name) - strlen(".log")] = '\0';
    }
    attachment = g_strconcat(name, ".txt", NULL);
    scope_log_flush();
    scope_request_reply_file(request, path, "text/plain; charset=utf-8", attachment);
}

typedef struct {
    char *path;
    gint64 since_offset;
    guint n_lines;
    gint64 size;
    GPtrArray *lines;
} Tail;

static void
tail_free(gpointer data)
{
    Tail *tail = data;

    g_free(tail->path);
    g_clear_pointer(&tail->lines, g_ptr_array_unref);
    g_free(tail);
}

static void
job_tail(GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
    Tail *tail = task_data;
    g_autofree char *data = NULL;
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    int fd = open(tail->path, O_RDONLY | O_CLOEXEC);
    gint64 start;
    gssize n = 0;

    tail->lines = g_ptr_array_new_with_free_func(g_free);
    tail->size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    start = MAX(tail->since_offset, tail->size - MAX_TAIL_BYTES);
    if (fd >= 0 && start < tail->size) {
        data = g_malloc((gsize)(tail->size - start));
        n = pread(fd, data, (gsize)(tail->size - start), start);
    }
    if (fd >= 0) {
        close(fd);
    }
    text = g_utf8_make_valid(data ? data : "", MAX(n, 0));
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line) {
            g_ptr_array_add(tail->lines, g_strdup(*line));
        }
    }
    if (tail->lines->len > tail->n_lines) {
        g_ptr_array_remove_range(tail->lines, 0, tail->lines->len - tail->n_lines);
    }
    g_task_return_boolean(task, TRUE);
}

static void
reply_tail(ScopeRequest *request, const Tail *tail)
{
    JsonObject *body = json_object_new();
    JsonArray *lines = json_array_new();

    for (guint i = 0; tail && i < tail->lines->len; i++) {
        json_array_add_string_element(lines, g_ptr_array_index(tail->lines, i));
    }
    json_object_set_array_member(body, "lines", lines);
    json_object_set_int_member(body, "offset", tail ? tail->size : 0);
    scope_request_reply_object(request, body);
}

static void
on_tail(GObject *source, GAsyncResult *result, gpointer user_data)
{
    ScopeRequest *request = user_data;

    reply_tail(request, g_task_get_task_data(G_TASK(result)));
    scope_request_unref(request);
}

void
scope_route_log_tail(ScopeRequest *request)
{
    ScopeServer *server = scope_request_get_context(request);
    g_autoptr(ScopeFaults) faults = scope_faults_new("query");
    gint64 n_lines =
        scope_request_query_int(request, "lines", DEFAULT_TAIL_LINES, 1, MAX_TAIL_LINES, faults);
    gint64 since = scope_request_query_int(request, "since_offset", 0, 0, G_MAXINT64, faults);
    g_autofree char *path = NULL;
    g_autoptr(GTask) task = NULL;
    Tail *tail;

    if (!scope_faults_is_empty(faults)) {
        scope_request_reply_faults(request, faults);
        return;
    }
    path = dup_log_path(server);
    if (!path) {
        reply_tail(request, NULL);
        return;
    }
    scope_log_flush();
    tail = g_new0(Tail, 1);
    tail->path = g_steal_pointer(&path);
    tail->since_offset = since;
    tail->n_lines = (guint)n_lines;
    task = g_task_new(NULL, NULL, on_tail, scope_request_defer(request));
    g_task_set_task_data(task, tail, tail_free);
    g_task_run_in_thread(task, job_tail);
}
