/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of a stage: wiring, input ports, parameter updates, counters. The worker itself is
 * in scope-stage-worker.c. Any thread unless the header says otherwise.
 */
#include "core/scope-stage-private.h"

#include <string.h>

#include "core/scope-frame.h"
#include "core/scope-fps.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "core/scope-param-merge.h"

SCOPE_LOG_TOPIC(core, stage)

ScopeWaker *
scope_waker_new(void)
{
    ScopeWaker *self = g_new0(ScopeWaker, 1);

    self->ref_count = 1;
    scope_lock_init(&self->lock);
    scope_cond_init(&self->cond);
    return self;
}

ScopeWaker *
scope_waker_ref(ScopeWaker *self)
{
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_waker_unref(ScopeWaker *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    scope_cond_clear(&self->cond);
    scope_lock_clear(&self->lock);
    g_free(self);
}

void
scope_waker_wake(ScopeWaker *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    scope_cond_broadcast(&self->cond);
}

static void
on_queue_taken(ScopeMailbox *queue, gpointer user_data)
{
    scope_waker_wake(user_data);
}

/* -- Life ------------------------------------------------------------------------------------ */

/* Lock held, or not shared yet. */
static void
set_target(ScopeStage *self, ScopeInstance *instance)
{
    scope_instance_unref(self->target);
    self->target = instance != NULL ? scope_instance_ref(instance) : NULL;
    if (instance == NULL)
        return;
    scope_param_table_unref(self->table);
    self->table = scope_param_table_ref(scope_instance_get_info(instance)->table);
}

ScopeStage *
scope_stage_new(const ScopeStageConfig *config)
{
    ScopeStage *self;

    g_return_val_if_fail(config != NULL && config->node_id != NULL, NULL);
    g_return_val_if_fail(config->instance != NULL, NULL);

    self = g_new0(ScopeStage, 1);
    self->ref_count = 1;
    self->node_id = g_strdup(config->node_id);
    self->session_id = g_strdup(config->session_id);
    self->waker = scope_waker_new();
    self->fatal = config->fatal;
    self->skipped = config->skipped;
    self->user_data = config->user_data;
    self->mode = config->mode;
    self->offline_fps = config->offline_fps;
    if (config->hooks != NULL)
        self->hooks = *config->hooks;
    self->output_port = g_intern_static_string("video");
    set_target(self, config->instance);
    self->replace = TRUE;
    g_strlcpy(self->stats.node_id, config->node_id, sizeof self->stats.node_id);
    self->stats.fps = SCOPE_FPS_INITIAL;
    if (config->initial != NULL)
        scope_stage_update(self, config->initial, NULL);
    return self;
}

ScopeStage *
scope_stage_ref(ScopeStage *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

static void
free_frames(GQueue *frames)
{
    ScopeFrame *frame;

    while ((frame = g_queue_pop_head(frames)) != NULL)
        scope_frame_unref(frame);
}

static void
free_port(ScopeStagePort *port)
{
    free_frames(&port->frames);
    g_queue_clear(&port->numbers);
}

static void
unwire_output(ScopeStage *self)
{
    if (self->queue != NULL)
        scope_mailbox_set_taken_func(self->queue, NULL, NULL);
    g_clear_pointer(&self->queue, scope_mailbox_unref);
    g_clear_pointer(&self->consumer, scope_stage_unref);
}

void
scope_stage_unref(ScopeStage *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    g_warn_if_fail(self->thread == NULL);
    unwire_output(self);
    for (guint i = 0; i < self->n_ports; i++)
        free_port(&self->ports[i]);
    g_clear_pointer(&self->producer, scope_waker_unref);
    g_clear_pointer(&self->pending, json_object_unref);
    g_clear_pointer(&self->table, scope_param_table_unref);
    g_clear_pointer(&self->target, scope_instance_unref);
    scope_waker_unref(self->waker);
    g_free(self->session_id);
    g_free(self->node_id);
    g_free(self);
}

const char *
scope_stage_get_node_id(ScopeStage *self)
{
    return self->node_id;
}

gboolean
scope_stage_start(ScopeStage *self, GError **error)
{
    g_return_val_if_fail(self->thread == NULL, FALSE);

    self->thread =
        scope_thread_start(self->node_id, scope_stage_worker_main, scope_stage_ref(self), error);
    if (self->thread == NULL) {
        scope_stage_unref(self);
        return FALSE;
    }
    return TRUE;
}

void
scope_stage_request_stop(ScopeStage *self)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    self->stop = TRUE;
    self->fatal = NULL;
    self->skipped = NULL;
    scope_cond_broadcast(&self->waker->cond);
}

gboolean
scope_stage_join(ScopeStage *self, gint64 deadline_us)
{
    if (scope_thread_join_until(&self->thread, deadline_us))
        return TRUE;
    scope_log_warning("node %s: the worker does not end in time; it is left to end by itself",
                      self->node_id);
    scope_thread_detach(&self->thread);
    return FALSE;
}

/* -- Ports ----------------------------------------------------------------------------------- */

/* Lock held. */
static ScopeStagePort *
find_port(ScopeStage *self, const char *name)
{
    for (guint i = 0; i < self->n_ports; i++) {
        if (strcmp(self->ports[i].name, name) == 0)
            return &self->ports[i];
    }
    return NULL;
}

ScopeFrame *
scope_stage_port_pop(ScopeStagePort *port, guint64 *ret_number)
{
    *ret_number = GPOINTER_TO_SIZE(g_queue_pop_head(&port->numbers));
    return g_queue_pop_head(&port->frames);
}

/* Takes what waits on @port away, to be freed without the lock. Lock held. */
static void
take_waiting(ScopeStage *self, ScopeStagePort *port, GQueue *ret_frames)
{
    ScopeFrame *frame;

    self->stats.n_frames_skipped += port->frames.length;
    while ((frame = g_queue_pop_head(&port->frames)) != NULL)
        g_queue_push_tail(ret_frames, frame);
    g_queue_clear(&port->numbers);
}

void
scope_stage_wire_input(ScopeStage *self, const char *name, gboolean wired)
{
    GQueue dropped = G_QUEUE_INIT;
    ScopeStagePort *port;

    g_return_if_fail(self != NULL && name != NULL);

    scope_lock_lock(&self->waker->lock);
    port = find_port(self, name);
    if (port == NULL && self->n_ports < SCOPE_STAGE_MAX_PORTS) {
        port = &self->ports[self->n_ports++];
        port->name = g_intern_string(name);
        port->capacity = SCOPE_STAGE_INPUT_FRAMES;
        g_queue_init(&port->frames);
        g_queue_init(&port->numbers);
    }
    if (port != NULL) {
        port->wired = wired;
        if (!wired)
            take_waiting(self, port, &dropped);
    }
    scope_cond_broadcast(&self->waker->cond);
    scope_lock_unlock(&self->waker->lock);
    free_frames(&dropped);
}

void
scope_stage_wire_output(ScopeStage *self, ScopeStage *consumer, const char *port,
                        ScopeMailbox *queue)
{
    g_return_if_fail(self->thread == NULL);
    g_return_if_fail((consumer != NULL) != (queue != NULL));

    unwire_output(self);
    if (queue != NULL) {
        self->queue = scope_mailbox_ref(queue);
        scope_mailbox_set_taken_func(queue, on_queue_taken, self->waker);
        return;
    }
    self->consumer = scope_stage_ref(consumer);
    scope_stage_set_output_port(self, port != NULL ? port : "video");
    scope_lock_lock(&consumer->waker->lock);
    g_clear_pointer(&consumer->producer, scope_waker_unref);
    consumer->producer = scope_waker_ref(self->waker);
    scope_lock_unlock(&consumer->waker->lock);
}

void
scope_stage_set_output_port(ScopeStage *self, const char *port)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    self->output_port = g_intern_string(port);
}

