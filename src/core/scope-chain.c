/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains: stages in a row with one output queue. Owned by the main thread; frames and parameters
 * come from any. One leaf lock for what updates change.
 */
#include "core/scope-chain.h"

#include "core/scope-error.h"
#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "core/scope-lock.h"
#include "core/scope-param-merge.h"

#define VACE_PORT  "vace_input_frames"
#define VIDEO_PORT "video"

typedef struct {
    ScopeStage *stage;
    ScopeInstance *instance; /* main thread; NULL while there is none */
    ScopeParamTable *table;  /* under the lock */
    const char *port;        /* under the lock: where frames go in */
    ScopeChain *chain;
} Node;

struct _ScopeChain {
    gint ref_count;
    char *session_id;
    ScopeChainFatal fatal;
    ScopeChainFatal skipped;
    gpointer user_data;
    Node *nodes;
    guint n_nodes;
    ScopeMailbox *output;
    gboolean started;
    gboolean vace_input;

    ScopeLock lock;
    ScopeMode mode;
    gboolean paused;
};

static void
on_stage_fatal(ScopeStage *stage, const GError *error, gpointer user_data)
{
    Node *node = user_data;
    ScopeChain *self = node->chain;

    if (self->fatal != NULL)
        self->fatal(self, scope_stage_get_node_id(stage), error, self->user_data);
}

static void
on_stage_skipped(ScopeStage *stage, const GError *error, gpointer user_data)
{
    Node *node = user_data;
    ScopeChain *self = node->chain;

    if (self->skipped != NULL)
        self->skipped(self, scope_stage_get_node_id(stage), error, self->user_data);
}

static const char *
choose_port(ScopeInstance *instance, gboolean vace_input)
{
    const ScopePipelineInfo *info = scope_instance_get_info(instance);
    gboolean capable = (info->desc->features & SCOPE_PIPELINE_SUPPORTS_VACE) &&
                       scope_pipeline_info_has_input(info, VACE_PORT);

    return vace_input && capable ? VACE_PORT : VIDEO_PORT;
}

/* The mode in which a session starts that does not say: that of the main pipeline. */
static ScopeMode
default_mode(const ScopeChainNode *nodes, guint n_nodes)
{
    for (guint i = 0; i < n_nodes; i++) {
        const ScopePipelineDesc *desc = scope_instance_get_info(nodes[i].instance)->desc;

        if (desc->usage == SCOPE_PIPELINE_MAIN)
            return desc->default_mode;
    }
    return scope_instance_get_info(nodes[0].instance)->desc->default_mode;
}

/* Remembers what concerns the whole chain. Lock held, or not shared yet. */
static void
note_control(ScopeChain *self, JsonObject *params)
{
    const char *mode = scope_json_object_get_string(params, "input_mode");

    if (g_strcmp0(mode, "text") == 0)
        self->mode = SCOPE_MODE_TEXT;
    else if (g_strcmp0(mode, "video") == 0)
        self->mode = SCOPE_MODE_VIDEO;
    self->paused = scope_json_object_get_bool(params, "paused", self->paused);
}

static gboolean
check_nodes(const ScopeChainNode *nodes, guint n_nodes, GError **error)
{
    if (n_nodes == 0) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID, "A chain needs a pipeline");
        return FALSE;
    }
    for (guint i = 0; i < n_nodes; i++) {
        for (guint j = 0; j < i; j++) {
            if (g_strcmp0(nodes[i].node_id, nodes[j].node_id) != 0)
                continue;
            g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_INVALID,
                        "The chain has two nodes named \"%s\"", nodes[i].node_id);
            return FALSE;
        }
    }
    return TRUE;
}

static void
add_stage(ScopeChain *self, guint index, const ScopeChainNode *from,
          const ScopeChainConfig *chain_config)
{
    g_autoptr(JsonObject) initial = scope_json_object_copy(chain_config->params);
    Node *node = &self->nodes[index];
    ScopeStageConfig config = {
        .node_id = from->node_id,
        .session_id = self->session_id,
        .instance = from->instance,
        .initial = initial,
        .mode = self->mode,
        .offline_fps = chain_config->offline_fps,
        .hooks = chain_config->hooks,
        .fatal = on_stage_fatal,
        .skipped = on_stage_skipped,
        .user_data = node,
    };

    if (from->params != NULL)
        scope_param_merge(initial, from->params);
    node->chain = self;
    node->instance = scope_instance_ref(from->instance);
    node->table = scope_param_table_ref(scope_instance_get_info(from->instance)->table);
    node->port = choose_port(from->instance, self->vace_input);
    node->stage = scope_stage_new(&config);
    scope_stage_wire_input(node->stage, node->port, TRUE);
}

