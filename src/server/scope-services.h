/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services of ScopeHost that need folders: adapters and pictures that clients name. Every name
 * of a client is resolved inside the folder that it belongs to.
 */
#ifndef SCOPE_SERVICES_H
#define SCOPE_SERVICES_H

#include "core/scope-host.h"

G_BEGIN_DECLS

/**
 * ScopeServices:
 * @host: what pipelines get
 * @lora_dir: adapters; absolute
 * @lora_shared_dir: (nullable): second folder of adapters
 * @assets_dir: pictures; absolute
 * @trusts_names: names come from the user of this machine, not from clients: files anywhere are
 * read
 *
 * Strings are borrowed. Immutable after scope_services_init().
 */
typedef struct {
    ScopeHost host;
    const char *lora_dir;
    const char *lora_shared_dir;
    const char *assets_dir;
    gboolean trusts_names;
} ScopeServices;

/**
 * scope_services_init:
 * @services: in the caller's memory, with the folders set; must outlive every pipeline
 * @models_dir: model files; borrowed
 * @share_dir: (nullable): files that came with the program, with adapters in `lora`; borrowed
 *
 * Fills @services->host.
 *
 * Thread: main.
 */
void scope_services_init(ScopeServices *services, const char *models_dir, const char *share_dir);

G_END_DECLS

#endif
