/* SPDX-License-Identifier: Apache-2.0 */
/* The pipeline whose load waits. Counters are under one lock; any thread. */
#include "gate-pipeline.h"

#include "core/scope-lock.h"

/* Longest wait of a load that nobody lets through. */
#define GATE_WAIT_S 20

static ScopeLock gate_lock = SCOPE_LOCK_INIT;
static guint gate_n_open, gate_n_waiting, gate_n_loads;

typedef struct {
    gint64 size;
    ScopeLoraList loras;
} GateParams;

static const ScopeParamDesc gate_params[] = {
    SCOPE_PARAM_INT(GateParams, size, "8", .flags = SCOPE_PARAM_HAS_MIN | SCOPE_PARAM_HAS_MAX,
                    .min = 1, .max = 100, .apply = SCOPE_PARAM_APPLY_LOAD, .help = "Any number."),
    SCOPE_PARAM_LORAS(GateParams, loras, "[]", .flags = SCOPE_PARAM_HIDDEN, .help = "Adapters."),
};

static gboolean
gate_take(void)
{
    SCOPE_LOCK_GUARD(&gate_lock);
    if (gate_n_open == 0) {
        return FALSE;
    }
    gate_n_open--;
    return TRUE;
}

static gboolean
gate_load(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
          gpointer *ret_instance, GError **error)
{
    gboolean is_open = FALSE;
    gint64 deadline_us = g_get_monotonic_time() + GATE_WAIT_S * G_USEC_PER_SEC;

    scope_lock_lock(&gate_lock);
    gate_n_loads++;
    gate_n_waiting++;
    scope_lock_unlock(&gate_lock);
    while (!(is_open = gate_take()) && host->progress(progress, "Loading VAE...", 0.5) &&
           g_get_monotonic_time() < deadline_us) {
        g_usleep(500);
    }
    scope_lock_lock(&gate_lock);
    gate_n_waiting--;
    scope_lock_unlock(&gate_lock);
    if (!is_open) {
        g_set_error_literal(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_CANCELLED,
                            "cancelled");
        return FALSE;
    }
    *ret_instance = g_new0(int, 1);
    return TRUE;
}

static guint32
gate_prepare(gpointer stream, const ScopeCall *call)
{
    return 1;
}

static gboolean
gate_process(gpointer stream, const ScopeCall *call, GError **error)
{
    return TRUE;
}

static const ScopePipelineDesc gate_desc = {
    .abi_version = SCOPE_ABI_VERSION,
    .size = sizeof(ScopePipelineDesc),
    .id = "gate",
    .name = "Gate",
    .description = "Loads when the test lets it.",
    .version = "1.0.0",
    .schema_title = "GateConfig",
    .modes = SCOPE_MODES_BOTH,
    .default_mode = SCOPE_MODE_VIDEO,
    .min_dimension = 1,
    .input_formats = SCOPE_FRAME_FORMAT_BIT(SCOPE_FRAME_FORMAT_RGB24),
    .params = gate_params,
    .n_params = G_N_ELEMENTS(gate_params),
    .params_size = sizeof(GateParams),
    .load = gate_load,
    .unload = g_free,
    .prepare = gate_prepare,
    .process = gate_process,
};

void
gate_open(guint n)
{
    SCOPE_LOCK_GUARD(&gate_lock);
    gate_n_open += n;
}

guint
gate_get_n_waiting(void)
{
    SCOPE_LOCK_GUARD(&gate_lock);
    return gate_n_waiting;
}

guint
gate_get_n_loads(void)
{
    SCOPE_LOCK_GUARD(&gate_lock);
    return gate_n_loads;
}

void
gate_reset(void)
{
    SCOPE_LOCK_GUARD(&gate_lock);
    gate_n_open = 0;
    gate_n_loads = 0;
}

const ScopePipelineDesc *
gate_get_desc(void)
{
    return &gate_desc;
}
