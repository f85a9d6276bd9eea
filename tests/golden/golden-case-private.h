/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a case and what scope-goldens does with it. Main thread only. */
#pragma once

#include "golden-case.h"

#include "engine/scope-backend-module.h"

/* How the cases of one run are computed. On a device the tolerances of case.json, which are those
 * of f32 on a CPU, become ten times as wide; in bf16 the relative L2 error of each tensor must stay
 * within three times the one that case.json recorded for its group, and what has no record is
 * reported, not judged; fp8 is only reported. */
typedef struct {
    int n_threads;
    const ScopeBackend *backend;
    gboolean is_device;
    ScopePrecision precision;
    gboolean int8; /* errors with 8-bit weights are measured, not judged */
} GoldenSetup;

struct _GoldenCase {
    char *folder;
    char *name;
    const char *family;
    const char *kind;
    gboolean prefixed; /* "in." and "out." in front of tensor names */
    const GoldenSetup *setup;
    gboolean int8_ran; /* the handler has a model that takes 8-bit weights */
    JsonParser *parser;
    JsonObject *root;
    ScopeCheckpoint *io; /* (nullable) */
    ScopeCheckpoint *weights;
    GPtrArray *opened;  /* checkpoints of golden_open() */
    GPtrArray *memory;  /* g_free: copies and results */
    GHashTable *loaded; /* full name -> GoldenTensor */
    GHashTable *used;   /* full names that were read, checked or excused */

    char *missing; /* (nullable): the last input that was asked for and is not there */

    /* verdict */
    guint n_checks;
    guint n_unjudged; /* checks that had an error to report and no bound */
    guint n_failures;
    GString *report;    /* a line a failure */
    double worst_ratio; /* error / tolerance of the worst tensor; relative L2 with int8 */
    double worst_error;
    double worst_tolerance;
    char *worst_name;
};

/* Reads case.json of @folder; NULL with @error set when it is in neither format. */
GoldenCase *golden_case_open(const char *folder, const GoldenSetup *setup, GError **error);
void golden_case_close(GoldenCase *c);

/* Records a failure line. */
void golden_fail(GoldenCase *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Fails the case for every tensor that nobody used. */
void golden_check_unused(GoldenCase *c);

/* Finds an expected tensor and marks it used; records a failure when it is absent. */
const GoldenTensor *golden_take_out(GoldenCase *c, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GoldenCase, golden_case_close)
