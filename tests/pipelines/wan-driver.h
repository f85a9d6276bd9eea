/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a pipeline through ScopePipelineDesc as a stage does: JSON parameters in, frames out.
 * Pictures and adapters come from a folder of the test. One thread. */
#pragma once

#include "core/scope-frame.h"
#include "core/scope-host-private.h"
#include "core/scope-instance.h"

G_BEGIN_DECLS

/** DriverFixture: a folder of tiny models and a host that reads from it. */
typedef struct {
    ScopeHost host; /* first: services find the fixture */
    char *folder;
    char *models_dir;
    ScopePipelineInfo *info;
} DriverFixture;

/** Driver: one session. */
typedef struct {
    ScopeInstance *instance;
    gpointer stream;
    JsonObject *record;
    ScopeOutput output;
    guint64 n_chunks;
} Driver;

/** driver_fixture_init: writes the models. */
void driver_fixture_init(DriverFixture *fixture);
/** driver_fixture_clear: removes them. */
void driver_fixture_clear(DriverFixture *fixture);
/** driver_fixture_use: chooses the pipeline @desc. */
void driver_fixture_use(DriverFixture *fixture, const ScopePipelineDesc *desc);

/** driver_json: (transfer full): an object from text with single quotes. */
JsonObject *driver_json(const char *text);

/** driver_load: (transfer full) (nullable): an instance at TINY_MODELS_SIZE with @json besides. */
ScopeInstance *driver_load(DriverFixture *fixture, const char *json, GError **error);

/** driver_open: a session on @instance, of which it takes a reference, with the prompt "a cat". */
Driver *driver_open(ScopeInstance *instance);
/** driver_try_open: the same; (nullable): NULL with @error set when it cannot be opened. */
Driver *driver_try_open(ScopeInstance *instance, GError **error);
/** driver_close: (nullable): ends it. */
void driver_close(Driver *driver);

/** DriverInput: frames for the ports of a chunk; all of one colour, (nullable) by @n_frames. */
typedef struct {
    guint n_video, n_guides, n_masks;
    guint8 video, guide, mask; /* brightness of the first frame; later ones are brighter */
} DriverInput;

/**
 * driver_run:
 * @json: (nullable): parameters that change with this chunk; one-shot ones act once
 * @input: (nullable): frames; video mode when there are any
 *
 * Returns: (transfer full) (nullable): the bytes of the frames, one after the other; NULL with
 * @error set when the chunk failed.
 */
GByteArray *driver_run(Driver *driver, const char *json, const DriverInput *input, GError **error);

/** driver_count: frames in @bytes. */
guint driver_count(const GByteArray *bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Driver, driver_close)

G_END_DECLS
