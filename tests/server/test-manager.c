/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline manager with pipelines whose loads wait, fail or are asked for twice. */
#include <string.h>

#include "core/scope-host.h"
#include "core/scope-json.h"
#include "fake-pipelines.h"
#include "gate-pipeline.h"
#include "server/scope-manager.h"

#define WAIT_US (20 * G_USEC_PER_SEC)

static ScopeRegistry *registry;
static ScopeManager *manager;
static guint n_changes;

static void
on_changed(ScopeManager *changed, gpointer user_data)
{
    n_changes++;
}

static void
set_up(void)
{
    g_autoptr(ScopePipelineInfo) fake = fake_info_new("fake");
    g_autoptr(ScopePipelineInfo) fail = fake_info_new("fake-fail-load");
    g_autoptr(GError) error = NULL;

    registry = scope_registry_new();
    scope_registry_add(registry, fake);
    scope_registry_add(registry, fail);
    g_assert_true(scope_registry_register(registry, gate_get_desc(), NULL, &error));
    manager = scope_manager_new(registry, fake_host(), &error);
    g_assert_no_error(error);
    scope_manager_set_changed(manager, on_changed, NULL);
}

static void
tear_down(void)
{
    g_clear_pointer(&manager, scope_manager_free);
    g_clear_pointer(&registry, scope_registry_free);
    gate_reset();
}

static void
load(guint n, const char *const *keys, const char *const *ids, const char *const *params)
{
    g_autofree ScopeManagerEntry *entries = g_new0(ScopeManagerEntry, n);

    for (guint i = 0; i < n; i++) {
        entries[i].key = keys[i];
        entries[i].pipeline_id = ids[i];
        entries[i].load_params = params && params[i] ? fake_json(params[i]) : NULL;
    }
    scope_manager_load(manager, entries, n);
    for (guint i = 0; i < n; i++) {
        g_clear_pointer(&entries[i].load_params, json_object_unref);
    }
}

static void
load_one(const char *key, const char *id, const char *params)
{
    load(1, &key, &id, &params);
}

static gboolean
on_tick(gpointer user_data)
{
    return G_SOURCE_CONTINUE;
}

static gboolean
wait_for(gboolean (*condition)(void))
{
    gint64 deadline_us = g_get_monotonic_time() + WAIT_US;
    guint tick = g_timeout_add(2, on_tick, NULL);
    gboolean is_met;

    while (!(is_met = condition()) && g_get_monotonic_time() < deadline_us) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
    return is_met;
}

static gboolean
is_settled(void)
{
    return scope_manager_get_state(manager) != SCOPE_MANAGER_LOADING;
}

static gboolean
is_one_waiting(void)
{
    return gate_get_n_waiting() == 1;
}

static gboolean
is_none_waiting(void)
{
    return gate_get_n_waiting() == 0;
}

static char *
take(const char *member)
{
    g_autoptr(JsonObject) status = scope_manager_take_status(manager);

    return g_strdup(scope_json_object_get_string(status, member));
}

static void
assert_status(const char *expected)
{
    g_autofree char *status = take("status");

    g_assert_cmpstr(status, ==, expected);
}

static void
test_states(void)
{
    g_autofree char *stage = NULL;

    set_up();
    assert_status("not_loaded");
    load_one("a", "gate", NULL);
    assert_status("loading");
    g_assert_true(wait_for(is_one_waiting));
    stage = take("loading_stage");
    g_assert_cmpstr(stage, ==, "Loading VAE...");
    gate_open(1);
    g_assert_true(wait_for(is_settled));
    assert_status("loaded");
    g_assert_nonnull(scope_manager_lookup(manager, "a"));
    g_assert_cmpuint(n_changes, >=, 2);
    tear_down();
}

static void
test_identical_requests_load_once(void)
{
    ScopeInstance *instance;

    set_up();
    load_one("gate", "gate", "{'size':9}");
    load_one("gate", "gate", "{'size':9}");
    gate_open(1);
    g_assert_true(wait_for(is_settled));
    assert_status("loaded");
    g_assert_cmpuint(gate_get_n_loads(), ==, 1);
    instance = scope_manager_lookup(manager, "gate");
    load_one("gate", "gate", "{'size':9}");
    assert_status("loaded");
    g_assert_true(scope_manager_lookup(manager, "gate") == instance);
    /* Another key takes the instance over, other parameters do not. */
    load_one("renamed", "gate", "{'size':9}");
    assert_status("loaded");
    g_assert_true(scope_manager_lookup(manager, "renamed") == instance);
    g_assert_cmpuint(gate_get_n_loads(), ==, 1);
    load_one("renamed", "gate", NULL);
    assert_status("loading");
    gate_open(1);
    g_assert_true(wait_for(is_settled));
    g_assert_cmpuint(gate_get_n_loads(), ==, 2);
    tear_down();
}

#define ADAPTERS(runtime_scale, merged_scale)                                                      \
    "{'loras':[{'path':'a','merge_mode':'runtime_peft','scale':" runtime_scale                     \
    "},{'path':'b','scale':" merged_scale "}]}"

