/* SPDX-License-Identifier: Apache-2.0 */
/* The mmap() of a test. Any thread. */
#include "support/scope-memory-fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIN_BYTES ((size_t)1 << 20) /* the smallest block of an arena */

static _Atomic gint n_left = G_MAXINT;
static _Atomic gint n_failed;

void
scope_memory_fault_set(gint n_good)
{
    atomic_store(&n_failed, 0);
    atomic_store(&n_left, n_good);
}

gint
scope_memory_fault_clear(void)
{
    atomic_store(&n_left, G_MAXINT);
    return atomic_load(&n_failed);
}

__attribute__((visibility("default"))) void *
mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    if (fd < 0 && length >= MIN_BYTES && atomic_load(&n_left) != G_MAXINT &&
        atomic_fetch_sub(&n_left, 1) <= 0) {
        atomic_fetch_add(&n_failed, 1);
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}
