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
#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "core/scope-param-merge.h"

#define FORMAT         "scope-replay"
#define FORMAT_VERSION 1
#define MAX_BYTES      (64u * 1024 * 1024)
#define MAX_UPDATES    1000000
#define MAX_NODES      64
#define MAX_TAKEN      512 /* frames of a chunk */

SCOPE_LOG_TOPIC(core, replay)

struct _ScopeReplayLog {
    char *path;
    int fd;
    char *first_node;
    char *input_path;        /* (nullable): where input frames are kept */
    ScopeFrameWriter *input; /* (nullable): of the first stage's worker */
    guint64 n_input;         /* frames in it */
    gint stopped;            /* atomic: nothing more is written */
    ScopeStageHooks hooks;
};

/* What a chunk was made from. */
typedef struct {
    const char *port; /* interned */
    guint n;
    guint64 numbers[];
} Taken;

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

/* Keeps the frames that the first stage takes; numbers them by their place in the file. */
static gboolean
keep_input(ScopeReplayLog *self, const ScopePort *port, GError **error)
{
    if (self->input == NULL)
        self->input = scope_frame_writer_open(self->input_path, error);
    for (guint i = 0; self->input != NULL && i < port->n_frames; i++) {
        if (!scope_frame_writer_push(self->input, port->frames[i], error))
            return FALSE;
    }
    return self->input != NULL;
}

static void
on_taken(const char *node_id, guint64 chunk_index, const ScopePort *port, const guint64 *numbers,
         gpointer user_data)
{
    ScopeReplayLog *self = user_data;
    gboolean is_first = g_str_equal(node_id, self->first_node);
    g_autoptr(JsonObject) line = NULL;
    g_autoptr(GError) error = NULL;
    JsonArray *taken;

    if (g_atomic_int_get(&self->stopped) != 0 || (is_first && self->input_path == NULL))
        return;
    if (is_first && !keep_input(self, port, &error)) {
        scope_log_error("%s; the session cannot be replayed from here on", error->message);
        scope_replay_log_stop(self, "the input could not be kept");
        return;
    }
    taken = json_array_sized_new(port->n_frames);
    for (guint i = 0; i < port->n_frames; i++)
        json_array_add_int_element(taken, (gint64)(is_first ? self->n_input++ : numbers[i]));
    line = json_object_new();
    json_object_set_string_member(line, "node", node_id);
    json_object_set_int_member(line, "chunk", (gint64)chunk_index);
    json_object_set_string_member(line, "port", port->name);
    json_object_set_array_member(line, "taken", taken);
    write_line(self, line);
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
scope_replay_log_create(const char *path, const char *version, ScopeReplayInput input,
                        const ScopeChainConfig *config, const ScopeChainNode *nodes, guint n_nodes,
                        GError **error)
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
    self->first_node = g_strdup(nodes[0].node_id);
    self->input_path = input == SCOPE_REPLAY_INPUT_KEPT ? scope_replay_dup_input_path(path) : NULL;
    self->hooks = (ScopeStageHooks){.updated = on_updated, .taken = on_taken, .user_data = self};
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
    scope_frame_writer_close(self->input);
    g_free(self->input_path);
    g_free(self->first_node);
    g_free(self->path);
    g_free(self);
}

char *
scope_replay_dup_input_path(const char *path)
{
    const char *end = g_str_has_suffix(path, ".jsonl") ? strrchr(path, '.') : path + strlen(path);

    return g_strdup_printf("%.*s.frames", (int)(end - path), path);
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
    g_hash_table_unref(self->taken);
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

static gboolean
is_first_node(const ScopeReplay *self, const char *node_id)
{
    return g_strcmp0(((ScopeReplayNode *)self->nodes->pdata[0])->node_id, node_id) == 0;
}

static char *
dup_key(const char *node_id, guint64 chunk_index)
{
    return g_strdup_printf("%" G_GUINT64_FORMAT " %s", chunk_index, node_id);
}

/* What a chunk was made from, or why that cannot be told. */
static const char *
read_taken(ScopeReplay *self, const char *node_id, gint64 chunk, JsonObject *line)
{
    JsonArray *array = scope_json_object_get_array(line, "taken");
    const char *port = scope_json_object_get_string(line, "port");
    guint n = array != NULL ? json_array_get_length(array) : 0;
    g_autofree Taken *taken = NULL;
    gint64 last = -1;

    if (n == 0 || n > MAX_TAKEN || port == NULL || chunk < 0 || !is_node(self, node_id))
        return "needs `node` (one of the first line), `chunk` (0 or more), `port`, and in `taken` "
               "1 "
               "to 512 numbers";
    if (g_hash_table_size(self->taken) >= MAX_UPDATES)
        return "more than a million chunks with input";
    taken = g_malloc0(sizeof *taken + n * sizeof taken->numbers[0]);
    taken->port = g_intern_string(port);
    taken->n = n;
    for (guint i = 0; i < n; i++) {
        JsonNode *node = json_array_get_element(array, i);
        gint64 number = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : -1;

        if (number <= last)
            return "`taken` is not a list of rising numbers";
        taken->numbers[i] = (guint64)(last = number);
    }
    if (is_first_node(self, node_id))
        self->has_kept_input = TRUE;
    g_hash_table_insert(self->taken, dup_key(node_id, (guint64)chunk), g_steal_pointer(&taken));
    return NULL;
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
    if (json_object_has_member(line, "taken"))
        return read_taken(self, node_id, chunk, line);
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
    self->taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
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

gboolean
scope_replay_choose(const ScopeReplay *self, const ScopeFrameFile *input, const char *node_id,
                    guint64 chunk_index, ScopeStageChoice *ret_choice, GError **error)
{
    g_autofree char *key = dup_key(node_id, chunk_index);
    const Taken *taken = g_hash_table_lookup(self->taken, key);
    g_autoptr(GPtrArray) frames = NULL;

    if (taken == NULL)
        return FALSE;
    if (is_first_node(self, node_id)) {
        frames = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
        for (guint i = 0; i < taken->n; i++) {
            ScopeFrame *frame = scope_frame_file_read(input, taken->numbers[i]);

            if (frame == NULL) {
                g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                            "frame %" G_GUINT64_FORMAT " of the kept input is missing: the file "
                            "has %" G_GUINT64_FORMAT,
                            taken->numbers[i], scope_frame_file_get_n(input));
                return FALSE;
            }
            g_ptr_array_add(frames, frame);
        }
    }
    *ret_choice =
        (ScopeStageChoice){taken->port, taken->n, taken->numbers, g_steal_pointer(&frames)};
    return TRUE;
}
