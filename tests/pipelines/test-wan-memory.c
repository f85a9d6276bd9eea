/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out at every place where a streaming pipeline asks the system for it: the load,
 * the session or the chunk fails with OUT_OF_MEMORY, and what is there goes on once there is memory
 * again. Main thread.
 */
#include <string.h>

#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/support/tiny-models.h"
#include "support/scope-memory-fault.h"
#include "wan-driver.h"

#define MAX_PLACES 200

static DriverFixture fixture;

typedef struct {
    const ScopePipelineDesc *desc;
    const char *name;
    const char *load;
} Case;

#define ADAPTERS                                                                                   \
    "'loras':[{'path':'style.safetensors'},"                                                       \
    "{'path':'other.safetensors','merge_mode':'runtime_peft'}]"

static const Case cases[] = {
    {&scope_longlive_desc, "vace", "{'vae_type':'tae'}"},
    {&scope_longlive_desc, "adapters", "{'quantization':'fp8_e4m3fn'," ADAPTERS "}"},
    {&scope_streamdiffusionv2_desc, "plain", "{'vace_enabled':false}"},
    {&scope_memflow_desc, "plain", "{'vae_type':'lighttae','vace_enabled':false}"},
    {&scope_reward_forcing_desc, "plain", "{'vae_type':'tae','vace_enabled':false}"},
    {&scope_krea_realtime_video_desc, "plain", "{'vae_type':'lightvae','vace_enabled':false}"},
    {&scope_mini_desc, "plain", "{}"},
};

/* Whether memory ran out since it was limited; then @error must tell it. Clears both. */
static gboolean
has_run_out(GError **error)
{
    const gint n_failed = scope_memory_fault_clear();

    g_assert_cmpint(n_failed > 0, ==, *error != NULL);
    if (*error == NULL) {
        return FALSE;
    }
    g_assert_error(*error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY);
    g_assert_nonnull(strstr((*error)->message, "bytes"));
    g_clear_error(error);
    return TRUE;
}

static ScopeInstance *
load_short(const Case *c)
{
    ScopeInstance *instance = NULL;

    for (gint n = 0; instance == NULL; n++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(n, <, MAX_PLACES);
        scope_memory_fault_set(n);
        instance = driver_load(&fixture, c->load, &error);
        g_assert_cmpint(has_run_out(&error), ==, instance == NULL);
    }
    return instance;
}

static Driver *
open_short(ScopeInstance *instance)
{
    Driver *driver = NULL;

    for (gint n = 0; driver == NULL; n++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(n, <, MAX_PLACES);
        scope_memory_fault_set(n);
        driver = driver_try_open(instance, &error);
        g_assert_cmpint(has_run_out(&error), ==, driver == NULL);
    }
    return driver;
}

/* A chunk that first has no further memory at all, then a little more, until it is enough. */
static void
run_short(Driver *driver, const char *json, const DriverInput *input)
{
    g_autoptr(GByteArray) bytes = NULL;

    for (gint n = 0; bytes == NULL; n++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(n, <, MAX_PLACES);
        scope_memory_fault_set(n);
        bytes = driver_run(driver, json, input, &error);
        g_assert_cmpint(has_run_out(&error), ==, bytes == NULL);
    }
    g_assert_cmpuint(driver_count(bytes), >, 0);
}

static void
test_memory(gconstpointer data)
{
    static const DriverInput video = {.n_video = 12, .video = 40};
    const Case *c = data;
    g_autoptr(ScopeInstance) instance = NULL;
    g_autoptr(Driver) driver = NULL;

    driver_fixture_use(&fixture, c->desc);
    instance = load_short(c);
    driver = open_short(instance);
    run_short(driver, NULL, NULL);
    run_short(driver, "{'prompts':['a dog','a much longer prompt of a bird']}", NULL);
    run_short(driver, NULL, &video);
    if (strcmp(c->name, "vace") == 0) {
        run_short(driver, "{'vace_ref_images':['red','blue']}", NULL);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    driver_fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/wan-memory/%s/%s", cases[i].desc->id, cases[i].name);
        g_test_add_data_func(path, &cases[i], test_memory);
    }
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
