/* SPDX-License-Identifier: Apache-2.0 */
/* Every control of the streaming pipelines, through the interface that hosts use, on tiny random
 * weights: each changes the picture in the chunk that is promised and not before, and a wrong value
 * costs one chunk or one load, never the stream. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-param-snapshot.h"
#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/mini/scope-mini.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/support/tiny-models.h"
#include "support/scope-alloc-counter.h"
#include "support/scope-tiny-wan.h"
#include "wan-driver.h"

static DriverFixture fixture;

static ScopeInstance *
load(const ScopePipelineDesc *desc, const char *json)
{
    g_autoptr(GError) error = NULL;
    ScopeInstance *instance;

    driver_fixture_use(&fixture, desc);
    instance = driver_load(&fixture, json, &error);
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

/* -- what each control does ------------------------------------------------------------------- */

#define PLAIN "{'vae_type':'tae','vace_enabled':false}"
#define VACE  "{'vae_type':'tae'}"
#define LORA                                                                                       \
    "{'vae_type':'tae','vace_enabled':false,'loras':[{'path':'style.safetensors','scale':1,"       \
    "'merge_mode':'runtime_peft'}]}"
#define MINI_LORA "{'loras':[{'path':'style.safetensors','merge_mode':'runtime_peft'}]}"
#define TO_DOG    "{'transition':{'target_prompts':[{'text':'a dog'}],'num_steps':"

static const DriverInput no_input = {0};
static const DriverInput video = {.n_video = 12, .video = 40};
static const DriverInput guides = {.n_guides = 12, .guide = 40};
static const DriverInput other_guides = {.n_guides = 12, .guide = 140};
static const DriverInput masked = {.n_guides = 12, .guide = 40, .n_masks = 12, .mask = 100};

typedef struct {
    const char *name;
    const ScopePipelineDesc *desc;
    const char *load;
    const DriverInput *input;   /* of every chunk */
    const char *before;         /* (nullable): parameters of all chunks */
    const char *change;         /* parameters of the chunk that changes */
    const DriverInput *changed; /* (nullable): its input instead */
    guint delay;                /* chunks until it shows */
} Control;

