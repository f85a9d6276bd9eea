/* SPDX-License-Identifier: Apache-2.0 */
/* The list of pipelines, in order of registration. Main thread only. */
#include "core/scope-registry.h"

#include "core/scope-log.h"

SCOPE_LOG_TOPIC(core, registry)

struct _ScopeRegistry {
    GPtrArray *infos;
};

ScopeRegistry *
scope_registry_new(void)
{
    ScopeRegistry *self = g_new0(ScopeRegistry, 1);

    self->infos = g_ptr_array_new_with_free_func((GDestroyNotify)scope_pipeline_info_unref);
    return self;
}

void
scope_registry_free(ScopeRegistry *self)
{
    if (self == NULL)
        return;
    g_ptr_array_unref(self->infos);
    g_free(self);
}

static const char *
origin(const ScopePipelineInfo *info)
{
    return info->plugin_name != NULL ? info->plugin_name : "the program";
}

void
scope_registry_add(ScopeRegistry *self, ScopePipelineInfo *info)
{
    for (guint i = 0; i < self->infos->len; i++) {
        ScopePipelineInfo *old = self->infos->pdata[i];

        if (!g_str_equal(old->desc->id, info->desc->id))
            continue;
        scope_log_warning("pipeline %s of %s replaces the one of %s", info->desc->id, origin(info),
                          origin(old));
        self->infos->pdata[i] = scope_pipeline_info_ref(info);
        scope_pipeline_info_unref(old);
        return;
    }
    g_ptr_array_add(self->infos, scope_pipeline_info_ref(info));
}

gboolean
scope_registry_register(ScopeRegistry *self, const ScopePipelineDesc *desc, const char *plugin_name,
                        GError **error)
{
    g_autoptr(ScopePipelineInfo) info = scope_pipeline_info_new(desc, plugin_name, error);

    if (info == NULL)
        return FALSE;
    scope_registry_add(self, info);
    return TRUE;
}

ScopePipelineInfo *
scope_registry_lookup(ScopeRegistry *self, const char *id)
{
    for (guint i = 0; id != NULL && i < self->infos->len; i++) {
        ScopePipelineInfo *info = self->infos->pdata[i];

        if (g_str_equal(info->desc->id, id))
            return info;
    }
    return NULL;
}

guint
scope_registry_get_n(ScopeRegistry *self)
{
    return self->infos->len;
}

ScopePipelineInfo *
scope_registry_get(ScopeRegistry *self, guint index)
{
    g_return_val_if_fail(index < self->infos->len, NULL);
    return self->infos->pdata[index];
}

JsonObject *
scope_registry_build_schemas(ScopeRegistry *self)
{
    JsonObject *schemas = json_object_new();

    for (guint i = 0; i < self->infos->len; i++) {
        const ScopePipelineInfo *info = self->infos->pdata[i];

        json_object_set_object_member(schemas, info->desc->id,
                                      scope_pipeline_info_build_entry(info));
    }
    return schemas;
}
