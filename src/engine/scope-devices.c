/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds and loads the backend module, once, and keeps the backends that it made. What is kept lives
 * as long as the process, because the code of a module cannot go. Any thread; one lock, a leaf.
 */
#include "engine/scope-devices.h"

#include <dlfcn.h>
#include <string.h>

#include "core/scope-lock.h"
#include "engine/scope-engine-error.h"

#define MODULE_NAME "scope-cuda.so"

/* What the driver makes: on a plain machine, and under WSL. */
static const char *const device_nodes[] = {"/dev/nvidiactl", "/dev/dxg"};

static struct {
    ScopeLock lock;
    gboolean is_probed, is_reported;
    char *path;
    const ScopeBackendModule *module; /* NULL: the probe says why */
    ScopeDeviceProbe probe;
    const ScopeBackend *backends[SCOPE_MAX_DEVICES][SCOPE_N_PRECISIONS];
    gboolean is_lost[SCOPE_MAX_DEVICES];
} state = {.lock = SCOPE_LOCK_INIT};

/* ---- the module ---------------------------------------------------------------------------- */

static void refuse(ScopeDeviceProbe *probe, ScopeDeviceState why, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void
refuse(ScopeDeviceProbe *probe, ScopeDeviceState why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    memset(probe, 0, sizeof *probe);
    probe->state = why;
    g_vsnprintf(probe->reason, sizeof probe->reason, format, args);
    va_end(args);
}

const ScopeBackendModule *
scope_devices_load_module(const char *path, ScopeDeviceProbe *ret_probe)
{
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        refuse(ret_probe, SCOPE_DEVICE_NO_MODULE, "%s is not there; this build has no GPU support",
               path);
        return NULL;
    }
    void *code = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!code) {
        refuse(ret_probe, SCOPE_DEVICE_BAD_MODULE, "the GPU module does not load: %s", dlerror());
        return NULL;
    }
    const ScopeBackendModule *module = dlsym(code, SCOPE_BACKEND_MODULE_SYMBOL);
    if (!module) {
        refuse(ret_probe, SCOPE_DEVICE_BAD_MODULE, "%s is no backend module: it lacks %s", path,
               SCOPE_BACKEND_MODULE_SYMBOL);
        return NULL;
    }
    if (module->abi_version != SCOPE_BACKEND_ABI_VERSION ||
        module->struct_size != sizeof(ScopeBackendModule)) {
        refuse(ret_probe, SCOPE_DEVICE_BAD_MODULE,
               "%s was built for version %u of the backend interface, this program has %d; install "
               "both from one release",
               path, module->abi_version, SCOPE_BACKEND_ABI_VERSION);
        return NULL;
    }
    module->probe(ret_probe);
    return ret_probe->state == SCOPE_DEVICE_READY ? module : NULL;
}

static char *
find_module(gboolean *ret_is_forced)
{
    const char *given = g_getenv("SCOPE_CUDA_MODULE");
    *ret_is_forced = given != NULL;
    if (given) {
        return g_strdup(given);
    }
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = program ? g_path_get_dirname(program) : g_strdup(".");
    char *beside = g_build_filename(folder, MODULE_NAME, NULL);
    if (g_file_test(beside, G_FILE_TEST_EXISTS)) {
        return beside;
    }
    g_free(beside);
    return g_build_filename(SCOPE_MODULES_DIR, MODULE_NAME, NULL);
}

static gboolean
has_device_node(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(device_nodes); i++) {
        if (g_file_test(device_nodes[i], G_FILE_TEST_EXISTS)) {
            return TRUE;
        }
    }
    return FALSE;
}

static void
ensure_probed(void)
{
    gboolean is_forced;
    if (state.is_probed) {
        return;
    }
    state.is_probed = TRUE;
    state.path = find_module(&is_forced);
    if (!is_forced && !has_device_node()) {
        /* loading the libraries would take a second to learn the same */
        refuse(&state.probe, SCOPE_DEVICE_NO_DRIVER,
               "no NVIDIA device is visible (%s is not there); install the driver, or pass the "
               "device into the container",
               device_nodes[0]);
        return;
    }
    state.module = scope_devices_load_module(state.path, &state.probe);
}

