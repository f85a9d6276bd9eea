/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker of a stage. It owns the stream state, the record of parameters and the snapshot that
 * the pipeline reads; it looks at the outside world only between chunks, under the stage's lock,
 * and calls the pipeline without it.
 */
#include "core/scope-stage-private.h"

#include <string.h>

#include "core/scope-fps.h"
#include "core/scope-frame.h"
#include "core/scope-host-private.h"
#include "core/scope-json.h"
#include "core/scope-log.h"
#include "core/scope-param-merge.h"
#include "core/scope-param-snapshot.h"

#define IDLE_WAIT_US (1 * G_USEC_PER_SEC)
#define RETRY_US     (10 * 1000)
#define RETRY_MAX_US (160 * 1000)
#define MAX_CHUNK    512
#define MAX_BEHIND   4 /* frames that may wait for a stage that takes one at a time */

SCOPE_LOG_TOPIC(core, stage)

typedef struct {
    ScopeStage *stage;
    ScopeInstance *instance;
    const ScopePipelineDesc *desc;
    gpointer stream;
    gboolean has_stream;

    JsonObject *record;
    ScopeParamSnapshot *snapshot;
    ScopeMode mode;
    gboolean mode_told;
    gboolean paused;
    gboolean reset;
    guint64 chunk_index;
    guint64 n_frames; /* out of the stream */
    guint64 n_asked;  /* chunks that hooks.before_chunk was asked about */

    gboolean planned; /* snapshot and want are up to date */
    guint want;
    gboolean asked; /* hooks.chosen was asked about this chunk */
    ScopeStageChoice choice;
    gint64 retry_at_us;
    gint64 retry_delay_us;
    gint64 blocked_us;
    gint64 process_us;
    guint last_batch;
    ScopeFps fps;

    char *last_error;
    guint n_same_errors;
    ScopeOutput output;
    ScopePort ports[SCOPE_STAGE_MAX_PORTS];
    GPtrArray *frames[SCOPE_STAGE_MAX_PORTS];
    GArray *numbers[SCOPE_STAGE_MAX_PORTS]; /* of guint64: those of the frames */
    guint n_ports;
} Worker;

/* -- Streams --------------------------------------------------------------------------------- */

static void
close_stream(Worker *w)
{
    if (w->has_stream && w->desc->stream_new != NULL)
        w->desc->stream_free(w->stream);
    w->has_stream = FALSE;
    w->stream = NULL;
    w->desc = NULL;
    w->planned = FALSE;
    g_clear_pointer(&w->instance, scope_instance_unref);
}

/* Calls *@slot of the stage, as it is now. Without lock. */
static void
tell_owner(ScopeStage *stage, const ScopeStageFatal *slot, const GError *error)
{
    ScopeStageFatal func;
    gpointer user_data;

    scope_lock_lock(&stage->waker->lock);
    func = *slot;
    user_data = stage->user_data;
    scope_lock_unlock(&stage->waker->lock);
    if (func != NULL)
        func(stage, error, user_data);
}

/* Ends the stream and tells the owner. Without lock. */
static void
fail_stream(Worker *w, const GError *error)
{
    scope_log_error("node %s: the stream ended: %s", w->stage->node_id, error->message);
    close_stream(w);
    tell_owner(w->stage, &w->stage->fatal, error);
}

static void
make_snapshot(Worker *w)
{
    g_clear_pointer(&w->snapshot, scope_param_snapshot_unref);
    w->snapshot = scope_param_snapshot_new(scope_instance_get_info(w->instance)->table,
                                           scope_instance_get_load_params(w->instance), w->record);
}

