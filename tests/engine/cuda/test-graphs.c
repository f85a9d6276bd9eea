/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host logic of device backends that needs no device: plans by shape, recording and replaying on a
 * backend that counts, and what a full or lost device does to a context (the emulated module, the
 * argument). Main thread.
 */
#include <string.h>

#include "engine/scope-devices.h"
#include "engine/scope-engine-error.h"
#include "engine/scope-graphs.h"
#include "engine/scope-ops.h"
#include "engine/scope-plans.h"

/* ---- plans --------------------------------------------------------------------------------- */

static int n_freed;

static void
count_free(gpointer plan)
{
    (void)plan;
    n_freed++;
}

static void
test_plans(void)
{
    ScopePlans *plans = scope_plans_create(3, count_free);
    gpointer found;
    for (int i = 0; i < 3; i++) {
        g_assert_false(scope_plans_find(plans, &i, sizeof i, &found));
        scope_plans_insert(plans, &i, sizeof i, i == 1 ? NULL : GINT_TO_POINTER(10 + i));
    }
    int zero = 0, one = 1, two = 2, three = 3;
    g_assert_true(scope_plans_find(plans, &one, sizeof one, &found));
    g_assert_null(found); /* that there is no plan is known too */
    g_assert_true(scope_plans_find(plans, &zero, sizeof zero, &found));
    scope_plans_insert(plans, &three, sizeof three, GINT_TO_POINTER(13));
    g_assert_cmpint(n_freed, ==, 1); /* 2 was the least recently used */
    g_assert_false(scope_plans_find(plans, &two, sizeof two, &found));
    g_assert_true(scope_plans_find(plans, &zero, sizeof zero, &found));
    g_assert_cmpint(GPOINTER_TO_INT(found), ==, 10);
    /* a longer key with the same beginning is another */
    guint8 longer[8] = {0};
    g_assert_false(scope_plans_find(plans, longer, sizeof longer, &found));
    g_assert_cmpuint(scope_plans_get_n(plans), ==, 3);
    scope_plans_destroy(plans);
    g_assert_cmpint(n_freed, ==, 3);
}

/* ---- graphs -------------------------------------------------------------------------------- */

static struct {
    gboolean records, spoils;
    int n_run, n_begun, n_launched, n_freed;
} fake;

static gboolean
fake_begin(ScopeContext *ctx)
{
    (void)ctx;
    fake.n_begun++;
    return fake.records;
}

static void *
fake_end(ScopeContext *ctx)
{
    return fake.spoils ? NULL : ctx;
}

static void
fake_launch(ScopeContext *ctx, void *graph)
{
    g_assert_true(graph == ctx);
    fake.n_launched++;
}

static void
fake_free(const ScopeBackend *backend, void *graph)
{
    (void)backend;
    (void)graph;
    fake.n_freed++;
}

static void
work(ScopeContext *ctx, gpointer user_data)
{
    (void)ctx;
    (void)user_data;
    fake.n_run++;
}

/* Six calls: shape 1 four times, another shape in between, and the first again. */
static ScopeGraphsCounts
run_six(gboolean records, gboolean spoils, guint capacity)
{
    ScopeBackend backend = *scope_backend_cpu();
    g_autoptr(ScopePool) pool = scope_pool_create(1, NULL);
    const int keys[6] = {1, 1, 1, 2, 2, 1};
    memset(&fake, 0, sizeof fake);
    fake.records = records;
    fake.spoils = spoils;
    backend.capture_begin = fake_begin;
    backend.capture_end = fake_end;
    backend.graph_launch = fake_launch;
    backend.graph_free = fake_free;
    ScopeContext *ctx = scope_context_create(&backend, pool, NULL);
    ScopeGraphs *graphs = scope_graphs_create(ctx, capacity);
    for (int i = 0; i < 6; i++) {
        scope_graphs_run(graphs, &keys[i], sizeof keys[i], work, NULL);
    }
    ScopeGraphsCounts counts = scope_graphs_get_counts(graphs);
    scope_graphs_destroy(graphs);
    scope_context_destroy(ctx);
    return counts;
}

