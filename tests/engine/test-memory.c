/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Element types, tensor views, arenas and the thread pool.
 */
#include <gio/gio.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "support/scope-alloc-counter.h"
#include "support/scope-op-test.h"

/* Value of a small float code by its definition. */
static double
decode(uint32_t v, int eb, int mb)
{
    int bias = (1 << (eb - 1)) - 1;
    int exp = (int)(v >> mb) & ((1 << eb) - 1);
    double man = v & ((1U << mb) - 1);
    double r = exp == 0 ? ldexp(man, 1 - bias - mb) : ldexp(man + (1 << mb), exp - bias - mb);
    return v >> (eb + mb) & 1 ? -r : r;
}

typedef struct {
    ScopeDType dtype;
    int eb, mb;
    uint32_t n_finite; /* codes 0 .. n_finite-1 are the finite magnitudes */
    double overflow;   /* what larger values become */
} SmallFloat;

static const SmallFloat small_floats[] = {
    {SCOPE_DTYPE_F16, 5, 10, 0x7c00, INFINITY},
    {SCOPE_DTYPE_F8_E4M3, 4, 3, 0x7f, 448},
    {SCOPE_DTYPE_F8_E5M2, 5, 2, 0x7c, INFINITY},
    {SCOPE_DTYPE_BF16, 8, 7, 0x7f80, INFINITY},
};

static double
widen_code(const SmallFloat *s, uint32_t code)
{
    float f;
    uint16_t wide = (uint16_t)code;
    uint8_t narrow = (uint8_t)code;
    scope_dtype_to_f32(s->dtype, s->eb + s->mb > 8 ? (void *)&wide : (void *)&narrow, &f, 1);
    return (double)f;
}

static uint32_t
narrow_value(const SmallFloat *s, float f)
{
    uint16_t wide = 0;
    uint8_t narrow = 0;
    scope_dtype_from_f32(s->dtype, &f, s->eb + s->mb > 8 ? (void *)&wide : (void *)&narrow, 1);
    return s->eb + s->mb > 8 ? wide : narrow;
}

/* All codes, and the midpoints between neighbours, which go to the even one. */
static void
test_small_floats(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(small_floats); i++) {
        const SmallFloat *s = &small_floats[i];
        uint32_t sign = 1U << (s->eb + s->mb);
        for (uint32_t code = 0; code < s->n_finite; code++) {
            double v = decode(code, s->eb, s->mb);
            g_assert_cmpfloat(widen_code(s, code), ==, v);
            g_assert_cmpfloat(widen_code(s, code | sign), ==, -v);
            g_assert_cmpuint(narrow_value(s, (float)v), ==, code);
            g_assert_cmpuint(narrow_value(s, (float)-v), ==, code | sign);
            if (code + 1 < s->n_finite && s->dtype != SCOPE_DTYPE_BF16) {
                float middle = (float)((v + decode(code + 1, s->eb, s->mb)) / 2);
                uint32_t even = code + (code & 1);
                g_assert_cmpuint(narrow_value(s, middle), ==, even);
                g_assert_cmpuint(narrow_value(s, nextafterf(middle, 1e9F)), ==, code + 1);
                g_assert_cmpuint(narrow_value(s, nextafterf(middle, -1.0F)), ==, code);
            }
        }
        g_assert_cmpfloat(widen_code(s, narrow_value(s, 3.4e38F)), ==, s->overflow);
        g_assert_cmpfloat(widen_code(s, narrow_value(s, -INFINITY)), ==,
                          s->dtype == SCOPE_DTYPE_F8_E4M3 ? -448 : -INFINITY);
        g_assert_true(isnan(widen_code(s, narrow_value(s, NAN))));
    }
}

static void
test_integers(void)
{
    const float values[] = {-1e20F, -129.0F, -1.9F, -0.5F, 0.9F, 127.9F, 255.7F, 1e20F, NAN};
    const int8_t want_i8[] = {-128, -128, -1, 0, 0, 127, 127, 127, 0};
    const uint8_t want_u8[] = {0, 0, 0, 0, 0, 127, 255, 255, 0};
    int8_t i8[G_N_ELEMENTS(values)];
    uint8_t u8[G_N_ELEMENTS(values)];
    int32_t i32[G_N_ELEMENTS(values)];
    int64_t i64[G_N_ELEMENTS(values)];
    scope_dtype_from_f32(SCOPE_DTYPE_I8, values, i8, G_N_ELEMENTS(values));
    scope_dtype_from_f32(SCOPE_DTYPE_U8, values, u8, G_N_ELEMENTS(values));
    scope_dtype_from_f32(SCOPE_DTYPE_I32, values, i32, G_N_ELEMENTS(values));
    scope_dtype_from_f32(SCOPE_DTYPE_I64, values, i64, G_N_ELEMENTS(values));
    g_assert_cmpmem(i8, sizeof i8, want_i8, sizeof want_i8);
    g_assert_cmpmem(u8, sizeof u8, want_u8, sizeof want_u8);
    g_assert_cmpint(i32[0], ==, INT32_MIN);
    g_assert_cmpint(i32[7], ==, INT32_MAX);
    g_assert_cmpint(i64[7], ==, INT64_MAX);
    g_assert_cmpint(i64[1], ==, -129);
}