static void
open_stream(Worker *w, ScopeInstance *instance)
{
    g_autoptr(GError) error = NULL;

    w->instance = instance;
    w->desc = scope_instance_get_info(instance)->desc;
    w->chunk_index = 0;
    w->n_frames = 0;
    w->n_asked = 0;
    w->reset = TRUE;
    w->last_batch = 1;
    w->retry_at_us = 0;
    scope_fps_init(&w->fps, w->desc->frame_rate);
    make_snapshot(w);
    if (w->desc->stream_new == NULL) {
        w->stream = scope_instance_get_handle(instance);
        w->has_stream = TRUE;
        return;
    }
    w->stream = w->desc->stream_new(scope_instance_get_handle(instance),
                                    scope_param_snapshot_get_values(w->snapshot), &error);
    w->has_stream = w->stream != NULL;
    if (w->has_stream)
        return;
    if (error == NULL)
        g_set_error(&error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED,
                    "Opening a stream of %s failed and the pipeline gave no reason", w->desc->id);
    fail_stream(w, error);
}

/* Takes over what scope_stage_replace() asked for. Lock held; released meanwhile. */
static void
replace_instance(Worker *w)
{
    ScopeStage *stage = w->stage;
    ScopeInstance *instance = stage->target != NULL ? g_steal_pointer(&stage->target) : NULL;

    stage->replace = FALSE;
    stage->stats.timings = (ScopeStageTimings){0}; /* names belong to the old pipeline */
    g_strlcpy(stage->stats.pipeline_id,
              instance != NULL ? scope_instance_get_info(instance)->desc->id : "",
              sizeof stage->stats.pipeline_id);
    scope_lock_unlock(&stage->waker->lock);
    close_stream(w);
    if (instance != NULL)
        open_stream(w, instance);
    scope_lock_lock(&stage->waker->lock);
    stage->stats.fps = scope_fps_get(&w->fps);
}

/* -- Between chunks -------------------------------------------------------------------------- */

/* Tells what acts from the next chunk on. Without lock. */
static void
tell_updates(Worker *w, JsonObject *pending, gboolean mode_changed, gboolean reset)
{
    const ScopeStageHooks *hooks = &w->stage->hooks;
    g_autoptr(JsonObject) told = NULL;

    if (hooks->updated == NULL || (pending == NULL && !mode_changed && !reset))
        return;
    told = pending != NULL ? scope_json_object_copy(pending) : json_object_new();
    if (mode_changed)
        json_object_set_string_member(told, "input_mode",
                                      w->mode == SCOPE_MODE_TEXT ? "text" : "video");
    if (reset)
        json_object_set_boolean_member(told, "reset_cache", TRUE);
    if (json_object_get_size(told) > 0)
        hooks->updated(w->stage->node_id, w->chunk_index, told, hooks->user_data);
}

/* Asks for the parameters of the next chunk; they wait like those of a client. Lock held; released
 * meanwhile. */
static void
ask_hook(Worker *w)
{
    const ScopeStageHooks *hooks = &w->stage->hooks;
    g_autoptr(JsonObject) params = NULL;

    w->n_asked = w->chunk_index + 1;
    scope_lock_unlock(&w->stage->waker->lock);
    params = hooks->before_chunk(w->stage->node_id, w->chunk_index, w->n_frames, hooks->user_data);
    if (params != NULL)
        scope_stage_update(w->stage, params, NULL);
    scope_lock_lock(&w->stage->waker->lock);
}

/* Takes updates that wait. Lock held; released meanwhile. */
static void
take_updates(Worker *w)
{
    ScopeStage *stage = w->stage;
    g_autoptr(JsonObject) pending = g_steal_pointer(&stage->pending);
    gboolean reset = stage->reset;
    gboolean resumed = w->paused && !stage->paused;
    gboolean mode_changed = w->mode != stage->mode || !w->mode_told;

    stage->changed = FALSE;
    stage->reset = FALSE;
    w->mode = stage->mode;
    w->mode_told = TRUE;
    w->paused = stage->paused;
    w->planned = FALSE;
    scope_lock_unlock(&stage->waker->lock);

    tell_updates(w, pending, mode_changed, reset);
    if (pending != NULL)
        scope_param_merge(w->record, pending);
    if (resumed) {
        scope_fps_break(&w->fps);
        w->blocked_us = 0;
        /* What came in during the pause is old by now, and would delay all that follows. */
        if (w->mode == SCOPE_MODE_VIDEO)
            scope_stage_clear_inputs(stage);
    }
    if (reset) {
        w->reset = TRUE;
        if (stage->queue != NULL && stage->offline_fps <= 0.0)
            scope_mailbox_clear(stage->queue);
        if (stage->consumer != NULL && stage->offline_fps <= 0.0)
            scope_stage_clear_port(stage->consumer, stage->output_port);
    }
    scope_lock_lock(&stage->waker->lock);
}

