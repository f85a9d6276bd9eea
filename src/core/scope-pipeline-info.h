/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registered pipeline: its description, checked, with its parameter table and where it came from.
 * Immutable, refcounted; instances hold it.
 */
#ifndef SCOPE_PIPELINE_INFO_H
#define SCOPE_PIPELINE_INFO_H

#include <scope/scope-pipeline.h>

#include "core/scope-param-table.h"

G_BEGIN_DECLS

/**
 * ScopePipelineInfo:
 * @desc: as registered; valid as long as the info
 * @table: its parameters with those of every pipeline
 * @plugin_name: (nullable): the plugin that registered it; %NULL = built in
 *
 * Read-only. All functions: any thread.
 */
typedef struct {
    const ScopePipelineDesc *desc;
    ScopeParamTable *table;
    char *plugin_name;
    gint ref_count; /* private */
} ScopePipelineInfo;

/**
 * scope_pipeline_info_new:
 * @desc: must stay valid for good (plugins are never unloaded from memory)
 * @plugin_name: (nullable): copied
 * @error: (nullable): names the pipeline and what is wrong with it
 *
 * Errors: SCOPE_PIPELINE_ERROR_INVALID: another ABI (both numbers are named), another size of the
 *   structure, a required callback or text is missing, ports or modes are senseless, a broken
 * table. Returns: (transfer full): the info, or %NULL.
 *
 * Thread: any.
 */
ScopePipelineInfo *scope_pipeline_info_new(const ScopePipelineDesc *desc, const char *plugin_name,
                                           GError **error);

/** scope_pipeline_info_ref: another owner. Returns: @info. Thread: any. */
ScopePipelineInfo *scope_pipeline_info_ref(ScopePipelineInfo *info);

/** scope_pipeline_info_unref: (nullable): one owner less. Thread: any. */
void scope_pipeline_info_unref(ScopePipelineInfo *info);

/**
 * scope_pipeline_info_build_entry:
 *
 * Returns: (transfer full): its entry in `/api/v1/pipelines/schemas` (pipelines.md section 2), with
 *   `config_schema` and, when a mode overrides something, `mode_defaults`.
 *
 * Thread: any.
 */
JsonObject *scope_pipeline_info_build_entry(const ScopePipelineInfo *info);

/** scope_pipeline_info_has_input: whether @port is among the inputs. Thread: any. */
gboolean scope_pipeline_info_has_input(const ScopePipelineInfo *info, const char *port);

/** scope_pipeline_info_has_output: whether @port is among the outputs. Thread: any. */
gboolean scope_pipeline_info_has_output(const ScopePipelineInfo *info, const char *port);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopePipelineInfo, scope_pipeline_info_unref)

G_END_DECLS

#endif
