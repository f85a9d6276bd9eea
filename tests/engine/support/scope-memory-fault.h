/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets memory run out: fails mappings as the system does when it has none. Link the test with
 * memory_fault_dep; the executable then carries its own mmap() in front of the C library's. Heap,
 * stacks of threads and files are not touched, and not beside alloc_counter_dep.
 */
#pragma once

#include <glib.h>

/**
 * scope_memory_fault_set:
 * @n_good: mappings of at least 1 MiB without a file that still succeed; all later ones fail
 *
 * Thread: any, while no other asks for memory. Errors: none. Returns: nothing.
 */
void scope_memory_fault_set(gint n_good);

/**
 * scope_memory_fault_clear:
 *
 * Mappings succeed again. Thread: any. Errors: none.
 * Returns: how many failed since scope_memory_fault_set().
 */
gint scope_memory_fault_clear(void);
