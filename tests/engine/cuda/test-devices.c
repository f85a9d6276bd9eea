/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading of backend modules: good ones, bad ones, none; the choice of a device by name. Arguments:
 * the emulated module, then bad modules. Main thread.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"

static char **modules; /* emulated, version, size, symbol, open */

static void
check_refused(const char *path, ScopeDeviceState state, const char *told)
{
    ScopeDeviceProbe probe;
    g_assert_null(scope_devices_load_module(path, &probe));
    g_assert_cmpint(probe.state, ==, state);
    g_assert_nonnull(strstr(probe.reason, told));
    g_assert_null(strchr(probe.reason, '\n'));
}

static void
test_bad_modules(void)
{
    g_autofree char *folder = g_dir_make_tmp("scope-devices-XXXXXX", NULL);
    g_autofree char *text = g_build_filename(folder, "text.so", NULL);
    g_assert_true(g_file_set_contents(text, "no object", -1, NULL));
    check_refused("/nonexistent/scope-cuda.so", SCOPE_DEVICE_NO_MODULE, "/nonexistent");
    check_refused(text, SCOPE_DEVICE_BAD_MODULE, "does not load");
    check_refused(modules[1], SCOPE_DEVICE_BAD_MODULE, "version");
    check_refused(modules[2], SCOPE_DEVICE_BAD_MODULE, "version");
    check_refused(modules[3], SCOPE_DEVICE_BAD_MODULE, SCOPE_BACKEND_MODULE_SYMBOL);
    g_assert_cmpint(g_remove(text), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static void
test_absent_devices(void)
{
    g_setenv("SCOPE_EMULATED", "no-driver", TRUE);
    check_refused(modules[0], SCOPE_DEVICE_NO_DRIVER, "no driver");
    g_setenv("SCOPE_EMULATED", "no-device", TRUE);
    check_refused(modules[0], SCOPE_DEVICE_NONE, "no device");
    g_unsetenv("SCOPE_EMULATED");
    ScopeDeviceProbe probe;
    const ScopeBackendModule *module = scope_devices_load_module(modules[4], &probe);
    g_autoptr(GError) error = NULL;
    g_assert_nonnull(module);
    g_assert_null(module->open(0, SCOPE_PRECISION_F32, &error));
    g_assert_nonnull(error);
}

static void
test_names(void)
{
    static const char *const good[] = {"auto", "cpu", "cuda", "cuda:0", "cuda:15"};
    static const char *const bad[] = {"", "gpu", "cuda:", "cuda:16", "cuda:-1", "cuda:1x", "CUDA"};
    g_assert_true(scope_devices_check_name(NULL, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(scope_devices_check_name(good[i], NULL));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(scope_devices_check_name(bad[i], &error));
        g_assert_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_INVALID);
        g_assert_nonnull(strstr(error->message, "cuda:0"));
    }
}

/* The state of the process: the emulated module is the one that is found. */
static void
test_open(void)
{
    g_autoptr(GError) error = NULL;
    const ScopeBackend *f32 = scope_devices_open("cuda", SCOPE_PRECISION_F32, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(f32->name, ==, "cuda");
    g_assert_cmpint(f32->work_dtype, ==, SCOPE_DTYPE_F32);
    g_assert_true(f32 == scope_devices_open("auto", SCOPE_PRECISION_F32, NULL));
    const ScopeBackend *bf16 = scope_devices_open("cuda:0", SCOPE_PRECISION_BF16, NULL);
    g_assert_cmpint(bf16->work_dtype, ==, SCOPE_DTYPE_BF16);
    g_assert_true(bf16 != scope_devices_open("cuda:1", SCOPE_PRECISION_BF16, NULL));
    g_assert_null(scope_devices_open("cuda:2", SCOPE_PRECISION_BF16, &error));
    g_assert_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE);
    g_assert_cmpstr(scope_devices_open("cpu", SCOPE_PRECISION_FP8, NULL)->name, ==, "cpu");
    /* every slot is there */
    const void *const *slot = (const void *const *)&f32->memory_alloc;
    const void *const *end = (const void *const *)(f32 + 1);
    for (; slot < end; slot++) {
        g_assert_nonnull(*slot);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 6);
    modules = argv + 1;
    g_setenv("SCOPE_CUDA_MODULE", modules[0], TRUE);
    g_test_add_func("/devices/bad-modules", test_bad_modules);
    g_test_add_func("/devices/absent", test_absent_devices);
    g_test_add_func("/devices/names", test_names);
    g_test_add_func("/devices/open", test_open);
    return g_test_run();
}
