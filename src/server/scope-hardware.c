/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the machine and the process from /proc. The machine is read once, on main. */
#include "server/scope-hardware.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NVIDIA_GPUS_DIR "/proc/driver/nvidia/gpus"

/* The value behind `key:` in a file of `key : value` lines. */
static char *
read_value(const char *path, const char *key)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *colon = strchr(*line, ':');
        if (colon && g_str_has_prefix(*line, key)) {
            return g_strdup(g_strstrip(colon + 1));
        }
    }
    return NULL;
}

static char *
read_gpu_name(void)
{
    g_autoptr(GDir) dir = g_dir_open(NVIDIA_GPUS_DIR, 0, NULL);
    const char *name = dir ? g_dir_read_name(dir) : NULL;
    g_autofree char *path = NULL;
    char *model;

    if (!name) {
        return NULL;
    }
    path = g_build_filename(NVIDIA_GPUS_DIR, name, "information", NULL);
    model = read_value(path, "Model");
    return model ? model : g_strdup("NVIDIA GPU");
}

const ScopeHardware *
scope_hardware_get(void)
{
    static ScopeHardware hardware;
    static gboolean is_read;

    if (!is_read) {
        char *cpu = read_value("/proc/cpuinfo", "model name");
        g_autofree char *total = read_value("/proc/meminfo", "MemTotal");
        hardware.cpu_name = cpu ? cpu : "";
        hardware.n_cpus = g_get_num_processors();
        hardware.ram_bytes = total ? g_ascii_strtoull(total, NULL, 10) * 1024 : 0;
        hardware.gpu_name = read_gpu_name();
        is_read = TRUE;
    }
    return &hardware;
}

static guint
count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (dir && g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

void
scope_process_usage_read(ScopeProcessUsage *ret_usage)
{
    g_autofree char *rss = read_value("/proc/self/status", "VmRSS");
    g_autofree char *threads = read_value("/proc/self/status", "Threads");
    struct rusage usage;
    guint n_fds = count_entries("/proc/self/fd");

    memset(ret_usage, 0, sizeof *ret_usage);
    ret_usage->rss_bytes = rss ? g_ascii_strtoull(rss, NULL, 10) * 1024 : 0;
    ret_usage->n_threads = threads ? (guint)g_ascii_strtoull(threads, NULL, 10) : 0;
    ret_usage->n_fds = n_fds > 0 ? n_fds - 1 : 0; /* without the one that lists them */
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        ret_usage->cpu_s = (gdouble)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           (gdouble)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
}