static const Control controls[] = {
    {"prompt", &scope_longlive_desc, PLAIN, &no_input, NULL, "{'prompts':['a dog']}", NULL, 0},
    {"prompt", &scope_streamdiffusionv2_desc, PLAIN, &no_input, NULL, "{'prompts':['a dog']}", NULL,
     0},
    {"prompt", &scope_memflow_desc, PLAIN, &no_input, NULL, "{'prompts':['a dog']}", NULL, 0},
    {"prompt", &scope_reward_forcing_desc, PLAIN, &no_input, NULL, "{'prompts':['a dog']}", NULL,
     0},
    {"prompt", &scope_krea_realtime_video_desc, PLAIN, &no_input, NULL, "{'prompts':['a dog']}",
     NULL, 0},
    {"prompt", &scope_mini_desc, "{}", &no_input, NULL, "{'prompts':['a dog']}", NULL, 0},
    {"prompt over video", &scope_longlive_desc, PLAIN, &video, NULL, "{'prompts':['a dog']}", NULL,
     0},
    {"two prompts", &scope_longlive_desc, PLAIN, &no_input, NULL,
     "{'prompts':[{'text':'a cat','weight':1},{'text':'a dog','weight':1}]}", NULL, 0},
    {"weight", &scope_longlive_desc, PLAIN, &no_input,
     "{'prompts':[{'text':'a cat','weight':1},{'text':'a dog','weight':1}]}",
     "{'prompts':[{'text':'a cat','weight':3},{'text':'a dog','weight':1}]}", NULL, 0},
    {"four prompts", &scope_longlive_desc, PLAIN, &no_input, NULL,
     "{'prompts':['a cat','a dog','a bird','a fish']}", NULL, 0},
    {"slerp", &scope_longlive_desc, PLAIN, &no_input, NULL,
     "{'prompts':['a cat','a dog'],'prompt_interpolation_method':'slerp'}", NULL, 0},
    {"transition", &scope_longlive_desc, PLAIN, &no_input, NULL, TO_DOG "4}}", NULL, 1},
    {"transition by slerp", &scope_krea_realtime_video_desc, PLAIN, &no_input, NULL,
     TO_DOG "3,'temporal_interpolation_method':'slerp'}}", NULL, 1},
    {"transition of one step", &scope_memflow_desc, PLAIN, &no_input, NULL, TO_DOG "1}}", NULL, 0},
    {"steps", &scope_longlive_desc, PLAIN, &no_input, NULL, "{'denoising_step_list':[1000,500]}",
     NULL, 0},
    {"reset", &scope_longlive_desc, PLAIN, &no_input, NULL, "{'reset_cache':true}", NULL, 0},
    {"seed", &scope_longlive_desc, PLAIN, &no_input, NULL, "{'base_seed':7}", NULL, 0},
    {"bias", &scope_krea_realtime_video_desc, PLAIN, &no_input, NULL,
     "{'kv_cache_attention_bias':0.9}", NULL, 0},
    {"adapter", &scope_longlive_desc, LORA, &no_input, NULL,
     "{'lora_scales':[{'path':'style.safetensors','scale':-2}]}", NULL, 0},
    {"adapter, caches kept", &scope_longlive_desc, LORA, &no_input, "{'manage_cache':false}",
     "{'lora_scales':[{'path':'style.safetensors','scale':-2}]}", NULL, 0},
    {"noise", &scope_longlive_desc, PLAIN, &video, "{'noise_controller':false}",
     "{'noise_scale':0.3}", NULL, 0},
    {"noise", &scope_mini_desc, "{}", &video, NULL, "{'noise_scale':0.3}", NULL, 0},
    {"two prompts", &scope_mini_desc, "{}", &no_input, NULL, "{'prompts':['a cat','a dog']}", NULL,
     0},
    {"transition", &scope_mini_desc, "{}", &no_input, NULL, TO_DOG "3}}", NULL, 1},
    {"one step", &scope_mini_desc, "{}", &no_input, NULL, "{'denoising_step_list':[1000]}", NULL,
     0},
    {"four steps", &scope_mini_desc, "{}", &no_input, NULL,
     "{'denoising_step_list':[1000,900,600,200]}", NULL, 0},
    {"reset", &scope_mini_desc, "{}", &no_input, NULL, "{'reset_cache':true}", NULL, 0},
    {"seed", &scope_mini_desc, "{}", &no_input, NULL, "{'base_seed':7}", NULL, 0},
    {"adapter", &scope_mini_desc, MINI_LORA, &no_input, NULL,
     "{'lora_scales':[{'path':'style.safetensors','scale':-2}]}", NULL, 0},
    {"to video", &scope_mini_desc, "{}", &no_input, NULL, "{}", &video, 0},
    {"controller", &scope_longlive_desc, PLAIN, &video, "{'noise_scale':0.3}",
     "{'noise_controller':false}", NULL, 0},
    {"to video", &scope_longlive_desc, PLAIN, &no_input, NULL, "{}", &video, 0},
    {"to text", &scope_longlive_desc, PLAIN, &video, NULL, "{}", &no_input, 0},
    {"reference", &scope_longlive_desc, VACE, &no_input, NULL, "{'vace_ref_images':['red']}", NULL,
     0},
    {"first frame", &scope_longlive_desc, VACE, &no_input, NULL, "{'first_frame_image':'red'}",
     NULL, 0},
    {"last frame", &scope_longlive_desc, VACE, &no_input, NULL, "{'last_frame_image':'blue'}", NULL,
     0},
    {"guide", &scope_longlive_desc, VACE, &guides, NULL, "{}", &other_guides, 0},
    {"mask", &scope_longlive_desc, VACE, &guides, NULL, "{}", &masked, 0},
    {"strength", &scope_longlive_desc, VACE, &guides, NULL, "{'vace_context_scale':0.2}", NULL, 0},
};

/* Two sessions side by side; only one gets the change. */
static void
test_control(gconstpointer data)
{
    const Control *c = data;
    g_autoptr(ScopeInstance) instance = load(c->desc, c->load);
    g_autoptr(Driver) plain = driver_open(instance);
    g_autoptr(Driver) changed = driver_open(instance);

    for (guint i = 0; i < 3 + c->delay; i++) {
        const char *json = i == 0 ? c->before : NULL;
        gboolean now = i == 2;
        g_autoptr(GByteArray) a = run(plain, json, c->input);
        g_autoptr(GByteArray) b =
            run(changed, now ? c->change : json, now && c->changed != NULL ? c->changed : c->input);
        g_assert_cmpint(is_same(a, b), ==, i < 2 + c->delay);
    }
}

