/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions for bugs of our own: shapes, states and threads that were checked before. Never for
 * anything that comes from outside; that is a GError.
 */
#ifndef SCOPE_ASSERT_H
#define SCOPE_ASSERT_H

#include <glib.h>

/** SCOPE_ASSERT: ends the process with file and line when @cond does not hold. Stays in releases.
 */
#define SCOPE_ASSERT(cond)                                                                         \
    do {                                                                                           \
        if (G_UNLIKELY(!(cond)))                                                                   \
            g_assertion_message_expr("scope", __FILE__, __LINE__, G_STRFUNC, #cond);               \
    } while (0)

#endif
