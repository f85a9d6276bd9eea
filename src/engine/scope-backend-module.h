/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a backend that is loaded at run time exports: one symbol, a ScopeBackendModule. The loader
 * reads the first two members before it trusts any other.
 */
#pragma once

#include "engine/scope-backend.h"

G_BEGIN_DECLS

#define SCOPE_BACKEND_MODULE_SYMBOL "scope_backend_module"

#define SCOPE_MAX_DEVICES 16

/** ScopePrecision: arithmetic of a device backend. */
typedef enum {
    SCOPE_PRECISION_BF16 = 0, /**< activations and products bf16, sums f32 */
    SCOPE_PRECISION_F32,      /**< everything f32: the reference */
    SCOPE_PRECISION_FP8,      /**< as BF16, large linears in e4m3 with scales per row */
    SCOPE_N_PRECISIONS
} ScopePrecision;

/** ScopeDeviceInfo: one device. */
typedef struct {
    char name[128];
    int major, minor; /**< compute capability */
    uint64_t total_bytes, free_bytes;
} ScopeDeviceInfo;

/** ScopeDeviceState: whether devices can be used. */
typedef enum {
    SCOPE_DEVICE_READY = 0,
    SCOPE_DEVICE_NO_MODULE,  /**< the module is not installed */
    SCOPE_DEVICE_BAD_MODULE, /**< it is there and does not load, or is of another version */
    SCOPE_DEVICE_NO_DRIVER,
    SCOPE_DEVICE_OLD_DRIVER,
    SCOPE_DEVICE_NONE, /**< a driver without a device */
    SCOPE_N_DEVICE_STATES
} ScopeDeviceState;

/** ScopeDeviceProbe: what was found. */
typedef struct {
    ScopeDeviceState state;
    char reason[512];    /**< one line; empty when READY */
    int driver_version;  /**< of CUDA, 13000 = 13.0; 0 = none */
    int runtime_version; /**< that the module was built with; 0 = none */
    char libraries[256]; /**< the libraries that do the products, with versions */
    int n_devices;
    ScopeDeviceInfo devices[SCOPE_MAX_DEVICES];
} ScopeDeviceProbe;

/** ScopeBackendModule: the exported symbol; constant. */
typedef struct {
    uint32_t abi_version; /**< SCOPE_BACKEND_ABI_VERSION */
    uint32_t struct_size; /**< sizeof(ScopeBackendModule) */
    /** Fills @ret_probe; finding nothing is an answer, not an error. Thread: any, one at a time. */
    void (*probe)(ScopeDeviceProbe *ret_probe);
    /** The backend of device @index, made new at each call and never freed (the loader keeps it);
        NULL with @error set. Thread: any, one at a time. */
    const ScopeBackend *(*open)(int index, ScopePrecision precision, GError **error);
} ScopeBackendModule;

G_END_DECLS
