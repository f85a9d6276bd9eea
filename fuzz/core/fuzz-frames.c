/* SPDX-License-Identifier: Apache-2.0 */
/* Files of frames: whatever the bytes are, a verdict with a reason, and frames that can be read. */
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/scope-assert.h"
#include "core/scope-frame-file.h"
#include "core/scope-frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("frames", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(ScopeFrameFile) file = NULL;
    g_autoptr(GError) error = NULL;

    SCOPE_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    file = scope_frame_file_open(path, &error);
    SCOPE_ASSERT((file == NULL) == (error != NULL));
    for (guint64 i = 0; file != NULL && i < MIN(scope_frame_file_get_n(file), 4); i++) {
        g_autoptr(ScopeFrame) frame = scope_frame_file_read(file, i);
        SCOPE_ASSERT(frame != NULL && scope_frame_get_bytes(frame) <= size);
    }
    close(fd);
    return 0;
}
