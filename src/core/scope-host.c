/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services behind ScopeHost, the collector of output frames and the progress of loads. The
 * progress has one leaf lock; everything else is stateless.
 */
#include "core/scope-host-private.h"

#include "core/scope-frame.h"
#include "core/scope-lock.h"
#include "core/scope-log.h"

struct _ScopeLoadProgress {
    gint ref_count;
    ScopeLock lock;
    char *stage;
    gdouble ratio;
    gboolean cancelled;
};

void
scope_output_init(ScopeOutput *output)
{
    output->items = g_array_new(FALSE, FALSE, sizeof(ScopeOutputItem));
    output->timings = (ScopeStageTimings){0};
}

void
scope_output_reset(ScopeOutput *output)
{
    for (guint i = 0; i < output->items->len; i++)
        scope_frame_unref(g_array_index(output->items, ScopeOutputItem, i).frame);
    g_array_set_size(output->items, 0);
    output->timings.n_parts = 0;
}

void
scope_output_clear(ScopeOutput *output)
{
    scope_output_reset(output);
    g_clear_pointer(&output->items, g_array_unref);
}

static void
host_output_push(ScopeOutput *output, const char *port, ScopeFrame *frame)
{
    ScopeOutputItem item = {g_intern_string(port != NULL ? port : "video"), frame};

    g_return_if_fail(output != NULL && frame != NULL);
    g_array_append_val(output->items, item);
}

static void
host_output_timing(ScopeOutput *output, const char *name, gint64 us)
{
    g_return_if_fail(output != NULL && name != NULL);
    scope_stage_timings_add(&output->timings, name, us);
}

/* A program without folders of its own, such as a test, has neither adapters nor pictures. */
static char *
host_lora_path(const ScopeHost *host, const char *name, GError **error)
{
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                "The adapter \"%s\" cannot be opened: this program has no folder of adapters",
                name);
    return NULL;
}

static ScopeFrame *
host_image_load(const ScopeHost *host, const char *name, GError **error)
{
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                "The picture \"%s\" cannot be opened: this program reads no pictures", name);
    return NULL;
}

static void
host_log(const char *pipeline_id, ScopeLogLevel level, const char *message)
{
    ScopeLogTopic *topic =
        scope_log_topic_get("pipelines", pipeline_id != NULL ? pipeline_id : "unknown");

    level = CLAMP(level, SCOPE_LOG_ERROR, SCOPE_LOG_TRACE);
    scope_log_at(topic, level, "%s", message != NULL ? message : "(null)");
}

static gboolean
host_progress(ScopeLoadProgress *progress, const char *stage, gdouble ratio)
{
    return progress == NULL || scope_load_progress_set(progress, stage, ratio);
}

void
scope_host_init(ScopeHost *host, const char *models_dir)
{
    *host = (ScopeHost){
        .abi_version = SCOPE_ABI_VERSION,
        .size = sizeof(ScopeHost),
        .n_cpus = MAX(g_get_num_processors(), 1),
        .models_dir = models_dir,
        .log = host_log,
        .frame_new = scope_frame_new,
        .frame_ref = scope_frame_ref,
        .frame_unref = scope_frame_unref,
        .output_push = host_output_push,
        .progress = host_progress,
        .lora_path = host_lora_path,
        .image_load = host_image_load,
        .output_timing = host_output_timing,
    };
}

ScopeLoadProgress *
scope_load_progress_new(void)
{
    ScopeLoadProgress *self = g_new0(ScopeLoadProgress, 1);

    self->ref_count = 1;
    self->ratio = -1.0;
    self->stage = g_strdup("Initializing pipeline...");
    scope_lock_init(&self->lock);
    return self;
}

ScopeLoadProgress *
scope_load_progress_ref(ScopeLoadProgress *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

void
scope_load_progress_unref(ScopeLoadProgress *self)
{
    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    scope_lock_clear(&self->lock);
    g_free(self->stage);
    g_free(self);
}

gboolean
scope_load_progress_set(ScopeLoadProgress *self, const char *stage, gdouble ratio)
{
    SCOPE_LOCK_GUARD(&self->lock);
    if (stage != NULL) {
        g_free(self->stage);
        self->stage = g_strdup(stage);
    }
    self->ratio = ratio >= 0.0 ? MIN(ratio, 1.0) : -1.0;
    return !self->cancelled;
}

void
scope_load_progress_cancel(ScopeLoadProgress *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    self->cancelled = TRUE;
}

gboolean
scope_load_progress_is_cancelled(ScopeLoadProgress *self)
{
    SCOPE_LOCK_GUARD(&self->lock);
    return self->cancelled;
}

char *
scope_load_progress_get(ScopeLoadProgress *self, gdouble *ret_ratio)
{
    SCOPE_LOCK_GUARD(&self->lock);
    if (ret_ratio != NULL)
        *ret_ratio = self->ratio;
    return g_strdup(self->stage);
}
