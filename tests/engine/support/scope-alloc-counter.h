/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts every heap allocation and memory mapping of the process. Link the test with
 * alloc_counter_dep: the executable then carries its own malloc family in front of the C library's.
 * Under AddressSanitizer, which brings its own malloc, nothing is counted.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

/**
 * scope_alloc_counter_read:
 *
 * Thread: any. Errors: none.
 * Returns: allocations and mappings so far, of all threads.
 */
int64_t scope_alloc_counter_read(void);

/** scope_alloc_counter_is_active: FALSE when a sanitizer owns malloc. Thread: any. */
gboolean scope_alloc_counter_is_active(void);
