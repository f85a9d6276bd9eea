/* SPDX-License-Identifier: Apache-2.0 */
/* The streaming pipelines as a host sees them, on tiny random weights in the published layout:
 * loading and what is refused, text and video mode. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/support/tiny-models.h"
#include "wan-driver.h"

static const struct {
    const ScopePipelineDesc *desc;
    guint text[3];  /* frames of the first chunks */
    guint n_video;  /* frames that video mode asks for */
    guint video[2]; /* frames of the first chunks in video mode */
} pipelines[] = {
    {&scope_longlive_desc, {9, 12, 12}, 12, {13, 12}},
    {&scope_streamdiffusionv2_desc, {5, 4, 4}, 4, {5, 4}},
    {&scope_memflow_desc, {9, 12, 12}, 12, {13, 12}},
    {&scope_reward_forcing_desc, {9, 12, 12}, 12, {13, 12}},
    {&scope_krea_realtime_video_desc, {9, 12, 12}, 12, {13, 12}},
    {&scope_mini_desc, {5, 8, 8}, 8, {9, 8}}, /* as its config.json says */
};

static DriverFixture fixture;

static ScopeInstance *
load(const char *json)
{
    g_autoptr(GError) error = NULL;
    ScopeInstance *instance = driver_load(&fixture, json, &error);

    g_assert_no_error(error);
    return instance;
}

static GByteArray *
run(Driver *driver, const char *json, const DriverInput *input)
{
    g_autoptr(GError) error = NULL;
    GByteArray *bytes = driver_run(driver, json, input, &error);

    g_assert_no_error(error);
    return bytes;
}

static gboolean
is_same(const GByteArray *a, const GByteArray *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* -- loading ---------------------------------------------------------------------------------- */

static void
refuse(const char *json, ScopePipelineErrorCode code, const char *wanted)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(driver_load(&fixture, json, &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, (gint)code);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, wanted));
}

static void
test_refused(void)
{
    driver_fixture_use(&fixture, &scope_longlive_desc);
    refuse("{'height':100,'width':64}", SCOPE_PIPELINE_ERROR_INVALID, "divisible by 16");
    refuse("{'height':100,'width':64}", SCOPE_PIPELINE_ERROR_INVALID, "height 96 and width 64");
    refuse("{'vae_type':'big'}", SCOPE_PIPELINE_ERROR_INVALID, "vae_type");
    refuse("{'loras':[{'path':'style.safetensors','merge_mode':'never'}]}",
           SCOPE_PIPELINE_ERROR_INVALID, "merge_mode");
}

static void
test_missing_files(void)
{
    static const char *const names[] = {
        "LongLive-1.3B/models/longlive_base.pt", "LongLive-1.3B/models/lora.pt",
        "WanVideo_comfy/Wan2_1-VACE_module_1_3B_bf16.safetensors",
        "WanVideo_comfy/umt5-xxl-enc-fp8_e4m3fn.safetensors", "Wan2.1-T2V-1.3B/Wan2.1_VAE.pth"};

    driver_fixture_use(&fixture, &scope_longlive_desc);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(fixture.models_dir, names[i], NULL);
        g_autofree char *away = g_strconcat(path, ".away", NULL);
        g_assert_cmpint(g_rename(path, away), ==, 0);
        refuse("{}", SCOPE_PIPELINE_ERROR_MISSING_FILE, names[i]);
        refuse("{}", SCOPE_PIPELINE_ERROR_MISSING_FILE, "scope models download longlive");
        g_assert_cmpint(g_rename(away, path), ==, 0);
    }
    /* what is not used need not be there */
    g_autofree char *vace = g_build_filename(fixture.models_dir, names[2], NULL);
    g_autofree char *away = g_strconcat(vace, ".away", NULL);
    g_assert_cmpint(g_rename(vace, away), ==, 0);
    g_autoptr(ScopeInstance) instance = load("{'vace_enabled':false}");
    g_assert_nonnull(instance);
    g_assert_cmpint(g_rename(away, vace), ==, 0);
}

static void
test_cancel(void)
{
    g_autoptr(ScopeLoadProgress) progress = scope_load_progress_new();
    g_autoptr(GError) error = NULL;

    driver_fixture_use(&fixture, &scope_longlive_desc);
    scope_load_progress_cancel(progress);
    g_assert_null(scope_instance_load(fixture.info, &fixture.host, NULL, NULL, progress, &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED);
}

/* -- modes ------------------------------------------------------------------------------------ */

/* Each autoencoder; text, then video, then text again on one stream. */
static void
test_modes(void)
{
    static const char *const types[] = {"wan", "lightvae", "tae", "lighttae"};
    const DriverInput video = {.n_video = 12, .video = 40};

    driver_fixture_use(&fixture, &scope_longlive_desc);
    for (guint i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *json = g_strdup_printf("{'vae_type':'%s','vace_enabled':false}", types[i]);
        g_autoptr(ScopeInstance) instance = load(json);
        g_autoptr(Driver) driver = driver_open(instance);
        const guint wanted[] = {9, 12, 12, 13, 12, 9, 12};
        for (guint j = 0; j < G_N_ELEMENTS(wanted); j++) {
            gboolean is_video = j == 3 || j == 4;
            g_autoptr(GByteArray) frames = run(driver, NULL, is_video ? &video : NULL);
            g_test_message("%s chunk %u", types[i], j);
            g_assert_cmpuint(driver_count(frames), ==, wanted[j]);
        }
    }
}

/* Every pipeline: as many frames as the contract says, and the same ones again. */
static void
test_pipelines(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(pipelines); i++) {
        const DriverInput video = {.n_video = pipelines[i].n_video, .video = 40};
        const ScopeCall ask = {.mode = SCOPE_MODE_VIDEO};
        driver_fixture_use(&fixture, pipelines[i].desc);
        g_autoptr(ScopeInstance) instance = load("{'vae_type':'tae'}");
        g_autoptr(Driver) driver = driver_open(instance);
        g_autoptr(Driver) again = driver_open(instance);
        g_test_message("%s", pipelines[i].desc->id);
        g_assert_cmpuint(pipelines[i].desc->prepare(driver->stream, &ask), ==,
                         pipelines[i].n_video);
        for (guint j = 0; j < 5; j++) {
            const DriverInput *input = j < 3 ? NULL : &video;
            g_autoptr(GByteArray) frames = run(driver, NULL, input);
            g_autoptr(GByteArray) same = run(again, NULL, input);
            g_assert_cmpuint(driver_count(frames), ==,
                             j < 3 ? pipelines[i].text[j] : pipelines[i].video[j - 3]);
            g_assert_true(is_same(frames, same));
        }
    }
}

static void
test_quantization(void)
{
    static const char *const kinds[] = {"fp8_e4m3fn", "int8"};

    driver_fixture_use(&fixture, &scope_longlive_desc);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *json = g_strdup_printf("{'quantization':'%s','vae_type':'tae'}", kinds[i]);
        g_autoptr(ScopeInstance) instance = load(json);
        g_autoptr(Driver) driver = driver_open(instance);
        g_autoptr(GByteArray) frames = run(driver, NULL, NULL);
        g_assert_cmpuint(driver_count(frames), ==, 9);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    driver_fixture_init(&fixture);
    g_test_add_func("/wan-host/refused", test_refused);
    g_test_add_func("/wan-host/missing-files", test_missing_files);
    g_test_add_func("/wan-host/cancel", test_cancel);
    g_test_add_func("/wan-host/modes", test_modes);
    g_test_add_func("/wan-host/pipelines", test_pipelines);
    g_test_add_func("/wan-host/quantization", test_quantization);
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
