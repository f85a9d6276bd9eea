/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the text encoder at the size of UMT5-XXL in fp8: the file is a hole of 6.7 GB;
 * its weights stay mapped, so the process may grow by the file and 1 GB at most, and
 * what is not mapped must stay far below that. Main thread. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"
#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-umt5.h"

/* A sanitizer's own memory would be measured. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED TRUE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED TRUE
#endif
#endif
#ifndef SANITIZED
#define SANITIZED FALSE
#endif

#define MARGIN_KB    (1024 * 1024)
#define AVAILABLE_KB (10 * 1024 * 1024)
#define N_TOKENS     2

/* A number of /proc, in kB; 0 when it is not there. */
static gint64
read_kb(const char *path, const char *key)
{
    g_autofree char *text = NULL;
    const char *found;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return 0;
    }
    found = strstr(text, key);
    return found != NULL ? g_ascii_strtoll(found + strlen(key), NULL, 10) : 0;
}

static void
encode(ScopeCheckpoint *checkpoint, ScopeContext *ctx, ScopeArena *arena)
{
    const int32_t ids[N_TOKENS] = {17, 256383};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeUmt5) umt5 = scope_umt5_load(ctx, checkpoint, NULL, &error);
    ScopeTensor text;

    g_assert_no_error(error);
    text = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(512, scope_umt5_get_width(umt5)));
    scope_umt5_encode(ctx, umt5, text, ids, N_TOKENS);
}

static void
test_memory(void)
{
    g_autofree char *folder = g_dir_make_tmp("scope-umt5-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "m.safetensors", NULL);
    g_auto(ScopeHeaderFile) file = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = NULL;
    g_autoptr(ScopePool) pool = scope_pool_create(2, &error);
    g_autoptr(ScopeContext) ctx = NULL;
    g_autoptr(ScopeArena) arena = NULL;
    GStatBuf info;
    gint64 file_kb, peak_kb, own_kb;

    g_assert_no_error(error);
    scope_header_file_init(&file);
    scope_layout_umt5(&file, SCOPE_STORED_F8_E4M3);
    if (SANITIZED || read_kb("/proc/meminfo", "MemAvailable:") < AVAILABLE_KB ||
        !scope_header_file_write_safetensors(&file, path, 1)) {
        g_test_skip("needs 10 GB of free memory, a folder for sparse files, and no sanitizer");
        g_unlink(path);
        g_rmdir(folder);
        return;
    }
    checkpoint = scope_checkpoint_open(path, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_stat(path, &info), ==, 0);
    g_unlink(path);
    g_rmdir(folder);
    ctx = scope_context_create(scope_backend_cpu(), pool, &error);
    g_assert_no_error(error);
    arena = scope_arena_create(scope_backend_cpu(), "test");
    encode(checkpoint, ctx, arena);
    file_kb = info.st_size / 1024;
    peak_kb = read_kb("/proc/self/status", "VmHWM:");
    own_kb = read_kb("/proc/self/status", "RssAnon:");
    g_test_message("file %" G_GINT64_FORMAT " kB, peak %" G_GINT64_FORMAT
                   " kB, not mapped from a file %" G_GINT64_FORMAT " kB",
                   file_kb, peak_kb, own_kb);
    g_assert_cmpint(peak_kb, <, file_kb + MARGIN_KB);
    g_assert_cmpint(own_kb, <, MARGIN_KB / 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/umt5/memory", test_memory);
    return g_test_run();
}
