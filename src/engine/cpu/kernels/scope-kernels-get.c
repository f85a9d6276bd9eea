/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chooses the kernels for this processor once. Owns nothing. Any thread.
 */
#include "engine/cpu/kernels/scope-kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* clang 14's __builtin_cpu_supports() does not know F16C, gcc 12's does not know AVX-VNNI. */
static gboolean
has_f16c(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

static gboolean
has_avxvnni(void)
{
    unsigned a = 0, b, c, d;

    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bit_AVXVNNI) != 0;
}

static gboolean
can_run_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static gboolean
can_run_avx512(void)
{
    return can_run_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq");
}

/* The best level up to @limit, or of all levels when it is NULL. */
static const ScopeKernels *
choose(const char *limit)
{
    const ScopeKernels *levels[] = {scope_kernels_avx2(), scope_kernels_avxvnni(),
                                    scope_kernels_avx512(), scope_kernels_avx512vnni()};
    gboolean avx2 = can_run_avx2(), avx512 = can_run_avx512();
    gboolean can_run[] = {avx2, avx2 && has_avxvnni(), avx512,
                          avx512 && __builtin_cpu_supports("avx512vnni")};
    const ScopeKernels *k = scope_kernels_portable();
    if (limit && !strcmp(limit, k->name)) {
        return k;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        k = can_run[i] ? levels[i] : k;
        if (limit && !strcmp(limit, levels[i]->name)) {
            break;
        }
    }
    return k;
}
#endif

const ScopeKernels *
scope_kernels_get(void)
{
    static const ScopeKernels *chosen;
    if (g_once_init_enter(&chosen)) {
#if defined(__x86_64__)
        const ScopeKernels *k = choose(g_getenv("SCOPE_CPU_LEVEL"));
#else
        const ScopeKernels *k = scope_kernels_portable();
#endif
        g_once_init_leave(&chosen, k);
    }
    return chosen;
}
