/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing and reading replay logs; see scope-replay-log.h. A line is one write() to a file opened
 * for appending, so that the workers of a chain need no lock, and a kill cuts the last line at
 * most.
 */
#include "core/scope-replay-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/scope-error.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "core/scope-param-merge.h"

#define FORMAT         "scope-replay"
#define FORMAT_VERSION 1
#define MAX_BYTES      (64u * 1024 * 1024)
#define MAX_UPDATES    1000000
#define MAX_NODES      64

SCOPE_LOG_TOPIC(core, replay)

struct _ScopeReplayLog {
    char *path;
    int fd;
    gint stopped; /* atomic: nothing more is written */
    ScopeStageHooks hooks;
};

/* -- Writing --------------------------------------------------------------------------------- */

/* A failed write ends the log; the session goes on. */
static void
write_line(ScopeReplayLog *self, JsonObject *object)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    g_autofree char *text = NULL;
    g_autofree char *line = NULL;
    gssize length;

    if (g_atomic_int_get(&self->stopped) != 0)
        return;
    json_node_set_object(root, object);
    text = json_to_string(root, FALSE);
    line = g_strconcat(text, "\n", NULL);
    length = (gssize)strlen(line);
    if (write(self->fd, line, (gsize)length) == length ||
        !g_atomic_int_compare_and_exchange(&self->stopped, 0, 1))
        return;
    scope_log_error("%s: %s; the session cannot be replayed from here on", self->path,
                    g_strerror(errno));
}

static void
on_updated(const char *node_id, guint64 chunk_index, JsonObject *params, gpointer user_data)
{
    g_autoptr(JsonObject) line = json_object_new();

    json_object_set_string_member(line, "node", node_id);
    json_object_set_int_member(line, "chunk", (gint64)chunk_index);
    json_object_set_object_member(line, "params", json_object_ref(params));
    write_line(user_data, line);
}

/* The seed that a node starts with: what was sent, loaded, or is the default; null when its
 * pipeline has none. */
static JsonNode *
find_seed(const ScopeChainConfig *config, const ScopeChainNode *node)
{
    static const char *const key = "base_seed";
    JsonObject *const places[] = {node->params, config->params,
                                  scope_instance_get_load_params(node->instance)};
    ScopeParamTable *table = scope_instance_get_info(node->instance)->table;
    gint index = scope_param_table_find(table, key);

    for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
        JsonNode *value = places[i] != NULL ? json_object_get_member(places[i], key) : NULL;

        if (value != NULL && !JSON_NODE_HOLDS_NULL(value))
            return scope_json_copy(value);
    }
    return index >= 0 ? scope_json_copy(scope_param_table_get_default(table, (guint)index))
                      : json_node_new(JSON_NODE_NULL);
}

static JsonObject *
build_head(const char *version, const ScopeChainConfig *config, const ScopeChainNode *nodes,
           guint n_nodes)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *started = g_date_time_format_iso8601(now);
    JsonObject *head = json_object_new();
    JsonArray *array = json_array_new();

    json_object_set_string_member(head, "format", FORMAT);
    json_object_set_int_member(head, "format_version", FORMAT_VERSION);
    json_object_set_string_member(head, "scope_version", version);
    json_object_set_string_member(head, "started_at", started);
    json_object_set_boolean_member(head, "vace_input", config->vace_input);
    for (guint i = 0; i < n_nodes; i++) {
        const ScopePipelineDesc *desc = scope_instance_get_info(nodes[i].instance)->desc;
        JsonObject *node = json_object_new();

        json_object_set_string_member(node, "node", nodes[i].node_id);
        json_object_set_string_member(node, "pipeline", desc->id);
        json_object_set_string_member(node, "version", desc->version);
        json_object_set_member(node, "seed", find_seed(config, &nodes[i]));
        json_object_set_object_member(
            node, "load_params",
            scope_json_object_copy(scope_instance_get_load_params(nodes[i].instance)));
        json_array_add_object_element(array, node);
    }
    json_object_set_array_member(head, "nodes", array);
    return head;
}

ScopeReplayLog *
scope_replay_log_create(const char *path, const char *version, const ScopeChainConfig *config,
                        const ScopeChainNode *nodes, guint n_nodes, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(JsonObject) head = NULL;
    ScopeReplayLog *self;
    int fd;

    g_mkdir_with_parents(folder, 0755);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        int code = errno;

        g_set_error(error, G_FILE_ERROR, (gint)g_file_error_from_errno(code), "Creating %s: %s",
                    path, g_strerror(code));
        return NULL;
    }
    self = g_new0(ScopeReplayLog, 1);
    self->path = g_strdup(path);
    self->fd = fd;
    self->hooks = (ScopeStageHooks){.updated = on_updated, .user_data = self};
    head = build_head(version, config, nodes, n_nodes);
    write_line(self, head);
    return self;
}

const ScopeStageHooks *
scope_replay_log_get_hooks(ScopeReplayLog *self)
{
    return &self->hooks;
}

void
scope_replay_log_stop(ScopeReplayLog *self, const char *reason)
{
    g_autoptr(JsonObject) line = json_object_new();

    json_object_set_string_member(line, "stopped", reason);
    write_line(self, line);
    g_atomic_int_set(&self->stopped, 1);
}

void
scope_replay_log_close(ScopeReplayLog *self, guint64 n_frames)
{
    g_autoptr(JsonObject) line = NULL;

    if (self == NULL)
        return;
    line = json_object_new();
    json_object_set_int_member(line, "frames", (gint64)n_frames);
    write_line(self, line);
    close(self->fd);
    g_free(self->path);
    g_free(self);
}