static void
test_graphs(void)
{
    ScopeGraphsCounts c = run_six(TRUE, FALSE, 4);
    /* each shape: once directly, once recorded; all but the first call of a shape replay */
    g_assert_cmpuint(c.n_direct, ==, 2);
    g_assert_cmpuint(c.n_recorded, ==, 2);
    g_assert_cmpuint(c.n_replayed, ==, 4);
    g_assert_cmpint(fake.n_run, ==, 4);
    g_assert_cmpint(fake.n_launched, ==, 4);
    g_assert_cmpint(fake.n_freed, ==, 2);
    /* room for one: the shape that comes back starts anew */
    c = run_six(TRUE, FALSE, 1);
    g_assert_cmpuint(c.n_direct, ==, 3);
    g_assert_cmpint(fake.n_freed, ==, 2);
    /* a backend that cannot record, and work that needs the host: every call runs, asked once */
    c = run_six(FALSE, FALSE, 4);
    g_assert_cmpuint(c.n_direct, ==, 6);
    g_assert_cmpint(fake.n_begun, ==, 2);
    c = run_six(TRUE, TRUE, 4);
    g_assert_cmpuint(c.n_direct, ==, 6);
    g_assert_cmpuint(c.n_replayed, ==, 0);
    g_assert_cmpint(fake.n_begun, ==, 2);
}

/* ---- failures ------------------------------------------------------------------------------ */

/* A device that fills up in the middle of work: nothing crashes, the error is told, and the context
 * works again. */
static void
test_full(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopePool) pool = scope_pool_create(1, NULL);
    const ScopeBackend *backend = scope_devices_open("cuda", SCOPE_PRECISION_F32, &error);
    g_assert_no_error(error);
    g_setenv("SCOPE_EMULATED", "full:50000000", TRUE);
    ScopeContext *ctx = scope_context_create(backend, pool, &error);
    g_assert_no_error(error);
    ScopeArena *arena = scope_arena_create(backend, "test");
    ScopeTensor small = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(8));
    float values[8] = {1, 2, 3, 4, 5, 6, 7, 8}, got[8];
    scope_context_upload(ctx, small, values);
    g_assert_true(scope_context_synchronize(ctx, &error));
    ScopeTensor large = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(20000000));
    scope_op_fill(ctx, large, 1.0F);
    scope_op_fill(ctx, small, 9.0F); /* is not done: the work of the chunk has already failed */
    scope_context_download(ctx, got, small);
    g_assert_cmpfloat(got[3], ==, 0.0F);
    g_assert_false(scope_context_synchronize(ctx, &error));
    g_assert_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_OUT_OF_MEMORY);
    g_assert_nonnull(strstr(error->message, "free"));
    g_clear_error(&error);
    scope_context_download(ctx, got, small);
    g_assert_cmpfloat(got[3], ==, 4.0F);
    g_assert_true(scope_context_synchronize(ctx, &error));
    g_assert_false(scope_arena_reserve(arena, (size_t)80000000, &error));
    g_assert_nonnull(strstr(error->message, "test"));
    scope_arena_destroy(arena);
    scope_context_destroy(ctx);
    g_unsetenv("SCOPE_EMULATED");
}

/* A lost device stays lost: every later synchronize says so, and tearing down works. */
static void
test_lost(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopePool) pool = scope_pool_create(1, NULL);
    const ScopeBackend *backend = scope_devices_open("cuda:1", SCOPE_PRECISION_F32, &error);
    ScopeContext *ctx = scope_context_create(backend, pool, &error);
    g_assert_no_error(error);
    ScopeArena *arena = scope_arena_create(backend, "test");
    ScopeTensor t = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(8));
    g_setenv("SCOPE_EMULATED", "lost:0", TRUE);
    scope_op_fill(ctx, t, 1.0F);
    for (int i = 0; i < 2; i++) {
        g_assert_false(scope_context_synchronize(ctx, &error));
        g_assert_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_DEVICE_LOST);
        g_assert_nonnull(strstr(error->message, "device 1"));
        g_clear_error(&error);
        g_unsetenv("SCOPE_EMULATED");
    }
    scope_op_fill(ctx, t, 2.0F);
    /* the device is not opened again, the other one is */
    g_assert_null(scope_devices_open("cuda:1", SCOPE_PRECISION_BF16, &error));
    g_assert_error(error, SCOPE_ENGINE_ERROR, SCOPE_ENGINE_ERROR_NO_DEVICE);
    g_assert_nonnull(strstr(error->message, "restart"));
    g_assert_cmpstr(scope_devices_open("auto", SCOPE_PRECISION_F32, NULL)->name, ==, "cuda");
    scope_arena_destroy(arena);
    scope_context_destroy(ctx);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, ==, 2);
    g_setenv("SCOPE_CUDA_MODULE", argv[1], TRUE);
    g_test_add_func("/graphs/plans", test_plans);
    g_test_add_func("/graphs/state", test_graphs);
    g_test_add_func("/graphs/full-device", test_full);
    g_test_add_func("/graphs/lost-device", test_lost);
    return g_test_run();
}