static ScopeCall
make_call(Worker *w)
{
    return (ScopeCall){
        .size = sizeof(ScopeCall),
        .mode = w->mode,
        .params = scope_param_snapshot_get_values(w->snapshot),
        .reset = w->reset,
        .chunk_index = w->chunk_index,
        .ports = w->ports,
        .n_ports = 0,
        .output = &w->output,
    };
}

/* Asks the pipeline what it wants next. Lock held; released meanwhile. */
static void
plan_chunk(Worker *w)
{
    ScopeStage *stage = w->stage;
    ScopeCall call;

    scope_lock_unlock(&stage->waker->lock);
    make_snapshot(w);
    call = make_call(w);
    w->want = MIN(w->desc->prepare(w->stream, &call), MAX_CHUNK);
    w->planned = TRUE;
    scope_lock_lock(&stage->waker->lock);

    stage->want = w->want;
    stage->discard = w->want == 0 && stage->hooks.chosen == NULL;
    for (guint i = 0; i < stage->n_ports; i++)
        stage->ports[i].capacity = MAX(SCOPE_STAGE_INPUT_FRAMES, 2 * w->want);
}

/* Lock held. */
static gboolean
inputs_ready(const Worker *w)
{
    const ScopeStage *stage = w->stage;
    gboolean any = FALSE;

    if (w->want == 0)
        return TRUE;
    for (guint i = 0; i < stage->n_ports; i++) {
        if (!stage->ports[i].wired)
            continue;
        if (stage->ports[i].frames.length < w->want)
            return FALSE;
        any = TRUE;
    }
    return any;
}

/* Frames without a source time are made on demand: their stage may not run ahead. Lock held. */
static gboolean
is_on_demand(const Worker *w)
{
    for (guint i = 0; w->stage->offline_fps <= 0.0 && w->want > 0 && i < w->stage->n_ports; i++) {
        const ScopeFrame *frame = g_queue_peek_head(&w->stage->ports[i].frames);

        if (frame != NULL && frame->pts_us != SCOPE_TIME_NONE)
            return FALSE;
    }
    return TRUE;
}

/*
 * Whether a chunk takes more than half of the time that it is shown for: then the next one must be
 * begun early, else a fresh one costs less delay.
 */
static gboolean
is_slow(const Worker *w)
{
    return 2.0 * (gdouble)w->process_us > w->last_batch * G_USEC_PER_SEC / scope_fps_get(&w->fps);
}

/*
 * Room for one more chunk: as many frames as the consumer needs to begin or as one chunk has, and
 * one more where time is short. Lock held.
 */
static gboolean
has_room(const Worker *w)
{
    const ScopeStage *stage = w->stage;
    guint length = 0;
    guint want = 0;

    if (stage->queue != NULL)
        length = scope_mailbox_get_length(stage->queue);
    else if (stage->consumer != NULL)
        scope_stage_get_port_level(stage->consumer, stage->output_port, &length, &want);
    return length < MAX(w->last_batch, want) + (is_slow(w) ? 1 : 0);
}

/*
 * Which of @n_waiting frames make the chunk: of live ones a sample of all that wait, so that a slow
 * stage keeps up. A sample of one would always be the oldest; a slow stage that has fallen behind
 * takes the newest instead.
 */
static void
choose_inputs(const Worker *w, guint n_waiting, guint *ret_indices)
{
    gboolean sampled = !is_on_demand(w);

    scope_stage_sample_uniform(sampled ? n_waiting : w->want, w->want, ret_indices);
    if (sampled && w->want == 1 && n_waiting > MAX_BEHIND && is_slow(w))
        ret_indices[0] = n_waiting - 1;
}