static void
assert_scales(gdouble runtime, gdouble merged)
{
    g_autoptr(JsonObject) status = scope_manager_take_status(manager);
    JsonArray *list = scope_json_object_get_array(status, "loaded_lora_adapters");
    JsonObject *items[2];

    g_assert_nonnull(list);
    g_assert_cmpuint(json_array_get_length(list), ==, 2);
    for (guint i = 0; i < 2; i++) {
        items[i] = json_array_get_object_element(list, i);
    }
    g_assert_cmpstr(scope_json_object_get_string(items[0], "path"), ==, "a");
    g_assert_cmpfloat(scope_json_object_get_double(items[0], "scale", 0), ==, runtime);
    g_assert_cmpfloat(scope_json_object_get_double(items[1], "scale", 0), ==, merged);
}

/* The scale of a run-time adapter changes without a load, that of a merged one does not. */
static void
test_scales_of_adapters(void)
{
    ScopeInstance *instance;
    g_autoptr(JsonObject) message = fake_json("{'lora_scales':[{'path':'a','scale':-2},"
                                              "{'path':'b','scale':3},{'path':'c','scale':4}]}");

    set_up();
    load_one("gate", "gate", ADAPTERS("1", "1"));
    gate_open(1);
    g_assert_true(wait_for(is_settled));
    instance = scope_manager_lookup(manager, "gate");
    assert_scales(1.0, 1.0);
    scope_manager_set_scales(manager, scope_json_object_get_array(message, "lora_scales"));
    assert_scales(-2.0, 1.0);
    load_one("gate", "gate", ADAPTERS("0.5", "1"));
    assert_status("loaded");
    g_assert_true(scope_manager_lookup(manager, "gate") == instance);
    assert_scales(0.5, 1.0);
    load_one("gate", "gate", ADAPTERS("0.5", "2"));
    assert_status("loading");
    gate_open(1);
    g_assert_true(wait_for(is_settled));
    assert_scales(0.5, 2.0);
    tear_down();
}

static void
test_newest_wins(void)
{
    set_up();
    load_one("gate", "gate", "{'size':1}");
    g_assert_true(wait_for(is_one_waiting));
    /* The first load is cancelled; it never was let through. */
    load_one("fake", "fake", NULL);
    g_assert_true(wait_for(is_settled));
    assert_status("loaded");
    g_assert_null(scope_manager_lookup(manager, "gate"));
    g_assert_nonnull(scope_manager_lookup(manager, "fake"));
    g_assert_true(wait_for(is_none_waiting));
    tear_down();
}

static void
test_failures(void)
{
    const char *keys[] = {"bad", "unknown", "good"};
    const char *ids[] = {"fake-fail-load", "nothing", "fake"};
    g_autofree char *error = NULL;

    set_up();
    load(3, keys, ids, NULL);
    g_assert_true(wait_for(is_settled));
    g_assert_nonnull(scope_manager_lookup(manager, "good"));
    error = take("error");
    g_assert_nonnull(strstr(error, "Invalid pipeline ID: nothing"));
    /* Read once, forgotten. */
    assert_status("loaded");
    g_free(error);
    load_one("gate", "gate", "{'size':1000}");
    g_assert_true(wait_for(is_settled));
    error = take("error");
    g_assert_nonnull(strstr(error, "size"));
    g_assert_nonnull(strstr(error, "100"));
    assert_status("not_loaded");
    tear_down();
}

static void
test_order_and_unload(void)
{
    const char *keys[] = {"x", "y"};
    const char *ids[] = {"fake", "fake"};
    const char *swapped[] = {"y", "x"};
    ScopeInstance *x, *y;

    set_up();
    load(2, keys, ids, NULL);
    g_assert_true(wait_for(is_settled));
    x = scope_manager_lookup(manager, "x");
    y = scope_manager_lookup(manager, "y");
    g_assert_true(x && y && x != y);
    load(2, swapped, ids, NULL);
    assert_status("loaded");
    g_assert_true(scope_manager_lookup(manager, "x") == x);
    g_assert_cmpstr(scope_manager_get_key(manager, 0), ==, "y");
    load_one("x", "fake", NULL);
    g_assert_null(scope_manager_lookup(manager, "y"));
    g_assert_cmpuint(scope_manager_get_n(manager), ==, 1);
    tear_down();
}

static void
test_free_while_loading(void)
{
    set_up();
    load_one("gate", "gate", NULL);
    g_assert_true(wait_for(is_one_waiting));
    tear_down();
    g_assert_true(wait_for(is_none_waiting));
    g_assert_cmpuint(scope_instance_count(), ==, 0);
}

/* Many requests in a row: what is asked for last is what is there. */
static void
test_storm(void)
{
    set_up();
    for (guint i = 0; i < 200; i++) {
        g_autofree char *key = g_strdup_printf("k%u", i % 7);
        g_autofree char *params = g_strdup_printf("{'want':%u}", 1 + i % 3);
        load_one(key, "fake", params);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_true(wait_for(is_settled));
    g_assert_cmpuint(scope_manager_get_n(manager), ==, 1);
    g_assert_cmpstr(scope_manager_get_key(manager, 0), ==, "k3");
    tear_down();
    g_assert_cmpuint(scope_instance_count(), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/server/manager/states", test_states);
    g_test_add_func("/server/manager/identical-requests", test_identical_requests_load_once);
    g_test_add_func("/server/manager/scales-of-adapters", test_scales_of_adapters);
    g_test_add_func("/server/manager/newest-wins", test_newest_wins);
    g_test_add_func("/server/manager/failures", test_failures);
    g_test_add_func("/server/manager/order-and-unload", test_order_and_unload);
    g_test_add_func("/server/manager/free-while-loading", test_free_while_loading);
    g_test_add_func("/server/manager/storm", test_storm);
    return g_test_run();
}
