/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCOPE_ASSERT: a check of what the engine's own code guarantees. Shapes and types that come from
 * files are checked at load and reported as GError; a mismatch in the hot path is a bug and stops
 * the program. Always compiled in: each check costs nanoseconds against microseconds of arithmetic.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#ifndef SCOPE_ASSERT
static inline _Noreturn void
scope_assert_fail(const char *what, const char *file, int line, const char *func)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, func, what);
    abort();
}

/** SCOPE_ASSERT: ends the program with a message when @cond is false. Thread: any. */
#define SCOPE_ASSERT(cond)                                                                         \
    ((cond) ? (void)0 : scope_assert_fail(#cond, __FILE__, __LINE__, __func__))
#endif