/* Moves the frames of one chunk out of the ports. Lock held. */
static void
take_inputs(Worker *w, GPtrArray *skipped)
{
    ScopeStage *stage = w->stage;
    guint indices[MAX_CHUNK];
    guint64 number;

    w->n_ports = 0;
    for (guint i = 0; i < stage->n_ports; i++) {
        ScopeStagePort *port = &stage->ports[i];
        GPtrArray *frames = w->frames[w->n_ports];
        GArray *numbers = w->numbers[w->n_ports];
        guint n_taken = 0;

        if (w->want == 0 && stage->hooks.chosen != NULL)
            continue; /* they may be meant for a later chunk */
        if (w->want == 0 || !port->wired) {
            while (port->frames.length > 0)
                g_ptr_array_add(skipped, scope_stage_port_pop(port, &number));
            continue;
        }
        choose_inputs(w, port->frames.length, indices);
        for (guint index = 0; index <= indices[w->want - 1]; index++) {
            gboolean wanted = index == indices[n_taken];

            g_ptr_array_add(wanted ? frames : skipped, scope_stage_port_pop(port, &number));
            if (wanted) {
                g_array_append_val(numbers, number);
                n_taken++;
            }
        }
        w->ports[w->n_ports++] = (ScopePort){port->name, NULL, 0};
    }
    stage->stats.n_frames_skipped += skipped->len;
}

/* Tells what the chunk is made from. Without lock. */
static void
tell_taken(Worker *w)
{
    const ScopeStageHooks *hooks = &w->stage->hooks;

    for (guint p = 0; p < w->n_ports; p++) {
        w->ports[p].frames = (ScopeFrame *const *)w->frames[p]->pdata;
        w->ports[p].n_frames = w->frames[p]->len;
        if (hooks->taken != NULL)
            hooks->taken(w->stage->node_id, w->chunk_index, &w->ports[p],
                         (const guint64 *)(void *)w->numbers[p]->data, hooks->user_data);
        g_array_set_size(w->numbers[p], 0);
    }
}

/* -- Chunks whose input is chosen ------------------------------------------------------------- */

static void
forget_choice(Worker *w)
{
    w->asked = FALSE;
    g_clear_pointer(&w->choice.frames, g_ptr_array_unref);
    w->choice = (ScopeStageChoice){0};
    g_ptr_array_set_size(w->frames[0], 0);
}

/* Asks what the chunk is made from. Lock held; released meanwhile. */
static void
ask_choice(Worker *w)
{
    const ScopeStageHooks *hooks = &w->stage->hooks;
    g_autoptr(GError) error = NULL;
    gboolean known;

    scope_lock_unlock(&w->stage->waker->lock);
    known = hooks->chosen(w->stage->node_id, w->chunk_index, &w->choice, hooks->user_data, &error);
    if (known && w->choice.n_frames != w->want)
        g_set_error(&error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "chunk %" G_GUINT64_FORMAT " was made from %u frames, this version of %s wants "
                    "%u",
                    w->chunk_index, w->choice.n_frames, w->desc->id, w->want);
    for (guint i = 0; known && w->choice.frames != NULL && i < w->choice.frames->len; i++)
        g_ptr_array_add(w->frames[0], scope_frame_ref(w->choice.frames->pdata[i]));
    if (error != NULL)
        fail_stream(w, error);
    scope_lock_lock(&w->stage->waker->lock);
    w->asked = TRUE;
}

/* Moves frames that wait to the chunk, or away when it was made without them. Lock held. */
static void
collect_chosen(Worker *w, GPtrArray *skipped)
{
    ScopeStage *stage = w->stage;

    for (guint i = 0; i < stage->n_ports; i++) {
        while (w->frames[0]->len < w->choice.n_frames && stage->ports[i].frames.length > 0) {
            guint64 number;
            ScopeFrame *frame = scope_stage_port_pop(&stage->ports[i], &number);
            gboolean wanted = number == w->choice.numbers[w->frames[0]->len];

            g_ptr_array_add(wanted ? w->frames[0] : skipped, frame);
        }
    }
}

/* -- One chunk ------------------------------------------------------------------------------- */