gboolean
scope_stage_push_frame(ScopeStage *self, const char *name, ScopeFrame *frame)
{
    gboolean kept = FALSE;
    ScopeStagePort *port;
    gsize number;

    g_return_val_if_fail(self != NULL && frame != NULL, FALSE);

    scope_lock_lock(&self->waker->lock);
    port = find_port(self, name);
    number = self->stats.n_frames_in++;
    if (self->stop || port == NULL || !port->wired || self->discard) {
        self->stats.n_frames_skipped++;
    } else if (port->frames.length >= port->capacity) {
        self->stats.n_frames_in_dropped++;
    } else {
        g_queue_push_tail(&port->frames, frame);
        g_queue_push_tail(&port->numbers, GSIZE_TO_POINTER(number));
        kept = TRUE;
        scope_cond_broadcast(&self->waker->cond);
    }
    scope_lock_unlock(&self->waker->lock);
    if (!kept)
        scope_frame_unref(frame);
    return kept;
}

guint
scope_stage_clear_port(ScopeStage *self, const char *name)
{
    GQueue dropped = G_QUEUE_INIT;
    ScopeStagePort *port;
    guint n;

    scope_lock_lock(&self->waker->lock);
    port = find_port(self, name);
    if (port != NULL)
        take_waiting(self, port, &dropped);
    scope_lock_unlock(&self->waker->lock);
    n = dropped.length;
    free_frames(&dropped);
    return n;
}