ScopeChain *
scope_chain_new(const ScopeChainConfig *config, const ScopeChainNode *nodes, guint n_nodes,
                GError **error)
{
    ScopeChain *self;
    guint depth;

    g_return_val_if_fail(config != NULL, NULL);

    if (!check_nodes(nodes, n_nodes, error))
        return NULL;
    depth = config->output_frames > 0 ? config->output_frames : SCOPE_CHAIN_OUTPUT_FRAMES;
    self = g_new0(ScopeChain, 1);
    self->ref_count = 1;
    self->session_id = g_strdup(config->session_id);
    self->fatal = config->fatal;
    self->skipped = config->skipped;
    self->user_data = config->user_data;
    self->vace_input = config->vace_input;
    self->output =
        scope_mailbox_new(depth, SCOPE_MAILBOX_DROP_NEWEST, (GDestroyNotify)scope_frame_unref);
    self->mode = default_mode(nodes, n_nodes);
    scope_lock_init(&self->lock);
    if (config->params != NULL)
        note_control(self, config->params);
    self->n_nodes = n_nodes;
    self->nodes = g_new0(Node, n_nodes);
    for (guint i = 0; i < n_nodes; i++)
        add_stage(self, i, &nodes[i], config);
    for (guint i = 0; i + 1 < n_nodes; i++)
        scope_stage_wire_output(self->nodes[i].stage, self->nodes[i + 1].stage,
                                self->nodes[i + 1].port, NULL);
    scope_stage_wire_output(self->nodes[n_nodes - 1].stage, NULL, NULL, self->output);
    return self;
}

ScopeChain *
scope_chain_ref(ScopeChain *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_chain_unref(ScopeChain *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    scope_chain_stop(self);
    for (guint i = 0; i < self->n_nodes; i++) {
        scope_stage_unref(self->nodes[i].stage);
        scope_instance_unref(self->nodes[i].instance);
        scope_param_table_unref(self->nodes[i].table);
    }
    scope_mailbox_unref(self->output);
    scope_lock_clear(&self->lock);
    g_free(self->nodes);
    g_free(self->session_id);
    g_free(self);
}

gboolean
scope_chain_start(ScopeChain *self, GError **error)
{
    g_return_val_if_fail(!self->started, FALSE);

    self->started = TRUE;
    /* Consumers first, so that no frame is made for a stage that does not run. */
    for (guint i = self->n_nodes; i > 0; i--) {
        if (!scope_stage_start(self->nodes[i - 1].stage, error)) {
            scope_chain_stop(self);
            return FALSE;
        }
    }
    return TRUE;
}

void
scope_chain_request_stop(ScopeChain *self)
{
    for (guint i = 0; i < self->n_nodes; i++)
        scope_stage_request_stop(self->nodes[i].stage);
}

gboolean
scope_chain_stop(ScopeChain *self)
{
    gint64 deadline_us = g_get_monotonic_time() + SCOPE_CHAIN_STOP_US;
    gboolean ended = TRUE;

    scope_chain_request_stop(self);
    for (guint i = 0; i < self->n_nodes; i++)
        ended &= scope_stage_join(self->nodes[i].stage, deadline_us);
    scope_mailbox_close(self->output);
    scope_mailbox_clear(self->output);
    return ended;
}

gboolean
scope_chain_push_input(ScopeChain *self, ScopeFrame *frame)
{
    const char *port;

    scope_lock_lock(&self->lock);
    port = self->nodes[0].port;
    scope_lock_unlock(&self->lock);
    return scope_stage_push_frame(self->nodes[0].stage, port, frame);
}

gboolean
scope_chain_has_room(ScopeChain *self)
{
    const char *port;

    scope_lock_lock(&self->lock);
    port = self->nodes[0].port;
    scope_lock_unlock(&self->lock);
    return scope_stage_has_room(self->nodes[0].stage, port);
}

gboolean
scope_chain_is_starved(ScopeChain *self)
{
    /* In order: a stage that waits stays so when the one before it does. */
    for (guint i = 0; i < self->n_nodes; i++) {
        if (!scope_stage_is_starved(self->nodes[i].stage))
            return FALSE;
    }
    return TRUE;
}

/* -- Parameters ------------------------------------------------------------------------------ */

/* Whether another addressed node knows the parameter and takes it. */
static gboolean
accepted_elsewhere(ScopeChain *self, JsonObject *params, const char *key, const char *node_id)
{
    JsonNode *value = json_object_get_member(params, key);

    SCOPE_LOCK_GUARD(&self->lock);
    for (guint i = 0; i < self->n_nodes; i++) {
        const Node *node = &self->nodes[i];
        const ScopeParamDesc *desc = scope_param_table_lookup(node->table, key);

        if (node_id != NULL && g_strcmp0(scope_stage_get_node_id(node->stage), node_id) != 0)
            continue;
        if (desc != NULL && scope_param_validate_value(desc, value, NULL))
            return TRUE;
    }
    return FALSE;
}

static gboolean
has_path(GPtrArray *problems, const char *path)
{
    for (guint i = 0; i < problems->len; i++) {
        if (g_str_equal(((ScopeParamProblem *)problems->pdata[i])->path, path))
            return TRUE;
    }
    return FALSE;
}

gboolean
scope_chain_update(ScopeChain *self, JsonObject *params, const char *node_id, GPtrArray *problems,
                   GError **error)
{
    g_autoptr(GPtrArray) found = scope_param_problems_new();
    gboolean known = FALSE;

    g_return_val_if_fail(self != NULL && params != NULL, FALSE);

    for (guint i = 0; i < self->n_nodes; i++) {
        ScopeStage *stage = self->nodes[i].stage;

        if (node_id != NULL && g_strcmp0(scope_stage_get_node_id(stage), node_id) != 0)
            continue;
        known = TRUE;
        scope_stage_update(stage, params, found);
    }
    if (!known) {
        g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_NOT_FOUND,
                    "The chain has no node \"%s\"", node_id);
        return FALSE;
    }
    if (node_id == NULL) {
        SCOPE_LOCK_GUARD(&self->lock);
        note_control(self, params);
    }
    while (problems != NULL && found->len > 0) {
        ScopeParamProblem *problem = g_ptr_array_steal_index(found, 0);
        const char *key = json_array_get_string_element(problem->loc, 0);

        if (has_path(problems, problem->path) || accepted_elsewhere(self, params, key, node_id))
            scope_param_problem_free(problem);
        else
            g_ptr_array_add(problems, problem);
    }
    return TRUE;
}

