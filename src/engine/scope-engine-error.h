/* SPDX-License-Identifier: Apache-2.0 */
/* The error domain of the engine's devices. Files and arenas use G_IO_ERROR. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeEngineErrorCode:
 * @SCOPE_ENGINE_ERROR_DEVICE_LOST: the device faulted; its contexts and memory are gone
 * @SCOPE_ENGINE_ERROR_OUT_OF_MEMORY: device memory ran out in the middle of work; nothing is lost
 *   but the chunk
 * @SCOPE_ENGINE_ERROR_NO_DEVICE: no such device, driver or module, with the reason
 * @SCOPE_ENGINE_ERROR_INVALID: the name of a device is malformed
 */
typedef enum {
    SCOPE_ENGINE_ERROR_DEVICE_LOST = 0,
    SCOPE_ENGINE_ERROR_OUT_OF_MEMORY,
    SCOPE_ENGINE_ERROR_NO_DEVICE,
    SCOPE_ENGINE_ERROR_INVALID,
} ScopeEngineErrorCode;

/** SCOPE_ENGINE_ERROR: the domain. */
#define SCOPE_ENGINE_ERROR (g_quark_from_static_string("scope-engine-error"))

G_END_DECLS
