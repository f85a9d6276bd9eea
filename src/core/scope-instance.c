/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded pipelines. An instance holds its info, what load() returned and the parameters it was
 * loaded with; the last release hands it to the loader's thread to unload. Any thread.
 */
#include "core/scope-instance.h"

#include "core/scope-json.h"
#include "core/scope-loader-private.h"
#include "core/scope-log.h"
#include "core/scope-param-snapshot.h"

SCOPE_LOG_TOPIC(core, instance)

struct _ScopeInstance {
    gint ref_count;
    guint64 id;
    ScopePipelineInfo *info;
    ScopeLoader *loader;
    JsonObject *load_params;
    gpointer handle;
    gint retired;
};

static gint n_instances;
static guint64 last_id;

static gboolean
check_params(ScopePipelineInfo *info, JsonObject *params, GError **error)
{
    g_autoptr(GPtrArray) problems = scope_param_problems_new();
    g_autoptr(GString) text = NULL;

    if (scope_param_table_validate(info->table, params, problems))
        return TRUE;
    text = g_string_new(NULL);
    for (guint i = 0; i < problems->len; i++) {
        g_autofree char *problem = scope_param_problem_to_string(problems->pdata[i]);

        g_string_append_printf(text, "%s%s", i > 0 ? "; " : "", problem);
    }
    g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID, "Loading %s failed: %s",
                info->desc->id, text->str);
    return FALSE;
}

static gboolean
call_load(const ScopePipelineDesc *desc, const ScopeHost *host, const void *values,
          ScopeLoadProgress *progress, gpointer *ret_handle, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (desc->load(host, values, progress, ret_handle, &local))
        return TRUE;
    if (local != NULL)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED,
                    "Loading %s failed and the pipeline gave no reason", desc->id);
    return FALSE;
}

ScopeInstance *
scope_instance_load(ScopePipelineInfo *info, const ScopeHost *host, ScopeLoader *loader,
                    JsonObject *load_params, ScopeLoadProgress *progress, GError **error)
{
    g_autoptr(ScopeParamSnapshot) snapshot = NULL;
    g_autoptr(ScopeLoadProgress) own_progress = NULL;
    JsonObject *params;
    ScopeInstance *self;
    gpointer handle = NULL;
    gint64 start_us = g_get_monotonic_time();

    g_return_val_if_fail(info != NULL && host != NULL, NULL);

    params = scope_json_object_copy(load_params);
    if (!check_params(info, params, error)) {
        json_object_unref(params);
        return NULL;
    }
    if (progress == NULL)
        progress = own_progress = scope_load_progress_new();
    snapshot = scope_param_snapshot_new(info->table, params, NULL);
    if (!call_load(info->desc, host, scope_param_snapshot_get_values(snapshot), progress, &handle,
                   error)) {
        json_object_unref(params);
        return NULL;
    }
    self = g_new0(ScopeInstance, 1);
    self->ref_count = 1;
    self->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    self->info = scope_pipeline_info_ref(info);
    self->loader = loader != NULL ? scope_loader_ref(loader) : NULL;
    self->load_params = params;
    self->handle = handle;
    g_atomic_int_inc(&n_instances);
    scope_log_info("loaded %s in %.0f ms", info->desc->id,
                   (gdouble)(g_get_monotonic_time() - start_us) / 1000.0);
    return self;
}

ScopeInstance *
scope_instance_ref(ScopeInstance *self)
{
    g_return_val_if_fail(self != NULL, NULL);
    g_atomic_int_inc(&self->ref_count);
    return self;
}

static void
instance_unload(gpointer data)
{
    ScopeInstance *self = data;

    self->info->desc->unload(self->handle);
    scope_log_info("unloaded %s", self->info->desc->id);
    scope_pipeline_info_unref(self->info);
    json_object_unref(self->load_params);
    g_free(self);
    g_atomic_int_add(&n_instances, -1);
}

void
scope_instance_unref(ScopeInstance *self)
{
    ScopeLoader *loader;

    if (self == NULL || !g_atomic_int_dec_and_test(&self->ref_count))
        return;
    loader = g_steal_pointer(&self->loader);
    if (loader == NULL || !scope_loader_post_unload(loader, instance_unload, self,
                                                    g_atomic_int_get(&self->retired) != 0))
        instance_unload(self);
    scope_loader_unref(loader);
}

ScopeLoader *
scope_instance_set_retired(ScopeInstance *self)
{
    g_atomic_int_set(&self->retired, 1);
    return self->loader;
}

ScopePipelineInfo *
scope_instance_get_info(ScopeInstance *self)
{
    return self->info;
}

JsonObject *
scope_instance_get_load_params(ScopeInstance *self)
{
    return self->load_params;
}

gpointer
scope_instance_get_handle(ScopeInstance *self)
{
    return self->handle;
}

guint64
scope_instance_get_id(ScopeInstance *self)
{
    return self->id;
}

gboolean
scope_instance_matches(ScopeInstance *self, const char *pipeline_id, JsonObject *load_params)
{
    return g_strcmp0(self->info->desc->id, pipeline_id) == 0 &&
           scope_json_object_equal(self->load_params, load_params);
}

guint
scope_instance_count(void)
{
    return (guint)g_atomic_int_get(&n_instances);
}