static void
test_views(void)
{
    float data[2 * 3 * 4 * 5];
    for (int i = 0; i < 120; i++) {
        data[i] = (float)i;
    }
    ScopeTensor t = scope_tensor_wrap(SCOPE_DTYPE_F32, data, SCOPE_SHAPE(2, 3, 4, 5));
    g_assert_true(scope_tensor_is_contiguous(t));
    g_assert_cmpuint(scope_tensor_n_bytes(t), ==, 480);
    ScopeTensor s = scope_tensor_slice(scope_tensor_slice(t, 1, 1, 3), -1, 2, 4);
    g_assert_false(scope_tensor_is_contiguous(s));
    g_assert_cmpfloat(OP_GET(s, 1, 0, 3, 1), ==, 60 + 20 + 15 + 3);
    ScopeTensor p = scope_tensor_permute(t, SCOPE_ORDER(2, 0, 3, 1));
    g_assert_cmpint(scope_tensor_dim(p, 0), ==, 4);
    g_assert_cmpint(scope_tensor_dim(p, -1), ==, 3);
    g_assert_cmpfloat(OP_GET(p, 3, 1, 4, 2), ==, 60 + 40 + 15 + 4);
    ScopeTensor sel = scope_tensor_select(t, 1, 2);
    g_assert_cmpint(sel.ndim, ==, 3);
    g_assert_cmpfloat(OP_GET(sel, 1, 2, 3), ==, 60 + 40 + 10 + 3);
    ScopeTensor r = scope_tensor_reshape(t, SCOPE_SHAPE(6, -1));
    g_assert_cmpint(r.shape[1], ==, 20);
    /* split and merge on a view with a gap: rows of 5, 3 used */
    ScopeTensor gap = scope_tensor_slice(t, 3, 0, 3);
    ScopeTensor merged = scope_tensor_reshape(gap, SCOPE_SHAPE(24, 3));
    g_assert_cmpfloat(OP_GET(merged, 23, 2), ==, 117);
    ScopeTensor split = scope_tensor_reshape(gap, SCOPE_SHAPE(2, 3, 2, 2, 3, 1));
    g_assert_cmpfloat(OP_GET(split, 1, 2, 1, 0, 2, 0), ==, 60 + 40 + 10 + 2);
    ScopeTensor b = scope_tensor_broadcast(sel, SCOPE_SHAPE(7, 2, 4, 5));
    g_assert_cmpfloat(OP_GET(b, 6, 1, 2, 3), ==, 113);
    g_assert_cmpint(b.stride[0], ==, 0);
    g_autofree char *text = scope_tensor_describe(s);
    g_assert_cmpstr(text, ==, "f32[2,2,4,2]");
}

