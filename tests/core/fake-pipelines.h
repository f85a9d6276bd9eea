/* SPDX-License-Identifier: Apache-2.0 */
/* Pipelines for tests of stages and chains: what they do is set through their parameters. */
#ifndef FAKE_PIPELINES_H
#define FAKE_PIPELINES_H

#include "core/scope-instance.h"

G_BEGIN_DECLS

/** FakeParams: the values of every fake pipeline. */
typedef struct {
    gint64 want;      /* frames per chunk; 0 = generator */
    gint64 batch;     /* frames out per chunk of a generator */
    gint64 level;     /* red of generated frames, 0..255 */
    gint64 delay_us;  /* how long process() takes */
    gint64 fail_code; /* 0 = works, 1 = FAILED, 2 = OUT_OF_MEMORY */
    gint64 once;      /* one-shot: added to red once */
    gboolean mute;    /* process() pushes nothing */
    ScopeCtrlInput ctrl_input;
    gboolean has_ctrl_input;
} FakeParams;

/** FakeLog: what happened, across all fake pipelines; under its own lock. */
typedef struct {
    guint n_loads;
    guint n_unloads;
    guint n_streams;
    guint n_stream_frees;
    guint n_resets;
    guint n_calls;
    gdouble mouse_dx; /* sum over all calls */
    gint64 once;      /* sum over all calls */
    char ports[128];  /* names of the ports of the last call */
    ScopeMode mode;   /* of the last call */
} FakeLog;

/** fake_info_new: (transfer full): `fake` (video), `fake-vace` or `fake-fail-load`. */
ScopePipelineInfo *fake_info_new(const char *id);

/** fake_load: (transfer full): an instance of @id with load parameters as JSON text. */
ScopeInstance *fake_load(const char *id, const char *json);

/** fake_log_get: a copy of the log. */
FakeLog fake_log_get(void);

/** fake_log_reset: forgets everything. */
void fake_log_reset(void);

/** fake_json: (transfer full): JSON object from text with single quotes. */
JsonObject *fake_json(const char *text);

/** fake_wait: polls @func up to 10 s. Returns: whether it became true. */
gboolean fake_wait(gboolean (*func)(gpointer), gpointer data);

/** fake_host: the host of all fakes. */
const ScopeHost *fake_host(void);

G_END_DECLS

#endif
