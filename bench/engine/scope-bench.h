/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness of the engine's benchmarks: options, timing, tables and JSON. A measurement
 * alternates with a sample of this machine's own ceiling, so that a slow moment hits both. Main
 * thread.
 */
#pragma once

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"

G_BEGIN_DECLS

typedef struct _ScopeBench ScopeBench;

/** What a measurement is compared with. */
typedef enum {
    SCOPE_BENCH_CEILING_NONE = 0,
    SCOPE_BENCH_CEILING_MATMUL, /**< f32 product of the best library found at build time */
    SCOPE_BENCH_CEILING_CONV,   /**< f32 3x3 convolution of oneDNN */
    SCOPE_BENCH_N_CEILINGS
} ScopeBenchCeiling;

/** Runs the measured work once. */
typedef void (*ScopeBenchFn)(ScopeContext *ctx, void *data);

/**
 * scope_bench_create:
 * @argc: from main(); known options are removed
 * @argv: from main()
 * @name: name of the program in reports
 *
 * Options: --threads=N (default all), --seconds=S per measurement, --filter=TEXT, --json=FILE,
 * --cpu-time (processor time instead of the clock's), --busy-core=N (no ceilings: all threads
 * beside a process that computes on that core without pause, in turns with one thread alone).
 * Thread: main. Errors: ends the program with a message on a bad option. Returns: (transfer full):
 * the bench.
 */
ScopeBench *scope_bench_create(int *argc, char ***argv, const char *name);

/** scope_bench_get_context: (transfer none): where the measured work runs. Thread: main. */
ScopeContext *scope_bench_get_context(ScopeBench *bench);

/** scope_bench_get_arena: (transfer none): for tensors and weights. Thread: main. */
ScopeArena *scope_bench_get_arena(ScopeBench *bench);

/** scope_bench_wants: FALSE when --filter leaves @name out; skip its set-up then. Thread: main. */
gboolean scope_bench_wants(const ScopeBench *bench, const char *name);

/** scope_bench_random: fills a new f32 tensor of the arena with normal numbers. Thread: main. */
ScopeTensor scope_bench_random(ScopeBench *bench, int ndim, const int64_t *shape);

/**
 * scope_bench_measure:
 * @name: shown in the table
 * @gflop: work of one run, in 1e9 operations (a multiply-add is two); 0 reports time only
 * @fn: the work
 * @data: passed on
 * @ceiling: what to alternate with
 *
 * Warms up once, then samples for the time given; reports medians.
 * Thread: main. Errors: none.
 * Returns: median seconds of one run.
 */
double scope_bench_measure(ScopeBench *bench, const char *name, double gflop, ScopeBenchFn fn,
                           void *data, ScopeBenchCeiling ceiling);

/**
 * scope_bench_finish:
 * @bench: (transfer full)
 *
 * Writes the JSON file, ends the busy process, frees everything. Thread: main. Errors: reported.
 * Returns: exit status for main().
 */
int scope_bench_finish(ScopeBench *bench);

/**
 * scope_ceiling_create:
 * @kind: which
 * @n_threads: threads the library may use
 *
 * Thread: main. Errors: none. Returns: (transfer full) (nullable): NULL when the library was not
 * there at build time.
 */
typedef struct _ScopeCeiling ScopeCeiling;
ScopeCeiling *scope_ceiling_create(ScopeBenchCeiling kind, int n_threads);
/** scope_ceiling_run: runs it once. Thread: main. Returns: its 1e9 operations. */
double scope_ceiling_run(ScopeCeiling *ceiling);
/** scope_ceiling_get_name: (transfer none): library and shape. Thread: main. */
const char *scope_ceiling_get_name(const ScopeCeiling *ceiling);
void scope_ceiling_destroy(ScopeCeiling *ceiling);

G_END_DECLS
