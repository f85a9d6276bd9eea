/* SPDX-License-Identifier: Apache-2.0 */
/* The choices of the streaming diffusion pipelines' enumerations. Constant data, any thread. */
#include "pipelines/wan/scope-wan-params.h"

const char *const scope_wan_vae_types[] = {"wan", "lightvae", "tae", "lighttae", NULL};
const char *const scope_wan_quantizations[] = {"fp8_e4m3fn", "int8", NULL};
const char *const scope_wan_interpolations[] = {"linear", "slerp", NULL};
const char *const scope_wan_merge_modes[] = {"permanent_merge", "runtime_peft", "permanent", NULL};
