/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine is and what the process uses of it, read from /proc. */
#ifndef SCOPE_HARDWARE_H
#define SCOPE_HARDWARE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * ScopeHardware: the machine, read once.
 * @cpu_name: model name, or an empty text
 * @n_cpus: logical processors
 * @ram_bytes: memory
 * @gpu_name: (nullable): first NVIDIA GPU
 * @vram_bytes: its memory; 0 = unknown
 */
typedef struct {
    const char *cpu_name;
    guint n_cpus;
    guint64 ram_bytes;
    const char *gpu_name;
    guint64 vram_bytes;
} ScopeHardware;

/**
 * scope_hardware_get:
 *
 * Thread: main. Blocks: a few small files at the first call.
 * Errors: none.
 * Returns: (transfer none): the machine; lives as long as the process.
 */
const ScopeHardware *scope_hardware_get(void);

/**
 * ScopeProcessUsage: the process now.
 * @rss_bytes: resident memory
 * @cpu_s: processor time since the start, user and system
 * @n_threads: threads
 * @n_fds: open descriptors
 */
typedef struct {
    guint64 rss_bytes;
    gdouble cpu_s;
    guint n_threads;
    guint n_fds;
} ScopeProcessUsage;

/** scope_process_usage_read: fills @ret_usage; zeros where /proc does not tell. Thread: any. */
void scope_process_usage_read(ScopeProcessUsage *ret_usage);

G_END_DECLS

#endif