/* One-shot values act once: with nothing kept in caches the pictures agree again. */
static void
test_once(void)
{
    g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, VACE);
    g_autoptr(Driver) plain = driver_open(instance);
    g_autoptr(Driver) once = driver_open(instance);
    g_autoptr(GByteArray) a = run(plain, NULL, NULL);
    g_autoptr(GByteArray) b = run(once, "{'vace_ref_images':['red']}", NULL);
    g_autoptr(GByteArray) c = run(plain, "{'reset_cache':true}", NULL);
    g_autoptr(GByteArray) d = run(once, "{'reset_cache':true}", NULL);

    g_assert_false(is_same(a, b));
    g_assert_true(is_same(c, d));
}

/* Merged adapters and those at run time both change the picture, and add up. */
static void
test_adapters(void)
{
    static const char *const loras[] = {
        "",
        "{'path':'style.safetensors'}",
        "{'path':'style.safetensors'},{'path':'other.safetensors','scale':2}",
        "{'path':'style.safetensors','merge_mode':'runtime_peft'}",
        "{'path':'style.safetensors','merge_mode':'runtime_peft'},{'path':'other.safetensors'}",
    };
    GByteArray *frames[G_N_ELEMENTS(loras)];

    for (guint i = 0; i < G_N_ELEMENTS(loras); i++) {
        g_autofree char *json =
            g_strdup_printf("{'vae_type':'tae','vace_enabled':false,'loras':[%s]}", loras[i]);
        g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, json);
        g_autoptr(Driver) driver = driver_open(instance);
        frames[i] = run(driver, NULL, NULL);
        for (guint j = 0; j < i; j++) {
            /* merged or not, the same adapter gives the same picture but for rounding */
            g_assert_true((i == 3 && j == 1) || !is_same(frames[i], frames[j]));
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(loras); i++) {
        g_byte_array_unref(frames[i]);
    }
}

/* Mini at other sizes than its own: the table of places is resampled. */
static void
test_sizes(void)
{
    static const int sizes[][2] = {{32, 32}, {64, 96}, {128, 32}};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *json =
            g_strdup_printf("{'height':%d,'width':%d}", sizes[i][0], sizes[i][1]);
        g_autoptr(ScopeInstance) instance = load(&scope_mini_desc, json);
        g_autoptr(Driver) driver = driver_open(instance);
        g_autoptr(GByteArray) frames = run(driver, NULL, NULL);
        g_assert_cmpuint(frames->len, ==, 5 * 3 * sizes[i][0] * sizes[i][1]);
    }
}

/* -- what goes wrong -------------------------------------------------------------------------- */

static void
test_picture_that_is_not_there(void)
{
    g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, VACE);
    g_autoptr(Driver) driver = driver_open(instance);
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) before = run(driver, NULL, NULL);

    g_assert_cmpuint(driver_count(before), ==, 9);
    g_assert_null(driver_run(driver, "{'first_frame_image':'gone.png'}", NULL, &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE);
    g_assert_nonnull(strstr(error->message, "gone.png"));
    g_autoptr(GByteArray) after = run(driver, NULL, NULL);
    g_assert_cmpuint(driver_count(after), ==, 12);
}

static void
test_adapter_that_cannot_be_read(void)
{
    g_autofree char *path = g_build_filename(fixture.models_dir, "lora", "junk.safetensors", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "<html>", -1, NULL));
    driver_fixture_use(&fixture, &scope_longlive_desc);
    g_assert_null(
        driver_load(&fixture, "{'vae_type':'tae','loras':[{'path':'junk.safetensors'}]}", &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "junk.safetensors"));
    g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, PLAIN);
    g_assert_nonnull(instance);
}

/* A model whose numbers are not finite fails its chunks; the next load is not touched by it. */
static void
test_not_a_number(void)
{
    ScopeTinyWan tiny = SCOPE_TINY_WAN;
    g_autofree char *path =
        g_build_filename(fixture.models_dir, "Reward-Forcing-T2V-1.3B", "rewardforcing.pt", NULL);
    g_autofree char *away = g_strconcat(path, ".away", NULL);

    tiny.config.text_dim = 32;
    tiny.fill_nan = "blocks.0.ffn.0.bias";
    g_assert_cmpint(g_rename(path, away), ==, 0);
    scope_tiny_wan_write(&tiny, path);
    g_autoptr(ScopeInstance) broken = load(&scope_reward_forcing_desc, PLAIN);
    g_autoptr(Driver) driver = driver_open(broken);
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(driver_run(driver, NULL, NULL, &error));
        g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED);
        g_assert_nonnull(strstr(error->message, "not finite"));
    }
    g_assert_cmpint(g_rename(away, path), ==, 0);
    g_autoptr(ScopeInstance) sound = load(&scope_reward_forcing_desc, PLAIN);
    g_autoptr(Driver) works = driver_open(sound);
    g_autoptr(GByteArray) frames = run(works, NULL, NULL);
    g_assert_cmpuint(driver_count(frames), ==, 9);
}