static void
convert_inputs(Worker *w)
{
    guint32 formats = w->desc->input_formats;
    ScopeFrameFormat preferred = formats & SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24)
                                     ? SCOPE_FRAME_FORMAT_RGB24
                                     : SCOPE_FRAME_FORMAT_I420;

    for (guint p = 0; p < w->n_ports; p++) {
        GPtrArray *frames = w->frames[p];

        for (guint i = 0; i < frames->len; i++) {
            ScopeFrame *frame = frames->pdata[i];

            if (formats & SCOPE_FRAME_FORMAT_BIT(frame->format))
                continue;
            frames->pdata[i] = scope_frame_convert(frame, preferred);
            scope_frame_unref(frame);
        }
        w->ports[p].frames = (ScopeFrame *const *)frames->pdata;
        w->ports[p].n_frames = frames->len;
    }
}

static gboolean
is_fatal(const GError *error)
{
    return g_error_matches(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY) ||
           g_error_matches(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_DEVICE_LOST);
}

/* Tells an error once, then only that it went on. */
static void
note_error(Worker *w, const GError *error)
{
    if (g_strcmp0(w->last_error, error->message) == 0) {
        w->n_same_errors++;
        return;
    }
    g_free(w->last_error);
    w->last_error = g_strdup(error->message);
    w->n_same_errors = 1;
    scope_log_warning("node %s: chunk skipped: %s", w->stage->node_id, error->message);
    tell_owner(w->stage, &w->stage->skipped, error);
}

static void
note_success(Worker *w)
{
    if (w->last_error == NULL)
        return;
    scope_log_info("node %s: works again after %u failed chunks", w->stage->node_id,
                   w->n_same_errors);
    g_clear_pointer(&w->last_error, g_free);
}

/* Hands one frame on; FALSE when it was dropped for lack of room. */
static gboolean
deliver(Worker *w, const char *port, ScopeFrame *frame)
{
    if (w->stage->queue != NULL)
        return scope_mailbox_push(w->stage->queue, frame);
    if (w->stage->consumer != NULL)
        return scope_stage_push_frame(w->stage->consumer, port, frame);
    scope_frame_unref(frame);
    return TRUE;
}

typedef struct {
    guint n_out;
    guint n_dropped;
    gint64 latency_us;
} Delivered;

static Delivered
deliver_outputs(Worker *w, gint64 born_us)
{
    const char *video = g_intern_static_string("video");
    GArray *items = w->output.items;
    gint64 now_us = g_get_monotonic_time();
    Delivered result = {0, 0, 0};
    const char *port;

    scope_lock_lock(&w->stage->waker->lock);
    port = w->stage->output_port;
    scope_lock_unlock(&w->stage->waker->lock);

    for (guint i = 0; i < items->len; i++)
        result.n_out += g_array_index(items, ScopeOutputItem, i).port == video;
    if (w->stage->queue != NULL)
        scope_mailbox_grow(w->stage->queue, 2 * result.n_out);
    else if (w->stage->consumer != NULL)
        scope_stage_grow_port(w->stage->consumer, port, 2 * result.n_out);

    for (guint i = 0; i < items->len; i++) {
        ScopeOutputItem *item = &g_array_index(items, ScopeOutputItem, i);
        ScopeFrame *frame = g_steal_pointer(&item->frame);

        if (item->port != video) {
            scope_frame_unref(frame); /* nothing is wired to other ports in an implicit chain */
            continue;
        }
        if (frame->pts_us == SCOPE_TIME_NONE && w->stage->offline_fps > 0.0)
            frame->pts_us = (gint64)((gdouble)w->n_frames * G_USEC_PER_SEC / w->stage->offline_fps);
        w->n_frames++;
        if (frame->born_us == SCOPE_TIME_NONE)
            frame->born_us = born_us != SCOPE_TIME_NONE ? born_us : now_us;
        result.latency_us = now_us - frame->born_us;
        if (!deliver(w, port, frame))
            result.n_dropped++;
    }
    g_array_set_size(items, 0);
    return result;
}