static void
test_arena(void)
{
    g_autoptr(ScopeArena) arena = scope_arena_create(scope_backend_cpu(), "test");
    g_autoptr(GError) error = NULL;
    g_assert_true(scope_arena_reserve(arena, 1000, &error));
    ScopeTensor a = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(3, 5));
    ScopeArenaMark mark = scope_arena_mark(arena);
    ScopeTensor b = scope_arena_alloc(arena, SCOPE_DTYPE_U8, SCOPE_SHAPE(3));
    g_assert_cmpuint((uintptr_t)a.data % 64, ==, 0);
    g_assert_cmpuint((uintptr_t)b.data % 64, ==, 0);
    scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(1 << 20));
    memset(b.data, 1, 3);
    size_t peak = scope_arena_get_peak_bytes(arena);
    g_assert_cmpuint(peak, >=, (1U << 22) + 128);
    scope_arena_release(arena, mark);
    g_assert_cmpuint(scope_arena_get_used_bytes(arena), ==, 64);
    g_assert_cmpuint(scope_arena_get_peak_bytes(arena), ==, peak);
    scope_arena_seal(arena);
    size_t capacity = scope_arena_get_capacity_bytes(arena);
    /* the same pattern fits again; more does not, and says so */
    g_assert_true(scope_arena_alloc(arena, SCOPE_DTYPE_U8, SCOPE_SHAPE(3)).data == b.data);
    scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(1 << 20));
    g_assert_cmpuint(scope_arena_get_capacity_bytes(arena), ==, capacity);
    g_assert_false(scope_arena_reserve(arena, 1U << 30, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
}

static void
test_arena_sealed_traps(void)
{
    if (g_test_subprocess()) {
        ScopeArena *arena = scope_arena_create(scope_backend_cpu(), "test");
        scope_arena_seal(arena);
        scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*assertion failed*");
}

typedef struct {
    _Atomic int32_t hits[1000];
    _Atomic int32_t bad_index;
    int n_threads;
} PoolCheck;

static void
count_tile(int64_t tile, int thread_index, void *data)
{
    PoolCheck *check = data;
    atomic_fetch_add(&check->hits[tile], 1);
    if (thread_index < 0 || thread_index >= check->n_threads) {
        atomic_fetch_add(&check->bad_index, 1);
    }
}

/* Every tile runs exactly once, over thousands of small jobs of changing size. */
static void
test_pool(void)
{
    const int n_threads[] = {1, 2, 3, 7};
    for (size_t k = 0; k < G_N_ELEMENTS(n_threads); k++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopePool) pool = scope_pool_create(n_threads[k], &error);
        g_assert_no_error(error);
        g_assert_cmpint(scope_pool_get_n_threads(pool), ==, n_threads[k]);
        for (int job = 0; job < 3000; job++) {
            static PoolCheck check;
            memset(&check, 0, sizeof check);
            check.n_threads = n_threads[k];
            int64_t n = job % 17 == 0 ? 1000 : job % 13;
            scope_pool_run(pool, n, count_tile, &check);
            for (int64_t i = 0; i < 1000; i++) {
                g_assert_cmpint(check.hits[i], ==, i < n ? 1 : 0);
            }
            g_assert_cmpint(check.bad_index, ==, 0);
        }
    }
}

static gpointer
run_jobs(gpointer data)
{
    for (int job = 0; job < 500; job++) {
        PoolCheck check = {.n_threads = 3};
        scope_pool_run(data, 50, count_tile, &check);
        for (int i = 0; i < 50; i++) {
            g_assert_cmpint(check.hits[i], ==, 1);
        }
    }
    return NULL;
}

#define N_STALLED 64

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    gboolean held; /* the worker has a tile */
    int by_caller, by_worker;
} Stalled;

/* A worker that loses its core in the middle of a tile: it goes on once the caller has done all the
 * rest. The caller does not begin before. */
static void
stalled_tile(int64_t tile, int thread_index, void *user_data)
{
    Stalled *s = user_data;
    (void)tile;
    pthread_mutex_lock(&s->lock);
    if (thread_index != 0) {
        s->held = TRUE;
        pthread_cond_broadcast(&s->changed);
        while (s->by_caller < N_STALLED - 1) {
            pthread_cond_wait(&s->changed, &s->lock);
        }
        s->by_worker++;
    } else {
        while (!s->held) {
            pthread_cond_wait(&s->changed, &s->lock);
        }
        s->by_caller++;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
}

/* With a core that somebody else has, a job takes no longer than one thread needs for it: no share
 * of the tiles waits for the stalled worker. A fixed division would hang here. */
static void
test_pool_stalled(void)
{
    g_autoptr(ScopePool) pool = scope_pool_create(2, NULL);
    Stalled s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    scope_pool_run(pool, N_STALLED, stalled_tile, &s);
    g_assert_cmpint(s.by_caller, ==, N_STALLED - 1);
    g_assert_cmpint(s.by_worker, ==, 1);
}

static void
test_pool_shared(void)
{
    g_autoptr(ScopePool) pool = scope_pool_create(3, NULL);
    GThread *threads[3];
    for (int i = 0; i < 3; i++) {
        threads[i] = g_thread_new("caller", run_jobs, pool);
    }
    for (int i = 0; i < 3; i++) {
        g_thread_join(threads[i]);
    }
}

static void
test_alloc_counter(void)
{
    if (!scope_alloc_counter_is_active()) {
        g_test_skip("a sanitizer owns malloc");
        return;
    }
    int64_t before = scope_alloc_counter_read();
    g_autofree char *text = g_strdup("counted");
    g_assert_nonnull(text);
    g_assert_cmpint(scope_alloc_counter_read(), >, before);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/engine/dtype/small-floats", test_small_floats);
    g_test_add_func("/engine/dtype/integers", test_integers);
    g_test_add_func("/engine/tensor/views", test_views);
    g_test_add_func("/engine/arena", test_arena);
    g_test_add_func("/engine/arena/sealed", test_arena_sealed_traps);
    g_test_add_func("/engine/pool", test_pool);
    g_test_add_func("/engine/pool/shared", test_pool_shared);
    g_test_add_func("/engine/pool/stalled", test_pool_stalled);
    g_test_add_func("/engine/alloc-counter", test_alloc_counter);
    return op_test_main();
}