const ScopeDeviceProbe *
scope_devices_probe(void)
{
    SCOPE_LOCK_GUARD(&state.lock);
    ensure_probed();
    return &state.probe;
}

const char *
scope_devices_get_module_path(void)
{
    SCOPE_LOCK_GUARD(&state.lock);
    ensure_probed();
    return state.path;
}

/* ---- names --------------------------------------------------------------------------------- */

/* -1 is the CPU. */
static gboolean
parse_name(const char *name, int *ret_index, gboolean *ret_is_auto, GError **error)
{
    guint64 index = 0;
    name = name ? name : g_getenv("SCOPE_DEVICE");
    *ret_is_auto = !name || strcmp(name, SCOPE_DEVICE_AUTO) == 0;
    *ret_index = 0;
    if (*ret_is_auto || strcmp(name, "cuda") == 0) {
        return TRUE;
    }
    if (strcmp(name, "cpu") == 0) {
        *ret_index = -1;
        return TRUE;
    }
    if (g_str_has_prefix(name, "cuda:") &&
        g_ascii_string_to_unsigned(name + strlen("cuda:"), 10, 0, SCOPE_MAX_DEVICES - 1, &index,
                                   NULL)) {
        *ret_index = (int)index;
        return TRUE;
    }
    g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_INVALID,
                "device \"%s\": expected auto, cpu, cuda or cuda:0 to cuda:%d", name,
                SCOPE_MAX_DEVICES - 1);
    return FALSE;
}

gboolean
scope_devices_check_name(const char *name, GError **error)
{
    int index;
    gboolean is_auto;
    return parse_name(name, &index, &is_auto, error);
}

static const ScopeBackend *
open_device(int index, ScopePrecision precision, GError **error)
{
    if (!state.module) {
        g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE, "no GPU: %s",
                    state.probe.reason);
        return NULL;
    }
    if (index >= state.probe.n_devices) {
        g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE,
                    "there is no device cuda:%d, the driver sees %d; CUDA_VISIBLE_DEVICES may "
                    "hide some",
                    index, state.probe.n_devices);
        return NULL;
    }
    if (state.is_lost[index]) {
        g_set_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE,
                    "cuda:%d faulted and cannot be used by this process any more; restart it",
                    index);
        return NULL;
    }
    const ScopeBackend **kept = &state.backends[index][precision];
    if (!*kept) {
        *kept = state.module->open(index, precision, error);
    }
    return *kept;
}

void
scope_devices_note_lost(const ScopeBackend *backend)
{
    SCOPE_LOCK_GUARD(&state.lock);
    for (int i = 0; i < SCOPE_MAX_DEVICES; i++) {
        for (int k = 0; k < SCOPE_N_PRECISIONS; k++) {
            if (backend && state.backends[i][k] == backend && !state.is_lost[i]) {
                state.is_lost[i] = TRUE;
                state.is_reported = FALSE; /* what computes is told once more */
            }
        }
    }
}

/* One line: what computes. */
static void
report(const char *name, const GError *error)
{
    if (state.is_reported) {
        return;
    }
    state.is_reported = TRUE;
    if (error) {
        g_info("models run on the CPU: %s", error->message);
    } else {
        g_info("models run on %s", name);
    }
}

const ScopeBackend *
scope_devices_open(const char *name, ScopePrecision precision, GError **error)
{
    g_autoptr(GError) why = NULL;
    int index;
    gboolean is_auto;
    if (!parse_name(name, &index, &is_auto, error)) {
        return NULL;
    }
    if (index < 0) {
        return scope_backend_cpu();
    }
    SCOPE_LOCK_GUARD(&state.lock);
    ensure_probed();
    const ScopeBackend *backend = open_device(index, precision, &why);
    if (backend) {
        report(state.probe.devices[index].name, NULL);
        return backend;
    }
    if (is_auto) {
        report(NULL, why);
        return scope_backend_cpu();
    }
    g_propagate_error(error, g_steal_pointer(&why));
    return NULL;
}