static void
update_stats(Worker *w, gboolean ok, const Delivered *delivered)
{
    ScopeStageStats *stats = &w->stage->stats;

    SCOPE_LOCK_GUARD(&w->stage->waker->lock);
    if (!ok) {
        stats->n_errors++;
        return;
    }
    stats->n_chunks++;
    stats->n_frames_out += delivered->n_out;
    stats->n_frames_out_dropped += delivered->n_dropped;
    stats->process_us = w->process_us;
    stats->process_total_us += w->process_us;
    stats->process_avg_us =
        stats->n_chunks == 1 ? w->process_us
                             : stats->process_avg_us + (w->process_us - stats->process_avg_us) / 16;
    if (delivered->n_out > 0)
        stats->latency_us = delivered->latency_us;
    scope_stage_timings_merge(&stats->timings, &w->output.timings);
    stats->fps = scope_fps_get(&w->fps);
}

static void
delay_retry(Worker *w)
{
    w->retry_delay_us = w->retry_delay_us > 0 ? MIN(w->retry_delay_us * 2, RETRY_MAX_US) : RETRY_US;
    w->retry_at_us = g_get_monotonic_time() + w->retry_delay_us;
}

/* After a chunk that worked. */
static void
finish_chunk(Worker *w, gint64 born_us)
{
    Delivered delivered;

    note_success(w);
    w->reset = FALSE;
    w->chunk_index++;
    delivered = deliver_outputs(w, born_us);
    scope_fps_add(&w->fps, delivered.n_out, g_get_monotonic_time(), w->process_us, w->blocked_us);
    if (delivered.n_out > 0) {
        w->blocked_us = 0;
        w->last_batch = delivered.n_out;
        w->retry_delay_us = 0;
        w->retry_at_us = 0;
    } else if (w->want == 0) {
        w->retry_at_us = g_get_monotonic_time() + RETRY_US;
    }
    update_stats(w, TRUE, &delivered);
}

/* Inputs are taken. Without lock. */
static void
run_chunk(Worker *w)
{
    g_autoptr(GError) error = NULL;
    gint64 born_us = SCOPE_TIME_NONE;
    gint64 start_us;
    ScopeCall call;
    gboolean ok;

    convert_inputs(w);
    if (w->n_ports > 0 && w->ports[0].n_frames > 0)
        born_us = w->ports[0].frames[0]->born_us;
    call = make_call(w);
    call.n_ports = w->n_ports;

    /* Before the call: a one-shot value that makes the chunk fail must not fail the next one. */
    scope_param_take_one_shots(scope_instance_get_info(w->instance)->table, w->record);
    w->planned = FALSE;

    w->output.timings.n_parts = 0;
    start_us = g_get_monotonic_time();
    ok = w->desc->process(w->stream, &call, &error);
    w->process_us = g_get_monotonic_time() - start_us;
    for (guint i = 0; i < w->n_ports; i++)
        g_ptr_array_set_size(w->frames[i], 0);

    if (ok) {
        finish_chunk(w, born_us);
        return;
    }
    scope_output_reset(&w->output);
    if (error == NULL)
        g_set_error(&error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED,
                    "%s failed and gave no reason", w->desc->id);
    update_stats(w, FALSE, NULL);
    if (is_fatal(error) || w->stage->offline_fps > 0.0) {
        fail_stream(w, error);
        return;
    }
    note_error(w, error);
    if (w->want == 0)
        delay_retry(w);
}

/* Takes inputs and runs the chunk. Lock held; released meanwhile. */
static void
do_chunk(Worker *w)
{
    ScopeStage *stage = w->stage;
    g_autoptr(GPtrArray) skipped = NULL;
    ScopeWaker *producer;

    skipped = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
    if (w->asked)
        w->ports[0] = (ScopePort){g_intern_string(w->choice.port), NULL, 0};
    else
        take_inputs(w, skipped);
    w->n_ports = w->asked ? 1 : w->n_ports;
    producer = stage->producer != NULL ? scope_waker_ref(stage->producer) : NULL;
    scope_lock_unlock(&stage->waker->lock);

    if (producer != NULL)
        scope_waker_wake(producer);
    scope_waker_unref(producer);
    g_ptr_array_set_size(skipped, 0);
    tell_taken(w);
    run_chunk(w);
    forget_choice(w);
    scope_lock_lock(&stage->waker->lock);
}