/* -- Output and state ------------------------------------------------------------------------ */

ScopeMailbox *
scope_chain_get_output(ScopeChain *self)
{
    return self->output;
}

gdouble
scope_chain_get_fps(ScopeChain *self)
{
    return scope_stage_get_fps(self->nodes[self->n_nodes - 1].stage);
}

ScopeMode
scope_chain_get_mode(ScopeChain *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->mode;
}

gboolean
scope_chain_is_paused(ScopeChain *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->paused;
}

/* Leads the edge into @index to the port that its pipeline and the routing ask for. */
static void
route_node(ScopeChain *self, guint index)
{
    Node *node = &self->nodes[index];
    const char *old_port;
    const char *port;

    if (node->instance == NULL)
        return;
    port = choose_port(node->instance, self->vace_input);
    scope_lock_lock(&self->lock);
    old_port = node->port;
    node->port = port;
    scope_lock_unlock(&self->lock);
    if (g_str_equal(old_port, port))
        return;
    scope_stage_wire_input(node->stage, old_port, FALSE);
    scope_stage_wire_input(node->stage, port, TRUE);
    if (index > 0)
        scope_stage_set_output_port(self->nodes[index - 1].stage, port);
}

void
scope_chain_set_vace_input(ScopeChain *self, gboolean vace_input)
{
    self->vace_input = vace_input;
    for (guint i = 0; i < self->n_nodes; i++)
        route_node(self, i);
}

gboolean
scope_chain_replace(ScopeChain *self, const char *node_id, ScopeInstance *instance, GError **error)
{
    for (guint i = 0; i < self->n_nodes; i++) {
        Node *node = &self->nodes[i];

        if (g_strcmp0(scope_stage_get_node_id(node->stage), node_id) != 0)
            continue;
        scope_instance_unref(node->instance);
        node->instance = instance != NULL ? scope_instance_ref(instance) : NULL;
        if (instance != NULL) {
            scope_lock_lock(&self->lock);
            scope_param_table_unref(node->table);
            node->table = scope_param_table_ref(scope_instance_get_info(instance)->table);
            scope_lock_unlock(&self->lock);
            route_node(self, i);
        }
        scope_stage_replace(node->stage, instance);
        return TRUE;
    }
    g_set_error(error, SCOPE_CORE_ERROR, SCOPE_CORE_ERROR_NOT_FOUND, "The chain has no node \"%s\"",
                node_id);
    return FALSE;
}

gboolean
scope_chain_uses(ScopeChain *self, ScopeInstance *instance)
{
    for (guint i = 0; i < self->n_nodes; i++) {
        if (self->nodes[i].instance == instance)
            return TRUE;
    }
    return FALSE;
}

guint
scope_chain_get_n_stages(ScopeChain *self)
{
    return self->n_nodes;
}

void
scope_chain_get_stats(ScopeChain *self, guint index, ScopeStageStats *ret_stats)
{
    g_return_if_fail(index < self->n_nodes);
    scope_stage_get_stats(self->nodes[index].stage, ret_stats);
}
