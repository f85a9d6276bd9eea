/* SPDX-License-Identifier: Apache-2.0 */
/* What Google Drive sends instead of a file, and archives: pages with broken tags, zip headers that
 * lie. The first byte chooses. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "server/scope-drive.h"
#include "server/scope-unzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == 'P') {
        g_autoptr(ScopeUnzip) archive = scope_unzip_open(data, size);
        const ScopeUnzipEntry *entry = archive ? scope_unzip_find(archive, "a") : NULL;
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (entry) {
            scope_unzip_extract(archive, entry, fd, NULL);
        }
        close(fd);
    } else {
        g_autofree char *page = g_strndup((const char *)data, size);
        g_autofree char *url = NULL;
        const ScopeDrivePage kind = scope_drive_read_page(page, &url);

        g_assert_true((kind == SCOPE_DRIVE_PAGE_CONFIRM) == (url != NULL));
    }
    return 0;
}
