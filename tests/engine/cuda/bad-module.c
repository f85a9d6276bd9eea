/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules that the loader must refuse, or that open nothing. BAD_MODULE chooses: 1 another version,
 * 2 another size, 3 no symbol of the right name, 4 a device that does not open.
 */
#include <gio/gio.h>
#include <string.h>

#include "engine/scope-backend-module.h"

static void
probe(ScopeDeviceProbe *ret_probe)
{
    memset(ret_probe, 0, sizeof *ret_probe);
    ret_probe->n_devices = 1;
}

static const ScopeBackend *
open_device(int index, ScopePrecision precision, GError **error)
{
    (void)precision;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "device %d does not open", index);
    return NULL;
}

#if BAD_MODULE == 3
#define scope_backend_module scope_other_module
#endif

extern const ScopeBackendModule scope_backend_module;
__attribute__((visibility("default"))) const ScopeBackendModule scope_backend_module = {
    .abi_version = SCOPE_BACKEND_ABI_VERSION + (BAD_MODULE == 1),
    .struct_size = sizeof(ScopeBackendModule) + (BAD_MODULE == 2),
    .probe = probe,
    .open = open_device,
};
