/* SPDX-License-Identifier: Apache-2.0 */
/* Instances and the loader: results, failures, cancelling, order of unload and load, shutdown. */
#include "core/scope-loader.h"

#include "core/scope-json.h"
#include "fake-pipelines.h"

typedef struct {
    GMainLoop *loop;
    ScopeInstance *instance;
    GError *error;
    guint n_unloads_before;
    guint n_done;
} Result;

static void
on_done(ScopeInstance *instance, const GError *error, gpointer user_data)
{
    Result *result = user_data;

    result->instance = instance;
    g_clear_error(&result->error);
    result->error = error != NULL ? g_error_copy(error) : NULL;
    result->n_unloads_before = fake_log_get().n_unloads;
    result->n_done++;
    g_main_loop_quit(result->loop);
}

static void
load(ScopeLoader *loader, Result *result, const char *id, const char *json,
     ScopeLoadProgress *progress)
{
    g_autoptr(ScopePipelineInfo) info = fake_info_new(id);
    g_autoptr(JsonObject) params = fake_json(json);

    scope_loader_load(loader, info, params, progress, on_done, result);
    g_main_loop_run(result->loop);
}

static gboolean
all_unloaded(gpointer data)
{
    return scope_instance_count() == 0;
}

static void
test_load(void)
{
    g_autoptr(ScopeLoader) loader = scope_loader_new(fake_host(), NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(ScopeLoadProgress) progress = scope_load_progress_new();
    g_autoptr(JsonObject) same = fake_json("{'level': 1.0}");
    g_autofree char *stage = NULL;
    Result result = {.loop = loop};
    gdouble ratio = 0.0;

    load(loader, &result, "fake", "{'level': 1}", progress);
    g_assert_no_error(result.error);
    g_assert_true(scope_instance_matches(result.instance, "fake", same));
    g_assert_false(scope_instance_matches(result.instance, "fake", NULL));
    g_assert_false(scope_instance_matches(result.instance, "other", same));
    stage = scope_load_progress_get(progress, &ratio);
    g_assert_cmpstr(stage, ==, "Loading fake...");
    g_assert_cmpfloat(ratio, ==, 0.5);
    scope_instance_unref(result.instance);
    g_assert_true(fake_wait(all_unloaded, NULL));
}

static void
test_failures(void)
{
    g_autoptr(ScopeLoader) loader = scope_loader_new(fake_host(), NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(ScopeLoadProgress) progress = scope_load_progress_new();
    Result result = {.loop = loop};

    load(loader, &result, "fake-fail-load", "{}", NULL);
    g_assert_null(result.instance);
    g_assert_error(result.error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED);

    load(loader, &result, "fake", "{'level': 'red', 'want': -1}", NULL);
    g_assert_null(result.instance);
    g_assert_error(result.error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID);
    g_assert_cmpstr(result.error->message, ==,
                    "Loading fake failed: level must be an integer from 0 to 255, not \"red\"; "
                    "want must be an integer of at least 0, not -1");

    scope_load_progress_cancel(progress);
    load(loader, &result, "fake", "{}", progress);
    g_assert_null(result.instance);
    g_assert_error(result.error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED);
    g_clear_error(&result.error);
}

static void
test_retired_goes_first(void)
{
    g_autoptr(ScopeLoader) loader = scope_loader_new(fake_host(), NULL);
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    Result result = {.loop = loop};

    fake_log_reset();
    for (guint i = 1; i <= 50; i++) {
        ScopeInstance *old;

        load(loader, &result, "fake", "{}", NULL);
        old = g_steal_pointer(&result.instance);
        scope_loader_retire(loader, old);
        load(loader, &result, "fake", "{}", NULL);
        g_assert_cmpuint(result.n_unloads_before, ==, 2 * i - 1);
        scope_loader_retire(loader, g_steal_pointer(&result.instance));
    }
    g_assert_true(fake_wait(all_unloaded, NULL));
}

static void
test_free_with_work(void)
{
    g_autoptr(ScopePipelineInfo) info = fake_info_new("fake");

    for (guint i = 0; i < 100; i++) {
        ScopeLoader *loader = scope_loader_new(fake_host(), NULL);
        ScopeInstance *kept = scope_instance_load(info, fake_host(), loader, NULL, NULL, NULL);
        Result result = {.loop = NULL};

        for (guint k = 0; k < 3; k++)
            scope_loader_load(loader, info, NULL, NULL, on_done, &result);
        if (i % 2)
            scope_instance_unref(g_steal_pointer(&kept));
        scope_loader_free(loader);
        scope_instance_unref(kept); /* outlives the loader: unloaded right here */
        while (g_main_context_iteration(NULL, FALSE))
            ;
        g_assert_cmpuint(result.n_done, ==, 0);
    }
    g_assert_cmpuint(scope_instance_count(), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loader/load", test_load);
    g_test_add_func("/loader/failures", test_failures);
    g_test_add_func("/loader/retired-first", test_retired_goes_first);
    g_test_add_func("/loader/free-with-work", test_free_with_work);
    return g_test_run();
}
