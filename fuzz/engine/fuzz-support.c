/* SPDX-License-Identifier: Apache-2.0 */
/* A file in memory for one fuzz input. Owns its descriptor for the call. Main thread. */
#include "fuzz-support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void
fuzz_with_file(const uint8_t *bytes, size_t n_bytes, void (*run)(const char *path))
{
    char path[32];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || (n_bytes > 0 && write(fd, bytes, n_bytes) != (ssize_t)n_bytes)) {
        abort();
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    run(path);
    close(fd);
}
