/* SPDX-License-Identifier: Apache-2.0 */
/* The services that the program gives to pipelines, and the two opaque helpers of their callbacks.
 */
#ifndef SCOPE_HOST_H
#define SCOPE_HOST_H

#include <scope/scope-pipeline.h>

G_BEGIN_DECLS

/**
 * scope_host_init:
 * @host: in the caller's memory; must outlive every pipeline
 * @models_dir: must stay valid as long as @host
 *
 * Fills the table of services; n_cpus is what the process may use.
 *
 * Thread: main.
 */
void scope_host_init(ScopeHost *host, const char *models_dir);

/**
 * scope_load_progress_new:
 *
 * Where a load tells how far it is, and learns that it was cancelled. Refcounted.
 *
 * Returns: (transfer full): at stage `Initializing pipeline...`, ratio unknown.
 * Thread: any, like all functions on it.
 */
ScopeLoadProgress *scope_load_progress_new(void);

/** scope_load_progress_ref: another owner. Returns: @progress. Thread: any. */
ScopeLoadProgress *scope_load_progress_ref(ScopeLoadProgress *progress);

/** scope_load_progress_unref: (nullable): one owner less. Thread: any. */
void scope_load_progress_unref(ScopeLoadProgress *progress);

/** scope_load_progress_set: what ScopeHost.progress does; %FALSE when cancelled. Thread: any. */
gboolean scope_load_progress_set(ScopeLoadProgress *progress, const char *stage, gdouble ratio);

/** scope_load_progress_cancel: asks the load to stop. Thread: any. */
void scope_load_progress_cancel(ScopeLoadProgress *progress);

/** scope_load_progress_is_cancelled: whether that was asked. Thread: any. */
gboolean scope_load_progress_is_cancelled(ScopeLoadProgress *progress);

/**
 * scope_load_progress_get:
 * @ret_ratio: (out) (optional): 0..1, < 0 when unknown
 *
 * Returns: (transfer full): the stage, text for users.
 *
 * Thread: any.
 */
char *scope_load_progress_get(ScopeLoadProgress *progress, gdouble *ret_ratio);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeLoadProgress, scope_load_progress_unref)

G_END_DECLS

#endif
