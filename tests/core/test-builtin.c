/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in pipelines: registration, entries of the schema list, and what they do to pixels. */
#include "pipelines/scope-builtin.h"

#include <string.h>

#include "core/scope-chain.h"
#include "core/scope-frame.h"
#include "core/scope-json.h"
#include "fake-pipelines.h"

typedef struct {
    ScopeRegistry *registry;
    ScopeInstance *instance;
    ScopeChain *chain;
} Run;

static void
run_start(Run *run, const char *id, const char *load, const char *session)
{
    g_autoptr(JsonObject) load_params = fake_json(load);
    g_autoptr(JsonObject) params = fake_json(session);
    g_autoptr(GError) error = NULL;
    ScopeChainConfig config = {.params = params};
    ScopeChainNode node = {.node_id = id};

    run->registry = scope_registry_new();
    g_assert_true(scope_builtin_register_all(run->registry, &error));
    g_assert_no_error(error);
    run->instance = scope_instance_load(scope_registry_lookup(run->registry, id), fake_host(), NULL,
                                        load_params, NULL, &error);
    g_assert_no_error(error);
    node.instance = run->instance;
    run->chain = scope_chain_new(&config, &node, 1, &error);
    g_assert_no_error(error);
    g_assert_true(scope_chain_start(run->chain, &error));
}

static void
run_stop(Run *run)
{
    g_assert_true(scope_chain_stop(run->chain));
    scope_chain_unref(run->chain);
    scope_instance_unref(run->instance);
    scope_registry_free(run->registry);
}

static ScopeFrame *
pop(Run *run)
{
    ScopeFrame *frame = scope_mailbox_pop_until(scope_chain_get_output(run->chain),
                                                g_get_monotonic_time() + 10 * G_USEC_PER_SEC);

    g_assert_nonnull(frame);
    return frame;
}

/* Clients show them in this order. */
static void
test_order(void)
{
    static const char *const order[] = {"streamdiffusionv2",
                                        "longlive",
                                        "krea-realtime-video",
                                        "reward-forcing",
                                        "memflow",
                                        "passthrough",
                                        "video-depth-anything",
                                        "controller-viz",
                                        "rife",
                                        "scribble",
                                        "gray",
                                        "optical-flow",
                                        NULL};
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    guint at = 0;

    g_assert_true(scope_builtin_register_all(registry, NULL));
    for (guint i = 0; i < scope_registry_get_n(registry); i++) {
        const char *id = scope_registry_get(registry, i)->desc->id;

        if (!g_strv_contains((const char *const *)order, id))
            continue;
        while (order[at] != NULL && strcmp(order[at], id) != 0)
            at++;
        g_assert_nonnull(order[at]);
    }
}

static void
test_entries(void)
{
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    g_autoptr(JsonObject) schemas = NULL;
    JsonObject *gray;
    JsonObject *controller;

    g_assert_true(scope_builtin_register_all(registry, NULL));
    schemas = scope_registry_build_schemas(registry);
    gray = scope_json_object_get_object(schemas, "gray");
    controller = scope_json_object_get_object(schemas, "controller-viz");
    g_assert_nonnull(scope_json_object_get_object(schemas, "passthrough"));
    g_assert_cmpstr(json_array_get_string_element(scope_json_object_get_array(gray, "usage"), 0),
                    ==, "preprocessor");
    g_assert_true(scope_json_object_get_bool(gray, "modified", FALSE));
    g_assert_false(scope_json_object_get_bool(gray, "requires_models", TRUE));
    g_assert_true(json_object_get_null_member(gray, "estimated_vram_gb"));
    g_assert_true(json_object_get_null_member(gray, "plugin_name"));
    g_assert_false(json_object_has_member(gray, "mode_defaults"));
    g_assert_cmpstr(scope_json_object_get_string(controller, "default_mode"), ==, "text");
    g_assert_false(scope_json_object_get_bool(controller, "modified", TRUE));
    controller = scope_json_object_get_object(controller, "config_schema");
    controller = scope_json_object_get_object(controller, "properties");
    g_assert_true(json_object_has_member(controller, "ctrl_input"));
}

