/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness: options, alternating samples, medians, table and JSON. Owns the context, the
 * ceilings and the busy process. Main thread.
 */
#include "scope-bench.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIN_SAMPLES  3
#define MAX_SAMPLES  200
#define LONG_SECONDS 10.0

struct _ScopeBench {
    ScopePool *pool;
    ScopeContext *ctx;
    ScopePool *single_pool; /* with --busy-core: what the shared machine is compared with */
    ScopeContext *single_ctx;
    ScopeArena *arena;
    ScopeCeiling *ceiling[SCOPE_BENCH_N_CEILINGS];
    int n_threads, busy_core;
    gboolean cpu_time;
    double seconds;
    char *filter, *json_path;
    GString *json;
    pid_t busy_pid;
};

static pid_t
start_busy_process(int core)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0) {
        return pid;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
    volatile double x = 1.0;
    while (getppid() == parent) {
        for (int i = 0; i < 1000000; i++) {
            x = x * 1.0000001 + 1e-9;
        }
    }
    _exit(0);
}

ScopeBench *
scope_bench_create(int *argc, char ***argv, const char *name)
{
    ScopeBench *b = g_new0(ScopeBench, 1);
    b->n_threads = (int)g_get_num_processors();
    b->busy_core = -1;
    b->seconds = 1.0;
    const GOptionEntry entries[] = {
        {"threads", 't', 0, G_OPTION_ARG_INT, &b->n_threads, "threads to compute with", "N"},
        {"seconds", 's', 0, G_OPTION_ARG_DOUBLE, &b->seconds, "time per measurement", "S"},
        {"filter", 'f', 0, G_OPTION_ARG_STRING, &b->filter, "only names that contain TEXT", "TEXT"},
        {"json", 'j', 0, G_OPTION_ARG_FILENAME, &b->json_path, "write results to FILE", "FILE"},
        {"cpu-time", 'c', 0, G_OPTION_ARG_NONE, &b->cpu_time,
         "measure processor time: meaningful with one thread, on a machine that others use", NULL},
        {"busy-core", 'b', 0, G_OPTION_ARG_INT, &b->busy_core,
         "compare one thread with all threads while another process computes on core N", "N"},
        {NULL}};
    g_autoptr(GOptionContext) options = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_option_context_add_main_entries(options, entries, NULL);
    if (!g_option_context_parse(options, argc, argv, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(2);
    }
    b->busy_pid = b->busy_core >= 0 ? start_busy_process(b->busy_core) : 0;
    b->pool = scope_pool_create(b->n_threads, &error);
    b->ctx = b->pool ? scope_context_create(scope_backend_cpu(), b->pool, &error) : NULL;
    if (!b->ctx) {
        fprintf(stderr, "%s\n", error->message);
        exit(1);
    }
    b->arena = scope_arena_create(scope_backend_cpu(), "bench");
    if (b->busy_pid > 0) {
        kill(b->busy_pid, SIGSTOP);
        b->single_pool = scope_pool_create(1, NULL);
        b->single_ctx = scope_context_create(scope_backend_cpu(), b->single_pool, NULL);
        printf("# %d threads beside a busy process on core %d, against one thread without it\n"
               "%-46s %10s %10s %6s\n",
               b->n_threads, b->busy_core, "name", "shared ms", "1 thread", "ratio");
    }
    for (int i = 1; i < SCOPE_BENCH_N_CEILINGS && b->busy_pid == 0; i++) {
        b->ceiling[i] = scope_ceiling_create((ScopeBenchCeiling)i, b->n_threads);
        if (b->ceiling[i]) {
            printf("# ceiling: %s\n", scope_ceiling_get_name(b->ceiling[i]));
        }
    }
    if (b->busy_pid == 0) {
        printf("# %d threads%s, GFLOP/s are medians; ratio: to the ceiling sampled in between\n"
               "%-46s %10s %8s %8s %6s %8s %8s %6s\n",
               b->n_threads, b->cpu_time ? ", processor time" : "", "name", "ms", "GFLOP/s",
               "ceiling", "ratio", "best", "ceiling", "ratio");
    }
    b->json = g_string_new(NULL);
    g_string_append_printf(b->json,
                           "{\"program\":\"%s\",\"threads\":%d,\"busy_core\":%d,\"rows\":[", name,
                           b->n_threads, b->busy_core);
    return b;
}

ScopeContext *
scope_bench_get_context(ScopeBench *bench)
{
    return bench->ctx;
}

ScopeArena *
scope_bench_get_arena(ScopeBench *bench)
{
    return bench->arena;
}

gboolean
scope_bench_wants(const ScopeBench *bench, const char *name)
{
    return !bench->filter || strstr(name, bench->filter);
}

ScopeTensor
scope_bench_random(ScopeBench *bench, int ndim, const int64_t *shape)
{
    ScopeTensor t = scope_arena_alloc(bench->arena, SCOPE_DTYPE_F32, ndim, shape);
    scope_op_random_normal(bench->ctx, t, 1, 0);
    return t;
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double
median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, compare_doubles);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double
now(const ScopeBench *bench)
{
    struct timespec t;
    clock_gettime(bench->cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* At least three samples, one of what takes long. */
static gboolean
wants_more(const ScopeBench *bench, int n, double elapsed)
{
    return n == 0 || elapsed < bench->seconds || (n < MIN_SAMPLES && elapsed < LONG_SECONDS);
}

/* All threads beside the busy process, and one thread while it is stopped, in turns. */
static double
measure_shared(ScopeBench *bench, const char *name, ScopeBenchFn fn, void *data)
{
    double shared[MAX_SAMPLES], single[MAX_SAMPLES];
    int64_t begin = g_get_monotonic_time();
    int n = 0;

    fn(bench->single_ctx, data);
    fn(bench->ctx, data);
    for (; n < MAX_SAMPLES && wants_more(bench, n, (double)(g_get_monotonic_time() - begin) * 1e-6);
         n++) {
        int64_t start = g_get_monotonic_time();
        fn(bench->single_ctx, data);
        single[n] = (double)(g_get_monotonic_time() - start) * 1e-6;
        kill(bench->busy_pid, SIGCONT);
        start = g_get_monotonic_time();
        fn(bench->ctx, data);
        shared[n] = (double)(g_get_monotonic_time() - start) * 1e-6;
        kill(bench->busy_pid, SIGSTOP);
    }
    double with_neighbour = median(shared, n), alone = median(single, n);
    printf("%-46s %10.3f %10.3f %6.2f\n", name, with_neighbour * 1e3, alone * 1e3,
           alone / with_neighbour);
    fflush(stdout);
    g_string_append_printf(bench->json,
                           "%s{\"name\":\"%s\",\"ms\":%.4f,\"single_ms\":%.4f,\"samples\":%d}",
                           bench->json->str[bench->json->len - 1] == '[' ? "" : ",", name,
                           with_neighbour * 1e3, alone * 1e3, n);
    return with_neighbour;
}

double
scope_bench_measure(ScopeBench *bench, const char *name, double gflop, ScopeBenchFn fn, void *data,
                    ScopeBenchCeiling ceiling)
{
    if (!scope_bench_wants(bench, name)) {
        return 0.0;
    }
    if (bench->busy_pid > 0) {
        return measure_shared(bench, name, fn, data);
    }
    ScopeCeiling *c = bench->ceiling[ceiling];
    double took[MAX_SAMPLES], rate[MAX_SAMPLES], begin = now(bench);
    int n = 0;
    fn(bench->ctx, data);
    if (c) {
        scope_ceiling_run(c);
    }
    for (; n < MAX_SAMPLES && wants_more(bench, n, now(bench) - begin); n++) {
        double start = now(bench);
        fn(bench->ctx, data);
        double middle = now(bench);
        took[n] = MAX(middle - start, 1e-9);
        rate[n] = c ? scope_ceiling_run(c) / (now(bench) - middle) : 0.0;
    }
    double seconds = median(took, n), speed = gflop / seconds, top = median(rate, n);
    /* both are sorted now: the quietest sample of each */
    double best_speed = gflop / took[0], best_top = rate[n - 1];
    printf("%-46s %10.3f", name, seconds * 1e3);
    if (gflop > 0.0) {
        printf(" %8.1f", speed);
    }
    if (gflop > 0.0 && c) {
        printf(" %8.1f %6.2f %8.1f %8.1f %6.2f", top, speed / top, best_speed, best_top,
               best_speed / best_top);
    }
    printf("\n");
    fflush(stdout);
    g_string_append_printf(bench->json,
                           "%s{\"name\":\"%s\",\"ms\":%.4f,\"gflops\":%.2f,\"ceiling_gflops\":%.2f,"
                           "\"best_gflops\":%.2f,\"best_ceiling_gflops\":%.2f,\"samples\":%d}",
                           bench->json->str[bench->json->len - 1] == '[' ? "" : ",", name,
                           seconds * 1e3, speed, top, best_speed, best_top, n);
    return seconds;
}

int
scope_bench_finish(ScopeBench *bench)
{
    int status = 0;
    g_autoptr(GError) error = NULL;
    g_string_append(bench->json, "]}\n");
    if (bench->json_path && !g_file_set_contents(bench->json_path, bench->json->str,
                                                 (gssize)bench->json->len, &error)) {
        fprintf(stderr, "%s\n", error->message);
        status = 1;
    }
    if (bench->busy_pid > 0) {
        kill(bench->busy_pid, SIGKILL);
        waitpid(bench->busy_pid, NULL, 0);
    }
    for (int i = 0; i < SCOPE_BENCH_N_CEILINGS; i++) {
        scope_ceiling_destroy(bench->ceiling[i]);
    }
    scope_arena_destroy(bench->arena);
    scope_context_destroy(bench->single_ctx);
    scope_context_destroy(bench->ctx);
    scope_pool_destroy(bench->single_pool);
    scope_pool_destroy(bench->pool);
    g_string_free(bench->json, TRUE);
    g_free(bench->filter);
    g_free(bench->json_path);
    g_free(bench);
    return status;
}
