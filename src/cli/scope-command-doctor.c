/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `scope doctor`: what the program finds on this machine, what is wrong and what to do about it.
 * Changes nothing. Main thread.
 */
#include "cli/scope-commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gst/gst.h>

#include "cli/scope-config.h"
#include "core/scope-log.h"
#include "engine/cpu/kernels/scope-kernels.h"
#include "engine/scope-devices.h"

#include "scope-commit.h"

#define GIBIBYTE       ((double)(1 << 30))
#define MIN_FREE_BYTES ((guint64)10 << 30) /* the smallest of the large models with its encoder */

/* The number of findings by weight. */
typedef struct {
    guint n_wrong, n_warnings;
} Findings;

typedef enum {
    FINDING_OK,
    FINDING_WARNING, /* works, with less */
    FINDING_WRONG,
} Weight;

static void finding(Findings *f, Weight weight, const char *subject, const char *remedy,
                    const char *format, ...) G_GNUC_PRINTF(5, 6);

/* One line for what was found, a second one for the remedy. */
static void
finding(Findings *f, Weight weight, const char *subject, const char *remedy, const char *format,
        ...)
{
    static const char *const marks[] = {"ok", "warning", "wrong"};
    va_list args;

    printf("%-8s %-10s ", marks[weight], subject);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    if (remedy && weight != FINDING_OK)
        printf("%-19s -> %s\n", "", remedy);
    f->n_warnings += weight == FINDING_WARNING;
    f->n_wrong += weight == FINDING_WRONG;
}

/* ---- what computes ------------------------------------------------------------------------- */

static void
check_devices(Findings *f)
{
    const ScopeDeviceProbe *probe = scope_devices_probe();
    const gboolean is_absent =
        probe->state == SCOPE_DEVICE_NO_MODULE || probe->state == SCOPE_DEVICE_NO_DRIVER;

    finding(f, FINDING_OK, "module", NULL, "%s", scope_devices_get_module_path());
    if (probe->driver_version > 0)
        finding(f, FINDING_OK, "driver", NULL, "CUDA %d.%d, the module was built with %d.%d",
                probe->driver_version / 1000, probe->driver_version % 1000 / 10,
                probe->runtime_version / 1000, probe->runtime_version % 1000 / 10);
    if (probe->state != SCOPE_DEVICE_READY) {
        /* a machine without a GPU is whole; one whose GPU cannot be used is not */
        finding(f, is_absent ? FINDING_OK : FINDING_WARNING, "gpu",
                "models run on the CPU until this is mended", "none: %s", probe->reason);
        return;
    }
    for (int i = 0; i < probe->n_devices; i++) {
        const ScopeDeviceInfo *d = &probe->devices[i];
        finding(f, FINDING_OK, "gpu", NULL,
                "cuda:%d %s, compute capability %d.%d, %.1f of %.1f GiB free", i, d->name, d->major,
                d->minor, (double)d->free_bytes / GIBIBYTE, (double)d->total_bytes / GIBIBYTE);
    }
    finding(f, FINDING_OK, "kernels", NULL, "own kernels, cuBLASLt, %s", probe->libraries);
}

static void
check_choice(Findings *f)
{
    g_autoptr(GError) error = NULL;
    const ScopeBackend *backend = scope_devices_open(NULL, SCOPE_PRECISION_BF16, &error);

    finding(f, FINDING_OK, "cpu", NULL, "%u processors, kernels for %s", g_get_num_processors(),
            scope_kernels_get()->name);
    check_devices(f);
    if (backend)
        finding(f, FINDING_OK, "models", NULL, "run on %s", backend->name);
    else
        finding(f, FINDING_WRONG, "models", "unset SCOPE_DEVICE, or set it to auto", "%s",
                error->message);
}

/* ---- folders ------------------------------------------------------------------------------- */

/* The folder itself, or the nearest one above it that is there. */
static char *
find_existing(const char *path)
{
    char *at = g_strdup(path);

    while (!g_file_test(at, G_FILE_TEST_EXISTS) && strcmp(at, "/") != 0) {
        char *above = g_path_get_dirname(at);
        g_free(at);
        at = above;
    }
    return at;
}

static void
check_folder(Findings *f, const char *subject, const char *path)
{
    g_autofree char *existing = find_existing(path);
    g_autoptr(GFile) file = g_file_new_for_path(existing);
    g_autoptr(GFileInfo) info =
        g_file_query_filesystem_info(file, G_FILE_ATTRIBUTE_FILESYSTEM_FREE, NULL, NULL);
    const guint64 n_free =
        info ? g_file_info_get_attribute_uint64(info, G_FILE_ATTRIBUTE_FILESYSTEM_FREE) : 0;

    if (!g_file_test(existing, G_FILE_TEST_IS_DIR) || access(existing, W_OK | X_OK) != 0)
        finding(f, FINDING_WRONG, subject, "choose another folder, or change its owner or mode",
                "%s cannot be written: %s", path,
                g_file_test(existing, G_FILE_TEST_IS_DIR) ? g_strerror(errno) : "no folder");
    else if (n_free < MIN_FREE_BYTES)
        finding(f, FINDING_WARNING, subject, "large models need 10 to 40 GiB: make room",
                "%s, %.1f GiB free", path, (double)n_free / GIBIBYTE);
    else
        finding(f, FINDING_OK, subject, NULL, "%s%s, %.1f GiB free", path,
                strcmp(existing, path) == 0 ? "" : " (is made when needed)",
                (double)n_free / GIBIBYTE);
}