/* Clients modulate the steps within this range; a schedule itself may hold smaller ones. */
static void
test_modulation(void)
{
    g_autoptr(ScopeRegistry) registry = scope_registry_new();
    g_autoptr(JsonObject) schemas = NULL;
    JsonObject *ui;

    g_assert_true(scope_builtin_register_all(registry, NULL));
    schemas = scope_registry_build_schemas(registry);
    ui = scope_json_object_get_object(schemas, "longlive");
    ui = scope_json_object_get_object(ui, "config_schema");
    ui = scope_json_object_get_object(ui, "properties");
    ui = scope_json_object_get_object(ui, "denoising_steps");
    ui = scope_json_object_get_object(ui, "ui");
    g_assert_cmpint(scope_json_object_get_int(ui, "modulatable_min", 0), ==, 100);
    g_assert_cmpint(scope_json_object_get_int(ui, "modulatable_max", 0), ==, 1000);
}

/* Every member that openapi.yaml names for an entry. */
static void
test_entry_members(void)
{
    static const char *const members[] = {"id",
                                          "name",
                                          "description",
                                          "version",
                                          "docs_url",
                                          "estimated_vram_gb",
                                          "requires_models",
                                          "supported_modes",
                                          "default_mode",
                                          "supports_prompts",
                                          "default_temporal_interpolation_method",
                                          "default_temporal_interpolation_steps",
                                          "default_spatial_interpolation_method",
                                          "supports_lora",
                                          "supports_vace",
                                          "supports_cache_management",
                                          "supports_kv_cache_bias",
                                          "supports_quantization",
                                          "min_dimension",
                                          "recommended_quantization_vram_threshold",
                                          "modified",
                                          "produces_video",
                                          "produces_audio",
                                          "usage",
                                          "inputs",
                                          "outputs",
                                          "config_schema",
                                          "plugin_name"};
    g_autoptr(ScopeRegistry) registry = scope_registry_new();

    g_assert_true(scope_builtin_register_all(registry, NULL));
    for (guint i = 0; i < scope_registry_get_n(registry); i++) {
        g_autoptr(JsonObject) entry =
            scope_pipeline_info_build_entry(scope_registry_get(registry, i));

        for (guint k = 0; k < G_N_ELEMENTS(members); k++)
            g_assert_true(json_object_has_member(entry, members[k]));
    }
}

static void
test_passthrough(void)
{
    Run run;

    run_start(&run, "passthrough", "{'height': 100}", "{'input_mode': 'video'}");
    for (guint i = 0; i < 4; i++) {
        ScopeFrame *in = scope_frame_new(
            i == 3 ? SCOPE_FRAME_FORMAT_RGB24 : SCOPE_FRAME_FORMAT_I420, i == 2 ? 20 : 32, 24);

        memset(in->data[0], 60, in->stride[0] * 24);
        for (guint p = 1; p < 3 && i != 3; p++)
            memset(in->data[p], 90, in->stride[p] * 12);
        in->pts_us = 10 + i;
        in->born_us = 5 + i;
        g_assert_true(scope_chain_push_input(run.chain, in));
    }
    for (guint i = 0; i < 4; i++) {
        g_autoptr(ScopeFrame) out = pop(&run);

        g_assert_cmpint(out->format, ==,
                        i == 3 ? SCOPE_FRAME_FORMAT_RGB24 : SCOPE_FRAME_FORMAT_I420);
        g_assert_cmpuint(out->width, ==, i == 2 ? 20 : 32);
        g_assert_cmpint(out->pts_us, ==, 10 + i);
        g_assert_cmpint(out->born_us, ==, 5 + i);
        g_assert_cmpuint(out->data[0][0], ==, 60);
    }
    run_stop(&run);
}

static void
test_passthrough_does_not_copy(void)
{
    ScopeFrame *in[4];
    Run run;

    run_start(&run, "passthrough", "{}", "{'input_mode': 'video'}");
    for (guint i = 0; i < 4; i++) {
        in[i] = scope_frame_new(SCOPE_FRAME_FORMAT_I420, 16, 16);
        in[i]->pts_us = i;
        g_assert_true(scope_chain_push_input(run.chain, in[i]));
    }
    for (guint i = 0; i < 4; i++) {
        g_autoptr(ScopeFrame) out = pop(&run);

        g_assert_true(out == in[i]);
    }
    run_stop(&run);
}