static void
test_waits_for_prompts(void)
{
    g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, PLAIN);
    g_autoptr(Driver) driver = driver_open(instance);
    g_autoptr(GByteArray) none = run(driver, "{'prompts':[]}", NULL);
    g_autoptr(GByteArray) some = run(driver, "{'prompts':['a cat']}", NULL);

    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpuint(driver_count(some), ==, 9);
}

/* -- sessions --------------------------------------------------------------------------------- */

/* Sessions that take turns on one instance do not see each other. */
static void
test_sessions_are_apart(void)
{
    g_autoptr(ScopeInstance) instance = load(&scope_longlive_desc, PLAIN);
    g_autoptr(Driver) alone = driver_open(instance);
    g_autoptr(Driver) a = driver_open(instance);
    g_autoptr(Driver) b = driver_open(instance);

    for (guint i = 0; i < 3; i++) {
        g_autoptr(GByteArray) want = run(alone, NULL, NULL);
        g_autoptr(GByteArray) got = run(a, NULL, NULL);
        g_autoptr(GByteArray) other =
            run(b, i == 0 ? "{'prompts':['a dog'],'base_seed':3}" : NULL, i == 1 ? &video : NULL);
        g_assert_true(is_same(want, got));
        g_assert_false(is_same(want, other));
    }
}

static void
test_steady_state_allocates_nothing(void)
{
    static const ScopePipelineDesc *const descs[] = {
        &scope_longlive_desc,       &scope_streamdiffusionv2_desc,   &scope_memflow_desc,
        &scope_reward_forcing_desc, &scope_krea_realtime_video_desc, &scope_mini_desc};

    if (!scope_alloc_counter_is_active()) {
        g_test_skip("a sanitizer owns malloc");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(descs); i++) {
        g_autoptr(ScopeInstance) instance = load(descs[i], PLAIN);
        g_autoptr(Driver) driver = driver_open(instance);
        g_autoptr(ScopeParamSnapshot) values =
            scope_param_snapshot_new(fixture.info->table, NULL, driver->record);
        ScopeCall call = {.size = sizeof(ScopeCall),
                          .params = scope_param_snapshot_get_values(values),
                          .output = &driver->output};
        int64_t before = 0;
        for (int chunk = 0; chunk < 10; chunk++) {
            before = chunk == 7 ? scope_alloc_counter_read() : before;
            g_assert_true(descs[i]->process(driver->stream, &call, NULL));
            scope_output_reset(&driver->output);
        }
        int64_t n = scope_alloc_counter_read() - before;
        g_test_message("%s", descs[i]->id);
        g_assert_cmpint(n, ==, 0);
    }
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    driver_fixture_init(&fixture);
    for (guint i = 0; i < G_N_ELEMENTS(controls); i++) {
        g_autofree char *path =
            g_strdup_printf("/wan-controls/%s/%s", controls[i].desc->id, controls[i].name);
        g_strdelimit(path, " ,", '-');
        g_test_add_data_func(path, &controls[i], test_control);
    }
    g_test_add_func("/wan-controls/once", test_once);
    g_test_add_func("/wan-controls/adapters", test_adapters);
    g_test_add_func("/wan-controls/sizes", test_sizes);
    g_test_add_func("/wan-controls/picture-that-is-not-there", test_picture_that_is_not_there);
    g_test_add_func("/wan-controls/adapter-that-cannot-be-read", test_adapter_that_cannot_be_read);
    g_test_add_func("/wan-controls/not-a-number", test_not_a_number);
    g_test_add_func("/wan-controls/waits-for-prompts", test_waits_for_prompts);
    g_test_add_func("/wan-controls/sessions-are-apart", test_sessions_are_apart);
    g_test_add_func("/wan-controls/steady-state-allocates-nothing",
                    test_steady_state_allocates_nothing);
    status = g_test_run();
    driver_fixture_clear(&fixture);
    return status;
}
