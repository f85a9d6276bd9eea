/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ceilings of this machine: a product by OpenBLAS and by oneDNN (the faster one counts) and a
 * 3x3 convolution by oneDNN, at shapes of the models. Owns the libraries' buffers. Main thread.
 */
#include "scope-bench.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if HAVE_OPENBLAS
#include <cblas.h>
#endif
#if HAVE_DNNL
#include <oneapi/dnnl/dnnl.h>
#endif

/* 720 tokens of a 1536 wide model; 64 channels at 128x128. */
enum { ROWS = 720, WIDTH = 1536, CHANNELS = 64, SIDE = 128 };

struct _ScopeCeiling {
    const char *name;
    double gflop;
    void (*run)(ScopeCeiling *c);
    float *buffer[3];
#if HAVE_DNNL
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[3];
#endif
};

static float *
new_buffer(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof(float) + 63) & ~(size_t)63);
    for (size_t i = 0; i < n; i++) {
        p[i] = (float)(i % 17) * 0.1F - 0.8F;
    }
    return p;
}

#if HAVE_OPENBLAS
void openblas_set_num_threads(int n);

static void
run_blas(ScopeCeiling *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, ROWS, WIDTH, WIDTH, 1.0F, c->buffer[0],
                WIDTH, c->buffer[1], WIDTH, 0.0F, c->buffer[2], WIDTH);
}

static ScopeCeiling *
create_blas(int n_threads)
{
    ScopeCeiling *c = g_new0(ScopeCeiling, 1);
    c->name = "OpenBLAS f32 product 720x1536x1536";
    c->gflop = 2e-9 * ROWS * WIDTH * WIDTH;
    c->run = run_blas;
    c->buffer[0] = new_buffer((size_t)ROWS * WIDTH);
    c->buffer[1] = new_buffer((size_t)WIDTH * WIDTH);
    c->buffer[2] = new_buffer((size_t)ROWS * WIDTH);
    openblas_set_num_threads(n_threads);
    return c;
}
#endif

#if HAVE_DNNL
static void
run_dnnl(ScopeCeiling *c)
{
    const dnnl_exec_arg_t args[3] = {{DNNL_ARG_SRC, c->memory[0]},
                                     {DNNL_ARG_WEIGHTS, c->memory[1]},
                                     {DNNL_ARG_DST, c->memory[2]}};
    dnnl_primitive_execute(c->primitive, c->stream, 3, args);
    dnnl_stream_wait(c->stream);
}

/* Memory in the layout that the primitive asks for. */
static void
attach(ScopeCeiling *c, int i, dnnl_primitive_desc_t pd, dnnl_query_t what)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, what, 0);
    c->buffer[i] = new_buffer(dnnl_memory_desc_get_size(md) / sizeof(float) + 16);
    dnnl_memory_create(&c->memory[i], md, c->engine, c->buffer[i]);
}

static ScopeCeiling *
create_dnnl(const char *name, double gflop)
{
    ScopeCeiling *c = g_new0(ScopeCeiling, 1);
    c->name = name;
    c->gflop = gflop;
    c->run = run_dnnl;
    dnnl_engine_create(&c->engine, dnnl_cpu, 0);
    dnnl_stream_create(&c->stream, c->engine, dnnl_stream_default_flags);
    return c;
}

