/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for the Hugging Face Hub and Google Drive on 127.0.0.1 that speaks as much of their
 * protocols as a download needs (tree listing with pages, resolve with redirect, ranges, bearer
 * token) and misbehaves on request. Connections are served by threads of their own.
 */
#ifndef HUB_STAND_IN_H
#define HUB_STAND_IN_H

#include <gio/gio.h>

/**
 * HubFault: what the next @n_times deliveries of a file do wrong.
 * @HUB_FAULT_CUT: close the connection after half of the bytes
 * @HUB_FAULT_STATUS: answer @status
 * @HUB_FAULT_DAMAGE: deliver other bytes of the same length
 * @HUB_FAULT_IGNORE_RANGE: deliver everything with 200
 * @HUB_FAULT_STALL: send half, then wait until the stand-in ends
 * @HUB_FAULT_CONFIRM: Google Drive: ask for a confirmation first, however often
 * @HUB_FAULT_QUOTA: Google Drive: say that the quota is used up
 * @HUB_FAULT_LOGIN: Google Drive: lead to a login
 */
typedef enum {
    HUB_FAULT_NONE = 0,
    HUB_FAULT_CUT,
    HUB_FAULT_STATUS,
    HUB_FAULT_DAMAGE,
    HUB_FAULT_IGNORE_RANGE,
    HUB_FAULT_STALL,
    HUB_FAULT_CONFIRM,
    HUB_FAULT_QUOTA,
    HUB_FAULT_LOGIN,
} HubFault;

typedef struct _HubStandIn HubStandIn;

/** hub_stand_in_new: listens on a free port. @token: (nullable): required of every request. */
HubStandIn *hub_stand_in_new(const char *token);

/** hub_stand_in_free: ends every connection and frees everything. */
void hub_stand_in_free(HubStandIn *hub);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(HubStandIn, hub_stand_in_free)

/** hub_stand_in_get_url: (transfer none): address without a trailing slash. */
const char *hub_stand_in_get_url(HubStandIn *hub);

/** hub_stand_in_add: a file of @n_bytes known bytes; @is_large: with a sha256 in the listing. */
void hub_stand_in_add(HubStandIn *hub, const char *repo_id, const char *path, gsize n_bytes,
                      gboolean is_large);

/** hub_stand_in_set_bytes: what @path consists of instead. */
void hub_stand_in_set_bytes(HubStandIn *hub, const char *path, GBytes *bytes);

/** hub_stand_in_announce: the size of @path that the listing tells. */
void hub_stand_in_announce(HubStandIn *hub, const char *path, gint64 n_bytes);

/** hub_stand_in_set_fault: what goes wrong at @path, and how often. */
void hub_stand_in_set_fault(HubStandIn *hub, const char *path, HubFault fault, guint n_times,
                            guint status);

/** hub_stand_in_fail_listing: the next @n_times listings answer @status. */
void hub_stand_in_fail_listing(HubStandIn *hub, guint n_times, guint status);

/** hub_stand_in_count: deliveries of @path that were begun, and the bytes sent for them. */
guint hub_stand_in_count(HubStandIn *hub, const char *path, gsize *ret_n_bytes);

/** hub_stand_in_fill: the bytes that every file consists of. */
void hub_stand_in_fill(guint8 *bytes, gsize n_bytes);

#endif