static void
test_gray(void)
{
    ScopeFrame *in = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, 17, 3);
    ScopeFrame *yuv = scope_frame_new(SCOPE_FRAME_FORMAT_I420, 17, 3);
    Run run;

    run_start(&run, "gray", "{}", "{'input_mode': 'video'}");
    for (guint x = 0; x < 17; x++) {
        guint8 rgb[3] = {200, 100, (guint8)(x * 15)};

        for (guint y = 0; y < 3; y++)
            memcpy(in->data[0] + y * in->stride[0] + 3 * x, rgb, 3);
    }
    memset(yuv->data[0], 77, yuv->stride[0] * 3);
    memset(yuv->data[1], 20, yuv->stride[1] * 2);
    memset(yuv->data[2], 220, yuv->stride[2] * 2);
    in->pts_us = 1;
    yuv->pts_us = 2;
    scope_chain_push_input(run.chain, in);
    {
        g_autoptr(ScopeFrame) out = pop(&run);

        for (guint x = 0; x < 17; x++) {
            const guint8 *p = out->data[0] + 2 * out->stride[0] + 3 * x;
            gdouble want = 0.299 * 200 + 0.587 * 100 + 0.114 * (x * 15);

            g_assert_cmpuint(p[0], ==, p[1]);
            g_assert_cmpuint(p[0], ==, p[2]);
            g_assert_cmpfloat_with_epsilon(p[0], want, 0.51);
        }
    }
    scope_chain_push_input(run.chain, yuv);
    {
        g_autoptr(ScopeFrame) out = pop(&run);

        g_assert_cmpint(out->format, ==, SCOPE_FRAME_FORMAT_I420);
        g_assert_cmpint(out->pts_us, ==, 2);
        g_assert_cmpuint(out->data[0][16], ==, 77);
        g_assert_cmpuint(out->data[1][8], ==, 128);
        g_assert_cmpuint(out->data[2][out->stride[2]], ==, 128);
    }
    run_stop(&run);
}

static const guint8 *
pixel(const ScopeFrame *frame, guint x, guint y)
{
    return frame->data[0] + y * frame->stride[0] + 3 * x;
}

static void
test_controller(void)
{
    ScopeFrame *frame = NULL;
    Run run;

    run_start(&run, "controller-viz", "{'width': 320, 'height': 240}", "{}");
    frame = pop(&run);
    g_assert_cmpuint(frame->width, ==, 320);
    g_assert_cmpuint(pixel(frame, 300, 10)[0], ==, 25);   /* background 0.1 */
    g_assert_cmpuint(pixel(frame, 160, 120)[0], ==, 229); /* the dot, in the centre */
    g_assert_cmpuint(pixel(frame, 160, 120)[1], ==, 25);
    g_assert_cmpuint(pixel(frame, 20, 240 - 50)[0], ==, 76);      /* border of the left key */
    g_assert_cmpuint(pixel(frame, 20 + 15, 240 - 35)[0], ==, 25); /* and its inside */
    scope_frame_unref(frame);

    {
        g_autoptr(JsonObject) params = fake_json(
            "{'ctrl_input': {'button': ['KeyA', 'ArrowUp', 'MouseLeft'], 'mouse': [40, -500]}}");

        g_assert_true(scope_chain_update(run.chain, params, NULL, NULL, NULL));
    }
    for (guint i = 0; i < 6; i++) {
        frame = pop(&run);
        if (i < 5)
            scope_frame_unref(frame);
    }
    g_assert_cmpuint(pixel(frame, 20 + 15, 240 - 35)[0], ==, 229); /* left */
    g_assert_cmpuint(pixel(frame, 55 + 15, 240 - 70)[0], ==, 229); /* up */
    g_assert_cmpuint(pixel(frame, 55 + 15, 240 - 35)[0], ==, 25);  /* down is not held */
    g_assert_cmpuint(pixel(frame, 200, 2)[0], ==, 229);            /* clamped to the edge */
    scope_frame_unref(frame);
    run_stop(&run);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/builtin/order", test_order);
    g_test_add_func("/builtin/entries", test_entries);
    g_test_add_func("/builtin/modulation", test_modulation);
    g_test_add_func("/builtin/entry-members", test_entry_members);
    g_test_add_func("/builtin/passthrough", test_passthrough);
    g_test_add_func("/builtin/passthrough-no-copy", test_passthrough_does_not_copy);
    g_test_add_func("/builtin/gray", test_gray);
    g_test_add_func("/builtin/controller-viz", test_controller);
    return g_test_run();
}