void
scope_stage_clear_inputs(ScopeStage *self)
{
    GQueue dropped = G_QUEUE_INIT;

    scope_lock_lock(&self->waker->lock);
    for (guint i = 0; i < self->n_ports; i++)
        take_waiting(self, &self->ports[i], &dropped);
    scope_lock_unlock(&self->waker->lock);
    free_frames(&dropped);
}

void
scope_stage_get_port_level(ScopeStage *self, const char *name, guint *ret_length, guint *ret_want)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    ScopeStagePort *port = find_port(self, name);

    *ret_length = port != NULL ? port->frames.length : 0;
    *ret_want = self->want;
}

void
scope_stage_grow_port(ScopeStage *self, const char *name, guint capacity)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    ScopeStagePort *port = find_port(self, name);

    if (port != NULL)
        port->capacity = MAX(port->capacity, capacity);
}

gboolean
scope_stage_has_room(ScopeStage *self, const char *name)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    ScopeStagePort *port = find_port(self, name);

    return port != NULL && port->frames.length < port->capacity;
}

gboolean
scope_stage_is_starved(ScopeStage *self)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);

    for (guint i = 0; self->waiting && i < self->n_ports; i++) {
        if (self->ports[i].wired && self->ports[i].frames.length < self->want)
            return TRUE;
    }
    return FALSE;
}

/* -- Parameters ------------------------------------------------------------------------------ */

/* The members that the pipeline knows: the record must not grow with what clients invent. */
static JsonObject *
keep_known(ScopeParamTable *table, JsonObject *params, GPtrArray *problems)
{
    g_autoptr(JsonObject) known = json_object_new();
    JsonObjectIter iter;
    const char *key;
    JsonNode *value;

    json_object_iter_init_ordered(&iter, params);
    while (json_object_iter_next_ordered(&iter, &key, &value)) {
        if (scope_param_table_find(table, key) >= 0)
            json_object_set_member(known, key, json_node_ref(value));
    }
    return scope_param_table_filter(table, known, problems);
}

/* Members that every stage understands. Lock held. */
static void
apply_control(ScopeStage *self, JsonObject *params)
{
    const char *mode = scope_json_object_get_string(params, "input_mode");

    if (g_strcmp0(mode, "text") == 0)
        self->mode = SCOPE_MODE_TEXT;
    else if (g_strcmp0(mode, "video") == 0)
        self->mode = SCOPE_MODE_VIDEO;
    self->paused = scope_json_object_get_bool(params, "paused", self->paused);
    if (scope_json_object_get_bool(params, "reset_cache", FALSE))
        self->reset = TRUE;
    self->changed = TRUE;
}

void
scope_stage_update(ScopeStage *self, JsonObject *params, GPtrArray *problems)
{
    g_autoptr(ScopeParamTable) table = NULL;
    g_autoptr(JsonObject) known = NULL;

    g_return_if_fail(self != NULL && params != NULL);

    scope_lock_lock(&self->waker->lock);
    table = scope_param_table_ref(self->table);
    scope_lock_unlock(&self->waker->lock);
    known = keep_known(table, params, problems);

    SCOPE_LOCK_GUARD(&self->waker->lock);
    if (self->pending == NULL)
        self->pending = json_object_new();
    scope_param_merge(self->pending, known);
    apply_control(self, params);
    scope_cond_broadcast(&self->waker->cond);
}

void
scope_stage_replace(ScopeStage *self, ScopeInstance *instance)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    set_target(self, instance);
    self->replace = TRUE;
    scope_cond_broadcast(&self->waker->cond);
}

/* -- Counters -------------------------------------------------------------------------------- */

gdouble
scope_stage_get_fps(ScopeStage *self)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    return self->stats.fps;
}

void
scope_stage_get_stats(ScopeStage *self, ScopeStageStats *ret_stats)
{
    SCOPE_LOCK_GUARD(&self->waker->lock);
    *ret_stats = self->stats;
    ret_stats->queue_frames = 0;
    for (guint i = 0; i < self->n_ports; i++)
        ret_stats->queue_frames += self->ports[i].frames.length;
}

void
scope_stage_sample_uniform(guint n, guint k, guint *ret_indices)
{
    g_return_if_fail(k >= 1 && n >= k);

    /* round(i * n / k) with halves to even, in integers: 2 * i * n against the odd multiples of k.
     */
    for (guint i = 0; i < k; i++) {
        guint64 whole = (guint64)i * n / k;
        guint64 twice_rest = 2 * ((guint64)i * n % k);

        if (twice_rest > k || (twice_rest == k && (whole & 1)))
            whole++;
        ret_indices[i] = (guint)whole;
    }
}
