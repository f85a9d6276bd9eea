/* SPDX-License-Identifier: Apache-2.0 */
/* The body of `pipeline/load` in its three forms, read into the entries of one request. */
#ifndef SCOPE_LOAD_REQUEST_H
#define SCOPE_LOAD_REQUEST_H

#include "server/scope-faults.h"
#include "server/scope-manager.h"

G_BEGIN_DECLS

/**
 * scope_load_request_read:
 * @body: borrowed; the entries borrow from it
 * @faults: collects what is wrong
 *
 * `pipelines` wins over `pipeline_ids`, and that over `pipeline_id`.
 *
 * Thread: any.
 * Errors: none; faults are added.
 * Returns: (transfer full) (element-type ScopeManagerEntry): the entries; empty when none of the
 *   forms is there.
 */
GArray *scope_load_request_read(JsonObject *body, ScopeFaults *faults);

G_END_DECLS

#endif
