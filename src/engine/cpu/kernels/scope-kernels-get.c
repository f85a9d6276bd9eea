/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the kernels for this processor once. Owns nothing. Any thread.
 */
#include "engine/cpu/kernels/scope-kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* clang 14's __builtin_cpu_supports() does not know F16C. */
static gboolean
has_f16c(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static gboolean
can_run(const char *level)
{
    __builtin_cpu_init();
    if (!strcmp(level, "avx512")) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
#endif

const ScopeKernels *
scope_kernels_get(void)
{
    static const ScopeKernels *chosen;
    if (g_once_init_enter(&chosen)) {
        const ScopeKernels *k = scope_kernels_portable();
#if defined(__x86_64__)
        const char *limit = g_getenv("SCOPE_CPU_LEVEL");
        gboolean portable = limit && !strcmp(limit, "portable");
        gboolean avx2 = limit && !strcmp(limit, "avx2");
        if (!portable && !avx2 && can_run("avx512")) {
            k = __builtin_cpu_supports("avx512vnni") ? scope_kernels_avx512vnni()
                                                     : scope_kernels_avx512();
        } else if (!portable && can_run("avx2")) {
            k = scope_kernels_avx2();
        }
#endif
        g_once_init_leave(&chosen, k);
    }
    return chosen;
}
