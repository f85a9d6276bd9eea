/* SPDX-License-Identifier: Apache-2.0 */
/* The estimate of frame rates. */
#include "core/scope-fps.h"

static void
test_estimate(void)
{
    ScopeFps fps;

    scope_fps_init(&fps, 0.0);
    g_assert_cmpfloat(scope_fps_get(&fps), ==, 60.0);
    /* The first batch counts its processing time. */
    scope_fps_add(&fps, 12, 1000000, 600000, 0);
    g_assert_cmpfloat_with_epsilon(scope_fps_get(&fps), 20.0, 1e-9);
    for (guint i = 1; i <= 20; i++)
        scope_fps_add(&fps, 12, 1000000 + i * 1200000, 600000, 0);
    g_assert_cmpfloat_with_epsilon(scope_fps_get(&fps), 10.0, 1e-9); /* ten batches, 1.2 s each */
    scope_fps_add(&fps, 0, 99000000, 1, 0);
    g_assert_cmpfloat_with_epsilon(scope_fps_get(&fps), 10.0, 1e-9);
    /* A pause is not an interval. */
    scope_fps_break(&fps);
    scope_fps_add(&fps, 12, 500000000, 1200000, 0);
    g_assert_cmpfloat_with_epsilon(scope_fps_get(&fps), 10.0, 1e-9);
}

static void
test_limits(void)
{
    ScopeFps fps;

    scope_fps_init(&fps, 0.0);
    for (guint i = 1; i < 20; i++)
        scope_fps_add(&fps, 1, 1000 * i, 10, 0);
    g_assert_cmpfloat(scope_fps_get(&fps), ==, 60.0);
    scope_fps_init(&fps, 0.0);
    for (guint i = 1; i < 20; i++)
        scope_fps_add(&fps, 1, 5000000 * i, 10, 0);
    g_assert_cmpfloat(scope_fps_get(&fps), ==, 1.0);
    scope_fps_init(&fps, 24.0);
    scope_fps_add(&fps, 1, 1000, 10, 0);
    g_assert_cmpfloat(scope_fps_get(&fps), ==, 24.0);
}

static void
test_blocked(void)
{
    ScopeFps fps;

    /* Waiting for the consumer does not make a generator slow. */
    scope_fps_init(&fps, 0.0);
    scope_fps_add(&fps, 1, 1000000, 25000, 0);
    for (guint i = 1; i <= 10; i++)
        scope_fps_add(&fps, 1, 1000000 + i * 100000, 25000, 75000);
    g_assert_cmpfloat_with_epsilon(scope_fps_get(&fps), 40.0, 1e-9);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fps/estimate", test_estimate);
    g_test_add_func("/fps/limits", test_limits);
    g_test_add_func("/fps/blocked", test_blocked);
    return g_test_run();
}
