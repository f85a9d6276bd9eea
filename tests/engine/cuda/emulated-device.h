/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in for a device: "device" memory is host memory that only kernels and transfers may
 * touch; in between it is protected, so that host code which reads it crashes as it would fail on a
 * device. One thread at a time.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

/** Opens the memory of the device for a kernel or a transfer, and protects it again. */
void scope_emulated_enter(void);
void scope_emulated_leave(void);

#ifdef __cplusplus
}
#endif