/* -- Reading --------------------------------------------------------------------------------- */

static void
node_free(gpointer data)
{
    ScopeReplayNode *node = data;

    g_free(node->node_id);
    g_free(node->pipeline_id);
    g_clear_pointer(&node->load_params, json_object_unref);
    g_free(node);
}

void
scope_replay_free(ScopeReplay *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->nodes);
    g_hash_table_unref(self->updates);
    g_free(self->stopped);
    g_free(self);
}

static const char *
read_head(ScopeReplay *self, JsonObject *head)
{
    JsonArray *nodes = scope_json_object_get_array(head, "nodes");

    if (g_strcmp0(scope_json_object_get_string(head, "format"), FORMAT) != 0)
        return "the first line does not say \"format\": \"" FORMAT "\"";
    if (scope_json_object_get_int(head, "format_version", 0) != FORMAT_VERSION)
        return "of a version that this program does not know";
    if (nodes == NULL || json_array_get_length(nodes) == 0 ||
        json_array_get_length(nodes) > MAX_NODES)
        return "`nodes` is not a list of 1 to 64";
    self->vace_input = scope_json_object_get_bool(head, "vace_input", FALSE);
    for (guint i = 0; i < json_array_get_length(nodes); i++) {
        JsonNode *element = json_array_get_element(nodes, i);
        JsonObject *from = JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;
        const char *node_id = from != NULL ? scope_json_object_get_string(from, "node") : NULL;
        const char *pipeline = from != NULL ? scope_json_object_get_string(from, "pipeline") : NULL;
        JsonObject *load = from != NULL ? scope_json_object_get_object(from, "load_params") : NULL;
        ScopeReplayNode *node;

        if (node_id == NULL || pipeline == NULL)
            return "an entry of `nodes` lacks `node` or `pipeline`";
        node = g_new0(ScopeReplayNode, 1);
        node->node_id = g_strdup(node_id);
        node->pipeline_id = g_strdup(pipeline);
        node->load_params = scope_json_object_copy(load);
        g_ptr_array_add(self->nodes, node);
    }
    return NULL;
}

static gboolean
is_node(const ScopeReplay *self, const char *node_id)
{
    for (guint i = 0; i < self->nodes->len; i++) {
        if (g_strcmp0(((ScopeReplayNode *)self->nodes->pdata[i])->node_id, node_id) == 0)
            return TRUE;
    }
    return FALSE;
}

static char *
dup_key(const char *node_id, guint64 chunk_index)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", chunk_index, node_id);
}

/* An update, the end, or why there is neither. */
static const char *
read_update(ScopeReplay *self, JsonObject *line)
{
    JsonObject *params = scope_json_object_get_object(line, "params");
    const char *node_id = scope_json_object_get_string(line, "node");
    gint64 chunk = scope_json_object_get_int(line, "chunk", -1);
    g_autofree char *key = NULL;
    JsonObject *known;

    if (json_object_has_member(line, "frames")) {
        self->n_frames = scope_json_object_get_int(line, "frames", -1);
        return self->n_frames >= 0 ? NULL : "`frames` is not a number of frames";
    }
    if (json_object_has_member(line, "stopped")) {
        g_free(self->stopped);
        self->stopped = g_strdup(scope_json_object_get_string(line, "stopped"));
        return NULL;
    }
    if (params == NULL || chunk < 0 || !is_node(self, node_id))
        return "needs `node` (one of the first line), `chunk` (0 or more) and `params`";
    if (g_hash_table_size(self->updates) >= MAX_UPDATES)
        return "more than a million updates";
    if (g_strcmp0(scope_json_object_get_string(params, "input_mode"), "video") == 0)
        self->has_input = TRUE;
    key = dup_key(node_id, (guint64)chunk);
    known = g_hash_table_lookup(self->updates, key);
    if (known != NULL)
        scope_param_merge(known, params);
    else
        g_hash_table_insert(self->updates, g_steal_pointer(&key), scope_json_object_copy(params));
    return NULL;
}

ScopeReplay *
scope_replay_parse(const char *text, gsize n_bytes, const char *name, GError **error)
{
    g_autoptr(ScopeReplay) self = g_new0(ScopeReplay, 1);
    const char *end = text + n_bytes;
    guint number = 0;

    self->nodes = g_ptr_array_new_with_free_func(node_free);
    self->updates =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_object_unref);
    self->n_frames = -1;
    if (n_bytes > MAX_BYTES) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                    "%s: %zu bytes, at most %u are read", name, n_bytes, MAX_BYTES);
        return NULL;
    }
    for (const char *line = text, *stop; line < end; line = stop + 1) {
        g_autoptr(JsonObject) object = NULL;
        g_autoptr(GError) failure = NULL;
        const char *problem = NULL;

        stop = memchr(line, '\n', (gsize)(end - line));
        if (stop == NULL)
            break;
        number++;
        object = scope_json_parse_object(line, stop - line, 0, &failure);
        if (object == NULL)
            problem = failure->message;
        else
            problem = number == 1 ? read_head(self, object) : read_update(self, object);
        if (problem != NULL) {
            g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "%s, line %u: %s", name,
                        number, problem);
            return NULL;
        }
    }
    if (self->nodes->len == 0) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "%s: not a replay log",
                    name);
        return NULL;
    }
    return g_steal_pointer(&self);
}

JsonObject *
scope_replay_build_params(const ScopeReplay *self, const char *node_id, guint64 chunk_index)
{
    g_autofree char *key = dup_key(node_id, chunk_index);
    JsonObject *params = g_hash_table_lookup(self->updates, key);

    return params != NULL ? scope_json_object_copy(params) : NULL;
}