/* ---- media --------------------------------------------------------------------------------- */

/* A group of elements of which one is enough. */
typedef struct {
    const char *names[4];
    const char *purpose;
    const char *package; /* of Debian */
    gboolean is_required;
} Elements;

static const Elements element_groups[] = {
    {{"webrtcbin"}, "WebRTC", "gstreamer1.0-plugins-bad", TRUE},
    {{"nicesrc"}, "ICE", "gstreamer1.0-nice", TRUE},
    {{"dtlsenc"}, "encryption", "gstreamer1.0-plugins-bad", TRUE},
    {{"rtpvp8pay"}, "RTP", "gstreamer1.0-plugins-good", TRUE},
    {{"vp8enc"}, "VP8 encoder", "gstreamer1.0-plugins-good", TRUE},
    {{"decodebin"}, "decoding", "gstreamer1.0-plugins-base", TRUE},
    {{"nvh264enc", "x264enc", "openh264enc"}, "H.264 encoder", "gstreamer1.0-plugins-ugly", FALSE},
    {{"mp4mux"}, "MP4 files", "gstreamer1.0-plugins-good", FALSE},
};

static void
check_elements(Findings *f)
{
    g_autoptr(GError) error = NULL;

    if (!gst_init_check(NULL, NULL, &error)) {
        finding(f, FINDING_WRONG, "gstreamer", "install GStreamer 1.22 or later", "%s",
                error->message);
        return;
    }
    g_autofree char *version = gst_version_string();
    finding(f, FINDING_OK, "gstreamer", NULL, "%s", version);
    for (gsize i = 0; i < G_N_ELEMENTS(element_groups); i++) {
        const Elements *group = &element_groups[i];
        const char *found = NULL;
        for (gsize j = 0; j < G_N_ELEMENTS(group->names) && group->names[j] && !found; j++) {
            g_autoptr(GstElementFactory) factory = gst_element_factory_find(group->names[j]);
            found = factory ? group->names[j] : NULL;
        }
        g_autofree char *remedy = g_strdup_printf("install %s", group->package);
        finding(f,
                found                ? FINDING_OK
                : group->is_required ? FINDING_WRONG
                                     : FINDING_WARNING,
                "element", remedy, "%s: %s", group->purpose, found ? found : "no element for it");
    }
}

static void
check_port(Findings *f, const char *host, int port)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(host, (guint)port);
    g_autoptr(GError) error = NULL;

    if (!address)
        finding(f, FINDING_WARNING, "port", "give an IP address", "%s is no IP address", host);
    else if (g_socket_listener_add_address(listener, address, G_SOCKET_TYPE_STREAM,
                                           G_SOCKET_PROTOCOL_TCP, NULL, NULL, &error))
        finding(f, FINDING_OK, "port", NULL, "%s:%d is free", host, port);
    else
        finding(f, FINDING_WARNING, "port",
                "a server may be running already; end it, or start with --port",
                "%s:%d cannot be bound: %s", host, port, error->message);
    g_socket_listener_close(listener);
}

int
scope_command_doctor(int argc, char **argv)
{
    g_auto(ScopeConfig) config = {.port = 8000};
    const GOptionEntry entries[] = {
        {"host", 0, 0, G_OPTION_ARG_STRING, &config.host, "Address to try [127.0.0.1]", "ADDR"},
        {"port", 0, 0, G_OPTION_ARG_INT, &config.port, "Port to try [8000]", "N"},
        {"data-dir", 0, 0, G_OPTION_ARG_FILENAME, &config.data_dir,
         "Folder for everything that is written [~/.daydream-scope]", "DIR"},
        {"models-dir", 0, 0, G_OPTION_ARG_FILENAME, &config.models_dir, "Folder of model files",
         "DIR"},
        {NULL},
    };
    Findings f = {0};
    int status = 0;

    if (!scope_command_parse("- check this machine",
                             "Exits with 1 when something that the server needs is wrong.", entries,
                             argc, argv, &status))
        return status;
    if (config.port < 0 || config.port > 65535) {
        fprintf(stderr, "scope: --port %d: expected 0 to 65535\n", config.port);
        return SCOPE_EXIT_USAGE;
    }
    scope_config_resolve(&config);
    const ScopeLogConfig log = {.filter = "warning"};
    scope_log_init(&log, NULL);
    finding(&f, FINDING_OK, "scope", NULL, "%s (%s)", SCOPE_VERSION, SCOPE_COMMIT);
    check_choice(&f);
    check_folder(&f, "models-dir", config.models_dir);
    check_folder(&f, "data-dir", config.data_dir);
    check_elements(&f);
    check_port(&f, config.host, config.port);
    printf("\n%u wrong, %u warnings\n", f.n_wrong, f.n_warnings);
    return f.n_wrong > 0 ? 1 : 0;
}