static void
finish_dnnl(ScopeCeiling *c, const void *op)
{
    dnnl_primitive_desc_t pd;
    dnnl_primitive_desc_create(&pd, op, NULL, c->engine, NULL);
    attach(c, 0, pd, dnnl_query_src_md);
    attach(c, 1, pd, dnnl_query_weights_md);
    attach(c, 2, pd, dnnl_query_dst_md);
    dnnl_primitive_create(&c->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
}

static ScopeCeiling *
create_dnnl_conv(void)
{
    ScopeCeiling *c = create_dnnl("oneDNN f32 convolution 3x3 64 to 64 at 128x128",
                                  2e-9 * SIDE * SIDE * 9.0 * CHANNELS * CHANNELS);
    dnnl_memory_desc_t src, weights, dst;
    dnnl_memory_desc_init_by_tag(&src, 4, (dnnl_dims_t){1, CHANNELS, SIDE, SIDE}, dnnl_f32,
                                 dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&weights, 4, (dnnl_dims_t){CHANNELS, CHANNELS, 3, 3}, dnnl_f32,
                                 dnnl_format_tag_any);
    dst = src;
    dnnl_convolution_desc_t op;
    dnnl_convolution_forward_desc_init(&op, dnnl_forward_inference, dnnl_convolution_direct, &src,
                                       &weights, NULL, &dst, (dnnl_dims_t){1, 1},
                                       (dnnl_dims_t){1, 1}, (dnnl_dims_t){1, 1});
    finish_dnnl(c, &op);
    return c;
}

static ScopeCeiling *
create_dnnl_matmul(void)
{
    ScopeCeiling *c = create_dnnl("oneDNN f32 product 720x1536x1536", 2e-9 * ROWS * WIDTH * WIDTH);
    dnnl_memory_desc_t src, weights, dst;
    dnnl_memory_desc_init_by_tag(&src, 2, (dnnl_dims_t){ROWS, WIDTH}, dnnl_f32, dnnl_ab);
    dnnl_memory_desc_init_by_tag(&weights, 2, (dnnl_dims_t){WIDTH, WIDTH}, dnnl_f32, dnnl_ba);
    dst = src;
    dnnl_matmul_desc_t op;
    dnnl_matmul_desc_init(&op, &src, &weights, NULL, &dst);
    finish_dnnl(c, &op);
    return c;
}
#endif

#if HAVE_OPENBLAS && HAVE_DNNL
static double
seconds_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time where it means something: a neighbour must not decide which library is faster. */
static double
best_of(ScopeCeiling *c, int n, int n_threads)
{
    clockid_t clock = n_threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    double best = G_MAXDOUBLE;
    for (int i = 0; i < n; i++) {
        double start = seconds_of(clock);
        c->run(c);
        best = MIN(best, seconds_of(clock) - start);
    }
    return best;
}
#endif

ScopeCeiling *
scope_ceiling_create(ScopeBenchCeiling kind, int n_threads)
{
    ScopeCeiling *blas = NULL, *dnnl = NULL;
#if HAVE_OPENBLAS
    blas = kind == SCOPE_BENCH_CEILING_MATMUL ? create_blas(n_threads) : NULL;
#endif
#if HAVE_DNNL
    /* the library's OpenMP runtime reads its environment before main() */
    void (*set_threads)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set_threads) {
        set_threads(n_threads);
    }
    dnnl = kind == SCOPE_BENCH_CEILING_MATMUL ? create_dnnl_matmul()
           : kind == SCOPE_BENCH_CEILING_CONV ? create_dnnl_conv()
                                              : NULL;
#endif
#if HAVE_OPENBLAS && HAVE_DNNL
    if (blas && dnnl) {
        ScopeCeiling *slow =
            best_of(blas, 8, n_threads) < best_of(dnnl, 8, n_threads) ? dnnl : blas;
        ScopeCeiling *fast = slow == blas ? dnnl : blas;
        scope_ceiling_destroy(slow);
        return fast;
    }
#endif
    return blas ? blas : dnnl;
}

double
scope_ceiling_run(ScopeCeiling *ceiling)
{
    ceiling->run(ceiling);
    return ceiling->gflop;
}

const char *
scope_ceiling_get_name(const ScopeCeiling *ceiling)
{
    return ceiling->name;
}

void
scope_ceiling_destroy(ScopeCeiling *ceiling)
{
    if (!ceiling) {
        return;
    }
#if HAVE_DNNL
    if (ceiling->engine) {
        dnnl_primitive_destroy(ceiling->primitive);
        for (int i = 0; i < 3; i++) {
            dnnl_memory_destroy(ceiling->memory[i]);
        }
        dnnl_stream_destroy(ceiling->stream);
        dnnl_engine_destroy(ceiling->engine);
    }
#endif
    for (int i = 0; i < 3; i++) {
        free(ceiling->buffer[i]);
    }
    g_free(ceiling);
}
