/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the big pipelines against sums made by hand, and the measured rate. Main thread. */
#include "pipelines/scope-estimate.h"

static void
test_operations(void)
{
    /* 2160 tokens, 8640 keys, 5 passes over 30 layers of 1536 and 8960, 3 latents: 12 frames */
    const gdouble linear = 2160.0 * 30 * 2 * (6.0 * 1536 * 1536 + 2.0 * 1536 * 8960);
    const gdouble attention = 2160.0 * 30 * 4 * 1536 * (8640 + 512);
    const gdouble wanted = (5 * (linear + attention) + 3 * 6239e9) / 12 / 1e9;

    g_assert_cmpfloat_with_epsilon(scope_estimate_gflop("longlive"), wanted, wanted * 0.01);
    g_assert_cmpfloat(scope_estimate_gflop("krea-realtime-video"), >, 4 * wanted);
    g_assert_cmpfloat(scope_estimate_gflop("streamdiffusionv2"), >, 0);
    g_assert_cmpfloat(scope_estimate_gflop("gray"), ==, 0);
}

static void
test_seconds(void)
{
    g_assert_cmpfloat(scope_estimate_frame_seconds("longlive"), ==, 0);
    scope_estimate_start(1);
    scope_estimate_finish();
    g_assert_cmpfloat(scope_estimate_frame_seconds("longlive"), >, 0);
    g_assert_cmpfloat(scope_estimate_frame_seconds("krea-realtime-video"), >,
                      scope_estimate_frame_seconds("longlive"));
    g_assert_cmpfloat(scope_estimate_frame_seconds("gray"), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/estimate/operations", test_operations);
    g_test_add_func("/estimate/seconds", test_seconds);
    return g_test_run();
}
