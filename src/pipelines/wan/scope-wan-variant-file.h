/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the streaming loop that a model brings along, in the object `scope` of its
 * config.json. Loader thread. */
#pragma once

#include "pipelines/wan/scope-wan-variant.h"

G_BEGIN_DECLS

/**
 * scope_wan_variant_read:
 * @path: a config.json
 * @variant: (inout): numbers that the file tells are replaced
 * @ret_context_noise: (inout): timestep of the clean pass; likewise
 * @error: (nullable) set on failure
 *
 * Members: `chunk_frames`, `window_frames`, `sink_frames`, `shift`, `steps`, `context_noise`.
 * Unknown members are ignored. Thread: loader. Blocks: disk. Errors: G_FILE_ERROR,
 * SCOPE_WAN_ERROR_CONFIG. Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_wan_variant_read(const char *path, ScopeWanVariant *variant,
                                double *ret_context_noise, GError **error);

G_END_DECLS
