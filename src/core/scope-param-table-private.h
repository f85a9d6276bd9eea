/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make up ScopeParamTable share. Not for other modules. */
#ifndef SCOPE_PARAM_TABLE_PRIVATE_H
#define SCOPE_PARAM_TABLE_PRIVATE_H

#include "core/scope-param-table.h"

G_BEGIN_DECLS

typedef struct {
    const ScopeParamDesc *desc;
    JsonNode *default_value;
    gboolean stored;
} ScopeParamEntry;

struct _ScopeParamTable {
    gint ref_count;
    gsize values_size;
    GArray *entries;   /* of ScopeParamEntry, in order of the schema */
    GHashTable *index; /* key -> index + 1 */
};

/** scope_param_base_descs: (array length=ret_n): the fields of every pipeline, pipelines.md 4.1.
 * Thread: the worker. */
const ScopeParamDesc *scope_param_base_descs(guint *ret_n);

/** scope_param_type_size: bytes of the C field of @type; 0 for an unknown type. Thread: the worker.
 */
gsize scope_param_type_size(ScopeParamType type);

G_END_DECLS

#endif
