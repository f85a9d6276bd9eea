/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counting malloc family: forwards to the C library and counts. Any thread.
 */
#include "support/scope-alloc-counter.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#else
#define OWN_MALLOC 1
#endif
#else
#define OWN_MALLOC 1
#endif

static _Atomic int64_t n_allocations;

int64_t
scope_alloc_counter_read(void)
{
    return atomic_load(&n_allocations);
}

gboolean
scope_alloc_counter_is_active(void)
{
    return OWN_MALLOC;
}

#if OWN_MALLOC
#define EXPORT __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

EXPORT void *
malloc(size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_malloc(size);
}

EXPORT void *
calloc(size_t n, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_calloc(n, size);
}

EXPORT void *
realloc(void *old, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_realloc(old, size);
}

EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    return __libc_memalign(alignment, size);
}

EXPORT int
posix_memalign(void **ret_data, size_t alignment, size_t size)
{
    atomic_fetch_add(&n_allocations, 1);
    void *data = __libc_memalign(alignment, size);
    if (!data) {
        return ENOMEM;
    }
    *ret_data = data;
    return 0;
}

EXPORT void *
mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
    atomic_fetch_add(&n_allocations, 1);
    return (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
}
#endif
