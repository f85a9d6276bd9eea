/* SPDX-License-Identifier: Apache-2.0 */
/* The error domain of src/core. Failures of pipelines use SCOPE_PIPELINE_ERROR instead. */
#ifndef SCOPE_ERROR_H
#define SCOPE_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeCoreErrorCode:
 * @SCOPE_CORE_ERROR_FAILED: anything without a code of its own
 * @SCOPE_CORE_ERROR_INVALID: a table, manifest, value or filter is malformed
 * @SCOPE_CORE_ERROR_ABI: built for another version of the public headers
 * @SCOPE_CORE_ERROR_NOT_FOUND: no such pipeline, node, file or symbol
 * @SCOPE_CORE_ERROR_TIMEOUT: did not happen within its deadline
 */
typedef enum {
    SCOPE_CORE_ERROR_FAILED = 0,
    SCOPE_CORE_ERROR_INVALID,
    SCOPE_CORE_ERROR_ABI,
    SCOPE_CORE_ERROR_NOT_FOUND,
    SCOPE_CORE_ERROR_TIMEOUT,
} ScopeCoreErrorCode;

/** SCOPE_CORE_ERROR: the domain. */
#define SCOPE_CORE_ERROR (g_quark_from_static_string("scope-core-error"))

G_END_DECLS

#endif
