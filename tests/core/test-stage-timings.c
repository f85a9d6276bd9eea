/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a chunk: sums within a chunk, averages over chunks, and a bound. */
#include "core/scope-stage-timings.h"

static void
test_sums_and_averages(void)
{
    ScopeStageTimings all = {0};

    for (int i = 0; i < 3; i++) {
        ScopeStageTimings chunk = {0};

        scope_stage_timings_add(&chunk, "text", 10);
        scope_stage_timings_add(&chunk, "decode", 100 + 16 * i);
        scope_stage_timings_add(&chunk, "text", 5);
        scope_stage_timings_merge(&all, &chunk);
    }
    g_assert_cmpuint(all.n_parts, ==, 2);
    g_assert_cmpstr(all.parts[0].name, ==, "text");
    g_assert_cmpint(all.parts[0].last_us, ==, 15);
    g_assert_cmpint(all.parts[0].total_us, ==, 45);
    g_assert_cmpint(all.parts[1].avg_us, ==, 102); /* 100, then a sixteenth of 16 and of 31 */
    g_assert_cmpint(all.parts[1].last_us, ==, 132);
    g_assert_cmpuint(all.parts[1].n_chunks, ==, 3);
}

static void
test_bound(void)
{
    ScopeStageTimings timings = {0};
    char names[SCOPE_STAGE_MAX_PARTS + 4][8];

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_snprintf(names[i], sizeof names[i], "%u", i);
        scope_stage_timings_add(&timings, names[i], 1);
    }
    g_assert_cmpuint(timings.n_parts, ==, SCOPE_STAGE_MAX_PARTS);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stage-timings/sums-and-averages", test_sums_and_averages);
    g_test_add_func("/stage-timings/bound", test_bound);
    return g_test_run();
}
