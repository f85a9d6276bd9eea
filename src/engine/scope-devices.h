/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices that a backend module brings, and the choice between them and the CPU. Nothing is loaded
 * before the first question; on a machine without a device node that costs a look at /dev.
 */
#pragma once

#include "engine/scope-backend-module.h"

G_BEGIN_DECLS

/** SCOPE_DEVICE_AUTO: the first device, or the CPU. */
#define SCOPE_DEVICE_AUTO "auto"

/**
 * scope_devices_check_name:
 * @name: (nullable): "auto", "cpu", "cuda" (as "cuda:0") or "cuda:N"; NULL is the variable
 *   SCOPE_DEVICE, or "auto"
 * @error: (nullable): set on failure
 *
 * Thread: any. Errors: SCOPE_ENGINE_ERROR_INVALID, with what is allowed.
 * Returns: TRUE when it can name a device.
 */
gboolean scope_devices_check_name(const char *name, GError **error);

/**
 * scope_devices_open:
 * @name: as above
 * @precision: of a device; the CPU computes in f32
 * @error: (nullable): set on failure
 *
 * The backend of a device, the same at every call with the same arguments. "auto" falls back to
 * the CPU and logs the reason once.
 *
 * Thread: any. Blocks: at the first call, while the module loads.
 * Errors: SCOPE_ENGINE_ERROR_INVALID; SCOPE_ENGINE_ERROR_NO_DEVICE with the reason and its remedy.
 * Returns: (transfer none): the backend, valid for the life of the program, or NULL with @error.
 */
const ScopeBackend *scope_devices_open(const char *name, ScopePrecision precision, GError **error);

/**
 * scope_devices_note_lost:
 * @backend: one that scope_devices_open() gave; others are ignored
 *
 * Its device faulted, and this process cannot use it any more: scope_devices_open() refuses it from
 * now on, and "auto" means the CPU. Thread: any. Errors: none. Returns: nothing.
 */
void scope_devices_note_lost(const ScopeBackend *backend);

/**
 * scope_devices_probe:
 *
 * What there is. Thread: any. Blocks: at the first call, while the module loads. Errors: none, the
 * state tells. Returns: (transfer none): valid for the life of the program.
 */
const ScopeDeviceProbe *scope_devices_probe(void);

/**
 * scope_devices_get_module_path:
 *
 * Where the module is loaded from: the variable SCOPE_CUDA_MODULE, beside the program, the
 * installed folder. Thread: any. Errors: none.
 * Returns: (transfer none): the path of the first that is there; the last place when none is.
 */
const char *scope_devices_get_module_path(void);

/**
 * scope_devices_load_module:
 * @path: a shared object
 * @ret_probe: filled: what it found, or why it cannot be used
 *
 * Loads a module without keeping note of it; the code stays in memory. Thread: any. Errors: none,
 * the state of @ret_probe tells.
 * Returns: (transfer none) (nullable): the module when its state is SCOPE_DEVICE_READY.
 */
const ScopeBackendModule *scope_devices_load_module(const char *path, ScopeDeviceProbe *ret_probe);

G_END_DECLS
