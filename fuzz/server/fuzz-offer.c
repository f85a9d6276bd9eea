/* SPDX-License-Identifier: Apache-2.0 */
/* initialParameters of offers: JSON, graph, validation, and the plan that comes of it. */
#include <stddef.h>
#include <stdint.h>

#include "core/scope-host.h"
#include "core/scope-json.h"
#include "server/scope-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ScopeManager *
get_manager(ScopeRegistry **ret_registry)
{
    static ScopeManager *manager;
    static ScopeRegistry *registry;
    static ScopeHost host;

    if (!manager) {
        scope_host_init(&host, "/nonexistent");
        registry = scope_registry_new();
        manager = scope_manager_new(registry, &host, NULL);
    }
    *ret_registry = registry;
    return manager;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ScopeRegistry *registry = NULL;
    ScopeManager *manager = get_manager(&registry);
    g_autoptr(JsonObject) initial =
        scope_json_parse_object((const char *)data, (gssize)size, 0, NULL);
    g_autoptr(ScopeFaults) faults = scope_faults_new("body");
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopePlan) plan = NULL;

    if (!initial) {
        return 0;
    }
    plan = scope_plan_new(manager, registry, initial, faults, &error);
    /* Exactly one of the three: a plan, an error, or faults. */
    g_assert_true((plan != NULL) + (error != NULL) + !scope_faults_is_empty(faults) == 1);
    if (!scope_faults_is_empty(faults)) {
        g_autofree char *text = scope_faults_dup_text(faults);
        JsonNode *body = scope_faults_dup_body(faults);
        g_assert_true(g_utf8_validate(text, -1, NULL));
        json_node_unref(body);
    }
    return 0;
}