/* The turn of a stage whose input is chosen. Lock held; released meanwhile. */
static void
chosen_turn(Worker *w)
{
    ScopeStage *stage = w->stage;
    g_autoptr(GPtrArray) skipped = NULL;
    gint64 until_us = g_get_monotonic_time() + IDLE_WAIT_US;
    ScopeWaker *producer;
    guint n_before;

    if (!w->asked) {
        ask_choice(w);
        return;
    }
    skipped = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
    n_before = w->frames[0]->len;
    if (w->choice.frames == NULL && w->choice.n_frames > 0)
        collect_chosen(w, skipped);
    if (w->frames[0]->len > n_before || skipped->len > 0) {
        producer = stage->producer != NULL ? scope_waker_ref(stage->producer) : NULL;
        scope_lock_unlock(&stage->waker->lock);
        if (producer != NULL)
            scope_waker_wake(producer);
        scope_waker_unref(producer);
        g_ptr_array_set_size(skipped, 0);
        scope_lock_lock(&stage->waker->lock);
    } else if (w->choice.n_frames == 0 || w->frames[0]->len < w->choice.n_frames) {
        stage->waiting = TRUE;
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, until_us);
        stage->waiting = FALSE;
    } else if (!has_room(w)) {
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, until_us);
    } else {
        do_chunk(w);
    }
}

/* One turn: does one thing or waits. Lock held before and after. */
static void
worker_turn(Worker *w)
{
    ScopeStage *stage = w->stage;
    gint64 now_us = g_get_monotonic_time();

    if (stage->replace) {
        replace_instance(w);
    } else if (stage->pending != NULL || stage->changed) {
        take_updates(w);
    } else if (!w->has_stream || w->paused) {
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, now_us + IDLE_WAIT_US);
    } else if (!w->planned && stage->hooks.before_chunk != NULL && w->n_asked <= w->chunk_index) {
        ask_hook(w);
    } else if (!w->planned) {
        plan_chunk(w);
    } else if (now_us < w->retry_at_us) {
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, w->retry_at_us);
    } else if (w->want > 0 && stage->hooks.chosen != NULL) {
        chosen_turn(w);
    } else if (!inputs_ready(w)) {
        stage->waiting = TRUE;
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, now_us + IDLE_WAIT_US);
        stage->waiting = FALSE;
    } else if (is_on_demand(w) && !has_room(w)) {
        scope_cond_wait_until(&stage->waker->cond, &stage->waker->lock, now_us + IDLE_WAIT_US);
        w->blocked_us += g_get_monotonic_time() - now_us;
    } else {
        do_chunk(w);
    }
}

void
scope_stage_worker_main(gpointer data)
{
    ScopeStage *stage = data;
    Worker w = {.stage = stage, .record = json_object_new(), .last_batch = 1};

    scope_log_set_connection(stage->session_id);
    scope_output_init(&w.output);
    scope_fps_init(&w.fps, 0.0);
    for (guint i = 0; i < SCOPE_STAGE_MAX_PORTS; i++) {
        w.frames[i] = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
        w.numbers[i] = g_array_new(FALSE, FALSE, sizeof(guint64));
    }

    scope_lock_lock(&stage->waker->lock);
    while (!stage->stop)
        worker_turn(&w);
    scope_lock_unlock(&stage->waker->lock);

    close_stream(&w);
    forget_choice(&w);
    for (guint i = 0; i < SCOPE_STAGE_MAX_PORTS; i++) {
        g_ptr_array_unref(w.frames[i]);
        g_array_unref(w.numbers[i]);
    }
    g_clear_pointer(&w.snapshot, scope_param_snapshot_unref);
    g_free(w.last_error);
    scope_output_clear(&w.output);
    json_object_unref(w.record);
    scope_stage_unref(stage);
}
